package printable_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/internal/printable"
)

func TestLine(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"nothing stays nothing", "", ""},
		{"what fits stays", "zwölf Byte.", "zwölf Byte."},
		{"a byte more is cut at a whole character", "123456789012ä", "123456789…"},
		{"no half of a character is left in front of the ellipsis", "12345678äöü", "12345678…"},
		{"lines become one", "a\r\nb", "a\ufffd\ufffdb"},
		{"a NUL and a DEL are shown", "\x00\x7f", "\ufffd\ufffd"},
		{"bytes that are no UTF-8 are shown", "a\xffb", "a\ufffdb"},
		{"what becomes longer is cut", strings.Repeat("\x00", 12), "\ufffd\ufffd\ufffd…"},
		{"a character that the end of the look cuts through", strings.Repeat("a", 14) + "😀" + strings.Repeat("b", 1000), "aaaaaaaaa…"},
	} {
		t.Run(c.name, func(t *testing.T) {
			require.Equal(t, c.want, printable.Line(c.in, 12))
		})
	}
}

func TestCut(t *testing.T) {
	require.Equal(t, "…", printable.Cut("four", 3))
	require.Equal(t, "äöü", printable.Cut("äöü", 6))
	require.Equal(t, "ä…", printable.Cut("äöü", 5))
}

func FuzzLine(f *testing.F) {
	f.Add("one\ntwo\xff", uint8(3))
	f.Add(strings.Repeat("😀", 100), uint8(255))
	f.Fuzz(func(t *testing.T, s string, size uint8) {
		most := 3 + int(size)
		line := printable.Line(s, most)
		require.LessOrEqual(t, len(line), most)
		require.True(t, utf8.ValidString(line))
		require.NotContains(t, strings.Map(func(r rune) rune {
			if unicode.IsControl(r) {
				return '\x00'
			}
			return r
		}, line), "\x00")
		require.Equal(t, line, printable.Line(line, most), "a line of a line")
	})
}
