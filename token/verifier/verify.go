package verifier

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/clientele-go/clientele/internal/jws"
	"github.com/clientele-go/clientele/internal/revlist"
)

// maxToken bounds a token, in bytes: what servers accept as a header.
const maxToken = 16 << 10

// Verify returns the claims of an access token, or an error that matches
// ErrNoToken, ErrInvalidToken or ErrUnavailable, or is that of ctx. It waits, in
// ctx, only for keys of the issuer that it does not have.
//
// A token is good if it is a JWS in compact form, at most 16 KiB, whose header
// has the type at+jwt and asks for nothing unusual; whose iss is an issuer of
// this Verifier, with a key that fits its alg and verifies its signature; whose
// aud contains an audience of this Verifier; whose exp has not passed and whose
// nbf, if any, has come, give or take Config.Leeway; and which has sub,
// client_id and jti. An iat in the future is no reason to refuse it. Its JSON is
// read strictly: a member twice, in whatever place, is refused, for example.
// Scopes are for the caller to look at: see Claims.Require.
func (v *Verifier) Verify(ctx context.Context, token string) (*Claims, error) {
	if v.observer != nil {
		return v.verifyObserved(ctx, token)
	}
	claims, _, err := v.decide(ctx, token)
	return claims, err
}

// decide is Verify without an Observer. It reports too whether the token was
// remembered.
func (v *Verifier) decide(ctx context.Context, token string) (_ *Claims, remembered bool, err error) {
	if token == "" {
		return nil, false, ErrNoToken
	}
	now := v.now()
	hash := v.cache.hash(token)
	claims, remembered := v.cache.get(ctx, token, hash, now)
	if !remembered {
		if claims, err = v.verify(ctx, token, hash, now); err != nil {
			return nil, false, err
		}
	}
	if v.lists != nil || v.statusLists != nil || v.introspector != nil {
		if err := v.checkRevoked(ctx, token, claims, now); err != nil {
			return nil, remembered, err
		}
	}
	if v.check == nil {
		return claims, remembered, nil
	}
	switch err := v.check(ctx, claims); {
	case err == nil:
		return claims, remembered, nil
	case errors.Is(err, ErrUnavailable), errors.Is(err, ErrInvalidToken), ctx.Err() != nil && errors.Is(err, ctx.Err()):
		return nil, remembered, err
	default:
		return nil, remembered, refuse(ReasonRefused, err)
	}
}

// A work is the room that a verification needs.
type work struct {
	token     []byte // and behind it the decoded payload
	signature []byte
}

var works = sync.Pool{New: func() any { return new(work) }}

// verify is Verify without memory of the token and without Config.Check.
func (v *Verifier) verify(ctx context.Context, token string, hash uint64, now time.Time) (*Claims, error) {
	compact, err := jws.Split(token, maxToken)
	if err != nil {
		return nil, refuse(ReasonMalformed, err)
	}
	w := works.Get().(*work)
	defer works.Put(w)
	w.token = append(w.token[:0], token...)
	payload := w.token[len(compact.Header)+1 : len(compact.SigningInput)]
	signature := w.token[len(compact.SigningInput)+1:]
	if w.signature, err = jws.Decode(w.signature[:0], signature); err != nil {
		return nil, refuse(ReasonMalformed, err)
	}
	if w.token, err = jws.Decode(w.token, payload); err != nil {
		return nil, refuse(ReasonMalformed, err)
	}
	// One copy of both for the cache and for the claims: the token may be a
	// small part of something large, which would be kept with it.
	text := string(w.token)

	// The payload is read before it can be trusted: it alone says whose keys
	// the signature is verified with.
	claims := new(Claims)
	err = claims.parse(w.token[len(token):], text[len(token):])
	ring, ok := v.rings[claims.Issuer]
	if err == nil && !ok {
		err = refuse(ReasonIssuer, nil)
	}
	if err != nil {
		// Tokens of another kind have other claims: the log should say that.
		if _, worse := w.parseHeader(len(compact.Header)); worse != nil {
			return nil, worse
		}
		return nil, err
	}
	snap, err := ring.keys(ctx, now)
	if err != nil {
		if _, worse := w.parseHeader(len(compact.Header)); worse != nil {
			return nil, worse // no key would help
		}
		return nil, err
	}
	if snap, err = w.verifySignature(ctx, ring, snap, compact); err != nil {
		return nil, err
	}
	if err := v.checkClaims(claims, now); err != nil {
		return nil, err
	}
	if v.lists != nil {
		claims.revocable = revocable{revlist.DigestOf(claims.ID), revlist.DigestOf(claims.ClientID)}
	}
	v.cache.put(text[:len(token)], hash, claims, ring, snap.set, v.leeway)
	return claims, nil
}

// verifySignature verifies w.signature, and returns the snapshot whose keys it
// was verified with.
func (w *work) verifySignature(ctx context.Context, ring *ring, snap *snapshot, compact jws.Compact) (*snapshot, error) {
	input := w.token[:len(compact.SigningInput)]
	if h, ok := snap.set.header(w.token[:len(compact.Header)]); ok {
		if err := jws.Verify(h.alg, h.key, input, w.signature); err != nil {
			return nil, refuse(ReasonSignature, err)
		}
		return snap, nil
	}
	h, err := w.parseHeader(len(compact.Header))
	if err != nil {
		return nil, err
	}
	keys, snap, err := ring.candidates(ctx, snap, &h)
	switch {
	case errors.Is(err, jwkset.ErrKeyNotFound):
		return nil, refuse(ReasonUnknownKey, nil)
	case errors.Is(err, errUnfit):
		return nil, refuse(ReasonAlgorithm, errUnfit)
	case err != nil:
		return nil, refuse(ReasonUnknownKey, err)
	}
	for _, key := range keys {
		if err = jws.Verify(h.Algorithm, key, input, w.signature); err == nil {
			if len(keys) == 1 { // else the header does not say which one
				snap.set.remember(strings.Clone(compact.Header), header{h.Algorithm, key})
			}
			return snap, nil
		}
	}
	return nil, refuse(ReasonSignature, err)
}

// candidates returns the keys that what has that header may be signed by, and the
// snapshot that they are of: snap, or a newer one if snap lacks the key. The error
// matches those of keySet.candidates.
func (r *ring) candidates(ctx context.Context, snap *snapshot, h *jws.Header) ([]crypto.PublicKey, *snapshot, error) {
	keys, err := snap.set.candidates(ctx, h)
	if errors.Is(err, jwkset.ErrKeyNotFound) {
		if newer := r.renew(ctx, h.KeyID, snap); newer != nil {
			snap = newer
			keys, err = snap.set.candidates(ctx, h)
		}
	}
	return keys, snap, err
}

// parseHeader reads the protected header, of that many bytes in base64url.
func (w *work) parseHeader(length int) (jws.Header, error) {
	data, err := jws.Decode(nil, w.token[:length])
	if err != nil {
		return jws.Header{}, refuse(ReasonMalformed, err)
	}
	h, err := jws.ParseHeader(data)
	switch {
	case err != nil:
		return jws.Header{}, refuse(ReasonMalformed, err)
	case !h.Algorithm.Known():
		return jws.Header{}, refuse(ReasonAlgorithm, fmt.Errorf("%w %.16q", jws.ErrAlgorithm, string(h.Algorithm)))
	case !strings.EqualFold(h.Type, "at+jwt") && !strings.EqualFold(h.Type, "application/at+jwt"):
		return jws.Header{}, refuse(ReasonType, fmt.Errorf("typ is %.32q, not at+jwt", h.Type))
	}
	return h, nil
}

// checkClaims looks at what verified claims say.
func (v *Verifier) checkClaims(c *Claims, now time.Time) error {
	if !slices.ContainsFunc(c.Audience, func(aud string) bool { return slices.Contains(v.audiences, aud) }) {
		return refuse(ReasonAudience, nil)
	}
	if !now.Before(c.Expires.Add(v.leeway)) {
		return refuse(ReasonExpired, nil)
	}
	if now.Add(v.leeway).Before(c.NotBefore) {
		return refuse(ReasonNotYetValid, nil)
	}
	return nil
}
