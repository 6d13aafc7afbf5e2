package metadata_test

import (
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/internal/metadata"
	"github.com/clientele-go/clientele/internal/weburl"
)

func TestLocations(t *testing.T) {
	for _, c := range []struct {
		name, issuer   string
		oauth, connect string
	}{
		{"without a path", "https://auth.example.com",
			"https://auth.example.com/.well-known/oauth-authorization-server", "https://auth.example.com/.well-known/openid-configuration"},
		{"with a slash alone", "https://auth.example.com/",
			"https://auth.example.com/.well-known/oauth-authorization-server", "https://auth.example.com/.well-known/openid-configuration"},
		{"with a path and a port", "http://[::1]:8080/tenant/a",
			"http://[::1]:8080/.well-known/oauth-authorization-server/tenant/a", "http://[::1]:8080/tenant/a/.well-known/openid-configuration"},
		{"with a slash behind the path", "https://auth.example.com/a/",
			"https://auth.example.com/.well-known/oauth-authorization-server/a", "https://auth.example.com/a/.well-known/openid-configuration"},
		{"with an escape in the path", "https://auth.example.com/a%2Fb",
			"https://auth.example.com/.well-known/oauth-authorization-server/a%2Fb", "https://auth.example.com/a%2Fb/.well-known/openid-configuration"},
	} {
		t.Run(c.name, func(t *testing.T) {
			issuer, err := weburl.ParseIssuer(c.issuer)
			require.NoError(t, err)
			require.Equal(t, []string{c.oauth, c.connect}, metadata.Locations(issuer))
		})
	}
}

func TestEndpoint(t *testing.T) {
	const issuer, local = "https://auth.example.com", "http://127.0.0.1:8080"
	document := func(issuer, endpoint string) string {
		data, _ := json.Marshal(map[string]any{"issuer": issuer, "jwks_uri": endpoint, "token_endpoint": "https://wrong.example", "x": []int{1}})
		return string(data)
	}
	for _, c := range []struct {
		name, issuer, document string
		endpoint               string
		err                    error // that it matches
		text                   string
	}{
		{"on the host of the issuer", issuer, document(issuer, issuer+"/keys"), issuer + "/keys", nil, ""},
		{"elsewhere, with a query", issuer, document(issuer, "https://keys.example.net/?v=2"), "https://keys.example.net/?v=2", nil, ""},
		{"on this machine", local, document(local, "http://localhost:9090/keys"), "http://localhost:9090/keys", nil, ""},
		{"from this machine to a host by https", local, document(local, issuer+"/keys"), issuer + "/keys", nil, ""},
		{"as long as it may be", issuer, padded(document(issuer, issuer+"/keys"), metadata.MaxSize), issuer + "/keys", nil, ""},

		{"a byte longer", issuer, padded(document(issuer, issuer+"/keys"), metadata.MaxSize+1), "", metadata.ErrMalformed, "more than 1048576 bytes"},
		{"HTML", issuer, "<html>", "", metadata.ErrMalformed, "no object"},
		{"nothing", issuer, "", "", metadata.ErrMalformed, ""},
		{"an array", issuer, "[]", "", metadata.ErrMalformed, ""},
		{"two documents", issuer, document(issuer, issuer) + "{}", "", metadata.ErrMalformed, ""},
		{"the issuer twice", issuer, `{"issuer":"https://evil.example",` + document(issuer, issuer)[1:], "", metadata.ErrMalformed, "a member twice"},
		{"another issuer", issuer, document("https://evil.example", issuer), "", metadata.ErrOtherIssuer, `its issuer is "https://evil.example", not the issuer that was asked for`},
		{"the issuer with a slash", issuer, document(issuer+"/", issuer), "", metadata.ErrOtherIssuer, ""},
		{"the issuer in another case", issuer, document("https://Auth.example.com", issuer), "", metadata.ErrOtherIssuer, ""},
		{"no issuer", issuer, `{"jwks_uri":"https://auth.example.com"}`, "", metadata.ErrOtherIssuer, `its issuer is ""`},
		{"an issuer that is a list", issuer, `{"issuer":["https://auth.example.com"]}`, "", metadata.ErrOtherIssuer, ""},
		{"no endpoint", issuer, `{"issuer":"https://auth.example.com"}`, "", nil, "jwks_uri: empty"},
		{"an endpoint that is a number", issuer, `{"issuer":"https://auth.example.com","jwks_uri":1}`, "", nil, "jwks_uri: empty"},
		{"a relative endpoint", issuer, document(issuer, "/keys"), "", nil, "jwks_uri: not an https URL"},
		{"an endpoint by http to a host", local, document(local, "http://keys.example.com"), "", nil, "jwks_uri: not https"},
		{"an endpoint with user information", issuer, document(issuer, "https://a:b@keys.example.com"), "", nil, "jwks_uri: user information"},
		{"an endpoint with a fragment", issuer, document(issuer, issuer+"#keys"), "", nil, "jwks_uri: a fragment"},
		{"an endpoint on this machine of an issuer elsewhere", issuer, document(issuer, local), "", nil, "jwks_uri: not https, while the issuer is"},
		{"the same, the issuer in upper case", "HTTPS://auth.example.com", document("HTTPS://auth.example.com", local), "", nil, "jwks_uri: not https, while the issuer is"},
	} {
		t.Run(c.name, func(t *testing.T) {
			endpoint, err := metadata.Endpoint([]byte(c.document), c.issuer, "jwks_uri")
			require.Equal(t, c.endpoint, endpoint)
			if c.endpoint != "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, c.text)
			for _, one := range []error{metadata.ErrMalformed, metadata.ErrOtherIssuer} {
				require.Equal(t, one == c.err, errors.Is(err, one), "%v", one)
			}
		})
	}
}

// padded returns a document with spaces behind, of that many bytes in all.
func padded(document string, size int) string {
	return document + strings.Repeat(" ", size-len(document))
}

func FuzzEndpoint(f *testing.F) {
	const issuer = "https://auth.example.com"
	for _, data := range []string{
		`{"issuer":"https://auth.example.com","jwks_uri":"https://auth.example.com/keys"}`,
		`{"issuer":"https://auth.example.com","jwks_uri":"http://127.0.0.1"}`,
		`{"issuer":"https:\/\/auth.example.com","jwks_uri":"https:\/\/keys.example.com\/?a#b"}`,
		`{"jwks_uri":1,"issuer":["https://auth.example.com"]}`,
		`<html>`, ``,
	} {
		f.Add([]byte(data))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		endpoint, err := metadata.Endpoint(data, issuer, "jwks_uri")
		if err != nil {
			require.Empty(t, endpoint)
			return
		}
		// encoding/json reads the same. Into a map, as it takes no other case
		// for the same name there.
		var document map[string]any
		require.NoError(t, json.Unmarshal(data, &document))
		require.Equal(t, issuer, document["issuer"])
		require.Equal(t, endpoint, document["jwks_uri"])
		u, err := url.Parse(endpoint)
		require.NoError(t, err)
		require.Equal(t, "https", u.Scheme)
		require.Nil(t, u.User)
	})
}
