package pgstore

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/clientele-go/clientele/store"
)

// DB is an open database. Its methods may be called by any number of goroutines
// at once.
type DB struct {
	pool    *pgxpool.Pool
	timeout time.Duration
	pooled  bool // nothing is set or kept for a connection
	sql     *statements

	lists   chan struct{}      // has room for one less than there are connections
	writing sync.WaitGroup     // the writes under way
	mu      sync.RWMutex       // held to begin a write, or to close
	closed  bool               // no write begins anymore
	reading context.Context    // done when Close begins
	close   context.CancelFunc // of reading
	once    sync.Once

	writers *writers
	watch   *watch
}

// Open connects to the database at url, a URL or the keywords and values of
// libpq, and brings its schema up to date, unless Config.SkipMigrations is set.
// Several processes may do that at the same moment. Open fails if the server
// cannot be reached, is a standby, or would not keep what this package promises,
// and with an error that wraps [store.ErrNewer] if a later release has made the
// schema one that this release must not write to. No error has the password in
// it. The caller closes the DB.
func Open(ctx context.Context, url string, cfg Config) (*DB, error) {
	db, err := open(ctx, url, cfg)
	if err != nil {
		return nil, fmt.Errorf("pgstore: open: %w", err)
	}
	return db, nil
}

func open(ctx context.Context, url string, cfg Config) (*DB, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	poolConfig, err := parseURL(url, &cfg)
	if err != nil {
		return nil, err
	}
	// The pool goes on when ctx has ended.
	pool, err := pgxpool.NewWithConfig(context.WithoutCancel(ctx), poolConfig)
	if err != nil {
		return nil, err
	}
	db := &DB{
		pool: pool, timeout: cfg.Timeout, pooled: cfg.PgBouncer, sql: newStatements(cfg.Schema),
		lists: make(chan struct{}, poolConfig.MaxConns-1),
	}
	db.reading, db.close = context.WithCancel(context.Background())
	db.writers = &writers{db: db, lanes: map[int32]*lane{}}
	db.watch = newWatch(db, poolConfig.ConnConfig, &cfg)
	if err := db.prepare(ctx, &cfg); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// prepare looks whether the server is one to work with, and makes the schema
// current.
func (db *DB) prepare(ctx context.Context, cfg *Config) error {
	bounded, cancel := db.bound(ctx)
	defer cancel()
	err := db.use(bounded, func(ctx context.Context, c *pgx.Conn) error {
		if err := checkServer(ctx, c); err != nil {
			return err
		}
		return prepareSchema(ctx, c, cfg.Schema, cfg.SkipMigrations)
	})
	return db.explain(ctx, bounded, err)
}

// Close ends what is under way: a write that has begun is finished, for as long
// as Config.Timeout allows, everything else fails with [store.ErrClosed], as
// every later call does. It returns when all connections are closed and no
// goroutine is left, and always nil: a second call is without effect.
func (db *DB) Close() error {
	db.once.Do(func() {
		db.mu.Lock()
		db.closed = true
		db.mu.Unlock()
		db.close()
		db.writers.close()
		db.writing.Wait()
		db.watch.wait()
		db.pool.Close()
	})
	return nil
}

// begin is called before a write that Close waits for, and which ends with a
// call of end.
func (db *DB) begin() error {
	db.mu.RLock()
	defer db.mu.RUnlock()
	if db.closed {
		return store.ErrClosed
	}
	db.writing.Add(1)
	return nil
}

func (db *DB) end() { db.writing.Done() }

// alive returns an error if a call must not begin: the DB is closed, or the
// context done.
func (db *DB) alive(ctx context.Context) error {
	if db.reading.Err() != nil {
		return store.ErrClosed
	}
	return ctx.Err()
}
