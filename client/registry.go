package client

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"time"

	"github.com/clientele-go/clientele/audit"
	"github.com/clientele-go/clientele/credentials/jwks"
	"github.com/clientele-go/clientele/internal/randid"
	"github.com/clientele-go/clientele/observe"
	"github.com/clientele-go/clientele/resource"
	"github.com/clientele-go/clientele/store"
)

// Config is what a Registry needs. Only Store and Resources are required.
type Config struct {
	// Store keeps the clients of the tenant.
	Store store.Store
	// Resources is the catalog that grants refer to, over the same Store.
	Resources *resource.Catalog
	// Audit is the log that changes are written to, over the same Store. Nil
	// means one that keeps its events for ever.
	Audit *audit.Log
	// AllowJWKS is which JWKS URLs clients may have beyond https to public
	// addresses: that of the jwks.Cache by which the Issuer fetches them.
	AllowJWKS jwks.Allow
	// CacheSize is the most clients that Lookup keeps decoded. 0 means
	// 100 000.
	CacheSize int
	// Fresh is how long Lookup may serve a client, at most, that another
	// process has changed. 0 means store.DefaultFresh, one second; for
	// token requests, while the store is away, token.Config.StoreAway.
	Fresh time.Duration
	// KeepOne are grants of which one must stay in use, so that administrators
	// can't lock themselves out; of each, ServerID and ScopeID count. Once an
	// enabled client holds one of them (by Client.GrantsAt), the last that does
	// can be neither deleted nor disabled nor stripped of it: ErrLast. That
	// holds over all processes whose Registry has the same KeepOne.
	KeepOne []Grant
	// Observer, if set, is told what Lookup finds in its cache:
	// observe.CacheHits and CacheLoads. See Registry.Gauges too.
	Observer observe.Observer
	// Now tells the time; nil means time.Now.
	Now func() time.Time
	// Rand makes ids and secrets; nil means crypto/rand.Reader. It is read by
	// several goroutines at once.
	Rand io.Reader
}

// A Registry holds the API clients of a tenant: the only way to add, edit,
// disable or delete one and to rotate its secrets. Its methods may be called
// concurrently, and several processes may have a Registry over the same data.
//
// A method that changes something needs an audit.Actor in its context
// (audit.ErrNoActor), is done as a whole or not at all, and is durable when it
// returns nil where the store is. It changes no client that a newer release
// wrote (store.ErrNewer). After an error that is none of those that the package
// comment names, the change may have been made or not: read before trying again.
//
// What a method returns, apart from Lookup, is the caller's own, and what it was
// given stays the caller's.
type Registry struct {
	store     store.Store
	resources *resource.Catalog
	audit     *audit.Log
	now       func() time.Time
	rand      io.Reader
	allowJWKS jwks.Allow
	kept      []Grant // Config.KeepOne
	table     *store.Table[*packed]
	turns     *turns
	trial     *trial                // in the place of the store for what is written; nil: there is none
	checks    []func(*Client) error // of If
}

// NewRegistry returns a Registry over cfg.Store. It fails if cfg is incomplete or
// Fresh or CacheSize is negative, and asks the store nothing.
func NewRegistry(cfg Config) (*Registry, error) {
	switch {
	case cfg.Store == nil:
		return nil, errors.New("client: Config.Store is missing")
	case cfg.Resources == nil:
		return nil, errors.New("client: Config.Resources is missing")
	case cfg.Fresh < 0:
		return nil, fmt.Errorf("client: Config.Fresh is %v, want zero (for %v) or more", cfg.Fresh, store.DefaultFresh)
	case cfg.CacheSize < 0:
		return nil, fmt.Errorf("client: Config.CacheSize is %d, want zero (for 100 000) or more", cfg.CacheSize)
	}
	for i, g := range cfg.KeepOne {
		if g.ServerID == "" || g.ScopeID == "" {
			return nil, fmt.Errorf("client: Config.KeepOne[%d] needs a ServerID and a ScopeID", i)
		}
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Rand == nil {
		cfg.Rand = rand.Reader
	}
	if cfg.Audit == nil {
		log, err := audit.NewLog(audit.Config{Store: cfg.Store, Now: cfg.Now, Rand: cfg.Rand})
		if err != nil {
			return nil, fmt.Errorf("client: %w", err)
		}
		cfg.Audit = log
	}
	return &Registry{
		store:     cfg.Store,
		resources: cfg.Resources,
		audit:     cfg.Audit,
		now:       cfg.Now,
		rand:      cfg.Rand,
		allowJWKS: cfg.AllowJWKS,
		kept:      slices.Clone(cfg.KeepOne),
		turns:     new(turns),
		table: store.NewTable(store.TableConfig[*packed]{
			Store: cfg.Store, Kind: Kind, Decode: newShared().decode, Max: cfg.CacheSize, Fresh: cfg.Fresh,
			Observer: cfg.Observer,
		}),
	}, nil
}

// Gauges tells how many clients Lookup keeps decoded (observe.CacheEntries). A
// Registry is an observe.Source.
func (r *Registry) Gauges(tell func(observe.Gauge, string, float64)) {
	tell(observe.CacheEntries, string(Kind), float64(r.table.Len()))
}

// Resources returns the catalog that grants refer to.
func (r *Registry) Resources() *resource.Catalog { return r.resources }

// Store returns the store that keeps the clients: for who keeps something beside
// them.
func (r *Registry) Store() store.Store { return r.store }

// Audit returns the log that changes are written to: for who changes something
// beside the clients.
func (r *Registry) Audit() *audit.Log { return r.audit }

// Add registers an API client and returns it with its generated id. It has no
// secret yet. A Spec that breaks a rule gets an *InvalidError.
func (r *Registry) Add(ctx context.Context, spec Spec) (*Client, error) {
	id, err := r.newID()
	if err != nil {
		return nil, err
	}
	c, err := r.add(ctx, actionAdd, &Client{ID: id, Spec: spec.clone()}, nil)
	if err == nil && r.trial != nil {
		c.ID = "" // which it would not have
	}
	return c, err
}

func (r *Registry) newID() (string, error) {
	id, err := randid.New(r.rand)
	if err != nil {
		return "", fmt.Errorf("a new client id: %w", err)
	}
	return id, nil
}

// add completes c and writes it, unless something is wrong with it or was found
// to be before.
func (r *Registry) add(ctx context.Context, action string, c *Client, p problems) (*Client, error) {
	if _, err := audit.ActorFrom(ctx); err != nil {
		return nil, err
	}
	if err := r.checkSpec(ctx, &p, &c.Spec, nil); err != nil {
		return nil, err
	}
	if err := r.save(ctx, action, nil, c, false); err != nil {
		return nil, err
	}
	return c, nil
}

// Get returns the client with that id as it is now, or an error that wraps
// ErrNotFound.
func (r *Registry) Get(ctx context.Context, id string) (*Client, error) {
	record, err := r.read(ctx, id)
	if err != nil {
		return nil, err
	}
	return decode(record)
}

func (r *Registry) read(ctx context.Context, id string) (store.Record, error) {
	if !validID(id) {
		return store.Record{}, absent(id)
	}
	record, err := r.store.Get(ctx, Kind, id)
	if err != nil {
		return store.Record{}, wrap("reading", id, err)
	}
	return record, nil
}

// Lookup returns what Get returns, from memory as a rule: what another process
// changed up to Config.Fresh ago may be missing, what this Registry changed is
// not. What the Client's fields point to is shared and read-only. It is what a token
// request asks.
func (r *Registry) Lookup(ctx context.Context, id string) (*Client, error) {
	if !validID(id) {
		return nil, absent(id)
	}
	kept, err := r.table.Get(ctx, id)
	if err != nil {
		kept = nobody
	}
	c := kept.unpack() // of nobody too, for as long
	if err != nil {
		return nil, wrap("reading", id, err)
	}
	return c, nil
}

// Edit changes what an administrator says of a client. It reads the client,
// lets edit change its Spec, and writes it back if nobody changed it in between;
// otherwise it begins again, several times if need be, before it gives up with
// ErrConflict. So edit may run more than once. The Edits of one client wait for
// each other within a Registry, which edit must not call.
//
// An error of edit ends Edit and is returned as it is. To refuse what was
// based on an older state, edit looks at c.Version and returns ErrConflict.
//
// What edit changes besides the Spec counts for nothing. An Edit that changes
// nothing writes nothing. One that changes Disabled alone breaks no rule but
// Config.KeepOne: whatever else became of a client, it can be stopped. A grant whose
// scope is gone, or has moved to another service, may stay as it is; to grant the
// scope where it is now, leave the ServiceID of the Grant empty.
func (r *Registry) Edit(ctx context.Context, id string, edit func(c *Client) error) (*Client, error) {
	return r.change(ctx, actionEdit, id, editAttempts, func(old *Client) (*Client, error) {
		edited := old.Clone()
		if err := edit(edited); err != nil {
			return nil, err
		}
		c := old.Clone()
		// A copy: what edit put into it may be shared with who knows whom.
		c.Spec = edited.Spec.clone()
		if c.Method == "" {
			c.Method = impliedMethod(&c.Spec)
		}
		c.leave(&old.Spec)
		var p problems
		var wrong *InvalidError
		switch err := r.checkSpec(ctx, &p, &c.Spec, old); {
		case errors.As(err, &wrong) && c.Disabled != old.Disabled && c.Spec.otherwiseSame(&old.Spec):
			return c, nil // what is wrong was so before
		case err != nil:
			return nil, err
		}
		if c.Method != old.Method {
			c.Secrets = nil
		}
		if c.Spec.same(&old.Spec) {
			return old, nil
		}
		return c, nil
	})
}

// same reports whether s and other are kept as the same. Of a key, what a JWK says
// of it beside is not kept.
func (s *Spec) same(other *Spec) bool {
	a, b := *s, *other
	a.Keys, b.Keys = nil, nil
	return slices.EqualFunc(s.Keys, other.Keys, sameKey) && reflect.DeepEqual(a, b)
}

// otherwiseSame reports whether s is the same as other but for Disabled.
func (s Spec) otherwiseSame(other *Spec) bool {
	s.Disabled = other.Disabled
	return s.same(other)
}

// Enable lets the client get tokens. One that is enabled stays as it is.
func (r *Registry) Enable(ctx context.Context, id string) (*Client, error) {
	return r.setDisabled(ctx, id, false)
}

// Disable lets the client get no more tokens. One that is disabled stays as it
// is. What it holds already stays valid until it expires. The last one of
// Config.KeepOne gets ErrLast.
func (r *Registry) Disable(ctx context.Context, id string) (*Client, error) {
	return r.setDisabled(ctx, id, true)
}

// setDisabled is an Edit that asks neither the rules nor the catalog, but for
// Config.KeepOne.
func (r *Registry) setDisabled(ctx context.Context, id string, disabled bool) (*Client, error) {
	return r.change(ctx, actionEdit, id, editAttempts, func(old *Client) (*Client, error) {
		if old.Disabled == disabled {
			return old, nil
		}
		c := old.Clone()
		c.Disabled = disabled
		return c, nil
	})
}

// Delete removes the client with all that belongs to it. Its id never
// authenticates again, and no other client will ever have it. What it holds
// already stays valid until it expires. The last one of Config.KeepOne gets
// ErrLast.
func (r *Registry) Delete(ctx context.Context, id string) error {
	_, err := r.change(ctx, actionDelete, id, editAttempts, func(*Client) (*Client, error) { return nil, nil })
	return err
}

// If returns a Registry over the same data that lets ok have a look at each client
// before it changes or deletes it: an error of ok ends that and is returned as it
// is. Nobody can come in between. Like the function of Edit, ok may run more than
// once and must not call the Registry, and to refuse what was based on an older
// state it looks at c.Version and returns ErrConflict. It is not asked about a
// client that is new.
func (r *Registry) If(ok func(c *Client) error) *Registry {
	checked := *r
	checked.checks = append(slices.Clip(r.checks), ok)
	return &checked
}

// validID reports whether id can be the id of a client: 1 to maxID characters of
// A-Z, a-z, 0-9, '_' and '-'. What can't be is not looked for.
func validID(id string) bool {
	if len(id) < 1 || len(id) > maxID {
		return false
	}
	for i := range len(id) {
		c := id[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_' && c != '-' {
			return false
		}
	}
	return true
}
