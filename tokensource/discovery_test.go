package tokensource_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/clientele-go/clientele/tokensource"
)

func byIssuer(issuer string) func(*tokensource.Config) {
	return func(cfg *tokensource.Config) { cfg.Issuer, cfg.TokenURL = issuer, "" }
}

// metadata answers with documents by URL, 404 where there is none, and with a
// token to a POST.
func metadata(documents map[string]string) *server {
	return &server{answer: func(n int, c call) *http.Response {
		if c.Method == http.MethodPost {
			return grant("token of "+c.URL.String(), time.Hour)
		}
		if body, ok := documents[c.URL.String()]; ok {
			return respond(200, body)
		}
		return respond(404, "")
	}}
}

func (s *server) urls() (urls []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.calls {
		urls = append(urls, c.Method+" "+c.URL.String())
	}
	return urls
}

func TestTheTokenEndpointIsFoundByTheMetadata(t *testing.T) {
	for _, c := range []struct {
		issuer string
		at     string
		asked  []string
	}{
		{"https://auth.example.com", "https://auth.example.com/.well-known/oauth-authorization-server", []string{
			"GET https://auth.example.com/.well-known/oauth-authorization-server"}},
		{"https://auth.example.com/tenant/a", "https://auth.example.com/.well-known/oauth-authorization-server/tenant/a", []string{
			"GET https://auth.example.com/.well-known/oauth-authorization-server/tenant/a"}},
		{"https://auth.example.com/tenant/", "https://auth.example.com/.well-known/oauth-authorization-server/tenant", []string{
			"GET https://auth.example.com/.well-known/oauth-authorization-server/tenant"}},
		{"https://auth.example.com/tenant", "https://auth.example.com/tenant/.well-known/openid-configuration", []string{
			"GET https://auth.example.com/.well-known/oauth-authorization-server/tenant",
			"GET https://auth.example.com/tenant/.well-known/openid-configuration"}},
		{"http://127.0.0.1:8080", "http://127.0.0.1:8080/.well-known/oauth-authorization-server", []string{
			"GET http://127.0.0.1:8080/.well-known/oauth-authorization-server"}},
	} {
		t.Run(c.issuer+" at "+c.at, func(t *testing.T) {
			endpoint := c.issuer + "/token?v=2"
			s := metadata(map[string]string{c.at: fmt.Sprintf(`{"issuer":%q,"token_endpoint":%q,"x":[1]}`, c.issuer, endpoint)})
			s.answer = func(answer func(int, call) *http.Response) func(int, call) *http.Response {
				return func(n int, c call) *http.Response {
					if c.Method == http.MethodPost {
						return grant("token", time.Hour)
					}
					return answer(n, c)
				}
			}(s.answer)
			require.Equal(t, "token", access(t, newSource(t, s, byIssuer(c.issuer))))
			require.Equal(t, append(c.asked, "POST "+endpoint), s.urls())
			require.Empty(t, s.call(1).Header.Get("Authorization"), "metadata is asked for without credentials")
		})
	}
}

func TestTheMetadataIsAskedForOnceUnlessTheEndpointFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		moved := false
		s := &server{answer: func(n int, c call) *http.Response {
			switch {
			case c.Method == http.MethodGet && !moved:
				return respond(200, `{"issuer":"`+issuer+`","token_endpoint":"`+issuer+`/old"}`)
			case c.Method == http.MethodGet:
				return respond(200, `{"issuer":"`+issuer+`","token_endpoint":"`+issuer+`/new"}`)
			case c.URL.Path == "/old" && moved:
				return respond(404, "")
			}
			return grant("token", time.Hour)
		}}
		source := newSource(t, s, byIssuer(issuer))
		for range 3 {
			access(t, source)
			time.Sleep(time.Hour)
		}
		require.Equal(t, 4, s.count())
		moved = true
		access(t, source)
		const well = "GET https://auth.example.com/.well-known/oauth-authorization-server"
		require.Equal(t, []string{
			well, "POST https://auth.example.com/old", "POST https://auth.example.com/old", "POST https://auth.example.com/old",
			"POST https://auth.example.com/old", well, "POST https://auth.example.com/new",
		}, s.urls())
	})
}

func TestAnEndpointThatFailedIsTriedOnWhileTheMetadataIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{answer: func(n int, c call) *http.Response {
			switch {
			case n == 1:
				return respond(200, `{"issuer":"`+issuer+`","token_endpoint":"`+tokenURL+`"}`)
			case c.Method == http.MethodGet:
				return nil
			case n == 3:
				return respond(503, "")
			}
			return grant("token", time.Hour)
		}}
		source := newSource(t, s, byIssuer(issuer))
		for range 2 {
			access(t, source)
			time.Sleep(time.Hour)
		}
		const well = "GET https://auth.example.com/.well-known/oauth-authorization-server"
		require.Equal(t, []string{well, "POST " + tokenURL, "POST " + tokenURL, well, "POST " + tokenURL}, s.urls())
	})
}

func TestMetadataThatIsRefused(t *testing.T) {
	const at = issuer + "/.well-known/oauth-authorization-server"
	for _, c := range []struct {
		name   string
		body   string
		passes bool
		want   string
	}{
		{"HTML", "<html>", true, "no metadata"},
		{"more than 1 MiB", `{"issuer":"` + issuer + `"}` + strings.Repeat(" ", 1<<20), true, "more than 1048576 bytes"},
		{"of another issuer", `{"issuer":"https://evil.example","token_endpoint":"https://evil.example/token"}`, false, `its issuer is "https://evil.example"`},
		{"of the issuer with a slash", `{"issuer":"` + issuer + `/","token_endpoint":"` + issuer + `/token"}`, false, "its issuer is"},
		{"of no issuer", `{"token_endpoint":"` + issuer + `/token"}`, false, `its issuer is ""`},
		{"an issuer twice", `{"issuer":"` + issuer + `","issuer":"` + issuer + `"}`, true, "a member twice"},
		{"no token_endpoint", `{"issuer":"` + issuer + `"}`, false, "token_endpoint: empty"},
		{"a token_endpoint by http", `{"issuer":"` + issuer + `","token_endpoint":"http://auth.example.com/token"}`, false, "token_endpoint: not https"},
		{"a token_endpoint by http to loopback, for an issuer by https", `{"issuer":"` + issuer + `","token_endpoint":"http://127.0.0.1/token"}`, false, "not https, while the issuer is"},
		{"a token_endpoint with user information", `{"issuer":"` + issuer + `","token_endpoint":"https://u:p@auth.example.com/token"}`, false, "user information"},
		{"a relative token_endpoint", `{"issuer":"` + issuer + `","token_endpoint":"/token"}`, false, "token_endpoint: not an https URL"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := metadata(map[string]string{at: c.body, issuer + "/.well-known/openid-configuration": c.body})
				_, err := newSource(t, s, byIssuer(issuer)).Token()
				require.ErrorContains(t, err, "tokensource: metadata at "+issuer)
				require.ErrorContains(t, err, c.want)
				require.Equal(t, c.passes, errorIs(err, tokensource.ErrUnavailable))
				for _, url := range s.urls() {
					require.True(t, strings.HasPrefix(url, "GET "), "no credential is sent anywhere")
				}
			})
		})
	}
	t.Run("there is none", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			_, err := newSource(t, metadata(nil), byIssuer(issuer)).Token()
			require.ErrorIs(t, err, tokensource.ErrUnavailable)
			var answer *oauth2.RetrieveError
			require.ErrorAs(t, err, &answer)
			require.Equal(t, 404, answer.Response.StatusCode)
		})
	})
	t.Run("a redirect", func(t *testing.T) {
		s := &server{answer: func(int, call) *http.Response { return respond(302, "", "Location: https://evil.example/") }}
		_, err := newSource(t, s, byIssuer(issuer)).Token()
		require.ErrorContains(t, err, "status 302")
		require.NotErrorIs(t, err, tokensource.ErrUnavailable)
		for _, url := range s.urls() {
			require.NotContains(t, url, "evil")
		}
	})
	t.Run("nobody is there", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &server{answer: func(int, call) *http.Response { return nil }}
			_, err := newSource(t, s, byIssuer(issuer)).Token()
			require.ErrorIs(t, err, errDown)
			require.Equal(t, 3, s.count(), "it is not asked at the other place")
		})
	})
}
