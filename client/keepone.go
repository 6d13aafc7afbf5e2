package client

import (
	"context"
	"errors"
	"fmt"

	"github.com/clientele-go/clientele/store"
)

// keepID is the id of the one record of KindKeep. Since no client can have it, it
// also names the turn of those who change that record.
const keepID = "keep.one"

// keepOne sees to it that a change from old to c (nil: it is deleted) leaves a
// client that holds one of Config.KeepOne, once one does. It returns ErrLast, or
// the changes that must be part of the same Apply, and what to call after it.
//
// A change that takes a holder away may only count on another one that nobody
// takes away at the same time. So all of them put the same record, over the
// version that it had before they looked: of two at once, one is overtaken and
// looks again.
func (r *Registry) keepOne(ctx context.Context, old, c *Client) (_ []store.Change, done func(), err error) {
	nothing := func() {}
	had, err := r.holds(ctx, old)
	if err != nil || !had {
		return nil, nothing, err
	}
	has, err := r.holds(ctx, c)
	if err != nil || has {
		return nil, nothing, err
	}
	if err := r.turns.take(ctx, keepID); err != nil {
		return nil, nothing, err
	}
	done = func() { r.turns.give(keepID) }
	record, err := r.store.Get(ctx, KindKeep, keepID)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, done, fmt.Errorf("reading what keeps one client: %w", err)
	}
	if err := store.CheckFormat(record, format); err != nil {
		return nil, done, err
	}
	another, err := r.anotherHolds(ctx, old.ID)
	if err != nil {
		return nil, done, err
	}
	if !another {
		return nil, done, fmt.Errorf("client %q: %w", old.ID, ErrLast)
	}
	return []store.Change{store.Put(store.Record{
		Kind: KindKeep, ID: keepID, Version: record.Version, Format: format,
	})}, done, nil
}

// holds reports whether c (nil: it does not) is enabled and has, as the catalog is
// now, a grant of one of Config.KeepOne.
func (r *Registry) holds(ctx context.Context, c *Client) (bool, error) {
	if c == nil || c.Disabled {
		return false, nil
	}
	for _, kept := range r.kept {
		g, ok := c.grant(kept.ServerID, kept.ScopeID)
		if !ok {
			continue
		}
		server, err := r.resources.Get(ctx, kept.ServerID)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return false, fmt.Errorf("looking for resource server %.64q: %w", kept.ServerID, err)
		}
		if _, ok := g.current(server); ok {
			return true, nil
		}
	}
	return false, nil
}

// anotherHolds reports whether a client with another id than that holds one of
// Config.KeepOne.
func (r *Registry) anotherHolds(ctx context.Context, id string) (bool, error) {
	for other, c := range r.trial.all() {
		if other == id {
			continue
		}
		if ok, err := r.holds(ctx, c); ok || err != nil {
			return ok, err
		}
	}
	for _, kept := range r.kept {
		q := Query{ServerID: kept.ServerID, ScopeID: kept.ScopeID, Status: OnlyEnabled}
		for {
			page, err := r.List(ctx, q)
			if err != nil {
				return false, err
			}
			for _, c := range page.Clients {
				if _, changed := r.trial.changed(c.ID); changed || c.ID == id {
					continue
				}
				if ok, err := r.holds(ctx, c); ok || err != nil {
					return ok, err
				}
			}
			if q.After = page.Next; q.After == "" {
				break
			}
		}
	}
	return false, nil
}
