package storetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/clientele-go/clientele/store"
)

func wantError(t testing.TB, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: error %v, want one that wraps %q", what, err, want)
	}
}

// wantChangeError checks that err names the change and says why.
func wantChangeError(t testing.TB, err error, index int, c store.Change, want error) {
	t.Helper()
	var ce *store.ChangeError
	if !errors.As(err, &ce) {
		t.Errorf("error %v, want a *ChangeError that wraps %q", err, want)
		return
	}
	if ce.Index != index || ce.Kind != c.Record.Kind || ce.ID != c.Record.ID {
		t.Errorf("the error names change %d (%s %.64q), want %d (%s %.64q)",
			ce.Index, ce.Kind, ce.ID, index, c.Record.Kind, c.Record.ID)
	}
	wantError(t, "Apply", err, want)
	wantError(t, "ChangeError.Err", ce.Err, want)
	for _, other := range []error{store.ErrNotFound, store.ErrConflict, store.ErrExists, store.ErrTaken, store.ErrInvalid} {
		if other != want && errors.Is(err, other) {
			t.Errorf("the error %v also wraps %q", err, other)
		}
	}
}

// difference says in what two records differ, or returns "". Labels may come
// back in another order, and what is empty may be nil.
func difference(got, want store.Record) string {
	switch {
	case got.Kind != want.Kind:
		return fmt.Sprintf("kind %q, want %q", got.Kind, want.Kind)
	case got.ID != want.ID:
		return fmt.Sprintf("id %.64q, want %.64q", got.ID, want.ID)
	case got.Version != want.Version:
		return fmt.Sprintf("version %d, want %d", got.Version, want.Version)
	case !slices.Equal(got.Names, want.Names):
		return fmt.Sprintf("names %.200q, want %.200q", got.Names, want.Names)
	case !slices.Equal(sorted(got.Labels), sorted(want.Labels)):
		return fmt.Sprintf("labels %.200q, want %.200q", got.Labels, want.Labels)
	case got.Text != want.Text:
		return fmt.Sprintf("text %.64q, want %.64q", got.Text, want.Text)
	case got.Sort != want.Sort:
		return fmt.Sprintf("sort key %.64q, want %.64q", got.Sort, want.Sort)
	case got.Format != want.Format:
		return fmt.Sprintf("format %d, want %d", got.Format, want.Format)
	case !got.Expires.Equal(want.Expires):
		return fmt.Sprintf("expiry %v, want %v", got.Expires, want.Expires)
	case got.Expires.Location() != time.UTC:
		return fmt.Sprintf("expiry in %v, want UTC", got.Expires.Location())
	case string(got.Data) != string(want.Data):
		return fmt.Sprintf("data %.64q (%d bytes), want %.64q (%d bytes)", got.Data, len(got.Data), want.Data, len(want.Data))
	}
	return ""
}

func differences(got, want []store.Record) string {
	if len(got) != len(want) {
		return fmt.Sprintf("%d of them, want %d", len(got), len(want))
	}
	for i := range got {
		if d := difference(got[i], want[i]); d != "" {
			return fmt.Sprintf("number %d: %s", i, d)
		}
	}
	return ""
}

func sorted(labels []store.Label) []store.Label {
	return slices.SortedFunc(slices.Values(labels), func(a, b store.Label) int {
		if c := strings.Compare(a.Key, b.Key); c != 0 {
			return c
		}
		return strings.Compare(a.Value, b.Value)
	})
}

func idsOf(records []store.Record) []string {
	var ids []string
	for _, r := range records {
		ids = append(ids, r.ID)
	}
	return ids
}

// inOrder returns the changes of a feed, with those of one revision, which may
// come in any order, by their keys.
func inOrder(f store.Feed) []store.Changed {
	changed := slices.Clone(f.Changed)
	less := func(a, b store.Changed) bool {
		return a.Revision == b.Revision && (a.Kind < b.Kind || a.Kind == b.Kind && a.ID < b.ID)
	}
	for i := range changed {
		for j := i; j > 0 && less(changed[j], changed[j-1]); j-- {
			changed[j], changed[j-1] = changed[j-1], changed[j]
		}
	}
	return changed
}

// feedOf returns what a feed says, in order: "+id" was put, "-id" deleted.
func feedOf(f store.Feed) []string {
	var all []string
	for _, c := range inOrder(f) {
		sign := "+"
		if c.Deleted {
			sign = "-"
		}
		all = append(all, sign+c.ID)
	}
	return all
}

// firstDifference shows two lists from where they begin to differ.
func firstDifference(got, want []string) string {
	i := 0
	for i < len(got) && i < len(want) && got[i] == want[i] {
		i++
	}
	show := func(list []string) string {
		return fmt.Sprintf("%.40q of %d", list[i:min(i+5, len(list))], len(list))
	}
	return fmt.Sprintf("from number %d on\n\t got %s\n\twant %s", i, show(got), show(want))
}

// describe says what a query asks for.
func describe(q store.Query) string {
	var all []string
	say := func(there bool, format string, value any) {
		if there {
			all = append(all, fmt.Sprintf(format, value))
		}
	}
	say(true, "kind %s", q.Kind)
	say(len(q.Labels) > 0, "labels %.40q", q.Labels)
	say(q.Text != "", "text %.40q", q.Text)
	say(q.From != "", "from %.40q", q.From)
	say(q.To != "", "to %.40q", q.To)
	say(!q.ExpiresFrom.IsZero(), "expires from %v", q.ExpiresFrom)
	say(!q.ExpiresTo.IsZero(), "expires to %v", q.ExpiresTo)
	say(q.Descending, "descending %t", q.Descending)
	say(q.After != "", "after %.40q", q.After)
	say(q.Offset != 0, "offset %d", q.Offset)
	say(q.Limit != 0, "limit %d", q.Limit)
	say(q.Count, "count %t", q.Count)
	return "{" + strings.Join(all, ", ") + "}"
}
