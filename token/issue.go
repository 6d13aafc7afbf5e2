package token

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/credentials"
	"github.com/clientele-go/clientele/internal/away"
	"github.com/clientele-go/clientele/observe"
	"github.com/clientele-go/clientele/resource"
	"github.com/clientele-go/clientele/store"
)

// GrantClientCredentials is the one grant type that an Issuer serves
// (RFC 6749 §4.4).
const GrantClientCredentials = "client_credentials"

// A Request is a token request (RFC 6749 §4.4.2), apart from how it came.
type Request struct {
	// GrantType is GrantClientCredentials, or empty for the same.
	GrantType string
	// ClientID and ClientSecret are what the client authenticates with, or
	// Assertion (RFC 7523 §2.2) with AssertionType, beside which ClientID may
	// be empty.
	ClientID      string
	ClientSecret  string `json:"-"`
	Assertion     string `json:"-"`
	AssertionType string // AssertionTypeJWT
	// Audience, or Resources (RFC 8707; equal ones are one), names the
	// resource server. Empty: the default one of the tenant.
	Audience  string
	Resources []string
	// Scope is the scopes asked for, separated by spaces. Empty: all that the
	// client was granted at the resource server.
	Scope string
	// RemoteAddr is the IP address that the request came from: for the log, and
	// to slow failed attempts from there (Config.FailedPerAddress). Empty, from
	// this process, none are slowed.
	RemoteAddr string
	// RequestID is the id of the request, for the log and for Denial. The
	// token endpoint gives it one (see Config.RequestID); of another caller
	// it may be empty.
	RequestID string
}

// Format implements fmt.Formatter: no verb shows the secret or the assertion.
func (r Request) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "token request of client %.64q for %.256q", r.ClientID, r.Audience)
}

// LogValue implements slog.LogValuer: without the secret and the assertion.
func (r Request) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(r)) }

// An Issuance is a token that is about to be signed: what OnIssue sees, and
// what it may change where a field says so.
type Issuance struct {
	// Client is who asks; shared and read-only.
	Client *client.Client
	// Credential is by what the client has proved who it is.
	Credential credentials.Proof
	// Server is the resource server that the token is for; shared and
	// read-only.
	Server *resource.Server
	// Scopes are what is granted, by id. OnIssue may take some away; what it
	// adds is refused.
	Scopes []string
	// Lifetime is how long the token will be valid. OnIssue may shorten it,
	// in whole seconds, to one at least.
	Lifetime time.Duration
	// Claims are further claims for the token. Nil before OnIssue, which may
	// set it: any JSON value under any name but those of the claims that the
	// Issuer sets itself and the others that are registered for JWTs.
	Claims map[string]any
	// RemoteAddr is where the request came from.
	RemoteAddr string

	jti      string
	now      time.Time
	issuedAt time.Time // see issueTime
	status   statusIndex
}

// A Token is an access token that was issued. Its fields are those of the answer
// of RFC 6749 §5.1, and what is known of the token besides.
type Token struct {
	AccessToken string            `json:"-"` // a JWT (RFC 9068); always of type Bearer
	ExpiresIn   time.Duration     // from IssuedAt, in whole seconds
	Scopes      []string          // what was granted, by id
	ID          string            // the jti claim
	Audience    string            // the aud claim
	ClientID    string            // the sub and client_id claims
	Credential  credentials.Proof // by what the client proved who it is
	IssuedAt    time.Time         // in whole seconds
	ExpiresAt   time.Time         // in whole seconds

	cached time.Duration // how long ago the caches were confirmed, if the store is away
}

// Format implements fmt.Formatter: no verb shows the access token.
func (t Token) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "access token %s of client %s for %s until %s", t.ID, t.ClientID, t.Audience, t.ExpiresAt.UTC().Format(time.RFC3339))
}

// LogValue implements slog.LogValuer: without the access token.
func (t Token) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(t)) }

// Issue authenticates the client, decides, and signs an access token: what the
// token endpoint does, for callers in the same process. A refusal is an *Error;
// any other error is that of ctx. It logs like the endpoint.
func (i *Issuer) Issue(ctx context.Context, req Request) (*Token, error) {
	ctx, running := observe.Begin(ctx, i.observer, observe.TokenRequest)
	token, err := i.issue(ctx, &req) // which may find the client id
	if err != nil {
		err = i.slow(&req, err)
		i.refused(ctx, &req, err)
	} else {
		i.issued(ctx, &req, token)
	}
	if running.Observed() {
		running.End(ctx, tokenResult(&req, token, err))
	}
	return token, err
}

func (i *Issuer) issue(ctx context.Context, req *Request) (*Token, error) {
	if req.GrantType != "" && req.GrantType != GrantClientCredentials {
		return nil, refuse(CodeUnsupportedGrantType, ReasonGrantType, "The grant type must be client_credentials.")
	}
	patience := i.goingOn(ctx)
	defer patience.end()
	token, err := i.issuePatiently(patience, req)
	i.countCached(patience, err)
	if err != nil {
		return nil, doubt(patience, err)
	}
	token.cached = away.Age(patience)
	return token, nil
}

func (i *Issuer) issuePatiently(ctx context.Context, req *Request) (*Token, error) {
	now := i.now()
	c, proof, err := i.authenticate(ctx, req, now)
	if err != nil {
		return nil, err
	}
	issuance, err := i.decide(ctx, c, proof, req)
	if err != nil {
		return nil, ofProof(c, proof).about(err)
	}
	issuance.now = now
	if issuance.issuedAt, err = i.issueTime(ctx, c.ID, now); err != nil {
		return nil, ofProof(c, proof).about(err)
	}
	if err := i.ask(ctx, issuance); err != nil {
		return nil, ofProof(c, proof).about(err)
	}
	token, err := i.sign(ctx, issuance)
	if err != nil {
		return nil, err
	}
	if err := i.keep(ctx, req, issuance, token); err != nil {
		return nil, err
	}
	return token, nil
}

// nobody stands for a client that does not exist, so that it costs the same.
var nobody = new(client.Client)

// authenticate returns the client that req is from and by what it proved that.
// Whatever is wrong with a secret, the same look-up, the same comparisons and the
// same reading are done, and the answer is the same.
func (i *Issuer) authenticate(ctx context.Context, req *Request, now time.Time) (*client.Client, credentials.Proof, error) {
	fail := func(err error) (*client.Client, credentials.Proof, error) { return nil, credentials.Proof{}, err }
	switch {
	case req.Assertion != "" && req.ClientSecret != "":
		return fail(refuse(CodeInvalidRequest, ReasonTwoCredentials, "The client authenticates in more than one way."))
	case req.Assertion != "":
		return i.authenticateByAssertion(ctx, req, now)
	case req.ClientID == "" || req.ClientSecret == "":
		return fail(unauthenticated(ReasonNoCredential))
	}
	c, err := i.clients.Lookup(ctx, req.ClientID)
	switch {
	case errors.Is(err, client.ErrNotFound):
		c = nobody
	case err != nil && away.Age(ctx) > 0: // it is not cached; see doubt
		c = nobody
	case err != nil:
		return fail(i.storeError(ctx, "reading the client", err))
	}
	secret, known, valid := i.checkSecret(c, req.ClientSecret, now)
	if known && valid && !c.Disabled && c.Method == credentials.MethodSecret {
		return c, credentials.Proof{Method: credentials.MethodSecret, ID: secret.ID, ExpiresAt: secret.ExpiresAt}, nil
	}
	// Whoever fails waits for this, needed or not: a third of a microsecond that
	// only a client that exists took could be measured.
	_, mistyped := i.parseSecret(req.ClientSecret)
	reason := ReasonDisabled
	switch {
	case c == nobody:
		refusal := unauthenticated(ReasonUnknownClient)
		if away.Age(ctx) > 0 {
			refusal.Err = err
		}
		return fail(refusal)
	case c.Method != credentials.MethodSecret:
		reason = ReasonMethodMismatch
	case !known && mistyped != nil:
		reason = ReasonMistypedSecret
	case !known:
		reason = ReasonWrongSecret
	case !valid:
		reason = ReasonExpiredSecret
	}
	return fail(ofSecret(c, secret, known, valid).about(unauthenticated(reason)))
}

// decide is the one place that says what an authenticated client may have now.
func (i *Issuer) decide(ctx context.Context, c *client.Client, proof credentials.Proof, req *Request) (*Issuance, error) {
	server, err := i.target(ctx, req)
	if err != nil {
		return nil, err
	}
	scopes, err := i.scopes(c, server, req.Scope)
	if err != nil {
		return nil, err
	}
	return &Issuance{
		Client: c, Credential: proof, Server: server, Scopes: scopes,
		Lifetime: c.TokenLifetime, RemoteAddr: req.RemoteAddr,
	}, nil
}

// target returns the resource server that req names, or the default one.
func (i *Issuer) target(ctx context.Context, req *Request) (*resource.Server, error) {
	audience := req.Audience
	for _, named := range req.Resources {
		if audience == "" {
			audience = named
		}
		if named != audience {
			return nil, refuse(CodeInvalidTarget, ReasonTarget, "A token is for one resource server: name one audience or resource.")
		}
	}
	if audience == "" {
		server, err := i.clients.Resources().Default(ctx)
		switch {
		case errors.Is(err, resource.ErrNoDefault):
			return nil, refuse(CodeInvalidTarget, ReasonNoDefault, "There is no default resource server: name an audience.")
		case err != nil:
			return nil, i.storeError(ctx, "reading the catalog", err)
		}
		return server, nil
	}
	server, err := i.clients.Resources().ByAudience(ctx, audience)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, refuse(CodeInvalidTarget, ReasonTarget, "The audience or resource is not that of a resource server.")
	case err != nil:
		return nil, i.storeError(ctx, "reading the catalog", err)
	}
	return server, nil
}

// scopes returns the ids of the scopes that c gets at server: what it asks for,
// if it was granted all of that.
func (i *Issuer) scopes(c *client.Client, server *resource.Server, requested string) ([]string, error) {
	granted := c.GrantsAt(server)
	if requested == "" {
		if len(granted) == 0 && !i.allowNoScope {
			return nil, refuse(CodeInvalidScope, ReasonNothingGranted, "The client has no scope at this resource server.")
		}
		ids := make([]string, len(granted))
		for n, scope := range granted {
			ids[n] = scope.ID
		}
		return ids, nil
	}
	ids, err := resource.ParseScope(requested)
	if err != nil {
		return nil, refuse(CodeInvalidScope, ReasonScopeMalformed, "The scope is not a list of scope tokens with one space between them.")
	}
	for _, id := range ids {
		if !slices.ContainsFunc(granted, func(s resource.Scope) bool { return s.ID == id }) {
			return nil, refuse(CodeInvalidScope, ReasonScopeNotGranted, "The client was not granted each scope that it asks for.")
		}
	}
	return ids, nil
}

// ask calls OnIssue and holds it to what it may do.
func (i *Issuer) ask(ctx context.Context, issuance *Issuance) error {
	if i.onIssue == nil {
		return nil
	}
	before := *issuance
	before.Scopes = slices.Clone(issuance.Scopes)
	var left error // the caller has
	err := besides(ctx, func(ctx context.Context) error {
		err := i.onIssue(ctx, issuance)
		left = ctx.Err()
		return err
	})
	if err != nil {
		var refusal *Error
		if errors.As(err, &refusal) {
			refusal := *refusal
			if refusal.Reason == "" {
				refusal.Reason = ReasonRefusedByHook
			}
			refusal.found = found{byHook: true}
			return &refusal
		}
		if left != nil {
			return left
		}
		return unavailable(ReasonHookFailed, "OnIssue", err)
	}
	after := *issuance
	// What a hook may not change, it has not changed.
	issuance.Client, issuance.Credential, issuance.Server = before.Client, before.Credential, before.Server
	issuance.jti, issuance.now, issuance.issuedAt = before.jti, before.now, before.issuedAt
	switch {
	case len(after.Scopes) == 0 && len(before.Scopes) > 0 && !i.allowNoScope:
		return refuse(CodeInvalidScope, ReasonRefusedByHook, "The client has no scope left at this resource server.")
	case slices.ContainsFunc(after.Scopes, func(id string) bool { return !slices.Contains(before.Scopes, id) }):
		return unavailable(ReasonHookFailed, "OnIssue", errors.New("it added a scope that the client does not have"))
	case after.Lifetime < time.Second || after.Lifetime > before.Lifetime || after.Lifetime%time.Second != 0:
		return unavailable(ReasonHookFailed, "OnIssue", fmt.Errorf("it set a lifetime of %v, want whole seconds from 1s to %v", after.Lifetime, before.Lifetime))
	}
	if err := checkClaims(after.Claims); err != nil {
		return unavailable(ReasonHookFailed, "OnIssue", err)
	}
	return nil
}

// storeError tells a caller who left from a store that is away.
func (i *Issuer) storeError(ctx context.Context, doing string, err error) error {
	if ctx.Err() != nil && errors.Is(ctx.Err(), context.Canceled) {
		return ctx.Err()
	}
	if p, ok := ctx.(*storePatience); ok && errors.Is(p.cause(), errStoreSlow) && !errors.Is(err, errStoreSlow) {
		err = fmt.Errorf("%w: %w", errStoreSlow, err)
	}
	return unavailable(ReasonStoreUnavailable, doing, err)
}
