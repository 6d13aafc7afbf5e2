package pgstore

import (
	"context"
	"embed"
	"fmt"
	"hash/fnv"
	"io/fs"
	"path"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/clientele-go/clientele/store"
)

//go:embed migrations/*.sql
var files embed.FS

// migrations bring a database from each schema to the next: the first makes
// schema 1 of nothing. One that was released is never changed. In them, and in
// all SQL of this package, "@." stands for the schema of Config.
var migrations = readMigrations()

// oldest is the first schema whose releases can go on working when a database
// has the newest one. A migration that they would not survive makes it the
// newest itself; one that only adds leaves it, so that instances can be replaced
// one by one.
const oldest = 1

// A migration is a file of SQL, and its name without the extension.
type migration struct{ name, sql string }

func readMigrations() []migration {
	names, err := fs.Glob(files, "migrations/*.sql") // in the order of the names
	if err != nil {
		panic(err) // the pattern is well-formed
	}
	all := make([]migration, len(names))
	for i, name := range names {
		b, err := files.ReadFile(name)
		if err != nil {
			panic(err) // it is embedded
		}
		all[i] = migration{strings.TrimSuffix(path.Base(name), ".sql"), string(b)}
	}
	return all
}

// inSchema returns SQL for the tables of a schema.
func inSchema(sql, schema string) string {
	return strings.ReplaceAll(sql, "@.", pgx.Identifier{schema}.Sanitize()+".")
}

// A schemaState is what the table schema says.
type schemaState struct{ version, oldest int }

// prepareSchema makes the schema current, or only looks whether it is.
func prepareSchema(ctx context.Context, c *pgx.Conn, schema string, skip bool) error {
	for n := 0; ; n++ {
		state, err := readSchema(ctx, c, schema)
		if err != nil {
			return err
		}
		if state.version >= len(migrations) {
			return state.check()
		}
		if skip {
			return fmt.Errorf("schema %q is at version %d, this release needs %d: open it once as the role that owns it, without SkipMigrations",
				schema, state.version, len(migrations))
		}
		err = migrate(ctx, c, schema, len(migrations))
		if err == nil {
			continue // to look what it is now
		}
		// Another instance may have been faster, on a server whose locks do
		// not keep the others waiting.
		now, readErr := readSchema(ctx, c, schema)
		switch {
		case n < maxAttempts && (retryable(err) || readErr == nil && now.version > state.version):
		case codeOf(err) == codePermission:
			return fmt.Errorf("this role may not change schema %q, see Config.SkipMigrations: %w", schema, err)
		default:
			return err
		}
	}
}

// check refuses a schema that a later release has made, if this one must not
// work on it.
func (s schemaState) check() error {
	if s.oldest > len(migrations) {
		return newer(s)
	}
	return nil
}

func newer(s schemaState) error {
	return fmt.Errorf("a database of a later release: %w (schema %d, for releases that know %d; this one knows %d)",
		store.ErrNewer, s.version, s.oldest, len(migrations))
}

// checkSchema looks whether the schema is still one to write to, for what is
// written by other statements than those of a transaction or appends.
func (db *DB) checkSchema(ctx context.Context, c *pgx.Conn) error {
	var s schemaState
	if err := c.QueryRow(ctx, db.sql.schemaState).Scan(&s.version, &s.oldest); err != nil {
		return err
	}
	return s.check()
}

// readSchema returns the state of a schema, zero if there is none. It looks into
// the catalog itself: what the server keeps of it in memory can be out of date in
// a transaction that has waited for a lock.
func readSchema(ctx context.Context, c queryer, schema string) (s schemaState, err error) {
	var exists bool
	const sql = `SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname = $1 AND c.relname = 'schema')`
	if err := c.QueryRow(ctx, sql, schema).Scan(&exists); err != nil || !exists {
		return s, err
	}
	err = c.QueryRow(ctx, inSchema(schemaSQL, schema)).Scan(&s.version, &s.oldest)
	return s, err
}

const schemaSQL = "SELECT version, oldest FROM @.schema WHERE one"

type queryer interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// migrate brings the schema to a version, all in one transaction, in which
// every instance but one waits. The lock is but a courtesy, so that they wait
// rather than fail: that the version is changed from what it was is what makes
// sure that each migration is made once.
func migrate(ctx context.Context, c *pgx.Conn, schema string, version int) error {
	return pgx.BeginFunc(ctx, c, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", lockOf(schema)); err != nil {
			return err
		}
		before, err := readSchema(ctx, tx, schema)
		if err != nil || before.version >= version {
			return err
		}
		if before.version == 0 {
			if err := createSchema(ctx, tx, schema); err != nil {
				return err
			}
		}
		for _, m := range migrations[before.version:version] {
			if err := script(ctx, tx, inSchema(m.sql, schema)); err != nil {
				return fmt.Errorf("migration %s: %w", m.name, err)
			}
		}
		if before.version == 0 {
			_, err = tx.Exec(ctx, inSchema("INSERT INTO @.schema (version, oldest) VALUES ($1, $2)", schema), version, oldest)
			return err
		}
		tag, err := tx.Exec(ctx, inSchema("UPDATE @.schema SET version = $1, oldest = $2 WHERE version = $3", schema), version, oldest, before.version)
		if err == nil && tag.RowsAffected() != 1 {
			err = fmt.Errorf("schema %q was changed by another instance", schema)
		}
		return err
	})
}

func createSchema(ctx context.Context, tx pgx.Tx, schema string) error {
	var exists bool
	err := tx.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM pg_namespace WHERE nspname = $1)", schema).Scan(&exists)
	if err != nil || exists {
		return err // to create it if it does not exist would need a right that is not needed
	}
	_, err = tx.Exec(ctx, "CREATE SCHEMA "+pgx.Identifier{schema}.Sanitize())
	return err
}

// script executes several statements.
func script(ctx context.Context, tx pgx.Tx, sql string) error {
	_, err := tx.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol)
	return err
}

// lockOf returns the number of the lock that the instances take turns by.
func lockOf(schema string) int64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte("clientele migrations of " + schema))
	return int64(h.Sum64())
}
