// Package away lets requests go on from what is cached while a store does not
// answer: for a bounded time, each without a wait, and with no more than one look at
// a time whether the store is back.
//
//	state := away.New(away.Config{Bound: 5 * time.Minute, Wait: time.Second, Timeout: 2 * time.Second})
//	defer state.Close()
//	…
//	var request away.Request
//	request.GoOn(state) // and a context whose Value(away.Key) is &request
//
// The caches of package store find the Request in the context of a read, and what
// they do with it stands there. A read without one gets what is confirmed, or an
// error, as ever.
package away

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// Pause is how long after a failure the next look begins, if somebody asks.
	Pause = 250 * time.Millisecond
	// Hold is how long after a failure, or the end of a look that has failed, a
	// store is taken to be away without being asked: who asks later waits for it.
	Hold = time.Second
)

// Config is what a State is made of. The durations are required.
type Config struct {
	// Bound is how long after it was last confirmed a cache may be served.
	Bound time.Duration
	// Wait is how long a request waits before it takes the store to be away.
	Wait time.Duration
	// Timeout is how long a look may take.
	Timeout time.Duration
	// Gone and Back, if set, are told when the store has failed for the first time
	// and when it answers again, by whoever finds that out.
	Gone func(cause error)
	Back func(after time.Duration)
}

// A State is what is known of whether a store answers. Its methods may be called
// concurrently.
type State struct {
	cfg  Config
	base time.Time // of failed

	failed  atomic.Int64 // when the store failed last, in ns since base; 0: it answers
	looking atomic.Bool  // a look is under way
	err     atomic.Pointer[Error]
	closed  atomic.Bool

	ctx    context.Context // of each look
	cancel context.CancelFunc

	mu    sync.Mutex
	began time.Time // when the store failed first; zero: it answers
	looks sync.WaitGroup
}

// New returns a State of a store that answers.
func New(cfg Config) *State {
	s := &State{cfg: cfg, base: time.Now().Add(-1)} // so that a failure at this moment is not 0
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// Close ends the look that is under way, and returns when it has ended. From its
// call on no request goes on.
func (s *State) Close() {
	s.mu.Lock()
	s.closed.Store(true)
	s.mu.Unlock()
	s.cancel()
	s.looks.Wait()
}

// Since returns when the store has failed for the first time since it answered
// last, as the last request has found it, or zero.
func (s *State) Since() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.began
}

// Cause returns why the store was last found to be away.
func (s *State) Cause() error { return s.err.Load().cause }

// Heard says that the store has answered.
func (s *State) Heard() {
	if s.failed.Load() == 0 {
		return
	}
	s.mu.Lock()
	began := s.began
	s.began = time.Time{}
	s.failed.Store(0)
	s.mu.Unlock()
	if !began.IsZero() && s.cfg.Back != nil {
		s.cfg.Back(time.Since(began))
	}
}

// Failed says that the store has not answered, and why.
func (s *State) Failed(err error) {
	s.mu.Lock()
	begins := s.began.IsZero()
	if begins {
		s.began = time.Now()
	}
	s.err.Store(&Error{err})
	s.failed.Store(int64(time.Since(s.base)))
	s.mu.Unlock()
	if begins && s.cfg.Gone != nil {
		s.cfg.Gone(err)
	}
}

// Away reports whether the store is away, without asking it: it has failed a moment
// ago, or a look that began then has not come back. Whoever asks has the next look
// begin when it is due, which is a call of read.
func (s *State) Away(read func(ctx context.Context) error) bool {
	failed := s.failed.Load()
	if failed == 0 {
		return false
	}
	ago := time.Since(s.base) - time.Duration(failed)
	away := s.looking.Load() || ago <= Hold
	if away && ago >= Pause {
		s.look(read)
	}
	return away
}

func (s *State) look(read func(ctx context.Context) error) {
	if !s.looking.CompareAndSwap(false, true) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed.Load() {
		s.looking.Store(false)
		return
	}
	s.looks.Go(func() {
		ctx, cancel := context.WithTimeout(s.ctx, s.cfg.Timeout)
		defer cancel()
		switch err := read(ctx); {
		case err == nil:
			s.Heard()
		case s.ctx.Err() == nil: // else it was Close
			s.Failed(err)
		}
		s.looking.Store(false)
	})
}

// An Error says that a cache was not confirmed, and that what it has may be served.
type Error struct{ cause error }

func (e *Error) Error() string { return "the store is away: " + e.cause.Error() }

// Unwrap returns why the store was last found to be away.
func (e *Error) Unwrap() error { return e.cause }

// A Request is one that may go on from caches. Its zero value may not. It must not
// be copied once it is in use.
type Request struct {
	state *State
	age   atomic.Int64
}

// Key is the key of a *Request in a context.
var Key any = key{}

type key struct{}

// From returns the Request in whose context something is read, if it may go on, or
// nil.
func From(ctx context.Context) *Request {
	r, _ := ctx.Value(Key).(*Request)
	if r == nil || r.state == nil || r.state.closed.Load() {
		return nil
	}
	return r
}

// GoOn lets r go on while the store that s is about is away. A nil s does not.
func (r *Request) GoOn(s *State) { r.state = s }

// State returns what the Request has found, and others with it.
func (r *Request) State() *State { return r.state }

// Within reports whether a cache that was confirmed so long ago may be served.
func (r *Request) Within(age time.Duration) bool { return age <= r.state.cfg.Bound }

// Wait returns the context in which r waits for the store to confirm a cache.
func (r *Request) Wait(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, r.state.cfg.Wait)
}

// Unconfirmed returns the *Error with which r goes on from a cache that was
// confirmed so long ago.
func (r *Request) Unconfirmed(age time.Duration) error {
	r.age.Store(max(r.age.Load(), int64(age), 1))
	return r.state.err.Load()
}

// Age returns how long ago the oldest of the caches was confirmed from which the
// request of ctx has gone on, or 0 if it has not.
func Age(ctx context.Context) time.Duration {
	r, _ := ctx.Value(Key).(*Request)
	if r == nil {
		return 0
	}
	return time.Duration(r.age.Load())
}
