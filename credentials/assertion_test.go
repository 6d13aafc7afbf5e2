package credentials_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/credentials"
	"github.com/clientele-go/clientele/internal/strictjson"
)

func TestAssertionsOfAllAlgorithms(t *testing.T) {
	for _, a := range algorithms {
		t.Run(a.alg, func(t *testing.T) {
			text := signed(t, a.alg, a.signer(), `{"alg":"`+a.alg+`","typ":"JWT"}`, claims.String())
			assertion := parsed(t, text)
			require.Equal(t, clientID, assertion.ClientID())
			require.Equal(t, []string{issuer}, assertion.Audiences())
			require.Empty(t, assertion.KeyID())
			var keys []credentials.Key
			for _, signer := range []func() crypto.Signer{rsaKey2, rsaKey, p256Key, p384Key, p521Key, edKey} {
				keys = append(keys, keyOf(t, signer()))
			}
			v, err := assertion.Verify(keys, credentials.Strict(issuer), now)
			require.NoError(t, err)
			require.Equal(t, a.signer().Public(), v.Key.PublicKey())
			require.Equal(t, clientID, v.ClientID)
			require.Equal(t, a.alg, v.Algorithm)
			require.Equal(t, "kq3v9x8h2m5n7p1r", v.JTI)
			require.Len(t, v.ReplayID, 43)
			require.Equal(t, now.Add(5*time.Minute), v.ExpiresAt.UTC())
			require.Equal(t, credentials.Proof{Method: credentials.MethodJWKS, ID: v.Key.Thumbprint()}, v.Proof(credentials.MethodJWKS))
		})
	}
}

// TestAsGolangJWTWritesThem has a list of one as aud, as its RegisteredClaims do.
func TestAsGolangJWTWritesThem(t *testing.T) {
	token := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.RegisteredClaims{
		Issuer: clientID, Subject: clientID, Audience: jwt.ClaimStrings{issuer}, ID: "1",
		ExpiresAt: jwt.NewNumericDate(now.Add(time.Minute)), IssuedAt: jwt.NewNumericDate(now), NotBefore: jwt.NewNumericDate(now),
	})
	text, err := token.SignedString(p256Key())
	require.NoError(t, err)
	require.Contains(t, string(octets(t, strings.Split(text, ".")[1])), `"aud":["`)
	_, err = parsed(t, text).Verify([]credentials.Key{keyOf(t, p256Key())}, credentials.Strict(issuer), now)
	require.NoError(t, err)
}

// TestAlgorithmsThatAKeyIsNotFor is SECURITY 19.
func TestAlgorithmsThatAKeyIsNotFor(t *testing.T) {
	spki, err := x509.MarshalPKIXPublicKey(rsaKey().Public())
	require.NoError(t, err)
	public := rsaKey().Public().(*rsa.PublicKey)
	for _, c := range []struct {
		name, signAs string
		key          any
		alg, reason  string // alg is JSON
		of           crypto.Signer
	}{
		{"none", "ES256", p256Key(), `"none"`, credentials.ReasonAlgorithm, p256Key()},
		{"None", "ES256", p256Key(), `"None"`, credentials.ReasonAlgorithm, p256Key()},
		{"nOnE", "ES256", p256Key(), `"nOnE"`, credentials.ReasonAlgorithm, p256Key()},
		{"HS256 keyed with the PEM of the public key", "HS256", keyOf(t, rsaKey()).MarshalPEM(), `"HS256"`, credentials.ReasonAlgorithm, rsaKey()},
		{"HS256 keyed with the DER of the public key", "HS256", spki, `"HS256"`, credentials.ReasonAlgorithm, rsaKey()},
		{"HS256 keyed with the modulus", "HS256", public.N.Bytes(), `"HS256"`, credentials.ReasonAlgorithm, rsaKey()},
		{"HS512", "HS512", []byte("secret"), `"HS512"`, credentials.ReasonAlgorithm, rsaKey()},
		{"RS256 for an EC key", "RS256", rsaKey(), `"RS256"`, credentials.ReasonUnknownKey, p256Key()},
		{"ES256 for an RSA key", "ES256", p256Key(), `"ES256"`, credentials.ReasonUnknownKey, rsaKey()},
		{"ES256 for a key on P-384", "ES256", p256Key(), `"ES256"`, credentials.ReasonUnknownKey, p384Key()},
		{"ES384 for a key on P-256", "ES384", p384Key(), `"ES384"`, credentials.ReasonUnknownKey, p256Key()},
		{"EdDSA for an EC key", "EdDSA", edKey(), `"EdDSA"`, credentials.ReasonUnknownKey, p256Key()},
		{"RS256 that is PS256", "PS256", rsaKey(), `"RS256"`, credentials.ReasonSignature, rsaKey()},
		{"PS256 that is RS256", "RS256", rsaKey(), `"PS256"`, credentials.ReasonSignature, rsaKey()},
		{"RS256 that is RS512", "RS512", rsaKey(), `"RS256"`, credentials.ReasonSignature, rsaKey()},
		{"ES256K", "ES256", p256Key(), `"ES256K"`, credentials.ReasonAlgorithm, p256Key()},
		{"in lower case", "ES256", p256Key(), `"es256"`, credentials.ReasonAlgorithm, p256Key()},
		{"misspelt", "ES256", p256Key(), `"ES265"`, credentials.ReasonAlgorithm, p256Key()},
		{"with a space", "ES256", p256Key(), `"ES256 "`, credentials.ReasonAlgorithm, p256Key()},
		{"empty", "ES256", p256Key(), `""`, credentials.ReasonMalformed, p256Key()},
		{"a number", "ES256", p256Key(), `256`, credentials.ReasonMalformed, p256Key()},
		{"null", "ES256", p256Key(), `null`, credentials.ReasonMalformed, p256Key()},
		{"a list", "ES256", p256Key(), `["ES256"]`, credentials.ReasonMalformed, p256Key()},
		{"long", "ES256", p256Key(), `"` + strings.Repeat("x", 8000) + `"`, credentials.ReasonAlgorithm, p256Key()},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, err := credentials.ParseAssertion(signed(t, c.signAs, c.key, `{"alg":`+c.alg+`}`, claims.String()))
			if err == nil {
				_, err = a.Verify([]credentials.Key{keyOf(t, c.of)}, credentials.Strict(issuer), now)
			}
			requireReason(t, err, c.reason)
		})
	}
	t.Run("missing", func(t *testing.T) {
		_, err := credentials.ParseAssertion(signed(t, "ES256", p256Key(), `{"typ":"JWT"}`, claims.String()))
		requireReason(t, err, credentials.ReasonMalformed)
	})
	t.Run("one that fits the key, but not the alg of its JWK", func(t *testing.T) {
		jwk := fmt.Sprintf(`{"kty":"RSA","n":%q,"e":"AQAB","alg":"PS256"}`, b64(public.N.Bytes()))
		keys, _, err := credentials.ParseJWKSet(set(jwk))
		require.NoError(t, err)
		_, err = parsed(t, signed(t, "PS256", rsaKey(), `{"alg":"PS256"}`, claims.String())).Verify(keys, credentials.Strict(issuer), now)
		require.NoError(t, err)
		_, err = parsed(t, signed(t, "RS256", rsaKey(), `{"alg":"RS256"}`, claims.String())).Verify(keys, credentials.Strict(issuer), now)
		requireReason(t, err, credentials.ReasonUnknownKey)
	})
}

// TestHeaders is SECURITY 20, 21 and 30, and the header's part of 22 and 24.
func TestHeaders(t *testing.T) {
	for _, c := range []struct{ name, members, reason string }{
		{"nothing but alg", ``, ""},
		{"jwk, of the key that signs it", `,"jwk":` + rfcP256, ""},
		{"jku", `,"jku":"https://evil.example/jwks"`, ""},
		{"x5u", `,"x5u":"https://evil.example/cert"`, ""},
		{"x5c", `,"x5c":["MIIB"]`, ""},
		{"typ of a JWT", `,"typ":"JWT"`, ""},
		{"typ of a JWT in lower case", `,"typ":"jwt"`, ""},
		{"typ of an assertion", `,"typ":"client-authentication+jwt"`, ""},
		{"typ of an access token", `,"typ":"at+jwt"`, credentials.ReasonType},
		{"typ of an access token as a media type", `,"typ":"application/at+jwt"`, credentials.ReasonType},
		{"typ of a proof", `,"typ":"dpop+jwt"`, credentials.ReasonType},
		{"typ of a security event", `,"typ":"secevent+jwt"`, credentials.ReasonType},
		{"typ of a JWE", `,"typ":"JOSE"`, credentials.ReasonType},
		{"typ that is empty", `,"typ":""`, credentials.ReasonType},
		{"typ with a space", `,"typ":"JWT "`, credentials.ReasonType},
		{"typ of 8 KB", `,"typ":"` + strings.Repeat("x", 8000) + `"`, credentials.ReasonType},
		{"typ that is a number", `,"typ":1`, credentials.ReasonMalformed},
		{"crit", `,"crit":["exp"]`, credentials.ReasonMalformed},
		{"crit of nothing", `,"crit":[]`, credentials.ReasonMalformed},
		{"crit that is null", `,"crit":null`, credentials.ReasonMalformed},
		{"b64 of false", `,"b64":false,"crit":["b64"]`, credentials.ReasonMalformed},
		{"b64 of true", `,"b64":true`, credentials.ReasonMalformed},
		{"zip", `,"zip":"DEF"`, credentials.ReasonMalformed},
		{"alg twice", `,"alg":"ES256"`, credentials.ReasonMalformed},
		{"alg twice, with an escape", `,"al\u0067":"none"`, credentials.ReasonMalformed},
		{"kid twice", `,"kid":"1","kid":"2"`, credentials.ReasonMalformed},
		{"kid that is a number", `,"kid":1`, credentials.ReasonMalformed},
		{"kid with a path", `,"kid":"../../etc/passwd"`, ""},
		{"kid with SQL", `,"kid":"' OR 1=1 --"`, ""},
		{"kid with a NUL", `,"kid":"a\u0000b"`, ""},
		{"kid of 8 KB", `,"kid":"` + strings.Repeat("k", 8000) + `"`, ""},
		{"kid of 1 MB", `,"kid":"` + strings.Repeat("k", 1<<20) + `"`, credentials.ReasonMalformed},
		{"an empty kid", `,"kid":""`, ""},
		{"nested 5 000 deep", `,"x":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000), credentials.ReasonMalformed},
		{"a list behind it", `}[`, credentials.ReasonMalformed},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, err := credentials.ParseAssertion(signed(t, "ES256", p256Key(), `{"alg":"ES256"`+c.members+`}`, claims.String()))
			if c.reason != "" {
				requireReason(t, err, c.reason)
				return
			}
			require.NoError(t, err)
			_, err = a.Verify([]credentials.Key{keyOf(t, p256Key())}, credentials.Strict(issuer), now)
			require.NoError(t, err)
			// Whatever key it brings along: another one's does not count.
			_, err = a.Verify([]credentials.Key{keyOf(t, rsaKey())}, credentials.Strict(issuer), now)
			requireReason(t, err, credentials.ReasonUnknownKey)
		})
	}
}

func TestAKeyInTheHeaderIsNotTheKey(t *testing.T) { // SECURITY 20
	public, err := p256Key().Public().(*ecdsa.PublicKey).Bytes() // 4, x, y
	require.NoError(t, err)
	header := fmt.Sprintf(`{"alg":"ES256","jwk":{"kty":"EC","crv":"P-256","x":%q,"y":%q}}`, b64(public[1:33]), b64(public[33:]))
	a := parsed(t, signed(t, "ES256", p256Key(), header, claims.String()))
	_, err = a.Verify(rfcKeys(t), credentials.Strict(issuer), now)
	requireReason(t, err, credentials.ReasonSignature)
}

// TestSignatures is SECURITY 23, as far as the signature itself goes.
func TestSignatures(t *testing.T) {
	good := es256(t, claims)
	cut := strings.LastIndexByte(good, '.') + 1
	sig := octets(t, good[cut:])
	order := elliptic.P256().Params().N.Bytes()
	digest := sha256.Sum256([]byte(good[:cut-1]))
	der, err := p256Key().Sign(rand.Reader, digest[:], crypto.SHA256)
	require.NoError(t, err)
	zeros := make([]byte, 32)
	for _, c := range []struct {
		name string
		sig  []byte
	}{
		{"of zeros", make([]byte, 64)},
		{"r of zero", append(bytes.Clone(zeros), sig[32:]...)},
		{"s of zero", append(bytes.Clone(sig[:32]), zeros...)},
		{"r of n", append(bytes.Clone(order), sig[32:]...)},
		{"s of n", append(bytes.Clone(sig[:32]), order...)},
		{"of ones", bytes.Repeat([]byte{0xff}, 64)},
		{"as DER", der},
		{"a byte short", sig[:63]},
		{"a byte long", append(bytes.Clone(sig), 0)},
		{"one byte", sig[:1]},
		{"of the wrong half first", append(bytes.Clone(sig[32:]), sig[:32]...)},
		{"with a bit changed", append(append(bytes.Clone(sig[:40]), sig[40]^1), sig[41:]...)},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := parsed(t, good[:cut]+b64(c.sig)).Verify([]credentials.Key{keyOf(t, p256Key())}, credentials.Strict(issuer), now)
			requireReason(t, err, credentials.ReasonSignature)
		})
	}
	for _, a := range algorithms {
		t.Run(a.alg+" cut by a byte, changed, or of other claims", func(t *testing.T) {
			keys := []credentials.Key{keyOf(t, a.signer())}
			header := `{"alg":"` + a.alg + `"}`
			text := signed(t, a.alg, a.signer(), header, claims.String())
			cut := strings.LastIndexByte(text, '.') + 1
			sig := octets(t, text[cut:])
			_, err := parsed(t, text[:cut]+b64(sig[:len(sig)-1])).Verify(keys, credentials.Strict(issuer), now)
			requireReason(t, err, credentials.ReasonSignature)
			_, err = parsed(t, text[:cut]+b64(append(bytes.Clone(sig[:len(sig)-1]), sig[len(sig)-1]^1))).Verify(keys, credentials.Strict(issuer), now)
			requireReason(t, err, credentials.ReasonSignature)
			other := b64([]byte(header)) + "." + b64([]byte(claims.with(raw{"jti": `"other"`}).String())) + "." + text[cut:]
			_, err = parsed(t, other).Verify(keys, credentials.Strict(issuer), now)
			requireReason(t, err, credentials.ReasonSignature)
		})
	}
}

// TestForms is SECURITY 23 and 24, as far as they can be told without a key.
func TestForms(t *testing.T) {
	good := es256(t, claims)
	parts := strings.Split(good, ".")
	payload := func(text string) string { return signed(t, "ES256", p256Key(), `{"alg":"ES256"}`, text) }
	trailing := good[:len(good)-1] + string(good[len(good)-1]+1) // other bits that do not count
	fits := func(size int) string {
		text := claims.with(raw{"pad": `"` + strings.Repeat("x", size) + `"`})
		return es256(t, text)
	}
	size := 0
	for len(fits(size+1)) <= 16<<10 {
		size++
		if size == 1 {
			size = (16<<10-len(good))*3/4 - 32
		}
	}
	require.NotNil(t, parsed(t, fits(size)), "as long as may be")
	for name, text := range map[string]string{
		"nothing":                         "",
		"a secret":                        "cls_q7Xk2mPa_x",
		"one part":                        parts[0],
		"two parts":                       parts[0] + "." + parts[1],
		"no signature":                    parts[0] + "." + parts[1] + ".",
		"no payload":                      parts[0] + ".." + parts[2],
		"no header":                       "." + parts[1] + "." + parts[2],
		"four parts":                      good + "." + parts[2],
		"five parts, a JWE":               good + ".a.b",
		"a dot at the end":                good + ".",
		"a dot before":                    "." + good,
		"dots alone":                      "..",
		"ten thousand dots":               strings.Repeat(".", 10_000),
		"a million dots":                  strings.Repeat(".", 1_000_000),
		"one byte too long":               fits(size + 1),
		"1 MB":                            good + strings.Repeat("A", 1<<20),
		"padding":                         good + "==",
		"padding of the header":           parts[0] + "=." + parts[1] + "." + parts[2],
		"trailing bits":                   trailing,
		"a line break":                    good[:20] + "\n" + good[20:],
		"a line break at the end":         good + "\n",
		"a carriage return":               good[:20] + "\r" + good[20:],
		"a space before":                  " " + good,
		"a byte order mark":               "\ufeff" + good,
		"a NUL":                           good + "\x00",
		"a plus":                          parts[0] + "." + parts[1] + ".+" + parts[2][1:],
		"a slash":                         parts[0] + "." + parts[1] + "./" + parts[2][1:],
		"JSON serialization":              `{"payload":"` + parts[1] + `","protected":"` + parts[0] + `","signature":"` + parts[2] + `"}`,
		"a header that is no JSON":        signed(t, "ES256", p256Key(), `alg=ES256`, claims.String()),
		"a header that is a list":         signed(t, "ES256", p256Key(), `["alg"]`, claims.String()),
		"a payload that is no JSON":       payload("hello"),
		"a payload that is a list":        payload("[" + claims.String() + "]"),
		"a payload that is null":          payload("null"),
		"a payload with JSON behind":      payload(claims.String() + "{}"),
		"a payload with a NUL behind":     payload(claims.String() + "\x00"),
		"a payload with a mark before":    payload("\ufeff" + claims.String()),
		"invalid UTF-8":                   payload(claims.with(raw{"x": "\"\xff\""}).String()),
		"sub twice":                       payload(strings.Replace(claims.String(), "{", `{"sub":"other",`, 1)),
		"sub twice, the same":             payload(strings.Replace(claims.String(), "{", `{"sub":"`+clientID+`",`, 1)),
		"sub twice, with an escape":       payload(strings.Replace(claims.String(), "{", `{"s\u0075b":"other",`, 1)),
		"a member twice that counts not":  payload(strings.Replace(claims.String(), "{", `{"x":1,"x":2,`, 1)),
		"nested 5 000 deep":               payload(claims.with(raw{"x": strings.Repeat("[", 5000) + strings.Repeat("]", 5000)}).String()),
		"a number as iss":                 payload(claims.with(raw{"iss": "1"}).String()),
		"a list as sub":                   payload(claims.with(raw{"sub": `["` + clientID + `"]`}).String()),
		"null as sub":                     payload(claims.with(raw{"sub": "null"}).String()),
		"a number as aud":                 payload(claims.with(raw{"aud": "1"}).String()),
		"null as aud":                     payload(claims.with(raw{"aud": "null"}).String()),
		"an object as aud":                payload(claims.with(raw{"aud": "{}"}).String()),
		"a list with a number as aud":     payload(claims.with(raw{"aud": `["` + issuer + `",1]`}).String()),
		"a list of 65 as aud":             payload(claims.with(raw{"aud": `["x"` + strings.Repeat(`,"x"`, 64) + `]`}).String()),
		"a string as exp":                 payload(claims.with(raw{"exp": `"1988193900"`}).String()),
		"null as exp":                     payload(claims.with(raw{"exp": "null"}).String()),
		"1e400 as exp":                    payload(claims.with(raw{"exp": "1e400"}).String()),
		"NaN as exp":                      payload(claims.with(raw{"exp": "NaN"}).String()),
		"Infinity as exp":                 payload(claims.with(raw{"exp": "Infinity"}).String()),
		"milliseconds as exp":             payload(claims.with(raw{"exp": "1988193900000"}).String()),
		"1e300 as exp":                    payload(claims.with(raw{"exp": "1e300"}).String()),
		"a string as nbf":                 payload(claims.with(raw{"nbf": `"0"`}).String()),
		"true as iat":                     payload(claims.with(raw{"iat": "true"}).String()),
		"a number as jti":                 payload(claims.with(raw{"jti": "1"}).String()),
		"null as jti":                     payload(claims.with(raw{"jti": "null"}).String()),
		"an empty jti":                    payload(claims.with(raw{"jti": `""`}).String()),
		"a jti that is one byte too long": payload(claims.with(raw{"jti": `"` + strings.Repeat("x", credentials.MaxJTI+1) + `"`}).String()),
		"a jti of 10 KiB":                 payload(claims.with(raw{"jti": `"` + strings.Repeat("x", 10<<10) + `"`}).String()),
	} {
		t.Run(name, func(t *testing.T) {
			a, err := credentials.ParseAssertion(text)
			requireReason(t, err, credentials.ReasonMalformed)
			require.Nil(t, a)
		})
	}
}

func TestTheLogSaysWhereTheFormIsWrong(t *testing.T) {
	_, err := credentials.ParseAssertion(signed(t, "ES256", p256Key(), `{"alg":"ES256"}`, `{"iss":"a","iss":"b"}`))
	var where *strictjson.Error
	require.ErrorAs(t, err, &where)
	require.EqualError(t, err, "client assertion refused: malformed_assertion: JSON: a member twice at byte 16")
}

// TestIssuerAndSubject is SECURITY 25, and the access token of 31.
func TestIssuerAndSubject(t *testing.T) {
	for name, c := range map[string]raw{
		"they differ":           claims.with(raw{"iss": `"other"`}),
		"they differ by case":   claims.with(raw{"iss": `"C_0123456789"`}),
		"no iss":                claims.without("iss"),
		"no sub":                claims.without("sub"),
		"neither":               claims.without("sub").without("iss"),
		"both empty":            claims.with(raw{"iss": `""`, "sub": `""`}),
		"an access token of us": claims.with(raw{"iss": `"` + issuer + `"`, "aud": `"` + api + `"`, "client_id": `"` + clientID + `"`}),
		"both very long":        claims.with(raw{"iss": `"` + strings.Repeat("a", 5000) + `"`, "sub": `"` + strings.Repeat("b", 5000) + `"`}),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := credentials.ParseAssertion(es256(t, c))
			requireReason(t, err, credentials.ReasonIssuer)
		})
	}
	t.Run("escapes are read", func(t *testing.T) {
		a := parsed(t, es256(t, claims.with(raw{"iss": `"c\u005f0123456789"`})))
		require.Equal(t, clientID, a.ClientID())
	})
	t.Run("of another client: its own keys do not fit", func(t *testing.T) {
		a := parsed(t, es256(t, claims.with(raw{"iss": `"other"`, "sub": `"other"`})))
		require.Equal(t, "other", a.ClientID())
		_, err := a.Verify([]credentials.Key{keyFrom(t, "accepted/ec-p256.pem")}, credentials.Strict(issuer), now)
		requireReason(t, err, credentials.ReasonSignature)
	})
}

func TestAnAssertionIsNeverShownByChance(t *testing.T) {
	text := es256(t, claims)
	a := parsed(t, text)
	holder := struct {
		Public *credentials.Assertion
		hidden credentials.Assertion
	}{a, *a}
	var logged bytes.Buffer
	slog.New(slog.NewJSONHandler(&logged, nil)).Info("x", "assertion", a, "value", *a)
	slog.New(slog.NewTextHandler(&logged, nil)).Info("x", "assertion", a, "holder", fmt.Sprint(holder.Public))
	marshalled, err := json.Marshal(holder)
	require.NoError(t, err)
	shown := []string{logged.String(), string(marshalled), a.String()}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		shown = append(shown, fmt.Sprintf(verb, a), fmt.Sprintf(verb, *a), fmt.Sprintf(verb, []any{a}))
	}
	signature := text[strings.LastIndexByte(text, '.')+1:]
	for _, s := range shown {
		require.NotContains(t, s, signature[:20])
		require.NotContains(t, s, "kq3v9x8h2m5n7p1r")
	}
	require.Equal(t, `assertion of client "c_0123456789"`, fmt.Sprint(a))
}

func TestDotsCostNothing(t *testing.T) { // SECURITY 23
	text := strings.Repeat(".", credentials.MaxAssertionSize)
	one := testing.AllocsPerRun(100, func() { _, _ = credentials.ParseAssertion("..") })
	many := testing.AllocsPerRun(100, func() { _, _ = credentials.ParseAssertion(text) })
	require.LessOrEqual(t, many, one)
}
