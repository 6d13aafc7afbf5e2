package tokensource_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/tokensource"
)

const (
	tokenURL = "https://auth.example.com/oauth2/v1/token"
	issuer   = "https://auth.example.com"
	clientID = "nightly-report"
	secret   = "cls_q7Xk2mPa_not-a-real-secret-but-as-long-as-one"
)

var quiet = slog.New(slog.DiscardHandler)

// A call is a request as the server got it.
type call struct {
	*http.Request
	form url.Values
	at   time.Time
}

// A server answers requests in memory, so that it works in a bubble of synctest.
type server struct {
	// answer makes the answer to the n-th request, from 1 on.
	answer func(n int, c call) *http.Response

	mu    sync.Mutex
	calls []call
}

func (s *server) RoundTrip(req *http.Request) (*http.Response, error) {
	c := call{Request: req, at: time.Now()}
	if req.Body != nil {
		body, err := io.ReadAll(req.Body)
		_ = req.Body.Close()
		if err != nil {
			return nil, err
		}
		if c.form, err = url.ParseQuery(string(body)); err != nil {
			return nil, err
		}
	}
	s.mu.Lock()
	s.calls = append(s.calls, c)
	n := len(s.calls)
	s.mu.Unlock()
	resp := s.answer(n, c)
	if err := req.Context().Err(); err != nil {
		return nil, err
	}
	if resp == nil {
		return nil, errDown
	}
	resp.Request = req
	return resp, nil
}

var errDown = errors.New("connection refused")

func (s *server) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.calls)
}

func (s *server) call(n int) call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[n-1]
}

// respond makes an answer; headers are "Name: value".
func respond(status int, body string, headers ...string) *http.Response {
	h := http.Header{"Content-Type": {"application/json"}}
	for _, line := range headers {
		name, value, _ := strings.Cut(line, ": ")
		h.Add(name, value)
	}
	return &http.Response{
		Status: fmt.Sprint(status, " Whatever"), StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: h, Body: io.NopCloser(strings.NewReader(body)),
	}
}

// grant answers with a token that lives so long.
func grant(access string, life time.Duration) *http.Response {
	return respond(200, fmt.Sprintf(`{"access_token":%q,"token_type":"Bearer","expires_in":%d,"scope":"a b"}`,
		access, int(life.Seconds())))
}

// granting answers the n-th request with the token "token-n".
func granting(life time.Duration) func(int, call) *http.Response {
	return func(n int, _ call) *http.Response { return grant(fmt.Sprint("token-", n), life) }
}

// hang waits as a server does that does not answer.
func hang(c call, d time.Duration) {
	select {
	case <-time.After(d):
	case <-c.Context().Done():
	}
}

// newSource makes a Source of s with a secret; adjust may change its Config.
func newSource(t testing.TB, s *server, adjust ...func(*tokensource.Config)) *tokensource.Source {
	t.Helper()
	source, err := tokensource.New(config(s, adjust...))
	require.NoError(t, err)
	return source
}

func config(s *server, adjust ...func(*tokensource.Config)) tokensource.Config {
	cfg := tokensource.Config{
		TokenURL: tokenURL, ClientID: clientID, Credential: tokensource.Secret{Value: secret},
		HTTPClient: &http.Client{Transport: s}, Logger: quiet,
	}
	for _, f := range adjust {
		f(&cfg)
	}
	return cfg
}

func credential(c tokensource.Credential) func(*tokensource.Config) {
	return func(cfg *tokensource.Config) { cfg.Credential = c }
}

// access returns the access token that source has now.
func access(t testing.TB, source *tokensource.Source) string {
	t.Helper()
	token, err := source.TokenContext(context.Background())
	require.NoError(t, err)
	return token.AccessToken
}

// Keys are made once: RSA takes its time.
var (
	rsaKey     = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })
	p256Key    = sync.OnceValue(func() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) })
	p384Key    = sync.OnceValue(func() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)) })
	p521Key    = sync.OnceValue(func() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P521(), rand.Reader)) })
	ed25519Key = sync.OnceValue(func() ed25519.PrivateKey {
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return must(key, err)
	})
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// pkcs8 returns key as PEM.
func pkcs8(key any) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: must(x509.MarshalPKCS8PrivateKey(key))})
}

// write puts a file in place, as whatever rotates secrets does.
func write(t testing.TB, name string, data []byte) string {
	t.Helper()
	if !filepath.IsAbs(name) {
		name = filepath.Join(t.TempDir(), name)
	}
	require.NoError(t, os.WriteFile(name+".new", data, 0o600))
	require.NoError(t, os.Rename(name+".new", name))
	return name
}

// records returns a Logger, and what it has logged.
func records() (*slog.Logger, func() string) {
	var mu sync.Mutex
	var buf bytes.Buffer
	logger := slog.New(slog.NewTextHandler(writerFunc(func(p []byte) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		return buf.Write(p)
	}), &slog.HandlerOptions{Level: slog.LevelDebug}))
	return logger, func() string {
		mu.Lock()
		defer mu.Unlock()
		return buf.String()
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func contextFor(t *testing.T, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(t.Context(), d)
}

func errorIs(err, target error) bool { return errors.Is(err, target) }

// newDialer connects to address, whatever it is asked for.
func newDialer(address string) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, address)
	}
}
