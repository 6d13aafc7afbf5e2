package sqlitestore_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"testing"

	"github.com/ncruces/go-sqlite3/vfs"
	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/sqlitestore"
)

// A disk is a file in memory that counts the calls and can fail.
type disk struct {
	vfs.File
	content []byte
	writes  int
	synced  int // how much was there at the last Sync
	fails   error
}

func (d *disk) WriteAt(p []byte, off int64) (int, error) {
	d.writes++
	if d.fails != nil {
		return 0, d.fails
	}
	d.content = writeTo(d.content, p, off)
	return len(p), nil
}

func writeTo(content, p []byte, off int64) []byte {
	if grow := int(off) + len(p) - len(content); grow > 0 {
		content = append(content, make([]byte, grow)...)
	}
	copy(content[off:], p)
	return content
}

func (d *disk) ReadAt(p []byte, off int64) (int, error) {
	return bytes.NewReader(d.content).ReadAt(p, off)
}

func (d *disk) Size() (int64, error) { return int64(len(d.content)), nil }
func (d *disk) Close() error         { return nil }

func (d *disk) Truncate(size int64) error {
	d.content = d.content[:min(int(size), len(d.content))]
	return nil
}

func (d *disk) Sync(vfs.SyncFlag) error {
	d.synced = len(d.content)
	return nil
}

// header returns the header of a frame.
func header(commits bool) []byte {
	h := bytes.Repeat([]byte{7}, 24)
	binary.BigEndian.PutUint32(h[4:], 0)
	if commits {
		binary.BigEndian.PutUint32(h[4:], 1000)
	}
	return h
}

var page = bytes.Repeat([]byte("page"), 1024)

const frame = 24 + 4096

// writeFrame writes a frame as SQLite does.
func writeFrame(t *testing.T, f vfs.File, at int64, commits bool) {
	t.Helper()
	_, err := f.WriteAt(header(commits), at)
	require.NoError(t, err)
	_, err = f.WriteAt(page, at+24)
	require.NoError(t, err)
}

func newLog(t *testing.T) (*disk, vfs.File) {
	t.Helper()
	d := &disk{}
	f := sqlitestore.BufferLog(d)
	_, err := f.WriteAt(make([]byte, 32), 0) // its header
	require.NoError(t, err)
	require.Equal(t, 1, d.writes)
	return d, f
}

func TestLogBuffer(t *testing.T) {
	t.Run("a commit is written at once, by one call for all its frames", func(t *testing.T) {
		d, f := newLog(t)
		for i := range int64(10) {
			writeFrame(t, f, 32+i*frame, i == 9)
		}
		require.Len(t, d.content, 32+10*frame)
		require.Equal(t, 2, d.writes)
	})
	t.Run("a commit of one frame is written at once", func(t *testing.T) {
		d, f := newLog(t)
		for i := range int64(3) {
			writeFrame(t, f, 32+i*frame, true)
			require.Len(t, d.content, 32+int(i+1)*frame)
		}
	})
	t.Run("of a long transaction not too much is held back", func(t *testing.T) {
		d, f := newLog(t)
		for i := range int64(1000) {
			writeFrame(t, f, 32+i*frame, false)
			require.Less(t, 32+int(i+1)*frame-len(d.content), sqlitestore.MaxBuffer)
		}
		require.Less(t, d.writes, 30)
	})
	for says, call := range map[string]func(f vfs.File) error{
		"a read":  func(f vfs.File) error { _, err := f.ReadAt(make([]byte, 8), 32); return err },
		"a sync":  func(f vfs.File) error { return f.Sync(0) },
		"a size":  func(f vfs.File) error { _, err := f.Size(); return err },
		"a cut":   func(f vfs.File) error { return f.Truncate(1 << 20) },
		"a close": func(f vfs.File) error { return f.Close() },
		"a write elsewhere": func(f vfs.File) error {
			_, err := f.WriteAt(header(true), 32)
			return err
		},
	} {
		t.Run(says+" comes after what was held back", func(t *testing.T) {
			d, f := newLog(t)
			writeFrame(t, f, 32, false)
			require.Len(t, d.content, 32)
			require.NoError(t, call(f))
			require.Len(t, d.content, 32+frame)
		})
		t.Run(says+" fails if what was held back cannot be written", func(t *testing.T) {
			d, f := newLog(t)
			writeFrame(t, f, 32, false)
			d.fails = errors.New("no room")
			require.ErrorIs(t, call(f), d.fails)
			d.fails = nil
			require.NoError(t, f.Sync(0), "it is told once")
			require.Len(t, d.content, 32, "and not written later")
		})
	}
	t.Run("a commit that cannot be written fails", func(t *testing.T) {
		d, f := newLog(t)
		writeFrame(t, f, 32, false)
		d.fails = errors.New("no room")
		_, err := f.WriteAt(header(true), 32+frame)
		require.NoError(t, err)
		_, err = f.WriteAt(page, 32+frame+24)
		require.ErrorIs(t, err, d.fails)
		d.fails = nil
		writeFrame(t, f, 32, true)
		require.Len(t, d.content, 32+frame)
	})
}

// FuzzLogBuffer makes any calls, and compares with a file without a buffer.
func FuzzLogBuffer(f *testing.F) {
	f.Add([]byte{0, 1, 0, 1, 2, 3, 4, 5, 6, 7})
	f.Add([]byte{0, 1, 2, 1, 8, 0, 0, 1, 16, 1, 24, 9})
	f.Fuzz(func(t *testing.T, calls []byte) {
		d := &disk{}
		log := sqlitestore.BufferLog(d)
		var want []byte
		var at int64
		// The calls before. A header comes where a frame can begin: after a page,
		// or after what is no write, but not after another header; and a page is
		// longer than a header. SQLite never does otherwise.
		before, last := byte(1), byte(1)
		for _, c := range calls {
			if c&8 != 0 {
				at = int64(c>>4) * 512 // go elsewhere
			}
			var p []byte
			switch c & 7 {
			case 0:
				p = header(false)
			case 1:
				p = page[:512]
			case 2:
				p = header(true)
			case 3:
				p = page[:24]
			case 4:
				size, err := log.Size()
				require.NoError(t, err)
				require.EqualValues(t, len(want), size)
			case 5:
				got := make([]byte, len(want))
				_, err := log.ReadAt(got, 0)
				if err != io.EOF {
					require.NoError(t, err)
				}
				require.True(t, bytes.Equal(want, got), "what is read")
			case 6:
				require.NoError(t, log.Sync(0))
				require.Equal(t, len(want), d.synced)
			case 7:
				require.NoError(t, log.Truncate(at))
				want = want[:min(int(at), len(want))]
			}
			if p != nil {
				_, err := log.WriteAt(p, at)
				require.NoError(t, err)
				want = writeTo(want, p, at)
				at += int64(len(p))
			}
			if (before == 1 || before >= 4) && last == 2 && c&15 == 1 {
				require.True(t, bytes.Equal(want, d.content), "after the page of a commit")
			}
			before, last = last, c&7
		}
		require.NoError(t, log.Close())
		require.True(t, bytes.Equal(want, d.content))
	})
}
