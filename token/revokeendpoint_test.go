package token_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/audit"
	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/store"
	"github.com/clientele-go/clientele/token"
)

func postTo(path, body string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, issuerURL+path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return r
}

// giveBack asks the revocation endpoint, and checks what is true of every answer.
func (a *authority) giveBack(r *http.Request) answer {
	a.t.Helper()
	w := httptest.NewRecorder()
	a.issuer.ServeHTTP(w, r)
	got := answer{ResponseRecorder: w}
	require.Equal(a.t, "no-store", w.Header().Get("Cache-Control"))
	if w.Code == http.StatusOK {
		require.Empty(a.t, w.Body.String())
		return got
	}
	require.NoError(a.t, json.Unmarshal(w.Body.Bytes(), &got), "%s", w.Body)
	require.Equal(a.t, "application/json", w.Header().Get("Content-Type"))
	require.Contains(a.t, a.log.String(), `"request_id":"`+w.Header().Get("X-Request-Id")+`"`)
	if w.Code == http.StatusUnauthorized {
		require.NotEmpty(a.t, w.Header().Get("WWW-Authenticate"))
	}
	return got
}

// about is a request of c about a token.
func (k known) about(raw string) url.Values {
	return url.Values{"client_id": {k.id}, "client_secret": {k.secret}, "token": {raw}}
}

func TestRevocationEndpoint(t *testing.T) {
	a := newAuthority(t)
	c := a.add("report")
	v := a.orders()
	t.Run("revokes a token of the client", func(t *testing.T) {
		issued := a.issue(c)
		requireGood(t, v, issued.AccessToken)
		r := postTo("/oauth2/v1/revoke", c.about(issued.AccessToken).Encode())
		r.RemoteAddr = "192.0.2.7:1234"
		require.Equal(t, http.StatusOK, a.giveBack(r).Code)
		requireRevoked(t, v, issued.AccessToken)
		event := a.events("token.revoke")[0]
		require.Equal(t, audit.Client, event.Actor.Kind)
		require.Equal(t, c.id, event.Actor.ID)
		require.Equal(t, "report", event.Actor.Name)
		require.Equal(t, "192.0.2.7", event.Actor.Address)
		require.NotEmpty(t, event.Actor.Request)
		require.Equal(t, issued.ID, event.Subject.ID)
	})
	t.Run("by Basic", func(t *testing.T) {
		issued := a.issue(c)
		r := postTo("/oauth2/v1/revoke", url.Values{"token": {issued.AccessToken}}.Encode())
		r.SetBasicAuth(c.id, c.secret)
		require.Equal(t, http.StatusOK, a.giveBack(r).Code)
		requireRevoked(t, v, issued.AccessToken)
	})
	t.Run("whatever the hint is", func(t *testing.T) {
		for _, hint := range []string{"access_token", "refresh_token", "anything"} {
			issued := a.issue(c)
			form := c.about(issued.AccessToken)
			form.Set("token_type_hint", hint)
			require.Equal(t, http.StatusOK, a.giveBack(postTo("/oauth2/v1/revoke", form.Encode())).Code)
			requireRevoked(t, v, issued.AccessToken)
		}
	})
	t.Run("by an assertion", func(t *testing.T) {
		s := a.addSignerWith("signer", ecKey(t), jwt.SigningMethodES256)
		raw := a.post(assertionForm(s.sign(t, s.claims(a.clock.Now())))).AccessToken
		form := assertionForm(s.sign(t, s.claims(a.clock.Now())))
		form.Set("token", raw)
		require.Equal(t, http.StatusOK, a.giveBack(postTo("/oauth2/v1/revoke", form.Encode())).Code)
		requireRevoked(t, v, raw)
		require.Equal(t, http.StatusUnauthorized, a.giveBack(postTo("/oauth2/v1/revoke", form.Encode())).Code, "the assertion is spent")
	})
	t.Run("answers the same about what there is nothing to do for", func(t *testing.T) {
		twice := a.issue(c)
		_, err := a.issuer.RevokeToken(a.ctx, twice.AccessToken)
		require.NoError(t, err)
		other := newAuthority(t)
		before := a.store.puts.Load()
		for name, raw := range map[string]string{
			"garbage":                       "garbage",
			"a token that is revoked":       twice.AccessToken,
			"a token of another issuer":     other.issue(other.add("report")).AccessToken,
			"a token of 32 KiB":             strings.Repeat("a", 32<<10),
			"a token full of dots":          strings.Repeat(".", 32<<10),
			"a token that is no text":       "\x00\xff",
			"a token with a wrong end":      twice.AccessToken + "A",
			"a token of another kind (JWT)": "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCJ9.e30.AAAA",
		} {
			require.Equal(t, http.StatusOK, a.giveBack(postTo("/oauth2/v1/revoke", c.about(raw).Encode())).Code, name)
		}
		require.Equal(t, before, a.store.puts.Load())
	})
	t.Run("revokes none of another client", func(t *testing.T) {
		issued := a.issue(a.add("other"))
		got := a.giveBack(postTo("/oauth2/v1/revoke", c.about(issued.AccessToken).Encode()))
		require.Equal(t, http.StatusBadRequest, got.Code)
		require.Equal(t, token.CodeUnauthorizedClient, got.Error)
		require.Contains(t, a.log.reasons(), token.ReasonForeignToken)
		requireGood(t, v, issued.AccessToken)
	})
	t.Run("leaves an expired one as it is", func(t *testing.T) {
		issued := a.issue(c)
		a.clock.advance(issued.ExpiresIn + time.Minute)
		before := a.store.puts.Load()
		require.Equal(t, http.StatusOK, a.giveBack(postTo("/oauth2/v1/revoke", c.about(issued.AccessToken).Encode())).Code)
		require.Equal(t, before, a.store.puts.Load())
	})
}

func TestRevocationEndpointRefuses(t *testing.T) {
	a := newAuthority(t)
	c := a.add("report")
	gone := a.add("gone")
	raw, theirs := a.issue(c).AccessToken, a.issue(gone).AccessToken
	_, err := a.registry.Disable(a.ctx, gone.id)
	require.NoError(t, err)
	good := c.about(raw).Encode()
	for name, tt := range map[string]struct {
		request func() *http.Request
		status  int
		code    string
	}{
		"GET": {func() *http.Request { return httptest.NewRequest("GET", issuerURL+"/oauth2/v1/revoke?"+good, nil) }, 405, "invalid_request"},
		"a body that is no form": {func() *http.Request {
			r := postTo("/oauth2/v1/revoke", "{}")
			r.Header.Set("Content-Type", "application/json")
			return r
		}, 400, "invalid_request"},
		"a body over 64 KiB":       {func() *http.Request { return postTo("/oauth2/v1/revoke", good+strings.Repeat("A", 64<<10)) }, 413, "invalid_request"},
		"no token":                 {func() *http.Request { return postTo("/oauth2/v1/revoke", c.about("").Encode()) }, 400, "invalid_request"},
		"two tokens":               {func() *http.Request { return postTo("/oauth2/v1/revoke", good+"&token=a") }, 400, "invalid_request"},
		"a token in the query":     {func() *http.Request { return postTo("/oauth2/v1/revoke?token=a", good) }, 400, "invalid_request"},
		"a token badly encoded":    {func() *http.Request { return postTo("/oauth2/v1/revoke?a;token=%zz", good) }, 400, "invalid_request"},
		"a secret in the query":    {func() *http.Request { return postTo("/oauth2/v1/revoke?client_secret=a", good) }, 400, "invalid_request"},
		"two ways to authenticate": {func() *http.Request { r := postTo("/oauth2/v1/revoke", good); r.SetBasicAuth(c.id, c.secret); return r }, 400, "invalid_request"},
		"nobody":                   {func() *http.Request { return postTo("/oauth2/v1/revoke", "token="+raw) }, 401, "invalid_client"},
		"nobody and no token":      {func() *http.Request { return postTo("/oauth2/v1/revoke", "") }, 401, "invalid_client"},
		"an id alone":              {func() *http.Request { return postTo("/oauth2/v1/revoke", "client_id="+c.id+"&token="+raw) }, 401, "invalid_client"},
		"a wrong secret":           {func() *http.Request { return postTo("/oauth2/v1/revoke", known{c.id, "wrong"}.about(raw).Encode()) }, 401, "invalid_client"},
		"an unknown client": {func() *http.Request {
			return postTo("/oauth2/v1/revoke", known{"nobody", c.secret}.about(raw).Encode())
		}, 401, "invalid_client"},
		"a client that is disabled": {func() *http.Request { return postTo("/oauth2/v1/revoke", gone.about(theirs).Encode()) }, 401, "invalid_client"},
	} {
		t.Run(name, func(t *testing.T) {
			before := a.store.puts.Load()
			got := a.giveBack(tt.request())
			require.Equal(t, tt.status, got.Code)
			require.Equal(t, tt.code, got.Error)
			require.Equal(t, before, a.store.puts.Load(), "nothing is written for who is refused")
			require.Zero(t, a.store.denials.Load(), "nor kept as a token that was not issued")
			requireGood(t, a.orders(), raw)
		})
	}
}

func TestRevocationEndpointWhileTheStoreIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAuthority(t)
		c := a.add("report")
		issued := a.issue(c)
		a.store.away.Store(true)
		for _, pause := range []time.Duration{0, store.DefaultFresh + 1} {
			time.Sleep(pause)
			got := a.giveBack(postTo("/oauth2/v1/revoke", c.about(issued.AccessToken).Encode()))
			require.Equal(t, http.StatusServiceUnavailable, got.Code)
			require.NotEmpty(t, got.Header().Get("Retry-After"))
		}
	})
}

// Of what clients may have revoked at one time, one client can't take all: with less
// than half taken it may have what it wants, then no more than its share.
func TestRevocationEndpointLeavesRoomForOthers(t *testing.T) {
	a := newAuthority(t)
	greedy, other := a.add("greedy"), a.add("other")
	end := a.clock.Now().Add(30 * time.Minute)
	give := func(c known) int {
		return a.giveBack(postTo("/oauth2/v1/revoke", c.about(a.issue(c).AccessToken).Encode())).Code
	}
	records, err := token.RecordsOfRevoked(greedy.id, token.MaxRevokedByOne-2, end)
	require.NoError(t, err)
	for batch := range slices.Chunk(records, store.MaxChanges) {
		changes := make([]store.Change, len(batch))
		for i, r := range batch {
			changes[i] = store.Put(r)
		}
		_, err := a.store.Apply(a.ctx, changes...)
		require.NoError(t, err)
	}
	require.Equal(t, http.StatusOK, give(greedy))
	require.NoError(t, a.issuer.PretendRevoked(a.ctx, token.MaxRevoked/2-token.MaxRevokedByOne, end))
	require.Equal(t, http.StatusOK, give(greedy), "one less than half is taken")
	require.Equal(t, http.StatusServiceUnavailable, give(greedy), "half is taken, and it has its share")
	require.Contains(t, a.log.reasons(), token.ReasonTooManyRevoked)
	require.Equal(t, http.StatusOK, give(other))
	_, err = a.issuer.RevokeClient(a.ctx, greedy.id)
	require.NoError(t, err, "who administers may")
}

// Clients may have a bounded number of tokens revoked at one time, so that the list
// of them stays within what a Verifier reads.
func TestRevocationEndpointThatIsFull(t *testing.T) {
	a := newAuthority(t)
	c := a.add("report")
	end := a.clock.Now().Add(30 * time.Minute)
	require.NoError(t, a.issuer.PretendRevoked(a.ctx, token.MaxRevoked-1, end))
	v := a.orders()
	give := func(raw string) answer { return a.giveBack(postTo("/oauth2/v1/revoke", c.about(raw).Encode())) }

	last, more := a.issue(c), a.issue(c)
	require.Equal(t, http.StatusOK, give(last.AccessToken).Code)
	requireRevoked(t, v, last.AccessToken)

	full := give(more.AccessToken)
	require.Equal(t, http.StatusServiceUnavailable, full.Code)
	require.NotEmpty(t, full.Header().Get("Retry-After"))
	require.Contains(t, a.log.reasons(), token.ReasonTooManyRevoked)
	requireGood(t, v, more.AccessToken)
	require.Equal(t, http.StatusOK, give(last.AccessToken).Code, "which is revoked already")
	require.NoError(t, a.issuer.Revoke(a.ctx, more.ID, time.Time{}), "who administers may")
	requireRevoked(t, v, more.AccessToken)

	again := a.issue(c)
	a.clock.advance(end.Sub(a.clock.Now()))
	require.Equal(t, http.StatusOK, give(again.AccessToken).Code, "those before have expired")
	requireRevoked(t, v, again.AccessToken)
	for _, issued := range []*token.Token{last, more} {
		requireRevoked(t, v, issued.AccessToken)
	}
}

func TestRevocationEndpointPath(t *testing.T) {
	a := newAuthority(t, func(c *token.Config) { c.Paths.Revoke = "/give/back" })
	c := a.add("report")
	issued := a.issue(c)
	require.Equal(t, http.StatusOK, a.giveBack(postTo("/give/back", c.about(issued.AccessToken).Encode())).Code)
	requireRevoked(t, a.orders(), issued.AccessToken)
	require.Equal(t, http.StatusNotFound, a.get("/oauth2/v1/revoke").Code)
	require.Contains(t, a.get("/.well-known/oauth-authorization-server").Body.String(), `"revocation_endpoint":"`+issuerURL+`/give/back"`)
}

func TestMetadataNamesTheAlgorithmsOfTokens(t *testing.T) {
	algorithms := func(a *authority) []string {
		t.Helper()
		var doc struct {
			All []string `json:"id_token_signing_alg_values_supported"`
		}
		require.NoError(t, json.Unmarshal(a.get("/.well-known/openid-configuration").Body.Bytes(), &doc))
		return doc.All
	}
	t.Run("that of the only key", func(t *testing.T) {
		require.Equal(t, []string{"EdDSA"}, algorithms(newAuthority(t, func(c *token.Config) { c.Algorithm = "EdDSA" })))
	})
	t.Run("those of all keys while they change", func(t *testing.T) {
		a := newAuthority(t)
		a.issuer = a.newIssuer(func(c *token.Config) { c.Algorithm = "EdDSA" })
		activeAt, err := a.issuer.RotateKeys(a.ctx)
		require.NoError(t, err)
		require.Equal(t, []string{"ES256", "EdDSA"}, algorithms(a))
		a.clock.advance(activeAt.Sub(a.clock.Now()) + time.Second)
		require.Equal(t, []string{"EdDSA", "ES256"}, algorithms(a))
		a.clock.advance(client.MaxTokenLifetime + 2*time.Hour)
		require.Equal(t, []string{"EdDSA"}, algorithms(a))
	})
	t.Run("those that were known last while the store is away", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			a := newAuthority(t)
			require.Equal(t, []string{"ES256"}, algorithms(a))
			a.store.away.Store(true)
			time.Sleep(store.DefaultFresh + 1)
			require.Equal(t, []string{"ES256"}, algorithms(a))
		})
	})
}

// FuzzRevocationRequest sends bodies: only one that holds the secret of the client
// may revoke its token.
func FuzzRevocationRequest(f *testing.F) {
	a := newAuthority(f)
	c := a.add("report")
	raw := a.issue(c).AccessToken
	f.Add("token="+raw, "")
	f.Add("token="+raw+"&client_id="+c.id+"&client_secret=", "token=a")
	f.Add("token=a&token=b", "client_secret=x")
	f.Add("token=%00&token_type_hint=access_token&client_assertion=a.b.c", "%")
	f.Fuzz(func(t *testing.T, body, query string) {
		r := postTo("/oauth2/v1/revoke", body)
		r.URL.RawQuery = query
		before := a.store.puts.Load()
		w := httptest.NewRecorder()
		a.issuer.ServeHTTP(w, r)
		switch {
		case strings.Contains(body, c.secret):
			return
		case w.Code < 400 || w.Code >= 500:
			t.Errorf("status %d: %s", w.Code, w.Body)
		case a.store.puts.Load() != before:
			t.Error("written")
		case strings.Contains(w.Body.String(), raw) || strings.Contains(w.Body.String(), c.secret):
			t.Error("shows what it should not")
		}
	})
}
