package verifier

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/clientele-go/clientele/internal/fetch"
	"github.com/clientele-go/clientele/internal/jws"
	"github.com/clientele-go/clientele/internal/revlist"
	"github.com/clientele-go/clientele/observe"
)

const (
	listTimeout      = 15 * time.Second // for the list, metadata and keys together
	defaultListFresh = 10 * time.Second // without a max-age
	shortestList     = time.Second      // that a list is fresh for
)

// A list holds what one issuer has revoked, and decides when to fetch that.
type list struct {
	issuer string
	ring   *ring
	source *listSource
	config Revocation
	now    func() time.Time
	log    *slog.Logger

	observer observe.Observer // nil: none

	current atomic.Pointer[listed] // nil before the first fetch; stored under mu

	mu      sync.Mutex
	attempt *attempt // under way; nil: none
	backoff fetch.Backoff
}

// A listed is a list with the times of its fetch. It never changes.
type listed struct {
	*revlist.List
	set     *keySet // with whose keys it was verified
	fetched time.Time
	ahead   time.Time // from then on who comes has it fetched anew
	stale   time.Time // from then on who comes waits for that, if it works
	end     time.Time // from then on it does not count any more
}

// get returns the list that counts now. It waits for it only if there is none, or
// if it is stale and no fetch has failed: then nobody asked for a while. Its error
// is an *UnavailableError or that of ctx.
func (l *list) get(ctx context.Context, now time.Time) (*listed, error) {
	known := l.current.Load()
	if known != nil && now.Before(known.ahead) && !now.Before(known.fetched) {
		return known, nil
	}
	l.mu.Lock()
	known = l.current.Load()
	// What was fetched in the future was fetched before the clock was set back,
	// nobody knows when.
	counts := known != nil && now.Before(known.end) && !now.Before(known.fetched)
	if counts && (now.Before(known.stale) || l.backoff.Failures > 0) {
		if !now.Before(known.ahead) {
			l.start(ctx, now)
		}
		l.mu.Unlock()
		return known, nil
	}
	a := l.start(ctx, now)
	if l.config.WhenStale != StaleRefuse && l.backoff.Failures > 0 {
		a = nil // nobody waits for what would not change the answer
	}
	l.mu.Unlock()

	err := a.wait(ctx)
	if newer := l.current.Load(); newer != nil && newer != known {
		return newer, nil
	}
	if counts {
		return known, nil
	}
	if err != nil {
		return nil, fmt.Errorf("waiting for the revocations of %s: %w", l.issuer, err)
	}
	return nil, l.unavailable()
}

// start begins a fetch and returns it, or the one that is under way, or nil if a
// pause is due. The caller holds l.mu.
func (l *list) start(ctx context.Context, now time.Time) *attempt {
	if l.attempt != nil || l.backoff.Pause(now) > 0 {
		return l.attempt
	}
	a := &attempt{done: make(chan struct{})}
	l.attempt = a
	go l.run(context.WithoutCancel(ctx), a)
	return a
}

func (l *list) unavailable() error {
	now := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	return &UnavailableError{Issuer: l.issuer, RetryAfter: l.backoff.RetryAfter(now), Err: l.backoff.Err}
}

func (l *list) run(ctx context.Context, a *attempt) {
	defer close(a.done)
	ctx, running := observe.Begin(ctx, l.observer, observe.RevocationsFetch)
	limited, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	known, err := l.fetch(limited)
	l.land(known, err)
	if running.Observed() {
		running.End(ctx, fetchResult(l.issuer, err))
	}
}

// fetch gets the list, or learns that the one that is known is still the one that
// there is.
func (l *list) fetch(ctx context.Context) (*listed, error) {
	// The time counts from here: the issuer may look at once.
	now := l.now()
	snap, err := l.ring.keys(ctx, now)
	if err != nil {
		return nil, err
	}
	known := l.current.Load()
	etag := ""
	// One by keys that may have been withdrawn is fetched again.
	if known != nil && known.set == snap.set && now.Before(known.Expires) {
		etag = l.source.etag
	}
	body, fresh, err := l.source.get(ctx, etag)
	if err != nil {
		return nil, err
	}
	next := &listed{fetched: now}
	if body == nil {
		next.List, next.set = known.List, known.set
	} else if next.List, next.set, err = l.parse(ctx, snap, body); err != nil {
		l.source.etag = ""
		return nil, &contentError{fmt.Errorf("revocations: %w", err)}
	}
	if !now.Before(next.Expires) {
		l.source.etag = ""
		return nil, &contentError{errors.New("revocations: a list that has expired")}
	}
	if fresh == 0 {
		fresh = defaultListFresh
	}
	fresh = min(max(fresh, shortestList), l.config.MaxStale)
	next.ahead, next.stale, next.end = now.Add(fresh/5*4), now.Add(fresh), now.Add(l.config.MaxStale)
	if next.end.After(next.Expires) {
		next.end = next.Expires
	}
	return next, nil
}

// parse returns the list that is signed by a key of the issuer.
func (l *list) parse(ctx context.Context, snap *snapshot, body []byte) (*revlist.List, *keySet, error) {
	compact, err := jws.Split(string(body), revlist.MaxSize)
	if err != nil {
		return nil, nil, err
	}
	data, err := jws.Decode(nil, []byte(compact.Header))
	if err != nil {
		return nil, nil, err
	}
	h, err := jws.ParseHeader(data)
	switch {
	case err != nil:
		return nil, nil, err
	case !strings.EqualFold(h.Type, revlist.Type):
		return nil, nil, fmt.Errorf("typ is %.32q, not %s", h.Type, revlist.Type)
	}
	signature, err := jws.Decode(nil, []byte(compact.Signature))
	if err != nil {
		return nil, nil, err
	}
	keys, snap, err := l.ring.candidates(ctx, snap, &h)
	if err != nil {
		return nil, nil, err
	}
	for _, key := range keys {
		if err = jws.Verify(h.Algorithm, key, body[:len(compact.SigningInput)], signature); err == nil {
			break
		}
	}
	if err != nil {
		return nil, nil, err
	}
	payload, err := jws.Decode(nil, []byte(compact.Payload))
	if err != nil {
		return nil, nil, err
	}
	parsed, err := revlist.Parse(payload)
	switch {
	case err != nil:
		return nil, nil, err
	case parsed.Issuer != l.issuer:
		return nil, nil, errors.New("it is the list of another issuer")
	}
	return parsed, snap.set, nil
}

// land ends the attempt: with a list, or with a pause before the next one.
func (l *list) land(known *listed, err error) {
	now := l.now()
	l.mu.Lock()
	l.attempt = nil
	if err == nil {
		failures := l.backoff.Failures
		l.current.Store(known)
		l.backoff = fetch.Backoff{}
		l.mu.Unlock()
		if failures > 0 {
			l.log.Info("revocations of the issuer fetched again", "issuer", l.issuer)
		}
		return
	}
	pause := l.backoff.Failed(now, err)
	last := l.current.Load()
	l.mu.Unlock()
	serving := "nothing"
	switch {
	case last != nil && now.Before(last.end):
		serving = "the last list"
	case l.config.WhenStale == StaleAccept:
		serving = "every token"
	case l.config.WhenStale == StaleIntrospect:
		serving = "introspection"
	}
	l.log.Warn("revocations of the issuer not fetched", "issuer", l.issuer, "error", err, "retry_in", pause, "serving", serving)
}

// A listSource fetches the list of an issuer. One fetch is under way at a time.
type listSource struct {
	*finder
	etag string // of what it returned last; empty: none
}

// get returns the list, or nil if it is still the one with that etag, and for how
// long it is fresh.
func (s *listSource) get(ctx context.Context, etag string) (body []byte, fresh time.Duration, err error) {
	uri, err := s.find(ctx)
	if err != nil {
		return nil, 0, err
	}
	answer, err := fetch.GetChanged(ctx, s.client, uri, revlist.MediaType, etag, revlist.MaxSize)
	if err != nil {
		s.forget()
		return nil, 0, fmt.Errorf("revocations at %s: %w", place(uri), err)
	}
	if !answer.NotModified {
		body, s.etag = answer.Body, answer.Header.Get("ETag")
	}
	return body, fetch.Freshness(answer.Header), nil
}
