package token_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/credentials"
	"github.com/clientele-go/clientele/token"
)

// denials returns what is kept of the refusals of a client, the newest first.
func (a *authority) denials(clientID string) []token.Denial {
	a.t.Helper()
	page, err := a.issuer.Denials(a.t.Context(), token.DenialFilter{ClientID: clientID})
	require.NoError(a.t, err)
	return page.Denials
}

// entry returns the id of the entry that a secret names.
func entry(t *testing.T, secret string) string {
	t.Helper()
	parsed, err := credentials.ParseSecret(secret)
	require.NoError(t, err)
	return parsed.ID()
}

// refusing is an authority whose hook refuses clients that have a description, for
// that reason.
func refusing(t *testing.T) *authority {
	return newAuthority(t, func(c *token.Config) {
		c.OnIssue = func(_ context.Context, i *token.Issuance) error {
			if i.Client.Description == "" {
				return nil
			}
			return &token.Error{
				Code: token.CodeAccessDenied, Reason: i.Client.Description, Description: "Not at night.",
				Err: errors.New("what the program alone may know"),
			}
		}
	})
}

// Each reason for which a client is refused, through the endpoint, with what is
// kept of it.
func TestADenialTellsWhyASecretWasRefused(t *testing.T) {
	a := refusing(t)
	valid := a.clock.Now().AddDate(0, 0, 90)
	replaced := a.add("replaced")
	second, _, err := a.registry.AddSecret(a.ctx, replaced.id, valid)
	require.NoError(t, err)
	_, _, err = a.registry.AddSecret(a.ctx, replaced.id, valid)
	require.NoError(t, err)
	expired := a.add("expired")
	a.clock.advance(91 * 24 * time.Hour)
	until := a.clock.Now().AddDate(0, 0, 90)
	disabled := a.add("disabled")
	_, err = a.registry.Disable(a.ctx, disabled.id)
	require.NoError(t, err)
	withKeys, mistyped, other := a.addSigner("with keys"), a.add("mistyped"), a.add("other")

	form := func(k known, pairs ...string) string {
		f := k.form()
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i+1] == "" {
				f.Del(pairs[i])
			} else {
				f.Set(pairs[i], pairs[i+1])
			}
		}
		return f.Encode()
	}
	authorized := func(body, header string) *http.Request {
		r := post(body)
		r.Header.Set("Authorization", header)
		return r
	}
	fresh := func(name string) known { return a.add(name) }
	good := func(k known) *token.DeniedSecret {
		return &token.DeniedSecret{ID: entry(t, k.secret), State: token.SecretValid, ExpiresAt: until}
	}
	noCredential, two, mismatch := fresh("no credential"), fresh("two credentials"), fresh("client mismatch")
	bearer, password, noGrant := fresh("bearer"), fresh("password"), fresh("no grant type")
	audience, resource, notGranted := fresh("audience"), fresh("resource"), fresh("not granted")
	malformed, nothing, typeless := fresh("malformed scope"), fresh("nothing"), fresh("type")
	hook := a.add("hook", func(s *client.Spec) { s.Description = "quota\nreached" })
	const grant = "grant_type=client_credentials&client_id="

	for _, tt := range []struct {
		name    string
		client  string
		request *http.Request
		want    token.Denial
	}{
		{"a secret that is none", mistyped.id, post(form(known{mistyped.id, "abc"})), token.Denial{
			Error: token.CodeInvalidClient, Reason: token.ReasonMistypedSecret,
			Secret: &token.DeniedSecret{State: token.SecretMalformed},
		}},
		{"a secret of another client", other.id, post(form(known{other.id, mistyped.secret}, "scope", "a b", "audience", "https://x.example")), token.Denial{
			Error: token.CodeInvalidClient, Reason: token.ReasonWrongSecret, Scope: "a b", Audience: "https://x.example",
			Secret: &token.DeniedSecret{ID: entry(t, mistyped.secret), State: token.SecretUnknown},
		}},
		{"a secret that was replaced", replaced.id, post(form(known{replaced.id, second.Reveal()})), token.Denial{
			Error: token.CodeInvalidClient, Reason: token.ReasonWrongSecret,
			Secret: &token.DeniedSecret{ID: second.ID(), State: token.SecretUnknown},
		}},
		{"a secret that has expired", expired.id, post(form(expired)), token.Denial{
			Error: token.CodeInvalidClient, Reason: token.ReasonExpiredSecret,
			Secret: &token.DeniedSecret{ID: entry(t, expired.secret), State: token.SecretExpired, ExpiresAt: valid},
		}},
		{"a disabled client", disabled.id, post(form(disabled)), token.Denial{
			Error: token.CodeInvalidClient, Reason: token.ReasonDisabled, Secret: good(disabled),
		}},
		{"a secret for a client with keys", withKeys.id, post(form(known{withKeys.id, mistyped.secret})), token.Denial{
			Method: credentials.MethodPublicKeys, Error: token.CodeInvalidClient, Reason: token.ReasonMethodMismatch,
			Secret: &token.DeniedSecret{ID: entry(t, mistyped.secret), State: token.SecretUnknown},
		}},
		{"no secret", noCredential.id, post(grant + noCredential.id + "&client_secret="), token.Denial{
			Error: token.CodeInvalidClient, Reason: token.ReasonNoCredential,
		}},
		{"a secret in the body and in a header", two.id, authorized(form(two), basic(two.id, two.secret)), token.Denial{
			Error: token.CodeInvalidRequest, Reason: token.ReasonTwoCredentials, Detail: "The client authenticates in more than one way.",
		}},
		{"another client in the header", mismatch.id, authorized(grant+mismatch.id, basic(two.id, two.secret)), token.Denial{
			Error: token.CodeInvalidClient, Reason: token.ReasonClientMismatch,
		}},
		{"a header of another scheme", bearer.id, authorized(grant+bearer.id, "Bearer x"), token.Denial{
			Error: token.CodeInvalidClient, Reason: token.ReasonAuthorization, Detail: "the Authorization header has another scheme than Basic",
		}},
		{"another grant type", password.id, post(form(password, "grant_type", "password")), token.Denial{
			Error: token.CodeUnsupportedGrantType, Reason: token.ReasonGrantType, Detail: "The grant type must be client_credentials.",
		}},
		{"no grant type", noGrant.id, post(form(noGrant, "grant_type", "")), token.Denial{
			Error: token.CodeInvalidRequest, Reason: token.ReasonGrantType, Detail: "The grant_type is missing.",
		}},
		{"an audience of nobody", audience.id, post(form(audience, "audience", "https://nobody.example")), token.Denial{
			Error: token.CodeInvalidTarget, Reason: token.ReasonTarget, Audience: "https://nobody.example",
			Detail: "The audience or resource is not that of a resource server.", Secret: good(audience),
		}},
		{"a resource of nobody", resource.id, post(form(resource, "resource", "https://nobody.example")), token.Denial{
			Error: token.CodeInvalidTarget, Reason: token.ReasonTarget, Audience: "https://nobody.example",
			Detail: "The audience or resource is not that of a resource server.", Secret: good(resource),
		}},
		{"a scope that was not granted", notGranted.id, post(form(notGranted, "scope", "orders:write", "audience", ordersAud)), token.Denial{
			Error: token.CodeInvalidScope, Reason: token.ReasonScopeNotGranted, Scope: "orders:write", Audience: ordersAud,
			Detail: "The client was not granted each scope that it asks for.", Secret: good(notGranted),
		}},
		{"a scope that is none", malformed.id, post(form(malformed, "scope", "a\x00\"")), token.Denial{
			Error: token.CodeInvalidScope, Reason: token.ReasonScopeMalformed, Scope: "a\uFFFD\"",
			Detail: "The scope is not a list of scope tokens with one space between them.", Secret: good(malformed),
		}},
		{"nothing granted there", nothing.id, post(form(nothing, "audience", stockAud)), token.Denial{
			Error: token.CodeInvalidScope, Reason: token.ReasonNothingGranted, Audience: stockAud,
			Detail: "The client has no scope at this resource server.", Secret: good(nothing),
		}},
		{"an assertion without its type", typeless.id, post(grant + typeless.id + "&client_assertion=x"), token.Denial{
			Error: token.CodeInvalidClient, Reason: token.ReasonAssertionType, Assertion: &token.DeniedAssertion{},
		}},
		{"a hook that refuses", hook.id, post(form(hook)), token.Denial{
			Error: token.CodeAccessDenied, Reason: "quota\uFFFDreached", Detail: "Not at night.", Secret: good(hook),
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.request.RemoteAddr = "192.0.2.7:4711"
			answer := a.do(tt.request)
			require.GreaterOrEqual(t, answer.Code, 400)
			got := a.denials(tt.client)
			require.Len(t, got, 1)
			if tt.want.Method == "" {
				tt.want.Method = credentials.MethodSecret
			}
			tt.want.ID, tt.want.Time = a.denialID(tt.client, tt.want.Reason), a.clock.Now()
			tt.want.ClientID, tt.want.Address = tt.client, "192.0.2.7"
			tt.want.RequestID = answer.Header().Get("X-Request-Id")
			require.Equal(t, tt.want, got[0])
		})
	}

	t.Run("no default resource server", func(t *testing.T) {
		c := a.add("no default")
		a.removeDefault()
		require.Equal(t, http.StatusBadRequest, a.post(c.form()).Code)
		got := a.denials(c.id)
		require.Len(t, got, 1)
		require.Equal(t, token.ReasonNoDefault, got[0].Reason)
		require.Equal(t, good(c), got[0].Secret)
	})
}

func (a *authority) denialID(clientID, reason string) string {
	return a.clock.Now().Format("2006-01-02T15.") + clientID + "." + reason
}

func TestADenialTellsWhyAnAssertionWasRefused(t *testing.T) {
	a := newAuthority(t)
	now := a.clock.Now()
	at := func(d time.Duration) time.Time { return time.Unix(now.Add(d).Unix(), 0).UTC() }
	seconds := func(n int64) *int64 { return &n }
	header := func(name string, value any) func(map[string]any) { return func(h map[string]any) { h[name] = value } }
	stranger := a.addSigner("stranger")
	disabled, replaying := a.addSigner("disabled"), a.addSigner("replaying")
	_, err := a.registry.Disable(a.ctx, disabled.id)
	require.NoError(t, err)
	bySecret := a.add("by secret")
	certified := a.addCertified("certified", now.Add(-time.Hour))

	// What the assertions of these tests say of themselves, unless edited.
	usual := func(s signer) token.DeniedAssertion {
		return token.DeniedAssertion{
			Algorithm: "ES256", Type: "JWT", Issuer: s.id, Subject: s.id, Audiences: []string{issuerURL},
			IssuedAt: at(0), ExpiresAt: at(time.Minute), ClockSkew: seconds(0),
		}
	}
	for _, tt := range []struct {
		name    string
		signer  signer
		by      signer // if not by signer
		claims  func(jwt.MapClaims)
		headers []func(map[string]any)
		form    func(url.Values)
		twice   bool
		reason  string
		method  credentials.Method
		detail  string // a part of it
		want    func(*token.DeniedAssertion)
	}{
		{name: "of another algorithm, without a client id beside it", signer: a.addSigner("1"), reason: credentials.ReasonAlgorithm,
			headers: []func(map[string]any){header("alg", "HS256")}, detail: `alg "HS256"`,
			want: func(d *token.DeniedAssertion) { d.Algorithm = "HS256" }},
		{name: "of the type of an access token", signer: a.addSigner("2"), reason: credentials.ReasonType,
			headers: []func(map[string]any){header("typ", "at+jwt"), header("kid", "k1")}, detail: `typ "at+jwt"`,
			want: func(d *token.DeniedAssertion) { d.Type, d.KeyID = "at+jwt", "k1" }},
		{name: "with an iss that is not its sub", signer: a.addSigner("3"), reason: credentials.ReasonIssuer,
			claims: func(c jwt.MapClaims) { c["iss"] = "somebody" }, detail: `iss "somebody"`,
			want: func(d *token.DeniedAssertion) { d.Issuer = "somebody" }},
		{name: "with a critical header, which hides the header", signer: a.addSigner("4"), reason: credentials.ReasonMalformed,
			headers: []func(map[string]any){header("crit", []string{"b64"})}, detail: "crit is not supported",
			want: func(d *token.DeniedAssertion) { d.Algorithm, d.Type = "", "" }},
		{name: "for another audience", signer: a.addSigner("5"), reason: credentials.ReasonAudience,
			claims: func(c jwt.MapClaims) { c["aud"] = []string{ordersAud, issuerURL} }, detail: "want [" + `"` + issuerURL + `"]`,
			want: func(d *token.DeniedAssertion) {
				d.Audiences, d.WantedAudiences = []string{ordersAud, issuerURL}, []string{issuerURL}
			}},
		{name: "for no audience", signer: a.addSigner("6"), reason: credentials.ReasonAudience,
			claims: func(c jwt.MapClaims) { delete(c, "aud") },
			want:   func(d *token.DeniedAssertion) { d.Audiences, d.WantedAudiences = nil, []string{issuerURL} }},
		{name: "without an exp", signer: a.addSigner("7"), reason: credentials.ReasonNoExpiry,
			claims: func(c jwt.MapClaims) { delete(c, "exp") },
			want:   func(d *token.DeniedAssertion) { d.ExpiresAt = time.Time{} }},
		{name: "expired, by a clock ten minutes behind", signer: a.addSigner("8"), reason: credentials.ReasonExpired,
			claims: func(c jwt.MapClaims) {
				c["iat"], c["exp"] = now.Add(-10*time.Minute).Unix(), now.Add(-9*time.Minute).Unix()
			},
			detail: "exp was 9m0s ago",
			want: func(d *token.DeniedAssertion) {
				d.IssuedAt, d.ExpiresAt, d.ClockSkew = at(-10*time.Minute), at(-9*time.Minute), seconds(-600)
			}},
		{name: "not yet valid, by a clock five minutes ahead and nbf alone", signer: a.addSigner("9"), reason: credentials.ReasonNotYetValid,
			claims: func(c jwt.MapClaims) {
				delete(c, "iat")
				c["nbf"] = now.Add(5 * time.Minute).Unix()
			},
			detail: "nbf is 5m0s ahead",
			want: func(d *token.DeniedAssertion) {
				d.IssuedAt, d.NotBefore, d.ClockSkew = time.Time{}, at(5*time.Minute), seconds(300)
			}},
		{name: "valid for too long", signer: a.addSigner("10"), reason: credentials.ReasonLifetime,
			claims: func(c jwt.MapClaims) { c["exp"] = now.Add(time.Hour).Unix() },
			want:   func(d *token.DeniedAssertion) { d.ExpiresAt = at(time.Hour) }},
		{name: "without a jti and an iat", signer: a.addSigner("11"), reason: credentials.ReasonNoID,
			claims: func(c jwt.MapClaims) { delete(c, "jti"); delete(c, "iat") },
			want:   func(d *token.DeniedAssertion) { d.IssuedAt, d.ClockSkew = time.Time{}, nil }},
		{name: "naming a key that nobody knows", signer: a.addSigner("12"), by: stranger, reason: credentials.ReasonUnknownKey,
			headers: []func(map[string]any){header("kid", "old")}, detail: `no key is named "old"`,
			want: func(d *token.DeniedAssertion) { d.KeyID = "old" }},
		{name: "naming a certificate that nobody knows", signer: a.addSigner("13"), by: stranger, reason: credentials.ReasonUnknownKey,
			headers: []func(map[string]any){header("x5t#S256", "thumb")},
			want:    func(d *token.DeniedAssertion) { d.KeyID = "thumb" }},
		{name: "signed by another key", signer: a.addSigner("14"), by: stranger, reason: credentials.ReasonSignature},
		{name: "by a certificate that has expired", signer: certified, reason: credentials.ReasonKeyNotValid},
		{name: "of a disabled client", signer: disabled, reason: token.ReasonDisabled},
		{name: "of a client with secrets", signer: signer{bySecret.id, stranger.key, stranger.method}, reason: token.ReasonMethodMismatch, method: credentials.MethodSecret},
		{name: "with another client id beside it", signer: a.addSigner("15"), reason: token.ReasonClientMismatch,
			form: func(f url.Values) { f.Set("client_id", replaying.id) }},
		{name: "a second time", signer: a.addSigner("16"), twice: true, reason: token.ReasonReplay, detail: "was used before",
			want: func(d *token.DeniedAssertion) { d.Thumbprint = "of its key" }},
		{name: "for a scope that was not granted", signer: a.addSigner("17"), reason: token.ReasonScopeNotGranted,
			form:   func(f url.Values) { f.Set("scope", "orders:write") },
			detail: "The client was not granted each scope",
			want:   func(d *token.DeniedAssertion) { d.Thumbprint = "of its key" }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			by := tt.signer
			if tt.by.key != nil {
				by = tt.by
			}
			claims := tt.signer.claims(now)
			if tt.claims != nil {
				tt.claims(claims)
			}
			form := assertionForm(by.sign(t, claims, tt.headers...))
			if tt.form != nil {
				tt.form(form)
			}
			if tt.twice {
				require.Equal(t, http.StatusOK, a.post(form).Code)
			}
			answer := a.post(form)
			require.GreaterOrEqual(t, answer.Code, 400)
			require.Equal(t, tt.reason, a.lastReason())

			about := tt.signer.id
			if form.Has("client_id") {
				about = form.Get("client_id")
			}
			got := a.denials(about)
			require.Len(t, got, 1)
			require.Equal(t, tt.reason, got[0].Reason)
			require.Equal(t, answer.Header().Get("X-Request-Id"), got[0].RequestID)
			if tt.method == "" {
				tt.method = credentials.MethodPublicKeys
			}
			require.Equal(t, tt.method, got[0].Method)
			require.Contains(t, got[0].Detail, tt.detail)
			require.Nil(t, got[0].Secret)
			want := usual(tt.signer)
			if tt.want != nil {
				tt.want(&want)
			}
			if want.Thumbprint != "" {
				want.Thumbprint = publicKey(t, tt.signer.key).Thumbprint()
			}
			require.Equal(t, &want, got[0].Assertion)
		})
	}
}

// addCertified registers a client with a certificate that ended at until.
func (a *authority) addCertified(name string, until time.Time) signer {
	a.t.Helper()
	key := ecKey(a.t).(*ecdsa.PrivateKey)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: until.Add(-24 * time.Hour), NotAfter: until,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(a.t, err)
	keys, _, err := credentials.ParsePEM(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), a.clock.Now())
	require.NoError(a.t, err)
	c, err := a.registry.Add(a.ctx, client.Spec{Name: name, Keys: keys, Grants: []client.Grant{{ServerID: "orders", ScopeID: "orders.read"}}})
	require.NoError(a.t, err)
	return signer{c.ID, key, jwt.SigningMethodES256}
}

// The members of the JSON are for other programs to read, so they stay.
func TestTheJSONOfADenial(t *testing.T) {
	skew := int64(-90)
	at := time.Date(2026, 5, 17, 10, 30, 0, 0, time.UTC)
	full, err := json.Marshal(token.Denial{
		ID: "i", Time: at, ClientID: "c", Method: credentials.MethodSecret, Error: "e", Reason: "r", Detail: "d",
		RequestID: "q", Address: "a", Audience: "u", Scope: "s",
		Secret: &token.DeniedSecret{ID: "x", State: token.SecretExpired, ExpiresAt: at},
		Assertion: &token.DeniedAssertion{
			Algorithm: "ES256", Type: "JWT", KeyID: "k", Thumbprint: "t", Issuer: "c", Subject: "c",
			Audiences: []string{"u"}, WantedAudiences: []string{"w"}, IssuedAt: at, NotBefore: at, ExpiresAt: at, ClockSkew: &skew,
		},
	})
	require.NoError(t, err)
	const stamp = `"2026-05-17T10:30:00Z"`
	require.JSONEq(t, `{"id":"i","time":`+stamp+`,"clientId":"c","method":"SECRET","error":"e","reason":"r","detail":"d",
		"requestId":"q","address":"a","audience":"u","scope":"s",
		"secret":{"id":"x","state":"expired","expiresAt":`+stamp+`},
		"assertion":{"algorithm":"ES256","type":"JWT","keyId":"k","thumbprint":"t","issuer":"c","subject":"c","audiences":["u"],
		"wantedAudiences":["w"],"issuedAt":`+stamp+`,"notBefore":`+stamp+`,"expiresAt":`+stamp+`,"clockSkew":-90}}`, string(full))
	least, err := json.Marshal(token.Denial{ID: "i", Time: at, Secret: &token.DeniedSecret{State: token.SecretUnknown}, Assertion: &token.DeniedAssertion{}})
	require.NoError(t, err)
	require.JSONEq(t, `{"id":"i","time":`+stamp+`,"clientId":"","method":"","error":"","reason":"","secret":{"state":"unknown"},"assertion":{}}`, string(least))
}

// What a stranger writes into a denial is bounded and can be shown.
func TestADenialIsBounded(t *testing.T) {
	a := newAuthority(t)
	s := a.addSigner("signer")
	long := strings.Repeat("€", 1000)
	claims := s.claims(a.clock.Now())
	list := []string{issuerURL}
	for n := range 50 {
		list = append(list, fmt.Sprint(n, "\x1b[31m", long[:90]))
	}
	claims["aud"], claims["exp"], claims["iat"] = list, int64(1)<<52, -100_000_000_000
	form := assertionForm(s.sign(t, claims, func(h map[string]any) { h["kid"] = "\u0085" + long }))
	form.Set("audience", long)
	form.Set("scope", "\xff"+long+"\n")
	r := post(form.Encode())
	r.RemoteAddr = long
	require.Equal(t, http.StatusUnauthorized, a.do(r).Code)
	got := a.denials(s.id)
	require.Len(t, got, 1)
	d := got[0]
	for what, text := range map[string]string{"audience": d.Audience, "scope": d.Scope, "kid": d.Assertion.KeyID, "address": d.Address} {
		require.LessOrEqual(t, len(text), token.MaxDenialText, what)
		require.Greater(t, len(text), token.MaxDenialText-8, what)
		require.True(t, strings.HasSuffix(text, "€…"), what)
	}
	require.True(t, strings.HasPrefix(d.Scope, "\uFFFD€"))
	require.True(t, strings.HasPrefix(d.Assertion.KeyID, "\uFFFD€"))
	require.Len(t, d.Assertion.Audiences, 8)
	require.True(t, strings.HasPrefix(d.Assertion.Audiences[1], "0\uFFFD[31m€"))
	require.Zero(t, d.Assertion.ExpiresAt, "what is no time is left out")
	require.Zero(t, d.Assertion.IssuedAt, "as is one before the year 1, which JSON can't hold")
	require.Nil(t, d.Assertion.ClockSkew)
	record, err := a.store.Get(t.Context(), token.KindDenial, d.ID)
	require.NoError(t, err)
	require.Less(t, len(record.Data), 8<<10)
}
