package appender_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/internal/appender"
	"github.com/clientele-go/clientele/store"
)

func TestAddNeverWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watch(t)
		g := w.gate()
		a := appender.New(appender.Config{Store: w, Queue: 3})
		require.True(t, a.Add(record("under way")))
		synctest.Wait()
		results := writes(t.Context(), a, "w1", "w2", "w3", "w4")
		for n := range 5 {
			require.Equal(t, n < 3, a.Add(record(fmt.Sprint("a", n))), "those of Write do not count")
		}
		require.False(t, a.AddFunc(func(context.Context, *appender.Room) (store.Record, bool) { panic("not called") }))
		close(g.open)
		for _, result := range results {
			require.NoError(t, <-result)
		}
		require.NoError(t, a.Flush(t.Context()))
		require.Equal(t, [][]string{{"under way"}, {"w1", "w2", "w3", "w4", "a0", "a1", "a2"}}, w.applied)
		require.True(t, a.Add(record("a3")), "there is room again")
		require.NoError(t, a.Flush(t.Context()))
		require.True(t, w.has(t, "a3"))
	})
}

func TestFlushWaitsForWhatWasThereBeforeAndNoMore(t *testing.T) {
	for _, batch := range []int{2, 3, 64} {
		t.Run(fmt.Sprintf("batches of %d", batch), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { testFlush(t, batch) })
		})
	}
}

func testFlush(t *testing.T, batch int) {
	w := watch(t)
	a := appender.New(appender.Config{Store: w, Batch: batch})
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, a.Flush(gone), "there is nothing to wait for")

	g := w.gate()
	require.True(t, a.Add(record("1")))
	synctest.Wait() // it is under way
	require.True(t, a.Add(record("2")))
	require.True(t, a.Add(record("3")))
	require.ErrorIs(t, a.Flush(gone), context.Canceled)
	flushed := make(chan error, 1)
	go func() { flushed <- a.Flush(t.Context()) }()
	synctest.Wait()
	require.True(t, a.Add(record("4")))
	require.True(t, a.Add(record("5")))

	for _, want := range []bool{false, false, true} {
		require.Equal(t, want, len(flushed) == 1)
		g.open <- struct{}{}
		synctest.Wait()
	}
	require.NoError(t, <-flushed)
	require.True(t, w.has(t, "3"))
	close(g.open)
	require.NoError(t, a.Flush(t.Context()))
	require.True(t, w.has(t, "5"))
}

func TestCloseWritesWhatIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watch(t)
		g := w.gate()
		a := appender.New(appender.Config{Store: w})
		results := writes(t.Context(), a, numbered(3)...)
		require.True(t, a.Add(record("added")))
		closed := make(chan error, 2)
		for range 2 {
			go func() { closed <- a.Close(t.Context()) }()
		}
		synctest.Wait()
		require.Empty(t, closed)
		require.ErrorIs(t, a.Write(t.Context(), record("late")), appender.ErrClosed)
		require.False(t, a.Add(record("late")))
		require.False(t, a.AddFunc(func(context.Context, *appender.Room) (store.Record, bool) { return record("late"), true }))
		close(g.open)
		require.NoError(t, <-closed)
		require.NoError(t, <-closed)
		for _, result := range results {
			require.NoError(t, <-result)
		}
		require.True(t, w.has(t, "added"))
		require.False(t, w.has(t, "late"))
		require.NoError(t, a.Close(t.Context()))
		require.NoError(t, a.Flush(t.Context()))
	})
}

func TestCloseGivesUpInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watch(t)
		w.gate()
		var lost []string
		a := appender.New(appender.Config{Store: w, Lost: func(r store.Record, _ error) { lost = append(lost, r.ID) }})
		results := writes(t.Context(), a, numbered(100)...)
		require.True(t, a.Add(record("added")))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, a.Close(ctx), context.DeadlineExceeded)
		for _, result := range results {
			require.ErrorIs(t, <-result, context.Canceled)
		}
		synctest.Wait() // for the goroutine that writes, which leaves nothing behind
		require.Equal(t, []string{"added"}, lost)
		require.NoError(t, a.Close(t.Context()), "nothing is left")
	})
}
