package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/clientele-go/clientele/pgstore"
	"github.com/clientele-go/clientele/sqlitestore"
	"github.com/clientele-go/clientele/store"
)

// A location is a tenant in a store.
type location struct {
	url    string
	schema string // of PostgreSQL; empty means the default
	tenant string
}

// A tenant is a store that knows which kinds of records it has.
type tenant struct {
	store.Store
	kinds func(context.Context) ([]store.Kind, error)
	close func() error
}

// postgres reports whether the location is in PostgreSQL.
func (l location) postgres() bool {
	return strings.HasPrefix(l.url, "postgres://") || strings.HasPrefix(l.url, "postgresql://")
}

// open opens the tenant, and makes it if there is none.
func (l location) open(ctx context.Context) (*tenant, error) { return l.openIf(ctx, false) }

// openExisting opens the tenant, which must be there, as the database must.
func (l location) openExisting(ctx context.Context) (*tenant, error) { return l.openIf(ctx, true) }

func (l location) openIf(ctx context.Context, existing bool) (*tenant, error) {
	if l.postgres() {
		db, err := pgstore.Open(ctx, l.url, pgstore.Config{Schema: l.schema})
		if err != nil {
			return nil, err
		}
		return openTenant(ctx, db, l.tenant, existing)
	}
	path := strings.TrimPrefix(l.url, "sqlite:")
	switch {
	case strings.Contains(path, "://"):
		// Not shown: there may be a password in it.
		return nil, errors.New("neither a path, nor sqlite:PATH, nor a postgres:// URL")
	case l.schema != "":
		return nil, errors.New("SQLite has no schema: leave the flag out")
	case existing:
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("there is no file %s", path)
		}
	}
	db, err := sqlitestore.Open(ctx, path, sqlitestore.Config{})
	if err != nil {
		return nil, err
	}
	return openTenant(ctx, db, l.tenant, existing)
}

// A database has tenants: a *sqlitestore.DB or a *pgstore.DB.
type database[S kinds] interface {
	Tenant(ctx context.Context, name string) (S, error)
	Tenants(ctx context.Context) ([]string, error)
	Close() error
}

// A kinds is a store that tells what it has.
type kinds interface {
	store.Store
	Kinds(ctx context.Context) ([]store.Kind, error)
}

// openTenant opens a tenant, which a database makes if it is not there: so one
// that should be is looked for first. Closing the tenant closes the database, and so
// does failing.
func openTenant[S kinds](ctx context.Context, db database[S], name string, existing bool) (*tenant, error) {
	if existing {
		names, err := db.Tenants(ctx)
		if err == nil && !slices.Contains(names, name) {
			err = fmt.Errorf("there is no tenant %q, only %q", name, names)
		}
		if err != nil {
			return nil, errors.Join(err, db.Close())
		}
	}
	t, err := db.Tenant(ctx, name)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &tenant{t, t.Kinds, db.Close}, nil
}
