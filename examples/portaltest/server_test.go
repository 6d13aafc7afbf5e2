package portaltest

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/admin"
	"github.com/clientele-go/clientele/admin/portal"
	"github.com/clientele-go/clientele/audit"
	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/credentials/jwks"
	"github.com/clientele-go/clientele/examples/internal/demo"
	"github.com/clientele-go/clientele/memstore"
	"github.com/clientele-go/clientele/resource"
	"github.com/clientele-go/clientele/token"
)

var (
	ada  = admin.Access{Actor: audit.Actor{Kind: audit.Person, ID: "ada", Name: "Ada Lovelace"}, Clients: admin.Full, Resources: admin.Full}
	bob  = admin.Access{Actor: audit.Actor{Kind: audit.Person, ID: "bob", Name: "Bob"}, Clients: admin.Full, Resources: admin.Full}
	vera = admin.Access{Actor: audit.Actor{Kind: audit.Person, ID: "vera", Name: "Vera View"}, Clients: admin.View, Resources: admin.View}
)

// A server is an authorization server with a portal, reached by http on this
// machine.
type server struct {
	*testing.T
	url      string
	registry *client.Registry
	issuer   *token.Issuer
	portal   *portal.Handler
	ctx      context.Context
}

func newServer(t *testing.T, full bool) *server {
	t.Helper()
	mux := http.NewServeMux()
	listener := httptest.NewServer(mux)
	t.Cleanup(listener.Close)
	s := &server{T: t, url: listener.URL, ctx: audit.WithActor(t.Context(), audit.Program("test"))}
	st := memstore.New()
	catalog, err := resource.NewCatalog(resource.Config{Store: st})
	require.NoError(t, err)
	allow := jwks.Allow{Loopback: true}
	s.registry, err = client.NewRegistry(client.Config{Store: st, Resources: catalog, AllowJWKS: allow})
	require.NoError(t, err)
	if full {
		require.NoError(t, demo.Fill(s.ctx, s.registry))
	}
	logger := slog.New(slog.DiscardHandler)
	keys, err := jwks.New(jwks.Config{Allow: allow, Logger: logger})
	require.NoError(t, err)
	s.issuer, err = token.NewIssuer(t.Context(), token.Config{Issuer: s.url, Clients: s.registry, EphemeralKeys: true, JWKS: keys, Logger: logger})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.issuer.Close(context.Background())) })
	s.issuer.Mount(mux)
	sessions, err := portal.NewSessions(portal.SessionsConfig{PlainHTTP: true})
	require.NoError(t, err)
	s.portal, err = portal.New(portal.Config{Registry: s.registry, Issuer: s.issuer, JWKS: keys, Sessions: sessions, Logger: logger})
	require.NoError(t, err)
	s.portal.Mount(mux)
	return s
}

// signIn opens the portal for somebody.
func (s *server) signIn(b *tab, access admin.Access) {
	s.Helper()
	link, err := s.portal.SignInLink(access, time.Hour)
	require.NoError(s, err)
	b.open(link)
	b.follow("form button")
}
