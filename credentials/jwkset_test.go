package credentials_test

import (
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/credentials"
)

// jwk returns the P-256 key of RFC 7515 with members added.
func jwk(members string) string { return strings.TrimSuffix(rfcP256, "}") + "," + members + "}" }

func set(keys ...string) []byte { return []byte(`{"keys":[` + strings.Join(keys, ",") + `]}`) }

func TestParseJWKSet(t *testing.T) {
	keys, warnings, err := credentials.ParseJWKSet(set(
		strings.Replace(rfcRSA, "{", `{"kid":"r1","alg":"RS256","use":"sig",`, 1), rfcP256, rfcEd25519))
	require.NoError(t, err)
	require.Empty(t, warnings)
	require.Len(t, keys, 3)
	require.Equal(t, "r1", keys[0].KeyID())
	require.Equal(t, []string{"RS256"}, keys[0].Algorithms())
	require.Equal(t, `RSA 2048 "r1" NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs`, keys[0].String())
	require.Empty(t, keys[1].KeyID())
	require.Equal(t, "EC P-256", keys[1].Type())
	require.Equal(t, "Ed25519", keys[2].Type())
	require.False(t, keys[2].IsCertificate())
}

// TestKeysOfASetThatAreIgnored is SECURITY 37.
func TestKeysOfASetThatAreIgnored(t *testing.T) {
	n := b64(rsaKey().Public().(*rsa.PublicKey).N.Bytes())
	for name, c := range map[string]struct {
		key, text string
		leaked    bool
	}{
		"a secret":                         {`{"kty":"oct","k":"c2VjcmV0","kid":"x"}`, "treat it as leaked", true},
		"a private key":                    {jwk(`"d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI","kid":"x"`), "treat it as leaked", true},
		"for encryption":                   {jwk(`"use":"enc","kid":"x"`), "use", false},
		"for signing alone":                {jwk(`"key_ops":["sign"],"kid":"x"`), "key_ops", false},
		"an unknown type":                  {`{"kty":"AKP","kid":"x"}`, "kty", false},
		"an unknown curve":                 {`{"kty":"EC","crv":"secp256k1","kid":"x"}`, "crv", false},
		"a point off its curve":            {strings.Replace(jwk(`"kid":"x"`), "f83O", "f83P", 1), "not on its curve", false},
		"for an algorithm it does not fit": {jwk(`"alg":"RS256","kid":"x"`), "RS256", false},
		"RSA of 1024 bits":                 {fmt.Sprintf(`{"kty":"RSA","n":%q,"e":"AQAB","kid":"x"}`, n[:171]), "1024 bits", false},
		"RSA of 8200 bits":                 {fmt.Sprintf(`{"kty":"RSA","n":%q,"e":"AQAB","kid":"x"}`, "_"+strings.Repeat("_", 1366)), "too large", false},
		"an even RSA exponent":             {fmt.Sprintf(`{"kty":"RSA","n":%q,"e":"AQAA","kid":"x"}`, n), "exponent", false},
		"an RSA exponent of 1":             {fmt.Sprintf(`{"kty":"RSA","n":%q,"e":"AQ","kid":"x"}`, n), "exponent", false},
		"an RSA exponent of 3":             {fmt.Sprintf(`{"kty":"RSA","n":%q,"e":"Aw","kid":"x"}`, n), "exponent 3", false},
		"an RSA exponent above 2^31":       {fmt.Sprintf(`{"kty":"RSA","n":%q,"e":"gAAAAQ","kid":"x"}`, n), "exponent", false},
		"Ed25519 of small order":           {`{"kty":"OKP","crv":"Ed25519","x":"` + b64(make([]byte, 32)) + `","kid":"x"}`, "small order", false},
		"the same key again":               {jwk(`"kid":"good"`), "the same key", false},
	} {
		t.Run(name, func(t *testing.T) {
			keys, warnings, err := credentials.ParseJWKSet(set(jwk(`"kid":"good"`), c.key, rfcEd25519))
			require.NoError(t, err)
			require.Len(t, keys, 2, "the others stay in use")
			require.Len(t, warnings, 1)
			require.Equal(t, 2, warnings[0].Item)
			require.Contains(t, []string{"x", "good"}, warnings[0].KeyID)
			require.Contains(t, warnings[0].Text, c.text)
			require.Equal(t, c.leaked, warnings[0].Leaked)
			require.NotContains(t, warnings[0].String(), "c2VjcmV0")
			require.NotContains(t, warnings[0].String(), "jpsQ")
		})
	}
}

func TestWarningsOfASetNameTheirKey(t *testing.T) {
	bad := `{"kty":"AKP"}`
	_, warnings, err := credentials.ParseJWKSet(set(bad, rfcP256, bad, bad, rfcEd25519, rfcEd25519, bad))
	require.NoError(t, err)
	var items []int
	for _, w := range warnings {
		items = append(items, w.Item)
	}
	require.Equal(t, []int{1, 3, 4, 6, 7}, items)
}

func TestAKidThatTwoKeysHave(t *testing.T) {
	keys, warnings, err := credentials.ParseJWKSet(set(jwk(`"kid":"1"`), strings.Replace(rfcEd25519, "{", `{"kid":"1",`, 1)))
	require.NoError(t, err)
	require.Len(t, keys, 2)
	require.Len(t, warnings, 1)
	require.Equal(t, `key 2 ("1"): its kid is that of another key too: both are tried`, warnings[0].String())
	_, warnings, err = credentials.ParseJWKSet(set(rfcP256, rfcEd25519))
	require.NoError(t, err)
	require.Empty(t, warnings, "none is no kid")
}

func TestAKeyForTwoAlgorithmsStandsThereTwice(t *testing.T) {
	keys, warnings, err := credentials.ParseJWKSet(set(
		strings.Replace(rfcRSA, "{", `{"alg":"RS256",`, 1), strings.Replace(rfcRSA, "{", `{"alg":"PS256",`, 1)))
	require.NoError(t, err)
	require.Empty(t, warnings)
	require.Len(t, keys, 2)
	require.Equal(t, []string{"PS256"}, keys[1].Algorithms())
}

func TestTheSizeOfASetIsBounded(t *testing.T) {
	many := func(n int) []byte {
		all := make([]string, n)
		for i := range all {
			all[i] = jwk(fmt.Sprintf(`"kid":"%d"`, i))
		}
		return set(all...)
	}
	keys, warnings, err := credentials.ParseJWKSet(many(credentials.MaxKeys))
	require.NoError(t, err)
	require.Len(t, keys, credentials.MaxKeys)
	require.Empty(t, warnings)
	keys, warnings, err = credentials.ParseJWKSet(many(credentials.MaxJWKSetKeys))
	require.NoError(t, err)
	require.Len(t, keys, credentials.MaxJWKSetKeys)
	require.Len(t, warnings, 1)
	require.Contains(t, warnings[0].String(), "100 keys, of which at most 10 are tried")
	for _, n := range []int{credentials.MaxJWKSetKeys + 1, 10_000} {
		_, _, err = credentials.ParseJWKSet(many(n))
		require.ErrorIs(t, err, credentials.ErrJWKSet)
	}
	long := set(rfcP256)
	long = append(long, strings.Repeat(" ", credentials.MaxJWKSetSize-len(long))...)
	_, _, err = credentials.ParseJWKSet(long)
	require.NoError(t, err)
	_, _, err = credentials.ParseJWKSet(append(long, ' '))
	require.ErrorIs(t, err, credentials.ErrJWKSet)
}

func TestWhatIsNoSet(t *testing.T) {
	for name, text := range map[string]string{
		"nothing":          "",
		"HTML":             "<html>",
		"a key":            rfcP256,
		"a list":           "[" + rfcP256 + "]",
		"keys is null":     `{"keys":null}`,
		"keys is a string": `{"keys":"none"}`,
		"keys twice":       `{"keys":[],"keys":[]}`,
		"a member twice":   `{"keys":[{"kty":"EC","kty":"RSA"}]}`,
		"cut short":        `{"keys":[` + rfcP256,
	} {
		t.Run(name, func(t *testing.T) {
			keys, warnings, err := credentials.ParseJWKSet([]byte(text))
			require.ErrorIs(t, err, credentials.ErrJWKSet)
			require.Empty(t, keys)
			require.Empty(t, warnings)
		})
	}
	keys, warnings, err := credentials.ParseJWKSet([]byte(`{"keys":[]}`))
	require.NoError(t, err, "an empty set takes all keys back")
	require.Empty(t, keys)
	require.Empty(t, warnings)
}

func FuzzParseJWKSet(f *testing.F) {
	f.Add(set(rfcRSA, rfcP256, rfcEd25519))
	f.Add(set(jwk(`"kid":"1","use":"sig"`), jwk(`"kid":"1"`), `{"kty":"oct","k":"AA"}`))
	f.Add([]byte(`{"keys":[{}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		keys, warnings, err := credentials.ParseJWKSet(data)
		if err != nil {
			require.ErrorIs(t, err, credentials.ErrJWKSet)
			require.Empty(t, keys)
			return
		}
		var members map[string]json.RawMessage // not a struct, whose names match in any case
		var theirs []map[string]any
		require.NoError(t, json.Unmarshal(data, &members))
		if json.Unmarshal(members["keys"], &theirs) != nil {
			return // one is no object
		}
		about := map[int]bool{}
		for _, w := range warnings {
			require.LessOrEqual(t, w.Item, len(theirs))
			about[w.Item] = true
		}
		require.GreaterOrEqual(t, len(keys)+len(about), len(theirs), "each key is in use or warned of")
		for _, key := range keys {
			require.NotEmpty(t, key.Algorithms())
			again, err := credentials.NewKey(key.PublicKey())
			require.NoError(t, err)
			require.Equal(t, key.Thumbprint(), again.Thumbprint())
			require.True(t, slices.ContainsFunc(theirs, func(members map[string]any) bool {
				kid, _ := members["kid"].(string)
				return kid == key.KeyID()
			}))
		}
	})
}
