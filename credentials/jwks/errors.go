package jwks

import (
	"errors"
	"time"

	"github.com/clientele-go/clientele/credentials"
	"github.com/clientele-go/clientele/internal/fetch"
)

// ErrBusy: so many fetches are under way, in all or from that host, that no other
// one begins.
var ErrBusy = errors.New("too many JWKS URLs are being fetched")

// An UnavailableError says that the keys under a URL are not known, and none that
// were serve any more.
type UnavailableError struct {
	// URL is the JWKS URL without its query.
	URL string
	// RetryAfter is how long not to ask again: a second or more.
	RetryAfter time.Duration
	// Err is why: ErrBusy, or what was wrong with the last fetch. It is for a
	// log, as it may tell of the network here.
	Err error
}

// Error says which URL it is, and why.
func (e *UnavailableError) Error() string {
	return "jwks: no keys from " + e.URL + ": " + brief(e.Err)
}

// Unwrap returns e.Err.
func (e *UnavailableError) Unwrap() error { return e.Err }

// Reasons why no keys were found, in logs and in an InvalidError.
const (
	ReasonUnreachable = "unreachable"    // no answer, or one that is not HTTP, or not allowed to be asked for
	ReasonCertificate = "certificate"    // the certificate of the server is not valid
	ReasonRedirect    = "redirect"       // a redirect to elsewhere, or too many
	ReasonStatus      = "status"         // an answer that is not 200
	ReasonEncoding    = "encoding"       // a compressed answer
	ReasonTooLarge    = "too_large"      // an answer of more than credentials.MaxJWKSetSize
	ReasonIncomplete  = "incomplete"     // an answer that did not come whole in time
	ReasonNotJWKS     = "not_a_jwk_set"  // an answer that is no JWK Set
	ReasonNoKeys      = "no_usable_keys" // a JWK Set without a key that can be used
)

// reasonOf returns the reason that stands for the error of a fetch.
func reasonOf(err error) string {
	if errors.Is(err, credentials.ErrJWKSet) {
		return ReasonNotJWKS
	}
	return fetch.Reason(err)
}

// maxErrorText bounds the text of an error, part of which the server at the URL
// may have chosen.
const maxErrorText = 300

// brief returns the text of err, cut.
func brief(err error) string {
	if err == nil {
		return "not fetched"
	}
	text := err.Error()
	if len(text) > maxErrorText {
		text = text[:maxErrorText] + "…"
	}
	return text
}
