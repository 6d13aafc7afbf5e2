// Package bulk fills stores for benchmarks.
//
//	s := &bulk.Store{Store: st}
//	… // what writes to s
//	err := s.Flush(ctx)
package bulk

import (
	"context"

	"github.com/clientele-go/clientele/store"
)

// A Store gathers what it is given in many calls of Apply, and writes it in few,
// because each by itself would take minutes. What it was given is not read from it,
// and not put again. It is for one goroutine.
type Store struct {
	store.Store
	changes []store.Change
}

// Apply takes the changes, and writes those before if there are many.
func (s *Store) Apply(ctx context.Context, changes ...store.Change) (store.Revision, error) {
	if len(s.changes)+len(changes) > store.MaxChanges {
		if err := s.Flush(ctx); err != nil {
			return 0, err
		}
	}
	s.changes = append(s.changes, changes...)
	return 1, nil
}

// Flush writes what is still to be written.
func (s *Store) Flush(ctx context.Context) error {
	_, err := s.Store.Apply(ctx, s.changes...)
	s.changes = nil
	return err
}
