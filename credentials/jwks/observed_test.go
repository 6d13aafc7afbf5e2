package jwks_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/credentials/jwks"
	"github.com/clientele-go/clientele/internal/observetest"
	"github.com/clientele-go/clientele/observe"
)

func TestEachFetchIsToldOf(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer func(*http.Request) (*http.Response, error)
		reason string
	}{
		{"that succeeds", func(*http.Request) (*http.Response, error) { return response(200, setOf(newJWK(t, "1"))), nil }, ""},
		{"of an error page", func(*http.Request) (*http.Response, error) { return response(404, ""), nil }, jwks.ReasonStatus},
		{"of no JWK Set", func(*http.Request) (*http.Response, error) { return response(200, "<html>"), nil }, jwks.ReasonNotJWKS},
		{"from nobody", func(*http.Request) (*http.Response, error) { return nil, errDown }, jwks.ReasonUnreachable},
		{"by a client that panics", func(*http.Request) (*http.Response, error) { panic("no") }, jwks.ReasonUnreachable},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := newNetwork("")
			n.does(c.answer)
			r := observetest.New(t)
			cache := newCache(t, n, func(cfg *jwks.Config) { cfg.Observer = r })
			r.Back = func() { _, _ = cache.Keys(t.Context(), "no URL"); observetest.Gauges(cache) }
			require.Equal(t, map[string]float64{"cache.entries jwks": 0}, observetest.Gauges(cache))

			ctx, running := observe.Begin(t.Context(), r, observe.TokenRequest)
			_, err := cache.Keys(ctx, keysURL+"?confidential=7")
			running.End(ctx, observe.Result{Outcome: observe.OK})
			require.Equal(t, c.reason == "", err == nil, "%v", err)
			require.NotContains(t, r.Text(), "confidential")
			e := r.One(observe.JWKSFetch)
			require.Equal(t, c.reason, e.Reason)
			require.Equal(t, c.reason == "", e.Outcome == observe.OK)
			require.Equal(t, observe.TokenRequest, e.Parent)
			require.Equal(t, "keys.example.com", e.Detail(observe.DetailHost))
			require.Empty(t, e.Labels, "a host is not one of a few")
			require.Equal(t, map[string]float64{"cache.entries jwks": 1}, observetest.Gauges(cache))
		})
	}
}
