package jwks

import (
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"github.com/clientele-go/clientele/internal/weburl"
)

// MaxURLLen is how long a JWKS URL may be, in bytes.
const MaxURLLen = 2048

// Allow is what a program may let in beyond https to public addresses on the
// ports 443 and 8443. Its zero value is right for production.
type Allow struct {
	// AnyPort allows ports other than 443 and 8443.
	AnyPort bool
	// Loopback allows this machine, by a loopback address or as localhost, on
	// any port, and by http too: for trying things out on one machine.
	Loopback bool
	// Private allows all of Loopback and the same for private addresses (RFC
	// 1918, RFC 4193), on any port, and for host names of one label: for
	// closed networks. Who may save a URL can then reach into them. http to a
	// host name is taken, and connects to private and loopback addresses
	// alone. Link-local and metadata addresses stay forbidden.
	Private bool
}

// A URLError says why a JWKS URL is not taken.
type URLError struct {
	// Reason says what is wrong and what to do, in lower case, for the person
	// who entered the URL. It does not quote it.
	Reason string
}

// Error returns the reason.
func (e *URLError) Error() string { return "JWKS URL: " + e.Reason }

// CheckURL reports whether text is a URL that a Cache with that Allow fetches, by
// its looks alone: nothing is resolved or asked. It is for the moment in which a
// URL is saved. Its error is a *URLError.
//
// A JWKS URL is an absolute https URL of at most MaxURLLen bytes, all of them
// characters that RFC 3986 allows, without user information and fragment. Its
// host is a name of two labels or more (an internationalised one in its ASCII
// form), or a public IP address in its usual form; its port 443 or 8443.
func CheckURL(text string, allow Allow) error {
	_, err := checkURL(text, allow)
	return err
}

// checkURL returns the host of a JWKS URL, in lower case and without the port.
func checkURL(text string, allow Allow) (host string, err error) {
	refuse := func(format string, args ...any) (string, error) {
		return "", &URLError{Reason: fmt.Sprintf(format, args...)}
	}
	scheme, rest, ok := strings.Cut(text, "://")
	switch {
	case text == "":
		return refuse("is empty: enter the https URL under which the client publishes its JWK Set")
	case len(text) > MaxURLLen:
		return refuse("is %d bytes long, at most %d", len(text), MaxURLLen)
	case !ok || scheme != "https" && scheme != "http":
		return refuse("must begin with https://")
	case scheme == "http" && !allow.Loopback && !allow.Private:
		return refuse("must begin with https://, since http lets anybody on the way replace the keys")
	case strings.Contains(text, "#"):
		return refuse("has a fragment: leave out everything from the # on")
	case strings.IndexFunc(text, notOfURL) >= 0:
		return refuse("has a character that no URL may have: write a host of other letters in its ASCII form (xn--…), and percent-encode anything else")
	}
	authority := rest
	if end := strings.IndexAny(rest, "/?"); end >= 0 {
		authority = rest[:end]
	}
	u, err := url.Parse(text)
	switch {
	case strings.Contains(authority, "@"):
		return refuse("has user information before the host: leave out everything up to the @, and publish the keys without a password")
	case err != nil:
		return refuse("is not a well-formed URL")
	case u.Hostname() == "":
		return refuse("has no host")
	case u.Host != authority || u.String() != text:
		return refuse("is not written in the usual way: no percent-encoding in the host, brackets only around an IPv6 address")
	}
	port, ok := strings.CutPrefix(strings.TrimPrefix(authority, "["+u.Hostname()+"]"), ":")
	if !strings.HasPrefix(authority, "[") {
		_, port, ok = strings.Cut(authority, ":")
	}
	if number, err := strconv.ParseUint(port, 10, 16); ok && (err != nil || number == 0 || strconv.FormatUint(number, 10) != port) {
		return refuse("has a port that is none: leave it out, or use one of 1 to 65535")
	}
	host = strings.ToLower(u.Hostname())
	near, reason := checkHost(host, allow)
	switch {
	case reason != "":
		return refuse("%s", reason)
	case scheme == "http" && !near:
		return refuse("must begin with https://: http is allowed to loopback and private addresses alone")
	case ok && port != "443" && port != "8443" && !allow.AnyPort && !near:
		return refuse("has the port %s: publish the keys on 443 or 8443", port)
	}
	return host, nil
}

// checkHost says what is wrong with a host, in lower case, and else whether it
// is, or may turn out to be, one that is near by Allow.Loopback or Allow.Private.
func checkHost(host string, allow Allow) (near bool, reason string) {
	if addr, err := netip.ParseAddr(host); err == nil {
		switch {
		case addr.Is4In6():
			return false, "has an IPv4 address written as an IPv6 address: use a host name"
		case isMetadata(addr):
			return false, "has the address of a cloud's metadata service"
		case isLoopback(addr) && (allow.Loopback || allow.Private), isPrivate(addr) && allow.Private:
			return true, ""
		case !isPublic(addr):
			return false, "has an address that is not public: use a host name that is reachable from the internet"
		}
		return false, ""
	}
	if reason := checkName(host); reason != "" {
		return false, reason
	}
	if weburl.Loopback(host) {
		if !allow.Loopback && !allow.Private {
			return false, "names this machine: use a host name that is reachable from the internet"
		}
		return true, ""
	}
	if !strings.Contains(host, ".") && !allow.Private {
		return false, "has a host name of a single part: use the full one, as reachable from the internet"
	}
	return allow.Private, ""
}

// checkName says what is wrong with a host name in lower case.
func checkName(host string) string {
	if len(host) > 253 {
		return "has a host name of more than 253 characters"
	}
	var label string
	for label = range strings.SplitSeq(host, ".") {
		switch {
		case label == "":
			return "has a host name with an empty part: no dot at its end or beside another one"
		case len(label) > 63:
			return "has a host name with a part of more than 63 characters"
		case label[0] == '-' || label[len(label)-1] == '-':
			return "has a host name with a part that begins or ends with a hyphen"
		case strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "":
			return "has a host name with other characters than letters, digits, hyphens and underscores"
		}
	}
	// No top-level domain is a number, but inet_aton reads 0x7f.1 as 127.0.0.1.
	hex, isHex := strings.CutPrefix(label, "0x")
	if strings.Trim(label, "0123456789") == "" || isHex && strings.Trim(hex, "0123456789abcdef") == "" {
		return "has an IP address in an unusual form: use a host name"
	}
	return ""
}

// notOfURL reports whether r is no character of a URI (RFC 3986 section 2).
func notOfURL(r rune) bool {
	switch {
	case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9':
		return false
	}
	return !strings.ContainsRune("-._~:/?#[]@!$&'()*+,;=%", r)
}

// withoutQuery returns a URL for logs and errors: a query may be confidential.
func withoutQuery(text string) string {
	text, _, _ = strings.Cut(text, "?")
	return text
}
