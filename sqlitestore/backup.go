package sqlitestore

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/clientele-go/clientele/store"
)

// Backup writes a copy of the database, as it is at one moment, to a new file
// at path, while others go on reading and writing. The copy is compact, has the
// mode 0600, and is on the disk when Backup returns nil; before, or after an
// error, it is not to be used. It is restored by putting it in the place of a
// database that nobody has open and that has no -wal and -shm file beside it. A
// file that exists is not overwritten; the error then wraps
// [io/fs.ErrExist].
func (db *DB) Backup(ctx context.Context, path string) error {
	return db.readers.scan(ctx, "backup", func(c *conn) error {
		if path == "" {
			return fmt.Errorf("%w: no path", store.ErrInvalid)
		}
		path, err := filepath.Abs(path)
		if err != nil {
			return err
		}
		// An empty file of the right mode, which SQLite fills.
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return err
		}
		err = c.copyTo(path)
		if err == nil {
			err = f.Sync()
		}
		err = errors.Join(err, f.Close())
		if err == nil {
			err = syncDir(filepath.Dir(path))
		}
		if err != nil {
			return errors.Join(err, os.Remove(path))
		}
		return nil
	})
}

// copyTo fills the file at path.
func (c *conn) copyTo(path string) error {
	const readOnly, writing = "PRAGMA query_only = ON", "PRAGMA query_only = OFF"
	if err := c.Exec(writing); err != nil {
		return err
	}
	err := c.sql("VACUUM INTO ?").text(path).exec()
	c.SetInterrupt(context.Background()) // this must not fail
	return errors.Join(err, c.Exec(readOnly))
}
