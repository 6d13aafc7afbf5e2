package sqlitestore

import (
	"context"
	"fmt"

	"github.com/clientele-go/clientele/store"
)

// Get returns the record of that kind and id.
func (s *Store) Get(ctx context.Context, kind store.Kind, id string) (r store.Record, err error) {
	const doing = "get"
	if err := store.CheckKey(kind, id); err != nil {
		return r, failed(doing, err)
	}
	err = s.db.readers.read(ctx, doing, func(c *conn) error {
		r, err = s.get(c, kind, id)
		return err
	})
	return r, err
}

func (s *Store) get(c *conn, kind store.Kind, id string) (r store.Record, err error) {
	n, err := s.db.kindNumber(c, kind)
	if err != nil {
		return r, err
	}
	q := c.sql("SELECT " + columns + " FROM record WHERE tenant = ? AND kind = ? AND id = ?").int(s.id).int(n).text(id)
	found := q.next()
	if found {
		r, err = q.scan(kind)
	}
	if done := q.done(); err == nil {
		err = done
	}
	if err != nil || found {
		return r, err
	}
	if err := s.exists(c); err != nil {
		return r, err
	}
	return r, fmt.Errorf("%s %.64q: %w", kind, id, store.ErrNotFound)
}
