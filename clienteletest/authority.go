package clienteletest

import (
	"context"
	"crypto/rand"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/clientele-go/clientele/audit"
	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/memstore"
	"github.com/clientele-go/clientele/resource"
	"github.com/clientele-go/clientele/token"
	"github.com/clientele-go/clientele/token/verifier"
)

// DefaultAudience is the audience of the resource server, unless Config says
// otherwise.
const DefaultAudience = "https://api.test"

// Config says what there is. Its zero value is an authority for one resource
// server with the scopes "read" and "write".
type Config struct {
	// Audience is that of the resource server. Empty means DefaultAudience.
	Audience string
	// Scopes are the scopes of the resource server, each of a service of its
	// own, so that a client may have all of them. None means "read" and
	// "write".
	Scopes []string
	// Start is what the clock shows at first. Zero means now.
	Start time.Time
	// Listen serves the authority at an address of this machine, and not only
	// to Authority.HTTPClient.
	Listen bool
	// Issuer, if set, changes how the Issuer is configured.
	Issuer func(*token.Config)
	// Logger gets what is logged. Nil means nobody.
	Logger *slog.Logger
}

// An Authority is a real Issuer in memory, with a client that has every scope.
// Its methods may be called concurrently; those with a testing.TB end the test if
// something fails.
type Authority struct {
	// URL is the issuer identifier.
	URL string
	// TokenURL is the URL of the token endpoint.
	TokenURL string
	// Audience is that of the resource server.
	Audience string
	// Scopes are those of the resource server.
	Scopes []string
	// ClientID and ClientSecret are those of a client that was granted all of
	// Scopes.
	ClientID, ClientSecret string

	Clock    *Clock
	Catalog  *resource.Catalog
	Registry *client.Registry
	Issuer   *token.Issuer

	down     atomic.Bool
	requests atomic.Int64
	logger   *slog.Logger
	intruder *token.Issuer // with the same name and other keys
}

const serverID = "server"

// Start starts an Authority that ends with the test.
func Start(t testing.TB, cfg Config) *Authority {
	t.Helper()
	a := newAuthority(cfg)
	handler := http.HandlerFunc(a.serve)
	if cfg.Listen {
		server := httptest.NewServer(handler)
		t.Cleanup(server.Close)
		a.URL = server.URL
	}
	st := memstore.New()
	t.Cleanup(func() { _ = st.Close() })
	ctx := Context(t)
	a.Catalog = must(resource.NewCatalog(resource.Config{Store: st, Now: a.Clock.Now}))(t)
	a.Registry = must(client.NewRegistry(client.Config{Store: st, Resources: a.Catalog, Now: a.Clock.Now}))(t)
	must(a.Catalog.Add(ctx, a.server()))(t)
	a.ClientID, a.ClientSecret = a.Client(t, "test client", a.Scopes...)

	config := token.Config{
		Issuer: a.URL, Clients: a.Registry, SealingKeys: []token.SealingKey{must(token.NewSealingKey(rand.Reader))(t)},
		Now: a.Clock.Now, Logger: a.logger,
		// Tests fail on purpose, all from one address and at one time.
		FailedPerClient: -1, FailedPerAddress: -1,
	}
	intruder := config
	intruder.SealingKeys, intruder.EphemeralKeys = nil, true
	if cfg.Issuer != nil {
		cfg.Issuer(&config)
	}
	a.Issuer = must(token.NewIssuer(ctx, config))(t)
	a.intruder = must(token.NewIssuer(ctx, intruder))(t)
	tokenPath := config.Paths.Token
	if tokenPath == "" {
		tokenPath = "/oauth2/v1/token"
	}
	a.TokenURL = a.URL + tokenPath
	return a
}

func newAuthority(cfg Config) *Authority {
	a := &Authority{URL: "https://auth.test", Audience: cfg.Audience, Scopes: cfg.Scopes, Clock: new(Clock), logger: cfg.Logger}
	if a.Audience == "" {
		a.Audience = DefaultAudience
	}
	if len(a.Scopes) == 0 {
		a.Scopes = []string{"read", "write"}
	}
	if a.logger == nil {
		a.logger = slog.New(slog.DiscardHandler)
	}
	a.Clock.Set(cfg.Start)
	if cfg.Start.IsZero() {
		a.Clock.Set(time.Now())
	}
	return a
}

func (a *Authority) server() resource.Server {
	s := resource.Server{ID: serverID, Name: "Test", Audience: a.Audience, Default: true}
	for _, scope := range a.Scopes {
		s.Services = append(s.Services, resource.Service{Name: scope, Scopes: []resource.Scope{{ID: scope, Name: scope}}})
	}
	return s
}

// Client registers a further client with some of the scopes, and returns its id
// and its secret, which is valid for 90 days.
func (a *Authority) Client(t testing.TB, name string, scopes ...string) (id, secret string) {
	t.Helper()
	spec := client.Spec{Name: name}
	for _, scope := range scopes {
		spec.Grants = append(spec.Grants, client.Grant{ServerID: serverID, ScopeID: scope})
	}
	c := must(a.Registry.Add(Context(t), spec))(t)
	value, _, err := a.Registry.AddSecret(Context(t), c.ID, a.Clock.Now().Add(90*24*time.Hour))
	if err != nil {
		t.Fatalf("clienteletest: adding a secret: %v", err)
	}
	return c.ID, value.Reveal()
}

// Verifier returns a Verifier for the resource server, on the same clock, which
// asks the Issuer without a network. It is the real one: no token passes that
// would not pass in production.
func (a *Authority) Verifier(t testing.TB) *verifier.Verifier {
	t.Helper()
	return must(verifier.New(verifier.Config{
		Issuer: a.URL, Audience: a.Audience, Keys: a.Issuer, Check: a.Issuer.CheckRevoked, Now: a.Clock.Now, Logger: a.logger,
	}))(t)
}

// HTTPClient returns a client that reaches the authority without a network, and
// nothing else: what goes elsewhere fails.
func (a *Authority) HTTPClient() *http.Client { return &http.Client{Transport: transport{a}} }

// SetDown makes the authority answer 503 to everything that comes over HTTP, or
// serve again.
func (a *Authority) SetDown(down bool) { a.down.Store(down) }

// Requests returns how many requests came over HTTP so far.
func (a *Authority) Requests() int { return int(a.requests.Load()) }

// RotateKeys puts a new signing key in use, and moves the clock to when that is:
// a little more than two hours.
func (a *Authority) RotateKeys(t testing.TB) {
	t.Helper()
	activeAt := must(a.Issuer.RotateKeys(Context(t)))(t)
	if now := a.Clock.Now(); now.Before(activeAt) {
		a.Clock.Advance(activeAt.Sub(now))
	}
}

func (a *Authority) serve(w http.ResponseWriter, r *http.Request) {
	a.requests.Add(1)
	if a.down.Load() {
		w.Header().Set("Retry-After", "1")
		http.Error(w, "the authority is down", http.StatusServiceUnavailable)
		return
	}
	a.Issuer.ServeHTTP(w, r)
}

// Context returns the test's context with an actor, for calls of Registry and
// Catalog that change something.
func Context(t testing.TB) context.Context {
	return audit.WithActor(t.Context(), audit.Program("clienteletest"))
}

// transport serves requests to the authority in memory.
type transport struct{ a *Authority }

func (d transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		defer r.Body.Close()
	}
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	if r.URL.Scheme+"://"+r.URL.Host != d.a.URL {
		return nil, &unreachableError{r.URL.Host}
	}
	served := r.Clone(r.Context())
	served.RequestURI, served.RemoteAddr, served.Host = r.URL.RequestURI(), "192.0.2.1:1234", r.URL.Host
	if served.Body == nil {
		served.Body = io.NopCloser(http.NoBody)
	}
	w := httptest.NewRecorder()
	d.a.serve(w, served)
	resp := w.Result()
	resp.Request = r
	return resp, nil
}

// An unreachableError says that there is only the authority.
type unreachableError struct{ host string }

func (e *unreachableError) Error() string {
	return "clienteletest: " + e.host + " can't be reached, only the authority can"
}

// must returns what ends the test unless err is nil.
func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatalf("clienteletest: %v", err)
		}
		return v
	}
}
