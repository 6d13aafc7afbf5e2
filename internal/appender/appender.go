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
