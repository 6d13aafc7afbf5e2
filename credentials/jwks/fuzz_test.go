package jwks_test

import (
	"net"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/clientele-go/clientele/credentials/jwks"
)

// FuzzCheckURL holds that what is taken means the same to whoever reads it, and
// goes nowhere that it must not.
func FuzzCheckURL(f *testing.F) {
	for _, seed := range []string{
		keysURL, "https://1.1.1.1:8443/", "https://[2606:4700:4700::1111]:443/?a=b", "http://localhost:9000/jwks",
		"https://user@host.example/", "https://0x7f.1/", "https://keys.example.com:0/", "https://a.example#b", "https://10.0.0.1/",
		"https://keys.example.com\\@evil.example/", "http://127.0.0.1:9000/", "https://[::ffff:127.0.0.1]/", "https://%31.example/",
	} {
		f.Add(seed, uint8(0))
		f.Add(seed, uint8(7))
	}
	f.Fuzz(func(t *testing.T, text string, allowed uint8) {
		allow := jwks.Allow{AnyPort: allowed&1 != 0, Loopback: allowed&2 != 0, Private: allowed&4 != 0}
		if jwks.CheckURL(text, allow) != nil {
			return
		}
		u, err := url.Parse(text)
		if err != nil || u.String() != text || len(text) > jwks.MaxURLLen {
			t.Fatalf("%q does not parse back: %v", text, err)
		}
		// The host, found as a browser or a shell script would.
		_, rest, _ := strings.Cut(text, "://")
		authority := rest[:len(rest)-len(strings.TrimLeft(rest, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:[]"))]
		tail := rest[len(authority):]
		if u.Host != authority || tail != "" && tail[0] != '/' && tail[0] != '?' {
			t.Fatalf("%q has the host %q, or %q", text, u.Host, authority)
		}
		if u.User != nil || strings.ContainsAny(text, "@#\\ ") && (strings.ContainsAny(text, "#\\ ") || strings.Contains(authority, "@")) {
			t.Fatalf("%q has more than host, path and query", text)
		}
		if u.Scheme != "https" && (u.Scheme != "http" || allow == (jwks.Allow{}) || allow == (jwks.Allow{AnyPort: true})) {
			t.Fatalf("%q has the scheme %q", text, u.Scheme)
		}
		if allow == (jwks.Allow{}) {
			if port := u.Port(); port != "" && port != "443" && port != "8443" {
				t.Fatalf("%q has the port %q", text, port)
			}
			if addr, err := netip.ParseAddr(u.Hostname()); err == nil && (!addr.IsGlobalUnicast() || addr.IsPrivate()) {
				t.Fatalf("%q goes to %s", text, addr)
			}
		}
		if net.ParseIP(u.Hostname()) == nil {
			last := u.Hostname()[strings.LastIndexByte(u.Hostname(), '.')+1:]
			if last == "" || strings.Trim(last, "0123456789") == "" {
				t.Fatalf("%q has a host that inet_aton may read", text)
			}
		}
	})
}
