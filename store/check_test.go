package store_test

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/store"
)

func TestFold(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"case is removed", "Nightly REPORT", "nightly report"},
		{"composed and decomposed are one", "Caf\u0065\u0301", "café"},
		{"compatibility forms are one", "ﬁle Ａ", "file a"},
		{"sharp s folds fully", "STRASSE Straße", "strasse strasse"},
		{"final sigma folds to sigma", "ΣΑΣ σας", "σασ σασ"},
		{"both cases of Cherokee are one", "Ꭰ ꭰ Ᏸ ᏸ", "Ꭰ Ꭰ Ᏸ Ᏸ"},
		{"nothing stays nothing", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) { require.Equal(t, c.want, store.Fold(c.in)) })
	}
}

func TestFoldingTwiceChangesNothingForAnyCharacter(t *testing.T) {
	for r := rune(0); r <= utf8.MaxRune; r++ {
		if !utf8.ValidRune(r) {
			continue
		}
		once := store.Fold(string(r))
		if twice := store.Fold(once); twice != once {
			t.Errorf("%U folds to %q and then to %q", r, once, twice)
		}
	}
}

func FuzzFold(f *testing.F) {
	f.Add("Nightly REPORT")
	f.Add("ﬁle Ａ\u0345\u1E9E")
	f.Add("\xff\xfe")
	f.Fuzz(func(t *testing.T, s string) {
		once := store.Fold(s)
		if store.Fold(once) != once {
			t.Errorf("Fold(%q) is not stable", s)
		}
		if utf8.ValidString(s) && !utf8.ValidString(once) {
			t.Errorf("Fold(%q) = %q is not UTF-8", s, once)
		}
	})
}

func TestTime(t *testing.T) {
	require.True(t, store.Time(time.Time{}).IsZero())
	in := time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.FixedZone("", 3600))
	require.Equal(t, time.Date(2026, 3, 1, 11, 0, 0, 123456000, time.UTC), store.Time(in))
}

func TestCursor(t *testing.T) {
	at := store.At(store.Record{Sort: "a\"b\nc", ID: "ü"})
	sort, id, err := at.Position()
	require.NoError(t, err)
	require.Equal(t, []string{"a\"b\nc", "ü"}, []string{sort, id})
	for _, bad := range []store.Cursor{"", "x", "====", "bnVsbA", at + "A", at[1:], "WyIiLCIiXQ", "WyJhIiwiYiIsImMiXQ", "WyJhIiwi_yJd", "IFsiYSIsImIiXQ"} {
		_, _, err := bad.Position()
		require.ErrorIs(t, err, store.ErrInvalid, "%q", bad)
	}
}

func FuzzCursor(f *testing.F) {
	f.Add(string(store.At(store.Record{Sort: "a", ID: "b"})))
	f.Add("WyIiLCIiXQ")
	f.Fuzz(func(t *testing.T, s string) {
		sort, id, err := store.Cursor(s).Position()
		if err != nil {
			return
		}
		again, andID, err := store.At(store.Record{Sort: sort, ID: id}).Position()
		if err != nil || again != sort || andID != id {
			t.Errorf("%q stands for %q, %q, which does not come back: %q, %q, %v", s, sort, id, again, andID, err)
		}
	})
}

func TestCheckFormat(t *testing.T) {
	require.NoError(t, store.CheckFormat(store.Record{Format: 1}, 1))
	require.ErrorIs(t, store.CheckFormat(store.Record{Format: 2}, 1), store.ErrNewer)
}

func TestCheckRefusesWhatIsOutsideTheLimits(t *testing.T) {
	good := store.Record{Kind: "k", ID: "i"}
	change := func(edit func(*store.Record)) store.Change {
		r := good
		edit(&r)
		return store.Put(r)
	}
	for _, c := range []struct {
		name    string
		changes []store.Change
		text    string
	}{
		{"no change at all", nil, "0 changes"},
		{"a forgotten operation", []store.Change{{Record: good}}, "unknown operation"},
		{"an upper-case kind", []store.Change{change(func(r *store.Record) { r.Kind = "K" })}, "kind"},
		{"a long id, whose text does not come back", []store.Change{change(func(r *store.Record) { r.ID = strings.Repeat("x", store.MaxString+1) })}, "id of 1025 bytes"},
		{"the same record twice", []store.Change{store.Put(good), store.Append(good)}, "change 1: a second one"},
		{"the same record twice, behind others in order", []store.Change{
			store.Append(store.Record{Kind: "k", ID: "a"}), store.Append(good), store.Append(good),
		}, "change 2: a second one"},
		{"the same record twice, among others in no order", []store.Change{
			store.Append(good), store.Append(store.Record{Kind: "k", ID: "j"}), store.Append(store.Record{Kind: "j", ID: "k"}), store.Append(good),
		}, "change 3: a second one"},
		{"a deletion without a version", []store.Change{store.Delete("k", "i", 0)}, "version 0"},
		{"an appended record with a version", []store.Change{{Op: store.OpAppend, Record: store.Record{Kind: "k", ID: "i", Version: 1}}}, "version 1"},
		{"a local time", []store.Change{change(func(r *store.Record) { r.Expires = time.Now().In(time.FixedZone("x", 60)).Truncate(time.Microsecond) })}, "expiry"},
		{"a negative format", []store.Change{change(func(r *store.Record) { r.Format = -1 })}, "format"},
		{"many labels, one twice", []store.Change{change(func(r *store.Record) {
			for _, v := range "abcdefghija" {
				r.Labels = append(r.Labels, store.Label{Key: "k", Value: string(v)})
			}
		})}, "twice"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := store.Check(c.changes...)
			require.ErrorIs(t, err, store.ErrInvalid)
			require.ErrorContains(t, err, c.text)
		})
	}
	require.NoError(t, store.Check(store.Put(good)))
}
