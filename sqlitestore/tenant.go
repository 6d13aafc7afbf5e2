package sqlitestore

import (
	"context"
	"errors"

	"github.com/clientele-go/clientele/store"
)

// Store keeps the records of one tenant of a [DB]. Its methods are those of
// [store.Store], whose comment says what they promise.
type Store struct {
	db *DB
	id int64
}

var _ store.Store = (*Store)(nil)

// Tenant returns the store of a tenant, which is created when it is first
// called for. A name is one that [store.CheckTenant] allows, and compared byte by
// byte; any other one gets an error that wraps [store.ErrInvalid].
func (db *DB) Tenant(ctx context.Context, name string) (*Store, error) {
	const doing = "tenant"
	if err := store.CheckTenant(name); err != nil {
		return nil, failed(doing, err)
	}
	var id int64
	err := db.readers.read(ctx, doing, func(c *conn) (err error) {
		id, err = findTenant(c, name)
		return err
	})
	if err != nil {
		return nil, err
	}
	if id != 0 {
		return &Store{db, id}, nil
	}
	err = db.writer.do(&task{ctx: ctx, weight: 1, run: func(w *writer) (err error) {
		if err := w.conn.sql("INSERT INTO tenant (name) VALUES (?) ON CONFLICT DO NOTHING").text(name).exec(); err != nil {
			return err
		}
		id, err = findTenant(w.conn, name)
		return err
	}})
	if err != nil {
		return nil, failed(doing, err)
	}
	return &Store{db, id}, nil
}

func findTenant(c *conn, name string) (int64, error) {
	return c.sql("SELECT id FROM tenant WHERE name = ?").text(name).only()
}

// Tenants returns the names of all tenants, in the order of their bytes.
func (db *DB) Tenants(ctx context.Context) ([]string, error) {
	var names []string
	err := db.readers.read(ctx, "tenants", func(c *conn) error {
		s := c.sql("SELECT name FROM tenant ORDER BY name")
		for s.next() {
			names = append(names, s.ColumnText(0))
		}
		return s.done()
	})
	if err != nil {
		return nil, err
	}
	return names, nil
}

// DeleteTenant deletes a tenant with everything that it has, or returns an
// error that wraps [store.ErrNotFound] if there is none of that name. From the
// first moment on, every [Store] of the tenant answers [store.ErrDeleted], and the
// name is free. The records are then removed little by little, so that the
// other tenants are not kept from writing; if that is interrupted, DeleteTenant
// returns an error, and the rest is removed by later calls of DeleteTenant and
// Sweep for any tenant.
func (db *DB) DeleteTenant(ctx context.Context, name string) error {
	const doing = "delete tenant"
	if err := store.CheckTenant(name); err != nil {
		return failed(doing, err)
	}
	var id int64
	err := db.writer.do(&task{ctx: ctx, weight: 1, run: func(w *writer) (err error) {
		id, err = findTenant(w.conn, name)
		if err != nil {
			return err
		}
		if id == 0 {
			return store.ErrNotFound
		}
		return errors.Join(
			w.conn.sql("DELETE FROM tenant WHERE id = ?").int(id).exec(),
			w.conn.sql("INSERT INTO deleted_tenant (id) VALUES (?)").int(id).exec(),
		)
	}, after: func() { db.watch.changed(id, deletedRevision) }})
	for more := true; err == nil && more; {
		err = db.writer.do(&task{ctx: ctx, weight: removeAtOnce, run: func(w *writer) (err error) {
			more, err = w.removeDeleted(removeAtOnce)
			return err
		}})
	}
	if err != nil {
		return failed(doing, err)
	}
	return nil
}

// removeAtOnce is how many rows of deleted tenants are removed in one
// transaction.
const removeAtOnce = 500

// removeDeleted removes up to limit rows of each table that belong to a deleted
// tenant, and says whether more may be left.
func (w *writer) removeDeleted(limit int64) (more bool, err error) {
	id, err := w.conn.sql("SELECT id FROM deleted_tenant LIMIT 1").only()
	if id == 0 || err != nil {
		return false, err
	}
	for _, sql := range []string{
		"DELETE FROM label WHERE (tenant, kind, key, value, sort, id) IN (SELECT tenant, kind, key, value, sort, id FROM label WHERE tenant = ? LIMIT ?)",
		"DELETE FROM name WHERE (tenant, kind, name) IN (SELECT tenant, kind, name FROM name WHERE tenant = ? LIMIT ?)",
		"DELETE FROM deletion WHERE (tenant, kind, id) IN (SELECT tenant, kind, id FROM deletion WHERE tenant = ? LIMIT ?)",
		"DELETE FROM record WHERE rid IN (SELECT rid FROM record WHERE tenant = ? LIMIT ?)",
	} {
		if err := w.conn.sql(sql).int(id).int(limit).exec(); err != nil {
			return false, err
		}
		if w.conn.Changes() == limit {
			return true, nil
		}
	}
	return true, w.conn.sql("DELETE FROM deleted_tenant WHERE id = ?").int(id).exec()
}

// exists returns store.ErrDeleted if the tenant was deleted.
func (s *Store) exists(c *conn) error {
	found, err := c.sql("SELECT 1 FROM tenant WHERE id = ?").int(s.id).only()
	if err == nil && found == 0 {
		err = store.ErrDeleted
	}
	return err
}
