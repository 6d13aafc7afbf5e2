package main_test

import (
	"encoding/json"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/examples/internal/proctest"
	"github.com/clientele-go/clientele/token/verifier"
)

func body(t *testing.T, resp *http.Response) string {
	t.Helper()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return string(text)
}

func TestAuthserverAndResourceserverWorkTogether(t *testing.T) {
	dir := t.TempDir()
	first := filepath.Join(dir, "first.json")
	clients := write(t, dir, "clients.json", `[`+declared("report", reportSecret)+`,
		{"name":"billing","id":"billing","secrets":[`+secretOf(billingSecret)+`],"clientResources":[{"id":"example","selectedScopes":[{"id":"invoices::reader"}]}]}]`)
	auth := start(t, dir, "-bootstrap", first, "-clients", clients)
	require.NotNil(t, (*verifier.Verifier).Require) // linked into the test, so that go test knows when it has changed
	service := proctest.Start(t, proctest.Build(t, "resourceserver"), "-addr", "127.0.0.1:0", "-issuer", auth.issuer)
	url := service.Wait("resourceserver listens")["resource"].(string)

	resp := get(t, url+"/", "")
	require.Equal(t, http.StatusOK, resp.StatusCode)

	resp = get(t, url+"/orders", "")
	require.Equal(t, http.StatusUnauthorized, resp.StatusCode)
	require.Contains(t, resp.Header.Get("WWW-Authenticate"), `resource_metadata="`+url+`/.well-known/oauth-protected-resource"`)

	var metadata struct {
		Resource             string   `json:"resource"`
		AuthorizationServers []string `json:"authorization_servers"`
	}
	require.NoError(t, json.NewDecoder(get(t, url+"/.well-known/oauth-protected-resource", "").Body).Decode(&metadata))
	require.Equal(t, url, metadata.Resource)
	require.Equal(t, []string{auth.issuer}, metadata.AuthorizationServers)

	// Before the service has fetched the list for the first time, so that nobody waits.
	revoked := auth.token("report", reportSecret).AccessToken
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, auth.issuer+"/oauth2/v1/revoke", strings.NewReader("token="+revoked))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth("report", reportSecret)
	resp, err = http.DefaultClient.Do(req)
	require.NoError(t, err)
	resp.Body.Close()
	require.Equal(t, http.StatusOK, resp.StatusCode)
	resp = get(t, url+"/orders", revoked)
	require.Equal(t, http.StatusUnauthorized, resp.StatusCode, "it was revoked")

	admin := readBootstrap(t, first)
	token := auth.token(admin.ClientID, admin.ClientSecret).AccessToken
	resp = get(t, url+"/orders", token)
	require.Equal(t, http.StatusOK, resp.StatusCode)
	require.Contains(t, body(t, resp), admin.ClientID)

	resp = get(t, url+"/orders", auth.token("report", reportSecret).AccessToken)
	require.Equal(t, http.StatusOK, resp.StatusCode)
	require.Contains(t, body(t, resp), "client report, with scopes [orders::reader]")

	resp = get(t, url+"/orders", auth.token("billing", billingSecret).AccessToken)
	require.Equal(t, http.StatusForbidden, resp.StatusCode)
	require.Contains(t, resp.Header.Get("WWW-Authenticate"), `error="insufficient_scope"`)

	resp = get(t, url+"/orders", token[:len(token)-4]+"AAAA")
	require.Equal(t, http.StatusUnauthorized, resp.StatusCode)
	require.Contains(t, resp.Header.Get("WWW-Authenticate"), `error="invalid_token"`)

	stranger := start(t, t.TempDir(), "-clients", clients)
	resp = get(t, url+"/orders", stranger.token("report", reportSecret).AccessToken)
	require.Equal(t, http.StatusUnauthorized, resp.StatusCode, "a token of another issuer")

	auth.stop()
	resp = get(t, url+"/orders", token)
	require.Equal(t, http.StatusOK, resp.StatusCode, "the service does not need the issuer for every call")

	service.Signal(syscall.SIGTERM)
	code, stderr := service.Exit()
	require.Zero(t, code, stderr)
}

func TestHealth(t *testing.T) {
	s := start(t, t.TempDir())
	resp := get(t, "http://"+s.address+"/healthz", "")
	require.Equal(t, http.StatusOK, resp.StatusCode)
	require.Equal(t, "text/plain; charset=utf-8", resp.Header.Get("Content-Type"))
	require.Equal(t, "ok\n", body(t, resp))
	resp = get(t, "http://"+s.address+"/readyz", "")
	require.Equal(t, http.StatusOK, resp.StatusCode)
	require.Equal(t, "ready\n", body(t, resp))
	require.Equal(t, http.StatusNotFound, get(t, "http://"+s.address+"/", "").StatusCode)
}
