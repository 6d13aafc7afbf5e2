package credentials

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"slices"
	"time"

	"github.com/clientele-go/clientele/internal/jws"
)

// A Verified is what a sound assertion has proved.
type Verified struct {
	// ClientID is the client that signed it.
	ClientID string
	// Key is the key that it was signed with.
	Key Key
	// Algorithm is the JOSE name of the algorithm.
	Algorithm string
	// JTI is the jti, or empty if it has none: any text of up to MaxJTI bytes
	// that the client chose.
	JTI string
	// ReplayID is what the caller must spend before it believes the assertion,
	// so that it is believed once: 43 characters of A-Z, a-z, 0-9, '-' and
	// '_', the same for every assertion of that client with that jti, and for
	// no other. It is empty if there is no jti and the profile does not have
	// anything stand in.
	ReplayID string
	// ExpiresAt is the exp. What was spent must be remembered until then and
	// Leeway more at least.
	ExpiresAt time.Time
}

// Proof returns the Proof that v is, of a client that authenticates by method.
func (v *Verified) Proof(method Method) Proof {
	return Proof{Method: method, ID: v.Key.Thumbprint(), ExpiresAt: v.Key.NotAfter()}
}

// Verify returns what the assertion proves if it is as profile demands it at now,
// and signed with one of keys: those of the client that ClientID names, and no
// others. Its error is an *AssertionError that is meant for a log: the caller who
// sent the assertion is told that authentication failed, and no more.
//
// Which algorithms count is for the key to say. If the header names a key, by a
// kid that is its kid, name or thumbprint, or by the x5t or x5t#S256 of its
// certificate, the signature must be of that one. If no key has the name, or there
// is none, all those are tried that the algorithm fits and whose certificate, if
// any, is valid at now, in their order, MaxKeys at most.
//
// That the assertion was not used before is for the caller to find out: see
// Verified.ReplayID.
func (a *Assertion) Verify(keys []Key, profile Profile, now time.Time) (Verified, error) {
	if err := a.check(&profile, now); err != nil {
		return Verified{}, err
	}
	key, err := a.signer(keys, now)
	if err != nil {
		return Verified{}, err
	}
	v := Verified{
		ClientID: a.claims.subject, Key: *key, Algorithm: string(a.header.Algorithm),
		JTI: a.claims.id, ExpiresAt: a.claims.expires.time(),
	}
	switch {
	case a.claims.hasID:
		v.ReplayID = replayID("jti", a.claims.subject, []byte(a.claims.id))
	case profile.ReplayWithoutID:
		v.ReplayID = replayID("input", a.claims.subject, a.input)
	}
	return v, nil
}

// check tests the claims. That is cheap, so it comes before the signature.
func (a *Assertion) check(p *Profile, now time.Time) error {
	c := &a.claims
	if !p.accepts(c.audiences) {
		return &AssertionError{Reason: ReasonAudience, OfferedAudiences: c.audiences, WantedAudiences: p.Audiences}
	}
	if !c.expires.present {
		return refuse(ReasonNoExpiry, "no exp")
	}
	switch expires := c.expires.time(); {
	case !now.Before(expires.Add(Leeway)):
		return refuse(ReasonExpired, "exp was %v ago", now.Sub(expires).Round(time.Second))
	case expires.After(now.Add(p.maxLifetime() + Leeway)):
		return refuse(ReasonLifetime, "exp is %v ahead, at most %v", expires.Sub(now).Round(time.Second), p.maxLifetime())
	}
	if begins := c.notBefore; begins.present && begins.time().After(now.Add(Leeway)) {
		return refuse(ReasonNotYetValid, "nbf is %v ahead", begins.time().Sub(now).Round(time.Second))
	}
	if issued := c.issuedAt; issued.present && issued.time().After(now.Add(Leeway)) {
		return refuse(ReasonNotYetValid, "iat is %v ahead", issued.time().Sub(now).Round(time.Second))
	}
	if p.RequireID && !c.hasID {
		return refuse(ReasonNoID, "no jti")
	}
	return nil
}

// accepts reports whether an assertion may have that aud.
func (p *Profile) accepts(offered []string) bool {
	if len(offered) == 0 || len(offered) > 1 && !p.AllowList {
		return false
	}
	for _, audience := range offered {
		if audience == "" || !slices.Contains(p.Audiences, audience) {
			return false
		}
	}
	return true
}

// signer returns the key that the assertion is signed with.
func (a *Assertion) signer(keys []Key, now time.Time) (*Key, error) {
	named := a.namesOneOf(keys)
	tried, fits := 0, false
	for i := range keys {
		key := &keys[i]
		if named && !a.names(key) || !key.fits(a.header.Algorithm) {
			continue
		}
		fits = true
		if !key.ValidAt(now) {
			continue
		}
		if tried == MaxKeys {
			break
		}
		tried++
		if jws.Verify(a.header.Algorithm, key.public, a.input, a.signature) == nil {
			return key, nil
		}
	}
	return nil, a.unsigned(keys, tried, named, fits)
}

// unsigned says why no key is the one that the assertion is signed with.
func (a *Assertion) unsigned(keys []Key, tried int, named, fits bool) error {
	var err *AssertionError
	switch {
	case !fits && named:
		err = refuse(ReasonUnknownKey, "the key that it names is not for %s", a.header.Algorithm)
	case !fits:
		err = refuse(ReasonUnknownKey, "none of %d keys is for %s", len(keys), a.header.Algorithm)
	case tried == 0:
		return refuse(ReasonKeyNotValid, "the certificate is expired or not yet valid")
	case !named && a.wanted() != "":
		err = refuse(ReasonUnknownKey, "no key is named %.64q, and none of %d tried is the one", a.wanted(), tried)
	default:
		err = refuse(ReasonSignature, "by %s, %d tried", a.header.Algorithm, tried)
	}
	err.KeyMissing = !named
	return err
}

func (a *Assertion) namesOneOf(keys []Key) bool {
	if a.wanted() == "" {
		return false
	}
	for i := range keys {
		if a.names(&keys[i]) {
			return true
		}
	}
	return false
}

// names reports whether the header names k.
func (a *Assertion) names(k *Key) bool {
	h := &a.header
	if h.KeyID != "" && (h.KeyID == k.keyID || h.KeyID == k.name || h.KeyID == k.thumbprint) {
		return true
	}
	c := k.certificate
	return c != nil && (h.X5T == c.x5t || h.X5TS256 == c.x5tS256)
}

// wanted is by what the header names a key, or empty.
func (a *Assertion) wanted() string { return cmp.Or(a.header.KeyID, a.header.X5TS256, a.header.X5T) }

// replayID is a name of fixed length for what a client may send once. What it is
// made of is told apart by kind, and by the length of the client id.
func replayID(kind, clientID string, what []byte) string {
	room := make([]byte, 0, 256)
	room = append(room, kind...)
	room = append(room, 0)
	room = binary.AppendUvarint(room, uint64(len(clientID)))
	room = append(room, clientID...)
	sum := sha256.Sum256(append(room, what...))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
