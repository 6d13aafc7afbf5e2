package sqlitestore

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/ncruces/go-sqlite3"

	"github.com/clientele-go/clientele/store"
)

// A writer is the one goroutine of a DB that changes its file. It takes all the
// tasks that wait, and makes them in one transaction: the calls of many callers
// then wait for the disk once.
type writer struct {
	db    *DB
	conn  *conn
	queue chan *task
	group []*task       // has room for one, and the length of the last
	ended chan struct{} // closed by loop when it returns

	added     map[store.Kind]int64 // kinds that the transaction under way has added
	logPages  int                  // in the write-ahead log after the last commit
	restartAt int                  // how many of them are too many
}

const (
	maxQueue  = 256  // tasks that wait; more callers wait for room
	maxTasks  = 128  // of one transaction
	maxWeight = 4096 // of one transaction, unless its last task has more

	// The write-ahead log is copied to the file when it has so many pages, 8
	// MiB of them. The more, the less often is a page written that changes
	// again and again; and the longer wait the commits that come meanwhile,
	// which with 4000 pages are more than one of a hundred.
	checkpointPages = 2000
	logLimit        = 64 << 20 // a log that once grew larger is cut to that, in bytes

	restartPatience = 100 * time.Millisecond
)

// A task is what a caller wants to be done in a transaction.
type task struct {
	ctx    context.Context
	weight int                 // about the number of records it changes
	run    func(*writer) error // undone if it returns an error
	after  func()              // called after the commit; may be nil
	state  atomic.Int32
	done   chan error
}

const (
	waiting   = iota
	begun     // by the writer, which answers it
	withdrawn // by its caller: it will have no effect
)

func newWriter(db *DB, c *conn) *writer {
	w := &writer{
		db: db, conn: c, queue: make(chan *task, maxQueue), ended: make(chan struct{}),
		added: map[store.Kind]int64{}, restartAt: 4 * checkpointPages,
	}
	c.WALHook(func(_ *sqlite3.Conn, _ string, pages int) error {
		w.logPages = pages
		return nil
	})
	return w
}

// do has the writer run t and returns once it is durable. Whatever it returns,
// nothing of t happens later: a caller whose context ends leaves before t has
// begun, or waits for the end of the transaction that it has begun in.
func (w *writer) do(t *task) error {
	if err := alive(t.ctx, w.db.closing); err != nil {
		return err
	}
	t.done = make(chan error, 1)
	select {
	case w.queue <- t:
	case <-t.ctx.Done():
		return t.ctx.Err()
	case <-w.db.closing:
		return store.ErrClosed
	}
	select {
	case err := <-t.done:
		return err
	case <-t.ctx.Done():
	case <-w.ended:
	}
	if t.state.CompareAndSwap(waiting, withdrawn) {
		return alive(t.ctx, w.db.closing)
	}
	return <-t.done
}

// begin says whether t is to be run: its caller has not withdrawn it. From then
// on it cannot.
func (t *task) begin() bool {
	return t.state.CompareAndSwap(waiting, begun) || t.state.Load() == begun
}

// loop is the writer's goroutine.
func (w *writer) loop() {
	defer close(w.ended)
	for {
		select {
		case t := <-w.queue:
			w.gather(t)
			w.commit(w.group)
			clear(w.group)
			w.checkpoint()
		case <-w.db.closing:
			return
		}
	}
}

// close waits for the loop and closes the connection.
func (w *writer) close() error {
	<-w.ended
	return w.conn.close()
}

// gather makes a group of the first task and those that wait behind it.
func (w *writer) gather(first *task) {
	if len(w.group) > 1 {
		// Who was answered together is about to come again together.
		for n := -1; n < len(w.queue); {
			n = len(w.queue)
			runtime.Gosched()
		}
	}
	w.group = append(w.group[:0], first)
	for weight := first.weight; len(w.group) < maxTasks && weight < maxWeight; {
		select {
		case t := <-w.queue:
			w.group = append(w.group, t)
			weight += t.weight
		default:
			return
		}
	}
}

// commit makes the tasks of a group in one transaction, each all or not at all,
// and answers them. One that is refused waits for the commit too: it may be because
// of what another of the group has done, which nobody can read before.
func (w *writer) commit(group []*task) {
	if err := w.lock(); err != nil {
		answer(group, err)
		return
	}
	made, refused := make([]*task, 0, len(group)), map[*task]error{}
	for _, t := range group {
		if !t.begin() {
			continue
		}
		err := w.run(t, len(group) > 1)
		if err == nil {
			made = append(made, t)
			continue
		}
		if len(group) > 1 && w.conn.GetAutocommit() {
			// Some failures, a full disk above all, end the transaction and
			// undo what the others did: then each of them again, alone.
			t.done <- err
			for _, other := range group {
				if other != t {
					w.commit([]*task{other})
				}
			}
			return
		}
		refused[t] = err
	}
	if len(made) == 0 {
		w.rollback()
		refuse(refused)
		return
	}
	if err := w.conn.sql("COMMIT").exec(); err != nil {
		w.rollback()
		err = fmt.Errorf("commit: %w", err)
		answer(made, err)
		for t := range refused {
			t.done <- err
		}
		return
	}
	for kind, n := range w.added {
		w.db.kinds.add(kind, n)
	}
	clear(w.added)
	for _, t := range made {
		if t.after != nil {
			t.after()
		}
	}
	answer(made, nil)
	refuse(refused)
}

func refuse(refused map[*task]error) {
	for t, err := range refused {
		t.done <- err
	}
}

// lock begins a transaction, which no other process is in then.
func (w *writer) lock() error {
	w.conn.begin(context.Background())
	err := w.conn.sql("BEGIN IMMEDIATE").exec()
	if err != nil {
		if closed := w.conn.interrupt.Err(); closed != nil {
			return closed
		}
		return fmt.Errorf("begin: %w", err)
	}
	// What has begun is finished: an interrupt would undo all of it.
	w.conn.SetInterrupt(context.Background())
	// A later release may have the file open too, and have changed its schema.
	version, err := schemaVersion(w.conn)
	if err == nil && version > int64(len(migrations)) {
		err = newer(version)
	}
	if err != nil {
		w.rollback()
	}
	return err
}

// run runs t, and leaves no trace of it if it fails. A lone one needs no
// savepoint: the transaction ends with it.
func (w *writer) run(t *task, savepoint bool) error {
	if err := t.ctx.Err(); err != nil {
		return err
	}
	if !savepoint {
		return t.run(w)
	}
	if err := w.conn.sql("SAVEPOINT task").exec(); err != nil {
		return err
	}
	err := t.run(w)
	if err == nil {
		return w.conn.sql("RELEASE task").exec()
	}
	clear(w.added)
	if w.conn.GetAutocommit() {
		return err
	}
	undo := w.conn.sql("ROLLBACK TO task").exec()
	if undo == nil {
		undo = w.conn.sql("RELEASE task").exec()
	}
	if undo != nil {
		w.rollback()
	}
	return errors.Join(err, undo)
}

func (w *writer) rollback() {
	clear(w.added)
	if !w.conn.GetAutocommit() {
		_ = w.conn.sql("ROLLBACK").exec() // in memory alone; the next BEGIN would tell
	}
}

func answer(tasks []*task, err error) {
	for _, t := range tasks {
		t.done <- err
	}
}

// checkpoint copies a log that has grown to the file. Nobody waits for it: the
// callers have been answered. A failure does no harm, and shows in the next
// commit if it lasts.
func (w *writer) checkpoint() {
	switch {
	case w.logPages < checkpointPages:
	case w.logPages < w.restartAt:
		_, _, _ = w.conn.WALCheckpoint("main", sqlite3.CHECKPOINT_PASSIVE)
	default:
		// There is always somebody reading, so that the log never begins
		// again from its beginning. Those who read now are waited for, a
		// little; those who come later do not need the log.
		patience := w.conn.patience
		w.conn.patience = restartPatience
		_, _, err := w.conn.WALCheckpoint("main", sqlite3.CHECKPOINT_RESTART)
		w.conn.patience = patience
		w.restartAt = 4 * checkpointPages
		if err != nil {
			w.restartAt += w.logPages
		}
	}
}
