package main

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/clientele-go/clientele/audit"
	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/examples/internal/bulk"
	"github.com/clientele-go/clientele/store"
	"github.com/clientele-go/clientele/token"
)

// manyClients is how many there are in BenchmarkAdminList.
const manyClients = 100_000

// A bench is an authority with an administrator's token.
type bench struct {
	*authority
	handler       http.Handler
	administrator string        // client id of the administrator
	request       token.Request // by which it gets a token
	token         string
}

func newBench(b *testing.B) *bench {
	b.Helper()
	o := options{data: filepath.Join(b.TempDir(), "data"), issuer: "https://auth.example.com"}
	a, err := open(b.Context(), o, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = a.close() })
	handler, err := a.routes()
	if err != nil {
		b.Fatal(err)
	}
	ctx := audit.WithActor(b.Context(), audit.Program("bench"))
	c, err := a.clients.Add(ctx, client.Spec{Name: "administrator", Grants: a.roles.Full()})
	if err != nil {
		b.Fatal(err)
	}
	secret, _, err := a.clients.AddSecret(ctx, c.ID, time.Now().AddDate(0, 0, 90))
	if err != nil {
		b.Fatal(err)
	}
	request := token.Request{ClientID: c.ID, ClientSecret: secret.Reveal()}
	issued, err := a.issuer.Issue(ctx, request)
	if err != nil {
		b.Fatal(err)
	}
	return &bench{a, handler, c.ID, request, issued.AccessToken}
}

// do sends a request as the server would get it, and reads the answer.
func (x *bench) do(b *testing.B, method, path, body string, status int) []byte {
	r := httptest.NewRequest(method, "/admin/api/v1"+path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+x.token)
	w := httptest.NewRecorder()
	x.handler.ServeHTTP(w, r)
	got, _ := io.ReadAll(w.Body)
	if w.Code != status {
		b.Fatalf("%s %s: %d: %s", method, path, w.Code, got)
	}
	return got
}

// fill registers so many clients, many in one Apply.
func (x *bench) fill(b *testing.B, n int) {
	b.Helper()
	ctx := audit.WithActor(b.Context(), audit.Program("bench"))
	gather := &bulk.Store{Store: x.store}
	registry, err := client.NewRegistry(client.Config{Store: gather, Resources: x.clients.Resources()})
	if err != nil {
		b.Fatal(err)
	}
	for i := range n {
		_, err := registry.Add(ctx, client.Spec{
			Name: fmt.Sprintf("%s %06d", [...]string{"nightly report", "Importer", "billing job", "Scanner"}[i%4], i), Description: "What it is for.",
			Labels: map[string]string{"owner": fmt.Sprint("team ", i%50)},
			Grants: []client.Grant{{ServerID: "example", ScopeID: "orders::reader"}, {ServerID: "example", ScopeID: "invoices::editor"}},
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	if err := gather.Flush(ctx); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkAdminList reads pages of the list of 100 000 API clients on SQLite, each
// with its total.
func BenchmarkAdminList(b *testing.B) {
	x := newBench(b)
	x.fill(b, manyClients)
	x.do(b, "GET", "/api-clients", "", http.StatusOK) // the caches learn of what was filled in
	for _, c := range []struct{ name, query string }{
		{"first", "?limit=100"},
		{"largest", "?limit=1000"},
		{"deep", "?limit=100&offset=99000"},
		{"deep/label", "?limit=100&offset=1900&label=owner:team+7"},
		{"status", "?limit=100&offset=50000&status=true"},
		{"substring/many", "?limit=100&name%5Blike%5D=REPORT"},
		{"substring/many/deep", "?limit=100&offset=24000&name%5Blike%5D=REPORT"},
		{"substring/few", "?limit=100&name%5Blike%5D=er+0999"},
		{"substring/none", "?limit=100&name%5Blike%5D=nothing"},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				x.do(b, "GET", "/api-clients"+c.query, "", http.StatusOK)
			}
		})
	}
}

// BenchmarkAdminCreate adds an API client, beside one durable commit of a record of
// the same size.
func BenchmarkAdminCreate(b *testing.B) {
	x := newBench(b)
	x.fill(b, 1000)
	data := []byte(strings.Repeat("x", 600))
	b.Run("commit", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			if _, err := x.store.Apply(b.Context(), store.Put(store.Record{Kind: "bench", ID: fmt.Sprint(b.N, "-", i), Data: data})); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("create", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			x.do(b, "POST", "/api-clients", fmt.Sprintf(`{"name":"created %d %d","clientAuthentication":{"authType":"SECRET"},
				"clientResources":[{"id":"example","selectedScopes":[{"id":"orders::reader"}]}]}`, b.N, i), http.StatusCreated)
		}
	})
	b.Run("read", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			x.do(b, "GET", "/api-clients?limit=1", "", http.StatusOK)
		}
	})
}
