package client

import (
	"context"
	"errors"
	"fmt"

	"github.com/clientele-go/clientele/audit"
	"github.com/clientele-go/clientele/store"
)

// Actions of audit events.
const (
	actionAdd          = "client.add"
	actionImport       = "client.import"
	actionEdit         = "client.edit"
	actionDelete       = "client.delete"
	actionAddSecret    = "client.secret.add"
	actionRotateSecret = "client.secret.rotate"
	actionDeleteSecret = "client.secret.delete"
)

// editAttempts bounds how often a change is tried while those of other processes
// come in between.
const editAttempts = 16

// change reads a client, asks plan what becomes of it (nil: it is deleted), and
// writes that if nobody changed it in between; otherwise it begins again, until
// it has made so many attempts. A plan that returns the client that it was given
// changes nothing. With several attempts it waits for those that are under way
// here; with a single one it does not: who is overtaken is told so.
func (r *Registry) change(ctx context.Context, action, id string, attempts int, plan func(old *Client) (*Client, error)) (*Client, error) {
	if _, err := audit.ActorFrom(ctx); err != nil {
		return nil, err
	}
	if attempts > 1 {
		if err := r.turns.take(ctx, id); err != nil {
			return nil, err
		}
		defer r.turns.give(id)
	}
	for {
		record, err := r.read(ctx, id)
		if err != nil {
			return nil, err
		}
		if err := store.CheckFormat(record, format); err != nil {
			return nil, err
		}
		old, err := decode(record)
		if err != nil {
			return nil, err
		}
		for _, ok := range r.checks {
			if err := ok(old.Clone()); err != nil {
				return nil, err
			}
		}
		c, err := plan(old)
		if err != nil || c == old {
			return c, err
		}
		err = r.save(ctx, action, old, c, inOrders(record))
		if err == nil {
			return c, nil
		}
		if attempts--; attempts <= 0 || !errors.Is(err, errRaced) {
			return nil, err
		}
	}
}

// save writes the change from old (nil: it is new) to c (nil: it is deleted),
// with its index records and its audit event, in one Apply, and completes c. It is
// told whether old stands in the orders of KindCreated and KindEnd.
func (r *Registry) save(ctx context.Context, action string, old, c *Client, ordered bool) error {
	some := old
	if c != nil {
		some = c
		c.UpdatedAt = store.Time(r.now())
		if old == nil {
			c.CreatedAt = c.UpdatedAt
		}
	}
	changes, err := changesOf(old, c, ordered)
	if err != nil {
		return err
	}
	kept, done, err := r.keepOne(ctx, old, c)
	defer done()
	if err != nil {
		return err
	}
	changes = append(changes, kept...)
	entry := audit.Entry{Action: action, Subject: audit.Subject{Kind: string(Kind), ID: some.ID, Name: some.Name}}
	if old != nil {
		entry.Before = viewOf(old)
	}
	if c != nil {
		entry.After = viewOf(c)
	}
	event, err := r.audit.Change(ctx, entry)
	if err != nil {
		return err
	}
	if r.trial != nil {
		if err := r.apply(ctx, old, c, append(changes, event.Change)); err != nil {
			return applyError(old, some, changes, err)
		}
		return nil
	}
	revision, err := r.store.Apply(ctx, append(changes, event.Change)...)
	// Also after an error: the outcome may be unknown.
	r.table.Forget(some.ID)
	if err != nil {
		return applyError(old, some, changes, err)
	}
	event.Done(ctx)
	if c != nil {
		c.Version = revision
	}
	return nil
}

// applyError says what a failed Apply means for the client, some, which was old
// before. The Apply began with the changes.
func applyError(old, some *Client, changes []store.Change, err error) error {
	var failed *store.ChangeError
	if !errors.As(err, &failed) || failed.Index >= len(changes) {
		return wrap("saving", some.ID, err)
	}
	switch {
	case changes[failed.Index].Record.Kind == KindKeep:
		return fmt.Errorf("client %q: %w", some.ID, errRaced)
	case errors.Is(err, store.ErrTaken):
		return invalid("Name", ErrNameTaken, "another client is called %q, whatever the case; choose another name", some.Name)
	case errors.Is(err, store.ErrExists) && old == nil:
		return invalid("ID", ErrIDUsed, "%q is, or was once, the id of a client; ids are never used again", some.ID)
	case errors.Is(err, store.ErrConflict):
		return fmt.Errorf("client %q: %w", some.ID, errRaced)
	default: // it was deleted in between
		return wrap("saving", some.ID, err)
	}
}

// changesOf returns the changes that lead from old (nil: none), which stands in the
// orders or not, to c (nil: none).
func changesOf(old, c *Client, ordered bool) ([]store.Change, error) {
	var changes []store.Change
	var record store.Record
	if c == nil {
		changes = append(changes, store.Delete(Kind, old.ID, old.Version))
	} else {
		var err error
		if record, err = recordOf(c); err != nil {
			return nil, err
		}
		if old != nil {
			record.Version = old.Version
		}
		changes = append(changes, store.Put(record))
	}
	if old == nil {
		changes = append(changes, store.Append(store.Record{Kind: KindID, ID: c.ID}))
	}
	changes = append(changes, expiryChanges(old, c)...)
	return append(changes, orderChanges(record, old, c, ordered)...), nil
}
