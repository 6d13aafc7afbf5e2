package token_test

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/credentials"
	"github.com/clientele-go/clientele/token"
)

func decode64(t testing.TB, s string) string {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		t.Error(err)
	}
	return string(b)
}

func withHook(hook func(context.Context, *token.Issuance) error) func(*token.Config) {
	return func(c *token.Config) { c.OnIssue = hook }
}

func TestOnIssueSeesWhatIsDecidedBeforeAnythingIsSigned(t *testing.T) {
	var seen token.Issuance
	a := newAuthority(t, withHook(func(_ context.Context, i *token.Issuance) error { seen = *i; return nil }))
	c := a.add("report")
	r := post(c.form().Encode())
	r.RemoteAddr = "192.0.2.7:1234"
	require.Equal(t, http.StatusOK, a.do(r).Code)
	require.Equal(t, c.id, seen.Client.ID)
	require.Equal(t, "report", seen.Client.Name)
	require.Equal(t, credentials.MethodSecret, seen.Credential.Method)
	require.Equal(t, c.secret[4:12], seen.Credential.ID)
	require.Equal(t, ordersAud, seen.Server.Audience)
	require.Equal(t, []string{"orders.read", "r::read"}, seen.Scopes)
	require.Equal(t, time.Hour, seen.Lifetime)
	require.Nil(t, seen.Claims)
	require.Equal(t, "192.0.2.7", seen.RemoteAddr)
}

func TestOnIssueIsNotAskedAboutWhatIsRefusedAnyway(t *testing.T) {
	a := newAuthority(t, withHook(func(context.Context, *token.Issuance) error { t.Error("asked"); return nil }))
	c := a.add("report")
	form := c.form()
	form.Set("scope", "orders:write")
	a.post(form)
	a.post(known{c.id, "wrong"}.form())
}

func TestOnIssueMayAddClaimsNarrowAndShorten(t *testing.T) {
	a := newAuthority(t, withHook(func(_ context.Context, i *token.Issuance) error {
		i.Claims = map[string]any{"tenant": "acme <&>", "ünï": []int{1, 2}, "deep": map[string]any{"a": true}}
		i.Scopes = i.Scopes[1:]
		i.Lifetime = 90 * time.Second
		i.Client = nil // counts for nothing
		i.Server = nil
		return nil
	}))
	got := a.post(a.add("report").form())
	require.Equal(t, http.StatusOK, got.Code, got.Body)
	require.Equal(t, "r::read", got.Scope)
	require.EqualValues(t, 90, got.ExpiresIn)
	claims := a.claims(got.AccessToken)
	require.Equal(t, "acme <&>", claims["tenant"])
	require.Equal(t, []any{1.0, 2.0}, claims["ünï"])
	require.Equal(t, map[string]any{"a": true}, claims["deep"])
	require.EqualValues(t, a.clock.Now().Unix()+90, claims["exp"])
	require.Equal(t, "r::read", claims["scope"])
	require.Equal(t, ordersAud, claims["aud"])
}

func TestOnIssueMayRefuse(t *testing.T) {
	for _, tt := range []struct {
		name   string
		err    error
		status int
		code   string
		reason string
		text   string
	}{
		{"with an OAuth error", &token.Error{Code: token.CodeAccessDenied, Description: "Not at night."}, 403, "access_denied", token.ReasonRefusedByHook, "Not at night."},
		{"with a reason of its own", &token.Error{Code: token.CodeUnauthorizedClient, Reason: "quota"}, 400, "unauthorized_client", "quota", ""},
		{"with a status of its own", &token.Error{Code: "slow_down", Status: 429}, 429, "slow_down", token.ReasonRefusedByHook, ""},
		{"with characters that are not allowed", &token.Error{Code: "a\"b", Description: "ünï\r\nSet-Cookie: \"x\""}, 400, "a?b", token.ReasonRefusedByHook, "?n???Set-Cookie: ?x?"},
		{"wrapped", errors.Join(errors.New("because"), &token.Error{Code: token.CodeInvalidScope}), 400, "invalid_scope", token.ReasonRefusedByHook, ""},
		{"with an error of its own, which is not told", errors.New("db password is hunter2"), 503, "temporarily_unavailable", token.ReasonHookFailed, "The authorization server is unavailable for the moment."},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := newAuthority(t, withHook(func(context.Context, *token.Issuance) error { return tt.err }))
			got := a.post(a.add("report").form())
			require.Equal(t, tt.status, got.Code)
			require.Equal(t, tt.code, got.Error)
			require.Equal(t, tt.text, got.Description)
			require.Equal(t, []string{tt.reason}, a.log.reasons())
			require.NotContains(t, got.Body.String(), "hunter2")
		})
	}
}

func TestOnIssueMayNotDoMore(t *testing.T) {
	for _, tt := range []struct {
		name string
		edit func(*token.Issuance)
		text string
	}{
		{"add a scope", func(i *token.Issuance) { i.Scopes = append(i.Scopes, "orders:write") }, "added a scope"},
		{"replace a scope in place", func(i *token.Issuance) { i.Scopes[0] = "orders:write" }, "added a scope"},
		{"lengthen the lifetime", func(i *token.Issuance) { i.Lifetime += time.Second }, "lifetime"},
		{"set no lifetime", func(i *token.Issuance) { i.Lifetime = 0 }, "lifetime"},
		{"set half a second", func(i *token.Issuance) { i.Lifetime = 90*time.Second + time.Millisecond }, "lifetime"},
		{"set iss", func(i *token.Issuance) { i.Claims = map[string]any{"iss": "x"} }, `claim \"iss\"`},
		{"set sub", func(i *token.Issuance) { i.Claims = map[string]any{"sub": "x"} }, `claim \"sub\"`},
		{"set scope", func(i *token.Issuance) { i.Claims = map[string]any{"scope": "x"} }, `claim \"scope\"`},
		{"set nbf", func(i *token.Issuance) { i.Claims = map[string]any{"nbf": 1} }, `claim \"nbf\"`},
		{"set cnf", func(i *token.Issuance) { i.Claims = map[string]any{"cnf": 1} }, `claim \"cnf\"`},
		{"set a claim without a name", func(i *token.Issuance) { i.Claims = map[string]any{"": 1} }, "claim"},
		{"set what is no JSON", func(i *token.Issuance) { i.Claims = map[string]any{"f": func() {}} }, "unsupported type"},
		{"set 5 KiB", func(i *token.Issuance) { i.Claims = map[string]any{"f": strings.Repeat("x", 5<<10)} }, "bytes of claims"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := newAuthority(t, withHook(func(_ context.Context, i *token.Issuance) error { tt.edit(i); return nil }))
			got := a.post(a.add("report").form())
			require.Equal(t, http.StatusServiceUnavailable, got.Code)
			require.Equal(t, []string{token.ReasonHookFailed}, a.log.reasons())
			require.Contains(t, a.log.String(), tt.text)
		})
	}
}

func TestNarrowingToNothingIsARefusal(t *testing.T) {
	nothing := withHook(func(_ context.Context, i *token.Issuance) error { i.Scopes = nil; return nil })
	a := newAuthority(t, nothing)
	got := a.post(a.add("report").form())
	require.Equal(t, http.StatusBadRequest, got.Code)
	require.Equal(t, "invalid_scope", got.Error)

	a = newAuthority(t, nothing, func(c *token.Config) { c.AllowNoScope = true })
	got = a.post(a.add("report").form())
	require.Equal(t, http.StatusOK, got.Code)
	require.NotContains(t, got.Body.String(), "scope")
}

func TestAClientWithoutScopesGetsATokenOnlyWhereTheProgramAllowsIt(t *testing.T) {
	without := func(s *client.Spec) { s.Grants = nil }
	a := newAuthority(t)
	got := a.post(a.add("nobody", without).form())
	require.Equal(t, "invalid_scope", got.Error)

	a = newAuthority(t, func(c *token.Config) { c.AllowNoScope = true })
	got = a.post(a.add("nobody", without).form())
	require.Equal(t, http.StatusOK, got.Code)
	require.NotContains(t, a.claims(got.AccessToken), "scope")
}

func encode64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
