package pgstore_test

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/pgstore"
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
		for _, damaged := range []string{"[", `["a`, `["a\`, `[["a\\"]`, `{"a":1}\`} {
			_, err := pgstore.DecodeNames(&damaged)
			if err != nil {
				require.ErrorIs(t, err, pgstore.ErrCorrupt)
			}
			_, err = pgstore.DecodeLabels(&damaged)
			if err != nil {
				require.ErrorIs(t, err, pgstore.ErrCorrupt)
			}
		}
		damaged := `["a`
		_, err := pgstore.DecodeNames(&damaged)
		require.Error(t, err)
		_, err = pgstore.DecodeLabels(&damaged)
		require.Error(t, err)
	})
}

// requireEncodes checks that names and labels come back as they were.
func requireEncodes(t *testing.T, strs []string) {
	t.Helper()
	names, err := pgstore.DecodeNames(pgstore.EncodeNames(strs))
	require.NoError(t, err)
	require.True(t, slices.Equal(strs, names), "names %q, want %q", names, strs)
	var labels []store.Label
	for i := range strs {
		labels = append(labels, store.Label{Key: strs[i], Value: strs[len(strs)-1-i]})
	}
	got, err := pgstore.DecodeLabels(pgstore.EncodeLabels(labels))
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

// FuzzDecoding gives any text as what stands in the database.
func FuzzDecoding(f *testing.F) {
	f.Add(`["a"]`)
	f.Add(`[["a","b"],["c","d\n"]]`)
	f.Add(`["a`)
	f.Fuzz(func(t *testing.T, text string) {
		_, _ = pgstore.DecodeNames(&text)
		_, _ = pgstore.DecodeLabels(&text)
	})
}

// Labels that read the same when they are written one after the other are
// different ones.
func TestLabelHash(t *testing.T) {
	seen := map[[16]byte]string{}
	for _, c := range []struct {
		tenant int32
		kind   store.Kind
		label  store.Label
	}{
		{1, "a", store.Label{Key: "b", Value: "c"}},
		{2, "a", store.Label{Key: "b", Value: "c"}},
		{1, "ab", store.Label{Key: "", Value: "c"}},
		{1, "a", store.Label{Key: "bc", Value: ""}},
		{1, "a", store.Label{Key: "b", Value: ""}},
		{1, "", store.Label{Key: "ab", Value: "c"}},
		{1, "a", store.Label{Key: "b", Value: "C"}},
	} {
		h := pgstore.LabelHash(c.tenant, c.kind, c.label)
		require.NotContains(t, seen, h)
		seen[h] = c.label.Key
		require.Equal(t, h, pgstore.LabelHash(c.tenant, c.kind, c.label))
	}
}
