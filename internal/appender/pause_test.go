package appender_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/internal/appender"
)

const pause = 50 * time.Millisecond

// pausing runs f in a bubble with an Appender of batches of 4.
func pausing(t *testing.T, f func(t *testing.T, w *watched, a *appender.Appender, add func(n int))) {
	synctest.Test(t, func(t *testing.T) {
		w := watch(t)
		a := appender.New(appender.Config{Store: w, Batch: 4, Pause: pause})
		count := 0
		f(t, w, a, func(n int) {
			for range n {
				require.True(t, a.Add(record(fmt.Sprint(count))))
				count++
			}
		})
	})
}

func TestWhatIsAddedWaitsForOthers(t *testing.T) {
	pausing(t, func(t *testing.T, w *watched, a *appender.Appender, add func(int)) {
		for round := range 3 {
			add(1)
			time.Sleep(pause - 1)
			add(2)
			synctest.Wait()
			require.Len(t, w.sizes(), round)
			time.Sleep(time.Nanosecond)
			synctest.Wait()
			require.Equal(t, slices.Repeat([]int{3}, round+1), w.sizes(), "together, when the first has waited")
		}
	})
}

func TestAFullBatchDoesNotWait(t *testing.T) {
	pausing(t, func(t *testing.T, w *watched, a *appender.Appender, add func(int)) {
		g := w.gate()
		add(3)
		time.Sleep(pause / 2)
		add(1) // which fills it
		synctest.Wait()
		require.Equal(t, []int{4}, w.sizes())
		add(6)
		close(g.open)
		synctest.Wait()
		require.Equal(t, []int{4, 4}, w.sizes(), "but what is left over does")
		add(1)
		time.Sleep(pause - 1)
		synctest.Wait()
		require.Equal(t, []int{4, 4}, w.sizes())
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		require.Equal(t, []int{4, 4, 3}, w.sizes())
		time.Sleep(time.Minute)
		add(1)
		synctest.Wait()
		require.Equal(t, []int{4, 4, 3}, w.sizes(), "the pause is a new one")
	})
}

func TestNobodyWaitsForTheEndOfAPause(t *testing.T) {
	for name, end := range map[string]struct {
		call func(t *testing.T, a *appender.Appender) error
		want int // in the one batch
	}{
		"in Write": {func(t *testing.T, a *appender.Appender) error { return a.Write(t.Context(), record("w")) }, 3},
		"in Flush": {func(t *testing.T, a *appender.Appender) error { return a.Flush(t.Context()) }, 2},
		"in Close": {func(t *testing.T, a *appender.Appender) error { return a.Close(t.Context()) }, 2},
	} {
		t.Run(name, func(t *testing.T) {
			pausing(t, func(t *testing.T, w *watched, a *appender.Appender, add func(int)) {
				add(2)
				began := time.Now()
				require.NoError(t, end.call(t, a))
				require.Zero(t, time.Since(began))
				require.Equal(t, []int{end.want}, w.sizes())
				time.Sleep(time.Minute)
				require.Equal(t, []int{end.want}, w.sizes(), "and nothing is written at its end")
			})
		})
	}
}

// Who comes while others are written is not kept waiting by what may wait.
func TestAPauseAfterABatchIsNoneForWhoWaits(t *testing.T) {
	pausing(t, func(t *testing.T, w *watched, a *appender.Appender, add func(int)) {
		g := w.gate()
		add(4)
		synctest.Wait()
		add(1)
		results := writes(t.Context(), a, "w1", "w2")
		close(g.open)
		began := time.Now()
		for _, result := range results {
			require.NoError(t, <-result)
		}
		require.Zero(t, time.Since(began))
		require.Equal(t, []int{4, 3}, w.sizes())
		add(1)
		synctest.Wait()
		require.Equal(t, []int{4, 3}, w.sizes(), "which waits as before")
	})
}
