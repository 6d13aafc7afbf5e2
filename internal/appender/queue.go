package appender

import (
	"context"
	"time"

	"github.com/clientele-go/clientele/store"
)

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
