package token

import (
	"context"
	"crypto"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/credentials"
	"github.com/clientele-go/clientele/credentials/jwks"
	"github.com/clientele-go/clientele/internal/away"
	"github.com/clientele-go/clientele/internal/jws"
	"github.com/clientele-go/clientele/internal/weburl"
	"github.com/clientele-go/clientele/observe"
	"github.com/clientele-go/clientele/token/verifier"
)

// Config is what an Issuer needs. Issuer and Clients are required, and one of
// SealingKeys, Signer and EphemeralKeys.
type Config struct {
	// Issuer is the issuer identifier (RFC 8414 §2): an https URL without
	// user information, query, fragment and trailing slash and with a plain
	// path, or such an http URL of a loopback address. It is the iss of
	// every token and the beginning of every URL in the metadata; no header
	// of a request ever takes part in them.
	Issuer string
	// Clients are the API clients and, through it, the resource servers. Its
	// store keeps what the Issuer has to keep, too.
	Clients *client.Registry

	// SealingKeys seal the signing keys, which are kept in the store and
	// rotated there: the first seals, all of them open. To change one, append
	// the new one everywhere, then put it in front everywhere, then remove
	// the old one. The first signing key is made when the first Issuer
	// starts, however many start at once.
	SealingKeys []SealingKey
	// Signer, instead, is a key of the program's own, in a key service
	// perhaps: ECDSA on P-256, P-384 or P-521, RSA of 2048 to 8192 bits, or
	// Ed25519. It must allow concurrent calls.
	Signer crypto.Signer
	// EphemeralKeys, instead, makes a key that ends with the process and
	// never leaves its memory, for tests and demonstrations.
	EphemeralKeys bool
	// Algorithm is what tokens are signed with: ES256 (the default), RS256,
	// PS256 or EdDSA. With Signer it may be any that fits the key; empty
	// means the usual one.
	Algorithm string

	// CompatibleAssertions accepts the assertions that callers have been
	// signing since RFC 7523: for the URL of the token endpoint or the
	// audience of a resource server, without a jti, valid for up to an hour
	// (see credentials.Compatible). Without it they must be as
	// draft-ietf-oauth-rfc7523bis demands (see credentials.Strict).
	CompatibleAssertions bool
	// SpendWithoutID refuses, of the assertions without a jti that
	// CompatibleAssertions lets pass, those that were used before too. Two
	// requests that a client makes within a second may be taken for a replay.
	SpendWithoutID bool
	// JWKS fetches the keys of clients that publish them. Nil means one with
	// its defaults: https, public addresses only.
	JWKS *jwks.Cache

	// OnIssue, if set, is asked before anything is signed. It may narrow
	// Issuance.Scopes, shorten Lifetime, set Claims, or refuse with an *Error.
	// Any other error, or a change that is not allowed, is answered with 503
	// and logged. It is called concurrently.
	OnIssue func(ctx context.Context, issuance *Issuance) error
	// MayIntrospect, if set, says whether a client may ask about the tokens of
	// others for an audience (RFC 7662): as a rule, whether it is the resource
	// server of that audience. About its own tokens every client may ask, and
	// without MayIntrospect about no others; what it may not ask about is not
	// active. Who sends Accept: application/token-introspection+jwt gets the answer
	// as a JWT for its client id, signed like tokens (RFC 9701). It is called
	// concurrently. The client is shared and read-only.
	MayIntrospect func(ctx context.Context, c *client.Client, audience string) bool
	// AllowNoScope lets a client that has no scope at a resource server get
	// tokens for it, which say who it is and nothing more.
	AllowNoScope bool

	// FailedPerClient is how many attempts to authenticate as one client from
	// one address may fail within a minute, and FailedPerAddress how many as
	// whatever client: all at once, or spread over it. Whatever fails beyond is
	// answered with 429 and Retry-After, and logged at Debug. An attempt with
	// the right credential is never answered so, whoever else failed: nobody
	// can lock a client out. An IPv6 network of 64 bits counts as one address.
	// Behind a proxy all callers have that of the proxy, unless the handlers
	// are wrapped (see package forwarded). The counts are those of this
	// process, in 256 KiB whoever asks. 0 means 10 and 100; a negative number
	// means no limit; 1 000 000 is the most.
	FailedPerClient, FailedPerAddress int

	// Log says whether issued tokens are kept, for Tokens, and how surely.
	// Zero means LogBestEffort. For how long, audit.Retention.Tokens says.
	Log LogMode

	// StatusListTTL, if set, gives each token a status claim and publishes the
	// lists that it names (Token Status List, draft-ietf-oauth-status-list-20),
	// for verifiers that others wrote; package verifier needs none of it. It is
	// how long they may keep a list, in whole seconds from 10 seconds to 15
	// minutes; up to 11 seconds later they hear of a revocation. 0 means no status
	// claim.
	//
	// A token becomes about 160 bytes longer, and the store is written to once for
	// 131 072 tokens, or for those of 12 hours. A token that is revoked by its
	// text is found in its list by the claim. One that is revoked by its jti alone,
	// or with all of its client, is if the log of issued tokens has it: with
	// LogDurable always, with LogBestEffort as a rule. Without a log there are no
	// lists. Of one client at most 100 000 tokens are found.
	//
	// Who sees two tokens can tell about how many were issued between them.
	StatusListTTL time.Duration

	// Paths are where the endpoints are, below the path of Issuer.
	Paths Paths
	// KeyPeriod is how long a signing key in the store is used before the
	// next one takes its place. 0 means 90 days, negative means until
	// RotateKeys.
	KeyPeriod time.Duration
	// KeyLead is how long the next key is published before it is used: at
	// least KeysMaxAge and two hours, and less than KeyPeriod. 0 means 24
	// hours.
	KeyLead time.Duration
	// KeysMaxAge is how long verifiers may keep the JWK Set, in whole
	// seconds, 1 minute to 1 hour. 0 means 10 minutes.
	KeysMaxAge time.Duration

	// StoreTimeout is how long a request waits for the store, 10 milliseconds
	// to a minute, beside what it waits for OnIssue and the keys of a client's
	// JWKS URL. What is not to be had by then is answered with 503 and
	// Retry-After. 0 means 1.5 seconds.
	StoreTimeout time.Duration

	// StoreAway, if set, has tokens issued from what is cached while the store is
	// away: until so long after the caches were last known to be current, 10 seconds
	// to an hour. 0 means not at all.
	//
	// A cached client then gets its tokens by secret. All else that a token request
	// may come to is 503 with Retry-After: of a client that is not cached, by an
	// assertion, which the store has to spend, or if what is cached refuses it, since
	// that may have changed. The ends of secrets and signing keys count as ever. The
	// JWK Set is served; but nothing that says what is revoked, neither the lists nor
	// introspection nor a Verifier of the same process, and nothing is changed.
	//
	// What others have changed meanwhile can't be known: with a client that was
	// disabled, or a secret that was removed, tokens are to be had for StoreAway, and
	// they live to their end; RevokeClient ends them, if it is called when this Issuer
	// has the store again. That it has is found out by the requests, a second and
	// StoreTimeout after the store answers at the latest, and from then on nothing is
	// served that is not confirmed. The first request that finds the store away waits
	// for half of StoreTimeout, those that follow do not.
	//
	// LogDurable does not go with it, and what LogBestEffort can't write is lost.
	StoreAway time.Duration

	// Observer, if set, is told of each token request, introspection and
	// revocation (observe.TokenRequest and its siblings), and of entries of the
	// log that were lost. Of the store and the caches others tell: store.Observe,
	// client.Config.Observer, jwks.Config.Observer. See Issuer.Gauges too.
	Observer observe.Observer
	// Logger gets what is issued and what was slowed (Debug), what is refused
	// (Info) and what fails (Error). Nil means slog.Default(). See Issuer for the
	// attributes.
	Logger *slog.Logger
	// RequestID, if set, returns the id of a token request: one that the
	// program gave it, in a middleware perhaps, or a header of a proxy that is
	// trusted. It has 1 to 128 characters of visible ASCII without quotes,
	// backslash, '<' and '>'; in the place of any other stands a random one,
	// as without RequestID. The id is in the log record and, if the request
	// is refused, in the header X-Request-Id of the answer and in its Denial.
	RequestID func(r *http.Request) string
	// Now tells the time; nil means time.Now.
	Now func() time.Time
	// Rand makes keys and ids; nil means crypto/rand.Reader.
	Rand io.Reader
}

// Paths are where the endpoints of an Issuer are, below the path of its issuer
// identifier. Each begins with a slash.
type Paths struct {
	Token      string // empty means /oauth2/v1/token
	Keys       string // empty means /oauth2/v1/keys
	Revoke     string // empty means /oauth2/v1/revoke; RFC 7009
	Introspect string // empty means /oauth2/v1/introspect; RFC 7662
	// Revocations is where Verifiers fetch what was revoked. Empty means
	// /oauth2/v1/revocations.
	Revocations string
	// StatusLists is what the status lists are below, with Config.StatusListTTL.
	// Empty means /oauth2/v1/statuslists.
	StatusLists string
}

// An Issuer authenticates API clients and issues their access tokens. It is an
// http.Handler that routes full paths, and may be called concurrently. It keeps
// no goroutine but while it writes what Tokens and Denials list, and while it looks
// whether a store that is away is back (Config.StoreAway); Close ends that.
//
// Its log records have the message "token issued", "token refused" or "token
// request failed" and the attributes client_id, address, request_id (always with
// a refusal of the token endpoint), and either jti, audience, scope, credential
// and expires_at or error, reason and cause; and cached, how old the caches are from
// which a token was issued while the store is away. So have "token revoked", "revocation
// refused", "revocation failed", "introspection refused" and "introspection failed".
type Issuer struct {
	issuer        string
	clients       *client.Registry
	keys          keySource
	onIssue       func(context.Context, *Issuance) error
	allowNoScope  bool
	mayIntrospect func(context.Context, *client.Client, string) bool
	keysMaxAge    time.Duration
	storeTimeout  time.Duration
	away          *away.State // nil: nothing goes on without the store

	jwks           *jwks.Cache
	strict         credentials.Profile
	compatible     bool
	spendWithoutID bool
	tokenEndpoint  string

	revocations *revocations
	list        publishedList
	statusLists *statusLists // nil: tokens have no status claim
	tokenLog    *tokenLog
	denials     *denials
	attempts    *attempts
	checkSecret func(c *client.Client, presented string, now time.Time) (client.Secret, bool, bool) // for a test to count
	parseSecret func(string) (credentials.Secret, error)                                            // likewise
	requestID   func(*http.Request) string
	observer    observe.Observer // nil: none
	logger      *slog.Logger
	now         func() time.Time
	rand        io.Reader

	claimsHead []byte // {"iss":"…"
	routes     map[string]http.HandlerFunc
	paths      Paths
	signedBy   atomic.Pointer[[]jws.Algorithm] // as last known, for the metadata
}

// NewIssuer returns an Issuer. It reads the signing keys, and makes the first
// one if there is none, within ctx. Keys that none of SealingKeys opens are an
// error (ErrSealed), never a reason to make new ones.
func NewIssuer(ctx context.Context, cfg Config) (*Issuer, error) {
	base, err := parseIssuer(cfg.Issuer)
	if err != nil {
		return nil, err
	}
	if cfg.Clients == nil {
		return nil, errors.New("token: Config needs Clients")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Rand == nil {
		cfg.Rand = rand.Reader
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	switch age := cfg.KeysMaxAge; {
	case age == 0:
		cfg.KeysMaxAge = 10 * time.Minute
	case age < time.Minute || age > time.Hour || age%time.Second != 0:
		return nil, fmt.Errorf("token: Config.KeysMaxAge is %v, want whole seconds from 1m to 1h", age)
	}
	if cfg.Log > LogOff {
		return nil, fmt.Errorf("token: Config.Log is %s, want LogBestEffort, LogDurable or LogOff", cfg.Log)
	}
	storeTimeout, err := cfg.storeTimeout()
	if err != nil {
		return nil, err
	}
	if cfg.JWKS == nil {
		if cfg.JWKS, err = jwks.New(jwks.Config{Now: cfg.Now, Logger: cfg.Logger}); err != nil {
			return nil, fmt.Errorf("token: %w", err)
		}
	}
	i := &Issuer{
		issuer:        cfg.Issuer,
		clients:       cfg.Clients,
		onIssue:       cfg.OnIssue,
		allowNoScope:  cfg.AllowNoScope,
		mayIntrospect: cfg.MayIntrospect,
		keysMaxAge:    cfg.KeysMaxAge,
		storeTimeout:  storeTimeout,

		jwks:           cfg.JWKS,
		strict:         credentials.Strict(cfg.Issuer),
		compatible:     cfg.CompatibleAssertions,
		spendWithoutID: cfg.SpendWithoutID,

		revocations: newRevocations(cfg.Clients.Store(), cfg.Now),
		tokenLog:    newTokenLog(&cfg),
		denials:     newDenials(&cfg),
		checkSecret: (*client.Client).CheckSecret,
		parseSecret: credentials.ParseSecret,
		requestID:   cfg.RequestID,
		observer:    cfg.Observer,
		logger:      cfg.Logger,
		now:         cfg.Now,
		rand:        cfg.Rand,
		claimsHead:  appendString([]byte(`{"iss":`), cfg.Issuer),
	}
	if i.attempts, err = newAttempts(&cfg); err != nil {
		return nil, err
	}
	if i.away, err = newAway(&cfg, storeTimeout); err != nil {
		return nil, err
	}
	if i.statusLists, err = newStatusLists(&cfg); err != nil {
		return nil, err
	}
	if err := i.route(base, cfg.Paths); err != nil {
		return nil, err
	}
	if i.keys, err = newKeySource(ctx, &cfg); err != nil {
		return nil, fmt.Errorf("token: %w", err)
	}
	return i, nil
}

// parseIssuer checks Config.Issuer.
func parseIssuer(issuer string) (*url.URL, error) {
	if issuer == "" {
		return nil, errors.New("token: Config needs an Issuer, such as https://auth.example.com")
	}
	u, err := weburl.ParseOwnIssuer(issuer)
	if err != nil {
		return nil, fmt.Errorf("token: Config.Issuer: %w", err)
	}
	return u, nil
}

// Close writes what is still to be written of issued tokens and of refused
// requests, and returns when that is done, or with the error of ctx. An Issuer that
// is closed goes on answering as before, but keeps nothing of it; with LogDurable,
// or without the store, it issues no more tokens. Closing it again does no harm.
func (i *Issuer) Close(ctx context.Context) error {
	if i.away != nil {
		i.away.Close()
	}
	return errors.Join(i.tokenLog.close(ctx), i.denials.close(ctx))
}

// Identifier returns the issuer identifier, Config.Issuer: what tokens name as iss,
// and what an assertion may name as aud.
func (i *Issuer) Identifier() string { return i.issuer }

// TokenEndpoint returns the URL of the token endpoint: the issuer identifier and
// Config.Paths.Token.
func (i *Issuer) TokenEndpoint() string { return i.tokenEndpoint }

// Verifier returns a Verifier of this Issuer's tokens for a resource server in
// the same process, which needs no HTTP and has the keys and the revocations of a
// second ago at the latest. While the store is away it can't tell whether a token
// was revoked, and says so (verifier.ErrUnavailable).
func (i *Issuer) Verifier(audience string) (*verifier.Verifier, error) {
	return verifier.New(verifier.Config{
		Issuer: i.issuer, Audience: audience, Keys: i, Check: i.CheckRevoked, Now: i.now, Logger: i.logger,
		Observer: i.observer,
	})
}

// inProcess is how long a Verifier of the same process keeps the keys.
const inProcess = time.Second

// JWKSet returns the public keys as a JWK Set (RFC 7517 §5), and how long it may
// be kept: it is what the Verifier of the same process reads.
func (i *Issuer) JWKSet(ctx context.Context) (set []byte, maxAge time.Duration, err error) {
	keys, err := i.keys.at(ctx, i.now())
	if err != nil {
		return nil, 0, fmt.Errorf("token: reading the signing keys: %w", err)
	}
	return keys.set, inProcess, nil
}

// algorithms are those that keys are made for.
var algorithms = []jws.Algorithm{jws.ES256, jws.RS256, jws.PS256, jws.EdDSA}
