package verifier

import (
	"context"
	"crypto"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/MicahParks/jwkset"
	"github.com/MicahParks/keyfunc/v3"
	"github.com/clientele-go/clientele/internal/jws"
	"github.com/golang-jwt/jwt/v5"
)

// maxKeys is how many keys a JWK Set may have.
const maxKeys = 100

// maxCandidates is how many keys are tried for a token that names none.
const maxCandidates = 10

// A keySet is the usable keys of a JWK Set. It is the jwkset.Storage that
// keyfunc finds them in, and never changes: other keys are another keySet. So
// whoever holds one can wait for nothing and lose no key in the middle of a
// verification.
type keySet struct {
	jwkset.Storage // of the same keys, for all that is not below

	digest  [sha256.Size]byte // of the JSON that they were parsed from
	keys    []jws.JWK
	jwks    []jwkset.JWK // of keys, in their order
	keyfunc keyfunc.Keyfunc

	// headers remembers the protected headers of verified tokens, which are
	// the same for all tokens by one key as a rule.
	headers   atomic.Pointer[map[string]header]
	headersMu sync.Mutex // for writing
}

// A header is what a protected header stands for.
type header struct {
	alg jws.Algorithm
	key crypto.PublicKey
}

// maxHeaders bounds keySet.headers.
const maxHeaders = 64

// errNoKeys is why a JWK Set without a usable key is no reason to forget the
// ones there are.
var errNoKeys = errors.New("a JWK Set without a usable key")

// parseKeySet returns the keys of the JSON of a JWK Set, at least one, and those
// that cannot be used.
func parseKeySet(data []byte) (*keySet, []jws.SkippedKey, error) {
	keys, skipped, err := jws.ParseJWKSet(data, maxKeys)
	if err != nil {
		return nil, nil, err
	}
	if len(keys) == 0 {
		return nil, skipped, errNoKeys
	}
	memory := jwkset.NewMemoryStorage()
	s := &keySet{Storage: memory, digest: sha256.Sum256(data), keys: keys}
	for i := range keys {
		jwk, err := jwkset.NewJWKFromKey(keys[i].Key, jwkset.JWKOptions{Metadata: jwkset.JWKMetadataOptions{
			ALG: jwkset.ALG(keys[i].Algorithm.Canonical()),
			KID: keys[i].KeyID,
			USE: jwkset.UseSig,
		}})
		if err != nil {
			return nil, nil, fmt.Errorf("key %d: %w", i, err)
		}
		s.jwks = append(s.jwks, jwk)
	}
	if err := memory.KeyReplaceAll(context.Background(), slices.Clone(s.jwks)); err != nil {
		return nil, nil, err
	}
	if s.keyfunc, err = keyfunc.New(keyfunc.Options{Storage: s}); err != nil {
		return nil, nil, err
	}
	return s, skipped, nil
}

// algorithmKey is under which candidates tells the methods below, through
// keyfunc, what the keys are for.
type algorithmKey struct{}

// errUnfit says that the key is there, but not for the algorithm.
var errUnfit = errors.New("the key is not for this algorithm")

// candidates returns the keys that a token with that header may be signed by:
// the one that it names, or all that fit if it names none. The error matches
// jwkset.ErrKeyNotFound if the set has no key of that name, and errUnfit if it
// has none for the algorithm.
func (s *keySet) candidates(ctx context.Context, h *jws.Header) ([]crypto.PublicKey, error) {
	alg := h.Algorithm.Canonical() // the only name of Ed25519 that keyfunc knows
	named := &jwt.Token{Header: map[string]any{"alg": string(alg)}}
	if h.HasKeyID {
		named.Header["kid"] = h.KeyID
	}
	found, err := s.keyfunc.KeyfuncCtx(context.WithValue(ctx, algorithmKey{}, alg))(named)
	if err != nil {
		return nil, err
	}
	keys, ok := found.(jwt.VerificationKeySet)
	if !ok {
		return []crypto.PublicKey{found}, nil
	}
	var all []crypto.PublicKey
	for _, key := range keys.Keys {
		all = append(all, key)
	}
	return all, nil
}

// KeyRead returns the key of that name for the algorithm that ctx tells: a name
// may stand for keys of several types (RFC 7517 section 4.5).
func (s *keySet) KeyRead(ctx context.Context, kid string) (jwkset.JWK, error) {
	alg, _ := ctx.Value(algorithmKey{}).(jws.Algorithm)
	err := jwkset.ErrKeyNotFound
	for i := range s.keys {
		if s.keys[i].KeyID != kid {
			continue
		}
		if s.keys[i].Fits(alg) {
			return s.jwks[i], nil
		}
		err = errUnfit
	}
	return jwkset.JWK{}, err
}

// KeyReadAll returns keys for the algorithm that ctx tells, maxCandidates at
// most.
func (s *keySet) KeyReadAll(ctx context.Context) ([]jwkset.JWK, error) {
	alg, _ := ctx.Value(algorithmKey{}).(jws.Algorithm)
	var all []jwkset.JWK
	for i := range s.keys {
		if s.keys[i].Fits(alg) && len(all) < maxCandidates {
			all = append(all, s.jwks[i])
		}
	}
	if len(all) == 0 {
		return nil, errUnfit
	}
	return all, nil
}

// errReadOnly is what those get who would change a keySet.
var errReadOnly = errors.New("a set of verification keys does not change")

// KeyDelete fails.
func (s *keySet) KeyDelete(context.Context, string) (bool, error) { return false, errReadOnly }

// KeyReplaceAll fails.
func (s *keySet) KeyReplaceAll(context.Context, []jwkset.JWK) error { return errReadOnly }

// KeyWrite fails.
func (s *keySet) KeyWrite(context.Context, jwkset.JWK) error { return errReadOnly }

// header returns what a protected header, in base64url, stands for if a token
// with it was verified before.
func (s *keySet) header(segment []byte) (header, bool) {
	known := s.headers.Load()
	if known == nil {
		return header{}, false
	}
	h, ok := (*known)[string(segment)]
	return h, ok
}

// remember makes header know the one of a token that was just verified. Nobody
// without a key of the issuer can fill the room for them; if somebody with one
// does, the room is cleared.
func (s *keySet) remember(segment string, h header) {
	s.headersMu.Lock()
	defer s.headersMu.Unlock()
	next := make(map[string]header)
	if known := s.headers.Load(); known != nil && len(*known) < maxHeaders {
		for segment, h := range *known {
			next[segment] = h
		}
	}
	next[segment] = h
	s.headers.Store(&next)
}
