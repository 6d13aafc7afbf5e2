package clienteletest

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/resource"
	"github.com/clientele-go/clientele/token"
)

// A Token says which access token is wanted. The zero Token is a good one of the
// Authority's client, with all scopes. Each field that makes it bad makes it bad
// in that way alone.
type Token struct {
	// Scopes are the scopes of the token. None means all of Authority.Scopes.
	Scopes []string
	// Without are scopes that it lacks.
	Without []string
	// Expired: its time has passed, by more than any leeway.
	Expired bool
	// Audience is another audience than that of the resource server.
	Audience string
	// UnknownKey: it is signed by a key that the authority does not have.
	UnknownKey bool
	// BadSignature: its signature is that of another token.
	BadSignature bool
	// ClientID is the client that it is for, and ClientSecret the secret of
	// that, as Authority.Client returned them. Empty means the Authority's.
	ClientID, ClientSecret string
}

// Token returns an access token: a real one from the Issuer, bad on purpose where
// spec says so. It leaves the clock as it is.
func (a *Authority) Token(t testing.TB, spec Token) string {
	t.Helper()
	issuer := a.Issuer
	if spec.UnknownKey {
		issuer = a.intruder
	}
	req := token.Request{ClientID: a.ClientID, ClientSecret: a.ClientSecret, RemoteAddr: "192.0.2.1"}
	if spec.ClientID != "" {
		req.ClientID, req.ClientSecret = spec.ClientID, spec.ClientSecret
	}
	scopes := spec.Scopes
	if len(scopes) == 0 {
		scopes = a.Scopes
	}
	scopes = slices.DeleteFunc(slices.Clone(scopes), func(s string) bool { return slices.Contains(spec.Without, s) })
	if len(scopes) == 0 && len(spec.Without) > 0 {
		t.Fatal("clienteletest: a token without any scope is not issued; leave one of Authority.Scopes")
	}
	req.Scope = strings.Join(scopes, " ")
	if spec.Audience != "" {
		a.addServer(t, spec.Audience, req.ClientID)
		req.Audience, req.Scope = spec.Audience, ""
	}
	if spec.Expired {
		// Issued so long ago that the longest token has expired since.
		back := client.MaxTokenLifetime + time.Hour
		a.Clock.Advance(-back)
		defer a.Clock.Advance(back)
	}
	got, err := issuer.Issue(t.Context(), req)
	if err != nil {
		t.Fatalf("clienteletest: %v", err)
	}
	if !spec.BadSignature {
		return got.AccessToken
	}
	other, err := issuer.Issue(t.Context(), req)
	if err != nil {
		t.Fatalf("clienteletest: %v", err)
	}
	dot := strings.LastIndexByte(got.AccessToken, '.')
	return got.AccessToken[:dot] + other.AccessToken[strings.LastIndexByte(other.AccessToken, '.'):]
}

// addServer adds a resource server with that audience, unless there is one, at
// which the client may do something.
func (a *Authority) addServer(t testing.TB, audience, clientID string) {
	t.Helper()
	ctx := Context(t)
	server, err := a.Catalog.ByAudience(ctx, audience)
	if err != nil {
		server = must(a.Catalog.Add(ctx, resource.Server{
			Name: audience, Audience: audience,
			Services: []resource.Service{{Name: "any", Scopes: []resource.Scope{{Name: "any"}}}},
		}))(t)
	}
	grant := client.Grant{ServerID: server.ID, ScopeID: server.Services[0].Scopes[0].ID}
	must(a.Registry.Edit(ctx, clientID, func(c *client.Client) error {
		if !slices.ContainsFunc(c.Grants, func(g client.Grant) bool { return g.ServerID == server.ID }) {
			c.Grants = append(c.Grants, grant)
		}
		return nil
	}))(t)
}

// Request returns a request to a handler, as httptest.NewRequest does, that
// carries the token that spec describes.
func (a *Authority) Request(t testing.TB, method, target string, body io.Reader, spec Token) *http.Request {
	t.Helper()
	r := httptest.NewRequest(method, target, body)
	r.Header.Set("Authorization", "Bearer "+a.Token(t, spec))
	return r
}
