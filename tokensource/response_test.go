package tokensource_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/clientele-go/clientele/tokensource"
)

func TestSecurity71TokenResponsesThatAreTaken(t *testing.T) {
	for _, c := range []struct {
		name, body string
		headers    []string
		life       time.Duration // 0: it is never asked for again before that
		expiresIn  int64
	}{
		{"expires_in as RFC 6749 has it", `{"access_token":"t","token_type":"Bearer","expires_in":600}`, nil, 10 * time.Minute, 600},
		{"expires_in as a string", `{"access_token":"t","token_type":"Bearer","expires_in":"600"}`, nil, 10 * time.Minute, 600},
		{"expires_in with a fraction", `{"access_token":"t","token_type":"Bearer","expires_in":599.5}`, nil, 599500 * time.Millisecond, 599},
		{"expires_in with an exponent", `{"access_token":"t","token_type":"Bearer","expires_in":6e2}`, nil, 10 * time.Minute, 600},
		{"expires_in with a fraction as a string", `{"access_token":"t","token_type":"Bearer","expires_in":"599.5"}`, nil, 599500 * time.Millisecond, 599},
		{"no expires_in is five minutes", `{"access_token":"t","token_type":"Bearer"}`, nil, 5 * time.Minute, 0},
		{"expires_in null is none", `{"access_token":"t","token_type":"Bearer","expires_in":null}`, nil, 5 * time.Minute, 0},
		{"an enormous expires_in is a year", `{"access_token":"t","token_type":"Bearer","expires_in":1e300}`, nil, 365 * 24 * time.Hour, 365 * 24 * 3600},
		{"a little expires_in", `{"access_token":"t","token_type":"Bearer","expires_in":1}`, nil, time.Second, 1},
		{"token_type in another case", `{"access_token":"t","token_type":"bEARER","expires_in":600}`, nil, 10 * time.Minute, 600},
		{"no token_type", `{"access_token":"t","expires_in":600}`, nil, 10 * time.Minute, 600},
		{"token_type null", `{"access_token":"t","token_type":null,"expires_in":600}`, nil, 10 * time.Minute, 600},
		{"an empty error is none", `{"access_token":"t","error":"","expires_in":600}`, nil, 10 * time.Minute, 600},
		{"a media type that says otherwise", `{"access_token":"t","expires_in":600}`, []string{"Content-Type: text/html"}, 10 * time.Minute, 600},
		{"white space around", " \r\n\t{\"access_token\":\"t\",\"expires_in\":600}\n", nil, 10 * time.Minute, 600},
		{"1 MiB exactly", `{"access_token":"t","expires_in":600}` + strings.Repeat(" ", 1<<20-37), nil, 10 * time.Minute, 600},
		{"every character that a header takes", `{"access_token":"!#$%&'()*+,-./:;<=>?@[]^_` + "`" + `{|}~","expires_in":600}`, nil, 10 * time.Minute, 600},
		{"a token of 64 KiB", `{"access_token":"` + strings.Repeat("t", 64<<10) + `","expires_in":600}`, nil, 10 * time.Minute, 600},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &server{answer: func(n int, _ call) *http.Response {
					if n > 1 {
						return nil
					}
					resp := respond(200, c.body)
					for _, line := range c.headers {
						name, value, _ := strings.Cut(line, ": ")
						resp.Header.Set(name, value)
					}
					return resp
				}}
				source := newSource(t, s)
				began := time.Now()
				token, err := source.Token()
				require.NoError(t, err)
				require.Equal(t, c.expiresIn, token.ExpiresIn)
				require.Equal(t, "Bearer", token.TokenType)
				require.True(t, token.Expiry.Equal(began.Add(c.life)), "%s", token.Expiry.Sub(began))
				time.Sleep(c.life - time.Millisecond)
				access(t, source)
				time.Sleep(time.Millisecond)
				_, err = source.Token()
				require.ErrorIs(t, err, tokensource.ErrUnavailable)
			})
		})
	}
}

func TestSecurity71TokenResponsesThatAreRefused(t *testing.T) {
	for _, c := range []struct {
		name   string
		status int
		body   string
		passes bool // so that it is tried three times
		want   string
	}{
		{"HTML", 200, "<!DOCTYPE html><title>Sign in</title>", true, "no token response: not a JSON object"},
		{"nothing", 200, "", true, "not a JSON object"},
		{"204", 204, "", true, "204 No Content"},
		{"10 MiB", 200, `{"access_token":"t","x":"` + strings.Repeat("x", 10<<20) + `"}`, true, "more than 1048576 bytes"},
		{"1 MiB and a byte", 200, `{"access_token":"t"}` + strings.Repeat(" ", 1<<20-19), true, "more than 1048576 bytes"},
		{"an array", 200, `[{"access_token":"t"}]`, true, "not a JSON object"},
		{"JSON that breaks off", 200, `{"access_token":"t"`, true, "not a JSON object"},
		{"a member twice", 200, `{"access_token":"t","access_token":"u"}`, true, "not a JSON object"},
		{"invalid UTF-8", 200, "{\"access_token\":\"t\xff\"}", true, "not a JSON object"},
		{"nesting", 200, `{"access_token":"t","x":` + strings.Repeat("[", 10000) + strings.Repeat("]", 10000) + `}`, true, "not a JSON object"},
		{"two objects", 200, `{"access_token":"t"}{}`, true, "not a JSON object"},
		{"no access_token", 200, `{"token_type":"Bearer","expires_in":600}`, true, "no access_token"},
		{"an empty access_token", 200, `{"access_token":"","expires_in":600}`, true, "no access_token"},
		{"an access_token that is a number", 200, `{"access_token":7,"expires_in":600}`, true, "no access_token"},
		{"an access_token with a line break", 200, `{"access_token":"t\r\nX-Admin: yes","expires_in":600}`, true, "no access_token"},
		{"an access_token with a space", 200, `{"access_token":"a b","expires_in":600}`, true, "no access_token"},
		{"an access_token beyond ASCII", 200, `{"access_token":"tökén","expires_in":600}`, true, "no access_token"},
		{"an access_token of 64 KiB and a byte", 200, `{"access_token":"` + strings.Repeat("t", 64<<10+1) + `"}`, true, "no access_token"},
		{"expires_in 0", 200, `{"access_token":"t","expires_in":0}`, true, "expired already"},
		{"expires_in -0.0", 200, `{"access_token":"t","expires_in":-0.0}`, true, "expired already"},
		{"a negative expires_in", 200, `{"access_token":"t","expires_in":-3600}`, true, "expired already"},
		{"a negative expires_in as a string", 200, `{"access_token":"t","expires_in":"-1"}`, true, "expired already"},
		{"expires_in in words", 200, `{"access_token":"t","expires_in":"soon"}`, true, "expires_in that is no number"},
		{"expires_in NaN", 200, `{"access_token":"t","expires_in":"NaN"}`, true, "expires_in that is no number"},
		{"expires_in Inf", 200, `{"access_token":"t","expires_in":"Inf"}`, true, "expires_in that is no number"},
		{"expires_in in hexadecimal", 200, `{"access_token":"t","expires_in":"0x10"}`, true, "expires_in that is no number"},
		{"expires_in beyond a float", 200, `{"access_token":"t","expires_in":1e400}`, true, "not a JSON object"},
		{"expires_in as an empty string", 200, `{"access_token":"t","expires_in":""}`, true, "expires_in that is no number"},
		{"expires_in true", 200, `{"access_token":"t","expires_in":true}`, true, "expires_in that is no number"},
		{"expires_in as an object", 200, `{"access_token":"t","expires_in":{}}`, true, "expires_in that is no number"},
		{"token_type DPoP", 200, `{"access_token":"t","token_type":"DPoP","expires_in":600}`, false, "token_type other than Bearer"},
		{"token_type mac", 200, `{"access_token":"t","token_type":"mac","expires_in":600}`, false, "token_type other than Bearer"},
		{"an empty token_type", 200, `{"access_token":"t","token_type":"","expires_in":600}`, false, "token_type other than Bearer"},
		{"a token_type that is a number", 200, `{"access_token":"t","token_type":1,"expires_in":600}`, false, "token_type other than Bearer"},
		{"200 with error", 200, `{"error":"invalid_scope","error_description":"no"}`, false, `refuses: invalid_scope "no"`},
		{"200 with error and a token", 200, `{"access_token":"t","error":"invalid_scope"}`, false, `refuses: invalid_scope`},
		{"200 with an error that is no code", 200, `{"access_token":"t","error":"Not Found"}`, true, "no error code"},
		{"200 with an error that is temporary", 200, `{"error":"temporarily_unavailable"}`, true, "temporarily_unavailable"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &server{answer: func(int, call) *http.Response { return respond(c.status, c.body) }}
				_, err := newSource(t, s).Token()
				require.ErrorContains(t, err, c.want)
				require.ErrorContains(t, err, "tokensource: https://auth.example.com/oauth2/v1/token ")
				var answer *oauth2.RetrieveError
				require.ErrorAs(t, err, &answer)
				require.Equal(t, c.status, answer.Response.StatusCode)
				require.Nil(t, answer.Body, "it may hold a token")
				if c.passes {
					require.ErrorIs(t, err, tokensource.ErrUnavailable)
					require.Equal(t, 3, s.count())
				} else {
					require.NotErrorIs(t, err, tokensource.ErrUnavailable)
					require.Equal(t, 1, s.count())
				}
			})
		})
	}
}

func TestSecurity71NoMoreThanAMebibyteIsRead(t *testing.T) {
	for _, status := range []int{200, 400} {
		synctest.Test(t, func(t *testing.T) {
			read := 0
			s := &server{answer: func(int, call) *http.Response {
				resp := respond(status, "")
				resp.Body = io.NopCloser(readerFunc(func(p []byte) (int, error) { read += len(p); return len(p), nil }))
				return resp
			}}
			_, err := newSource(t, s).Token()
			require.Error(t, err)
			require.Equal(t, 3, s.count())
			require.LessOrEqual(t, read, 3*(1<<20+1))
		})
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestSecurity71ACompressedAnswerIsBoundedByWhatItHolds(t *testing.T) {
	var bomb bytes.Buffer
	zip := gzip.NewWriter(&bomb)
	for range 8 {
		_, err := zip.Write(make([]byte, 1<<20))
		require.NoError(t, err)
	}
	require.NoError(t, zip.Close())
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(bomb.Bytes())
	}))
	defer web.Close()
	source := newSource(t, nil, func(cfg *tokensource.Config) { cfg.HTTPClient, cfg.TokenURL = nil, web.URL })
	ctx := t.Context()
	_, err := source.TokenContext(ctx)
	require.ErrorContains(t, err, "more than 1048576 bytes")
}

func TestSecurity71ARedirectIsNotFollowed(t *testing.T) {
	for _, status := range []int{301, 302, 303, 307, 308} {
		for name, given := range map[string]*http.Client{"own client": nil, "given client": {}} {
			t.Run(fmt.Sprint(status, " with the ", name), func(t *testing.T) {
				elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
					t.Error("credentials were sent along")
				}))
				defer elsewhere.Close()
				web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
					http.Redirect(w, req, elsewhere.URL, status)
				}))
				defer web.Close()
				source := newSource(t, nil, func(cfg *tokensource.Config) { cfg.HTTPClient, cfg.TokenURL = given, web.URL })
				_, err := source.Token()
				require.ErrorContains(t, err, "redirects are not followed")
				require.NotErrorIs(t, err, tokensource.ErrUnavailable)
				var answer *oauth2.RetrieveError
				require.ErrorAs(t, err, &answer)
				require.Equal(t, status, answer.Response.StatusCode)
				require.Empty(t, answer.Response.Header.Get("Location"))
			})
		}
	}
}

func TestSecurity71ErrorsOfTLS(t *testing.T) {
	web := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("credentials were sent to whoever has no certificate")
	}))
	web.Config.ErrorLog = log.New(io.Discard, "", 0) // it tells of the handshake that fails
	web.StartTLS()
	defer web.Close()
	source := newSource(t, nil, func(cfg *tokensource.Config) { cfg.HTTPClient, cfg.TokenURL = nil, web.URL })
	_, err := source.Token()
	require.ErrorContains(t, err, "tokensource: POST "+web.URL)
	require.ErrorContains(t, err, "certificate")
	require.NotErrorIs(t, err, tokensource.ErrUnavailable, "it does not pass by itself")
	require.NotContains(t, err.Error(), secret)

	trusting := newSource(t, nil, func(cfg *tokensource.Config) { cfg.HTTPClient, cfg.TokenURL = web.Client(), web.URL })
	web.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"access_token":"t","expires_in":600}`))
	})
	require.Equal(t, "t", access(t, trusting))
}

func TestStatusAndErrorCodeSayWhetherATroublePasses(t *testing.T) {
	for _, c := range []struct {
		name   string
		status int
		body   string
		passes bool
	}{
		{"invalid_client", 401, `{"error":"invalid_client"}`, false},
		{"invalid_request", 400, `{"error":"invalid_request"}`, false},
		{"unauthorized_client", 400, `{"error":"unauthorized_client"}`, false},
		{"invalid_target", 400, `{"error":"invalid_target"}`, false},
		{"a code that is not registered", 403, `{"error":"access_denied.by-policy_2"}`, false},
		{"a 4xx with nothing", 400, ``, true},
		{"a 404 with HTML", 404, `<h1>Not Found</h1>`, true},
		{"a 404 of a framework", 404, `{"status":404,"error":"Not Found","path":"/token"}`, true},
		{"an error that is no string", 400, `{"error":{"code":"invalid_client"}}`, true},
		{"an error of 65 characters", 400, `{"error":"` + strings.Repeat("e", 65) + `"}`, true},
		{"a 4xx with a token", 400, `{"access_token":"t","expires_in":600}`, true},
		{"408", 408, ``, true},
		{"425", 425, ``, true},
		{"429", 429, `{"error":"too_many_requests"}`, true},
		{"429 with an error code of RFC 6749", 429, `{"error":"invalid_request"}`, true},
		{"400 slow_down", 400, `{"error":"slow_down"}`, true},
		{"400 temporarily_unavailable", 400, `{"error":"temporarily_unavailable"}`, true},
		{"500", 500, ``, true},
		{"500 with an error code", 500, `{"error":"server_error"}`, true},
		{"502", 502, `bad gateway`, true},
		{"503 with the error code of a refusal", 503, `{"error":"invalid_client"}`, true},
		{"503", 503, `{"error":"temporarily_unavailable"}`, true},
		{"504", 504, ``, true},
		{"599", 599, ``, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &server{answer: func(n int, _ call) *http.Response {
					if n == 3 {
						return grant("third", time.Hour)
					}
					return respond(c.status, c.body)
				}}
				token, err := newSource(t, s).Token()
				if c.passes {
					require.NoError(t, err)
					require.Equal(t, "third", token.AccessToken)
					return
				}
				require.Error(t, err)
				require.NotErrorIs(t, err, tokensource.ErrUnavailable)
				require.Equal(t, 1, s.count())
			})
		})
	}
}

func TestNetworkErrorsPass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{answer: func(n int, _ call) *http.Response {
			if n < 3 {
				return nil
			}
			return grant("token", time.Hour)
		}}
		require.Equal(t, "token", access(t, newSource(t, s)))
		first, second := s.call(2).at.Sub(s.call(1).at), s.call(3).at.Sub(s.call(2).at)
		require.GreaterOrEqual(t, first, 250*time.Millisecond)
		require.LessOrEqual(t, first, 500*time.Millisecond)
		require.GreaterOrEqual(t, second, 500*time.Millisecond)
		require.LessOrEqual(t, second, time.Second)
	})
}

func TestAnAnswerThatBreaksOffIsANetworkError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{answer: func(n int, _ call) *http.Response {
			resp := grant("token", time.Hour)
			if n == 1 {
				resp.Body = io.NopCloser(io.MultiReader(strings.NewReader(`{"access_token":`), iotest.ErrReader(io.ErrUnexpectedEOF)))
			}
			return resp
		}}
		require.Equal(t, "token", access(t, newSource(t, s)))
		require.Equal(t, 2, s.count())
	})
}

func TestEachAttemptHasItsOwnTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{answer: func(n int, c call) *http.Response {
			if n < 3 {
				hang(c, time.Hour)
			}
			return grant("token", time.Hour)
		}}
		source := newSource(t, s, func(cfg *tokensource.Config) { cfg.Timeout = 4 * time.Second })
		began := time.Now()
		require.Equal(t, "token", access(t, source))
		require.GreaterOrEqual(t, time.Since(began), 8*time.Second)
		require.LessOrEqual(t, time.Since(began), 8*time.Second+1500*time.Millisecond)
	})
	synctest.Test(t, func(t *testing.T) {
		s := &server{answer: func(_ int, c call) *http.Response { hang(c, time.Hour); return nil }}
		_, err := newSource(t, s).Token()
		require.ErrorContains(t, err, "no answer within 10s")
		require.ErrorIs(t, err, tokensource.ErrUnavailable)
	})
}

func TestRetryAfterIsHonouredUpToABound(t *testing.T) {
	now := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) // as every bubble begins
	for _, c := range []struct {
		name    string
		headers []string
		within  time.Duration // the pause inside of one call; 0: that fails
		after   time.Duration // or the pause until the next call sends anything
	}{
		{"seconds", []string{"Retry-After: 7"}, 7 * time.Second, 0},
		{"ten seconds", []string{"Retry-After: 10"}, 10 * time.Second, 0},
		{"a date", []string{"Retry-After: " + now.Add(9*time.Second).Format(http.TimeFormat)}, 9 * time.Second, 0},
		{"a date by a server whose clock is off", []string{
			"Date: " + now.Add(time.Hour).Format(http.TimeFormat),
			"Retry-After: " + now.Add(time.Hour+9*time.Second).Format(http.TimeFormat)}, 9 * time.Second, 0},
		{"more than ten seconds", []string{"Retry-After: 11"}, 0, 11 * time.Second},
		{"more than five minutes", []string{"Retry-After: 86400"}, 0, 5 * time.Minute},
		{"an absurd number", []string{"Retry-After: 18446744073709551615"}, 0, 5 * time.Minute},
		{"a date far away", []string{"Retry-After: " + now.Add(time.Hour).Format(http.TimeFormat)}, 0, 5 * time.Minute},
		{"a date in the past", []string{"Retry-After: " + now.Add(-time.Hour).Format(http.TimeFormat)}, -1, 0},
		{"a negative number", []string{"Retry-After: -5"}, -1, 0},
		{"rubbish", []string{"Retry-After: soon"}, -1, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &server{answer: func(n int, _ call) *http.Response {
					if n == 1 {
						return respond(429, "", c.headers...)
					}
					return grant("token", time.Hour)
				}}
				source := newSource(t, s)
				began := time.Now()
				_, err := source.Token()
				switch {
				case c.within > 0:
					require.NoError(t, err)
					require.Equal(t, c.within, time.Since(began))
				case c.within < 0: // the pauses of our own
					require.NoError(t, err)
					require.LessOrEqual(t, time.Since(began), 500*time.Millisecond)
				default:
					require.ErrorIs(t, err, tokensource.ErrUnavailable)
					require.Zero(t, time.Since(began), "nobody is made to wait so long")
					time.Sleep(c.after - time.Millisecond)
					_, err = source.Token()
					require.Error(t, err)
					require.Equal(t, 1, s.count())
					time.Sleep(time.Millisecond)
					require.Equal(t, "token", access(t, source))
				}
			})
		})
	}
}

func TestRepetitionsEndWithThoseWhoWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{answer: func(int, call) *http.Response { return respond(503, "", "Retry-After: 8") }}
		source := newSource(t, s)
		ctx, cancel := contextFor(t, 3*time.Second)
		defer cancel()
		_, err := source.TokenContext(ctx)
		require.ErrorIs(t, err, ctx.Err())
		require.ErrorContains(t, err, "so far: tokensource: https://auth.example.com/oauth2/v1/token answers 503 Service Unavailable")
		require.ErrorIs(t, err, tokensource.ErrUnavailable)
		time.Sleep(time.Minute)
		require.Equal(t, 1, s.count(), "nobody waits, nothing is repeated")
	})
	synctest.Test(t, func(t *testing.T) {
		s := &server{answer: func(n int, _ call) *http.Response {
			if n == 1 {
				return grant("token", time.Hour)
			}
			return respond(503, "")
		}}
		source := newSource(t, s)
		access(t, source)
		time.Sleep(58 * time.Minute)
		access(t, source)
		time.Sleep(10 * time.Second)
		require.Equal(t, 2, s.count(), "an early renewal is not repeated, as nobody waits for it")
	})
}
