package verifier_test

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/clientele-go/clientele/token/verifier"
	"github.com/stretchr/testify/require"
)

// introspects makes p an issuer that is asked about tokens, as it answers.
func (p *publisher) introspects(answer http.HandlerFunc) {
	p.answerMetadata(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":"%[2]s/jwks","introspection_endpoint":"%[2]s/list"}`, p.id(), p.URL)
	})
	p.answerList(answer)
}

// says answers about each token what the JSON says.
func says(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) }
}

func introspection(c *verifier.Config) {
	c.Revocation = verifier.Revocation{Mode: verifier.ModeIntrospection, ClientID: "a:b", ClientSecret: "s+ %"}
}

func TestIntrospectionMode(t *testing.T) {
	p := newPublisher(t)
	var asked string
	p.introspects(func(w http.ResponseWriter, r *http.Request) {
		id, secret, _ := r.BasicAuth()
		asked = strings.Join([]string{r.Method, r.Header.Get("Content-Type"), id, secret, r.FormValue("token"), r.FormValue("token_type_hint")}, " ")
		_, _ = io.WriteString(w, `{"active":true,"more":[1]}`)
	})
	v := p.verifier(introspection)
	raw := p.token("good")
	_, err := v.Verify(t.Context(), raw)
	require.NoError(t, err)
	require.Equal(t, "POST application/x-www-form-urlencoded a%3Ab s%2B+%25 "+raw+" access_token", asked)

	t.Run("an answer counts for ten seconds", func(t *testing.T) {
		p.answerList(says(`{"active":false}`))
		p.clock.add(10*time.Second - 1)
		_, err := v.Verify(t.Context(), raw)
		require.NoError(t, err)
		p.clock.add(1)
		_, err = v.Verify(t.Context(), raw)
		refused(t, err, verifier.ReasonRevoked, raw)
		require.EqualValues(t, 2, p.asked.Load())
		_, err = v.Verify(t.Context(), raw)
		refused(t, err, verifier.ReasonRevoked, raw)
		require.EqualValues(t, 2, p.asked.Load())
		p.answerList(says(`{"active":true}`))
		p.clock.add(-time.Hour)
		_, err = v.Verify(t.Context(), raw)
		require.NoError(t, err, "what was said in the future does not count")
	})
	t.Run("or for as long as is configured", func(t *testing.T) {
		v := p.verifier(introspection, func(c *verifier.Config) { c.Revocation.MaxStale = time.Minute })
		before := p.asked.Load()
		for _, step := range []time.Duration{0, time.Minute - 1, 1} {
			p.clock.add(step)
			_, err := v.Verify(t.Context(), raw)
			require.NoError(t, err)
		}
		require.EqualValues(t, before+2, p.asked.Load())
	})
	t.Run("nobody asks about what is not good", func(t *testing.T) {
		before := p.asked.Load()
		for _, raw := range []string{"garbage", raw + "x", p.key.token(t, good(p.clock.Now(), with{"iss": p.id(), "aud": "other"}))} {
			_, err := v.Verify(t.Context(), raw)
			require.ErrorIs(t, err, verifier.ErrInvalidToken)
		}
		require.Equal(t, before, p.asked.Load())
	})
	t.Run("what is remembered is bounded", func(t *testing.T) {
		v := p.verifier(introspection, func(c *verifier.Config) { c.CacheSize = 4 })
		first := p.token("0")
		for n := range 20 {
			_, err := v.Verify(t.Context(), p.token(fmt.Sprint(n)))
			require.NoError(t, err)
		}
		before := p.asked.Load()
		_, err := v.Verify(t.Context(), first)
		require.NoError(t, err)
		require.Equal(t, before+1, p.asked.Load(), "the first one is forgotten")
		_, err = v.Verify(t.Context(), p.token("19"))
		require.NoError(t, err)
		require.Equal(t, before+1, p.asked.Load(), "the last one is not")
	})
	t.Run("or nothing is", func(t *testing.T) {
		v := p.verifier(introspection, func(c *verifier.Config) { c.CacheSize = -1 })
		before := p.asked.Load()
		for range 2 {
			_, err := v.Verify(t.Context(), raw)
			require.NoError(t, err)
		}
		require.Equal(t, before+2, p.asked.Load())
	})
}

func TestIntrospectionIsAskedOnceHoweverManyWait(t *testing.T) {
	p := newPublisher(t)
	arrived, release := make(chan struct{}, 1), make(chan struct{})
	p.introspects(func(w http.ResponseWriter, _ *http.Request) {
		arrived <- struct{}{}
		<-release
		_, _ = io.WriteString(w, `{"active":true}`)
	})
	v := p.verifier(introspection)
	raw := p.token("good")
	errs := make(chan error, 100)
	for range cap(errs) {
		go func() {
			_, err := v.Verify(t.Context(), raw)
			errs <- err
		}()
	}
	<-arrived
	close(release)
	for range cap(errs) {
		require.NoError(t, <-errs)
	}
	require.EqualValues(t, 1, p.asked.Load())
}

// What the log says names what to look at: both mistakes of who sets it up look like
// something else.
func TestIntrospectionSaysWhatMayBeWrong(t *testing.T) {
	p := newPublisher(t)
	p.introspects(says(`{"active":false}`))
	_, err := p.verifier(introspection).Verify(t.Context(), p.token("good"))
	require.EqualError(t, err, "invalid access token: revoked: not active, says the issuer, or not for this service to ask about")
	p.answerList(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) })
	_, err = p.verifier(introspection).Verify(t.Context(), p.token("good"))
	require.ErrorContains(t, err, "it does not know Revocation.ClientID by that ClientSecret: status 401")
}

func TestIntrospectionThatFails(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"a refusal":                func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) },
		"a failure":                func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) },
		"a page":                   says("<html>"),
		"nothing":                  says(""),
		"an answer without active": says(`{"sub":"a"}`),
		"active as text":           says(`{"active":"true"}`),
		"active as a number":       says(`{"active":1}`),
		"active twice":             says(`{"active":true,"active":true}`),
		"active in another case":   says(`{"Active":true}`),
		"more behind the answer":   says(`{"active":true}{}`),
		"an answer of 65 KiB":      says(`{"active":true,"a":"` + strings.Repeat("a", 64<<10) + `"}`),
		"an answer cut short": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, `{"active":true}`)
		},
		"a redirect to another host": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://localhost:1/", http.StatusTemporaryRedirect)
		},
		"a redirect to itself": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/list", http.StatusTemporaryRedirect)
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPublisher(t)
			p.introspects(answer)
			l := new(log)
			logged := func(c *verifier.Config) { c.Logger = l.logger() }
			v := p.verifier(introspection, logged)
			raw := p.token("good")
			for range 10 {
				_, err := v.Verify(t.Context(), raw)
				var unavailable *verifier.UnavailableError
				require.ErrorAs(t, err, &unavailable)
				require.Positive(t, unavailable.RetryAfter)
				require.NotContains(t, err.Error(), raw)
				require.NotContains(t, err.Error(), "s+ %")
			}
			require.EqualValues(t, 1, p.asked.Load(), "who fails pauses")
			require.NotContains(t, l.String(), raw[len(raw)-30:])

			_, err := p.verifier(introspection, func(c *verifier.Config) { c.Revocation.WhenStale = verifier.StaleAccept }).Verify(t.Context(), raw)
			require.NoError(t, err)

			p.answerList(says(`{"active":true}`))
			p.clock.add(time.Minute)
			_, err = v.Verify(t.Context(), raw)
			require.NoError(t, err)
		})
	}
}

func TestIntrospectionInThePlaceOfAList(t *testing.T) {
	p := newPublisher(t)
	p.publish("", "bad")
	v := p.verifier(func(c *verifier.Config) {
		c.Revocation = verifier.Revocation{Mode: verifier.ModeList, WhenStale: verifier.StaleIntrospect, ClientID: "id", ClientSecret: "secret"}
	})
	_, err := v.Verify(t.Context(), p.token("good"))
	require.NoError(t, err)
	p.introspects(says(`{"active":true}`)) // and its metadata names no list any more
	p.clock.add(4 * time.Minute)
	_, err = v.Verify(t.Context(), p.token("bad"))
	require.ErrorIs(t, err, verifier.ErrInvalidToken, "the list counts yet")
	p.clock.add(time.Minute)
	_, err = v.Verify(t.Context(), p.token("bad"))
	require.NoError(t, err, "the issuer says so")
	p.answerList(says(`{"active":false}`))
	_, err = v.Verify(t.Context(), p.token("good"))
	require.ErrorIs(t, err, verifier.ErrInvalidToken)
	p.answerList(says(`{}`))
	_, err = v.Verify(t.Context(), p.token("third"))
	require.ErrorIs(t, err, verifier.ErrUnavailable)
}

func TestIntrospectionConfig(t *testing.T) {
	with := func(r verifier.Revocation) verifier.Config {
		return verifier.Config{Issuer: issuerID, Audience: audience, Revocation: r}
	}
	ask := verifier.Revocation{Mode: verifier.ModeIntrospection, ClientID: "id", ClientSecret: "secret"}
	several := with(ask)
	several.Issuers = []string{"https://other.example.com"}
	twice := ask
	twice.WhenStale = verifier.StaleIntrospect
	for name, tt := range map[string]struct {
		cfg  verifier.Config
		want string
	}{
		"without a client":          {with(verifier.Revocation{Mode: verifier.ModeIntrospection, ClientSecret: "secret"}), "ClientID"},
		"without a secret":          {with(verifier.Revocation{Mode: verifier.ModeList, WhenStale: verifier.StaleIntrospect, ClientID: "id"}), "ClientSecret"},
		"with several issuers":      {several, "Issuers"},
		"with itself in its place":  {with(twice), "StaleIntrospect"},
		"with a secret and no mode": {with(verifier.Revocation{ClientID: "id", ClientSecret: "secret"}), "Mode"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := verifier.New(tt.cfg)
			require.ErrorContains(t, err, tt.want)
			require.NotContains(t, err.Error(), "\"secret\"")
		})
	}
	t.Run("shows no secret", func(t *testing.T) {
		ask.ClientSecret = "hidden"
		data, err := json.Marshal(ask)
		require.NoError(t, err)
		l := new(log)
		slog.New(slog.NewTextHandler(l, nil)).Info("config", "revocation", ask)
		for _, text := range []string{fmt.Sprintf("%v %+v %#v %s", ask, ask, ask, ask), fmt.Sprintf("%+v", with(ask)), string(data), l.String()} {
			require.NotContains(t, text, "hidden")
			require.Contains(t, text, "id")
		}
	})
}
