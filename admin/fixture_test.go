package admin_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/admin"
	"github.com/clientele-go/clientele/audit"
	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/memstore"
	"github.com/clientele-go/clientele/resource"
	"github.com/clientele-go/clientele/store"
	"github.com/clientele-go/clientele/token"
	"github.com/clientele-go/clientele/token/verifier"
)

// The ids of what the catalog of the tests has.
const (
	serverID   = "jhlm44rd107q7"
	otherID    = "other"
	superAdmin = "hhlm44rd307qf::9h6p7ebv903k4"
	viewOnly   = "hhlm44rd307qf::9h6p7ebv903k5"
	rotateOwn  = "hhlm44rd307qf::9h6p7ebv903k6"
	reader     = "orders::reader"
	editor     = "orders::editor"
	billing    = "invoices::reader"
)

const catalogFile = `{"records":[
 {"id":"jhlm44rd107q7","name":"Zscaler APIs","displayName":"Zscaler APIs","description":"All of them.",
  "primaryAud":"https://api.zscaler.com","defaultApi":true,"serviceScopes":[
  {"service":{"id":"hhlm44rd307qf","name":"ZIAM","displayName":"ZIdentity Administration"},"scopes":[
   {"id":"hhlm44rd307qf::9h6p7ebv903k4","name":"Role:Super Admin"},
   {"id":"hhlm44rd307qf::9h6p7ebv903k5","name":"Role:View Only Admin"},
   {"id":"hhlm44rd307qf::9h6p7ebv903k6","name":"Role:Rotate Own Secret"},
   {"id":"hhlm44rd307qf::9h6p7ebv903k7","name":"Role:Users Admin"}]},
  {"service":{"id":"orders","name":"Orders","cloudName":"cloud.example","orgName":"Example"},"scopes":[
   {"id":"orders::reader","name":"Role:Super Admin"},{"id":"orders::editor","name":"Role:Editor"}]},
  {"service":{"id":"invoices","name":"Invoices"},"scopes":[
   {"id":"invoices::reader","name":"Scope:Default: Role:API Full Access"}]}]},
 {"id":"other","name":"Other 100% API","primaryAud":"https://other.example.com","serviceScopes":[
  {"service":{"id":"things","name":"Things"},"scopes":[{"id":"things::reader","name":"Reader"}]}]}]}`

const audience = "https://api.zscaler.com"

// A clock shows what the test sets.
type clock struct{ ns atomic.Int64 }

func (c *clock) Now() time.Time          { return time.Unix(0, c.ns.Load()) }
func (c *clock) Advance(d time.Duration) { c.ns.Add(int64(d)) }

// options change what newAPI makes.
type options struct {
	store  store.Store
	issuer string
	token  func(*token.Config)
	admin  func(*admin.Config)
	check  func(context.Context, *verifier.Claims) error
}

// An api is a real server of the admin API, with real tokens.
type api struct {
	t        testing.TB
	url      string
	clock    *clock
	store    store.Store
	catalog  *resource.Catalog
	registry *client.Registry
	issuer   *token.Issuer
	roles    *admin.Roles
	log      *bytes.Buffer

	// Tokens of a Super Admin and of a View Only Admin.
	full, view string
	fullID     string
}

var program = audit.WithActor(context.Background(), audit.Program("test"))

func newAPI(t testing.TB, o options) *api {
	t.Helper()
	a := &api{t: t, clock: new(clock), store: o.store, log: new(bytes.Buffer)}
	a.clock.ns.Store(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC).UnixNano())
	if a.store == nil {
		a.store = memstore.New()
	}
	if o.issuer == "" {
		o.issuer = "https://auth.example.com"
	}
	log, err := audit.NewLog(audit.Config{Store: a.store, Now: a.clock.Now})
	require.NoError(t, err)
	a.catalog, err = resource.NewCatalog(resource.Config{Store: a.store, Audit: log, Now: a.clock.Now})
	require.NoError(t, err)
	_, err = a.catalog.Load(program, strings.NewReader(catalogFile))
	require.NoError(t, err)
	a.roles, err = admin.ResolveRoles(t.Context(), a.catalog, admin.RolesConfig{})
	require.NoError(t, err)
	a.registry, err = client.NewRegistry(client.Config{
		Store: a.store, Resources: a.catalog, Audit: log, Now: a.clock.Now, KeepOne: a.roles.Full(),
	})
	require.NoError(t, err)
	quiet := slog.New(slog.DiscardHandler)
	cfg := token.Config{Issuer: o.issuer, Clients: a.registry, EphemeralKeys: true, Logger: quiet, Now: a.clock.Now}
	if o.token != nil {
		o.token(&cfg)
	}
	a.issuer, err = token.NewIssuer(t.Context(), cfg)
	require.NoError(t, err)
	v, err := verifier.New(verifier.Config{
		Issuer: o.issuer, Keys: a.issuer, Audience: a.roles.Audience(), Audiences: []string{"https://other.example.com"},
		Now: a.clock.Now, Logger: quiet, Check: o.check,
	})
	require.NoError(t, err)
	adminCfg := admin.Config{
		Registry: a.registry, Issuer: a.issuer, Authorize: admin.Bearer(v, a.registry, a.roles),
		Now: a.clock.Now, Logger: slog.New(slog.NewJSONHandler(a.log, nil)),
	}
	if o.admin != nil {
		o.admin(&adminCfg)
	}
	handler, err := admin.New(adminCfg)
	require.NoError(t, err)
	mux := http.NewServeMux()
	handler.Mount(mux)
	a.issuer.Mount(mux)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	a.url = server.URL

	a.fullID, a.full = a.caller("The Super Admin", superAdmin)
	_, a.view = a.caller("The View Only Admin", viewOnly)
	return a
}

// caller returns the id and a token of a new client with these scopes, and one that
// is granted for nothing, so that it gets a token in any case.
func (a *api) caller(name string, scopes ...string) (id, token string) {
	a.t.Helper()
	if !slices.Contains(scopes, billing) {
		scopes = append(scopes, billing)
	}
	grants := make([]client.Grant, len(scopes))
	for i, s := range scopes {
		grants[i] = client.Grant{ServerID: serverID, ScopeID: s}
	}
	c, err := a.registry.Add(program, client.Spec{Name: name, Grants: grants})
	require.NoError(a.t, err)
	secret, _, err := a.registry.AddSecret(program, c.ID, a.in(90))
	require.NoError(a.t, err)
	return c.ID, a.token(c.ID, secret.Reveal(), "")
}

func (a *api) token(id, secret, audience string) string {
	a.t.Helper()
	issued, err := a.issuer.Issue(a.t.Context(), token.Request{ClientID: id, ClientSecret: secret, Audience: audience})
	require.NoError(a.t, err)
	return issued.AccessToken
}

// in returns the time so many days from now.
func (a *api) in(days int) time.Time { return a.clock.Now().Add(time.Duration(days) * 24 * time.Hour) }

func epoch(t time.Time) string { return strconv.FormatInt(t.Unix(), 10) }

// A reply is an answer as a caller sees it.
type reply struct {
	*http.Response
	t    testing.TB
	body []byte
}

const base = "/admin/api/v1"

// do sends a request with a token; path without a base path is below base.
func (a *api) do(token, method, path, body string, headers ...string) reply {
	a.t.Helper()
	if !strings.HasPrefix(path, "/admin") && !strings.HasPrefix(path, "/ziam") {
		path = base + path
	}
	var content io.Reader
	if body != "" {
		content = strings.NewReader(body)
	}
	r, err := http.NewRequestWithContext(a.t.Context(), method, a.url+path, content)
	require.NoError(a.t, err)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i < len(headers); i += 2 {
		if headers[i+1] == "" {
			r.Header.Del(headers[i])
			continue
		}
		r.Header.Set(headers[i], headers[i+1])
	}
	response, err := http.DefaultTransport.RoundTrip(r) // which follows no redirect
	require.NoError(a.t, err)
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	require.NoError(a.t, err)
	return reply{response, a.t, data}
}

// json returns the answer, which must have that status, as v.
func (r reply) json(status int, v any) {
	r.t.Helper()
	r.is(status)
	require.Equal(r.t, "application/json", r.Header.Get("Content-Type"))
	require.NoError(r.t, json.Unmarshal(r.body, v), "%s", r.body)
}

func (r reply) is(status int) reply {
	r.t.Helper()
	require.Equal(r.t, status, r.StatusCode, "%s %s: %s", r.Request.Method, r.Request.URL, r.body)
	return r
}

// A fault is an error as the API answers it.
type fault struct {
	Code    string
	Message string
	Params  []string
}

func (r reply) fault(status int, code string, params ...string) fault {
	r.t.Helper()
	var f fault
	r.json(status, &f)
	require.Equal(r.t, code, f.Code, f.Message)
	if params == nil {
		params = []string{}
	}
	require.Equal(r.t, params, f.Params, f.Message)
	require.NotEmpty(r.t, f.Message)
	return f
}

// An apiClient is an API client as programs for the original read it.
type apiClient struct {
	ID                   string `json:"id,omitempty"`
	Name                 string `json:"name"`
	Description          string `json:"description"`
	Status               *bool  `json:"status,omitempty"`
	AccessTokenLifeTime  int32  `json:"accessTokenLifeTime"`
	ClientAuthentication struct {
		AuthType      string `json:"authType"`
		ClientJWKsURL string `json:"clientJWKsUrl,omitempty"`
		PublicKeys    []struct {
			KeyName    string `json:"keyName"`
			KeyValue   string `json:"keyValue"`
			Thumbprint string `json:"thumbprint"`
		} `json:"publicKeys,omitempty"`
		ClientCertificates []struct {
			CertContent string `json:"certContent"`
			Thumbprint  string `json:"thumbprint"`
			ExpiresAt   string `json:"expiresAt"`
		} `json:"clientCertificates,omitempty"`
	} `json:"clientAuthentication"`
	ClientResources []struct {
		ID             string `json:"id"`
		Name           string `json:"name"`
		DefaultAPI     bool   `json:"defaultApi"`
		SelectedScopes []struct {
			ID   string `json:"id"`
			Name string `json:"name"`
			Gone bool   `json:"gone,omitempty"`
		} `json:"selectedScopes"`
	} `json:"clientResources"`
	Labels    map[string]string `json:"labels,omitempty"`
	CreatedAt string            `json:"createdAt,omitempty"`
	UpdatedAt string            `json:"updatedAt,omitempty"`
	Warnings  []string          `json:"warnings,omitempty"`
}

type apiSecret struct{ ID, CreatedAt, ExpiresAt, Value string }

type apiPage[T any] struct {
	ResultsTotal int    `json:"results_total"`
	PageOffset   int    `json:"pageOffset"`
	PageSize     int    `json:"pageSize"`
	NextLink     string `json:"next_link"`
	PrevLink     string `json:"prev_link"`
	Records      []T    `json:"records"`
}

// add adds an API client as a program would.
func (a *api) add(body string) apiClient {
	a.t.Helper()
	var c apiClient
	a.do(a.full, "POST", "/api-clients", body).json(http.StatusCreated, &c)
	return c
}

// addSecret adds a secret to a client, valid for so many days.
func (a *api) addSecret(id string, days int) apiSecret {
	a.t.Helper()
	var s apiSecret
	a.do(a.full, "POST", "/api-clients/"+id+"/secrets", `{"expiresAt":"`+epoch(a.in(days))+`"}`).json(http.StatusCreated, &s)
	return s
}

// names returns the names of the clients, in their order.
func names(clients []apiClient) []string {
	out := make([]string, len(clients))
	for i, c := range clients {
		out[i] = c.Name
	}
	return out
}

// everything returns all that is stored, so that a test sees whether anything was
// changed.
func (a *api) everything() map[string]string {
	a.t.Helper()
	all := map[string]string{}
	for _, kind := range []store.Kind{client.Kind, client.KindID, client.KindExpiry, client.KindKeep, resource.Kind, audit.Kind, token.KindRevocation} {
		q := store.Query{Kind: kind, Limit: store.MaxLimit}
		for {
			page, err := a.store.List(a.t.Context(), q)
			require.NoError(a.t, err)
			for _, r := range page.Records {
				all[string(kind)+" "+r.ID] = string(r.Data)
			}
			if q.After = page.Next; q.After == "" {
				break
			}
		}
	}
	return all
}

var errDown = errors.New("the store is down")
