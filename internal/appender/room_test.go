package appender_test

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/internal/appender"
	"github.com/clientele-go/clientele/memstore"
	"github.com/clientele-go/clientele/store"
)

// A store keeps no slice that it was given: what is in the room of a batch is written,
// whatever the next batch puts there.
func TestRoomIsUsedAgainForEachBatch(t *testing.T) {
	s := memstore.New()
	defer s.Close()
	a := appender.New(appender.Config{Store: s, Batch: 3})
	build := func(n, size int) appender.Build {
		return func(_ context.Context, room *appender.Room) (store.Record, bool) {
			r := record(fmt.Sprint(n))
			r.Data = append(room.Bytes(size), bytes.Repeat([]byte{byte(n)}, size)...)
			r.Labels = room.Labels(n % 3)
			for k := range n % 3 {
				r.Labels = append(r.Labels, store.Label{Key: fmt.Sprint("k", k), Value: fmt.Sprint(n)})
			}
			return r, true
		}
	}
	const most = 100
	for n := range most {
		require.True(t, a.AddFunc(build(n, n*n*13))) // up to more than a room has
		if n%7 == 0 {
			require.NoError(t, a.Flush(t.Context()))
		}
	}
	require.NoError(t, a.Close(t.Context()))
	for n := range most {
		r, err := s.Get(t.Context(), "log", fmt.Sprint(n))
		require.NoError(t, err)
		require.Len(t, r.Data, n*n*13)
		require.Equal(t, len(r.Data), bytes.Count(r.Data, []byte{byte(n)}), "%d", n)
		require.Len(t, r.Labels, n%3)
		for _, l := range r.Labels {
			require.Equal(t, fmt.Sprint(n), l.Value)
		}
	}
}

func TestRoomOfNobodyIsOrdinaryMemory(t *testing.T) {
	var room *appender.Room
	data, labels := room.Bytes(7), room.Labels(2)
	require.Equal(t, []int{0, 7, 0, 2}, []int{len(data), cap(data), len(labels), cap(labels)})
}

func TestWhatIsTakenOfARoomDoesNotOverlap(t *testing.T) {
	room := new(appender.Room)
	var all [][]byte
	for n := range 200 {
		b := room.Bytes(1 + n*7%1000)
		require.Empty(t, b)
		b = append(b, byte(n))
		all = append(all, append(b, bytes.Repeat([]byte{byte(n)}, cap(b)-1)...))
	}
	for n, b := range all {
		require.Len(t, b, 1+n*7%1000)
		require.Equal(t, len(b), bytes.Count(b, []byte{byte(n)}))
	}
}

// Those in ascending order, as a log has them, are not looked up, and an entry is used
// again: neither may let one pass, or write one that is gone.
func TestRecordsThatComeTwiceInABatchWhateverTheirOrder(t *testing.T) {
	for name, ids := range map[string][]string{
		"one after the other":  {"a", "a", "b"},
		"with one in between":  {"a", "b", "a"},
		"in descending order":  {"c", "b", "a", "b"},
		"in ascending order":   {"a", "b", "c"},
		"of several at once":   {"b", "a", "b", "a"},
		"after those in order": {"a", "b", "c", "c"},
	} {
		t.Run(name, func(t *testing.T) {
			s := memstore.New()
			defer s.Close()
			a := appender.New(appender.Config{Store: s, Lost: func(r store.Record, err error) { t.Errorf("%s: %v", r.ID, err) }})
			for range 3 {
				for n, id := range ids {
					if n%2 == 0 {
						require.True(t, a.Add(record(id)))
					} else {
						require.True(t, a.AddFunc(func(context.Context, *appender.Room) (store.Record, bool) { return record(id), true }))
					}
				}
				require.NoError(t, a.Flush(t.Context()))
			}
			want := slices.Compact(slices.Sorted(slices.Values(ids)))
			page, err := s.List(t.Context(), store.Query{Kind: "log", Count: true, Limit: 1})
			require.NoError(t, err)
			require.Equal(t, len(want), page.Total)
		})
	}
}
