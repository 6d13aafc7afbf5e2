package resource

import (
	"context"
	"errors"
	"fmt"

	"github.com/clientele-go/clientele/audit"
	"github.com/clientele-go/clientele/store"
)

// attempts is how often a change is tried while somebody else's come in between.
// Those of one Catalog wait for each other, so only other processes count.
const attempts = 16

// A write is one server as it is and as it becomes.
type write struct {
	action        string
	before, after *Server // nil: not there
	// tellBefore and tellAfter are what the event tells in the place of the
	// whole servers, if set.
	tellBefore, tellAfter any
	// prefix stands before the field in errors that are about after.
	prefix string
}

// server returns the server that w is about.
func (w *write) server() *Server {
	if w.after != nil {
		return w.after
	}
	return w.before
}

// change reads the catalog, asks plan what to write, and writes it with its events
// in one Apply; and all of it again if somebody else changed the catalog in between.
func (c *Catalog) change(ctx context.Context, plan func(*state) ([]write, error)) error {
	if _, err := audit.ActorFrom(ctx); err != nil {
		return err
	}
	select {
	case c.changing <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-c.changing }()
	for range attempts - 1 {
		if overtaken, err := c.try(ctx, plan); !overtaken {
			return err
		}
	}
	overtaken, err := c.try(ctx, plan)
	if overtaken {
		return fmt.Errorf("resource: %w %d times in a row: %w", store.ErrConflict, attempts, err)
	}
	return err
}

// try is one attempt of change. It reports whether another change came in between,
// so that it is worth another one.
func (c *Catalog) try(ctx context.Context, plan func(*state) ([]write, error)) (overtaken bool, err error) {
	st, err := read(ctx, c.store)
	if err != nil {
		return false, fmt.Errorf("resource: read the catalog: %w", err)
	}
	writes, err := plan(st)
	if err != nil || len(writes) == 0 {
		return false, err
	}
	changes, events, err := c.changes(ctx, st, writes)
	if err != nil {
		return false, err
	}
	revision, err := c.store.Apply(ctx, changes...)
	c.snapshot.Drop()
	if err != nil {
		var failed *store.ChangeError
		return errors.As(err, &failed), fmt.Errorf("resource: save: %w", err)
	}
	for _, event := range events {
		event.Done(ctx)
	}
	for _, w := range writes {
		if w.after != nil {
			w.after.Version = revision
			w.after.index()
		}
	}
	return false, nil
}

// changes returns the changes that make the writes, with their events behind them,
// and the events.
func (c *Catalog) changes(ctx context.Context, st *state, writes []write) ([]store.Change, []audit.Pending, error) {
	if err := st.permit(writes); err != nil {
		return nil, nil, err
	}
	ordered, err := order(writes)
	if err != nil {
		return nil, nil, err
	}
	changes := make([]store.Change, 0, 2*len(writes))
	for _, w := range ordered {
		if w.after == nil {
			changes = append(changes, store.Delete(Kind, w.before.ID, w.before.Version))
			continue
		}
		record, err := w.after.record()
		if err != nil {
			return nil, nil, within(w.prefix, err)
		}
		changes = append(changes, store.Put(record))
	}
	events := make([]audit.Pending, 0, len(writes))
	for _, w := range ordered {
		event, err := c.event(ctx, w)
		if err != nil {
			return nil, nil, err
		}
		changes = append(changes, event.Change)
		events = append(events, event)
	}
	return changes, events, nil
}

func (c *Catalog) event(ctx context.Context, w *write) (audit.Pending, error) {
	entry := audit.Entry{
		Action:  w.action,
		Subject: audit.Subject{Kind: string(Kind), ID: w.server().ID, Name: w.server().Name},
		Before:  w.tellBefore,
		After:   w.tellAfter,
	}
	if entry.Before == nil && w.before != nil {
		entry.Before = w.before
	}
	if entry.After == nil && w.after != nil {
		entry.After = w.after
	}
	return c.audit.Change(ctx, entry)
}

// permit tests what the store would refuse, to say it better: that no server is
// rewritten that a newer release wrote, and that ids, names, audiences and the
// default belong to one server each once the writes are made.
func (st *state) permit(writes []write) error {
	writing := make(map[string]bool, len(writes))
	for _, w := range writes {
		writing[w.server().ID] = true
		if err := st.newer[w.server().ID]; err != nil && w.after != nil {
			return err
		}
		if other := st.byID[w.server().ID]; other != nil && w.before == nil {
			return within(w.prefix, &FieldError{"id", fmt.Sprintf("is that of resource server %q already", other.Name), store.ErrExists})
		}
	}
	held := make(map[string]*Server, 2*len(st.servers))
	for _, server := range st.servers {
		if writing[server.ID] {
			continue
		}
		for _, name := range server.names() {
			held[name] = server
		}
	}
	for _, w := range writes {
		if w.after == nil {
			continue
		}
		for _, name := range w.after.names() {
			if holder := held[name]; holder != nil {
				return within(w.prefix, w.after.taken(name, holder))
			}
			held[name] = w.after
		}
	}
	return nil
}

// taken says that s cannot have a unique name because holder has it.
func (s *Server) taken(name string, holder *Server) error {
	switch name {
	case nameDefault:
		err := &DefaultError{ID: holder.ID, Name: holder.Name}
		return &FieldError{s.field(name), err.Error(), err}
	case s.uniqueAudience():
		return &FieldError{s.field(name), fmt.Sprintf("is that of resource server %s (%q) already", holder.ID, holder.Name), store.ErrTaken}
	default:
		return &FieldError{s.field(name), fmt.Sprintf("is, but for the case, that of resource server %s (%q) already", holder.ID, holder.Name), store.ErrTaken}
	}
}

// field returns the field that a unique name of s comes from.
func (s *Server) field(name string) string {
	switch name {
	case nameDefault:
		return "defaultApi"
	case s.uniqueAudience():
		return "primaryAud"
	default:
		return "name"
	}
}

// order returns the writes so that each unique name is given up before another
// server takes it, as the store wants it, and fails if there is no such order.
func order(writes []write) ([]*write, error) {
	holders := make(map[string]int, 2*len(writes))
	for i, w := range writes {
		if w.before == nil {
			continue
		}
		for _, name := range w.before.names() {
			holders[name] = i
		}
	}
	ordered := make([]*write, 0, len(writes))
	const waiting, done = 1, 2
	progress := make([]int, len(writes))
	var visit func(i int) error
	visit = func(i int) error {
		progress[i] = waiting
		w := &writes[i]
		if w.after != nil {
			for _, name := range w.after.names() {
				j, ok := holders[name]
				if !ok || j == i || progress[j] == done {
					continue
				}
				if progress[j] == waiting {
					return within(w.prefix, &FieldError{w.after.field(name),
						fmt.Sprintf("is still that of resource server %s, which takes over one in exchange; change them one after the other", writes[j].before.ID), store.ErrTaken})
				}
				if err := visit(j); err != nil {
					return err
				}
			}
		}
		progress[i] = done
		ordered = append(ordered, w)
		return nil
	}
	for i := range writes {
		if progress[i] != 0 {
			continue
		}
		if err := visit(i); err != nil {
			return nil, err
		}
	}
	return ordered, nil
}
