package away_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/internal/away"
)

var errAway = errors.New("no route to host")

// A seen is what was told of a State.
type seen struct {
	gone []error
	back []time.Duration
}

func (s *seen) state() *away.State {
	return away.New(away.Config{
		Bound: time.Minute, Wait: 500 * time.Millisecond, Timeout: 2 * time.Second,
		Gone: func(cause error) { s.gone = append(s.gone, cause) },
		Back: func(after time.Duration) { s.back = append(s.back, after) },
	})
}

// never is a look that must not be begun.
func never(t *testing.T) func(context.Context) error {
	return func(context.Context) error { t.Error("it was looked"); return nil }
}

func silent(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }

func refused(context.Context) error { return errAway }

func TestAStoreThatHasNotFailedIsThere(t *testing.T) {
	s := new(seen).state()
	defer s.Close()
	require.False(t, s.Away(never(t)))
	require.Zero(t, s.Since())
	s.Heard()
}

func TestWhatIsKnownOfAFailureAgesAtEachEdge(t *testing.T) {
	for _, tc := range []struct {
		name  string
		after time.Duration
		away  bool
		looks int
	}{
		{"at once it is known and nobody looks", 0, true, 0},
		{"just before the pause is over", away.Pause - 1, true, 0},
		{"when the pause is over somebody looks", away.Pause, true, 1},
		{"as long as it holds", away.Hold, true, 1},
		{"who comes later has to ask", away.Hold + 1, false, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := new(seen).state()
				defer s.Close()
				s.Failed(errAway)
				time.Sleep(tc.after)
				looks := 0
				require.Equal(t, tc.away, s.Away(func(context.Context) error { looks++; return errAway }))
				synctest.Wait()
				require.Equal(t, tc.looks, looks)
			})
		})
	}
}

func TestOneLooksAtATimeAndNobodyWaitsForIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told seen
		s := told.state()
		defer s.Close()
		began := time.Now()
		s.Failed(errAway)
		var mu sync.Mutex
		running, looks := 0, 0
		look := func(ctx context.Context) error {
			mu.Lock()
			running++
			looks++
			require.Equal(t, 1, running)
			mu.Unlock()
			err := silent(ctx)
			mu.Lock()
			running--
			mu.Unlock()
			return err
		}
		for range 100 {
			for range 10 {
				now := time.Now()
				require.True(t, s.Away(look), "also while a look takes longer than a failure is known")
				require.Equal(t, now, time.Now())
			}
			time.Sleep(100 * time.Millisecond)
		}
		// A look takes 2 s, and 250 ms later, at the next request, is the next one.
		require.Equal(t, 5, looks)
		require.Equal(t, began, s.Since())
		require.Equal(t, []error{errAway}, told.gone, "which is told once")
		require.Empty(t, told.back)
	})
}

func TestALookFindsTheStoreAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told seen
		s := told.state()
		defer s.Close()
		s.Failed(errAway)
		time.Sleep(away.Pause)
		require.True(t, s.Away(func(context.Context) error { time.Sleep(time.Second); return nil }))
		time.Sleep(time.Second - 1)
		require.True(t, s.Away(never(t)))
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		require.False(t, s.Away(never(t)))
		require.Zero(t, s.Since())
		require.Equal(t, []time.Duration{away.Pause + time.Second}, told.back)

		s.Failed(errAway)
		require.True(t, s.Away(never(t)))
		require.Len(t, told.gone, 2, "the next time is told of anew")
		s.Heard()
		require.False(t, s.Away(never(t)))
		require.Len(t, told.back, 2)
		s.Heard()
		require.Len(t, told.back, 2)
	})
}

func TestClosingEndsALookAndAllRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told seen
		s := told.state()
		s.Failed(errAway)
		time.Sleep(away.Pause)
		ended := false
		require.True(t, s.Away(func(ctx context.Context) error {
			<-ctx.Done()
			time.Sleep(time.Millisecond) // on its way out
			ended = true
			return ctx.Err()
		}))
		s.Heard()
		ctx := contextOf(t, s)
		require.NotNil(t, away.From(ctx))
		s.Close()
		require.True(t, ended)
		require.Nil(t, away.From(ctx))
		require.Len(t, told.gone, 1, "that it was ended says nothing of the store")

		s.Failed(errAway)
		time.Sleep(away.Pause)
		s.Away(never(t))
		s.Close()
	})
}

// requested is a context with a Request.
type requested struct {
	context.Context
	request away.Request
}

func (r *requested) Value(key any) any {
	if key == away.Key {
		return &r.request
	}
	return r.Context.Value(key)
}

func contextOf(t *testing.T, s *away.State) *requested {
	r := &requested{Context: t.Context()}
	r.request.GoOn(s)
	return r
}

func TestARequestIsFoundInItsContext(t *testing.T) {
	s := new(seen).state()
	defer s.Close()
	require.Nil(t, away.From(t.Context()))
	require.Nil(t, away.From(contextOf(t, nil)), "one that may not go on")
	require.Zero(t, away.Age(t.Context()))
	ctx := contextOf(t, s)
	below, cancel := context.WithCancel(ctx)
	defer cancel()
	r := away.From(below)
	require.Same(t, &ctx.request, r)
	require.Same(t, s, r.State())

	require.True(t, r.Within(time.Minute))
	require.False(t, r.Within(time.Minute+1))

	s.Failed(errAway)
	require.Zero(t, away.Age(below))
	err := r.Unconfirmed(0)
	require.ErrorIs(t, err, errAway)
	require.EqualError(t, err, "the store is away: no route to host")
	require.Positive(t, away.Age(below))
	_ = r.Unconfirmed(3 * time.Second)
	_ = r.Unconfirmed(2 * time.Second)
	require.Equal(t, 3*time.Second, away.Age(below), "of the oldest")
	require.ErrorIs(t, s.Cause(), errAway)
}

func TestARequestWaitsForABoundedTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := new(seen).state()
		defer s.Close()
		ctx := contextOf(t, s)
		waiting, cancel := away.From(ctx).Wait(ctx)
		defer cancel()
		began := time.Now()
		<-waiting.Done()
		require.Equal(t, 500*time.Millisecond, time.Since(began))
		require.NoError(t, ctx.Err())
	})
}

func TestRefusedLooksArePaused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := new(seen).state()
		defer s.Close()
		s.Failed(errAway)
		looks := 0
		for range 1000 {
			s.Away(func(ctx context.Context) error { looks++; return refused(ctx) })
			time.Sleep(10 * time.Millisecond)
		}
		synctest.Wait()
		require.Equal(t, int(10*time.Second/away.Pause)-1, looks)
	})
}
