package tokensource

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/oauth2"
)

// A Source gets, keeps and renews the access token of one client for one
// audience. Its methods may be called concurrently. It is made by New, and has
// nothing to close.
type Source struct {
	state atomic.Pointer[state] // nil: no token
	clock clock

	issuer, tokenURL, clientID string
	locations                  []string // of the metadata of issuer
	credential                 Credential
	form                       url.Values      // of a token request, but for the credential
	hosts                      map[string]bool // origins to which Transport sends the token
	http                       *http.Client
	timeout, renewBefore       time.Duration
	onExpiring                 func(context.Context, time.Time)
	log                        *slog.Logger

	// Of the one renewal that is under way; nobody else looks.
	discovered string        // the token endpoint by the metadata; empty: unknown
	doubtful   bool          // it has failed since, and may have moved
	skew       time.Duration // how far the server's clock is ahead of ours

	mu        sync.Mutex
	renewal   *renewal      // nil: none is under way
	failures  int           // renewals in a row that failed
	failure   error         // of the last
	notBefore time.Duration // by clock.elapsed: when the next may begin
	refusals  int           // tokens in a row that an API refused from the start
	keepUntil time.Duration // by clock.elapsed: no refused token is dropped before
	toldEnd   time.Time     // of the secret, that was told of last
}

var _ oauth2.TokenSource = (*Source)(nil)

// A state is a token and what is known of its life. All but the atomics is
// immutable.
type state struct {
	// trusted is the moment, by clock.elapsed, until which the token may be
	// handed out without another look at the wall clock: see phase.
	trusted  atomic.Int64
	accepted atomic.Bool // by an API to which Transport sent it

	token  *oauth2.Token // shared with callers
	bearer string        // the value of Authorization, out of their reach
	began  time.Duration // by clock.elapsed: when it was asked for
	wall   time.Time     // the same by the wall clock
	early  time.Duration // the ages at which the early window,
	late   time.Duration // the last seconds begin,
	life   time.Duration // and at which the token expires

	secretEnds time.Time // zero if the server does not say
}

// Token returns an access token that has not expired, as TokenContext does in
// an empty context: it may wait for as long as three attempts and the pauses
// between them take.
//
// The *oauth2.Token is shared by all callers and read-only. What wraps a source
// in a cache of its own (oauth2.ReuseTokenSource, oauth2.NewClient) writes to
// the tokens that it gets: at most one such wrapper may stand around a Source,
// and none is needed.
func (s *Source) Token() (*oauth2.Token, error) {
	if st := s.state.Load(); st != nil && int64(s.clock.elapsed()) < st.trusted.Load() {
		return st.token, nil
	}
	return s.TokenContext(context.Background())
}

// TokenContext returns an access token that has not expired: at once where one
// is there, and otherwise it waits within ctx for the request that gets one.
// That request is shared with all who wait and does not end with ctx, whose
// values it sees; it is not repeated when nobody waits for it any more.
//
// The token is shared and read-only, see Token. Its Extra returns further
// members of the token response: Extra("scope").
//
// If ctx ends first the error wraps ctx.Err(), and says what went wrong until
// then. For other errors see the package comment.
func (s *Source) TokenContext(ctx context.Context) (*oauth2.Token, error) {
	st, err := s.current(ctx)
	if err != nil {
		return nil, err
	}
	return st.token, nil
}

// String says whose tokens s gets and where, without any credential.
func (s *Source) String() string {
	server := s.issuer
	if server == "" {
		server = place(s.tokenURL)
	}
	return fmt.Sprintf("tokens of client %q from %s", s.clientID, server)
}

// Format implements fmt.Formatter: every verb shows what String returns.
func (s *Source) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// LogValue implements slog.LogValuer with what String returns.
func (s *Source) LogValue() slog.Value { return slog.StringValue(s.String()) }

// current returns a token that has not expired, and sees to its renewal.
func (s *Source) current(ctx context.Context) (*state, error) {
	for waited := false; ; waited = true {
		st := s.state.Load()
		if st != nil && int64(s.clock.elapsed()) < st.trusted.Load() {
			return st, nil
		}
		phase, left := st.phase(&s.clock)
		switch {
		case phase == fresh:
			return st, nil
		case phase == early:
			_, _ = s.join(ctx, st, false)
			return st, nil
		case phase == late && waited: // it is new, and short-lived
			return st, nil
		}
		if err := s.wait(ctx, st, left/2); err != nil {
			if phase, _ := st.phase(&s.clock); phase != expired {
				return st, nil
			}
			return nil, err
		}
	}
}

// wait waits until another token than st is there: within ctx, and, if limit is
// positive, at most so long, which is no error.
func (s *Source) wait(ctx context.Context, st *state, limit time.Duration) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("tokensource: waiting for a token: %w", err)
	}
	r, err := s.join(ctx, st, true)
	if r == nil {
		return err
	}
	var enough <-chan time.Time
	if limit > 0 {
		timer := time.NewTimer(limit)
		defer timer.Stop()
		enough = timer.C
	}
	select {
	case <-r.done:
		return r.err
	case <-enough:
		s.leave(r)
		return nil
	case <-ctx.Done():
		if last := s.leave(r); last != nil {
			return fmt.Errorf("tokensource: waiting for a token: %w; so far: %w", ctx.Err(), last)
		}
		return fmt.Errorf("tokensource: waiting for a token: %w", ctx.Err())
	}
}

// trust is for how long the wall clock is not looked at again. Reading it
// doubles what Token costs. It matters for who has slept: a machine whose
// monotonic clock stood still. Falling asleep and waking take longer than this.
const trust = time.Millisecond

// A phase of a token's life.
type phase uint8

const (
	fresh   phase = iota // good, and nothing to do
	early                // good, and may be renewed
	late                 // good for a few more seconds
	expired              // or none at all
)

// phase returns where in its life the token is, and how much of that is left. By
// the monotonic clock alone a token would outlive the sleep of its machine, by
// the wall clock alone a step back would prolong its life: it is as old as the
// older of the two says.
func (st *state) phase(c *clock) (p phase, left time.Duration) {
	if st == nil {
		return expired, 0
	}
	now := c.time()
	elapsed := now.Sub(c.epoch)
	age := max(elapsed-st.began, now.Round(0).Sub(st.wall))
	next := st.early
	switch {
	case age >= st.life:
		return expired, 0
	case age >= st.late:
		return late, st.life - age
	case age >= st.early:
		p, next = early, st.late
	}
	st.trusted.Store(int64(elapsed + min(trust, next-age)))
	return p, st.life - age
}

// A clock measures the time since epoch.
type clock struct {
	epoch time.Time
	now   func() time.Time // nil: the system's
}

func newClock(now func() time.Time) clock {
	c := clock{now: now}
	c.epoch = c.time()
	return c
}

// elapsed reads only the monotonic clock if it can, which costs half of
// time.Now.
func (c *clock) elapsed() time.Duration {
	if c.now == nil {
		return time.Since(c.epoch)
	}
	return c.now().Sub(c.epoch)
}

func (c *clock) time() time.Time {
	if c.now == nil {
		return time.Now()
	}
	return c.now()
}
