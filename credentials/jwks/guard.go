package jwks

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"syscall"
	"time"

	"code.dny.dev/ssrf"
)

// Prefixes that Allow may let in.
var (
	loopback4 = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	loopback6 = []netip.Prefix{netip.MustParsePrefix("::1/128")}
	private4  = []netip.Prefix{
		netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("172.16.0.0/12"), netip.MustParsePrefix("192.168.0.0/16"),
	}
	private6 = []netip.Prefix{netip.MustParsePrefix("fc00::/7")}
)

// metadata are addresses of metadata services of clouds that lie within what is
// public, or within private6.
var metadata = []netip.Addr{
	netip.MustParseAddr("168.63.129.16"), // Azure's WireServer
	netip.MustParseAddr("fd00:ec2::254"), // AWS
	netip.MustParseAddr("fd20:ce::254"),  // Google Cloud
}

func isMetadata(addr netip.Addr) bool { return slices.Contains(metadata, addr.WithZone("")) }
func isLoopback(addr netip.Addr) bool { return inAny(addr, loopback4, loopback6) }
func isPrivate(addr netip.Addr) bool  { return inAny(addr, private4, private6) }

func inAny(addr netip.Addr, lists ...[]netip.Prefix) bool {
	for _, prefix := range slices.Concat(lists...) {
		if prefix.Contains(addr) {
			return true
		}
	}
	return false
}

// isPublic reports whether addr is what everybody may connect to.
func isPublic(addr netip.Addr) bool {
	return !isMetadata(addr) && ssrf.New().SafeAddr(addr) == nil
}

// A guard decides on the address of each connection, after names were resolved
// and right before it is made: so it does not matter what a name resolves to at
// any other moment.
type guard struct{ guardian *ssrf.Guardian }

// newGuard returns the guard of https, or the one of http, which connects to
// what is near alone.
func newGuard(allow Allow, plain bool) guard {
	var near4, near6 []netip.Prefix
	if allow.Loopback || allow.Private {
		near4, near6 = loopback4, loopback6
	}
	if allow.Private {
		near4, near6 = slices.Concat(near4, private4), slices.Concat(near6, private6)
	}
	options := []ssrf.Option{ssrf.WithAllowedV4Prefixes(near4...), ssrf.WithAllowedV6Prefixes(near6...)}
	if allow == (Allow{}) {
		options = append(options, ssrf.WithPorts(443, 8443))
	} else {
		options = append(options, ssrf.WithAnyPort()) // which ports to what, CheckURL says
	}
	if plain {
		options = append(options,
			ssrf.WithDeniedV4Prefixes(netip.MustParsePrefix("0.0.0.0/0")),
			ssrf.WithDeniedV6Prefixes(netip.MustParsePrefix("::/0")))
	}
	return guard{ssrf.New(options...)}
}

// control is the Control of a net.Dialer.
func (g guard) control(network, address string, conn syscall.RawConn) error {
	if to, err := netip.ParseAddrPort(address); err == nil && isMetadata(to.Addr()) {
		return fmt.Errorf("%w: %s is a metadata service", ssrf.ErrProhibitedIP, to.Addr())
	}
	return g.guardian.Safe(network, address, conn)
}

// newClient returns the client that connects where allow says. The resolver is
// the system's if nil.
func newClient(allow Allow, resolver *net.Resolver) *http.Client {
	schemes := byScheme{"https": newTransport(newGuard(allow, false), resolver)}
	if allow.Loopback || allow.Private {
		schemes["http"] = newTransport(newGuard(allow, true), resolver)
	}
	return &http.Client{Transport: schemes}
}

// newTransport returns a transport whose connections g guards. They are few and
// soon closed when idle: a hundred thousand hosts hold no sockets. HTTP/1.1 does
// for one small answer, and its idle connections can be counted.
func newTransport(g guard, resolver *net.Resolver) *http.Transport {
	dialer := &net.Dialer{Timeout: fetchTimeout, Control: g.control, Resolver: resolver}
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	return &http.Transport{
		Proxy:                  nil, // it would resolve names and connect without the guard
		DialContext:            dialer.DialContext,
		Protocols:              &protocols,
		TLSHandshakeTimeout:    fetchTimeout,
		ResponseHeaderTimeout:  fetchTimeout,
		IdleConnTimeout:        5 * time.Second,
		MaxIdleConns:           16,
		MaxIdleConnsPerHost:    2,
		MaxResponseHeaderBytes: 32 << 10,
		DisableCompression:     true,
	}
}

// byScheme is a RoundTripper for each scheme.
type byScheme map[string]http.RoundTripper

var errScheme = errors.New("scheme not allowed")

// RoundTrip implements http.RoundTripper.
func (b byScheme) RoundTrip(req *http.Request) (*http.Response, error) {
	if next := b[req.URL.Scheme]; next != nil {
		return next.RoundTrip(req)
	}
	if req.Body != nil {
		req.Body.Close()
	}
	return nil, errScheme
}
