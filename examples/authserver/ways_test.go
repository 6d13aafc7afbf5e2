package main_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/examples/internal/proctest"
	"github.com/clientele-go/clientele/tokensource"
)

// keyFiles makes a key, and returns its private half in a file and its public
// half as the PEM of an upload.
func keyFiles(t *testing.T, dir, name string) (file, public string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	file = write(t, dir, name, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})))
	return file, publicPEM(t, key.Public())
}

func publicPEM(t *testing.T, key any) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key)
	require.NoError(t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// declaredKeys is a declaration of a client that may read orders.
func declaredKeys(t *testing.T, name string, authentication map[string]any) string {
	t.Helper()
	text, err := json.Marshal(map[string]any{
		"name": name, "id": name, "clientAuthentication": authentication,
		"clientResources": []any{map[string]any{"id": "example", "selectedScopes": []any{map[string]any{"id": "orders::reader"}}}},
	})
	require.NoError(t, err)
	return string(text)
}

func TestCallersOfEachWayGetTheirOrders(t *testing.T) {
	dir := t.TempDir()
	keyFile, public := keyFiles(t, dir, "private.pem")
	published, err := tokensource.NewKeyRing(tokensource.KeyRingConfig{Files: []string{keyFile}})
	require.NoError(t, err)
	jwks := httptest.NewServer(published)
	defer jwks.Close()
	clients := write(t, dir, "clients.json", "["+declared("by-secret", reportSecret)+","+
		declaredKeys(t, "by-key", map[string]any{"authType": "PUBKEYCERT", "publicKeys": []any{map[string]any{"keyName": "k", "keyValue": public}}})+","+
		declaredKeys(t, "by-jwks", map[string]any{"authType": "JWKS", "clientJWKsUrl": jwks.URL})+"]")
	auth := start(t, dir, "-clients", clients, "-insecure-jwks")
	service := proctest.Start(t, proctest.Build(t, "resourceserver"), "-addr", "127.0.0.1:0", "-issuer", auth.issuer)
	orders := service.Wait("resourceserver listens")["resource"].(string) + "/orders"
	secretFile := write(t, dir, "secret.txt", reportSecret+"\n")
	caller := proctest.Build(t, "caller")
	for id, flags := range map[string][]string{
		"by-secret": {"-secret-file", secretFile},
		"by-key":    {"-key-file", keyFile},
		"by-jwks":   {"-key-file", keyFile},
	} {
		out := proctest.Output(t, caller, append(flags, "-client-id", id, "-issuer", auth.issuer, "-url", orders)...)
		require.Contains(t, out, "200 OK")
		require.Contains(t, out, "client "+id+", with scopes [orders::reader]")
	}
}

// The assertion that the callers of the original sign, to the letter.
func TestTheOriginalsAssertionIsTaken(t *testing.T) {
	dir := t.TempDir()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	auth := start(t, dir, "-clients", write(t, dir, "clients.json", "["+declaredKeys(t, "original", map[string]any{
		"authType": "PUBKEYCERT", "publicKeys": []any{map[string]any{"keyName": "k", "keyValue": publicPEM(t, key.Public())}},
	})+"]"))
	assertion, err := jwt.NewWithClaims(jwt.SigningMethodRS256, jwt.MapClaims{
		"iss": "original", "sub": "original", "aud": "https://api.example.com", "exp": time.Now().Add(10 * time.Minute).Unix(),
	}).SignedString(key)
	require.NoError(t, err)
	resp, err := http.PostForm("http://"+auth.address+"/oauth2/v1/token", url.Values{
		"grant_type": {"client_credentials"}, "client_id": {"original"}, "audience": {"https://api.example.com"},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}, "client_assertion": {assertion},
	})
	require.NoError(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, resp.StatusCode, "%s", text)
}
