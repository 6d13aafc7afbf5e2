package main_test

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/examples/internal/proctest"
)

func TestTheFirstStartLeavesTheCredentialsOfAFirstClient(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "first.json")
	s := start(t, dir, "-bootstrap", file)

	first := readBootstrap(t, file)
	require.Equal(t, s.issuer, first.Issuer)
	require.Equal(t, "http://"+s.address, first.Issuer)
	require.Equal(t, s.issuer+"/oauth2/v1/token", first.TokenEndpoint)
	got := s.token(first.ClientID, first.ClientSecret)
	require.Equal(t, "Bearer", got.TokenType)
	require.Equal(t, "iam::super-admin orders::reader invoices::reader", got.Scope, "without ZIAM: the first scope of each service")
	claims := s.verify(got.AccessToken, "https://api.example.com")
	require.Equal(t, first.ClientID, claims.ClientID)

	require.EqualValues(t, 0o600, mode(t, file))
	require.EqualValues(t, 0o700, mode(t, filepath.Join(dir, "data")))
	require.EqualValues(t, 0o600, mode(t, filepath.Join(dir, "data", "sealing.key")))
	require.EqualValues(t, 0o600, mode(t, filepath.Join(dir, "data", "clientele.db")))
	for _, folder := range []string{dir, filepath.Join(dir, "data")} {
		beside, err := filepath.Glob(filepath.Join(folder, ".*"))
		require.NoError(t, err)
		require.Empty(t, beside, "files are written beside their places first")
	}
	s.stop()
}

func TestTheFirstClientIsGrantedToAdministerWhereTheCatalogKnowsThat(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "first.json")
	catalog := write(t, dir, "catalog.json", `{"records":[
		{"id":"other","name":"Other","primaryAud":"https://other.example.com","serviceScopes":[
			{"service":{"id":"ziam","name":"ZIAM"},"scopes":[{"id":"other::admin","name":"Role:Super Admin"}]}]},
		{"id":"main","name":"Main","primaryAud":"https://main.example.com","defaultApi":true,"serviceScopes":[
			{"service":{"id":"zcc","name":"ZCC"},"scopes":[{"id":"zcc::admin","name":"Role:Super Admin"}]},
			{"service":{"id":"ziam","name":"ZIAM"},"scopes":[{"id":"ziam::users","name":"Role:Users Admin"},{"id":"ziam::admin","name":"Role:Super Admin"}]}]}]}`)
	s := start(t, dir, "-bootstrap", file, "-catalog", catalog)
	first := readBootstrap(t, file)
	got := s.token(first.ClientID, first.ClientSecret)
	require.Equal(t, "ziam::admin", got.Scope)
	s.verify(got.AccessToken, "https://main.example.com")
}

func TestALaterStartKeepsTheFirstClientAndDoesNotTouchTheFile(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "first.json")
	s := start(t, dir, "-issuer", fixedIssuer, "-bootstrap", file)
	first := readBootstrap(t, file)
	before := s.token(first.ClientID, first.ClientSecret)
	s.stop()

	require.NoError(t, os.WriteFile(file, []byte("moved to a secret manager"), 0o600))
	s = start(t, dir, "-issuer", fixedIssuer, "-bootstrap", file)
	require.Equal(t, first.Issuer, s.issuer)
	s.token(first.ClientID, first.ClientSecret)
	s.verify(before.AccessToken, "https://api.example.com")
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, "moved to a secret manager", string(text))
	s.stop()

	require.NoError(t, os.Remove(file))
	start(t, dir, "-issuer", fixedIssuer, "-bootstrap", file).stop()
	require.NoFileExists(t, file)
}

func TestAStartAfterACrashBetweenFileAndClientBeginsAgain(t *testing.T) {
	for _, c := range []struct {
		name  string
		crash func(t *testing.T, dir string)
	}{
		{"nothing but the file is there", func(*testing.T, string) {}},
		{"the database is there, without the client", func(t *testing.T, dir string) { start(t, dir).Kill() }},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			c.crash(t, dir)
			file := write(t, dir, "first.json", `{"issuer":"http://127.0.0.1:1","token_endpoint":"http://127.0.0.1:1/oauth2/v1/token","client_id":"stale","client_secret":"stale"}`)
			require.NoError(t, os.Chmod(file, 0o644))

			s := start(t, dir, "-bootstrap", file)
			first := readBootstrap(t, file)
			require.NotEqual(t, "stale", first.ClientID)
			require.EqualValues(t, 0o600, mode(t, file))
			s.token(first.ClientID, first.ClientSecret)
			status, got := s.post("stale", "stale")
			require.Equal(t, http.StatusUnauthorized, status)
			require.Equal(t, "invalid_client", got.Error)
		})
	}
}

func TestNoClientIsRegisteredWhoseSecretCouldNotBeWritten(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "missing", "first.json")
	code, stderr := proctest.Start(t, proctest.Self(t), "-data", filepath.Join(dir, "data"), "-addr", "127.0.0.1:0", "-bootstrap", file).Exit()
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "-bootstrap: ")
	require.Contains(t, stderr, "no such file or directory")

	require.NoError(t, os.Mkdir(filepath.Dir(file), 0o700))
	s := start(t, dir, "-bootstrap", file)
	first := readBootstrap(t, file)
	s.token(first.ClientID, first.ClientSecret)
}

func TestBootstrapIsRefusedWhereItCanNotBeOfUse(t *testing.T) {
	for _, c := range []struct{ name, catalog, clients, want string }{
		{"no default resource server",
			`{"records":[{"id":"a","name":"A","primaryAud":"https://a.example.com"}]}`, `[]`,
			`the catalog has no default resource server`},
		{"no scope at the default resource server",
			`{"records":[{"id":"a","name":"A","primaryAud":"https://a.example.com","defaultApi":true}]}`, `[]`,
			`has no scope to grant`},
		{"another client has the name",
			`{"records":[]}`, `[{"name":"Bootstrap"}]`,
			`there is an API client named \"Bootstrap\" already`},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			file := filepath.Join(dir, "first.json")
			code, stderr := proctest.Start(t, proctest.Self(t), "-data", filepath.Join(dir, "data"), "-addr", "127.0.0.1:0", "-bootstrap", file,
				"-catalog", write(t, dir, "catalog.json", c.catalog), "-clients", write(t, dir, "clients.json", c.clients)).Exit()
			require.Equal(t, 1, code)
			require.Contains(t, stderr, c.want)
			require.NoFileExists(t, file)
		})
	}
}
