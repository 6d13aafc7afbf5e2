package verifier_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/clientele-go/clientele/internal/jws"
	"github.com/clientele-go/clientele/token/verifier"
	"github.com/stretchr/testify/require"
)

// check verifies a token of the issuer by k.
func check(t *testing.T, v *verifier.Verifier, c *clock, issuer string, k key) error {
	t.Helper()
	token := k.token(t, good(c.Now(), with{"iss": issuer}))
	_, err := v.Verify(t.Context(), token)
	if err != nil {
		require.NotContains(t, err.Error(), token)
	}
	return err
}

func TestDiscovery(t *testing.T) {
	for name, c := range map[string]struct {
		path   string
		openid bool
	}{
		"RFC 8414, an issuer without a path":            {"", false},
		"RFC 8414, before the path of the issuer":       {"/tenant/a", false},
		"OpenID Connect, an issuer without a path":      {"", true},
		"OpenID Connect, behind the path of the issuer": {"/tenant/a", true},
	} {
		t.Run(name, func(t *testing.T) {
			k, clock := newKey(t, "1", jws.ES256), newClock()
			a := newAuthServer(t, c.path, k)
			a.openid = c.openid
			v := newVerifier(t, verifier.Config{Issuer: a.id(), Now: clock.Now})
			require.NoError(t, check(t, v, clock, a.id(), k))
			require.NoError(t, check(t, v, clock, a.id(), k))
			require.Equal(t, 1, a.asked(c.path+"/jwks"))
		})
	}
	t.Run("an issuer with a slash behind", func(t *testing.T) {
		k, clock := newKey(t, "1", jws.ES256), newClock()
		a := newAuthServer(t, "", k)
		a.answerMetadata(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":%q}`, a.URL+"/", a.URL+"/jwks")
		})
		v := newVerifier(t, verifier.Config{Issuer: a.URL + "/", Now: clock.Now})
		require.NoError(t, check(t, v, clock, a.URL+"/", k))
	})
}

func TestMetadataOfAnotherIssuerIsPassedOver(t *testing.T) {
	k, clock := newKey(t, "1", jws.ES256), newClock()
	a := newAuthServer(t, "/tenant", k)
	handler := a.Config.Handler
	a.openid = true
	a.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/.well-known/") { // whatever follows
			_, _ = fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":%q}`, a.URL, a.URL+"/evil")
			return
		}
		handler.ServeHTTP(w, r)
	})
	v := newVerifier(t, verifier.Config{Issuer: a.id(), Now: clock.Now})
	require.NoError(t, check(t, v, clock, a.id(), k))
	require.Zero(t, a.asked("/evil"))
}

func TestWhatElseStandsInOnePlaceIsPassedOver(t *testing.T) {
	k := newKey(t, "1", jws.ES256)
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		ok     bool
	}{
		"a redirect to a page to sign in": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://login.example/", http.StatusFound)
		}, true},
		"a page of an error": {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") }, true},
		"a page without end": {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 1<<20+1)) }, true},
		"a page that was compressed unasked": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "br")
			_, _ = w.Write([]byte{1})
		}, true},
		"an answer that broke off is one of the network": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "9999")
			_, _ = io.WriteString(w, "{")
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			a, clock := newAuthServer(t, "/tenant", k), newClock()
			a.openid = true
			handler := a.Config.Handler
			a.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if strings.HasPrefix(r.URL.Path, "/.well-known/") {
					c.answer(w, r)
					return
				}
				handler.ServeHTTP(w, r)
			})
			v := newVerifier(t, verifier.Config{Issuer: a.id(), Now: clock.Now})
			err := check(t, v, clock, a.id(), k)
			if c.ok {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, io.ErrUnexpectedEOF)
			require.Zero(t, a.asked("/tenant/.well-known/openid-configuration"))
		})
	}
}

func TestErrorsSayWhereKeysAreButNotTheirQuery(t *testing.T) {
	k, clock := newKey(t, "1", jws.ES256), newClock()
	a := newAuthServer(t, "", k)
	a.answerMetadata(func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(with{"issuer": a.id(), "jwks_uri": a.id() + "/elsewhere?key=secret"})
	})
	err := check(t, newVerifier(t, verifier.Config{Issuer: a.id(), Now: clock.Now}), clock, a.id(), k)
	require.ErrorContains(t, err, "JWK Set at "+a.id()+"/elsewhere: status 404")
	require.NotContains(t, err.Error(), "secret")
}

func TestEndlessAnswersAreCutOff(t *testing.T) {
	k, clock := newKey(t, "1", jws.ES256), newClock()
	a := newAuthServer(t, "", k)
	written := make(chan int, 1)
	a.answerKeys(func(w http.ResponseWriter, r *http.Request) {
		n := 0
		for err := error(nil); err == nil && n < 1<<30; n += 1 << 16 {
			_, err = w.Write(make([]byte, 1<<16))
		}
		written <- n
	})
	v := newVerifier(t, verifier.Config{Issuer: a.id(), Now: clock.Now})
	require.ErrorContains(t, check(t, v, clock, a.id(), k), "answer too large: more than 1048576 bytes")
	require.Less(t, <-written, 64<<20)
}

func TestMetadataThatIsRefused(t *testing.T) {
	k := newKey(t, "1", jws.ES256)
	answer := func(status int, body string) func(*authServer) http.HandlerFunc {
		return func(*authServer) http.HandlerFunc {
			return func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(status)
				_, _ = io.WriteString(w, body)
			}
		}
	}
	metadata := func(format string) func(*authServer) http.HandlerFunc {
		return func(a *authServer) http.HandlerFunc {
			body := strings.ReplaceAll(format, "ISSUER", a.id())
			return answer(http.StatusOK, body)(a)
		}
	}
	for name, c := range map[string]struct {
		answer func(*authServer) http.HandlerFunc
		text   string
	}{
		"70 another issuer":              {metadata(`{"issuer":"https://evil.example","jwks_uri":"ISSUER/jwks"}`), "not the issuer that was asked for"},
		"70 an issuer with a slash":      {metadata(`{"issuer":"ISSUER/","jwks_uri":"ISSUER/jwks"}`), "not the issuer that was asked for"},
		"70 no issuer":                   {metadata(`{"jwks_uri":"ISSUER/jwks"}`), "not the issuer that was asked for"},
		"70 an issuer that is a list":    {metadata(`{"issuer":["ISSUER"],"jwks_uri":"ISSUER/jwks"}`), "not the issuer that was asked for"},
		"the issuer twice":               {metadata(`{"issuer":"https://evil.example","issuer":"ISSUER","jwks_uri":"ISSUER/jwks"}`), "a member twice"},
		"no jwks_uri":                    {metadata(`{"issuer":"ISSUER"}`), "jwks_uri: empty"},
		"a relative jwks_uri":            {metadata(`{"issuer":"ISSUER","jwks_uri":"/jwks"}`), "jwks_uri: not an https URL"},
		"a jwks_uri that is a file":      {metadata(`{"issuer":"ISSUER","jwks_uri":"file:///etc/passwd"}`), "jwks_uri: not an https URL"},
		"a jwks_uri by ftp":              {metadata(`{"issuer":"ISSUER","jwks_uri":"ftp://127.0.0.1/jwks"}`), "jwks_uri: not an https URL"},
		"a jwks_uri by http to a host":   {metadata(`{"issuer":"ISSUER","jwks_uri":"http://keys.example.com/jwks"}`), "jwks_uri: not https"},
		"a jwks_uri with a password":     {metadata(`{"issuer":"ISSUER","jwks_uri":"https://a:b@keys.example.com/jwks"}`), "jwks_uri: user information"},
		"a jwks_uri that does not parse": {metadata(`{"issuer":"ISSUER","jwks_uri":"http://%zz"}`), "jwks_uri: not a URL"},
		"HTML":                           {answer(http.StatusOK, "<html>"), "no object"},
		"nothing":                        {answer(http.StatusNoContent, ""), "status 204"},
		"not found":                      {answer(http.StatusNotFound, "{}"), "status 404"},
		"an error":                       {answer(http.StatusInternalServerError, "{}"), "status 500"},
		"unauthorized":                   {answer(http.StatusUnauthorized, "{}"), "status 401"},
		"more than 1 MiB":                {answer(http.StatusOK, `{"issuer":"`+strings.Repeat("x", 1<<20)+`"}`), "more than 1048576 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			a, clock := newAuthServer(t, "", k), newClock()
			a.answerMetadata(c.answer(a))
			v := newVerifier(t, verifier.Config{Issuer: a.id(), Now: clock.Now})
			err := check(t, v, clock, a.id(), k)
			require.ErrorIs(t, err, verifier.ErrUnavailable)
			require.ErrorContains(t, err, c.text)
			require.Zero(t, a.asked("/jwks"))

			a.answerMetadata(nil)
			clock.add(time.Minute)
			require.NoError(t, check(t, v, clock, a.id(), k), "it recovers")
		})
	}
	t.Run("https alone, from an https issuer", func(t *testing.T) {
		k, clock := newKey(t, "1", jws.ES256), newClock()
		keys := newAuthServer(t, "", k)
		var a *httptest.Server
		a = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_ = json.NewEncoder(w).Encode(with{"issuer": a.URL, "jwks_uri": keys.URL + "/jwks"})
		}))
		defer a.Close()
		v := newVerifier(t, verifier.Config{Issuer: a.URL, Now: clock.Now, HTTPClient: a.Client()})
		err := check(t, v, clock, a.URL, k)
		require.ErrorContains(t, err, "jwks_uri: not https, while the issuer is")
	})
}

func TestTLS(t *testing.T) {
	k, clock := newKey(t, "1", jws.ES256), newClock()
	a := &authServer{requests: map[string]int{}}
	a.serveKeys(jwkSet(t, k), "")
	a.Server = httptest.NewTLSServer(a)
	defer a.Close()
	v := newVerifier(t, verifier.Config{Issuer: a.id(), Now: clock.Now, HTTPClient: a.Client()})
	require.NoError(t, check(t, v, clock, a.id(), k))

	v = newVerifier(t, verifier.Config{Issuer: a.id(), Now: clock.Now})
	err := check(t, v, clock, a.id(), k)
	require.ErrorIs(t, err, verifier.ErrUnavailable, "its certificate is by an unknown authority")
	require.ErrorContains(t, err, "certificate")
}

func TestRedirects(t *testing.T) {
	k := newKey(t, "1", jws.ES256)
	other := newAuthServer(t, "", k)
	for name, c := range map[string]struct {
		to func(a *authServer, r *http.Request) string
		ok bool
	}{
		"within the host": {func(*authServer, *http.Request) string { return "/moved" }, true},
		"to another host": {func(*authServer, *http.Request) string { return other.URL + "/jwks" }, false},
		"to another scheme": {func(a *authServer, _ *http.Request) string {
			return strings.Replace(a.URL, "http:", "https:", 1) + "/moved"
		}, false},
		"in a loop":          {func(*authServer, *http.Request) string { return "/jwks" }, false},
		"in a chain":         {func(_ *authServer, r *http.Request) string { return "/jwks?" + r.URL.RawQuery + "x" }, false},
		"to a metadata addr": {func(*authServer, *http.Request) string { return "http://169.254.169.254/latest" }, false},
	} {
		t.Run(name, func(t *testing.T) {
			a, clock := newAuthServer(t, "", k), newClock()
			a.answerKeys(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, c.to(a, r), http.StatusFound) })
			handler := a.Config.Handler
			a.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/moved" {
					_, _ = w.Write(jwkSet(t, k))
					return
				}
				handler.ServeHTTP(w, r)
			})
			// http.Client follows ten redirects to wherever they lead.
			for asked, client := range []*http.Client{nil, {Transport: new(http.Transport)}} {
				v := newVerifier(t, verifier.Config{Issuer: a.id(), Now: clock.Now, HTTPClient: client})
				err := check(t, v, clock, a.id(), k)
				if c.ok {
					require.NoError(t, err)
					continue
				}
				require.ErrorIs(t, err, verifier.ErrUnavailable)
				require.ErrorContains(t, err, "redirect not followed")
				require.Zero(t, other.asked("/jwks"))
				require.LessOrEqual(t, a.asked("/jwks"), 4*(asked+1))
			}
		})
	}
}

// TestKeysOnTheNetworkBreak is SECURITY 67: what the network can do to a set of
// keys leaves the last good ones in force.
func TestKeysOnTheNetworkBreak(t *testing.T) {
	k := newKey(t, "1", jws.ES256)
	for name, broken := range map[string]http.HandlerFunc{
		"an error":     func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
		"no content":   func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) },
		"HTML":         func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") },
		"an empty set": func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"keys":[]}`) },
		"cut off": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "9999")
			_, _ = io.WriteString(w, `{"keys"`)
		},
		"more than 1 MiB": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 1<<20+1)) },
		"hung up":         func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			a, clock := newAuthServer(t, "", k), newClock()
			var l log
			v := newVerifier(t, verifier.Config{Issuer: a.id(), Now: clock.Now, Logger: l.logger()})
			require.NoError(t, check(t, v, clock, a.id(), k))
			a.answerKeys(broken)
			clock.add(time.Hour)
			require.NoError(t, check(t, v, clock, a.id(), k))
			require.Greater(t, a.asked("/jwks"), 1)
			require.Contains(t, l.String(), "keys of the issuer not fetched")
			require.Contains(t, l.String(), `"serving":true`)

			next := newKey(t, "2", jws.ES256)
			a.serveKeys(jwkSet(t, next), "")
			clock.add(time.Minute)
			require.NoError(t, check(t, v, clock, a.id(), next), "the first good set counts again")
			refused(t, check(t, v, clock, a.id(), k), verifier.ReasonUnknownKey, "")
		})
	}
}

func TestKeysThatMove(t *testing.T) {
	k, next, clock := newKey(t, "1", jws.ES256), newKey(t, "2", jws.ES256), newClock()
	a := newAuthServer(t, "", k)
	elsewhere := newAuthServer(t, "/elsewhere", next)
	v := newVerifier(t, verifier.Config{Issuer: a.id(), Now: clock.Now})
	require.NoError(t, check(t, v, clock, a.id(), k))
	a.answerMetadata(func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(with{"issuer": a.id(), "jwks_uri": elsewhere.id() + "/jwks"})
	})
	clock.add(30 * time.Minute)
	require.NoError(t, check(t, v, clock, a.id(), k), "metadata is not asked for each time")
	a.answerKeys(http.NotFound)
	clock.add(10 * time.Minute)
	require.NoError(t, check(t, v, clock, a.id(), k), "the last good keys")
	clock.add(time.Minute)
	require.NoError(t, check(t, v, clock, a.id(), next), "the metadata says where they are now")
}

func TestCacheControl(t *testing.T) {
	for name, c := range map[string]struct {
		headers http.Header
		fresh   time.Duration
	}{
		"none":              {http.Header{}, 10 * time.Minute},
		"max-age":           {http.Header{"Cache-Control": {"public, max-age=1800"}}, 30 * time.Minute},
		"a short max-age":   {http.Header{"Cache-Control": {"max-age=1"}}, time.Minute},
		"a max-age of zero": {http.Header{"Cache-Control": {"max-age=0"}}, time.Minute},
		"a long max-age":    {http.Header{"Cache-Control": {"max-age=86400"}}, time.Hour},
		"no-store":          {http.Header{"Cache-Control": {"no-store"}}, time.Minute},
		"an age":            {http.Header{"Cache-Control": {"max-age=1800"}, "Age": {"600"}}, 20 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			k, clock := newKey(t, "1", jws.ES256), newClock()
			a := newAuthServer(t, "", k)
			a.answerKeys(func(w http.ResponseWriter, _ *http.Request) {
				for name, values := range c.headers {
					w.Header()[name] = values
				}
				_, _ = w.Write(jwkSet(t, k))
			})
			v := newVerifier(t, verifier.Config{Issuer: a.id(), Now: clock.Now})
			require.NoError(t, check(t, v, clock, a.id(), k))
			clock.add(c.fresh*4/5 - 1)
			require.NoError(t, check(t, v, clock, a.id(), k))
			require.Equal(t, 1, a.asked("/jwks"))
			clock.add(c.fresh/5 + 1) // stale, so that it is waited for
			require.NoError(t, check(t, v, clock, a.id(), k))
			require.Equal(t, 2, a.asked("/jwks"))
		})
	}
}
