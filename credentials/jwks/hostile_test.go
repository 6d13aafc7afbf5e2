package jwks_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clientele-go/clientele/credentials/jwks"
	"github.com/stretchr/testify/require"
)

// raw returns an HTTP client all of whose connections are to serve, in memory:
// what a server does that package http would not do. Both ends are closed when
// serve returns.
func raw(t *testing.T, serve func(conn net.Conn)) *http.Client {
	var conns sync.WaitGroup
	transport := &http.Transport{
		MaxResponseHeaderBytes: 32 << 10,
		DialContext: func(context.Context, string, string) (net.Conn, error) {
			client, server := net.Pipe()
			conns.Go(func() {
				defer server.Close()
				if _, err := server.Read(make([]byte, 4096)); err == nil { // the request, in one
					serve(server)
				}
			})
			return client, nil
		},
	}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		conns.Wait()
	})
	return &http.Client{Transport: transport}
}

func TestSecurity36HostileServers(t *testing.T) {
	const head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
	// drip sends text a byte at a time, and then a part of it for ever.
	drip := func(start, forever string, pause time.Duration) func(net.Conn) {
		return func(conn net.Conn) {
			if _, err := io.WriteString(conn, start); err != nil {
				return
			}
			for {
				time.Sleep(pause)
				if _, err := io.WriteString(conn, forever); err != nil {
					return
				}
			}
		}
	}
	cases := map[string]struct {
		serve  func(net.Conn)
		reason string
		takes  time.Duration
	}{
		"says nothing":                   {func(conn net.Conn) { io.Copy(io.Discard, conn) }, jwks.ReasonUnreachable, 5 * time.Second},
		"hangs up":                       {func(net.Conn) {}, jwks.ReasonUnreachable, 5 * time.Second},
		"sends its headers byte by byte": {drip("HTTP/1.1 200 OK\r\nX: ", "x", time.Second), jwks.ReasonUnreachable, 5 * time.Second},
		"sends headers without end":      {drip("HTTP/1.1 200 OK\r\n", "X: "+strings.Repeat("x", 1000)+"\r\n", 0), jwks.ReasonUnreachable, 5 * time.Second},
		"sends 1xx without end":          {drip("", "HTTP/1.1 103 Early Hints\r\n\r\n", 0), jwks.ReasonUnreachable, 5 * time.Second},
		"sends one byte a second":        {drip(head+"\r\n", " ", time.Second), jwks.ReasonIncomplete, 5 * time.Second},
		"stops in the middle":            {drip(head+"\r\n{\"keys\":[", "", time.Hour), jwks.ReasonIncomplete, 5 * time.Second},
		"sends without end":              {drip(head+"\r\n", strings.Repeat(" ", 4096), 0), jwks.ReasonTooLarge, 0},
		"sends chunks without end":       {drip(head+"Transfer-Encoding: chunked\r\n\r\n", "400\r\n"+strings.Repeat(" ", 1024)+"\r\n", 0), jwks.ReasonTooLarge, 0},
		"promises a length and hangs up": {func(conn net.Conn) { io.WriteString(conn, head+"Content-Length: 100\r\n\r\n{}") }, jwks.ReasonIncomplete, 0},
		"promises more than is taken":    {drip(head+"Content-Length: 999999999999\r\n\r\n", " ", time.Second), jwks.ReasonTooLarge, 0},
		"is no web server":               {drip("SSH-2.0-OpenSSH_9.9\r\n", "x", time.Second), jwks.ReasonUnreachable, 5 * time.Second},
		"sends zstd":                     {func(conn net.Conn) { io.WriteString(conn, head+"Content-Encoding: zstd\r\n\r\n{\"keys\":[]}") }, jwks.ReasonEncoding, 0},
		"speaks HTTP/2 unasked":          {func(conn net.Conn) { io.WriteString(conn, "\x00\x00\x00\x04\x00\x00\x00\x00\x00") }, jwks.ReasonUnreachable, 5 * time.Second},
		"switches to another protocol":   {drip("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n", "x", time.Second), jwks.ReasonStatus, 0},
		"sends a gzip bomb":              {func(conn net.Conn) { io.WriteString(conn, head+"Content-Encoding: gzip\r\n\r\n"); conn.Write(bomb()) }, jwks.ReasonEncoding, 0},
		"hides a gzip bomb among headers": {func(conn net.Conn) {
			io.WriteString(conn, head+"Content-Encoding: identity\r\nContent-Encoding: gzip\r\n\r\n")
			conn.Write(bomb())
		}, jwks.ReasonEncoding, 0},
	}
	for name, tc := range cases {
		t.Run("a server that "+name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cache := newCache(t, nil, func(cfg *jwks.Config) {
					cfg.Allow.Loopback, cfg.HTTPClient = true, raw(t, tc.serve)
				})
				const url = "http://127.0.0.1/"
				start := time.Now()
				invalid := requireInvalid(t, cache, url, tc.reason)
				require.NotContains(t, invalid.Message, "SSH")
				require.Equal(t, tc.takes, time.Since(start))
				start = time.Now()
				requireUnavailable(t, cache, url)
				require.LessOrEqual(t, time.Since(start), 5*time.Second)
			})
		})
	}
}

// bomb is a gzip of 8 MiB of blanks.
var bomb = sync.OnceValue(func() []byte {
	var b bytes.Buffer
	packer := gzip.NewWriter(&b) // into memory, which does not fail
	packer.Write(bytes.Repeat([]byte(" "), 8<<20))
	packer.Close()
	return b.Bytes()
})

// certified returns a TLS server with a certificate for those names, and a
// client that knows the authority, if trusted.
func certified(t *testing.T, trusted bool, notAfter time.Time, names ...string) (*httptest.Server, *http.Client) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, DNSNames: names,
		NotBefore: notAfter.Add(-48 * time.Hour), NotAfter: notAfter,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)

	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, setOf(newJWK(t, "a")))
	}))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	server.Config.ErrorLog = quiet()
	server.StartTLS()
	t.Cleanup(server.Close)
	roots := x509.NewCertPool()
	if trusted {
		roots.AddCert(cert)
	}
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, server.Listener.Addr().String())
		},
	}
	t.Cleanup(transport.CloseIdleConnections)
	return server, &http.Client{Transport: transport}
}

func TestSecurity41CertificatesAreVerified(t *testing.T) {
	tomorrow, yesterday := time.Now().Add(24*time.Hour), time.Now().Add(-24*time.Hour)
	cases := map[string]struct {
		trusted  bool
		notAfter time.Time
		name     string
		message  string // empty: the certificate is good
	}{
		"a good certificate":              {true, tomorrow, "keys.example.com", ""},
		"one of an unknown authority":     {false, tomorrow, "keys.example.com", "authority"},
		"one that has expired":            {true, yesterday, "keys.example.com", "expired"},
		"one that is not valid yet":       {true, tomorrow.Add(72 * time.Hour), "keys.example.com", "not valid yet"},
		"one for another host":            {true, tomorrow, "internal.example", "other host names"},
		"one for a part of the host name": {true, tomorrow, "example.com", "other host names"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			_, client := certified(t, tc.trusted, tc.notAfter, tc.name)
			cache := newCache(t, nil, func(cfg *jwks.Config) { cfg.HTTPClient = client })
			if tc.message == "" {
				requireKeys(t, cache, keysURL, "a")
				return
			}
			invalid := requireInvalid(t, cache, keysURL, jwks.ReasonCertificate)
			require.Contains(t, invalid.Message, tc.message)
			require.NotContains(t, invalid.Message, "internal.example")
			requireUnavailable(t, cache, keysURL)
		})
	}
}

func TestSecurity41OldVersionsOfTLSAreRefused(t *testing.T) {
	for version, good := range map[uint16]bool{tls.VersionTLS10: false, tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				fmt.Fprint(w, setOf(newJWK(t, "a")))
			}))
			server.TLS = &tls.Config{MinVersion: version, MaxVersion: version}
			server.Config.ErrorLog = quiet()
			server.StartTLS()
			defer server.Close()
			cache := newCache(t, nil, func(cfg *jwks.Config) { cfg.HTTPClient, cfg.Allow.Loopback = server.Client(), true })
			if good {
				requireKeys(t, cache, server.URL, "a")
				return
			}
			requireInvalid(t, cache, server.URL, jwks.ReasonUnreachable)
			requireUnavailable(t, cache, server.URL)
		})
	}
}

func TestSecurity35Redirects(t *testing.T) {
	var hits int
	var mu sync.Mutex
	forbidden := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		hits++
		mu.Unlock()
		fmt.Fprint(w, setOf())
	}))
	defer forbidden.Close()
	set := setOf(newJWK(t, "a"))
	var server *httptest.Server
	server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hop := map[string]string{
			"/one": "/jwks", "/two": "/one", "/three": "/two", "/four": "/three", "/loop": "/loop",
			"/http":      "http://" + r.Host + "/jwks",
			"/host":      "https://localhost" + r.Host[strings.LastIndexByte(r.Host, ':'):] + "/jwks",
			"/port":      "https://127.0.0.1/jwks",
			"/forbidden": forbidden.URL,
			"/metadata":  "http://169.254.169.254/latest/meta-data/",
			"/user":      "https://user@" + r.Host + "/jwks",
			"/file":      "file:///etc/passwd",
			"/absolute":  server.URL + "/jwks",
		}[r.URL.Path]
		if hop != "" {
			http.Redirect(w, r, hop, http.StatusTemporaryRedirect)
			return
		}
		fmt.Fprint(w, set)
	}))
	defer server.Close()
	cache := newCache(t, nil, func(cfg *jwks.Config) { cfg.HTTPClient, cfg.Allow.Loopback = server.Client(), true })
	for _, path := range []string{"/jwks", "/one", "/two", "/three", "/absolute"} {
		requireKeys(t, cache, server.URL+path, "a")
	}
	for _, path := range []string{"/four", "/loop", "/http", "/host", "/port", "/forbidden", "/metadata", "/user", "/file"} {
		t.Run(path, func(t *testing.T) {
			requireInvalid(t, cache, server.URL+path, jwks.ReasonRedirect)
			requireUnavailable(t, cache, server.URL+path)
		})
	}
	require.Zero(t, hits)
}

func TestLoopbackOverHTTPWorksWithTheDefaultClientWhereAllowed(t *testing.T) {
	set := setOf(newJWK(t, "a"))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, set) }))
	defer server.Close()
	for _, allow := range []jwks.Allow{{Loopback: true}, {Private: true}} {
		cache, err := jwks.New(jwks.Config{Allow: allow})
		require.NoError(t, err)
		requireKeys(t, cache, server.URL, "a")
	}
}
