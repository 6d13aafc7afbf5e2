package token_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/credentials"
	"github.com/clientele-go/clientele/credentials/jwks"
	"github.com/clientele-go/clientele/store"
	"github.com/clientele-go/clientele/token"
)

// signer is a client that signs assertions.
type signer struct {
	id     string
	key    crypto.Signer
	method jwt.SigningMethod
}

func ecKey(t testing.TB) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return key
}

func publicKey(t testing.TB, key crypto.Signer) credentials.Key {
	t.Helper()
	public, err := credentials.NewKey(key.Public())
	require.NoError(t, err)
	return public
}

// addSigner registers a client that authenticates by a key on P-256.
func (a *authority) addSigner(name string) signer {
	a.t.Helper()
	key := ecKey(a.t)
	return a.addSignerWith(name, key, jwt.SigningMethodES256)
}

func (a *authority) addSignerWith(name string, key crypto.Signer, method jwt.SigningMethod) signer {
	a.t.Helper()
	c, err := a.registry.Add(a.ctx, client.Spec{
		Name: name, Keys: []credentials.Key{publicKey(a.t, key)},
		Grants: []client.Grant{{ServerID: "orders", ScopeID: "orders.read"}},
	})
	require.NoError(a.t, err)
	return signer{c.ID, key, method}
}

// claims of an assertion in the strict profile.
func (s signer) claims(now time.Time) jwt.MapClaims {
	return jwt.MapClaims{
		"iss": s.id, "sub": s.id, "aud": issuerURL, "jti": rand.Text(),
		"iat": now.Unix(), "exp": now.Add(time.Minute).Unix(),
	}
}

// compatibleClaims of an assertion as the callers of the original sign it.
func (s signer) compatibleClaims(now time.Time) jwt.MapClaims {
	return jwt.MapClaims{"iss": s.id, "sub": s.id, "aud": ordersAud, "exp": now.Add(10 * time.Minute).Unix()}
}

func (s signer) sign(t testing.TB, claims jwt.MapClaims, headers ...func(map[string]any)) string {
	t.Helper()
	unsigned := jwt.NewWithClaims(s.method, claims)
	for _, h := range headers {
		h(unsigned.Header)
	}
	raw, err := unsigned.SignedString(s.key)
	require.NoError(t, err)
	return raw
}

func assertionForm(raw string) url.Values {
	return url.Values{
		"grant_type": {"client_credentials"}, "client_assertion": {raw}, "client_assertion_type": {token.AssertionTypeJWT},
	}
}

func compatible(c *token.Config) { c.CompatibleAssertions = true }

func (a *authority) lastReason() string {
	reasons := a.log.reasons()
	return reasons[len(reasons)-1]
}

func TestAnAssertionGetsAToken(t *testing.T) {
	a := newAuthority(t)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	require.NoError(t, err)
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	for _, tt := range []struct {
		name   string
		key    crypto.Signer
		method jwt.SigningMethod
	}{
		{"ES256", ecKey(t), jwt.SigningMethodES256},
		{"ES384", p384, jwt.SigningMethodES384},
		{"RS256", rsaKey, jwt.SigningMethodRS256},
		{"PS512", rsaKey, jwt.SigningMethodPS512},
		{"EdDSA", ed, jwt.SigningMethodEdDSA},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := a.addSignerWith(tt.name, tt.key, tt.method)
			for _, withID := range []bool{false, true} {
				form := assertionForm(s.sign(t, s.claims(a.clock.Now())))
				if withID {
					form.Set("client_id", s.id)
				}
				got := a.post(form)
				require.Equal(t, http.StatusOK, got.Code, a.log)
				require.Equal(t, s.id, a.claims(got.AccessToken)["client_id"])
				require.Equal(t, "orders.read", got.Scope)
			}
		})
	}
	require.Contains(t, a.log.String(), publicKey(t, rsaKey).Thumbprint(), "the log says by which key")
}

// The assertion that the callers of the original sign, to the letter of the wire
// contract: no kid, no jti, no iat, the audience of the resource server.
func TestTheOriginalsCallersGetTheirTokensInTheCompatibleProfileAlone(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	for _, isCompatible := range []bool{false, true} {
		a := newAuthority(t, func(c *token.Config) { c.CompatibleAssertions = isCompatible })
		s := a.addSignerWith("original", rsaKey, jwt.SigningMethodRS256)
		now := a.clock.Now()
		for _, tt := range []struct {
			name string
			edit func(jwt.MapClaims)
			want bool
		}{
			{"as it is", func(jwt.MapClaims) {}, true},
			{"for the token endpoint", func(c jwt.MapClaims) { c["aud"] = issuerURL + "/oauth2/v1/token" }, true},
			{"for the issuer", func(c jwt.MapClaims) { c["aud"] = issuerURL }, true},
			{"for another resource server of ours", func(c jwt.MapClaims) { c["aud"] = stockAud }, true},
			{"for a list of ours", func(c jwt.MapClaims) { c["aud"] = []string{ordersAud, issuerURL} }, true},
			{"for an hour", func(c jwt.MapClaims) { c["exp"] = now.Add(time.Hour).Unix() }, true},
			{"for more than an hour", func(c jwt.MapClaims) { c["exp"] = now.Add(time.Hour + 2*time.Minute).Unix() }, false},
			{"for somebody else", func(c jwt.MapClaims) { c["aud"] = "https://other.example.com" }, false},
			{"for a list with somebody else in it", func(c jwt.MapClaims) { c["aud"] = []string{issuerURL, "https://other.example.com"} }, false},
		} {
			t.Run(fmt.Sprintf("compatible %v, %s", isCompatible, tt.name), func(t *testing.T) {
				claims := s.compatibleClaims(now)
				tt.edit(claims)
				form := assertionForm(s.sign(t, claims))
				form.Set("client_id", s.id)
				form.Set("audience", ordersAud)
				got := a.post(form)
				if isCompatible && tt.want {
					require.Equal(t, http.StatusOK, got.Code, a.log)
					require.Equal(t, http.StatusOK, a.post(form).Code, "without a jti it may come again")
					return
				}
				require.Equal(t, http.StatusUnauthorized, got.Code)
			})
		}
	}
}

// SECURITY 19–31, as the endpoint answers them.
func TestBadAssertions(t *testing.T) {
	a := newAuthority(t)
	s, other, secret := a.addSigner("signer"), a.addSigner("other"), a.add("by secret")
	disabled := a.addSigner("disabled")
	_, err := a.registry.Disable(a.ctx, disabled.id)
	require.NoError(t, err)
	now := a.clock.Now()
	signed := func(edit func(jwt.MapClaims), headers ...func(map[string]any)) string {
		claims := s.claims(now)
		if edit != nil {
			edit(claims)
		}
		return s.sign(t, claims, headers...)
	}
	header := func(name string, value any) func(map[string]any) { return func(h map[string]any) { h[name] = value } }
	as := func(id string, by signer) string {
		claims := by.claims(now)
		claims["iss"], claims["sub"] = id, id
		return by.sign(t, claims)
	}
	form := func(raw string, pairs ...string) url.Values {
		f := assertionForm(raw)
		for i := 0; i < len(pairs); i += 2 {
			f.Set(pairs[i], pairs[i+1])
		}
		return f
	}
	access := a.post(secret.form()).AccessToken
	for _, tt := range []struct {
		name, reason string
		form         url.Values
	}{
		{"no type", token.ReasonAssertionType, form(signed(nil), "client_assertion_type", "")},
		{"another type", token.ReasonAssertionType, form(signed(nil), "client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:saml2-bearer")},
		{"another client id beside it", token.ReasonClientMismatch, form(signed(nil), "client_id", other.id)},
		{"an unknown client", token.ReasonUnknownClient, form(as("unknown", s))},
		{"a client with secrets", token.ReasonMethodMismatch, form(as(secret.id, s))},
		{"a disabled client", token.ReasonDisabled, form(as(disabled.id, disabled))},
		{"signed by another client's key", credentials.ReasonSignature, form(as(s.id, other))},
		{"signed by another client's key, naming it", credentials.ReasonUnknownKey, form(other.sign(t, s.claims(now), header("kid", publicKey(t, other.key).Thumbprint())))},
		{"iss and sub that differ", credentials.ReasonIssuer, form(signed(func(c jwt.MapClaims) { c["sub"] = other.id }))},
		{"no audience", credentials.ReasonAudience, form(signed(func(c jwt.MapClaims) { delete(c, "aud") }))},
		{"the token endpoint", credentials.ReasonAudience, form(signed(func(c jwt.MapClaims) { c["aud"] = issuerURL + "/oauth2/v1/token" }))},
		{"the issuer and a slash", credentials.ReasonAudience, form(signed(func(c jwt.MapClaims) { c["aud"] = issuerURL + "/" }))},
		{"expired", credentials.ReasonExpired, form(signed(func(c jwt.MapClaims) { c["exp"] = now.Add(-2 * time.Minute).Unix() }))},
		{"valid for too long", credentials.ReasonLifetime, form(signed(func(c jwt.MapClaims) { c["exp"] = now.Add(10 * time.Minute).Unix() }))},
		{"no jti", credentials.ReasonNoID, form(signed(func(c jwt.MapClaims) { delete(c, "jti") }))},
		{"a critical header", credentials.ReasonMalformed, form(signed(nil, header("crit", []string{"b64"})))},
		{"the type of an access token", credentials.ReasonType, form(signed(nil, header("typ", "at+jwt")))},
		{"an access token of this very issuer", credentials.ReasonType, form(access)},
		{"garbage", credentials.ReasonMalformed, form("x.y.z")},
		{"a million dots", credentials.ReasonMalformed, form(strings.Repeat(".", 60<<10))},
	} {
		t.Run(tt.name, func(t *testing.T) {
			writes := a.store.puts.Load()
			got := a.post(tt.form)
			require.Equal(t, http.StatusUnauthorized, got.Code)
			require.Equal(t, "invalid_client", got.Error)
			require.Equal(t, tt.reason, a.lastReason())
			require.Equal(t, writes, a.store.puts.Load(), "who is not known writes nothing")
			require.Equal(t, a.post(known{"unknown", "x"}.form()).Body.String(), got.Body.String(), "and is told nothing")
		})
	}
	require.Equal(t, http.StatusOK, a.post(form(signed(nil))).Code)
	for line := range strings.Lines(a.log.String()) {
		require.Less(t, len(line), 4<<10)
	}
}

// SECURITY 28: a used jti is refused here, on another instance, after a restart,
// and in parallel exactly one wins.
func TestAnAssertionIsSpentOnce(t *testing.T) {
	a := newAuthority(t)
	s := a.addSigner("signer")
	form := func(jti string, by signer) url.Values {
		claims := by.claims(a.clock.Now())
		claims["jti"] = jti
		return assertionForm(by.sign(t, claims))
	}
	first := form("one", s)
	require.Equal(t, http.StatusOK, a.post(first).Code)
	for _, again := range []url.Values{first, form("one", s)} {
		require.Equal(t, http.StatusUnauthorized, a.post(again).Code)
		require.Equal(t, token.ReasonReplay, a.lastReason())
	}
	require.Equal(t, http.StatusOK, a.post(form("two", s)).Code)
	require.Equal(t, http.StatusOK, a.post(form("one", a.addSigner("other"))).Code, "another client's is another one")

	before := a.issuer
	a.issuer = a.newIssuer()
	require.Equal(t, http.StatusUnauthorized, a.post(first).Code, "another instance, or this one after a restart")

	both := []*token.Issuer{before, a.issuer}
	for round := range 10 {
		raw := form(fmt.Sprint("round ", round), s).Get("client_assertion")
		var wins atomic.Int64
		var wg sync.WaitGroup
		for n := range 32 {
			wg.Go(func() {
				_, err := both[n%2].Issue(t.Context(), token.Request{Assertion: raw, AssertionType: token.AssertionTypeJWT})
				if err == nil {
					wins.Add(1)
				}
			})
		}
		wg.Wait()
		require.EqualValues(t, 1, wins.Load())
	}
}

func TestASpentAssertionIsRememberedLongerThanItIsValid(t *testing.T) {
	a := newAuthority(t)
	s := a.addSigner("signer")
	form := assertionForm(s.sign(t, s.claims(a.clock.Now())))
	require.Equal(t, http.StatusOK, a.post(form).Code)
	// The clock steps back by an hour: the assertion is fresh again, but spent.
	sweep := a.clock.Now().Add(time.Hour + 59*time.Minute)
	_, err := a.store.Sweep(t.Context(), sweep, 0)
	require.NoError(t, err)
	require.Equal(t, http.StatusUnauthorized, a.post(form).Code)
	require.Equal(t, token.ReasonReplay, a.lastReason())
	page, err := a.store.List(t.Context(), store.Query{Kind: token.KindAssertion, Count: true})
	require.NoError(t, err)
	require.Equal(t, 1, page.Total)
	n, err := a.store.Sweep(t.Context(), a.clock.Now().Add(2*time.Hour+3*time.Minute), 0)
	require.NoError(t, err)
	require.Equal(t, 1, n, "and forgotten then")
}

func TestAnAssertionWithoutAnIDCanBeSpentToo(t *testing.T) {
	a := newAuthority(t, compatible, func(c *token.Config) { c.SpendWithoutID = true })
	s := a.addSigner("signer")
	form := assertionForm(s.sign(t, s.compatibleClaims(a.clock.Now())))
	require.Equal(t, http.StatusOK, a.post(form).Code)
	require.Equal(t, http.StatusUnauthorized, a.post(form).Code)
	require.Equal(t, token.ReasonReplay, a.lastReason())
}

func TestAnAssertionIsNotBelievedWhileItCannotBeSpent(t *testing.T) {
	a := newAuthority(t)
	s := a.addSigner("signer")
	require.Equal(t, http.StatusOK, a.post(assertionForm(s.sign(t, s.claims(a.clock.Now())))).Code)
	a.store.away.Store(true)
	got := a.post(assertionForm(s.sign(t, s.claims(a.clock.Now()))))
	require.Equal(t, http.StatusServiceUnavailable, got.Code)
}

func TestARemovedKeyStopsWorkingAtOnce(t *testing.T) {
	a := newAuthority(t)
	s := a.addSigner("signer")
	fresh := ecKey(t)
	_, err := a.registry.Edit(a.ctx, s.id, func(c *client.Client) error {
		c.Keys = []credentials.Key{publicKey(t, fresh)}
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, http.StatusUnauthorized, a.post(assertionForm(s.sign(t, s.claims(a.clock.Now())))).Code)
	s.key = fresh
	require.Equal(t, http.StatusOK, a.post(assertionForm(s.sign(t, s.claims(a.clock.Now())))).Code)
}

// publisher serves the JWK Set of a client.
type publisher struct {
	*httptest.Server
	mu   sync.Mutex
	keys []crypto.Signer
	hits atomic.Int64
	down atomic.Bool
}

func newPublisher(t testing.TB, keys ...crypto.Signer) *publisher {
	p := &publisher{keys: keys}
	p.Server = httptest.NewServer(p)
	t.Cleanup(p.Close)
	return p
}

func (p *publisher) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	p.hits.Add(1)
	if p.down.Load() {
		http.Error(w, "down", http.StatusBadGateway)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	var set struct {
		Keys []map[string]string `json:"keys"`
	}
	for n, key := range p.keys {
		public := key.Public().(*ecdsa.PublicKey)
		point, _ := public.Bytes()
		set.Keys = append(set.Keys, map[string]string{
			"kty": "EC", "crv": "P-256", "kid": fmt.Sprint(n),
			"x": encode64(point[1:33]), "y": encode64(point[33:]),
		})
	}
	_ = json.NewEncoder(w).Encode(set)
}

func (p *publisher) publish(keys ...crypto.Signer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keys = keys
}

func TestAClientThatPublishesItsKeys(t *testing.T) {
	cache, err := jwks.New(jwks.Config{Allow: jwks.Allow{Loopback: true}, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	a := newAuthority(t, func(c *token.Config) { c.JWKS = cache })
	registry, err := client.NewRegistry(client.Config{Store: a.store, Resources: a.catalog, AllowJWKS: jwks.Allow{Loopback: true}, Now: a.clock.Now})
	require.NoError(t, err)
	old, fresh := ecKey(t), ecKey(t)
	p := newPublisher(t, old)
	c, err := registry.Add(a.ctx, client.Spec{
		Name: "publisher", JWKSURL: p.URL, Grants: []client.Grant{{ServerID: "orders", ScopeID: "orders.read"}},
	})
	require.NoError(t, err)
	s := signer{c.ID, old, jwt.SigningMethodES256}
	ask := func(headers ...func(map[string]any)) answer {
		return a.post(assertionForm(s.sign(t, s.claims(a.clock.Now()), headers...)))
	}
	kid := func(kid string) func(map[string]any) { return func(h map[string]any) { h["kid"] = kid } }
	for range 3 {
		require.Equal(t, http.StatusOK, ask().Code, a.log)
	}
	require.EqualValues(t, 1, p.hits.Load(), "the set is fetched once")

	// A new key, published just now: the set is fetched anew because of it.
	p.publish(old, fresh)
	s.key = fresh
	require.Equal(t, http.StatusOK, ask(kid("1")).Code, a.log)
	require.EqualValues(t, 2, p.hits.Load())
	s.key = ecKey(t)
	for range 10 {
		require.Equal(t, http.StatusUnauthorized, ask(kid("2")).Code)
	}
	require.EqualValues(t, 2, p.hits.Load(), "but not again and again")
}

func TestKeysThatCanNotBeHadTellNothing(t *testing.T) {
	cache, err := jwks.New(jwks.Config{Allow: jwks.Allow{Loopback: true}, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	a := newAuthority(t, func(c *token.Config) { c.JWKS = cache })
	registry, err := client.NewRegistry(client.Config{Store: a.store, Resources: a.catalog, AllowJWKS: jwks.Allow{Loopback: true}, Now: a.clock.Now})
	require.NoError(t, err)
	p := newPublisher(t)
	p.down.Store(true)
	c, err := registry.Add(a.ctx, client.Spec{Name: "publisher", JWKSURL: p.URL})
	require.NoError(t, err)
	s := signer{c.ID, ecKey(t), jwt.SigningMethodES256}
	got := a.post(assertionForm(s.sign(t, s.claims(a.clock.Now()))))
	require.Equal(t, http.StatusUnauthorized, got.Code)
	require.Equal(t, token.ReasonJWKSUnavailable, a.lastReason())
	require.Equal(t, a.post(known{"unknown", "x"}.form()).Body.String(), got.Body.String())
	kept := a.denials(c.ID)
	require.Len(t, kept, 1)
	require.Equal(t, credentials.MethodJWKS, kept[0].Method)
	require.Equal(t, token.ReasonJWKSUnavailable, kept[0].Reason)
	require.Contains(t, kept[0].Detail, "status 502")
}

func TestAssertionsAreNeverShownByChance(t *testing.T) {
	a := newAuthority(t)
	s := a.addSigner("signer")
	raw := s.sign(t, s.claims(a.clock.Now()))
	signature := raw[strings.LastIndex(raw, ".")+1:]
	req := token.Request{Assertion: raw, AssertionType: token.AssertionTypeJWT}
	text, err := json.Marshal(req)
	require.NoError(t, err)
	shown := []string{string(text), fmt.Sprintf("%+v", req), fmt.Sprintf("%#v", &req)}
	for range 2 {
		_, err = a.issuer.Issue(t.Context(), req)
		shown = append(shown, fmt.Sprint(err))
	}
	shown = append(shown, a.log.String())
	require.False(t, slices.ContainsFunc(shown, func(s string) bool { return strings.Contains(s, signature) }))
}

func FuzzAssertionRequest(f *testing.F) {
	a := newAuthority(f)
	s := a.addSigner("signer")
	good := s.sign(f, s.claims(a.clock.Now()))
	f.Add(good, s.id)
	f.Add(good[:len(good)-2]+"AA", "")
	f.Add("eyJhbGciOiJub25lIn0.e30.", s.id)
	f.Fuzz(func(t *testing.T, raw, id string) {
		form := assertionForm(raw)
		form.Set("client_id", id)
		w := httptest.NewRecorder()
		a.issuer.ServeHTTP(w, post(form.Encode()))
		check(t, w, "no secret here")
		if w.Code == http.StatusOK && raw != good {
			t.Errorf("a token for %q", raw)
		}
	})
}
