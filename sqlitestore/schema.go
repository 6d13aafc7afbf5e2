package sqlitestore

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"time"

	"github.com/ncruces/go-sqlite3"
)

//go:embed migrations/*.sql views/*.sql
var files embed.FS

// migrations bring a file from each schema to the next: the first makes schema
// 1 of an empty file. One that was released is never changed.
var migrations = readFiles("migrations")

// views are for people: they can change with every release, and are made anew
// by the first Open that finds them different.
var views = readFiles("views")

// A file of SQL, and its name without the extension.
type sqlFile struct{ name, sql string }

func readFiles(dir string) []sqlFile {
	names, err := fs.Glob(files, dir+"/*.sql") // in the order of the names
	if err != nil {
		panic(err) // the pattern is well-formed
	}
	all := make([]sqlFile, len(names))
	for i, name := range names {
		b, err := files.ReadFile(name)
		if err != nil {
			panic(err) // it is embedded
		}
		all[i] = sqlFile{strings.TrimSuffix(path.Base(name), ".sql"), strings.TrimSpace(string(b))}
	}
	return all
}

// prepareSchema brings the file to the newest schema, in the write-ahead log
// that makes reads and writes independent, and durable.
func prepareSchema(ctx context.Context, c *conn) error {
	c.begin(ctx)
	defer c.end()
	err := migrate(c)
	if err == nil {
		err = useLog(ctx, c)
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, sqlite3.CORRUPT), errors.Is(err, sqlite3.NOTADB):
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	case c.interrupt.Err() != nil:
		return c.interrupt.Err()
	}
	return err
}

// migrate makes the schema current if it is not. A new file gets it, and the
// mark that it is ours, before it gets a log, so that its header always shows
// whose it is.
func migrate(c *conn) error {
	current := false
	err := c.snapshot(func() (err error) {
		if err = checkOwner(c); err == nil {
			current, err = isCurrent(c)
		}
		return err
	})
	if current || err != nil {
		return err
	}
	if err := c.Exec("BEGIN IMMEDIATE"); err != nil {
		return fmt.Errorf("begin to migrate: %w", err)
	}
	if err = migrateWithin(c); err == nil {
		err = c.Exec("COMMIT")
	}
	if err != nil && !c.GetAutocommit() {
		c.SetInterrupt(context.Background())
		err = errors.Join(err, c.Exec("ROLLBACK"))
	}
	return err
}

// migrateWithin looks again first: another process may have been faster.
func migrateWithin(c *conn) error {
	if err := checkOwner(c); err != nil {
		return err
	}
	version, err := schemaVersion(c)
	if err != nil {
		return err
	}
	for i, m := range migrations[version:] {
		number := version + int64(i) + 1
		if err := c.Exec(m.sql); err != nil {
			return fmt.Errorf("migration %s: %w", m.name, err)
		}
		if err := c.Exec(fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d", applicationID, number)); err != nil {
			return err
		}
	}
	for _, v := range views {
		same, err := isView(c, v)
		if err != nil {
			return err
		}
		if same {
			continue
		}
		if err := c.Exec("DROP VIEW IF EXISTS " + v.name + ";" + v.sql); err != nil {
			return fmt.Errorf("view %s: %w", v.name, err)
		}
	}
	return nil
}

// checkOwner refuses a file that something else made, and a newer one. What
// inspectHeader saw may have been out of date: the log can hold a newer header.
func checkOwner(c *conn) error {
	app, err := c.sql("PRAGMA application_id").only()
	if err != nil {
		return err
	}
	if app != applicationID {
		tables, err := c.sql("SELECT count(*) FROM sqlite_schema").only()
		if err != nil {
			return err
		}
		if app != 0 || tables != 0 {
			return fmt.Errorf("%w: an SQLite file of another application (id %#x)", ErrForeign, app)
		}
	}
	version, err := schemaVersion(c)
	if err != nil {
		return err
	}
	if version > int64(len(migrations)) {
		return newer(version)
	}
	return nil
}

func schemaVersion(c *conn) (int64, error) {
	v, err := c.sql("PRAGMA user_version").only()
	if err == nil && v < 0 {
		err = fmt.Errorf("%w: schema %d", ErrCorrupt, v)
	}
	return v, err
}

func isCurrent(c *conn) (bool, error) {
	version, err := schemaVersion(c)
	if err != nil || version != int64(len(migrations)) {
		return false, err
	}
	for _, v := range views {
		if same, err := isView(c, v); !same || err != nil {
			return false, err
		}
	}
	return true, nil
}

// isView says whether a view is defined as it should be.
func isView(c *conn, v sqlFile) (bool, error) {
	s := c.sql("SELECT sql FROM sqlite_schema WHERE type = 'view' AND name = ?").text(v.name)
	same := s.next() && s.ColumnText(0) == v.sql
	return same, s.done()
}

// useLog switches to the write-ahead log, if that has not been done, and makes
// each commit durable.
func useLog(ctx context.Context, c *conn) error {
	for begun := time.Now(); ; {
		mode, err := setLog(c)
		if err == nil && mode == "wal" {
			break
		}
		// Whoever else is opening the file at this moment holds a lock for
		// which SQLite does not wait here.
		if errors.Is(err, sqlite3.BUSY) && time.Since(begun) < c.patience {
			c.waitForLock(ctx, 1)
			continue
		}
		if err == nil {
			err = fmt.Errorf("the file system has no shared memory for a write-ahead log (journal mode %s)", mode)
		}
		return err
	}
	return c.Exec(fmt.Sprintf("PRAGMA synchronous = FULL; PRAGMA cache_size = %d; PRAGMA journal_size_limit = %d", writerCache, logLimit))
}

func setLog(c *conn) (mode string, err error) {
	s := c.sql("PRAGMA journal_mode = WAL")
	if s.next() {
		mode = s.ColumnText(0)
	}
	return mode, s.done()
}
