package token_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/MicahParks/keyfunc/v3"
	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/audit"
	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/credentials"
	"github.com/clientele-go/clientele/memstore"
	"github.com/clientele-go/clientele/resource"
	"github.com/clientele-go/clientele/store"
	"github.com/clientele-go/clientele/token"
)

const (
	issuerURL = "https://auth.example.com"
	ordersAud = "https://orders.example.com"
	stockAud  = "https://stock.example.com"
)

// clock is a clock that a test holds.
type clock struct{ ns atomic.Int64 }

func newClock() *clock {
	c := new(clock)
	c.ns.Store(time.Date(2026, 5, 17, 10, 30, 0, 250_000_000, time.UTC).UnixNano())
	return c
}

func (c *clock) Now() time.Time          { return time.Unix(0, c.ns.Load()).UTC() }
func (c *clock) advance(d time.Duration) { c.ns.Add(int64(d)) }

// fragile is a store that can be taken away.
type fragile struct {
	store.Store
	away    atomic.Bool
	gets    atomic.Int64
	puts    atomic.Int64 // Applies, apart from
	denials atomic.Int64 // those of denials
	logs    atomic.Int64 // and those of issued tokens, and uses
	// onLog, if set, is asked before those are written.
	onLog atomic.Pointer[func(context.Context) error]
	// onDenial, if set, is asked before a denial is written.
	onDenial atomic.Pointer[func(context.Context) error]
}

// errDiscard, from onLog, has the log thrown away as if it were written.
var errDiscard = errors.New("throw it away")

// setOnLog sets or, with nil, removes what is asked before the log is written.
func (f *fragile) setOnLog(ask func(context.Context) error) {
	if ask == nil {
		f.onLog.Store(nil)
		return
	}
	f.onLog.Store(&ask)
}

// setOnDenial sets or, with nil, removes what is asked before a denial is written.
func (f *fragile) setOnDenial(ask func(context.Context) error) {
	if ask == nil {
		f.onDenial.Store(nil)
		return
	}
	f.onDenial.Store(&ask)
}

func (f *fragile) err() error {
	if f.away.Load() {
		return io.ErrUnexpectedEOF
	}
	return nil
}

func (f *fragile) Get(ctx context.Context, kind store.Kind, id string) (store.Record, error) {
	if err := f.err(); err != nil {
		return store.Record{}, err
	}
	f.gets.Add(1)
	return f.Store.Get(ctx, kind, id)
}

func (f *fragile) List(ctx context.Context, q store.Query) (store.Page, error) {
	if err := f.err(); err != nil {
		return store.Page{}, err
	}
	return f.Store.List(ctx, q)
}

func (f *fragile) Apply(ctx context.Context, changes ...store.Change) (store.Revision, error) {
	if err := f.err(); err != nil {
		return 0, err
	}
	switch changes[0].Record.Kind {
	case token.KindToken, client.KindUsed:
		f.logs.Add(1)
		if ask := f.onLog.Load(); ask != nil {
			switch err := (*ask)(ctx); err {
			case nil:
			case errDiscard:
				return 0, nil
			default:
				return 0, err
			}
		}
	case token.KindDenial:
		f.denials.Add(1)
		if ask := f.onDenial.Load(); ask != nil {
			if err := (*ask)(ctx); err != nil {
				return 0, err
			}
		}
	default:
		f.puts.Add(1)
	}
	return f.Store.Apply(ctx, changes...)
}

func (f *fragile) Changes(ctx context.Context, since store.Revision, wait time.Duration, limit int) (store.Feed, error) {
	if err := f.err(); err != nil {
		return store.Feed{}, err
	}
	return f.Store.Changes(ctx, since, wait, limit)
}

// logged collects what is logged.
type logged struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// maxLogged is where what was logged begins anew: for a fuzz target that runs for
// minutes, growing it once more takes so long that it is taken for hung.
const maxLogged = 16 << 20

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.buf.Len() > maxLogged {
		l.buf.Reset()
	}
	return l.buf.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// reasons returns the reasons of all refusals so far.
func (l *logged) reasons() []string {
	var reasons []string
	for line := range strings.Lines(l.String()) {
		var record struct{ Reason string }
		if json.Unmarshal([]byte(line), &record) == nil && record.Reason != "" {
			reasons = append(reasons, record.Reason)
		}
	}
	return reasons
}

// authority is an Issuer with all that it needs.
type authority struct {
	t        testing.TB
	clock    *clock
	store    *fragile
	catalog  *resource.Catalog
	registry *client.Registry
	issuer   *token.Issuer
	log      *logged
	ctx      context.Context // with an actor
}

func newAuthority(t testing.TB, configure ...func(*token.Config)) *authority {
	t.Helper()
	mem := memstore.New()
	t.Cleanup(func() { _ = mem.Close() })
	return authorityOn(t, mem, configure...)
}

func authorityOn(t testing.TB, s store.Store, configure ...func(*token.Config)) *authority {
	t.Helper()
	a := &authority{t: t, clock: newClock(), store: &fragile{Store: s}, log: new(logged)}
	a.ctx = audit.WithActor(t.Context(), audit.Program("test"))
	var err error
	a.catalog, err = resource.NewCatalog(resource.Config{Store: a.store, Now: a.clock.Now})
	require.NoError(t, err)
	a.registry, err = client.NewRegistry(client.Config{Store: a.store, Resources: a.catalog, Now: a.clock.Now})
	require.NoError(t, err)
	servers, err := a.catalog.List(a.ctx)
	require.NoError(t, err)
	if len(servers) == 0 {
		a.addServers()
	}
	a.issuer = a.newIssuer(configure...)
	return a
}

func (a *authority) addServers() {
	_, err := a.catalog.Add(a.ctx, resource.Server{
		ID: "orders", Name: "Orders", Audience: ordersAud, Default: true,
		Services: []resource.Service{
			{ID: "o", Name: "Orders", Scopes: []resource.Scope{{ID: "orders.read", Name: "Role: Reader"}, {ID: "orders:write", Name: "Role: Writer"}}},
			{ID: "r", Name: "Reports", Scopes: []resource.Scope{{ID: "r::read", Name: "Role: Reader"}}},
		},
	})
	require.NoError(a.t, err)
	_, err = a.catalog.Add(a.ctx, resource.Server{
		ID: "stock", Name: "Stock", Audience: stockAud,
		Services: []resource.Service{{ID: "s", Name: "Stock", Scopes: []resource.Scope{{ID: "stock.read", Name: "Reader"}}}},
	})
	require.NoError(a.t, err)
}

var testSealingKey = func() token.SealingKey {
	k, err := token.NewSealingKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	return k
}()

func (a *authority) config() token.Config {
	return token.Config{
		Issuer: issuerURL, Clients: a.registry,
		SealingKeys: []token.SealingKey{testSealingKey},
		// Tests of other things fail as often as they like.
		FailedPerClient: -1, FailedPerAddress: -1,
		Now: a.clock.Now, Logger: slog.New(slog.NewJSONHandler(a.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
}

func (a *authority) newIssuer(configure ...func(*token.Config)) *token.Issuer {
	a.t.Helper()
	cfg := a.config()
	for _, c := range configure {
		c(&cfg)
	}
	issuer, err := token.NewIssuer(a.ctx, cfg)
	require.NoError(a.t, err)
	return issuer
}

// known is a client and its secret.
type known struct{ id, secret string }

// add registers a client that may read orders and reports.
func (a *authority) add(name string, edit ...func(*client.Spec)) known {
	a.t.Helper()
	spec := client.Spec{Name: name, Grants: []client.Grant{
		{ServerID: "orders", ScopeID: "orders.read"}, {ServerID: "orders", ScopeID: "r::read"},
	}}
	for _, e := range edit {
		e(&spec)
	}
	c, err := a.registry.Add(a.ctx, spec)
	require.NoError(a.t, err)
	secret, _, err := a.registry.AddSecret(a.ctx, c.ID, a.clock.Now().AddDate(0, 0, 90))
	require.NoError(a.t, err)
	return known{c.ID, secret.Reveal()}
}

func (k known) form() url.Values {
	return url.Values{"grant_type": {"client_credentials"}, "client_id": {k.id}, "client_secret": {k.secret}}
}

// answer is what came back.
type answer struct {
	*httptest.ResponseRecorder
	AccessToken string  `json:"access_token"`
	TokenType   string  `json:"token_type"`
	ExpiresIn   float64 `json:"expires_in"`
	Scope       string  `json:"scope"`
	Error       string  `json:"error"`
	Description string  `json:"error_description"`
}

// do sends a request to the Issuer and checks what is true of every answer of
// the token endpoint.
func (a *authority) do(r *http.Request) answer {
	a.t.Helper()
	w := httptest.NewRecorder()
	a.issuer.ServeHTTP(w, r)
	got := answer{ResponseRecorder: w}
	require.NoError(a.t, json.Unmarshal(w.Body.Bytes(), &got), "%s", w.Body)
	require.Equal(a.t, "application/json", w.Header().Get("Content-Type"))
	require.Equal(a.t, "no-store", w.Header().Get("Cache-Control"))
	require.Empty(a.t, w.Header().Get("Access-Control-Allow-Origin"))
	require.NotContains(a.t, w.Header(), "Location")
	if w.Code == http.StatusUnauthorized {
		require.Equal(a.t, `Basic realm="token endpoint", charset="UTF-8"`, w.Header().Get("WWW-Authenticate"))
	}
	for _, c := range got.Description {
		require.True(a.t, c >= ' ' && c <= '~' && c != '"' && c != '\\', "%q", got.Description)
	}
	id := w.Header().Get("X-Request-Id")
	if w.Code == http.StatusOK {
		require.Empty(a.t, id)
		require.NotEmpty(a.t, got.AccessToken)
		require.Equal(a.t, "Bearer", got.TokenType)
		require.Empty(a.t, got.Error)
	} else {
		require.NotEmpty(a.t, id)
		require.Contains(a.t, a.log.String(), `"request_id":"`+id+`"`)
		require.NotEmpty(a.t, got.Error)
		require.Empty(a.t, got.AccessToken)
	}
	return got
}

func post(body string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, issuerURL+"/oauth2/v1/token", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return r
}

func (a *authority) post(form url.Values) answer {
	a.t.Helper()
	return a.do(post(form.Encode()))
}

// claims verifies a token by golang-jwt, with the keys that the Issuer serves.
func (a *authority) claims(raw string) jwt.MapClaims {
	a.t.Helper()
	claims := jwt.MapClaims{}
	parsed, err := jwt.NewParser(jwt.WithTimeFunc(a.clock.Now), jwt.WithIssuer(issuerURL)).ParseWithClaims(raw, claims, a.keyfunc())
	require.NoError(a.t, err)
	require.Equal(a.t, "at+jwt", parsed.Header["typ"])
	return claims
}

func (a *authority) keyfunc() jwt.Keyfunc {
	a.t.Helper()
	w := httptest.NewRecorder()
	a.issuer.ServeHTTP(w, httptest.NewRequest("GET", issuerURL+"/oauth2/v1/keys", nil))
	require.Equal(a.t, http.StatusOK, w.Code)
	k, err := keyfunc.NewJWKSetJSON(w.Body.Bytes())
	require.NoError(a.t, err)
	return k.Keyfunc
}

// importClient registers a client with an id and a secret made elsewhere.
func (a *authority) importClient(id, secret string) {
	a.t.Helper()
	_, err := a.registry.Import(a.ctx, client.Import{
		ID:          id,
		Spec:        client.Spec{Name: id, Grants: []client.Grant{{ServerID: "orders", ScopeID: "orders.read"}}},
		Secrets:     []client.ImportedSecret{{Digest: credentials.DigestOf(secret), ExpiresAt: a.clock.Now().AddDate(0, 0, 90)}},
		HighEntropy: true,
	})
	require.NoError(a.t, err)
}

func (a *authority) removeDefault() {
	a.t.Helper()
	_, err := a.catalog.Edit(a.ctx, "orders", func(s *resource.Server) error { s.Default = false; return nil })
	require.NoError(a.t, err)
}
