package storetest

import (
	"fmt"
	"slices"
	"testing"

	"github.com/clientele-go/clientele/store"
)

var reopenCases = []testCase{
	{"keeps every record whole", reopened(testReopenRecords)},
	{"keeps what List finds, and its order", reopened(testReopenList)},
	{"keeps unique names", reopened(testReopenNames)},
	{"keeps the feed, with its deletions", reopened(testReopenFeed)},
	{"keeps counting revisions, also past what is gone", reopened(testReopenRevisions)},
	{"keeps what was swept away", reopened(testReopenSwept)},
	{"keeps nothing of what was refused", reopened(testReopenRefused)},
	{"keeps the tenants apart", testReopenTenants},
	{"keeps all of that, time after time", reopened(testReopenOften)},
}

// reopened runs a test that calls again to close the store and open it anew.
func reopened(run func(t *testing.T, s fixture, again func() fixture)) func(*testing.T, Config) {
	return func(t *testing.T, cfg Config) {
		if cfg.Volatile {
			t.Skip("the store is volatile")
		}
		s := open(t, cfg)
		dir := s.dir
		run(t, s, func() fixture {
			s.close()
			s = openAt(t, cfg, dir, "main")
			return s
		})
	}
}

func testReopenRecords(t *testing.T, s fixture, again func() fixture) {
	var want []store.Record
	want = append(want, s.put(full("put")), s.put(bare("bare")), s.put(s.put(full("put twice"))), s.put(greatest()))
	appended := full("appended")
	s.apply(store.Append(appended))
	want = append(want, appended)
	for _, id := range ladder {
		r := store.Record{Kind: "ladder", ID: id, Names: []string{id}, Labels: labels(id, id), Text: id, Sort: id, Data: []byte(id)}
		want = append(want, s.put(r))
	}
	s.delete(s.put(full("deleted")))
	s = again()
	for _, r := range want {
		s.wantRecord(r)
	}
	s.wantAbsent("client", "deleted")
	// They can be changed as before, and only by who knows their version.
	r := want[0]
	stale := r
	stale.Version++
	_, err := s.Apply(t.Context(), store.Put(stale))
	wantError(t, "Apply", err, store.ErrConflict)
	s.wantRecord(s.put(r))
	c := store.Append(bare("appended"))
	_, err = s.Apply(t.Context(), c)
	wantChangeError(t, err, 0, c, store.ErrExists)
}

func testReopenList(t *testing.T, s fixture, again func() fixture) {
	ids := s.fill(20)
	s.put(full("z"))
	half := s.list(store.Query{Kind: "client", Limit: 10, Count: true})
	s = again()
	s.wantIDs(store.Query{Kind: "client", After: half.Next}, append(ids[10:20:20], "z")...)
	s.wantIDs(store.Query{Kind: "client", Labels: labels("team", "risk", "id", "z")}, "z")
	s.wantIDs(store.Query{Kind: "client", Text: "text of z"}, "z")
	s.wantIDs(store.Query{Kind: "client", From: "key 0003", To: "key 0006"}, ids[3:6]...)
	s.wantIDs(store.Query{Kind: "client", ExpiresTo: day(2)}, "z")
	s.wantIDs(store.Query{Kind: "client", Descending: true, Limit: 2}, "z", ids[19])
	if total := s.list(store.Query{Kind: "client", Count: true}).Total; total != half.Total {
		t.Errorf("Total %d, was %d", total, half.Total)
	}
}

func testReopenNames(t *testing.T, s fixture, again func() fixture) {
	r := s.put(named("a", "red", "green"))
	s.apply(store.Append(named("b", "blue")))
	r.Names = []string{"red"}
	s.put(r)
	s = again()
	s.wantTaken("red", "blue")
	s.wantFree("green")
	s.delete(s.get("client", "a"))
	s.wantFree("red")
}

func testReopenFeed(t *testing.T, s fixture, again func() fixture) {
	begin := s.latest()
	a, b, c := s.put(bare("a")), s.put(bare("b")), s.put(bare("c"))
	seen := s.latest()
	s.delete(a)
	s.put(bare("d"))
	s.delete(s.put(bare("e")))
	s.delete(c)
	s.put(bare("c"))
	s.apply(store.Append(bare("f")))
	before := s.changes(seen, 0)
	s = again()
	after := s.wantFeed(seen, "-a", "+d", "-e", "+c")
	if !slices.Equal(inOrder(after), inOrder(before)) || after.Revision != before.Revision {
		t.Errorf("the feed is %+v, was %+v", after, before)
	}
	s.wantFeed(begin, "+b", "-a", "+d", "-e", "+c")
	s.wantFeed(before.Revision)
	s.put(b)
	s.wantFeed(before.Revision, "+b")
}

func testReopenRevisions(t *testing.T, s fixture, again func() fixture) {
	last := s.put(bare("a")).Version
	step := func(what string, rev store.Revision) {
		t.Helper()
		if rev <= last {
			t.Fatalf("%s has revision %d after %d", what, rev, last)
		}
		last = rev
		s = again()
		if now := s.latest(); now < last {
			t.Fatalf("after %s the current revision is %d, but %d was returned", what, now, last)
		}
		s.wantFeed(last)
	}
	step("a second put", s.put(bare("b")).Version)
	step("a deletion of the latest", s.delete(s.get("client", "b")))
	r := s.put(expiring("c", day(0)))
	s.sweep(day(1), 0)
	step("a put that was swept", r.Version)
	s.apply(store.Append(bare("d")))
	step("a put after an append", s.put(bare("e")).Version)
	step("another one", s.put(bare("f")).Version)
}

func testReopenSwept(t *testing.T, s fixture, again func() fixture) {
	s.put(expiring("a", day(0)))
	s.put(expiring("b", day(3)))
	s.apply(store.Append(full("c")))
	s.sweep(day(2), 0)
	s = again()
	s.wantIDs(store.Query{Kind: "client"}, "b")
	s.wantFree(full("c").Names...)
	s.wantSwept(day(2), 0, 0)
	s.wantSwept(day(4), 0, 1)
	s = again()
	s.wantAbsent("client", "b")
}

func testReopenRefused(t *testing.T, s fixture, again func() fixture) {
	bad := refusals(s)
	victim := s.put(full("victim"))
	before := s.state("client", "audit")
	for _, c := range bad {
		if _, err := s.Apply(t.Context(), append(good(s, victim), c.change)...); err == nil {
			t.Fatalf("Apply of %s succeeded", c.says)
		}
	}
	s = again()
	s.wantState(before)
	s.apply(good(s, victim)...)
}

func testReopenTenants(t *testing.T, cfg Config) {
	if cfg.Volatile {
		t.Skip("the store is volatile")
	}
	dir := t.TempDir()
	main, other := openAt(t, cfg, dir, "main"), openAt(t, cfg, dir, "other")
	a, b := main.put(full("a")), other.put(full("a"))
	b.Data = []byte("the other's")
	b = other.put(b)
	main.close()
	other.close()
	other, main = openAt(t, cfg, dir, "other"), openAt(t, cfg, dir, "main")
	main.wantRecord(a)
	other.wantRecord(b)
	main.wantFeed(0, "+a")
	main.delete(a)
	other.wantRecord(b)
}

func testReopenOften(t *testing.T, s fixture, again func() fixture) {
	want := map[string]store.Record{}
	for i := range 10 {
		r := s.put(full(fmt.Sprint(i)))
		want[r.ID] = r
		if old, ok := want[fmt.Sprint(i-3)]; ok {
			s.delete(old)
			delete(want, old.ID)
		}
		s = again()
		for _, r := range want {
			s.wantRecord(r)
		}
		if total := s.list(store.Query{Kind: "client", Count: true}).Total; total != len(want) {
			t.Fatalf("%d records, want %d", total, len(want))
		}
	}
	s.wantFeed(0, "-0", "-1", "-2", "-3", "+7", "-4", "+8", "-5", "+9", "-6")
}
