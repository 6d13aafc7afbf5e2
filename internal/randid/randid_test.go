package randid_test

import (
	"bytes"
	"crypto/rand"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/internal/randid"
)

func TestNew(t *testing.T) {
	id, err := randid.New(bytes.NewReader(make([]byte, 16)))
	require.NoError(t, err)
	require.Equal(t, "00000000000000000000000000", id)
	id, err = randid.New(bytes.NewReader(bytes.Repeat([]byte{0xff}, 16)))
	require.NoError(t, err)
	require.Equal(t, "vvvvvvvvvvvvvvvvvvvvvvvvvs", id)

	unique(t, func() (string, error) { return randid.New(rand.Reader) })

	_, err = randid.New(bytes.NewReader(make([]byte, 15)))
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
}

func TestOrdered(t *testing.T) {
	noon := time.Date(2026, 5, 17, 12, 0, 0, 0, time.UTC)
	unique(t, func() (string, error) { return randid.Ordered(noon, rand.Reader) })

	var ids []string
	for _, at := range []time.Time{
		time.Unix(-1, 0), time.UnixMilli(1), noon, noon.Add(time.Millisecond), noon.Add(time.Hour), noon.AddDate(100, 0, 0),
		time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC),
	} {
		id, err := randid.Ordered(at, rand.Reader)
		require.NoError(t, err)
		ids = append(ids, id)
	}
	require.True(t, slices.IsSorted(ids), ids)

	_, err := randid.Ordered(noon, bytes.NewReader(make([]byte, 9)))
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
}

func TestNoIdentifierCostsMoreThanItsText(t *testing.T) {
	require.LessOrEqual(t, testing.AllocsPerRun(100, func() {
		_, _ = randid.Ordered(time.Now(), rand.Reader)
	}), 2.0) // the race detector adds one
}

func unique(t *testing.T, next func() (string, error)) {
	t.Helper()
	seen := map[string]bool{}
	for range 100 {
		id, err := next()
		require.NoError(t, err)
		require.Regexp(t, `^[0-9a-v]{26}$`, id)
		require.Len(t, id, randid.Len)
		require.False(t, seen[id], "the same id twice")
		seen[id] = true
	}
}
