package tokensource_test

import (
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/tokensource"
)

func TestNewRefuses(t *testing.T) {
	key := tokensource.Key{Signer: p256Key()}
	for _, c := range []struct {
		name   string
		adjust func(*tokensource.Config)
		want   string
	}{
		{"neither issuer nor endpoint", func(c *tokensource.Config) { c.TokenURL = "" }, "Issuer or TokenURL is required"},
		{"an endpoint by http", func(c *tokensource.Config) { c.TokenURL = "http://auth.example.com/token" }, "TokenURL: not https"},
		{"an endpoint by http to a private address", func(c *tokensource.Config) { c.TokenURL = "http://10.0.0.1/token" }, "TokenURL: not https"},
		{"an endpoint by http to a name that begins like loopback", func(c *tokensource.Config) { c.TokenURL = "http://127.0.0.1.evil.example/" }, "TokenURL: not https"},
		{"an endpoint by http to localhost as part of a name", func(c *tokensource.Config) { c.TokenURL = "http://notlocalhost/" }, "TokenURL: not https"},
		{"an endpoint of another scheme", func(c *tokensource.Config) { c.TokenURL = "ftp://auth.example.com/token" }, "TokenURL: not an https URL"},
		{"an endpoint without a host", func(c *tokensource.Config) { c.TokenURL = "https:///token" }, "TokenURL: no host"},
		{"an endpoint that is a path", func(c *tokensource.Config) { c.TokenURL = "/token" }, "TokenURL: not an https URL"},
		{"an endpoint that is no URL", func(c *tokensource.Config) { c.TokenURL = "https://a b/" }, "TokenURL: not a URL"},
		{"an endpoint with user information", func(c *tokensource.Config) { c.TokenURL = "https://u:hidden@auth.example.com/" }, "TokenURL: user information"},
		{"an endpoint with a fragment", func(c *tokensource.Config) { c.TokenURL = tokenURL + "#x" }, "TokenURL: a fragment"},
		{"an issuer by http", func(c *tokensource.Config) { c.Issuer = "http://auth.example.com" }, "Issuer: not https"},
		{"an issuer with a query", func(c *tokensource.Config) { c.Issuer = issuer + "?a=b" }, "Issuer: a query"},
		{"no credential", func(c *tokensource.Config) { c.Credential = nil }, "Credential is required"},
		{"a secret without a client id", func(c *tokensource.Config) { c.ClientID = "" }, "a Secret needs a ClientID"},
		{"a secret without anything", credential(tokensource.Secret{}), "exactly one of Secret.Value, File and Func is set, not 0"},
		{"a secret in two ways", credential(tokensource.Secret{Value: "x", File: "y"}), "not 2"},
		{"a key without a client id", func(c *tokensource.Config) {
			c.ClientID, c.Credential = "", tokensource.PrivateKey{Key: key, Audience: issuer}
		}, "a PrivateKey needs a ClientID"},
		{"a key without an audience", credential(tokensource.PrivateKey{Key: key}), "needs Issuer, or an Audience"},
		{"a key without anything", credential(tokensource.PrivateKey{Audience: issuer}), "exactly one of PrivateKey.Key, File and Func is set, not 0"},
		{"a key in two ways", credential(tokensource.PrivateKey{Audience: issuer, Key: key, File: "x"}), "not 2"},
		{"a weak key", credential(tokensource.PrivateKey{Audience: issuer, Key: tokensource.Key{Signer: weakRSA()}}), "want 2048 to 8192"},
		{"an algorithm of another key", credential(tokensource.PrivateKey{Audience: issuer, Key: key, Algorithm: "RS256"}), "unfit key for RS256"},
		{"an algorithm that is none", credential(tokensource.PrivateKey{Audience: issuer, Key: key, Algorithm: "none"}), "unknown signature algorithm"},
		{"an algorithm that is none, for a file", credential(tokensource.PrivateKey{Audience: issuer, File: "x", Algorithm: "HS256"}), `unknown Algorithm "HS256"`},
		{"an assertion without anything", credential(tokensource.Assertion{}), "exactly one of Assertion.Value, File and Func is set, not 0"},
		{"a scope with a quote", func(c *tokensource.Config) { c.Scopes = []string{`a"b`} }, "is no scope"},
		{"a scope with a space", func(c *tokensource.Config) { c.Scopes = []string{"a", "b c"} }, "is no scope"},
		{"a scope with a backslash", func(c *tokensource.Config) { c.Scopes = []string{`a\b`} }, "is no scope"},
		{"an empty scope", func(c *tokensource.Config) { c.Scopes = []string{""} }, "is no scope"},
		{"another grant type", func(c *tokensource.Config) { c.Params = url.Values{"grant_type": {"password"}} }, "Params: grant_type is not for them"},
		{"a secret among the parameters", func(c *tokensource.Config) { c.Params = url.Values{"client_secret": {"x"}} }, "Params: client_secret is not for them"},
		{"an assertion among the parameters", func(c *tokensource.Config) { c.Params = url.Values{"client_assertion": {"x"}} }, "Params: client_assertion is not for them"},
		{"an audience twice", func(c *tokensource.Config) { c.Audience, c.Params = "a", url.Values{"audience": {"b"}} }, "Params: audience has a field of its own"},
		{"scopes twice", func(c *tokensource.Config) { c.Scopes, c.Params = []string{"a"}, url.Values{"scope": {"b"}} }, "Params: scope has a field of its own"},
		{"a host by http", func(c *tokensource.Config) { c.Hosts = []string{"http://api.example.com"} }, "Hosts[0]: not https"},
		{"a host that is empty", func(c *tokensource.Config) { c.Hosts = []string{"api.example.com", ""} }, "Hosts[1]: no host"},
		{"a negative timeout", func(c *tokensource.Config) { c.Timeout = -time.Second }, "Timeout -1s"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := tokensource.New(config(&server{}, c.adjust))
			require.ErrorContains(t, err, "tokensource: ")
			require.ErrorContains(t, err, c.want)
			require.NotContains(t, err.Error(), "hidden")
		})
	}
}

func TestNewTakes(t *testing.T) {
	for _, c := range []struct {
		name   string
		adjust func(*tokensource.Config)
	}{
		{"an endpoint by http to 127.0.0.1", func(c *tokensource.Config) { c.TokenURL = "http://127.0.0.1:8080/token" }},
		{"to another address of the loopback net", func(c *tokensource.Config) { c.TokenURL = "http://127.9.9.9/token" }},
		{"to ::1", func(c *tokensource.Config) { c.TokenURL = "http://[::1]:8080/token" }},
		{"to a mapped one", func(c *tokensource.Config) { c.TokenURL = "http://[::ffff:127.0.0.1]/token" }},
		{"to localhost", func(c *tokensource.Config) { c.TokenURL = "http://localhost:8080/token" }},
		{"to a name below localhost", func(c *tokensource.Config) { c.TokenURL = "http://auth.localhost/token" }},
		{"an endpoint with a query", func(c *tokensource.Config) { c.TokenURL = tokenURL + "?tenant=a" }},
		{"an audience that is no URL", func(c *tokensource.Config) { c.Audience = "api" }},
		{"a file that is not there yet", credential(tokensource.Secret{File: "/there/is/none"})},
		{"an audience among the parameters", func(c *tokensource.Config) { c.Params = url.Values{"audience": {"a", "b"}} }},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := tokensource.New(config(&server{}, c.adjust))
			require.NoError(t, err)
		})
	}
}

func TestASourceKeepsNothingThatTheProgramMayChange(t *testing.T) {
	s := &server{answer: granting(time.Hour)}
	params, scopes := url.Values{"x": {"1"}}, []string{"a"}
	source := newSource(t, s, func(c *tokensource.Config) { c.Params, c.Scopes = params, scopes })
	params["x"][0], scopes[0] = "2", "b"
	params.Set("y", "3")
	access(t, source)
	require.Equal(t, url.Values{"grant_type": {"client_credentials"}, "x": {"1"}, "scope": {"a"}}, s.call(1).form)
	require.Equal(t, []string{"1"}, s.call(1).form["x"])
	require.NotContains(t, params, "grant_type")
}
