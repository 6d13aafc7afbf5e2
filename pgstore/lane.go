package pgstore

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/jackc/pgx/v5"

	"github.com/clientele-go/clientele/store"
)

// writers are the lanes in which the Applies of each tenant are made that do not
// only append.
type writers struct {
	db *DB

	mu     sync.Mutex
	lanes  map[int32]*lane // of the tenants that are being written to
	closed bool
}

// A lane makes the Applies of one tenant, which the server could not make at the
// same time anyway: all that have come while it was busy in one transaction.
// Whatever their number, they take one connection, and one commit. A goroutine
// works in it as long as there is something to do.
type lane struct {
	waiting []*waiting
}

// A waiting is a task whose caller waits for it.
type waiting struct {
	task
	done  chan struct{} // closed when it is done
	group *group        // that makes it; nil: it waits for its turn
}

// A group is the tasks of one transaction. It is given up when nobody waits for
// it anymore.
type group struct {
	left   int // how many callers are still there
	cancel context.CancelFunc
}

const (
	// maxGroup is how many Applies are made in one transaction.
	maxGroup = 64
	// maxGroupSize is about how many bytes they have together, and
	// maxGroupChanges how many changes, unless it is one Apply alone.
	maxGroupSize    = 8 << 20
	maxGroupChanges = 2 * store.MaxChanges
)

// do makes an Apply, or returns when ctx is done.
func (w *writers) do(ctx context.Context, tenant int32, changes []store.Change) (store.Revision, error) {
	t := &waiting{task: task{changes: clone(changes)}, done: make(chan struct{})}
	if err := w.join(tenant, t); err != nil {
		return 0, err
	}
	select {
	case <-t.done:
		return t.rev, t.err
	case <-ctx.Done():
	}
	if w.leave(tenant, t) {
		return 0, ctx.Err()
	}
	select {
	case <-t.done:
		return t.rev, t.err
	default:
		return 0, fmt.Errorf("%w: %w", errUnknown, ctx.Err())
	}
}

// clone returns changes that stay as they are when the caller, who may have left
// before they are made, changes theirs.
func clone(changes []store.Change) []store.Change {
	all := slices.Clone(changes)
	for i := range all {
		r := &all[i].Record
		r.Names, r.Labels, r.Data = slices.Clone(r.Names), slices.Clone(r.Labels), bytes.Clone(r.Data)
	}
	return all
}

// join adds a task to the lane of its tenant, which begins to work if it does
// not already.
func (w *writers) join(tenant int32, t *waiting) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return store.ErrClosed
	}
	l, ok := w.lanes[tenant]
	if !ok {
		if err := w.db.begin(); err != nil {
			return err
		}
		l = &lane{}
		w.lanes[tenant] = l
		go w.work(tenant, l)
	}
	l.waiting = append(l.waiting, t)
	return nil
}

// leave is called when the caller of a task waits no longer. It says whether the
// task was taken back in time. If not, the transaction may be given up, once it
// is made for nobody else.
func (w *writers) leave(tenant int32, t *waiting) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if g := t.group; g != nil {
		if g.left--; g.left == 0 {
			g.cancel()
		}
		return false
	}
	l, ok := w.lanes[tenant]
	if !ok {
		return false // Close has answered it
	}
	i := slices.Index(l.waiting, t)
	if i < 0 {
		return false
	}
	l.waiting = slices.Delete(l.waiting, i, i+1)
	return true
}

// work makes what comes into a lane until nothing is left.
func (w *writers) work(tenant int32, l *lane) {
	defer w.db.end()
	for {
		ctx, all := w.take(tenant, l)
		if len(all) == 0 {
			return
		}
		w.make(ctx, tenant, all)
	}
}

// take takes the tasks of the next transaction, and returns the context in which
// it is to be made.
func (w *writers) take(tenant int32, l *lane) (context.Context, []*waiting) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n, changes, size := 0, 0, 0
	for ; n < len(l.waiting) && n < maxGroup; n++ {
		t := l.waiting[n]
		changes += len(t.changes)
		for i := range t.changes {
			size += sizeOf(&t.changes[i].Record)
		}
		if n > 0 && (changes > maxGroupChanges || size > maxGroupSize) {
			break
		}
	}
	if n == 0 {
		delete(w.lanes, tenant)
		return nil, nil
	}
	all := slices.Clone(l.waiting[:n])
	l.waiting = slices.Delete(l.waiting, 0, n)
	ctx, cancel := context.WithTimeoutCause(context.Background(), w.db.timeout, errTimeout)
	g := &group{left: n, cancel: cancel}
	for _, t := range all {
		t.group = g
	}
	return ctx, all
}

func (w *writers) make(ctx context.Context, tenant int32, all []*waiting) {
	defer all[0].group.cancel()
	tasks := make([]*task, len(all))
	for i, t := range all {
		tasks[i] = &t.task
	}
	t := &transaction{db: w.db, tenant: tenant}
	err := w.db.again(ctx, func(ctx context.Context, c *pgx.Conn) error { return t.run(ctx, c, tasks) })
	if err != nil {
		err = w.db.explain(context.Background(), ctx, err)
		for _, t := range tasks {
			t.rev, t.err = 0, err
		}
	}
	for _, t := range all {
		close(t.done)
	}
	w.db.watch.changed(tenant)
}

// close answers those who wait for their turn. What is being made is finished.
func (w *writers) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	for _, l := range w.lanes {
		for _, t := range l.waiting {
			t.err = store.ErrClosed
			close(t.done)
		}
		l.waiting = nil
	}
}
