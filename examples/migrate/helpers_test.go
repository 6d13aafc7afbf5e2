package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/audit"
	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/examples/internal/proctest"
	"github.com/clientele-go/clientele/pgstore/pgtest"
	"github.com/clientele-go/clientele/resource"
	"github.com/clientele-go/clientele/store"
	"github.com/clientele-go/clientele/token"
)

func TestMain(m *testing.M) { proctest.Main(m, main) }

// stores are the two kinds of stores, by the URL of an empty one.
var stores = map[string]func(t *testing.T) string{
	"SQLite":     func(t *testing.T) string { return filepath.Join(t.TempDir(), "clientele.db") },
	"PostgreSQL": func(t *testing.T) string { return pgtest.Database(t) },
}

// migrate runs the program to its end.
func migrate(t *testing.T, args ...string) (code int, stderr string) {
	t.Helper()
	return proctest.Start(t, proctest.Self(t), args...).Exit()
}

// mustMigrate copies the tenant default.
func mustMigrate(t *testing.T, from, to string, args ...string) {
	t.Helper()
	code, stderr := migrate(t, append([]string{"-from", from, "-to", to}, args...)...)
	require.Zero(t, code, stderr)
}

// with calls f with the tenant default of a store.
func with(t *testing.T, url string, f func(*tenant)) {
	t.Helper()
	s, err := location{url: url, tenant: "default"}.open(t.Context())
	require.NoError(t, err)
	defer func() { require.NoError(t, s.close()) }()
	f(s)
}

// An authority is what works on a tenant.
type authority struct {
	clients *client.Registry
	issuer  *token.Issuer
}

// run calls f with what works on the tenant default of a store.
func run(t *testing.T, url string, key token.SealingKey, algorithm string, f func(context.Context, authority)) {
	t.Helper()
	with(t, url, func(s *tenant) {
		ctx := audit.WithActor(t.Context(), audit.Program("test"))
		catalog, err := resource.NewCatalog(resource.Config{Store: s})
		require.NoError(t, err)
		clients, err := client.NewRegistry(client.Config{Store: s, Resources: catalog})
		require.NoError(t, err)
		issuer, err := token.NewIssuer(ctx, token.Config{
			Issuer: "https://auth.example.com", Clients: clients, Log: token.LogDurable,
			SealingKeys: []token.SealingKey{key}, Algorithm: algorithm,
		})
		require.NoError(t, err)
		defer func() { require.NoError(t, issuer.Close(context.WithoutCancel(ctx))) }()
		f(ctx, authority{clients, issuer})
	})
}

// A credential is what a client has.
type credential struct{ id, secret string }

func (a authority) token(ctx context.Context, c credential) (string, error) {
	got, err := a.issuer.Issue(ctx, token.Request{ClientID: c.id, ClientSecret: c.secret, Audience: "https://api.shop.example"})
	if err != nil {
		return "", err
	}
	return got.AccessToken, nil
}

func (a authority) good(ctx context.Context, t *testing.T, raw string) error {
	t.Helper()
	v, err := a.issuer.Verifier("https://api.shop.example")
	require.NoError(t, err)
	_, err = v.Verify(ctx, raw)
	return err
}

// fill writes a record of every kind that there is, as programs do, and more of
// the program's own. It returns a client's credential and a token.
func fill(t *testing.T, url string, key token.SealingKey) (c credential, raw string) {
	t.Helper()
	run(t, url, key, "", func(ctx context.Context, a authority) {
		c = addClient(ctx, t, a, "report")
		var err error
		raw, err = a.token(ctx, c)
		require.NoError(t, err)
		other, err := a.token(ctx, c)
		require.NoError(t, err)
		_, err = a.issuer.RevokeToken(ctx, other)
		require.NoError(t, err)
		gone := addClient(ctx, t, a, "gone")
		require.NoError(t, a.clients.Delete(ctx, gone.id))
		_, err = a.token(ctx, credential{c.id, "wrong"})
		require.Error(t, err)
		_, err = a.issuer.RotateKeys(ctx)
		require.NoError(t, err)
	})
	with(t, url, func(s *tenant) { fillOwn(t, s, "own", 10) })
	return c, raw
}

// fillOwn writes records of the program's own: pairs that were put together, and
// some that were appended.
func fillOwn(t *testing.T, s store.Store, kind store.Kind, n int) {
	t.Helper()
	for i := range n {
		id := fmt.Sprintf("%s-%05d", rand.Text()[:4], i)
		_, err := s.Apply(t.Context(),
			store.Put(store.Record{Kind: kind, ID: id, Names: []string{"name " + id}, Labels: []store.Label{{Key: "b"}, {Key: "a", Value: "ü"}}, Text: id, Data: []byte{0, 255}}),
			store.Put(store.Record{Kind: kind + ".pair", ID: id, Sort: strings.Repeat("x", i%3), Format: 7}),
			store.Append(store.Record{Kind: kind + ".appended", ID: id, Sort: "same", Expires: store.Time(time.Now().Add(time.Hour)), Data: make([]byte, i)}),
		)
		require.NoError(t, err)
	}
}

func addClient(ctx context.Context, t *testing.T, a authority, name string) credential {
	t.Helper()
	if _, err := a.clients.Resources().Get(ctx, "shop"); err != nil {
		_, err := a.clients.Resources().Add(ctx, resource.Server{
			ID: "shop", Name: "Shop", Audience: "https://api.shop.example",
			Services: []resource.Service{{ID: "orders", Name: "Orders", Scopes: []resource.Scope{{ID: "orders.read", Name: "Reader"}}}},
		})
		require.NoError(t, err)
	}
	c, err := a.clients.Add(ctx, client.Spec{Name: name, Grants: []client.Grant{{ServerID: "shop", ScopeID: "orders.read"}}})
	require.NoError(t, err)
	secret, _, err := a.clients.AddSecret(ctx, c.ID, time.Now().AddDate(0, 0, 90))
	require.NoError(t, err)
	return credential{c.ID, secret.Reveal()}
}

// sealingKey returns a key, and a file that has it.
func sealingKey(t *testing.T) (token.SealingKey, string) {
	t.Helper()
	key, err := token.NewSealingKey(rand.Reader)
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "sealing.key")
	require.NoError(t, os.WriteFile(path, []byte(key.Reveal()+"\n"), 0o600))
	return key, path
}
