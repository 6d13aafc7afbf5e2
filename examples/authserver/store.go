package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/clientele-go/clientele/pgstore"
	"github.com/clientele-go/clientele/sqlitestore"
	"github.com/clientele-go/clientele/store"
)

// openStore opens the database of -store or, without it, the file in -data, and
// returns what closes it, the store of the tenant, and what it is called in
// messages: never the URL, which may have a password in it.
func openStore(ctx context.Context, o options) (db io.Closer, st store.Store, name string, err error) {
	if o.store != "" {
		pg, err := pgstore.Open(ctx, o.store, pgstore.Config{})
		if err != nil {
			return nil, nil, "", postgresError(err)
		}
		if st, err = pg.Tenant(ctx, tenant); err != nil {
			return nil, nil, "", errors.Join(postgresError(err), pg.Close())
		}
		return pg, st, "the database of -store", nil
	}
	path := filepath.Join(o.data, "clientele.db")
	file, err := sqlitestore.Open(ctx, path, sqlitestore.Config{Now: now})
	if err != nil {
		return nil, nil, "", databaseError(path, err)
	}
	if st, err = file.Tenant(ctx, tenant); err != nil {
		return nil, nil, "", errors.Join(databaseError(path, err), file.Close())
	}
	return file, st, path, nil
}

// postgresError says what to do about an error of pgstore.Open.
func postgresError(err error) error {
	advice := "is the server there, and are its address, role and password right?"
	switch {
	case errors.Is(err, store.ErrInvalid):
		advice = "want postgres://user@host/database?sslmode=verify-full; the password may stand in PGPASSWORD"
	case errors.Is(err, store.ErrNewer):
		advice = "run the release that wrote it, or a later one"
	}
	return fmt.Errorf("-store: %w; %s", err, advice)
}

// sealingKeyPath returns where the key is that seals the signing keys.
func (o options) sealingKeyPath() string {
	if o.sealingKey != "" {
		return o.sealingKey
	}
	return filepath.Join(o.data, "sealing.key")
}

// checkStore checks what -store needs.
func (o options) checkStore() error {
	switch {
	case o.store == "":
		return nil
	case !strings.HasPrefix(o.store, "postgres://") && !strings.HasPrefix(o.store, "postgresql://"):
		return errors.New("-store is no postgres:// URL; without it the data are in a file in -data")
	case o.sealingKey == "":
		return errors.New("-store needs -sealing-key, a file that is the same for each instance: openssl rand -base64 32")
	}
	return nil
}

// databaseError says what to do about an error of the file.
func databaseError(path string, err error) error {
	advice := "another program may be using it"
	switch {
	case errors.Is(err, sqlitestore.ErrForeign), errors.Is(err, sqlitestore.ErrCorrupt):
		advice = "restore it from a backup, or move it away to begin anew"
	case errors.Is(err, store.ErrNewer):
		advice = "run the release that wrote it, or a later one"
	case errors.Is(err, fs.ErrPermission):
		advice = "let the user of this program write it and its folder"
	}
	return fmt.Errorf("database %s: %w; %s", path, err, advice)
}
