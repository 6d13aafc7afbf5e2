package pgstore

import (
	"slices"

	"github.com/clientele-go/clientele/store"
)

// A key is what a record is found by.
type key struct {
	kind store.Kind
	id   string
}

// A nameKey is what a unique name is found by.
type nameKey struct {
	kind store.Kind
	name string
}

// A state is the part of a tenant that some changes are about: as it was read,
// and as it is after the changes that were made to it so far. In it is decided
// whether a change can be made; what has become different is then written.
type state struct {
	before, now             map[key]*held          // nil: no such record
	ownersBefore, ownersNow map[nameKey]string     // the ids of the records that have them; "": none
	deletions               map[key]store.Revision // in the feed from now on; 0: no longer

	undo []func() // what was done by the changes of the Apply under way
}

func newState() *state {
	return &state{
		before: map[key]*held{}, now: map[key]*held{},
		ownersBefore: map[nameKey]string{}, ownersNow: map[nameKey]string{},
		deletions: map[key]store.Revision{},
	}
}

// found adds a record that was read, and its names.
func (s *state) found(k key, h *held) {
	s.before[k], s.now[k] = h, h
	for _, name := range h.names {
		s.owned(nameKey{k.kind, name}, k.id)
	}
}

// owned adds a name that was read.
func (s *state) owned(n nameKey, id string) { s.ownersBefore[n], s.ownersNow[n] = id, id }

// apply makes the changes of an Apply, all or none, with the revision that it
// has if it can be made.
func (s *state) apply(changes []store.Change, rev store.Revision) error {
	s.undo = s.undo[:0]
	for i := range changes {
		c := &changes[i]
		if err := s.change(c.Op, &c.Record, rev); err != nil {
			for _, undo := range slices.Backward(s.undo) {
				undo()
			}
			return &store.ChangeError{Index: i, Kind: c.Record.Kind, ID: c.Record.ID, Err: err}
		}
	}
	return nil
}

func (s *state) change(op store.Op, r *store.Record, rev store.Revision) error {
	k := key{r.Kind, r.ID}
	old := s.now[k]
	if op == store.OpDelete || op == store.OpPut && r.Version != 0 {
		switch {
		case old == nil:
			return store.ErrNotFound
		case old.version != r.Version:
			return store.ErrConflict
		}
	} else if old != nil {
		return store.ErrExists
	}
	if op == store.OpDelete {
		s.remove(k, old)
		set(s, s.deletions, k, rev)
		return nil
	}
	version := rev
	if op == store.OpAppend {
		version = 0
	}
	if old != nil {
		s.releaseNames(k, old.names, r.Names)
	}
	for _, name := range r.Names {
		n := nameKey{r.Kind, name}
		if owner := s.ownersNow[n]; owner != "" && owner != r.ID {
			return store.ErrTaken
		}
		set(s, s.ownersNow, n, r.ID)
	}
	set(s, s.now, k, newHeld(r, version))
	if op == store.OpPut && old == nil {
		set(s, s.deletions, k, 0)
	}
	return nil
}

// newHeld returns what has to be known of a record that is to be written.
func newHeld(r *store.Record, version store.Revision) *held {
	return &held{version: version, sort: r.Sort, expires: r.Expires, text: r.Text, names: r.Names, labels: r.Labels, record: r}
}

// remove removes a record that is there, with its names.
func (s *state) remove(k key, old *held) {
	s.releaseNames(k, old.names, nil)
	set(s, s.now, k, nil)
}

// releaseNames frees the names that a record had and does not keep.
func (s *state) releaseNames(k key, had, keeps []string) {
	for _, name := range had {
		if !slices.Contains(keeps, name) {
			set(s, s.ownersNow, nameKey{k.kind, name}, "")
		}
	}
}

// set changes an entry of a map of s in a way that can be undone.
func set[K comparable, V any](s *state, m map[K]V, k K, v V) {
	old, had := m[k]
	m[k] = v
	s.undo = append(s.undo, func() {
		if had {
			m[k] = old
		} else {
			delete(m, k)
		}
	})
}
