package sqlitestore

import (
	"context"

	"github.com/clientele-go/clientele/store"
)

// Kinds returns the kinds of which the tenant has records, in the order of their
// bytes: those of clientele and those that the program itself writes. It is how
// whoever copies a tenant finds all that there is.
func (s *Store) Kinds(ctx context.Context) ([]store.Kind, error) {
	var kinds []store.Kind
	err := s.db.readers.read(ctx, "kinds", func(c *conn) error {
		q := c.sql("SELECT name FROM kind k WHERE EXISTS (SELECT 1 FROM record WHERE tenant = ? AND kind = k.id) ORDER BY name").int(s.id)
		for q.next() {
			kinds = append(kinds, store.Kind(q.ColumnText(0)))
		}
		if err := q.done(); err != nil || len(kinds) > 0 {
			return err
		}
		return s.exists(c)
	})
	if err != nil {
		return nil, err
	}
	return kinds, nil
}
