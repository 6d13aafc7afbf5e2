package verifier

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// What can be wrong. Compare with errors.Is: what is returned for the last three
// is a *TokenError, a *ScopeError and an *UnavailableError, which say more.
var (
	// ErrNoToken: there was no token to check.
	ErrNoToken = errors.New("no access token")
	// ErrInvalidToken: the token is not good here and now, and the caller needs
	// another one.
	ErrInvalidToken = errors.New("invalid access token")
	// ErrInsufficientScope: the token is good, but not for this.
	ErrInsufficientScope = errors.New("insufficient scope")
	// ErrUnavailable: nothing can be said of the token, because the keys of its
	// issuer could not be had, or what it has revoked. The caller tries again
	// later.
	ErrUnavailable = errors.New("nothing known of the issuer")
)

// Reasons for which a token is refused, in TokenError.Reason and in the
// attribute "reason" of the log.
const (
	ReasonMalformed   = "malformed"      // not a JWS in compact form that holds JSON
	ReasonType        = "wrong_type"     // typ is not at+jwt
	ReasonAlgorithm   = "algorithm"      // unknown, or not the key's
	ReasonIssuer      = "wrong_issuer"   // iss is none of ours
	ReasonUnknownKey  = "unknown_key"    // the issuer has no such key (any more)
	ReasonSignature   = "signature"      // it does not verify
	ReasonAudience    = "wrong_audience" // aud does not contain ours
	ReasonExpired     = "expired"        // exp has passed
	ReasonNotYetValid = "not_yet_valid"  // nbf is ahead
	ReasonClaims      = "claims"         // a required claim is missing, or of the wrong type
	ReasonRevoked     = "revoked"        // by the issuer, before it expired; or not active when it was asked
	ReasonStatus      = "status"         // it names no status list that may be asked, or none at all
	ReasonRefused     = "refused"        // by Config.Check
)

// Further values of the attribute "reason" in the log of the middleware.
const (
	ReasonNoToken           = "no_token"           // 401 without an error code
	ReasonRepeatedHeader    = "repeated_header"    // two Authorization headers, 400
	ReasonInsufficientScope = "insufficient_scope" // 403
	ReasonUnavailable       = "unavailable"        // 503
)

// A TokenError says why a token was refused. It matches ErrInvalidToken.
type TokenError struct {
	// Reason is one of the Reason constants: stable, for logs and counters.
	Reason string
	// Err tells more where there is more to tell. It never holds the token.
	Err error
}

func (e *TokenError) Error() string {
	if e.Err == nil {
		return ErrInvalidToken.Error() + ": " + e.Reason
	}
	more := strings.TrimPrefix(e.Err.Error(), e.Reason+": ") // which need not stand there twice
	return fmt.Sprintf("%s: %s: %s", ErrInvalidToken.Error(), e.Reason, more)
}

// Is reports whether target is ErrInvalidToken.
func (e *TokenError) Is(target error) bool { return target == ErrInvalidToken }

func (e *TokenError) Unwrap() error { return e.Err }

func refuse(reason string, err error) error { return &TokenError{Reason: reason, Err: err} }

// A ScopeError says which scopes a good token lacks. It matches
// ErrInsufficientScope.
type ScopeError struct {
	Missing []string
}

func (e *ScopeError) Error() string {
	return ErrInsufficientScope.Error() + ": " + strings.Join(e.Missing, " ")
}

// Is reports whether target is ErrInsufficientScope.
func (e *ScopeError) Is(target error) bool { return target == ErrInsufficientScope }

// An UnavailableError says that the keys of an issuer, or its revocations, could
// not be had. It matches ErrUnavailable.
type UnavailableError struct {
	Issuer string
	// RetryAfter is how long to wait before it makes sense to try again.
	RetryAfter time.Duration
	// Err is why the last attempt failed.
	Err error
}

func (e *UnavailableError) Error() string {
	return fmt.Sprintf("%s %s: %v", ErrUnavailable.Error(), e.Issuer, e.Err)
}

// Is reports whether target is ErrUnavailable.
func (e *UnavailableError) Is(target error) bool { return target == ErrUnavailable }

func (e *UnavailableError) Unwrap() error { return e.Err }
