package storetest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/clientele-go/clientele/store"
)

// patience is how long the suite waits for what must happen soon. A store in
// order never needs it.
const patience = 15 * time.Second

// glance is how long the suite looks whether something happens that must not.
const glance = 20 * time.Millisecond

// A fixture is an open store, and the calls of it that must succeed.
type fixture struct {
	store.Store
	t     testing.TB
	dir   string
	close func() // may be called again, and is at the end of the test

	closable bool // close does something
}

// open opens a store with a dir of its own.
func open(t testing.TB, cfg Config) fixture {
	t.Helper()
	return openAt(t, cfg, t.TempDir(), "main")
}

// openAt opens the tenant in dir, and closes it at the end of the test at the
// latest.
func openAt(t testing.TB, cfg Config, dir, tenant string) fixture {
	t.Helper()
	s, closeStore := cfg.Open(t, dir, tenant)
	if s == nil {
		t.Fatal("Config.Open returned no store")
	}
	once := sync.OnceFunc(func() {
		if closeStore == nil {
			return
		}
		if err := closeStore(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	t.Cleanup(once)
	return fixture{Store: s, t: t, dir: dir, close: once, closable: closeStore != nil}
}

// in returns s for a sub-test.
func (s fixture) in(t testing.TB) fixture {
	s.t = t
	return s
}

// soon returns a context that ends when the suite loses its patience.
func soon(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

func (s fixture) apply(changes ...store.Change) store.Revision {
	s.t.Helper()
	rev, err := s.Apply(s.t.Context(), changes...)
	if err != nil {
		s.t.Fatalf("Apply: %v", err)
	}
	return rev
}

// put puts r and returns it with its new version.
func (s fixture) put(r store.Record) store.Record {
	s.t.Helper()
	r.Version = s.apply(store.Put(r))
	return r
}

func (s fixture) delete(r store.Record) store.Revision {
	s.t.Helper()
	return s.apply(store.Delete(r.Kind, r.ID, r.Version))
}

func (s fixture) get(kind store.Kind, id string) store.Record {
	s.t.Helper()
	r, err := s.Get(s.t.Context(), kind, id)
	if err != nil {
		s.t.Fatalf("Get %s %.64q: %v", kind, id, err)
	}
	return r
}

func (s fixture) list(q store.Query) store.Page {
	s.t.Helper()
	p, err := s.List(s.t.Context(), q)
	if err != nil {
		s.t.Fatalf("List: %v", err)
	}
	return p
}

// changes returns what is in the feed now.
func (s fixture) changes(since store.Revision, limit int) store.Feed {
	s.t.Helper()
	f, err := s.Changes(s.t.Context(), since, 0, limit)
	if err != nil {
		s.t.Fatalf("Changes since %d: %v", since, err)
	}
	return f
}

// latest returns the current revision.
func (s fixture) latest() store.Revision {
	s.t.Helper()
	return s.changes(store.Latest, 0).Revision
}

func (s fixture) sweep(before time.Time, limit int) int {
	s.t.Helper()
	n, err := s.Sweep(s.t.Context(), before, limit)
	if err != nil {
		s.t.Fatalf("Sweep: %v", err)
	}
	return n
}

// wantRecord checks that r is there, exactly.
func (s fixture) wantRecord(r store.Record) {
	s.t.Helper()
	if d := difference(s.get(r.Kind, r.ID), r); d != "" {
		s.t.Errorf("record %s %.64q: %s", r.Kind, r.ID, d)
	}
}

// wantAbsent checks that there is no record with that id.
func (s fixture) wantAbsent(kind store.Kind, id string) {
	s.t.Helper()
	_, err := s.Get(s.t.Context(), kind, id)
	wantError(s.t, fmt.Sprintf("Get %s %.64q", kind, id), err, store.ErrNotFound)
}

// wantIDs checks which records q selects, and their order.
func (s fixture) wantIDs(q store.Query, ids ...string) {
	s.t.Helper()
	if got := idsOf(s.list(q).Records); !slices.Equal(got, ids) {
		s.t.Errorf("List %s: %s", describe(q), firstDifference(got, ids))
	}
}

// wantFeed checks what is in the feed after since: "+id" was put, "-id" deleted.
func (s fixture) wantFeed(since store.Revision, want ...string) store.Feed {
	s.t.Helper()
	f := s.changes(since, store.MaxLimit)
	if got := feedOf(f); !slices.Equal(got, want) {
		s.t.Errorf("Changes since %d: %s", since, firstDifference(got, want))
	}
	if f.More {
		s.t.Errorf("Changes since %d: More, with %d of at most %d changes", since, len(f.Changed), store.MaxLimit)
	}
	return f
}

// A state is everything that a store shows.
type state struct {
	revision store.Revision
	feed     []store.Changed
	records  map[store.Kind][]store.Record
}

// state reads everything of the kinds, to be compared with wantState later.
func (s fixture) state(kinds ...store.Kind) state {
	s.t.Helper()
	f := s.changes(0, store.MaxLimit)
	st := state{revision: s.latest(), feed: inOrder(f), records: map[store.Kind][]store.Record{}}
	for _, k := range kinds {
		st.records[k] = s.list(store.Query{Kind: k, Limit: store.MaxLimit}).Records
	}
	return st
}

// wantState checks that nothing changed since before was read.
func (s fixture) wantState(before state) {
	s.t.Helper()
	kinds := make([]store.Kind, 0, len(before.records))
	for k := range before.records {
		kinds = append(kinds, k)
	}
	now := s.state(kinds...)
	if now.revision != before.revision {
		s.t.Errorf("the revision is %d, was %d", now.revision, before.revision)
	}
	if !slices.Equal(now.feed, before.feed) {
		s.t.Errorf("the feed is %v, was %v", now.feed, before.feed)
	}
	for k := range before.records {
		if d := differences(now.records[k], before.records[k]); d != "" {
			s.t.Errorf("records of kind %s changed: %s", k, d)
		}
	}
}

// full returns a record that has something in each field.
func full(id string) store.Record {
	return store.Record{
		Kind:    "client",
		ID:      id,
		Names:   []string{"zoë of " + id, "a second name of " + id},
		Labels:  []store.Label{{Key: "team", Value: "payments"}, {Key: "team", Value: "risk"}, {Key: "empty", Value: ""}, {Key: "id", Value: id}},
		Text:    "full text of " + id,
		Sort:    "sort key of " + id,
		Expires: day(1),
		Format:  7,
		Data:    []byte("{\"id\":\"" + id + "\"}\x00\xff\n"),
	}
}

// bare returns a record with nothing but what it must have.
func bare(id string) store.Record { return store.Record{Kind: "client", ID: id} }

// day returns a time n days after some beginning, in the future: a store need
// not return what has expired.
func day(n int) time.Time {
	return time.Date(2130, time.January, 1, 12, 30, 15, 123456000, time.UTC).AddDate(0, 0, n)
}

// together runs n functions at once and fails the test if one of them does. All
// begin as nearly at the same moment as can be.
func together(t testing.TB, n int, run func(i int) error) {
	t.Helper()
	begin := make(chan struct{})
	errs := make(chan error, n)
	for i := range n {
		go func() {
			<-begin
			errs <- run(i)
		}()
	}
	close(begin)
	deadline := time.After(4 * patience)
	for range n {
		select {
		case err := <-errs:
			if err != nil {
				t.Error(err)
			}
		case <-deadline:
			t.Fatal("concurrent calls are still not done")
		}
	}
	if t.Failed() {
		t.FailNow()
	}
}
