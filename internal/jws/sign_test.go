package jws_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"math/big"
	"testing"

	"github.com/clientele-go/clientele/internal/jws"
	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"
)

func TestWhatWeSignWeVerify(t *testing.T) {
	input := []byte("eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhIn0")
	for _, a := range algorithms {
		for name, signer := range map[string]crypto.Signer{"a key of the standard library": a.signer(), "a key service": kms{a.signer()}} {
			t.Run(string(a.alg)+" by "+name, func(t *testing.T) {
				for range 20 { // r and s of ECDSA differ in length now and then
					sig, err := jws.Sign(a.alg, signer, input, []byte("before"))
					require.NoError(t, err)
					require.Equal(t, "before", string(sig[:6]))
					sig = sig[6:]
					require.NoError(t, jws.Verify(a.alg, signer.Public(), input, sig))

					require.ErrorIs(t, jws.Verify(a.alg, signer.Public(), input[1:], sig), jws.ErrSignature)
					flipped := append([]byte{}, sig...)
					flipped[len(flipped)/2] ^= 1
					require.ErrorIs(t, jws.Verify(a.alg, signer.Public(), input, flipped), jws.ErrSignature)
				}
			})
		}
	}
}

func TestSignaturesAreForOneAlgorithmAlone(t *testing.T) {
	input := []byte("input")
	for _, a := range algorithms {
		sig, err := jws.Sign(a.alg, a.signer(), input, nil)
		require.NoError(t, err)
		for _, b := range algorithms {
			err := jws.Verify(b.alg, a.signer().Public(), input, sig)
			require.Equal(t, a.alg.Canonical() == b.alg.Canonical(), err == nil, "%s as %s", a.alg, b.alg)
		}
	}
}

func TestSignRefusesKeysThatDoNotFit(t *testing.T) {
	for _, a := range algorithms {
		for _, b := range algorithms {
			if a.alg.Check(b.signer().Public()) == nil {
				continue
			}
			for _, signer := range []crypto.Signer{b.signer(), kms{b.signer()}} {
				_, err := jws.Sign(a.alg, signer, []byte("input"), nil)
				require.ErrorIs(t, err, jws.ErrKey, "%s by a key for %s", a.alg, b.alg)
			}
		}
	}
	weak := &rsa.PublicKey{N: big.NewInt(3233), E: 17}
	_, err := jws.Sign(jws.RS256, opaque{rsaKey(), weak}, []byte("input"), nil)
	require.ErrorIs(t, err, jws.ErrKey)
	_, err = jws.Sign(jws.EdDSA, ed25519.PrivateKey("short"), []byte("input"), nil)
	require.ErrorIs(t, err, jws.ErrKey)
}

func TestSignRefusesWhatABrokenSignerReturns(t *testing.T) {
	away := errors.New("key service away")
	_, err := jws.Sign(jws.ES256, broken{Signer: p256Key(), err: away}, []byte("input"), nil)
	require.ErrorIs(t, err, away)

	zeros := make([]byte, 256)
	for name, b := range map[string]struct {
		alg jws.Algorithm
		broken
	}{
		"nothing for RSA":                       {jws.RS256, broken{Signer: rsaKey()}},
		"too little for RSA":                    {jws.RS256, broken{Signer: rsaKey(), sig: zeros[:255]}},
		"too little for Ed25519":                {jws.EdDSA, broken{Signer: edKey(), sig: zeros[:63]}},
		"nothing for ECDSA":                     {jws.ES256, broken{Signer: p256Key()}},
		"r and s without DER":                   {jws.ES256, broken{Signer: p256Key(), sig: zeros[:64]}},
		"DER with more behind":                  {jws.ES256, broken{Signer: p256Key(), sig: []byte{0x30, 6, 2, 1, 1, 2, 1, 1, 0}}},
		"DER with more inside":                  {jws.ES256, broken{Signer: p256Key(), sig: []byte{0x30, 7, 2, 1, 1, 2, 1, 1, 0}}},
		"DER of one integer":                    {jws.ES256, broken{Signer: p256Key(), sig: []byte{0x30, 3, 2, 1, 1}}},
		"DER of a zero":                         {jws.ES256, broken{Signer: p256Key(), sig: []byte{0x30, 6, 2, 1, 0, 2, 1, 1}}},
		"DER of a negative number":              {jws.ES256, broken{Signer: p256Key(), sig: []byte{0x30, 6, 2, 1, 1, 2, 1, 0x80}}},
		"DER of an empty integer":               {jws.ES256, broken{Signer: p256Key(), sig: []byte{0x30, 5, 2, 0, 2, 1, 1}}},
		"DER with needless zeros":               {jws.ES256, broken{Signer: p256Key(), sig: []byte{0x30, 7, 2, 2, 0, 1, 2, 1, 1}}},
		"DER with a needlessly long length":     {jws.ES256, broken{Signer: p256Key(), sig: []byte{0x30, 0x81, 6, 2, 1, 1, 2, 1, 1}}},
		"DER with a length of two bytes":        {jws.ES256, broken{Signer: p256Key(), sig: []byte{0x30, 0x82, 0, 6, 2, 1, 1, 2, 1, 1}}},
		"DER with a length without end":         {jws.ES256, broken{Signer: p256Key(), sig: []byte{0x30, 0x81}}},
		"DER that ends before its length":       {jws.ES256, broken{Signer: p256Key(), sig: []byte{0x30, 9, 2, 1, 1, 2, 1, 1}}},
		"DER that ends within an integer":       {jws.ES256, broken{Signer: p256Key(), sig: []byte{0x30, 6, 2, 1, 1, 2, 2, 1}}},
		"DER of another tag":                    {jws.ES256, broken{Signer: p256Key(), sig: []byte{0x31, 6, 2, 1, 1, 2, 1, 1}}},
		"DER of an integer too large for P-256": {jws.ES256, broken{Signer: p256Key(), sig: large()}},
	} {
		t.Run(name, func(t *testing.T) {
			dst, err := jws.Sign(b.alg, b.broken, []byte("input"), []byte("before"))
			require.Error(t, err)
			require.Equal(t, "before", string(dst))
			token, err := jws.AppendCompact([]byte("before"), b.alg, b.broken, []byte("{}"), []byte("{}"))
			require.Error(t, err)
			require.Equal(t, "before", string(token))
		})
	}
	sig, err := jws.Sign(jws.ES256, broken{Signer: p256Key(), sig: []byte{0x30, 6, 2, 1, 1, 2, 1, 2}}, nil, nil)
	require.NoError(t, err, "small numbers are padded")
	require.Equal(t, append(append(make([]byte, 31), 1), append(make([]byte, 31), 2)...), sig)
}

// large is DER whose first integer has 33 bytes.
func large() []byte {
	return append(append([]byte{0x30, 38, 2, 33, 1}, make([]byte, 32)...), 2, 1, 1)
}

// TestMalformedSignatures is SECURITY 23, and 19 as far as keys are concerned.
func TestMalformedSignatures(t *testing.T) {
	input := []byte("input")
	p256, rsaPublic, ed := p256Key().Public(), rsaKey().Public(), edKey().Public()
	raw, err := jws.Sign(jws.ES256, p256Key(), input, nil)
	require.NoError(t, err)
	der, err := crypto.SignMessage(p256Key(), rand.Reader, input, crypto.SHA256)
	require.NoError(t, err)
	short, err := jws.Sign(jws.RS256, rsaKey(), input, nil)
	require.NoError(t, err)
	pss, err := jws.Sign(jws.PS256, rsaKey(), input, nil)
	require.NoError(t, err)
	edSig, err := jws.Sign(jws.EdDSA, edKey(), input, nil)
	require.NoError(t, err)
	digest := crypto.SHA256.New()
	digest.Write(input)
	salted, err := rsa.SignPSS(rand.Reader, rsaKey().(*rsa.PrivateKey), crypto.SHA256, digest.Sum(nil), &rsa.PSSOptions{SaltLength: 20})
	require.NoError(t, err)

	n := elliptic.P256().Params().N.Bytes()
	zero, s := make([]byte, 32), raw[32:]
	join := func(parts ...[]byte) (all []byte) {
		for _, p := range parts {
			all = append(all, p...)
		}
		return all
	}
	for name, c := range map[string]struct {
		alg jws.Algorithm
		key crypto.PublicKey
		sig []byte
	}{
		"no signature":                    {jws.ES256, p256, nil},
		"all zeros":                       {jws.ES256, p256, make([]byte, 64)},
		"r is zero":                       {jws.ES256, p256, join(zero, s)},
		"s is zero":                       {jws.ES256, p256, join(raw[:32], zero)},
		"r is n":                          {jws.ES256, p256, join(n, s)},
		"s is n":                          {jws.ES256, p256, join(raw[:32], n)},
		"s is all ones":                   {jws.ES256, p256, join(raw[:32], []byte("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"))},
		"r and s swapped":                 {jws.ES256, p256, join(s, raw[:32])},
		"DER instead of r and s":          {jws.ES256, p256, der},
		"one byte short":                  {jws.ES256, p256, raw[:63]},
		"one byte long":                   {jws.ES256, p256, join(raw, []byte{0})},
		"zeros before r and s":            {jws.ES256, p256, join([]byte{0}, raw[:32], []byte{0}, s)},
		"twice":                           {jws.ES256, p256, join(raw, raw)},
		"RSA one byte short":              {jws.RS256, rsaPublic, short[1:]},
		"RSA one byte short at the end":   {jws.RS256, rsaPublic, short[:255]},
		"RSA with a zero before":          {jws.RS256, rsaPublic, join([]byte{0}, short)},
		"RSA with a zero behind":          {jws.RS256, rsaPublic, join(short, []byte{0})},
		"RSA all zeros":                   {jws.RS256, rsaPublic, make([]byte, 256)},
		"RSA plus the modulus":            {jws.RS256, rsaPublic, plusModulus(short)},
		"RSA empty":                       {jws.RS256, rsaPublic, nil},
		"PSS one byte short":              {jws.PS256, rsaPublic, pss[:255]},
		"PSS with a salt of 20 bytes":     {jws.PS256, rsaPublic, salted},
		"PSS plus the modulus":            {jws.PS256, rsaPublic, plusModulus(pss)},
		"Ed25519 empty":                   {jws.EdDSA, ed, nil},
		"Ed25519 one byte short":          {jws.EdDSA, ed, edSig[:63]},
		"Ed25519 one byte long":           {jws.EdDSA, ed, join(edSig, []byte{0})},
		"Ed25519 all zeros":               {jws.EdDSA, ed, make([]byte, 64)},
		"Ed25519 with s beyond its order": {jws.EdDSA, ed, plusOrder(edSig)},
	} {
		t.Run(name, func(t *testing.T) {
			require.ErrorIs(t, jws.Verify(c.alg, c.key, input, c.sig), jws.ErrSignature)
		})
	}
	require.NoError(t, jws.Verify(jws.ES256, p256, input, raw))
	for name, c := range map[string]struct {
		alg jws.Algorithm
		key crypto.PublicKey
	}{
		"ES256 with a P-384 key":     {jws.ES256, p384Key().Public()},
		"RS256 with an EC key":       {jws.RS256, p256},
		"ES256 with an RSA key":      {jws.ES256, rsaPublic},
		"EdDSA with an EC key":       {jws.EdDSA, p256},
		"a secret instead of a key":  {jws.RS256, []byte("secret")},
		"no key":                     {jws.RS256, nil},
		"a short Ed25519 key":        {jws.EdDSA, ed25519.PublicKey("short")},
		"RSA of 1024 bits":           {jws.RS256, &rsa.PublicKey{N: new(big.Int).SetBit(big.NewInt(1), 1023, 1), E: 65537}},
		"a point on a foreign curve": {jws.ES256, &ecdsa.PublicKey{Curve: elliptic.P224()}},
	} {
		t.Run(name, func(t *testing.T) {
			require.ErrorIs(t, jws.Verify(c.alg, c.key, input, raw), jws.ErrKey)
		})
	}
}

// plusModulus returns another number of the same residue, where it fits.
func plusModulus(sig []byte) []byte {
	sum := new(big.Int).SetBytes(sig)
	sum.Add(sum, rsaKey().Public().(*rsa.PublicKey).N)
	return sum.Bytes()
}

// plusOrder returns another s of the same residue.
func plusOrder(sig []byte) []byte {
	order, _ := new(big.Int).SetString("7237005577332262213973186563042994240857116359379907606001950938285454250989", 10)
	reversed := func(b []byte) []byte {
		r := make([]byte, 32)
		for i := range b {
			r[31-i] = b[i]
		}
		return r
	}
	s := new(big.Int).SetBytes(reversed(sig[32:]))
	s.Add(s, order)
	return append(append([]byte{}, sig[:32]...), reversed(s.FillBytes(make([]byte, 32)))...)
}

func TestAgainstGolangJWT(t *testing.T) {
	for _, a := range algorithms {
		if a.alg == jws.Ed25519 {
			continue // golang-jwt knows the older name alone
		}
		t.Run(string(a.alg), func(t *testing.T) {
			method := jwt.GetSigningMethod(string(a.alg))
			theirs, err := jwt.NewWithClaims(method, jwt.MapClaims{"sub": "a"}).SignedString(a.signer())
			require.NoError(t, err)
			c, err := jws.Split(theirs, 4096)
			require.NoError(t, err)
			header, err := jws.ParseHeader(bytesOf(t, c.Header))
			require.NoError(t, err)
			require.Equal(t, jws.Header{Algorithm: a.alg, Type: "JWT", HasType: true}, header)
			require.NoError(t, jws.Verify(a.alg, a.signer().Public(), []byte(c.SigningInput), bytesOf(t, c.Signature)))

			ours, err := jws.AppendCompact([]byte("before"), a.alg, a.signer(), []byte(`{"alg":"`+a.alg+`"}`), []byte(`{"sub":"a"}`))
			require.NoError(t, err)
			token, err := jwt.Parse(string(ours[6:]), func(*jwt.Token) (any, error) { return a.signer().Public(), nil })
			require.NoError(t, err)
			require.Equal(t, jwt.MapClaims{"sub": "a"}, token.Claims)
		})
	}
}

// The examples of RFC 7515 appendices A.2 to A.4 and RFC 8037 appendix A.4.
const (
	rfcPayload = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
	rfcRSA     = `{"kty":"RSA","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ","e":"AQAB"}`
	rfcP256    = `{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}`
	rfcP521    = `{"kty":"EC","crv":"P-521","x":"AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk","y":"ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2"}`
	rfcEd25519 = `{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`
)

func TestExamplesOfTheRFCs(t *testing.T) {
	for _, c := range []struct{ name, key, token string }{
		{"RFC 7515 A.2", rfcRSA, "eyJhbGciOiJSUzI1NiJ9." + rfcPayload + ".cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"},
		{"RFC 7515 A.3", rfcP256, "eyJhbGciOiJFUzI1NiJ9." + rfcPayload + ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"},
		{"RFC 7515 A.4", rfcP521, "eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA.AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2SI-KGDKB34XO0aw_7XdtAG8GaSwFKdCAPZgoXD2YBJZCPEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn"},
		{"RFC 8037 A.4", rfcEd25519, "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"},
	} {
		t.Run(c.name, func(t *testing.T) {
			keys, skipped, err := jws.ParseJWKSet([]byte(`{"keys":[`+c.key+`]}`), 1)
			require.NoError(t, err)
			require.Empty(t, skipped)
			compact, err := jws.Split(c.token, len(c.token))
			require.NoError(t, err)
			header, err := jws.ParseHeader(bytesOf(t, compact.Header))
			require.NoError(t, err)
			require.NoError(t, jws.Verify(header.Algorithm, keys[0].Key, []byte(compact.SigningInput), bytesOf(t, compact.Signature)))
		})
	}
	t.Run("RFC 8037 A.4 signed anew is the same, as Ed25519 has no randomness", func(t *testing.T) {
		key := ed25519.NewKeyFromSeed(bytesOf(t, "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"))
		token, err := jws.AppendCompact(nil, jws.EdDSA, key, []byte(`{"alg":"EdDSA"}`), []byte("Example of Ed25519 signing"))
		require.NoError(t, err)
		require.Equal(t, "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg", string(token))
	})
}

func FuzzVerify(f *testing.F) {
	input := []byte("eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhIn0")
	keys := []struct {
		alg jws.Algorithm
		key crypto.PublicKey
	}{}
	for _, key := range []string{rfcP256, rfcP521, rfcEd25519, rfcRSA} {
		set, _, err := jws.ParseJWKSet([]byte(`{"keys":[`+key+`]}`), 1)
		require.NoError(f, err)
		keys = append(keys, struct {
			alg jws.Algorithm
			key crypto.PublicKey
		}{jws.Algorithms(set[0].Key)[0], set[0].Key})
	}
	f.Add(make([]byte, 64))
	f.Add(make([]byte, 132))
	f.Add(make([]byte, 256))
	f.Add(bytesOf(f, "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"))
	f.Fuzz(func(t *testing.T, sig []byte) {
		for _, k := range keys {
			theirs := jwt.GetSigningMethod(string(k.alg)).Verify(string(input), sig, k.key)
			ours := jws.Verify(k.alg, k.key, input, sig)
			require.Equal(t, theirs == nil, ours == nil, "%s", k.alg)
		}
	})
}

func BenchmarkES256(b *testing.B) {
	key := p256Key().(*ecdsa.PrivateKey)
	input := []byte(base64.RawURLEncoding.EncodeToString(make([]byte, 450)))
	digest := crypto.SHA256.New()
	digest.Write(input)
	sum := digest.Sum(nil)
	der, err := ecdsa.SignASN1(rand.Reader, key, sum)
	require.NoError(b, err)
	raw, err := jws.Sign(jws.ES256, key, input, nil)
	require.NoError(b, err)
	b.Run("sign/raw", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = ecdsa.SignASN1(rand.Reader, key, sum)
		}
	})
	b.Run("sign/jws", func(b *testing.B) {
		b.ReportAllocs()
		dst := make([]byte, 0, 64)
		for b.Loop() {
			_, _ = jws.Sign(jws.ES256, key, input, dst)
		}
	})
	b.Run("verify/raw", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if !ecdsa.VerifyASN1(&key.PublicKey, sum, der) {
				b.Fatal("does not verify")
			}
		}
	})
	b.Run("verify/jws", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := jws.Verify(jws.ES256, &key.PublicKey, input, raw); err != nil {
				b.Fatal(err)
			}
		}
	})
}
