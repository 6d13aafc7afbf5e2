package jwks_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/clientele-go/clientele/credentials"
	"github.com/clientele-go/clientele/credentials/jwks"
	"github.com/clientele-go/clientele/internal/jws"
	"github.com/stretchr/testify/require"
)

const keysURL = "https://keys.example.com/jwks.json"

// errDown is what a host answers where nobody listens.
var errDown = fmt.Errorf("dial tcp 192.0.2.1:443: %w", syscall.ECONNREFUSED)

// A network is an http.RoundTripper in memory: every URL is answered by its
// answer. It counts.
type network struct {
	mu       sync.Mutex
	answer   func(req *http.Request) (*http.Response, error)
	fetches  map[string]int
	all      int
	inFlight int
	most     int // inFlight at most
}

// newNetwork returns a network on which that JWK Set is everywhere.
func newNetwork(set string, headers ...string) *network {
	n := &network{fetches: make(map[string]int)}
	n.serve(set, headers...)
	return n
}

func (n *network) serve(body string, headers ...string) {
	n.does(func(*http.Request) (*http.Response, error) { return response(200, body, headers...), nil })
}

func (n *network) fails(err error) {
	n.does(func(*http.Request) (*http.Response, error) { return nil, err })
}

// hangs makes all requests wait for their contexts to end, or for the channel to
// be closed, and then be answered by that JWK Set.
func (n *network) hangs(until <-chan struct{}, set string) {
	n.does(func(req *http.Request) (*http.Response, error) {
		select {
		case <-until:
			return response(200, set), nil
		case <-req.Context().Done():
			return nil, req.Context().Err()
		}
	})
}

func (n *network) does(answer func(*http.Request) (*http.Response, error)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.answer = answer
}

// count returns how many requests there were, since it was asked last.
func (n *network) count() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	all := n.all
	n.all = 0
	return all
}

func (n *network) RoundTrip(req *http.Request) (*http.Response, error) {
	n.mu.Lock()
	n.all++
	n.fetches[req.URL.String()]++
	n.inFlight++
	n.most = max(n.most, n.inFlight)
	answer := n.answer
	n.mu.Unlock()
	defer func() {
		n.mu.Lock()
		n.inFlight--
		n.mu.Unlock()
	}()
	resp, err := answer(req)
	if resp != nil {
		resp.Request = req
	}
	return resp, err
}

// response returns one with headers "Name: value".
func response(status int, body string, headers ...string) *http.Response {
	h := make(http.Header)
	for _, line := range headers {
		name, value, _ := strings.Cut(line, ": ")
		h.Add(name, value)
	}
	return &http.Response{
		StatusCode: status, Status: http.StatusText(status), ProtoMajor: 1, ProtoMinor: 1,
		Header: h, Body: io.NopCloser(strings.NewReader(body)), ContentLength: -1,
	}
}

// newCache returns a cache that reaches n.
func newCache(t testing.TB, n http.RoundTripper, change ...func(*jwks.Config)) *jwks.Cache {
	t.Helper()
	cfg := jwks.Config{HTTPClient: &http.Client{Transport: n}, Logger: slog.New(slog.DiscardHandler)}
	for _, f := range change {
		f(&cfg)
	}
	cache, err := jwks.New(cfg)
	require.NoError(t, err)
	return cache
}

// newJWK returns the public JWK of a new P-256 key.
func newJWK(t testing.TB, kid string) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	data, err := jws.PublicJWK(key.Public(), kid, "ES256", "sig")
	require.NoError(t, err)
	return string(data)
}

// setOf returns the JWK Set of keys.
func setOf(keys ...string) string { return `{"keys":[` + strings.Join(keys, ",") + `]}` }

// kids returns what the keys are called.
func kids(keys []credentials.Key) []string {
	names := []string{}
	for _, key := range keys {
		names = append(names, key.KeyID())
	}
	return names
}

// requireKeys asks for the keys of a URL, and requires these.
func requireKeys(t testing.TB, cache *jwks.Cache, url string, want ...string) *jwks.Set {
	t.Helper()
	set, err := cache.Keys(context.Background(), url)
	require.NoError(t, err)
	require.Equal(t, append([]string{}, want...), kids(set.Keys()))
	return set
}

// requireUnavailable asks for the keys of a URL, and requires that there are none.
func requireUnavailable(t testing.TB, cache *jwks.Cache, url string) *jwks.UnavailableError {
	t.Helper()
	_, err := cache.Keys(context.Background(), url)
	var unavailable *jwks.UnavailableError
	require.ErrorAs(t, err, &unavailable)
	require.GreaterOrEqual(t, unavailable.RetryAfter, time.Second)
	return unavailable
}

// requireInvalid validates a URL, and requires that reason.
func requireInvalid(t testing.TB, cache *jwks.Cache, url, reason string) *jwks.InvalidError {
	t.Helper()
	_, err := cache.Validate(context.Background(), url)
	var invalid *jwks.InvalidError
	require.True(t, errors.As(err, &invalid), "%v", err)
	require.Equal(t, reason, invalid.Reason)
	return invalid
}

// quiet is a log for servers of which it is known that they will complain.
func quiet() *log.Logger { return log.New(io.Discard, "", 0) }
