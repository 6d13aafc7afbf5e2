package token_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/store"
	"github.com/clientele-go/clientele/token"
	"github.com/clientele-go/clientele/token/verifier"
)

const introspectPath = "/oauth2/v1/introspect"

// ask asks the introspection endpoint about a token.
func (a *authority) ask(c known, raw string) map[string]any {
	a.t.Helper()
	w := httptest.NewRecorder()
	a.issuer.ServeHTTP(w, postTo(introspectPath, c.about(raw).Encode()))
	require.Equal(a.t, http.StatusOK, w.Code, "%s", w.Body)
	require.Equal(a.t, "application/json", w.Header().Get("Content-Type"))
	require.Equal(a.t, "no-store", w.Header().Get("Cache-Control"))
	var got map[string]any
	require.NoError(a.t, json.Unmarshal(w.Body.Bytes(), &got))
	return got
}

var notActive = map[string]any{"active": false}

// mayIntrospect lets the client of that name ask about orders.
func mayIntrospect(name string) func(*token.Config) {
	return func(c *token.Config) {
		c.MayIntrospect = func(_ context.Context, c *client.Client, audience string) bool {
			return c.Name == name && audience == ordersAud
		}
	}
}

func TestIntrospection(t *testing.T) {
	a := newAuthority(t, mayIntrospect("orders"), func(c *token.Config) {
		c.OnIssue = func(_ context.Context, issuance *token.Issuance) error {
			issuance.Claims = map[string]any{"active": "no", "token_type": "none", "username": "root", "tier": 3}
			return nil
		}
	})
	c, server, other := a.add("report"), a.add("orders"), a.add("other")
	issued := a.issue(c)
	active := map[string]any{
		"active": true, "token_type": "Bearer", "iss": issuerURL, "sub": c.id, "client_id": c.id, "aud": ordersAud,
		"scope": "orders.read r::read", "jti": issued.ID, "iat": float64(issued.IssuedAt.Unix()), "exp": float64(issued.ExpiresAt.Unix()),
		"tier": 3.0,
	}
	t.Run("tells the resource server of the audience", func(t *testing.T) {
		require.Equal(t, active, a.ask(server, issued.AccessToken))
	})
	t.Run("tells the client of its own", func(t *testing.T) {
		require.Equal(t, active, a.ask(c, issued.AccessToken))
	})
	t.Run("tells nobody else", func(t *testing.T) {
		require.Equal(t, notActive, a.ask(other, issued.AccessToken))
		require.Contains(t, a.log.reasons(), token.ReasonNotPermitted)
	})
	t.Run("tells nothing of another audience", func(t *testing.T) {
		d := a.add("keeper", func(s *client.Spec) { s.Grants = []client.Grant{{ServerID: "stock", ScopeID: "stock.read"}} })
		stock, err := a.issuer.Issue(a.ctx, token.Request{ClientID: d.id, ClientSecret: d.secret, Audience: stockAud})
		require.NoError(t, err)
		require.Equal(t, true, a.ask(d, stock.AccessToken)["active"])
		require.Equal(t, notActive, a.ask(server, stock.AccessToken))
	})
	t.Run("of what is none", func(t *testing.T) {
		for _, raw := range []string{
			"garbage", strings.Repeat(".", 32<<10), issued.AccessToken + "A", issued.AccessToken[1:],
			strings.Repeat("A", 32<<10), "\x00", a.get(listPath).Body.String(),
		} {
			require.Equal(t, notActive, a.ask(server, raw))
		}
	})
	t.Run("of one that is revoked", func(t *testing.T) {
		one, two := a.issue(c), a.issue(other)
		require.Equal(t, true, a.ask(server, one.AccessToken)["active"])
		require.NoError(t, a.issuer.Revoke(a.ctx, one.ID, one.ExpiresAt))
		require.Equal(t, notActive, a.ask(server, one.AccessToken))
		_, err := a.issuer.RevokeClient(a.ctx, other.id)
		require.NoError(t, err)
		require.Equal(t, notActive, a.ask(server, two.AccessToken))
	})
	t.Run("of one whose client is disabled, or gone", func(t *testing.T) {
		d := a.add("leaving")
		raw := a.issue(d).AccessToken
		require.Equal(t, true, a.ask(server, raw)["active"])
		_, err := a.registry.Disable(a.ctx, d.id)
		require.NoError(t, err)
		require.Equal(t, notActive, a.ask(server, raw))
		_, err = a.registry.Enable(a.ctx, d.id)
		require.NoError(t, err)
		require.Equal(t, true, a.ask(server, raw)["active"])
		require.NoError(t, a.registry.Delete(a.ctx, d.id))
		require.Equal(t, notActive, a.ask(server, raw))
	})
	t.Run("of one at its end", func(t *testing.T) {
		a.clock.advance(issued.ExpiresAt.Sub(a.clock.Now()) - 1)
		require.Equal(t, active, a.ask(server, issued.AccessToken))
		a.clock.advance(1)
		require.Equal(t, notActive, a.ask(server, issued.AccessToken))
	})
}

func TestIntrospectionOfOneOwnTokensAlone(t *testing.T) {
	a := newAuthority(t)
	c, other := a.add("report"), a.add("other")
	raw := a.issue(c).AccessToken
	require.Equal(t, true, a.ask(c, raw)["active"])
	require.Equal(t, notActive, a.ask(other, raw))
}

func TestIntrospectionByJWT(t *testing.T) {
	a := newAuthority(t, mayIntrospect("orders"))
	c, server := a.add("report"), a.add("orders")
	issued := a.issue(c)
	asker := server
	askFor := func(accept ...string) *httptest.ResponseRecorder {
		r := postTo(introspectPath, asker.about(issued.AccessToken).Encode())
		r.Header["Accept"] = accept
		w := httptest.NewRecorder()
		a.issuer.ServeHTTP(w, r)
		require.Equal(t, http.StatusOK, w.Code)
		require.Equal(t, "no-store", w.Header().Get("Cache-Control"))
		return w
	}
	answer := func(w *httptest.ResponseRecorder) jwt.MapClaims {
		t.Helper()
		require.Equal(t, "application/token-introspection+jwt", w.Header().Get("Content-Type"))
		claims := jwt.MapClaims{}
		parsed, err := jwt.NewParser(jwt.WithTimeFunc(a.clock.Now), jwt.WithIssuer(issuerURL), jwt.WithAudience(asker.id)).
			ParseWithClaims(w.Body.String(), claims, a.keyfunc())
		require.NoError(t, err)
		require.Equal(t, "token-introspection+jwt", parsed.Header["typ"])
		require.NotContains(t, claims, "sub") // RFC 9701 §5
		require.NotContains(t, claims, "exp")
		require.EqualValues(t, a.clock.Now().Unix(), claims["iat"])
		return claims
	}
	for name, accept := range map[string][]string{
		"alone":                 {"application/token-introspection+jwt"},
		"first":                 {"application/token-introspection+jwt, application/json"},
		"in another case":       {"Application/Token-Introspection+JWT"},
		"with a weight":         {"application/json;q=0.1, application/token-introspection+jwt;q=0.9"},
		"in the second of them": {"application/json", "application/token-introspection+jwt"},
	} {
		t.Run("is given where it is accepted "+name, func(t *testing.T) {
			inner := answer(askFor(accept...))["token_introspection"].(map[string]any)
			require.Equal(t, true, inner["active"])
			require.Equal(t, issued.ID, inner["jti"])
		})
	}
	for _, accept := range [][]string{nil, {"*/*"}, {"application/json"}, {"application/*"}, {"application/token-introspection+jwt;q=0"}, {"application/token-introspection+jwt;q=0.000"}, {";;;"}} {
		require.Equal(t, "application/json", askFor(accept...).Header().Get("Content-Type"), accept)
	}
	t.Run("is no access token, and no assertion", func(t *testing.T) {
		w := askFor("application/token-introspection+jwt")
		_, err := a.orders().Verify(t.Context(), w.Body.String())
		require.Error(t, err)
		require.Equal(t, http.StatusUnauthorized, a.post(assertionForm(w.Body.String())).Code)
		_, err = a.issuer.RevokeToken(a.ctx, w.Body.String())
		require.ErrorIs(t, err, token.ErrNotOurs)
	})
	t.Run("tells nothing to whom the token is not for", func(t *testing.T) {
		asker = a.add("nosy")
		defer func() { asker = server }()
		require.Equal(t, notActive, answer(askFor("application/token-introspection+jwt"))["token_introspection"])
	})
	t.Run("tells that one is not active", func(t *testing.T) {
		require.NoError(t, a.issuer.Revoke(a.ctx, issued.ID, issued.ExpiresAt))
		require.Equal(t, notActive, answer(askFor("application/token-introspection+jwt"))["token_introspection"])
	})
}

func TestIntrospectionRefuses(t *testing.T) {
	a := newAuthority(t)
	c := a.add("report")
	raw := a.issue(c).AccessToken
	good := c.about(raw).Encode()
	before := a.store.puts.Load()
	for name, tt := range map[string]struct {
		request *http.Request
		status  int
	}{
		"GET":                  {httptest.NewRequest("GET", issuerURL+introspectPath+"?"+good, nil), 405},
		"a token in the query": {postTo(introspectPath+"?token=a", good), 400},
		"no token":             {postTo(introspectPath, c.about("").Encode()), 400},
		"two tokens":           {postTo(introspectPath, good+"&token=a"), 400},
		"a body over 64 KiB":   {postTo(introspectPath, good+strings.Repeat("A", 64<<10)), 413},
		"nobody":               {postTo(introspectPath, "token="+raw), 401},
		"a wrong secret":       {postTo(introspectPath, known{c.id, "wrong"}.about(raw).Encode()), 401},
		"the token as its own proof": {func() *http.Request {
			r := postTo(introspectPath, "token="+raw)
			r.Header.Set("Authorization", "Bearer "+raw)
			return r
		}(), 401},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tt.status, a.giveBack(tt.request).Code)
		})
	}
	require.Equal(t, before, a.store.puts.Load())
	require.Zero(t, a.store.denials.Load())
}

func TestIntrospectionWhileTheStoreIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAuthority(t)
		c := a.add("report")
		raw := a.issue(c).AccessToken
		a.store.away.Store(true)
		time.Sleep(store.DefaultFresh + 1)
		require.Equal(t, http.StatusServiceUnavailable, a.giveBack(postTo(introspectPath, c.about(raw).Encode())).Code)
	})
}

// A Verifier far away that asks about each token.
func TestIntrospectionByAVerifier(t *testing.T) {
	a := newAuthority(t, mayIntrospect("orders"))
	c, server := a.add("report"), a.add("orders")
	one, two := a.issue(c), a.issue(c)
	v := a.far(&wire{issuer: a.issuer}, verifier.Revocation{Mode: verifier.ModeIntrospection, ClientID: server.id, ClientSecret: server.secret})
	requireGood(t, v, one.AccessToken)
	requireGood(t, v, two.AccessToken)
	require.NoError(t, a.issuer.Revoke(a.ctx, one.ID, one.ExpiresAt))
	a.clock.advance(10 * time.Second)
	requireRevoked(t, v, one.AccessToken)
	requireGood(t, v, two.AccessToken)
	_, err := a.registry.Disable(a.ctx, c.id)
	require.NoError(t, err)
	a.clock.advance(10 * time.Second)
	requireRevoked(t, v, two.AccessToken)

	stranger := a.add("stranger")
	v = a.far(&wire{issuer: a.issuer}, verifier.Revocation{Mode: verifier.ModeIntrospection, ClientID: stranger.id, ClientSecret: stranger.secret})
	requireRevoked(t, v, a.issue(a.add("another")).AccessToken)
}

// FuzzIntrospectionRequest sends bodies and Accept headers: only one that holds the
// secret of the client learns anything.
func FuzzIntrospectionRequest(f *testing.F) {
	a := newAuthority(f)
	c := a.add("report")
	raw := a.issue(c).AccessToken
	f.Add("token="+raw, "", "application/token-introspection+jwt")
	f.Add("token="+raw+"&client_id="+c.id, "token=a", "*/*;q")
	f.Add("token=a&token_type_hint=b&client_assertion=a.b.c", "%", ";")
	f.Add(c.about("a.b.c").Encode(), "", "application/json")
	f.Fuzz(func(t *testing.T, body, query, accept string) {
		r := postTo(introspectPath, body)
		r.URL.RawQuery = query
		r.Header.Set("Accept", accept)
		w := httptest.NewRecorder()
		a.issuer.ServeHTTP(w, r)
		switch {
		case strings.Contains(body, c.secret) && w.Code == http.StatusOK:
		case w.Code < 400 || w.Code >= 500:
			t.Errorf("status %d: %s", w.Code, w.Body)
		case strings.Contains(w.Body.String(), c.secret) || strings.Contains(w.Body.String(), "active"):
			t.Error("tells what it should not")
		}
	})
}
