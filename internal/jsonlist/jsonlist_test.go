package jsonlist_test

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/internal/jsonlist"
	"github.com/clientele-go/clientele/store"
)

func TestNamesAndLabels(t *testing.T) {
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
		t.Run(says, func(t *testing.T) { requireSame(t, strs) })
	}
	t.Run("are what people query in the database", func(t *testing.T) {
		require.Equal(t, `["a","b"]`, jsonlist.Names([]string{"a", "b"}))
		require.Equal(t, `[["team","payments"],["all",""]]`, jsonlist.Labels([]store.Label{{Key: "team", Value: "payments"}, {Key: "all"}}))
		require.Empty(t, jsonlist.Names(nil))
		require.Empty(t, jsonlist.Labels(nil))
	})
}

func TestParseRefusesWhatIsDamaged(t *testing.T) {
	for _, names := range []string{`["a`, `["a\`, `[["a\\"]`, `{"a":"\n"}`} {
		_, _, err := jsonlist.Parse(names, "")
		require.ErrorContains(t, err, "names of a record", names)
	}
	for _, labels := range []string{`[["a"`, `[["a`, `[["a\`, `{"a":"\n"}`, `["a","b","c"]`} {
		_, _, err := jsonlist.Parse("", labels)
		require.ErrorContains(t, err, "labels of a record", labels)
	}
}

// requireSame checks that names and labels come back as they were.
func requireSame(t *testing.T, strs []string) {
	t.Helper()
	var labels []store.Label
	for i := range strs {
		labels = append(labels, store.Label{Key: strs[i], Value: strs[len(strs)-1-i]})
	}
	n, l, err := jsonlist.Parse(jsonlist.Names(strs), jsonlist.Labels(labels))
	require.NoError(t, err)
	require.True(t, slices.Equal(strs, n), "names %q, want %q", n, strs)
	require.True(t, slices.Equal(labels, l), "labels %q, want %q", l, labels)
}

// FuzzNamesAndLabels splits the text into names and labels.
func FuzzNamesAndLabels(f *testing.F) {
	f.Add("a|b")
	f.Add(`"|\|],["`)
	f.Add("\n||\u2028|<&>")
	f.Fuzz(func(t *testing.T, text string) {
		if !utf8.ValidString(text) {
			return // store.Check refuses it
		}
		requireSame(t, strings.Split(text, "|"))
	})
}

// FuzzParse gives any text as what stands in the database.
func FuzzParse(f *testing.F) {
	f.Add(`["a"]`)
	f.Add(`[["a","b"],["c","d\n"]]`)
	f.Add(`["a`)
	f.Fuzz(func(t *testing.T, text string) {
		_, _, _ = jsonlist.Parse(text, text)
	})
}
