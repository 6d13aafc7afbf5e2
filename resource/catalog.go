package resource

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/clientele-go/clientele/audit"
	"github.com/clientele-go/clientele/store"
)

// Config is what a Catalog is made of. Only Store is required.
type Config struct {
	// Store keeps the resource servers.
	Store store.Store
	// Audit makes the events of the changes; it must be one over the same
	// Store. Nil means one that keeps events for ever.
	Audit *audit.Log
	// Fresh is how long, at most, reads may miss a change of another process.
	// Zero means store.DefaultFresh, one second. While the store is away, token
	// requests may miss it for token.Config.StoreAway.
	Fresh time.Duration
	// Now tells the time; nil means time.Now.
	Now func() time.Time
	// Rand gives the random part of generated ids; nil means crypto/rand. It
	// is read by several goroutines at once.
	Rand io.Reader
}

// A Catalog is the resource servers of one tenant: made for few, up to a thousand
// or so, which are asked for at every token and changed now and then. Its methods
// may be called by any number of goroutines at once. It holds nothing that must be
// closed.
//
// Get, List, ByAudience and Default answer from memory, from one immutable state
// that Config.Fresh bounds the age of; the Catalog's own changes are seen at once.
// What they return is shared and must not be changed.
//
// The methods that change something take the audit.Actor from the context, and
// fail with audit.ErrNoActor if there is none. They write the change and its event
// in one Apply, or nothing at all; after an error of the store that leaves the
// outcome unknown the caller reads before it tries again. Where somebody else's
// change comes in between, they begin again with what that one left, a bounded
// number of times; then the error wraps store.ErrConflict. The changes of one
// Catalog wait for each other.
type Catalog struct {
	store    store.Store
	audit    *audit.Log
	now      func() time.Time
	rand     io.Reader
	snapshot *store.Snapshot[*state]
	changing chan struct{} // holds a token while a change is under way
}

// NewCatalog returns a Catalog of the resource servers in cfg.Store. It fails if
// cfg is incomplete, and asks the store nothing.
func NewCatalog(cfg Config) (*Catalog, error) {
	if cfg.Store == nil {
		return nil, errors.New("resource: Config.Store is missing")
	}
	if cfg.Fresh < 0 {
		return nil, fmt.Errorf("resource: Config.Fresh is %v, want zero (for one second) or more", cfg.Fresh)
	}
	c := &Catalog{store: cfg.Store, audit: cfg.Audit, now: cfg.Now, rand: cfg.Rand, changing: make(chan struct{}, 1)}
	if c.now == nil {
		c.now = time.Now
	}
	if c.rand == nil {
		c.rand = rand.Reader
	}
	if c.audit == nil {
		log, err := audit.NewLog(audit.Config{Store: cfg.Store, Now: c.now, Rand: c.rand})
		if err != nil {
			return nil, fmt.Errorf("resource: %w", err)
		}
		c.audit = log
	}
	c.snapshot = store.NewSnapshot(store.SnapshotConfig[*state]{
		Store: cfg.Store,
		Kinds: []store.Kind{Kind},
		Build: read,
		Fresh: cfg.Fresh,
	})
	return c, nil
}

// Get returns the server with that id, or an error that wraps store.ErrNotFound.
func (c *Catalog) Get(ctx context.Context, id string) (*Server, error) {
	state, err := c.state(ctx)
	if err != nil {
		return nil, err
	}
	return state.get(id)
}

// List returns all servers, ordered by their folded names.
func (c *Catalog) List(ctx context.Context) ([]*Server, error) {
	state, err := c.state(ctx)
	if err != nil {
		return nil, err
	}
	return state.servers, nil
}

// ByAudience returns the server with exactly that audience, or an error that wraps
// store.ErrNotFound.
func (c *Catalog) ByAudience(ctx context.Context, audience string) (*Server, error) {
	state, err := c.state(ctx)
	if err != nil {
		return nil, err
	}
	server, ok := state.byAudience[audience]
	if !ok {
		return nil, notFound("audience", audience)
	}
	return server, nil
}

// Default returns the default server, or an error that wraps ErrNoDefault.
func (c *Catalog) Default(ctx context.Context) (*Server, error) {
	state, err := c.state(ctx)
	if err != nil {
		return nil, err
	}
	if state.byDefault == nil {
		return nil, ErrNoDefault
	}
	return state.byDefault, nil
}

func (c *Catalog) state(ctx context.Context) (*state, error) {
	state, err := c.snapshot.Get(ctx)
	if err != nil {
		return nil, fmt.Errorf("resource: read the catalog: %w", err)
	}
	return state, nil
}

// state is the whole catalog at one moment. Nobody changes it.
type state struct {
	servers    []*Server // in the order of the store
	byID       map[string]*Server
	byAudience map[string]*Server
	byDefault  *Server          // nil if there is none
	newer      map[string]error // by id: why what a newer release wrote is not rewritten
}

// read returns the catalog as it is in the store.
func read(ctx context.Context, s store.Store) (*state, error) {
	st := &state{
		byID:       make(map[string]*Server),
		byAudience: make(map[string]*Server),
		newer:      make(map[string]error),
	}
	q := store.Query{Kind: Kind, Limit: store.MaxLimit}
	for {
		page, err := s.List(ctx, q)
		if err != nil {
			return nil, err
		}
		for _, record := range page.Records {
			if err := st.add(record); err != nil {
				return nil, err
			}
		}
		if page.Next == "" {
			return st, nil
		}
		q.After = page.Next
	}
}

// add takes up the server of a record. Beyond a thousand servers the pages show
// different moments, and what moved from one server to another in between may
// stand at both: then the later one has it.
func (st *state) add(record store.Record) error {
	server, err := serverOf(record)
	if err != nil {
		return err
	}
	if err := store.CheckFormat(record, format); err != nil {
		st.newer[record.ID] = err
	}
	if other := st.byDefault; server.Default && other != nil {
		if other.Version < server.Version {
			other.Default = false
		} else {
			server.Default = false
		}
	}
	if server.Default {
		st.byDefault = server
	}
	if other := st.byAudience[server.Audience]; other == nil || other.Version < server.Version {
		st.byAudience[server.Audience] = server
	}
	server.index()
	st.servers = append(st.servers, server)
	st.byID[server.ID] = server
	return nil
}

func (st *state) get(id string) (*Server, error) {
	server, ok := st.byID[id]
	if !ok {
		return nil, notFound("id", id)
	}
	return server, nil
}
