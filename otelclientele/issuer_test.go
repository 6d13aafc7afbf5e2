package otelclientele_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/clientele-go/clientele/audit"
	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/credentials/jwks"
	"github.com/clientele-go/clientele/memstore"
	"github.com/clientele-go/clientele/resource"
	"github.com/clientele-go/clientele/store"
	"github.com/clientele-go/clientele/token"
)

// nowhere answers every request with 404.
type nowhere struct{}

func (nowhere) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusNotFound, Body: http.NoBody, Request: r}, nil
}

// An authority whose every part is observed.
func TestAnIssuerInMetricsAndTraces(t *testing.T) {
	x := newTelemetry(t)
	mem := memstore.New()
	defer mem.Close()
	st := store.Observe(mem, x)
	catalog, err := resource.NewCatalog(resource.Config{Store: st})
	require.NoError(t, err)
	registry, err := client.NewRegistry(client.Config{Store: st, Resources: catalog, Observer: x})
	require.NoError(t, err)
	keys, err := jwks.New(jwks.Config{HTTPClient: &http.Client{Transport: nowhere{}}, Observer: x, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	issuer, err := token.NewIssuer(t.Context(), token.Config{
		Issuer: "https://auth.example.com", Clients: registry, JWKS: keys, Observer: x,
		EphemeralKeys: true, Logger: slog.New(slog.DiscardHandler), Log: token.LogDurable,
	})
	require.NoError(t, err)
	require.NoError(t, x.Watch(registry, issuer, keys))

	ctx := audit.WithActor(t.Context(), audit.Program("test"))
	_, err = catalog.Add(ctx, resource.Server{
		ID: "shop", Name: "Shop", Audience: "https://api.shop.example", Default: true,
		Services: []resource.Service{{ID: "orders", Name: "Orders", Scopes: []resource.Scope{{ID: "orders.read", Name: "Reader"}}}},
	})
	require.NoError(t, err)
	grants := []client.Grant{{ServerID: "shop", ScopeID: "orders.read"}}
	c, err := registry.Add(ctx, client.Spec{Name: "report", Grants: grants})
	require.NoError(t, err)
	secret, _, err := registry.AddSecret(ctx, c.ID, time.Now().AddDate(0, 0, 90))
	require.NoError(t, err)
	other, err := registry.Add(ctx, client.Spec{Name: "forecast", JWKSURL: "https://forecast.example.com/jwks.json", Grants: grants})
	require.NoError(t, err)
	verifier, err := issuer.Verifier("https://api.shop.example")
	require.NoError(t, err)
	x.spans.Reset()

	parent, root := x.traces.Tracer("test").Start(t.Context(), "POST")
	ask := func(form url.Values) *httptest.ResponseRecorder {
		form.Set("grant_type", "client_credentials")
		r := httptest.NewRequestWithContext(parent, http.MethodPost, "/oauth2/v1/token", strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w := httptest.NewRecorder()
		issuer.ServeHTTP(w, r)
		return w
	}
	require.Equal(t, http.StatusOK, ask(url.Values{"client_id": {c.ID}, "client_secret": {secret.Reveal()}}).Code)
	issued, err := issuer.Issue(parent, token.Request{ClientID: c.ID, ClientSecret: secret.Reveal()})
	require.NoError(t, err)
	const wrong = "another-secret-that-is-wrong"
	require.Equal(t, http.StatusUnauthorized, ask(url.Values{"client_id": {c.ID}, "client_secret": {wrong}}).Code)
	assertion := byAnotherKey(other.ID)
	require.Equal(t, http.StatusUnauthorized, ask(url.Values{"client_assertion": {assertion}, "client_assertion_type": {token.AssertionTypeJWT}}).Code)
	_, err = verifier.Verify(parent, issued.AccessToken)
	require.NoError(t, err)
	root.End()
	require.NoError(t, issuer.Close(t.Context()))

	metrics := x.metrics()
	count := func(name string, attributes ...string) (n float64) {
	next:
		for _, p := range metrics[name] {
			for i := 0; i < len(attributes); i += 2 {
				if p.attributes[attributes[i]] != attributes[i+1] {
					continue next
				}
			}
			n += p.value
		}
		return n
	}
	require.Equal(t, 2., count("clientele.token.request.duration", "clientele.outcome", "ok", "clientele.credential.method", "SECRET"))
	require.Equal(t, 1., count("clientele.token.request.duration", "clientele.outcome", "refused", "error.type", token.ReasonMistypedSecret))
	require.Equal(t, 1., count("clientele.token.request.duration", "clientele.outcome", "refused", "error.type", token.ReasonJWKSUnavailable))
	require.Equal(t, 1., count("clientele.jwks.fetch.duration", "clientele.outcome", "failed", "error.type", jwks.ReasonStatus))
	require.Equal(t, 1., count("clientele.verifier.verification.duration", "clientele.outcome", "ok", "clientele.token.remembered", "false"))
	require.NotZero(t, count("clientele.store.operation.duration", "clientele.store.operation", "apply", "clientele.store.kind", "token"))
	require.NotZero(t, count("clientele.cache.hits", "clientele.cache", "client"))
	require.Equal(t, 2., count("clientele.cache.entries", "clientele.cache", "client"))
	require.Equal(t, 1., count("clientele.cache.entries", "clientele.cache", "jwks"))
	for name, points := range metrics {
		for _, p := range points {
			for key, value := range p.attributes {
				require.NotContains(t, []string{c.ID, other.ID, issued.ID, issued.Audience, "forecast.example.com"}, value, "%s of %s is one of many", key, name)
			}
		}
	}

	spans := x.spans.GetSpans()
	byID := map[trace.SpanID]tracetest.SpanStub{}
	for _, s := range spans {
		byID[s.SpanContext.SpanID()] = s
	}
	parents := map[string]bool{} // "child < parent"
	for _, s := range spans {
		if above, ok := byID[s.Parent.SpanID()]; ok {
			parents[s.Name+" < "+above.Name] = true
		}
	}
	for _, want := range []string{
		"clientele.token.request < POST", "clientele.store.get < clientele.token.request",
		"clientele.jwks.fetch < clientele.token.request", "clientele.verifier.verification < POST",
	} {
		require.Contains(t, parents, want)
	}
	text := fmt.Sprintf("%+v", spans)
	require.Contains(t, text, c.ID, "which traces may have")
	for _, hidden := range []string{secret.Reveal(), wrong, assertion, issued.AccessToken, strings.Split(issued.AccessToken, ".")[2]} {
		require.NotContains(t, text, hidden)
	}
}
