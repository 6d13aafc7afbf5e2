package resource

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/clientele-go/clientele/internal/randid"
	"github.com/clientele-go/clientele/store"
)

// prepare makes w.after ready to be saved: normalised, with all of its ids, tested,
// with its times and the version that it replaces. It reports whether it differs
// from w.before. The error is a *FieldError, but for one of Config.Rand.
func (c *Catalog) prepare(w *write) (changed bool, err error) {
	s := w.after
	if w.before != nil && s.ID != w.before.ID {
		return false, within(w.prefix, fieldError("id", "cannot be changed"))
	}
	if err := c.complete(w.before, s); err != nil {
		return false, err
	}
	if err := s.check(); err != nil {
		return false, within(w.prefix, err)
	}
	s.UpdatedAt = store.Time(c.now())
	if w.before == nil {
		s.CreatedAt, s.Version = s.UpdatedAt, 0
		return true, nil
	}
	s.CreatedAt, s.Version = w.before.CreatedAt, w.before.Version
	same, err := sameContent(w.before, s)
	return !same, err
}

// sameContent reports whether a and b differ in nothing but times and versions.
func sameContent(a, b *Server) (bool, error) {
	encodedA, err := json.Marshal(a.wire())
	if err != nil {
		return false, fmt.Errorf("resource: encode: %w", err)
	}
	encodedB, err := json.Marshal(b.wire())
	if err != nil {
		return false, fmt.Errorf("resource: encode: %w", err)
	}
	return bytes.Equal(encodedA, encodedB), nil
}

// complete normalises s and gives ids to what has none. A service or a scope of a
// name that before has too keeps the id it has there, unless s gives that id to
// another one.
func (c *Catalog) complete(before, s *Server) error {
	s.normalise()
	if before == nil {
		before = &Server{}
	}
	if s.ID == "" {
		id, err := c.id()
		if err != nil {
			return err
		}
		s.ID = id
	}
	used := s.usedIDs()
	for i := range s.Services {
		service := &s.Services[i]
		if service.ID == "" {
			id, err := c.serviceID(before, used.services, service.Name)
			if err != nil {
				return err
			}
			service.ID = id
		}
		if err := c.completeScopes(before, used.scopes, service); err != nil {
			return err
		}
	}
	return nil
}

// used is the ids that stand in a server.
type used struct{ services, scopes map[string]bool }

func (s *Server) usedIDs() used {
	u := used{make(map[string]bool), make(map[string]bool)}
	for _, service := range s.Services {
		u.services[service.ID] = true
		for _, scope := range service.Scopes {
			u.scopes[scope.ID] = true
		}
	}
	return u
}

func (c *Catalog) serviceID(before *Server, used map[string]bool, name string) (string, error) {
	folded := store.Fold(name)
	for _, old := range before.Services {
		if store.Fold(old.Name) == folded && !used[old.ID] {
			used[old.ID] = true
			return old.ID, nil
		}
	}
	return c.id()
}

func (c *Catalog) completeScopes(before *Server, used map[string]bool, service *Service) error {
	old := make(map[string]string) // id by name
	for _, s := range before.Services {
		if s.ID != service.ID {
			continue
		}
		for _, scope := range s.Scopes {
			old[scope.Name] = scope.ID
		}
	}
	for j := range service.Scopes {
		scope := &service.Scopes[j]
		if scope.ID != "" {
			continue
		}
		if id := old[scope.Name]; id != "" && !used[id] {
			used[id] = true
			scope.ID = id
			continue
		}
		id, err := c.id()
		if err != nil {
			return err
		}
		scope.ID = service.ID + "::" + id
	}
	return nil
}

// id returns a new random id.
func (c *Catalog) id() (string, error) {
	id, err := randid.New(c.rand)
	if err != nil {
		return "", fmt.Errorf("resource: new id: %w", err)
	}
	return id, nil
}
