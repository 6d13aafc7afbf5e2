package sqlitestore_test

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/sqlitestore"
	"github.com/clientele-go/clientele/store"
)

func TestEncoding(t *testing.T) {
	for says, strs := range map[string][]string{
		"nothing":               nil,
		"one":                   {"a"},
		"empty strings":         {"", ""},
		"quotes":                {`a"b`, `"`, `""`, `","`},
		"backslashes":           {`\`, `\"`, `a\nb`},
		"brackets and commas":   {"[", "]", `],["`, ","},
		"control characters":    {"\n", "\t", "\x01", "\x7f"},
		"what HTML escapes":     {"<script>", "&amp;", "\u2028"},
		"beyond ASCII":          {"zoë", "日本", "🙂", "\ufffd"},
		"escaped and plain":     {"plain", `"`, "plain"},
		"an odd number of them": {"a", "b", "c"},
	} {
		t.Run(says, func(t *testing.T) { requireEncodes(t, strs) })
	}
	t.Run("what is damaged is refused", func(t *testing.T) {
		for _, damaged := range []string{"x", "[", `["a`, `["a\`, `[["a\\"]`, `{"a":1}\`, `["a","b`} {
			_, err := sqlitestore.DecodeNames(damaged)
			if err != nil {
				require.ErrorIs(t, err, sqlitestore.ErrCorrupt)
			}
			_, err = sqlitestore.DecodeLabels(damaged)
			if err != nil {
				require.ErrorIs(t, err, sqlitestore.ErrCorrupt)
			}
		}
		_, err := sqlitestore.DecodeNames(`["a`)
		require.Error(t, err)
		_, err = sqlitestore.DecodeLabels(`[["a"`)
		require.Error(t, err)
	})
}

// requireEncodes checks that names and labels come back as they were.
func requireEncodes(t *testing.T, strs []string) {
	t.Helper()
	names, err := sqlitestore.DecodeNames(sqlitestore.EncodeNames(strs))
	require.NoError(t, err)
	require.True(t, slices.Equal(strs, names), "names %q, want %q", names, strs)
	var labels []store.Label
	for i := range strs {
		labels = append(labels, store.Label{Key: strs[i], Value: strs[len(strs)-1-i]})
	}
	got, err := sqlitestore.DecodeLabels(sqlitestore.EncodeLabels(labels))
	require.NoError(t, err)
	require.True(t, slices.Equal(labels, got), "labels %q, want %q", got, labels)
}

// FuzzEncoding splits the text into names and labels.
func FuzzEncoding(f *testing.F) {
	f.Add("a|b")
	f.Add(`"|\|],["`)
	f.Add("\n||\u2028|<&>")
	f.Fuzz(func(t *testing.T, text string) {
		if !utf8.ValidString(text) {
			return // store.Check refuses it
		}
		requireEncodes(t, strings.Split(text, "|"))
	})
}

// FuzzDecoding gives any text as what stands in the file.
func FuzzDecoding(f *testing.F) {
	f.Add(`["a"]`)
	f.Add(`[["a","b"],["c","d\n"]]`)
	f.Add(`["a`)
	f.Fuzz(func(t *testing.T, text string) {
		_, _ = sqlitestore.DecodeNames(text)
		_, _ = sqlitestore.DecodeLabels(text)
	})
}
