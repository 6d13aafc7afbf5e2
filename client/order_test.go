package client_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/audit"
	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/credentials"
	"github.com/clientele-go/clientele/store"
)

var orders = map[string]client.Order{"by name": client.OrderName, "by creation": client.OrderCreated, "by expiry": client.OrderExpiry}

func TestListOrders(t *testing.T) {
	f := newFixture(t)
	add := func(name string, spec client.Spec, validities ...time.Duration) string {
		spec.Name = name
		c := f.add(t, spec)
		for _, validity := range validities {
			f.addSecret(t, c.ID, validity)
		}
		f.clock.advance(time.Hour)
		return c.ID
	}
	add("f rotated, until day 90", client.Spec{}, 40*day, 90*day)
	add("e until day 60", client.Spec{Grants: []client.Grant{grant("orders", "shop::read")}}, 60*day)
	add("d published keys", client.Spec{JWKSURL: "https://client.example.com/jwks"})
	add("c nothing", client.Spec{Disabled: true})
	add("b until day 35", client.Spec{Labels: map[string]string{"owner": "ops"}}, 35*day)
	search := add("a until day 365", client.Spec{Labels: map[string]string{"owner": "ops"}}, 365*day)

	for _, c := range []struct {
		title string
		query client.Query
		want  string // the first letters of the names
	}{
		{"by name", client.Query{}, "abcdef"},
		{"by creation, the oldest first", client.Query{Order: client.OrderCreated}, "fedcba"},
		{"by creation, the newest first", client.Query{Order: client.OrderCreated, Descending: true}, "abcdef"},
		{"by expiry: none, soonest, without an end", client.Query{Order: client.OrderExpiry}, "cbefad"},
		{"by expiry, the other way round", client.Query{Order: client.OrderExpiry, Descending: true}, "dafebc"},
		{"a status", client.Query{Order: client.OrderExpiry, Status: client.OnlyEnabled}, "befad"},
		{"a method", client.Query{Order: client.OrderCreated, Method: credentials.MethodJWKS}, "d"},
		{"a label", client.Query{Order: client.OrderCreated, Labels: map[string]string{"owner": "ops"}}, "ba"},
		{"a scope", client.Query{Order: client.OrderExpiry, ServerID: "orders", ScopeID: "shop::read"}, "e"},
		{"a part of the name", client.Query{Order: client.OrderExpiry, Name: "UNTIL"}, "befa"},
		{"a search", client.Query{Order: client.OrderCreated, Search: "UNTIL"}, "feba"},
		{"a client id", client.Query{Order: client.OrderExpiry, Search: search}, "a"},
		{"a client id that a status does not let pass", client.Query{Order: client.OrderExpiry, Search: search, Status: client.OnlyDisabled}, ""},
	} {
		t.Run(c.title, func(t *testing.T) {
			letters := func(q client.Query) (all string, page client.Page) {
				page, err := f.List(f.ctx, q)
				require.NoError(t, err)
				for _, found := range page.Clients {
					all += found.Name[:1]
				}
				return all, page
			}
			c.query.Count = true
			all, page := letters(c.query)
			require.Equal(t, c.want, all)
			require.Equal(t, len(c.want), page.Total)

			// The same in pages, by cursors and by offsets.
			var cursors, offsets string
			for q := c.query; ; {
				q.Limit = 2
				some, page := letters(q)
				cursors += some
				if q.After = page.Next; q.After == "" {
					break
				}
			}
			for q := c.query; q.Offset < len(c.want); q.Offset++ {
				q.Limit = 1
				some, _ := letters(q)
				offsets += some
			}
			require.Equal(t, c.want, cursors)
			require.Equal(t, c.want, offsets)
		})
	}
	_, err := f.List(f.ctx, client.Query{Order: client.OrderExpiry + 1})
	require.ErrorIs(t, err, store.ErrInvalid)
	_, err = f.List(f.ctx, client.Query{Order: -1})
	require.ErrorIs(t, err, store.ErrInvalid)
}

func TestWhenAClientEnds(t *testing.T) {
	at := func(d time.Duration) time.Time { return noon.Add(d) }
	signer := newSigner(t)
	certificate := client.Spec{Keys: []credentials.Key{newCertificate(t, signer, at(70*day)), newCertificate(t, signer, at(50*day))}}
	mixed := client.Spec{Keys: []credentials.Key{newCertificate(t, signer, at(50*day)), newKeys(1)[0]}}
	for _, c := range []struct {
		title string
		of    client.Client
		at    time.Time
		ends  bool
	}{
		{"without a secret: now", client.Client{Spec: client.Spec{Method: credentials.MethodSecret}}, time.Time{}, true},
		{"with one secret: with it", client.Client{Secrets: []client.Secret{{ExpiresAt: at(day)}}}, at(day), true},
		{"with two secrets: with the later one, though it was added first", client.Client{Secrets: []client.Secret{{ExpiresAt: at(2 * day)}, {ExpiresAt: at(day)}}}, at(2 * day), true},
		{"with certificates: with the last one", client.Client{Spec: certificate}, at(70 * day), true},
		{"with a certificate and a bare key: never", client.Client{Spec: mixed}, time.Time{}, false},
		{"with keys that it publishes: never", client.Client{Spec: client.Spec{Method: credentials.MethodJWKS}}, time.Time{}, false},
	} {
		t.Run(c.title, func(t *testing.T) {
			got, ends := c.of.EndsAt()
			require.Equal(t, c.ends, ends)
			require.True(t, c.at.Equal(got), "%s", got)
		})
	}
}

// After each way to change a client it stands once in every order, at its place.
func TestTheOrdersFollowEveryChange(t *testing.T) {
	f := newFixture(t)
	imported, err := f.Import(f.ctx, client.Import{ID: "moved", Spec: client.Spec{Name: "moved"}})
	require.NoError(t, err)
	id := imported.ID
	other := f.add(t, client.Spec{Name: "between"})
	f.addSecret(t, other.ID, 100*day)
	must := func(_ any, err error) error { return err }
	var kept client.Secret
	for _, c := range []struct {
		title  string
		change func() error
		want   string // of the names, by expiry
	}{
		{"imported without a secret", func() error { return nil }, "[moved between]"},
		{"a secret", func() (err error) { _, kept, err = f.AddSecret(f.ctx, id, f.clock.now().Add(200*day)); return }, "[between moved]"},
		{"a secret deleted", func() error { return f.DeleteSecret(f.ctx, id, kept.ID) }, "[moved between]"},
		{"a secret by its digest", func() error {
			return must(f.AddSecretDigest(f.ctx, id, client.SecretDigest{Digest: credentials.DigestOf("x"), ExpiresAt: f.clock.now().Add(300 * day), HighEntropy: true}))
		}, "[between moved]"},
		{"rotated, after which it ends earlier", func() error {
			_, _, err := f.Rotate(f.ctx, id, client.Rotation{ExpiresAt: f.clock.now().Add(50 * day)})
			return err
		}, "[moved between]"},
		{"another method", func() error {
			return must(f.Edit(f.ctx, id, func(c *client.Client) error {
				c.Method, c.JWKSURL = credentials.MethodJWKS, "https://client.example.com/jwks"
				return nil
			}))
		}, "[between moved]"},
		{"disabled", func() error { return must(f.Disable(f.ctx, id)) }, "[between moved]"},
		{"renamed", func() error {
			return must(f.Edit(f.ctx, id, func(c *client.Client) error { c.Name = "anew"; return nil }))
		}, "[between anew]"},
		{"in a dry run, nothing", func() error { return f.DryRun().Delete(f.ctx, id) }, "[between anew]"},
		{"in a dry run, no secret", func() error { return must(f.DryRun().Add(f.ctx, client.Spec{Name: "dry"})) }, "[between anew]"},
		{"deleted", func() error { return f.Delete(f.ctx, id) }, "[between]"},
	} {
		f.clock.advance(time.Minute)
		require.NoError(t, c.change(), c.title)
		require.Equal(t, c.want, fmt.Sprint(f.list(t, client.Query{Order: client.OrderExpiry})), c.title)
		want := f.list(t, client.Query{})
		for title, order := range orders {
			got := f.list(t, client.Query{Order: order})
			slices.Sort(got)
			require.Equal(t, want, got, "%s, %s", c.title, title)
			for _, status := range []client.Status{client.OnlyEnabled, client.OnlyDisabled} {
				require.ElementsMatch(t, f.list(t, client.Query{Status: status}), f.list(t, client.Query{Order: order, Status: status}), "%s, %s", c.title, title)
			}
			for _, name := range []string{"moved", "anew"} {
				require.Equal(t, f.list(t, client.Query{Name: name}), f.list(t, client.Query{Order: order, Name: name}), "%s, %s", c.title, title)
			}
		}
	}
}

// A client that is deleted while a page is made is not on it.
func TestAnOrderLeavesOutWhatIsDeletedWhileItReads(t *testing.T) {
	f := newFixture(t)
	gone, stays := f.add(t, client.Spec{Name: "gone"}), f.add(t, client.Spec{Name: "stays"})
	f.store.beforeGet = func(context.Context, store.Kind) error { // the page was read, the clients not yet
		f.store.beforeGet = nil
		return f.another(t, client.Config{}).Delete(f.ctx, gone.ID)
	}
	page, err := f.List(f.ctx, client.Query{Order: client.OrderCreated})
	require.NoError(t, err)
	require.Equal(t, []string{stays.Name}, names(page.Clients))

	f.store.beforeGet = func(context.Context, store.Kind) error { return store.ErrClosed }
	_, err = f.List(f.ctx, client.Query{Order: client.OrderCreated})
	require.ErrorIs(t, err, store.ErrClosed)
}

// What a release without the orders wrote gets into them by Reindex or by a change,
// whichever comes first; and nothing else of it changes.
func TestClientsFromBeforeTheOrders(t *testing.T) {
	changes := map[string]func(f *fixture, id string) error{
		"reindexed": func(f *fixture, _ string) error {
			n, err := f.Reindex(t.Context()) // without an actor
			if err == nil && n != 3 {
				err = fmt.Errorf("%d were indexed", n)
			}
			return err
		},
		"edited":  func(f *fixture, id string) error { _, err := f.Disable(f.ctx, id); return err },
		"deleted": func(f *fixture, id string) error { return f.Delete(f.ctx, id) },
	}
	for title, change := range changes {
		t.Run(title, func(t *testing.T) {
			f := newFixture(t)
			for _, id := range []string{"old-a", "old-b", "old-c"} {
				f.plant(t, id, 1, fmt.Sprintf(`{"name":%q,"token_lifetime":3600,"method":"SECRET","created_at":"2026-01-01T00:00:00Z"}`, id))
			}
			f.add(t, client.Spec{Name: "new"})
			require.Equal(t, []string{"new"}, f.list(t, client.Query{Order: client.OrderCreated}))
			before, err := audit.NewLog(audit.Config{Store: f.store})
			require.NoError(t, err)
			events, err := before.List(f.ctx, audit.Filter{})
			require.NoError(t, err)

			require.NoError(t, change(f, "old-b"))
			switch title {
			case "reindexed":
				require.Equal(t, []string{"old-a", "old-b", "old-c", "new"}, f.list(t, client.Query{Order: client.OrderCreated}))
				after, err := before.List(f.ctx, audit.Filter{})
				require.NoError(t, err)
				require.Len(t, after.Events, len(events.Events))
			case "edited":
				require.Equal(t, []string{"old-b", "new"}, f.list(t, client.Query{Order: client.OrderCreated}))
			case "deleted":
				require.Equal(t, []string{"new"}, f.list(t, client.Query{Order: client.OrderCreated}))
			}
			_, err = f.Reindex(t.Context())
			require.NoError(t, err)
			require.ElementsMatch(t, f.list(t, client.Query{}), f.list(t, client.Query{Order: client.OrderExpiry}))
			n, err := f.Reindex(t.Context())
			require.NoError(t, err)
			require.Zero(t, n, "everything is done")
			for _, name := range f.list(t, client.Query{}) { // and can be changed as ever
				c, err := f.ByName(f.ctx, name)
				require.NoError(t, err)
				require.NoError(t, f.Delete(f.ctx, c.ID))
			}
			require.Empty(t, f.list(t, client.Query{Order: client.OrderExpiry}))
		})
	}
}

func TestReindexRefuses(t *testing.T) {
	f := newFixture(t)
	_, err := f.DryRun().Reindex(f.ctx)
	require.Error(t, err, "a dry run writes nothing")
	f.plant(t, "newer", 3, `{"name":"from the future","token_lifetime":60,"method":"SECRET"}`)
	n, err := f.Reindex(f.ctx)
	require.NoError(t, err)
	require.Zero(t, n, "a newer release's clients are its own")
}

// The records of the orders hold nothing of a client but what it is found by.
func TestTheOrdersHoldNoData(t *testing.T) {
	f := newFixture(t)
	c := f.add(t, client.Spec{Name: "one", Description: "described"})
	f.addSecret(t, c.ID, 90*day)
	for _, kind := range []store.Kind{client.KindCreated, client.KindEnd} {
		record, err := f.store.Get(f.ctx, kind, c.ID)
		require.NoError(t, err)
		require.Empty(t, record.Data)
		text, err := json.Marshal(record)
		require.NoError(t, err)
		require.NotContains(t, string(text), "described")
		require.Equal(t, f.get(t, c.ID).Version, record.Version)
	}
}
