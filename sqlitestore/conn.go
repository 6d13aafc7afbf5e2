package sqlitestore

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"github.com/ncruces/go-sqlite3"

	"github.com/clientele-go/clientele/store"
)

// A conn is a connection to the file, with the statements it has prepared. It
// is used by one goroutine at a time.
type conn struct {
	*sqlite3.Conn
	closing    <-chan struct{}
	patience   time.Duration // with other processes' locks
	statements map[string]*statement
	interrupt  interrupt
	waiting    time.Time // for a lock, since
}

// maxStatements bounds the statements that a connection keeps prepared. Only
// lists come in more shapes than a few.
const maxStatements = 100

// cachePages, as SQLite's cache_size, bounds the pages that a connection keeps
// in memory, in KiB. The writer's must hold what one transaction of several
// large Applies changes; readers have the operating system's cache behind them.
const (
	writerCache = -32 << 10
	readerCache = -8 << 10
)

// openConn opens a connection to a file that exists.
func openConn(path string, closing <-chan struct{}, patience time.Duration) (*conn, error) {
	registerVFS()
	raw, err := sqlite3.OpenFlags(uri(path), sqlite3.OPEN_READWRITE|sqlite3.OPEN_URI)
	if err != nil {
		return nil, err
	}
	c := &conn{Conn: raw, closing: closing, patience: patience, statements: map[string]*statement{}}
	c.begin(context.Background())
	if err := c.BusyHandler(c.waitForLock); err != nil {
		c.close()
		return nil, err
	}
	// The file could come from anywhere: nothing in its schema may do more
	// than read it, and its pages are looked at before they are believed.
	if err := c.Exec("PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA temp_store = MEMORY"); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

// uri returns the name by which SQLite opens an absolute path, and makes the
// files beside it with the same mode and owner.
func uri(path string) string {
	path = filepath.ToSlash(path)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path // with a drive letter
	}
	name := url.URL{Path: path}
	return "file://" + name.EscapedPath() + "?vfs=" + vfsName + "&modeof=" + url.PathEscape(path)
}

// openReader opens a connection that only reads.
func openReader(path string, closing <-chan struct{}, patience time.Duration) (*conn, error) {
	c, err := openConn(path, closing, patience)
	if err != nil {
		return nil, err
	}
	if err := c.Exec(fmt.Sprintf("PRAGMA query_only = ON; PRAGMA cache_size = %d", readerCache)); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

func (c *conn) close() error {
	c.forget()
	return c.Conn.Close()
}

// forget closes the prepared statements.
func (c *conn) forget() {
	for _, s := range c.statements {
		_ = s.Close() // says again what went wrong when it was executed
	}
	clear(c.statements)
}

// begin makes the statements that follow end with ctx, or with the DB.
func (c *conn) begin(ctx context.Context) {
	c.interrupt = interrupt{ctx, c.closing}
	c.SetInterrupt(&c.interrupt)
	if len(c.statements) > maxStatements {
		c.forget()
	}
}

// end lets go of the context.
func (c *conn) end() { c.interrupt.Context = context.Background() }

// An interrupt is what SQLite asks from time to time, by Err, whether to go on.
type interrupt struct {
	context.Context
	closing <-chan struct{}
}

// Err returns ErrClosed once the DB is closing, and else what the context says.
func (i *interrupt) Err() error {
	select {
	case <-i.closing:
		return store.ErrClosed
	default:
		return i.Context.Err()
	}
}

// waitForLock is SQLite's busy handler: it waits a little for another process
// to be done, and says whether to try again.
func (c *conn) waitForLock(ctx context.Context, count int) bool {
	if count == 0 {
		c.waiting = time.Now()
	}
	if time.Since(c.waiting) >= c.patience {
		return false
	}
	// From a tenth of a millisecond to three: a commit takes about as long.
	delay := 100 * time.Microsecond << min(count, 5)
	timer := time.NewTimer(delay/2 + rand.N(delay/2)) // #nosec G404 -- no secret
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	case <-c.closing:
		return false
	}
}

// failed says what was being done when err happened. An interrupted statement
// fails with the reason of the interruption.
func (c *conn) failed(doing string, err error) error {
	if errors.Is(err, sqlite3.INTERRUPT) {
		if cause := c.interrupt.Err(); cause != nil {
			err = cause
		}
	}
	return failed(doing, err)
}

func failed(doing string, err error) error {
	switch {
	case errors.Is(err, sqlite3.BUSY):
		err = fmt.Errorf("another process keeps the file locked: %w", err)
	case errors.Is(err, sqlite3.CORRUPT), errors.Is(err, sqlite3.NOTADB):
		err = fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return fmt.Errorf("sqlitestore: %s: %w", doing, err)
}

// A statement is a prepared one. It is given its arguments in their order and
// then executed, or its rows are read:
//
//	err := c.sql("DELETE FROM name WHERE rid = ?").int(rid).exec()
//
//	s := c.sql("SELECT id FROM kind WHERE name = ?").text(name)
//	for s.next() {
//		id = s.ColumnInt64(0)
//	}
//	err := s.done()
//
// An error is kept until exec or done returns it.
type statement struct {
	*sqlite3.Stmt
	given int
	err   error
}

// sql returns the statement for one text of SQL, ready for its arguments.
func (c *conn) sql(text string) *statement {
	if s, ok := c.statements[text]; ok {
		s.given, s.err = 0, nil
		return s
	}
	raw, tail, err := c.PrepareFlags(text, sqlite3.PREPARE_PERSISTENT)
	if err == nil && (raw == nil || tail != "") {
		err = fmt.Errorf("not one statement: %q", text)
	}
	if err != nil {
		return &statement{err: err}
	}
	s := &statement{Stmt: raw}
	c.statements[text] = s
	return s
}

func (s *statement) int(v int64) *statement {
	s.given++
	if s.err == nil {
		s.err = s.BindInt64(s.given, v)
	}
	return s
}

func (s *statement) text(v string) *statement {
	s.given++
	if s.err == nil {
		s.err = s.BindText(s.given, v)
	}
	return s
}

// blob gives a statement bytes; nil is no bytes, not null.
func (s *statement) blob(v []byte) *statement {
	s.given++
	switch {
	case s.err != nil:
	case len(v) == 0:
		s.err = s.BindZeroBlob(s.given, 0)
	default:
		s.err = s.BindBlob(s.given, v)
	}
	return s
}

func (s *statement) null() *statement {
	s.given++
	if s.err == nil {
		s.err = s.BindNull(s.given)
	}
	return s
}

// exec executes a statement that returns nothing of interest.
func (s *statement) exec() error {
	if s.err != nil {
		return s.err
	}
	return s.Exec()
}

// next goes to the next row and says whether there is one.
func (s *statement) next() bool {
	return s.err == nil && s.Step()
}

// done ends the reading of rows, be it before the last one, and returns what
// went wrong before.
func (s *statement) done() error {
	if s.err != nil {
		return s.err
	}
	err := s.Err()
	if reset := s.Reset(); err == nil {
		err = reset
	}
	return err
}

// only returns the number in the first row, 0 if there is none.
func (s *statement) only() (n int64, err error) {
	if s.next() {
		n = s.ColumnInt64(0)
	}
	return n, s.done()
}
