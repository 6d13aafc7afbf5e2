package verifier_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/clientele-go/clientele/internal/jws"
	"github.com/clientele-go/clientele/internal/revlist"
	"github.com/clientele-go/clientele/token/verifier"
	"github.com/stretchr/testify/require"
)

// A publisher is an issuer on the network that publishes a list.
type publisher struct {
	*authServer
	t     testing.TB
	key   key
	clock *clock
	mu    sync.Mutex
	list  http.HandlerFunc
	asked atomic.Int64
}

func newPublisher(t testing.TB) *publisher {
	t.Helper()
	p := &publisher{t: t, key: newKey(t, "1", jws.ES256), clock: newClock()}
	p.authServer = newAuthServer(t, "", p.key)
	p.answerMetadata(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":"%[2]s/jwks","clientele_revocations_uri":"%[2]s/list"}`, p.id(), p.URL)
	})
	handler := p.Config.Handler
	p.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/list" {
			handler.ServeHTTP(w, r)
			return
		}
		p.asked.Add(1)
		p.mu.Lock()
		list := p.list
		p.mu.Unlock()
		list(w, r)
	})
	p.publish("")
	return p
}

func (p *publisher) answerList(h http.HandlerFunc) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.list = h
}

// payload is a list of those tokens that expires in an hour.
func (p *publisher) payload(issuer string, expires time.Time, jtis ...string) string {
	p.t.Helper()
	var tokens []revlist.Digest
	for _, jti := range jtis {
		tokens = append(tokens, revlist.DigestOf(jti))
	}
	data, _, err := revlist.Encode(revlist.Head{Issuer: issuer, IssuedAt: p.clock.Now(), Expires: expires}, tokens, nil)
	require.NoError(p.t, err)
	return string(data)
}

func (p *publisher) header() string {
	return fmt.Sprintf(`{"alg":"ES256","typ":%q,"kid":"1"}`, revlist.Type)
}

// publish makes it publish a list of those tokens, with that etag.
func (p *publisher) publish(etag string, jtis ...string) {
	p.t.Helper()
	p.serve(etag, p.key.sign(p.t, p.header(), p.payload(p.id0(), p.clock.Now().Add(time.Hour), jtis...)))
}

func (p *publisher) id0() string {
	if p.authServer == nil || p.Server == nil {
		return ""
	}
	return p.id()
}

func (p *publisher) serve(etag, body string) {
	p.answerList(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=10")
		if etag != "" {
			w.Header().Set("ETag", etag)
			if r.Header.Get("If-None-Match") == etag {
				w.WriteHeader(http.StatusNotModified)
				return
			}
		}
		_, _ = w.Write([]byte(body))
	})
}

func (p *publisher) token(jti string) string {
	return p.key.token(p.t, good(p.clock.Now(), with{"iss": p.id(), "jti": jti, "exp": p.clock.Now().Add(24 * time.Hour).Unix()}))
}

func (p *publisher) verifier(edit ...func(*verifier.Config)) *verifier.Verifier {
	cfg := verifier.Config{Issuer: p.id(), Now: p.clock.Now, Revocation: verifier.Revocation{Mode: verifier.ModeList}}
	for _, e := range edit {
		e(&cfg)
	}
	return newVerifier(p.t, cfg)
}

func TestListRefuses(t *testing.T) {
	p := newPublisher(t)
	p.publish("", "bad")
	v := p.verifier()
	bad := p.token("bad")
	for range 2 { // also when it is remembered
		_, err := v.Verify(t.Context(), bad)
		refused(t, err, verifier.ReasonRevoked, bad)
		_, err = v.Verify(t.Context(), p.token("good"))
		require.NoError(t, err)
	}
	require.EqualValues(t, 1, p.asked.Load())
	_, err := p.verifier(func(c *verifier.Config) { c.Revocation = verifier.Revocation{} }).Verify(t.Context(), bad)
	require.NoError(t, err, "nobody asked for revocations")
	_, err = p.verifier(func(c *verifier.Config) { c.CacheSize = -1 }).Verify(t.Context(), bad)
	refused(t, err, verifier.ReasonRevoked, bad)
}

func TestListThatHasNotChanged(t *testing.T) {
	p := newPublisher(t)
	p.publish(`"1"`, "bad")
	v := p.verifier()
	for n := range 10 {
		_, err := v.Verify(t.Context(), p.token("good"))
		require.NoError(t, err)
		_, err = v.Verify(t.Context(), p.token("bad"))
		require.ErrorIs(t, err, verifier.ErrInvalidToken)
		require.EqualValues(t, n+1, p.asked.Load())
		p.clock.add(10 * time.Second)
	}
	p.publish(`"2"`, "good")
	_, err := v.Verify(t.Context(), p.token("good"))
	require.ErrorIs(t, err, verifier.ErrInvalidToken)
	_, err = v.Verify(t.Context(), p.token("bad"))
	require.NoError(t, err)
}

// What is no list of the issuer is as good as none, and the last one serves on.
func TestListThatIsNone(t *testing.T) {
	p := newPublisher(t)
	other := newKey(t, "1", jws.ES256)
	soon := p.clock.Now().Add(time.Hour)
	sign := func(header, payload string) string { return p.key.sign(t, header, payload) }
	now := p.payload(p.id(), soon)
	raw := sign(p.header(), now)
	for name, body := range map[string]string{
		"nothing":                      "",
		"a page":                       "<html>",
		"a list without a signature":   now,
		"a list of another key":        other.sign(t, p.header(), now),
		"a list of a key that is gone": p.key.sign(t, strings.Replace(p.header(), `"1"`, `"2"`, 1), now),
		"a list of another algorithm":  sign(strings.Replace(p.header(), "ES256", "ES384", 1), now),
		"a list of another issuer":     sign(p.header(), p.payload("https://other.example.com", soon)),
		"a list that has expired":      sign(p.header(), p.payload(p.id(), p.clock.Now())),
		"a list of another type":       sign(`{"alg":"ES256","typ":"at+jwt","kid":"1"}`, now),
		"a list without a type":        sign(`{"alg":"ES256","kid":"1"}`, now),
		"a list that asks for more":    sign(strings.Replace(p.header(), "{", `{"crit":["a"],"a":1,`, 1), now),
		"a list that is cut":           raw[:len(raw)-1],
		"a list with more behind it":   raw + "x",
		"a list whose payload is none": sign(p.header(), "{}"),
		"an access token":              p.token("good"),
	} {
		t.Run(name, func(t *testing.T) {
			p.serve("", body)
			_, err := p.verifier().Verify(t.Context(), p.token("good"))
			var unavailable *verifier.UnavailableError
			require.ErrorAs(t, err, &unavailable)
			require.Equal(t, p.id(), unavailable.Issuer)
			require.Less(t, len(err.Error()), 300)
			_, err = p.verifier(func(c *verifier.Config) { c.Revocation.WhenStale = verifier.StaleAccept }).Verify(t.Context(), p.token("good"))
			require.NoError(t, err)

			p.publish(`"1"`, "bad")
			v := p.verifier()
			_, err = v.Verify(t.Context(), p.token("good"))
			require.NoError(t, err)
			p.serve(`"2"`, body)
			p.clock.add(time.Minute)
			defer p.clock.add(-time.Minute)
			_, err = v.Verify(t.Context(), p.token("good"))
			require.NoError(t, err)
			_, err = v.Verify(t.Context(), p.token("bad"))
			require.ErrorIs(t, err, verifier.ErrInvalidToken)
		})
	}
	t.Run("none that the metadata names", func(t *testing.T) {
		a := newAuthServer(t, "", p.key)
		v := newVerifier(t, verifier.Config{Issuer: a.id(), Now: p.clock.Now, Revocation: verifier.Revocation{Mode: verifier.ModeList}})
		_, err := v.Verify(t.Context(), p.key.token(t, good(p.clock.Now(), with{"iss": a.id()})))
		require.ErrorIs(t, err, verifier.ErrUnavailable)
		require.ErrorContains(t, err, "clientele_revocations_uri")
	})
}

// The list of an issuer that was set right counts at once, though the wrong one
// had an ETag.
func TestListThatWasSetRight(t *testing.T) {
	p := newPublisher(t)
	p.serve(`"1"`, "rubbish")
	v := p.verifier()
	_, err := v.Verify(t.Context(), p.token("good"))
	require.ErrorIs(t, err, verifier.ErrUnavailable)
	p.publish(`"1"`, "bad")
	p.clock.add(2 * time.Second)
	_, err = v.Verify(t.Context(), p.token("good"))
	require.NoError(t, err)
	_, err = v.Verify(t.Context(), p.token("bad"))
	require.ErrorIs(t, err, verifier.ErrInvalidToken)
}

// A revoked token does not become good again because somebody serves a list from
// before.
func TestListFromBefore(t *testing.T) {
	p := newPublisher(t)
	body := func(signed, expires time.Duration, jtis ...string) string {
		p.t.Helper()
		p.clock.add(signed)
		defer p.clock.add(-signed)
		return p.key.sign(t, p.header(), p.payload(p.id(), p.clock.Now().Add(expires), jtis...))
	}
	status := func(v *verifier.Verifier, jti string) error {
		_, err := v.Verify(t.Context(), p.token(jti))
		return err
	}
	for name, tt := range map[string]struct {
		next    string
		refused bool
	}{
		"without what was revoked since":              {body(-time.Second, time.Hour, "a"), true},
		"with something else in its place":            {body(-time.Second, time.Hour, "a", "c"), true},
		"without anything":                            {body(-time.Hour, 2*time.Hour), true},
		"that has all, from another instance perhaps": {body(-time.Second, time.Hour, "a", "b", "c"), false},
		"of the same second":                          {body(0, time.Hour, "a", "c"), false},
		"of later":                                    {body(time.Second, time.Hour, "c"), false},
	} {
		t.Run(name, func(t *testing.T) {
			begin := p.clock.Now()
			defer func() { p.clock.add(begin.Sub(p.clock.Now())) }()
			p.serve(`"1"`, body(0, 30*time.Minute, "a", "b"))
			v := p.verifier()
			require.ErrorIs(t, status(v, "b"), verifier.ErrInvalidToken)
			p.serve(`"2"`, tt.next)
			p.clock.add(20 * time.Second)
			_ = status(v, "b") // has it fetched
			if !tt.refused {
				require.ErrorIs(t, status(v, "c"), verifier.ErrInvalidToken)
				return
			}
			require.ErrorIs(t, status(v, "b"), verifier.ErrInvalidToken)
			require.NoError(t, status(v, "c"))
			p.clock.add(5 * time.Minute)
			require.ErrorIs(t, status(v, "b"), verifier.ErrUnavailable, "the list that has it is too old, and that one none")
			require.ErrorContains(t, status(v, "b"), "older list")
			p.clock.add(30 * time.Minute)
			require.NoError(t, status(v, "b"), "what the list of before said has expired")
		})
	}
}

func TestListByAKeyThatIsWithdrawn(t *testing.T) {
	p := newPublisher(t)
	p.publish(`"1"`, "bad")
	v := p.verifier()
	_, err := v.Verify(t.Context(), p.token("good"))
	require.NoError(t, err)
	p.key = newKey(t, "1", jws.ES256)
	p.serveKeys(jwkSet(t, p.key), "")
	p.clock.add(11 * time.Minute)
	_, err = v.Verify(t.Context(), p.token("good"))
	require.ErrorIs(t, err, verifier.ErrUnavailable, "the list by the old key is not asked for by its ETag")
}

func TestListIsFetchedOnceHoweverManyAsk(t *testing.T) {
	p := newPublisher(t)
	v := p.verifier()
	good := p.token("good")
	release := make(chan struct{})
	p.mu.Lock()
	list := p.list
	p.mu.Unlock()
	p.answerList(func(w http.ResponseWriter, r *http.Request) {
		<-release
		list(w, r)
	})
	errs := make(chan error, 100)
	for range cap(errs) {
		go func() {
			_, err := v.Verify(t.Context(), good)
			errs <- err
		}()
	}
	close(release)
	for range cap(errs) {
		require.NoError(t, <-errs)
	}
	require.EqualValues(t, 1, p.asked.Load())
	p.answerList(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
	p.clock.add(6 * time.Minute)
	for range 100 {
		_, err := v.Verify(t.Context(), good)
		require.ErrorIs(t, err, verifier.ErrUnavailable)
	}
	require.EqualValues(t, 2, p.asked.Load(), "who fails pauses")
}

func TestRevocationConfig(t *testing.T) {
	for name, tt := range map[string]struct {
		edit func(*verifier.Config)
		want string
	}{
		"without a mode":             {func(c *verifier.Config) { c.Revocation.MaxStale = time.Minute }, "Mode"},
		"with a mode that is none":   {func(c *verifier.Config) { c.Revocation.Mode = 9 }, "Mode is 9"},
		"with a policy that is none": {func(c *verifier.Config) { c.Revocation = verifier.Revocation{Mode: verifier.ModeList, WhenStale: 9} }, "WhenStale is 9"},
		"with a bound below a second": {func(c *verifier.Config) {
			c.Revocation = verifier.Revocation{Mode: verifier.ModeList, MaxStale: time.Second - 1}
		}, "MaxStale"},
		"with keys of the program": {func(c *verifier.Config) {
			c.Keys, c.Revocation = &source{err: errors.New("unused")}, verifier.Revocation{Mode: verifier.ModeList}
		}, "Check"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := verifier.Config{Issuer: issuerID, Audience: audience}
			tt.edit(&cfg)
			_, err := verifier.New(cfg)
			require.ErrorContains(t, err, tt.want)
		})
	}
	_, err := verifier.New(verifier.Config{Issuer: issuerID, Audience: audience, Revocation: verifier.Revocation{Mode: verifier.ModeList, MaxStale: time.Second}})
	require.NoError(t, err)
}

func TestARevocationIsShownWithoutItsSecret(t *testing.T) {
	for want, r := range map[string]verifier.Revocation{
		`revocation by ModeOff, MaxStale 0s, then StaleRefuse, as client ""`:              {},
		`revocation by ModeList, MaxStale 1m0s, then StaleIntrospect, as client "orders"`: {Mode: verifier.ModeList, MaxStale: time.Minute, WhenStale: verifier.StaleIntrospect, ClientID: "orders", ClientSecret: "hidden"},
		`revocation by RevocationMode(9), MaxStale 0s, then StalePolicy(8), as client ""`: {Mode: 9, WhenStale: 8, ClientSecret: "hidden"},
	} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d"} {
			require.Equal(t, want, fmt.Sprintf(verb, r), verb)
		}
		require.Equal(t, want, r.LogValue().String())
	}
}
