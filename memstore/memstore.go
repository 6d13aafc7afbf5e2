// Package memstore keeps records in memory: for tests, demonstrations, and
// programs that may forget everything when they end.
//
//	s := memstore.New()
//	defer s.Close()
//
// It is the smallest complete [store.Store], and written to be read by whoever
// writes another one: this file changes records, query.go finds them, feed.go
// tells what changed, and list.go is the one data structure behind all three.
//
// It holds a million records with ease: Get is a map lookup, List walks only
// the range or the rarest label that is asked for, and nothing but a search for
// text looks at every record of a kind.
package memstore

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/clientele-go/clientele/store"
)

// Store keeps the records of one tenant; another tenant is another Store. Make
// one with [New].
type Store struct {
	mu        sync.RWMutex
	kinds     map[store.Kind]*kind
	expiring  list           // records with an expiry
	feed      list           // records that were put, and deletions
	deletions list           // deletions alone
	revision  store.Revision // of the latest Apply in the feed
	forgotten store.Revision // of the latest deletion that was forgotten
	changed   chan struct{}  // closed when revision moves on, and by Close
	closed    bool
}

// A kind is what a Store holds of one kind.
type kind struct {
	byID    map[string]*entry
	byName  map[string]*entry
	byLabel map[store.Label]*list
	deleted map[string]*entry // the deletions that are remembered
	ordered list              // every record
}

// An entry is a record, or the deletion of one: then Version is the revision
// that deleted it. It never changes, so that its record can be handed out.
type entry struct {
	store.Record
	deleted time.Time
}

var _ store.Store = (*Store)(nil)

// New returns an empty Store.
func New() *Store {
	return &Store{
		kinds:     make(map[store.Kind]*kind),
		expiring:  list{compare: byExpiry},
		feed:      list{compare: byRevision},
		deletions: list{compare: byRevision},
		changed:   make(chan struct{}),
	}
}

// Close makes every later call fail with [store.ErrClosed], wakes who waits in
// Changes, and lets the memory go. It returns nil.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	close(s.changed)
	s.kinds = nil
	s.expiring, s.feed, s.deletions = list{}, list{}, list{}
	return nil
}

// usable returns the error of a call that comes too late for s or for ctx. It
// is asked with s.mu held: whoever waited for the lock may have given up.
func (s *Store) usable(ctx context.Context) error {
	if s.closed {
		return store.ErrClosed
	}
	return ctx.Err()
}

// Get returns the record of that kind and id. See [store.Store].
func (s *Store) Get(ctx context.Context, kind store.Kind, id string) (store.Record, error) {
	if err := store.CheckKey(kind, id); err != nil {
		return store.Record{}, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := s.usable(ctx); err != nil {
		return store.Record{}, err
	}
	e := s.find(kind, id)
	if e == nil {
		return store.Record{}, store.ErrNotFound
	}
	return e.Record, nil
}

func (s *Store) find(kind store.Kind, id string) *entry {
	if k := s.kinds[kind]; k != nil {
		return k.byID[id]
	}
	return nil
}

func (s *Store) holder(kind store.Kind, name string) *entry {
	if k := s.kinds[kind]; k != nil {
		return k.byName[name]
	}
	return nil
}

// Apply makes all of the changes or none. See [store.Store].
func (s *Store) Apply(ctx context.Context, changes ...store.Change) (store.Revision, error) {
	if err := store.Check(changes...); err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usable(ctx); err != nil {
		return 0, err
	}
	// All are checked before the first is made: nothing is ever undone.
	if err := s.check(changes); err != nil {
		return 0, err
	}
	next, told := s.revision+1, false
	for i := range changes {
		s.perform(&changes[i], next)
		told = told || changes[i].Op != store.OpAppend
	}
	if !told {
		return 0, nil
	}
	s.revision = next
	close(s.changed)
	s.changed = make(chan struct{})
	return next, nil
}

// check finds out whether changes can be made one after the other.
func (s *Store) check(changes []store.Change) error {
	type name struct {
		kind store.Kind
		name string
	}
	holders := make(map[name]string) // by id, "" for nobody: what changes before did to names
	for i := range changes {
		c, r := &changes[i], &changes[i].Record
		fail := func(err error) error {
			return &store.ChangeError{Index: i, Kind: r.Kind, ID: r.ID, Err: err}
		}
		old := s.find(r.Kind, r.ID)
		if err := possible(c, old); err != nil {
			return fail(err)
		}
		if old != nil {
			for _, n := range old.Names {
				holders[name{r.Kind, n}] = ""
			}
		}
		if c.Op == store.OpDelete {
			continue
		}
		for _, n := range r.Names {
			holder, known := holders[name{r.Kind, n}]
			if !known {
				if e := s.holder(r.Kind, n); e != nil {
					holder = e.ID
				}
			}
			if holder != "" {
				return fail(store.ErrTaken)
			}
			holders[name{r.Kind, n}] = r.ID
		}
	}
	return nil
}

// possible says whether c can be made where old, or nothing, is.
func possible(c *store.Change, old *entry) error {
	isNew := c.Op == store.OpAppend || c.Op == store.OpPut && c.Record.Version == 0
	switch {
	case isNew && old != nil:
		return store.ErrExists
	case isNew:
		return nil
	case old == nil:
		return store.ErrNotFound
	case old.Version != c.Record.Version:
		return store.ErrConflict
	}
	return nil
}

// perform makes a change that was checked.
func (s *Store) perform(c *store.Change, revision store.Revision) {
	k := s.kind(c.Record.Kind)
	if old := k.byID[c.Record.ID]; old != nil {
		s.remove(k, old)
	}
	switch c.Op {
	case store.OpPut:
		if d := k.deleted[c.Record.ID]; d != nil {
			s.forget(k, d) // the feed says the latest of each record
		}
		e := own(c.Record)
		e.Version = revision
		s.add(k, e)
	case store.OpAppend:
		s.add(k, own(c.Record))
	case store.OpDelete:
		d := &entry{deleted: time.Now()}
		d.Kind, d.ID, d.Version = c.Record.Kind, c.Record.ID, revision
		k.deleted[d.ID] = d
		s.feed.add(d)
		s.deletions.add(d)
	}
}

// own returns r with slices of its own, as the caller may change what it gave.
func own(r store.Record) *entry {
	r.Names = slices.Clone(r.Names)
	r.Labels = slices.Clone(r.Labels)
	r.Data = slices.Clone(r.Data)
	return &entry{Record: r}
}

func (s *Store) kind(name store.Kind) *kind {
	k := s.kinds[name]
	if k == nil {
		k = &kind{
			byID:    make(map[string]*entry),
			byName:  make(map[string]*entry),
			byLabel: make(map[store.Label]*list),
			deleted: make(map[string]*entry),
			ordered: list{compare: bySort},
		}
		s.kinds[name] = k
	}
	return k
}

// add puts e where every way of asking finds it.
func (s *Store) add(k *kind, e *entry) {
	k.byID[e.ID] = e
	k.ordered.add(e)
	for _, n := range e.Names {
		k.byName[n] = e
	}
	for _, l := range e.Labels {
		labelled := k.byLabel[l]
		if labelled == nil {
			labelled = &list{compare: bySort}
			k.byLabel[l] = labelled
		}
		labelled.add(e)
	}
	if !e.Expires.IsZero() {
		s.expiring.add(e)
	}
	if e.Version > 0 {
		s.feed.add(e)
	}
}

// remove undoes add.
func (s *Store) remove(k *kind, e *entry) {
	delete(k.byID, e.ID)
	k.ordered.remove(e)
	for _, n := range e.Names {
		delete(k.byName, n)
	}
	for _, l := range e.Labels {
		labelled := k.byLabel[l]
		labelled.remove(e)
		if labelled.size == 0 {
			delete(k.byLabel, l)
		}
	}
	if !e.Expires.IsZero() {
		s.expiring.remove(e)
	}
	if e.Version > 0 {
		s.feed.remove(e)
	}
}

// forget drops a deletion that was remembered.
func (s *Store) forget(k *kind, d *entry) {
	delete(k.deleted, d.ID)
	s.feed.remove(d)
	s.deletions.remove(d)
}
