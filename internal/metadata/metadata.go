// Package metadata reads where an endpoint of an authorization server is from the
// document that the server publishes (RFC 8414), for those who know its issuer
// identifier alone.
//
//	for _, location := range metadata.Locations(issuer) {
//		// get the document there
//	}
//	endpoint, err := metadata.Endpoint(document, issuer.String(), "token_endpoint")
package metadata

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/clientele-go/clientele/internal/strictjson"
	"github.com/clientele-go/clientele/internal/weburl"
)

// MaxSize is how long metadata may be, in bytes.
const MaxSize = 1 << 20

var (
	// ErrMalformed: the document is no metadata, but a page of an error, say.
	ErrMalformed = errors.New("no metadata")
	// ErrOtherIssuer: it is the metadata of another issuer than that which was
	// asked for, and must not be used (RFC 8414 section 3.3).
	ErrOtherIssuer = errors.New("not the issuer that was asked for")
)

// Locations returns where the metadata of an issuer may be, in the order in which
// to look: at the place of RFC 8414 section 3.1, before the path of the issuer
// identifier, and at that of OpenID Connect Discovery section 4, behind it.
func Locations(issuer *url.URL) []string {
	origin := issuer.Scheme + "://" + issuer.Host
	path := strings.TrimSuffix(issuer.EscapedPath(), "/")
	return []string{
		origin + "/.well-known/oauth-authorization-server" + path,
		origin + path + "/.well-known/openid-configuration",
	}
}

// Endpoint returns the URL that metadata of issuer has under the name member. It
// is one of those that weburl.Parse takes, and https unless the issuer is http:
// who reaches an issuer safely does not leave that way.
//
// The error matches ErrMalformed or ErrOtherIssuer, or begins with the name.
func Endpoint(data []byte, issuer, member string) (string, error) {
	if len(data) > MaxSize {
		return "", fmt.Errorf("%w: more than %d bytes", ErrMalformed, MaxSize)
	}
	var object strictjson.Object
	var theirs, endpoint string
	object.Reset(data)
	for object.Next() {
		switch string(object.Key()) {
		case "issuer":
			theirs, _ = object.Value().Text()
		case member:
			endpoint, _ = object.Value().Text()
		}
	}
	if err := object.Err(); err != nil {
		return "", fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if theirs != issuer {
		return "", fmt.Errorf("its issuer is %.128q, %w", theirs, ErrOtherIssuer)
	}
	u, err := weburl.Parse(endpoint)
	if err != nil {
		return "", fmt.Errorf("%s: %w", member, err)
	}
	if scheme, _, _ := strings.Cut(issuer, ":"); u.Scheme != "https" && strings.EqualFold(scheme, "https") {
		return "", fmt.Errorf("%s: not https, while the issuer is", member)
	}
	return endpoint, nil
}
