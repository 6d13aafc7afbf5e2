package timekey_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/internal/timekey"
	"github.com/clientele-go/clientele/store"
)

func TestKeysOfTimesSortAsTheTimesDo(t *testing.T) {
	noon := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name string
		t    time.Time
		want string
	}{
		{"a whole second", noon, "2026-07-01T12:00:00.000000Z"},
		{"a zone east of Greenwich", noon.In(time.FixedZone("", 3600)), "2026-07-01T12:00:00.000000Z"},
		{"parts of a microsecond are cut", noon.Add(1999), "2026-07-01T12:00:00.000001Z"},
		{"the last moment there is", time.Date(9999, 12, 31, 23, 59, 59, 999999000, time.UTC), "9999-12-31T23:59:59.999999Z"},
		{"what a zone moves behind it", time.Date(9999, 12, 31, 23, 59, 59, 0, time.FixedZone("", -3600)), "9999-12-31T23:59:59.999999Z"},
	} {
		t.Run(c.name, func(t *testing.T) {
			require.Equal(t, c.want, timekey.Of(c.t))
		})
	}
	require.Less(t, timekey.Of(noon), timekey.Of(noon.Add(time.Microsecond)))
}

func TestBoundsOfTimes(t *testing.T) {
	noon := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name string
		t    time.Time
		want string
	}{
		{"the zero time is no bound", time.Time{}, ""},
		{"a whole microsecond is itself", noon, timekey.Of(noon)},
		{"a part of a microsecond begins with the next one", noon.Add(1), timekey.Of(noon.Add(time.Microsecond))},
		{"the year 1", time.Date(1, 1, 1, 0, 0, 1, 0, time.UTC), "0001-01-01T00:00:01.000000Z"},
		{"the last microsecond of 9999", time.Date(9999, 12, 31, 23, 59, 59, 999999000, time.UTC), "9999-12-31T23:59:59.999999Z"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := timekey.Bound("from", c.t)
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		})
	}
	for _, c := range []struct {
		name string
		t    time.Time
		want string
	}{
		{"the year 0", time.Date(0, 12, 31, 23, 59, 59, 0, time.UTC), "from is in the year 0, want 1 to 9999"},
		{"behind the last microsecond", time.Date(9999, 12, 31, 23, 59, 59, 999999001, time.UTC), "from is in the year 10000, want 1 to 9999"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := timekey.Bound("from", c.t)
			require.ErrorIs(t, err, store.ErrInvalid)
			require.ErrorContains(t, err, c.want)
		})
	}
}
