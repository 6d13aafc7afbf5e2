package storetest

import (
	"slices"
	"testing"

	"github.com/clientele-go/clientele/store"
)

var memoryCases = []testCase{
	{"a caller may change its slices after Apply", with(testMemoryGiven)},
	{"Apply leaves the caller's slices as they are", with(testMemoryUntouched)},
	{"what was returned stays as it was", with(testMemoryReturned)},
	{"what is empty comes back empty", with(testMemoryEmpty)},
}

// spoil overwrites every slice of r.
func spoil(r store.Record) {
	for i := range r.Names {
		r.Names[i] = "spoilt"
	}
	for i := range r.Labels {
		r.Labels[i] = store.Label{Key: "spoilt", Value: "spoilt"}
	}
	for i := range r.Data {
		r.Data[i] = 'x'
	}
}

func testMemoryGiven(t *testing.T, s fixture) {
	given := []store.Change{store.Put(full("put")), store.Append(full("appended"))}
	rev := s.apply(given...)
	for i := range given {
		spoil(given[i].Record)
	}
	clear(given)
	for id, version := range map[string]store.Revision{"put": rev, "appended": 0} {
		want := full(id)
		want.Version = version
		s.wantRecord(want)
		for _, l := range want.Labels {
			if ids := idsOf(s.list(store.Query{Kind: "client", Labels: []store.Label{l}}).Records); !slices.Contains(ids, id) {
				t.Errorf("List by label %v finds %q, not %q", l, ids, id)
			}
		}
		s.wantTaken(want.Names...)
	}
	s.wantFree("spoilt")
	// Replacing and removing the records finds all that belongs to them.
	put := s.get("client", "put")
	put.Names, put.Labels = nil, nil
	s.delete(s.put(put))
	s.sweep(day(2), 0)
	s.wantIDs(store.Query{Kind: "client", Labels: full("put").Labels[:1]})
	s.wantFree(append(full("put").Names, full("appended").Names...)...)
}

func testMemoryUntouched(t *testing.T, s fixture) {
	given := []store.Change{store.Put(full("b")), store.Append(full("a"))}
	s.apply(given...)
	for i, id := range []string{"b", "a"} {
		want := full(id)
		if got := given[i].Record; difference(got, want) != "" || !slices.Equal(got.Labels, want.Labels) {
			t.Errorf("change %d is %v after Apply, was %v", i, got, want)
		}
	}
	labels := []store.Label{{Key: "team", Value: "risk"}, {Key: "id", Value: "a"}, {Key: "empty"}}
	before := slices.Clone(labels)
	s.wantIDs(store.Query{Kind: "client", Labels: labels}, "a")
	if !slices.Equal(labels, before) {
		t.Errorf("the labels of the query are %v after List, were %v", labels, before)
	}
}

func testMemoryReturned(t *testing.T, s fixture) {
	a, b := s.put(full("a")), s.put(full("b"))
	got := s.get("client", "a")
	page := s.list(store.Query{Kind: "client"})
	feed := s.changes(0, 0)
	changed := slices.Clone(feed.Changed)

	spoilt := a
	spoilt.Names, spoilt.Labels = []string{"other", "names"}, slices.Clone(a.Labels)
	spoilt.Labels[0].Value = "other"
	spoilt.Data = []byte("{\"id\":\"z\"}\x00\xff\n")
	s.put(spoilt)
	s.delete(b)
	s.get("client", "a")
	s.list(store.Query{Kind: "client", Descending: true})
	s.changes(0, 0)

	if d := difference(got, a); d != "" {
		t.Errorf("what Get returned changed: %s", d)
	}
	if d := differences(page.Records, []store.Record{a, b}); d != "" {
		t.Errorf("what List returned changed: %s", d)
	}
	if !slices.Equal(feed.Changed, changed) {
		t.Errorf("what Changes returned changed: %v, was %v", feed.Changed, changed)
	}
}

func testMemoryEmpty(t *testing.T, s fixture) {
	r := bare("a")
	r.Names, r.Labels, r.Data = []string{}, []store.Label{}, []byte{}
	s.wantRecord(s.put(r))
	s.wantIDs(store.Query{Kind: "client", Labels: []store.Label{}}, "a")
}
