package client_test

import (
	"errors"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/unicode/norm"

	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/store"
)

// Whatever is accepted is within the documented bounds, comes back from the store
// as it was returned, is found, and is accepted again unchanged. Whatever is not is
// an InvalidError.
func FuzzSpec(f *testing.F) {
	for _, seed := range []struct {
		name, description, key, value string
		seconds                       int64
	}{
		{"nightly report", "runs at two\n\tand at three", "owner", "ops", 3600},
		{"e\u0301\u1100\u1161\u11a8\u0958", "\u03b1\u0313\u0300\u0345", "e\u0301", "e\u0301", 60},
		{strings.Repeat(salawat, 255), "", "\u212b", "", 86400},
		{"\U0001f600", "\x00", "", "\xff", 59},
		{" ", "\u0085", "a\nb", "\u2028", 0},
		{"x" + strings.Repeat("\u0301", 60), "\u202e", "\u200b", "<script>", -1},
	} {
		f.Add(seed.name, seed.description, seed.key, seed.value, seed.seconds)
	}
	fix := newFixture(f)
	f.Fuzz(func(t *testing.T, name, description, key, value string, seconds int64) {
		spec := client.Spec{
			Name: name, Description: description, Labels: map[string]string{key: value},
			TokenLifetime: time.Duration(seconds % (1 << 31) * int64(time.Second)),
		}
		c, err := fix.Add(fix.ctx, spec)
		if err != nil {
			var invalid *client.InvalidError
			require.True(t, errors.As(err, &invalid), "%v", err)
			require.NotEmpty(t, invalid.Problems)
			require.True(t, utf8.ValidString(err.Error()))
			require.Less(t, len(err.Error()), 4000)
			require.Empty(t, fix.list(t, client.Query{}))
			return
		}
		defer func() { require.NoError(t, fix.Delete(fix.ctx, c.ID)) }()
		requireText(t, c.Name, 1, client.MaxName, "")
		require.NotEmpty(t, strings.TrimSpace(c.Name))
		requireText(t, c.Description, 0, client.MaxDescription, "\n\r\t")
		require.Len(t, c.Labels, 1)
		for k, v := range c.Labels {
			requireText(t, k, 1, client.MaxLabelKey, "")
			requireText(t, v, 0, client.MaxLabelValue, "")
		}
		require.GreaterOrEqual(t, c.TokenLifetime, client.MinTokenLifetime)
		require.LessOrEqual(t, c.TokenLifetime, client.MaxTokenLifetime)

		require.Equal(t, c, fix.get(t, c.ID))
		looked, err := fix.Lookup(fix.ctx, c.ID)
		require.NoError(t, err)
		require.Equal(t, c, looked)
		require.Equal(t, []string{c.Name}, fix.list(t, client.Query{Labels: map[string]string{key: value}}))
		for _, asked := range []string{name, c.Name, strings.ToUpper(c.Name)} {
			found, err := fix.ByName(fix.ctx, asked)
			if asked == strings.ToUpper(c.Name) && store.Fold(asked) != store.Fold(c.Name) {
				continue // not all that has an upper case folds alike, and it may be too long
			}
			require.NoError(t, err)
			require.Equal(t, c, found)
		}
		if utf8.RuneCountInString(name) < 60 { // of a longer one not all may fold into what is searched
			require.Equal(t, []string{c.Name}, fix.list(t, client.Query{Search: name}))
		}
		_, err = fix.Add(fix.ctx, client.Spec{Name: name})
		require.ErrorIs(t, err, client.ErrNameTaken)

		// What was given, and what was made of it, are the same to an Edit.
		for _, again := range []client.Spec{spec, c.Spec} {
			edited, err := fix.Edit(fix.ctx, c.ID, func(e *client.Client) error { e.Spec = again; return nil })
			require.NoError(t, err)
			require.Equal(t, c, edited)
		}
	})
}

func requireText(t *testing.T, s string, least, most int, allowed string) {
	t.Helper()
	require.True(t, utf8.ValidString(s))
	require.True(t, norm.NFC.IsNormalString(s), "%q", s)
	n := utf8.RuneCountInString(s)
	require.GreaterOrEqual(t, n, least)
	require.LessOrEqual(t, n, most)
	for _, r := range s {
		require.True(t, !unicode.IsControl(r) || strings.ContainsRune(allowed, r), "%U", r)
	}
}

// Whatever is presented and whatever is asked for as an id, nothing is found, and
// nothing but ErrNotFound is answered.
func FuzzLookup(f *testing.F) {
	for _, seed := range []string{"", "x", "known", "x.y", "\x00", "\xff", strings.Repeat("x", 65), "cls_abcdefgh_"} {
		f.Add(seed, seed)
	}
	fix := newFixture(f)
	known := fix.add(f, client.Spec{Name: "known"})
	value, _ := fix.addSecret(f, known.ID, 90*day)
	f.Fuzz(func(t *testing.T, id, presented string) {
		if id != known.ID {
			_, err := fix.Lookup(t.Context(), id)
			require.ErrorIs(t, err, client.ErrNotFound)
			require.Less(t, len(err.Error()), 400)
		}
		c, err := fix.Lookup(t.Context(), known.ID)
		require.NoError(t, err)
		_, found, valid := c.CheckSecret(presented, noon)
		require.Equal(t, presented == value.Reveal(), found)
		require.Equal(t, presented == value.Reveal(), valid)
	})
}

// Whatever is declared, it is refused with a DeclarationError and nothing done, or
// done as the rehearsal said, and nothing is left to be done. Who is not of the
// owner is never touched.
func FuzzApply(f *testing.F) {
	for _, seed := range [][6]string{
		{"repo", "1", "one", "2", "two", "owner"},
		{"repo", "1", "one", "1", "ONE", "declared-by"},
		{"another", "e\u0301", "\u212b", "\u00e9", "\u00c5", "external-id"},
		{"", "", "", "\xff", "a\nb", "\x00"},
		{"repo", " ", "bystander", "x", "BYSTANDER", "\u200b"},
		{"repo", strings.Repeat("x", 256), strings.Repeat(salawat, 255), "y", strings.Repeat(salawat, 254), strings.Repeat("k", 65)},
	} {
		f.Add(seed[0], seed[1], seed[2], seed[3], seed[4], seed[5], byte(len(seed[1])))
	}
	fix := newFixture(f)
	bystanders := []*client.Client{
		fix.add(f, client.Spec{Name: "bystander"}),
		fix.add(f, client.Spec{Name: "of another", Labels: map[string]string{client.LabelOwner: "another one", client.LabelExternalID: "1"}}),
	}
	f.Fuzz(func(t *testing.T, owner, externalID, name, externalID2, name2, label string, flags byte) {
		d := client.Declaration{Owner: owner, Prune: true, Clients: []client.Declared{
			{ExternalID: externalID, Spec: client.Spec{Name: name, Labels: map[string]string{label: name2}, Disabled: flags&1 != 0}, KeepStatus: flags&2 != 0},
			{ExternalID: externalID2, Spec: client.Spec{Name: name2, Description: label}},
		}}
		if norm.NFC.String(owner) == bystanders[1].Labels[client.LabelOwner] {
			return // it would be pruned, and rightly
		}
		planned, tryErr := client.Apply(fix.ctx, fix.Registry, d, true)
		plan, err := client.Apply(fix.ctx, fix.Registry, d, false)
		require.Equal(t, tryErr, err)
		require.True(t, utf8.ValidString(plan.String()))
		require.Len(t, plan.Steps, len(planned.Steps))
		if err != nil {
			var wrong *client.DeclarationError
			require.True(t, errors.As(err, &wrong), "%v", err)
			require.NotEmpty(t, wrong.Problems)
			require.True(t, utf8.ValidString(err.Error()))
			require.Less(t, len(err.Error()), 10_000)
			require.Len(t, fix.list(t, client.Query{}), len(bystanders))
		} else {
			again, err := client.Apply(fix.ctx, fix.Registry, d, false)
			require.NoError(t, err)
			require.Equal(t, len(d.Clients), again.Counts(client.StepUnchanged))
			require.Len(t, again.Steps, len(d.Clients))
			d.Clients = nil
			gone, err := client.Apply(fix.ctx, fix.Registry, d, false)
			require.NoError(t, err)
			require.Equal(t, 2, gone.Counts(client.StepDelete))
		}
		for _, c := range bystanders {
			require.Equal(t, c, fix.get(t, c.ID))
		}
	})
}
