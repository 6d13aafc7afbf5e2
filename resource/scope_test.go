package resource_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/resource"
)

func TestValidScopeToken(t *testing.T) {
	for _, c := range []struct {
		name  string
		token string
		valid bool
	}{
		{"a recorded id", "hb00000cranes:mb0000default:hr00000reader", true},
		{"one character", "a", true},
		{"255 bytes", strings.Repeat("a", 255), true},
		{"nothing", "", false},
		{"256 bytes", strings.Repeat("a", 256), false},
		{"a megabyte", strings.Repeat("a", 1<<20), false},
		{"letters beyond ASCII", "é", false},
		{"invalid UTF-8", "a\xff", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			require.Equal(t, c.valid, resource.ValidScopeToken(c.token))
		})
	}
	t.Run("each single byte, as RFC 6749 section 3.3 has it", func(t *testing.T) {
		for b := range 256 {
			want := b == 0x21 || 0x23 <= b && b <= 0x5b || 0x5d <= b && b <= 0x7e
			require.Equal(t, want, resource.ValidScopeToken("x"+string([]byte{byte(b)})), "%#x", b)
		}
	})
}

func TestParseScope(t *testing.T) {
	for _, c := range []struct {
		name, scope string
		want        []string // nil: refused, unless scope is empty
	}{
		{"nothing has no tokens", "", nil},
		{"one token", "a", []string{"a"}},
		{"tokens keep their order", "b a c", []string{"b", "a", "c"}},
		{"the same one twice is one", "b a b a", []string{"b", "a"}},
		{"case counts", "a A", []string{"a", "A"}},
		{"a space alone", " ", nil},
		{"a space in front", " a", nil},
		{"a space behind", "a ", nil},
		{"two spaces between", "a  b", nil},
		{"a tab", "a\tb", nil},
		{"a line break", "a\nb", nil},
		{"a quote", `a "b"`, nil},
		{"a backslash", `a \b`, nil},
		{"a NUL", "a\x00", nil},
		{"a letter beyond ASCII", "a é", nil},
		{"a no-break space", "a\u00a0b", nil},
		{"a token of 255 bytes", strings.Repeat("a", 255), []string{strings.Repeat("a", 255)}},
		{"a token of 256 bytes", "b " + strings.Repeat("a", 256), nil},
		{"400 tokens", join(0, 400), numbers(400)},
		{"401 tokens", join(0, 401), nil},
		{"400 tokens, many of them twice", join(0, 400) + " " + join(50, 350), numbers(400)},
		{"17 tokens and all of them again", join(0, 17) + " " + join(0, 17), numbers(17)},
		{"the longest parameter", "aa" + strings.Repeat(" a", 51_199), []string{"aa", "a"}},
		{"a longer one", "a" + strings.Repeat(" a", 51_200), nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := resource.ParseScope(c.scope)
			if c.want == nil && c.scope != "" {
				require.Error(t, err)
				require.Nil(t, got)
				require.NotContains(t, err.Error(), `"`, "nothing of the scope is repeated")
				require.True(t, printable(err.Error()), "fit for error_description")
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		})
	}
}

// printable reports whether s is of the characters that RFC 6749 section 5.2 allows
// in error_description.
func printable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' })
}

func numbers(n int) []string {
	var s []string
	for i := range n {
		s = append(s, fmt.Sprint(i))
	}
	return s
}

// join returns the numbers from the first to before the last as a scope.
func join(first, last int) string {
	return strings.Join(numbers(last)[first:], " ")
}

func FuzzParseScope(f *testing.F) {
	for _, s := range []string{"", "a", "a b a", " a", "a  b", "a\x00", `"`, "é", join(0, 401)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		tokens, err := resource.ParseScope(s)
		if err != nil {
			require.Nil(t, tokens)
			require.True(t, printable(err.Error()))
			return
		}
		require.LessOrEqual(t, len(tokens), resource.MaxServices)
		for i, token := range tokens {
			require.True(t, resource.ValidScopeToken(token))
			require.False(t, slices.Contains(tokens[:i], token), "each once")
		}
		again, err := resource.ParseScope(strings.Join(tokens, " "))
		require.NoError(t, err)
		require.Equal(t, tokens, again)
		if s != "" {
			for token := range strings.SplitSeq(s, " ") {
				require.Contains(t, tokens, token, "none is left out")
			}
		}
	})
}

func BenchmarkParseScope(b *testing.B) {
	scope := strings.Join([]string{"hb00000berths::hr0000planner", "hb00000people::hr000viewonly", "hb00000cranes:mb0000default:hr00000reader"}, " ")
	b.Run("three tokens", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := resource.ParseScope(scope); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("raw: strings.Split", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if len(strings.Split(scope, " ")) != 3 {
				b.Fatal()
			}
		}
	})
}

func ExampleParseScope() {
	fmt.Println(resource.ParseScope("orders::read orders::write orders::read"))
	fmt.Println(resource.ParseScope("orders::read  orders::write"))
	// Output:
	// [orders::read orders::write] <nil>
	// [] scope with a space too many: tokens have one space between them
}
