package storetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/clientele-go/clientele/store"
)

var sweepCases = []testCase{
	{"drops what expired before a time, and nothing else", with(testSweepBefore)},
	{"takes any time", with(testSweepAnyTime)},
	{"drops the earliest first, of all kinds", with(testSweepEarliest)},
	{"drops at most limit records, 100 if it is 0, and says how many", with(testSweepLimit)},
	{"drops put and appended records alike", with(testSweepBoth)},
	{"leaves an id free", with(testSweepFree)},
	{"goes by the expiry that a record has now", with(testSweepMoved)},
	{"drops each record once, however many sweep", with(testSweepTogether)},
}

// expiring returns a bare record with an expiry.
func expiring(id string, at time.Time) store.Record {
	r := bare(id)
	r.Expires = at
	return r
}

func (s fixture) wantSwept(before time.Time, limit, want int) {
	s.t.Helper()
	if n := s.sweep(before, limit); n != want {
		s.t.Errorf("Sweep before %v, limit %d, dropped %d records, want %d", before, limit, n, want)
	}
}

func testSweepBefore(t *testing.T, s fixture) {
	for id, at := range map[string]time.Time{
		"a before": day(0).Add(-time.Microsecond), "b at": day(0), "c after": day(0).Add(time.Microsecond), "d never": {},
		"e earliest": time.Time{}.Add(time.Microsecond), "f latest": time.Date(9999, 12, 31, 23, 59, 59, 999_999_000, time.UTC),
		"g before 1970": time.Date(1969, 12, 31, 23, 59, 59, 999_999_000, time.UTC), "h epoch": time.Unix(0, 0).UTC(),
	} {
		s.put(expiring(id, at))
	}
	s.wantSwept(time.Time{}, 0, 0)
	s.wantSwept(time.Time{}.Add(time.Microsecond), 0, 0)
	s.wantSwept(time.Unix(0, 0), 0, 2)
	s.wantIDs(store.Query{Kind: "client"}, "a before", "b at", "c after", "d never", "f latest", "h epoch")
	s.wantSwept(day(0), 0, 2)
	s.wantIDs(store.Query{Kind: "client"}, "b at", "c after", "d never", "f latest")
	s.wantSwept(day(0), 0, 0)
	s.wantSwept(day(0).Add(time.Microsecond), 0, 1)
	s.wantSwept(day(0).Add(time.Hour), 0, 1)
	s.wantSwept(time.Date(9999, 12, 31, 23, 59, 59, 999_999_000, time.UTC), 0, 0)
	s.wantIDs(store.Query{Kind: "client"}, "d never", "f latest")
}

func testSweepAnyTime(t *testing.T, s fixture) {
	s.put(expiring("a", day(0)))
	s.put(expiring("b", day(1)))
	zone := time.FixedZone("east", 9*3600)
	s.wantSwept(day(0).In(zone), 0, 0)
	s.wantSwept(day(0).Add(time.Nanosecond).In(zone), 0, 1)
	s.wantIDs(store.Query{Kind: "client"}, "b")
	s.wantSwept(day(1).Add(-time.Nanosecond), 0, 0)
	s.put(expiring("past", day(-50_000)))
	s.wantSwept(time.Now(), 1, 1) // with a monotonic reading
	s.wantIDs(store.Query{Kind: "client"}, "b")
	// Times that a record cannot have are before all or after all.
	for _, year := range []int{-400_000, 0} {
		s.wantSwept(time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC), 0, 0)
	}
	s.wantSwept(time.Date(400_000, 1, 1, 0, 0, 0, 0, time.UTC), 0, 1)
}

func testSweepEarliest(t *testing.T, s fixture) {
	var want []string
	for i, d := range []int{5, 3, 1, 4, 2, 6} {
		r := expiring(fmt.Sprint(d), day(d))
		r.Kind = []store.Kind{"client", "audit"}[i%2]
		s.put(r)
		want = append(want, r.ID)
	}
	slices.Sort(want)
	for i := range want {
		s.wantSwept(day(100), 1, 1)
		var left []string
		for _, kind := range []store.Kind{"client", "audit"} {
			left = append(left, idsOf(s.list(store.Query{Kind: kind}).Records)...)
		}
		slices.Sort(left)
		if !slices.Equal(left, want[i+1:]) {
			t.Fatalf("%q are left after %d drops, want %q", left, i+1, want[i+1:])
		}
	}
	s.wantSwept(day(100), 1, 0)
}

func testSweepLimit(t *testing.T, s fixture) {
	var changes []store.Change
	for i := range 350 {
		changes = append(changes, store.Append(expiring(fmt.Sprintf("%03d", i), day(0).Add(time.Duration(i/2)*time.Second))))
	}
	s.apply(changes...)
	s.wantSwept(day(1), 3, 3)
	s.wantSwept(day(1), 0, store.DefaultLimit)
	if total := s.list(store.Query{Kind: "client", Count: true}).Total; total != 247 {
		t.Errorf("%d records are left, want 247", total)
	}
	s.wantSwept(day(0), store.MaxLimit, 0)
	s.wantSwept(day(1), 246, 246)
	s.wantSwept(day(1), store.MaxLimit, 1)
	s.wantSwept(day(1), store.MaxLimit, 0)
}

func testSweepBoth(t *testing.T, s fixture) {
	put, appended := full("put"), full("appended")
	s.apply(store.Put(put), store.Append(appended), store.Append(expiring("later", day(10))))
	s.wantSwept(day(2), 0, 2)
	s.wantAbsent("client", "put")
	s.wantAbsent("client", "appended")
	s.wantIDs(store.Query{Kind: "client"}, "later")
	s.wantIDs(store.Query{Kind: "client", Labels: put.Labels[:1]})
	s.wantIDs(store.Query{Kind: "client", Text: "text"})
	s.wantIDs(store.Query{Kind: "client", From: "sort"})
	s.wantIDs(store.Query{Kind: "client", ExpiresTo: day(2)})
	s.wantFree(append(put.Names, appended.Names...)...)
}

func testSweepFree(t *testing.T, s fixture) {
	old := s.put(full("put"))
	s.apply(store.Append(full("appended")))
	s.wantSwept(day(2), 0, 2)
	for _, c := range []store.Change{store.Put(old), store.Delete("client", "put", old.Version)} {
		_, err := s.Apply(t.Context(), c)
		wantChangeError(t, err, 0, c, store.ErrNotFound)
	}
	r := full("put")
	s.apply(store.Append(r))
	s.wantRecord(r)
	s.wantRecord(s.put(full("appended")))
}

func testSweepMoved(t *testing.T, s fixture) {
	r := s.put(expiring("a", day(0)))
	r.Expires = day(5)
	r = s.put(r)
	s.wantSwept(day(4), 0, 0)
	s.wantRecord(r)
	r.Expires = day(1)
	s.put(r)
	s.wantSwept(day(4), 0, 1)
}

func testSweepTogether(t *testing.T, s fixture) {
	const records = 200
	var changes []store.Change
	for i := range records {
		changes = append(changes, store.Append(expiring(fmt.Sprint(i), day(i%7))))
	}
	s.apply(changes...)
	counts := make([]int, 8)
	together(t, len(counts), func(i int) error {
		for {
			n, err := s.Sweep(t.Context(), day(10), 7)
			if err != nil {
				return err
			}
			counts[i] += n
			if n < 7 {
				return nil
			}
		}
	})
	sum := 0
	for _, n := range counts {
		sum += n
	}
	if sum != records {
		t.Errorf("%d records were dropped, says Sweep, of %d", sum, records)
	}
	s.wantIDs(store.Query{Kind: "client"})
}
