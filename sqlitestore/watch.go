package sqlitestore

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/clientele-go/clientele/store"
)

// A watch wakes those who wait for a tenant's feed. The writer tells it of each
// commit; for what other processes commit it looks, by one goroutine that lives
// as long as somebody waits, at the number that SQLite keeps for that.
type watch struct {
	db *DB

	mu      sync.Mutex
	tenants map[int64]*watched
	looking bool          // the goroutine lives
	ended   chan struct{} // closed by the last one
	conn    *conn         // its own: the number counts what other connections commit
}

// A watched is a tenant for whose changes somebody waits.
type watched struct {
	waiters  int
	revision store.Revision // the last that the waiters were woken for
	changed  chan struct{}  // closed to wake them
}

const (
	// lookEvery is how often the file is looked at: half of what Changes
	// promises, so that the other half is left for the waiter.
	lookEvery = 25 * time.Millisecond

	// deletedRevision stands for the revision of a tenant that was deleted.
	deletedRevision store.Revision = -1
	// unknownRevision is none that a tenant ever has.
	unknownRevision store.Revision = -2
)

// join adds somebody who waits for a tenant; leave removes them.
func (w *watch) join(tenant int64) *watched {
	w.mu.Lock()
	defer w.mu.Unlock()
	t, ok := w.tenants[tenant]
	if !ok {
		t = &watched{revision: unknownRevision, changed: make(chan struct{})}
		w.tenants[tenant] = t
	}
	t.waiters++
	select {
	case <-w.db.closing:
	default:
		if !w.looking {
			w.looking, w.ended = true, make(chan struct{})
			go w.look(w.ended)
		}
	}
	return t
}

func (w *watch) leave(tenant int64, t *watched) {
	w.mu.Lock()
	defer w.mu.Unlock()
	t.waiters--
	if t.waiters == 0 {
		delete(w.tenants, tenant)
	}
}

// next returns the channel that is closed when the tenant changes next.
func (w *watch) next(t *watched) <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	return t.changed
}

// changed wakes who waits for a tenant that is now at a revision.
func (w *watch) changed(tenant int64, now store.Revision) {
	w.mu.Lock()
	defer w.mu.Unlock()
	t, ok := w.tenants[tenant]
	if !ok || now <= t.revision && now != deletedRevision {
		return
	}
	t.revision = now
	t.wake()
}

func (t *watched) wake() {
	close(t.changed)
	t.changed = make(chan struct{})
}

// look looks at the file until nobody waits.
func (w *watch) look(ended chan<- struct{}) {
	defer close(ended)
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	// The first look counts as a change: it may come after one that who waits
	// has not seen.
	for last := int64(-1); w.stillLooking(); {
		version, err := w.lookOnce(last)
		if err != nil {
			w.wakeAll() // to find out for themselves
		}
		last = version
		select {
		case <-ticker.C:
		case <-w.db.closing:
		}
	}
}

func (w *watch) stillLooking() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.looking = len(w.tenants) > 0 && alive(context.Background(), w.db.closing) == nil
	return w.looking
}

// lookOnce wakes who waits for a tenant that has changed, if anything has since
// the number was last, and returns what it is now.
func (w *watch) lookOnce(last int64) (version int64, err error) {
	if w.conn == nil {
		w.conn, err = openReader(w.db.path, w.db.closing, w.db.patience)
		if err != nil {
			return last, err
		}
	}
	version, err = w.conn.sql("PRAGMA data_version").only()
	if err != nil || version == last {
		return version, err
	}
	for _, tenant := range w.waitedFor() {
		q := w.conn.sql("SELECT revision FROM tenant WHERE id = ?").int(tenant)
		now := deletedRevision
		if q.next() {
			now = store.Revision(q.ColumnInt64(0))
		}
		if err := q.done(); err != nil {
			return last, err
		}
		w.changed(tenant, now)
	}
	return version, nil
}

func (w *watch) waitedFor() []int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Collect(maps.Keys(w.tenants))
}

func (w *watch) wakeAll() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, t := range w.tenants {
		t.wake()
	}
}

// close waits for the goroutine, which the closing of the DB ends.
func (w *watch) close() error {
	w.mu.Lock()
	ended := w.ended
	w.mu.Unlock()
	if ended != nil {
		<-ended
	}
	if w.conn == nil {
		return nil
	}
	return w.conn.close()
}
