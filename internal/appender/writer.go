package appender

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/clientele-go/clientele/store"
)

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
