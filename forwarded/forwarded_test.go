package forwarded_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/forwarded"
)

func TestParseProxies(t *testing.T) {
	for _, tt := range []struct {
		name, list, want, err string
	}{
		{"nobody", "", "[]", ""},
		{"an address", "10.1.2.3", "[10.1.2.3/32]", ""},
		{"several, with spaces and empty ones", " 10.0.0.0/8 ,, ::1,", "[10.0.0.0/8 ::1/128]", ""},
		{"an IPv4 address in IPv6", "::ffff:10.1.2.3", "[10.1.2.3/32]", ""},
		{"everybody, if that is said", "0.0.0.0/0", "[0.0.0.0/0]", ""},
		{"bits behind the mask", "10.1.2.3/8", "", "say 10.0.0.0/8"},
		{"a mask too long", "10.0.0.0/33", "", "neither"},
		{"an IPv4 network in IPv6", "::ffff:10.0.0.0/104", "", "neither"},
		{"a zone", "fe80::1%eth0", "", "neither"},
		{"a name", "proxy.example.com", "", "neither"},
		{"an octal number", "010.0.0.1", "", "neither"},
		{"a port", "10.0.0.1:80", "", "neither"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := forwarded.ParseProxies(tt.list)
			if tt.err != "" {
				require.ErrorContains(t, err, tt.err)
				require.Nil(t, got)
				return
			}
			require.NoError(t, err)
			require.Equal(t, tt.want, fmt.Sprint([]netip.Prefix(got)))
		})
	}
}

// SECURITY: nobody but a proxy that is named says where a request is from.
func TestWhereARequestIsFrom(t *testing.T) {
	proxies, err := forwarded.ParseProxies("10.0.0.0/8, fd00::1")
	require.NoError(t, err)
	const direct = "198.51.100.7:4711"
	for _, tt := range []struct {
		name, peer string
		header     []string
		want       string
	}{
		{"a proxy that tells", "10.0.0.1:99", []string{"203.0.113.9"}, "203.0.113.9:0"},
		{"a proxy that appends to what a caller made up", "10.0.0.1:99", []string{"1.1.1.1, 203.0.113.9"}, "203.0.113.9:0"},
		{"in lines of their own", "10.0.0.1:99", []string{"1.1.1.1", "203.0.113.9"}, "203.0.113.9:0"},
		{"two proxies", "10.0.0.1:99", []string{"1.1.1.1, 203.0.113.9,10.9.9.9"}, "203.0.113.9:0"},
		{"a proxy that nobody named is a caller", "10.0.0.1:99", []string{"203.0.113.9, 192.0.2.5"}, "192.0.2.5:0"},
		{"only proxies", "10.0.0.1:99", []string{"10.2.2.2, 10.3.3.3"}, "10.2.2.2:0"},
		{"no header", "10.0.0.1:99", nil, "10.0.0.1:99"},
		{"an empty header", "10.0.0.1:99", []string{""}, "10.0.0.1:99"},
		{"rubbish in the last place", "10.0.0.1:99", []string{"203.0.113.9, unknown"}, "10.0.0.1:99"},
		{"rubbish behind a proxy", "10.0.0.1:99", []string{"203.0.113.9, unknown, 10.2.2.2"}, "10.2.2.2:0"},
		{"a port", "10.0.0.1:99", []string{"203.0.113.9:1234"}, "203.0.113.9:0"},
		{"IPv6", "10.0.0.1:99", []string{"2001:db8::9"}, "[2001:db8::9]:0"},
		{"IPv6 in brackets", "10.0.0.1:99", []string{"[2001:db8::9]"}, "[2001:db8::9]:0"},
		{"IPv6 with a port", "10.0.0.1:99", []string{"[2001:db8::9]:1234"}, "[2001:db8::9]:0"},
		{"a zone", "10.0.0.1:99", []string{"fe80::9%<script>"}, "[fe80::9]:0"},
		{"a proxy by IPv6", "[fd00::1]:99", []string{"203.0.113.9"}, "203.0.113.9:0"},
		{"an IPv4 proxy at a socket for both", "[::ffff:10.0.0.1]:99", []string{"::ffff:203.0.113.9"}, "203.0.113.9:0"},
		{"its neighbour by IPv6", "[fd00::2]:99", []string{"203.0.113.9"}, "[fd00::2]:99"},
		{"a caller that writes the header itself", direct, []string{"203.0.113.9"}, direct},
		{"a caller that names a proxy", direct, []string{"203.0.113.9, 10.0.0.1"}, direct},
		{"no IP address", "@", []string{"203.0.113.9"}, "@"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/", nil)
			r.RemoteAddr = tt.peer
			if tt.header != nil {
				r.Header["X-Forwarded-For"] = tt.header
			}
			for _, other := range []string{"Forwarded", "X-Real-Ip", "True-Client-Ip", "X-Forwarded-Host"} {
				r.Header.Set(other, "for=6.6.6.6")
			}
			var got string
			proxies.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.RemoteAddr })).ServeHTTP(nil, r)
			require.Equal(t, tt.want, got)
			require.Equal(t, tt.peer, r.RemoteAddr, "the request that came in stays as it was")
		})
	}
}

func TestALongChainIsNotFollowedToItsEnd(t *testing.T) {
	proxies, err := forwarded.ParseProxies("10.0.0.0/8")
	require.NoError(t, err)
	for proxiesBetween, want := range map[int]string{15: "203.0.113.9:0", 16: "10.0.0.1:0"} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = "10.0.0.1:1"
		r.Header.Set("X-Forwarded-For", "203.0.113.9"+strings.Repeat(",10.0.0.1", proxiesBetween))
		var got string
		proxies.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.RemoteAddr })).ServeHTTP(nil, r)
		require.Equal(t, want, got)
	}
}

func TestWithoutProxiesNothingStandsInBetween(t *testing.T) {
	var none forwarded.Proxies
	r := httptest.NewRequest("GET", "/", nil)
	r.RemoteAddr = "10.0.0.1:1"
	r.Header.Set("X-Forwarded-For", "203.0.113.9")
	var got string
	none.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.RemoteAddr })).ServeHTTP(nil, r)
	require.Equal(t, "10.0.0.1:1", got)
}

// FuzzCaller looks for headers by which somebody passes for a proxy, or for no
// address at all.
func FuzzCaller(f *testing.F) {
	proxies, err := forwarded.ParseProxies("10.0.0.0/8")
	require.NoError(f, err)
	f.Add("203.0.113.9, 10.0.0.1")
	f.Add(",,[::1]:80,")
	f.Add("fe80::1%eth0")
	f.Fuzz(func(t *testing.T, header string) {
		for _, peer := range []string{"10.0.0.1:1", "192.0.2.1:1"} {
			r := httptest.NewRequest("GET", "/", nil)
			r.RemoteAddr = peer
			r.Header["X-Forwarded-For"] = []string{header}
			var got string
			proxies.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.RemoteAddr })).ServeHTTP(nil, r)
			if _, err := netip.ParseAddrPort(got); err != nil {
				t.Errorf("%q from %q", got, header)
			}
			if peer == "192.0.2.1:1" && got != peer {
				t.Errorf("%q passes for %q", peer, got)
			}
		}
	})
}
