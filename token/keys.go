package token

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/clientele-go/clientele/internal/etag"
	"github.com/clientele-go/clientele/internal/jws"
)

// A keySource gives the signing keys as they are at now.
type keySource interface {
	at(ctx context.Context, now time.Time) (*keySet, error)
}

// A keySet is the signing keys during one span of time; immutable.
type keySet struct {
	active    *signingKey
	published []*signingKey
	set       []byte // the JWK Set of published
	etag      string // of set

	// Of a keyring: what it was made of, and the span for which it holds.
	kept         keptKeys
	since, until time.Time
}

// A signingKey is one key; immutable.
type signingKey struct {
	kid       string
	algorithm jws.Algorithm
	signer    crypto.Signer
	header    []byte // the protected header of access tokens, in base64url
	jwk       json.RawMessage
}

// newSigningKey completes a key. Its kid is its RFC 7638 thumbprint.
func newSigningKey(signer crypto.Signer, algorithm jws.Algorithm) (*signingKey, error) {
	public := signer.Public()
	if err := jws.CheckKey(public); err != nil {
		return nil, fmt.Errorf("signing key: %w", err)
	}
	if err := algorithm.Check(public); err != nil {
		return nil, fmt.Errorf("signing key: %w", err)
	}
	kid, err := jws.Thumbprint(public)
	if err != nil {
		return nil, fmt.Errorf("signing key: %w", err)
	}
	jwk, err := jws.PublicJWK(public, kid, algorithm, "sig")
	if err != nil {
		return nil, fmt.Errorf("signing key: %w", err)
	}
	header := fmt.Appendf(nil, `{"alg":%q,"typ":"at+jwt","kid":%q}`, algorithm, kid)
	return &signingKey{
		kid: kid, algorithm: algorithm, signer: signer, jwk: jwk,
		header: base64.RawURLEncoding.AppendEncode(nil, header),
	}, nil
}

func newKeySet(active *signingKey, all []*signingKey) (*keySet, error) {
	var body struct {
		Keys []json.RawMessage `json:"keys"`
	}
	for _, key := range all {
		body.Keys = append(body.Keys, key.jwk)
	}
	set, err := json.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("encoding the JWK Set: %w", err)
	}
	return &keySet{active: active, published: all, set: set, etag: etag.Of(set)}, nil
}

func newKeySource(ctx context.Context, cfg *Config) (keySource, error) {
	given := 0
	for _, is := range []bool{len(cfg.SealingKeys) > 0, cfg.Signer != nil, cfg.EphemeralKeys} {
		if is {
			given++
		}
	}
	switch {
	case given != 1:
		return nil, errors.New("Config needs one of SealingKeys (see NewSealingKey), Signer, and EphemeralKeys")
	case cfg.Signer != nil:
		return fixedKey(cfg.Signer, cfg.Algorithm)
	}
	algorithm := jws.ES256
	if cfg.Algorithm != "" {
		algorithm = jws.Algorithm(cfg.Algorithm).Canonical()
	}
	if !slices.Contains(algorithms, algorithm) {
		return nil, fmt.Errorf("Config.Algorithm is %q, want one of %v", cfg.Algorithm, algorithms)
	}
	if cfg.EphemeralKeys {
		signer, err := generate(algorithm, cfg.Rand)
		if err != nil {
			return nil, err
		}
		return fixedKey(signer, string(algorithm))
	}
	ring, err := newKeyring(cfg, algorithm)
	if err != nil {
		return nil, err
	}
	_, err = ring.at(ctx, cfg.Now())
	return ring, err
}

// onlyKey is the keySource of a key that does not change.
type onlyKey struct{ keys *keySet }

func (k onlyKey) at(context.Context, time.Time) (*keySet, error) { return k.keys, nil }

func fixedKey(signer crypto.Signer, algorithm string) (keySource, error) {
	if algorithm == "" {
		fitting := jws.Algorithms(signer.Public())
		if len(fitting) == 0 {
			return nil, errors.New("Config.Signer has a key that access tokens can't be signed with")
		}
		algorithm = string(fitting[0])
	}
	key, err := newSigningKey(signer, jws.Algorithm(algorithm))
	if err != nil {
		return nil, err
	}
	keys, err := newKeySet(key, []*signingKey{key})
	return onlyKey{keys}, err
}

func generate(algorithm jws.Algorithm, rand io.Reader) (crypto.Signer, error) {
	switch algorithm {
	case jws.ES256:
		return ecdsa.GenerateKey(elliptic.P256(), rand)
	case jws.EdDSA:
		_, key, err := ed25519.GenerateKey(rand)
		return key, err
	default:
		return rsa.GenerateKey(rand, 2048)
	}
}
