package main_test

import (
	"net/http"
	"net/url"
	"path/filepath"
	"syscall"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/sqlitestore"
	"github.com/clientele-go/clientele/store"
	"github.com/clientele-go/clientele/token"
)

// families are what Prometheus reads of a server.
type families map[string]*dto.MetricFamily

// value returns what a metric says with those labels, pairs of names and values:
// of a histogram, its count, and of several series the sum.
func (f families) value(name string, labels ...string) (sum float64) {
next:
	for _, m := range f[name].GetMetric() {
		has := map[string]string{}
		for _, l := range m.GetLabel() {
			has[l.GetName()] = l.GetValue()
		}
		for i := 0; i < len(labels); i += 2 {
			if has[labels[i]] != labels[i+1] {
				continue next
			}
		}
		sum += float64(m.GetHistogram().GetSampleCount()) + m.GetCounter().GetValue() + m.GetGauge().GetValue()
	}
	return sum
}

func TestPrometheusReadsTheMetrics(t *testing.T) {
	dir := t.TempDir()
	file := write(t, dir, "clients.json", `[`+declared("report", reportSecret)+`]`)
	s := start(t, dir, "-clients", file, "-metrics", "127.0.0.1:0")
	address := "http://" + s.Wait("metrics served")["address"].(string)
	require.NotEqual(t, "http://"+s.address, address)

	raw := s.token("report", reportSecret).AccessToken
	s.token("report", reportSecret)
	for _, wrong := range [][2]string{{"report", billingSecret}, {"nobody", "x"}, {"nobody", "y"}} {
		status, _ := s.post(wrong[0], wrong[1])
		require.Equal(t, http.StatusUnauthorized, status)
	}
	status, _ := s.ask(http.MethodGet, "/api-clients", raw, "")
	require.Equal(t, http.StatusForbidden, status)

	resp := get(t, address+"/metrics", "")
	require.Equal(t, http.StatusOK, resp.StatusCode)
	parser := expfmt.NewTextParser(model.LegacyValidation)
	parsed, err := parser.TextToMetricFamilies(resp.Body)
	require.NoError(t, err)
	f := families(parsed)

	const requests = "clientele_token_request_duration_seconds"
	require.Equal(t, dto.MetricType_HISTOGRAM, f[requests].GetType())
	require.NotEmpty(t, f[requests].GetHelp())
	require.Equal(t, 2., f.value(requests, "clientele_outcome", "ok", "clientele_credential_method", "SECRET"))
	require.Equal(t, 1., f.value(requests, "clientele_outcome", "refused", "error_type", token.ReasonWrongSecret)+
		f.value(requests, "clientele_outcome", "refused", "error_type", token.ReasonMistypedSecret))
	require.Equal(t, 2., f.value(requests, "clientele_outcome", "refused", "error_type", token.ReasonUnknownClient))
	require.Equal(t, 5., f.value(requests))
	require.NotZero(t, f.value("clientele_store_operation_duration_seconds", "clientele_store_operation", "get", "clientele_store_kind", "client"))
	require.NotZero(t, f.value("clientele_cache_hits_total", "clientele_cache", "client"))
	require.NotZero(t, f.value("clientele_cache_entries", "clientele_cache", "client"))
	require.Equal(t, 1., f.value("clientele_verifier_verification_duration_seconds", "clientele_outcome", "ok"))
	require.Less(t, f.value("clientele_token_signing_key_age_seconds", "clientele_state", "active"), 3600.)
	require.NotEmpty(t, f["clientele_token_signing_key_age_seconds"].GetMetric())
	require.NotZero(t, f.value("go_goroutines"))

	for name, family := range f {
		for _, m := range family.GetMetric() {
			for _, l := range m.GetLabel() {
				require.NotContains(t, []string{"report", "nobody", reportSecret, billingSecret, raw}, l.GetValue(), name)
			}
		}
	}

	for _, c := range []struct {
		name, url string
	}{
		{"another path", address + "/"},
		{"what the other address serves", address + "/healthz"},
		{"the other address", "http://" + s.address + "/metrics"},
	} {
		t.Run(c.name, func(t *testing.T) {
			require.Equal(t, http.StatusNotFound, get(t, c.url, "").StatusCode)
		})
	}
	resp, err = http.Post(address+"/metrics", "", nil)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusMethodNotAllowed, resp.StatusCode)
	s.stop()
}

func TestTheLogOfIssuedTokensIsAsTheFlagSays(t *testing.T) {
	for _, c := range []struct {
		mode string
		end  func(*server)
		want int
	}{
		{"off", (*server).stop, 0},
		{"best-effort", (*server).stop, 2},
		{"durable", func(s *server) { s.Kill() }, 2},
	} {
		t.Run(c.mode, func(t *testing.T) {
			dir := t.TempDir()
			s := start(t, dir, "-clients", write(t, dir, "clients.json", `[`+declared("report", reportSecret)+`]`), "-log", c.mode)
			s.token("report", reportSecret)
			s.token("report", reportSecret)
			c.end(s)

			db, err := sqlitestore.Open(t.Context(), filepath.Join(dir, "data", "clientele.db"), sqlitestore.Config{})
			require.NoError(t, err)
			defer db.Close()
			st, err := db.Tenant(t.Context(), "default")
			require.NoError(t, err)
			page, err := st.List(t.Context(), store.Query{Kind: token.KindToken})
			require.NoError(t, err)
			require.Len(t, page.Records, c.want)
		})
	}
}

func TestWhoMayIntrospectIsAsTheFlagsSay(t *testing.T) {
	dir := t.TempDir()
	const apiSecret = "the-secret-of-the-api-with-128-random-bits"
	file := write(t, dir, "clients.json", `[`+declared("report", reportSecret)+`,`+declared("billing", billingSecret)+`,`+declared("orders-api", apiSecret)+`]`)
	s := start(t, dir, "-clients", file, "-introspect", "orders-api=https://api.example.com", "-introspect", "gone=https://api.example.com")
	raw := s.token("report", reportSecret).AccessToken
	for _, c := range []struct{ name, id, secret, want string }{
		{"who may", "orders-api", apiSecret, `"active":true`},
		{"who may not", "billing", billingSecret, `"active":false`},
		{"the client of the token", "report", reportSecret, `"active":true`},
	} {
		t.Run(c.name, func(t *testing.T) {
			resp, err := http.PostForm("http://"+s.address+"/oauth2/v1/introspect", url.Values{
				"client_id": {c.id}, "client_secret": {c.secret}, "token": {raw},
			})
			require.NoError(t, err)
			defer resp.Body.Close()
			require.Contains(t, body(t, resp), c.want)
		})
	}
	s.Signal(syscall.SIGTERM)
	_, stderr := s.Exit()
	require.Contains(t, stderr, `"level":"WARN","msg":"-introspect: there is no API client with that id","client_id":"gone"`)
}
