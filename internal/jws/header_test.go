package jws_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/clientele-go/clientele/internal/jws"
	"github.com/stretchr/testify/require"
)

func TestSplit(t *testing.T) {
	c, err := jws.Split("a.b.c", 5)
	require.NoError(t, err)
	require.Equal(t, jws.Compact{Header: "a", Payload: "b", Signature: "c", SigningInput: "a.b"}, c)
	for name, token := range map[string]string{
		"nothing":                 ``,
		"one part":                `a`,
		"two parts":               `a.b`,
		"four parts":              `a.b.c.d`,
		"five parts":              `a.b.c.d.e`,
		"a dot at the end":        `a.b.c.`,
		"no header":               `.b.c`,
		"no payload":              `a..c`,
		"no signature":            `a.b.`,
		"dots alone":              `..`,
		"a million dots":          strings.Repeat(".", 1_000_000),
		"one byte over the limit": `a.b.` + strings.Repeat("c", 1<<20),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := jws.Split(token, 1<<20)
			require.ErrorIs(t, err, jws.ErrMalformed)
		})
	}
}

func TestDecode(t *testing.T) {
	for _, text := range []string{"", "a", "ab", "abc", "abcd", "\xff\xfe\xfd\xfc\xfb"} {
		part := base64.RawURLEncoding.EncodeToString([]byte(text))
		got, err := jws.Decode([]byte("before"), []byte(part))
		require.NoError(t, err)
		require.Equal(t, "before"+text, string(got))
	}
	for name, part := range map[string]string{
		"padding":                       "YQ==",
		"one letter":                    "Y",
		"five letters":                  "YWJjY",
		"trailing bits":                 "YR",
		"trailing bits of three":        "YWJ",
		"a line feed":                   "YWJj\nYWJj",
		"a line feed at the end":        "YWJjYWJj\n",
		"a line feed that makes four":   "YWJ\n",
		"a carriage return":             "YW\rJj",
		"line feeds for a full group":   "YWJj\n\n\n\n",
		"a line feed alone":             "\n",
		"two line feeds alone":          "\n\n",
		"line feeds in a short one":     "Y\nQ",
		"a line feed after two":         "YQ\n",
		"a plus":                        "+/+/",
		"a space":                       "YW Jj",
		"a space before":                " YWJj",
		"a dot":                         "YW.J",
		"a NUL":                         "YWJ\x00",
		"a byte order mark":             "\ufeffYWJj",
		"a letter that is not in ASCII": "YWé",
	} {
		t.Run(name, func(t *testing.T) {
			got, err := jws.Decode([]byte("before"), []byte(part))
			require.ErrorIs(t, err, jws.ErrMalformed)
			require.Equal(t, "before", string(got))
		})
	}
}

func TestParseHeader(t *testing.T) {
	for name, c := range map[string]struct {
		header string
		want   jws.Header
	}{
		"alg alone":             {`{"alg":"ES256"}`, jws.Header{Algorithm: "ES256"}},
		"an unknown alg":        {`{"alg":"none"}`, jws.Header{Algorithm: "none"}},
		"typ and kid":           {`{"kid":"1","typ":"at+jwt","alg":"ES256"}`, jws.Header{Algorithm: "ES256", Type: "at+jwt", HasType: true, KeyID: "1", HasKeyID: true}},
		"an empty typ":          {`{"alg":"ES256","typ":""}`, jws.Header{Algorithm: "ES256", HasType: true}},
		"an empty kid":          {`{"alg":"ES256","kid":""}`, jws.Header{Algorithm: "ES256", HasKeyID: true}},
		"thumbprints":           {`{"alg":"ES256","x5t":"a","x5t#S256":"b"}`, jws.Header{Algorithm: "ES256", X5T: "a", X5TS256: "b"}},
		"keys that it brings":   {`{"alg":"ES256","jwk":{"kty":"oct","k":"AA"},"jku":"https://evil.example","x5c":["AA"],"x5u":"https://evil.example"}`, jws.Header{Algorithm: "ES256"}},
		"a member of one's own": {`{"alg":"ES256","x":{"y":[1]}}`, jws.Header{Algorithm: "ES256"}},
		"an escape":             {`{"\u0061lg":"E\u0053256"}`, jws.Header{Algorithm: "ES256"}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := jws.ParseHeader([]byte(c.header))
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		})
	}
	for name, header := range map[string]string{
		"nothing":                ``,
		"no object":              `["alg"]`,
		"no alg":                 `{}`,
		"an empty alg":           `{"alg":""}`,
		"an alg in another case": `{"ALG":"ES256"}`,
		"alg is a number":        `{"alg":256}`,
		"alg is null":            `{"alg":null}`,
		"alg is a list":          `{"alg":["ES256"]}`,
		"alg twice":              `{"alg":"ES256","alg":"none"}`,
		"alg twice, escaped":     `{"alg":"ES256","\u0061lg":"none"}`,
		"typ is a number":        `{"alg":"ES256","typ":1}`,
		"kid is a number":        `{"alg":"ES256","kid":1}`,
		"kid is null":            `{"alg":"ES256","kid":null}`,
		"x5t is a list":          `{"alg":"ES256","x5t":[]}`,
		"x5t#S256 is a number":   `{"alg":"ES256","x5t#S256":1}`,
		"crit":                   `{"alg":"ES256","crit":["b64"]}`,
		"crit of nothing":        `{"alg":"ES256","crit":[]}`,
		"crit is null":           `{"alg":"ES256","crit":null}`,
		"b64 is false":           `{"alg":"ES256","b64":false}`,
		"b64 is true":            `{"alg":"ES256","b64":true}`,
		"zip":                    `{"alg":"ES256","zip":"DEF"}`,
		"more behind":            `{"alg":"ES256"}{}`,
		"invalid UTF-8":          "{\"alg\":\"ES256\",\"kid\":\"\xff\"}",
		"nested too deeply":      `{"alg":"ES256","x":` + strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000) + `}`,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := jws.ParseHeader([]byte(header))
			require.ErrorIs(t, err, jws.ErrMalformed)
		})
	}
}

// FuzzDecode checks that what decodes is the only way to write what it decodes
// to.
func FuzzDecode(f *testing.F) {
	for _, part := range []string{"", "YQ", "YWJj", "YWJj\n", "YR", "YQ==", "_-_-"} {
		f.Add([]byte(part))
	}
	f.Fuzz(func(t *testing.T, part []byte) {
		decoded, err := jws.Decode(nil, part)
		if err == nil {
			require.Equal(t, string(part), base64.RawURLEncoding.EncodeToString(decoded))
		}
	})
}

func FuzzParseHeader(f *testing.F) {
	for _, header := range []string{`{"alg":"ES256","kid":"1","typ":"at+jwt"}`, `{"alg":"ES256","crit":["b64"]}`, `{"alg":"ES256","\u0061lg":"none"}`} {
		f.Add([]byte(header))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		header, err := jws.ParseHeader(data)
		if err != nil {
			require.ErrorIs(t, err, jws.ErrMalformed)
			require.Zero(t, header)
			return
		}
		require.NotEmpty(t, header.Algorithm)
	})
}
