package interop_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/credentials/jwks"
	"github.com/clientele-go/clientele/examples/internal/proctest"
	"github.com/clientele-go/clientele/sqlitestore"
	"github.com/clientele-go/clientele/token"
	"github.com/clientele-go/clientele/token/verifier"
	"github.com/clientele-go/clientele/tokensource"
)

// TestForeignClients has each client get its tokens from an authserver of its own:
// what all of them do wrong on purpose within a minute would be slowed.
func TestForeignClients(t *testing.T) {
	for _, client := range []struct {
		name string
		test func(*server, *testing.T)
	}{
		{"golang.org/x/oauth2", (*server).testXOAuth2},
		{"coreos go-oidc", (*server).testGoOIDC},
		{"curl", (*server).testCurl},
		{"oauth4webapi", (*server).testOAuth4WebAPI},
		{"openid-client", (*server).testOpenIDClient},
		{"jose", (*server).testJOSE},
		{"verifiers on Node.js", (*server).testNodeVerifiers},
		{"Authlib", (*server).testAuthlib},
	} {
		t.Run(client.name, func(t *testing.T) { client.test(startServer(t), t) })
	}
}

// The secrets of the clients: one such as are generated, and one that shows who
// encodes what.
const (
	plainSecret = "cs_by-secret_4Lk2mV9xQ7tR1wZ8yN3bD6fH5jP0sA2c"
	oddSecret   = "p+l%u s:&=é~*'()!/?#@;,$\"\\<>{}|^`4Lk2mV9xQ7tR"
)

// A server is a running authserver, with the clients that startServer declares.
type server struct {
	issuer        string
	tokenEndpoint string
	keys          map[string]key // by algorithm
	pages         string         // the URL of what clients publish, by their own name
	verifier      *verifier.Verifier
}

// A key is a private key, of the client by-key and in the set of by-jwks.
type key struct {
	file string // PKCS #8, PEM
	pem  string // the same
	kid  string // its thumbprint
}

// publishing are the clients that make and publish their own keys, each below its
// own page.
var publishing = []string{"jose", "authlib"}

// parts are what the authserver is made of, linked into the test so that go test
// knows when it has changed.
var parts = []any{token.NewIssuer, client.NewRegistry, (*client.Registry).Import, jwks.New, sqlitestore.Open}

func startServer(t *testing.T) *server {
	t.Helper()
	require.NotContains(t, parts, nil)
	s := &server{keys: make(map[string]key)}
	dir := t.TempDir()
	var files []string
	var uploads []any
	for _, alg := range []string{"RS256", "ES256", "ES384", "ES512", "EdDSA"} {
		file, public := newKey(t, dir, alg)
		files = append(files, file)
		uploads = append(uploads, map[string]any{"keyName": alg, "keyValue": public})
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		uploaded, err := fromPEM(public)
		require.NoError(t, err)
		s.keys[alg] = key{file, string(text), uploaded.Thumbprint()}
	}
	ring, err := tokensource.NewKeyRing(tokensource.KeyRingConfig{Files: files, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	mux := http.NewServeMux()
	mux.Handle("GET /ring", ring)
	mux.Handle("/published/", &pages{sets: make(map[string][]byte)})
	web := httptest.NewServer(mux)
	t.Cleanup(web.Close)
	s.pages = web.URL + "/published/"

	clients := []any{
		declared("by-secret", map[string]any{"authType": "SECRET"}, plainSecret),
		declared("by-odd-secret", map[string]any{"authType": "SECRET"}, oddSecret),
		declared("by-key", map[string]any{"authType": "PUBKEYCERT", "publicKeys": uploads}),
		declared("by-jwks", map[string]any{"authType": "JWKS", "clientJWKsUrl": web.URL + "/ring"}),
	}
	for _, name := range publishing {
		clients = append(clients, declared(name, map[string]any{"authType": "JWKS", "clientJWKsUrl": s.pages + name}))
	}
	text, err := json.Marshal(clients)
	require.NoError(t, err)
	path := filepath.Join(dir, "clients.json")
	require.NoError(t, os.WriteFile(path, text, 0o600))

	p := proctest.Start(t, proctest.Build(t, "authserver"),
		"-data", filepath.Join(dir, "data"), "-addr", "127.0.0.1:0", "-clients", path, "-insecure-jwks")
	listens := p.Wait("authserver listens")
	s.issuer, s.tokenEndpoint = listens["issuer"].(string), listens["token_endpoint"].(string)
	s.verifier, err = verifier.New(verifier.Config{Issuer: s.issuer, Audience: audience})
	require.NoError(t, err)
	return s
}

// newKey writes a private key to a file and returns the PEM of the public one.
func newKey(t *testing.T, dir, alg string) (file, public string) {
	t.Helper()
	private, err := generate(alg)
	require.NoError(t, err)
	der, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(t, err)
	file = filepath.Join(dir, alg+".pem")
	require.NoError(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600))
	der, err = x509.MarshalPKIXPublicKey(private.Public())
	require.NoError(t, err)
	return file, string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

func generate(alg string) (crypto.Signer, error) {
	switch alg {
	case "RS256":
		return rsa.GenerateKey(rand.Reader, 2048)
	case "ES256":
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "ES384":
		return ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case "ES512":
		return ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	}
	_, private, err := ed25519.GenerateKey(rand.Reader)
	return private, err
}

// declared is a client as a file of -clients has it, which may read orders.
func declared(id string, authentication map[string]any, secrets ...string) map[string]any {
	var digests []any
	for _, secret := range secrets {
		sum := sha256.Sum256([]byte(secret))
		digests = append(digests, map[string]any{
			"sha256": hex.EncodeToString(sum[:]), "expiresAt": fmt.Sprint(time.Now().AddDate(0, 0, 60).Unix()),
		})
	}
	client := map[string]any{
		"name": id, "id": id, "clientAuthentication": authentication,
		"clientResources": []any{map[string]any{"id": "example", "selectedScopes": []any{map[string]any{"id": "orders::reader"}}}},
	}
	if digests != nil {
		client["secrets"] = digests
	}
	return client
}

// pages keeps what is PUT under a path, and serves it.
type pages struct {
	mu   sync.Mutex
	sets map[string][]byte // by path
}

func (p *pages) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if r.Method == http.MethodPut {
		set, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		p.sets[r.URL.Path] = set
		return
	}
	set, ok := p.sets[r.URL.Path]
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/jwk-set+json")
	_, _ = w.Write(set)
}

// check requires that a token is one of that client, and returns its jti.
func (s *server) check(t *testing.T, clientID, accessToken string) string {
	t.Helper()
	claims, err := s.verifier.Verify(t.Context(), accessToken)
	require.NoError(t, err)
	require.Equal(t, clientID, claims.ClientID)
	require.Equal(t, clientID, claims.Subject)
	require.Equal(t, []string{audience}, claims.Audience)
	require.Equal(t, []string{"orders::reader"}, claims.Scopes)
	return claims.ID
}
