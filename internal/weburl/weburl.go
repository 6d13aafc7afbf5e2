// Package weburl says which URLs this module sends secrets to, believes keys
// from and names issuers by: one rule for those who issue tokens, verify them
// and get them.
//
// [Parse] is the rule for all of them: encrypted on its way, or staying on this
// machine. [ParseIssuer] is the one for issuer identifiers besides, and
// [ParseOwnIssuer] the one for that of an issuer of our own, which makes other
// URLs of it. [Loopback] says which hosts are this machine.
//
// Errors begin in lower case, for the caller to put the name of a field in front.
// They never repeat the URL, which may hold what no log should.
package weburl

import (
	"errors"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// Parse parses an absolute URL that is https, or http to a loopback address,
// with a host and without user information and fragment. It may have a query.
func Parse(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case text == "":
		return nil, errors.New("empty")
	case err != nil:
		return nil, errors.New("not a URL")
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, errors.New("not an https URL")
	case u.Hostname() == "" || u.Opaque != "":
		return nil, errors.New("no host")
	case u.Scheme == "http" && !Loopback(u.Hostname()):
		return nil, errors.New("not https: http is for loopback addresses only")
	case u.User != nil:
		return nil, errors.New("user information in a URL")
	case strings.Contains(text, "#"):
		return nil, errors.New("a fragment")
	case strings.IndexFunc(u.Hostname(), notOfHost) >= 0:
		return nil, errors.New("a host with a character that no host has")
	case !validPort(u):
		return nil, errors.New("a port that is none")
	}
	return u, nil
}

// notOfHost reports whether r stands in no name of a host, in ASCII or not, and
// in no address: url.Parse lets quotes pass, for example.
func notOfHost(r rune) bool {
	switch {
	case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r >= 0x80:
		return false
	}
	return !strings.ContainsRune("-._:%", r) // the last two in IPv6 addresses
}

// validPort reports whether u has no port, and no colon for one, or one of 1 to
// 65535.
func validPort(u *url.URL) bool {
	port := u.Port()
	if port == "" {
		return !strings.HasSuffix(u.Host, ":")
	}
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && n > 0
}

// ParseIssuer parses an issuer identifier (RFC 8414 section 2): what Parse takes,
// without a query. A path is left as it is, whether or not a slash ends it: other
// people's issuers are compared letter by letter.
func ParseIssuer(text string) (*url.URL, error) {
	u, err := Parse(text)
	if err != nil {
		return nil, err
	}
	if strings.Contains(text, "?") {
		return nil, errors.New("a query")
	}
	return u, nil
}

// ParseOwnIssuer parses the issuer identifier of an issuer that appends its own
// paths to it, and routes them: what ParseIssuer takes, in the form in which
// every library and proxy on the way writes it, and without a slash at the end.
func ParseOwnIssuer(text string) (*url.URL, error) {
	u, err := ParseIssuer(text)
	switch {
	case err != nil:
		return nil, err
	case strings.HasSuffix(u.Path, "/"):
		return nil, errors.New("want it without a slash at the end")
	case u.EscapedPath() != u.Path, strings.Contains(u.Path, "//"), strings.Contains(u.Path, "/."):
		return nil, errors.New("want a plain path: without escapes, empty parts, and parts that begin with a dot")
	case u.String() != text:
		return nil, errors.New("want it in its usual form: the scheme in lower case, the host in ASCII")
	}
	return u, nil
}

// Loopback reports whether host, a name or an address without brackets and port,
// is this machine: a loopback address, localhost, or a name below it, which
// resolvers answer with a loopback address (RFC 6761 section 6.3).
func Loopback(host string) bool {
	const name = "localhost"
	if rest := len(host) - len(name); rest >= 0 && strings.EqualFold(host[rest:], name) {
		return rest == 0 || rest > 1 && host[rest-1] == '.'
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}
