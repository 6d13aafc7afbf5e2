// Package appender writes many appended records with few commits: a log of issued
// tokens, of refusals, of uses. Records that arrive while an Apply is under way go
// together into the next one.
//
//	log := appender.New(appender.Config{Store: s})
//	...
//	err := log.Write(ctx, record) // durable when it returns nil
//	kept := log.Add(record)       // written soon, unless there is too much
//	...
//	err = log.Close(ctx)          // writes what is left
//
// It has no standing goroutine: one runs while there is something to write.
package appender

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/clientele-go/clientele/store"
)

// What is used where Config says nothing.
const (
	DefaultBatch   = 64
	DefaultQueue   = 1024
	DefaultTimeout = 10 * time.Second
)

// ErrClosed: the Appender was closed before, so nothing was written.
var ErrClosed = errors.New("appender: closed")

// Config is what an Appender is made of. Only Store is required.
type Config struct {
	Store store.Store
	// Batch is the most records of one Apply, 1 to store.MaxChanges. 0 means
	// DefaultBatch.
	Batch int
	// Queue is the most records of Add and AddFunc that wait: those of Write
	// do not count, since their callers wait with them. 0 means DefaultQueue.
	Queue int
	// Pause is how long records of Add and AddFunc wait for others, unless they
	// fill a batch before, or somebody waits in Write, Flush or Close. 0 means
	// that they do not.
	Pause time.Duration
	// Timeout is how long an Apply may take. 0 means DefaultTimeout.
	Timeout time.Duration
	// Lost, if set, is told of each record of Add and AddFunc that was not
	// written, or perhaps not, and why. It is called by one goroutine at a
	// time, and must not wait for the Appender.
	Lost func(r store.Record, err error)
}

// An Appender appends the records of concurrent callers to a store, in the order
// in which they came. Its methods may be called concurrently. Nobody may change
// the slices of a record any more once it was handed in.
//
// A record that exists already is the fault of that record alone: the others of
// its batch are written.
type Appender struct {
	cfg    Config
	ctx    context.Context // of every Apply; ends if Close gives up
	cancel context.CancelFunc

	mu          sync.Mutex
	first, last *entry // what waits
	spare       *entry // of those that nobody waited for, to be used again
	spares      int    // of them
	waiting     int    // of it, what Config.Queue counts
	awaited     int    // of it, the others: somebody waits for each
	running     bool   // a goroutine writes
	pausing     bool   // timer will have one write
	timer       *time.Timer
	closed      bool

	// What follows belongs to the goroutine that writes.
	batch   []*entry
	room    Room
	changes []store.Change
	ids     map[id]struct{}
}

type id struct {
	kind store.Kind
	id   string
}

// New returns an Appender. A Config without a Store, or with a negative field, is
// a mistake of the program: New panics.
func New(cfg Config) *Appender {
	if cfg.Store == nil || cfg.Batch < 0 || cfg.Batch > store.MaxChanges || cfg.Queue < 0 || cfg.Pause < 0 || cfg.Timeout < 0 {
		panic("appender: Config without a Store, or out of bounds")
	}
	if cfg.Batch == 0 {
		cfg.Batch = DefaultBatch
	}
	if cfg.Queue == 0 {
		cfg.Queue = DefaultQueue
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = DefaultTimeout
	}
	a := &Appender{cfg: cfg, ids: make(map[id]struct{}, cfg.Batch)}
	a.ctx, a.cancel = context.WithCancel(context.Background())
	return a
}

// Write appends r and returns when that is durable. Its error is store.ErrExists
// or store.ErrTaken in a *store.ChangeError, store.ErrInvalid, ErrClosed, that of
// ctx, or that of the store for the whole batch, which leaves the outcome unknown.
// So does the end of ctx, unless r was still waiting for its turn: then it is not
// written.
func (a *Appender) Write(ctx context.Context, r store.Record) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := store.Check(store.Append(r)); err != nil {
		return err
	}
	e := &entry{record: r, done: make(chan error, 1)}
	if !a.push(e) {
		return ErrClosed
	}
	return a.await(ctx, e)
}

// Add has r appended soon, and reports whether it will be tried: not if too many
// wait, r is invalid, or the Appender is closed. It never waits. A record that
// exists already counts as written; what else goes wrong is told to Config.Lost.
func (a *Appender) Add(r store.Record) bool {
	return store.Check(store.Append(r)) == nil && a.add(r, nil)
}

// A Build makes a record, or says that there is none to write. Its context ends with
// the batch that the record is of, and so does what it has taken of room.
type Build func(ctx context.Context, room *Room) (store.Record, bool)

// AddFunc is like Add for a record that is made when its turn comes, in the
// goroutine that writes: for work that should not delay the caller.
func (a *Appender) AddFunc(build Build) bool { return a.add(store.Record{}, build) }

// Flush returns when all that was handed in before it was called has been written,
// or has failed to be. Its error is that of ctx.
func (a *Appender) Flush(ctx context.Context) error {
	e := &entry{barrier: true, done: make(chan error, 1)}
	a.mu.Lock()
	if !a.running && a.first == nil {
		a.mu.Unlock()
		return nil
	}
	a.enqueue(e)
	a.mu.Unlock()
	return a.await(ctx, e)
}

// Close writes what waits and returns when that is done. From its call on nothing
// more is taken. If ctx ends first it gives up: what is not written by then is
// lost, those who wait in Write get an error, and Close returns that of ctx.
// Closing again does the same for what is left.
func (a *Appender) Close(ctx context.Context) error {
	a.mu.Lock()
	a.closed = true
	a.mu.Unlock()
	err := a.Flush(ctx)
	if err != nil {
		a.cancel()
	}
	return err
}

// An entry is what waits in the queue: a record, the making of one, or a barrier.
// The mutex of the Appender guards next and state.
type entry struct {
	record  store.Record
	build   Build
	barrier bool
	done    chan error // nil for Add and AddFunc; has room for one

	next  *entry
	state state

	finished bool // belongs to the goroutine that writes
}

type state uint8

const (
	queued state = iota
	taken        // by the goroutine that writes
	left         // by its caller, before it was taken
)

// counts reports whether Config.Queue counts e.
func (e *entry) counts() bool { return e.done == nil }

// push puts e, whose caller waits, into the queue.
func (a *Appender) push(e *entry) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return false
	}
	a.enqueue(e)
	return true
}

// add puts what nobody waits for into the queue, if that is not full.
func (a *Appender) add(r store.Record, build Build) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed || a.waiting >= a.cfg.Queue {
		return false
	}
	e := a.spare
	if e == nil {
		e = new(entry)
	} else {
		a.spare, e.next = e.next, nil
		a.spares--
	}
	e.record, e.build = r, build
	a.enqueue(e)
	return true
}

// recycle keeps the entries of a batch that is done, to be used again: as many as a
// batch has.
func (a *Appender) recycle(batch []*entry) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, e := range batch {
		if e.counts() && a.spares < a.cfg.Batch {
			*e = entry{next: a.spare}
			a.spare = e
			a.spares++
		}
	}
}

// enqueue puts e into the queue, and sees to it that somebody writes. The caller
// holds a.mu.
func (a *Appender) enqueue(e *entry) {
	if a.last == nil {
		a.first = e
	} else {
		a.last.next = e
	}
	a.last = e
	if e.counts() {
		a.waiting++
	} else {
		a.awaited++
	}
	switch {
	case a.running:
	case a.patient():
		a.pause()
	default:
		a.running, a.pausing = true, false
		go a.run()
	}
}

// patient reports whether what waits may wait for others. The caller holds a.mu.
func (a *Appender) patient() bool {
	return a.cfg.Pause > 0 && a.awaited == 0 && a.waiting < a.cfg.Batch
}

// pause has what waits written later, unless it is to be already. The caller holds
// a.mu.
func (a *Appender) pause() {
	switch {
	case a.pausing:
	case a.timer == nil:
		a.timer = time.AfterFunc(a.cfg.Pause, a.wake)
	default:
		a.timer.Reset(a.cfg.Pause)
	}
	a.pausing = true
}

// wake ends a pause.
func (a *Appender) wake() {
	a.mu.Lock()
	due := a.pausing && !a.running
	if due {
		a.running, a.pausing = true, false
	}
	a.mu.Unlock()
	if due {
		a.run()
	}
}

// await returns what became of e, or the error of ctx.
func (a *Appender) await(ctx context.Context, e *entry) error {
	select {
	case err := <-e.done:
		return err
	case <-ctx.Done():
	}
	a.mu.Lock()
	if e.state == queued {
		e.state = left
		e.record = store.Record{}
	}
	a.mu.Unlock()
	select {
	case err := <-e.done: // both at once
		return err
	default:
		return ctx.Err()
	}
}

// run writes until there is nothing left to write, or only what may wait for
// others.
func (a *Appender) run() {
	for due := true; a.take(due); due = false {
		a.write()
	}
}

// take moves what is next from the queue into a.batch, up to a barrier, which is
// passed once all before it is done. If there is nothing, or nothing that is due,
// it says that nobody writes any more.
func (a *Appender) take(due bool) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !due && a.first != nil && a.patient() {
		a.running = false
		a.pause()
		return false
	}
	for a.first != nil && len(a.batch) < a.cfg.Batch {
		e := a.first
		if e.barrier && len(a.batch) > 0 {
			break
		}
		if a.first = e.next; a.first == nil {
			a.last = nil
		}
		e.next = nil
		if e.counts() {
			a.waiting--
		} else {
			a.awaited--
		}
		if e.state == left {
			continue
		}
		e.state = taken
		if e.barrier {
			e.done <- nil
			continue
		}
		a.batch = append(a.batch, e)
	}
	a.running = len(a.batch) > 0
	return a.running
}

// write writes a.batch and empties it, whatever the store or a build does: in a
// goroutine of its own, a panic would end the program.
func (a *Appender) write() {
	defer func() {
		if r := recover(); r != nil {
			err := fmt.Errorf("appender: panic: %v\n\n%s", r, debug.Stack())
			for _, e := range a.batch {
				a.finish(e, err)
			}
		}
		a.recycle(a.batch)
		clear(a.batch)
		clear(a.changes)
		a.batch = a.batch[:0]
		a.room.clear()
	}()
	a.build()
	rest := a.batch
	for len(rest) > 0 {
		n := a.distinct(rest)
		a.apply(rest[:n])
		rest = rest[n:]
	}
}

// build makes the records that are to be made.
func (a *Appender) build() {
	ctx, cancel := a.ctx, context.CancelFunc(nil)
	for _, e := range a.batch {
		if e.build == nil {
			continue
		}
		if cancel == nil {
			ctx, cancel = context.WithTimeout(a.ctx, a.cfg.Timeout)
			defer cancel()
		}
		record, ok := e.build(ctx, &a.room)
		if !ok {
			e.finished = true
			continue
		}
		e.record = record
		if err := store.Check(store.Append(record)); err != nil {
			a.finish(e, err)
		}
	}
}

// distinct returns how many of entries there are before a record comes a second
// time, which one Apply may not have.
func (a *Appender) distinct(entries []*entry) int {
	if ascending(entries) {
		return len(entries)
	}
	clear(a.ids)
	for n, e := range entries {
		if e.finished {
			continue
		}
		key := id{e.record.Kind, e.record.ID}
		if _, ok := a.ids[key]; ok {
			return n
		}
		a.ids[key] = struct{}{}
	}
	return len(entries)
}

// ascending reports whether each record has a greater id than the one before it, as
// those have that are named by their time. Then none is there twice.
func ascending(entries []*entry) bool {
	last := ""
	for _, e := range entries {
		if e.finished {
			continue
		}
		if e.record.ID <= last {
			return false
		}
		last = e.record.ID
	}
	return true
}

// apply writes the records of entries. A change that can't be made is taken out,
// and the others, of which the store then made none either, are tried again.
func (a *Appender) apply(entries []*entry) {
	for {
		a.changes = a.changes[:0]
		for _, e := range entries {
			if !e.finished {
				a.changes = append(a.changes, store.Append(e.record))
			}
		}
		if len(a.changes) == 0 {
			return
		}
		ctx, cancel := context.WithTimeout(a.ctx, a.cfg.Timeout)
		_, err := a.cfg.Store.Apply(ctx, a.changes...)
		cancel()
		count := len(a.changes)
		clear(a.changes) // of which nothing is held on to
		var failed *store.ChangeError
		if errors.As(err, &failed) && failed.Index >= 0 && failed.Index < count {
			e := nth(entries, failed.Index)
			a.finish(e, &store.ChangeError{Kind: e.record.Kind, ID: e.record.ID, Err: failed.Err})
			continue
		}
		for _, e := range entries {
			a.finish(e, err)
		}
		return
	}
}

// nth returns the entry whose record is the nth of those that are written.
func nth(entries []*entry, n int) *entry {
	for _, e := range entries {
		if e.finished {
			continue
		}
		if n == 0 {
			return e
		}
		n--
	}
	return nil // there are as many as there were changes
}

// finish says what became of e, once.
func (a *Appender) finish(e *entry, err error) {
	if e.finished {
		return
	}
	e.finished = true
	switch {
	case e.done != nil:
		e.done <- err
	case err != nil && !errors.Is(err, store.ErrExists) && a.cfg.Lost != nil:
		a.cfg.Lost(e.record, err)
	}
}
