package main_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/examples/internal/proctest"
	"github.com/clientele-go/clientele/token/verifier"
)

// A server is a running authserver. Its files are in one folder, so that another
// one can be started on them.
type server struct {
	*proctest.Process
	t       *testing.T
	dir     string
	address string
	issuer  string
}

// fixedIssuer is the issuer of a server that is started again, at another port.
const fixedIssuer = "https://auth.example.com"

// start starts an authserver in dir and waits until it listens.
func start(t *testing.T, dir string, args ...string) *server {
	t.Helper()
	p := proctest.Start(t, proctest.Self(t), append([]string{"-data", filepath.Join(dir, "data"), "-addr", "127.0.0.1:0"}, args...)...)
	listens := p.Wait("authserver listens")
	return &server{p, t, dir, listens["address"].(string), listens["issuer"].(string)}
}

// stop ends it as an administrator does.
func (s *server) stop() {
	s.t.Helper()
	s.Signal(syscall.SIGTERM)
	code, stderr := s.Exit()
	require.Zero(s.t, code, stderr)
}

// A bootstrap is what the bootstrap file holds.
type bootstrap struct {
	Issuer        string `json:"issuer"`
	TokenEndpoint string `json:"token_endpoint"`
	ClientID      string `json:"client_id"`
	ClientSecret  string `json:"client_secret"`
}

func readBootstrap(t *testing.T, path string) (b bootstrap) {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &b))
	return b
}

// An answer is that of the token endpoint.
type answer struct {
	AccessToken string `json:"access_token"`
	TokenType   string `json:"token_type"`
	ExpiresIn   int    `json:"expires_in"`
	Scope       string `json:"scope"`
	Error       string `json:"error"`
}

// post posts a token request, without an audience.
func (s *server) post(id, secret string) (status int, got answer) {
	s.t.Helper()
	resp, err := http.PostForm("http://"+s.address+"/oauth2/v1/token", url.Values{
		"grant_type": {"client_credentials"}, "client_id": {id}, "client_secret": {secret},
	})
	require.NoError(s.t, err)
	defer resp.Body.Close()
	require.NoError(s.t, json.NewDecoder(resp.Body).Decode(&got))
	return resp.StatusCode, got
}

// token gets a token, which must be given.
func (s *server) token(id, secret string) answer {
	s.t.Helper()
	status, got := s.post(id, secret)
	require.Equal(s.t, http.StatusOK, status, got)
	return got
}

// verify checks a token with the keys that the server serves now.
func (s *server) verify(accessToken, audience string) *verifier.Claims {
	s.t.Helper()
	v, err := verifier.New(verifier.Config{Issuer: s.issuer, Audience: audience, Keys: keysAt(s.address)})
	require.NoError(s.t, err)
	claims, err := v.Verify(s.t.Context(), accessToken)
	require.NoError(s.t, err)
	return claims
}

// keysAt is where the JWK Set is, whatever the issuer is called.
type keysAt string

func (address keysAt) JWKSet(context.Context) ([]byte, time.Duration, error) {
	resp, err := http.Get("http://" + string(address) + "/oauth2/v1/keys")
	if err != nil {
		return nil, 0, err
	}
	defer resp.Body.Close()
	set, err := io.ReadAll(resp.Body)
	return set, 0, err
}

// get gets a URL, with a token if there is one.
func get(t *testing.T, url, accessToken string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	if accessToken != "" {
		req.Header.Set("Authorization", "Bearer "+accessToken)
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	t.Cleanup(func() { resp.Body.Close() })
	return resp
}

// declared returns a declaration of an API client with a secret, for a file of
// -clients.
func declared(name, secret string, more ...string) string {
	return fmt.Sprintf(`{"name":%q,"id":%q,"secrets":[%s],"clientResources":[{"id":"example","selectedScopes":[{"id":"orders::reader"}]}]%s}`,
		name, strings.ReplaceAll(name, " ", "-"), secretOf(secret), strings.Join(more, ""))
}

// secretOf returns a secret as it is declared.
func secretOf(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return fmt.Sprintf(`{"sha256":%q,"expiresAt":"%d"}`, hex.EncodeToString(sum[:]), time.Now().AddDate(0, 0, 60).Unix())
}

// write writes a file into dir.
func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func mode(t *testing.T, path string) os.FileMode {
	t.Helper()
	info, err := os.Stat(path)
	require.NoError(t, err)
	return info.Mode().Perm()
}
