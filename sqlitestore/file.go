package sqlitestore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/clientele-go/clientele/store"
)

// What can be wrong with a file. Besides, Open returns an error that wraps
// [store.ErrNewer] for one that a later release of this package has written.
var (
	// ErrForeign: the file is not a database of this package.
	ErrForeign = errors.New("not a clientele database")
	// ErrCorrupt: the file is a database of this package, but damaged.
	ErrCorrupt = errors.New("database damaged")
)

// applicationID marks the file as ours, in its header: "clnt".
const applicationID = 0x636c6e74

// The header of an SQLite file, as far as it matters here.
const (
	headerSize = 100
	magic      = "SQLite format 3\x00"
	atPageSize = 16
	atPages    = 28
	atVersion  = 60 // PRAGMA user_version, the number of the schema
	atApp      = 68 // PRAGMA application_id
)

// prepareFile creates the file if there is none, and else finds out, without
// SQLite and so without the least change, whether it should be opened.
func prepareFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	switch {
	case err == nil:
		err = errors.Join(f.Close(), syncDir(filepath.Dir(path)))
	case errors.Is(err, fs.ErrExist):
		err = inspectFile(path)
	}
	if err != nil {
		return err
	}
	return prepareIndex(path)
}

// prepareIndex creates the file for the memory that connections share, with the
// mode of the database, which SQLite would not do, and finds out whether the
// directory can be written to.
func prepareIndex(path string) error {
	path, err := filepath.EvalSymlinks(path) // it is beside the file itself
	if err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path+"-shm", os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	switch {
	case err == nil:
		return errors.Join(f.Chmod(info.Mode().Perm()), f.Close())
	case errors.Is(err, fs.ErrExist):
		return nil
	}
	return fmt.Errorf("the directory must be writable: %w", err)
}

func inspectFile(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%w: not a regular file but %s", ErrForeign, info.Mode().Type())
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("the file must be writable: %w", err)
	}
	defer f.Close()
	header := make([]byte, headerSize)
	n, err := f.ReadAt(header, 0)
	if err != nil && err != io.EOF {
		return err
	}
	if n == 0 {
		return nil // as good as new
	}
	size, err := inspectHeader(header[:n])
	if err != nil && !errors.Is(err, errNoHeader) {
		return err
	}
	// With one of these files beside it, it may be in the middle of a change,
	// which SQLite finishes or undoes: even of its creation.
	if resolved, err := filepath.EvalSymlinks(path); err == nil {
		path = resolved
	}
	if hasContent(path+"-journal") || err == nil && hasContent(path+"-wal") {
		return nil
	}
	if err != nil {
		return err
	}
	if info, err = f.Stat(); err == nil && info.Size() < size {
		err = fmt.Errorf("%w: %d bytes of %d are there", ErrCorrupt, info.Size(), size)
	}
	return err
}

func hasContent(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Size() > 0
}

// errNoHeader: the file does not begin like a database.
var errNoHeader = fmt.Errorf("%w: no header", ErrForeign)

// inspectHeader refuses the header of a file that should not be opened, and
// returns how large the file should be at least.
func inspectHeader(h []byte) (size int64, err error) {
	if len(h) < headerSize || string(h[:len(magic)]) != magic {
		return 0, errNoHeader
	}
	if app := binary.BigEndian.Uint32(h[atApp:]); app != applicationID {
		return 0, fmt.Errorf("%w: an SQLite file of another application (id %#x)", ErrForeign, app)
	}
	if v := binary.BigEndian.Uint32(h[atVersion:]); int64(v) > int64(len(migrations)) {
		return 0, newer(int64(v))
	}
	pageSize := int64(binary.BigEndian.Uint16(h[atPageSize:]))
	if pageSize == 1 {
		pageSize = 64 << 10
	}
	return pageSize * int64(binary.BigEndian.Uint32(h[atPages:])), nil
}

func newer(version int64) error {
	return fmt.Errorf("a database of a later release: %w (schema %d, this release knows %d)", store.ErrNewer, version, len(migrations))
}

// syncDir makes what was created in dir survive a loss of power, where the
// system can do that.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return nil // a directory that may be written but not read
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !errors.Is(err, errors.ErrUnsupported) && !errors.Is(err, os.ErrInvalid) {
		return err
	}
	return nil
}
