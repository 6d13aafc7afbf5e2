package main

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/examples/internal/bulk"
	"github.com/clientele-go/clientele/store"
)

// BenchmarkPortal serves the pages of the portal over 100 000 API clients on
// SQLite, of which those of the first page were used in every hour of a month: at
// most 50 ms each, 150 ms for a search.
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
	for _, c := range []struct{ name, path string }{
		{"list", "clients"}, {"list/last", "clients?page=2000"}, {"list/descending", "clients?order=-name"},
		{"search/many", "clients?q=REPORT"}, {"search/few", "clients?q=er+0999"}, {"search/none", "clients?q=nothing"}, {"search/id", "clients?q=" + id[:8]},
		{"list/disabled", "clients?status=disabled"}, {"list/scope", "clients?server=example&scope=orders::reader"},
		{"client", "clients/" + id}, {"use", "clients/" + id + "/use"}, {"new", "new-client"}, {"expiring", "expiring?days=365"},
		{"resources", "resources"}, {"resource", "resources/example"}, {"audit", "audit"}, {"audit/search", "audit?q=nothing"}, {"refusals", "refusals"},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			size := 0
			for b.Loop() {
				r := httptest.NewRequest(http.MethodGet, "/portal/"+c.path, nil)
				r.AddCookie(cookies[0])
				w := httptest.NewRecorder()
				x.handler.ServeHTTP(w, r)
				if w.Code != http.StatusOK {
					b.Fatalf("%s: %d", c.path, w.Code)
				}
				size = w.Body.Len()
			}
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
