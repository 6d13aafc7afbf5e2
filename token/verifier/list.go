package verifier

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/clientele-go/clientele/internal/fetch"
	"github.com/clientele-go/clientele/internal/jws"
	"github.com/clientele-go/clientele/observe"
)

const (
	listTimeout      = 15 * time.Second // for the list, metadata and keys together
	defaultListFresh = 10 * time.Second // without a max-age
	shortestList     = time.Second      // that a list is fresh for
)

// A form is how an issuer publishes lists of one kind: in a JWS that one of its keys
// has signed.
type form struct {
	name  string // in errors and in the log
	typ   string // of the JWS
	media string // its Content-Type
	size  int    // in bytes, at most
}

// A statement is what the payload of a list says.
type statement[T any] struct {
	content   T
	issuer    string        // empty: it does not say
	notBefore time.Time     // likewise, the zero time
	expires   time.Time     // likewise
	fresh     time.Duration // for which it need not be fetched again; 0: it does not say
}

// A list holds what an issuer has published at one place of what it has revoked, and
// decides when to fetch that.
type list[T any] struct {
	form
	parse func(payload []byte) (statement[T], error)
	// behind reports whether next is out of date, as known shows; nil: nothing shows it.
	behind func(next, known T) bool

	issuer string
	ring   *ring
	source *listSource
	config *Revocation
	leeway time.Duration
	now    func() time.Time
	log    *slog.Logger
	gate   *gate  // of the fetches of several lists; nil: each begins at once
	landed func() // called after each fetch; may be nil

	observer observe.Observer // nil: none

	current atomic.Pointer[listed[T]] // nil before the first fetch; stored under mu

	mu      sync.Mutex
	attempt *attempt // under way; nil: none
	backoff fetch.Backoff
}

// A listed is a list with the times of its fetch. It never changes.
type listed[T any] struct {
	statement[T]
	set     *keySet // with whose keys it was verified
	fetched time.Time
	ahead   time.Time // from then on who comes has it fetched anew
	stale   time.Time // from then on who comes waits for that, if it works
	end     time.Time // from then on it does not count any more
}

// get returns the list that counts now. It waits for it only if there is none, or
// if it is stale and no fetch has failed: then nobody asked for a while. Its error
// is an *UnavailableError or that of ctx.
func (l *list[T]) get(ctx context.Context, now time.Time) (*listed[T], error) {
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
		return nil, fmt.Errorf("waiting for the %s of %s: %w", l.name, l.issuer, err)
	}
	return nil, l.unavailable()
}

// start begins a fetch and returns it, or the one that is under way, or nil if a
// pause is due. The caller holds l.mu.
func (l *list[T]) start(ctx context.Context, now time.Time) *attempt {
	if l.attempt != nil || l.backoff.Pause(now) > 0 {
		return l.attempt
	}
	if !l.gate.enter() {
		l.backoff.Failed(now, errTooManyFetches)
		return nil
	}
	a := &attempt{done: make(chan struct{})}
	l.attempt = a
	go l.run(context.WithoutCancel(ctx), a)
	return a
}

func (l *list[T]) unavailable() error {
	now := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	return &UnavailableError{Issuer: l.issuer, RetryAfter: l.backoff.RetryAfter(now), Err: l.backoff.Err}
}

func (l *list[T]) run(ctx context.Context, a *attempt) {
	defer close(a.done)
	ctx, running := observe.Begin(ctx, l.observer, observe.RevocationsFetch)
	limited, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	var known *listed[T]
	err := l.gate.pass(limited)
	if err == nil {
		known, err = l.fetch(limited)
		l.gate.leave()
	}
	l.gate.exit()
	l.land(known, err)
	if l.landed != nil {
		l.landed()
	}
	if running.Observed() {
		running.End(ctx, fetchResult(l.issuer, err))
	}
}

// fetch gets the list, or learns that the one that is known is still the one that
// there is.
func (l *list[T]) fetch(ctx context.Context) (*listed[T], error) {
	// The time counts from here: the issuer may look at once.
	now := l.now()
	snap, err := l.ring.keys(ctx, now)
	if err != nil {
		return nil, err
	}
	known := l.current.Load()
	etag := ""
	// One by keys that may have been withdrawn is fetched again.
	holds := known != nil && known.set == snap.set && !known.expired(now)
	if holds {
		etag = l.source.etag
	}
	body, fresh, err := l.source.get(ctx, etag, &l.form)
	if err != nil {
		return nil, err
	}
	next := &listed[T]{fetched: now}
	if body == nil {
		next.statement, next.set = known.statement, known.set
	} else if next.statement, next.set, err = l.read(ctx, snap, body); err != nil {
		return nil, l.useless(err)
	}
	switch {
	case next.expired(now):
		return nil, l.useless(errors.New("a list that has expired"))
	case now.Add(l.leeway).Before(next.notBefore):
		return nil, l.useless(errors.New("a list that does not count yet"))
	case holds && l.behind != nil && l.behind(next.content, known.content):
		// From a cache on the way here, or from who would have it so.
		return nil, l.useless(errors.New("an older list than the last one, without all that is revoked there"))
	}
	if next.statement.fresh > 0 { // which was signed
		fresh = next.statement.fresh
	}
	if fresh == 0 {
		fresh = defaultListFresh
	}
	fresh = min(max(fresh, shortestList), l.config.MaxStale)
	next.end = now.Add(l.config.MaxStale)
	if next.expired(next.end) {
		next.end = next.expires
		fresh = min(fresh, next.end.Sub(now))
	}
	next.ahead, next.stale = now.Add(fresh/5*4), now.Add(fresh)
	return next, nil
}

// expired reports whether the list itself says that it does not count any more.
func (s *statement[T]) expired(now time.Time) bool {
	return !s.expires.IsZero() && !now.Before(s.expires)
}

// useless returns the error of an answer that can't be used, and is not to be asked
// for by its ETag.
func (l *list[T]) useless(err error) error {
	l.source.etag = ""
	return &contentError{fmt.Errorf("%s: %w", l.name, err)}
}

// read returns what the list says that is signed by a key of the issuer.
func (l *list[T]) read(ctx context.Context, snap *snapshot, body []byte) (said statement[T], set *keySet, err error) {
	compact, err := jws.Split(string(body), l.size)
	if err != nil {
		return said, nil, err
	}
	data, err := jws.Decode(nil, []byte(compact.Header))
	if err != nil {
		return said, nil, err
	}
	h, err := jws.ParseHeader(data)
	switch {
	case err != nil:
		return said, nil, err
	case !strings.EqualFold(h.Type, l.typ):
		return said, nil, fmt.Errorf("typ is %.32q, not %s", h.Type, l.typ)
	}
	signature, err := jws.Decode(nil, []byte(compact.Signature))
	if err != nil {
		return said, nil, err
	}
	keys, snap, err := l.ring.candidates(ctx, snap, &h)
	if err != nil {
		return said, nil, err
	}
	for _, key := range keys {
		if err = jws.Verify(h.Algorithm, key, body[:len(compact.SigningInput)], signature); err == nil {
			break
		}
	}
	if err != nil {
		return said, nil, err
	}
	payload, err := jws.Decode(nil, []byte(compact.Payload))
	if err != nil {
		return said, nil, err
	}
	said, err = l.parse(payload)
	switch {
	case err != nil:
		return said, nil, err
	case said.issuer != "" && said.issuer != l.issuer:
		return said, nil, errors.New("it is the list of another issuer")
	}
	return said, snap.set, nil
}

// land ends the attempt: with a list, or with a pause before the next one.
func (l *list[T]) land(known *listed[T], err error) {
	now := l.now()
	l.mu.Lock()
	l.attempt = nil
	if err == nil {
		failures := l.backoff.Failures
		l.current.Store(known)
		l.backoff = fetch.Backoff{}
		l.mu.Unlock()
		if failures > 0 {
			l.log.Info(l.name+" of the issuer fetched again", l.source.about(l.issuer)...)
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
	l.log.Warn(l.name+" of the issuer not fetched", append(l.source.about(l.issuer), "error", err, "retry_in", pause, "serving", serving)...)
}

// A listSource fetches a list of an issuer. One fetch is under way at a time.
type listSource struct {
	location
	client *http.Client
	etag   string // of what it returned last; empty: none
}

// A location is where a list is published.
type location interface {
	find(ctx context.Context) (uri string, err error)
	forget() // that it is there, since it is not
}

// A fixedLocation does not move.
type fixedLocation string

func (f fixedLocation) find(context.Context) (string, error) { return string(f), nil }
func (f fixedLocation) forget()                              {}

// about returns the attributes of the log that tell what was fetched.
func (s *listSource) about(issuer string) []any {
	if uri, ok := s.location.(fixedLocation); ok {
		return []any{"issuer", issuer, "uri", place(string(uri))}
	}
	return []any{"issuer", issuer}
}

// get returns the list, or nil if it is still the one with that etag, and for how
// long it is fresh.
func (s *listSource) get(ctx context.Context, etag string, f *form) (body []byte, fresh time.Duration, err error) {
	uri, err := s.find(ctx)
	if err != nil {
		return nil, 0, err
	}
	answer, err := fetch.GetChanged(ctx, s.client, uri, f.media, etag, f.size)
	if err != nil {
		s.forget()
		return nil, 0, fmt.Errorf("%s at %s: %w", f.name, place(uri), err)
	}
	if !answer.NotModified {
		body, s.etag = answer.Body, answer.Header.Get("ETag")
	}
	return body, fetch.Freshness(answer.Header), nil
}

// A gate bounds how many fetches of several lists are under way, and how many wait for
// that. A nil gate bounds nothing.
type gate struct{ inside, through chan struct{} }

const (
	maxFetches        = 8
	maxWaitingFetches = 256 // with those that are under way
)

var errTooManyFetches = errors.New("too many lists are being fetched")

func newGate() *gate {
	return &gate{inside: make(chan struct{}, maxWaitingFetches), through: make(chan struct{}, maxFetches)}
}

// enter reports whether a fetch may wait to pass. If so, exit is to be called.
func (g *gate) enter() bool {
	if g == nil {
		return true
	}
	select {
	case g.inside <- struct{}{}:
		return true
	default:
		return false
	}
}

func (g *gate) exit() {
	if g != nil {
		<-g.inside
	}
}

// pass returns nil when the fetch may begin. Then leave is to be called.
func (g *gate) pass(ctx context.Context) error {
	if g == nil {
		return nil
	}
	select {
	case g.through <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (g *gate) leave() {
	if g != nil {
		<-g.through
	}
}
