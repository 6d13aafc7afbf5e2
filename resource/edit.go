package resource

import (
	"context"
)

// Actions of audit events.
const (
	actionAdd     = "resource_server.add"
	actionEdit    = "resource_server.edit"
	actionDelete  = "resource_server.delete"
	actionDefault = "resource_server.default"
	actionSync    = "resource_server.sync"
)

// Add saves a new server and returns it as it was saved: with the ids that s left
// open, the times and the version. It fails with a *FieldError if a field breaks a
// rule, or if another server has the id, the name, the audience, or is the default
// where this one is to be it (a *DefaultError).
func (c *Catalog) Add(ctx context.Context, s Server) (*Server, error) {
	var added *Server
	err := c.change(ctx, func(st *state) ([]write, error) {
		w := write{action: actionAdd, after: s.Clone()}
		if _, err := c.prepare(&w); err != nil {
			return nil, err
		}
		added = w.after
		return []write{w}, nil
	})
	if err != nil {
		return nil, err
	}
	return added, nil
}

// Edit lets edit change a copy of the server with that id, saves it, and returns it
// as it was saved. If edit changes nothing, nothing is saved. The ID, the times and
// the version are not for edit to change.
//
// If edit returns an error, nothing is saved and Edit returns that error. It may be
// called several times, each time with a fresh copy, and must not call the Catalog's
// changing methods. Otherwise Edit fails as Add does, or with an error that wraps
// store.ErrNotFound, or store.ErrNewer if a newer release wrote the server.
func (c *Catalog) Edit(ctx context.Context, id string, edit func(*Server) error) (*Server, error) {
	var edited *Server
	err := c.change(ctx, func(st *state) ([]write, error) {
		before, err := st.get(id)
		if err != nil {
			return nil, err
		}
		w := write{action: actionEdit, before: before, after: before.Clone()}
		if err := edit(w.after); err != nil {
			return nil, err
		}
		// The copy that edit had may have been kept by it.
		w.after = w.after.Clone()
		changed, err := c.prepare(&w)
		if err != nil {
			return nil, err
		}
		if !changed {
			edited = before
			return nil, nil
		}
		edited = w.after
		return []write{w}, nil
	})
	if err != nil {
		return nil, err
	}
	return edited, nil
}

// Delete removes the server with that id, its services and their scopes. Who was
// granted one of them holds nothing there any more. It fails with an error that
// wraps store.ErrNotFound.
func (c *Catalog) Delete(ctx context.Context, id string) error {
	return c.change(ctx, func(st *state) ([]write, error) {
		before, err := st.get(id)
		if err != nil {
			return nil, err
		}
		return []write{{action: actionDelete, before: before}}, nil
	})
}

// SetDefault makes the server with that id the default, in the place of the one that
// is, in one Apply. It fails with an error that wraps store.ErrNotFound. To have no
// default, Edit the one that is.
func (c *Catalog) SetDefault(ctx context.Context, id string) error {
	return c.change(ctx, func(st *state) ([]write, error) {
		before, err := st.get(id)
		if err != nil || before.Default {
			return nil, err
		}
		var writes []write
		if holder := st.byDefault; holder != nil {
			writes = append(writes, write{action: actionDefault, before: holder, after: holder.Clone()})
			writes[0].after.Default = false
		}
		w := write{action: actionDefault, before: before, after: before.Clone()}
		w.after.Default = true
		writes = append(writes, w)
		for i := range writes {
			if _, err := c.prepare(&writes[i]); err != nil {
				return nil, err
			}
		}
		return writes, nil
	})
}
