package audit_test

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/audit"
)

// An id begins with the time, so that a store adds events at the end of its index.
func TestIDsOfEventsGrowWithTheTime(t *testing.T) {
	now := time.UnixMilli(-1)
	log, _ := newLog(t, audit.Config{Now: func() time.Time { return now }})
	id := func() string {
		event, err := log.Change(audit.WithActor(t.Context(), ada), audit.Entry{Action: "client.add", Subject: subject})
		require.NoError(t, err)
		return event.Change.Record.ID
	}
	require.Regexp(t, "^0000000000?[0-9a-v]{16,17}$", id(), "before 1970 it is as in 1970")
	var ids []string
	for _, at := range []time.Time{
		time.UnixMilli(1), noon, noon.Add(time.Millisecond), noon.Add(time.Hour), noon.AddDate(100, 0, 0),
		time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC),
	} {
		now = at
		one, two := id(), id()
		require.NotEqual(t, one, two)
		require.Regexp(t, "^[0-9a-v]{26}$", one)
		require.Equal(t, one[:9], two[:9])
		ids = append(ids, min(one, two), max(one, two))
	}
	require.True(t, slices.IsSorted(ids), ids)
}

func TestAnIDNeedsAllItsRandomness(t *testing.T) {
	log, _ := newLog(t, audit.Config{Rand: bytes.NewReader(make([]byte, 9))})
	_, err := log.Change(audit.WithActor(t.Context(), ada), audit.Entry{Action: "client.add", Subject: subject})
	require.ErrorContains(t, err, "reading randomness")
}
