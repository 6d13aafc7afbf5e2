package interop_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/credentials"
	"github.com/clientele-go/clientele/internal/jws"
	"github.com/clientele-go/clientele/token/verifier"
)

// A joseVector is a JWS, good or not, for the key of its group.
type joseVector struct {
	verdict
	Token json.RawMessage `json:"jws"` // text, but for JSON serialization
}

func (v *joseVector) token() string {
	var text string
	if json.Unmarshal(v.Token, &text) != nil {
		return string(v.Token)
	}
	return text
}

// Why we refuse what the suite takes.
const (
	emptyPayload = "no assertion and no access token is empty, so no third of a token is"
	otherAlg     = "the key is for another algorithm, by its alg, and that one alone counts"
	unknownAlg   = "the alg of the key is ES521, which there is not"
	strayInBase  = "a character that is not base64url is in the token: it would be one more way to write the same"
)

// refusedNonetheless are the vectors that the suite takes and we refuse.
var refusedNonetheless = map[string]map[int]string{
	"json_web_signature_test.json": {
		259: emptyPayload, 264: emptyPayload, 268: emptyPayload, 272: emptyPayload, 320: emptyPayload, 325: emptyPayload,
		346: otherAlg, 350: otherAlg, 347: unknownAlg, 351: unknownAlg,
		372: strayInBase, 373: strayInBase,
	},
}

// lostPadding are vectors of the suite that are about padding and have lost it:
// their tokens are that of vector 357, which is good.
var lostPadding = []int{367, 370}

var joseFiles = []string{"json_web_signature_test.json", "json_web_key_test.json", "json_web_crypto_test.json"}

// receive does with a JWS what ParseAssertion and a Verifier do, but for the
// claims, which the vectors have none of.
func receive(token string, keys []credentials.Key) error {
	compact, err := jws.Split(token, credentials.MaxAssertionSize)
	if err != nil {
		return err
	}
	var parts [3][]byte
	for i, part := range []string{compact.Header, compact.Payload, compact.Signature} {
		if parts[i], err = jws.Decode(nil, []byte(part)); err != nil {
			return err
		}
	}
	header, err := jws.ParseHeader(parts[0])
	if err != nil {
		return err
	}
	if !header.Algorithm.Known() {
		return jws.ErrAlgorithm
	}
	err = jws.ErrKey
	for _, key := range keys {
		if !slices.Contains(key.Algorithms(), string(header.Algorithm)) {
			continue
		}
		if err = jws.Verify(header.Algorithm, key.PublicKey(), []byte(compact.SigningInput), parts[2]); err == nil {
			return nil
		}
	}
	return err
}

func TestTokensOfWycheproof(t *testing.T) {
	for _, name := range joseFiles {
		t.Run(name, func(t *testing.T) {
			exceptions := refusedNonetheless[name]
			met := 0
			for _, g := range vectors[joseVector](t, name) {
				if g.Public == nil {
					requireSymmetric(t, g, exceptions, &met)
					continue
				}
				keys, _ := fromJWK(t, g.Public)
				for _, v := range g.Tests {
					err := receive(v.token(), keys)
					reason, excepted := exceptions[v.ID]
					if excepted {
						met++
						require.Equal(t, "valid", v.Result)
						require.Error(t, err, reason)
						continue
					}
					require.Equal(t, v.Result == "valid", err == nil, "%d %s: %v", v.ID, v.Comment, err)
				}
			}
			require.Equal(t, len(exceptions), met, "an exception that there is no vector for")
		})
	}
}

// requireSymmetric requires that tokens with a MAC, and encrypted ones, are
// refused, but those that the suite takes for nothing but their algorithm; and
// that those that are not base64url are not read at all.
func requireSymmetric(t *testing.T, g group[joseVector], exceptions map[int]string, met *int) {
	t.Helper()
	keys, why := fromJWK(t, g.Private)
	for _, key := range keys {
		require.Equal(t, "kid-ec-sign", key.KeyID(), "the one public key among them")
	}
	require.Contains(t, why, "leaked")
	for _, v := range g.Tests {
		if v.Token == nil {
			continue // encrypted, in a member of another name
		}
		err := receive(v.token(), keys)
		reason, excepted := exceptions[v.ID]
		switch {
		case excepted:
			*met++
			require.ErrorIs(t, err, jws.ErrMalformed, reason)
		case v.Result == "valid", g.Comment == "base64" && slices.Contains(lostPadding, v.ID):
			require.ErrorIs(t, err, jws.ErrAlgorithm, "%d %s", v.ID, v.Comment)
		case g.Comment == "base64":
			require.ErrorIs(t, err, jws.ErrMalformed, "%d %s", v.ID, v.Comment)
		default:
			require.Error(t, err, "%d %s", v.ID, v.Comment)
		}
	}
}

// TestKeysOfWycheproof signs whole tokens with the private key of each group, by
// another library: they count if the suite has the public one verify anything. A
// key that the suite refuses is none that we would use.
func TestKeysOfWycheproof(t *testing.T) {
	for _, name := range joseFiles {
		t.Run(name, func(t *testing.T) {
			for _, g := range vectors[joseVector](t, name) {
				if g.Public == nil {
					continue
				}
				keys, why := fromJWK(t, g.Public)
				issued := newVerifier(t, asSet(t, g.Public))
				if len(keys) == 0 {
					require.Contains(t, why, "ignored: ", g.Comment)
					_, err := issued.Verify(t.Context(), accessInput(`{"alg":"RS256","typ":"at+jwt"}`)+".AAAA")
					require.ErrorIs(t, err, verifier.ErrUnavailable, "%s: the issuer has no key", g.Comment)
				}
				good := slices.IndexFunc(g.Tests, func(v joseVector) bool { return v.Result == "valid" })
				if good < 0 {
					require.Empty(t, keys, g.Comment)
					continue
				}
				v := &g.Tests[good]
				first, _, _ := strings.Cut(v.token(), ".")
				header, err := jws.Decode(nil, []byte(first))
				require.NoError(t, err)
				signer := privateKey(t, g.Private)
				assertion := sign(t, signer, string(header), assertionInput)
				access := sign(t, signer, `{"typ":"at+jwt",`+string(header[1:]), accessInput)
				err = verifyAssertion(assertion, keys...)
				_, accessErr := issued.Verify(t.Context(), access)
				switch refusedNonetheless[name][v.ID] {
				case otherAlg:
					requireReason(t, err, credentials.ReasonUnknownKey)
					require.ErrorIs(t, accessErr, verifier.ErrInvalidToken)
				case unknownAlg: // so there is no key
					requireReason(t, err, credentials.ReasonUnknownKey)
					require.ErrorIs(t, accessErr, verifier.ErrUnavailable)
				default:
					require.NoError(t, err, g.Comment)
					require.NoError(t, accessErr, g.Comment)
				}
			}
		})
	}
}

// asSet returns the set of one JWK, or the set that text is.
func asSet(t *testing.T, text json.RawMessage) []byte {
	t.Helper()
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	require.NoError(t, json.Unmarshal(text, &set))
	if set.Keys == nil {
		set.Keys = []json.RawMessage{text}
	}
	text, err := json.Marshal(set)
	require.NoError(t, err)
	return text
}

// sign has golang-jwt make a token with that header.
func sign(t *testing.T, key crypto.Signer, header string, input func(header string) string) string {
	t.Helper()
	parsed, err := jws.ParseHeader([]byte(header))
	require.NoError(t, err)
	signature, err := jwt.GetSigningMethod(string(parsed.Algorithm)).Sign(input(header), key)
	require.NoError(t, err)
	return input(header) + "." + base64url(signature)
}

// privateKey reads the one private key of a JWK or JWK Set.
func privateKey(t *testing.T, text json.RawMessage) crypto.Signer {
	t.Helper()
	var set struct{ Keys []json.RawMessage }
	require.NoError(t, json.Unmarshal(asSet(t, text), &set))
	require.Len(t, set.Keys, 1)
	var jwk struct{ X, N, E, D, P, Q string }
	require.NoError(t, json.Unmarshal(set.Keys[0], &jwk))
	number := func(text string) *big.Int {
		b, err := base64.RawURLEncoding.DecodeString(text)
		require.NoError(t, err)
		return new(big.Int).SetBytes(b)
	}
	if jwk.N != "" {
		return &rsa.PrivateKey{
			PublicKey: rsa.PublicKey{N: number(jwk.N), E: int(number(jwk.E).Int64())},
			D:         number(jwk.D), Primes: []*big.Int{number(jwk.P), number(jwk.Q)},
		}
	}
	curve, size := elliptic.P256(), 32
	if len(jwk.X) > 43 {
		curve, size = elliptic.P521(), 66
	}
	key, err := ecdsa.ParseRawPrivateKey(curve, number(jwk.D).FillBytes(make([]byte, size)))
	require.NoError(t, err)
	return key
}
