package portaloidc_test

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/portaloidc"
)

// FuzzFlow begins a sign-in with any page to return to, and ends it with any cookie.
// The page that the cookie carries is one of the portal, read as a browser reads it;
// and without the cookie that was set, as it was set, nobody gets as far as the
// provider. {cookie} stands for its value.
func FuzzFlow(f *testing.F) {
	const name = "__Host-clientele-oidc="
	for _, next := range []string{
		"/portal/clients?q=a%2Fb#x", "", "//evil.example.com/portal/", `/portal/\evil`, "/portal/..%2f..%2fadmin", "/portal/%2e%2e/admin", "/portal/;/../../x",
		"/portal/\t/evil", "/portal/oidc/sign-in", "/portal/%6fidc/sign-out", "/portal/./oidc/sign-in", "https:/portal/", "/portal/?next=//evil", "/portal/%zz", "/portal/" + strings.Repeat("x", 1015),
	} {
		f.Add(next, name+"{cookie}")
	}
	for _, cookie := range []string{
		"", name, name + "{cookie}=", name + "{cookie}A", "clientele-oidc={cookie}", name + "{cookie}; " + name + "{cookie}", name + `"{cookie}"`, name + "x{cookie}",
		name + strings.Repeat("A", 97), name + "{cookie};{cookie}", "a=b; " + name + "{cookie} ;c", strings.ToLower(name) + "{cookie}",
	} {
		f.Add("/portal/clients", cookie)
	}
	var w *world
	var mux *http.ServeMux
	f.Fuzz(func(t *testing.T, next, cookie string) {
		if w == nil {
			w = newWorld(t)
			cfg := w.config()
			cfg.Server = "https://auth.example.com"
			cfg.Client = &http.Client{Transport: known{`{"issuer":"` + cfg.Issuer + `","authorization_endpoint":"https://login.example.com/","token_endpoint":"https://login.example.com/t","jwks_uri":"https://login.example.com/k"}`}}
			h, err := portaloidc.New(cfg)
			require.NoError(t, err)
			mux = http.NewServeMux()
			h.Mount(mux)
		}
		r := httptest.NewRequest(http.MethodGet, "/portal/oidc/sign-in?next="+url.QueryEscape(next), nil)
		answer := httptest.NewRecorder()
		mux.ServeHTTP(answer, r)
		require.Equal(t, http.StatusSeeOther, answer.Code)
		to, err := answer.Result().Location()
		require.NoError(t, err)
		require.Equal(t, "login.example.com", to.Host)
		require.Len(t, answer.Result().Cookies(), 1)
		value := answer.Result().Cookies()[0].Value
		inside, err := base64.RawURLEncoding.DecodeString(value)
		require.NoError(t, err)
		page := string(inside[40 : len(inside)-32])
		require.True(t, strings.HasPrefix(browsed(page), "/portal/"), "%q leads to %q", next, page)
		require.False(t, strings.HasPrefix(browsed(page), "/portal/oidc/"), "%q leads to %q, in a circle", next, page)

		cookie = strings.ReplaceAll(cookie, "{cookie}", value)
		r = httptest.NewRequest(http.MethodGet, "/portal/oidc/callback?code=c&state="+to.Query().Get("state"), nil)
		r.Header["Cookie"] = []string{cookie}
		answer = httptest.NewRecorder()
		mux.ServeHTTP(answer, r)
		require.NotContains(t, answer.Header().Get("Set-Cookie"), value)
		switch answer.Code {
		case http.StatusBadRequest:
			require.NotEqual(t, name+value, cookie)
		case http.StatusServiceUnavailable: // the provider is asked, and is not there
			require.Regexp(t, name+`"?`+value+`"?\s*(;|$)`, cookie)
		default:
			t.Fatalf("%d: %s", answer.Code, answer.Body)
		}
	})
}

// known is a provider of which there is nothing but the metadata.
type known struct{ metadata string }

func (k known) RoundTrip(r *http.Request) (*http.Response, error) {
	answer := httptest.NewRecorder()
	if !strings.HasSuffix(r.URL.Path, "/.well-known/openid-configuration") {
		answer.WriteHeader(http.StatusBadGateway)
	}
	_, err := answer.WriteString(k.metadata)
	return answer.Result(), err
}

// browsed returns the path that a browser goes to, by the WHATWG's URL Standard: it
// drops tabs and line breaks, takes \ for /, and an escaped dot for a dot; "" if it
// leaves the host. What stands behind that and escapes a slash, a server may read so.
func browsed(to string) string {
	to = strings.NewReplacer("\t", "", "\n", "", "\r", "", `\`, "/").Replace(strings.TrimSpace(to))
	to, _, _ = strings.Cut(to, "#")
	to, _, _ = strings.Cut(to, "?")
	if !strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") {
		return ""
	}
	if plain, err := url.PathUnescape(to); err == nil {
		to = strings.ReplaceAll(plain, `\`, "/")
	}
	if strings.HasSuffix(to, "/") {
		return strings.TrimSuffix(path.Clean(to), "/") + "/"
	}
	return path.Clean(to)
}
