package verifier

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/clientele-go/clientele/internal/fetch"
	"github.com/clientele-go/clientele/internal/flight"
	"github.com/clientele-go/clientele/internal/strictjson"
	"github.com/clientele-go/clientele/observe"
)

const (
	introspectionMember  = "introspection_endpoint"
	introspectionTimeout = 5 * time.Second // metadata included
	maxIntrospection     = 64 << 10        // of an answer, in bytes
	defaultAnswerFresh   = 10 * time.Second
)

// An introspector asks an issuer whether tokens are good (RFC 7662), and remembers
// the answers for a while.
type introspector struct {
	issuer   string
	endpoint *finder
	client   *http.Client
	id       string
	secret   string
	fresh    time.Duration // that an answer counts for
	size     int           // answers that are remembered; 0: none
	accept   bool          // whether tokens are accepted when nobody answers
	now      func() time.Time
	log      *slog.Logger
	observer observe.Observer // nil: none

	asking flight.Group[string, bool] // by jti

	mu         sync.Mutex
	young, old map[string]opinion // by jti; old goes when young is full
	backoff    fetch.Backoff
}

// An opinion is what the issuer said of a token.
type opinion struct {
	active bool
	from   time.Time
}

// newIntrospector returns one that does not follow redirects: the credential is
// for the endpoint alone.
func newIntrospector(cfg *Config, n network) *introspector {
	client := *n.client
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	i := &introspector{
		issuer: cfg.Issuer, client: &client, id: cfg.Revocation.ClientID, secret: cfg.Revocation.ClientSecret,
		fresh: defaultAnswerFresh, size: max(cfg.CacheSize, 0), accept: cfg.Revocation.WhenStale == StaleAccept,
		endpoint: newFinder(cfg.Issuer, n.urls[cfg.Issuer], introspectionMember, n.client, cfg.Now),
		now:      cfg.Now, log: cfg.Logger, observer: cfg.Observer,
	}
	if cfg.CacheSize == 0 {
		i.size = defaultCacheSize
	}
	if cfg.Revocation.Mode == ModeIntrospection && cfg.Revocation.MaxStale > 0 {
		i.fresh = cfg.Revocation.MaxStale
	}
	return i
}

// check returns nil if the issuer says, or said a moment ago, that the token is
// good. It was verified: so its jti stands for it, and what is no token of the
// issuer never comes here.
func (i *introspector) check(ctx context.Context, token string, c *Claims, now time.Time) error {
	active, ok := i.recall(c.ID, now)
	if !ok {
		var err error
		active, err = i.asking.Do(ctx, c.ID, func(ctx context.Context) (bool, error) { return i.ask(ctx, token, c.ID) })
		switch {
		case err == nil:
		case ctx.Err() != nil:
			return fmt.Errorf("asking %s about a token: %w", i.issuer, ctx.Err())
		case i.accept:
			return nil
		default:
			return err
		}
	}
	if !active {
		return refuse(ReasonRevoked, errNotActive)
	}
	return nil
}

// recall returns what was said of a token, if that still counts.
func (i *introspector) recall(jti string, now time.Time) (active, ok bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	o, ok := i.young[jti]
	if !ok {
		o, ok = i.old[jti]
	}
	age := now.Sub(o.from)
	return o.active, ok && age >= 0 && age < i.fresh
}

func (i *introspector) remember(jti string, o opinion) {
	if i.size == 0 {
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.young == nil || len(i.young) >= (i.size+1)/2 {
		i.old, i.young = i.young, map[string]opinion{}
	}
	i.young[strings.Clone(jti)] = o // which is a part of the token
}

// ask asks the issuer, unless that failed a moment ago.
func (i *introspector) ask(ctx context.Context, token, jti string) (bool, error) {
	now := i.now()
	i.mu.Lock()
	pause, last := i.backoff.Pause(now), i.backoff.Err
	i.mu.Unlock()
	if pause > 0 {
		return false, &UnavailableError{Issuer: i.issuer, RetryAfter: max(pause, fetch.FirstPause), Err: last}
	}
	ctx, cancel := context.WithTimeout(ctx, introspectionTimeout)
	defer cancel()
	spanned, running := observe.Begin(ctx, i.observer, observe.IntrospectionCall)
	active, err := i.request(spanned, token)
	if running.Observed() {
		running.End(spanned, askResult(ctx, i.issuer, active, err))
	}
	if err != nil {
		if errors.Is(ctx.Err(), context.Canceled) {
			return false, err // nobody waits any more: that says nothing of the issuer
		}
		i.mu.Lock()
		pause := i.backoff.Failed(i.now(), err)
		i.mu.Unlock()
		i.endpoint.forget()
		i.log.Warn("introspection failed", "issuer", i.issuer, "error", err, "retry_in", pause)
		return false, &UnavailableError{Issuer: i.issuer, RetryAfter: max(pause, fetch.FirstPause), Err: err}
	}
	i.mu.Lock()
	i.backoff = fetch.Backoff{}
	i.mu.Unlock()
	i.remember(jti, opinion{active, now})
	return active, nil
}

// request makes one request of RFC 7662 section 2.1. Its error never holds the
// token or the secret.
func (i *introspector) request(ctx context.Context, token string) (active bool, err error) {
	uri, err := i.endpoint.find(ctx)
	if err != nil {
		return false, err
	}
	fail := func(err error) (bool, error) {
		return false, fmt.Errorf("introspection at %s: %w", place(uri), err)
	}
	form := url.Values{"token": {token}, "token_type_hint": {"access_token"}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, uri, strings.NewReader(form.Encode()))
	if err != nil {
		return fail(errors.New("no URL for a request"))
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Accept-Encoding", "identity")
	req.SetBasicAuth(url.QueryEscape(i.id), url.QueryEscape(i.secret)) // RFC 6749 section 2.3.1
	resp, err := i.client.Do(req)
	if err != nil {
		var quoting *url.Error
		if errors.As(err, &quoting) {
			err = quoting.Err
		}
		return fail(err)
	}
	defer resp.Body.Close()
	switch err := (&fetch.StatusError{Status: resp.StatusCode}); resp.StatusCode {
	case http.StatusOK:
	case http.StatusUnauthorized:
		return fail(fmt.Errorf("it does not know Revocation.ClientID by that ClientSecret: %w", err))
	default:
		return fail(err)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxIntrospection+1))
	switch {
	case err != nil:
		return fail(err)
	case len(body) > maxIntrospection:
		return fail(fetch.ErrTooLarge)
	}
	if active, err = parseIntrospection(body); err != nil {
		return fail(&contentError{err})
	}
	return active, nil
}

// errNotActive names both reasons, of which the issuer tells nobody which it is (RFC
// 7662 section 2.2).
var errNotActive = errors.New("not active, says the issuer, or not for this service to ask about")

var errNoAnswer = errors.New("an answer without active")

// parseIntrospection reads an answer of RFC 7662 section 2.2.
func parseIntrospection(body []byte) (active bool, err error) {
	var object strictjson.Object
	object.Reset(body)
	said := false
	for object.Next() {
		if string(object.Key()) == "active" {
			if active, said = object.Value().Bool(); !said {
				return false, errNoAnswer
			}
		}
	}
	if err := object.Err(); err != nil {
		return false, err
	}
	if !said {
		return false, errNoAnswer
	}
	return active, nil
}
