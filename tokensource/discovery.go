package tokensource

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/oauth2"

	"github.com/clientele-go/clientele/internal/strictjson"
)

// endpoint returns the token endpoint, asking the metadata of the issuer for it
// if it is not known, or has failed.
func (s *Source) endpoint(ctx context.Context) (string, *failure) {
	switch {
	case s.tokenURL != "":
		return s.tokenURL, nil
	case s.discovered != "" && !s.doubtful:
		return s.discovered, nil
	}
	var f *failure
	for _, location := range wellKnown(s.issuer) {
		var endpoint string
		if endpoint, f = s.discover(ctx, location); f == nil {
			s.discovered, s.doubtful = endpoint, false
			return endpoint, nil
		}
		if f.answer == nil {
			break // nobody there to answer at the other place
		}
	}
	if f.passing && s.discovered != "" {
		return s.discovered, nil
	}
	return "", f
}

// wellKnown returns where the metadata of an issuer may be: at the place of RFC
// 8414 section 3.1, and at that of OpenID Connect Discovery section 4.
func wellKnown(issuer string) []string {
	u, err := url.Parse(issuer)
	if err != nil { // New has parsed it
		return nil
	}
	path := strings.TrimSuffix(u.EscapedPath(), "/")
	server := u.Scheme + "://" + u.Host
	return []string{
		server + "/.well-known/oauth-authorization-server" + path,
		server + path + "/.well-known/openid-configuration",
	}
}

// discover reads the token endpoint from the metadata at location.
func (s *Source) discover(ctx context.Context, location string) (string, *failure) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, location, nil)
	if err != nil {
		return "", &failure{text: "metadata: " + err.Error(), cause: err}
	}
	req.Header.Set("Accept", "application/json")
	resp, body, f := s.do(req, nil)
	if f != nil {
		return "", f
	}
	if resp.StatusCode != http.StatusOK {
		f := &failure{
			text:    fmt.Sprintf("metadata at %s: status %d %s", location, resp.StatusCode, http.StatusText(resp.StatusCode)),
			passing: resp.StatusCode/100 != 3, after: retryAfter(resp.Header, s.clock.time()),
		}
		f.answer = &oauth2.RetrieveError{Response: bare(resp, nil)}
		return "", f
	}
	endpoint, err := parseMetadata(body, s.issuer)
	if err != nil {
		f := &failure{text: fmt.Sprintf("metadata at %s: %s", location, err), passing: errors.Is(err, errNoMetadata)}
		f.answer = &oauth2.RetrieveError{Response: bare(resp, nil)}
		return "", f
	}
	return endpoint, nil
}

// errNoMetadata is wrapped where something else than metadata was found, which
// may pass.
var errNoMetadata = errors.New("no metadata")

// parseMetadata returns the token endpoint that the metadata of issuer names.
func parseMetadata(data []byte, issuer string) (string, error) {
	if len(data) > maxBody {
		return "", fmt.Errorf("%w: more than %d bytes", errNoMetadata, maxBody)
	}
	var object strictjson.Object
	var theirs, endpoint string
	object.Reset(data)
	for object.Next() {
		switch string(object.Key()) {
		case "issuer":
			theirs, _ = object.Value().Text()
		case "token_endpoint":
			endpoint, _ = object.Value().Text()
		}
	}
	if err := object.Err(); err != nil {
		return "", fmt.Errorf("%w: %w", errNoMetadata, err)
	}
	if theirs != issuer { // RFC 8414 section 3.3
		return "", fmt.Errorf("its issuer is %.128q, not the one that was asked for", theirs)
	}
	u, err := parseURL(endpoint)
	if err != nil {
		return "", fmt.Errorf("token_endpoint: %w", err)
	}
	// Who reaches the issuer safely does not leave that way.
	if u.Scheme != "https" && strings.HasPrefix(issuer, "https:") {
		return "", errors.New("token_endpoint: not https, while the issuer is")
	}
	return endpoint, nil
}
