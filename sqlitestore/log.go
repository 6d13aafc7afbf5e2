package sqlitestore

import (
	"encoding/binary"
	"errors"
	"sync"

	"github.com/ncruces/go-sqlite3/vfs"
)

// SQLite writes each page of a commit to the write-ahead log by two calls of
// the operating system, one for a header of 24 bytes. A commit of 64 records
// with random ids changes more than a hundred pages, and these calls were a
// third of its time. So the log is written through a buffer that makes one call
// of many.
//
// It never holds back anything that counts: what is in it belongs to a
// transaction that has not been committed. The frame that commits one is
// written at once with all before it, before SQLite syncs the log and tells
// other connections of it.

// registerVFS makes SQLite know of files that are buffered so, by the name
// vfsName.
var registerVFS = sync.OnceFunc(func() { vfs.Register(vfsName, logVFS{vfs.Find("os").(vfs.VFSFilename)}) })

const vfsName = "clientele"

// A logVFS is the file system of the operating system, but for logs.
type logVFS struct{ vfs.VFSFilename }

func (v logVFS) OpenFilename(name *vfs.Filename, flags vfs.OpenFlag) (vfs.File, vfs.OpenFlag, error) {
	f, flags, err := v.VFSFilename.OpenFilename(name, flags)
	if err == nil && flags&vfs.OPEN_WAL != 0 {
		f = &logFile{File: f, next: -1}
	}
	return f, flags, err
}

// A logFile is a write-ahead log that is written through a buffer.
type logFile struct {
	vfs.File
	buffer  []byte // ends at next
	next    int64  // where the last write ended, buffered or not; -1: unknown
	inFrame bool   // the buffer ends with the header of a frame
	commits bool   // and the frame commits a transaction
}

const (
	frameHeader = 24
	maxBuffer   = 256 << 10
)

// WriteAt holds back the header and the page of a frame that follows the one
// before, until a frame commits or there are many. Anything else is written at
// once.
func (f *logFile) WriteAt(p []byte, off int64) (int, error) {
	isHeader := off == f.next && !f.inFrame && len(p) == frameHeader
	isPage := off == f.next && f.inFrame
	if !isHeader && !isPage {
		if err := f.flush(); err != nil {
			return 0, err
		}
		n, err := f.File.WriteAt(p, off)
		f.next = off + int64(n)
		return n, err
	}
	f.buffer = append(f.buffer, p...)
	f.next += int64(len(p))
	f.inFrame = isHeader
	if isHeader {
		// Of the last page of a commit it says how large the file is then.
		f.commits = binary.BigEndian.Uint32(p[4:]) != 0
		return len(p), nil
	}
	if f.commits || len(f.buffer) >= maxBuffer {
		if err := f.flush(); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

// flush writes what was held back. If that fails it is gone: SQLite, which is
// told, takes its transaction back.
func (f *logFile) flush() error {
	f.inFrame = false
	if len(f.buffer) == 0 {
		return nil
	}
	_, err := f.File.WriteAt(f.buffer, f.next-int64(len(f.buffer)))
	f.buffer = f.buffer[:0]
	if err != nil {
		f.next = -1
	}
	return err
}

func (f *logFile) ReadAt(p []byte, off int64) (int, error) {
	if err := f.flush(); err != nil {
		return 0, err
	}
	return f.File.ReadAt(p, off)
}

func (f *logFile) Truncate(size int64) error {
	if err := f.flush(); err != nil {
		return err
	}
	return f.File.Truncate(size)
}

func (f *logFile) Sync(flags vfs.SyncFlag) error {
	if err := f.flush(); err != nil {
		return err
	}
	return f.File.Sync(flags)
}

func (f *logFile) Size() (int64, error) {
	if err := f.flush(); err != nil {
		return 0, err
	}
	return f.File.Size()
}

func (f *logFile) Close() error { return errors.Join(f.flush(), f.File.Close()) }
