package memstore_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/memstore"
	"github.com/clientele-go/clientele/store"
)

func TestADeletionIsRememberedForAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New()
		ctx := t.Context()
		created, err := s.Apply(ctx, store.Put(store.Record{Kind: "client", ID: "a"}), store.Put(store.Record{Kind: "client", ID: "b"}))
		require.NoError(t, err)
		deletedA, err := s.Apply(ctx, store.Delete("client", "a", created))
		require.NoError(t, err)
		time.Sleep(time.Minute) // of the bubble's clock
		deletedB, err := s.Apply(ctx, store.Delete("client", "b", created))
		require.NoError(t, err)

		said := func(since store.Revision) int {
			n, err := s.Sweep(ctx, time.Now(), 0)
			require.NoError(t, err)
			require.Zero(t, n)
			feed, err := s.Changes(ctx, since, 0, 0)
			require.NoError(t, err)
			return len(feed.Changed)
		}
		tooOld := func(since store.Revision) {
			_, err := s.Changes(ctx, since, time.Hour, 0)
			require.ErrorIs(t, err, store.ErrTooOld)
		}

		time.Sleep(time.Hour - time.Minute) // exactly an hour after the first
		require.Equal(t, 2, said(0))
		time.Sleep(time.Nanosecond)
		require.Equal(t, 1, said(deletedA))
		tooOld(0)
		tooOld(created)
		time.Sleep(time.Minute)
		require.Equal(t, 0, said(deletedB))
		tooOld(deletedA)
	})
}

func TestARecordThatIsThereAgainIsNoForgottenDeletion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New()
		ctx := t.Context()
		created, err := s.Apply(ctx, store.Put(store.Record{Kind: "client", ID: "a"}))
		require.NoError(t, err)
		_, err = s.Apply(ctx, store.Delete("client", "a", created))
		require.NoError(t, err)
		again, err := s.Apply(ctx, store.Put(store.Record{Kind: "client", ID: "a"}))
		require.NoError(t, err)

		time.Sleep(2 * time.Hour)
		_, err = s.Sweep(ctx, time.Now(), 0)
		require.NoError(t, err)
		feed, err := s.Changes(ctx, 0, 0, 0)
		require.NoError(t, err)
		require.Equal(t, []store.Changed{{Kind: "client", ID: "a", Revision: again}}, feed.Changed)
	})
}

func TestChangesWaitsExactlyAsLongAsItMay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New()
		for _, wait := range []time.Duration{time.Nanosecond, time.Second, time.Hour} {
			begin := time.Now()
			feed, err := s.Changes(t.Context(), 0, wait, 0)
			require.NoError(t, err)
			require.Empty(t, feed.Changed)
			require.Equal(t, wait, time.Since(begin))
		}
	})
}

func TestClosingTwiceIsClosingOnce(t *testing.T) {
	s := memstore.New()
	require.NoError(t, s.Close())
	require.NoError(t, s.Close())
}

// BenchmarkAmong measures one call among a thousand and a million records: it
// should not matter much how many there are.
func BenchmarkAmong(b *testing.B) {
	for _, n := range []int{1_000, 1_000_000} {
		s := memstore.New()
		record := func(i int) store.Record {
			id := fmt.Sprintf("token-%08x", uint32(i)*2654435761) // in no order
			return store.Record{
				Kind: "token", ID: id, Sort: id[6:], Expires: time.Unix(int64(i), 0).UTC(),
				Labels: []store.Label{{Key: "client", Value: fmt.Sprint(i % 1000)}}, Text: "text of " + id, Data: []byte("{}"),
			}
		}
		var changes []store.Change
		for i := range n {
			if changes = append(changes, store.Append(record(i))); len(changes) == store.MaxChanges {
				_, err := s.Apply(b.Context(), changes...)
				require.NoError(b, err)
				changes = changes[:0]
			}
		}
		ctx := b.Context()
		b.Run(fmt.Sprintf("%d/Get", n), func(b *testing.B) {
			b.ReportAllocs()
			id := record(n / 2).ID
			for b.Loop() {
				_, err := s.Get(ctx, "token", id)
				require.NoError(b, err)
			}
		})
		b.Run(fmt.Sprintf("%d/AppendAndSweep", n), func(b *testing.B) {
			b.ReportAllocs()
			extra := record(n + 1)
			extra.Expires = time.Unix(-1, 0).UTC()
			for b.Loop() {
				_, err := s.Apply(ctx, store.Append(extra))
				require.NoError(b, err)
				swept, err := s.Sweep(ctx, time.Unix(0, 0), 0)
				require.NoError(b, err)
				require.Equal(b, 1, swept)
			}
		})
		b.Run(fmt.Sprintf("%d/PageByLabel", n), func(b *testing.B) {
			b.ReportAllocs()
			q := store.Query{Kind: "token", Labels: []store.Label{{Key: "client", Value: "7"}}, Limit: 1}
			for b.Loop() {
				page, err := s.List(ctx, q)
				require.NoError(b, err)
				require.Len(b, page.Records, 1)
			}
		})
		b.Run(fmt.Sprintf("%d/PageCounted", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				page, err := s.List(ctx, store.Query{Kind: "token", Count: true})
				require.NoError(b, err)
				require.Equal(b, n, page.Total)
			}
		})
		b.Run(fmt.Sprintf("%d/PageSearched", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				page, err := s.List(ctx, store.Query{Kind: "token", Text: "nowhere", Count: true})
				require.NoError(b, err)
				require.Zero(b, page.Total)
			}
		})
	}
}
