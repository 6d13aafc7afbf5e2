package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/clientele-go/clientele/store"
)

var tenantCases = []testCase{
	{"share no ids", withTenants(testTenantIDs)},
	{"share no names", withTenants(testTenantNames)},
	{"share no lists", withTenants(testTenantLists)},
	{"share no revisions and no feed", withTenants(testTenantFeed)},
	{"wake only their own", withTenants(testTenantWake)},
	{"sweep only their own", withTenants(testTenantSweep)},
	{"close one by one", withTenants(testTenantClose)},
	{"write at once", withTenants(testTenantWriters)},
}

// withTenants opens two tenants in one dir.
func withTenants(run func(t *testing.T, main, other fixture)) func(*testing.T, Config) {
	return func(t *testing.T, cfg Config) {
		dir := t.TempDir()
		run(t, openAt(t, cfg, dir, "main"), openAt(t, cfg, dir, "other"))
	}
}

func testTenantIDs(t *testing.T, main, other fixture) {
	r := main.put(full("a"))
	other.wantAbsent("client", "a")
	c := store.Put(r)
	_, err := other.Apply(t.Context(), c)
	wantChangeError(t, err, 0, c, store.ErrNotFound)
	same := full("a")
	same.Data = []byte("the other's")
	same = other.put(same)
	main.wantRecord(r)
	other.wantRecord(same)
	main.delete(r)
	other.wantRecord(same)
}

func testTenantNames(t *testing.T, main, other fixture) {
	main.put(named("a", "red"))
	b := other.put(named("b", "red"))
	main.wantTaken("red")
	other.wantTaken("red")
	other.delete(b)
	main.wantTaken("red")
}

func testTenantLists(t *testing.T, main, other fixture) {
	main.put(full("a"))
	other.put(full("b"))
	for _, q := range []store.Query{
		{Kind: "client", Count: true},
		{Kind: "client", Labels: labels("team", "risk"), Count: true},
		{Kind: "client", Text: "text", Count: true},
		{Kind: "client", ExpiresTo: day(9), Count: true, Descending: true},
	} {
		main.wantIDs(q, "a")
		other.wantIDs(q, "b")
		if total := main.list(q).Total; total != 1 {
			t.Errorf("List %s: Total %d, want 1", describe(q), total)
		}
	}
}

func testTenantFeed(t *testing.T, main, other fixture) {
	a := main.put(bare("a"))
	before := main.state("client")
	b := other.put(bare("b"))
	other.delete(b)
	for i := range 10 {
		other.put(bare(fmt.Sprint(i)))
	}
	main.wantState(before)
	main.wantFeed(0, "+a")
	main.wantFeed(a.Version)
	other.wantFeed(0, "-b", "+0", "+1", "+2", "+3", "+4", "+5", "+6", "+7", "+8", "+9")
}

func testTenantWake(t *testing.T, main, other fixture) {
	main.wantSilence(main.latest(), func() { other.put(bare("a")) })
	main.wantWoken(main.latest(), time.Hour, func() {
		other.put(bare("b"))
		main.put(bare("c"))
	}, "+c")
}

func testTenantSweep(t *testing.T, main, other fixture) {
	main.put(expiring("a", day(0)))
	other.put(expiring("b", day(1)))
	main.wantSwept(day(5), 0, 1)
	main.wantSwept(day(5), 0, 0)
	other.wantIDs(store.Query{Kind: "client"}, "b")
	other.wantSwept(day(5), 0, 1)
}

func testTenantClose(t *testing.T, main, other fixture) {
	a := main.put(full("a"))
	other.put(full("b"))
	other.close()
	main.wantRecord(a)
	main.wantRecord(main.put(a))
	main.wantWoken(main.latest(), time.Hour, func() { main.put(bare("c")) }, "+c")
}

func testTenantWriters(t *testing.T, main, other fixture) {
	together(t, 16, func(i int) error {
		s := []fixture{main, other}[i%2]
		for n := range 20 {
			r := bare(fmt.Sprintf("%d of %d", n, i))
			r.Names = []string{fmt.Sprintf("%d of %d", n, i/2)} // the other has it too
			if _, err := s.Apply(t.Context(), store.Put(r)); err != nil {
				return err
			}
		}
		return nil
	})
	for i, s := range []fixture{main, other} {
		f := &follower{limit: store.MaxLimit, known: map[string]store.Changed{}}
		if _, err := f.follow(t, s, 0); err != nil {
			t.Fatal(err)
		}
		if len(f.known) != 8*20 {
			t.Errorf("tenant %d has %d changes, want %d", i, len(f.known), 8*20)
		}
		f.check(s)
	}
}
