package tokensource

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"golang.org/x/oauth2"

	"github.com/clientele-go/clientele/internal/metadata"
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
	for _, location := range s.locations {
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
	endpoint, err := metadata.Endpoint(body, s.issuer, "token_endpoint")
	if err != nil {
		// Something else that stands there may pass.
		f := &failure{text: fmt.Sprintf("metadata at %s: %s", location, err), passing: errors.Is(err, metadata.ErrMalformed)}
		f.answer = &oauth2.RetrieveError{Response: bare(resp, nil)}
		return "", f
	}
	return endpoint, nil
}
