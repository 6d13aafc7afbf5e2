package pgstore

import (
	"context"
	"crypto/rand"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/clientele-go/clientele/store"
)

// A watch wakes those who wait for a tenant's feed. The lanes tell it of each
// commit of this process. Other processes send notifications, which it hears of
// by a connection of its own; and because a notification can be lost, it asks
// for the revisions of the tenants every now and then while somebody waits. Both
// begin when the first one waits, and end with the DB.
type watch struct {
	db      *DB
	config  *pgx.ConnConfig // to listen with; nil: notifications do not come
	channel string
	sender  string // of the notifications of this DB
	every   time.Duration

	mu      sync.Mutex
	tenants map[int32]*watched
	begun   bool
	some    chan struct{} // closed while somebody waits
	ended   sync.WaitGroup
}

// A watched is a tenant for whose changes somebody waits.
type watched struct {
	waiters  int
	revision store.Revision // the last that was asked for; unknownRevision: none
	changed  chan struct{}  // closed to wake them
}

const (
	// listenAgain is how long after a connection to listen by was lost the
	// next one is made.
	listenAgain = time.Second

	// deletedRevision stands for the revision of a tenant that was deleted.
	deletedRevision store.Revision = -1
	// unknownRevision is none that a tenant ever has.
	unknownRevision store.Revision = -2
)

func newWatch(db *DB, config *pgx.ConnConfig, cfg *Config) *watch {
	w := &watch{
		db: db, channel: "clientele " + cfg.Schema, sender: rand.Text(), every: cfg.PollInterval,
		tenants: map[int32]*watched{}, some: make(chan struct{}),
	}
	if !cfg.PgBouncer {
		w.config = config
	}
	return w
}

// message returns the text of a notification that a tenant has changed.
func (w *watch) message(tenant int32) string {
	return w.sender + " " + strconv.FormatInt(int64(tenant), 10)
}

// tell sends a notification outside of a transaction, as well as it can.
func (w *watch) tell(ctx context.Context, tenant int32) {
	_ = w.db.read(ctx, "notify", func(ctx context.Context, c *pgx.Conn) error {
		_, err := c.Exec(ctx, w.db.sql.notify, w.channel, w.message(tenant))
		return err
	})
}

// join adds somebody who waits for a tenant; leave removes them.
func (w *watch) join(tenant int32) *watched {
	w.mu.Lock()
	defer w.mu.Unlock()
	t, ok := w.tenants[tenant]
	if !ok {
		t = &watched{revision: unknownRevision, changed: make(chan struct{})}
		w.tenants[tenant] = t
	}
	t.waiters++
	if len(w.tenants) == 1 && t.waiters == 1 {
		close(w.some)
	}
	if !w.begun && w.db.reading.Err() == nil {
		w.begun = true
		w.ended.Go(w.poll)
		if w.config != nil {
			w.ended.Go(w.listen)
		}
	}
	return t
}

func (w *watch) leave(tenant int32, t *watched) {
	w.mu.Lock()
	defer w.mu.Unlock()
	t.waiters--
	if t.waiters > 0 {
		return
	}
	delete(w.tenants, tenant)
	if len(w.tenants) == 0 {
		w.some = make(chan struct{})
	}
}

// next returns the channel that is closed when the tenant changes next.
func (w *watch) next(t *watched) <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	return t.changed
}

// changed wakes who waits for a tenant.
func (w *watch) changed(tenant int32) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if t, ok := w.tenants[tenant]; ok {
		t.wake()
	}
}

func (t *watched) wake() {
	close(t.changed)
	t.changed = make(chan struct{})
}

func (w *watch) wakeAll() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, t := range w.tenants {
		t.wake()
	}
}

// waited waits until somebody waits, and says whether to go on.
func (w *watch) waited() bool {
	w.mu.Lock()
	some := w.some
	w.mu.Unlock()
	select {
	case <-some:
	case <-w.db.reading.Done():
	}
	return w.db.reading.Err() == nil
}

// sleep waits a while, and says whether to go on.
func (w *watch) sleep(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-w.db.reading.Done():
	}
	return w.db.reading.Err() == nil
}

// poll asks for the revisions of the tenants that somebody waits for.
func (w *watch) poll() {
	for w.waited() {
		if err := w.look(w.db.reading); err != nil {
			w.wakeAll() // to find out for themselves
		}
		if !w.sleep(w.every) {
			return
		}
	}
}

// look wakes who waits for a tenant that has another revision than when it was
// asked for last. The first look counts as a change: it may come after one that
// who waits has not seen.
func (w *watch) look(ctx context.Context) error {
	w.mu.Lock()
	ids := slices.Collect(maps.Keys(w.tenants))
	w.mu.Unlock()
	now := make(map[int32]store.Revision, len(ids))
	for _, id := range ids {
		now[id] = deletedRevision
	}
	err := w.db.read(ctx, "poll", func(ctx context.Context, c *pgx.Conn) error {
		rows, err := c.Query(ctx, w.db.sql.revisions, ids)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var id int32
			var rev store.Revision
			if err := rows.Scan(&id, &rev); err != nil {
				return err
			}
			now[id] = rev
		}
		return rows.Err()
	})
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for id, rev := range now {
		if t, ok := w.tenants[id]; ok && t.revision != rev {
			t.revision = rev
			t.wake()
		}
	}
	return nil
}

// listen hears what other processes have changed. A connection that is lost is
// made again, and what was notified in between is asked for.
func (w *watch) listen() {
	for w.waited() {
		w.hear()
		if !w.sleep(listenAgain) {
			return
		}
	}
}

// hear returns when the connection is lost, or none can be made.
func (w *watch) hear() {
	ctx := w.db.reading
	c, err := pgx.ConnectConfig(ctx, w.config)
	if err != nil {
		return
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), leaveTimeout)
		defer cancel()
		_ = c.Close(ctx)
	}()
	if _, err := c.Exec(ctx, "LISTEN "+pgx.Identifier{w.channel}.Sanitize()); err != nil {
		return
	}
	if err := w.look(ctx); err != nil {
		return
	}
	for {
		n, err := c.WaitForNotification(ctx)
		if err != nil {
			return
		}
		sender, tenant, _ := strings.Cut(n.Payload, " ")
		if id, err := strconv.ParseInt(tenant, 10, 32); err == nil && sender != w.sender {
			w.changed(int32(id))
		}
	}
}

// wait returns when both goroutines have ended, which the closing of the DB
// makes them do.
func (w *watch) wait() { w.ended.Wait() }
