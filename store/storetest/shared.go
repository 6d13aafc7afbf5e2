package storetest

import (
	"errors"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/clientele-go/clientele/store"
)

var sharedCases = []testCase{
	{"what one acknowledged the other sees", shared(testSharedSees)},
	{"one wakes who waits in the other", shared(testSharedWakes)},
	{"no increment through either is lost", shared(testSharedSum)},
	{"one of all appends through both wins", shared(testSharedAppend)},
	{"one of all records of both gets a name", shared(testSharedName)},
	{"the feed of each misses nothing of both", shared(func(t *testing.T, a, b fixture) { followWriters(t, a, b) })},
	{"no part of an Apply through one is seen through the other", shared(testSharedWhole)},
	{"each record is swept once", shared(testSharedSweep)},
	{"closing one leaves the other as it is", shared(testSharedClose)},
}

// shared opens the same data twice.
func shared(run func(t *testing.T, a, b fixture)) func(*testing.T, Config) {
	return func(t *testing.T, cfg Config) {
		if cfg.Volatile || cfg.Exclusive {
			t.Skip("the data can be open only once at a time")
		}
		dir := t.TempDir()
		run(t, openAt(t, cfg, dir, "main"), openAt(t, cfg, dir, "main"))
	}
}

func testSharedSees(t *testing.T, a, b fixture) {
	for i := range 20 {
		r := a.put(full(fmt.Sprint(i)))
		b.wantRecord(r)
		b.wantIDs(store.Query{Kind: "client", Text: "text of " + r.ID, Limit: 1}, r.ID)
		if f := b.changes(r.Version-1, 0); len(f.Changed) != 1 || f.Changed[0].ID != r.ID {
			t.Fatalf("Changes since %d = %+v, want %s", r.Version-1, f, r.ID)
		}
		b.wantTaken(r.Names...)
		if now := b.latest(); now < r.Version {
			t.Fatalf("the current revision is %d, but %d was returned", now, r.Version)
		}
		b.delete(r)
		a.wantAbsent("client", r.ID)
		a, b = b, a
	}
}

func testSharedWakes(t *testing.T, a, b fixture) {
	b.wantWoken(b.latest(), time.Hour, func() { a.put(bare("x")) }, "+x")
	a.wantWoken(a.latest(), time.Hour, func() { b.put(b.get("client", "x")) }, "+x")
	b.wantWoken(b.latest(), time.Hour, func() { a.delete(a.get("client", "x")) }, "-x")
	pingPong(t, a, b, 5)
}

func testSharedSum(t *testing.T, a, b fixture) {
	a.put(numbered(bare("sum"), 0))
	together(t, writers, func(i int) error { return increment(t, []fixture{a, b}[i%2], 1) })
	for _, s := range []fixture{a, b} {
		if got := string(s.get("client", "sum").Data); got != strconv.Itoa(writers) {
			t.Errorf("the sum is %s, want %d", got, writers)
		}
	}
}

func testSharedAppend(t *testing.T, a, b fixture) {
	for n := range 4 {
		wins := make([]bool, writers)
		together(t, writers, func(i int) error {
			_, err := []fixture{a, b}[i%2].Apply(t.Context(), store.Append(numbered(bare(strconv.Itoa(n)), i)))
			if errors.Is(err, store.ErrExists) {
				return nil
			}
			wins[i] = err == nil
			return err
		})
		won := -1
		for i, win := range wins {
			if win && won >= 0 {
				t.Fatalf("both %d and %d won", won, i)
			}
			if win {
				won = i
			}
		}
		a.wantRecord(numbered(bare(strconv.Itoa(n)), won))
		b.wantRecord(numbered(bare(strconv.Itoa(n)), won))
	}
}

func testSharedName(t *testing.T, a, b fixture) {
	together(t, writers, func(i int) error {
		_, err := []fixture{a, b}[i%2].Apply(t.Context(), store.Put(named(strconv.Itoa(i), "red")))
		if errors.Is(err, store.ErrTaken) {
			return nil
		}
		return err
	})
	for _, s := range []fixture{a, b} {
		if total := s.list(store.Query{Kind: "client", Count: true}).Total; total != 1 {
			t.Errorf("%d records got the name, want 1", total)
		}
	}
}

func testSharedWhole(t *testing.T, a, b fixture) {
	x, y := bare("x"), bare("y")
	rev := a.apply(store.Put(x), store.Put(y))
	beside(t, func() error {
		p, err := b.List(t.Context(), store.Query{Kind: "client"})
		if err == nil && (len(p.Records) != 2 || p.Records[0].Version != p.Records[1].Version) {
			err = fmt.Errorf("a List saw a part of an Apply: %v", p.Records)
		}
		return err
	}, func(int) (err error) {
		x.Version, y.Version = rev, rev
		rev, err = a.Apply(t.Context(), store.Put(x), store.Put(y))
		return err
	})
}

func testSharedSweep(t *testing.T, a, b fixture) {
	const records = 100
	var changes []store.Change
	for i := range records {
		changes = append(changes, store.Append(expiring(fmt.Sprint(i), day(0))))
	}
	a.apply(changes...)
	counts := make([]int, 4)
	together(t, len(counts), func(i int) error {
		for {
			n, err := []fixture{a, b}[i%2].Sweep(t.Context(), day(1), 9)
			if err != nil {
				return err
			}
			counts[i] += n
			if n < 9 {
				return nil
			}
		}
	})
	if sum := counts[0] + counts[1] + counts[2] + counts[3]; sum != records {
		t.Errorf("%d records were dropped, says Sweep, of %d", sum, records)
	}
	b.wantIDs(store.Query{Kind: "client"})
}

func testSharedClose(t *testing.T, a, b fixture) {
	r := a.put(full("x"))
	result := b.waiting(t.Context(), b.latest(), time.Hour)
	a.close()
	b.wantRecord(r)
	r = b.put(r)
	if got := result(); got.err != nil || len(got.feed.Changed) != 1 {
		t.Errorf("Changes = %+v, %v; want one change", got.feed, got.err)
	}
	b.delete(r)
}
