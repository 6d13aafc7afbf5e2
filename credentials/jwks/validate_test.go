package jwks_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"code.dny.dev/ssrf"
	"github.com/clientele-go/clientele/credentials/jwks"
	"github.com/stretchr/testify/require"
)

func TestValidateSaysWhichKeysAreThere(t *testing.T) {
	world := newNetwork(setOf(
		newJWK(t, "good"),
		`{"kty":"oct","kid":"symmetric","k":"c2VjcmV0"}`,
	), "Cache-Control: max-age=1800")
	report, err := newCache(t, world).Validate(t.Context(), keysURL)
	require.NoError(t, err)
	require.Equal(t, 30*time.Minute, report.MaxAge)
	require.Len(t, report.Keys, 1)
	key := report.Keys[0]
	require.Equal(t, "EC P-256", key.Type())
	require.Equal(t, "good", key.KeyID())
	require.Len(t, key.Thumbprint(), 43)
	require.Equal(t, []string{"ES256"}, key.Algorithms())
	require.Len(t, report.Warnings, 1)
	require.True(t, report.Warnings[0].Leaked)
	require.Equal(t, "symmetric", report.Warnings[0].KeyID)
}

func TestValidateSaysWhatIsWrong(t *testing.T) {
	key := newJWK(t, "a")
	cases := map[string]struct {
		status  int
		body    string
		header  string
		reason  string
		message string
	}{
		"no content":          {204, "", "X: y", jwks.ReasonStatus, "status 204, not 200"},
		"unauthorized":        {401, setOf(key), "X: y", jwks.ReasonStatus, "status 401"},
		"not found":           {404, "", "X: y", jwks.ReasonStatus, "status 404"},
		"a redirect away":     {302, "", "Location: https://internal.example/", jwks.ReasonRedirect, "redirect"},
		"a redirect to http":  {302, "", "Location: http://keys.example.com/", jwks.ReasonRedirect, "redirect"},
		"a redirect in loops": {302, "", "Location: /jwks.json", jwks.ReasonRedirect, "too many"},
		"a web page":          {200, "<html>", "Content-Type: text/html; charset=utf-8", jwks.ReasonNotJWKS, "a web page"},
		"invalid JSON":        {200, "{", "X: y", jwks.ReasonNotJWKS, "not a usable JWK Set"},
		"keys missing":        {200, `{"issuer":"https://a.example"}`, "X: y", jwks.ReasonNotJWKS, "no array keys"},
		"gzip":                {200, "\x1f\x8b", "Content-Encoding: gzip", jwks.ReasonEncoding, "compressed"},
		"too large":           {200, strings.Repeat(" ", 1<<20+1), "X: y", jwks.ReasonTooLarge, "1048576 bytes"},
		"no keys":             {200, setOf(), "X: y", jwks.ReasonNoKeys, "no key that can be used"},
		"no usable keys":      {200, setOf(`{"kty":"oct","k":"AA"}`), "X: y", jwks.ReasonNoKeys, "no key that can be used"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				world := newNetwork("")
				world.does(static(tc.status, tc.body, tc.header))
				start := time.Now()
				invalid := requireInvalid(t, newCache(t, world), keysURL, tc.reason)
				require.Contains(t, invalid.Message, tc.message)
				require.NotContains(t, invalid.Error(), "internal.example")
				require.Zero(t, time.Since(start))
			})
		})
	}
}

func TestValidateReportsWarningsWithAnUnusableSet(t *testing.T) {
	cache := newCache(t, newNetwork(setOf(`{"kty":"oct","k":"AA"}`)))
	report, err := cache.Validate(t.Context(), keysURL)
	require.Error(t, err)
	require.Len(t, report.Warnings, 1)
}

func TestSecurity59ValidateDoesNotScanPorts(t *testing.T) {
	answer := func(err error) func(*http.Request) (*http.Response, error) {
		return func(*http.Request) (*http.Response, error) { return nil, err }
	}
	cases := map[string]func(*http.Request) (*http.Response, error){
		"closed":            answer(errDown),
		"no route":          answer(&net.OpError{Op: "dial", Err: fmt.Errorf("no route to host")}),
		"forbidden":         answer(fmt.Errorf("dial: %w: 10.0.0.1", ssrf.ErrProhibitedIP)),
		"no such host":      answer(&net.DNSError{Err: "no such host", Name: "db.internal", IsNotFound: true}),
		"not TLS":           answer(tls.RecordHeaderError{Msg: "first record does not look like a TLS handshake"}),
		"a handshake alert": answer(fmt.Errorf("remote error: %w", tls.AlertError(40))),
		"not HTTP":          answer(fmt.Errorf("malformed HTTP response %q", "SSH-2.0-OpenSSH_9.9")),
		"closed half-way":   answer(fmt.Errorf("EOF")),
		"filtered": func(req *http.Request) (*http.Response, error) {
			<-req.Context().Done()
			return nil, req.Context().Err()
		},
	}
	for name, answer := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				world := newNetwork("")
				world.does(answer)
				start := time.Now()
				invalid := requireInvalid(t, newCache(t, world), keysURL, jwks.ReasonUnreachable)
				require.Equal(t, "JWKS URL: no answer that could be used within 5s: check the host, "+
					"that it is reachable from the internet, and that it serves https", invalid.Error())
				require.Equal(t, 5*time.Second, time.Since(start))

				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
				defer cancel()
				start = time.Now()
				_, err := newCache(t, world).Validate(ctx, keysURL+"?secret")
				require.EqualError(t, err, "jwks: validating "+keysURL+": context deadline exceeded")
				require.Equal(t, 2*time.Second, time.Since(start))
			})
		})
	}
}

func TestValidateNeitherUsesNorChangesWhatIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world := newNetwork(setOf(newJWK(t, "a")))
		cache := newCache(t, world)
		requireKeys(t, cache, keysURL, "a")
		world.fails(errDown)
		requireInvalid(t, cache, keysURL, jwks.ReasonUnreachable)
		world.serve(setOf())
		requireInvalid(t, cache, keysURL, jwks.ReasonNoKeys)
		world.serve(setOf(newJWK(t, "b")))
		report, err := cache.Validate(t.Context(), keysURL)
		require.NoError(t, err)
		require.Equal(t, []string{"b"}, kids(report.Keys))
		require.Equal(t, 4, world.count())
		requireKeys(t, cache, keysURL, "a")
		time.Sleep(10 * time.Minute)
		requireKeys(t, cache, keysURL, "b")
	})
}
