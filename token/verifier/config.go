package verifier

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/clientele-go/clientele/internal/fetch"
	"github.com/clientele-go/clientele/internal/revlist"
	"github.com/clientele-go/clientele/internal/weburl"
	"github.com/clientele-go/clientele/observe"
)

// Config says whose tokens a Verifier accepts, and for whom. Issuer and Audience
// are required; every other field may be left zero.
type Config struct {
	// Issuer is the issuer identifier (RFC 8414 section 2): the iss of its
	// tokens, letter by letter, and the URL below which its metadata is found.
	// It is https, or http to a loopback address, without user information,
	// query and fragment.
	Issuer string
	// Issuers are further issuers whose tokens are accepted too. Each has its
	// own keys: a token is verified with those of its iss alone.
	Issuers []string
	// Keys, if set, is asked for the keys of Issuer in place of the network:
	// the token.Issuer in the same process, say, the CheckRevoked of which is
	// then the Check. Issuer may then be any text, and Issuers are empty.
	Keys KeySource

	// Audience is what must stand in the aud of a token, letter by letter.
	Audience string
	// Audiences are further ones, one of which is enough too.
	Audiences []string

	// Resource is the URL by which clients reach this service, of the form of
	// Issuer (RFC 9728 section 1.2). Challenges then point to the document
	// that ProtectedResource serves. Empty: they point nowhere.
	Resource string
	// Scopes are told in that document, for clients to know what to ask for.
	Scopes []string
	// Realm is told in challenges. It is printable ASCII without quotes and
	// backslashes. Default: Audience, if that is too.
	Realm string

	// Leeway is what the clocks of the issuer and of this process may differ
	// by: up to 60 s. 0 means 60 s, negative means none.
	Leeway time.Duration
	// MaxKeyAge is how long keys serve after they were last fetched, while the
	// issuer is away: a minute or more. Default: 24 h.
	MaxKeyAge time.Duration
	// CacheSize is how many verified tokens are remembered, so that a token
	// that comes again need not be verified again; a token takes about 2 KiB.
	// Each use still checks its times, that its key is in force, and Check.
	// 0 means 1024, negative means none.
	CacheSize int

	// Check, if set, has the last word on each token that is otherwise good,
	// remembered or not: whether it was revoked, whether its client is still
	// enabled. If it returns an error the token is refused, and if that
	// matches ErrUnavailable, nothing is said of the token. It may be called
	// concurrently, and each request waits for it.
	Check func(ctx context.Context, claims *Claims) error

	// Revocation says how this Verifier hears of tokens that were revoked
	// before they expired. Its zero value is that it does not.
	Revocation Revocation

	// HTTPClient fetches metadata and keys, 5 s for both together and at most
	// 1 MiB each, and the lists of Revocation, within 15 s and 16 MiB each.
	// Whatever it allows, redirects are followed only within the host and the
	// scheme, at most 3, and cookies are not used. A question of ModeIntrospection
	// takes 5 s at most, and follows none. Default: one that uses the proxies of
	// the environment and closes its connections soon after use.
	HTTPClient *http.Client
	// Observer, if set, is told of each token (observe.Verification), of what is
	// fetched from the issuer (observe.KeysFetch and its siblings), and of the
	// requests that the middleware turns away. See Verifier.Gauges too.
	Observer observe.Observer
	// Now is the clock. Default: time.Now.
	Now func() time.Time
	// Logger gets what package verifier logs. Default: slog.Default().
	Logger *slog.Logger
}

// A KeySource hands out the keys of an issuer. It may be called concurrently,
// and keeps to the deadline of ctx.
type KeySource interface {
	// JWKSet returns the JSON of a JWK Set, and for how long it is fresh: 0
	// means 10 minutes, and otherwise 1 second to 60 minutes count. Nobody
	// changes the set.
	JWKSet(ctx context.Context) (set []byte, maxAge time.Duration, err error)
}

const (
	maxLeeway        = 60 * time.Second
	defaultMaxKeyAge = 24 * time.Hour
	defaultCacheSize = 1024
	maxCacheSize     = 1 << 20
)

// A Verifier checks access tokens. Its methods may be called concurrently. It
// has nothing to close.
type Verifier struct {
	rings     map[string]*ring // by issuer
	audiences []string
	leeway    time.Duration
	check     func(context.Context, *Claims) error
	now       func() time.Time
	log       *slog.Logger
	cache     *cache           // nil: none
	observer  observe.Observer // nil: none

	network     network
	lists       map[string]*list[*revlist.List] // by issuer; nil: nobody looks at them
	statusLists map[string]*statusLists         // likewise
	// introspector is asked about tokens in the place of a list; nil: nobody is.
	introspector *introspector

	realm        string
	metadataURL  string // of the RFC 9728 document; empty: none
	metadataPath string
	metadata     []byte
}

// New returns a Verifier as cfg says. It only checks cfg: keys are fetched when
// the first token comes.
func New(cfg Config) (*Verifier, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	v := &Verifier{now: cfg.Now, log: cfg.Logger, check: cfg.Check, observer: cfg.Observer}
	for _, set := range []func(*Config) error{v.setRings, v.setRevocation, v.setAudiences, v.setBounds, v.setChallenge, v.setMetadata} {
		if err := set(&cfg); err != nil {
			return nil, fmt.Errorf("verifier: %w", err)
		}
	}
	return v, nil
}

func (v *Verifier) setRings(cfg *Config) error {
	maxAge := cfg.MaxKeyAge
	switch {
	case maxAge == 0:
		maxAge = defaultMaxKeyAge
	case maxAge < time.Minute:
		return fmt.Errorf("config: MaxKeyAge is %s, want a minute or more", maxAge)
	}
	v.rings = make(map[string]*ring)
	add := func(issuer string, source KeySource, shortest time.Duration) {
		v.rings[issuer] = &ring{
			issuer: issuer, source: source, shortest: shortest, maxAge: maxAge, now: cfg.Now, log: cfg.Logger,
		}
	}
	if cfg.Keys != nil {
		if cfg.Issuer == "" || len(cfg.Issuers) > 0 {
			return errors.New("config: Keys are those of one issuer: Issuer is required, and Issuers are not allowed")
		}
		add(cfg.Issuer, cfg.Keys, time.Second)
		return nil
	}
	client := cfg.HTTPClient
	if client == nil {
		client = &http.Client{Transport: fetch.NewTransport(fetchTimeout)}
	}
	client = fetch.Disciplined(client)
	v.network = network{client: client, urls: map[string]*url.URL{}}
	for n, issuer := range append([]string{cfg.Issuer}, cfg.Issuers...) {
		field := "Issuer"
		if n > 0 {
			field = fmt.Sprintf("Issuers[%d]", n-1)
		}
		if issuer == "" {
			return fmt.Errorf("config: %s is required", field)
		}
		u, err := weburl.ParseIssuer(issuer)
		if err != nil {
			return fmt.Errorf("config: %s: %w", field, err)
		}
		if _, ok := v.rings[issuer]; ok {
			return fmt.Errorf("config: %s: %q stands there twice", field, issuer)
		}
		v.network.urls[issuer] = u
		add(issuer, newRemote(issuer, u, client, cfg.Now), time.Minute)
		v.rings[issuer].observer = cfg.Observer
	}
	return nil
}

func (v *Verifier) setAudiences(cfg *Config) error {
	v.audiences = append([]string{cfg.Audience}, cfg.Audiences...)
	if slices.Contains(v.audiences, "") {
		return errors.New("config: Audience is required, and none of Audiences is empty")
	}
	return nil
}

func (v *Verifier) setBounds(cfg *Config) error {
	v.leeway = cfg.Leeway
	switch {
	case v.leeway > maxLeeway:
		return fmt.Errorf("config: Leeway is %s, at most %s", v.leeway, maxLeeway)
	case v.leeway == 0:
		v.leeway = maxLeeway
	case v.leeway < 0:
		v.leeway = 0
	}
	switch {
	case cfg.CacheSize > maxCacheSize:
		return fmt.Errorf("config: CacheSize is %d, at most %d", cfg.CacheSize, maxCacheSize)
	case cfg.CacheSize == 0:
		v.cache = newCache(defaultCacheSize)
	case cfg.CacheSize > 0:
		v.cache = newCache(cfg.CacheSize)
	}
	return nil
}
