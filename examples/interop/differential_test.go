package interop_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	mathrand "math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	josejwt "github.com/go-jose/go-jose/v4/jwt"
	"github.com/golang-jwt/jwt/v5"
	"github.com/lestrrat-go/jwx/v3/jwa"
	jwxjwt "github.com/lestrrat-go/jwx/v3/jwt"
	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/credentials"
	"github.com/clientele-go/clientele/internal/jws"
	"github.com/clientele-go/clientele/token/verifier"
)

var (
	mutants = flag.Int("mutants", 10_000, "how many mutated tokens of each kind TestNothingIsAcceptedThatAPeerRefuses tries")
	seed    = flag.Uint64("seed", 1, "from which seed it makes them")
)

// accepted explains what a peer refuses and we accept, by what has been done to the
// token and what the peer says. All else fails the test.
var accepted = []struct{ mutation, peer, says, why string }{
	{`header "jwk"`, "go-jose", "JWK", ignoredKey},
	{`header "jwk"`, "go-jose", "embedded jwk", ignoredKey},
	{`header "x5c"`, "go-jose", "x5c", ignoredKey},
	{`header "nonce"`, "go-jose", "nonce", "a member that has no meaning here (RFC 7515 §4.3), whatever it holds"},
	{`claims "iat"`, "go-jose", "(iat)", earlyToken},
	{`claims "iat"`, "jwx", `"iat"`, earlyToken},
	{`claims "aud"="https://api.example.com"`, "golang-jwt", "audience", ourAudience},
	{`claims "aud"="https://api.example.com"`, "go-jose", "aud", ourAudience},
	{`claims "aud"="https://api.example.com"`, "jwx", `"aud"`, ourAudience},
}

const (
	ignoredKey  = "keys that a header brings along are not looked at, well formed or not (RFC 8725 §3.5)"
	earlyToken  = "an iat ahead of the clock is no reason to refuse an access token, which has nbf for that (RFC 7519 §4.1.6)"
	ourAudience = "the compatible profile takes the audiences of the resource servers too"
)

// A member is one of a JSON object, as it is written.
type member struct{ name, value string }

// A bent is a token on its way: its members, and then its three parts.
type bent struct {
	header, claims []member
	did            []string // what was done to it
}

func (j *bent) clone() *bent {
	return &bent{header: slices.Clone(j.header), claims: slices.Clone(j.claims), did: slices.Clone(j.did)}
}

func quote(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func object(members []member, before, between, after string) string {
	var b strings.Builder
	b.WriteString(before + "{")
	for n, m := range members {
		if n > 0 {
			b.WriteString("," + between)
		}
		b.WriteString(m.name + between + ":" + m.value)
	}
	b.WriteString("}" + after)
	return b.String()
}

// values are what may stand in the place of any value.
var values = []string{
	`null`, `true`, `false`, `0`, `-0`, `-1`, `1`, `1.5`, `1e3`, `1e400`, `-1e400`, `1E+2`, `01`, `0x10`, `NaN`, `Infinity`, `9007199254740993`,
	`9223372036854775807`, `9223372036854775808`, `253402300799`, `253402300800`, `""`, `" "`, `"none"`, `"\u0000"`, `"\ud800"`, `"\udc00\ud800"`,
	"\"\xff\"", "\"\n\"", `"a`, `[]`, `[""]`, `[null]`, `[[]]`, `[1]`, `{}`, `{"a":1,"a":2}`, `[{"a":1,"a":2}]`, `"../../etc/passwd"`, `"' OR 1=1 --"`, ``,
}

// headerValues and claimValues are what may stand there in particular.
var headerValues = map[string][]string{
	"alg":  {`"none"`, `"None"`, `"NONE"`, `"nOnE"`, `"HS256"`, `"RS256"`, `"ES384"`, `"ES256K"`, `"es256"`, `"ES256 "`, `"EdDSA"`, `"dir"`, `["ES256"]`, `"\u0045S256"`},
	"typ":  {`"JWT"`, `"jwt"`, `"at+jwt"`, `"AT+JWT"`, `"application/at+jwt"`, `"application/jwt"`, `"client-authentication+jwt"`, `"JWE"`, `"JOSE"`, `"JOSE+JSON"`, `"dpop+jwt"`, `"\u004aWT"`},
	"kid":  {`"1"`, `"key"`, `"KEY"`, `"\u006bey"`, `"key\u0000"`},
	"cty":  {`"JWT"`, `"json"`},
	"crit": {`[]`, `["exp"]`, `["b64"]`, `["alg"]`, `["kid","kid"]`, `"exp"`, `[1]`, `["urn:x"]`},
	"b64":  {`true`, `false`, `"false"`},
	"zip":  {`"DEF"`}, "enc": {`"A128GCM"`},
	"jwk": {`{"kty":"oct","k":"AA"}`, `{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}`, `{}`, `"x"`},
	"jku": {`"https://evil.example/keys"`, `"file:///etc/passwd"`, `"://"`}, "x5u": {`"https://evil.example/x"`, `"://"`},
	"x5c": {`["AA=="]`, `[]`, `"AA"`}, "x5t": {`"AA"`, `"***"`}, "x5t#S256": {`"AA"`, `"***"`},
	"nonce": {`"x"`}, "iss": {`"other"`}, "epk": {`{}`}, "ppt": {`"shaken"`}, "url": {`"https://evil.example/"`}, "iv": {`"AA"`}, "tag": {`"AA"`}, "p2c": {`1000000000`},
}

func (j *bent) note(format string, args ...any) { j.did = append(j.did, fmt.Sprintf(format, args...)) }

// mutate does one thing to one of the two objects.
func (j *bent) mutate(r *mathrand.Rand, claimValues map[string][]string) {
	part, where, special := &j.header, "header", headerValues
	if r.IntN(2) == 0 {
		part, where, special = &j.claims, "claims", claimValues
	}
	pick := func(list []string) string { return list[r.IntN(len(list))] }
	at := func() int { return r.IntN(len(*part)) }
	if len(*part) == 0 {
		return
	}
	var names []string
	for name := range special {
		names = append(names, name)
	}
	slices.Sort(names)
	switch r.IntN(9) {
	case 0: // another value for a member
		n := at()
		(*part)[n].value = pick(values)
		j.note("%s %s=%s", where, (*part)[n].name, (*part)[n].value)
	case 1, 2: // a value of its own kind, there or not
		name := pick(names)
		value := pick(special[name])
		n := slices.IndexFunc(*part, func(m member) bool { return m.name == quote(name) })
		if n < 0 {
			*part = append(*part, member{quote(name), value})
		} else {
			(*part)[n].value = value
		}
		j.note("%s %q=%s", where, name, value)
	case 3: // gone
		n := at()
		j.note("%s without %s", where, (*part)[n].name)
		*part = slices.Delete(*part, n, n+1)
	case 4: // twice, with the same or another value
		m := (*part)[at()]
		if r.IntN(2) == 0 {
			m.value = pick(values)
		}
		*part = slices.Insert(*part, r.IntN(len(*part)+1), m)
		j.note("%s twice %s=%s", where, m.name, m.value)
	case 5: // the name in another case or with an escape, instead or besides
		n := at()
		m := (*part)[n]
		bare := strings.Trim(m.name, `"`)
		if bare == "" {
			return
		}
		switch r.IntN(4) {
		case 0:
			m.name = quote(strings.ToUpper(bare))
		case 1:
			m.name = quote(strings.ToUpper(bare[:1]) + bare[1:])
		case 2:
			m.name = fmt.Sprintf(`"\u%04x%s"`, bare[0], bare[1:])
		default:
			m.name = quote(strings.ReplaceAll(strings.ReplaceAll(bare, "s", "ſ"), "k", "\u212a"))
		}
		if r.IntN(2) == 0 {
			(*part)[n] = m
			j.note("%s named %s", where, m.name)
		} else {
			if r.IntN(2) == 0 {
				m.value = pick(values)
			}
			*part = append(*part, m)
			j.note("%s also named %s=%s", where, m.name, m.value)
		}
	case 6: // a string as an array or with escapes, a number as a string or a float
		n := at()
		v := (*part)[n].value
		switch {
		case strings.HasPrefix(v, `"`) && len(v) > 2 && r.IntN(2) == 0:
			(*part)[n].value = fmt.Sprintf(`"\u%04X%s`, v[1], v[2:])
		case strings.HasPrefix(v, `"`):
			(*part)[n].value = "[" + v + "]"
		default:
			(*part)[n].value = pick([]string{`"` + v + `"`, v + ".0", v + ".9", v + "e0", v + "000", "[" + v + "]", "-" + v, " " + v + "\t", "+" + v, v + "."})
		}
		j.note("%s %s=%s", where, (*part)[n].name, (*part)[n].value)
	case 7: // something that nobody knows
		m := member{pick([]string{`"x"`, `""`, `"\u0000"`, "\"\xff\"", `"__proto__"`, `"\ud800"`, `x`, `1`}), pick(values)}
		*part = append(*part, m)
		j.note("%s also %s=%s", where, m.name, m.value)
	case 8: // another order
		r.Shuffle(len(*part), func(a, b int) { (*part)[a], (*part)[b] = (*part)[b], (*part)[a] })
		j.note("%s in another order", where)
	}
}

// sign signs the token and, some of the time, does something to how it is written.
func (j *bent) sign(t testing.TB, r *mathrand.Rand, key *ecdsa.PrivateKey) string {
	pick := func(list ...string) string {
		if r.IntN(6) > 0 {
			return ""
		}
		s := list[r.IntN(len(list))]
		j.note("text %q", s)
		return s
	}
	space := []string{" ", "\n", "\r\n\t", "\v", "\u00a0", "\ufeff", "\x00", "/**/"}
	trailing := append([]string{"{}", "null", "}", ",", "x"}, space...)
	parts := []string{
		object(j.header, pick(space...), pick(space...), pick(trailing...)),
		object(j.claims, pick(space...), pick(space...), pick(trailing...)),
	}
	encode := base64.RawURLEncoding.EncodeToString
	input := encode([]byte(parts[0])) + "." + encode([]byte(parts[1]))
	changed := func(s, how string) string {
		j.note("base64 %s", how)
		return s
	}
	bend := func(s string) string { // the same bytes, written in another way
		switch r.IntN(12) {
		case 0:
			return changed(s+strings.Repeat("=", (4-len(s)%4)%4), "padded")
		case 1:
			return changed(s[:len(s)/2]+"\n"+s[len(s)/2:], "with a line break")
		case 2:
			return changed(strings.NewReplacer("-", "+", "_", "/").Replace(s), "in the other alphabet")
		case 3:
			if len(s)%4 == 0 {
				return s
			}
			const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
			last := strings.IndexByte(alphabet, s[len(s)-1])
			return changed(s[:len(s)-1]+string(alphabet[last|1]), "with bits at the end")
		case 4:
			return changed(s+" ", "with a space")
		}
		return s
	}
	// Bent before or after it is signed: both are forms that somebody may take.
	if r.IntN(4) == 0 {
		header, claims, _ := strings.Cut(input, ".")
		input = bend(header) + "." + bend(claims)
	}
	signature, err := jws.Sign(jws.ES256, key, []byte(input), nil)
	require.NoError(t, err)
	text := encode(signature)
	if r.IntN(4) == 0 {
		text = bend(text)
	}
	switch r.IntN(30) {
	case 0:
		text = changed("", "without a signature")
	case 1:
		text = changed(encode(make([]byte, 64)), "of zeros")
	case 2:
		text = changed(text+".", "with a dot more")
	case 3:
		text = changed(text+".e30.e30", "of five parts")
	case 4:
		der, err := ecdsa.SignASN1(rand.Reader, key, make([]byte, 32))
		require.NoError(t, err)
		text = changed(encode(der), "of DER")
	case 5:
		return changed("Bearer "+input+"."+text, "behind Bearer")
	case 6:
		return changed(fmt.Sprintf(`{"payload":%q,"protected":%q,"signature":%q}`, strings.Split(input, ".")[1], strings.Split(input, ".")[0], text), "as JSON")
	case 7:
		return changed(" "+input+"."+text+"\n", "in white space")
	}
	return input + "." + text
}

// A kind is one of the two kinds of tokens, with what takes them.
type kind struct {
	name        string
	good        bent
	claimValues map[string][]string
	ours        func(raw string) error
	issuer      string
	audience    string
}

var noon = time.Date(2026, 5, 17, 12, 0, 0, 0, time.UTC)

func kinds(t testing.TB, key *ecdsa.PrivateKey) []kind {
	const issuer, aud = "https://auth.example.com", "https://api.example.com"
	times := func(name string) map[string][]string {
		m := map[string][]string{}
		for _, claim := range []string{"exp", "nbf", "iat"} {
			for _, ahead := range []int64{-3600, -61, -60, -59, 0, 59, 60, 61, 300, 3600, 3661, 86400} {
				m[claim] = append(m[claim], fmt.Sprint(noon.Unix()+ahead), fmt.Sprintf("%d.5", noon.Unix()+ahead), fmt.Sprintf("%de-3", (noon.Unix()+ahead)*1000))
			}
		}
		m["iss"] = []string{quote(name), `"other"`, quote(name + "/"), quote(strings.ToUpper(name))}
		return m
	}
	public, err := jws.PublicJWK(key.Public(), "key", jws.ES256, "sig")
	require.NoError(t, err)

	keys, _, err := credentials.ParseJWKSet(fmt.Appendf(nil, `{"keys":[%s]}`, public))
	require.NoError(t, err)
	assertion := kind{
		name: "assertion", issuer: "client", audience: issuer, claimValues: times("client"),
		good: bent{
			header: []member{{`"alg"`, `"ES256"`}, {`"typ"`, `"JWT"`}, {`"kid"`, `"key"`}},
			claims: []member{
				{`"iss"`, `"client"`}, {`"sub"`, `"client"`}, {`"aud"`, quote(issuer)}, {`"exp"`, fmt.Sprint(noon.Unix() + 120)},
				{`"iat"`, fmt.Sprint(noon.Unix())}, {`"nbf"`, fmt.Sprint(noon.Unix())}, {`"jti"`, `"id"`},
			},
		},
		ours: func(raw string) error {
			a, err := credentials.ParseAssertion(raw)
			if err != nil {
				return err
			}
			v, err := a.Verify(keys, credentials.Compatible(issuer, issuer+"/token", aud), noon)
			if err == nil && v.ClientID != "client" {
				return errors.New("another client")
			}
			return err
		},
	}
	assertion.claimValues["aud"] = []string{quote(issuer), quote(aud), `["` + issuer + `","https://evil.example"]`, quote(issuer + "/"), `["` + issuer + `"]`}
	assertion.claimValues["sub"] = []string{`"client"`, `"other"`, `"Client"`}
	assertion.claimValues["jti"] = []string{`"id"`, quote(strings.Repeat("x", 2000))}

	v, err := verifier.New(verifier.Config{
		Issuer: issuer, Audience: aud, Keys: staticKeys(fmt.Sprintf(`{"keys":[%s]}`, public)), Now: func() time.Time { return noon },
	})
	require.NoError(t, err)
	access := kind{
		name: "access token", issuer: issuer, audience: aud, claimValues: times(issuer),
		good: bent{
			header: []member{{`"alg"`, `"ES256"`}, {`"typ"`, `"at+jwt"`}, {`"kid"`, `"key"`}},
			claims: []member{
				{`"iss"`, quote(issuer)}, {`"sub"`, `"client"`}, {`"client_id"`, `"client"`}, {`"aud"`, quote(aud)}, {`"scope"`, `"a b"`},
				{`"exp"`, fmt.Sprint(noon.Unix() + 600)}, {`"iat"`, fmt.Sprint(noon.Unix())}, {`"jti"`, `"id"`},
			},
		},
		ours: func(raw string) error { _, err := v.Verify(context.Background(), raw); return err },
	}
	access.claimValues["aud"] = []string{quote(aud), `"https://api.example.co"`, quote(aud + "/"), `["https://other.example","` + aud + `"]`, `["https://other.example"]`}
	access.claimValues["scope"] = []string{`"a"`, `["a","b"]`, `"a  b"`}
	return []kind{assertion, access}
}

type staticKeys string

func (s staticKeys) JWKSet(context.Context) ([]byte, time.Duration, error) {
	return []byte(s), time.Hour, nil
}

// peers are the libraries of others, as a careful program uses them.
func peers(k kind, key *ecdsa.PrivateKey) map[string]func(raw string) error {
	const leeway = time.Minute
	return map[string]func(string) error{
		"golang-jwt": func(raw string) error {
			_, err := jwt.ParseWithClaims(raw, jwt.MapClaims{}, func(*jwt.Token) (any, error) { return key.Public(), nil },
				jwt.WithValidMethods([]string{"ES256"}), jwt.WithIssuer(k.issuer), jwt.WithAudience(k.audience), jwt.WithExpirationRequired(),
				jwt.WithLeeway(leeway), jwt.WithStrictDecoding(), jwt.WithTimeFunc(func() time.Time { return noon }))
			return err
		},
		"go-jose": func(raw string) error {
			parsed, err := josejwt.ParseSigned(raw, []jose.SignatureAlgorithm{jose.ES256})
			if err != nil {
				return err
			}
			var claims josejwt.Claims
			if err := parsed.Claims(key.Public(), &claims); err != nil {
				return err
			}
			if claims.Expiry == nil {
				return errors.New("no exp")
			}
			return claims.ValidateWithLeeway(josejwt.Expected{Issuer: k.issuer, AnyAudience: josejwt.Audience{k.audience}, Time: noon}, leeway)
		},
		"jwx": func(raw string) error {
			_, err := jwxjwt.Parse([]byte(raw), jwxjwt.WithKey(jwa.ES256(), key.Public()), jwxjwt.WithIssuer(k.issuer), jwxjwt.WithAudience(k.audience),
				jwxjwt.WithRequiredClaim("exp"), jwxjwt.WithAcceptableSkew(leeway), jwxjwt.WithClock(jwxjwt.ClockFunc(func() time.Time { return noon })))
			return err
		},
	}
}

// SECURITY 19-28: tokens that somebody who knows JOSE has bent, each signed by the
// right key: what golang-jwt, go-jose or jwx refuses, we refuse too, but for what is
// explained.
func TestNothingIsAcceptedThatAPeerRefuses(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	for _, k := range kinds(t, key) {
		t.Run(k.name, func(t *testing.T) {
			r := mathrand.New(mathrand.NewPCG(*seed, 9))
			others := peers(k, key)
			good := k.good.clone()
			still := mathrand.New(still{})
			raw := good.sign(t, still, key)
			require.Empty(t, good.did)
			require.NoError(t, k.ours(raw))
			for name, refuses := range others {
				require.NoError(t, refuses(raw), name)
			}
			took, refused := 0, 0
			for range *mutants {
				j := k.good.clone()
				for range 1 + r.IntN(2) {
					j.mutate(r, k.claimValues)
				}
				raw := j.sign(t, r, key)
				if k.ours(raw) != nil {
					refused++
					continue
				}
				took++
				for name, refuses := range others {
					if err := refuses(raw); err != nil && !explained(j, name, err) {
						t.Errorf("%s refuses what we accept: %v\n%q\n%s", name, err, j.did, raw)
					}
				}
			}
			require.Greater(t, took, *mutants/20, "the generator makes things that nobody takes")
			t.Logf("%d accepted, %d refused", took, refused)
		})
	}
}

func explained(j *bent, peer string, err error) bool {
	return slices.ContainsFunc(accepted, func(a struct{ mutation, peer, says, why string }) bool {
		return a.peer == peer && strings.Contains(err.Error(), a.says) && strings.Contains(strings.Join(j.did, "\n"), a.mutation)
	})
}

// still is a source of chance that leaves everything as it is.
type still struct{}

func (still) Uint64() uint64 { return 1<<64 - 1 }
