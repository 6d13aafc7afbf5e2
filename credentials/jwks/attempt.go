package jwks

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/clientele-go/clientele/credentials"
	"github.com/clientele-go/clientele/internal/fetch"
	"github.com/clientele-go/clientele/observe"
)

// An attempt is one fetch. It goes on when its callers have left, as the next
// ones need it too, and ends by itself within fetchTimeout.
type attempt struct {
	done chan struct{} // closed when the entry knows what came of it
}

// wait returns when the attempt has ended, or the error of ctx.
func (a *attempt) wait(ctx context.Context) error {
	select {
	case <-a.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// start begins a fetch and returns it, or the one that is under way. If a pause
// is due, or too many are under way, it returns why there is none. The caller
// holds e.mu.
func (c *Cache) start(ctx context.Context, e *entry, now time.Time) (*attempt, error) {
	switch {
	case e.attempt != nil:
		return e.attempt, nil
	case e.backoff.Pause(now) > 0:
		return nil, e.backoff.Err
	case !c.limits.acquire(e.host):
		return nil, ErrBusy
	}
	a := &attempt{done: make(chan struct{})}
	e.attempt = a
	go c.run(context.WithoutCancel(ctx), e, a)
	return a, nil
}

// failing reports whether the last fetch failed, not so long ago that the next
// one should not be waited for. The caller holds e.mu.
func (e *entry) failing(now time.Time) bool {
	return e.backoff.Failures > 0 && now.Before(e.backoff.RetryAt.Add(failureNews))
}

// unavailable returns the error for an entry without keys that serve.
func (c *Cache) unavailable(e *entry, cause error) error {
	now := c.now()
	e.mu.Lock()
	defer e.mu.Unlock()
	if cause == nil {
		cause = e.backoff.Err
	}
	return &UnavailableError{URL: withoutQuery(e.url), RetryAfter: e.backoff.RetryAfter(now), Err: cause}
}

var errPanicked = errors.New("the HTTP client panicked")

// run makes an attempt. It ends well even if the HTTP client, which may be the
// program's, does not.
func (c *Cache) run(ctx context.Context, e *entry, a *attempt) {
	var set *Set
	err := errPanicked // unless fetch returns
	ctx, running := observe.Begin(ctx, c.observer, observe.JWKSFetch)
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("%w: %v", errPanicked, v)
		}
		c.limits.release(e.host)
		c.land(ctx, e, set, err)
		if running.Observed() {
			running.End(ctx, resultOf(e, err))
		}
		close(a.done)
	}()
	set, err = c.fetch(ctx, e)
}

// resultOf returns what is told of a fetch.
func resultOf(e *entry, err error) observe.Result {
	result := observe.Result{
		Outcome: observe.OK, Err: err,
		Details: []slog.Attr{slog.String(observe.DetailHost, e.host)},
	}
	if err != nil {
		result.Outcome, result.Reason = observe.Failed, reasonOf(err)
	}
	return result
}

// fetch gets the set of e.
func (c *Cache) fetch(ctx context.Context, e *entry) (*Set, error) {
	now := c.now() // the time counts from here: the keys are read some time after
	answer, err := c.get(ctx, e.url)
	if err != nil {
		return nil, err
	}
	fresh := freshness(answer)
	set := &Set{
		digest:  sha256.Sum256(answer.Body),
		fetched: now,
		// At random, so that what was fetched at the same time is not ever after.
		ahead: fresh*3/4 + rand.N(fresh/8), // #nosec G404 -- no secret
		fresh: fresh,
	}
	if last := e.set.Load(); last != nil && last.digest == set.digest {
		set.keys = last.keys
		return set, nil
	}
	keys, warnings, err := credentials.ParseJWKSet(answer.Body)
	if err != nil {
		return nil, err
	}
	set.keys = keys
	for _, w := range warnings {
		level := slog.LevelDebug
		if w.Leaked {
			level = slog.LevelWarn
		}
		c.log.Log(ctx, level, "key of a JWKS URL", "url", withoutQuery(e.url), "warning", w.String())
	}
	return set, nil
}

// get fetches what is under a URL.
func (c *Cache) get(ctx context.Context, url string) (fetch.Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	return fetch.Get(ctx, c.client, url, "application/jwk-set+json, application/json", credentials.MaxJWKSetSize)
}

// freshness returns how long an answer is fresh for.
func freshness(answer fetch.Answer) time.Duration {
	fresh := fetch.Freshness(answer.Header)
	if fresh == 0 {
		return defaultFresh
	}
	return min(max(fresh, shortestFresh), longestFresh)
}

// land ends the attempt of e: with a newer set, or with a pause before the next
// one.
func (c *Cache) land(ctx context.Context, e *entry, set *Set, err error) {
	now := c.now()
	e.mu.Lock()
	e.attempt = nil
	last := e.set.Load()
	if err == nil {
		failures := e.backoff.Failures
		e.set.Store(set)
		e.backoff = fetch.Backoff{}
		e.mu.Unlock()
		c.table.counted(e, len(set.keys)-len(last.Keys()))
		if failures > 0 {
			c.log.InfoContext(ctx, "JWKS URL fetched again", "url", withoutQuery(e.url), "failures", failures)
		}
		return
	}
	pause := e.backoff.Failed(now, err)
	failures := e.backoff.Failures
	e.mu.Unlock()
	if failures&(failures-1) != 0 {
		return // said already: the first, second, fourth, eighth… is enough
	}
	c.log.WarnContext(ctx, "JWKS URL not fetched", "url", withoutQuery(e.url), "reason", reasonOf(err),
		"error", brief(err), "failures", failures, "retry_in", pause, "serving", last.serves(now))
}
