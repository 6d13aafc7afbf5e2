package revlist_test

import (
	"encoding/base64"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/internal/revlist"
)

var head = revlist.Head{
	Issuer: "https://auth.example.com", IssuedAt: time.Unix(1_800_000_000, 0).UTC(), Expires: time.Unix(1_800_003_600, 0).UTC(),
}

func encode(t testing.TB, n int, clients map[revlist.Digest]int64) []byte {
	t.Helper()
	var tokens []revlist.Digest
	for k := range n {
		tokens = append(tokens, revlist.DigestOf(fmt.Sprint(k)))
	}
	data, _, err := revlist.Encode(head, tokens, clients)
	require.NoError(t, err)
	return data
}

func TestListOfAnySize(t *testing.T) {
	nobody := revlist.DigestOf("nobody")
	for _, n := range []int{0, 1, 2, 3, 4, 7, 8, 9, 1000, 100_000} {
		l, err := revlist.Parse(encode(t, n, nil))
		require.NoError(t, err)
		require.Equal(t, head, l.Head)
		require.Equal(t, n, l.Tokens())
		require.Zero(t, l.Clients())
		for k := range n {
			require.True(t, l.Revoked(revlist.DigestOf(fmt.Sprint(k)), nobody, 0))
		}
		for k := n; k < n+1000; k++ {
			require.False(t, l.Revoked(revlist.DigestOf(fmt.Sprint(k)), nobody, 0))
		}
	}
}

// The digests that stand at the ends of the buckets.
func TestListOfExtremes(t *testing.T) {
	first, last := revlist.Digest{}, revlist.Digest{}
	for n := range last {
		last[n] = 0xff
	}
	second, secondLast := first, last
	second[11], secondLast[11] = 1, 0xfe
	data, _, err := revlist.Encode(head, []revlist.Digest{last, first}, nil)
	require.NoError(t, err)
	l, err := revlist.Parse(data)
	require.NoError(t, err)
	require.True(t, l.Revoked(first, first, 0))
	require.True(t, l.Revoked(last, first, 0))
	require.False(t, l.Revoked(second, first, 0))
	require.False(t, l.Revoked(secondLast, first, 0))
}

func TestListOfClients(t *testing.T) {
	a, b, token := revlist.DigestOf("a"), revlist.DigestOf("b"), revlist.DigestOf("jti")
	l, err := revlist.Parse(encode(t, 0, map[revlist.Digest]int64{a: 1000, b: math.MaxUint32}))
	require.NoError(t, err)
	require.Equal(t, 2, l.Clients())
	require.True(t, l.Revoked(token, a, 999))
	require.True(t, l.Revoked(token, a, 1000))
	require.False(t, l.Revoked(token, a, 1001))
	require.True(t, l.Revoked(token, b, math.MaxUint32))
	require.False(t, l.Revoked(token, b, math.MaxUint32+1))
	require.False(t, l.Revoked(token, revlist.DigestOf("c"), 0))
	for _, until := range []int64{-1, math.MaxUint32 + 1} {
		_, _, err := revlist.Encode(head, nil, map[revlist.Digest]int64{a: until})
		require.Error(t, err)
	}
}

func TestTag(t *testing.T) {
	tag := func(edit func(h *revlist.Head, tokens *[]revlist.Digest, clients map[revlist.Digest]int64)) string {
		t.Helper()
		h, tokens, clients := head, []revlist.Digest{revlist.DigestOf("a"), revlist.DigestOf("b")}, map[revlist.Digest]int64{revlist.DigestOf("c"): 1}
		edit(&h, &tokens, clients)
		_, tag, err := revlist.Encode(h, tokens, clients)
		require.NoError(t, err)
		return tag
	}
	same := tag(func(*revlist.Head, *[]revlist.Digest, map[revlist.Digest]int64) {})
	require.Equal(t, same, tag(func(h *revlist.Head, tokens *[]revlist.Digest, _ map[revlist.Digest]int64) {
		h.IssuedAt = h.IssuedAt.Add(time.Minute)
		*tokens = []revlist.Digest{(*tokens)[1], (*tokens)[0]}
	}))
	for name, edit := range map[string]func(h *revlist.Head, tokens *[]revlist.Digest, clients map[revlist.Digest]int64){
		"another end":    func(h *revlist.Head, _ *[]revlist.Digest, _ map[revlist.Digest]int64) { h.Expires = h.IssuedAt },
		"another issuer": func(h *revlist.Head, _ *[]revlist.Digest, _ map[revlist.Digest]int64) { h.Issuer = "" },
		"another token":  func(_ *revlist.Head, tokens *[]revlist.Digest, _ map[revlist.Digest]int64) { (*tokens)[0][0]++ },
		"another client": func(_ *revlist.Head, _ *[]revlist.Digest, clients map[revlist.Digest]int64) {
			clients[revlist.Digest{}] = 1
		},
		"another time": func(_ *revlist.Head, _ *[]revlist.Digest, clients map[revlist.Digest]int64) {
			clients[revlist.DigestOf("c")] = 2
		},
	} {
		require.NotEqual(t, same, tag(edit), name)
	}
}

func TestAListThatIsBehind(t *testing.T) {
	list := func(signed int64, tokens []string, clients map[string]int64) *revlist.List {
		t.Helper()
		var digests []revlist.Digest
		for _, id := range tokens {
			digests = append(digests, revlist.DigestOf(id))
		}
		until := map[revlist.Digest]int64{}
		for id, at := range clients {
			until[revlist.DigestOf(id)] = at
		}
		payload, _, err := revlist.Encode(revlist.Head{Issuer: "i", IssuedAt: time.Unix(signed, 0), Expires: time.Unix(100, 0)}, digests, until)
		require.NoError(t, err)
		l, err := revlist.Parse(payload)
		require.NoError(t, err)
		return l
	}
	known := list(10, []string{"a", "b"}, map[string]int64{"x": 5, "y": 6})
	for name, tt := range map[string]struct {
		next *revlist.List
		want bool
	}{
		"itself":                         {known, false},
		"an older one that has all":      {list(9, []string{"a", "b", "c"}, map[string]int64{"x": 5, "y": 7, "z": 1}), false},
		"an older one without a token":   {list(9, []string{"a", "c"}, map[string]int64{"x": 5, "y": 6}), true},
		"an older one without a client":  {list(9, []string{"a", "b"}, map[string]int64{"y": 6, "z": 6}), true},
		"an older one with less of one":  {list(9, []string{"a", "b"}, map[string]int64{"x": 5, "y": 5}), true},
		"an older one that is empty":     {list(9, nil, nil), true},
		"an empty one of the same time":  {list(10, nil, nil), false},
		"an empty one of a later moment": {list(11, nil, nil), false},
	} {
		require.Equal(t, tt.want, tt.next.Behind(known), name)
	}
	require.False(t, list(1, nil, nil).Behind(list(2, nil, nil)))
}

func TestParseRefuses(t *testing.T) {
	digest := func(text string) string { return text + strings.Repeat("A", 16-len(text)) }
	build := func(tokens, clients string) string {
		return fmt.Sprintf(`{"iss":"i","iat":1,"exp":2,"tokens":%s,"clients":%s}`, tokens, clients)
	}
	good := build(`"`+digest("A")+digest("B")+`"`, `""`)
	_, err := revlist.Parse([]byte(good))
	require.NoError(t, err)
	_, err = revlist.Parse([]byte(strings.Replace(good, "{", `{"more":[1],`, 1)))
	require.NoError(t, err, "a member that is unknown")
	client := base64.RawURLEncoding.EncodeToString(make([]byte, 16))
	for name, data := range map[string]string{
		"nothing":                      "",
		"an array":                     "[]",
		"an empty object":              "{}",
		"a list without clients":       `{"iss":"i","iat":1,"exp":2,"tokens":""}`,
		"a list without an end":        `{"iss":"i","iat":1,"tokens":"","clients":""}`,
		"a member twice":               strings.Replace(good, `"iat":1`, `"iat":1,"iat":1`, 1),
		"an issuer that is a number":   strings.Replace(good, `"i"`, `1`, 1),
		"an end that is text":          strings.Replace(good, `"exp":2`, `"exp":"2"`, 1),
		"tokens that are a list":       build(`[]`, `""`),
		"a digest cut short":           build(`"`+digest("A")[:15]+`"`, `""`),
		"a digest and a half":          build(`"`+digest("A")+digest("B")[:8]+`"`, `""`),
		"a token twice":                build(`"`+digest("A")+digest("A")+`"`, `""`),
		"tokens out of order":          build(`"`+digest("B")+digest("A")+`"`, `""`),
		"base64 with padding":          build(`"`+digest("A")[:14]+`=="`, `""`),
		"base64 of the other alphabet": build(`"`+digest("A+/")+`"`, `""`),
		"base64 with a line break":     build(`"`+digest("A")+`\n"`, `""`),
		"base64 with sixteen of them":  build(`"`+digest("A")+strings.Repeat(`\n`, 16)+`"`, `""`),
		"a client without a time":      build(`""`, `"`+digest("A")+`"`),
		"a client twice":               build(`""`, `"`+base64.RawURLEncoding.EncodeToString(make([]byte, 32))+`"`),
		"a client with trailing bits":  build(`""`, `"`+client[:len(client)-1]+`B"`),
		"something behind it":          good + "{}",
		"a list that was cut off":      good[:len(good)-1],
	} {
		t.Run(name, func(t *testing.T) {
			_, err := revlist.Parse([]byte(data))
			require.ErrorIs(t, err, revlist.ErrMalformed)
		})
	}
	_, err = revlist.Parse([]byte(build(`""`, `"`+client+`"`)))
	require.NoError(t, err)
}

// FuzzParse reads lists: what is read is written the same.
func FuzzParse(f *testing.F) {
	f.Add(encode(f, 3, map[revlist.Digest]int64{revlist.DigestOf("a"): 7}), []byte("0"))
	f.Add(encode(f, 0, nil), []byte{})
	f.Add([]byte(`{"iss":"i","iat":1,"exp":2,"tokens":"AAAAAAAAAAAAAAAA","clients":"AAAAAAAAAAAAAAAAAAAAAA"}`), []byte("x"))
	f.Add([]byte(`{"iss":"i","iat":1e400,"exp":-2,"tokens":"A\u0041","clients":null}`), []byte("x"))
	f.Fuzz(func(t *testing.T, data, id []byte) {
		l, err := revlist.Parse(data)
		if err != nil {
			return
		}
		l.Revoked(revlist.DigestOf(string(id)), revlist.DigestOf("c"), 0)
		if l.Tokens()*16+l.Clients()*21 > len(data) {
			t.Errorf("%d tokens and %d clients in %d bytes", l.Tokens(), l.Clients(), len(data))
		}
	})
}

// BenchmarkList is a list of 100 000 tokens.
func BenchmarkList(b *testing.B) {
	const n = 100_000
	data := encode(b, n, map[revlist.Digest]int64{revlist.DigestOf("a"): 1000})
	l, err := revlist.Parse(data)
	require.NoError(b, err)
	raw := map[revlist.Digest]struct{}{}
	for k := range n {
		raw[revlist.DigestOf(fmt.Sprint(k))] = struct{}{}
	}
	// Others all the time: who asks for one alone measures the cache.
	var asked []revlist.Digest
	for k := range 1 << 16 {
		asked = append(asked, revlist.DigestOf(fmt.Sprint(k*3)))
	}
	client := revlist.DigestOf("client")
	b.Run("raw map", func(b *testing.B) {
		b.ReportAllocs()
		k, found := 0, 0
		for b.Loop() {
			if _, ok := raw[asked[k&(1<<16-1)]]; ok {
				found++
			}
			k++
		}
	})
	b.Run("look-up", func(b *testing.B) {
		b.ReportAllocs()
		k, found := 0, 0
		for b.Loop() {
			if l.Revoked(asked[k&(1<<16-1)], client, 2000) {
				found++
			}
			k++
		}
	})
	b.Run("parse", func(b *testing.B) {
		b.ReportAllocs()
		b.ReportMetric(float64(len(data)), "bytes")
		for b.Loop() {
			if _, err := revlist.Parse(data); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("encode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			encode(b, n, nil)
		}
	})
}

// What 100 000 revocations cost at most: 3 MB as they are published, with the
// signature, and a look-up that allocates nothing. BenchmarkList has how long one takes.
func TestListOfAHundredThousandIsShort(t *testing.T) {
	data := encode(t, 100_000, nil)
	const aroundIt = 1 << 10 // header, dots and signature
	require.LessOrEqual(t, base64.RawURLEncoding.EncodedLen(len(data))+aroundIt, 3_000_000)
	l, err := revlist.Parse(data)
	require.NoError(t, err)
	client, good, revoked := revlist.DigestOf("client"), revlist.DigestOf("nobody"), revlist.DigestOf("5")
	require.Zero(t, testing.AllocsPerRun(100, func() {
		if l.Revoked(good, client, 0) || !l.Revoked(revoked, client, 0) {
			t.Error("wrong")
		}
	}))
}
