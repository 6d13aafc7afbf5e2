package statuslist_test

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/internal/statuslist"
)

// inflate returns the bits of a list, as any other program would.
func inflate(t testing.TB, list string) []byte {
	t.Helper()
	compressed, err := base64.RawURLEncoding.DecodeString(list)
	require.NoError(t, err)
	r, err := zlib.NewReader(bytes.NewReader(compressed))
	require.NoError(t, err)
	bits, err := io.ReadAll(r)
	require.NoError(t, err)
	return bits
}

// deflate is the other way.
func deflate(t testing.TB, bits []byte) string {
	t.Helper()
	var b bytes.Buffer
	w := zlib.NewWriter(&b)
	_, err := w.Write(bits)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return base64.RawURLEncoding.EncodeToString(b.Bytes())
}

// lst returns what Encode has written as the list.
func lst(t testing.TB, payload []byte) string {
	t.Helper()
	var of struct {
		List struct {
			Lst string `json:"lst"`
		} `json:"status_list"`
	}
	require.NoError(t, json.Unmarshal(payload, &of))
	return of.List.Lst
}

const uri = "https://example.com/statuslists/1"

var (
	now  = time.Unix(1764000000, 0).UTC()
	head = statuslist.Head{URI: uri, Issuer: "https://example.com", IssuedAt: now, Expires: now.Add(time.Hour), TTL: time.Minute}
)

func TestWhatIsWrittenIsRead(t *testing.T) {
	payload, err := statuslist.Encode(head, statuslist.Bits(24, []int{0, 9, 23}))
	require.NoError(t, err)
	l, err := statuslist.Parse(payload)
	require.NoError(t, err)
	require.Equal(t, head, l.Head)
	require.Equal(t, 3, l.Bytes())
	var set []int64
	for index := range int64(24) {
		status, ok := l.Status(index)
		require.True(t, ok)
		if status != statuslist.Valid {
			set = append(set, index)
		}
	}
	require.Equal(t, []int64{0, 9, 23}, set)
	for _, index := range []int64{-1, 24, 1 << 62, -1 << 63} {
		_, ok := l.Status(index)
		require.False(t, ok, "%d", index)
	}
}

// The examples of draft-ietf-oauth-status-list-20: §4.1, and those of appendix C.
// Other compressors give other bytes for the same bits.
func TestListsOfTheDraft(t *testing.T) {
	t.Run("of sixteen tokens", func(t *testing.T) {
		bits := []byte{0xb9, 0xa3}
		require.Equal(t, bits, inflate(t, "eNrbuRgAAhcBXQ"))
		payload, err := statuslist.Encode(head, bits)
		require.NoError(t, err)
		require.Equal(t, bits, inflate(t, lst(t, payload)))
	})
	for _, bits := range []int{1, 2, 4, 8} {
		t.Run(fmt.Sprintf("of a million, with %d bits each", bits), func(t *testing.T) {
			const size = 1 << 20
			data, err := os.ReadFile(fmt.Sprintf("testdata/%d.json", bits))
			require.NoError(t, err)
			var vector struct {
				Statuses map[int64]uint8 `json:"statuses"`
				List     json.RawMessage `json:"status_list"`
			}
			require.NoError(t, json.Unmarshal(data, &vector))
			l, err := statuslist.Parse(fmt.Appendf(nil, `{"sub":%q,"iat":1,"status_list":%s}`, uri, vector.List))
			require.NoError(t, err)
			require.Equal(t, size*bits/8, l.Bytes())
			check := func(index int64) {
				status, ok := l.Status(index)
				require.True(t, ok)
				require.Equal(t, vector.Statuses[index], status, "%d", index)
			}
			for index := range vector.Statuses {
				for near := max(index-8, 0); near < min(index+9, size); near++ {
					check(near)
				}
			}
			check(size - 1)
			_, ok := l.Status(size)
			require.False(t, ok)
			if bits > 1 {
				return
			}
			var set []int
			for index := range vector.Statuses {
				set = append(set, int(index))
			}
			ours, err := statuslist.Encode(head, statuslist.Bits(size, set))
			require.NoError(t, err)
			theirs := lst(t, fmt.Appendf(nil, `{"status_list":%s}`, vector.List))
			require.Equal(t, inflate(t, theirs), inflate(t, lst(t, ours)))
			require.LessOrEqual(t, len(lst(t, ours)), len(theirs)*11/10, "it is compressed about as well")
		})
	}
}

// object is a list whose status_list is as given, with more members in front.
func object(list, more string) string {
	return fmt.Sprintf(`{%s"sub":%q,"iat":1764000000,"status_list":%s}`, more, uri, list)
}

func bits(n, list string) string { return fmt.Sprintf(`{"bits":%s,"lst":"%s"}`, n, list) }

func TestParseAccepts(t *testing.T) {
	one := deflate(t, []byte{1})
	for name, tt := range map[string]struct {
		data string
		want func(*statuslist.Head)
	}{
		"what must be there":        {object(bits("1", one), ""), nil},
		"members that nobody knows": {object(`{"aggregation_uri":7,"bits":1,"lst":"`+one+`"}`, `"x":{"y":[]},`), nil},
		"an end":                    {object(bits("1", one), `"exp":7,`), func(h *statuslist.Head) { h.Expires = time.Unix(7, 0).UTC() }},
		"a beginning":               {object(bits("1", one), `"nbf":7,`), func(h *statuslist.Head) { h.NotBefore = time.Unix(7, 0).UTC() }},
		"an issuer":                 {object(bits("1", one), `"iss":"a",`), func(h *statuslist.Head) { h.Issuer = "a" }},
		"the shortest ttl":          {object(bits("1", one), `"ttl":1,`), func(h *statuslist.Head) { h.TTL = time.Second }},
		"a ttl with a fraction":     {object(bits("1", one), `"ttl":1.9,`), func(h *statuslist.Head) { h.TTL = time.Second }},
		"a ttl of thousands of years": {object(bits("1", one), `"ttl":253402300799,`), func(h *statuslist.Head) {
			h.TTL = 9223372036 * time.Second
		}},
		"a list with escapes": {object(`{"bits":1,"lst":"`+strings.Replace(one, one[:1], fmt.Sprintf(`\u%04x`, one[0]), 1)+`"}`, ""), nil},
	} {
		t.Run(name, func(t *testing.T) {
			l, err := statuslist.Parse([]byte(tt.data))
			require.NoError(t, err)
			want := statuslist.Head{URI: uri, IssuedAt: now}
			if tt.want != nil {
				tt.want(&want)
			}
			require.Equal(t, want, l.Head)
			status, ok := l.Status(0)
			require.True(t, ok)
			require.EqualValues(t, 1, status)
		})
	}
	t.Run("no token at all", func(t *testing.T) {
		l, err := statuslist.Parse([]byte(object(bits("1", deflate(t, nil)), "")))
		require.NoError(t, err)
		_, ok := l.Status(0)
		require.False(t, ok)
	})
	t.Run("as many as a list may have, though nothing makes them shorter", func(t *testing.T) {
		all := make([]byte, statuslist.MaxBytes)
		r := rand.NewChaCha8([32]byte{})
		_, _ = r.Read(all)
		var b bytes.Buffer
		w, err := zlib.NewWriterLevel(&b, zlib.NoCompression)
		require.NoError(t, err)
		_, err = w.Write(all)
		require.NoError(t, err)
		require.NoError(t, w.Close())
		data := object(bits("1", base64.RawURLEncoding.EncodeToString(b.Bytes())), "")
		require.Less(t, base64.RawURLEncoding.EncodedLen(len(data)), statuslist.MaxSize)
		l, err := statuslist.Parse([]byte(data))
		require.NoError(t, err)
		status, ok := l.Status(8*statuslist.MaxBytes - 1)
		require.True(t, ok)
		require.Equal(t, all[len(all)-1]>>7, status)
	})
}

func TestParseRefuses(t *testing.T) {
	one := deflate(t, []byte{1})
	zero := func(n int) string { return deflate(t, make([]byte, n)) }
	compressed, err := base64.RawURLEncoding.DecodeString(one)
	require.NoError(t, err)
	encode := base64.RawURLEncoding.EncodeToString
	cut := encode(compressed[:len(compressed)-1])
	wrong := bytes.Clone(compressed)
	wrong[len(wrong)-1]++
	var dictionary bytes.Buffer
	w, err := zlib.NewWriterLevelDict(&dictionary, zlib.BestSpeed, []byte("dictionary"))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	for name, data := range map[string]string{
		"nothing":                       "",
		"an array":                      "[]",
		"no members":                    "{}",
		"no sub":                        `{"iat":1,"status_list":` + bits("1", one) + `}`,
		"no iat":                        `{"sub":"a","status_list":` + bits("1", one) + `}`,
		"no status_list":                `{"sub":"a","iat":1}`,
		"a member twice":                object(bits("1", one), `"sub":"a",`),
		"a sub that is a number":        `{"sub":1,"iat":1,"status_list":` + bits("1", one) + `}`,
		"an iss that is a list":         object(bits("1", one), `"iss":["a"],`),
		"an exp that is a text":         object(bits("1", one), `"exp":"7",`),
		"an nbf that is a text":         object(bits("1", one), `"nbf":"7",`),
		"a ttl of nothing":              object(bits("1", one), `"ttl":0,`),
		"a ttl below a second":          object(bits("1", one), `"ttl":0.9,`),
		"a negative ttl":                object(bits("1", one), `"ttl":-1,`),
		"a ttl that is a text":          object(bits("1", one), `"ttl":"60",`),
		"a ttl without end":             object(bits("1", one), `"ttl":1e400,`),
		"a status_list that is a text":  object(`"`+one+`"`, ""),
		"no bits":                       object(`{"lst":"`+one+`"}`, ""),
		"bits twice":                    object(`{"bits":1,"bits":1,"lst":"`+one+`"}`, ""),
		"no bit each":                   object(bits("0", one), ""),
		"three bits each":               object(bits("3", one), ""),
		"sixteen bits each":             object(bits("16", one), ""),
		"a number of bits that is none": object(bits("1.0", one), ""),
		"no lst":                        object(`{"bits":1}`, ""),
		"an lst that is no text":        object(`{"bits":1,"lst":[1]}`, ""),
		"an lst that is empty":          object(bits("1", ""), ""),
		"an lst with padding":           object(bits("1", one+"="), ""),
		"an lst with a line break":      object(`{"bits":1,"lst":"`+one[:2]+`\n`+one[2:]+`"}`, ""),
		"an lst in the other alphabet":  object(bits("1", "+/"+one), ""),
		"an lst that is not compressed": object(bits("1", encode([]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10})), ""),
		"an lst with a dictionary":      object(bits("1", encode(dictionary.Bytes())), ""),
		"an lst that is cut":            object(bits("1", cut), ""),
		"an lst with a wrong checksum":  object(bits("1", encode(wrong)), ""),
		"an lst with more behind it":    object(bits("1", encode(append(bytes.Clone(compressed), 0))), ""),
		"an lst with another behind it": object(bits("1", encode(append(bytes.Clone(compressed), compressed...))), ""),
		"a byte too many":               object(bits("1", zero(statuslist.MaxBytes+1)), ""),
		"something behind it":           object(bits("1", one), "") + "{}",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := statuslist.Parse([]byte(data))
			require.ErrorIs(t, err, statuslist.ErrMalformed)
			require.Less(t, len(err.Error()), 200)
		})
	}
	_, err = statuslist.Parse([]byte(object(bits("1", zero(statuslist.MaxBytes)), "")))
	require.NoError(t, err)
}

// What is made to unpack to a gigabyte is left at the bound.
func TestABombIsNotUnpacked(t *testing.T) {
	var b bytes.Buffer
	w := zlib.NewWriter(&b)
	_, err := w.Write(make([]byte, 1<<20))
	require.NoError(t, err)
	require.NoError(t, w.Flush())
	const header = 2
	block := bytes.Clone(b.Bytes()[header:]) // which may follow itself
	for range 1 << 6 {
		b.Write(block)
	}
	data := []byte(object(bits("1", base64.RawURLEncoding.EncodeToString(b.Bytes())), ""))
	require.Less(t, len(data), statuslist.MaxSize)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err = statuslist.Parse(data)
	runtime.ReadMemStats(&after)
	require.ErrorContains(t, err, "more than 2097152 bytes")
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(16*statuslist.MaxBytes))
}

func TestALookUpAllocatesNothing(t *testing.T) {
	l := list(t)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		if status, ok := l.Status(1); !ok || status == statuslist.Valid {
			t.Error("wrong")
		}
	}))
}

// list is one of a million tokens, of which every third has the status 1 or 2.
func list(t testing.TB) *statuslist.List {
	all := bytes.Repeat([]byte{0b00_10_01_00}, 1<<20/4)
	l, err := statuslist.Parse([]byte(object(bits("2", deflate(t, all)), "")))
	require.NoError(t, err)
	return l
}

// FuzzParse reads lists, and others of what is compressed, which it would seldom get
// right in the middle of a list: whatever is read has the statuses that are in it.
func FuzzParse(f *testing.F) {
	ours, err := statuslist.Encode(head, statuslist.Bits(16, []int{3}))
	require.NoError(f, err)
	f.Add(ours, []byte{})
	for n, all := range map[string][]byte{"1": {1, 0x80}, "2": nil, "4": bytes.Repeat([]byte{0b01_10}, 100), "8": make([]byte, 1<<16), "3": {3}} {
		compressed, err := base64.RawURLEncoding.DecodeString(deflate(f, all))
		require.NoError(f, err)
		f.Add([]byte(object(bits(n, deflate(f, all)), "")), compressed)
	}
	f.Fuzz(func(t *testing.T, data, compressed []byte) {
		if l, err := statuslist.Parse(data); err == nil {
			tokens := int64(l.Bytes()) // with a byte each, or more tokens with less
			for _, each := range []int64{1, 2, 4, 8} {
				_, last := l.Status(each*tokens - 1)
				_, behind := l.Status(each * tokens)
				if last && !behind {
					tokens = -1
					break
				}
			}
			if l.Bytes() > statuslist.MaxBytes || tokens > 0 {
				t.Errorf("%d bytes, which are no number of tokens", l.Bytes())
			}
		}
		l, err := statuslist.Parse([]byte(object(bits("8", base64.RawURLEncoding.EncodeToString(compressed)), "")))
		if err != nil {
			return
		}
		r, err := zlib.NewReader(bytes.NewReader(compressed))
		require.NoError(t, err)
		all, err := io.ReadAll(r)
		require.NoError(t, err)
		require.Equal(t, len(all), l.Bytes())
		for index, want := range all {
			if got, ok := l.Status(int64(index)); !ok || got != want {
				t.Fatalf("%d is %d, want %d", index, got, want)
			}
		}
	})
}

// BenchmarkList is a list of a million tokens with two bits each.
func BenchmarkList(b *testing.B) {
	l := list(b)
	b.Run("look-up", func(b *testing.B) {
		b.ReportAllocs()
		index, bad := int64(0), 0
		for b.Loop() {
			index = (index + 7919) & (1<<20 - 1) // others all the time
			if status, ok := l.Status(index); !ok || status != statuslist.Valid {
				bad++
			}
		}
	})
	b.Run("parse", func(b *testing.B) {
		data := []byte(object(bits("2", deflate(b, bytes.Repeat([]byte{0b00_10_01_00}, 1<<20/4))), ""))
		b.ReportAllocs()
		for b.Loop() {
			if _, err := statuslist.Parse(data); err != nil {
				b.Fatal(err)
			}
		}
	})
}
