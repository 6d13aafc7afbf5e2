package token_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/audit"
	"github.com/clientele-go/clientele/memstore"
	"github.com/clientele-go/clientele/store"
	"github.com/clientele-go/clientele/token"
)

func (a *authority) get(path string, edit ...func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, "http://any"+path, nil)
	for _, e := range edit {
		e(r)
	}
	w := httptest.NewRecorder()
	a.issuer.ServeHTTP(w, r)
	return w
}

func TestMetadataIsServedAtBothWellKnownPlaces(t *testing.T) {
	for _, tt := range []struct{ name, issuer, oauth, openid, token string }{
		{"issuer without a path", "https://auth.example.com", "/.well-known/oauth-authorization-server", "/.well-known/openid-configuration", "/oauth2/v1/token"},
		{"issuer with a path", "https://auth.example.com/acme/eu", "/.well-known/oauth-authorization-server/acme/eu", "/acme/eu/.well-known/openid-configuration", "/acme/eu/oauth2/v1/token"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := newAuthority(t, func(c *token.Config) { c.Issuer = tt.issuer })
			for _, path := range []string{tt.oauth, tt.openid} {
				w := a.get(path)
				require.Equal(t, http.StatusOK, w.Code, path)
				require.Equal(t, "application/json", w.Header().Get("Content-Type"))
				require.JSONEq(t, fmt.Sprintf(`{
					"issuer": %[1]q,
					"token_endpoint": "%[1]s/oauth2/v1/token",
					"jwks_uri": "%[1]s/oauth2/v1/keys",
					"grant_types_supported": ["client_credentials"],
					"response_types_supported": [],
					"token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "private_key_jwt"],
					"token_endpoint_auth_signing_alg_values_supported": %[2]s,
					"id_token_signing_alg_values_supported": ["ES256"],
					"revocation_endpoint": "%[1]s/oauth2/v1/revoke",
					"revocation_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "private_key_jwt"],
					"revocation_endpoint_auth_signing_alg_values_supported": %[2]s,
					"introspection_endpoint": "%[1]s/oauth2/v1/introspect",
					"introspection_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "private_key_jwt"],
					"introspection_endpoint_auth_signing_alg_values_supported": %[2]s,
					"introspection_signing_alg_values_supported": ["ES256"],
					"clientele_revocations_uri": "%[1]s/oauth2/v1/revocations"
				}`, tt.issuer, `["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"]`), w.Body.String())
			}
			r := post(a.add("report").form().Encode())
			r.URL.Path = tt.token
			require.Equal(t, http.StatusOK, a.do(r).Code)
		})
	}
}

func TestOnlyFullPathsAreServed(t *testing.T) {
	a := newAuthority(t, func(c *token.Config) {
		c.Issuer += "/acme"
		c.Paths = token.Paths{Token: "/token", Keys: "/jwks.json"}
	})
	for _, path := range []string{"/", "/token", "/acme", "/acme/token/", "/acme//token", "/ACME/token", "/acme/tokens", "/acme%2Ftoken", "/.well-known/openid-configuration", "/acme/.well-known/oauth-authorization-server", "/acme/oauth2/v1/token"} {
		require.Equal(t, http.StatusNotFound, a.get(path).Code, path)
	}
	require.Equal(t, http.StatusOK, a.get("/acme/jwks.json").Code)
	require.Equal(t, http.StatusMethodNotAllowed, a.get("/acme/token").Code)
}

func TestKeysAndMetadataMayBeCached(t *testing.T) {
	a := newAuthority(t, func(c *token.Config) { c.KeysMaxAge = 5 * time.Minute })
	for _, path := range []string{"/oauth2/v1/keys", "/.well-known/oauth-authorization-server"} {
		w := a.get(path)
		require.Equal(t, "public, max-age=300", w.Header().Get("Cache-Control"))
		etag := w.Header().Get("ETag")
		require.NotEmpty(t, etag)
		for _, header := range []string{etag, "W/" + etag, `"other", ` + etag, "*"} {
			again := a.get(path, func(r *http.Request) { r.Header.Set("If-None-Match", header) })
			require.Equal(t, http.StatusNotModified, again.Code)
			require.Empty(t, again.Body.String())
			require.Equal(t, etag, again.Header().Get("ETag"))
		}
		require.Equal(t, http.StatusNotModified, a.get(path, func(r *http.Request) { r.Header["If-None-Match"] = []string{`"other"`, etag} }).Code)
		require.Equal(t, http.StatusOK, a.get(path, func(r *http.Request) { r.Header.Set("If-None-Match", `"other"`) }).Code)
		head := a.get(path, func(r *http.Request) { r.Method = http.MethodHead })
		require.Equal(t, http.StatusOK, head.Code)
		require.Empty(t, head.Body.String())
		wrong := a.get(path, func(r *http.Request) { r.Method = http.MethodPost })
		require.Equal(t, http.StatusMethodNotAllowed, wrong.Code)
		require.Equal(t, "GET, HEAD", wrong.Header().Get("Allow"))
	}
}

func TestTheKeySetHoldsNothingPrivate(t *testing.T) {
	a := newAuthority(t)
	var set struct{ Keys []map[string]any }
	require.NoError(t, json.Unmarshal(a.get("/oauth2/v1/keys").Body.Bytes(), &set))
	require.Len(t, set.Keys, 1)
	require.Equal(t, "ES256", set.Keys[0]["alg"])
	require.Equal(t, "sig", set.Keys[0]["use"])
	require.NotEmpty(t, set.Keys[0]["kid"])
	for _, private := range []string{"d", "p", "q", "dp", "dq", "qi", "k"} {
		require.NotContains(t, set.Keys[0], private)
	}
}

func TestEveryAlgorithmSignsTokensThatGolangJWTVerifies(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	require.NoError(t, err)
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	own := func(s crypto.Signer, algorithm string) func(*token.Config) {
		return func(c *token.Config) {
			c.SealingKeys, c.Signer, c.Algorithm = nil, s, algorithm
		}
	}
	for _, tt := range []struct {
		name, alg string
		configure func(*token.Config)
	}{
		{"the default", "ES256", func(*token.Config) {}},
		{"RS256", "RS256", func(c *token.Config) { c.Algorithm = "RS256" }},
		{"PS256", "PS256", func(c *token.Config) { c.Algorithm = "PS256" }},
		{"EdDSA", "EdDSA", func(c *token.Config) { c.Algorithm = "EdDSA" }},
		{"an ephemeral key", "EdDSA", func(c *token.Config) {
			c.SealingKeys, c.EphemeralKeys, c.Algorithm = nil, true, "EdDSA"
		}},
		{"an own RSA key", "RS256", own(rsaKey, "")},
		{"an own RSA key with another algorithm", "PS384", own(rsaKey, "PS384")},
		{"an own key on P-384", "ES384", own(p384, "")},
		{"an own Ed25519 key", "EdDSA", own(ed, "")},
		{"an own signer that shows only its interface", "RS256", own(struct{ crypto.Signer }{rsaKey}, "")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := newAuthority(t, tt.configure)
			got := a.post(a.add("report").form())
			require.Equal(t, http.StatusOK, got.Code, got.Body)
			a.claims(got.AccessToken)
			header, _, _ := strings.Cut(got.AccessToken, ".")
			require.Contains(t, decode64(t, header), `"alg":"`+tt.alg+`"`)
		})
	}
}

func TestNewIssuerRefusesABadConfig(t *testing.T) {
	a := newAuthority(t)
	small, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	require.NoError(t, err)
	for _, tt := range []struct {
		name, text string
		edit       func(*token.Config)
	}{
		{"no issuer", "needs an Issuer", func(c *token.Config) { c.Issuer = "" }},
		{"an issuer that is no URL", "not a URL", func(c *token.Config) { c.Issuer = "https://a b" }},
		{"an issuer without a scheme", "https URL", func(c *token.Config) { c.Issuer = "auth.example.com" }},
		{"http elsewhere than on loopback", "loopback", func(c *token.Config) { c.Issuer = "http://auth.example.com" }},
		{"a slash at the end", "without a slash", func(c *token.Config) { c.Issuer += "/" }},
		{"a query", "query", func(c *token.Config) { c.Issuer += "?a=b" }},
		{"a fragment", "fragment", func(c *token.Config) { c.Issuer += "#" }},
		{"a user", "user", func(c *token.Config) { c.Issuer = "https://u:hunter2@auth.example.com" }},
		{"dots in the path", "plain path", func(c *token.Config) { c.Issuer += "/a/../b" }},
		{"no clients", "needs Clients", func(c *token.Config) { c.Clients = nil }},
		{"no keys at all", "one of SealingKeys", func(c *token.Config) { c.SealingKeys = nil }},
		{"keys in two ways", "one of SealingKeys", func(c *token.Config) { c.EphemeralKeys = true }},
		{"an empty sealing key", "SealingKeys[1] is empty", func(c *token.Config) { c.SealingKeys = append(c.SealingKeys, token.SealingKey{}) }},
		{"an unknown algorithm", "Config.Algorithm", func(c *token.Config) { c.Algorithm = "HS256" }},
		{"no algorithm at all", "Config.Algorithm", func(c *token.Config) { c.Algorithm = "none" }},
		{"an own key on P-224", "can't be signed", func(c *token.Config) { c.SealingKeys, c.Signer = nil, p224 }},
		{"an own key with an algorithm that does not fit", "unfit", func(c *token.Config) {
			c.SealingKeys, c.Signer, c.Algorithm = nil, small, "ES256"
		}},
		{"a long max-age", "KeysMaxAge", func(c *token.Config) { c.KeysMaxAge = time.Hour + time.Second }},
		{"a short max-age", "KeysMaxAge", func(c *token.Config) { c.KeysMaxAge = time.Second }},
		{"a path without a slash", "plain path", func(c *token.Config) { c.Paths.Token = "token" }},
		{"a path with an escape", "plain path", func(c *token.Config) { c.Paths.Token = "/a%20b" }},
		{"the same path twice", "same path twice", func(c *token.Config) { c.Paths = token.Paths{Token: "/x", Keys: "/x"} }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := a.config()
			tt.edit(&cfg)
			_, err := token.NewIssuer(a.ctx, cfg)
			require.ErrorContains(t, err, tt.text)
			require.NotContains(t, err.Error(), "hunter2")
		})
	}
	for _, issuer := range []string{"http://127.0.0.1:8080", "http://[::1]:8080", "http://localhost:8080", "https://auth.example.com:8443/a-b/c_d"} {
		cfg := a.config()
		cfg.Issuer = issuer
		_, err := token.NewIssuer(a.ctx, cfg)
		require.NoError(t, err, issuer)
	}
}

func TestSigningKeysSurviveARestart(t *testing.T) {
	a := newAuthority(t)
	c := a.add("report")
	before := a.post(c.form()).AccessToken
	a.issuer = a.newIssuer()
	a.claims(before)
	require.Equal(t, head(before), head(a.post(c.form()).AccessToken))
}

func head(raw string) string { h, _, _ := strings.Cut(raw, "."); return h }

func TestIssuersThatStartAtOnceMakeOneKey(t *testing.T) {
	a := newAuthority(t, func(c *token.Config) { c.SealingKeys, c.EphemeralKeys = nil, true })
	var wg sync.WaitGroup
	sets := make([]string, 16)
	for n := range sets {
		wg.Go(func() {
			issuer, err := token.NewIssuer(a.ctx, a.config())
			if err != nil {
				t.Error(err)
				return
			}
			set, _, err := issuer.JWKSet(a.ctx)
			if err != nil {
				t.Error(err)
			}
			sets[n] = string(set)
		})
	}
	wg.Wait()
	for _, set := range sets {
		require.Equal(t, sets[0], set)
	}
	page, err := a.store.List(a.ctx, store.Query{Kind: token.KindSigningKey, Count: true})
	require.NoError(t, err)
	require.Equal(t, 1, page.Total)

	log, err := audit.NewLog(audit.Config{Store: a.store})
	require.NoError(t, err)
	events, err := log.List(a.ctx, audit.Filter{Action: "signing_key.create"})
	require.NoError(t, err)
	require.Len(t, events.Events, 1, "and one event tells of it")
	require.Equal(t, page.Records[0].ID, events.Events[0].Subject.ID)
}

// SECURITY 78.
func TestKeysSealedOtherwiseAreNoReasonToMakeNewOnes(t *testing.T) {
	a := newAuthority(t)
	other, err := token.NewSealingKey(rand.Reader)
	require.NoError(t, err)
	cfg := a.config()
	cfg.SealingKeys = []token.SealingKey{other}
	_, err = token.NewIssuer(a.ctx, cfg)
	require.ErrorIs(t, err, token.ErrSealed)
	require.ErrorContains(t, err, testSealingKey.ID(), "it says which key is wanted")
	page, err := a.store.List(a.ctx, store.Query{Kind: token.KindSigningKey, Count: true})
	require.NoError(t, err)
	require.Equal(t, 1, page.Total)

	cfg.SealingKeys = []token.SealingKey{other, testSealingKey}
	_, err = token.NewIssuer(a.ctx, cfg)
	require.NoError(t, err, "all of them open")
}

func TestASealedKeyIsBoundToItsPlaceAndWhole(t *testing.T) {
	a := newAuthority(t)
	page, err := a.store.List(a.ctx, store.Query{Kind: token.KindSigningKey})
	require.NoError(t, err)
	record := page.Records[0]
	for _, private := range []string{"PRIVATE", `"d"`} {
		require.NotContains(t, string(record.Data), private)
	}
	restart := func(edit func(r *store.Record)) error {
		r := record
		r.Data = bytes.Clone(r.Data)
		edit(&r)
		s := memstore.New()
		defer s.Close()
		r.Version = 0
		_, err := s.Apply(a.ctx, store.Put(r))
		require.NoError(t, err)
		cfg := a.config()
		cfg.Clients = registryOver(t, s)
		_, err = token.NewIssuer(a.ctx, cfg)
		return err
	}
	require.NoError(t, restart(func(*store.Record) {}))
	require.ErrorContains(t, restart(func(r *store.Record) { r.ID = "another" }), "damaged")
	require.ErrorContains(t, restart(func(r *store.Record) { r.Data = bytes.Replace(r.Data, []byte("ES256"), []byte("ES384"), 1) }), "damaged")
	require.ErrorContains(t, restart(func(r *store.Record) { r.Data = []byte("{}") }), "sealed")
	require.ErrorContains(t, restart(func(r *store.Record) { r.Data = []byte("[") }), "decoding")
	require.ErrorIs(t, restart(func(r *store.Record) { r.Format = 2 }), store.ErrNewer)
	require.ErrorContains(t, restart(func(r *store.Record) {
		var data map[string]any
		require.NoError(t, json.Unmarshal(r.Data, &data))
		private := data["private"].(map[string]any)
		private["box"] = "AAAA" + private["box"].(string)[4:]
		r.Data, err = json.Marshal(data)
		require.NoError(t, err)
	}), "damaged")
}

func TestASealingKeyIsNeverShownByChance(t *testing.T) {
	k, err := token.NewSealingKey(rand.Reader)
	require.NoError(t, err)
	raw := []byte(decode64(t, strings.TrimRight(strings.NewReplacer("+", "-", "/", "_").Replace(k.Reveal()), "=")))
	holder := struct {
		Public token.SealingKey
		hidden token.SealingKey
	}{k, k}
	text, err := json.Marshal(holder)
	require.NoError(t, err)
	shown := []string{string(text)}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
		shown = append(shown, fmt.Sprintf(verb, k), fmt.Sprintf(verb, holder))
	}
	for _, shown := range shown {
		require.NotContains(t, shown, k.Reveal())
		require.NotContains(t, shown, fmt.Sprintf("%x", raw))
		require.NotContains(t, shown, fmt.Sprint(raw)[1:20])
	}
	again, err := token.ParseSealingKey(" " + k.Reveal() + "\n")
	require.NoError(t, err)
	require.Equal(t, k.ID(), again.ID())
	for _, bad := range []string{"", "AAAA", k.Reveal() + k.Reveal(), "!" + k.Reveal()[1:]} {
		_, err := token.ParseSealingKey(bad)
		require.Error(t, err)
		require.False(t, len(bad) > 0 && strings.Contains(err.Error(), bad))
	}
}

func TestSeveralIssuersShareOneServerAndNothingElse(t *testing.T) {
	mux := http.NewServeMux()
	acme := newAuthority(t, func(c *token.Config) { c.Issuer += "/acme" })
	umbrella := newAuthority(t, func(c *token.Config) { c.Issuer += "/umbrella" })
	acme.issuer.Mount(mux)
	umbrella.issuer.Mount(mux)
	c := acme.add("report")
	do := func(path string) int {
		r := post(c.form().Encode())
		r.URL.Path = path
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		return w.Code
	}
	require.Equal(t, http.StatusOK, do("/acme/oauth2/v1/token"))
	require.Equal(t, http.StatusUnauthorized, do("/umbrella/oauth2/v1/token"))

	issued, err := acme.issuer.Issue(t.Context(), token.Request{ClientID: c.id, ClientSecret: c.secret})
	require.NoError(t, err)
	ours, err := acme.issuer.Verifier(ordersAud)
	require.NoError(t, err)
	theirs, err := umbrella.issuer.Verifier(ordersAud)
	require.NoError(t, err)
	_, err = ours.Verify(t.Context(), issued.AccessToken)
	require.NoError(t, err)
	_, err = theirs.Verify(t.Context(), issued.AccessToken)
	require.Error(t, err)
}

func TestIssueIsTheEndpointWithoutHTTP(t *testing.T) {
	a := newAuthority(t)
	c := a.add("report")
	got, err := a.issuer.Issue(t.Context(), token.Request{ClientID: c.id, ClientSecret: c.secret, Scope: "r::read", RemoteAddr: "192.0.2.1"})
	require.NoError(t, err)
	claims := a.claims(got.AccessToken)
	require.Equal(t, claims["jti"], got.ID)
	require.Equal(t, []string{"r::read"}, got.Scopes)
	require.Equal(t, time.Hour, got.ExpiresIn)
	require.EqualValues(t, claims["exp"], got.ExpiresAt.Unix())
	require.EqualValues(t, claims["iat"], got.IssuedAt.Unix())
	require.Equal(t, ordersAud, got.Audience)
	require.Equal(t, c.secret[4:12], got.Credential.ID)

	_, err = a.issuer.Issue(t.Context(), token.Request{ClientID: c.id, ClientSecret: "x", RemoteAddr: "192.0.2.1"})
	var refusal *token.Error
	require.ErrorAs(t, err, &refusal)
	require.Equal(t, token.CodeInvalidClient, refusal.Code)
	require.Equal(t, token.ReasonMistypedSecret, refusal.Reason)

	_, err = a.issuer.Issue(t.Context(), token.Request{GrantType: "password", ClientID: c.id, ClientSecret: c.secret})
	require.ErrorAs(t, err, &refusal)
	require.Equal(t, token.CodeUnsupportedGrantType, refusal.Code)
	require.Contains(t, a.log.String(), "192.0.2.1")
}

func TestTokensAndRequestsAreNeverShownByChance(t *testing.T) {
	a := newAuthority(t)
	c := a.add("report")
	req := token.Request{ClientID: c.id, ClientSecret: c.secret}
	got, err := a.issuer.Issue(t.Context(), req)
	require.NoError(t, err)
	for _, v := range []any{req, &req, *got, got, []token.Request{req}, map[string]token.Token{"t": *got}} {
		text, err := json.Marshal(v)
		require.NoError(t, err)
		for _, shown := range []string{fmt.Sprintf("%v", v), fmt.Sprintf("%+v", v), fmt.Sprintf("%#v", v), fmt.Sprintf("%s", v), string(text)} {
			require.NotContains(t, shown, c.secret)
			require.NotContains(t, shown, got.AccessToken)
		}
	}
	require.NotContains(t, a.log.String(), got.AccessToken)
	require.NotContains(t, a.log.String(), c.secret)
	require.Contains(t, a.log.String(), got.ID)
}

func TestASignerThatFailsIsNoRefusal(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	a := newAuthority(t, func(c *token.Config) {
		c.SealingKeys, c.Signer = nil, brokenSigner{key}
	})
	got := a.post(a.add("report").form())
	require.Equal(t, http.StatusServiceUnavailable, got.Code)
	require.Equal(t, []string{token.ReasonSignerUnavailable}, a.log.reasons())
}

type brokenSigner struct{ *ecdsa.PrivateKey }

func (brokenSigner) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return nil, errors.New("the key service is away")
}

func TestRevokingAGrantTakesEffectAtOnce(t *testing.T) {
	a := newAuthority(t)
	c := a.add("report")
	diff, err := a.catalog.Sync(a.ctx, "orders", "r", nil)
	require.NoError(t, err)
	require.Len(t, diff.Removed, 1)
	got := a.post(c.form())
	require.Equal(t, http.StatusOK, got.Code)
	require.Equal(t, "orders.read", got.Scope, "a scope that is gone grants nothing")
	lost, err := a.registry.LostScopes(a.ctx, diff)
	require.NoError(t, err)
	require.Len(t, lost, 1)
	require.Equal(t, c.id, lost[0].Client.ID)
}

func TestConcurrentRequestsAreIndependent(t *testing.T) {
	a := newAuthority(t)
	clients := []known{a.add("one"), a.add("two"), a.add("three")}
	keys := a.keyfunc()
	_ = keys
	var wg sync.WaitGroup
	for n := range 16 {
		c := clients[n%len(clients)]
		wg.Go(func() {
			for range 20 {
				got, err := a.issuer.Issue(context.Background(), token.Request{ClientID: c.id, ClientSecret: c.secret})
				if err != nil {
					t.Error(err)
					return
				}
				if got.ClientID != c.id || !strings.Contains(decode64(t, strings.Split(got.AccessToken, ".")[1]), `"sub":"`+c.id+`"`) {
					t.Error("the token of another client")
				}
			}
		})
	}
	wg.Wait()
}
