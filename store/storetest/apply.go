package storetest

import (
	"fmt"
	"testing"

	"github.com/clientele-go/clientele/store"
)

var applyCases = []testCase{
	{"makes several changes in several kinds", with(testApplySeveral)},
	{"makes all changes or none", with(testApplyAllOrNothing)},
	{"names the change that cannot be made and says why", with(testApplyWhich)},
	{"lets each change see what the ones before it did", with(testApplyOrder)},
	{"refuses two changes of one record", with(testApplyTwice)},
	{"refuses to do nothing", with(testApplyEmpty)},
	{"replaces a record whole", with(testApplyReplace)},
	{"Put with version 0 fails with ErrExists if there is a record", with(testPutExists)},
	{"Put of a version fails with ErrNotFound if the record is gone", with(testPutGone)},
	{"Put of another version fails with ErrConflict", with(testPutConflict)},
	{"Delete removes a record", with(testDelete)},
	{"Delete fails with ErrNotFound if the record is gone", with(testDeleteGone)},
	{"Delete of another version fails with ErrConflict", with(testDeleteConflict)},
	{"Delete looks at kind, id and version alone", with(testDeleteAlone)},
	{"Append fails with ErrExists if there is a record", with(testAppendExists)},
	{"an appended record is neither replaced nor deleted", with(testAppendedStays)},
	{"a record whose expiry has passed exists until it is swept", with(testApplyExpired)},
	{"an id that was deleted can be used again", with(testApplyReuse)},
}

func testApplySeveral(t *testing.T, s fixture) {
	gone := s.put(full("gone"))
	kept := s.put(full("kept"))
	event := full("event")
	event.Kind = "audit"
	fresh := full("fresh")
	kept.Data = []byte("changed")
	rev := s.apply(store.Put(fresh), store.Delete("client", "gone", gone.Version), store.Append(event), store.Put(kept))
	fresh.Version, kept.Version = rev, rev
	s.wantRecord(fresh)
	s.wantRecord(kept)
	s.wantRecord(event)
	s.wantAbsent("client", "gone")
}

// A refusal is a change that cannot be made in a store with the records of
// refusalRecords, and the reason.
type refusal struct {
	says   string
	change store.Change
	reason error
}

// refusals puts "there" (with the name "taken"), "appended" and "stale" into s,
// and returns a change for each reason there is.
func refusals(s fixture) []refusal {
	there := bare("there")
	there.Names = []string{"taken"}
	s.put(there)
	s.apply(store.Append(bare("appended")))
	stale := s.put(bare("stale"))
	s.put(stale)

	named := func(id string, names ...string) store.Record {
		r := bare(id)
		r.Names = names
		return r
	}
	versioned := func(id string, v store.Revision) store.Record {
		r := bare(id)
		r.Version = v
		return r
	}
	return []refusal{
		{"a put of what exists", store.Put(bare("there")), store.ErrExists},
		{"a put of what was appended", store.Put(bare("appended")), store.ErrExists},
		{"a put of what is gone", store.Put(versioned("gone", 1)), store.ErrNotFound},
		{"a put of an old version", store.Put(stale), store.ErrConflict},
		{"a put of a version to come", store.Put(versioned("stale", 1<<40)), store.ErrConflict},
		{"a put over an appended record", store.Put(versioned("appended", 1)), store.ErrConflict},
		{"a put with a taken name", store.Put(named("new", "free", "taken")), store.ErrTaken},
		{"an append of what exists", store.Append(bare("there")), store.ErrExists},
		{"an append of what was appended", store.Append(bare("appended")), store.ErrExists},
		{"an append with a taken name", store.Append(named("new", "taken", "free")), store.ErrTaken},
		{"a deletion of what is gone", store.Delete("client", "gone", 1), store.ErrNotFound},
		{"a deletion of an old version", store.Delete("client", "stale", stale.Version), store.ErrConflict},
		{"a deletion of what was appended", store.Delete("client", "appended", 1), store.ErrConflict},
	}
}

// good are changes that can be made in that store, one of each kind.
func good(s fixture, victim store.Record) []store.Change {
	fresh := full("fresh")
	event := full("event")
	event.Kind = "audit"
	return []store.Change{store.Put(fresh), store.Append(event), store.Delete(victim.Kind, victim.ID, victim.Version)}
}

func testApplyAllOrNothing(t *testing.T, s fixture) {
	bad := refusals(s)
	victim := s.put(full("victim"))
	before := s.state("client", "audit")
	for _, c := range bad {
		for at := range 4 {
			t.Run(fmt.Sprintf("%s as number %d", c.says, at), func(t *testing.T) {
				s := s.in(t)
				changes := good(s, victim)
				changes = append(changes[:at:at], append([]store.Change{c.change}, changes[at:]...)...)
				if rev, err := s.Apply(t.Context(), changes...); err == nil || rev != 0 {
					t.Fatalf("Apply = %d, %v; want 0 and an error", rev, err)
				}
				s.wantState(before)
				s.wantAbsent("client", "fresh")
				s.wantAbsent("audit", "event")
				s.wantRecord(victim)
				s.wantIDs(store.Query{Kind: "client", Labels: []store.Label{{Key: "id", Value: "fresh"}}})
				s.wantIDs(store.Query{Kind: "client", Labels: []store.Label{{Key: "id", Value: "victim"}}}, "victim")
				s.wantIDs(store.Query{Kind: "client", Text: "text of fresh"})
				s.wantIDs(store.Query{Kind: "client", ExpiresTo: day(2)}, "victim")
			})
		}
	}
	// What was refused left nothing behind that stands in the way now.
	s.apply(good(s, victim)...)
	s.apply(store.Put(store.Record{Kind: "client", ID: "new", Names: []string{"free"}}))
}

func testApplyWhich(t *testing.T, s fixture) {
	bad := refusals(s)
	victim := s.put(full("victim"))
	for _, c := range bad {
		for at := range 4 {
			t.Run(fmt.Sprintf("%s as number %d", c.says, at), func(t *testing.T) {
				changes := good(s.in(t), victim)
				changes = append(changes[:at:at], append([]store.Change{c.change}, changes[at:]...)...)
				_, err := s.Apply(t.Context(), changes...)
				wantChangeError(t, err, at, c.change, c.reason)
			})
		}
	}
}

func testApplyOrder(t *testing.T, s fixture) {
	named := func(id, name string) store.Record {
		r := bare(id)
		r.Names = []string{name}
		return r
	}
	a := s.put(named("a", "red"))

	// Freed by a deletion, then taken.
	b := named("b", "red")
	b.Version = s.apply(store.Delete("client", "a", a.Version), store.Put(b))
	s.wantAbsent("client", "a")
	s.wantRecord(b)

	// Freed by a put, then taken by an append.
	b.Names = []string{"green"}
	b.Version = s.apply(store.Put(b), store.Append(named("c", "red")))
	s.wantRecord(b)
	s.wantRecord(named("c", "red"))

	// Passed on in a chain.
	d := s.put(named("d", "blue"))
	b.Names, d.Names = []string{"black"}, []string{"green"}
	e := named("e", "blue")
	rev := s.apply(store.Put(b), store.Put(d), store.Put(e))
	b.Version, d.Version, e.Version = rev, rev, rev
	s.wantRecord(b)
	s.wantRecord(d)
	s.wantRecord(e)

	// Freed too late: the first change does not see the second.
	before := s.state("client")
	late := store.Put(named("f", "black"))
	_, err := s.Apply(t.Context(), late, store.Delete("client", "b", b.Version))
	wantChangeError(t, err, 0, late, store.ErrTaken)
	// Nor do two exchange their names: there is a moment when both have one.
	b.Names, d.Names = d.Names, b.Names
	_, err = s.Apply(t.Context(), store.Put(b), store.Put(d))
	wantChangeError(t, err, 0, store.Put(b), store.ErrTaken)
	// Taken by the first, so not there for the second.
	second := store.Append(named("h", "new"))
	_, err = s.Apply(t.Context(), store.Put(named("g", "new")), second)
	wantChangeError(t, err, 1, second, store.ErrTaken)
	// Freed and taken by others; the third comes too late.
	third := store.Put(named("j", "black"))
	_, err = s.Apply(t.Context(), store.Delete("client", "b", b.Version), store.Put(named("i", "black")), third)
	wantChangeError(t, err, 2, third, store.ErrTaken)
	s.wantState(before)
}

func testApplyTwice(t *testing.T, s fixture) {
	r := s.put(bare("a"))
	before := s.state("client")
	changes := map[string]store.Change{
		"put":    store.Put(r),
		"create": store.Put(bare("a")),
		"append": store.Append(bare("a")),
		"delete": store.Delete("client", "a", r.Version),
	}
	for first, c := range changes {
		for second, d := range changes {
			t.Run(first+" and "+second, func(t *testing.T) {
				_, err := s.Apply(t.Context(), c, store.Append(bare("between")), d)
				wantError(t, "Apply", err, store.ErrInvalid)
			})
		}
	}
	s.wantState(before)
	// The same id in two kinds is two records.
	other := bare("a")
	other.Kind = "other"
	s.apply(store.Put(r), store.Put(other))
}

func testApplyEmpty(t *testing.T, s fixture) {
	_, err := s.Apply(t.Context())
	wantError(t, "Apply of nothing", err, store.ErrInvalid)
}

func testApplyReplace(t *testing.T, s fixture) {
	r := s.put(full("a"))
	old := r
	r = bare("a")
	r.Version = old.Version
	r = s.put(r)
	s.wantRecord(r)
	for _, l := range old.Labels {
		s.wantIDs(store.Query{Kind: "client", Labels: []store.Label{l}})
	}
	s.wantIDs(store.Query{Kind: "client", Text: "text"})
	s.wantIDs(store.Query{Kind: "client", From: "sort"})
	s.wantIDs(store.Query{Kind: "client", ExpiresTo: day(100)})
	s.apply(store.Put(store.Record{Kind: "client", ID: "b", Names: old.Names}))
	if n := s.sweep(day(100), 0); n != 0 {
		t.Errorf("Sweep dropped %d records; the one there has no expiry any more", n)
	}
	s.wantRecord(r)
}

func testPutExists(t *testing.T, s fixture) {
	r := s.put(full("a"))
	c := store.Put(bare("a"))
	_, err := s.Apply(t.Context(), c)
	wantChangeError(t, err, 0, c, store.ErrExists)
	s.wantRecord(r)
}

func testPutGone(t *testing.T, s fixture) {
	r := s.put(full("a"))
	s.delete(r)
	c := store.Put(r)
	_, err := s.Apply(t.Context(), c)
	wantChangeError(t, err, 0, c, store.ErrNotFound)
	s.wantAbsent("client", "a")
}

func testPutConflict(t *testing.T, s fixture) {
	first := s.put(full("a"))
	second := s.put(first)
	for _, v := range []store.Revision{first.Version, first.Version + 1<<32, second.Version - 1, second.Version + 1, 1<<63 - 1} {
		if v == second.Version || v == 0 {
			continue
		}
		r := first
		r.Version, r.Data = v, []byte("lost")
		_, err := s.Apply(t.Context(), store.Put(r))
		wantChangeError(t, err, 0, store.Put(r), store.ErrConflict)
	}
	s.wantRecord(second)
}

func testDelete(t *testing.T, s fixture) {
	r, other := s.put(full("a")), s.put(full("b"))
	s.delete(r)
	s.wantAbsent("client", "a")
	s.wantIDs(store.Query{Kind: "client"}, "b")
	for _, l := range r.Labels[:2] {
		s.wantIDs(store.Query{Kind: "client", Labels: []store.Label{l}}, "b")
	}
	s.wantIDs(store.Query{Kind: "client", Text: "text of a"})
	s.wantIDs(store.Query{Kind: "client", ExpiresTo: day(2)}, "b")
	s.wantRecord(other)
}

func testDeleteGone(t *testing.T, s fixture) {
	r := s.put(full("a"))
	s.delete(r)
	for _, c := range []store.Change{store.Delete("client", "a", r.Version), store.Delete("client", "never", 1)} {
		_, err := s.Apply(t.Context(), c)
		wantChangeError(t, err, 0, c, store.ErrNotFound)
	}
}

func testDeleteConflict(t *testing.T, s fixture) {
	first := s.put(full("a"))
	second := s.put(first)
	c := store.Delete("client", "a", first.Version)
	_, err := s.Apply(t.Context(), c)
	wantChangeError(t, err, 0, c, store.ErrConflict)
	s.wantRecord(second)
}

func testDeleteAlone(t *testing.T, s fixture) {
	s.put(full("other"))
	r := s.put(bare("a"))
	c := store.Change{Op: store.OpDelete, Record: full("other")} // with a name that is taken
	c.Record.ID, c.Record.Version = "a", r.Version
	s.apply(c)
	s.wantAbsent("client", "a")
}

func testAppendExists(t *testing.T, s fixture) {
	r := s.put(full("put"))
	appended := full("appended")
	s.apply(store.Append(appended))
	for _, id := range []string{"put", "appended"} {
		c := store.Append(bare(id))
		_, err := s.Apply(t.Context(), c)
		wantChangeError(t, err, 0, c, store.ErrExists)
	}
	s.wantRecord(r)
	s.wantRecord(appended)
}

func testAppendedStays(t *testing.T, s fixture) {
	rev := s.put(bare("other")).Version
	r := full("a")
	s.apply(store.Append(r))
	over := bare("a")
	for _, v := range []store.Revision{1, rev, rev + 1} {
		over.Version = v
		for _, c := range []store.Change{store.Put(over), store.Delete("client", "a", v)} {
			_, err := s.Apply(t.Context(), c)
			wantChangeError(t, err, 0, c, store.ErrConflict)
		}
	}
	_, err := s.Apply(t.Context(), store.Delete("client", "a", 0))
	wantError(t, "Delete of version 0", err, store.ErrInvalid)
	s.wantRecord(r)
}

func testApplyExpired(t *testing.T, s fixture) {
	past := day(-50_000)
	named := func(id, name string) store.Record {
		return store.Record{Kind: "client", ID: id, Names: []string{name}, Expires: past}
	}
	r := s.put(named("put", "red"))
	s.apply(store.Append(named("appended", "green")))
	for _, c := range []store.Change{
		store.Append(bare("put")), store.Append(bare("appended")), store.Put(bare("put")), store.Put(bare("appended")),
	} {
		_, err := s.Apply(t.Context(), c)
		wantChangeError(t, err, 0, c, store.ErrExists)
	}
	for _, c := range []store.Change{store.Put(named("x", "red")), store.Append(named("y", "green"))} {
		_, err := s.Apply(t.Context(), c)
		wantChangeError(t, err, 0, c, store.ErrTaken)
	}
	r.Expires = day(1)
	s.wantRecord(s.put(r))
}

func testApplyReuse(t *testing.T, s fixture) {
	first := s.put(full("a"))
	s.delete(first)
	second := s.put(full("a"))
	s.wantRecord(second)
	_, err := s.Apply(t.Context(), store.Put(first))
	wantChangeError(t, err, 0, store.Put(first), store.ErrConflict)
	s.delete(second)
	appended := full("a")
	s.apply(store.Append(appended))
	s.wantRecord(appended)
}
