package portaltest

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/credentials"
	"github.com/clientele-go/clientele/token"
)

// Every page, as it is for people: it stands still, and there is nothing for axe-core
// to find, light and dark.
func TestEveryPageIsAccessible(t *testing.T) {
	s := newServer(t, true)
	page, err := s.registry.List(s.ctx, client.Query{Limit: 200})
	require.NoError(t, err)
	of := func(ok func(*client.Client) bool) string {
		for _, c := range page.Clients {
			if ok(c) {
				return c.ID
			}
		}
		t.Fatal("the demo has no such client")
		return ""
	}
	secrets := of(func(c *client.Client) bool { return len(c.Secrets) == 2 })
	keys := of(func(c *client.Client) bool { return c.Method == credentials.MethodPublicKeys })
	remote := of(func(c *client.Client) bool { return c.Method == credentials.MethodJWKS })
	_, err = s.registry.Edit(s.ctx, secrets, func(c *client.Client) error {
		c.Description = "Changed.\nTwice."
		c.TokenLifetime = 5 * time.Minute
		return nil
	})
	require.NoError(t, err)
	for _, secret := range []string{"wrong", "cls_short"} {
		answer, err := http.PostForm(s.url+"/oauth2/v1/token", url.Values{"grant_type": {"client_credentials"}, "client_id": {secrets}, "client_secret": {secret}})
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
	}

	issued, err := s.registry.Add(s.ctx, client.Spec{Name: "Zebra printer, Lyon", Grants: []client.Grant{{ServerID: "acme", ScopeID: "orders::reader"}}})
	require.NoError(t, err)
	secret, _, err := s.registry.AddSecret(s.ctx, issued.ID, time.Now().AddDate(0, 0, 90))
	require.NoError(t, err)
	var jti string
	for range 5 {
		token, err := s.issuer.Issue(s.ctx, token.Request{ClientID: issued.ID, ClientSecret: secret.Reveal(), Audience: "https://api.acme.example"})
		require.NoError(t, err)
		jti = token.ID
	}

	b := newTab(t, s.url)
	b.open("/portal/clients")
	b.look("signed-out")
	link, err := s.portal.SignInLink(ada, time.Hour)
	require.NoError(t, err)
	b.open(link)
	b.look("sign-in")
	b.follow("form button")
	for _, one := range []struct{ name, path string }{
		{"clients", "clients"}, {"found-none", "clients?q=nothing+like+it"}, {"found", "clients?q=berlin&status=enabled"},
		{"by-expiry", "clients?order=expiry"},
		{"expiring", "expiring"}, {"new-client", "new-client"}, {"edit-secret", "clients/" + secrets}, {"edit-keys", "clients/" + keys},
		{"edit-jwks", "clients/" + remote}, {"edit-resources", "clients/" + secrets + "?tab=resources"},
		{"use", "clients/" + secrets + "/use?done=added"}, {"use-key", "clients/" + keys + "/use"}, {"in-use", "clients/" + issued.ID + "?done=saved"},
		{"delete", "clients/" + secrets + "/delete"}, {"resources", "resources"}, {"resource", "resources/acme"},
		{"audit", "audit"}, {"audit-one", "audit?subject=" + secrets}, {"refusals", "refusals"}, {"tokens", "tokens"}, {"token", "tokens/" + jti}, {"revoke", "tokens/" + jti + "/revoke"}, {"not-found", "clients/none"},
	} {
		b.open("/portal/" + one.path)
		b.still(one.name)
		if strings.HasPrefix(one.name, "audit-one") || one.name == "refusals" {
			b.js(`document.querySelectorAll("details").forEach(d => d.open = true)`)
		}
		b.seen(one.name)
	}
	b.open("/portal/new-client")
	b.follow(".savebar .primary")
	b.look("problems")
	b.open("/portal/new-client")
	b.follow(`[value="add-secret"]`)
	b.look("secret")
	b.open("/portal/clients/" + secrets)
	b.follow(`[value="add-secret"]`)
	b.look("third-secret")

	viewer := newTab(t, s.url)
	s.signIn(viewer, vera)
	viewer.open("/portal/clients/" + secrets)
	viewer.look("view-client")
	viewer.open("/portal/new-client")
	viewer.look("forbidden")

	empty := newServer(t, false)
	none := newTab(t, empty.url)
	empty.signIn(none, ada)
	for _, path := range []string{"clients", "resources", "audit", "refusals", "tokens", "new-client?tab=resources"} {
		none.open("/portal/" + path)
		none.look("empty-" + strings.TrimSuffix(path, "?tab=resources"))
	}
}

// look looks at a page that was loaded just now: whether it stands still, and what
// seen looks at.
func (b *tab) look(name string) {
	b.Helper()
	b.still(name)
	b.seen(name)
}

// seen looks at the page as it is now: whether it is accessible and, if pictures are
// wanted, what it is like.
func (b *tab) seen(name string) {
	b.Helper()
	b.accessible(name)
	b.shoot(name)
}
