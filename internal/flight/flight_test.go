package flight_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clientele-go/clientele/internal/flight"
	"github.com/stretchr/testify/require"
)

type ctxKey struct{}

func TestManyCallersShareOneRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var group flight.Group[string, int]
		runs := 0
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				v, err := group.Do(t.Context(), "a", func(context.Context) (int, error) {
					runs++ // one at a time, or the race detector objects
					time.Sleep(time.Second)
					return 7, nil
				})
				require.NoError(t, err)
				require.Equal(t, 7, v)
			})
		}
		wg.Wait()
		require.Equal(t, 1, runs)

		_, err := group.Do(t.Context(), "a", func(context.Context) (int, error) { runs++; return 0, nil })
		require.NoError(t, err)
		require.Equal(t, 2, runs, "a result is not kept")
	})
}

func TestKeysAreApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var group flight.Group[int, int]
		start := time.Now()
		var wg sync.WaitGroup
		for i := range 10 {
			wg.Go(func() {
				v, err := group.Do(t.Context(), i, func(context.Context) (int, error) {
					time.Sleep(time.Second)
					return i, nil
				})
				require.NoError(t, err)
				require.Equal(t, i, v)
			})
		}
		wg.Wait()
		require.Equal(t, time.Second, time.Since(start), "they ran side by side")
	})
}

func TestErrorGoesToAllCallers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var group flight.Group[string, int]
		broken := errors.New("broken")
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				_, err := group.Do(t.Context(), "a", func(context.Context) (int, error) {
					time.Sleep(time.Second)
					return 0, broken
				})
				require.ErrorIs(t, err, broken)
			})
		}
		wg.Wait()
	})
}

func TestCallerWaitsWithinItsOwnContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var group flight.Group[string, int]
		first, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		fn := func(ctx context.Context) (int, error) {
			select {
			case <-time.After(time.Minute):
				return 7, nil
			case <-ctx.Done():
				return 0, ctx.Err()
			}
		}
		start := time.Now()
		var wg sync.WaitGroup
		wg.Go(func() {
			_, err := group.Do(first, "a", fn)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.Equal(t, time.Second, time.Since(start))
		})
		wg.Go(func() {
			v, err := group.Do(t.Context(), "a", fn)
			require.NoError(t, err, "whoever leaves disturbs nobody, not even the first")
			require.Equal(t, 7, v)
			require.Equal(t, time.Minute, time.Since(start))
		})
		wg.Wait()
	})
}

func TestLastCallerToLeaveCancelsTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var group flight.Group[string, int]
		ctx, cancel := context.WithCancel(context.WithValue(t.Context(), ctxKey{}, "value"))
		ended := make(chan error, 1)
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				_, err := group.Do(ctx, "a", func(ctx context.Context) (int, error) {
					require.Equal(t, "value", ctx.Value(ctxKey{}))
					<-ctx.Done()
					time.Sleep(time.Hour) // slow on its way out
					ended <- ctx.Err()
					return 0, ctx.Err()
				})
				require.ErrorIs(t, err, context.Canceled)
			})
		}
		synctest.Wait()
		cancel()
		wg.Wait()

		v, err := group.Do(t.Context(), "a", func(context.Context) (int, error) { return 8, nil })
		require.NoError(t, err, "who comes after the cancellation starts anew")
		require.Equal(t, 8, v)
		require.Empty(t, ended)
		require.ErrorIs(t, <-ended, context.Canceled)
	})
}

func TestEndedContextStartsNothing(t *testing.T) {
	var group flight.Group[string, int]
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := group.Do(ctx, "a", func(context.Context) (int, error) {
		t.Error("ran")
		return 0, nil
	})
	require.ErrorIs(t, err, context.Canceled)
}

func TestContextOfTheRunEndsWithIt(t *testing.T) {
	var group flight.Group[string, context.Context]
	ctx, err := group.Do(t.Context(), "a", func(ctx context.Context) (context.Context, error) { return ctx, nil })
	require.NoError(t, err)
	<-ctx.Done()
}

func TestPanicBecomesAnErrorForEachCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var group flight.Group[string, int]
		cause := errors.New("cause")
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				_, err := group.Do(t.Context(), "a", func(context.Context) (int, error) {
					time.Sleep(time.Second)
					panic(fmt.Errorf("wrapped: %w", cause))
				})
				var panicked *flight.PanicError
				require.ErrorAs(t, err, &panicked)
				require.ErrorIs(t, err, cause)
				require.Contains(t, err.Error(), "TestPanicBecomesAnErrorForEachCaller", "the stack names the culprit")
			})
		}
		wg.Wait()
		v, err := group.Do(t.Context(), "a", func(context.Context) (int, error) { return 1, nil })
		require.NoError(t, err)
		require.Equal(t, 1, v)
	})
}

func TestPanicWithAValueThatIsNoError(t *testing.T) {
	var group flight.Group[string, int]
	_, err := group.Do(t.Context(), "a", func(context.Context) (int, error) { panic("a text") })
	var panicked *flight.PanicError
	require.ErrorAs(t, err, &panicked)
	require.Equal(t, "a text", panicked.Value)
	require.NoError(t, errors.Unwrap(err))
}

func TestGoexitLeavesNobodyWaiting(t *testing.T) {
	var group flight.Group[string, int]
	_, err := group.Do(t.Context(), "a", func(context.Context) (int, error) {
		runtime.Goexit()
		return 0, nil
	})
	require.ErrorIs(t, err, flight.ErrGoexit)
}

func TestForgetMakesLaterCallersStartAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var group flight.Group[string, int]
		slow := func(v int) func(context.Context) (int, error) {
			return func(context.Context) (int, error) {
				time.Sleep(time.Second)
				return v, nil
			}
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			v, err := group.Do(t.Context(), "a", slow(1))
			require.NoError(t, err)
			require.Equal(t, 1, v)
		})
		synctest.Wait()
		group.Forget("a")
		group.Forget("never there")
		time.Sleep(time.Second / 2)
		wg.Go(func() {
			v, err := group.Do(t.Context(), "a", slow(2))
			require.NoError(t, err)
			require.Equal(t, 2, v)
		})
		time.Sleep(3 * time.Second / 4) // the forgotten one has ended, the second has not
		v, err := group.Do(t.Context(), "a", slow(3))
		require.NoError(t, err)
		require.Equal(t, 2, v, "the end of the forgotten one left the second in place")
		wg.Wait()
	})
}

func TestCallersThatComeAndGo(t *testing.T) {
	var group flight.Group[int, int]
	var wg sync.WaitGroup
	for i := range 500 {
		wg.Go(func() {
			ctx, cancel := context.WithCancel(t.Context())
			if i%3 == 0 {
				go cancel()
			}
			defer cancel()
			v, err := group.Do(ctx, i%4, func(ctx context.Context) (int, error) {
				runtime.Gosched()
				return i % 4, ctx.Err()
			})
			if err != nil {
				require.ErrorIs(t, err, context.Canceled)
				require.Zero(t, i%3, "a caller that did not leave gets no cancellation")
				return
			}
			require.Equal(t, i%4, v)
		})
	}
	wg.Wait()
}

func BenchmarkDo(b *testing.B) {
	var group flight.Group[string, int]
	b.ReportAllocs()
	for b.Loop() {
		if _, err := group.Do(b.Context(), "a", func(context.Context) (int, error) { return 1, nil }); err != nil {
			b.Fatal(err)
		}
	}
}
