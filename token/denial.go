package token

import (
	"time"

	"github.com/clientele-go/clientele/credentials"
	"github.com/clientele-go/clientele/store"
)

// KindDenial is the kind of the records that hold denials. Each has an expiry.
const KindDenial store.Kind = "denial"

// A Denial tells why a token request of an API client was refused, so that the
// question "why does it get no token?" has an answer long after the log record is
// gone. Of the refusals of a client for the same reason within the same hour (of
// Config.Now, in UTC) the first is kept; of requests that name no client that
// exists, and of failures that are not the client's (503), none is. It never
// holds a secret, an assertion or the digest of one.
//
// What the caller wrote is cut to MaxDenialText bytes, with an ellipsis at the
// end, and characters that can't be shown are replaced by U+FFFD.
type Denial struct {
	ID   string    `json:"id"`   // unique
	Time time.Time `json:"time"` // when the first was refused; in UTC, whole microseconds

	ClientID string `json:"clientId"`
	// Method is how the client authenticates, as far as it was looked at.
	Method credentials.Method `json:"method"`

	// Error is what the caller was told: one of the Code constants, or a
	// code of OnIssue.
	Error string `json:"error"`
	// Reason is what it was not told: one of the Reason constants, those of
	// package credentials, or a word of OnIssue.
	Reason string `json:"reason"`
	// Detail says more, if there is more to say: what was wrong with the
	// assertion, by how much it was late, what the caller was told.
	Detail string `json:"detail,omitempty"`

	// RequestID is the X-Request-Id of the answer, which stands in the log
	// record as request_id.
	RequestID string `json:"requestId,omitempty"`
	Address   string `json:"address,omitempty"` // from where the request came

	// Audience and Scope are what was asked for: the audience parameter, or
	// else the first resource.
	Audience string `json:"audience,omitempty"`
	Scope    string `json:"scope,omitempty"`

	// Secret and Assertion tell of what the client authenticated with: one of
	// them at most, and none if the request had no credential or several.
	Secret    *DeniedSecret    `json:"secret,omitempty"`
	Assertion *DeniedAssertion `json:"assertion,omitempty"`
}

// MaxDenialText is the length in bytes of the longest text in a Denial.
const MaxDenialText = 512

// A SecretState is what became of a secret that was offered.
type SecretState string

// The states of a secret that was offered.
const (
	SecretValid     SecretState = "valid"     // one of the client's; refused for another reason
	SecretExpired   SecretState = "expired"   // one of the client's, at an end since ExpiresAt
	SecretUnknown   SecretState = "unknown"   // none of the client's: deleted, replaced, or of another client
	SecretMalformed SecretState = "malformed" // none that was generated here: mistyped, cut, or from elsewhere
)

// A DeniedSecret is what a Denial tells of a secret.
type DeniedSecret struct {
	// ID is the id of the entry that the secret is, or claims to be: the part
	// of its value that is not secret. It is empty if there is none.
	ID    string      `json:"id,omitempty"`
	State SecretState `json:"state"`
	// ExpiresAt is the end of the entry, if it is one of the client's.
	ExpiresAt time.Time `json:"expiresAt,omitzero"`
}

// A DeniedAssertion is what a Denial tells of a client assertion: what the
// assertion says of itself, as far as it can be read, whether true or not.
type DeniedAssertion struct {
	Algorithm string `json:"algorithm,omitempty"` // its alg
	Type      string `json:"type,omitempty"`      // its typ
	KeyID     string `json:"keyId,omitempty"`     // its kid, or else its x5t#S256 or x5t
	// Thumbprint is that of the client's key that verified it (RFC 7638);
	// empty if none did, or the assertion was refused before a key was tried.
	Thumbprint string `json:"thumbprint,omitempty"`

	Issuer  string `json:"issuer,omitempty"`  // its iss
	Subject string `json:"subject,omitempty"` // its sub
	// Audiences are its aud, at most 8 of them.
	Audiences []string `json:"audiences,omitempty"`
	// WantedAudiences are what its aud might have been, at most 8 of them. It
	// is set if the audience is why it was refused.
	WantedAudiences []string `json:"wantedAudiences,omitempty"`

	IssuedAt  time.Time `json:"issuedAt,omitzero"`  // its iat
	NotBefore time.Time `json:"notBefore,omitzero"` // its nbf
	ExpiresAt time.Time `json:"expiresAt,omitzero"` // its exp
	// ClockSkew is how many seconds its iat, or else its nbf, is ahead of the
	// clock here; negative if it is behind. It is nil if it has neither. A few
	// seconds behind is the way here; a minute or more either way is a clock
	// that is wrong, or an assertion that was kept for later.
	ClockSkew *int64 `json:"clockSkew,omitempty"`
}
