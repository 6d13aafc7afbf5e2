package verifier_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/internal/jws"
	"github.com/clientele-go/clientele/internal/observetest"
	"github.com/clientele-go/clientele/observe"
	"github.com/clientele-go/clientele/token/verifier"
)

func observedBy(r *observetest.Recorder) func(*verifier.Config) {
	return func(c *verifier.Config) { c.Observer = r }
}

func TestEachTokenIsToldOf(t *testing.T) {
	p := newPublisher(t)
	r := observetest.New(t)
	var check error
	v := p.verifier(observedBy(r), func(c *verifier.Config) {
		c.Revocation = verifier.Revocation{}
		c.Check = func(context.Context, *verifier.Claims) error { return check }
	})
	r.Back = func() { v.Gauges(func(observe.Gauge, string, float64) {}) }
	raw := p.token("jti-7")
	for _, remembered := range []string{"false", "true"} {
		claims, err := v.Verify(t.Context(), raw)
		require.NoError(t, err)
		require.NotContains(t, r.Text(), raw)
		e := r.One(observe.Verification)
		require.Equal(t, observe.OK, e.Outcome)
		require.Equal(t, remembered, e.Label(observe.LabelRemember))
		require.Equal(t, claims.ClientID, e.Detail(observe.DetailClient))
		require.Equal(t, "jti-7", e.Detail(observe.DetailToken))
	}
	require.Equal(t, observe.Verification, r.One(observe.KeysFetch).Parent)

	gone, cancel := context.WithCancel(t.Context())
	cancel()
	bad := p.key.token(t, good(p.clock.Now(), with{"iss": p.id(), "aud": "https://other.example.com"}))
	for _, c := range []struct {
		name, token string
		check       error
		outcome     observe.Outcome
		reason      string
	}{
		{"none", "", nil, observe.Refused, verifier.ReasonNoToken},
		{"garbage", "a.b.c", nil, observe.Refused, verifier.ReasonMalformed},
		{"for another audience", bad, nil, observe.Refused, verifier.ReasonAudience},
		{"refused by Check", raw, errors.New("not today"), observe.Refused, verifier.ReasonRefused},
		{"refused by Check for a reason of its own", raw, &verifier.TokenError{Reason: "made up for client-1"}, observe.Refused, verifier.ReasonRefused},
		{"refused by Check for a reason of ours", raw, &verifier.TokenError{Reason: verifier.ReasonRevoked}, observe.Refused, verifier.ReasonRevoked},
		{"Check can't tell", raw, verifier.ErrUnavailable, observe.Failed, verifier.ReasonUnavailable},
		{"nobody waits", raw, gone.Err(), observe.Left, "cancelled"},
	} {
		t.Run(c.name, func(t *testing.T) {
			check = c.check
			ctx := t.Context()
			if c.outcome == observe.Left {
				ctx = gone
			}
			_, err := v.Verify(ctx, c.token)
			require.Error(t, err)
			e := r.One(observe.Verification)
			require.Equal(t, []any{c.outcome, c.reason}, []any{e.Outcome, e.Reason})
			require.Equal(t, err, e.Err)
			require.Empty(t, e.Details)
		})
	}
}

func TestRequestsThatAreTurnedAwayAreCounted(t *testing.T) {
	p := newPublisher(t)
	r := observetest.New(t)
	v := p.verifier(observedBy(r))
	handler := v.Require("orders.delete")(http.NotFoundHandler())
	for reason, headers := range map[string][]string{
		verifier.ReasonNoToken:           nil,
		verifier.ReasonRepeatedHeader:    {"Bearer a", "Bearer b"},
		verifier.ReasonMalformed:         {"Bearer a"},
		verifier.ReasonInsufficientScope: {"Bearer " + p.token("good")},
	} {
		req := httptest.NewRequest(http.MethodGet, "/", nil)
		req.Header["Authorization"] = headers
		handler.ServeHTTP(httptest.NewRecorder(), req)
		require.Equal(t, 1, r.Counted(observe.RequestsRefused, reason), reason)
	}
}

func TestWhatIsFetchedFromAnIssuerIsToldOf(t *testing.T) {
	fails := func(status int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }
	}
	for _, c := range []struct {
		name   string
		edit   func(*publisher)
		mode   func(*verifier.Config)
		op     observe.Operation
		reason string // empty: it went well
	}{
		{"keys", func(*publisher) {}, observedBy(nil), observe.KeysFetch, ""},
		{"no keys", func(p *publisher) { p.answerKeys(fails(500)) }, observedBy(nil), observe.KeysFetch, "status"},
		{"keys that are none", func(p *publisher) { p.answerKeys(says("<html>")) }, observedBy(nil), observe.KeysFetch, "content"},
		{"metadata of another issuer", func(p *publisher) { p.answerMetadata(says(`{"issuer":"https://x"}`)) }, observedBy(nil), observe.KeysFetch, "content"},
		{"nobody there", func(p *publisher) { p.Close() }, observedBy(nil), observe.KeysFetch, "unreachable"},
		{"a list", func(*publisher) {}, observedBy(nil), observe.RevocationsFetch, ""},
		{"no list", func(p *publisher) { p.answerList(fails(404)) }, observedBy(nil), observe.RevocationsFetch, "status"},
		{"a list that is none", func(p *publisher) { p.answerList(says("a.b.c")) }, observedBy(nil), observe.RevocationsFetch, "content"},
		{"an answer", func(p *publisher) { p.introspects(says(`{"active":true}`)) }, introspection, observe.IntrospectionCall, ""},
		{"no answer", func(p *publisher) { p.introspects(fails(401)) }, introspection, observe.IntrospectionCall, "status"},
		{"an answer that is none", func(p *publisher) { p.introspects(says(`{}`)) }, introspection, observe.IntrospectionCall, "content"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPublisher(t)
			c.edit(p)
			r := observetest.New(t)
			v := p.verifier(c.mode, observedBy(r))
			raw := p.token("good")
			_, err := v.Verify(t.Context(), raw)
			require.Equal(t, c.reason == "", err == nil, "%v", err)
			require.NotContains(t, r.Text(), raw)
			require.NotContains(t, r.Text(), "s+ %")
			e := r.One(c.op)
			require.Equal(t, c.reason, e.Reason)
			require.Equal(t, c.reason == "", e.Outcome == observe.OK)
			require.Equal(t, p.id(), e.Label(observe.LabelIssuer))
			require.Equal(t, "127.0.0.1", e.Detail(observe.DetailHost))
			if c.op == observe.IntrospectionCall && c.reason == "" {
				require.Equal(t, "true", e.Label(observe.LabelActive))
			}
		})
	}
}

func TestTheAgesOfKeysAndRevocationsAreTold(t *testing.T) {
	p := newPublisher(t)
	v := p.verifier()
	require.Empty(t, observetest.Gauges(v), "nothing is known yet")
	_, err := v.Verify(t.Context(), p.token("good"))
	require.NoError(t, err)
	p.clock.add(7 * time.Second)
	require.Equal(t, map[string]float64{
		"verifier.keys.age " + p.id(): 7, "verifier.revocations.age " + p.id(): 7,
	}, observetest.Gauges(v))
}

func TestAKeySourceInTheProcessIsNoFetch(t *testing.T) {
	k := newKey(t, "1", jws.ES256)
	r := observetest.New(t)
	v := newVerifier(t, verifier.Config{Keys: &source{set: jwkSet(t, k)}, Observer: r})
	_, err := v.Verify(t.Context(), k.token(t, good(time.Now())))
	require.NoError(t, err)
	require.Empty(t, r.All(observe.KeysFetch))
	require.Len(t, r.All(observe.Verification), 1)
}
