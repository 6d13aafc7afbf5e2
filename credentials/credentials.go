// Package credentials is how an API client proves who it is.
//
// A client has exactly one [Method] in force.
//
// # Secrets
//
// A [Secret] is generated, shown to its owner once, and kept as a [Digest] only:
//
//	secret, err := credentials.NewSecret(rand.Reader)
//	show(secret.Reveal())     // the only way to its value
//	save(secret.Digest())     // what is kept
//	ok := credentials.DigestOf(presented).Equal(kept)
//
// # Assertions
//
// The stronger way is a JWT that the client signs anew for each token request
// (private_key_jwt, RFC 7523): its private key never leaves it. What is kept is
// the [Key], a public one, from an upload ([ParsePEM]) or from the JWK Set that
// the client publishes ([ParseJWKSet]). An [Assertion] that arrives is read, which
// says whose keys to look up, and verified:
//
//	keys, warnings, err := credentials.ParsePEM(uploaded, time.Now())
//	…
//	a, err := credentials.ParseAssertion(received)
//	keys := keysOf(a.ClientID())
//	verified, err := a.Verify(keys, credentials.Strict(issuer), time.Now())
//	spend(verified.ReplayID)  // once only
//
// A [Profile] says what an assertion must look like: [Strict] as the newest drafts
// have it, or [Compatible] with what callers have been sending for years. What is
// wrong with one is an [AssertionError], for the log alone.
//
// # What is not here
//
// The package is pure: it parses, generates and verifies, and reaches neither a
// store nor the network. So it can't know whether an assertion was used before, and
// leaves it to package jwks below it to fetch JWK Sets. All its types but those with exported fields are
// valid by construction, don't change, and may be used by several goroutines.
package credentials

import "time"

// A Method is the way in which a client authenticates. Its values are those of
// the authType of the admin API.
type Method string

const (
	// MethodSecret: a generated secret, by client_secret_basic or
	// client_secret_post (RFC 6749 §2.3.1).
	MethodSecret Method = "SECRET"
	// MethodPublicKeys: an assertion signed by a key that was uploaded as a
	// public key or certificate (private_key_jwt, RFC 7523).
	MethodPublicKeys Method = "PUBKEYCERT"
	// MethodJWKS: an assertion signed by a key that the client publishes
	// under a URL (private_key_jwt, RFC 7523).
	MethodJWKS Method = "JWKS"
)

// A Proof says by what a client has proved who it is.
type Proof struct {
	// Method is the way.
	Method Method
	// ID names the credential within the client: the id of a secret, the
	// thumbprint of a key.
	ID string
	// ExpiresAt is when the credential ends; zero if it does not.
	ExpiresAt time.Time
}
