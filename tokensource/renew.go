package tokensource

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"time"

	"github.com/clientele-go/clientele/internal/flight"
)

const (
	maxAttempts   = 3                      // of one renewal
	firstPause    = 500 * time.Millisecond // between attempts; doubles
	longestPause  = 10 * time.Second       // by Retry-After; a longer one ends the renewal
	firstBackoff  = time.Second            // between renewals; doubles
	longestDelay  = time.Minute
	maxRetryAfter = 5 * time.Minute

	minSkew = 5 * time.Second // that is worth telling of
	maxSkew = 24 * time.Hour  // that is corrected
)

// A renewal is the one request, with its repetitions, that is under way for all
// who need a token. It outlives those who wait, so that a caller with little
// patience still helps the next; package flight would end it.
type renewal struct {
	done chan struct{} // closed when err is written
	err  error

	waiters int   // guarded by Source.mu
	last    error // of the attempts so far; guarded by Source.mu
}

// join returns the renewal that will replace st, beginning one if it has to, or
// nil if st was replaced already. If it is too early for another after one that
// failed, it returns the error of that one. Who waits calls leave or sees the
// end.
func (s *Source) join(ctx context.Context, st *state, waits bool) (*renewal, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state.Load() != st {
		return nil, nil
	}
	if s.renewal == nil {
		if pause := s.notBefore - s.clock.elapsed(); pause > 0 && s.failure != nil {
			return nil, fmt.Errorf("%w; not tried again for %s", s.failure, pause.Round(time.Millisecond))
		}
		s.renewal = &renewal{done: make(chan struct{})}
		go s.run(context.WithoutCancel(ctx), s.renewal)
	}
	if waits {
		s.renewal.waiters++
	}
	return s.renewal, nil
}

// leave takes one who waited out of r, and returns what went wrong so far.
func (s *Source) leave(r *renewal) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r.waiters--
	return r.last
}

// wanted keeps the error of an attempt, and reports whether anybody waits for
// another.
func (s *Source) wanted(r *renewal, last error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	r.last = last
	return r.waiters > 0
}

// run does the renewal, however that ends.
func (s *Source) run(ctx context.Context, r *renewal) {
	var st *state
	err := error(flight.ErrGoexit)
	attempts := 0
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("tokensource: renewing: %w", &flight.PanicError{Value: v, Stack: debug.Stack()})
		}
		s.finish(ctx, r, st, attempts, err)
	}()
	for {
		attempts++
		st, err = s.renew(ctx)
		var f *failure
		if err == nil || attempts == maxAttempts || !errors.As(err, &f) || !f.passing || f.after > longestPause {
			return
		}
		if !s.wanted(r, err) {
			return
		}
		time.Sleep(max(f.after, jitter(firstPause<<(attempts-1))))
		if !s.wanted(r, err) {
			return
		}
	}
}

// finish puts the result of a renewal in force.
func (s *Source) finish(ctx context.Context, r *renewal, st *state, attempts int, err error) {
	serving := false
	var pause time.Duration
	s.mu.Lock()
	if err == nil {
		s.failures, s.failure = 0, nil
		s.state.Store(st)
	} else {
		pause = jitter(min(firstBackoff<<min(s.failures, 10), longestDelay))
		var f *failure
		if errors.As(err, &f) {
			pause = max(pause, f.after)
		}
		s.failures, s.failure = s.failures+1, err
		s.notBefore = s.clock.elapsed() + pause
		p, _ := s.state.Load().phase(&s.clock)
		serving = p != expired
	}
	s.renewal, r.err = nil, err
	close(r.done)
	s.mu.Unlock()

	about := []slog.Attr{slog.String("client_id", s.clientID), slog.String("endpoint", s.server())}
	if err == nil {
		s.log.LogAttrs(ctx, slog.LevelDebug, "token renewed", append(about,
			slog.Duration("lifetime", st.life), slog.Duration("renew_in", st.early))...)
		s.tellEnd(ctx, st.secretEnds)
		return
	}
	s.log.LogAttrs(ctx, slog.LevelWarn, "token renewal failed", append(about, slog.Any("error", err),
		slog.Int("attempts", attempts), slog.Duration("retry_in", pause), slog.Bool("serving", serving))...)
}

// renew makes one attempt to get a token, and another where a refusal has a
// cause that can be removed at once: a credential that was replaced a moment
// ago, or a clock that is off.
func (s *Source) renew(ctx context.Context) (*state, error) {
	m, err := s.load(ctx)
	if err != nil {
		return nil, err
	}
	st, f := s.exchange(ctx, m, s.skew)
	if f != nil && f.code == "invalid_client" {
		if again, err := s.load(ctx); err == nil && !again.equal(m) {
			m = again
			st, f = s.exchange(ctx, m, s.skew)
		}
	}
	if f != nil && f.code != "" && f.dated && m.signs() && beyond(f.off-s.skew, minSkew) && !beyond(f.off, maxSkew) {
		skew := f.off
		if st, f = s.exchange(ctx, m, skew); f == nil {
			s.skew = skew
			s.log.LogAttrs(ctx, slog.LevelWarn, "the clock of this machine is off: assertions are signed by the server's",
				slog.String("client_id", s.clientID), slog.String("endpoint", s.server()), slog.Duration("behind", skew))
		}
	}
	if f == nil {
		return st, nil
	}
	if f.code != "" && f.dated && m.timed() && beyond(f.off, minSkew) {
		f.text += "; the clock of this machine is " + describeSkew(f.off) + " that of the server"
	}
	return nil, f
}

// load reads the credential.
func (s *Source) load(ctx context.Context) (*material, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	m, err := s.credential.load(ctx, s.issuer)
	if err != nil {
		return nil, fmt.Errorf("tokensource: reading the credential: %w", err)
	}
	return m, nil
}

// newState returns the state of a token that was asked for at began and lives
// as long as life.
func (s *Source) newState(began time.Time, life time.Duration) *state {
	window := s.renewBefore
	switch {
	case window == 0:
		window = min(life/5, 5*time.Minute)
	case window < 0:
		window = 0
	}
	window = min(window, life/2)
	late := min(10*time.Second, life/20)
	early := life - window
	if window > 1 {
		early += rand.N(window / 2) // #nosec G404 -- so that not all renew at once
	}
	return &state{
		began: began.Sub(s.clock.epoch), wall: began.Round(0),
		early: min(early, life-late), late: life - late, life: life,
	}
}

// jitter returns between half of d and d.
func jitter(d time.Duration) time.Duration { return d/2 + rand.N(d/2+1) } // #nosec G404 -- no secret

// beyond reports whether d is at least limit, in either direction.
func beyond(d, limit time.Duration) bool { return d >= limit || d <= -limit }

func describeSkew(off time.Duration) string {
	if off > 0 {
		return off.Round(time.Second).String() + " behind"
	}
	return (-off).Round(time.Second).String() + " ahead of"
}
