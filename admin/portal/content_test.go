package portal_test

import (
	"context"
	"encoding/json"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/admin"
	"github.com/clientele-go/clientele/admin/portal"
	"github.com/clientele-go/clientele/audit"
	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/credentials/jwks"
	"github.com/clientele-go/clientele/resource"
	"github.com/clientele-go/clientele/store"
	"github.com/clientele-go/clientele/token"
)

// What people write is shown as text, wherever it is shown.
func TestHostileTextsAreInert(t *testing.T) {
	hostile := []string{
		`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `javascript:alert(1)`, `{{.Form}}`, `' onmouseover='alert(1)`,
		"\u202egnp.exe", "a\u200bb\u2066c", `</textarea><script>alert(2)</script>`, `<!--`, `]]>`, strings.Repeat("😀", 255),
	}
	w := newWorld(t)
	_, err := w.registry.Resources().Add(w.ctx, resource.Server{
		ID: "hostile", Name: hostile[0], DisplayName: hostile[1], Description: hostile[7], Audience: "urn:x:'%3Cscript%3E",
		Services: []resource.Service{{ID: "s", Name: hostile[4], DisplayName: hostile[1], CloudName: hostile[3], Scopes: []resource.Scope{{ID: "javascript:alert(1)", Name: hostile[1]}}}},
	})
	if err != nil { // the audience, perhaps
		t.Fatal(err)
	}
	named := admin.Access{Actor: audit.Actor{Kind: audit.Person, ID: "u'\"><script>", Name: hostile[1]}, Clients: admin.Full, Resources: admin.Full}
	b := w.sits(named)
	for i, name := range hostile {
		form := b.opened("/portal/new-client", "name", name, "description", name, "labelkey", "k", "labelvalue", name, "g.hostile.s", "javascript:alert(1)")
		answer := b.post("/portal/new-client", form)
		if strings.Contains(name, "😀") { // as a label it is just as long as may be
			require.Equal(t, http.StatusSeeOther, answer.Code)
		}
		require.Equal(t, http.StatusSeeOther, answer.Code, "%d: %s", i, answer.Body.String())
	}
	found, err := w.registry.List(w.ctx, client.Query{})
	require.NoError(t, err)
	require.Len(t, found.Clients, len(hostile))
	pages := []string{
		"clients", "clients?q=" + url.QueryEscape(hostile[1]), "clients?status=" + url.QueryEscape(hostile[1]) + "&order=" + url.QueryEscape(hostile[1]), "resources", "resources/hostile", "audit", "audit?q=" + url.QueryEscape(hostile[0]) + "&from=" + url.QueryEscape(hostile[1]),
		"audit?subject=" + url.QueryEscape(hostile[1]), "refusals?client=" + url.QueryEscape(hostile[1]), "expiring?after=" + url.QueryEscape(hostile[1]), "clients?server=hostile&scope=" + url.QueryEscape("javascript:alert(1)"),
		"clients?done=" + url.QueryEscape(hostile[0]), "clients?server=" + url.QueryEscape(hostile[0]), url.PathEscape(hostile[1]),
	}
	for _, c := range found.Clients {
		pages = append(pages, "clients/"+c.ID, "clients/"+c.ID+"/use", "clients/"+c.ID+"/delete")
	}
	viewing := w.sits(viewer)
	for _, one := range pages {
		for _, who := range []*browser{b, viewing} {
			answer := who.get("/portal/" + one)
			page := answer.Body.String()
			require.NotContains(t, page, "<script>", one)
			require.NotContains(t, page, "<img", one)
			require.NotRegexp(t, `(href|action|formaction|src)="javascript:`, page, one)
			// Quotes of attributes are their own: what is in them is left out here.
			require.NotRegexp(t, `<[^>]* on[a-z]+=`, quotedText.ReplaceAllString(page, `""`), one)
			require.Equal(t, 1, strings.Count(page, "</html>"), one)
			require.NotRegexp(t, "<title>[^<]*[\u202a-\u202e\u2066-\u2069]", page, one)
			for name := range answer.Header() {
				require.NotContains(t, answer.Header().Get(name), "\n")
			}
		}
	}
	page := b.get("/portal/clients").Body.String()
	require.Contains(t, html.UnescapeString(page), hostile[1])
	for line := range strings.Lines(w.log.String()) {
		require.True(t, json.Valid([]byte(line)))
	}
}

var quotedText = regexp.MustCompile(`"[^"]*"`)

func TestTheListOfClients(t *testing.T) {
	w := newWorld(t)
	b := w.sits(full)
	require.Contains(t, b.get("/portal/clients").Body.String(), "Add the first API client")
	require.Contains(t, w.sits(viewer).get("/portal/clients").Body.String(), "No API clients yet")
	for i := range 120 {
		name := "client " + string(rune('a'+i%26)) + string(rune('a'+i/26))
		w.add(client.Spec{Name: name, Disabled: i%2 == 1})
	}
	named, err := w.registry.ByName(t.Context(), "client ba")
	require.NoError(t, err)
	ba := named.ID
	names := regexp.MustCompile(`<bdi>(client [a-z]+)</bdi></a><span class="sub">`)
	rows := func(path string) []string {
		t.Helper()
		answer := b.get("/portal/" + path)
		require.Equal(t, http.StatusOK, answer.Code, answer.Body.String())
		var all []string
		for _, found := range names.FindAllStringSubmatch(answer.Body.String(), -1) {
			all = append(all, found[1])
		}
		return all
	}
	first := rows("clients")
	require.Len(t, first, 50)
	require.Equal(t, "client aa", first[0])
	require.Len(t, rows("clients?page=3"), 20)
	require.Equal(t, "client zd", rows("clients?order=-name")[0])
	require.Len(t, rows("clients?q=CLIENT+B"), 5)
	require.Len(t, rows("clients?q=client+b&status=disabled"), 5)
	require.Empty(t, rows("clients?q=client+b&status=enabled"))
	require.Empty(t, rows("clients?method=JWKS"))
	require.Empty(t, rows("clients?q=%25"))
	require.Equal(t, []string{"client ba"}, rows("clients?q="+ba), "by the whole of its id")
	require.Empty(t, rows("clients?q="+ba[:len(ba)-1]))
	require.Empty(t, rows("clients?q="+ba+"&status=enabled"))
	page := b.get("/portal/clients?q=client&page=2").Body.String()
	require.Contains(t, page, "120 found, showing 51 to 100")
	require.Contains(t, page, `href="/portal/clients?page=3&amp;q=client" rel="next"`)
	require.Contains(t, page, `href="/portal/clients?q=client" rel="prev"`)
	for _, odd := range []string{"clients?page=-1", "clients?page=99999999999999999999", "clients?page=x", "clients?page=4", "clients?status=x&method=y", "clients?q=" + strings.Repeat("%F0%9F%98%80", 2000), "clients?scope=only"} {
		require.Equal(t, http.StatusOK, b.get("/portal/"+odd).Code, odd)
	}
}

// Each head of a column sorts by it, the other way round when it is asked again, and
// keeps what else was asked for; the page says by what it is sorted.
func TestTheListIsSortedByItsColumns(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{"c first", "a second", "b third"} {
		c := w.add(client.Spec{Name: name})
		if name != "a second" {
			w.addSecret(c.ID)
		}
		w.clock.step(time.Hour)
	}
	b := w.sits(viewer)
	rows := regexp.MustCompile(`<bdi>([abc]) [a-z]+</bdi></a><span class="sub">`)
	sorted := regexp.MustCompile(`aria-sort="([a-z]+)"><a class="sort" href="([^"]+)"><span>([A-Z][a-z]+)`)
	for _, c := range []struct{ order, want, says, column, next string }{
		{"", "abc", "ascending", "Name", "-name"},
		{"nonsense", "abc", "ascending", "Name", "-name"},
		{"-name", "cba", "descending", "Name", ""},
		{"created", "cab", "ascending", "Created", "-created"},
		{"-created", "bac", "descending", "Created", "created"},
		{"expiry", "acb", "ascending", "Expiry", "-expiry"},
		{"-expiry", "bca", "descending", "Expiry", "expiry"},
	} {
		page := b.get("/portal/clients?status=enabled&order=" + c.order).Body.String()
		var got string
		for _, found := range rows.FindAllStringSubmatch(page, -1) {
			got += found[1]
		}
		require.Equal(t, c.want, got, c.order)
		says := sorted.FindAllStringSubmatch(page, -1)
		require.Len(t, says, 1, c.order)
		address, err := url.Parse(html.UnescapeString(says[0][2]))
		require.NoError(t, err)
		require.Equal(t, []string{c.says, c.column}, []string{says[0][1], says[0][3]}, c.order)
		require.Equal(t, c.next, address.Query().Get("order"), c.order)
		require.Equal(t, "enabled", address.Query().Get("status"), c.order)
	}
}

// While a secret is rotated, the list has the end of the new one, and tells of the
// old one beneath it.
func TestOfTwoSecretsTheLaterEndCounts(t *testing.T) {
	w := newWorld(t)
	c := w.add(client.Spec{Name: "one"})
	w.addSecret(c.ID)
	_, _, err := w.registry.Rotate(w.ctx, c.ID, client.Rotation{ExpiresAt: w.clock.Now().AddDate(0, 0, 181), OldEndsAt: w.clock.Now().AddDate(0, 0, 7)})
	require.NoError(t, err)
	page := w.sits(viewer).get("/portal/clients").Body.String()
	require.Contains(t, page, "Ends in 6 months")
	require.Contains(t, page, "A secret of it ends in 7 days")
	w.clock.step(8 * 24 * time.Hour)
	page = w.sits(viewer).get("/portal/clients").Body.String()
	require.Contains(t, page, "Ends in 5 months")
	require.NotContains(t, page, "A secret of it ends")
}

func TestWhatEndsSoonIsMarked(t *testing.T) {
	w := newWorld(t)
	c := w.add(client.Spec{Name: "one"})
	require.Contains(t, w.sits(full).get("/portal/clients").Body.String(), "No secret")
	_, secret := w.addSecret(c.ID)
	page := w.sits(full).get("/portal/clients").Body.String()
	require.Contains(t, page, "Ends in 90 days")
	require.NotContains(t, page, "badge warn")
	w.clock.step(60*24*time.Hour + time.Hour)
	require.Regexp(t, `badge warn">.*Ends in 29 days`, w.sits(full).get("/portal/clients").Body.String())
	require.Contains(t, w.sits(full).get("/portal/expiring").Body.String(), secret.ID)
	w.clock.step(30 * 24 * time.Hour)
	page = w.sits(full).get("/portal/clients").Body.String()
	require.Regexp(t, `badge bad">.*Ended`, page)
	require.NotContains(t, w.sits(full).get("/portal/expiring").Body.String(), secret.ID)
}

func TestTheAuditLogShowsWhatChanged(t *testing.T) {
	w := newWorld(t)
	c := w.add(client.Spec{Name: "one", TokenLifetime: time.Hour, Grants: []client.Grant{{ServerID: "orders-api", ScopeID: "orders::read"}}})
	_, secret := w.addSecret(c.ID)
	w.clock.step(time.Hour)
	_, err := w.registry.Edit(w.ctx, c.ID, func(c *client.Client) error {
		c.Disabled, c.TokenLifetime, c.Description, c.Grants = true, 2*time.Hour, strings.Repeat("x", 400), []client.Grant{{ServerID: "orders-api", ScopeID: "orders::edit"}}
		c.Labels = map[string]string{"owner": "me"}
		return nil
	})
	require.NoError(t, err)
	b := w.sits(full)
	page := b.get("/portal/audit?action=client.edit").Body.String()
	text := html.UnescapeString(regexp.MustCompile(`<[^>]*>`).ReplaceAllString(page, "|"))
	for _, row := range []string{
		"Status", "Enabled", "Disabled", "60 minutes", "120 minutes", "ORD", "Role:Reader", "Role:Editor", "Label owner", strings.Repeat("x", 300) + "…",
	} {
		require.Contains(t, text, row)
	}
	require.NotContains(t, text, secret.ID, "what did not change is not shown")
	require.NotContains(t, text, "updated_at")
	require.Contains(t, b.get("/portal/audit").Body.String(), secret.ID)
	require.NotContains(t, b.get("/portal/audit?to=2027-02-28").Body.String(), "API client changed</h2>")
	require.Contains(t, b.get("/portal/audit?from=2027-03-01&to=2027-03-01").Body.String(), "API client changed</h2>")
	require.Equal(t, http.StatusUnprocessableEntity, b.get("/portal/audit?from=tomorrow").Code)
	require.Equal(t, http.StatusBadRequest, b.get("/portal/audit?after=rubbish").Code)
	require.Contains(t, b.get("/portal/audit?subject="+c.ID).Body.String(), "About <code>"+c.ID)
}

func TestWhyAClientWasRefused(t *testing.T) {
	w := newWorld(t)
	c := w.add(client.Spec{Name: "refused"})
	b := w.sits(full)
	require.Contains(t, b.get("/portal/refusals").Body.String(), "No API client was refused lately")
	ask := httptest.NewRequest(http.MethodPost, "https://auth.example.com/oauth2/v1/token", strings.NewReader(url.Values{
		"grant_type": {"client_credentials"}, "client_id": {c.ID}, "client_secret": {"not-a-secret"}, "audience": {"https://other.example.com"},
	}.Encode()))
	ask.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w.issuer.ServeHTTP(httptest.NewRecorder(), ask)
	page := b.get("/portal/refusals?client=" + c.ID).Body.String()
	for _, seen := range []string{"Mistyped secret", "refused", "https://other.example.com", "invalid_client", "Copy it anew", "192.0.2.1"} {
		require.Contains(t, page, seen)
	}
	require.NotContains(t, page, "not-a-secret")
	require.Contains(t, b.get("/portal/refusals?reason=expired_secret").Body.String(), "No refusal found")
}

func TestResourcesTellWhoUsesThem(t *testing.T) {
	w := newWorld(t)
	w.add(client.Spec{Name: "one", Grants: []client.Grant{{ServerID: "orders-api", ScopeID: "orders::read"}}})
	w.add(client.Spec{Name: "two"})
	b := w.sits(full)
	page := b.get("/portal/resources/orders-api").Body.String()
	require.Regexp(t, `href="/portal/clients\?scope=orders%3A%3Aread&amp;server=orders-api"[^>]*>1</a>`, page)
	list := b.get("/portal/clients?scope=orders%3A%3Aread&server=orders-api").Body.String()
	require.Contains(t, list, "Orders and Returns: Role:Reader")
	require.Contains(t, list, ">one</bdi>")
	require.NotContains(t, list, ">two</bdi>")
}

func TestValidatingAJWKSURLTellsNothingOfTheNetwork(t *testing.T) {
	w := newWorld(t)
	b := w.sits(full)
	form := b.opened("/portal/new-client", "method", "JWKS", "do", "validate")
	notice := regexp.MustCompile(`(?s)<div class="found"[^>]*>(.*?)</div>\s*</div>`)
	var said []string
	for _, target := range []string{"https://10.0.0.1/jwks", "https://169.254.169.254/latest", "https://127.0.0.1/jwks", "https://[::1]:8443/", "http://example.com/", "https://user:pw@example.com/"} {
		form.Set("jwksurl", target)
		answer := b.post("/portal/new-client", form)
		require.Equal(t, http.StatusUnprocessableEntity, answer.Code, target)
		require.Contains(t, answer.Body.String(), `id="jwksurl-error"`)
		said = append(said, notice.FindString(answer.Body.String()))
	}
	for _, one := range said {
		require.Equal(t, said[0], one)
	}
}

func TestValidatingAJWKSURLIsLimited(t *testing.T) {
	fetched := 0
	keys := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fetched++; w.Write([]byte(`{"keys":[]}`)) }))
	t.Cleanup(keys.Close)
	w := newWorld(t, func(cfg *portal.Config, clients *client.Config, _ *portal.SessionsConfig) {
		clients.AllowJWKS = jwks.Allow{Loopback: true}
		var err error
		cfg.JWKS, err = jwks.New(jwks.Config{Allow: clients.AllowJWKS, Logger: cfg.Logger})
		require.NoError(t, err)
	})
	b := w.sits(full)
	form := b.opened("/portal/new-client", "method", "JWKS", "do", "validate", "jwksurl", keys.URL)
	for range 10 {
		require.NotContains(t, b.post("/portal/new-client", form).Body.String(), "too often")
	}
	require.Contains(t, b.post("/portal/new-client", form).Body.String(), "too often")
	require.Equal(t, 10, fetched)
	require.NotContains(t, w.sits(other).post("/portal/new-client", form).Body.String(), "too often", "somebody else may still")
	w.clock.step(time.Minute)
	require.NotContains(t, b.post("/portal/new-client", form).Body.String(), "too often")
}

func TestTheFilesOfThePages(t *testing.T) {
	w := newWorld(t)
	page := w.sits(full).get("/portal/clients").Body.String()
	found := regexp.MustCompile(`/portal/assets/[^"]+`).FindAllString(page, -1)
	require.Len(t, found, 3)
	all := len(page)
	nobody := w.sits(admin.Access{})
	for _, one := range found {
		plain := nobody.get(one)
		require.Equal(t, http.StatusOK, plain.Code)
		require.Contains(t, plain.Header().Get("Cache-Control"), "immutable")
		require.Equal(t, "nosniff", plain.Header().Get("X-Content-Type-Options"))
		require.NotContains(t, plain.Body.String(), "https://")
		r := httptest.NewRequest(http.MethodGet, one, nil)
		r.Header.Set("Accept-Encoding", "gzip, br")
		zipped := nobody.do(r)
		require.Equal(t, "gzip", zipped.Header().Get("Content-Encoding"))
		require.Less(t, zipped.Body.Len(), plain.Body.Len())
		require.NotEmpty(t, path.Ext(one))
		all += zipped.Body.Len()
	}
	require.Less(t, all, 100<<10)
}

// The command asks for what the client may reach, whatever stands in an audience.
func TestTheCommandsForAClient(t *testing.T) {
	w := newWorld(t)
	c := w.add(client.Spec{Name: "one", Grants: []client.Grant{{ServerID: "orders-api", ScopeID: "orders::read"}, {ServerID: "other", ScopeID: "big::a"}}})
	b := w.sits(full)
	text := html.UnescapeString(b.get("/portal/clients/" + c.ID + "/use").Body.String())
	require.Contains(t, text, `-u "`+c.ID+`:$CLIENT_SECRET"`)
	require.Contains(t, text, `'audience=https://api.example.com/it'\''s?a=b&c'`)
	require.Contains(t, text, `'https://auth.example.com/oauth2/v1/token'`)
	require.Contains(t, text, "tokensource.Secret{")
	require.Contains(t, text, "no secret yet")
	require.Contains(t, html.UnescapeString(b.get("/portal/clients/"+c.ID+"/use?server=other").Body.String()), "'audience=https://other.example.com'")
	_, err := w.registry.Edit(w.ctx, c.ID, func(c *client.Client) error {
		c.Method, c.JWKSURL, c.Grants = "JWKS", "https://keys.example.com/", nil
		return nil
	})
	require.NoError(t, err)
	text = html.UnescapeString(b.get("/portal/clients/" + c.ID + "/use").Body.String())
	require.Contains(t, text, "client_assertion=")
	require.Contains(t, text, "tokensource.PrivateKey{")
	require.Contains(t, text, "may reach nothing yet")
}

// Where the token endpoint is says nothing of the issuer's identifier.
func TestTheCommandsForAnIssuerWithPathsOfItsOwn(t *testing.T) {
	w := newWorld(t)
	issuer, err := token.NewIssuer(t.Context(), token.Config{
		Issuer: "https://auth.example.com/tenant", Clients: w.registry, EphemeralKeys: true, Paths: token.Paths{Token: "/t"},
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, issuer.Close(context.Background())) })
	w.portal, err = portal.New(portal.Config{Registry: w.registry, Issuer: issuer, Sessions: w.sessions, Now: w.clock.Now})
	require.NoError(t, err)
	c := w.add(client.Spec{Name: "one", Method: "JWKS", JWKSURL: "https://keys.example.com/", Grants: []client.Grant{{ServerID: "other", ScopeID: "big::a"}}})
	text := html.UnescapeString(w.sits(full).get("/portal/clients/" + c.ID + "/use").Body.String())
	require.Contains(t, text, "  'https://auth.example.com/tenant/t'")
	require.Contains(t, text, c.ID+" 'https://auth.example.com/tenant' \\\n", "the audience of the assertion")
	require.Contains(t, text, `Issuer:     "https://auth.example.com/tenant",`)
}

// An address that somebody has made up is answered as what it is: not as a failure
// of the server, nor as if it asked for everything.
func TestListsOfAddressesThatNobodyLinksTo(t *testing.T) {
	w := newWorld(t)
	w.add(client.Spec{Name: "the only one"})
	b := w.sits(full)
	long := strings.Repeat("x", store.MaxText+1)
	for _, c := range []struct {
		path   string
		status int
	}{
		{"clients?q=" + long, http.StatusOK}, {"clients?q=" + long[:store.MaxText], http.StatusOK}, {"clients?method=x", http.StatusOK}, {"clients?status=x", http.StatusOK},
		{"clients?server=" + long, http.StatusBadRequest}, {"clients?server=s&scope=" + long, http.StatusBadRequest}, {"clients?method=" + long, http.StatusBadRequest},
		{"clients?q=%00", http.StatusBadRequest}, {"clients?server=%ff", http.StatusBadRequest}, {"clients?page=-1", http.StatusOK}, {"clients?page=99999999999999999999", http.StatusOK},
		{"audit?q=" + long, http.StatusOK}, {"audit?q=%00", http.StatusBadRequest}, {"audit?action=" + long, http.StatusOK}, {"audit?subject=%00", http.StatusOK}, {"audit?after=x", http.StatusBadRequest},
		{"refusals?client=" + long, http.StatusUnprocessableEntity}, {"refusals?client=%00", http.StatusBadRequest}, {"refusals?after=x", http.StatusBadRequest},
		{"tokens?client=" + long, http.StatusBadRequest}, {"tokens?jti=%00", http.StatusBadRequest}, {"tokens?status=x", http.StatusBadRequest}, {"tokens?after=x", http.StatusBadRequest},
		{"expiring?after=x", http.StatusBadRequest}, {"expiring?days=-1", http.StatusOK},
		{"clients/" + long, http.StatusNotFound}, {"clients/%00", http.StatusNotFound}, {"resources/%00", http.StatusNotFound}, {"resources/" + long, http.StatusNotFound},
		{"tokens/%00", http.StatusNotFound}, {"tokens/" + long, http.StatusNotFound},
	} {
		answer := b.get("/portal/" + c.path)
		assert.Equal(t, c.status, answer.Code, "%.60s", c.path)
		if strings.Contains(c.path, "q=x") {
			assert.NotContains(t, answer.Body.String(), "the only one", "%.60s", c.path)
		}
	}
	require.NotContains(t, w.log.String(), `"level":"ERROR"`)
}
