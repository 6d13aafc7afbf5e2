package token_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/credentials"
	"github.com/clientele-go/clientele/store"
	"github.com/clientele-go/clientele/token"
)

func basic(id, secret string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(id)+":"+url.QueryEscape(secret)))
}

func rawBasic(s string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(s)) }

func TestASecretGetsAToken(t *testing.T) {
	a := newAuthority(t)
	c := a.add("report")
	for _, way := range []string{"in the body", "in a Basic header", "in a basic header with the id in the body too"} {
		t.Run(way, func(t *testing.T) {
			form := c.form()
			r := post(form.Encode())
			if way != "in the body" {
				form.Del("client_secret")
				scheme := "basic"
				if way == "in a Basic header" {
					form.Del("client_id")
					scheme = "Basic"
				}
				r = post(form.Encode())
				r.Header.Set("Authorization", scheme+strings.TrimPrefix(basic(c.id, c.secret), "Basic"))
			}
			got := a.do(r)
			require.Equal(t, http.StatusOK, got.Code, got.Body)
			require.EqualValues(t, 3600, got.ExpiresIn)
			require.Equal(t, "orders.read r::read", got.Scope)

			claims := a.claims(got.AccessToken)
			now := a.clock.Now().Unix()
			require.NotEmpty(t, claims["jti"])
			delete(claims, "jti")
			require.Equal(t, map[string]any{
				"iss": issuerURL, "sub": c.id, "client_id": c.id, "aud": ordersAud, "scope": "orders.read r::read",
				"iat": float64(now), "exp": float64(now + 3600),
			}, map[string]any(claims))
		})
	}
}

func TestTheAnswerHasExactlyTheMembersOfTheRFC(t *testing.T) {
	a := newAuthority(t)
	members := func(form url.Values) map[string]any {
		t.Helper()
		got := a.post(form)
		require.Equal(t, http.StatusOK, got.Code)
		require.Contains(t, got.Body.String(), `"expires_in":3600,`) // a number
		var members map[string]any
		require.NoError(t, json.Unmarshal(got.Body.Bytes(), &members))
		return members
	}
	got := members(a.add("report").form())
	require.Len(t, got, 5)
	require.EqualValues(t, a.clock.Now().AddDate(0, 0, 90).Unix(), got["client_secret_expires_at"], "that of RFC 7591")

	s := a.addSigner("signer")
	got = members(assertionForm(s.sign(t, s.claims(a.clock.Now()))))
	require.Len(t, got, 4, "there is no secret")
}

func TestEachTokenHasAnIdOfItsOwn(t *testing.T) {
	a := newAuthority(t)
	c := a.add("report")
	one, two := a.claims(a.post(c.form()).AccessToken), a.claims(a.post(c.form()).AccessToken)
	require.NotEqual(t, one["jti"], two["jti"])
}

// SECURITY 1–9, 12–14: what is wrong with the request itself.
func TestBadTokenRequests(t *testing.T) {
	a := newAuthority(t)
	c := a.add("report")
	good := c.form().Encode()
	with := func(pairs ...string) string {
		form := c.form()
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i+1] == "" {
				form.Del(pairs[i])
			} else {
				form.Set(pairs[i], pairs[i+1])
			}
		}
		return form.Encode()
	}
	request := func(method, target, contentType, body string) *http.Request {
		r := httptest.NewRequest(method, target, strings.NewReader(body))
		if contentType != "" {
			r.Header.Set("Content-Type", contentType)
		}
		return r
	}
	const endpoint, formType = issuerURL + "/oauth2/v1/token", "application/x-www-form-urlencoded"
	authorized := func(body string, values ...string) *http.Request {
		r := post(body)
		r.Header["Authorization"] = values
		return r
	}
	grant := "grant_type=client_credentials"

	for _, tt := range []struct {
		name    string
		request *http.Request
		status  int
		code    string
		reason  string
	}{
		{"GET", request("GET", endpoint, "", ""), 405, "invalid_request", token.ReasonMethod},
		{"PUT", request("PUT", endpoint, formType, good), 405, "invalid_request", token.ReasonMethod},
		{"OPTIONS", request("OPTIONS", endpoint, "", ""), 405, "invalid_request", token.ReasonMethod},
		{"a body of JSON", request("POST", endpoint, "application/json", `{"grant_type":"client_credentials"}`), 400, "invalid_request", token.ReasonContentType},
		{"a multipart body", request("POST", endpoint, "multipart/form-data; boundary=x", good), 400, "invalid_request", token.ReasonContentType},
		{"no content type", request("POST", endpoint, "", good), 400, "invalid_request", token.ReasonContentType},
		{"a malformed content type", request("POST", endpoint, ";;", good), 400, "invalid_request", token.ReasonContentType},
		{"a body over 64 KiB", post(good + "&x=" + strings.Repeat("y", 64<<10)), 413, "invalid_request", token.ReasonTooLarge},
		{"a thousand parameters", post(good + strings.Repeat("&a", 1000)), 400, "invalid_request", token.ReasonMalformed},
		{"a broken escape in a value", post(good + "&x=%zz"), 400, "invalid_request", token.ReasonMalformed},
		{"a broken escape in a name", post(good + "&%z=1"), 400, "invalid_request", token.ReasonMalformed},
		{"grant_type twice", post(good + "&grant_type=client_credentials"), 400, "invalid_request", token.ReasonRepeated},
		{"client_id twice", post(good + "&client_id=" + c.id), 400, "invalid_request", token.ReasonRepeated},
		{"client_secret twice", post(good + "&client_secret=x"), 400, "invalid_request", token.ReasonRepeated},
		{"client_secret twice, once escaped", post(good + "&client%5fsecret=x"), 400, "invalid_request", token.ReasonRepeated},
		{"scope twice", post(good + "&scope=orders.read&scope=r::read"), 400, "invalid_request", token.ReasonRepeated},
		{"audience twice", post(good + "&audience=a&audience=a"), 400, "invalid_request", token.ReasonRepeated},
		{"an unknown parameter twice", post(good + "&x=1&x=1"), 400, "invalid_request", token.ReasonRepeated},
		{"the secret in the query", request("POST", endpoint+"?client_secret=x", formType, good), 400, "invalid_request", token.ReasonQuery},
		{"the secret in the query, behind a semicolon", request("POST", endpoint+"?a=b;client_secret=x", formType, good), 400, "invalid_request", token.ReasonQuery},
		{"the secret in the query, badly encoded", request("POST", endpoint+"?%zz=&client%5Fsecret=%zz", formType, good), 400, "invalid_request", token.ReasonQuery},
		{"an assertion in the query", request("POST", endpoint+"?client_assertion=x", formType, good), 400, "invalid_request", token.ReasonQuery},
		{"the grant type in the query", request("POST", endpoint+"?grant_type=client_credentials", formType, good), 400, "invalid_request", token.ReasonQuery},
		{"an empty body", post(""), 400, "invalid_request", token.ReasonGrantType},
		{"no grant type", post(with("grant_type", "")), 400, "invalid_request", token.ReasonGrantType},
		{"the grant type password", post(with("grant_type", "password")), 400, "unsupported_grant_type", token.ReasonGrantType},
		{"the grant type authorization_code", post(with("grant_type", "authorization_code")), 400, "unsupported_grant_type", token.ReasonGrantType},
		{"the grant type refresh_token", post(with("grant_type", "refresh_token")), 400, "unsupported_grant_type", token.ReasonGrantType},
		{"an unknown grant type without a client", post("grant_type=magic"), 400, "unsupported_grant_type", token.ReasonGrantType},
		{"the grant type in upper case", post(with("grant_type", "CLIENT_CREDENTIALS")), 400, "unsupported_grant_type", token.ReasonGrantType},
		{"a Basic header and a secret in the body", authorized(good, basic(c.id, c.secret)), 400, "invalid_request", token.ReasonTwoCredentials},
		{"two Authorization headers", authorized(grant, basic(c.id, c.secret), basic(c.id, c.secret)), 400, "invalid_request", token.ReasonTwoCredentials},
		{"a secret and an assertion", post(with("client_assertion", "x")), 400, "invalid_request", token.ReasonTwoCredentials},
		{"two assertions", post(grant + "&client_assertion=x&client_assertion=x"), 400, "invalid_request", token.ReasonRepeated},
		{"an assertion that is none", post(grant + "&client_id=" + c.id + "&client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer&client_assertion=x.y.z"), 401, "invalid_client", credentials.ReasonMalformed},
		{"no credential", post(grant), 401, "invalid_client", token.ReasonNoCredential},
		{"a client id alone", post(grant + "&client_id=" + c.id), 401, "invalid_client", token.ReasonNoCredential},
		{"an empty secret", post(with("client_secret", "") + "&client_secret="), 401, "invalid_client", token.ReasonNoCredential},
		{"another client id in the body than in Basic", authorized(grant+"&client_id=other", basic(c.id, c.secret)), 401, "invalid_client", token.ReasonClientMismatch},
		{"a Bearer header", authorized(grant, "Bearer x"), 401, "invalid_client", token.ReasonAuthorization},
		{"an empty Authorization header", authorized(grant, ""), 401, "invalid_client", token.ReasonAuthorization},
		{"Basic that is not base64", authorized(grant, "Basic !!!"), 401, "invalid_client", token.ReasonAuthorization},
		{"Basic without a colon", authorized(grant, rawBasic("abc")), 401, "invalid_client", token.ReasonAuthorization},
		{"Basic with a broken escape", authorized(grant, rawBasic(c.id+":%zz")), 401, "invalid_client", token.ReasonAuthorization},
		{"Basic with a NUL", authorized(grant, rawBasic(c.id+":a\x00b")), 401, "invalid_client", token.ReasonAuthorization},
		{"Basic with an escaped NUL", authorized(grant, rawBasic(c.id+":a%00b")), 401, "invalid_client", token.ReasonAuthorization},
		{"Basic with invalid UTF-8", authorized(grant, rawBasic(c.id+":\xff")), 401, "invalid_client", token.ReasonAuthorization},
		{"Basic with an empty secret", authorized(grant, basic(c.id, "")), 401, "invalid_client", token.ReasonNoCredential},
		{"a wrong secret", post(with("client_secret", "wrong")), 401, "invalid_client", token.ReasonMistypedSecret},
		{"a secret with a wrong checksum", post(with("client_secret", c.secret[:len(c.secret)-1]+"!")), 401, "invalid_client", token.ReasonMistypedSecret},
		{"a secret of 60 KiB", post(with("client_secret", strings.Repeat("x", 60<<10))), 401, "invalid_client", token.ReasonMistypedSecret},
		{"an unknown client", post(with("client_id", "unknown")), 401, "invalid_client", token.ReasonUnknownClient},
		{"a client id that can't be one", post(with("client_id", "a b\x00'\"")), 401, "invalid_client", token.ReasonUnknownClient},
		{"a client id of 60 KiB", post(with("client_id", strings.Repeat("x", 60<<10))), 401, "invalid_client", token.ReasonUnknownClient},
		{"an unknown audience", post(with("audience", "https://unknown.example.com")), 400, "invalid_target", token.ReasonTarget},
		{"an audience with a slash more", post(with("audience", ordersAud+"/")), 400, "invalid_target", token.ReasonTarget},
		{"a relative audience", post(with("audience", "/orders")), 400, "invalid_target", token.ReasonTarget},
		{"an audience with a fragment", post(with("audience", ordersAud+"#x")), 400, "invalid_target", token.ReasonTarget},
		{"an unknown resource", post(with("resource", "https://unknown.example.com")), 400, "invalid_target", token.ReasonTarget},
		{"audience and resource that differ", post(with("audience", ordersAud, "resource", stockAud)), 400, "invalid_target", token.ReasonTarget},
		{"two resources", post(good + "&resource=" + url.QueryEscape(ordersAud) + "&resource=" + url.QueryEscape(stockAud)), 400, "invalid_target", token.ReasonTarget},
		{"a scope that was not granted", post(with("scope", "orders:write")), 400, "invalid_scope", token.ReasonScopeNotGranted},
		{"a scope that was not granted beside one that was", post(with("scope", "orders.read orders:write")), 400, "invalid_scope", token.ReasonScopeNotGranted},
		{"an unknown scope", post(with("scope", "unknown")), 400, "invalid_scope", token.ReasonScopeNotGranted},
		{"a scope of another resource server", post(with("scope", "stock.read")), 400, "invalid_scope", token.ReasonScopeNotGranted},
		{"a scope in another case", post(with("scope", "Orders.Read")), 400, "invalid_scope", token.ReasonScopeNotGranted},
		{"a scope by its display name", post(with("scope", "Role: Reader")), 400, "invalid_scope", token.ReasonScopeNotGranted},
		{"a scope with a quote", post(with("scope", `a"b`)), 400, "invalid_scope", token.ReasonScopeMalformed},
		{"a scope with a backslash", post(with("scope", `a\b`)), 400, "invalid_scope", token.ReasonScopeMalformed},
		{"a scope with a line break", post(with("scope", "orders.read\nr::read")), 400, "invalid_scope", token.ReasonScopeMalformed},
		{"a scope that is not ASCII", post(with("scope", "ö")), 400, "invalid_scope", token.ReasonScopeMalformed},
		{"nothing granted at the resource server", post(with("audience", stockAud)), 400, "invalid_scope", token.ReasonNothingGranted},
		{"a wrong client and a wrong target: the client comes first", post(with("client_id", "x", "audience", "y")), 401, "invalid_client", token.ReasonUnknownClient},
		{"a wrong target and a wrong scope: the target comes first", post(with("audience", "y", "scope", `"`)), 400, "invalid_target", token.ReasonTarget},
		{"a wrong grant type and a wrong client: the grant type comes first", post(with("grant_type", "x", "client_id", "y")), 400, "unsupported_grant_type", token.ReasonGrantType},
	} {
		t.Run(tt.name, func(t *testing.T) {
			writes := a.store.puts.Load()
			got := a.do(tt.request)
			require.Equal(t, tt.status, got.Code, got.Body)
			require.Equal(t, tt.code, got.Error)
			if tt.status == 405 {
				require.Equal(t, "POST", got.Header().Get("Allow"))
			}
			reasons := a.log.reasons()
			require.Equal(t, tt.reason, reasons[len(reasons)-1])
			require.Equal(t, writes, a.store.puts.Load(), "a refused request writes nothing")
			require.NotContains(t, got.Body.String(), c.secret)
		})
	}
	require.NotContains(t, a.log.String(), c.secret[13:], "the log holds no secret")

	head := httptest.NewRecorder()
	a.issuer.ServeHTTP(head, request("HEAD", endpoint, "", ""))
	require.Equal(t, 405, head.Code)
}

func TestGoodTokenRequestsInUnusualShapes(t *testing.T) {
	a := newAuthority(t)
	c := a.add("report")
	stock := a.add("stock", func(s *client.Spec) {
		s.Grants = append(s.Grants, client.Grant{ServerID: "stock", ScopeID: "stock.read"})
	})
	good := c.form().Encode()
	aud, otherAud := url.QueryEscape(ordersAud), url.QueryEscape(stockAud)
	for _, tt := range []struct {
		name, body, contentType, audience, scope string
	}{
		{"a charset", good, "application/x-www-form-urlencoded; charset=utf-8", ordersAud, "orders.read r::read"},
		{"a content type in capitals", good, "Application/X-WWW-Form-Urlencoded", ordersAud, "orders.read r::read"},
		{"an unknown parameter", good + "&tenant=x", "", ordersAud, "orders.read r::read"},
		{"empty parameters, also twice", good + "&scope=&scope=&audience=&resource=&client_assertion=&x=&x=", "", ordersAud, "orders.read r::read"},
		{"an empty and a full one", good + "&scope=&scope=r::read", "", ordersAud, "r::read"},
		{"stray separators", "&&" + good + "&&", "", ordersAud, "orders.read r::read"},
		{"the audience by name", good + "&audience=" + aud, "", ordersAud, "orders.read r::read"},
		{"the resource by name", good + "&resource=" + aud, "", ordersAud, "orders.read r::read"},
		{"the same resource twice", good + "&resource=" + aud + "&resource=" + aud, "", ordersAud, "orders.read r::read"},
		{"audience and resource that agree", good + "&audience=" + aud + "&resource=" + aud, "", ordersAud, "orders.read r::read"},
		{"one scope of two", good + "&scope=r::read", "", ordersAud, "r::read"},
		{"the same scope twice", good + "&scope=r::read+r::read", "", ordersAud, "r::read"},
		{"scopes in another order", good + "&scope=r::read+orders.read", "", ordersAud, "r::read orders.read"},
		{"another resource server", stock.form().Encode() + "&audience=" + otherAud, "", stockAud, "stock.read"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := post(tt.body)
			if tt.contentType != "" {
				r.Header.Set("Content-Type", tt.contentType)
			}
			got := a.do(r)
			require.Equal(t, http.StatusOK, got.Code, got.Body)
			require.Equal(t, tt.scope, got.Scope)
			claims := a.claims(got.AccessToken)
			require.Equal(t, tt.audience, claims["aud"])
			require.Equal(t, tt.scope, claims["scope"])
		})
	}
}

// SECURITY 10: ids and secrets with any character survive the encoding. The
// client is imported, since generated secrets need no escaping.
func TestBasicCarriesAnyCharacter(t *testing.T) {
	a := newAuthority(t)
	for n, secret := range []string{"a+b", "100%", "a:b:c", "with space", "ünïcödé ☃", `"quoted"\`, "a&b=c;d", "%2B"} {
		id := fmt.Sprintf("imported-%d", n)
		a.importClient(id, secret)
		r := post("grant_type=client_credentials")
		r.Header.Set("Authorization", basic(id, secret))
		require.Equal(t, http.StatusOK, a.do(r).Code, secret)
		require.Equal(t, http.StatusOK, a.post(known{id, secret}.form()).Code, secret)
	}
}

// SECURITY 11: whatever is wrong with the client, the answer is the same.
func TestEveryFailedAuthenticationLooksTheSame(t *testing.T) {
	a := newAuthority(t)
	enabled, deleted, other := a.add("enabled"), a.add("deleted"), a.add("other")
	require.NoError(t, a.registry.Delete(a.ctx, deleted.id))

	replaced := a.add("replaced")
	second, _, err := a.registry.AddSecret(a.ctx, replaced.id, a.clock.Now().AddDate(0, 0, 90))
	require.NoError(t, err)
	_, _, err = a.registry.AddSecret(a.ctx, replaced.id, a.clock.Now().AddDate(0, 0, 90))
	require.NoError(t, err)
	withdrawn := a.add("withdrawn")
	c, err := a.registry.Get(a.ctx, withdrawn.id)
	require.NoError(t, err)
	require.NoError(t, a.registry.DeleteSecret(a.ctx, withdrawn.id, c.Secrets[0].ID))
	expired := a.add("expired")
	a.clock.advance(91 * 24 * time.Hour)
	fresh, _, err := a.registry.AddSecret(a.ctx, enabled.id, a.clock.Now().AddDate(0, 0, 90))
	require.NoError(t, err)
	enabled.secret = fresh.Reveal()
	require.Equal(t, http.StatusOK, a.post(enabled.form()).Code)
	disabled := a.add("disabled") // by a secret that is valid
	_, err = a.registry.Disable(a.ctx, disabled.id)
	require.NoError(t, err)

	var first answer
	ids := map[string]bool{}
	for n, tt := range []struct {
		name, reason string
		as           known
	}{
		{"unknown client", token.ReasonUnknownClient, known{"unknown", enabled.secret}},
		{"deleted client", token.ReasonUnknownClient, deleted},
		{"disabled client", token.ReasonDisabled, disabled},
		{"wrong secret", token.ReasonMistypedSecret, known{enabled.id, "wrong"}},
		{"the secret of another client", token.ReasonWrongSecret, known{enabled.id, other.secret}},
		{"expired secret", token.ReasonExpiredSecret, expired},
		{"replaced secret", token.ReasonWrongSecret, known{replaced.id, second.Reveal()}},
		{"deleted secret", token.ReasonWrongSecret, withdrawn},
		{"unknown client again", token.ReasonUnknownClient, known{"unknown", enabled.secret}},
		{"expired secret again, which is not kept anew", token.ReasonExpiredSecret, expired},
		{"a secret for a client with keys", token.ReasonMethodMismatch, known{a.addSigner("signer").id, enabled.secret}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := a.post(tt.as.form())
			// The id of the request is random, and all that differs.
			id := got.Header()["X-Request-Id"]
			require.Len(t, id, 1)
			require.Regexp(t, `^[0-9a-v]{26}$`, id[0])
			require.False(t, ids[id[0]], "an id twice")
			ids[id[0]] = true
			got.Header()["X-Request-Id"] = []string{"id"}
			if n == 0 {
				first = got
			}
			require.Equal(t, http.StatusUnauthorized, got.Code)
			require.Equal(t, first.Body.String(), got.Body.String())
			require.Equal(t, first.Header(), got.Header())
			reasons := a.log.reasons()
			require.Equal(t, tt.reason, reasons[len(reasons)-1])
		})
	}
}

func TestADisabledClientGetsNoToken(t *testing.T) {
	a := newAuthority(t)
	c := a.add("report")
	_, err := a.registry.Disable(a.ctx, c.id)
	require.NoError(t, err)
	require.Equal(t, http.StatusUnauthorized, a.post(c.form()).Code)
	require.Equal(t, []string{token.ReasonDisabled}, a.log.reasons())
	_, err = a.registry.Enable(a.ctx, c.id)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, a.post(c.form()).Code)
}

func TestASecretEndsAtItsMoment(t *testing.T) {
	a := newAuthority(t)
	c := a.add("report")
	a.clock.advance(90*24*time.Hour - time.Microsecond)
	require.Equal(t, http.StatusOK, a.post(c.form()).Code)
	a.clock.advance(time.Microsecond)
	require.Equal(t, http.StatusUnauthorized, a.post(c.form()).Code)
}

func TestNoDefaultResourceServerNeedsAnAudience(t *testing.T) {
	a := newAuthority(t)
	c := a.add("report")
	a.removeDefault()
	got := a.post(c.form())
	require.Equal(t, http.StatusBadRequest, got.Code)
	require.Equal(t, "invalid_target", got.Error)
	form := c.form()
	form.Set("audience", ordersAud)
	require.Equal(t, http.StatusOK, a.post(form).Code)
}

// SECURITY 18: nothing that a request says of hosts shows in an answer.
func TestHostHeadersShapeNothing(t *testing.T) {
	a := newAuthority(t)
	c := a.add("report")
	r := post(c.form().Encode())
	r.Host = "evil.example.net"
	for _, h := range []string{"X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-For", "Forwarded", "X-Original-URL", "X-HTTP-Method-Override"} {
		r.Header.Set(h, "evil.example.net")
	}
	got := a.do(r)
	require.Equal(t, http.StatusOK, got.Code)
	require.NotContains(t, fmt.Sprint(a.claims(got.AccessToken)), "evil")
	for _, path := range []string{"/.well-known/oauth-authorization-server", "/.well-known/openid-configuration", "/oauth2/v1/keys"} {
		r := httptest.NewRequest("GET", issuerURL+path, nil)
		r.Host = "evil.example.net"
		w := httptest.NewRecorder()
		a.issuer.ServeHTTP(w, r)
		require.Equal(t, http.StatusOK, w.Code)
		require.NotContains(t, w.Body.String(), "evil")
	}
}

// SECURITY 17: a caller who leaves cancels the work.
func TestACallerWhoLeavesIsNotRefused(t *testing.T) {
	a := newAuthority(t)
	c := a.add("report")
	r := post("")
	r.Body = io.NopCloser(&failingBody{err: errors.New("connection reset")})
	got := a.do(r)
	require.Equal(t, http.StatusBadRequest, got.Code)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	issuer := a.newIssuer() // with nothing cached
	_, err := issuer.Issue(ctx, token.Request{ClientID: c.id, ClientSecret: c.secret})
	require.Error(t, err)
	var refusal *token.Error
	require.False(t, errors.As(err, &refusal) && refusal.Code == token.CodeInvalidClient)
}

type failingBody struct{ err error }

func (b *failingBody) Read([]byte) (int, error) { return 0, b.err }

func TestStoreAwayIsNeverAWrongRefusal(t *testing.T) { synctest.Test(t, testStoreAway) }

func testStoreAway(t *testing.T) {
	a := newAuthority(t)
	c := a.add("report")
	require.Equal(t, http.StatusOK, a.post(c.form()).Code)
	a.store.away.Store(true)
	time.Sleep(2 * store.DefaultFresh) // in the bubble's time: no cache is fresh any more
	for _, form := range []url.Values{c.form(), known{"unknown", "x"}.form()} {
		got := a.post(form)
		require.Equal(t, http.StatusServiceUnavailable, got.Code)
		require.Equal(t, "temporarily_unavailable", got.Error)
		require.NotEmpty(t, got.Header().Get("Retry-After"))
	}
	require.Contains(t, a.log.reasons(), token.ReasonStoreUnavailable)
	for _, path := range []string{"/oauth2/v1/keys"} {
		w := httptest.NewRecorder()
		a.issuer.ServeHTTP(w, httptest.NewRequest("GET", issuerURL+path, nil))
		require.Equal(t, http.StatusServiceUnavailable, w.Code)
		require.Equal(t, "no-store", w.Header().Get("Cache-Control"))
	}
	a.store.away.Store(false)
	require.Equal(t, http.StatusOK, a.post(c.form()).Code, "it recovers by itself")
}

func TestASecretTokenWritesNothingToTheStore(t *testing.T) {
	a := newAuthority(t)
	c := a.add("report")
	writes := a.store.puts.Load()
	for range 10 {
		require.Equal(t, http.StatusOK, a.post(c.form()).Code)
	}
	require.Equal(t, writes, a.store.puts.Load())
	require.LessOrEqual(t, a.store.gets.Load(), int64(20))
}
