package store_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/internal/away"
	"github.com/clientele-go/clientele/store"
)

const bound = 10 * time.Second

// goingOn is a context in which caches may be served while the store is away.
type goingOn struct {
	context.Context
	request away.Request
}

func (g *goingOn) Value(key any) any {
	if key == away.Key {
		return &g.request
	}
	return g.Context.Value(key)
}

// An outage is a store that may be away, with caches of it and who goes on from
// them.
type outage struct {
	t        *testing.T
	store    *watched
	silent   atomic.Bool // it is away by not answering
	state    *away.State
	table    *store.Table[string]
	snapshot *store.Snapshot[int]
}

// hushed is a store the feed of which may not answer.
type hushed struct {
	store.Store
	silent *atomic.Bool
}

func (h *hushed) Changes(ctx context.Context, since store.Revision, wait time.Duration, limit int) (store.Feed, error) {
	if h.silent.Load() {
		<-ctx.Done()
		return store.Feed{}, ctx.Err()
	}
	return h.Store.Changes(ctx, since, wait, limit)
}

// during runs f in a bubble, with caches that have just been confirmed and hold
// "a", that there is no "absent", and how many there are.
func during(t *testing.T, f func(t *testing.T, o *outage)) {
	synctest.Test(t, func(t *testing.T) {
		o := &outage{t: t, store: watch(t)}
		o.state = away.New(away.Config{Bound: bound, Wait: 500 * time.Millisecond, Timeout: time.Second})
		defer o.state.Close()
		put(t, o.store.Store, "a", "one")
		put(t, o.store.Store, "b", "one")
		s := &hushed{o.store, &o.silent}
		o.table = newTable(s, 0)
		o.snapshot = newSnapshot(s, new(atomic.Int64))
		o.get("a", "one")
		_, err := o.table.Get(t.Context(), "absent")
		require.ErrorIs(t, err, store.ErrNotFound)
		o.count(2)
		f(t, o)
		o.silent.Store(false)
		synctest.Wait()
	})
}

func (o *outage) context() *goingOn {
	g := &goingOn{Context: o.t.Context()}
	g.request.GoOn(o.state)
	return g
}

// get gets a value by who may go on.
func (o *outage) get(id, want string) (cached time.Duration) {
	o.t.Helper()
	ctx := o.context()
	got, err := o.table.Get(ctx, id)
	require.NoError(o.t, err)
	require.Equal(o.t, want, got)
	return away.Age(ctx)
}

func (o *outage) count(want int) (cached time.Duration) {
	o.t.Helper()
	ctx := o.context()
	got, err := o.snapshot.Get(ctx)
	require.NoError(o.t, err)
	require.Equal(o.t, want, got)
	return away.Age(ctx)
}

func TestCachesAreServedUpToTheBound(t *testing.T) {
	for _, tc := range []struct {
		name  string
		after time.Duration
		ok    bool
	}{
		{"at the end of what is fresh anyway", store.DefaultFresh, true},
		{"a moment later", store.DefaultFresh + 1, true},
		{"at the bound", bound, true},
		{"a moment after the bound", bound + 1, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			during(t, func(t *testing.T, o *outage) {
				o.store.away.Store(true)
				time.Sleep(tc.after)
				if tc.ok {
					want := tc.after
					if want <= store.DefaultFresh {
						want = 0
					}
					require.Equal(t, want, o.get("a", "one"))
					require.Equal(t, want, o.count(2))
					return
				}
				_, err := o.table.Get(o.context(), "a")
				require.ErrorIs(t, err, errAway)
			})
		})
	}
}

func TestWhoMayNotGoOnGetsNothingUnconfirmed(t *testing.T) {
	during(t, func(t *testing.T, o *outage) {
		o.store.away.Store(true)
		time.Sleep(store.DefaultFresh + 1)
		o.get("a", "one")
		_, err := o.table.Get(t.Context(), "a")
		require.ErrorIs(t, err, errAway)
	})
}

func TestWhileTheStoreIsAwayOnlyWhatIsCachedIsServed(t *testing.T) {
	during(t, func(t *testing.T, o *outage) {
		o.store.away.Store(true)
		time.Sleep(store.DefaultFresh + 1)
		gets := o.store.gets.Load()

		ctx := o.context()
		_, err := o.table.Get(ctx, "b")
		require.ErrorIs(t, err, errAway)
		require.NotErrorIs(t, err, store.ErrNotFound)
		require.Positive(t, away.Age(ctx), "although it is there")

		_, err = o.table.Get(o.context(), "absent")
		require.ErrorIs(t, err, store.ErrNotFound)

		o.table.Forget("a") // somebody has changed it here, perhaps
		_, err = o.table.Get(o.context(), "a")
		require.ErrorIs(t, err, errAway)
		require.Equal(t, gets, o.store.gets.Load(), "the store is not even asked")

		o.snapshot.Drop()
		_, err = o.snapshot.Get(o.context())
		require.ErrorIs(t, err, errAway)
	})
}

func TestASilentStoreIsWaitedForOnce(t *testing.T) {
	during(t, func(t *testing.T, o *outage) {
		o.silent.Store(true)
		time.Sleep(store.DefaultFresh + 1)
		began := time.Now()
		o.get("a", "one")
		require.Equal(t, 500*time.Millisecond, time.Since(began))
		began = time.Now()
		o.count(2)
		o.get("a", "one")
		require.Zero(t, time.Since(began), "of whichever cache")

		calls := o.store.changes.Load()
		for range 50 {
			time.Sleep(100 * time.Millisecond)
			now := time.Now()
			o.get("a", "one")
			require.Equal(t, now, time.Now())
		}
		require.Equal(t, calls, o.store.changes.Load())

		o.silent.Store(false)
		time.Sleep(time.Second + away.Pause) // the look that is lost, and a pause
		o.get("a", "one")
		synctest.Wait()
		require.Zero(t, o.get("a", "one"), "it is current again")
	})
}

func TestACallerWhoLeavesIsNoFailureOfTheStore(t *testing.T) {
	during(t, func(t *testing.T, o *outage) {
		o.silent.Store(true)
		time.Sleep(store.DefaultFresh + 1)
		g := o.context()
		ctx, cancel := context.WithTimeout(g, 499*time.Millisecond)
		defer cancel()
		_, err := o.table.Get(ctx, "a")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		_, err = o.snapshot.Get(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Zero(t, o.state.Since())
	})
}

func TestCachesCatchUpBeforeTheyAreServedAgain(t *testing.T) {
	during(t, func(t *testing.T, o *outage) {
		o.get("b", "one")
		o.store.away.Store(true)
		time.Sleep(store.DefaultFresh + 1)
		o.get("a", "one")
		o.count(2)

		put(t, o.store.Store, "a", "two") // by who still reaches it
		put(t, o.store.Store, "c", "new")
		o.store.away.Store(false)
		time.Sleep(away.Pause)
		o.get("b", "one") // has somebody look, who may have dropped "a" before it could be read
		synctest.Wait()
		require.Zero(t, o.get("a", "two"))
		require.Zero(t, o.count(3), "the other cache too, although it was not that one that looked")
	})
}

func TestNobodyIsServedFromTheCacheLongAfterTheLastFailure(t *testing.T) {
	for _, tc := range []struct {
		name   string
		after  time.Duration
		cached bool
	}{
		{"as long as the failure is known", away.Hold, true},
		{"a moment later the store is asked first", away.Hold + 1, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			during(t, func(t *testing.T, o *outage) {
				o.get("b", "one")
				o.store.away.Store(true)
				time.Sleep(store.DefaultFresh + 1)
				o.get("b", "one")
				put(t, o.store.Store, "a", "two")
				o.store.away.Store(false)
				time.Sleep(tc.after)
				require.Equal(t, tc.cached, o.get("b", "one") > 0)
				if !tc.cached {
					o.get("a", "two")
				}
			})
		})
	}
}

func TestPastTheBoundTheStoreIsAskedAsEver(t *testing.T) {
	during(t, func(t *testing.T, o *outage) {
		o.store.away.Store(true)
		time.Sleep(bound)
		o.get("a", "one")
		put(t, o.store.Store, "a", "two")
		o.store.away.Store(false)
		time.Sleep(time.Nanosecond)
		o.get("a", "two") // although it has failed a moment ago
		require.Zero(t, o.state.Since())
	})
}

func TestACacheGetsTooOldWhileItIsWaitedForTheStore(t *testing.T) {
	during(t, func(t *testing.T, o *outage) {
		o.silent.Store(true)
		time.Sleep(bound - 499*time.Millisecond)
		ctx := o.context()
		_, err := o.snapshot.Get(ctx)
		require.NoError(t, err, "the store itself answers, if not its feed")
		require.Zero(t, away.Age(ctx))
	})
}

func TestNobodyGoesOnWithoutAStoreThatWasClosed(t *testing.T) {
	for _, tc := range []struct {
		name string
		gone bool // before it was closed
	}{
		{"while it was there", false},
		{"while it was away", true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			during(t, func(t *testing.T, o *outage) {
				o.store.away.Store(tc.gone)
				time.Sleep(store.DefaultFresh + 1)
				if tc.gone {
					o.get("a", "one")
				}
				require.NoError(t, o.store.Store.(interface{ Close() error }).Close())
				o.store.away.Store(false)
				if tc.gone {
					time.Sleep(away.Pause)
					o.get("a", "one") // has somebody look
					synctest.Wait()
				}
				_, err := o.table.Get(o.context(), "a")
				require.ErrorIs(t, err, store.ErrClosed)
				_, err = o.snapshot.Get(o.context())
				require.ErrorIs(t, err, store.ErrClosed)
			})
		})
	}
}

func TestWhatTheFeedHasForgottenIsNotServed(t *testing.T) {
	during(t, func(t *testing.T, o *outage) {
		s := &forgetfulOnce{Store: o.store}
		table := newTable(s, 0)
		_, err := table.Get(o.context(), "a")
		require.NoError(t, err)
		s.forgets = true // and is away before the cache has begun anew
		time.Sleep(store.DefaultFresh + 1)
		_, err = table.Get(o.context(), "a")
		require.ErrorIs(t, err, errAway)
	})
}

// forgetfulOnce is a store that has been restored, and then is away.
type forgetfulOnce struct {
	store.Store
	forgets bool
}

func (f *forgetfulOnce) Changes(ctx context.Context, since store.Revision, wait time.Duration, limit int) (store.Feed, error) {
	switch {
	case !f.forgets:
		return f.Store.Changes(ctx, since, wait, limit)
	case since != store.Latest:
		return store.Feed{}, store.ErrTooOld
	}
	return store.Feed{}, errAway
}
