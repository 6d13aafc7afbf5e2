package resource_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/audit"
	"github.com/clientele-go/clientele/memstore"
	"github.com/clientele-go/clientele/resource"
	"github.com/clientele-go/clientele/store"
)

// changing is each method that changes something, on the server "orders".
var changing = map[string]func(context.Context, *resource.Catalog) error{
	"Add": func(ctx context.Context, c *resource.Catalog) error {
		_, err := c.Add(ctx, plain("added"))
		return err
	},
	"Edit": func(ctx context.Context, c *resource.Catalog) error {
		_, err := c.Edit(ctx, "orders", func(s *resource.Server) error { s.Description += "."; return nil })
		return err
	},
	"Delete":     func(ctx context.Context, c *resource.Catalog) error { return c.Delete(ctx, "orders") },
	"SetDefault": func(ctx context.Context, c *resource.Catalog) error { return c.SetDefault(ctx, "orders") },
	"Load": func(ctx context.Context, c *resource.Catalog) error {
		_, err := c.Load(ctx, strings.NewReader(`{"records":[{"id":"orders","name":"Loaded","primaryAud":"urn:x:y"}]}`))
		return err
	},
	"Sync": func(ctx context.Context, c *resource.Catalog) error {
		_, err := c.Sync(ctx, "orders", "shop", []resource.Scope{{Name: "Role:New"}})
		return err
	},
}

func TestEveryChangeNeedsAnActor(t *testing.T) {
	for name, change := range changing {
		t.Run(name, func(t *testing.T) {
			catalog, s := newCatalog(t, resource.Config{})
			add(t, catalog, orders())
			at := revision(t, s)
			require.ErrorIs(t, change(t.Context(), catalog), audit.ErrNoActor)
			require.Equal(t, at, revision(t, s))
			require.NoError(t, change(acting(t), catalog))
			require.Greater(t, revision(t, s), at)
			require.Len(t, events(t, s), 2, "one event for each change")
		})
	}
	t.Run("also a Load and a Sync that find nothing to do", func(t *testing.T) {
		catalog, _ := newCatalog(t, resource.Config{})
		_, err := catalog.Load(t.Context(), strings.NewReader(`{"records":[]}`))
		require.ErrorIs(t, err, audit.ErrNoActor)
	})
}

func TestAChangeInBetween(t *testing.T) {
	for name, change := range changing {
		t.Run(name+" is tried again", func(t *testing.T) {
			s := &hooked{Store: memstore.New()}
			catalog, _ := newCatalog(t, resource.Config{Store: s})
			other, _ := newCatalog(t, resource.Config{Store: s.Store})
			add(t, catalog, orders())
			left := 15
			s.before = func() error {
				if left == 0 {
					return nil
				}
				left--
				_, err := other.Edit(acting(t), "orders", func(s *resource.Server) error { s.DisplayName = fmt.Sprint(left); return nil })
				return err
			}
			require.NoError(t, change(acting(t), catalog))
			if name != "Add" { // which nothing was in the way of
				require.Zero(t, left)
			}
			if server, err := catalog.Get(t.Context(), "orders"); err == nil && name != "Add" && name != "Load" {
				require.Equal(t, "0", server.DisplayName, "the change in between is not lost")
			}
		})
		if name == "Add" {
			continue
		}
		t.Run(name+" gives up after sixteen times", func(t *testing.T) {
			s := &hooked{Store: memstore.New()}
			catalog, _ := newCatalog(t, resource.Config{Store: s})
			other, _ := newCatalog(t, resource.Config{Store: s.Store})
			add(t, catalog, orders())
			tries := 0
			s.before = func() error {
				tries++
				_, err := other.Edit(acting(t), "orders", func(s *resource.Server) error { s.DisplayName = fmt.Sprint(tries); return nil })
				return err
			}
			require.ErrorIs(t, change(acting(t), catalog), store.ErrConflict)
			require.Equal(t, 16, tries)
		})
	}
	once := func(s *hooked, change func() error) {
		s.before = func() error {
			s.before = nil
			return change()
		}
	}
	t.Run("who loses a name is told who has it", func(t *testing.T) {
		s := &hooked{Store: memstore.New()}
		catalog, _ := newCatalog(t, resource.Config{Store: s})
		other, _ := newCatalog(t, resource.Config{Store: s.Store})
		once(s, func() error {
			_, err := other.Add(acting(t), resource.Server{ID: "first", Name: "ORDERS", Audience: "urn:x:y"})
			return err
		})
		_, err := catalog.Add(acting(t), orders())
		requireField(t, err, "name", `is, but for the case, that of resource server first ("ORDERS") already`)
	})
	t.Run("who loses the default is told who has it", func(t *testing.T) {
		s := &hooked{Store: memstore.New()}
		catalog, _ := newCatalog(t, resource.Config{Store: s})
		other, _ := newCatalog(t, resource.Config{Store: s.Store})
		add(t, catalog, plain("a"))
		add(t, catalog, plain("b"))
		once(s, func() error { return other.SetDefault(acting(t), "b") })
		_, err := catalog.Edit(acting(t), "a", func(s *resource.Server) error { s.Default = true; return nil })
		var held *resource.DefaultError
		require.ErrorAs(t, err, &held)
		require.Equal(t, "b", held.ID)
	})
	t.Run("who edits what was deleted is told so", func(t *testing.T) {
		s := &hooked{Store: memstore.New()}
		catalog, _ := newCatalog(t, resource.Config{Store: s})
		other, _ := newCatalog(t, resource.Config{Store: s.Store})
		add(t, catalog, orders())
		once(s, func() error { return other.Delete(acting(t), "orders") })
		_, err := catalog.Edit(acting(t), "orders", func(s *resource.Server) error { s.Name = "x"; return nil })
		require.ErrorIs(t, err, store.ErrNotFound)
	})
}

func TestAnUnknownOutcomeIsNotTriedAgain(t *testing.T) {
	for name, change := range changing {
		t.Run(name, func(t *testing.T) {
			s := &hooked{Store: memstore.New()}
			catalog, _ := newCatalog(t, resource.Config{Store: s})
			add(t, catalog, orders())
			away, tries := errors.New("connection lost"), 0
			s.before = func() error { tries++; return away }
			require.ErrorIs(t, change(acting(t), catalog), away)
			require.Equal(t, 1, tries)
		})
	}
}

func TestWhoWaitsForAnotherChangeCanGiveUp(t *testing.T) {
	s := &hooked{Store: memstore.New()}
	catalog, _ := newCatalog(t, resource.Config{Store: s})
	ctx, cancel := context.WithCancel(acting(t))
	s.before = func() error {
		s.before = nil
		cancel()
		_, err := catalog.Add(ctx, plain("second"))
		require.ErrorIs(t, err, context.Canceled)
		return nil
	}
	_, err := catalog.Add(acting(t), plain("first"))
	require.NoError(t, err)
}

func TestWhatANewerReleaseWroteIsReadAndKept(t *testing.T) {
	newer := func(t *testing.T) (*resource.Catalog, store.Store) {
		catalog, s := newCatalog(t, resource.Config{})
		add(t, catalog, orders())
		record, err := s.Get(t.Context(), resource.Kind, "orders")
		require.NoError(t, err)
		record.Format = 2
		_, err = s.Apply(t.Context(), store.Put(record))
		require.NoError(t, err)
		// As after the second in which another process's change may be missed.
		fresh, _ := newCatalog(t, resource.Config{Store: s})
		got, err := fresh.Get(t.Context(), "orders")
		require.NoError(t, err)
		require.Equal(t, "Orders", got.Name)
		return fresh, s
	}
	for name, change := range changing {
		t.Run(name, func(t *testing.T) {
			catalog, s := newer(t)
			at := revision(t, s)
			err := change(acting(t), catalog)
			if name == "Add" || name == "Delete" {
				require.NoError(t, err, "nothing is rewritten")
				return
			}
			require.ErrorIs(t, err, store.ErrNewer)
			require.Equal(t, at, revision(t, s))
		})
	}
	t.Run("SetDefault of another server, where the newer one is the default", func(t *testing.T) {
		catalog, s := newCatalog(t, resource.Config{})
		server := orders()
		server.Default = true
		add(t, catalog, server)
		add(t, catalog, plain("b"))
		record, err := s.Get(t.Context(), resource.Kind, "orders")
		require.NoError(t, err)
		record.Format = 2
		_, err = s.Apply(t.Context(), store.Put(record))
		require.NoError(t, err)
		require.ErrorIs(t, catalog.SetDefault(acting(t), "b"), store.ErrNewer)
	})
}
