package verifier_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/clientele-go/clientele/internal/jws"
	"github.com/clientele-go/clientele/token/verifier"
	"github.com/stretchr/testify/require"
)

func TestVerifyReturnsTheClaims(t *testing.T) {
	for _, alg := range []jws.Algorithm{
		jws.RS256, jws.RS384, jws.RS512, jws.PS256, jws.PS384, jws.PS512, jws.ES256, jws.ES384, jws.ES512, jws.EdDSA, jws.Ed25519,
	} {
		t.Run(string(alg), func(t *testing.T) {
			k, c := newKey(t, "1", alg), newClock()
			v := newVerifier(t, verifier.Config{Keys: &source{set: jwkSet(t, k)}, Now: c.Now})
			now := c.Now().UTC()
			token := k.token(t, good(now, with{"nbf": now.Unix(), "aud": []string{"other", audience}, "tenant": "t1"}))
			for range 3 { // by a full parse, by the known header, from the cache
				claims, err := v.Verify(t.Context(), token)
				require.NoError(t, err)
				require.Equal(t, issuerID, claims.Issuer)
				require.Equal(t, "client-1", claims.Subject)
				require.Equal(t, "client-1", claims.ClientID)
				require.Equal(t, "jti-1", claims.ID)
				require.Equal(t, []string{"other", audience}, claims.Audience)
				require.Equal(t, []string{"orders.read", "orders.write"}, claims.Scopes)
				require.Equal(t, now, claims.IssuedAt)
				require.Equal(t, now, claims.NotBefore)
				require.Equal(t, now.Add(time.Hour), claims.Expires)
				require.True(t, claims.HasScope("orders.read"))
				require.False(t, claims.HasScope("orders"))

				var own struct {
					Tenant string `json:"tenant"`
				}
				require.NoError(t, claims.Decode(&own))
				require.Equal(t, "t1", own.Tenant)
				require.Error(t, claims.Decode(&[]string{}))
			}
		})
	}
}

func TestOptionalClaims(t *testing.T) {
	k, c := newKey(t, "1", jws.ES256), newClock()
	v := newVerifier(t, verifier.Config{Keys: &source{set: jwkSet(t, k)}, Now: c.Now})
	for name, case_ := range map[string]struct {
		claims map[string]any
		scopes []string
	}{
		"no scope":                    {with{"scope": nil}, nil},
		"an empty scope":              {with{"scope": ""}, nil},
		"one scope":                   {with{"scope": "a"}, []string{"a"}},
		"spaces around and between":   {with{"scope": " a  b "}, []string{"a", "b"}},
		"a tab is no space":           {with{"scope": "a\tb"}, []string{"a\tb"}},
		"no iat and no nbf":           {with{"iat": nil, "nbf": nil, "scope": "a"}, []string{"a"}},
		"times with a fraction":       {with{"iat": json.Number("1764000000.5"), "exp": json.Number("1764003600.25"), "scope": "a"}, []string{"a"}},
		"a sub unlike the client id":  {with{"sub": "person", "scope": "a"}, []string{"a"}},
		"claims of one's own, nested": {with{"x": with{"y": []any{1, nil, true}}, "scope": "a"}, []string{"a"}},
	} {
		t.Run(name, func(t *testing.T) {
			claims, err := v.Verify(t.Context(), k.token(t, good(c.Now(), case_.claims)))
			require.NoError(t, err)
			require.Equal(t, case_.scopes, claims.Scopes)
		})
	}
}

func TestRequireOfClaimsNamesWhatIsMissing(t *testing.T) {
	claims := &verifier.Claims{Scopes: []string{"a", "b"}}
	require.NoError(t, claims.Require())
	require.NoError(t, claims.Require("b", "a"))
	err := claims.Require("a", "c", "d")
	require.ErrorIs(t, err, verifier.ErrInsufficientScope)
	var lack *verifier.ScopeError
	require.ErrorAs(t, err, &lack)
	require.Equal(t, []string{"c", "d"}, lack.Missing)
	require.EqualError(t, err, "insufficient scope: c d")
}

// TestMalformedTokens is SECURITY 62: 19 to 24 for access tokens.
func TestMalformedTokens(t *testing.T) {
	k, c := newKey(t, "1", jws.ES256), newClock()
	other, rsaKey := newKey(t, "1", jws.ES256), newKey(t, "rsa", jws.RS256)
	p384 := newKey(t, "p384", jws.ES384)
	v := newVerifier(t, verifier.Config{Keys: &source{set: jwkSet(t, k, rsaKey, p384)}, Now: c.Now})
	payload, err := json.Marshal(good(c.Now()))
	require.NoError(t, err)
	body := string(payload)
	token := k.sign(t, k.header(), body)
	parts := strings.Split(token, ".")
	der, err := x509.MarshalPKIXPublicKey(rsaKey.signer.Public())
	require.NoError(t, err)
	header := func(format string, args ...any) string { return k.sign(t, fmt.Sprintf(format, args...), body) }
	claims := func(changed string) string { return k.sign(t, k.header(), changed) }
	signature := func(sig []byte) string {
		return parts[0] + "." + parts[1] + "." + base64.RawURLEncoding.EncodeToString(sig)
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[2])
	require.NoError(t, err)
	n := elliptic.P256().Params().N.Bytes()
	asDER, err := ecdsa.SignASN1(nil, k.signer.(*ecdsa.PrivateKey), make([]byte, 32))
	require.NoError(t, err)

	for name, c := range map[string]struct{ token, reason string }{
		"19 alg none":                        {header(`{"alg":"none","typ":"at+jwt","kid":"1"}`), verifier.ReasonAlgorithm},
		"19 alg nOnE without a signature":    {b64(`{"alg":"nOnE","typ":"at+jwt"}`) + "." + parts[1] + ".", verifier.ReasonMalformed},
		"19 HS256 keyed with the PEM":        {hmacToken(body, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})), verifier.ReasonAlgorithm},
		"19 HS256 keyed with the DER":        {hmacToken(body, der), verifier.ReasonAlgorithm},
		"19 RS256 on an EC key":              {header(`{"alg":"RS256","typ":"at+jwt","kid":"1"}`), verifier.ReasonAlgorithm},
		"19 ES256 on a P-384 key":            {header(`{"alg":"ES256","typ":"at+jwt","kid":"p384"}`), verifier.ReasonAlgorithm},
		"19 PS256 with a key for RS256":      {header(`{"alg":"PS256","typ":"at+jwt","kid":"rsa"}`), verifier.ReasonAlgorithm},
		"19 ES256K":                          {header(`{"alg":"ES256K","typ":"at+jwt","kid":"1"}`), verifier.ReasonAlgorithm},
		"19 alg in lower case":               {header(`{"alg":"es256","typ":"at+jwt","kid":"1"}`), verifier.ReasonAlgorithm},
		"19 no alg":                          {header(`{"typ":"at+jwt","kid":"1"}`), verifier.ReasonMalformed},
		"19 alg is a number":                 {header(`{"alg":256,"typ":"at+jwt","kid":"1"}`), verifier.ReasonMalformed},
		"20 jwk as the source of the key":    {other.sign(t, fmt.Sprintf(`{"alg":"ES256","typ":"at+jwt","jwk":%s}`, other.jwk(t)), body), verifier.ReasonSignature},
		"20 jku as the source of the key":    {other.sign(t, `{"alg":"ES256","typ":"at+jwt","kid":"1","jku":"https://evil.example/jwks"}`, body), verifier.ReasonSignature},
		"21 crit":                            {header(`{"alg":"ES256","typ":"at+jwt","kid":"1","crit":["exp"]}`), verifier.ReasonMalformed},
		"21 b64 false":                       {header(`{"alg":"ES256","typ":"at+jwt","kid":"1","b64":false}`), verifier.ReasonMalformed},
		"21 zip":                             {header(`{"alg":"ES256","typ":"at+jwt","kid":"1","zip":"DEF"}`), verifier.ReasonMalformed},
		"22 kid with a path":                 {header(`{"alg":"ES256","typ":"at+jwt","kid":"../../etc/passwd"}`), verifier.ReasonUnknownKey},
		"22 kid with SQL":                    {header(`{"alg":"ES256","typ":"at+jwt","kid":"1' OR '1'='1"}`), verifier.ReasonUnknownKey},
		"22 kid with a NUL":                  {header(`{"alg":"ES256","typ":"at+jwt","kid":"1\u0000"}`), verifier.ReasonUnknownKey},
		"22 kid of 10 KiB":                   {header(`{"alg":"ES256","typ":"at+jwt","kid":"%s"}`, strings.Repeat("1", 10<<10)), verifier.ReasonUnknownKey},
		"22 kid of 1 MiB":                    {header(`{"alg":"ES256","typ":"at+jwt","kid":"%s"}`, strings.Repeat("1", 1<<20)), verifier.ReasonMalformed},
		"22 kid is a number":                 {header(`{"alg":"ES256","typ":"at+jwt","kid":1}`), verifier.ReasonMalformed},
		"22 an empty kid":                    {header(`{"alg":"ES256","typ":"at+jwt","kid":""}`), verifier.ReasonUnknownKey},
		"23 a signature by another key":      {other.sign(t, k.header(), body), verifier.ReasonSignature},
		"23 a signature of zeros":            {signature(make([]byte, 64)), verifier.ReasonSignature},
		"23 r is zero":                       {signature(append(make([]byte, 32), raw[32:]...)), verifier.ReasonSignature},
		"23 s is n":                          {signature(append(append([]byte{}, raw[:32]...), n...)), verifier.ReasonSignature},
		"23 DER instead of r and s":          {signature(asDER), verifier.ReasonSignature},
		"23 a signature one byte short":      {signature(raw[:63]), verifier.ReasonSignature},
		"23 an RSA signature one byte short": {shortened(t, rsaKey.sign(t, rsaKey.header(), body)), verifier.ReasonSignature},
		"23 padding":                         {token + "==", verifier.ReasonMalformed},
		"23 trailing bits":                   {token[:len(token)-1] + trailing(token[len(token)-1]), verifier.ReasonMalformed},
		"23 a line break in the signature":   {token[:len(token)-4] + "\n" + token[len(token)-4:], verifier.ReasonMalformed},
		"23 a line break at the end":         {token + "\n", verifier.ReasonMalformed},
		"23 a line break in the payload":     {parts[0] + "." + parts[1][:4] + "\r\n" + parts[1][4:] + "." + parts[2], verifier.ReasonMalformed},
		"23 a line break in the header":      {parts[0][:4] + "\n" + parts[0][4:] + "." + parts[1] + "." + parts[2], verifier.ReasonMalformed},
		"23 plus and slash":                  {parts[0] + "." + parts[1] + "." + strings.NewReplacer("-", "+", "_", "/").Replace(parts[2][:84]) + "+/", verifier.ReasonMalformed},
		"23 a dot behind":                    {token + ".", verifier.ReasonMalformed},
		"23 a dot before":                    {"." + token, verifier.ReasonMalformed},
		"23 five parts":                      {token + ".a.b", verifier.ReasonMalformed},
		"23 two parts":                       {parts[0] + "." + parts[1], verifier.ReasonMalformed},
		"23 one part":                        {parts[0], verifier.ReasonMalformed},
		"23 JSON serialization":              {fmt.Sprintf(`{"payload":%q,"protected":%q,"signature":%q}`, parts[1], parts[0], parts[2]), verifier.ReasonMalformed},
		"23 a million dots":                  {strings.Repeat(".", 1_000_000), verifier.ReasonMalformed},
		"23 a byte order mark before":        {"\ufeff" + token, verifier.ReasonMalformed},
		"23 a NUL before":                    {"\x00" + token, verifier.ReasonMalformed},
		"23 a NUL behind":                    {token + "\x00", verifier.ReasonMalformed},
		"23 a space behind":                  {token + " ", verifier.ReasonMalformed},
		"24 sub twice":                       {claims(strings.Replace(body, `{`, `{"sub":"root",`, 1)), verifier.ReasonMalformed},
		"24 sub twice, one with an escape":   {claims(strings.Replace(body, `{`, `{"s\u0075b":"root",`, 1)), verifier.ReasonMalformed},
		"24 sub once more in another case":   {claims(strings.Replace(body, `{`, `{"Sub":"root",`, 1)), verifier.ReasonClaims},
		"24 sub with a letter that folds":    {claims(strings.Replace(body, `{`, `{"ſub":"root",`, 1)), verifier.ReasonClaims},
		"24 alg twice":                       {header(`{"alg":"ES256","typ":"at+jwt","kid":"1","alg":"none"}`), verifier.ReasonMalformed},
		"24 nested ten thousand deep":        {claims(`{"x":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + `}`), verifier.ReasonMalformed},
		"24 a number as iss":                 {k.token(t, good(c.Now(), with{"iss": 1})), verifier.ReasonClaims},
		"24 an array as sub":                 {k.token(t, good(c.Now(), with{"sub": []string{"client-1"}})), verifier.ReasonClaims},
		"24 null as client_id":               {claims(strings.Replace(body, `"client_id":"client-1"`, `"client_id":null`, 1)), verifier.ReasonClaims},
		"24 a number as jti":                 {k.token(t, good(c.Now(), with{"jti": 7})), verifier.ReasonClaims},
		"24 an array as scope":               {k.token(t, good(c.Now(), with{"scope": []string{"a"}})), verifier.ReasonClaims},
		"24 invalid UTF-8":                   {claims(strings.Replace(body, "client-1", "client-\xff", 1)), verifier.ReasonMalformed},
		"24 a lone surrogate":                {claims(strings.Replace(body, "client-1", `client-\ud800`, 1)), verifier.ReasonMalformed},
		"24 trailing JSON":                   {claims(body + `{}`), verifier.ReasonMalformed},
		"24 no JSON":                         {claims(`claims`), verifier.ReasonMalformed},
		"24 an array of claims":              {claims(`[` + body + `]`), verifier.ReasonMalformed},
		"no sub":                             {k.token(t, good(c.Now(), with{"sub": nil})), verifier.ReasonClaims},
		"an empty sub":                       {k.token(t, good(c.Now(), with{"sub": ""})), verifier.ReasonClaims},
		"no client_id":                       {k.token(t, good(c.Now(), with{"client_id": nil})), verifier.ReasonClaims},
		"an empty client_id":                 {k.token(t, good(c.Now(), with{"client_id": ""})), verifier.ReasonClaims},
		"no jti":                             {k.token(t, good(c.Now(), with{"jti": nil})), verifier.ReasonClaims},
		"an empty jti":                       {k.token(t, good(c.Now(), with{"jti": ""})), verifier.ReasonClaims},
		"a string as iat":                    {k.token(t, good(c.Now(), with{"iat": "1764000000"})), verifier.ReasonClaims},
		"one byte over 16 KiB":               {token + strings.Repeat("A", 16<<10+1-len(token)), verifier.ReasonMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			for range 2 {
				claims, err := v.Verify(t.Context(), c.token)
				refused(t, err, c.reason, c.token)
				require.Nil(t, claims)
			}
		})
	}
	_, err = v.Verify(t.Context(), token)
	require.NoError(t, err, "the one that all others were made from")
	_, err = v.Verify(t.Context(), "")
	require.ErrorIs(t, err, verifier.ErrNoToken)
}

// hmacToken signs body by HS256 with a secret.
func hmacToken(body string, secret []byte) string {
	input := b64(`{"alg":"HS256","typ":"at+jwt","kid":"rsa"}`) + "." + b64(body)
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(input))
	return input + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// shortened returns token without the last byte of its signature.
func shortened(t *testing.T, token string) string {
	t.Helper()
	dot := strings.LastIndexByte(token, '.')
	sig, err := base64.RawURLEncoding.DecodeString(token[dot+1:])
	require.NoError(t, err)
	return token[:dot+1] + base64.RawURLEncoding.EncodeToString(sig[:len(sig)-1])
}

// trailing returns the letter that stands for the same bits and one more.
func trailing(letter byte) string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return string(letters[strings.IndexByte(letters, letter)+1])
}

// TestIssuerAndAudience is SECURITY 63.
func TestIssuerAndAudience(t *testing.T) {
	a, b := newKey(t, "1", jws.ES256), newKey(t, "1", jws.ES256)
	issuerA, issuerB := newAuthServer(t, "/tenant-a", a), newAuthServer(t, "/tenant-b", b)
	c := newClock()
	v := newVerifier(t, verifier.Config{
		Issuer: issuerA.id(), Issuers: []string{issuerB.id()},
		Audience: audience, Audiences: []string{"urn:second"}, Now: c.Now,
	})
	type changes = with
	for name, c := range map[string]struct {
		key    key
		claims map[string]any
		reason string // empty: accepted
	}{
		"a token of the first issuer":                   {a, changes{"iss": issuerA.id()}, ""},
		"a token of the second issuer":                  {b, changes{"iss": issuerB.id()}, ""},
		"iss of A signed by a key of B":                 {b, changes{"iss": issuerA.id()}, verifier.ReasonSignature},
		"iss of B signed by a key of A":                 {a, changes{"iss": issuerB.id()}, verifier.ReasonSignature},
		"iss of another tenant":                         {a, changes{"iss": issuerA.URL + "/tenant-c"}, verifier.ReasonIssuer},
		"iss with a slash behind":                       {a, changes{"iss": issuerA.id() + "/"}, verifier.ReasonIssuer},
		"iss in another case":                           {a, changes{"iss": strings.ToUpper(issuerA.id())}, verifier.ReasonIssuer},
		"iss empty":                                     {a, changes{"iss": ""}, verifier.ReasonIssuer},
		"no iss":                                        {a, changes{"iss": nil}, verifier.ReasonClaims},
		"aud in a list of one":                          {a, changes{"iss": issuerA.id(), "aud": []string{audience}}, ""},
		"aud in a list with others":                     {a, changes{"iss": issuerA.id(), "aud": []string{"x", audience, "y"}}, ""},
		"the second audience":                           {a, changes{"iss": issuerA.id(), "aud": "urn:second"}, ""},
		"aud missing":                                   {a, changes{"iss": issuerA.id(), "aud": nil}, verifier.ReasonClaims},
		"aud foreign":                                   {a, changes{"iss": issuerA.id(), "aud": "https://other.example.com"}, verifier.ReasonAudience},
		"aud a list without us":                         {a, changes{"iss": issuerA.id(), "aud": []string{"x", "y"}}, verifier.ReasonAudience},
		"aud an empty list":                             {a, changes{"iss": issuerA.id(), "aud": []string{}}, verifier.ReasonAudience},
		"aud an empty text":                             {a, changes{"iss": issuerA.id(), "aud": ""}, verifier.ReasonAudience},
		"aud a prefix of us":                            {a, changes{"iss": issuerA.id(), "aud": audience[:len(audience)-1]}, verifier.ReasonAudience},
		"aud that we are a prefix of":                   {a, changes{"iss": issuerA.id(), "aud": audience + "/"}, verifier.ReasonAudience},
		"aud in another case":                           {a, changes{"iss": issuerA.id(), "aud": strings.ToUpper(audience)}, verifier.ReasonAudience},
		"aud a number":                                  {a, changes{"iss": issuerA.id(), "aud": 1}, verifier.ReasonClaims},
		"aud a list with a number":                      {a, changes{"iss": issuerA.id(), "aud": []any{audience, 1}}, verifier.ReasonClaims},
		"aud a list in a list":                          {a, changes{"iss": issuerA.id(), "aud": []any{[]string{audience}}}, verifier.ReasonClaims},
		"aud an object":                                 {a, changes{"iss": issuerA.id(), "aud": with{audience: true}}, verifier.ReasonClaims},
		"aud a list of more than anybody would address": {a, changes{"iss": issuerA.id(), "aud": strings.Split(strings.Repeat("x ", 64)+audience, " ")}, verifier.ReasonClaims},
	} {
		t.Run(name, func(t *testing.T) {
			token := c.key.token(t, good(newClock().Now(), c.claims))
			_, err := v.Verify(t.Context(), token)
			if c.reason == "" {
				require.NoError(t, err)
				return
			}
			refused(t, err, c.reason, token)
		})
	}
}

// TestTypes is SECURITY 64.
func TestTypes(t *testing.T) {
	k, c := newKey(t, "1", jws.ES256), newClock()
	v := newVerifier(t, verifier.Config{Keys: &source{set: jwkSet(t, k)}, Now: c.Now})
	payload, err := json.Marshal(good(c.Now()))
	require.NoError(t, err)
	for _, typ := range []string{"at+jwt", "AT+JWT", "At+Jwt", "application/at+jwt", "Application/AT+JWT"} {
		_, err := v.Verify(t.Context(), k.sign(t, fmt.Sprintf(`{"alg":"ES256","kid":"1","typ":%q}`, typ), string(payload)))
		require.NoError(t, err, typ)
	}
	for _, typ := range []string{"", "JWT", "jwt", "at", "at+jwt ", " at+jwt", "application/jwt", "x/at+jwt", "id+jwt", "client-authentication+jwt", "at+jwt;v=1", "dpop+jwt", "logout+jwt"} {
		token := k.sign(t, fmt.Sprintf(`{"alg":"ES256","kid":"1","typ":%q}`, typ), string(payload))
		_, err := v.Verify(t.Context(), token)
		refused(t, err, verifier.ReasonType, token)
	}
	for name, token := range map[string]string{
		"no typ":       k.sign(t, `{"alg":"ES256","kid":"1"}`, string(payload)),
		"an ID token":  k.sign(t, `{"alg":"ES256","kid":"1","typ":"JWT"}`, `{"iss":"`+issuerID+`","sub":"a","aud":"x","exp":1,"nonce":"n"}`),
		"an assertion": k.sign(t, `{"alg":"ES256","kid":"1","typ":"client-authentication+jwt"}`, `{"iss":"a","sub":"a","aud":"`+issuerID+`","exp":1,"jti":"j"}`),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := v.Verify(t.Context(), token)
			refused(t, err, verifier.ReasonType, token)
		})
	}
}

// TestTimes is SECURITY 65, and 79 as far as iat is concerned.
func TestTimes(t *testing.T) {
	k := newKey(t, "1", jws.ES256)
	now := newClock().Now().Unix()
	number := func(text string) json.Number { return json.Number(text) }
	for name, c := range map[string]struct {
		leeway time.Duration
		claims map[string]any
		reason string
	}{
		"exp missing":                          {0, with{"exp": nil}, verifier.ReasonClaims},
		"exp an hour ago":                      {0, with{"exp": now - 3600}, verifier.ReasonExpired},
		"exp 60 s ago":                         {0, with{"exp": now - 60}, verifier.ReasonExpired},
		"exp 59 s ago, within the leeway":      {0, with{"exp": now - 59}, ""},
		"exp now, without leeway":              {-1, with{"exp": now}, verifier.ReasonExpired},
		"exp in a second, without leeway":      {-1, with{"exp": now + 1}, ""},
		"exp 10 s ago, with a leeway of 10 s":  {10 * time.Second, with{"exp": now - 10}, verifier.ReasonExpired},
		"exp 9 s ago, with a leeway of 10 s":   {10 * time.Second, with{"exp": now - 9}, ""},
		"exp in milliseconds":                  {0, with{"exp": now * 1000}, verifier.ReasonClaims},
		"exp in microseconds":                  {0, with{"exp": now * 1000_000}, verifier.ReasonClaims},
		"exp zero":                             {0, with{"exp": 0}, verifier.ReasonExpired},
		"exp negative":                         {0, with{"exp": -1}, verifier.ReasonExpired},
		"exp 1e400":                            {0, with{"exp": number("1e400")}, verifier.ReasonMalformed},
		"exp 1e300":                            {0, with{"exp": number("1e300")}, verifier.ReasonClaims},
		"exp that int64 cannot hold":           {0, with{"exp": number("99999999999999999999")}, verifier.ReasonClaims},
		"exp a string":                         {0, with{"exp": fmt.Sprint(now + 60)}, verifier.ReasonClaims},
		"exp true":                             {0, with{"exp": true}, verifier.ReasonClaims},
		"exp a list":                           {0, with{"exp": []int64{now + 60}}, verifier.ReasonClaims},
		"exp with a fraction":                  {-1, with{"exp": number(fmt.Sprint(now) + ".9")}, verifier.ReasonExpired},
		"exp with an exponent":                 {0, with{"exp": number("1.8e9")}, ""},
		"nbf in 61 s":                          {0, with{"nbf": now + 61}, verifier.ReasonNotYetValid},
		"nbf in 60 s, within the leeway":       {0, with{"nbf": now + 60}, ""},
		"nbf in a second, without leeway":      {-1, with{"nbf": now + 1}, verifier.ReasonNotYetValid},
		"nbf now, without leeway":              {-1, with{"nbf": now}, ""},
		"nbf a string":                         {0, with{"nbf": "0"}, verifier.ReasonClaims},
		"nbf in milliseconds":                  {0, with{"nbf": now * 1000}, verifier.ReasonClaims},
		"79 iat an hour ahead":                 {0, with{"iat": now + 3600}, ""},
		"79 iat an hour ahead, without leeway": {-1, with{"iat": now + 3600}, ""},
		"iat long ago":                         {0, with{"iat": 1}, ""},
		"iat a string":                         {0, with{"iat": "1"}, verifier.ReasonClaims},
	} {
		t.Run(name, func(t *testing.T) {
			clock := newClock()
			v := newVerifier(t, verifier.Config{Keys: &source{set: jwkSet(t, k)}, Now: clock.Now, Leeway: c.leeway})
			var token string
			if n, ok := c.claims["exp"].(json.Number); ok && n == "1e400" {
				token = k.sign(t, k.header(), `{"exp":1e400}`)
			} else {
				token = k.token(t, good(clock.Now(), c.claims))
			}
			for range 2 {
				_, err := v.Verify(t.Context(), token)
				if c.reason == "" {
					require.NoError(t, err)
				} else {
					refused(t, err, c.reason, token)
				}
			}
		})
	}
}

func TestTokensWithoutKeyID(t *testing.T) {
	c := newClock()
	payload, err := json.Marshal(good(c.Now()))
	require.NoError(t, err)
	header := `{"alg":"ES256","typ":"at+jwt"}`
	var keys []key
	for i := range 12 {
		keys = append(keys, newKey(t, fmt.Sprint(i), jws.ES256))
	}
	keys = append(keys, newKey(t, "12", jws.EdDSA))
	v := newVerifier(t, verifier.Config{Keys: &source{set: jwkSet(t, keys...)}, Now: c.Now})

	_, err = v.Verify(t.Context(), keys[9].sign(t, header, string(payload)))
	require.NoError(t, err, "any of the first ten that fit may have signed it")
	_, err = v.Verify(t.Context(), keys[12].sign(t, `{"alg":"EdDSA","typ":"at+jwt"}`, string(payload)))
	require.NoError(t, err, "those that do not fit do not count")
	v = newVerifier(t, verifier.Config{Keys: &source{set: jwkSet(t, keys...)}, Now: c.Now})
	token := keys[10].sign(t, header, string(payload))
	_, err = v.Verify(t.Context(), token)
	refused(t, err, verifier.ReasonSignature, token)
	token = keys[0].sign(t, `{"alg":"RS256","typ":"at+jwt"}`, string(payload))
	_, err = v.Verify(t.Context(), token)
	refused(t, err, verifier.ReasonAlgorithm, token)
}

// TestOneHeaderForSeveralKeys looks at tokens without kid, whose header does not
// say which key signed them.
func TestOneHeaderForSeveralKeys(t *testing.T) {
	c := newClock()
	a, b := newKey(t, "a", jws.ES256), newKey(t, "b", jws.ES256)
	v := newVerifier(t, verifier.Config{Keys: &source{set: jwkSet(t, a, b)}, Now: c.Now, CacheSize: -1})
	payload, err := json.Marshal(good(c.Now()))
	require.NoError(t, err)
	for _, k := range []key{a, b, a, b} {
		_, err := v.Verify(t.Context(), k.sign(t, `{"alg":"ES256","typ":"at+jwt"}`, string(payload)))
		require.NoError(t, err)
	}
}

func TestKeysOfOneNameAndSeveralTypes(t *testing.T) {
	c := newClock()
	ec, ed := newKey(t, "1", jws.ES256), newKey(t, "1", jws.EdDSA)
	v := newVerifier(t, verifier.Config{Keys: &source{set: jwkSet(t, ec, ed)}, Now: c.Now})
	for _, k := range []key{ec, ed} {
		_, err := v.Verify(t.Context(), k.token(t, good(c.Now())))
		require.NoError(t, err)
	}
}

func TestManyHeadersAreBounded(t *testing.T) {
	k, c := newKey(t, "1", jws.EdDSA), newClock()
	v := newVerifier(t, verifier.Config{Keys: &source{set: jwkSet(t, k)}, Now: c.Now, CacheSize: -1})
	payload, err := json.Marshal(good(c.Now()))
	require.NoError(t, err)
	for i := range 200 {
		_, err := v.Verify(t.Context(), k.sign(t, fmt.Sprintf(`{"alg":"EdDSA","typ":"at+jwt","kid":"1","n":%d}`, i), string(payload)))
		require.NoError(t, err)
	}
}

func TestCheckHasTheLastWord(t *testing.T) {
	k, c := newKey(t, "1", jws.ES256), newClock()
	var answer error
	calls := 0
	v := newVerifier(t, verifier.Config{Keys: &source{set: jwkSet(t, k)}, Now: c.Now, Check: func(_ context.Context, claims *verifier.Claims) error {
		calls++
		require.Equal(t, "jti-1", claims.ID)
		return answer
	}})
	token := k.token(t, good(c.Now()))
	for range 2 { // before it is remembered, and then
		answer = nil
		_, err := v.Verify(t.Context(), token)
		require.NoError(t, err)
		answer = errors.New("revoked")
		_, err = v.Verify(t.Context(), token)
		refused(t, err, verifier.ReasonRefused, token)
		require.ErrorIs(t, err, answer)
		answer = fmt.Errorf("store away: %w", verifier.ErrUnavailable)
		_, err = v.Verify(t.Context(), token)
		require.ErrorIs(t, err, verifier.ErrUnavailable)
		require.NotErrorIs(t, err, verifier.ErrInvalidToken)
		answer = &verifier.TokenError{Reason: "its_own"}
		_, err = v.Verify(t.Context(), token)
		refused(t, err, "its_own", token)
	}
	require.Equal(t, 8, calls)
	_, err := v.Verify(t.Context(), k.token(t, good(c.Now(), with{"aud": "other"})))
	refused(t, err, verifier.ReasonAudience, "")
	require.Equal(t, 8, calls, "it is not asked about tokens that are no good anyway")

	ctx, cancel := context.WithCancel(t.Context())
	answer = context.Canceled
	cancel()
	_, err = v.Verify(ctx, token)
	require.ErrorIs(t, err, context.Canceled)
	require.NotErrorIs(t, err, verifier.ErrInvalidToken)
}

func TestWhyATokenIsRefusedIsSaidOnce(t *testing.T) {
	v := newVerifier(t, verifier.Config{Issuer: issuerID, Keys: &source{err: errors.New("unused")}})
	_, err := v.Verify(t.Context(), "garbage")
	require.EqualError(t, err, "invalid access token: malformed: not three parts with dots between them")
}
