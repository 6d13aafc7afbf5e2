package weburl_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/internal/weburl"
)

// forms are the three rules, each a part of the one before it.
var forms = []struct {
	name  string
	parse func(string) (*url.URL, error)
}{
	{"any", weburl.Parse}, {"issuer", weburl.ParseIssuer}, {"own issuer", weburl.ParseOwnIssuer},
}

func TestParse(t *testing.T) {
	const (
		scheme   = "not an https URL"
		plain    = "not https: http is for loopback addresses only"
		noHost   = "no host"
		notURL   = "not a URL"
		user     = "user information in a URL"
		fragment = "a fragment"
		port     = "a port that is none"
		host     = "a host with a character that no host has"
		query    = "a query"
		slash    = "want it without a slash at the end"
		path     = "want a plain path: without escapes, empty parts, and parts that begin with a dot"
		usual    = "want it in its usual form: the scheme in lower case, the host in ASCII"
	)
	all := func(fault string) []string { return []string{fault, fault, fault} }
	issuers := func(fault string) []string { return []string{"", fault, fault} }
	own := func(fault string) []string { return []string{"", "", fault} }
	good := all("")

	for _, c := range []struct {
		name string
		text string
		want []string // by the rules of forms
	}{
		{"a host alone", "https://auth.example.com", good},
		{"a host of one label", "https://auth", good},
		{"a host with an underscore", "https://auth_1.example.com", good},
		{"a host in upper case, which is another issuer", "https://Auth.example.com", good},
		{"a path", "https://auth.example.com/tenant/a", good},
		{"a port", "https://auth.example.com:8443", good},
		{"the first port", "https://auth.example.com:1", good},
		{"the last port", "https://auth.example.com:65535/a", good},
		{"an IPv4 address", "https://192.0.2.1", good},
		{"an IPv6 address", "https://[2001:db8::1]:8443/a", good},
		{"http to this machine", "http://127.0.0.1:8080", good},
		{"http to a name below localhost", "http://auth.localhost:8080/a", good},
		{"http to the IPv6 loopback address", "http://[::1]:8080", good},

		{"nothing", "", all("empty")},
		{"a space", " ", all(scheme)},
		{"a space in front", " https://auth.example.com", all(notURL)},
		{"a line break behind", "https://auth.example.com\n", all(notURL)},
		{"an escape that is none", "https://%zz", all(notURL)},
		{"no scheme", "auth.example.com", all(scheme)},
		{"no scheme but a port", "auth.example.com:443", all(scheme)},
		{"no scheme but slashes", "//auth.example.com", all(scheme)},
		{"a path alone", "/token", all(scheme)},
		{"another scheme", "ftp://auth.example.com", all(scheme)},
		{"a file", "file:///etc/passwd", all(scheme)},
		{"no host", "https://", all(noHost)},
		{"a path without a host", "https:///a", all(noHost)},
		{"a port without a host", "https://:443", all(noHost)},
		{"opaque", "https:auth.example.com", all(noHost)},
		{"http to a host", "http://auth.example.com", all(plain)},
		{"http to a private address", "http://10.0.0.1", all(plain)},
		{"http to the unspecified address", "http://0.0.0.0:8080", all(plain)},
		{"http to a host that begins like this machine", "http://127.0.0.1.example.com", all(plain)},
		{"http to a host that ends like this machine", "http://evil-localhost", all(plain)},
		{"http to the user named localhost", "http://localhost@example.com", all(plain)},
		{"a user", "https://user@auth.example.com", all(user)},
		{"a user and a password", "https://user:word@auth.example.com", all(user)},
		{"an empty user", "https://@auth.example.com", all(user)},
		{"a fragment", "https://auth.example.com#a", all(fragment)},
		{"an empty fragment", "https://auth.example.com#", all(fragment)},
		{"a query and a fragment", "https://auth.example.com?a#b", all(fragment)},
		{"a quote in the host", `https://a"b.example.com`, all(host)},
		{"an asterisk for a host", "https://*.example.com", all(host)},
		{"a comma between hosts", "https://a.example.com,b.example.com", all(host)},
		{"port 0", "https://auth.example.com:0", all(port)},
		{"a port above the last", "https://auth.example.com:65536", all(port)},
		{"a colon without a port", "https://auth.example.com:", all(port)},
		{"a colon without a port behind an address", "https://[::1]:/a", all(port)},
		{"a port with a sign", "https://auth.example.com:+1", all(notURL)},

		{"a query", "https://auth.example.com/a?b=c", issuers(query)},
		{"an empty query", "https://auth.example.com?", issuers(query)},

		{"a slash alone", "https://auth.example.com/", own(slash)},
		{"a slash behind the path", "https://auth.example.com/a/", own(slash)},
		{"an escape", "https://auth.example.com/a%2fb", own(path)},
		{"an escape of a plain letter", "https://auth.example.com/%61", own(path)},
		{"another letter", "https://auth.example.com/ä", own(path)},
		{"a space in the path", "https://auth.example.com/a b", own(path)},
		{"an empty part", "https://auth.example.com//a", own(path)},
		{"a dot", "https://auth.example.com/./a", own(path)},
		{"two dots", "https://auth.example.com/a/..", own(path)},
		{"a hidden file", "https://auth.example.com/.well-known/a", own(path)},
		{"a scheme in upper case", "HTTPS://auth.example.com", own(usual)},
		{"a host of other letters", "https://bücher.example", own(usual)},
	} {
		t.Run(c.name, func(t *testing.T) {
			for i, form := range forms {
				u, err := form.parse(c.text)
				if c.want[i] == "" {
					require.NoError(t, err, form.name)
					require.NotEmpty(t, u.Host, form.name)
					continue
				}
				require.EqualError(t, err, c.want[i], form.name)
				require.Nil(t, u, form.name)
			}
		})
	}
}

func TestLoopback(t *testing.T) {
	for _, c := range []struct {
		host string
		want bool
	}{
		{"localhost", true},
		{"LocalHost", true},
		{"auth.localhost", true},
		{"a.b.LOCALHOST", true},
		{"127.0.0.1", true},
		{"127.255.255.255", true},
		{"::1", true},
		{"::1%lo", true},
		{"::ffff:127.0.0.1", true},

		{"", false},
		{".localhost", false},
		{"notlocalhost", false},
		{"localhost.example.com", false},
		{"localhost.", false},
		{"localhos", false},
		{"126.255.255.255", false},
		{"128.0.0.1", false},
		{"127.1", false},
		{"127.0.0.1.example.com", false},
		{"0x7f.0.0.1", false},
		{"2130706433", false},
		{"0.0.0.0", false},
		{"::", false},
		{"::2", false},
		{"::ffff:128.0.0.1", false},
		{"10.0.0.1", false},
		{"[::1]", false},
		{"127.0.0.1:80", false},
	} {
		t.Run(c.host, func(t *testing.T) { require.Equal(t, c.want, weburl.Loopback(c.host)) })
	}
}

func FuzzParse(f *testing.F) {
	for _, text := range []string{
		"https://auth.example.com", "https://auth.example.com/tenant/?a=b#c", "http://u:p@127.0.0.1:8080/", "http://a.localhost",
		"http://[::1%25lo]:80/%2e/", "https:a", "//", "HTTPS://ü:0",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		web, err := weburl.Parse(text)
		issuer, issuerErr := weburl.ParseIssuer(text)
		own, ownErr := weburl.ParseOwnIssuer(text)
		if err != nil {
			require.Equal(t, err, issuerErr)
			require.Equal(t, err, ownErr)
			if len(text) > 16 {
				require.NotContains(t, err.Error(), text)
			}
			return
		}
		require.Nil(t, web.User)
		require.NotEmpty(t, web.Hostname())
		require.Empty(t, web.Fragment)
		require.True(t, web.Scheme == "https" || web.Scheme == "http" && weburl.Loopback(web.Hostname()))
		require.False(t, strings.ContainsAny(web.Host, " \"<>'/?#@\\\r\n\t\x00"))
		if issuerErr != nil {
			require.Equal(t, issuerErr, ownErr)
			return
		}
		require.Equal(t, web, issuer)
		require.Empty(t, issuer.RawQuery)
		if ownErr != nil {
			return
		}
		// What is appended to it is a URL, of which the path is what was meant.
		require.Equal(t, issuer, own)
		appended, err := url.Parse(text + "/oauth2/v1/token")
		require.NoError(t, err)
		require.Equal(t, own.Host, appended.Host)
		require.Equal(t, own.Path+"/oauth2/v1/token", appended.Path)
		require.Equal(t, text+"/oauth2/v1/token", own.JoinPath("oauth2/v1/token").String())
	})
}
