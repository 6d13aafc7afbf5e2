package verifier_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/clientele-go/clientele/internal/jws"
	"github.com/clientele-go/clientele/token/verifier"
	"github.com/stretchr/testify/require"
)

const (
	issuerID = "https://auth.example.com"
	audience = "https://api.example.com"
)

// A key signs tokens.
type key struct {
	kid    string
	alg    jws.Algorithm
	signer crypto.Signer
}

var rsaSigner = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

func newKey(t testing.TB, kid string, alg jws.Algorithm) key {
	t.Helper()
	k := key{kid: kid, alg: alg}
	var err error
	switch alg {
	case jws.ES256:
		k.signer, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case jws.ES384:
		k.signer, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case jws.ES512:
		k.signer, err = ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	case jws.EdDSA, jws.Ed25519:
		_, k.signer, err = ed25519.GenerateKey(rand.Reader)
	default:
		k.signer, err = rsaSigner()
	}
	require.NoError(t, err)
	return k
}

// jwk returns the public JWK of k.
func (k key) jwk(t testing.TB) string {
	t.Helper()
	data, err := jws.PublicJWK(k.signer.Public(), k.kid, k.alg, "sig")
	require.NoError(t, err)
	return string(data)
}

// jwkSet returns the JWK Set of keys.
func jwkSet(t testing.TB, keys ...key) []byte {
	t.Helper()
	var all []string
	for _, k := range keys {
		all = append(all, k.jwk(t))
	}
	return []byte(`{"keys":[` + strings.Join(all, ",") + `]}`)
}

// header is the one that k's tokens have.
func (k key) header() string {
	return fmt.Sprintf(`{"alg":%q,"typ":"at+jwt","kid":%q}`, k.alg, k.kid)
}

// sign returns a token of that header and payload, whatever they are.
func (k key) sign(t testing.TB, header, payload string) string {
	t.Helper()
	token, err := jws.AppendCompact(nil, k.alg, k.signer, []byte(header), []byte(payload))
	require.NoError(t, err)
	return string(token)
}

// token returns a token with those claims.
func (k key) token(t testing.TB, claims map[string]any) string {
	t.Helper()
	payload, err := json.Marshal(claims)
	require.NoError(t, err)
	return k.sign(t, k.header(), string(payload))
}

// A clock stands still until it is moved.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Unix(1764000000, 0)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// good returns claims that are good at now, with some changed; nil removes one.
func good(now time.Time, changes ...map[string]any) map[string]any {
	claims := map[string]any{
		"iss": issuerID, "sub": "client-1", "client_id": "client-1", "aud": audience, "jti": "jti-1",
		"iat": now.Unix(), "exp": now.Add(time.Hour).Unix(), "scope": "orders.read orders.write",
	}
	for _, change := range changes {
		maps.Copy(claims, change)
	}
	maps.DeleteFunc(claims, func(_ string, v any) bool { return v == nil })
	return claims
}

type with = map[string]any

// A source is a KeySource that a test holds in its hands.
type source struct {
	mu     sync.Mutex
	set    []byte
	maxAge time.Duration
	err    error
	delay  time.Duration // within synctest
	calls  int
	after  func() // called at the end of each call
}

func (s *source) JWKSet(ctx context.Context) ([]byte, time.Duration, error) {
	s.mu.Lock()
	s.calls++
	set, maxAge, err, delay, after := s.set, s.maxAge, s.err, s.delay, s.after
	s.mu.Unlock()
	if delay > 0 {
		select {
		case <-time.After(delay):
		case <-ctx.Done():
			return nil, 0, ctx.Err()
		}
	}
	if after != nil {
		after()
	}
	return set, maxAge, err
}

func (s *source) serve(set []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.set, s.err = set, nil
}

func (s *source) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

func (s *source) slow(delay time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.delay = delay
}

func (s *source) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls
}

// A log is what was logged, one JSON object per line.
type log struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func (l *log) logger() *slog.Logger {
	return slog.New(slog.NewJSONHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// newVerifier returns a Verifier of cfg, whose empty fields are filled in.
func newVerifier(t testing.TB, cfg verifier.Config) *verifier.Verifier {
	t.Helper()
	if cfg.Issuer == "" {
		cfg.Issuer = issuerID
	}
	if cfg.Audience == "" {
		cfg.Audience = audience
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	v, err := verifier.New(cfg)
	require.NoError(t, err)
	return v
}

// refused checks that err is a refusal of that reason, and that its text holds
// no part of the token.
func refused(t testing.TB, err error, reason, token string) {
	t.Helper()
	require.ErrorIs(t, err, verifier.ErrInvalidToken)
	var refusal *verifier.TokenError
	require.ErrorAs(t, err, &refusal)
	require.Equal(t, reason, refusal.Reason, "%v", err)
	for _, part := range strings.SplitN(token, ".", 6) {
		require.True(t, len(part) < 16 || !strings.Contains(err.Error(), part), "the error holds a part of the token")
	}
}

func b64(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

// An authServer is an issuer on the network that does as it is told.
type authServer struct {
	*httptest.Server
	mu       sync.Mutex
	metadata http.HandlerFunc // nil: a good one
	keys     http.HandlerFunc
	openid   bool // metadata at the place of OpenID Connect alone
	path     string
	requests map[string]int // by path
}

// newAuthServer starts one with that path in its identifier.
func newAuthServer(t testing.TB, path string, keys ...key) *authServer {
	t.Helper()
	a := &authServer{path: path, requests: map[string]int{}}
	a.serveKeys(jwkSet(t, keys...), "")
	a.Server = httptest.NewServer(a)
	t.Cleanup(a.Close)
	return a
}

func (a *authServer) id() string { return a.URL + a.path }

func (a *authServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	a.requests[r.URL.Path]++
	metadata, keys, openid := a.metadata, a.keys, a.openid
	a.mu.Unlock()
	switch {
	case r.URL.Path == a.path+"/jwks":
		keys(w, r)
	case !openid && r.URL.Path == "/.well-known/oauth-authorization-server"+a.path,
		openid && r.URL.Path == a.path+"/.well-known/openid-configuration":
		if metadata != nil {
			metadata(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"issuer": a.id(), "jwks_uri": a.id() + "/jwks"})
	default:
		http.NotFound(w, r)
	}
}

// serveKeys makes it answer with that JWK Set and Cache-Control.
func (a *authServer) serveKeys(set []byte, cacheControl string) {
	a.answerKeys(func(w http.ResponseWriter, _ *http.Request) {
		if cacheControl != "" {
			w.Header().Set("Cache-Control", cacheControl)
		}
		w.Header().Set("Content-Type", "application/jwk-set+json")
		_, _ = w.Write(set)
	})
}

func (a *authServer) answerKeys(h http.HandlerFunc) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.keys = h
}

func (a *authServer) answerMetadata(h http.HandlerFunc) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.metadata = h
}

// asked returns how often that path was asked for.
func (a *authServer) asked(path string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.requests[path]
}
