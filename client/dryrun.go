package client

import (
	"context"
	"errors"

	"github.com/clientele-go/clientele/store"
)

// DryRun returns a Registry over the same data that writes nothing. Its changing
// methods need an actor, test everything as those of r do, return the same errors,
// and return what the change would have made: a client that would be new has no
// ID, and what AddSecret, AddSecretDigest and Rotate return is no secret, and an
// entry without ID and, where it would have been generated, without Digest. The
// Version stays that of the client as it is.
//
// Each change is tested by itself, against the data as it is at that moment:
// none sees what another one would have made.
func (r *Registry) DryRun() *Registry { return r.try(&trial{}) }

// try returns a Registry that makes its changes to t alone.
func (r *Registry) try(t *trial) *Registry {
	dry := *r
	dry.trial = t
	return &dry
}

// A trial takes changes in the place of a store. With a map it remembers them, so
// that later ones are tested against what earlier ones left. They come one after
// the other then, each client is changed once at most, and no two get the same
// name.
type trial struct {
	clients map[string]*Client // what was changed, by id; nil if deleted
}

// newTrial returns a trial that remembers.
func newTrial() *trial { return &trial{clients: map[string]*Client{}} }

// changed returns the client with that id as a change has left it, nil if it was
// deleted, and whether there was a change. A nil trial has none.
func (t *trial) changed(id string) (*Client, bool) {
	if t == nil {
		return nil, false
	}
	c, ok := t.clients[id]
	return c, ok
}

// apply takes the changes that lead from old to c if store.Store.Apply would, and
// else returns its error. That what was read just now is still there needs no test.
func (r *Registry) apply(ctx context.Context, old, c *Client, changes []store.Change) error {
	for i := range changes {
		record := &changes[i].Record
		err := r.refuse(ctx, &changes[i], old, c)
		switch {
		case errors.Is(err, store.ErrExists), errors.Is(err, store.ErrTaken):
			return &store.ChangeError{Index: i, Kind: record.Kind, ID: record.ID, Err: err}
		case err != nil:
			return err
		}
	}
	r.trial.take(old, c)
	return nil
}

// refuse returns why a change that would be part of an Apply can't be made.
func (r *Registry) refuse(ctx context.Context, change *store.Change, old, c *Client) error {
	record := &change.Record
	if record.Version == 0 {
		if _, used := r.trial.changed(record.ID); used && (record.Kind == Kind || record.Kind == KindID) {
			return store.ErrExists
		}
		_, err := r.store.Get(ctx, record.Kind, record.ID)
		switch {
		case err == nil:
			return store.ErrExists
		case !errors.Is(err, store.ErrNotFound):
			return err
		}
	}
	if record.Kind != Kind || change.Op != store.OpPut {
		return nil
	}
	taken, err := r.nameTaken(ctx, old, c)
	if err == nil && taken {
		err = store.ErrTaken
	}
	return err
}

// nameTaken reports whether another client has the name of c.
func (r *Registry) nameTaken(ctx context.Context, old, c *Client) (bool, error) {
	if old != nil && store.Fold(old.Name) == store.Fold(c.Name) {
		return false, nil
	}
	other, err := r.ByName(ctx, c.Name)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	_, gone := r.trial.changed(other.ID) // or it has another name by now
	return !gone, nil
}

// take remembers what became of a client.
func (t *trial) take(old, c *Client) {
	switch {
	case t.clients == nil:
	case c == nil:
		t.clients[old.ID] = nil
	default:
		t.clients[c.ID] = c
	}
}

// all returns what was changed, by id. A nil trial has nothing.
func (t *trial) all() map[string]*Client {
	if t == nil {
		return nil
	}
	return t.clients
}
