package main_test

import (
	"encoding/json"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/examples/internal/proctest"
)

// ask sends a request to the admin API with a token, and returns the answer.
func (s *server) ask(method, path, token, body string) (status int, got map[string]any) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, "http://"+s.address+"/admin/api/v1"+path, strings.NewReader(body))
	require.NoError(s.t, err)
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	require.NoError(s.t, err)
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusNoContent {
		require.NoError(s.t, json.NewDecoder(resp.Body).Decode(&got))
	}
	return resp.StatusCode, got
}

const withZIAM = `{"records":[
	{"id":"main","name":"Main","primaryAud":"https://main.example.com","defaultApi":true,"serviceScopes":[
		{"service":{"id":"orders","name":"Orders"},"scopes":[{"id":"orders::reader","name":"Reader"}]},
		{"service":{"id":"iam","name":"IAM"},"scopes":[{"id":"iam::admin","name":"Super Admin"}]},
		{"service":{"id":"boss","name":"Boss"},"scopes":[{"id":"boss::other","name":"Other"},{"id":"boss::admin","name":"Super Admin"}]},
		{"service":{"id":"ziam","name":"ZIAM"},"scopes":[{"id":"ziam::admin","name":"Role:Super Admin"},{"id":"ziam::view","name":"Role:View Only Admin"}]}]}]}`

func TestTheFirstClientAdministers(t *testing.T) {
	for _, c := range []struct {
		name, catalog string
		args          []string
		scope         string
	}{
		{"by the built-in catalog's IAM", "", nil, "iam::super-admin orders::reader invoices::reader"},
		{"by ZIAM, where there is one", withZIAM, nil, "ziam::admin"},
		{"by IAM, where there is no ZIAM", strings.ReplaceAll(withZIAM, "ZIAM", "Identity"), nil, "orders::reader iam::admin boss::other ziam::admin"},
		{"by the service that a flag names", withZIAM, []string{"-admin-service", "Boss"}, "orders::reader iam::admin boss::admin ziam::admin"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			first := filepath.Join(dir, "first.json")
			args := append([]string{"-bootstrap", first}, c.args...)
			if c.catalog != "" {
				args = append(args, "-catalog", write(t, dir, "catalog.json", c.catalog))
			}
			s := start(t, dir, args...)
			b := readBootstrap(t, first)
			got := s.token(b.ClientID, b.ClientSecret)
			require.Equal(t, c.scope, got.Scope)
			status, added := s.ask("POST", "/api-clients", got.AccessToken, `{"name":"second"}`)
			require.Equal(t, 201, status, added)
			status, refused := s.ask("DELETE", "/api-clients/"+b.ClientID, got.AccessToken, "")
			require.Equal(t, 409, status)
			require.Equal(t, "LAST_ADMINISTRATOR", refused["code"])
		})
	}
}

func TestTheFirstClientAdministersAtAnotherResourceServerToo(t *testing.T) {
	dir := t.TempDir()
	first := filepath.Join(dir, "first.json")
	s := start(t, dir, "-bootstrap", first, "-catalog", write(t, dir, "catalog.json", `{"records":[
		{"id":"main","name":"Main","primaryAud":"https://main.example.com","defaultApi":true,"serviceScopes":[
			{"service":{"id":"orders","name":"Orders"},"scopes":[{"id":"orders::reader","name":"Reader"}]}]},
		{"id":"admin","name":"Admin","primaryAud":"https://admin.example.com","serviceScopes":[
			{"service":{"id":"ziam","name":"ZIAM"},"scopes":[{"id":"a","name":"Super Admin"}]}]}]}`))
	b := readBootstrap(t, first)
	require.Equal(t, "orders::reader", s.token(b.ClientID, b.ClientSecret).Scope)
	resp, err := http.PostForm("http://"+s.address+"/oauth2/v1/token", map[string][]string{
		"grant_type": {"client_credentials"}, "client_id": {b.ClientID}, "client_secret": {b.ClientSecret}, "audience": {"https://admin.example.com"},
	})
	require.NoError(t, err)
	defer resp.Body.Close()
	var got answer
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&got))
	status, _ := s.ask("GET", "/api-clients", got.AccessToken, "")
	require.Equal(t, 200, status)
}

func TestACatalogWithoutAdministratorsHasNoAdminAPI(t *testing.T) {
	catalog := `{"records":[{"id":"a","name":"A","primaryAud":"https://a.example.com","defaultApi":true,
		"serviceScopes":[{"service":{"id":"s","name":"S"},"scopes":[{"id":"s::x","name":"X"}]}]}]}`
	dir := t.TempDir()
	s := start(t, dir, "-catalog", write(t, dir, "catalog.json", catalog))
	require.Equal(t, http.StatusNotFound, get(t, "http://"+s.address+"/admin/api/v1/openapi.json", "").StatusCode)
	s.stop()
	code, stderr := proctest.Start(t, proctest.Self(t), "-data", filepath.Join(dir, "data"), "-addr", "127.0.0.1:0",
		"-catalog", filepath.Join(dir, "catalog.json"), "-admin-service", "S").Exit()
	require.Equal(t, 1, code)
	require.Contains(t, stderr, `-admin-service: admin: no role to administer with: the service \"S\" of \"A\" has no role \"Super Admin\"`)
}

func TestChangesAreStreamedToTheLogAndKeptAsLongAsTheFlagSays(t *testing.T) {
	dir := t.TempDir()
	first := filepath.Join(dir, "first.json")
	s := start(t, dir, "-bootstrap", first, "-keep-audit", "1ms")
	b := readBootstrap(t, first)
	status, added := s.ask("POST", "/api-clients", s.token(b.ClientID, b.ClientSecret).AccessToken, `{"name":"second"}`)
	require.Equal(t, 201, status)
	for {
		event := s.Wait("audit")
		if event["action"] != "client.add" {
			continue
		}
		require.Equal(t, b.ClientID, event["actor"].(map[string]any)["id"])
		require.Equal(t, added["id"], event["subject"].(map[string]any)["id"])
		require.Equal(t, "second", event["after"].(map[string]any)["name"])
		break
	}
	s.stop()
	// The event that told of the first client is swept at the next start, or
	// later; it is no second time the first.
	s = start(t, dir, "-bootstrap", filepath.Join(dir, "again.json"))
	require.NoFileExists(t, filepath.Join(dir, "again.json"))
	s.token(b.ClientID, b.ClientSecret)
}

func TestTimesAreNumbersWhereTheFlagSaysSo(t *testing.T) {
	dir := t.TempDir()
	first := filepath.Join(dir, "first.json")
	s := start(t, dir, "-bootstrap", first, "-numeric-times")
	b := readBootstrap(t, first)
	_, got := s.ask("GET", "/api-clients/"+b.ClientID, s.token(b.ClientID, b.ClientSecret).AccessToken, "")
	require.IsType(t, float64(0), got["createdAt"])
}

func TestWhatWasRefusedIsKeptOverAStop(t *testing.T) {
	dir := t.TempDir()
	first := filepath.Join(dir, "first.json")
	s := start(t, dir, "-bootstrap", first)
	b := readBootstrap(t, first)
	status, _ := s.post(b.ClientID, b.ClientSecret[:len(b.ClientSecret)-1])
	require.Equal(t, 401, status)
	s.stop()
	s = start(t, dir)
	status, page := s.ask("GET", "/denials?client="+b.ClientID, s.token(b.ClientID, b.ClientSecret).AccessToken, "")
	require.Equal(t, 200, status)
	require.EqualValues(t, 1, page["results_total"])
}
