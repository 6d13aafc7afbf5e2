// Package forwarded tells where a request that came through proxies is from.
//
// Behind a proxy every request comes from the address of the proxy, and anybody
// can write an X-Forwarded-For header. So the header counts only as far as the
// proxies that a program names have written it:
//
//	proxies, err := forwarded.ParseProxies("10.0.0.0/8, 127.0.0.1")
//	…
//	server := &http.Server{Handler: proxies.Handler(mux)}
//
// Whatever is behind the Handler then finds in http.Request.RemoteAddr the address
// of the caller: the logs, the audit log, and the limits of failed attempts (see
// token.Config.FailedPerAddress).
package forwarded

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// Proxies are the addresses of proxies that a program trusts to append to the
// X-Forwarded-For header who has called them. The zero value trusts nobody.
type Proxies []netip.Prefix

// maxHops is how many proxies one behind the other are followed.
const maxHops = 16

// ParseProxies reads IP addresses and networks (CIDR), separated by commas; spaces
// and empty ones don't matter. A network must be written without bits behind its
// mask, so that a slip of the finger trusts nobody.
func ParseProxies(list string) (Proxies, error) {
	var proxies Proxies
	for one := range strings.SplitSeq(list, ",") {
		one = strings.TrimSpace(one)
		if one == "" {
			continue
		}
		network, err := parseNetwork(one)
		if err != nil {
			return nil, fmt.Errorf("forwarded: proxy %.64q is neither an IP address nor a network such as 10.0.0.0/8", one)
		}
		if network != network.Masked() {
			return nil, fmt.Errorf("forwarded: proxy %q has bits behind its mask; say %s for the network, or name the address alone", one, network.Masked())
		}
		proxies = append(proxies, network)
	}
	return proxies, nil
}

func parseNetwork(s string) (netip.Prefix, error) {
	if strings.Contains(s, "/") {
		network, err := netip.ParsePrefix(s)
		if err == nil && network.Addr().Is4In6() {
			return netip.Prefix{}, errors.New("an IPv4 network written as IPv6")
		}
		return network, err
	}
	ip, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Prefix{}, err
	}
	ip = ip.Unmap()
	if ip.Zone() != "" {
		return netip.Prefix{}, errors.New("an address with a zone")
	}
	return netip.PrefixFrom(ip, ip.BitLen()), nil
}

// Handler returns next with the address of the caller as the RemoteAddr of every
// request that comes from one of the proxies, with port 0. A request from anywhere
// else is passed on as it is. The header itself stays.
func (p Proxies) Handler(next http.Handler) http.Handler {
	if len(p) == 0 {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if caller, ok := p.caller(r); ok {
			r = r.WithContext(r.Context()) // a handler does not change the request it was given
			r.RemoteAddr = net.JoinHostPort(caller.String(), "0")
		}
		next.ServeHTTP(w, r)
	})
}

// caller returns the last address that no proxy of p has, reading from the right;
// whatever stands to the left of it is the caller's to make up. If there is none,
// it is the address that is furthest to the left of those that proxies of p vouch
// for. It reports whether that is another one than RemoteAddr says.
func (p Proxies) caller(r *http.Request) (netip.Addr, bool) {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || !p.trusts(peer.Addr()) {
		return netip.Addr{}, false
	}
	var caller netip.Addr
	lines := r.Header["X-Forwarded-For"]
	for hops := 0; hops < maxHops; hops++ {
		one, rest, ok := last(lines)
		if !ok {
			break
		}
		lines = rest
		ip, ok := parseHop(one)
		if !ok {
			break // a proxy that does not know
		}
		caller = ip
		if !p.trusts(ip) {
			break
		}
	}
	return caller, caller.IsValid()
}

func (p Proxies) trusts(ip netip.Addr) bool {
	ip = ip.Unmap().WithZone("")
	for _, network := range p {
		if network.Contains(ip) {
			return true
		}
	}
	return false
}

// last takes the last element of a list that may stand in several lines.
func last(lines []string) (one string, rest []string, ok bool) {
	if len(lines) == 0 {
		return "", nil, false
	}
	end := len(lines) - 1
	line := lines[end]
	comma := strings.LastIndexByte(line, ',')
	if comma < 0 {
		return line, lines[:end], true
	}
	rest = append(append([]string(nil), lines[:end]...), line[:comma])
	return line[comma+1:], rest, true
}

// parseHop reads an address, with a port perhaps, as some proxies write it.
func parseHop(s string) (netip.Addr, bool) {
	s = strings.TrimSpace(s)
	ip, err := netip.ParseAddr(s)
	if err != nil {
		var withPort netip.AddrPort
		if withPort, err = netip.ParseAddrPort(s); err == nil {
			ip = withPort.Addr()
		} else if inner, ok := strings.CutPrefix(s, "["); ok {
			if inner, ok = strings.CutSuffix(inner, "]"); ok {
				ip, err = netip.ParseAddr(inner)
			}
		}
	}
	if err != nil {
		return netip.Addr{}, false
	}
	return ip.Unmap().WithZone(""), true
}
