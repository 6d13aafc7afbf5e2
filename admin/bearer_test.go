package admin_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/admin"
	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/resource"
	"github.com/clientele-go/clientele/token"
	"github.com/clientele-go/clientele/token/verifier"
)

func TestOnlyAGoodTokenIsLetIn(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	sameKey := func(cfg *token.Config) { cfg.EphemeralKeys, cfg.Signer = false, key }
	revoked := ""
	a := newAPI(t, options{token: sameKey, check: func(_ context.Context, claims *verifier.Claims) error {
		if claims.ID == revoked {
			return errors.New("revoked")
		}
		return nil
	}})
	// Another tenant: its own store, an issuer beside ours, even the same key.
	tenant := newAPI(t, options{token: sameKey, issuer: "https://auth.example.com/tenant2"})
	stranger := newAPI(t, options{issuer: "https://elsewhere.example.com"})

	otherGrants, err := a.registry.Add(program, client.Spec{Name: "has a scope elsewhere", Grants: []client.Grant{
		{ServerID: serverID, ScopeID: superAdmin}, {ServerID: otherID, ScopeID: "things::reader"},
	}})
	require.NoError(t, err)
	secret, _, err := a.registry.AddSecret(program, otherGrants.ID, a.in(90))
	require.NoError(t, err)
	elsewhere := a.token(otherGrants.ID, secret.Reveal(), "https://other.example.com")

	const invalid = `error="invalid_token"`
	for _, test := range []struct {
		name, authorization, challenge string
	}{
		{"no header", "", ""},
		{"another scheme", "Basic eDp5", ""},
		{"a scheme alone", "Bearer", ""},
		{"no token behind it", "Bearer ", ""},
		{"no token at all", "Bearer abc", invalid},
		{"two in one header", "Bearer " + a.full + ", Bearer " + a.full, invalid},
		{"one with another signature", "Bearer " + a.full[:strings.LastIndex(a.full, ".")] + a.view[strings.LastIndex(a.view, "."):], invalid},
		{"one of another issuer", "Bearer " + stranger.full, invalid},
		{"one of another tenant with the same key", "Bearer " + tenant.full, invalid},
		{"one for another audience", "Bearer " + elsewhere, invalid},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := a.do("", "GET", "/api-clients", "", "Authorization", test.authorization)
			f := got.fault(401, "UNAUTHORIZED")
			challenge := got.Header.Get("WWW-Authenticate")
			require.True(t, strings.HasPrefix(challenge, "Bearer "), challenge)
			require.Equal(t, test.challenge != "", strings.Contains(challenge, "error="), challenge)
			require.Contains(t, challenge, test.challenge)
			require.NotContains(t, f.Message, "eyJ")
		})
	}

	t.Run("the scheme in another case is let in", func(t *testing.T) {
		a.do("", "GET", "/api-clients", "", "Authorization", "bEARER "+a.full).is(200)
	})
	t.Run("two headers are one too many", func(t *testing.T) {
		r, err := http.NewRequestWithContext(t.Context(), "GET", a.url+base+"/api-clients", nil)
		require.NoError(t, err)
		r.Header["Authorization"] = []string{"Bearer " + a.full, "Bearer " + a.full}
		response, err := http.DefaultTransport.RoundTrip(r)
		require.NoError(t, err)
		response.Body.Close()
		require.Equal(t, 400, response.StatusCode)
	})
	t.Run("a token in the query or in the body is none", func(t *testing.T) {
		a.do("", "GET", "/api-clients?access_token="+a.full, "").fault(401, "UNAUTHORIZED")
	})
	t.Run("a revoked one is not", func(t *testing.T) {
		a.do(a.view, "GET", "/api-clients", "").is(200)
		claims, err := verifierOf(t, a).Verify(t.Context(), a.view)
		require.NoError(t, err)
		revoked = claims.ID
		a.do(a.view, "GET", "/api-clients", "").fault(401, "UNAUTHORIZED")
	})
	t.Run("an expired one is not", func(t *testing.T) {
		a.clock.Advance(2 * time.Hour)
		got := a.do(a.full, "GET", "/api-clients", "")
		require.Contains(t, got.fault(401, "UNAUTHORIZED").Message, "expired")
	})
	require.NotContains(t, a.log.String(), a.full[strings.LastIndex(a.full, "."):], "no token in the log")
}

func verifierOf(t *testing.T, a *api) *verifier.Verifier {
	v, err := verifier.New(verifier.Config{Issuer: "https://auth.example.com", Keys: a.issuer, Audience: audience, Now: a.clock.Now})
	require.NoError(t, err)
	return v
}

func TestAClientAdministersByWhatItIsNow(t *testing.T) {
	setup := func(t *testing.T) (a *api, id, token string) {
		a = newAPI(t, options{})
		id, token = a.caller("a second Super Admin", superAdmin)
		a.do(token, "POST", "/api-clients", `{"name":"before"}`).is(201)
		return a, id, token
	}
	for _, test := range []struct {
		name   string
		change func(t *testing.T, a *api, id string)
		status int
	}{
		{"disabled a moment ago, it is not let in", func(t *testing.T, a *api, id string) {
			a.do(a.full, "POST", "/api-clients/"+id+"/disable", "").is(200)
		}, 401},
		{"deleted a moment ago, it is not let in", func(t *testing.T, a *api, id string) {
			a.do(a.full, "DELETE", "/api-clients/"+id, "").is(204)
		}, 401},
		{"without the role it changes nothing", func(t *testing.T, a *api, id string) {
			_, err := a.registry.Edit(program, id, func(c *client.Client) error { c.Grants = nil; return nil })
			require.NoError(t, err)
		}, 403},
		{"with View in the place of Full it changes nothing", func(t *testing.T, a *api, id string) {
			_, err := a.registry.Edit(program, id, func(c *client.Client) error {
				c.Grants = []client.Grant{{ServerID: serverID, ScopeID: viewOnly}}
				return nil
			})
			require.NoError(t, err)
		}, 403},
		{"a role that was removed from the catalog counts no more", func(t *testing.T, a *api, id string) {
			_, err := a.catalog.Sync(program, serverID, "ZIAM", []resource.Scope{{ID: viewOnly, Name: "Role:Super Admin"}})
			require.NoError(t, err)
		}, 403},
		{"a role of a resource server that was deleted counts no more", func(t *testing.T, a *api, id string) {
			require.NoError(t, a.catalog.Delete(program, serverID))
		}, 403},
		{"a role that has another name by now is the same", func(t *testing.T, a *api, id string) {
			_, err := a.catalog.Sync(program, serverID, "ZIAM", []resource.Scope{
				{ID: superAdmin, Name: "Role:View Only Admin"}, {ID: viewOnly, Name: "Role:Super Admin"},
			})
			require.NoError(t, err)
		}, 201},
	} {
		t.Run(test.name, func(t *testing.T) {
			a, id, token := setup(t)
			test.change(t, a, id)
			a.do(token, "POST", "/api-clients", `{"name":"after"}`).is(test.status)
		})
	}
}

func TestATokenGivesNoRoleThatItWasNotIssuedFor(t *testing.T) {
	a := newAPI(t, options{})
	id, _ := a.caller("has both, asks for one", superAdmin)
	secret, _, err := a.registry.AddSecret(program, id, a.in(90))
	require.NoError(t, err)
	issued, err := a.issuer.Issue(t.Context(), token.Request{ClientID: id, ClientSecret: secret.Reveal(), Scope: billing})
	require.NoError(t, err)
	a.do(issued.AccessToken, "GET", "/api-clients", "").fault(403, "FORBIDDEN")
}

func TestARoleOfTheSameNameInAnotherServiceIsNone(t *testing.T) {
	a := newAPI(t, options{})
	_, token := a.caller("Super Admin of Orders", reader)
	a.do(token, "GET", "/api-clients", "").fault(403, "FORBIDDEN")
}

func TestARoleThatHasMovedToAnotherServiceIsNone(t *testing.T) {
	a := newAPI(t, options{})
	moved := strings.NewReplacer(superAdmin, "ziam::another", "orders::editor", superAdmin).Replace(catalogFile)
	_, err := a.catalog.Load(program, strings.NewReader(moved))
	require.NoError(t, err)
	_, token := a.caller("was granted it in its new place", superAdmin)
	a.do(token, "GET", "/api-clients", "").fault(403, "FORBIDDEN")

	_, who := a.caller("who may look", viewOnly)
	var c apiClient
	a.do(who, "GET", "/api-clients/"+a.fullID, "").json(200, &c)
	require.Equal(t, superAdmin, c.ClientResources[0].SelectedScopes[0].ID)
	require.True(t, c.ClientResources[0].SelectedScopes[0].Gone, "what was granted in its old place grants nothing")
}

func TestWhatAuthorizeReturns(t *testing.T) {
	for _, test := range []struct {
		name   string
		err    error
		status int
		code   string
	}{
		{"nobody knows who it is", admin.ErrUnauthenticated, 401, "UNAUTHORIZED"},
		{"it may do nothing", admin.ErrForbidden, 403, "FORBIDDEN"},
		{"nobody can tell for the moment", errDown, 503, "SERVICE_UNAVAILABLE"},
		{"the keys cannot be had", &verifier.UnavailableError{Issuer: "x", RetryAfter: 90 * time.Second, Err: errDown}, 503, "SERVICE_UNAVAILABLE"},
		{"it forgets to say who acts", nil, 500, "UNEXPECTED_ERROR"},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := newAPI(t, options{admin: func(cfg *admin.Config) {
				cfg.Authorize = func(*http.Request) (admin.Access, error) {
					return admin.Access{Clients: admin.Full, Resources: admin.Full}, test.err
				}
			}})
			got := a.do("", "GET", "/api-clients", "")
			got.fault(test.status, test.code)
			retry := map[error]string{errDown: "1"}[test.err]
			if errors.As(test.err, new(*verifier.UnavailableError)) {
				retry = "90"
			}
			require.Equal(t, retry, got.Header.Get("Retry-After"))
			require.NotContains(t, string(got.body), errDown.Error())
		})
	}
}

func TestTheLastFullClientStays(t *testing.T) {
	a := newAPI(t, options{})
	self := "/api-clients/" + a.fullID
	before := a.everything()
	for name, try := range map[string]func(query string) reply{
		"deleted":  func(q string) reply { return a.do(a.full, "DELETE", self+q, "") },
		"disabled": func(q string) reply { return a.do(a.full, "POST", self+"/disable"+q, "") },
		"replaced by a disabled one": func(q string) reply {
			return a.do(a.full, "PUT", self+q, `{"name":"x","status":false,"clientAuthentication":{"authType":"SECRET"},
				"clientResources":[{"id":"`+serverID+`","selectedScopes":[{"id":"`+superAdmin+`"}]}]}`)
		},
		"stripped": func(q string) reply {
			return a.do(a.full, "PUT", self+q, `{"name":"x","clientAuthentication":{"authType":"SECRET"}}`)
		},
		"given View instead": func(q string) reply {
			return a.do(a.full, "PUT", self+q, `{"name":"x","clientAuthentication":{"authType":"SECRET"},
				"clientResources":[{"id":"`+serverID+`","selectedScopes":[{"id":"`+viewOnly+`"}]}]}`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := *a
			a.t = t
			try("").fault(409, "LAST_ADMINISTRATOR")
			try("?dryRun=true").fault(409, "LAST_ADMINISTRATOR")
		})
	}
	require.Equal(t, before, a.everything())

	// With a second one, one's own is done.
	_, second := a.caller("a second Super Admin", superAdmin)
	a.do(a.full, "DELETE", self, "").is(204)
	a.do(a.full, "GET", "/api-clients", "").fault(401, "UNAUTHORIZED")
	a.do(second, "GET", "/api-clients", "").is(200)
}
