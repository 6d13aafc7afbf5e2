package credentials_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/credentials"
)

// at is a NumericDate as JSON, that far from now.
func at(d time.Duration) string { return fmt.Sprint(now.Add(d).Unix()) }

var (
	strict     = credentials.Strict(issuer)
	compatible = credentials.Compatible(issuer, endpoint, api, "https://other-api.example")
)

// TestClaims is SECURITY 26 to 28, each at its edge, in both profiles.
func TestClaims(t *testing.T) {
	const ok = ""
	for _, c := range []struct {
		name               string
		claims             raw
		strict, compatible string // reasons
	}{
		{"sound ones", claims, ok, ok},
		{"claims that nobody knows", claims.with(raw{"x": `{"a":[1]}`}), ok, ok},

		{"aud is a list of the issuer", claims.with(raw{"aud": `["` + issuer + `"]`}), ok, ok},
		{"aud is missing", claims.without("aud"), credentials.ReasonAudience, credentials.ReasonAudience},
		{"aud is empty", claims.with(raw{"aud": `""`}), credentials.ReasonAudience, credentials.ReasonAudience},
		{"aud is an empty list", claims.with(raw{"aud": `[]`}), credentials.ReasonAudience, credentials.ReasonAudience},
		{"aud is a list of nothing", claims.with(raw{"aud": `[""]`}), credentials.ReasonAudience, credentials.ReasonAudience},
		{"aud is foreign", claims.with(raw{"aud": `"https://evil.example"`}), credentials.ReasonAudience, credentials.ReasonAudience},
		{"aud has a slash behind", claims.with(raw{"aud": `"` + issuer + `/"`}), credentials.ReasonAudience, credentials.ReasonAudience},
		{"aud has another case", claims.with(raw{"aud": `"https://Issuer.example"`}), credentials.ReasonAudience, credentials.ReasonAudience},
		{"aud is the beginning of the issuer", claims.with(raw{"aud": `"https://issuer.exampl"`}), credentials.ReasonAudience, credentials.ReasonAudience},
		{"aud is the issuer with an escape", claims.with(raw{"aud": `"https:\/\/issuer.example"`}), ok, ok},
		{"aud is the token endpoint", claims.with(raw{"aud": `"` + endpoint + `"`}), credentials.ReasonAudience, ok},
		{"aud is a resource server", claims.with(raw{"aud": `"` + api + `"`}), credentials.ReasonAudience, ok},
		{"aud is a list of a resource server", claims.with(raw{"aud": `["` + api + `"]`}), credentials.ReasonAudience, ok},
		{"aud is a list of our own", claims.with(raw{"aud": `["` + issuer + `","` + endpoint + `","` + api + `"]`}), credentials.ReasonAudience, ok},
		{"aud is the issuer twice", claims.with(raw{"aud": `["` + issuer + `","` + issuer + `"]`}), credentials.ReasonAudience, ok},
		{"aud is a list with somebody foreign behind", claims.with(raw{"aud": `["` + issuer + `","https://evil.example"]`}), credentials.ReasonAudience, credentials.ReasonAudience},
		{"aud is a list with somebody foreign before", claims.with(raw{"aud": `["https://evil.example","` + issuer + `"]`}), credentials.ReasonAudience, credentials.ReasonAudience},
		{"aud is a list with an empty one", claims.with(raw{"aud": `["` + issuer + `",""]`}), credentials.ReasonAudience, credentials.ReasonAudience},

		{"exp is missing", claims.without("exp"), credentials.ReasonNoExpiry, credentials.ReasonNoExpiry},
		{"exp is now", claims.with(raw{"exp": at(0)}), ok, ok},
		{"exp was 59 s ago", claims.with(raw{"exp": at(-59 * time.Second)}), ok, ok},
		{"exp was 60 s ago", claims.with(raw{"exp": at(-60 * time.Second)}), credentials.ReasonExpired, credentials.ReasonExpired},
		{"exp was 59.5 s ago, which rounds down", claims.with(raw{"exp": at(-60*time.Second) + ".5"}), credentials.ReasonExpired, credentials.ReasonExpired},
		{"exp is 0", claims.with(raw{"exp": "0"}), credentials.ReasonExpired, credentials.ReasonExpired},
		{"exp is negative", claims.with(raw{"exp": "-1"}), credentials.ReasonExpired, credentials.ReasonExpired},
		{"exp is -1e9", claims.with(raw{"exp": "-1e9"}), credentials.ReasonExpired, credentials.ReasonExpired},
		{"exp is 5 min ahead", claims.with(raw{"exp": at(5 * time.Minute)}), ok, ok},
		{"exp is 6 min ahead, 1 of them leeway", claims.with(raw{"exp": at(6 * time.Minute)}), ok, ok},
		{"exp is 6 min and 1 s ahead", claims.with(raw{"exp": at(6*time.Minute + time.Second)}), credentials.ReasonLifetime, ok},
		{"exp is 10 min ahead", claims.with(raw{"exp": at(10 * time.Minute)}), credentials.ReasonLifetime, ok},
		{"exp is 1 h ahead", claims.with(raw{"exp": at(time.Hour)}), credentials.ReasonLifetime, ok},
		{"exp is 61 min ahead, 1 of them leeway", claims.with(raw{"exp": at(61 * time.Minute)}), credentials.ReasonLifetime, ok},
		{"exp is 61 min and 1 s ahead", claims.with(raw{"exp": at(61*time.Minute + time.Second)}), credentials.ReasonLifetime, credentials.ReasonLifetime},
		{"exp is in the year 9999", claims.with(raw{"exp": "253402300799"}), credentials.ReasonLifetime, credentials.ReasonLifetime},
		{"exp has a fraction", claims.with(raw{"exp": at(time.Minute) + ".25"}), ok, ok},
		{"exp has an exponent", claims.with(raw{"exp": "1.9881936e9"}), ok, ok},

		{"nbf is 60 s ahead", claims.with(raw{"nbf": at(60 * time.Second)}), ok, ok},
		{"nbf is 61 s ahead", claims.with(raw{"nbf": at(61 * time.Second)}), credentials.ReasonNotYetValid, credentials.ReasonNotYetValid},
		{"nbf is long ago", claims.with(raw{"nbf": "0"}), ok, ok},
		{"iat is 60 s ahead", claims.with(raw{"iat": at(60 * time.Second)}), ok, ok},
		{"iat is 61 s ahead", claims.with(raw{"iat": at(61 * time.Second)}), credentials.ReasonNotYetValid, credentials.ReasonNotYetValid},
		{"iat is missing", claims.without("iat"), ok, ok},

		{"jti is missing", claims.without("jti"), credentials.ReasonNoID, ok},
		{"jti is one letter", claims.with(raw{"jti": `"x"`}), ok, ok},
		{"jti has a NUL and a line break", claims.with(raw{"jti": `"a\u0000\n"`}), ok, ok},
		{"jti is as long as may be", claims.with(raw{"jti": `"` + strings.Repeat("x", credentials.MaxJTI) + `"`}), ok, ok},

		{"what existing callers sign", raw{"iss": claims["iss"], "sub": claims["sub"], "aud": `"` + api + `"`, "exp": at(10 * time.Minute)},
			credentials.ReasonAudience, ok},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := parsed(t, es256(t, c.claims))
			keys := []credentials.Key{keyOf(t, p256Key())}
			for reason, profile := range map[*string]credentials.Profile{&c.strict: strict, &c.compatible: compatible} {
				v, err := a.Verify(keys, profile, now)
				if *reason != ok {
					requireReason(t, err, *reason)
					require.Zero(t, v)
					continue
				}
				require.NoError(t, err)
				require.Equal(t, clientID, v.ClientID)
			}
		})
	}
}

func TestTheLogSaysWhichAudienceWasOffered(t *testing.T) {
	a := parsed(t, es256(t, claims.with(raw{"aud": `["https://one.example","` + strings.Repeat("x", 3000) + `","3","4","5","6"]`})))
	_, err := a.Verify(nil, compatible, now)
	refusal := requireReason(t, err, credentials.ReasonAudience)
	require.Len(t, refusal.OfferedAudiences, 6)
	require.Equal(t, []string{issuer, endpoint, api, "https://other-api.example"}, refusal.WantedAudiences)
	require.Contains(t, refusal.Error(), `aud is ["https://one.example" "xxx`)
	require.Contains(t, refusal.Error(), `and 2 more], want ["https://issuer.example" `)

	_, err = parsed(t, es256(t, claims.without("aud"))).Verify(nil, strict, now)
	require.EqualError(t, err, `client assertion refused: wrong_audience: aud is [], want ["https://issuer.example"]`)
}

func TestReasonsSayHowFarOff(t *testing.T) {
	for want, c := range map[string]raw{
		"expired_assertion: exp was 1h0m0s ago":                claims.with(raw{"exp": at(-time.Hour)}),
		"assertion_lifetime: exp is 10m0s ahead, at most 5m0s": claims.with(raw{"exp": at(10 * time.Minute)}),
		"assertion_not_yet_valid: nbf is 1m30s ahead":          claims.with(raw{"nbf": at(90 * time.Second)}),
		"missing_jti: no jti":                                  claims.without("jti"),
		"unknown_key: none of 0 keys is for ES256":             claims,
	} {
		_, err := parsed(t, es256(t, c)).Verify(nil, strict, now)
		require.EqualError(t, err, "client assertion refused: "+want)
	}
}

func TestAProfileOfOnesOwn(t *testing.T) {
	a := parsed(t, es256(t, claims.with(raw{"exp": at(20 * time.Minute)}).without("jti")))
	keys := []credentials.Key{keyOf(t, p256Key())}
	profile := credentials.Profile{Audiences: []string{issuer}, MaxLifetime: 20 * time.Minute}
	_, err := a.Verify(keys, profile, now)
	require.NoError(t, err)
	profile.MaxLifetime = 19*time.Minute - time.Second
	_, err = a.Verify(keys, profile, now)
	requireReason(t, err, credentials.ReasonLifetime)
	profile.MaxLifetime = 0 // 5 minutes
	_, err = a.Verify(keys, profile, now.Add(14*time.Minute))
	require.NoError(t, err)
	_, err = a.Verify(keys, profile, now.Add(14*time.Minute-time.Second))
	requireReason(t, err, credentials.ReasonLifetime)
	_, err = a.Verify(keys, credentials.Profile{}, now)
	requireReason(t, err, credentials.ReasonAudience)
	_, err = parsed(t, es256(t, claims.with(raw{"aud": `""`}))).Verify(keys, credentials.Compatible("", ""), now)
	requireReason(t, err, credentials.ReasonAudience)
}

// TestReplayIDs is the pure part of SECURITY 28.
func TestReplayIDs(t *testing.T) {
	keys := []credentials.Key{keyOf(t, p256Key())}
	standIn := compatible
	standIn.ReplayWithoutID = true
	id := func(text string, profile credentials.Profile) string {
		v, err := parsed(t, text).Verify(keys, profile, now)
		require.NoError(t, err)
		if v.ReplayID != "" {
			require.Regexp(t, `^[A-Za-z0-9_-]{43}$`, v.ReplayID)
		}
		return v.ReplayID
	}
	of := func(client, jti string) raw {
		return claims.with(raw{"iss": `"` + client + `"`, "sub": `"` + client + `"`, "jti": `"` + jti + `"`})
	}
	one := id(es256(t, claims), strict)
	require.Equal(t, "ygnoulDH6il7TVquytvzFNu8r5lyOtO1zBMqbYiZZlY", one, "what is spent must be known to the next release")
	require.Equal(t, one, id(es256(t, claims.with(raw{"exp": at(time.Minute)})), strict), "the jti alone counts")
	require.Equal(t, one, id(es256(t, claims), standIn), "in whatever profile")
	require.Equal(t, one, id(es256(t, claims.with(raw{"jti": `"\u006bq3v9x8h2m5n7p1r"`})), strict), "however it is written")
	require.NotEqual(t, one, id(es256(t, claims.with(raw{"jti": `"other"`})), strict))
	require.NotEqual(t, id(es256(t, of("a", "x")), strict), id(es256(t, of("b", "x")), strict), "the same jti of another client is fine")
	require.NotEqual(t, id(es256(t, of("ab", "c")), strict), id(es256(t, of("a", "bc")), strict))

	none := claims.without("jti")
	require.Empty(t, id(es256(t, none), compatible))
	text := es256(t, none)
	standsIn := id(text, standIn)
	require.NotEmpty(t, standsIn)
	again := es256(t, none)
	require.NotEqual(t, text, again, "another signature over the same")
	require.Equal(t, standsIn, id(again, standIn))
	require.NotEqual(t, standsIn, id(es256(t, none.with(raw{"exp": at(time.Minute)})), standIn))
	input := text[:strings.LastIndexByte(text, '.')]
	require.NotEqual(t, standsIn, id(es256(t, claims.with(raw{"jti": `"` + input + `"`})), standIn), "nor can a jti be made to collide with it")
}

// TestWhichKeyCounts is SECURITY 22, 29 and 32.
func TestWhichKeyCounts(t *testing.T) {
	hour := func(n int) time.Time { return now.Add(time.Duration(n) * time.Hour) }
	named := func(key credentials.Key, name string) credentials.Key {
		key, err := key.WithName(name)
		require.NoError(t, err)
		return key
	}
	right, wrong, wrong2 := keyOf(t, rsaKey()), keyOf(t, rsaKey2()), keyFrom(t, "accepted/rsa-3072.pem")
	ec := keyOf(t, p256Key())
	valid := certificateOf(t, rsaKey(), hour(-1), hour(1))
	expired := certificateOf(t, rsaKey(), hour(-2), hour(-1))
	future := certificateOf(t, rsaKey(), hour(1), hour(2))
	published := func(kid string) credentials.Key {
		keys, _, err := credentials.ParseJWKSet(set(strings.Replace(rfcRSA, "{", `{"kid":"`+kid+`",`, 1)))
		require.NoError(t, err)
		return keys[0]
	}
	many := func(n int) []credentials.Key {
		keys := make([]credentials.Key, n)
		for i := range keys {
			keys[i] = wrong
		}
		return keys
	}
	for _, c := range []struct {
		name, header string // the members of the header but alg
		keys         []credentials.Key
		key          int // which one; -1 for none
		reason       string
		missing      bool // whether newer keys might help
	}{
		{"the only key", ``, []credentials.Key{right}, 0, "", false},
		{"the second one of its type", ``, []credentials.Key{wrong, right}, 1, "", false},
		{"the only one of its type", ``, []credentials.Key{ec, right}, 1, "", false},
		{"no key", ``, nil, -1, credentials.ReasonUnknownKey, true},
		{"no key of its type", ``, []credentials.Key{ec}, -1, credentials.ReasonUnknownKey, true},
		{"another key, as when its own was removed", ``, []credentials.Key{wrong}, -1, credentials.ReasonSignature, true},

		{"a kid that is a name", `,"kid":"two"`, []credentials.Key{named(wrong, "one"), named(right, "two")}, 1, "", false},
		{"a kid that is the name of another key", `,"kid":"one"`, []credentials.Key{named(wrong, "one"), named(right, "two")}, -1, credentials.ReasonSignature, false},
		{"a kid that is the name of two", `,"kid":"one"`, []credentials.Key{named(wrong, "one"), named(right, "one")}, 1, "", false},
		{"a kid that is the name of two, of which one fits", `,"kid":"one"`, []credentials.Key{named(ec, "one"), named(right, "one")}, 1, "", false},
		{"a kid that is the name of a key of another type", `,"kid":"one"`, []credentials.Key{named(ec, "one"), named(right, "two")}, -1, credentials.ReasonUnknownKey, false},
		{"a kid in another case than the name", `,"kid":"ONE"`, []credentials.Key{named(wrong, "one"), named(right, "two")}, 1, "", false},
		{"a kid that is a thumbprint", `,"kid":"` + right.Thumbprint() + `"`, []credentials.Key{wrong, right}, 1, "", false},
		{"a kid that is the thumbprint of another key", `,"kid":"` + wrong.Thumbprint() + `"`, []credentials.Key{wrong, right}, -1, credentials.ReasonSignature, false},
		{"a kid of a JWK that is another key", `,"kid":"k"`, []credentials.Key{published("k"), right}, -1, credentials.ReasonSignature, false},
		{"a kid that nobody has", `,"kid":"elsewhere"`, []credentials.Key{named(wrong, "one"), right}, 1, "", false},
		{"a kid that nobody has, of another client's key", `,"kid":"elsewhere"`, []credentials.Key{named(wrong, "one")}, -1, credentials.ReasonUnknownKey, true},
		{"an empty kid is none, and no name either", `,"kid":""`, []credentials.Key{wrong, named(right, "two")}, 1, "", false},

		{"an x5t", `,"x5t":"` + valid.X5T() + `"`, []credentials.Key{wrong, valid}, 1, "", false},
		{"an x5t#S256", `,"x5t#S256":"` + valid.X5TS256() + `"`, []credentials.Key{wrong, valid}, 1, "", false},
		{"an x5t of another certificate", `,"x5t":"` + keyFrom(t, "accepted/certificate-rsa.pem").X5T() + `"`,
			[]credentials.Key{keyFrom(t, "accepted/certificate-rsa.pem"), valid}, -1, credentials.ReasonSignature, false},
		{"an x5t#S256 of another certificate", `,"x5t#S256":"` + keyFrom(t, "accepted/certificate-rsa.pem").X5TS256() + `"`,
			[]credentials.Key{keyFrom(t, "accepted/certificate-rsa.pem"), valid}, -1, credentials.ReasonSignature, false},
		{"an x5t that nobody has", `,"x5t":"AAAA"`, []credentials.Key{wrong, valid}, 1, "", false},
		{"an empty x5t, which keys without a certificate have too", `,"x5t":"","x5t#S256":""`, []credentials.Key{wrong, right}, 1, "", false},

		{"a certificate that is valid", ``, []credentials.Key{valid}, 0, "", false},
		{"a certificate that expired", ``, []credentials.Key{expired}, -1, credentials.ReasonKeyNotValid, false},
		{"a certificate that is not yet valid", ``, []credentials.Key{future}, -1, credentials.ReasonKeyNotValid, false},
		{"a certificate that expired, and its renewal", ``, []credentials.Key{expired, valid}, 1, "", false},
		{"a certificate that expired, by its thumbprint, and its renewal", `,"x5t":"` + expired.X5T() + `"`, []credentials.Key{expired, valid}, -1, credentials.ReasonKeyNotValid, false},
		{"a certificate that expired, and another key", ``, []credentials.Key{expired, wrong}, -1, credentials.ReasonSignature, true},

		{"the tenth of its type", ``, append(many(9), right), 9, "", false},
		{"the eleventh of its type", ``, append(many(10), right), -1, credentials.ReasonSignature, true},
		{"the eleventh of its type, by its name", `,"kid":"k"`, append(many(10), named(right, "k")), 10, "", false},
		{"the tenth behind a hundred of other types", ``, append(append(repeat(ec, 100), many(9)...), right), 109, "", false},
		{"the tenth behind a hundred that expired", ``, append(append(repeat(expired, 100), wrong2), right), 101, "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := parsed(t, signed(t, "RS256", rsaKey(), `{"alg":"RS256"`+c.header+`}`, claims.String()))
			v, err := a.Verify(c.keys, strict, now)
			if c.key < 0 {
				refusal := requireReason(t, err, c.reason)
				require.Equal(t, c.missing, refusal.KeyMissing)
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.keys[c.key], v.Key)
			require.Equal(t, credentials.Proof{
				Method: credentials.MethodPublicKeys, ID: right.Thumbprint(), ExpiresAt: c.keys[c.key].NotAfter(),
			}, v.Proof(credentials.MethodPublicKeys))
		})
	}
	t.Run("a certificate counts to the last moment of its validity", func(t *testing.T) {
		key := certificateOf(t, rsaKey(), now, now)
		a := parsed(t, signed(t, "RS256", rsaKey(), `{"alg":"RS256"}`, claims.String()))
		_, err := a.Verify([]credentials.Key{key}, strict, now)
		require.NoError(t, err)
		for _, d := range []time.Duration{-1, 1} {
			_, err := a.Verify([]credentials.Key{key}, strict, now.Add(d))
			requireReason(t, err, credentials.ReasonKeyNotValid)
		}
	})
}

func repeat(key credentials.Key, n int) []credentials.Key {
	keys := make([]credentials.Key, n)
	for i := range keys {
		keys[i] = key
	}
	return keys
}

func TestOfTenThousandKeysTenAreTried(t *testing.T) { // SECURITY 32
	a := parsed(t, es256(t, claims))
	for keys, tried := range map[int]int{1: 1, 9: 9, 10: 10, 11: 10, 10_000: 10} {
		_, err := a.Verify(repeat(keyFrom(t, "accepted/ec-p256.pem"), keys), strict, now)
		refusal := requireReason(t, err, credentials.ReasonSignature)
		require.Equal(t, fmt.Sprintf("by ES256, %d tried", tried), refusal.Detail)
	}
}

func TestAnAssertionMayBeVerifiedByManyAtOnce(t *testing.T) {
	a := parsed(t, es256(t, claims))
	keys := []credentials.Key{keyOf(t, p256Key())}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if _, err := a.Verify(keys, strict, now); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}
