package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/clientele-go/clientele/store"
)

// A Tenant is the [store.Store] of a tenant of a [Database].
type Tenant interface {
	store.Store
	Kinds(ctx context.Context) ([]store.Kind, error)
}

// A Database keeps several tenants, each of which is a [store.Store] of type S.
// It promises the following, and [RunDatabase] has a test for each sentence.
//
// Tenant returns the store of a tenant, which is created when it is first called
// for, and once however many call at the same time. It refuses a name that
// [store.CheckTenant] refuses, and so does DeleteTenant. Names are compared byte by
// byte, and Tenants returns them in that order.
//
// DeleteTenant deletes a tenant with everything it has, or says
// [store.ErrNotFound]. From then on every method of its stores says
// [store.ErrDeleted], and who waits in Changes is woken with it. The name is free:
// who comes by it finds nothing of what there was.
//
// Kinds returns the kinds of which a tenant has records, in the order of their
// bytes. It is how whoever copies a tenant finds all that there is.
//
// After Close, every method says [store.ErrClosed].
type Database[S Tenant] interface {
	Tenant(ctx context.Context, name string) (S, error)
	Tenants(ctx context.Context) ([]string, error)
	DeleteTenant(ctx context.Context, name string) error
	Close() error
}

// RunDatabase runs what a [Database] promises as tests, beside [Run], which tests
// the stores in it:
//
//	func TestDatabase(t *testing.T) {
//		storetest.RunDatabase(t, func(t testing.TB, dir string) storetest.Database[*mystore.Store] {
//			return mystore.Open(dir)
//		})
//	}
//
// open opens the database that is kept in dir, which is empty at first, and ends
// the test if it cannot. Called again with the same dir, it opens the same
// database as another process would. The suite closes all of them.
func RunDatabase[S Tenant](t *testing.T, open func(t testing.TB, dir string) Database[S]) {
	t.Helper()
	for _, c := range databaseCases {
		t.Run(c.says, func(t *testing.T) {
			dir := t.TempDir()
			c.run(t, func() database {
				db := open(t, dir)
				t.Cleanup(func() {
					if err := db.Close(); err != nil {
						t.Errorf("close: %v", err)
					}
				})
				return database{t: t, tenants: db.Tenants, delete: db.DeleteTenant, close: db.Close,
					tenant: func(ctx context.Context, name string) (Tenant, error) { return db.Tenant(ctx, name) }}
			})
		})
	}
}

var databaseCases = []struct {
	says string
	run  func(t *testing.T, open func() database)
}{
	{"takes any text as a name, byte by byte", testDatabaseNames},
	{"refuses other names, and creates nothing", testDatabaseBadNames},
	{"creates a tenant once", testDatabaseOnce},
	{"creates a tenant once, however many call for it", testDatabaseRace},
	{"lists tenants in the order of bytes", testDatabaseList},
	{"deletes a tenant with everything it has", testDatabaseDelete},
	{"says of a deleted tenant that it is", func(t *testing.T, open func() database) {
		db := open()
		testDatabaseDeleted(t, db, db)
	}},
	{"says so whoever has deleted it", func(t *testing.T, open func() database) { testDatabaseDeleted(t, open(), open()) }},
	{"leaves nothing to who comes by the name of a deleted tenant", testDatabaseAgain},
	{"deletes a tenant once, however many want to", testDatabaseDeleteRace},
	{"ends what is written to a tenant that is deleted", testDatabaseDeleteWritten},
	{"tells the kinds of a tenant's records", testDatabaseKinds},
	{"does nothing when the context has ended", testDatabaseContext},
	{"says that it is closed", testDatabaseClosed},
}

// A database is a Database of any stores, and the calls of it that must succeed.
type database struct {
	t       *testing.T
	tenant  func(ctx context.Context, name string) (Tenant, error)
	tenants func(ctx context.Context) ([]string, error)
	delete  func(ctx context.Context, name string) error
	close   func() error
}

// tenantCalls has a call of each method of a Tenant.
var tenantCalls = append(slices.Clip(calls), call{"Kinds", func(ctx context.Context, s store.Store) error {
	_, err := s.(Tenant).Kinds(ctx)
	return err
}})

func (db database) open(name string) fixture {
	db.t.Helper()
	s, err := db.tenant(db.t.Context(), name)
	if err != nil {
		db.t.Fatalf("Tenant %.64q: %v", name, err)
	}
	return fixture{Store: s, t: db.t}
}

func (db database) wantTenants(want ...string) {
	db.t.Helper()
	got, err := db.tenants(db.t.Context())
	if err != nil {
		db.t.Fatalf("Tenants: %v", err)
	}
	if !slices.Equal(got, want) {
		db.t.Errorf("Tenants = %.64q, want %.64q", got, want)
	}
}

func (db database) mustDelete(name string) {
	db.t.Helper()
	if err := db.delete(db.t.Context(), name); err != nil {
		db.t.Fatalf("DeleteTenant %.64q: %v", name, err)
	}
}

// wantDeleted checks that every method of a tenant's store says that it was
// deleted.
func (s fixture) wantDeleted() {
	s.t.Helper()
	for _, c := range tenantCalls {
		err := c.do(soon(s.t), s.Store)
		wantError(s.t, c.says, err, store.ErrDeleted)
		wantError(s.t, c.says, err, store.ErrClosed)
	}
}

func testDatabaseNames(t *testing.T, open func() database) {
	db := open()
	names := []string{
		"x", "X", "x ", " ", strings.Repeat("x", store.MaxTenantName), strings.Repeat("x", store.MaxTenantName-1),
		`zoë's "team"; DROP TABLE tenant --`, "zoe\u0308", "a/../b", `a\b`, "%", "main.db", "🙂",
	}
	for i, name := range names {
		if rev := db.open(name).put(bare(name)).Version; rev != 1 {
			t.Errorf("the first revision of tenant %.64q is %d, want 1", name, rev)
		}
		if got, err := db.tenants(t.Context()); err != nil || len(got) != i+1 {
			t.Errorf("%d tenants, %v; want %d", len(got), err, i+1)
		}
	}
	for _, name := range names {
		db.open(name).wantIDs(store.Query{Kind: "client"}, name)
	}
}

func testDatabaseBadNames(t *testing.T, open func() database) {
	db := open()
	for says, name := range map[string]string{
		"no name":                  "",
		"one of 256 bytes":         strings.Repeat("x", store.MaxTenantName+1),
		"128 letters of two bytes": strings.Repeat("ë", store.MaxTenantName/2+1),
		"one that is not UTF-8":    "x\xff",
		"one with a NUL":           "x\x00y",
		"one with a line break":    "x\ny",
		"one with a DEL":           "x\x7f",
		"one with a C1 control":    "x\u0085",
	} {
		_, err := db.tenant(t.Context(), name)
		wantError(t, "Tenant of "+says, err, store.ErrInvalid)
		wantError(t, "DeleteTenant of "+says, db.delete(t.Context(), name), store.ErrInvalid)
	}
	db.wantTenants()
}

func testDatabaseOnce(t *testing.T, open func() database) {
	db := open()
	r := db.open("main").put(full("a"))
	other := open()
	for _, db := range []database{db, other} {
		s := db.open("main")
		s.wantRecord(r)
		r = s.put(r)
		db.wantTenants("main")
	}
	if err := db.close(); err != nil {
		t.Fatal(err)
	}
	other.open("main").wantRecord(r)
}

func testDatabaseRace(t *testing.T, open func() database) {
	dbs := []database{open(), open()}
	for n := range 5 {
		name := fmt.Sprint(n)
		stores := make([]Tenant, 8)
		together(t, len(stores), func(i int) (err error) {
			stores[i], err = dbs[i%2].tenant(t.Context(), name)
			return err
		})
		r := fixture{Store: stores[0], t: t}.put(bare("a"))
		for _, s := range stores {
			fixture{Store: s, t: t}.wantRecord(r)
		}
	}
	dbs[0].wantTenants("0", "1", "2", "3", "4")
}

func testDatabaseList(t *testing.T, open func() database) {
	db := open()
	db.wantTenants()
	for _, name := range []string{"b", "ä", "a b", "a", "B", "a", "_", "ab", "\uffee", "🙂"} {
		db.open(name)
	}
	want := []string{"B", "_", "a", "a b", "ab", "b", "ä", "\uffee", "🙂"}
	db.wantTenants(want...)
	open().wantTenants(want...)
}

// fillTenant gives a tenant something of everything, also deletions.
func fillTenant(s fixture, records int) {
	s.t.Helper()
	for begin := 0; begin < records; begin += store.MaxChanges {
		var changes, deletions []store.Change
		for i := begin; i < min(begin+store.MaxChanges, records); i++ {
			changes = append(changes, store.Put(full(fmt.Sprint(i))))
		}
		rev := s.apply(changes...)
		for i := begin; i < begin+len(changes)/2; i++ {
			deletions = append(deletions, store.Delete("client", fmt.Sprint(i), rev))
		}
		s.apply(deletions...)
	}
	s.apply(store.Append(store.Record{Kind: "audit", ID: "event"}))
}

func testDatabaseDelete(t *testing.T, open func() database) {
	db := open()
	gone, kept := db.open("gone"), db.open("kept")
	fillTenant(gone, 1200)
	fillTenant(kept, 20)
	before := kept.state("client", "audit")
	db.mustDelete("gone")
	db.wantTenants("kept")
	kept.wantState(before)
	wantError(t, "DeleteTenant, again", db.delete(t.Context(), "gone"), store.ErrNotFound)
	wantError(t, "DeleteTenant of one that never was", db.delete(t.Context(), "never"), store.ErrNotFound)
	db.wantTenants("kept")

	other := open()
	other.wantTenants("kept")
	other.open("kept").wantState(before)
	other.mustDelete("kept")
	db.wantTenants()
}

func testDatabaseDeleted(t *testing.T, db, by database) {
	s, again := db.open("gone"), db.open("gone")
	r := s.put(full("there"))
	s.wantWoken(r.Version, time.Hour, func() { s.put(bare("another")) }, "+another")
	result := s.waiting(t.Context(), s.latest(), time.Hour)
	by.mustDelete("gone")
	wantError(t, "Changes, waiting", result().err, store.ErrDeleted)
	s.wantDeleted()
	again.wantDeleted()
}

func testDatabaseAgain(t *testing.T, open func() database) {
	db := open()
	for range 3 {
		s := db.open("main")
		s.wantFeed(0)
		s.wantIDs(store.Query{Kind: "client"})
		if rev := s.put(full("there")).Version; rev != 1 {
			t.Errorf("the first revision is %d, want 1", rev)
		}
		db.mustDelete("main")
		next := db.open("main")
		s.wantDeleted()
		next.wantAbsent("client", "there")
		next.wantAbsent("client", "new")
		next.wantFree(full("there").Names...)
		db.mustDelete("main")
	}
}

func testDatabaseDeleteRace(t *testing.T, open func() database) {
	dbs := []database{open(), open()}
	fillTenant(dbs[0].open("main"), 100)
	won := make([]bool, 8)
	together(t, len(won), func(i int) error {
		err := dbs[i%2].delete(t.Context(), "main")
		if won[i] = err == nil; errors.Is(err, store.ErrNotFound) {
			return nil
		}
		return err
	})
	if n := len(slices.DeleteFunc(won, func(won bool) bool { return !won })); n != 1 {
		t.Errorf("%d have deleted the tenant, want 1", n)
	}
	dbs[0].wantTenants()
}

func testDatabaseDeleteWritten(t *testing.T, open func() database) {
	dbs := []database{open(), open()}
	kept := dbs[0].open("kept")
	stores := []fixture{dbs[0].open("gone"), dbs[1].open("gone")}
	const writers = 6
	written := make(chan struct{}, 20)
	together(t, writers+1, func(i int) error {
		if i == writers {
			for range cap(written) {
				<-written
			}
			return dbs[0].delete(t.Context(), "gone")
		}
		for n := 0; ; n++ {
			change := store.Put(full(fmt.Sprint(i, " ", n)))
			if i%3 == 0 {
				change = store.Append(full(fmt.Sprint(i, " ", n)))
			}
			_, err := stores[i%2].Apply(t.Context(), change)
			if errors.Is(err, store.ErrDeleted) {
				return nil
			}
			if err != nil {
				return fmt.Errorf("an Apply while the tenant was deleted: %w, want success or ErrDeleted", err)
			}
			select {
			case written <- struct{}{}:
			default:
			}
		}
	})
	next := dbs[1].open("gone")
	next.wantIDs(store.Query{Kind: "client"})
	next.wantFeed(0)
	kept.wantFeed(0)
}

func testDatabaseKinds(t *testing.T, open func() database) {
	db := open()
	s, other := db.open("main"), db.open("other")
	other.put(store.Record{Kind: "of.another", ID: "1"})
	s.wantKinds()

	version := s.apply(
		store.Put(bare("1")), store.Put(bare("2")), store.Put(store.Record{Kind: "a.b", ID: "1"}),
		store.Append(store.Record{Kind: "audit", ID: "1"}), store.Put(store.Record{Kind: "a-b", ID: "1"}))
	s.wantKinds("a-b", "a.b", "audit", "client")
	other.wantKinds("of.another")

	s.apply(store.Delete("a.b", "1", version), store.Delete("client", "1", version))
	s.wantKinds("a-b", "audit", "client") // none is left of one, and one of another

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.Store.(Tenant).Kinds(ctx)
	wantError(t, "Kinds", err, context.Canceled)
}

// wantKinds checks the kinds of a tenant's records.
func (s fixture) wantKinds(want ...store.Kind) {
	s.t.Helper()
	got, err := s.Store.(Tenant).Kinds(s.t.Context())
	if err != nil || !slices.Equal(got, want) {
		s.t.Errorf("Kinds = %q, %v; want %q", got, err, want)
	}
}

func testDatabaseContext(t *testing.T, open func() database) {
	db := open()
	r := db.open("main").put(full("a"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, name := range []string{"main", "new"} {
		_, err := db.tenant(ctx, name)
		wantError(t, "Tenant", err, context.Canceled)
		wantError(t, "DeleteTenant", db.delete(ctx, name), context.Canceled)
	}
	_, err := db.tenants(ctx)
	wantError(t, "Tenants", err, context.Canceled)
	db.wantTenants("main")
	db.open("main").wantRecord(r)
}

func testDatabaseClosed(t *testing.T, open func() database) {
	db, other := open(), open()
	s := db.open("main")
	if err := db.close(); err != nil {
		t.Fatalf("close: %v", err)
	}
	for _, name := range []string{"main", "new"} {
		_, err := db.tenant(t.Context(), name)
		wantError(t, "Tenant", err, store.ErrClosed)
		wantError(t, "DeleteTenant", db.delete(t.Context(), name), store.ErrClosed)
	}
	_, err := db.tenants(t.Context())
	wantError(t, "Tenants", err, store.ErrClosed)
	for _, c := range tenantCalls {
		wantError(t, c.says, c.do(soon(t), s.Store), store.ErrClosed)
	}
	other.wantTenants("main")
	if err := db.close(); err != nil {
		t.Errorf("close, again: %v", err)
	}
}
