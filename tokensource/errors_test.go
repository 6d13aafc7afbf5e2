package tokensource_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/clientele-go/clientele/internal/flight"
	"github.com/clientele-go/clientele/tokensource"
)

// everything returns all texts that err shows: by its own, by what it wraps, by
// each verb, and by what a *oauth2.RetrieveError holds.
func everything(t *testing.T, err error) string {
	t.Helper()
	var all strings.Builder
	var walk func(error)
	walk = func(err error) {
		fmt.Fprintf(&all, "%v\n%+v\n%#v\n%q\n", err, err, err, err)
		if encoded, err := json.Marshal(err); err == nil {
			all.Write(encoded)
		}
		var answer *oauth2.RetrieveError
		if errors.As(err, &answer) {
			fmt.Fprintf(&all, "%s\n%+v\n%+v\n", answer.Body, *answer, *answer.Response)
			require.Nil(t, answer.Response.Request)
			require.Nil(t, answer.Response.TLS)
			require.Equal(t, http.NoBody, answer.Response.Body)
		}
		switch wrapped := err.(type) {
		case interface{ Unwrap() error }:
			if err := wrapped.Unwrap(); err != nil {
				walk(err)
			}
		case interface{ Unwrap() []error }:
			for _, err := range wrapped.Unwrap() {
				walk(err)
			}
		}
	}
	walk(err)
	return all.String()
}

// leaks fails if text holds 32 characters of a credential, or all of it, in any
// of its forms.
func leaks(t *testing.T, text, credential string) {
	t.Helper()
	escaped, err := json.Marshal(credential)
	require.NoError(t, err)
	for _, form := range []string{
		credential, url.QueryEscape(credential), url.PathEscape(credential), html.EscapeString(credential),
		string(escaped[1 : len(escaped)-1]), base64.StdEncoding.EncodeToString([]byte(credential)),
		base64.StdEncoding.EncodeToString([]byte(clientID + ":" + url.QueryEscape(credential))),
	} {
		for i := 0; i+min(32, len(form)) <= len(form); i++ {
			if piece := form[i : i+min(32, len(form))]; strings.Contains(text, piece) {
				t.Fatalf("%q of %q is in %.2000q", piece, credential, text)
			}
		}
	}
}

func TestSecurity73NoErrorAndNoLogHoldsACredential(t *testing.T) {
	awkward := `p&q<r>"s'+%:/ ` + strings.Repeat("ä€", 20) + " end"
	credentials := map[string]tokensource.Credential{
		"a secret":                            tokensource.Secret{Value: secret},
		"a secret in the body":                tokensource.Secret{Value: secret, InBody: true},
		"a secret with characters to escape":  tokensource.Secret{Value: awkward},
		"such a secret in the body":           tokensource.Secret{Value: awkward, InBody: true},
		"a secret of a function":              tokensource.Secret{Func: func(context.Context) (string, error) { return secret, nil }},
		"an assertion signed by a key":        tokensource.PrivateKey{Key: tokensource.Key{Signer: p256Key()}, Audience: issuer},
		"an assertion signed by an RSA key":   tokensource.PrivateKey{Key: tokensource.Key{Signer: rsaKey()}, Audience: issuer},
		"an assertion made by something else": tokensource.Assertion{Value: "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJzeXN0ZW06c2VydmljZWFjY291bnQifQ.c2lnbmF0dXJlLW9mLXRoaXMtdG9rZW4"},
	}
	// What was sent, as each server sees it.
	proof := func(c call) string {
		if _, password, ok := c.BasicAuth(); ok {
			plain, err := url.QueryUnescape(password)
			require.NoError(t, err)
			return plain
		}
		return c.form.Get("client_secret") + c.form.Get("client_assertion")
	}
	answers := map[string]func(c call, form url.Values) *http.Response{
		"repeats the request in HTML": func(c call, form url.Values) *http.Response {
			return respond(500, "<pre>"+html.EscapeString(form.Encode()+c.Header.Get("Authorization"))+"</pre>")
		},
		"repeats it plainly": func(c call, form url.Values) *http.Response {
			return respond(400, "you sent "+proof(c)+" to us")
		},
		"repeats it in JSON": func(c call, form url.Values) *http.Response {
			body := must(json.Marshal(map[string]string{"error": "invalid_client", "error_description": "bad: " + proof(c), "error_uri": "https://x/?" + form.Encode()}))
			return respond(401, string(body))
		},
		"repeats it in base64": func(c call, form url.Values) *http.Response {
			return respond(401, base64.StdEncoding.EncodeToString([]byte(proof(c))))
		},
		"repeats it in part": func(c call, form url.Values) *http.Response {
			return respond(401, "not ok: "+proof(c)[:min(len(proof(c)), 40)]+"...")
		},
		"repeats it where it is cut": func(c call, form url.Values) *http.Response {
			return respond(502, strings.Repeat("x", 2<<10-40)+proof(c))
		},
		"repeats it as an error code": func(c call, form url.Values) *http.Response {
			return respond(400, string(must(json.Marshal(map[string]string{"error": strings.ToLower(proof(c))}))))
		},
		"repeats it in its headers": func(c call, form url.Values) *http.Response {
			return respond(503, "", "X-Request-Id: "+url.QueryEscape(proof(c)), "Location: https://x/?"+form.Encode(),
				"WWW-Authenticate: Basic realm="+c.Header.Get("Authorization"), "X-Debug: "+form.Encode())
		},
		"repeats it in a redirect": func(c call, form url.Values) *http.Response {
			return respond(302, "", "Location: https://x/?"+form.Encode())
		},
		"repeats it in a redirect that is none": func(c call, form url.Values) *http.Response {
			return respond(302, "", "Location: %zz"+form.Encode())
		},
		"has a token in an error": func(c call, form url.Values) *http.Response {
			return respond(400, `{"access_token":"`+proof(c)+`"}`)
		},
		"is not there, which the transport tells with all details": func(c call, form url.Values) *http.Response {
			panic(telling(fmt.Sprintf("%s %v", form.Encode(), c.Header)))
		},
		"makes the transport panic": func(c call, form url.Values) *http.Response {
			panic(fmt.Sprintf("%s %v", form.Encode(), c.Header))
		},
	}
	for with, credential := range credentials {
		for how, answer := range answers {
			t.Run(with+", and the server "+how, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var sent []string
					s := &server{answer: func(_ int, c call) *http.Response {
						sent = append(sent, proof(c))
						return answer(c, c.form)
					}}
					log, logged := records()
					source := newSource(t, s, func(cfg *tokensource.Config) {
						cfg.Credential, cfg.Logger = credential, log
						cfg.TokenURL += "?key=in-the-query"
						cfg.HTTPClient = &http.Client{Transport: telltale{s}}
					})
					_, err := source.Token()
					require.Error(t, err)
					_, second := source.Token() // the same, kept
					require.Error(t, second)
					synctest.Wait()
					text := everything(t, err) + everything(t, second) + logged() + fmt.Sprintf("%v %+v %#v", source, source, source)
					require.NotEmpty(t, sent)
					for _, one := range sent {
						require.NotEmpty(t, one)
						leaks(t, text, one)
					}
					require.NotContains(t, text, "in-the-query")
				})
			})
		}
	}
}

// A telltale is a transport whose errors tell too much.
type telltale struct{ *server }

type telling string

func (t telltale) RoundTrip(req *http.Request) (resp *http.Response, err error) {
	defer func() {
		v := recover()
		if told, ok := v.(telling); ok {
			err = fmt.Errorf("sending %s: %w", told, errDown)
		} else if v != nil {
			panic(v)
		}
	}()
	return t.server.RoundTrip(req)
}

func TestSecurity73AnErrorHoldsNoRequestAndACappedBody(t *testing.T) {
	s := &server{answer: func(int, call) *http.Response {
		return respond(400, `{"error":"invalid_scope","error_description":"`+strings.Repeat("d", 1000)+
			`","error_uri":"https://auth.example.com/help","more":"`+strings.Repeat("€", 5000)+`"}`,
			"X-Request-Id: 4711", "Set-Cookie: session=1", "Date: Sat, 01 Jan 2000 00:00:00 GMT")
	}}
	_, err := newSource(t, s).Token()
	var answer *oauth2.RetrieveError
	require.ErrorAs(t, err, &answer)
	require.Equal(t, "invalid_scope", answer.ErrorCode)
	require.Equal(t, strings.Repeat("d", 512), answer.ErrorDescription)
	require.Equal(t, "https://auth.example.com/help", answer.ErrorURI)
	require.Len(t, answer.Body, 2<<10)
	require.True(t, strings.HasPrefix(string(answer.Body), `{"error":"invalid_scope"`))
	require.Equal(t, "400 Bad Request", answer.Response.Status)
	require.Equal(t, http.Header{
		"Content-Type": {"application/json"}, "X-Request-Id": {"4711"}, "Date": {"Sat, 01 Jan 2000 00:00:00 GMT"},
	}, answer.Response.Header)
	require.Nil(t, answer.Response.Request)
	require.Nil(t, answer.Response.TLS)
	require.Contains(t, answer.Error(), "invalid_scope", "its own methods work")
}

func TestAnErrorOfXOAuth2WithoutACodeCanBePrinted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{answer: func(int, call) *http.Response { return respond(503, "come back later") }}
		_, err := newSource(t, s).Token()
		var answer *oauth2.RetrieveError
		require.ErrorAs(t, err, &answer)
		require.Equal(t, "oauth2: cannot fetch token: 503 Service Unavailable\nResponse: come back later", answer.Error())
	})
}

func TestAKnownErrorCodeIsToldEvenIfTheSecretIsAPartOfIt(t *testing.T) {
	s := &server{answer: func(int, call) *http.Response { return respond(401, `{"error":"invalid_client"}`) }}
	_, err := newSource(t, s, credential(tokensource.Secret{Value: "client"})).Token()
	var answer *oauth2.RetrieveError
	require.ErrorAs(t, err, &answer)
	require.Equal(t, "invalid_client", answer.ErrorCode)
}

func TestSecurity73CredentialsAreNotShownHoweverTheyArePrinted(t *testing.T) {
	key := tokensource.Key{Signer: ed25519Key(), ID: "2030"}
	private := strings.Trim(fmt.Sprint([]byte(ed25519Key().Seed())), "[]") // as %v shows it
	for _, c := range []struct {
		value any
		want  string
	}{
		{tokensource.Secret{Value: secret}, "secret [redacted]"},
		{tokensource.Secret{File: "/run/secrets/it"}, "secret in /run/secrets/it"},
		{tokensource.Secret{Func: func(context.Context) (string, error) { return secret, nil }}, "secret of a function"},
		{tokensource.PrivateKey{Key: key}, "private key [redacted]"},
		{tokensource.PrivateKey{File: "key.pem"}, "private key in key.pem"},
		{tokensource.Assertion{Value: secret}, "assertion [redacted]"},
		{tokensource.Assertion{File: "token"}, "assertion in token"},
		{key, `EdDSA key "2030"`},
		{tokensource.Key{}, "no key"},
	} {
		t.Run(reflect.TypeOf(c.value).Name()+" as "+c.want, func(t *testing.T) {
			var logged bytes.Buffer
			slog.New(slog.NewTextHandler(&logged, nil)).Info("x", "value", c.value)
			slog.New(slog.NewJSONHandler(&logged, nil)).Info("x", "value", c.value)
			all := logged.String()
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
				require.Equal(t, c.want, fmt.Sprintf(verb, c.value))
				all += fmt.Sprintf(verb, struct{ Inside any }{c.value})
			}
			encoded, err := json.Marshal(map[string]any{"v": c.value})
			require.NoError(t, err)
			all += string(encoded)
			require.NotContains(t, all, secret)
			require.NotContains(t, all, fmt.Sprintf("%x", secret))
			require.NotContains(t, all, private)
			require.NotContains(t, all, base64.StdEncoding.EncodeToString(ed25519Key()))
		})
	}
	cfg := tokensource.Config{TokenURL: tokenURL, ClientID: clientID, Credential: tokensource.Secret{Value: secret}}
	require.NotContains(t, fmt.Sprintf("%v %+v %#v", cfg, cfg, cfg), secret)
	source, err := tokensource.New(cfg)
	require.NoError(t, err)
	const want = `tokens of client "nightly-report" from https://auth.example.com/oauth2/v1/token`
	require.Equal(t, want, fmt.Sprintf("%+v", source))
	require.Equal(t, want, source.LogValue().String())
}

func TestAPanicOfTheTransportIsAnErrorThatIsNotTriedAgain(t *testing.T) {
	s := &server{answer: func(int, call) *http.Response { panic(io.ErrUnexpectedEOF) }}
	_, err := newSource(t, s).Token()
	var panicked *flight.PanicError
	require.ErrorAs(t, err, &panicked)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.NotErrorIs(t, err, tokensource.ErrUnavailable)
	require.Equal(t, 1, s.count())
}

func TestAPanicInAFunctionIsAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := newSource(t, &server{}, credential(tokensource.Secret{
			Func: func(context.Context) (string, error) { panic(io.ErrUnexpectedEOF) },
		}))
		_, err := source.Token()
		var panicked *flight.PanicError
		require.ErrorAs(t, err, &panicked)
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		time.Sleep(time.Minute)
		_, err = source.Token()
		require.ErrorAs(t, err, &panicked, "and it is tried again")
	})
}
