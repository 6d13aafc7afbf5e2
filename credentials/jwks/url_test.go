package jwks_test

import (
	"strings"
	"testing"

	"github.com/clientele-go/clientele/credentials/jwks"
	"github.com/stretchr/testify/require"
)

// long returns a URL of n bytes.
func long(n int) string {
	const start = "https://keys.example.com/"
	return start + strings.Repeat("a", n-len(start))
}

var (
	public   = jwks.Allow{}
	anyPort  = jwks.Allow{AnyPort: true}
	loopback = jwks.Allow{Loopback: true}
	private  = jwks.Allow{Private: true}
)

func TestCheckURLTakes(t *testing.T) {
	cases := map[string]struct {
		url   string
		allow jwks.Allow
	}{
		"an https URL":                       {keysURL, public},
		"one without a path":                 {"https://keys.example.com", public},
		"one with a query":                   {"https://login.example.com/keys?p=b2c_1&v=2.0", public},
		"a query without a path":             {"https://keys.example.com?p=1", public},
		"brackets in a query":                {"https://keys.example.com/?a[]=b", public},
		"port 443":                           {"https://keys.example.com:443/", public},
		"port 8443":                          {"https://keys.example.com:8443/", public},
		"capitals in the host":               {"https://Keys.Example.COM/jwks", public},
		"an internationalised host in ASCII": {"https://xn--bcher-kva.example/jwks", public},
		"an underscore in the host":          {"https://my_keys.example.com/", public},
		"a label of 63 characters":           {"https://" + strings.Repeat("a", 63) + ".example.com/", public},
		"a host of 253 characters":           {"https://" + strings.Repeat("a.", 125) + "com/", public},
		"a first label that is a number":     {"https://123.example.com/", public},
		"percent-encoding in the path":       {"https://keys.example.com/a%20b/%E2%82%AC", public},
		"2048 bytes":                         {long(jwks.MaxURLLen), public},
		"a public IPv4 address":              {"https://1.1.1.1/jwks", public},
		"a public IPv6 address":              {"https://[2606:4700:4700::1111]/jwks", public},
		"and a port behind it":               {"https://[2606:4700:4700::1111]:8443/jwks", public},

		"another port where allowed":          {"https://keys.example.com:9000/", anyPort},
		"the highest port where allowed":      {"https://keys.example.com:65535/", anyPort},
		"http to 127.0.0.1 where allowed":     {"http://127.0.0.1:9000/jwks", loopback},
		"http to [::1] where allowed":         {"http://[::1]:9000/jwks", loopback},
		"http to localhost where allowed":     {"http://localhost:9000/jwks", loopback},
		"http below localhost where allowed":  {"http://caller.localhost:9000/jwks", loopback},
		"https to localhost where allowed":    {"https://localhost:9000/jwks", loopback},
		"loopback where private is allowed":   {"http://127.0.0.1:9000/jwks", private},
		"a private address where allowed":     {"http://10.1.2.3:9000/jwks", private},
		"a unique local one where allowed":    {"https://[fd00::1]:9000/jwks", private},
		"a host of one label where allowed":   {"http://caller:9000/jwks", private},
		"http to a host where private is":     {"http://caller.internal.example:9000/jwks", private},
		"what is public where private is too": {keysURL, private},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, jwks.CheckURL(tc.url, tc.allow))
		})
	}
}

func TestSecurity33CheckURLRefuses(t *testing.T) {
	cases := map[string]struct {
		url    string
		allow  jwks.Allow
		reason string
	}{
		"nothing":                             {"", public, "is empty"},
		"2049 bytes":                          {long(jwks.MaxURLLen + 1), public, "2049 bytes"},
		"http":                                {"http://keys.example.com/", public, "https://"},
		"ftp":                                 {"ftp://keys.example.com/", public, "https://"},
		"file":                                {"file:///etc/passwd", public, "https://"},
		"gopher":                              {"gopher://keys.example.com/", private, "https://"},
		"data":                                {"data:application/json,{}", public, "https://"},
		"javascript":                          {"javascript:alert(1)", public, "https://"},
		"a scheme in capitals":                {"HTTPS://keys.example.com/", public, "https://"},
		"no scheme":                           {"keys.example.com/jwks", public, "https://"},
		"a relative URL":                      {"//keys.example.com/jwks", public, "https://"},
		"an opaque URL":                       {"https:keys.example.com", public, "https://"},
		"no host":                             {"https:///jwks", public, "no host"},
		"a port without a host":               {"https://:443/jwks", public, "no host"},
		"userinfo":                            {"https://user:password@keys.example.com/", public, "user information"},
		"an empty userinfo":                   {"https://@keys.example.com/", public, "user information"},
		"a host in front of the host":         {"https://keys.example.com:443@evil.example/", public, "user information"},
		"a fragment":                          {"https://keys.example.com/#a", public, "fragment"},
		"an empty fragment":                   {"https://keys.example.com/#", public, "fragment"},
		"port 0":                              {"https://keys.example.com:0/", anyPort, "port"},
		"port 65536":                          {"https://keys.example.com:65536/", anyPort, "port"},
		"a port with a zero in front":         {"https://keys.example.com:0443/", public, "port"},
		"a negative port":                     {"https://keys.example.com:-1/", anyPort, ""},
		"an empty port":                       {"https://keys.example.com:/", public, "port"},
		"two ports":                           {"https://keys.example.com:443:443/", public, ""},
		"port 80":                             {"https://keys.example.com:80/", public, "443 or 8443"},
		"port 22":                             {"https://keys.example.com:22/", public, "443 or 8443"},
		"another port at an address":          {"https://1.1.1.1:22/", loopback, "443 or 8443"},
		"a space":                             {"https://keys.example.com/a b", public, "character"},
		"a space at the end":                  {keysURL + " ", public, "character"},
		"a line break":                        {"https://keys.example.com/\r\nX: y", public, "character"},
		"NUL":                                 {"https://keys.example.com/\x00", public, "character"},
		"a backslash":                         {`https://keys.example.com\@evil.example/`, public, "character"},
		"a quote":                             {`https://keys.example.com/"><script>`, public, "character"},
		"invalid UTF-8":                       {"https://keys.example.com/\xff", public, "character"},
		"letters that are not ASCII":          {"https://bücher.example/", public, "xn--"},
		"full-width digits":                   {"https://１２７.0.0.1/", public, "character"},
		"an ideographic full stop":            {"https://127。0。0。1/", public, "character"},
		"percent-encoding in the host":        {"https://%6b%65ys.example.com/", public, ""},
		"a percent-encoded address":           {"https://%31%32%37.0.0.1/", public, ""},
		"a broken percent-encoding":           {"https://keys.example.com/%zz", public, "well-formed"},
		"a dot behind the host":               {"https://keys.example.com./", public, "empty part"},
		"two dots in the host":                {"https://keys..example.com/", public, "empty part"},
		"a label of 64 characters":            {"https://" + strings.Repeat("a", 64) + ".example.com/", public, "63"},
		"a host of 255 characters":            {"https://" + strings.Repeat("a.", 126) + "com/", public, "253"},
		"a hyphen in front":                   {"https://-a.example.com/", public, "hyphen"},
		"a star":                              {"https://*.example.com/", public, "letters"},
		"a host of one label":                 {"https://intranet/jwks", public, "single part"},
		"localhost":                           {"https://localhost/", public, "this machine"},
		"localhost in capitals":               {"https://LOCALHOST/", public, "this machine"},
		"what is below localhost":             {"https://a.localhost/", public, "this machine"},
		"a decimal address":                   {"https://2130706433/", public, "unusual form"},
		"a decimal address where all is":      {"http://2130706433:9000/", private, "unusual form"},
		"an octal address":                    {"https://0177.0.0.1/", public, "unusual form"},
		"an octal address in one":             {"https://017700000001/", public, "unusual form"},
		"a hexadecimal address":               {"https://0x7f000001/", public, "unusual form"},
		"in capitals":                         {"https://0X7F000001/", public, "unusual form"},
		"a hexadecimal part":                  {"https://127.0.0.0x1/", public, "unusual form"},
		"a bare 0x":                           {"https://127.0.0.0x/", public, "unusual form"},
		"an address of two parts":             {"https://127.1/", public, "unusual form"},
		"an address of three parts":           {"https://127.0.1/", public, "unusual form"},
		"an address of five parts":            {"https://1.2.3.4.5/", public, "unusual form"},
		"a number as the last label":          {"https://keys.example.1/", public, "unusual form"},
		"a part above 255":                    {"https://1.1.1.256/", public, "unusual form"},
		"zeros in front":                      {"https://001.1.1.1/", public, "unusual form"},
		"loopback":                            {"https://127.0.0.1/", public, "not public"},
		"another loopback address":            {"https://127.99.0.1/", public, "not public"},
		"IPv6 loopback":                       {"https://[::1]/", public, "not public"},
		"unspecified":                         {"https://0.0.0.0/", public, "not public"},
		"IPv6 unspecified":                    {"https://[::]/", private, "not public"},
		"a private address":                   {"https://10.0.0.1/", public, "not public"},
		"a private address where loopback is": {"http://192.168.0.1/", loopback, "not public"},
		"a unique local address":              {"https://[fd00::1]/", public, "not public"},
		"link-local":                          {"https://169.254.0.1/", private, "not public"},
		"IPv6 link-local":                     {"https://[fe80::1]/", private, "not public"},
		"a zone":                              {"https://[fe80::1%25eth0]/", private, "host"},
		"metadata":                            {"http://169.254.169.254/latest/meta-data/", private, "not public"},
		"IPv6 metadata":                       {"http://[fd00:ec2::254]/", private, "metadata"},
		"metadata at a public address":        {"https://168.63.129.16/", private, "metadata"},
		"CGNAT":                               {"https://100.64.0.1/", private, "not public"},
		"multicast":                           {"https://224.0.0.1/", private, "not public"},
		"broadcast":                           {"https://255.255.255.255/", private, "not public"},
		"documentation":                       {"https://192.0.2.1/", public, "not public"},
		"IPv6 documentation":                  {"https://[2001:db8::1]/", public, "not public"},
		"NAT64":                               {"https://[64:ff9b::7f00:1]/", private, "not public"},
		"6to4":                                {"https://[2002:7f00:1::]/", private, "not public"},
		"IPv4-mapped":                         {"https://[::ffff:127.0.0.1]/", private, "IPv6 address"},
		"IPv4-mapped and public":              {"https://[::ffff:1.1.1.1]/", public, "IPv6 address"},
		"brackets around an IPv4 address":     {"https://[127.0.0.1]/", private, ""},
		"brackets around a name":              {"https://[keys.example.com]/", public, ""},
		"no brackets around IPv6":             {"https://2606:4700::1111/", public, ""},
		"http to what is public":              {"http://1.1.1.1/", private, "https://"},
		"http to a host where loopback is":    {"http://keys.example.com/", loopback, "https://"},
		"another port where loopback is":      {"https://keys.example.com:9000/", loopback, "443 or 8443"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			err := jwks.CheckURL(tc.url, tc.allow)
			var refused *jwks.URLError
			require.ErrorAs(t, err, &refused)
			require.Contains(t, refused.Reason, tc.reason)
			require.Less(t, len(refused.Reason), 300)

			cache := newCache(t, newNetwork(setOf()), func(cfg *jwks.Config) { cfg.Allow = tc.allow })
			_, err = cache.Keys(t.Context(), tc.url)
			require.ErrorAs(t, err, &refused, "Keys")
			_, err = cache.Validate(t.Context(), tc.url)
			require.ErrorAs(t, err, &refused, "Validate")
			require.Nil(t, cache.Renew(t.Context(), tc.url, nil), "Renew")
		})
	}
}

func TestNewRefusesNegativeBounds(t *testing.T) {
	for _, cfg := range []jwks.Config{{MaxURLs: -1}, {MaxInFlight: -1}, {MaxInFlightPerHost: -1}} {
		_, err := jwks.New(cfg)
		require.ErrorContains(t, err, "want 1 or more")
	}
	_, err := jwks.New(jwks.Config{})
	require.NoError(t, err)
}
