package main

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/examples/internal/bulk"
	"github.com/clientele-go/clientele/store"
	"github.com/clientele-go/clientele/token"
)

// BenchmarkPortal serves every page of the portal over 100 000 API clients on
// SQLite, of which those of the first page were used in every hour of a month, and
// 5000 issued tokens: at most 50 ms each, 150 ms for a search. What else the
// machine does weighs least on the fastest of all runs, min-ms.
func BenchmarkPortal(b *testing.B) {
	x := newBench(b)
	x.fill(b, manyClients)
	link, err := x.portal.SignInLink(administrator, time.Hour)
	if err != nil {
		b.Fatal(err)
	}
	w := httptest.NewRecorder()
	x.handler.ServeHTTP(w, httptest.NewRequest(http.MethodPost, link, nil))
	cookies := w.Result().Cookies()
	if len(cookies) != 1 {
		b.Fatalf("no session: %d", w.Code)
	}
	page, err := x.clients.List(b.Context(), client.Query{Limit: 1})
	if err != nil {
		b.Fatal(err)
	}
	id := page.Clients[0].ID
	x.use(b, 50, 30*24)
	jti := x.issue(b, 5000)
	for _, c := range []struct{ name, path string }{
		{"list", "clients"}, {"list/middle", "clients?page=1000"}, {"list/last", "clients?page=2000"}, {"list/descending", "clients?order=-name"},
		{"created", "clients?order=created"}, {"created/middle", "clients?order=created&page=1000"}, {"created/last", "clients?order=created&page=2000"},
		{"expiry", "clients?order=expiry"}, {"expiry/middle", "clients?order=expiry&page=1000"}, {"expiry/last", "clients?order=expiry&page=2000"},
		{"search/many", "clients?q=REPORT"}, {"search/few", "clients?q=er+0999"}, {"search/none", "clients?q=nothing"}, {"search/id", "clients?q=" + id[:8]},
		{"list/disabled", "clients?status=disabled"}, {"list/scope", "clients?server=example&scope=orders::reader"},
		{"client", "clients/" + id}, {"use", "clients/" + id + "/use"}, {"new", "new-client"}, {"expiring", "expiring?days=365"},
		{"resources", "resources"}, {"resource", "resources/example"}, {"audit", "audit"}, {"audit/search", "audit?q=nothing"}, {"refusals", "refusals"},
		{"tokens", "tokens"}, {"tokens/client", "tokens?client=" + x.administrator}, {"token", "tokens/" + jti}, {"delete", "clients/" + id + "/delete"},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			size, fastest := 0, time.Hour
			for b.Loop() {
				began := time.Now()
				r := httptest.NewRequest(http.MethodGet, "/portal/"+c.path, nil)
				r.AddCookie(cookies[0])
				w := httptest.NewRecorder()
				x.handler.ServeHTTP(w, r)
				if w.Code != http.StatusOK {
					b.Fatalf("%s: %d", c.path, w.Code)
				}
				size, fastest = w.Body.Len(), min(fastest, time.Since(began))
			}
			b.ReportMetric(float64(fastest)/1e6, "min-ms")
			b.ReportMetric(float64(size), "bytes")
		})
	}
}

// use makes the first clients of the list use a secret in each of so many hours.
func (x *bench) use(b *testing.B, clients, hours int) {
	b.Helper()
	page, err := x.clients.List(b.Context(), client.Query{Limit: clients})
	if err != nil {
		b.Fatal(err)
	}
	gather := &bulk.Store{Store: x.store}
	for _, c := range page.Clients {
		for hour := range hours {
			record := client.UsedRecord(c.ID, "secret", time.Now().Add(-time.Duration(hour)*time.Hour), 30*24*time.Hour)
			if _, err := gather.Apply(b.Context(), store.Append(record)); err != nil {
				b.Fatal(err)
			}
		}
	}
	if err := gather.Flush(b.Context()); err != nil {
		b.Fatal(err)
	}
}

// issue issues so many tokens, and returns the id of the last.
func (x *bench) issue(b *testing.B, n int) (jti string) {
	b.Helper()
	for i := range n {
		issued, err := x.issuer.Issue(b.Context(), x.request)
		if err != nil {
			b.Fatal(err)
		}
		if jti = issued.ID; i%500 == 499 || i == n-1 { // what was issued is written by then
			if _, err := x.issuer.Tokens(b.Context(), token.TokenFilter{ID: jti}); err != nil {
				b.Fatal(err)
			}
		}
	}
	return jti
}
