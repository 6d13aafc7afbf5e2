package pgstore

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/clientele-go/clientele/store"
)

// Kinds returns the kinds of which the tenant has records, in the order of their
// bytes: those of clientele and those that the program itself writes. It is how
// whoever copies a tenant finds all that there is.
func (s *Store) Kinds(ctx context.Context) (kinds []store.Kind, err error) {
	err = s.db.read(ctx, "kinds", func(ctx context.Context, c *pgx.Conn) error {
		rows, err := c.Query(ctx, s.db.sql.kinds, s.id)
		if err != nil {
			return err
		}
		kinds, err = pgx.CollectRows(rows, pgx.RowTo[store.Kind])
		if err == nil && len(kinds) == 0 {
			return store.ErrDeleted
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return kinds[:len(kinds)-1], nil
}
