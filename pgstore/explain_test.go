package pgstore_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/pgstore"
	"github.com/clientele-go/clientele/pgstore/pgtest"
	"github.com/clientele-go/clientele/store"
)

// envRecords is how many records the plans are looked at with, "1000000" for the
// size that is promised. Without it they are fewer.
const envRecords = "CLIENTELE_RECORDS"

// planRecords returns that number.
func planRecords(t *testing.T) int {
	t.Helper()
	n := 20_000
	if text := os.Getenv(envRecords); text != "" {
		_, err := fmt.Sscan(text, &n)
		require.NoError(t, err)
	}
	return n
}

// A shape is a query and what its plan must say.
type shape struct {
	says  string
	query store.Query
	want  []string
}

// shapes are the queries that there are, for records that fillClients makes.
func shapes(records int) []shape {
	team, half := store.Label{Key: "team", Value: "42"}, store.Label{Key: "half", Value: "1"}
	middle := store.At(store.Record{Sort: "service 5", ID: "5"})
	const (
		inOrder = "Index Scan using record_sort on record r"
		byIndex = "Index Only Scan using record_sort on record r"
		kind    = "Index Cond: ((space = 1) AND (kind = 'client'::text))"
		lookUp  = "Index Scan using record_pkey on record r"
	)
	return []shape{
		{"the first page", store.Query{}, []string{inOrder, kind}},
		{"the last page", store.Query{Descending: true}, []string{"Index Scan Backward using record_sort", kind}},
		{"a page and a count", store.Query{Count: true}, []string{inOrder, kind, "Index Only Scan using record_kind"}},
		{"a cursor is a place in the index", store.Query{After: middle},
			[]string{inOrder, "(ROW(sort, id) > ROW('service 5'::text, '5'::text))"}},
		{"a cursor backwards too", store.Query{After: middle, Descending: true},
			[]string{"Index Scan Backward using record_sort", "(ROW(sort, id) < ROW('service 5'::text, '5'::text))"}},
		{"a range is a part of the index", store.Query{From: "service 2", To: "service 3", Count: true},
			[]string{inOrder, "(sort >= 'service 2'::text) AND (sort < 'service 3'::text)"}},
		{"a cursor within a range is a narrower part", store.Query{From: "service 2", To: "service 7", After: middle},
			[]string{inOrder, "(ROW(sort, id) > ROW('service 5'::text, '5'::text)) AND (sort < 'service 7'::text)"}},
		{"what an offset skips is not read", store.Query{Offset: records / 2}, []string{byIndex, lookUp}},
		{"an expiry is looked up in an index, one or the other", store.Query{ExpiresFrom: day(1), ExpiresTo: day(2), Count: true}, []string{"Index Cond", "(expires >= '2130-01-02", lookUp}},
		{"a label is looked up", store.Query{Labels: []store.Label{team}},
			[]string{"Index Only Scan using label_pkey on label l0", "Index Cond: (label = ", lookUp}},
		{"a label and a count", store.Query{Labels: []store.Label{half}, Count: true},
			[]string{"Index Only Scan using label_pkey on label l0", lookUp}},
		{"a label with a cursor, a range and an expiry is a place among its rows",
			store.Query{Labels: []store.Label{half}, After: middle, To: "service 7", ExpiresFrom: day(1)},
			[]string{"Index Only Scan using label_pkey on label l0", "(ROW(sort, id) > ROW('service 5'::text, '5'::text)) AND (sort < 'service 7'::text)", lookUp}},
		{"labels are looked up each", store.Query{Labels: []store.Label{half, team}},
			[]string{"label_pkey on label l0", "label_pkey on label l1", lookUp}},
		{"texts are searched in their table", store.Query{Text: "team 42"}, []string{"search_pkey", "on search s", lookUp}},
		{"once for a page and a count", store.Query{Text: "team 42", Count: true}, []string{"CTE matches", "search_pkey", "on search s", lookUp}},
		{"and by a label", store.Query{Text: "service", Labels: []store.Label{team}, Count: true},
			[]string{"CTE matches", "label_pkey on label l0", "search_pkey", lookUp}},
	}
}

// TestPlans shows that there is an index for each query, whether the server has
// vacuumed the tables or not, with what Open sets for a connection and where it
// must not set anything.
func TestPlans(t *testing.T) {
	records := planRecords(t)
	url := pgtest.Database(t)
	db := openURL(t, url, pgstore.Config{})
	s := tenant(t, db, "main")
	begun := time.Now()
	fillClients(t, s, records)
	t.Logf("%d records in %v", records, time.Since(begun))
	pooled := tenant(t, openURL(t, url, pgstore.Config{PgBouncer: true}), "main")

	look := func(t *testing.T, s *pgstore.Store, all []shape) {
		for _, c := range all {
			t.Run(c.says, func(t *testing.T) {
				c.query.Kind, c.query.Limit = "client", 50
				plan, err := s.Plan(t.Context(), c.query)
				require.NoError(t, err)
				for _, want := range c.want {
					require.Contains(t, plan, want)
				}
				require.NotContains(t, plan, "Seq Scan")
			})
		}
	}
	t.Run("before the server has looked at the tables", func(t *testing.T) {
		for _, c := range shapes(records) { // it may sort, but finds them by an index
			look(t, s, []shape{{c.says, c.query, nil}})
		}
	})
	db.Vacuum(t.Context())
	t.Run("after it", func(t *testing.T) { look(t, s, shapes(records)) })
	t.Run("with settings for the list alone", func(t *testing.T) { look(t, pooled, shapes(records)) })
	t.Run("the feed", func(t *testing.T) {
		plan, err := s.FeedPlan(t.Context())
		require.NoError(t, err)
		require.Contains(t, plan, "Index Scan using record_version on record")
		require.Contains(t, plan, "using deletion_revision on deletion")
	})
	t.Run("what has expired", func(t *testing.T) {
		plan, err := s.SweepPlan(t.Context())
		require.NoError(t, err)
		require.Contains(t, plan, "Index Scan using record_expires on record")
	})
	if os.Getenv(envRecords) != "" {
		measure(t, s, records)
	}
}

// measure says how long each query takes.
func measure(t *testing.T, s *pgstore.Store, records int) {
	for _, c := range shapes(records) {
		c.query.Kind, c.query.Limit = "client", 50
		var best time.Duration
		for range 5 {
			begun := time.Now()
			_, err := s.List(t.Context(), c.query)
			took := time.Since(begun)
			require.NoError(t, err)
			if best == 0 || took < best {
				best = took
			}
		}
		t.Logf("%8.1f ms  %s", float64(best.Microseconds())/1000, c.says)
	}
	begun := time.Now()
	for i := range 1000 {
		_, err := s.Get(t.Context(), "client", fmt.Sprint(i*7919%records))
		require.NoError(t, err)
	}
	t.Logf("%8.3f ms  a record by its id", float64(time.Since(begun).Microseconds())/1e6)
}

// The plans that the server keeps for the statements that are prepared are good
// at whatever size they are made: each finds what it needs by a primary key.
func TestKeptPlans(t *testing.T) {
	db, s := openTenant(t)
	look := func(says string) {
		t.Run(says, func(t *testing.T) {
			plans, err := db.KeptPlans(t.Context())
			require.NoError(t, err)
			for name, plan := range plans {
				require.NotContains(t, plan, "Seq Scan", name)
				for line := range strings.Lines(plan) {
					if strings.Contains(line, "Index") && strings.Contains(line, "Scan") {
						require.Contains(t, line, "_pkey", "%s:\n%s", name, plan)
					}
				}
			}
		})
	}
	look("empty tables")
	db.Vacuum(t.Context())
	look("empty tables that were analyzed")
	putNew(t, s, "one")
	look("one record")
	db.Vacuum(t.Context())
	look("one record that was analyzed")
	fill(t, s, 100)
	look("a hundred")
	db.Vacuum(t.Context())
	look("a hundred that were analyzed")
	other := tenant(t, db, "other")
	fillClients(t, other, 3000)
	sweepAll(t, s)
	look("some thousands")
	db.Vacuum(t.Context())
	look("some thousands that were analyzed")
}
