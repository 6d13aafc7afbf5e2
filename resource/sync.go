package resource

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/clientele-go/clientele/store"
)

// A Diff says what a Sync changed.
type Diff struct {
	ServerID  string   // of the server that the service belongs to
	ServiceID string   // of the service that was synced
	Added     []Scope  // in the order pushed
	Renamed   []Rename // in the order shown
	Removed   []Scope  // in the order shown; who was granted one of them holds nothing there any more
}

// A Rename says that the scope with that ID has another name. Grants go by the ID
// and are not touched.
type Rename struct{ ID, From, To string }

// Empty reports whether nothing was changed.
func (d Diff) Empty() bool {
	return len(d.Added) == 0 && len(d.Renamed) == 0 && len(d.Removed) == 0
}

// Sync makes scopes the scopes of a service, which is found by its id or its name
// (see Server.Service) in the server with that id. It is how a service pushes its
// roles: all of them, whenever they may have changed, since what changed nothing
// writes nothing.
//
// A scope with an ID that the service has is renamed if need be, one with another ID
// is added, and one without ID is taken for the scope of the same name; if there is
// none, it is added and gets an ID. Scopes of the service that are not among scopes
// are removed, all of them if scopes is empty. Those that stay keep their order.
//
// It fails with a *FieldError, whose path begins with "scopes" and counts as scopes
// does (or is "serviceScopes" where the server would have too much of it all), or with
// an error that wraps store.ErrNotFound.
func (c *Catalog) Sync(ctx context.Context, serverID, service string, scopes []Scope) (Diff, error) {
	var diff Diff
	err := c.change(ctx, func(st *state) ([]write, error) {
		before, err := st.get(serverID)
		if err != nil {
			return nil, err
		}
		i := before.serviceIndex(service)
		if i < 0 {
			return nil, fmt.Errorf("service %.64q of resource server %s: %w", service, serverID, store.ErrNotFound)
		}
		if err := before.foreign(i, scopes); err != nil {
			return nil, err
		}
		after := before.Clone()
		after.Services[i].Scopes = slices.Clone(scopes)
		if err := c.complete(before, after); err != nil {
			return nil, err
		}
		if err := after.check(); err != nil {
			return nil, without(fmt.Sprintf("serviceScopes[%d].", i), err)
		}
		after.Services[i].Scopes, diff = merge(before.Services[i].Scopes, after.Services[i].Scopes)
		diff.ServerID, diff.ServiceID = after.ID, after.Services[i].ID
		if diff.Empty() {
			return nil, nil
		}
		w := write{
			action: actionSync, before: before, after: after,
			tellBefore: before.Services[i].wire(), tellAfter: after.Services[i].wire(),
		}
		if _, err := c.prepare(&w); err != nil {
			return nil, err
		}
		return []write{w}, nil
	})
	if err != nil {
		return Diff{}, err
	}
	return diff, nil
}

// foreign tests that none of scopes, pushed by the service at i, is another service's:
// check would find that too, but might lay the fault to the other one.
func (s *Server) foreign(i int, scopes []Scope) error {
	for j, scope := range scopes {
		if owner, _, ok := s.Scope(scope.ID); ok && owner.ID != s.Services[i].ID {
			return fieldError(fmt.Sprintf("scopes[%d].id", j), "is that of a scope of service %q; every scope of a resource server needs one of its own", owner.Name)
		}
	}
	return nil
}

// merge returns pushed in the order in which old has them, new ones last, and what
// is different.
func merge(old, pushed []Scope) ([]Scope, Diff) {
	names := make(map[string]string, len(pushed))
	for _, scope := range pushed {
		names[scope.ID] = scope.Name
	}
	var diff Diff
	merged := make([]Scope, 0, len(pushed))
	had := make(map[string]bool, len(old))
	for _, scope := range old {
		had[scope.ID] = true
		name, stays := names[scope.ID]
		if !stays {
			diff.Removed = append(diff.Removed, scope)
			continue
		}
		if name != scope.Name {
			diff.Renamed = append(diff.Renamed, Rename{scope.ID, scope.Name, name})
		}
		merged = append(merged, Scope{scope.ID, name})
	}
	for _, scope := range pushed {
		if !had[scope.ID] {
			diff.Added = append(diff.Added, scope)
			merged = append(merged, scope)
		}
	}
	return merged, diff
}

// without returns err with prefix cut from the front of its field, if it is a
// FieldError with one.
func without(prefix string, err error) error {
	var f *FieldError
	if !errors.As(err, &f) {
		return err
	}
	return &FieldError{strings.TrimPrefix(f.Field, prefix), f.Problem, f.Err}
}
