package store

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/clientele-go/clientele/internal/flight"
)

// SnapshotConfig says what a Snapshot is made of.
type SnapshotConfig[T any] struct {
	// Store and Kinds say which records the value is made of. Required.
	Store Store
	Kinds []Kind
	// Build makes the value, reading what it needs from the store. It is
	// called again when a record of one of the Kinds was put or deleted.
	// Required.
	Build func(ctx context.Context, s Store) (T, error)
	// Fresh is how long a value is served, at most, after another process
	// changed what it is made of. 0 means DefaultFresh, one second.
	Fresh time.Duration
}

// A Snapshot caches one value that is made from all records of some kinds, for
// kinds that are few and asked for often: a catalog, a set of keys. The value
// is shared, so that T should be immutable. Its methods may be called
// concurrently.
//
// As with Table, a value is served only if the feed has confirmed within the
// bound that it is current; otherwise it is built anew, with the same exception.
type Snapshot[T any] struct {
	cfg      SnapshotConfig[T]
	follower follower
	builds   flight.Group[struct{}, T]

	value atomic.Pointer[T] // nil: to be built

	mu    sync.Mutex
	drops uint64 // how often the value was dropped
}

// NewSnapshot returns a Snapshot. It panics if a required field of cfg is
// missing, which is a mistake of the program and not of its data.
func NewSnapshot[T any](cfg SnapshotConfig[T]) *Snapshot[T] {
	if cfg.Store == nil || len(cfg.Kinds) == 0 || cfg.Build == nil {
		panic("store: NewSnapshot needs a Store, Kinds and a Build")
	}
	s := &Snapshot[T]{cfg: cfg}
	s.follower.init(cfg.Store, cfg.Fresh, s.changed, s.Drop)
	return s
}

// Get returns the value, or the error of the store or of Build.
func (s *Snapshot[T]) Get(ctx context.Context) (T, error) {
	if err := s.follower.confirm(ctx); err != nil {
		return s.unconfirmed(ctx, err)
	}
	if value := s.value.Load(); value != nil {
		return *value, nil
	}
	return s.builds.Do(ctx, struct{}{}, s.build)
}

// unconfirmed is Get where confirm has failed with err.
func (s *Snapshot[T]) unconfirmed(ctx context.Context, err error) (none T, _ error) {
	switch {
	case goesOn(err):
		if value := s.value.Load(); value != nil {
			return *value, nil
		}
		return none, fmt.Errorf("nothing is cached: %w", err)
	case ctx.Err() != nil:
		return none, ctx.Err()
	}
	return s.cfg.Build(ctx, s.cfg.Store)
}

// Drop makes the next Get build the value anew. Who changes a record through
// the store calls it when Apply returned, also with an error that leaves the
// outcome unknown, and so sees its own write at once.
func (s *Snapshot[T]) Drop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.value.Store(nil)
	s.drops++
	s.builds.Forget(struct{}{})
}

func (s *Snapshot[T]) build(ctx context.Context) (T, error) {
	s.mu.Lock()
	drops := s.drops
	s.mu.Unlock()
	value, err := s.cfg.Build(ctx, s.cfg.Store)
	if err != nil {
		return value, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.drops == drops {
		s.value.Store(&value)
	}
	return value, nil
}

func (s *Snapshot[T]) changed(changes []Changed) {
	if slices.ContainsFunc(changes, func(c Changed) bool { return slices.Contains(s.cfg.Kinds, c.Kind) }) {
		s.Drop()
	}
}
