package tokensource_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/tokensource"
)

const (
	apiURL       = "https://api.example.com/orders"
	invalidToken = `WWW-Authenticate: Bearer realm="api", error="invalid_token", error_description="expired"`
)

func hosts(names ...string) func(*tokensource.Config) {
	return func(cfg *tokensource.Config) { cfg.Hosts = names }
}

// send sends a request and reads the answer.
func send(t testing.TB, client *http.Client, req *http.Request) (status int, body string) {
	t.Helper()
	resp, err := client.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(data)
}

func newRequest(t testing.TB, method, url string, body io.Reader) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, body)
	require.NoError(t, err)
	return req
}

// refusing is an API that takes the tokens of good alone, and echoes the body.
func refusing(good ...string) *server {
	return &server{answer: func(_ int, c call) *http.Response {
		for _, token := range good {
			if c.Header.Get("Authorization") == "Bearer "+token {
				return respond(200, c.form.Get("body"))
			}
		}
		return respond(401, "refused", invalidToken)
	}}
}

func TestTransportSendsTheTokenAndLeavesTheRequestAsItIs(t *testing.T) {
	api := refusing("token-1")
	source := newSource(t, &server{answer: granting(time.Hour)}, hosts("api.example.com"))
	client := &http.Client{Transport: source.Transport(api)}
	req := newRequest(t, http.MethodGet, apiURL, nil)
	req.Header.Set("X-Mine", "1")
	status, _ := send(t, client, req)
	require.Equal(t, 200, status)
	require.Equal(t, http.Header{"X-Mine": {"1"}}, req.Header)
	require.Equal(t, "1", api.call(1).Header.Get("X-Mine"))
}

func TestAnAnswerDoesNotShowTheToken(t *testing.T) {
	for _, good := range []string{"token-1", "token-2", "none"} { // at once, repeated, refused
		source := newSource(t, &server{answer: granting(time.Hour)}, hosts("api.example.com"))
		req := newRequest(t, http.MethodGet, apiURL, nil)
		resp, err := (&http.Client{Transport: source.Transport(refusing(good))}).Do(req)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Same(t, req, resp.Request)
		require.NotContains(t, fmt.Sprintf("%+v", *resp.Request), "token-")
	}
}

func TestTransportSendsTheTokenToItsHostsOnly(t *testing.T) {
	for _, c := range []struct {
		hosts []string
		url   string
		sent  bool
	}{
		{[]string{"api.example.com"}, "https://api.example.com/orders", true},
		{[]string{"api.example.com"}, "https://API.example.COM:443/orders", true},
		{[]string{"API.Example.com:443"}, "https://api.example.com/orders", true},
		{[]string{"https://api.example.com/v1/"}, "https://api.example.com/v2", true},
		{[]string{"other.example.com", "api.example.com:8443"}, "https://api.example.com:8443/", true},
		{[]string{"http://127.0.0.1:8080"}, "http://127.0.0.1:8080/", true},
		{[]string{"http://localhost"}, "http://localhost:80/", true},
		{[]string{"http://[::1]:8080"}, "http://[::1]:8080/", true},

		{[]string{"api.example.com"}, "https://api.example.com:8443/", false},
		{[]string{"api.example.com"}, "http://api.example.com/", false},
		{[]string{"api.example.com"}, "http://api.example.com:443/", false},
		{[]string{"api.example.com"}, "https://example.com/", false},
		{[]string{"api.example.com"}, "https://v1.api.example.com/", false},
		{[]string{"api.example.com"}, "https://api.example.com.evil.example/", false},
		{[]string{"api.example.com"}, "https://api.example.com@evil.example/", false},
		{[]string{"api.example.com"}, "https://evil.example/?https://api.example.com/", false},
		{[]string{"localhost"}, "http://localhost/", false},
		{nil, "https://api.example.com/", false},
	} {
		t.Run(fmt.Sprint(c.hosts, " and ", c.url), func(t *testing.T) {
			api := &server{answer: func(int, call) *http.Response { return respond(200, "") }}
			s := &server{answer: granting(time.Hour)}
			client := &http.Client{Transport: newSource(t, s, hosts(c.hosts...)).Transport(api)}
			body := &closing{Reader: strings.NewReader("a=b")}
			resp, err := client.Do(newRequest(t, http.MethodPost, c.url, body))
			if c.sent {
				require.NoError(t, err)
				require.NoError(t, resp.Body.Close())
				require.Equal(t, "Bearer token-1", api.call(1).Header.Get("Authorization"))
				return
			}
			require.ErrorContains(t, err, "none of Config.Hosts")
			require.NotContains(t, err.Error(), "token-1")
			require.Zero(t, api.count())
			require.Zero(t, s.count())
			require.True(t, body.closed.Load())
		})
	}
	t.Run("which are those of audience and resource by default", func(t *testing.T) {
		api := &server{answer: func(int, call) *http.Response { return respond(200, "") }}
		source := newSource(t, &server{answer: granting(time.Hour)}, func(cfg *tokensource.Config) {
			cfg.Audience, cfg.Resource = "https://api.example.com/v1", "https://res.example.com:8443/"
		})
		client := &http.Client{Transport: source.Transport(api)}
		for _, url := range []string{apiURL, "https://res.example.com:8443/x"} {
			status, _ := send(t, client, newRequest(t, http.MethodGet, url, nil))
			require.Equal(t, 200, status)
		}
		_, err := client.Get("https://res.example.com/") //nolint:bodyclose // there is none
		require.ErrorContains(t, err, "none of Config.Hosts")
	})
	t.Run("and not those of an audience that is no URL to send it to", func(t *testing.T) {
		for _, audience := range []string{"api.example.com", "http://api.example.com", "urn:api"} {
			source := newSource(t, &server{answer: granting(time.Hour)}, func(cfg *tokensource.Config) { cfg.Audience = audience })
			for _, url := range []string{"https://api.example.com/", "http://api.example.com/"} {
				_, err := (&http.Client{Transport: source.Transport(&server{})}).Get(url) //nolint:bodyclose // there is none
				require.ErrorContains(t, err, "none of Config.Hosts")
			}
		}
	})
}

type closing struct {
	io.Reader
	closed atomic.Bool
}

func (c *closing) Close() error { c.closed.Store(true); return nil }

func TestARedirectTakesNoTokenToAnotherHost(t *testing.T) {
	api := &server{answer: func(n int, c call) *http.Response {
		switch c.URL.String() {
		case apiURL:
			return respond(307, "", "Location: https://cdn.example.net/orders")
		case "https://cdn.example.net/orders":
			return respond(302, "", "Location: http://api.example.com/orders")
		case "http://api.example.com/orders":
			return respond(302, "", "Location: https://api.example.com/here")
		}
		return respond(200, "here")
	}}
	source := newSource(t, &server{answer: granting(time.Hour)}, hosts("api.example.com"))
	status, body := send(t, &http.Client{Transport: source.Transport(api)}, newRequest(t, http.MethodGet, apiURL, nil))
	require.Equal(t, 200, status)
	require.Equal(t, "here", body)
	var sent []string
	for n := 1; n <= 4; n++ {
		sent = append(sent, api.call(n).Header.Get("Authorization"))
	}
	require.Equal(t, []string{"Bearer token-1", "", "", "Bearer token-1"}, sent)
}

func TestOnInvalidTokenTheRequestIsRepeatedOnceWithANewToken(t *testing.T) {
	for _, c := range []struct {
		name     string
		method   string
		body     func() io.Reader
		repeated bool
	}{
		{"GET", http.MethodGet, func() io.Reader { return nil }, true},
		{"POST without a body", http.MethodPost, func() io.Reader { return http.NoBody }, true},
		{"POST of what can be read again", http.MethodPost, func() io.Reader { return strings.NewReader("body=hello") }, true},
		{"POST of bytes", http.MethodPost, func() io.Reader { return bytes.NewBufferString("body=hello") }, true},
		{"POST of a stream", http.MethodPost, func() io.Reader { return io.MultiReader(strings.NewReader("body=hello")) }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			api, s := refusing("token-2"), &server{answer: granting(time.Hour)}
			source := newSource(t, s, hosts("api.example.com"))
			require.Equal(t, "token-1", access(t, source))
			client := &http.Client{Transport: source.Transport(api)}
			status, body := send(t, client, newRequest(t, c.method, apiURL, c.body()))
			if !c.repeated {
				require.Equal(t, 401, status)
				require.Equal(t, "refused", body)
				require.Equal(t, 1, api.count())
				require.Equal(t, "token-2", access(t, source), "the refused token is gone all the same")
				return
			}
			require.Equal(t, 200, status)
			require.Equal(t, 2, api.count())
			require.Equal(t, 2, s.count())
			if strings.HasPrefix(c.name, "POST of") {
				require.Equal(t, "hello", body)
			}
		})
	}
	t.Run("not twice", func(t *testing.T) {
		api, s := refusing(), &server{answer: granting(time.Hour)}
		client := &http.Client{Transport: newSource(t, s, hosts("api.example.com")).Transport(api)}
		status, body := send(t, client, newRequest(t, http.MethodGet, apiURL, nil))
		require.Equal(t, 401, status)
		require.Equal(t, "refused", body)
		require.Equal(t, 2, api.count())
		require.Equal(t, 2, s.count())
	})
	t.Run("not if there is no new token, and then the refusal can still be read", func(t *testing.T) {
		api := refusing("token-2")
		s := &server{answer: func(n int, _ call) *http.Response {
			if n > 1 {
				return respond(400, `{"error":"invalid_scope"}`)
			}
			return grant("token-1", time.Hour)
		}}
		source := newSource(t, s, hosts("api.example.com"))
		status, body := send(t, &http.Client{Transport: source.Transport(api)}, newRequest(t, http.MethodGet, apiURL, nil))
		require.Equal(t, 401, status)
		require.Equal(t, "refused", body)
		_, err := source.Token()
		require.ErrorContains(t, err, "invalid_scope")
	})
	t.Run("not if the body can't be had again after all", func(t *testing.T) {
		api := refusing("token-2")
		source := newSource(t, &server{answer: granting(time.Hour)}, hosts("api.example.com"))
		req := newRequest(t, http.MethodPost, apiURL, strings.NewReader("a=b"))
		req.GetBody = func() (io.ReadCloser, error) { return nil, errors.New("gone") }
		status, body := send(t, &http.Client{Transport: source.Transport(api)}, req)
		require.Equal(t, 401, status)
		require.Equal(t, "refused", body)
	})
}

func TestOnlyInvalidTokenInABearerChallengeDropsTheToken(t *testing.T) {
	for _, c := range []struct {
		name    string
		status  int
		headers []string
		drops   bool
	}{
		{"as RFC 6750 has it", 401, []string{invalidToken}, true},
		{"as a token", 401, []string{"WWW-Authenticate: bearer ERROR=invalid_token"}, true},
		{"in a second header", 401, []string{`WWW-Authenticate: Basic realm="x"`, invalidToken}, true},
		{"behind another challenge", 401, []string{`WWW-Authenticate: Basic realm="a, b", charset="UTF-8", Bearer error="invalid_token"`}, true},
		{"before another challenge", 401, []string{`WWW-Authenticate: Bearer error="invalid_token", DPoP algs="ES256"`}, true},
		{"behind a token68", 401, []string{`WWW-Authenticate: Negotiate a87421000492aa874209af8bc028==, Bearer error="invalid_token"`}, true},
		{"behind a token68 with one sign", 401, []string{`WWW-Authenticate: Negotiate abc=, Bearer error="invalid_token"`}, true},
		{"behind a scheme alone", 401, []string{`WWW-Authenticate: Negotiate, Bearer error="invalid_token"`}, true},
		{"with spaces", 401, []string{`WWW-Authenticate:  ,, Bearer  realm = "x" ,  error  =  "invalid_token"`}, true},
		{"with escapes", 401, []string{`WWW-Authenticate: Bearer realm="\"", error="invalid\_token"`}, true},
		{"403", 403, []string{invalidToken}, false},
		{"400", 400, []string{invalidToken}, false},
		{"no challenge", 401, nil, false},
		{"no error", 401, []string{`WWW-Authenticate: Bearer realm="api"`}, false},
		{"another error", 401, []string{`WWW-Authenticate: Bearer error="insufficient_scope"`}, false},
		{"another case", 401, []string{`WWW-Authenticate: Bearer error="Invalid_Token"`}, false},
		{"another scheme", 401, []string{`WWW-Authenticate: DPoP error="invalid_token"`}, false},
		{"in the realm of another scheme", 401, []string{`WWW-Authenticate: Basic realm="Bearer error=\"invalid_token\""`}, false},
		{"in its own realm", 401, []string{`WWW-Authenticate: Bearer realm="x, error=invalid_token"`}, false},
		{"as part of a name", 401, []string{`WWW-Authenticate: Bearer my_error="invalid_token"`}, false},
		{"as part of a scheme", 401, []string{`WWW-Authenticate: XBearer error="invalid_token"`}, false},
		{"of the scheme behind", 401, []string{`WWW-Authenticate: Bearer realm="x", Basic error="invalid_token"`}, false},
		{"as a beginning", 401, []string{`WWW-Authenticate: Bearer error="invalid_token_type"`}, false},
		{"in a quote that does not end", 401, []string{`WWW-Authenticate: Bearer error="invalid_token`}, false},
		{"in a quote that ends in an escape", 401, []string{`WWW-Authenticate: Bearer error="invalid_token\`}, false},
		{"rubbish", 401, []string{`WWW-Authenticate: (((`, "WWW-Authenticate: =", "WWW-Authenticate: Bearer error=", "WWW-Authenticate: Bearer error=;"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			api := &server{answer: func(int, call) *http.Response { return respond(c.status, "", c.headers...) }}
			s := &server{answer: granting(time.Hour)}
			client := &http.Client{Transport: newSource(t, s, hosts("api.example.com")).Transport(api)}
			status, _ := send(t, client, newRequest(t, http.MethodGet, apiURL, nil))
			require.Equal(t, c.status, status)
			require.Equal(t, map[bool]int{true: 2, false: 1}[c.drops], s.count())
			require.Equal(t, map[bool]int{true: 2, false: 1}[c.drops], api.count())
		})
	}
}

func TestAThousandRequestsWithARevokedTokenMakeOneRenewal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{answer: func(n int, c call) *http.Response {
			hang(c, time.Second)
			return grant(fmt.Sprint("token-", n), time.Hour)
		}}
		api := refusing("token-2")
		source := newSource(t, s, hosts("api.example.com"))
		access(t, source)
		client := &http.Client{Transport: source.Transport(api)}
		var all sync.WaitGroup
		for range 1000 {
			all.Go(func() {
				if status, _ := send(t, client, newRequest(t, http.MethodGet, apiURL, nil)); status != 200 {
					t.Error(status)
				}
			})
		}
		all.Wait()
		require.Equal(t, 2, s.count())
	})
}

func TestAnAPIThatRefusesEveryTokenDoesNotHammerTheTokenEndpoint(t *testing.T) {
	for _, streams := range []bool{false, true} {
		t.Run(fmt.Sprint("with bodies that can't be repeated: ", streams), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, refuses := &server{answer: granting(24 * time.Hour)}, true
				api := &server{answer: func(int, call) *http.Response {
					if refuses {
						return respond(401, "", invalidToken)
					}
					return respond(200, "")
				}}
				client := &http.Client{Transport: newSource(t, s, hosts("api.example.com")).Transport(api)}
				request := func() {
					var body io.Reader
					if streams {
						body = io.MultiReader(strings.NewReader("a=b"))
					}
					send(t, client, newRequest(t, http.MethodPost, apiURL, body))
				}
				for range 3600 { // an hour, a request a second
					request()
					time.Sleep(time.Second)
				}
				require.Less(t, s.count(), 75)
				require.Greater(t, s.count(), 50)

				t.Log("a token that was taken ends the pauses")
				refuses = false
				request()
				before := s.count()
				refuses = true
				request()
				request()
				require.Greater(t, s.count(), before)
				require.LessOrEqual(t, s.count(), before+2)
			})
		})
	}
}

func TestARequestWaitsForATokenWithinItsOwnContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{answer: func(_ int, c call) *http.Response { hang(c, 5*time.Second); return grant("token", time.Hour) }}
		client := &http.Client{Transport: newSource(t, s, hosts("api.example.com")).Transport(&server{})}
		ctx, cancel := contextFor(t, time.Second)
		defer cancel()
		body := &closing{Reader: strings.NewReader("a=b")}
		req := newRequest(t, http.MethodPost, apiURL, body).WithContext(ctx)
		_, err := client.Do(req) //nolint:bodyclose // there is none
		require.ErrorIs(t, err, ctx.Err())
		require.True(t, body.closed.Load())
		time.Sleep(time.Minute)
	})
}

func TestAnErrorOfTheBaseIsReturnedAsItIs(t *testing.T) {
	source := newSource(t, &server{answer: granting(time.Hour)}, hosts("api.example.com"))
	client := &http.Client{Transport: source.Transport(&server{answer: func(int, call) *http.Response { return nil }})}
	_, err := client.Get(apiURL) //nolint:bodyclose // there is none
	require.ErrorIs(t, err, errDown)
}

type idle struct {
	http.RoundTripper
	closed bool
}

func (i *idle) CloseIdleConnections() { i.closed = true }

func TestIdleConnectionsOfTheBaseAreClosed(t *testing.T) {
	base := &idle{RoundTripper: &server{}}
	source := newSource(t, &server{})
	(&http.Client{Transport: source.Transport(base)}).CloseIdleConnections()
	require.True(t, base.closed)
	(&http.Client{Transport: source.Transport(&server{})}).CloseIdleConnections()
}

func TestClientOverTheNetwork(t *testing.T) {
	n := 0
	tokens := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		n++
		fmt.Fprintf(w, `{"access_token":"token-%d","token_type":"Bearer","expires_in":3600}`, n)
	}))
	defer tokens.Close()
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer token-2" {
			w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = io.Copy(w, r.Body)
	}))
	defer api.Close()
	source, err := tokensource.New(tokensource.Config{
		TokenURL: tokens.URL, ClientID: clientID, Credential: tokensource.Secret{Value: secret},
		Hosts: []string{api.URL}, Logger: quiet,
	})
	require.NoError(t, err)
	status, body := send(t, source.Client(), newRequest(t, http.MethodPost, api.URL, strings.NewReader("hello")))
	require.Equal(t, 200, status)
	require.Equal(t, "hello", body)
}
