package jws_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/MicahParks/jwkset"
	"github.com/clientele-go/clientele/internal/jws"
	"github.com/stretchr/testify/require"
)

func TestPublicJWK(t *testing.T) {
	for _, a := range algorithms {
		t.Run(string(a.alg), func(t *testing.T) {
			data, err := jws.PublicJWK(a.signer().Public(), `a "kid"`, a.alg, "sig")
			require.NoError(t, err)
			keys, skipped, err := jws.ParseJWKSet([]byte(`{"keys":[`+string(data)+`]}`), 1)
			require.NoError(t, err)
			require.Empty(t, skipped)
			require.Equal(t, []jws.JWK{{Key: a.signer().Public(), KeyID: `a "kid"`, Algorithm: a.alg}}, keys)
			require.True(t, keys[0].Fits(a.alg))
			require.True(t, keys[0].Fits(a.alg.Canonical()))

			if a.alg == jws.Ed25519 {
				return // jwkset knows the older name alone
			}
			theirs, err := jwkset.NewJWKFromRawJSON(data, jwkset.JWKMarshalOptions{}, jwkset.JWKValidateOptions{})
			require.NoError(t, err)
			require.Equal(t, a.signer().Public(), theirs.Key())
			require.Equal(t, string(a.alg), theirs.Marshal().ALG.String())
		})
	}
	data, err := jws.PublicJWK(p256Key().Public(), "", "", "")
	require.NoError(t, err)
	var all map[string]string
	require.NoError(t, json.Unmarshal(data, &all))
	require.Len(t, all, 4, "kid, alg and use are left out where empty")
	require.NotContains(t, all, "d")

	_, err = jws.PublicJWK(p256Key().Public(), "1", jws.ES384, "sig")
	require.ErrorIs(t, err, jws.ErrKey)
	_, err = jws.PublicJWK(p256Key().Public(), "1", "none", "sig")
	require.ErrorIs(t, err, jws.ErrAlgorithm)
	_, err = jws.PublicJWK(p256Key(), "1", jws.ES256, "sig")
	require.ErrorIs(t, err, jws.ErrKey, "a private key is not published by mistake")
}

func TestCoordinatesHaveTheirFullLength(t *testing.T) {
	for _, signer := range []crypto.Signer{p256Key(), p384Key(), p521Key()} {
		data, err := jws.PublicJWK(signer.Public(), "", "", "")
		require.NoError(t, err)
		var all map[string]string
		require.NoError(t, json.Unmarshal(data, &all))
		size := (signer.Public().(*ecdsa.PublicKey).Params().BitSize + 7) / 8
		require.Len(t, bytesOf(t, all["x"]), size)
		require.Len(t, bytesOf(t, all["y"]), size)
	}
}

func TestThumbprint(t *testing.T) {
	for _, c := range []struct{ name, key, want string }{
		{"RFC 7638 section 3.1", `{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}`, "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"},
		{"RFC 8037 A.3", rfcEd25519, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"},
	} {
		t.Run(c.name, func(t *testing.T) {
			keys, _, err := jws.ParseJWKSet([]byte(`{"keys":[`+c.key+`]}`), 1)
			require.NoError(t, err)
			got, err := jws.Thumbprint(keys[0].Key)
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		})
	}
	one, err := jws.Thumbprint(p256Key().Public())
	require.NoError(t, err)
	other, err := jws.Thumbprint(p384Key().Public())
	require.NoError(t, err)
	require.NotEqual(t, one, other)
	require.Len(t, one, 43)
}

// with returns the P-256 key of RFC 7515 with members changed or added.
func with(members string) string {
	return strings.TrimSuffix(rfcP256, "}") + "," + members + "}"
}

// TestKeysThatAreSkipped is SECURITY 37.
func TestKeysThatAreSkipped(t *testing.T) {
	text := base64.RawURLEncoding.EncodeToString
	n := rsaKey().Public().(*rsa.PublicKey).N.Bytes()
	rsaJWK := func(n, e []byte) string { return fmt.Sprintf(`{"kty":"RSA","n":%q,"e":%q}`, text(n), text(e)) }
	e := []byte{1, 0, 1}
	for name, c := range map[string]struct {
		key string
		err error
	}{
		"a secret":                            {`{"kty":"oct","k":"c2VjcmV0"}`, jws.ErrPrivate},
		"a private EC key":                    {with(`"d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"`), jws.ErrPrivate},
		"a private key whose d is null":       {with(`"d":null`), jws.ErrPrivate},
		"a private RSA key by its prime":      {strings.Replace(rsaJWK(n, e), "{", `{"p":"AA",`, 1), jws.ErrPrivate},
		"for encryption":                      {with(`"use":"enc"`), jws.ErrKey},
		"for signing alone":                   {with(`"key_ops":["sign"]`), jws.ErrKey},
		"for no operation":                    {with(`"key_ops":[]`), jws.ErrKey},
		"key_ops that is a string of another": {with(`"key_ops":"sign"`), jws.ErrKey},
		"key_ops that is a number":            {with(`"key_ops":1`), jws.ErrKey},
		"for another algorithm of its type":   {with(`"alg":"ES384"`), jws.ErrKey},
		"for an algorithm of another type":    {with(`"alg":"RS256"`), jws.ErrKey},
		"for a symmetric algorithm":           {with(`"alg":"HS256"`), jws.ErrAlgorithm},
		"for no algorithm":                    {with(`"alg":"none"`), jws.ErrAlgorithm},
		"kid that is a number":                {with(`"kid":1`), jws.ErrMalformed},
		"use that is a list":                  {with(`"use":["sig"]`), jws.ErrMalformed},
		"no object":                           {`"key"`, jws.ErrMalformed},
		"no type":                             {`{}`, jws.ErrKey},
		"an unknown type":                     {`{"kty":"AKP","pub":"AA"}`, jws.ErrKey},
		"a type in another case":              {strings.Replace(rfcP256, "EC", "ec", 1), jws.ErrKey},
		"an unknown curve":                    {strings.Replace(rfcP256, "P-256", "secp256k1", 1), jws.ErrKey},
		"the wrong curve":                     {strings.Replace(rfcP256, "P-256", "P-384", 1), jws.ErrKey},
		"X25519":                              {strings.Replace(rfcEd25519, "Ed25519", "X25519", 1), jws.ErrKey},
		"Ed448":                               {strings.Replace(rfcEd25519, "Ed25519", "Ed448", 1), jws.ErrKey},
		"a short Ed25519 key":                 {`{"kty":"OKP","crv":"Ed25519","x":"AAAA"}`, jws.ErrKey},
		"a point off the curve":               {strings.Replace(rfcP256, "f83O", "f83P", 1), jws.ErrKey},
		"a point without y":                   {`{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"}`, jws.ErrKey},
		"the point at infinity":               {`{"kty":"EC","crv":"P-256","x":"","y":""}`, jws.ErrKey},
		"a coordinate too long":               {fmt.Sprintf(`{"kty":"EC","crv":"P-256","x":%q,"y":"AA"}`, text(n[:33])), jws.ErrKey},
		"a coordinate that is not base64url":  {strings.Replace(rfcP256, "f83O", "f+/O", 1), jws.ErrMalformed},
		"RSA of 1024 bits":                    {rsaJWK(n[:128], e), jws.ErrKey},
		"RSA of 8200 bits":                    {rsaJWK(append(make([]byte, 0), []byte(strings.Repeat("\xff", 1025))...), e), jws.ErrKey},
		"RSA without a modulus":               {`{"kty":"RSA","e":"AQAB"}`, jws.ErrKey},
		"RSA without an exponent":             {rsaJWK(n, nil), jws.ErrKey},
		"RSA with an exponent of 1":           {rsaJWK(n, []byte{1}), jws.ErrKey},
		"RSA with an even exponent":           {rsaJWK(n, []byte{1, 0, 0}), jws.ErrKey},
		"RSA with an exponent of 2^31+1":      {rsaJWK(n, []byte{0x80, 0, 0, 1}), jws.ErrKey},
		"RSA with an exponent of 2^64+3":      {rsaJWK(n, []byte{1, 0, 0, 0, 0, 0, 0, 0, 3}), jws.ErrKey},
	} {
		t.Run(name, func(t *testing.T) {
			keys, skipped, err := jws.ParseJWKSet([]byte(`{"keys":[`+c.key+`,`+with(`"kid":"good"`)+`]}`), 2)
			require.NoError(t, err)
			require.Len(t, skipped, 1)
			require.ErrorIs(t, skipped[0].Err, c.err)
			require.Zero(t, skipped[0].Index)
			require.Len(t, keys, 1, "the others stay in use")
			require.Equal(t, "good", keys[0].KeyID)
			require.NotContains(t, skipped[0].Err.Error(), "c2VjcmV0")
		})
	}
	t.Run("a skipped key is named even if its kid comes last", func(t *testing.T) {
		_, skipped, err := jws.ParseJWKSet([]byte(`{"keys":[{"d":"AA","use":"enc","kid":"leaked"}]}`), 1)
		require.NoError(t, err)
		require.Equal(t, "leaked", skipped[0].KeyID)
		require.ErrorIs(t, skipped[0].Err, jws.ErrPrivate)
	})
}

func TestKeysThatAreTakenAlthoughOddlyWritten(t *testing.T) {
	n := rsaKey().Public().(*rsa.PublicKey).N.Bytes()
	for name, key := range map[string]string{
		"members nobody knows":          with(`"x5c":["AA=="],"x5t":"AA","ext":true,"iat":1`),
		"use and key_ops for verifying": with(`"use":"sig","key_ops":["sign","verify"]`),
		"padding":                       strings.NewReplacer(`VEU"`, `VEU="`, `5a0"`, `5a0="`).Replace(rfcP256),
		"a zero before the modulus":     fmt.Sprintf(`{"kty":"RSA","e":"AQAB","n":%q}`, base64.RawURLEncoding.EncodeToString(append([]byte{0}, n...))),
		"zeros before the exponent":     fmt.Sprintf(`{"kty":"RSA","e":"AAAAAAABAAE","n":%q}`, base64.RawURLEncoding.EncodeToString(n)),
		"EdDSA by its newer name":       strings.Replace(rfcEd25519, "{", `{"alg":"Ed25519",`, 1),
	} {
		t.Run(name, func(t *testing.T) {
			keys, skipped, err := jws.ParseJWKSet([]byte(`{"keys":[`+key+`]}`), 1)
			require.NoError(t, err)
			require.Empty(t, skipped)
			require.Len(t, keys, 1)
		})
	}
	for _, short := range []string{"x", "y"} {
		t.Run("a coordinate "+short+" without its leading zeros", func(t *testing.T) {
			var all map[string]string
			var coordinate []byte
			for coordinate == nil || coordinate[0] != 0 { // one key of 256 has one
				key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
				require.NoError(t, err)
				data, err := jws.PublicJWK(key.Public(), "", "", "")
				require.NoError(t, err)
				require.NoError(t, json.Unmarshal(data, &all))
				coordinate = bytesOf(t, all[short])
			}
			full, err := json.Marshal(all)
			require.NoError(t, err)
			all[short] = base64.RawURLEncoding.EncodeToString(coordinate[1:])
			cut, err := json.Marshal(all)
			require.NoError(t, err)
			keys, skipped, err := jws.ParseJWKSet([]byte(`{"keys":[`+string(full)+`,`+string(cut)+`]}`), 2)
			require.NoError(t, err)
			require.Empty(t, skipped)
			require.Equal(t, keys[0].Key, keys[1].Key)
		})
	}
}

func TestFits(t *testing.T) {
	k := jws.JWK{Key: rsaKey().Public()}
	require.True(t, k.Fits(jws.RS256))
	require.True(t, k.Fits(jws.PS512))
	require.False(t, k.Fits(jws.ES256))
	require.False(t, k.Fits("none"))
	k.Algorithm = jws.RS256
	require.True(t, k.Fits(jws.RS256))
	require.False(t, k.Fits(jws.PS256), "a key for one algorithm is used for no other")
	for _, alg := range []jws.Algorithm{"", jws.EdDSA, jws.Ed25519} {
		k := jws.JWK{Key: edKey().Public(), Algorithm: alg}
		require.True(t, k.Fits(jws.EdDSA))
		require.True(t, k.Fits(jws.Ed25519))
	}
}

func TestWhatIsNoJWKSet(t *testing.T) {
	for name, data := range map[string]string{
		"nothing":                   ``,
		"HTML":                      `<html>`,
		"a list":                    `[]`,
		"no keys":                   `{}`,
		"keys in another case":      `{"Keys":[]}`,
		"keys is null":              `{"keys":null}`,
		"keys is an object":         `{"keys":{}}`,
		"keys twice":                `{"keys":[],"keys":[]}`,
		"a member twice in a key":   `{"keys":[{"kty":"EC","kty":"RSA"}]}`,
		"cut short":                 `{"keys":[` + rfcP256,
		"one key more than allowed": `{"keys":[` + rfcP256 + strings.Repeat(`,`+rfcP256, 100) + `]}`,
	} {
		t.Run(name, func(t *testing.T) {
			keys, skipped, err := jws.ParseJWKSet([]byte(data), 100)
			require.ErrorIs(t, err, jws.ErrMalformed)
			require.Empty(t, keys)
			require.Empty(t, skipped)
		})
	}
	keys, skipped, err := jws.ParseJWKSet([]byte(`{"keys":[]}`), 100)
	require.NoError(t, err, "an empty set is one")
	require.Empty(t, keys)
	require.Empty(t, skipped)
	keys, _, err = jws.ParseJWKSet([]byte(`{"keys":[`+rfcP256+strings.Repeat(`,`+rfcP256, 99)+`]}`), 100)
	require.NoError(t, err)
	require.Len(t, keys, 100)
}

func FuzzParseJWKSet(f *testing.F) {
	for _, key := range []string{rfcP256, rfcP521, rfcRSA, rfcEd25519, with(`"use":"sig","key_ops":["verify"],"alg":"ES256","kid":"1"`), `{"kty":"oct","k":"AA"}`} {
		f.Add([]byte(`{"keys":[` + key + `]}`))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		keys, _, err := jws.ParseJWKSet(data, 10)
		if err != nil {
			require.ErrorIs(t, err, jws.ErrMalformed)
			return
		}
		for _, k := range keys {
			require.NoError(t, jws.CheckKey(k.Key))
			require.NotEmpty(t, jws.Algorithms(k.Key))
			again, err := jws.PublicJWK(k.Key, k.KeyID, k.Algorithm, "sig")
			require.NoError(t, err)
			parsed, skipped, err := jws.ParseJWKSet([]byte(`{"keys":[`+string(again)+`]}`), 1)
			require.NoError(t, err)
			require.Empty(t, skipped)
			require.Equal(t, []jws.JWK{k}, parsed)
		}
	})
}
