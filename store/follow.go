package store

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/clientele-go/clientele/internal/away"
	"github.com/clientele-go/clientele/internal/flight"
)

// DefaultFresh is how long, at most, a [Table] or [Snapshot] serves what another
// process has changed in the meantime.
const DefaultFresh = time.Second

// errUnconfirmed: the store answered, but slower than the bound that is to be
// confirmed.
var errUnconfirmed = errors.New("the store's feed is slower than the freshness asked for")

// follower reads a store's feed on behalf of a cache: not by a goroutine that
// would have to be closed, but when the cache is asked. In the first half of
// the bound it does nothing, in the second half it reads the feed ahead while
// the caller goes on, and past the bound the caller waits for it. So a busy
// cache is never waited for, and an idle one costs nothing.
type follower struct {
	store   Store
	fresh   time.Duration
	changed func([]Changed) // what changed, to be dropped
	reset   func()          // everything is to be dropped

	base      time.Time    // of confirmed; its monotonic reading counts
	confirmed atomic.Int64 // when the cache was last known to be current, in ns since base; 0: never
	ahead     atomic.Bool  // a read ahead is under way
	reading   flight.Group[struct{}, struct{}]

	mu       sync.Mutex // serialises reads, which flight.Group alone does not after a cancelled one
	revision Revision
	begun    bool
}

func (f *follower) init(s Store, fresh time.Duration, changed func([]Changed), reset func()) {
	if fresh <= 0 {
		fresh = DefaultFresh
	}
	f.store, f.fresh, f.changed, f.reset = s, fresh, changed, reset
	// A nanosecond early, so that a confirmation at this very moment is not 0.
	f.base = time.Now().Add(-1)
}

// confirm returns nil once the cache is known to have been current no longer
// ago than the bound, and an error if that can't be found out. The error is an
// *away.Error if what is cached may be served all the same, and nothing else.
func (f *follower) confirm(ctx context.Context) error {
	for range 3 {
		age := f.age()
		switch {
		case age <= f.fresh/2:
			return nil
		case age <= f.fresh:
			f.readAhead(ctx)
			return nil
		}
		if err := f.catchUp(ctx); err != nil {
			return err
		}
	}
	return errUnconfirmed
}

// catchUp reads the feed, and the caller waits for it: as long as it likes, unless
// it may go on without the store.
func (f *follower) catchUp(ctx context.Context) error {
	request := away.From(ctx)
	if request == nil {
		return f.readOnce(ctx)
	}
	if !request.Within(f.age()) {
		err := f.readOnce(ctx)
		if err == nil {
			request.State().Heard()
		}
		return err
	}
	if request.State().Away(f.look) {
		return f.goOn(request)
	}
	waiting, cancel := request.Wait(ctx)
	defer cancel()
	switch err := f.readOnce(waiting); {
	case err == nil:
		request.State().Heard()
		return nil
	case ctx.Err() != nil || answered(err):
		return err
	default:
		request.State().Failed(err)
		return f.goOn(request)
	}
}

// goOn returns the error with which a request goes on from the cache, if that is
// within its bound still.
func (f *follower) goOn(request *away.Request) error {
	age := f.age()
	if !request.Within(age) {
		return request.State().Cause()
	}
	return request.Unconfirmed(age)
}

// look is readOnce to find out whether the store is back: so it is if it has
// anything to say.
func (f *follower) look(ctx context.Context) error {
	err := f.readOnce(ctx)
	if answered(err) {
		return nil
	}
	return err
}

// answered reports whether an error is the word of a store that is there: one that
// was closed, of a tenant that was deleted.
func answered(err error) bool { return errors.Is(err, ErrClosed) || errors.Is(err, ErrInvalid) }

// goesOn reports whether a cache serves what it has, although that err has kept it
// from being confirmed.
func goesOn(err error) bool {
	var gone *away.Error
	return errors.As(err, &gone)
}

func (f *follower) readOnce(ctx context.Context) error {
	_, err := f.reading.Do(ctx, struct{}{}, f.read)
	return err
}

func (f *follower) age() time.Duration {
	at := f.confirmed.Load()
	if at == 0 {
		return 1<<63 - 1
	}
	return time.Since(f.base) - time.Duration(at)
}

func (f *follower) readAhead(ctx context.Context) {
	if !f.ahead.CompareAndSwap(false, true) {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), f.fresh)
	go func() {
		defer f.ahead.Store(false)
		defer cancel()
		// A failure shows to the next caller past the bound, who tries again.
		_ = f.readOnce(ctx)
	}()
}

// mostPages is how many pages of the feed are read to catch up. With more behind it,
// a cache has less to lose by beginning anew: all of a long feed may take longer than
// whoever waits has time.
const mostPages = 8

// read catches up with the feed.
func (f *follower) read(ctx context.Context) (struct{}, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for pages := 1; ; pages++ {
		at := time.Since(f.base)
		since := f.revision
		if !f.begun {
			since = Latest
		}
		feed, err := f.store.Changes(ctx, since, 0, MaxLimit)
		switch {
		case errors.Is(err, ErrTooOld) && f.begun:
			f.begun = false
			f.reset()
			continue
		case err != nil:
			return struct{}{}, err
		case !f.begun:
			// Whatever was cached before belongs to no known revision.
			f.reset()
		case len(feed.Changed) > 0:
			f.changed(feed.Changed)
		}
		f.begun, f.revision = true, feed.Revision
		if !feed.More {
			f.confirmed.Store(int64(at))
			return struct{}{}, nil
		}
		if pages == mostPages {
			f.begun = false
		}
	}
}
