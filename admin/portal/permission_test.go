package portal_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/admin"
	"github.com/clientele-go/clientele/audit"
	"github.com/clientele-go/clientele/client"
)

// Every route by everybody and by every method: what is not allowed is refused
// before anything is looked at, and nothing changes.
func TestEveryRouteAsksForItsPermission(t *testing.T) {
	w := newWorld(t)
	c := w.add(client.Spec{Name: "stays", Grants: []client.Grant{{ServerID: "orders-api", ScopeID: "orders::read"}}})
	value, secret := w.addSecret(c.ID)
	jti := w.issue(c.ID, value).ID
	const (
		byClients   = "view of clients"
		byResources = "view of resources"
		byBoth      = "view of both"
		byFull      = "full on both"
	)
	routes := []struct {
		path  string
		get   string // what GET takes; empty: there is none
		posts bool   // whether there is a POST, which takes Full on both
	}{
		{"clients", byClients, false}, {"expiring", byClients, false}, {"new-client", byFull, true},
		{"clients/" + c.ID, byClients, true}, {"clients/" + c.ID + "/use", byClients, false},
		{"clients/" + c.ID + "/delete", byFull, true}, {"clients/" + c.ID + "/secrets/" + secret.ID + "/delete", byFull, true},
		{"resources", byResources, false}, {"resources/orders-api", byResources, false},
		{"audit", byBoth, false}, {"refusals", byClients, false},
		{"tokens", byClients, false}, {"tokens/" + jti, byClients, false}, {"tokens/" + jti + "/revoke", byFull, true}, {"clients/" + c.ID + "/revoke", byFull, true},
	}
	people := []struct {
		admin.Access
		may []string
	}{
		{admin.Access{}, nil}, {nobody, nil}, {clientsOf, []string{byClients}}, {viewer, []string{byClients, byResources, byBoth}},
		{halfway, []string{byClients, byResources, byBoth}}, {full, []string{byClients, byResources, byBoth, byFull}},
	}
	before := w.get(c.ID)
	for _, person := range people {
		b := w.sits(person.Access)
		refused := http.StatusForbidden
		if person.Actor.ID == "" {
			refused = http.StatusUnauthorized
		}
		may := func(what string) bool {
			for _, one := range person.may {
				if one == what {
					return true
				}
			}
			return false
		}
		for _, route := range routes {
			want := refused
			if may(route.get) {
				want = http.StatusOK
			}
			got := b.get("/portal/" + route.path)
			require.Equal(t, want, got.Code, "%s: GET %s", person.Actor.Name, route.path)
			require.Equal(t, want == http.StatusUnauthorized, got.Header().Get("WWW-Authenticate") != "", "RFC 9110 §15.5.2")
			head := b.do(httptest.NewRequest(http.MethodHead, "/portal/"+route.path, nil))
			require.Equal(t, want, head.Code, "%s: HEAD %s", person.Actor.Name, route.path)
			require.Empty(t, head.Body.String())
			if route.posts && !may(byFull) {
				for _, form := range []url.Values{{"name": {"changed"}, "do": {"save"}, "confirm": {"YES"}}, {"do": {"add-secret"}, "days": {"90"}}, {"do": {"validate"}, "jwksurl": {"https://example.com"}}} {
					require.Equal(t, refused, b.post("/portal/"+route.path, form).Code, "%s: POST %s", person.Actor.Name, route.path)
				}
			}
			for _, method := range []string{http.MethodPut, http.MethodPatch, http.MethodDelete, "YES"} {
				r := httptest.NewRequest(method, "/portal/"+route.path, strings.NewReader("confirm=YES"))
				r.Header.Set("Sec-Fetch-Site", "same-origin")
				r.Header.Set("X-HTTP-Method-Override", "POST")
				require.Equal(t, http.StatusMethodNotAllowed, b.do(r).Code, "%s: %s %s", person.Actor.Name, method, route.path)
			}
			if !route.posts {
				require.Equal(t, http.StatusMethodNotAllowed, b.post("/portal/"+route.path, url.Values{"_method": {"GET"}}).Code, "%s: POST %s", person.Actor.Name, route.path)
			}
		}
	}
	require.Equal(t, before, w.get(c.ID))
}

// What can change something is shown to those alone who may.
func TestAViewerSeesNoButtonThatChanges(t *testing.T) {
	w := newWorld(t)
	c := w.add(client.Spec{Name: "looked at", Description: "in detail", Grants: []client.Grant{{ServerID: "orders-api", ScopeID: "orders::read"}}})
	w.addSecret(c.ID)
	b := w.sits(viewer)
	for _, path := range []string{"clients", "expiring?days=365", "clients/" + c.ID, "clients/" + c.ID + "/use", "resources", "audit", "refusals"} {
		page := b.get("/portal/" + path).Body.String()
		require.Equal(t, 1, strings.Count(page, `method="post"`), "%s has a form beside that for signing out", path)
		require.NotContains(t, page, "/delete")
		require.NotContains(t, page, "new-client")
	}
	page := b.get("/portal/clients/" + c.ID).Body.String()
	for _, seen := range []string{"looked at", "in detail", "Orders and Returns", "Role:Reader", "Ends in 90 days", c.ID} {
		require.Contains(t, page, seen)
	}
}

func TestRequestsOfOtherSitesAreRefused(t *testing.T) {
	w := newWorld(t)
	c := w.add(client.Spec{Name: "stays"})
	b := w.sits(full)
	for name, headers := range map[string][2]string{
		"of another site":              {"Sec-Fetch-Site", "cross-site"},
		"of another host of the site":  {"Sec-Fetch-Site", "same-site"},
		"with a foreign origin":        {"Origin", "https://evil.example"},
		"with an origin that is null":  {"Origin", "null"},
		"of another port of the host":  {"Origin", "http://example.com:8080"},
		"by a scheme that is no https": {"Sec-Fetch-Site", "nonsense"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, path := range []string{"clients/" + c.ID + "/delete", "clients/" + c.ID, "new-client", "sign-out"} {
				r := httptest.NewRequest(http.MethodPost, "/portal/"+path, strings.NewReader("confirm=YES&name=new&method=SECRET&minutes=60"))
				r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
				r.Header.Set(headers[0], headers[1])
				answer := b.do(r)
				require.Equal(t, http.StatusForbidden, answer.Code)
				require.Empty(t, answer.Result().Cookies(), "nobody is signed out either")
			}
		})
	}
	w.get(c.ID)
	page, err := w.registry.List(w.ctx, client.Query{})
	require.NoError(t, err)
	require.Len(t, page.Clients, 1)
}

func TestEveryAnswerHasTheHeaders(t *testing.T) {
	w := newWorld(t)
	b, out := w.sits(full), w.sits(admin.Access{})
	for _, answer := range []*httptest.ResponseRecorder{
		b.get("/portal/clients"), b.get("/portal/clients/none"), b.get("/portal/none"), out.get("/portal/clients"), b.post("/portal/clients", nil), b.get("/portal/"),
	} {
		h := answer.Header()
		require.Equal(t, "no-store", h.Get("Cache-Control"))
		require.Equal(t, "no-referrer", h.Get("Referrer-Policy"))
		require.Equal(t, "nosniff", h.Get("X-Content-Type-Options"))
		policy := h.Get("Content-Security-Policy")
		require.Contains(t, policy, "default-src 'none'")
		require.Contains(t, policy, "frame-ancestors 'none'")
		require.NotContains(t, policy, "unsafe")
		require.NotContains(t, policy, "http")
		require.NotContains(t, strings.ReplaceAll(answer.Body.String(), "aria-describedby", ""), " style=")
		require.NotContains(t, answer.Body.String(), "<style")
		require.NotRegexp(t, `<script[^>]*>[^<]`, answer.Body.String())
		require.NotRegexp(t, ` on[a-z]+=`, answer.Body.String())
	}
}

func TestPathsThatAreAlmostThere(t *testing.T) {
	w := newWorld(t)
	c := w.add(client.Spec{Name: "one"})
	b := w.sits(full)
	for _, path := range []string{
		"/portal/clients/", "/portal/CLIENTS", "/portal/clients/" + c.ID + "/", "/portal/clients/" + c.ID + "%2Fdelete", "/portal/clients/none",
		"/portal/clients/%00", "/portal/clients/" + strings.Repeat("x", 4000), "/portal/clients/" + c.ID + "/secrets/none/delete", "/portal/resources/none",
		"/portal/assets/none.css", "/portal/assets/..%2f..%2fdoc.go", "/elsewhere",
	} {
		require.Equal(t, http.StatusNotFound, b.get(path).Code, path)
	}
}

// Who acts is the person, from the address of the request.
func TestWhatIsDoneStandsInTheAuditLog(t *testing.T) {
	w := newWorld(t)
	b := w.sits(full)
	form := b.opened("/portal/new-client", "name", "told of")
	require.Equal(t, http.StatusSeeOther, b.post("/portal/new-client", form).Code)
	page, err := w.registry.Audit().List(w.ctx, audit.Filter{Action: "client.add"})
	require.NoError(t, err)
	require.Len(t, page.Events, 1)
	require.Equal(t, audit.Actor{Kind: audit.Person, ID: "u-1", Name: "Ada", Address: "192.0.2.1"}, page.Events[0].Actor)
}

// A browser asks for a password where the challenge is one that it knows.
func TestTheChallengeOfThePortalIsThatOfWhatIsAroundIt(t *testing.T) {
	w := newWorld(t)
	require.Equal(t, `Cookie realm="portal"`, w.sits(admin.Access{}).get("/portal/clients").Header().Get("WWW-Authenticate"))

	around := httptest.NewRecorder()
	around.Header().Set("WWW-Authenticate", `Negotiate`)
	w.portal.ServeHTTP(around, httptest.NewRequest(http.MethodGet, "/portal/clients", nil))
	require.Equal(t, http.StatusUnauthorized, around.Code)
	require.Equal(t, []string{`Negotiate`}, around.Header()["Www-Authenticate"])
}
