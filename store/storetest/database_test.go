package storetest_test

import (
	"context"
	"errors"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/clientele-go/clientele/memstore"
	"github.com/clientele-go/clientele/store"
	"github.com/clientele-go/clientele/store/storetest"
)

// A disk has tenants in memory, which are kept as storetest.Database promises, but
// for the fault that it has.
type disk struct {
	diskFault
	mu      sync.Mutex
	tenants map[string]*tenant
	deleted map[string]*tenant
}

type diskFault struct {
	anyName   bool                  // is taken
	key       func(string) string   // what of a name counts
	order     func(a, b string) int // of Tenants
	anew      bool                  // each call makes a tenant
	says      error                 // says a deleted tenant
	undead    bool                  // a deleted tenant goes on
	silent    bool                  // who waits for a deleted tenant does so on
	remembers bool                  // what a deleted tenant had comes again with its name
	twice     bool                  // a tenant can be deleted
	all       bool                  // tenants are deleted with one
	patient   bool                  // contexts that have ended do not count
	open      bool                  // is what was closed
	everKinds bool                  // kinds are those that ever were
	unordered bool                  // kinds are in another order
}

// databaseFaults are the ways to break a database, and the sentence that must then
// turn red.
var databaseFaults = []struct {
	fault
	disk diskFault
}{
	{fault{says: "nothing", wants: ""}, diskFault{}},
	{fault{says: "names are folded", wants: "takes any text as a name, byte by byte"}, diskFault{key: strings.ToLower}},
	{fault{says: "names are trimmed", wants: "takes any text as a name, byte by byte"}, diskFault{key: func(name string) string { return strings.TrimRight(name, " ") + "." }}},
	{fault{says: "any name is taken", wants: "refuses other names, and creates nothing"}, diskFault{anyName: true}},
	{fault{says: "each call makes a tenant", wants: "creates a tenant once"}, diskFault{anew: true}},
	{fault{says: "each call makes a tenant", wants: "creates a tenant once, however many call for it"}, diskFault{anew: true}},
	{fault{says: "names are in another order", wants: "lists tenants in the order of bytes"}, diskFault{order: func(a, b string) int {
		return strings.Compare(strings.ToLower(a), strings.ToLower(b))
	}}},
	{fault{says: "names are ordered as UTF-16", wants: "lists tenants in the order of bytes"}, diskFault{order: func(a, b string) int {
		return strings.Compare(utf16Order(a), utf16Order(b))
	}}},
	{fault{says: "a tenant can be deleted twice", wants: "deletes a tenant with everything it has"}, diskFault{twice: true}},
	{fault{says: "others are deleted too", wants: "deletes a tenant with everything it has"}, diskFault{all: true}},
	{fault{says: "a deleted tenant is just closed", wants: "says of a deleted tenant that it is"}, diskFault{says: store.ErrClosed}},
	{fault{says: "a deleted tenant is not found", wants: "says so whoever has deleted it"}, diskFault{says: store.ErrNotFound}},
	{fault{says: "who waits is not woken", wants: "says of a deleted tenant that it is"}, diskFault{silent: true}},
	{fault{says: "what was deleted comes again", wants: "leaves nothing to who comes by the name of a deleted tenant"}, diskFault{remembers: true}},
	{fault{says: "a tenant can be deleted twice", wants: "deletes a tenant once, however many want to"}, diskFault{twice: true}},
	{fault{says: "a deleted tenant goes on", wants: "ends what is written to a tenant that is deleted"}, diskFault{undead: true}},
	{fault{says: "kinds are those that ever were", wants: "tells the kinds of a tenant's records"}, diskFault{everKinds: true}},
	{fault{says: "kinds are in another order", wants: "tells the kinds of a tenant's records"}, diskFault{unordered: true}},
	{fault{says: "contexts do not count", wants: "does nothing when the context has ended"}, diskFault{patient: true}},
	{fault{says: "close does nothing", wants: "says that it is closed"}, diskFault{open: true}},
}

// TestDatabaseSuite runs the suite with a fault as a child of TestDatabaseFaults.
func TestDatabaseSuite(t *testing.T) {
	name := os.Getenv("STORETEST_FAULT")
	for _, f := range databaseFaults {
		if f.key() != name {
			continue
		}
		disks := map[string]*disk{}
		storetest.RunDatabase(t, func(_ testing.TB, dir string) storetest.Database[tenantStore] {
			if disks[dir] == nil {
				disks[dir] = &disk{diskFault: f.disk, tenants: map[string]*tenant{}, deleted: map[string]*tenant{}}
			}
			return &memDatabase{disk: disks[dir]}
		})
		return
	}
	t.Skip("runs as a child of TestDatabaseFaults")
}

func TestDatabaseFaults(t *testing.T) {
	for _, f := range databaseFaults {
		t.Run(f.key(), func(t *testing.T) {
			t.Parallel()
			wantSeen(t, f.fault, "TestDatabaseSuite")
		})
	}
}

// A memDatabase is a database that is open on a disk.
type memDatabase struct {
	*disk
	closed bool
}

func (d *memDatabase) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = !d.disk.open
	return nil
}

// alive returns an error if a call must not begin, with the disk locked.
func (d *memDatabase) alive(ctx context.Context) error {
	switch {
	case d.closed:
		return store.ErrClosed
	case d.patient:
		return nil
	}
	return ctx.Err()
}

func (d *memDatabase) named(ctx context.Context, name string) (string, error) {
	if err := store.CheckTenant(name); err != nil && !d.anyName {
		return "", err
	}
	if d.key != nil {
		name = d.key(name)
	}
	return name, d.alive(ctx)
}

func (d *memDatabase) Tenant(ctx context.Context, name string) (tenantStore, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	name, err := d.named(ctx, name)
	if err != nil {
		return tenantStore{}, err
	}
	t, ok := d.tenants[name]
	if !ok || d.anew {
		t = &tenant{Store: memstore.New(), kinds: map[store.Kind]bool{}}
		if old := d.deleted[name]; old != nil && d.remembers {
			t.Store = copied(old.Store)
		}
		d.tenants[name] = t
	}
	return tenantStore{t, d}, nil
}

func (d *memDatabase) Tenants(ctx context.Context) ([]string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.alive(ctx); err != nil {
		return nil, err
	}
	names := slices.Sorted(maps.Keys(d.tenants))
	if d.order != nil {
		slices.SortFunc(names, d.order)
	}
	return names, nil
}

func (d *memDatabase) DeleteTenant(ctx context.Context, name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	name, err := d.named(ctx, name)
	if err != nil {
		return err
	}
	t, ok := d.tenants[name]
	if !ok {
		if d.twice {
			return nil
		}
		return store.ErrNotFound
	}
	d.deleted[name] = t
	delete(d.tenants, name)
	if d.all {
		clear(d.tenants)
	}
	t.gone = !d.undead
	if t.gone && !d.silent && !d.remembers {
		return t.Close()
	}
	return nil
}

// A tenant is what a disk has of it.
type tenant struct {
	*memstore.Store
	gone  bool
	kinds map[store.Kind]bool // that were ever written
}

// A tenantStore is the store of a tenant that an open database has returned.
type tenantStore struct {
	t *tenant
	d *memDatabase
}

// ended returns what the store says instead of what it would, if anything.
func (s tenantStore) ended() error {
	s.d.mu.Lock()
	defer s.d.mu.Unlock()
	switch {
	case s.t.gone && s.d.says != nil:
		return s.d.says
	case s.t.gone:
		return store.ErrDeleted
	case s.d.closed:
		return store.ErrClosed
	}
	return nil
}

// said returns the error of a call, which may have ended because the tenant has.
func (s tenantStore) said(err error) error {
	if errors.Is(err, store.ErrClosed) {
		return s.ended()
	}
	return err
}

func (s tenantStore) Get(ctx context.Context, kind store.Kind, id string) (store.Record, error) {
	if err := s.ended(); err != nil {
		return store.Record{}, err
	}
	r, err := s.t.Get(ctx, kind, id)
	return r, s.said(err)
}

func (s tenantStore) List(ctx context.Context, q store.Query) (store.Page, error) {
	if err := s.ended(); err != nil {
		return store.Page{}, err
	}
	p, err := s.t.List(ctx, q)
	return p, s.said(err)
}

func (s tenantStore) Apply(ctx context.Context, changes ...store.Change) (store.Revision, error) {
	if err := s.ended(); err != nil {
		return 0, err
	}
	rev, err := s.t.Apply(ctx, changes...)
	s.d.mu.Lock()
	for _, c := range changes {
		s.t.kinds[c.Record.Kind] = true
	}
	s.d.mu.Unlock()
	return rev, s.said(err)
}

func (s tenantStore) Kinds(ctx context.Context) (kinds []store.Kind, err error) {
	if err := s.ended(); err != nil {
		return nil, err
	}
	s.d.mu.Lock()
	ever := slices.Sorted(maps.Keys(s.t.kinds))
	s.d.mu.Unlock()
	for _, kind := range ever {
		page, err := s.t.List(ctx, store.Query{Kind: kind, Limit: 1})
		if err != nil {
			return nil, s.said(err)
		}
		if len(page.Records) > 0 || s.d.everKinds {
			kinds = append(kinds, kind)
		}
	}
	if s.d.unordered {
		slices.Reverse(kinds)
	}
	return kinds, nil
}

func (s tenantStore) Changes(ctx context.Context, since store.Revision, wait time.Duration, limit int) (store.Feed, error) {
	if err := s.ended(); err != nil {
		return store.Feed{}, err
	}
	f, err := s.t.Changes(ctx, since, wait, limit)
	return f, s.said(err)
}

func (s tenantStore) Sweep(ctx context.Context, before time.Time, limit int) (int, error) {
	if err := s.ended(); err != nil {
		return 0, err
	}
	n, err := s.t.Sweep(ctx, before, limit)
	return n, s.said(err)
}
