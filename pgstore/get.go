package pgstore

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/clientele-go/clientele/store"
)

// Get returns the record of that kind and id.
func (s *Store) Get(ctx context.Context, kind store.Kind, id string) (store.Record, error) {
	const doing = "get"
	if err := store.CheckKey(kind, id); err != nil {
		return store.Record{}, failed(doing, err)
	}
	r := store.Record{Kind: kind, ID: id}
	err := s.db.read(ctx, doing, func(ctx context.Context, c *pgx.Conn) error {
		var found bool
		err := scanRecord(c.QueryRow(ctx, s.db.sql.get, s.id, kind, id), &r, &found)
		switch {
		case errors.Is(err, pgx.ErrNoRows):
			return store.ErrDeleted
		case err == nil && !found:
			return fmt.Errorf("%s %.64q: %w", kind, id, store.ErrNotFound)
		}
		return err
	})
	if err != nil {
		return store.Record{}, err
	}
	return r, nil
}
