package storetest

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/clientele-go/clientele/store"
)

var feedCases = []testCase{
	{"says what was put and deleted after a revision, in order", with(testFeedSays)},
	{"says each record once, at its last revision", with(testFeedOnce)},
	{"says that a record was deleted", with(testFeedDeleted)},
	{"says that a deleted record is there again", with(testFeedAgain)},
	{"tells the kinds apart", with(testFeedKinds)},
	{"is silent about appends", with(testFeedAppends)},
	{"is silent about what was refused", with(testFeedRefused)},
	{"is silent about what was swept", with(testFeedSwept)},
	{"remembers a deletion when others are swept", with(testFeedRemembers)},
	{"remembers a deletion when the id is appended", with(testFeedDeletedAppended)},
	{"never splits a revision, and says if there is more", with(testFeedLimit)},
	{"returns about 100 changes if the limit is 0", with(testFeedDefault)},
	{"begins with Latest", with(testFeedLatest)},
	{"begins with 0 in an empty store", with(testFeedEmpty)},
	{"fails with ErrTooOld for a revision that was not given yet", with(testFeedFuture)},
	{"ends at the revision of what was acknowledged", with(testFeedRevision)},
	{"misses nothing while others write", with(testFeedWriters)},
}

func testFeedSays(t *testing.T, s fixture) {
	a := s.put(bare("a"))
	b := s.put(bare("b"))
	c := s.put(bare("c"))
	f := s.wantFeed(0, "+a", "+b", "+c")
	for i, r := range []store.Record{a, b, c} {
		want := store.Changed{Kind: "client", ID: r.ID, Revision: r.Version}
		if f.Changed[i] != want {
			t.Errorf("change %d is %+v, want %+v", i, f.Changed[i], want)
		}
	}
	s.wantFeed(a.Version, "+b", "+c")
	s.wantFeed(b.Version, "+c")
	s.wantFeed(c.Version)
	deleted := s.delete(b)
	f = s.wantFeed(c.Version, "-b")
	want := store.Changed{Kind: "client", ID: "b", Revision: deleted, Deleted: true}
	if f.Changed[0] != want {
		t.Errorf("the deletion is %+v, want %+v", f.Changed[0], want)
	}
}

func testFeedOnce(t *testing.T, s fixture) {
	a, b := s.put(bare("a")), s.put(bare("b"))
	first := a.Version
	a = s.put(a)
	s.put(bare("c"))
	s.put(b)
	a = s.put(a)
	f := s.wantFeed(0, "+c", "+b", "+a")
	if got := f.Changed[len(f.Changed)-1].Revision; got != a.Version {
		t.Errorf("a stands at revision %d, want %d", got, a.Version)
	}
	s.wantFeed(first, "+c", "+b", "+a")
}

func testFeedDeleted(t *testing.T, s fixture) {
	begin := s.latest()
	a, b := s.put(bare("a")), s.put(bare("b"))
	seen := s.latest()
	s.delete(a)
	s.wantFeed(seen, "-a")
	s.wantFeed(begin, "+b", "-a")
	s.apply(store.Put(bare("c")), store.Delete("client", "b", b.Version))
	s.wantFeed(seen, "-a", "-b", "+c")
}

func testFeedAgain(t *testing.T, s fixture) {
	a := s.put(bare("a"))
	deleted := s.delete(a)
	again := s.put(bare("a"))
	for _, since := range []store.Revision{0, a.Version, deleted} {
		if f := s.wantFeed(since, "+a"); f.Changed[0].Revision != again.Version {
			t.Errorf("a stands at revision %d, want %d", f.Changed[0].Revision, again.Version)
		}
	}
	gone := s.delete(again)
	for _, since := range []store.Revision{0, a.Version, deleted, again.Version} {
		if f := s.wantFeed(since, "-a"); f.Changed[0].Revision != gone {
			t.Errorf("a stands at revision %d, want %d", f.Changed[0].Revision, gone)
		}
	}
}

func testFeedKinds(t *testing.T, s fixture) {
	one, two := bare("a"), bare("a")
	two.Kind = "other"
	rev := s.apply(store.Put(one), store.Put(two))
	f := s.changes(0, 0)
	want := []store.Changed{{Kind: "client", ID: "a", Revision: rev}, {Kind: "other", ID: "a", Revision: rev}}
	if !slices.Equal(f.Changed, want) && !slices.Equal(f.Changed, []store.Changed{want[1], want[0]}) {
		t.Errorf("Changes = %+v, want %+v", f.Changed, want)
	}
	gone := s.apply(store.Delete("other", "a", rev))
	want[1] = store.Changed{Kind: "other", ID: "a", Revision: gone, Deleted: true}
	if f := s.changes(0, 0); !slices.Equal(f.Changed, want) {
		t.Errorf("Changes = %+v, want %+v", f.Changed, want)
	}
}

func testFeedAppends(t *testing.T, s fixture) {
	s.apply(store.Append(bare("x")))
	s.wantFeed(0)
	a := s.put(bare("a"))
	s.apply(store.Append(bare("y")), store.Append(bare("z")))
	s.wantFeed(a.Version)
	s.apply(store.Append(store.Record{Kind: "audit", ID: "e"}), store.Put(a))
	s.wantFeed(0, "+a")
}

func testFeedRefused(t *testing.T, s fixture) {
	a := s.put(bare("a"))
	_, err := s.Apply(t.Context(), store.Put(bare("b")), store.Delete("client", "a", a.Version), store.Append(bare("c")), store.Put(bare("a")))
	if err == nil {
		t.Fatal("Apply of two changes of a record succeeded")
	}
	_, err = s.Apply(t.Context(), store.Put(bare("b")), store.Delete("client", "a", a.Version), store.Delete("client", "x", 1))
	wantError(t, "Apply", err, store.ErrNotFound)
	s.wantFeed(0, "+a")
	s.wantFeed(a.Version)
}

func testFeedSwept(t *testing.T, s fixture) {
	begin := s.put(bare("a")).Version
	b := bare("b")
	b.Expires = day(0)
	b = s.put(b)
	s.wantFeed(begin, "+b")
	if n := s.sweep(day(1), 0); n != 1 {
		t.Fatalf("Sweep dropped %d, want 1", n)
	}
	s.wantFeed(0, "+a")
	s.wantFeed(begin)
	s.wantFeed(b.Version)
	// It can come again, and then is news.
	s.put(bare("b"))
	s.wantFeed(b.Version, "+b")
}

func testFeedRemembers(t *testing.T, s fixture) {
	a, b := bare("a"), bare("b")
	a.Expires, b.Expires = day(0), day(0)
	a = s.put(a)
	s.put(b)
	s.delete(a)
	if n := s.sweep(day(1), 0); n != 1 {
		t.Errorf("Sweep dropped %d records, want 1: a was deleted already", n)
	}
	s.wantFeed(0, "-a")
	s.wantFeed(a.Version, "-a")
}

func testFeedDeletedAppended(t *testing.T, s fixture) {
	a := s.put(bare("a"))
	gone := s.delete(a)
	r := full("a")
	s.apply(store.Append(r))
	s.wantRecord(r)
	s.wantFeed(a.Version, "-a")
	s.wantFeed(gone)
	s.sweep(day(2), 0)
	s.wantAbsent("client", "a")
	s.wantFeed(a.Version, "-a")
	again := s.put(bare("a"))
	s.wantFeed(a.Version, "+a")
	s.wantRecord(again)
}

func testFeedLimit(t *testing.T, s fixture) {
	// Revisions of 1, 3, 1, 4, 2, 1 changes; the last deletes the first.
	first := s.put(bare("0.0"))
	var want []string
	for i, size := range []int{3, 1, 4, 2} {
		var changes []store.Change
		for j := range size {
			id := fmt.Sprintf("%d.%d", i+1, j)
			changes = append(changes, store.Put(bare(id)))
			want = append(want, "+"+id)
		}
		s.apply(changes...)
	}
	s.delete(first)
	want = append(want, "-0.0")
	for limit := 1; limit <= len(want)+1; limit++ {
		var got []string
		var since store.Revision
		for {
			f := s.changes(since, limit)
			got = append(got, feedOf(f)...)
			if err := wellFormed(since, limit, f); err != nil {
				t.Fatal(err)
			}
			since = f.Revision
			if !f.More {
				break
			}
			if len(got) > len(want) {
				break
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("with limit %d: %s", limit, firstDifference(got, want))
		}
		s.wantFeed(since)
	}
}

func testFeedDefault(t *testing.T, s fixture) {
	s.fill(store.DefaultLimit) // one revision of 100 changes
	if f := s.changes(0, 0); len(f.Changed) != store.DefaultLimit || f.More {
		t.Errorf("%d changes and More %t, want %d and false", len(f.Changed), f.More, store.DefaultLimit)
	}
	since := s.latest()
	for i := range store.DefaultLimit + 10 {
		s.put(store.Record{Kind: "other", ID: fmt.Sprint(i)})
	}
	f := s.changes(since, 0)
	if len(f.Changed) > store.DefaultLimit || len(f.Changed) == 0 || !f.More {
		t.Errorf("%d changes and More %t, want at most %d and true", len(f.Changed), f.More, store.DefaultLimit)
	}
	if f = s.changes(0, store.MaxLimit); len(f.Changed) != 2*store.DefaultLimit+10 || f.More {
		t.Errorf("%d changes and More %t, want all %d and false", len(f.Changed), f.More, 2*store.DefaultLimit+10)
	}
}

func testFeedLatest(t *testing.T, s fixture) {
	check := func(want store.Revision) {
		t.Helper()
		for _, wait := range []time.Duration{0, time.Hour} {
			f, err := s.Changes(soon(t), store.Latest, wait, 0)
			if err != nil || len(f.Changed) != 0 || f.More || f.Revision < want {
				t.Errorf("Changes since Latest, wait %v = %+v, %v; want nothing at %d", wait, f, err, want)
			}
			s.wantFeed(f.Revision)
		}
	}
	check(0)
	a := s.put(bare("a"))
	check(a.Version)
	check(s.put(a).Version)
	begin := s.latest()
	s.put(bare("b"))
	s.wantFeed(begin, "+b")
	check(s.delete(s.get("client", "a")))
}

func testFeedEmpty(t *testing.T, s fixture) {
	f := s.wantFeed(0)
	s.wantFeed(f.Revision)
	s.put(bare("a"))
	s.wantFeed(f.Revision, "+a")
	s.wantFeed(0, "+a")
}

func testFeedFuture(t *testing.T, s fixture) {
	for range 2 {
		latest := s.latest()
		for _, since := range []store.Revision{latest + 1, latest + 2, latest + 1000, 1 << 40, math.MaxInt64} {
			for _, wait := range []time.Duration{0, time.Hour} {
				_, err := s.Changes(soon(t), since, wait, 0)
				wantError(t, fmt.Sprintf("Changes since %d, the latest being %d", since, latest), err, store.ErrTooOld)
			}
		}
		for _, since := range []store.Revision{-2, math.MinInt64} {
			if f, err := s.Changes(soon(t), since, 0, 0); !errors.Is(err, store.ErrTooOld) && !errors.Is(err, store.ErrInvalid) {
				t.Errorf("Changes since %d = %+v, %v; want an error", since, f, err)
			}
		}
		s.put(bare(fmt.Sprint("after revision ", latest)))
	}
}

func testFeedRevision(t *testing.T, s fixture) {
	var since store.Revision
	for i := range 10 {
		rev := s.apply(store.Put(bare(fmt.Sprint("a", i))), store.Put(bare(fmt.Sprint("b", i))))
		f := s.changes(since, 0)
		if f.Revision < rev {
			t.Errorf("the feed ends at revision %d, but %d was acknowledged", f.Revision, rev)
		}
		since = f.Revision
	}
}

func testFeedWriters(t *testing.T, s fixture) { followWriters(t, s) }
