package pgstore

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/clientele-go/clientele/store"
)

// Store keeps the records of one tenant of a [DB]. Its methods are those of
// [store.Store], whose comment says what they promise.
type Store struct {
	db *DB
	id int32
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
	s := &Store{db: db}
	err := db.read(ctx, doing, func(ctx context.Context, c *pgx.Conn) error {
		err := c.QueryRow(ctx, db.sql.findTenant, name).Scan(&s.id)
		if !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		if err := db.checkSchema(ctx, c); err != nil {
			return err
		}
		// Made twice, it is there once.
		if _, err := c.Exec(ctx, db.sql.addTenant, name); err != nil {
			return err
		}
		return c.QueryRow(ctx, db.sql.findTenant, name).Scan(&s.id)
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Tenants returns the names of all tenants, in the order of their bytes.
func (db *DB) Tenants(ctx context.Context) (names []string, err error) {
	err = db.read(ctx, "tenants", func(ctx context.Context, c *pgx.Conn) error {
		rows, err := c.Query(ctx, db.sql.tenants)
		if err != nil {
			return err
		}
		names, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	return names, err
}

// DeleteTenant deletes a tenant with everything that it has, or returns an
// error that wraps [store.ErrNotFound] if there is none of that name. From the
// first moment on, every [Store] of the tenant answers [store.ErrDeleted], and the
// name is free. The records are then removed little by little, so that nobody is
// kept from writing; if that is interrupted, DeleteTenant returns an error, and
// the rest is removed by later calls of DeleteTenant and Sweep for any tenant.
func (db *DB) DeleteTenant(ctx context.Context, name string) error {
	const doing = "delete tenant"
	if err := store.CheckTenant(name); err != nil {
		return failed(doing, err)
	}
	var id int32
	err := db.write(ctx, func(ctx context.Context, c *pgx.Conn) error {
		if err := db.checkSchema(ctx, c); err != nil {
			return err
		}
		err := c.QueryRow(ctx, db.sql.deleteTenant, name).Scan(&id)
		if errors.Is(err, pgx.ErrNoRows) {
			err = store.ErrNotFound
		}
		return err
	})
	if err != nil {
		return failed(doing, err)
	}
	db.watch.changed(id)
	db.watch.tell(ctx, id)
	for more := true; more; {
		if more, err = db.removeDeleted(ctx, removeAtOnce); err != nil {
			return failed(doing, err)
		}
	}
	return nil
}
