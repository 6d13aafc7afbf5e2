package portal_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"html"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/admin"
	"github.com/clientele-go/clientele/admin/portal"
	"github.com/clientele-go/clientele/audit"
	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/credentials"
	"github.com/clientele-go/clientele/memstore"
	"github.com/clientele-go/clientele/resource"
	"github.com/clientele-go/clientele/token"
)

// catalog has a service of few scopes, one of many, and an audience with what
// shells and HTML make something of.
var catalog = `{"records":[{"id":"orders-api","name":"Orders","primaryAud":"https://api.example.com/it's?a=b&c","defaultApi":true,"serviceScopes":[
	{"service":{"id":"iam","name":"IAM"},"scopes":[{"id":"iam::admin","name":"Role:Super Admin"},{"id":"iam::view","name":"Role:View Only Admin"}]},
	{"service":{"id":"orders","name":"ORD","displayName":"Orders and Returns"},"scopes":[{"id":"orders::read","name":"Role:Reader"},{"id":"orders::edit","name":"Role:Editor"}]}]},
	{"id":"other","name":"Other","primaryAud":"https://other.example.com","serviceScopes":[{"service":{"id":"big","name":"Big"},"scopes":[` + bigScopes + `]}]}]}`

var bigScopes = func() string {
	var all []string
	for _, name := range strings.Split("abcdefghijklmnop", "") {
		all = append(all, `{"id":"big::`+name+`","name":"Role `+name+`"}`)
	}
	return strings.Join(all, ",")
}()

// A clock is moved by hand.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) step(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// A world is a portal and what is behind it.
type world struct {
	*testing.T
	clock    *clock
	registry *client.Registry
	issuer   *token.Issuer
	sessions *portal.Sessions
	portal   *portal.Handler
	log      *bytes.Buffer
	ctx      context.Context
}

func newWorld(t *testing.T, change ...func(*portal.Config, *client.Config, *portal.SessionsConfig)) *world {
	t.Helper()
	w := &world{T: t, clock: &clock{now: time.Date(2027, 3, 1, 9, 0, 0, 0, time.UTC)}, log: new(bytes.Buffer)}
	w.ctx = audit.WithActor(t.Context(), audit.Program("test"))
	st := memstore.New()
	logger := slog.New(slog.NewJSONHandler(&lockedWriter{w: w.log}, &slog.HandlerOptions{Level: slog.LevelDebug}))
	resources, err := resource.NewCatalog(resource.Config{Store: st, Now: w.clock.Now})
	require.NoError(t, err)
	_, err = resources.Load(w.ctx, strings.NewReader(catalog))
	require.NoError(t, err)

	clients := client.Config{Store: st, Resources: resources, Now: w.clock.Now}
	sessions := portal.SessionsConfig{Now: w.clock.Now}
	cfg := portal.Config{Logger: logger, Now: w.clock.Now}
	for _, f := range change {
		f(&cfg, &clients, &sessions)
	}
	w.registry, err = client.NewRegistry(clients)
	require.NoError(t, err)
	w.issuer, err = token.NewIssuer(t.Context(), token.Config{
		Issuer: "https://auth.example.com", Clients: w.registry, EphemeralKeys: true, Logger: logger, Now: w.clock.Now,
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, w.issuer.Close(context.Background())) })
	w.sessions, err = portal.NewSessions(sessions)
	require.NoError(t, err)
	cfg.Registry, cfg.Issuer = w.registry, w.issuer
	if cfg.Authenticate == nil {
		cfg.Sessions = w.sessions
	}
	w.portal, err = portal.New(cfg)
	require.NoError(t, err)
	return w
}

type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

func (w *world) add(spec client.Spec) *client.Client {
	w.Helper()
	c, err := w.registry.Add(w.ctx, spec)
	require.NoError(w, err)
	return c
}

func (w *world) get(id string) *client.Client {
	w.Helper()
	c, err := w.registry.Get(w.ctx, id)
	require.NoError(w, err)
	return c
}

func (w *world) addSecret(id string) (credentials.Secret, client.Secret) {
	w.Helper()
	value, kept, err := w.registry.AddSecret(w.ctx, id, w.clock.Now().AddDate(0, 0, 90))
	require.NoError(w, err)
	return value, kept
}

// issue gets a token by a secret.
func (w *world) issue(id string, secret credentials.Secret) *token.Token {
	w.Helper()
	issued, err := w.issuer.Issue(w.ctx, token.Request{ClientID: id, ClientSecret: secret.Reveal()})
	require.NoError(w, err)
	return issued
}

// People with each permission.
var (
	full      = admin.Access{Actor: audit.Actor{Kind: audit.Person, ID: "u-1", Name: "Ada"}, Clients: admin.Full, Resources: admin.Full}
	other     = admin.Access{Actor: audit.Actor{Kind: audit.Person, ID: "u-2", Name: "Bob"}, Clients: admin.Full, Resources: admin.Full}
	viewer    = admin.Access{Actor: audit.Actor{Kind: audit.Person, ID: "u-3", Name: "Vera"}, Clients: admin.View, Resources: admin.View}
	halfway   = admin.Access{Actor: audit.Actor{Kind: audit.Person, ID: "u-4", Name: "Hal"}, Clients: admin.Full, Resources: admin.View}
	nobody    = admin.Access{Actor: audit.Actor{Kind: audit.Person, ID: "u-5", Name: "Nora"}}
	clientsOf = admin.Access{Actor: audit.Actor{Kind: audit.Person, ID: "u-6", Name: "Cleo"}, Clients: admin.View}
)

// A browser is what a person sits at.
type browser struct {
	*world
	cookie *http.Cookie
}

// sits returns the browser of somebody who has signed in; the zero Access has not.
func (w *world) sits(access admin.Access) *browser {
	w.Helper()
	b := &browser{world: w}
	if access.Actor.ID == "" {
		return b
	}
	link, err := w.portal.SignInLink(access, time.Hour)
	require.NoError(w, err)
	answer := b.post(link, nil)
	require.Equal(w, http.StatusSeeOther, answer.Code, answer.Body.String())
	require.NotNil(w, b.cookie)
	return b
}

func (b *browser) get(path string) *httptest.ResponseRecorder {
	b.Helper()
	return b.do(httptest.NewRequest(http.MethodGet, path, nil))
}

func (b *browser) post(path string, form url.Values) *httptest.ResponseRecorder {
	b.Helper()
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return b.do(r)
}

func (b *browser) do(r *http.Request) *httptest.ResponseRecorder {
	b.Helper()
	if b.cookie != nil {
		r.AddCookie(b.cookie)
	}
	answer := httptest.NewRecorder()
	b.portal.ServeHTTP(answer, r)
	for _, c := range answer.Result().Cookies() {
		if b.cookie = c; c.MaxAge < 0 {
			b.cookie = nil
		}
	}
	return answer
}

// fields returns what a form on a page would send without a change: its fields by
// their names.
func fields(t *testing.T, page string) url.Values {
	t.Helper()
	start := strings.Index(page, `<form id="client"`)
	require.Positive(t, start, "no form of a client: %s", page)
	form := page[start:]
	form = form[:strings.Index(form, "</form>")]
	values := url.Values{}
	for _, tag := range inputs.FindAllString(form, -1) {
		name, value, kind := attribute(tag, "name"), attribute(tag, "value"), attribute(tag, "type")
		switch {
		case name == "" || kind == "file":
		case (kind == "radio" || kind == "checkbox") && !strings.Contains(tag, " checked"):
		default:
			values.Add(name, value)
		}
	}
	for _, found := range textareas.FindAllStringSubmatch(form, -1) {
		values.Add(found[1], html.UnescapeString(found[2]))
	}
	for _, found := range selects.FindAllStringSubmatch(form, -1) {
		chosen := selected.FindStringSubmatch(found[2])
		if chosen == nil {
			values.Add(html.UnescapeString(found[1]), "")
		} else {
			values.Add(html.UnescapeString(found[1]), html.UnescapeString(chosen[1]))
		}
	}
	return values
}

var (
	inputs    = regexp.MustCompile(`<input [^>]*>`)
	textareas = regexp.MustCompile(`(?s)<textarea [^>]*name="([^"]*)"[^>]*>(.*?)</textarea>`)
	selects   = regexp.MustCompile(`(?s)<select name="([^"]*)"[^>]*>(.*?)</select>`)
	selected  = regexp.MustCompile(`<option value="([^"]*)" selected`)
)

func attribute(tag, name string) string {
	_, rest, ok := strings.Cut(tag, " "+name+`="`)
	if !ok {
		return ""
	}
	value, _, _ := strings.Cut(rest, `"`)
	return html.UnescapeString(value)
}

// opened returns the fields of the form at path, with some of them changed.
func (b *browser) opened(path string, pairs ...string) url.Values {
	b.Helper()
	page := b.get(path)
	require.Equal(b, http.StatusOK, page.Code, page.Body.String())
	values := fields(b.T, page.Body.String())
	for i := 0; i < len(pairs); i += 2 {
		values.Set(pairs[i], pairs[i+1])
	}
	return values
}

// pemOf returns a new P-256 key: the public one, and the private one.
func pemOf(t *testing.T) (public string, private *ecdsa.PrivateKey) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	key, err := credentials.NewKey(private.Public())
	require.NoError(t, err)
	return string(key.MarshalPEM()), private
}
