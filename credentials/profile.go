package credentials

import "time"

// Leeway is how far the clock of a client may be off: it is added to the end of an
// assertion and to the longest life that one may have, and taken from its
// beginning.
const Leeway = time.Minute

const (
	strictLifetime     = 5 * time.Minute
	compatibleLifetime = time.Hour
)

// A Profile is what an assertion must look like to count, apart from its
// signature. Strict and Compatible make the usual ones, whose fields may be
// changed then.
type Profile struct {
	// Audiences are the values that aud may have, byte by byte: the ways in
	// which the authorization server is addressed.
	Audiences []string
	// AllowList allows aud to be a list of several of Audiences. One that
	// holds anything else is refused always: an assertion that another server
	// may have seen could come from there (audience injection,
	// CVE-2025-27370).
	AllowList bool
	// MaxLifetime is how far ahead exp may be, Leeway not counted. 0 means 5
	// minutes.
	MaxLifetime time.Duration
	// RequireID requires a jti.
	RequireID bool
	// ReplayWithoutID has Verify make a ReplayID for an assertion without a
	// jti too: the SHA-256 of the signing input stands in, not of the
	// signature, which can be written in several ways. Two assertions that
	// a client makes within one second may be the same then, and the second
	// is taken for a replay.
	ReplayWithoutID bool
}

// Strict returns the Profile of draft-ietf-oauth-rfc7523bis: aud is the issuer
// identifier of the authorization server and nothing else (a string, or a list of
// one), exp at most 5 minutes ahead, jti required.
func Strict(issuer string) Profile {
	return Profile{Audiences: []string{issuer}, MaxLifetime: strictLifetime, RequireID: true}
}

// Compatible returns the Profile for what callers have been signing since RFC
// 7523: aud is the issuer identifier, the URL of the token endpoint or one of
// audiences, those of the resource servers, or a list of these alone; exp is at
// most an hour ahead; jti may be absent.
//
// Where there are many resource servers, audiences may as well be those alone
// that Assertion.Audiences names and that are known.
func Compatible(issuer, tokenEndpoint string, audiences ...string) Profile {
	own := make([]string, 0, 2+len(audiences))
	own = append(append(own, issuer, tokenEndpoint), audiences...)
	return Profile{Audiences: own, AllowList: true, MaxLifetime: compatibleLifetime}
}

func (p *Profile) maxLifetime() time.Duration {
	if p.MaxLifetime > 0 {
		return p.MaxLifetime
	}
	return strictLifetime
}
