package strictjson_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/clientele-go/clientele/internal/strictjson"
	"github.com/stretchr/testify/require"
)

// read reads data to the end, nested values too, into what encoding/json makes
// of the same text with UseNumber.
func read(data []byte) (map[string]any, error) {
	var object strictjson.Object
	object.Reset(data)
	all := members(&object)
	return all, object.Err()
}

func members(object *strictjson.Object) map[string]any {
	all := map[string]any{}
	for object.Next() {
		all[string(object.Key())] = decoded(object.Value())
	}
	return all
}

func decoded(v strictjson.Value) any {
	switch v.Kind {
	case strictjson.KindTrue, strictjson.KindFalse:
		b, _ := v.Bool()
		return b
	case strictjson.KindNumber:
		return json.Number(v.Raw())
	case strictjson.KindString:
		text, _ := v.Text()
		return text
	case strictjson.KindArray:
		list := []any{}
		for elements := v.Elements(); elements.Next(); {
			list = append(list, decoded(elements.Value()))
		}
		return list
	case strictjson.KindObject:
		var object strictjson.Object
		v.Members(&object)
		return members(&object)
	}
	return nil
}

func nested(depth int, open, end string) string {
	return strings.Repeat(open, depth) + strings.Repeat(end, depth)
}

func many(n int, last string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `"m%d":%d,`, i, i)
	}
	return "{" + b.String() + last + "}"
}

func TestAccepted(t *testing.T) {
	for name, data := range map[string]string{
		"an empty object":                      `{}`,
		"white space wherever it is allowed":   " \t\r\n{ \"a\" :\t1 ,\r\n\"b\" : [ 1 , { } , [ ] ] } \n",
		"each kind of value":                   `{"a":null,"b":true,"c":false,"d":-1.5e3,"e":"x","f":[1,"y"],"g":{"h":{}}}`,
		"every escape":                         `{"a":"\"\\\/\b\f\n\r\t\u0041\u00e9\u20AC"}`,
		"an escaped surrogate pair":            `{"a":"\ud83d\ude00"}`,
		"an escaped name":                      `{"\u0061\n":1}`,
		"UTF-8 of all lengths":                 `{"é€😀":"é€😀"}`,
		"an escaped NUL":                       `{"a":"\u0000"}`,
		"names that begin alike":               `{"organisation1":1,"organisation2":2,"organisation":3}`,
		"names that differ in case":            `{"a":1,"A":2}`,
		"a name again in another object":       `{"a":{"a":{"a":1}},"b":[{"a":1},{"a":1}]}`,
		"objects nested as deep as allowed":    nested(strictjson.MaxDepth, `{"a":`, `}`)[:5*strictjson.MaxDepth] + "1" + strings.Repeat("}", strictjson.MaxDepth),
		"arrays nested as deep as allowed":     `{"a":` + nested(strictjson.MaxDepth-1, "[", "]") + `}`,
		"the largest number of float64":        `{"a":1.7976931348623157e308}`,
		"a number that float64 rounds to zero": `{"a":1e-400}`,
		"a whole number of 309 digits":         `{"a":1` + strings.Repeat("0", 308) + `}`,
		"a thousand members":                   many(1000, `"z":1`),
	} {
		t.Run(name, func(t *testing.T) {
			got, err := read([]byte(data))
			require.NoError(t, err)
			dec := json.NewDecoder(strings.NewReader(data))
			dec.UseNumber()
			var want map[string]any
			require.NoError(t, dec.Decode(&want))
			require.Equal(t, want, got)
		})
	}
}

func TestRefused(t *testing.T) {
	for name, data := range map[string]string{
		"nothing":                             ``,
		"white space alone":                   ` `,
		"a string":                            `"a"`,
		"an array":                            `[]`,
		"a number":                            `1`,
		"null":                                `null`,
		"a byte order mark":                   "\ufeff{}",
		"a NUL before the object":             "\x00{}",
		"no end":                              `{`,
		"no end after a name":                 `{"a"`,
		"no end after a colon":                `{"a":`,
		"no end after a value":                `{"a":1`,
		"no end after a comma":                `{"a":1,`,
		"no end of a string":                  `{"a":"`,
		"no end of an array":                  `{"a":[`,
		"no end of an array after an element": `{"a":[1`,
		"no end of a nested object":           `{"a":{`,
		"a comma before the end":              `{"a":1,}`,
		"a comma at the start":                `{,"a":1}`,
		"a comma before the end of an array":  `{"a":[1,]}`,
		"no comma":                            `{"a":1 "b":2}`,
		"no comma in an array":                `{"a":[1 2]}`,
		"no comma in a nested object":         `{"a":{"b":1 "c":2}}`,
		"no colon":                            `{"a" 1}`,
		"a name that is no string":            `{1:1}`,
		"a name without quotes":               `{a:1}`,
		"single quotes":                       `{'a':1}`,
		"a comment":                           `{"a":1/**/}`,
		"a form feed as white space":          "{\f}",
		"a no-break space as white space":     "{\u00a0}",
		"a second object":                     `{}{}`,
		"text behind":                         `{} x`,
		"a closing brace behind":              `{}}`,
		"a NUL behind":                        "{}\x00",
		"a member twice":                      `{"a":1,"a":1}`,
		"a member twice with others between":  `{"a":1,"b":2,"a":1}`,
		"a member twice, one with an escape":  `{"a":1,"\u0061":1}`,
		"a member twice, both with escapes":   `{"\u0061":1,"\u0061":1}`,
		"the empty name twice":                `{"":1,"":1}`,
		"a nested member twice":               `{"a":{"b":1,"b":2}}`,
		"a nested member twice in an array":   `{"a":[{"b":1,"b":2}]}`,
		"a member of many twice":              many(100, `"m99":1`),
		"a first member of many twice":        many(100, `"m0":1`),
		"objects nested too deeply":           nested(strictjson.MaxDepth+1, `{"a":`, `}`)[:5*(strictjson.MaxDepth+1)] + "1" + strings.Repeat("}", strictjson.MaxDepth+1),
		"arrays nested too deeply":            `{"a":` + nested(strictjson.MaxDepth, "[", "]") + `}`,
		"arrays nested ten thousand deep":     `{"a":` + nested(10_000, "[", "]") + `}`,
		"arrays that never end":               `{"a":` + strings.Repeat("[", 100_000),
		"invalid UTF-8 in a value":            "{\"a\":\"\xff\"}",
		"invalid UTF-8 in a name":             "{\"\xff\":1}",
		"an overlong form":                    "{\"a\":\"\xc0\x80\"}",
		"a surrogate in UTF-8":                "{\"a\":\"\xed\xa0\x80\"}",
		"a lone high surrogate":               `{"a":"\ud83d"}`,
		"a lone high surrogate and text":      `{"a":"\ud83dxxxxxx"}`,
		"a lone low surrogate":                `{"a":"\ude00"}`,
		"surrogates in the wrong order":       `{"a":"\ude00\ud83d"}`,
		"a high surrogate and another escape": `{"a":"\ud83d\u0041"}`,
		"an unknown escape":                   `{"a":"\x41"}`,
		"an escape of three digits":           `{"a":"\u004"}`,
		"an escape of other digits":           `{"a":"\u004g"}`,
		"an escape at the end of the data":    `{"a":"\`,
		"a control character in a string":     "{\"a\":\"\n\"}",
		"a NUL in a string":                   "{\"a\":\"\x00\"}",
		"a number out of range":               `{"a":1e400}`,
		"a number out of range, nested":       `{"a":[{"b":-1e400}]}`,
		"a whole number of 310 digits":        `{"a":1` + strings.Repeat("0", 309) + `}`,
		"a leading zero":                      `{"a":01}`,
		"a leading plus":                      `{"a":+1}`,
		"a minus alone":                       `{"a":-}`,
		"a point without digits behind":       `{"a":1.}`,
		"a point without digits before":       `{"a":.5}`,
		"an exponent without digits":          `{"a":1e}`,
		"an exponent with a sign alone":       `{"a":1e+}`,
		"an exponent with two signs":          `{"a":1e+-1}`,
		"hexadecimal digits":                  `{"a":0x1}`,
		"NaN":                                 `{"a":NaN}`,
		"Infinity":                            `{"a":Infinity}`,
		"a misspelt word":                     `{"a":trve}`,
		"a word in another case":              `{"a":True}`,
		"a word cut short":                    `{"a":nul`,
		"a word with more behind":             `{"a":nullx}`,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := read([]byte(data))
			var fault *strictjson.Error
			require.ErrorAs(t, err, &fault)
			require.LessOrEqual(t, fault.Offset, len(data))
		})
	}
}

func TestErrorTellsWhereButNotWhat(t *testing.T) {
	_, err := read([]byte(`{"secret":"x" 1}`))
	require.EqualError(t, err, "JSON: neither comma nor closing brace at byte 14")
}

func TestObjectStaysAtItsEnd(t *testing.T) {
	var object strictjson.Object
	for _, data := range []string{`{"a":1}`, `{"a":1}x`, `{`} {
		object.Reset([]byte(data))
		for object.Next() {
		}
		err := object.Err()
		require.False(t, object.Next())
		require.False(t, object.Next())
		require.Equal(t, err, object.Err())
	}
}

// value returns the value that text is.
func value(t *testing.T, text string) strictjson.Value {
	t.Helper()
	var object strictjson.Object
	object.Reset([]byte(`{"v":` + text + `}`))
	require.True(t, object.Next(), text)
	v := object.Value()
	require.False(t, object.Next())
	require.NoError(t, object.Err())
	return v
}

func TestDate(t *testing.T) {
	for text, want := range map[string]int64{
		`0`:                  0,
		`-0`:                 0,
		`1764000000`:         1764000000,
		`1764000000.999`:     1764000000,
		`1764000000.0`:       1764000000,
		`1.764e9`:            1764000000,
		`17640000000e-1`:     1764000000,
		`-1`:                 -1,
		`-0.5`:               -1,
		`253402300799`:       strictjson.MaxDate,
		`-253402300799`:      -strictjson.MaxDate,
		`2.53402300799e11`:   strictjson.MaxDate,
		`0.0000000000000001`: 0,
	} {
		got, ok := value(t, text).Date()
		require.True(t, ok, text)
		require.Equal(t, want, got, text)
	}
	for _, text := range []string{
		`253402300800`, `-253402300800`, `253402300799.5`, `1764000000000000`, `1e18`, `1e300`, `99999999999999999999`,
		`"1764000000"`, `null`, `true`, `[1764000000]`, `{}`,
	} {
		_, ok := value(t, text).Date()
		require.False(t, ok, text)
	}
}

func TestInt(t *testing.T) {
	for text, want := range map[string]int64{
		`0`: 0, `-7`: -7, `9223372036854775807`: math.MaxInt64, `-9223372036854775808`: math.MinInt64,
	} {
		got, ok := value(t, text).Int()
		require.True(t, ok, text)
		require.Equal(t, want, got, text)
	}
	for _, text := range []string{`9223372036854775808`, `1.0`, `1e3`, `"1"`, `null`, `true`} {
		_, ok := value(t, text).Int()
		require.False(t, ok, text)
	}
}

func TestTexts(t *testing.T) {
	for text, want := range map[string][]string{
		`"a"`:                {"a"},
		`""`:                 {""},
		`[]`:                 {},
		`["a"]`:              {"a"},
		`[ "a" , "\u0062" ]`: {"a", "b"},
	} {
		got, ok := value(t, text).Texts(2)
		require.True(t, ok, text)
		require.Equal(t, want, got, text)
	}
	for _, text := range []string{`1`, `null`, `{}`, `["a",1]`, `["a",["b"]]`, `["a","b","c"]`, `[null]`} {
		_, ok := value(t, text).Texts(2)
		require.False(t, ok, text)
	}
	_, ok := value(t, `"a"`).Texts(0)
	require.False(t, ok)
}

func TestOtherKindsAreNotWhatIsAskedFor(t *testing.T) {
	for _, text := range []string{`1`, `null`, `{}`, `[]`, `true`} {
		_, ok := value(t, text).Text()
		require.False(t, ok, text)
		_, ok = value(t, text).Bytes()
		require.False(t, ok, text)
	}
	_, ok := value(t, `"true"`).Bool()
	require.False(t, ok)
	b, ok := value(t, `false`).Bool()
	require.True(t, ok)
	require.False(t, b)
	elements := value(t, `"a"`).Elements()
	require.False(t, elements.Next())
	require.False(t, value(t, `[]`).Members(&strictjson.Object{}))
	_, ok = strictjson.Value{}.Text()
	require.False(t, ok)
}

func TestSpan(t *testing.T) {
	data := ` {"a":"b","list":["c","\u0064",{"e":"f"}]}`
	var object, inner strictjson.Object
	object.Reset([]byte(data))
	require.True(t, object.Next())
	start, end, ok := object.Value().Span()
	require.True(t, ok)
	require.Equal(t, "b", data[start:end])

	require.True(t, object.Next())
	_, _, ok = object.Value().Span()
	require.False(t, ok, "an array is no string")
	elements := object.Value().Elements()
	require.True(t, elements.Next())
	start, end, ok = elements.Value().Span()
	require.True(t, ok)
	require.Equal(t, "c", data[start:end])
	require.True(t, elements.Next())
	_, _, ok = elements.Value().Span()
	require.False(t, ok, "it has an escape")
	require.True(t, elements.Next())
	require.True(t, elements.Value().Members(&inner))
	require.True(t, inner.Next())
	start, end, ok = inner.Value().Span()
	require.True(t, ok)
	require.Equal(t, "f", data[start:end])
	require.False(t, elements.Next())
	require.False(t, object.Next())
}

func TestReadingAllocatesNothing(t *testing.T) {
	data := []byte(claims)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		var object strictjson.Object
		object.Reset(data)
		for object.Next() {
			if string(object.Key()) == "exp" {
				if _, ok := object.Value().Date(); !ok {
					t.Error("no date")
				}
			}
		}
		if object.Err() != nil {
			t.Error(object.Err())
		}
	}))
}

const claims = `{"iss":"https://issuer.example","sub":"c_0123456789abcdef","aud":"https://api.example.com",` +
	`"client_id":"c_0123456789abcdef","scope":"hhlm4bhlqg7ev::hpokm6mtfg63f orders.read","jti":"kq3v9x8h2m5n7p1r4s6t8w0y",` +
	`"iat":1764000000,"exp":1764003600,"nested":{"a":[1,2,3]}}`

func FuzzObject(f *testing.F) {
	for _, data := range []string{claims, `{"a":"\ud83d\ude00","b":[1.5e3,null,{"c":true}]}`, `{"a":1,"\u0061":2}`, `{"a":1e400}`, "{\"a\":\"\xff\"}"} {
		f.Add([]byte(data))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		before := bytes.Clone(data)
		got, err := read(data)
		require.Equal(t, before, data, "the data is read-only")

		// Into float64 first: that is where encoding/json refuses 1e400.
		var floats map[string]any
		wantErr := json.Unmarshal(data, &floats)
		if wantErr != nil {
			require.Error(t, err, "encoding/json refuses it: %v", wantErr)
			return
		}
		if err != nil {
			return
		}
		dec := json.NewDecoder(bytes.NewReader(data))
		dec.UseNumber()
		var want map[string]any
		require.NoError(t, dec.Decode(&want))
		require.Equal(t, want, got)

		var object strictjson.Object
		object.Reset(data)
		for object.Next() {
			v, other := object.Value(), floats[string(object.Key())]
			if seconds, ok := v.Date(); ok {
				require.Equal(t, math.Floor(other.(float64)), float64(seconds))
			}
			if n, ok := v.Int(); ok {
				require.Equal(t, json.Number(fmt.Sprint(n)).String(), strings.Replace(string(v.Raw()), "-0", "0", 1))
			}
		}
	})
}

func BenchmarkObject(b *testing.B) {
	data := []byte(claims)
	b.Run("strictjson", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			var object strictjson.Object
			object.Reset(data)
			for object.Next() {
			}
			if object.Err() != nil {
				b.Fatal(object.Err())
			}
		}
	})
	b.Run("json.Valid", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			if !json.Valid(data) {
				b.Fatal("invalid")
			}
		}
	})
}

// TestStringsOfEachLength puts what is special at each place of a string, as
// eight bytes are looked at at a time.
func TestStringsOfEachLength(t *testing.T) {
	for length := range 40 {
		plain := strings.Repeat("x", length)
		got, err := read([]byte(`{"a":"` + plain + `"}`))
		require.NoError(t, err)
		require.Equal(t, plain, got["a"])
		for at := range length {
			put := func(special string) []byte {
				return []byte(`{"a":"` + plain[:at] + special + plain[at+1:] + `"}`)
			}
			for special, want := range map[string]string{`\"`: `"`, `\\`: `\`, `\u00e9`: "é", "é": "é", "\x7f": "\x7f", " ": " ", "!": "!", "#": "#", "[": "[", "]": "]"} {
				got, err := read(put(special))
				require.NoError(t, err, "%q", special)
				require.Equal(t, plain[:at]+want+plain[at+1:], got["a"])
			}
			for _, special := range []string{"\x00", "\x1f", "\n", `\x`, "\x80", "\xff", `"`} {
				_, err := read(put(special))
				require.Error(t, err, "%q", special)
			}
		}
	}
}
