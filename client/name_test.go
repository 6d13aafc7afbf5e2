package client_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/unicode/norm"

	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/store"
)

// salawat is the character that folds to the most: 18 of them, 33 bytes.
const salawat = "\uFDFA"

func TestNamesThatAreTaken(t *testing.T) {
	cases := []struct{ title, name, kept string }{
		{"one character", "x", "x"},
		{"255 characters", strings.Repeat("x", 255), strings.Repeat("x", 255)},
		{"255 characters, decomposed to 510", strings.Repeat("e\u0301", 255), strings.Repeat("\u00e9", 255)},
		{"255 characters, each decomposed to four", strings.Repeat("\u03b1\u0313\u0300\u0345", 255), strings.Repeat("\u1f82", 255)},
		{"255 Hangul syllables in 2295 bytes of letters", strings.Repeat("\u1100\u1161\u11a8", 255), strings.Repeat("\uac01", 255)},
		{"127 characters that NFC makes 254 of", strings.Repeat("\u0958", 127), strings.Repeat("\u0915\u093c", 127)},
		{"255 emoji", strings.Repeat("\U0001f600", 255), strings.Repeat("\U0001f600", 255)},
		{"255 characters that fold to 8 KiB", strings.Repeat(salawat, 255), strings.Repeat(salawat, 255)},
		{"markup", `<script>"><img onerror=x>{{.}}</script>`, `<script>"><img onerror=x>{{.}}</script>`},
		{"right to left and zero width", "\u202enightly\u200b", "\u202enightly\u200b"},
		{"spaces around it", " nightly ", " nightly "},
	}
	for _, c := range cases {
		t.Run(c.title, func(t *testing.T) {
			f := newFixture(t)
			added := f.add(t, client.Spec{Name: c.name})
			require.Equal(t, c.kept, added.Name)
			require.Equal(t, added, f.get(t, added.ID))
		})
	}
}

func TestNamesThatAreRefused(t *testing.T) {
	cases := []struct{ title, name, message string }{
		{"no name", "", "is required: 1 to 255 characters"},
		{"spaces alone", " \u00a0\u2003", "is required: 1 to 255 characters"},
		{"256 characters", strings.Repeat("x", 256), "has 256 characters, at most 255"},
		{"256 characters, decomposed to 512", strings.Repeat("e\u0301", 256), "has 256 characters, at most 255"},
		{"256 emoji", strings.Repeat("\U0001f600", 256), "has 256 characters, at most 255"},
		{"128 characters that NFC makes 256 of", strings.Repeat("\u0958", 128), "has 256 characters, at most 255"},
		{"256 Hangul syllables in 2304 bytes of letters", strings.Repeat("\u1100\u1161\u11a8", 256), "is too long: at most 255 characters"},
		{"1 MiB", strings.Repeat("x", 1<<20), "is too long: at most 255 characters"},
		{"a line break", "night\nly", "has the control character U+000A"},
		{"a tab", "night\tly", "has the control character U+0009"},
		{"CR LF and a header", "x\r\nSet-Cookie: a=b", "has the control character U+000D"},
		{"NUL", "night\x00ly", "has the control character U+0000"},
		{"DEL", "night\x7fly", "has the control character U+007F"},
		{"a control character beyond ASCII", "night\u0085ly", "has the control character U+0085"},
		{"invalid UTF-8", "night\xffly", "is not UTF-8"},
		{"half a surrogate pair", "\xed\xa0\x80", "is not UTF-8"},
	}
	for _, c := range cases {
		t.Run(c.title, func(t *testing.T) {
			f := newFixture(t)
			f.requireUnchanged(t, func() {
				added, err := f.Add(f.ctx, client.Spec{Name: c.name})
				require.Nil(t, added)
				requireProblem(t, err, "Name", c.message)
			})
			kept := f.add(t, client.Spec{Name: "kept"})
			f.requireUnchanged(t, func() {
				_, err := f.Edit(f.ctx, kept.ID, func(e *client.Client) error { e.Name = c.name; return nil })
				requireProblem(t, err, "Name", c.message)
			})
		})
	}
}

func TestNamesAreUnique(t *testing.T) {
	long := strings.Repeat(salawat, 254)
	cases := []struct{ title, one, other string }{
		{"the same", "nightly", "nightly"},
		{"another case", "nightly", "NIGHTLY"},
		{"composed and decomposed", "caf\u00e9", "cafe\u0301"},
		{"decomposed and in another case", "caf\u00e9", "CAFE\u0301"},
		{"sharp s", "stra\u00dfe", "STRASSE"},
		{"the three sigmas", "\u039f\u0394\u039f\u03a3", "\u03bf\u03b4\u03bf\u03c2"},
		{"a ligature", "\ufb01le", "FILE"},
		{"full width", "\uff21\uff42", "ab"},
		{"the Kelvin sign", "5 \u212a", "5 k"},
		{"folded to 8 KiB", long + "a", long + "A"},
	}
	for _, c := range cases {
		t.Run(c.title, func(t *testing.T) {
			f := newFixture(t)
			one := f.add(t, client.Spec{Name: c.one})
			another := f.add(t, client.Spec{Name: "another"})
			f.requireUnchanged(t, func() {
				_, err := f.Add(f.ctx, client.Spec{Name: c.other})
				require.ErrorIs(t, err, client.ErrNameTaken)
				require.ErrorIs(t, requireProblem(t, err, "Name", "another client is called").Err, client.ErrNameTaken)
				_, err = f.Edit(f.ctx, another.ID, func(e *client.Client) error { e.Name = c.other; return nil })
				require.ErrorIs(t, err, client.ErrNameTaken)
				_, err = f.Import(f.ctx, client.Import{ID: "imported", Spec: client.Spec{Name: c.other}})
				require.ErrorIs(t, err, client.ErrNameTaken)
			})
			// It may change the spelling of its own name.
			renamed, err := f.Edit(f.ctx, one.ID, func(e *client.Client) error { e.Name = c.other; return nil })
			require.NoError(t, err)
			require.Equal(t, norm.NFC.String(c.other), renamed.Name)
			for _, name := range []string{c.one, c.other} {
				found, err := f.ByName(f.ctx, name)
				require.NoError(t, err)
				require.Equal(t, renamed, found)
			}
		})
	}
}

func TestNamesThatDifferLiveSideBySide(t *testing.T) {
	long := strings.Repeat(salawat, 254)
	cases := []struct{ title, one, other string }{
		{"an accent", "cafe", "caf\u00e9"},
		{"a dotless i", "i", "\u0131"},
		{"a space at the end", "nightly", "nightly "},
		{"only beyond the first KiB of what it folds to", long + "a", long + "b"},
		{"only in length, beyond the first KiB", long, long + "a"},
	}
	for _, c := range cases {
		t.Run(c.title, func(t *testing.T) {
			f := newFixture(t)
			one := f.add(t, client.Spec{Name: c.one})
			_, err := f.ByName(f.ctx, c.other)
			require.ErrorIs(t, err, client.ErrNotFound)
			other := f.add(t, client.Spec{Name: c.other})
			for name, want := range map[string]*client.Client{c.one: one, c.other: other} {
				found, err := f.ByName(f.ctx, name)
				require.NoError(t, err)
				require.Equal(t, want, found)
			}
		})
	}
}

func TestANameIsFreeAgain(t *testing.T) {
	for _, name := range []string{"nightly", strings.Repeat(salawat, 255)} {
		f := newFixture(t)
		c := f.add(t, client.Spec{Name: name})
		_, err := f.Edit(f.ctx, c.ID, func(e *client.Client) error { e.Name = "renamed"; return nil })
		require.NoError(t, err)
		second := f.add(t, client.Spec{Name: name}) // freed by the rename
		require.NoError(t, f.Delete(f.ctx, second.ID))
		third := f.add(t, client.Spec{Name: name}) // freed by the deletion
		require.NotEqual(t, second.ID, third.ID)
		require.NoError(t, f.Delete(f.ctx, c.ID))
		f.add(t, client.Spec{Name: "Renamed"})
	}
}

func TestByNameFindsNothing(t *testing.T) {
	f := newFixture(t)
	f.add(t, client.Spec{Name: "nightly report"})
	renamed := f.add(t, client.Spec{Name: "early"})
	_, err := f.Edit(f.ctx, renamed.ID, func(e *client.Client) error { e.Name = "late"; return nil })
	require.NoError(t, err)
	require.NoError(t, f.Delete(f.ctx, f.add(t, client.Spec{Name: "gone"}).ID))
	for title, name := range map[string]string{
		"no name":                   "",
		"the beginning of a name":   "nightly",
		"a name and more":           "nightly report 2",
		"a former name":             "early",
		"a deleted client's name":   "gone",
		"beyond all names":          "\U0010ffff",
		"a NUL":                     "late\x00",
		"what is not UTF-8":         "late\xff",
		"256 characters":            strings.Repeat("x", 256),
		"1 MiB":                     strings.Repeat("x", 1<<20),
		"255 that fold to 8 KiB":    strings.Repeat(salawat, 255),
		"the id of a client":        renamed.ID,
		"a wildcard, were it a SQL": "nightly%",
	} {
		t.Run(title, func(t *testing.T) {
			lists := 0
			f.store.beforeList = func(context.Context, store.Query) error { lists++; return nil }
			c, err := f.ByName(f.ctx, name)
			require.LessOrEqual(t, lists, 1, "it looks at one place")
			require.Nil(t, c)
			require.ErrorIs(t, err, client.ErrNotFound)
			require.Less(t, len(err.Error()), 400)
		})
	}
	t.Run("a store that fails", func(t *testing.T) {
		f.store.beforeList = func(context.Context, store.Query) error { return errAway }
		_, err := f.ByName(f.ctx, "late")
		requireUnknown(t, err)
		require.ErrorContains(t, err, `looking for the client "late"`)
	})
}

// More of them than stand on a page: they all have the same sort key.
func TestByNameAmongManyThatBeginAlike(t *testing.T) {
	f := newFixture(t)
	long := strings.Repeat(salawat, 100)
	added := map[string]*client.Client{}
	for i := range store.DefaultLimit + 20 {
		name := fmt.Sprint(long, i)
		added[name] = f.add(t, client.Spec{Name: name})
	}
	for name, want := range added {
		found, err := f.ByName(f.ctx, name)
		require.NoError(t, err)
		require.Equal(t, want, found)
	}
	_, err := f.ByName(f.ctx, long)
	require.ErrorIs(t, err, client.ErrNotFound)
}
