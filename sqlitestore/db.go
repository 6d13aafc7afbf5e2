package sqlitestore

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"github.com/clientele-go/clientele/store"
)

// Config says how a database is used. The zero Config is right for most.
type Config struct {
	// BusyTimeout is how long a write waits for another process that is
	// writing, before it fails. A write whose context ends does not wait on.
	// Zero means 5 seconds.
	BusyTimeout time.Duration

	// Readers is the number of connections for reading, 2 to 64; zero means
	// 4. Each takes about half a megabyte, and up to 8 more when it is busy.
	// One of them is never given to List, so that long lists leave room for
	// the short reads.
	Readers int

	// Now returns the time at which deletions are remembered. Nil means
	// time.Now.
	Now func() time.Time
}

func (c Config) withDefaults() (Config, error) {
	if c.BusyTimeout == 0 {
		c.BusyTimeout = 5 * time.Second
	}
	if c.BusyTimeout < 0 {
		return c, fmt.Errorf("%w: a BusyTimeout of %v", store.ErrInvalid, c.BusyTimeout)
	}
	if c.Readers == 0 {
		c.Readers = 4
	}
	if c.Readers < 2 || c.Readers > 64 {
		return c, fmt.Errorf("%w: %d Readers, want 2 to 64", store.ErrInvalid, c.Readers)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c, nil
}

// DB is an open database file. Its methods may be called by any number of
// goroutines at once.
type DB struct {
	path     string
	now      func() time.Time
	patience time.Duration // with other processes
	closing  chan struct{} // closed by Close
	once     sync.Once
	closed   error // what Close returns

	kinds   *kinds
	readers *readers
	writer  *writer
	watch   *watch
}

// Open opens the database file at path, and creates it if there is none; its
// directory must exist. It brings a file of an earlier release up to date, in
// one transaction, and refuses one of a later release, one that is not a
// database of this package, and one that it cannot write, without touching it.
// The caller closes the DB.
func Open(ctx context.Context, path string, cfg Config) (*DB, error) {
	db, err := open(ctx, path, cfg)
	if err != nil {
		return nil, fmt.Errorf("sqlitestore: open %s: %w", path, err)
	}
	return db, nil
}

func open(ctx context.Context, path string, cfg Config) (_ *DB, err error) {
	cfg, err = cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if path == "" {
		return nil, fmt.Errorf("%w: no path", store.ErrInvalid)
	}
	// An absolute path is never one of SQLite's special names.
	if path, err = filepath.Abs(path); err != nil {
		return nil, err
	}
	if err := prepareFile(path); err != nil {
		return nil, err
	}
	db := &DB{path: path, now: cfg.Now, patience: cfg.BusyTimeout, closing: make(chan struct{}), kinds: newKinds()}
	c, err := openConn(path, db.closing, cfg.BusyTimeout)
	if err != nil {
		return nil, err
	}
	if err := prepareSchema(ctx, c); err != nil {
		return nil, errors.Join(err, c.close())
	}
	db.readers, err = openReaders(path, db.closing, cfg)
	if err != nil {
		return nil, errors.Join(err, c.close())
	}
	db.watch = &watch{db: db, tenants: map[int64]*watched{}}
	db.writer = newWriter(db, c)
	go db.writer.loop()
	return db, nil
}

// Close ends what is under way: a write that has begun is finished, everything
// else fails with [store.ErrClosed], as every later call does. It returns when
// the file is closed and no goroutine is left. Calls after the first return
// what it returned.
func (db *DB) Close() error {
	db.once.Do(func() {
		close(db.closing)
		db.closed = errors.Join(db.watch.close(), db.readers.close(), db.writer.close())
		if db.closed != nil {
			db.closed = fmt.Errorf("sqlitestore: close: %w", db.closed)
		}
	})
	return db.closed
}

// alive returns an error if a call must not begin: the DB is closed, or the
// context done.
func alive(ctx context.Context, closing <-chan struct{}) error {
	select {
	case <-closing:
		return store.ErrClosed
	default:
		return ctx.Err()
	}
}
