package verifier_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/clientele-go/clientele/internal/jws"
	"github.com/clientele-go/clientele/token/verifier"
	"github.com/stretchr/testify/require"
)

// whoami answers with what FromContext finds.
var whoami = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	claims, ok := verifier.FromContext(r.Context())
	_, _ = fmt.Fprintf(w, "%v %s", ok, claims.ClientID)
})

// call sends one request through a real server, with these Authorization
// headers.
func call(t *testing.T, h http.Handler, authorization ...string) *http.Response {
	t.Helper()
	server := httptest.NewServer(h)
	defer server.Close()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/orders", nil)
	require.NoError(t, err)
	req.Header["Authorization"] = authorization
	resp, err := server.Client().Do(req)
	require.NoError(t, err)
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	resp.Body = io.NopCloser(strings.NewReader(string(body)))
	return resp
}

func text(t *testing.T, resp *http.Response) string {
	t.Helper()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return string(body)
}

const resourceMetadata = `resource_metadata="https://api.example.com/.well-known/oauth-protected-resource"`

// TestMiddleware is SECURITY 61, 69, and the answers to all others of 61 to 70.
func TestMiddleware(t *testing.T) {
	k, c := newKey(t, "1", jws.ES256), newClock()
	var l log
	v := newVerifier(t, verifier.Config{Keys: &source{set: jwkSet(t, k)}, Now: c.Now, Resource: "https://api.example.com", Logger: l.logger()})
	token := k.token(t, good(c.Now()))
	scoped := func(scope string) []string {
		return []string{"Bearer " + k.token(t, good(c.Now(), with{"scope": scope}))}
	}
	expired := k.token(t, good(c.Now(), with{"exp": c.Now().Add(-time.Hour).Unix()}))
	realm := `Bearer realm="https://api.example.com", `
	none := realm + `scope="orders.read", ` + resourceMetadata
	invalid := realm + `error="invalid_token", error_description="The access token is not valid here.", scope="orders.read", ` + resourceMetadata
	lacking := realm + `error="insufficient_scope", error_description="The access token lacks a scope that this needs.", scope="orders.read", ` + resourceMetadata

	for name, c := range map[string]struct {
		authorization []string
		status        int
		challenge     string
		reason        string
	}{
		"a good token":                      {[]string{"Bearer " + token}, 200, "", ""},
		"61 bearer in lower case":           {[]string{"bearer " + token}, 200, "", ""},
		"61 bearer in upper case":           {[]string{"BEARER " + token}, 200, "", ""},
		"two spaces before the token":       {[]string{"Bearer  " + token}, 200, "", ""},
		"61 no header":                      {nil, 401, none, "no_token"},
		"61 an empty header":                {[]string{""}, 401, none, "no_token"},
		"61 Basic":                          {[]string{"Basic dXNlcjpwYXNz"}, 401, none, "no_token"},
		"61 Basic with a good token":        {[]string{"Basic " + token}, 401, none, "no_token"},
		"61 DPoP":                           {[]string{"DPoP " + token}, 401, none, "no_token"},
		"61 Bearer without a token":         {[]string{"Bearer"}, 401, none, "no_token"},
		"61 Bearer and spaces":              {[]string{"Bearer   "}, 401, none, "no_token"},
		"61 a token without a scheme":       {[]string{token}, 401, none, "no_token"},
		"61 Bearer with a tab":              {[]string{"Bearer\t" + token}, 401, none, "no_token"},
		"61 two headers":                    {[]string{"Bearer " + token, "Bearer " + token}, 400, realm + `error="invalid_request", error_description="There is more than one Authorization header.", scope="orders.read", ` + resourceMetadata, "repeated_header"},
		"61 two headers, one of them Basic": {[]string{"Basic dXNlcjpwYXNz", "Bearer " + token}, 400, realm + `error="invalid_request", error_description="There is more than one Authorization header.", scope="orders.read", ` + resourceMetadata, "repeated_header"},
		"61 two tokens in a header":         {[]string{"Bearer " + token + ", Bearer " + token}, 401, invalid, "malformed"},
		"61 500 KiB":                        {[]string{"Bearer " + strings.Repeat("a", 500<<10)}, 401, invalid, "malformed"},
		"62 no token at all":                {[]string{"Bearer token"}, 401, invalid, "malformed"},
		"62 alg none":                       {[]string{"Bearer " + k.sign(t, `{"alg":"none","typ":"at+jwt"}`, "{}")}, 401, invalid, "algorithm"},
		"63 for another audience":           {[]string{"Bearer " + k.token(t, good(c.Now(), with{"aud": "https://other.example.com"}))}, 401, invalid, "wrong_audience"},
		"63 of another issuer":              {[]string{"Bearer " + k.token(t, good(c.Now(), with{"iss": "https://evil.example"}))}, 401, invalid, "wrong_issuer"},
		"64 an assertion":                   {[]string{"Bearer " + k.sign(t, `{"alg":"ES256","typ":"client-authentication+jwt","kid":"1"}`, "{}")}, 401, invalid, "wrong_type"},
		"65 an expired token":               {[]string{"Bearer " + expired}, 401, realm + `error="invalid_token", error_description="The access token has expired.", scope="orders.read", ` + resourceMetadata, "expired"},
		"69 no scope":                       {scoped(""), 403, lacking, "insufficient_scope"},
		"69 another scope":                  {scoped("orders.write"), 403, lacking, "insufficient_scope"},
		"69 a scope that begins with ours":  {scoped("orders.read.all"), 403, lacking, "insufficient_scope"},
		"69 a scope that ours begins with":  {scoped("orders.rea orders"), 403, lacking, "insufficient_scope"},
		"69 our scope in another case":      {scoped("Orders.Read ORDERS.READ"), 403, lacking, "insufficient_scope"},
		"69 our scope with a tab behind":    {scoped("orders.read\t"), 403, lacking, "insufficient_scope"},
		"our scope among others":            {scoped("a orders.read z"), 200, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			l.mu.Lock()
			l.buf.Reset()
			l.mu.Unlock()
			resp := call(t, v.Require("orders.read")(whoami), c.authorization...)
			require.Equal(t, c.status, resp.StatusCode)
			if c.status == 200 {
				require.Equal(t, "true client-1", text(t, resp))
				require.Empty(t, resp.Header.Get("WWW-Authenticate"))
				require.Empty(t, l.String())
				return
			}
			require.Equal(t, []string{c.challenge}, resp.Header.Values("WWW-Authenticate"))
			require.Equal(t, "no-store", resp.Header.Get("Cache-Control"))
			require.Equal(t, "application/json", resp.Header.Get("Content-Type"))
			require.Equal(t, "nosniff", resp.Header.Get("X-Content-Type-Options"))
			var body struct{ Error, Error_description string }
			require.NoError(t, json.Unmarshal([]byte(text(t, resp)), &body))
			require.NotEmpty(t, body.Error)
			if strings.Contains(c.challenge, "error=") {
				require.Contains(t, c.challenge, fmt.Sprintf("error=%q, error_description=%q", body.Error, body.Error_description))
			}
			var line map[string]any
			require.NoError(t, json.Unmarshal([]byte(l.String()), &line), "one line")
			require.Equal(t, "access token refused", line["msg"])
			require.Equal(t, c.reason, line["reason"])
			require.Equal(t, float64(c.status), line["status"])
			require.Equal(t, "GET", line["method"])
			require.Equal(t, "/orders", line["path"])
			if c.status == 403 {
				require.Equal(t, "client-1", line["client_id"])
				require.Equal(t, "jti-1", line["jti"])
			} else {
				require.NotContains(t, line, "client_id", "nothing that was not verified")
			}
			for _, header := range c.authorization {
				for part := range strings.SplitSeq(header, ".") {
					require.True(t, len(part) < 20 || !strings.Contains(l.String(), part), "the log holds a part of the token")
				}
			}
		})
	}
}

func TestTokensElsewhereThanInTheHeaderDoNotCount(t *testing.T) {
	k, c := newKey(t, "1", jws.ES256), newClock()
	v := newVerifier(t, verifier.Config{Keys: &source{set: jwkSet(t, k)}, Now: c.Now})
	server := httptest.NewServer(v.Require()(whoami))
	defer server.Close()
	token := k.token(t, good(c.Now()))

	resp, err := server.Client().Get(server.URL + "/?access_token=" + token)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, 401, resp.StatusCode)
	require.NotContains(t, resp.Header.Get("WWW-Authenticate"), "error")

	resp, err = server.Client().PostForm(server.URL, url.Values{"access_token": {token}})
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, 401, resp.StatusCode)
	require.NotContains(t, resp.Header.Get("WWW-Authenticate"), "error")
}

func TestHeadersOfAMegabyteEndBeforeUs(t *testing.T) {
	k, c := newKey(t, "1", jws.ES256), newClock()
	v := newVerifier(t, verifier.Config{Keys: &source{set: jwkSet(t, k)}, Now: c.Now})
	resp := call(t, v.Require()(whoami), "Bearer "+strings.Repeat("a", 1<<20+1<<13))
	require.Equal(t, http.StatusRequestHeaderFieldsTooLarge, resp.StatusCode)

	w := httptest.NewRecorder() // where a server lets them through
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Authorization", "Bearer "+strings.Repeat("a", 1<<20))
	v.Require()(whoami).ServeHTTP(w, r)
	require.Equal(t, 401, w.Code)
}

func TestSeveralScopesAreAllNeeded(t *testing.T) {
	k, c := newKey(t, "1", jws.ES256), newClock()
	v := newVerifier(t, verifier.Config{Keys: &source{set: jwkSet(t, k)}, Now: c.Now})
	token := "Bearer " + k.token(t, good(c.Now(), with{"scope": "a b"}))
	require.Equal(t, 200, call(t, v.Require()(whoami), token).StatusCode)
	require.Equal(t, 200, call(t, v.Require("a")(whoami), token).StatusCode)
	require.Equal(t, 200, call(t, v.Require("a", "b")(whoami), token).StatusCode)
	resp := call(t, v.Require("a", "b", "c")(whoami), token)
	require.Equal(t, 403, resp.StatusCode)
	require.Contains(t, resp.Header.Get("WWW-Authenticate"), `scope="a b c"`)
	for _, scope := range []string{"", "a b", `a"b`, `a\b`, "a\n", "é", "a\x7f"} {
		require.Panics(t, func() { v.Require(scope) }, "%q", scope)
	}
}

func TestAnswersToHEADHaveNoBody(t *testing.T) {
	k, c := newKey(t, "1", jws.ES256), newClock()
	v := newVerifier(t, verifier.Config{Keys: &source{set: jwkSet(t, k)}, Now: c.Now})
	w := httptest.NewRecorder()
	v.Require()(whoami).ServeHTTP(w, httptest.NewRequest(http.MethodHead, "/", nil))
	require.Equal(t, 401, w.Code)
	require.Empty(t, w.Body.String())
}

// TestUnavailable is SECURITY 67: 503 with Retry-After, never 401.
func TestUnavailable(t *testing.T) {
	k, c := newKey(t, "1", jws.ES256), newClock()
	a := newAuthServer(t, "", k)
	id := a.id()
	a.Close()
	var l log
	v := newVerifier(t, verifier.Config{Issuer: id, Now: c.Now, Logger: l.logger()})
	for range 2 {
		resp := call(t, v.Require()(whoami), "Bearer "+k.token(t, good(c.Now(), with{"iss": id})))
		require.Equal(t, 503, resp.StatusCode)
		require.Equal(t, "1", resp.Header.Get("Retry-After"))
		require.Equal(t, "no-store", resp.Header.Get("Cache-Control"))
		require.Empty(t, resp.Header.Get("WWW-Authenticate"))
		require.Contains(t, text(t, resp), `"error":"temporarily_unavailable"`)
	}
	require.Contains(t, l.String(), `"level":"WARN","msg":"access token refused","reason":"unavailable","status":503`)

	resp := call(t, v.Require()(whoami), "Bearer "+k.token(t, good(c.Now(), with{"iss": "https://evil.example"})))
	require.Equal(t, 401, resp.StatusCode, "what is refused without keys is refused")
	resp = call(t, v.Require()(whoami), "Bearer "+k.sign(t, `{"alg":"none","typ":"at+jwt"}`, fmt.Sprintf(`{"iss":%q,"sub":"a","client_id":"a","aud":"a","jti":"a","exp":9999999999}`, id)))
	require.Equal(t, 401, resp.StatusCode)
}

func TestAnswersToWhatCheckSays(t *testing.T) {
	k, c := newKey(t, "1", jws.ES256), newClock()
	for name, want := range map[string]struct {
		err    error
		status int
		reason string
		level  string
	}{
		"revoked":                {errors.New("revoked"), 401, `"reason":"refused"`, `"level":"INFO"`},
		"invalid, in its words":  {fmt.Errorf("x: %w", verifier.ErrInvalidToken), 401, `"reason":"refused"`, `"level":"INFO"`},
		"the store is away":      {&verifier.UnavailableError{RetryAfter: 90500 * time.Millisecond}, 503, `"reason":"unavailable"`, `"level":"WARN"`},
		"the store is away, too": {fmt.Errorf("x: %w", verifier.ErrUnavailable), 503, `"reason":"unavailable"`, `"level":"WARN"`},
	} {
		t.Run(name, func(t *testing.T) {
			var l log
			v := newVerifier(t, verifier.Config{Keys: &source{set: jwkSet(t, k)}, Now: c.Now, Logger: l.logger(), Check: func(context.Context, *verifier.Claims) error { return want.err }})
			resp := call(t, v.Require()(whoami), "Bearer "+k.token(t, good(c.Now())))
			require.Equal(t, want.status, resp.StatusCode)
			require.Contains(t, l.String(), want.reason)
			require.Contains(t, l.String(), want.level)
			if name == "the store is away" {
				require.Equal(t, "91", resp.Header.Get("Retry-After"))
			}
		})
	}
	t.Run("the caller has left", func(t *testing.T) {
		var l log
		v := newVerifier(t, verifier.Config{Keys: &source{set: jwkSet(t, k)}, Now: c.Now, Logger: l.logger(), Check: func(ctx context.Context, _ *verifier.Claims) error { return ctx.Err() }})
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		r := httptest.NewRequest(http.MethodGet, "/", nil).WithContext(ctx)
		r.Header.Set("Authorization", "Bearer "+k.token(t, good(c.Now())))
		w := httptest.NewRecorder()
		v.Require()(whoami).ServeHTTP(w, r)
		require.Equal(t, 503, w.Code)
		require.Contains(t, l.String(), `"level":"DEBUG"`)
	})
}

func TestFromContext(t *testing.T) {
	claims, ok := verifier.FromContext(t.Context())
	require.False(t, ok)
	require.Nil(t, claims)
	given := &verifier.Claims{ClientID: "a"}
	claims, ok = verifier.FromContext(verifier.NewContext(t.Context(), given))
	require.True(t, ok)
	require.Same(t, given, claims)
}

func TestChallengesOfPlainConfigurations(t *testing.T) {
	for name, c := range map[string]struct {
		cfg       verifier.Config
		challenge string
	}{
		"nothing said":                   {verifier.Config{}, `Bearer realm="https://api.example.com"`},
		"a realm":                        {verifier.Config{Realm: "Orders, and more"}, `Bearer realm="Orders, and more"`},
		"an audience that is no realm":   {verifier.Config{Audience: `urn:"é"`}, `Bearer`},
		"a resource with a path":         {verifier.Config{Resource: "https://api.example.com/orders/v1"}, `Bearer realm="https://api.example.com", resource_metadata="https://api.example.com/.well-known/oauth-protected-resource/orders/v1"`},
		"a resource with a slash behind": {verifier.Config{Resource: "https://api.example.com/"}, `Bearer realm="https://api.example.com", resource_metadata="https://api.example.com/.well-known/oauth-protected-resource"`},
	} {
		t.Run(name, func(t *testing.T) {
			v := newVerifier(t, c.cfg)
			w := httptest.NewRecorder()
			v.Require()(whoami).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://evil.example/", nil))
			require.Equal(t, c.challenge, w.Header().Get("WWW-Authenticate"))
			require.NotContains(t, fmt.Sprint(w.Header()), "evil", "the Host header shapes nothing")
		})
	}
}

func TestProtectedResource(t *testing.T) {
	v := newVerifier(t, verifier.Config{
		Issuers: []string{"https://second.example.com/tenant"}, Resource: "https://api.example.com/orders", Scopes: []string{"orders.read", "orders.write"},
	})
	mux := http.NewServeMux()
	mux.Handle(v.ProtectedResource())
	server := httptest.NewServer(mux)
	defer server.Close()
	resp, err := server.Client().Get(server.URL + "/.well-known/oauth-protected-resource/orders")
	require.NoError(t, err)
	require.Equal(t, 200, resp.StatusCode)
	require.Equal(t, "application/json", resp.Header.Get("Content-Type"))
	require.Equal(t, "public, max-age=3600", resp.Header.Get("Cache-Control"))
	require.JSONEq(t, `{
		"resource": "https://api.example.com/orders",
		"authorization_servers": ["https://auth.example.com", "https://second.example.com/tenant"],
		"scopes_supported": ["orders.read", "orders.write"],
		"bearer_methods_supported": ["header"]
	}`, text(t, resp))
	require.NoError(t, resp.Body.Close())

	resp, err = server.Client().Post(server.URL+"/.well-known/oauth-protected-resource/orders", "text/plain", nil)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, 405, resp.StatusCode)
	require.Equal(t, "GET, HEAD", resp.Header.Get("Allow"))

	pattern, handler := newVerifier(t, verifier.Config{}).ProtectedResource()
	require.Equal(t, "/.well-known/oauth-protected-resource", pattern)
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, pattern, nil))
	require.Equal(t, 404, w.Code)
}
