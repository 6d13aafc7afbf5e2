package token_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/internal/observetest"
	"github.com/clientele-go/clientele/memstore"
	"github.com/clientele-go/clientele/observe"
	"github.com/clientele-go/clientele/store"
	"github.com/clientele-go/clientele/token"
)

// observed returns a Recorder, and an authority of which it is told.
func observed(t *testing.T, configure ...func(*token.Config)) (*observetest.Recorder, *authority) {
	r := observetest.New(t)
	return r, newAuthority(t, append(configure, func(c *token.Config) { c.Observer = r })...)
}

func TestAnIssuedTokenIsToldOf(t *testing.T) {
	r, a := observed(t, func(c *token.Config) { c.RequestID = func(*http.Request) string { return "request-7" } })
	c, s := a.add("report"), a.addSigner("signer")
	assertion := s.sign(t, s.claims(a.clock.Now()))
	for _, one := range []struct {
		name, client, method string
		ask                  func() (jti string)
	}{
		{"by secret, over HTTP", c.id, "SECRET", func() string { return a.claims(a.post(c.form()).AccessToken)["jti"].(string) }},
		{"by secret, in the process", c.id, "SECRET", func() string { return a.issue(c).ID }},
		{"by assertion", s.id, "PUBKEYCERT", func() string { return a.claims(a.post(assertionForm(assertion)).AccessToken)["jti"].(string) }},
	} {
		t.Run(one.name, func(t *testing.T) {
			jti := one.ask()
			e := r.One(observe.TokenRequest)
			require.Equal(t, observe.OK, e.Outcome)
			require.NoError(t, e.Err)
			require.Equal(t, []observe.Label{{Key: observe.LabelMethod, Value: one.method}}, e.Labels)
			require.Equal(t, one.client, e.Detail(observe.DetailClient))
			require.Equal(t, jti, e.Detail(observe.DetailToken))
			require.Equal(t, ordersAud, e.Detail(observe.DetailTarget))
			if strings.Contains(one.name, "HTTP") {
				require.Equal(t, "request-7", e.Detail(observe.DetailRequest))
			}
		})
	}
}

func TestARefusalIsToldOfWithItsReason(t *testing.T) {
	hook := func(_ context.Context, i *token.Issuance) error {
		switch i.Client.Name {
		case "worded":
			return &token.Error{Code: token.CodeAccessDenied, Reason: "made up for " + i.Client.ID}
		case "broken":
			return errors.New("the hook fails")
		}
		return nil
	}
	r, a := observed(t, withHook(hook))
	c := a.add("report")
	disabled := a.add("disabled", func(s *client.Spec) { s.Disabled = true })
	worded, broken := a.add("worded"), a.add("broken")
	with := func(form url.Values, key, value string) url.Values {
		form.Set(key, value)
		return form
	}
	for _, one := range []struct {
		name    string
		form    url.Values
		outcome observe.Outcome
		reason  string
		client  string // that is told
	}{
		{"a wrong secret", known{c.id, "wrong-secret-7"}.form(), observe.Refused, token.ReasonMistypedSecret, c.id},
		{"a client that does not exist", known{"a-secret-in-the-wrong-place", "x"}.form(), observe.Refused, token.ReasonUnknownClient, ""},
		{"a disabled client", disabled.form(), observe.Refused, token.ReasonDisabled, disabled.id},
		{"a scope that was not granted", with(c.form(), "scope", "stock.read"), observe.Refused, token.ReasonScopeNotGranted, c.id},
		{"another grant type", with(c.form(), "grant_type", "password"), observe.Refused, token.ReasonGrantType, ""},
		{"no form at all", url.Values{}, observe.Refused, token.ReasonGrantType, ""},
		{"an assertion that is none", assertionForm("no-assertion-7"), observe.Refused, "malformed_assertion", ""},
		{"a hook's own words", worded.form(), observe.Refused, token.ReasonRefusedByHook, worded.id},
		{"a hook that fails", broken.form(), observe.Failed, token.ReasonHookFailed, broken.id},
	} {
		t.Run(one.name, func(t *testing.T) {
			got := a.post(one.form)
			text := r.Text()
			for _, secret := range []string{"wrong-secret-7", "in-the-wrong-place", "no-assertion-7", c.secret, worded.secret} {
				require.NotContains(t, text, secret)
			}
			e := r.One(observe.TokenRequest)
			require.Equal(t, one.outcome, e.Outcome)
			require.Equal(t, one.reason, e.Reason)
			require.Error(t, e.Err)
			require.Equal(t, one.client, e.Detail(observe.DetailClient))
			require.Equal(t, got.Header().Get("X-Request-Id"), e.Detail(observe.DetailRequest))
		})
	}
	t.Run("the store is away", func(t *testing.T) {
		fresh := a.newIssuer(func(c *token.Config) { c.Observer = r })
		a.store.away.Store(true)
		defer a.store.away.Store(false)
		_, err := fresh.Issue(t.Context(), token.Request{ClientID: "never-seen", ClientSecret: "x"})
		require.Error(t, err)
		e := r.One(observe.TokenRequest)
		require.Equal(t, []any{observe.Failed, token.ReasonStoreUnavailable}, []any{e.Outcome, e.Reason})
	})
	t.Run("the caller has left", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := a.issuer.Issue(ctx, token.Request{ClientID: "never-seen", ClientSecret: "x"})
		require.ErrorIs(t, err, context.Canceled)
		e := r.One(observe.TokenRequest)
		require.Equal(t, []any{observe.Left, "caller_left"}, []any{e.Outcome, e.Reason})
	})
}

func TestRequestsAboutTokensAreToldOf(t *testing.T) {
	r, a := observed(t, mayIntrospect("orders"))
	c, server, other := a.add("report"), a.add("orders"), a.add("other")
	raw := a.issue(c).AccessToken
	for _, one := range []struct {
		name   string
		asks   known
		active string
	}{{"who may know", server, "true"}, {"who may not", other, "false"}} {
		t.Run(one.name, func(t *testing.T) {
			a.ask(one.asks, raw)
			require.NotContains(t, r.Text(), raw)
			e := r.One(observe.Introspection)
			require.Equal(t, observe.OK, e.Outcome)
			require.Equal(t, one.active, e.Label(observe.LabelActive))
			require.Equal(t, "SECRET", e.Label(observe.LabelMethod))
			require.Equal(t, one.asks.id, e.Detail(observe.DetailClient))
		})
	}
	t.Run("by JWT", func(t *testing.T) {
		req := postTo(introspectPath, other.about(raw).Encode())
		req.Header.Set("Accept", "application/token-introspection+jwt")
		w := httptest.NewRecorder()
		a.issuer.ServeHTTP(w, req)
		require.Equal(t, http.StatusOK, w.Code)
		require.Equal(t, "false", r.One(observe.Introspection).Label(observe.LabelActive))
	})
	t.Run("who is nobody", func(t *testing.T) {
		w := httptest.NewRecorder()
		a.issuer.ServeHTTP(w, postTo(introspectPath, known{"nobody", "x"}.about(raw).Encode()))
		require.Equal(t, http.StatusUnauthorized, w.Code)
		e := r.One(observe.Introspection)
		require.Equal(t, []any{observe.Refused, token.ReasonUnknownClient}, []any{e.Outcome, e.Reason})
		require.Empty(t, e.Label(observe.LabelActive))
	})
	t.Run("a token of another client is not given back", func(t *testing.T) {
		a.giveBack(postTo("/oauth2/v1/revoke", other.about(raw).Encode()))
		e := r.One(observe.Revocation)
		require.Equal(t, []any{observe.Refused, token.ReasonForeignToken}, []any{e.Outcome, e.Reason})
	})
	t.Run("one's own is", func(t *testing.T) {
		a.giveBack(postTo("/oauth2/v1/revoke", c.about(raw).Encode()))
		e := r.One(observe.Revocation)
		require.Equal(t, []any{observe.OK, c.id}, []any{e.Outcome, e.Detail(observe.DetailClient)})
	})
}

func TestWhatIsLostIsCounted(t *testing.T) {
	r, a := observed(t)
	c := a.add("report")
	lost := func() [3]int {
		require.NoError(t, a.issuer.Close(t.Context()))
		return [3]int{r.Counted(observe.LogLost, "token"), r.Counted(observe.LogLost, "use"), r.Counted(observe.LogLost, "denial")}
	}
	a.issue(c)
	a.post(known{c.id, "wrong"}.form())
	require.Equal(t, [3]int{}, lost())

	a.issuer = a.newIssuer(func(c *token.Config) { c.Observer = r })
	a.clock.advance(time.Hour)
	fails := func(context.Context) error { return errors.New("disk full") }
	a.store.setOnLog(fails)
	a.store.setOnDenial(fails)
	r.Back = func() { _, _ = a.issuer.SigningKeys(t.Context()) }
	a.issue(c)
	a.issue(c)
	a.post(known{c.id, "wrong"}.form())
	require.Equal(t, [3]int{2, 1, 1}, lost())

	a.issue(c) // the Issuer takes nothing any more
	require.Equal(t, 1, lost()[0])
}

func TestTheAgesOfSigningKeysAreTold(t *testing.T) {
	_, a := observed(t)
	made := a.clock.Now()
	require.Equal(t, map[string]float64{"token.signing_key.age active": 0}, observetest.Gauges(a.issuer))
	a.clock.advance(36 * time.Hour)
	require.Equal(t, 36*3600., observetest.Gauges(a.issuer)["token.signing_key.age active"], "without a request")

	activeAt, err := a.issuer.RotateKeys(t.Context())
	require.NoError(t, err)
	_, err = a.issuer.SigningKeys(t.Context())
	require.NoError(t, err)
	require.Equal(t, map[string]float64{
		"token.signing_key.age active": 36 * 3600, "token.signing_key.age next": 0,
	}, observetest.Gauges(a.issuer))

	a.clock.advance(activeAt.Sub(a.clock.Now()) + time.Second)
	_, err = a.issuer.SigningKeys(t.Context())
	require.NoError(t, err)
	now := observetest.Gauges(a.issuer)
	require.Equal(t, a.clock.Now().Sub(made).Seconds(), now["token.signing_key.age retired"])
	require.Len(t, now, 2)

	own := a.newIssuer(func(c *token.Config) { c.SealingKeys, c.EphemeralKeys = nil, true })
	require.Empty(t, observetest.Gauges(own), "a key of its own has no age")
}

func TestARegistryTellsOfItsCache(t *testing.T) {
	r, a := observed(t)
	registry, err := client.NewRegistry(client.Config{Store: a.store, Resources: a.catalog, Observer: r})
	require.NoError(t, err)
	c := a.add("report")
	for range 3 {
		_, err := registry.Lookup(t.Context(), c.id)
		require.NoError(t, err)
	}
	require.Equal(t, 1, r.Counted(observe.CacheLoads, string(client.Kind)))
	require.Equal(t, 2, r.Counted(observe.CacheHits, string(client.Kind)))
	require.Equal(t, map[string]float64{"cache.entries client": 1}, observetest.Gauges(registry))
}

func TestWhatTheStoreDoesIsWithinTheRequest(t *testing.T) {
	r := observetest.New(t)
	mem := memstore.New()
	defer mem.Close()
	a := authorityOn(t, store.Observe(mem, r), func(c *token.Config) { c.Observer = r })
	c := a.add("report")
	r.All(observe.StoreGet)
	a.issue(c)
	require.Equal(t, observe.OK, r.One(observe.TokenRequest).Outcome)
	var kinds []string
	for _, get := range r.All(observe.StoreGet) {
		if get.Parent == observe.TokenRequest {
			kinds = append(kinds, get.Label(observe.LabelKind))
		}
	}
	require.Contains(t, kinds, string(client.Kind))

	// Whoever has mixed up the id and the secret has told it to nobody.
	a.post(known{"a-secret-in-the-wrong-place", c.id}.form())
	require.NotContains(t, r.Text(), "in-the-wrong-place")
	require.Equal(t, token.ReasonUnknownClient, r.One(observe.TokenRequest).Reason)
}
