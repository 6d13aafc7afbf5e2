package storetest

import (
	"testing"

	"github.com/clientele-go/clientele/store"
)

var versionCases = []testCase{
	{"the first revision is 1 or more", with(testVersionFirst)},
	{"Apply returns the version of every record that it put", with(testVersionOfAll)},
	{"revisions only grow", with(testVersionGrows)},
	{"a deletion has a revision too", with(testVersionDelete)},
	{"nothing but appends returns 0", with(testVersionAppend)},
	{"an appended record has version 0, also beside a put", with(testVersionMixed)},
	{"what is not touched keeps its version", with(testVersionKept)},
	{"what was refused has no revision", with(testVersionRefused)},
	{"revisions grow past what was deleted or swept", with(testVersionGone)},
}

func testVersionFirst(t *testing.T, s fixture) {
	if r := s.put(bare("a")); r.Version < 1 {
		t.Errorf("the first revision is %d", r.Version)
	}
}

func testVersionOfAll(t *testing.T, s fixture) {
	a := s.put(bare("a"))
	rev := s.apply(store.Put(bare("b")), store.Put(a), store.Put(store.Record{Kind: "other", ID: "c"}))
	for _, r := range []store.Record{s.get("client", "a"), s.get("client", "b"), s.get("other", "c")} {
		if r.Version != rev {
			t.Errorf("record %s %s has version %d, Apply returned %d", r.Kind, r.ID, r.Version, rev)
		}
	}
	for _, r := range s.list(store.Query{Kind: "client"}).Records {
		if r.Version != rev {
			t.Errorf("record %s has version %d in List, Apply returned %d", r.ID, r.Version, rev)
		}
	}
}

func testVersionGrows(t *testing.T, s fixture) {
	var last store.Revision
	a := bare("a")
	for i := range 20 {
		a = s.put(a)
		b := s.put(store.Record{Kind: "other", ID: "b" + string(rune('a'+i))})
		if a.Version <= last || b.Version <= a.Version {
			t.Fatalf("revisions %d, %d, %d do not grow", last, a.Version, b.Version)
		}
		last = b.Version
	}
	if now := s.latest(); now < last {
		t.Errorf("the current revision is %d, but %d was returned", now, last)
	}
}

func testVersionDelete(t *testing.T, s fixture) {
	r := s.put(bare("a"))
	if rev := s.delete(r); rev <= r.Version {
		t.Errorf("the deletion has revision %d, the record had %d", rev, r.Version)
	}
}

func testVersionAppend(t *testing.T, s fixture) {
	before := s.put(bare("other")).Version
	if rev := s.apply(store.Append(bare("a")), store.Append(bare("b"))); rev != 0 {
		t.Errorf("Apply returned %d, want 0", rev)
	}
	if now := s.latest(); now != before {
		t.Errorf("the current revision went from %d to %d", before, now)
	}
}

func testVersionMixed(t *testing.T, s fixture) {
	event := full("event")
	event.Kind = "audit"
	rev := s.apply(store.Append(event), store.Put(bare("a")))
	if rev < 1 {
		t.Errorf("Apply of an append and a put returned %d", rev)
	}
	s.wantRecord(event)
	event.ID, event.Names = "event 2", nil
	if rev := s.apply(store.Delete("client", "a", rev), store.Append(event)); rev < 1 {
		t.Errorf("Apply of a deletion and an append returned %d", rev)
	}
	s.wantRecord(event)
	// Append is made from a record that was read, with its version.
	c := store.Append(store.Record{Kind: "audit", ID: "event 3", Version: 5})
	s.apply(c)
	s.wantRecord(store.Record{Kind: "audit", ID: "event 3"})
}

func testVersionKept(t *testing.T, s fixture) {
	a, b := s.put(full("a")), s.put(full("b"))
	s.put(b)
	s.apply(store.Append(bare("c")))
	s.wantRecord(a)
}

func testVersionRefused(t *testing.T, s fixture) {
	s.put(bare("a"))
	before := s.latest()
	for range 3 {
		if rev, err := s.Apply(t.Context(), store.Put(bare("b")), store.Put(bare("a"))); err == nil || rev != 0 {
			t.Fatalf("Apply = %d, %v; want 0 and an error", rev, err)
		}
	}
	if now := s.latest(); now != before {
		t.Errorf("the current revision went from %d to %d", before, now)
	}
}

func testVersionGone(t *testing.T, s fixture) {
	a := s.put(bare("a"))
	deleted := s.delete(a)
	b := bare("b")
	b.Expires = day(0)
	b = s.put(b)
	if b.Version <= deleted {
		t.Fatalf("revision %d after %d", b.Version, deleted)
	}
	s.sweep(day(1), 0)
	s.wantAbsent("client", "b")
	if now := s.latest(); now < b.Version {
		t.Errorf("the current revision is %d, but %d was returned", now, b.Version)
	}
	s.wantFeed(b.Version) // and is not refused as one that was never given
	if c := s.put(bare("c")); c.Version <= b.Version {
		t.Errorf("revision %d after %d", c.Version, b.Version)
	}
}
