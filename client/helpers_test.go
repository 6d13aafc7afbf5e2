package client_test

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/audit"
	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/credentials"
	"github.com/clientele-go/clientele/memstore"
	"github.com/clientele-go/clientele/resource"
	"github.com/clientele-go/clientele/store"
)

const day = 24 * time.Hour

var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

// A clock tells the time that a test sets.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// A fixture is a Registry with what it stands on. The catalog is that of servers.
type fixture struct {
	*client.Registry
	store   *hooked
	catalog *resource.Catalog
	clock   *clock
	ctx     context.Context // of somebody who may change things
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	memory := memstore.New()
	t.Cleanup(func() { require.NoError(t, memory.Close()) })
	f := &fixture{
		store: &hooked{Store: memory},
		clock: &clock{at: noon},
		ctx:   audit.WithActor(t.Context(), audit.Program(t.Name())),
	}
	var err error
	f.catalog, err = resource.NewCatalog(resource.Config{Store: memory, Now: f.clock.now})
	require.NoError(t, err)
	for _, server := range servers() {
		_, err := f.catalog.Add(f.ctx, server)
		require.NoError(t, err)
	}
	f.Registry = f.another(t, client.Config{})
	return f
}

// another returns one more Registry over the same data, as another process has.
func (f *fixture) another(t testing.TB, cfg client.Config) *client.Registry {
	t.Helper()
	cfg.Store, cfg.Resources, cfg.Now = f.store, f.catalog, f.clock.now
	r, err := client.NewRegistry(cfg)
	require.NoError(t, err)
	return r
}

// servers returns two resource servers: one with two services, one with one.
func servers() []resource.Server {
	return []resource.Server{{
		ID: "orders", Name: "Orders", Audience: "https://orders.example.com", Default: true,
		Services: []resource.Service{
			{ID: "shop", Name: "Shop", Scopes: []resource.Scope{{ID: "shop::read", Name: "Role:Read"}, {ID: "shop::write", Name: "Role:Write"}}},
			{ID: "bank", Name: "Bank", Scopes: []resource.Scope{{ID: "bank::read", Name: "Role:Read"}}},
		},
	}, {
		ID: "metrics", Name: "Metrics", Audience: "https://metrics.example.com",
		Services: []resource.Service{
			{ID: "node", Name: "Node", Scopes: []resource.Scope{{ID: "node::read", Name: "Role:Read"}}},
		},
	}}
}

// add registers a client with that name.
func (f *fixture) add(t testing.TB, spec client.Spec) *client.Client {
	t.Helper()
	c, err := f.Add(f.ctx, spec)
	require.NoError(t, err)
	return c
}

// addSecret adds a secret that is valid for that long.
func (f *fixture) addSecret(t testing.TB, id string, validity time.Duration) (credentials.Secret, client.Secret) {
	t.Helper()
	value, kept, err := f.AddSecret(f.ctx, id, f.clock.now().Add(validity))
	require.NoError(t, err)
	return value, kept
}

func (f *fixture) get(t testing.TB, id string) *client.Client {
	t.Helper()
	c, err := f.Get(f.ctx, id)
	require.NoError(t, err)
	return c
}

// works reports whether the client authenticates by that secret now.
func (f *fixture) works(t testing.TB, id string, value credentials.Secret) bool {
	t.Helper()
	c, err := f.Lookup(f.ctx, id)
	require.NoError(t, err)
	_, _, valid := c.CheckSecret(value.Reveal(), f.clock.now())
	return valid
}

// secretIDs returns the ids of the secrets that the client has.
func (f *fixture) secretIDs(t testing.TB, id string) []string {
	t.Helper()
	ids := []string{}
	for _, s := range f.get(t, id).Secrets {
		ids = append(ids, s.ID)
	}
	return ids
}

// plant writes the record of a client as another release may have written it,
// with the index records of its secrets.
func (f *fixture) plant(t testing.TB, id string, format int, data string, secretIDs ...string) {
	t.Helper()
	changes := []store.Change{
		store.Put(store.Record{Kind: client.Kind, ID: id, Names: []string{id}, Text: id, Sort: id, Format: format, Data: []byte(data)}),
		store.Append(store.Record{Kind: client.KindID, ID: id}),
	}
	for _, secretID := range secretIDs {
		changes = append(changes, store.Put(store.Record{Kind: client.KindExpiry, ID: id + "." + secretID}))
	}
	_, err := f.store.Store.Apply(f.ctx, changes...)
	require.NoError(t, err)
}

// records returns all that the store keeps of clients and of what happened.
func (f *fixture) records(t testing.TB) []store.Record {
	t.Helper()
	var records []store.Record
	for _, kind := range []store.Kind{client.Kind, client.KindID, client.KindExpiry, client.KindCreated, client.KindEnd, client.KindKeep, audit.Kind} {
		q := store.Query{Kind: kind, Limit: store.MaxLimit}
		for {
			page, err := f.store.Store.List(t.Context(), q)
			require.NoError(t, err)
			records = append(records, page.Records...)
			if q.After = page.Next; q.After == "" {
				break
			}
		}
	}
	return records
}

// requireUnchanged tests that try leaves the store as it is.
func (f *fixture) requireUnchanged(t testing.TB, try func()) {
	t.Helper()
	before := f.records(t)
	try()
	require.Equal(t, before, f.records(t), "the store was changed")
}

// events returns the audit events about a client, the oldest first as far as the
// clock tells them apart.
func (f *fixture) events(t testing.TB, id string) []audit.Event {
	t.Helper()
	log, err := audit.NewLog(audit.Config{Store: f.store.Store})
	require.NoError(t, err)
	page, err := log.List(t.Context(), audit.Filter{SubjectID: id, OldestFirst: true, Limit: store.MaxLimit})
	require.NoError(t, err)
	return page.Events
}

// requireProblem tests that err is an InvalidError with exactly one problem, of
// that field, and says so.
func requireProblem(t testing.TB, err error, field, message string) client.Problem {
	t.Helper()
	var invalid *client.InvalidError
	require.ErrorAs(t, err, &invalid)
	require.Len(t, invalid.Problems, 1, "%v", err)
	p := invalid.Problems[0]
	require.Equal(t, field, p.Field)
	require.Contains(t, p.Message, message)
	require.ErrorContains(t, err, "invalid API client: "+field+": "+p.Message)
	return p
}

func toJSON(t testing.TB, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	require.NoError(t, err)
	return string(b)
}

// hooked is a store that counts what is read and asks functions before and after
// it does something; their errors take the place of the result.
type hooked struct {
	store.Store
	gets        atomic.Int64
	beforeGet   func(ctx context.Context, kind store.Kind) error
	beforeList  func(ctx context.Context, q store.Query) error
	beforeApply func(ctx context.Context, changes []store.Change) error
	afterApply  func(ctx context.Context) error
}

func (h *hooked) Get(ctx context.Context, kind store.Kind, id string) (store.Record, error) {
	h.gets.Add(1)
	if h.beforeGet != nil {
		if err := h.beforeGet(ctx, kind); err != nil {
			return store.Record{}, err
		}
	}
	return h.Store.Get(ctx, kind, id)
}

func (h *hooked) List(ctx context.Context, q store.Query) (store.Page, error) {
	if h.beforeList != nil {
		if err := h.beforeList(ctx, q); err != nil {
			return store.Page{}, err
		}
	}
	return h.Store.List(ctx, q)
}

func (h *hooked) Apply(ctx context.Context, changes ...store.Change) (store.Revision, error) {
	if h.beforeApply != nil {
		if err := h.beforeApply(ctx, changes); err != nil {
			return 0, err
		}
	}
	revision, err := h.Store.Apply(ctx, changes...)
	if h.afterApply != nil && err == nil {
		if err := h.afterApply(ctx); err != nil {
			return 0, err
		}
	}
	return revision, err
}

func toMap(t testing.TB, data json.RawMessage) map[string]any {
	t.Helper()
	var m map[string]any
	require.NoError(t, json.Unmarshal(data, &m))
	return m
}

// digestForms returns the ways in which a digest may have slipped into a text.
func digestForms(digest []byte) [][]byte {
	return [][]byte{
		digest,
		[]byte(hex.EncodeToString(digest)),
		[]byte(strings.ToUpper(hex.EncodeToString(digest))),
		[]byte(base64.StdEncoding.EncodeToString(digest)),
		[]byte(base64.RawURLEncoding.EncodeToString(digest)),
		[]byte(strings.Trim(strings.Join(strings.Fields(fmt.Sprint(digest)), ","), "[]")), // a JSON array of numbers
		digest[:8],
		[]byte(hex.EncodeToString(digest[:4])),
	}
}

// newerClient plants a client in a newer format, with the id "newer" and a
// secret, and returns the secret's digest.
func (f *fixture) newerClient(t testing.TB) credentials.Digest {
	t.Helper()
	digest := credentials.DigestOf("a secret of the future")
	f.plant(t, "newer", 3, fmt.Sprintf(`{"name":"from the future","token_lifetime":60,"method":"SECRET","quantum":{"a":[1]},`+
		`"secrets":[{"id":"imported1","sha256":"%x","created_at":"2026-03-04T12:00:00Z","expires_at":"2026-06-02T12:00:00Z","mood":"good"}]}`, digest[:]), "imported1")
	return digest
}
