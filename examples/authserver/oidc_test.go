package main_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/examples/internal/proctest"
)

// People sign in at an OpenID provider and do what their group may; the link on
// standard output stays.
func TestThePortalByAnOpenIDProvider(t *testing.T) {
	provider := startProvider(t)
	dir := t.TempDir()
	p, stdout := startWithStdout(t, dir, "-oidc-issuer", provider.URL, "-oidc-client-id", "portal",
		"-oidc-secret-file", write(t, dir, "secret", "hush-hush\n"), "-oidc-admins", "api-admins", "-oidc-viewers", "staff")
	link := linkIn(t, stdout, 1)
	base, _, _ := strings.Cut(link, "sign-in/")
	visit := func(group string) (status int, page string) {
		provider.join(group)
		jar, err := cookiejar.New(nil)
		require.NoError(t, err)
		answer, err := (&http.Client{Jar: jar}).Get(base + "clients?q=x")
		require.NoError(t, err)
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		if answer.StatusCode == http.StatusOK {
			require.Equal(t, base+"clients?q=x", answer.Request.URL.String())
		}
		return answer.StatusCode, string(text)
	}
	status, page := visit("api-admins")
	require.Equal(t, http.StatusOK, status, page)
	require.Contains(t, page, "Full access")
	require.Contains(t, page, "Grace")
	status, page = visit("staff")
	require.Equal(t, http.StatusOK, status, page)
	require.Contains(t, page, "View only")
	status, _ = visit("others")
	require.Equal(t, http.StatusForbidden, status)
	_, page = openLink(t, link)
	require.Contains(t, page, "Administrator")
	p.Signal(syscall.SIGTERM)
	code, stderr := p.Exit()
	require.Zero(t, code, stderr)
	require.Contains(t, stderr, provider.URL+"#42")
	require.NotContains(t, stderr, "hush")
}

// A provider signs everybody in as the same person, in the group that was joined
// last.
type provider struct {
	*httptest.Server
	mu    sync.Mutex
	group string
	asked map[string]url.Values // by code
}

func (p *provider) join(group string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.group = group
}

func startProvider(t *testing.T) *provider {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	public, err := key.PublicKey.Bytes()
	require.NoError(t, err)
	p := &provider{asked: map[string]url.Values{}}
	mux := http.NewServeMux()
	p.Server = httptest.NewServer(mux)
	t.Cleanup(p.Close)
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]any{"issuer": p.URL, "authorization_endpoint": p.URL + "/authorize", "token_endpoint": p.URL + "/token",
			"jwks_uri": p.URL + "/keys", "id_token_signing_alg_values_supported": []string{"ES256"}})
	})
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		b64 := base64.RawURLEncoding.EncodeToString
		_ = json.NewEncoder(w).Encode(map[string]any{"keys": []any{map[string]any{"kty": "EC", "crv": "P-256", "x": b64(public[1:33]), "y": b64(public[33:])}}})
	})
	mux.HandleFunc("GET /authorize", func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		q, code := r.URL.Query(), rand.Text()
		p.asked[code] = q
		http.Redirect(w, r, q.Get("redirect_uri")+"?"+url.Values{"code": {code}, "state": {q.Get("state")}}.Encode(), http.StatusSeeOther)
	})
	mux.HandleFunc("POST /token", func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		q, ok := p.asked[r.FormValue("code")]
		if id, secret, _ := r.BasicAuth(); !ok || id != "portal" || secret != "hush-hush" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		token := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims{"iss": p.URL, "aud": "portal", "sub": "42", "name": "Grace", "groups": []string{p.group},
			"nonce": q.Get("nonce"), "iat": time.Now().Unix(), "exp": time.Now().Add(time.Minute).Unix()})
		signed, err := token.SignedString(key)
		if err != nil {
			panic(err)
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"access_token": "x", "token_type": "Bearer", "id_token": signed})
	})
	return p
}

func TestFlagsOfTheOpenIDProvider(t *testing.T) {
	dir := t.TempDir()
	missing := filepath.Join(dir, "missing")
	empty := write(t, dir, "empty", "\n")
	for _, c := range []struct {
		name string
		args []string
		code int
		says string
	}{
		{"no issuer", []string{"-oidc-admins", "x"}, 2, "-oidc-issuer"},
		{"no client", []string{"-oidc-issuer", "https://login.example.com", "-oidc-admins", "x"}, 2, "-oidc-client-id"},
		{"no group", []string{"-oidc-issuer", "https://login.example.com", "-oidc-client-id", "x"}, 2, "-oidc-admins"},
		{"an issuer without TLS", []string{"-oidc-issuer", "http://login.example.com", "-oidc-client-id", "x", "-oidc-admins", "x"}, 1, "no https URL"},
		{"no file", []string{"-oidc-issuer", "https://login.example.com", "-oidc-client-id", "x", "-oidc-admins", "x", "-oidc-secret-file", missing}, 1, "-oidc-secret-file"},
		{"an empty file", []string{"-oidc-issuer", "https://login.example.com", "-oidc-client-id", "x", "-oidc-admins", "x", "-oidc-secret-file", empty}, 1, "is empty"},
	} {
		t.Run(c.name, func(t *testing.T) {
			args := append([]string{"-data", filepath.Join(t.TempDir(), "data"), "-addr", "127.0.0.1:0"}, c.args...)
			code, stderr := proctest.Start(t, proctest.Self(t), args...).Exit()
			require.Equal(t, c.code, code, stderr)
			require.Contains(t, stderr, c.says)
		})
	}
}
