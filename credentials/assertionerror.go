package credentials

import (
	"fmt"
	"strings"
)

// Reasons of refusals in the log.
const (
	ReasonMalformed   = "malformed_assertion"     // not a JWT in its only form
	ReasonAlgorithm   = "unsupported_algorithm"   // an alg that no key may be used with
	ReasonType        = "wrong_type"              // a typ that no assertion has
	ReasonIssuer      = "issuer_subject_mismatch" // iss and sub differ, or are missing
	ReasonAudience    = "wrong_audience"          // aud is missing, or for somebody else too
	ReasonNoExpiry    = "missing_expiry"          // no exp
	ReasonExpired     = "expired_assertion"       // exp has passed
	ReasonLifetime    = "assertion_lifetime"      // exp is farther ahead than the profile allows
	ReasonNotYetValid = "assertion_not_yet_valid" // nbf or iat is ahead
	ReasonNoID        = "missing_jti"             // no jti, and the profile requires one
	ReasonUnknownKey  = "unknown_key"             // no key of the client is the one
	ReasonKeyNotValid = "key_not_valid"           // outside the validity of the certificate
	ReasonSignature   = "bad_signature"           // the signature is not that of the key
)

// An AssertionError says, for a log, why an assertion does not prove who the
// client is. Whoever sent it should learn nothing of that.
type AssertionError struct {
	// Reason is a stable word: one of the Reason constants.
	Reason string
	// Detail says more, or nothing. It quotes what the assertion says of
	// itself, cut to a bounded length, and never the whole of it.
	Detail string
	// OfferedAudiences and WantedAudiences are the aud of the assertion and
	// what the profile would have had, of ReasonAudience. They are read-only.
	OfferedAudiences, WantedAudiences []string
	// KeyMissing says that the keys at hand may be out of date: the assertion
	// names none of them, and none verifies it. Where keys are published under
	// a URL it is worth fetching them anew, not too often.
	KeyMissing bool
	// Err is what lies behind, or nil.
	Err error
}

func (e *AssertionError) Error() string {
	var b strings.Builder
	b.WriteString("client assertion refused: " + e.Reason)
	if e.Detail != "" {
		b.WriteString(": " + e.Detail)
	}
	if e.Reason == ReasonAudience {
		fmt.Fprintf(&b, ": aud is %s, want %s", quoted(e.OfferedAudiences), quoted(e.WantedAudiences))
	}
	if e.Err != nil {
		b.WriteString(": " + e.Err.Error())
	}
	return b.String()
}

func (e *AssertionError) Unwrap() error { return e.Err }

// quoted shows the first few of a list, each cut to a bounded length.
func quoted(list []string) string {
	const most = 4
	var b strings.Builder
	b.WriteByte('[')
	for i, s := range list {
		if i == most {
			fmt.Fprintf(&b, " and %d more", len(list)-most)
			break
		}
		if i > 0 {
			b.WriteByte(' ')
		}
		fmt.Fprintf(&b, "%.128q", s)
	}
	b.WriteByte(']')
	return b.String()
}

func refuse(reason, format string, args ...any) *AssertionError {
	return &AssertionError{Reason: reason, Detail: fmt.Sprintf(format, args...)}
}

func malformed(err error) *AssertionError { return &AssertionError{Reason: ReasonMalformed, Err: err} }
