package sqlitestore_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/store"
)

func TestPlans(t *testing.T) {
	_, s := openTenant(t)
	_, err := s.Apply(t.Context(), store.Append(store.Record{Kind: "token", ID: "1"}))
	require.NoError(t, err)
	a, b := store.Label{Key: "client", Value: "a"}, store.Label{Key: "status", Value: "b"}
	after := store.At(store.Record{Sort: "m", ID: "m"})
	for _, c := range []struct {
		says        string
		query       store.Query
		page, count string // what the plans must say
	}{
		{"a list goes through the index of its order, and its count through the smallest",
			store.Query{}, "SEARCH record USING INDEX record_sort (tenant=? AND kind=?)",
			"SEARCH record USING COVERING INDEX record_id (tenant=? AND kind=?)"},
		{"the other way round too",
			store.Query{Descending: true}, "SEARCH record USING INDEX record_sort (tenant=? AND kind=?)",
			"SEARCH record USING COVERING INDEX record_id (tenant=? AND kind=?)"},
		{"a cursor is a place in the index",
			store.Query{After: after}, "SEARCH record USING INDEX record_sort (tenant=? AND kind=? AND (sort,id)>(?,?))", ""},
		{"a cursor backwards is a place in the index",
			store.Query{After: after, Descending: true}, "SEARCH record USING INDEX record_sort (tenant=? AND kind=? AND (sort,id)<(?,?))", ""},
		{"a range is a part of the index",
			store.Query{From: "a", To: "z"}, "SEARCH record USING INDEX record_sort (tenant=? AND kind=? AND sort>? AND sort<?)",
			"SEARCH record USING COVERING INDEX record_sort (tenant=? AND kind=? AND sort>? AND sort<?)"},
		{"a cursor within a range is a narrower part",
			store.Query{From: "a", To: "z", After: after}, "SEARCH record USING INDEX record_sort (tenant=? AND kind=? AND (sort,id)>(?,?) AND sort<?)", ""},
		{"text and expiry come from the index",
			store.Query{Text: "x", ExpiresFrom: day(1), ExpiresTo: day(2)}, "SEARCH record USING INDEX record_sort (tenant=? AND kind=?)",
			"SEARCH record USING COVERING INDEX record_sort (tenant=? AND kind=?)"},
		{"a label is looked up",
			store.Query{Labels: []store.Label{a}}, "SEARCH by USING PRIMARY KEY (tenant=? AND kind=? AND key=? AND value=?)",
			"SEARCH by USING PRIMARY KEY (tenant=? AND kind=? AND key=? AND value=?)"},
		{"a label with a cursor, a range and an expiry is a place among its rows",
			store.Query{Labels: []store.Label{a}, After: after, To: "z", ExpiresFrom: day(1)},
			"SEARCH by USING PRIMARY KEY (tenant=? AND kind=? AND key=? AND value=? AND (sort,id)>(?,?)", ""},
		{"a second label is looked up for each row of the first",
			store.Query{Labels: []store.Label{a, b}}, "USING PRIMARY KEY (tenant=? AND kind=? AND key=? AND value=? AND sort=? AND id=?)",
			"USING PRIMARY KEY (tenant=? AND kind=? AND key=? AND value=? AND sort=? AND id=?)"},
	} {
		t.Run(c.says, func(t *testing.T) {
			c.query.Kind = "token"
			page, count, err := s.Plan(t.Context(), c.query)
			require.NoError(t, err)
			require.Contains(t, strings.Join(page, "\n"), c.page)
			require.Contains(t, strings.Join(count, "\n"), c.count)
			for _, line := range append(page, count...) {
				if line != "SCAN page" { // the rows of the page, and no more
					require.NotContains(t, line, "SCAN")
				}
				require.NotContains(t, line, "TEMP B-TREE")
			}
		})
	}
}

// What is gone through to search the texts of records with labels depends on how
// many there are.
func TestPlanOfSearchWithLabels(t *testing.T) {
	_, s := openTenant(t)
	const few, records = 1000, 3000 // see fewRows
	common, half, rare := store.Label{Key: "common"}, store.Label{Key: "half"}, store.Label{Key: "rare"}
	for begin := 0; begin < records; begin += store.MaxChanges {
		var changes []store.Change
		for i := begin; i < begin+store.MaxChanges; i++ {
			r := store.Record{Kind: "token", ID: fmt.Sprint(i), Labels: []store.Label{common}}
			if i%2 == 0 {
				r.Labels = append(r.Labels, half)
			}
			if i < few {
				r.Labels = append(r.Labels, rare)
			}
			changes = append(changes, store.Append(r))
		}
		_, err := s.Apply(t.Context(), changes...)
		require.NoError(t, err)
	}
	const all = "record USING INDEX record_sort"
	for _, c := range []struct {
		says   string
		labels []store.Label
		want   string // what is gone through
		by     string // and the value of which label
	}{
		{"all records for a label of all", []store.Label{common}, all, ""},
		{"all records for a label of half", []store.Label{half}, all, ""},
		{"a label that few have", []store.Label{rare}, "SEARCH by", "rare"},
		{"of several labels the one that the fewest have", []store.Label{common, rare, half}, "SEARCH by", "rare"},
	} {
		t.Run(c.says, func(t *testing.T) {
			q := store.Query{Kind: "token", Labels: c.labels, Text: "x"}
			page, _, err := s.Plan(t.Context(), q)
			require.NoError(t, err)
			require.Contains(t, page[0], c.want)
			by, err := s.By(t.Context(), q)
			require.NoError(t, err)
			require.Equal(t, c.by, by)
		})
	}
	by, err := s.By(t.Context(), store.Query{Kind: "token", Labels: []store.Label{common, half}})
	require.NoError(t, err)
	require.Equal(t, "half", by)
}

func TestFeedPlan(t *testing.T) {
	_, s := openTenant(t)
	plan, err := s.FeedPlan(t.Context())
	require.NoError(t, err)
	all := strings.Join(plan, "\n")
	require.Contains(t, all, "SEARCH record USING INDEX record_version (tenant=? AND version>?)")
	require.Contains(t, all, "SEARCH deletion USING COVERING INDEX deletion_revision (tenant=? AND revision>?)")
	require.NotContains(t, all, "TEMP B-TREE")
}
