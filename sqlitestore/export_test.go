package sqlitestore

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"github.com/ncruces/go-sqlite3/vfs"

	"github.com/clientele-go/clientele/store"
)

// SetMaxPages makes the file as good as full when it has n pages.
func (db *DB) SetMaxPages(ctx context.Context, n int64) (pages int64, err error) {
	err = db.writer.do(&task{ctx: ctx, run: func(w *writer) (err error) {
		pages, err = w.conn.sql(fmt.Sprintf("PRAGMA max_page_count = %d", n)).only()
		return err
	}})
	return pages, err
}

// Hold keeps the writer busy until the function it returns is called.
func (db *DB) Hold(ctx context.Context) (release func()) {
	begun, end, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		done <- db.writer.do(&task{ctx: ctx, run: func(*writer) error {
			close(begun)
			<-end
			return nil
		}})
	}()
	<-begun
	return func() {
		close(end)
		<-done
	}
}

// WaitQueued returns when n tasks wait for the writer.
func (db *DB) WaitQueued(ctx context.Context, n int) {
	wait(ctx, func() bool { return len(db.writer.queue) == n })
}

// WaitWatched returns when somebody waits for n tenants, and for the file to be
// looked at just if there are any.
func (db *DB) WaitWatched(ctx context.Context, n int) {
	wait(ctx, func() bool {
		db.watch.mu.Lock()
		defer db.watch.mu.Unlock()
		return len(db.watch.tenants) == n && db.watch.looking == (n > 0)
	})
}

func wait(ctx context.Context, done func() bool) {
	for begun := time.Now(); !done() && ctx.Err() == nil; {
		if time.Since(begun) > 30*time.Second {
			panic("it does not come to that")
		}
		runtime.Gosched()
	}
}

// Number returns the one number that a statement yields, read by the writer.
func (db *DB) Number(ctx context.Context, sql string) (n int64, err error) {
	err = db.writer.do(&task{ctx: ctx, run: func(w *writer) (err error) {
		n, err = w.conn.sql(sql).only()
		return err
	}})
	return n, err
}

// Rows returns the first column of what a statement yields.
func (db *DB) Rows(ctx context.Context, sql string) (rows []string, err error) {
	err = db.readers.read(ctx, "rows", func(c *conn) error {
		s := c.sql(sql)
		for s.next() {
			rows = append(rows, s.ColumnText(0))
		}
		return s.done()
	})
	return rows, err
}

// Plan returns SQLite's plans for the page and the count of a query.
func (s *Store) Plan(ctx context.Context, q store.Query) (page, count []string, err error) {
	err = s.db.readers.read(ctx, "plan", func(c *conn) error {
		kind, err := s.db.kindNumber(c, q.Kind)
		if err != nil {
			return err
		}
		sel := selection{tenant: s.id, kind: kind, query: &q}
		if err := sel.plan(c); err != nil {
			return err
		}
		p, err := sel.page()
		if err != nil {
			return err
		}
		if page, err = explain(c, p); err != nil {
			return err
		}
		count, err = explain(c, sel.count())
		return err
	})
	return page, count, err
}

// By returns the key of the label by whose rows a query is answered, if it is.
func (s *Store) By(ctx context.Context, q store.Query) (key string, err error) {
	err = s.db.readers.read(ctx, "by", func(c *conn) error {
		kind, err := s.db.kindNumber(c, q.Kind)
		if err != nil {
			return err
		}
		sel := selection{tenant: s.id, kind: kind, query: &q}
		if err := sel.plan(c); err == nil && sel.by >= 0 {
			key = q.Labels[sel.by].Key
		}
		return err
	})
	return key, err
}

func explain(c *conn, b *builder) (plan []string, err error) {
	b.prefix("EXPLAIN QUERY PLAN ")
	s := b.on(c)
	for s.next() {
		plan = append(plan, s.ColumnText(3))
	}
	return plan, s.done()
}

func (b *builder) prefix(sql string) {
	rest := b.sql.String()
	b.sql.Reset()
	b.add(sql).add(rest)
}

// FeedPlan returns SQLite's plan for the feed.
func (s *Store) FeedPlan(ctx context.Context) (plan []string, err error) {
	err = s.db.readers.read(ctx, "plan", func(c *conn) error {
		plan, err = explain(c, (&builder{}).add(feedSQL).int(s.id).int(0).int(s.id).int(0))
		return err
	})
	return plan, err
}

// Internals that are tested by themselves.
var (
	InspectHeader = inspectHeader
)

const (
	ApplicationID = applicationID
	RememberFor   = rememberFor
	MaxStatements = maxStatements
	MaxQueue      = maxQueue
)

// Closing is closed when Close begins.
func (db *DB) Closing() <-chan struct{} { return db.closing }

// Statements returns how many the idle readers keep prepared.
func (db *DB) Statements() (n int) {
	for range len(db.readers.idle) {
		c := <-db.readers.idle
		n += len(c.statements)
		db.readers.idle <- c
	}
	return n
}

// BufferLog returns f as a write-ahead log is written.
func BufferLog(f vfs.File) vfs.File { return &logFile{File: f, next: -1} }

const MaxBuffer = maxBuffer
