package client_test

import (
	"bytes"
	"context"
	"errors"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/audit"
	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/credentials"
	"github.com/clientele-go/clientele/memstore"
	"github.com/clientele-go/clientele/resource"
	"github.com/clientele-go/clientele/store"
)

func TestNewRegistryWantsWhatItNeeds(t *testing.T) {
	s := memstore.New()
	catalog, err := resource.NewCatalog(resource.Config{Store: s})
	require.NoError(t, err)
	for message, cfg := range map[string]client.Config{
		"client: Config.Store is missing":                                 {Resources: catalog},
		"client: Config.Resources is missing":                             {Store: s},
		"client: Config.Fresh is -1s, want zero (for 1s) or more":         {Store: s, Resources: catalog, Fresh: -time.Second},
		"client: Config.CacheSize is -1, want zero (for 100 000) or more": {Store: s, Resources: catalog, CacheSize: -1},
		"client: Config.KeepOne[1] needs a ServerID and a ScopeID":        {Store: s, Resources: catalog, KeepOne: []client.Grant{{ServerID: "a", ScopeID: "b"}, {ServerID: "a"}}},
		"client: Config.KeepOne[0] needs a ServerID and a ScopeID":        {Store: s, Resources: catalog, KeepOne: []client.Grant{{ScopeID: "b"}}},
	} {
		r, err := client.NewRegistry(cfg)
		require.EqualError(t, err, message)
		require.Nil(t, r)
	}
	r, err := client.NewRegistry(client.Config{Store: s, Resources: catalog})
	require.NoError(t, err)
	require.Same(t, catalog, r.Resources())

	// The defaults are the real clock and real randomness.
	c, err := r.Add(audit.WithActor(t.Context(), audit.Program("test")), client.Spec{Name: "nightly"})
	require.NoError(t, err)
	require.WithinDuration(t, time.Now(), c.CreatedAt, time.Minute)
}

func TestEventsGoToTheLogOfTheConfig(t *testing.T) {
	f := newFixture(t)
	log, err := audit.NewLog(audit.Config{Store: f.store, Now: f.clock.now, Retention: audit.Retention{Events: day}})
	require.NoError(t, err)
	r := f.another(t, client.Config{Audit: log})
	c, err := r.Add(f.ctx, client.Spec{Name: "nightly"})
	require.NoError(t, err)
	for _, record := range f.records(t) {
		if record.Kind == audit.Kind && strings.Contains(string(record.Data), c.ID) {
			require.Equal(t, noon.Add(day), record.Expires)
			return
		}
	}
	require.Fail(t, "no event")
}

func TestAnAddedClientHasWhatItWasGiven(t *testing.T) {
	f := newFixture(t)
	labels := map[string]string{"owner": "ops"}
	spec := client.Spec{Name: "nightly", Description: "reports", Labels: labels, Disabled: true, TokenLifetime: 2 * time.Minute}
	c := f.add(t, spec)
	require.Empty(t, c.Secrets)
	require.Equal(t, noon, c.CreatedAt)
	require.Equal(t, noon, c.UpdatedAt)
	require.NotZero(t, c.Version)
	require.Equal(t, c, f.get(t, c.ID))

	looked, err := f.Lookup(f.ctx, c.ID)
	require.NoError(t, err)
	require.Equal(t, c, looked)

	labels["owner"] = "somebody else" // the caller's own map
	c.Labels["owner"] = "me"          // and the caller's own client
	require.Equal(t, "ops", f.get(t, c.ID).Labels["owner"])
}

func TestClientIDsNeedNoEscaping(t *testing.T) {
	f := newFixture(t)
	seen := map[string]bool{}
	for i := range 100 {
		c := f.add(t, client.Spec{Name: strings.Repeat("x", i+1)})
		require.Regexp(t, regexp.MustCompile(`^[A-Za-z0-9_-]{20,64}$`), c.ID)
		require.False(t, seen[c.ID])
		seen[c.ID] = true
	}
}

func TestAClientIDIsNeverUsedAgain(t *testing.T) {
	f := newFixture(t)
	generated := f.add(t, client.Spec{Name: "generated"})
	imported, err := f.Import(f.ctx, client.Import{ID: "report_1", Spec: client.Spec{Name: "imported"}})
	require.NoError(t, err)
	for _, id := range []string{generated.ID, imported.ID} {
		again := client.Import{ID: id, Spec: client.Spec{Name: "again"}}
		refused := func(state string) {
			f.requireUnchanged(t, func() {
				_, err := f.Import(f.ctx, again)
				require.ErrorIs(t, err, client.ErrIDUsed, state)
				p := requireProblem(t, err, "ID", "is, or was once, the id of a client; ids are never used again")
				require.ErrorIs(t, p.Err, client.ErrIDUsed)
				require.NotErrorIs(t, err, client.ErrConflict)
			})
		}
		refused("in use")
		require.NoError(t, f.Delete(f.ctx, id))
		refused("deleted")
		_, err := f.another(t, client.Config{}).Import(f.ctx, again)
		require.ErrorIs(t, err, client.ErrIDUsed)
	}
	// Ids are compared as they are.
	_, err = f.Import(f.ctx, client.Import{ID: "Report_1", Spec: client.Spec{Name: "again"}})
	require.NoError(t, err)
}

func TestNoIDIsMadeTwice(t *testing.T) {
	f := newFixture(t)
	r := f.another(t, client.Config{Rand: constant(7), Audit: f.log(t)})
	_, err := r.Add(f.ctx, client.Spec{Name: "one"})
	require.NoError(t, err)
	_, err = r.Add(f.ctx, client.Spec{Name: "two"})
	require.ErrorIs(t, err, client.ErrIDUsed)
}

// A constant is the worst source of randomness.
type constant byte

func (c constant) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(c)
	}
	return len(p), nil
}

func TestNoSecretIsMadeTwice(t *testing.T) {
	f := newFixture(t)
	c := f.add(t, client.Spec{Name: "one"})
	r := f.another(t, client.Config{Rand: constant(7), Audit: f.log(t)})
	_, _, err := r.AddSecret(f.ctx, c.ID, noon.Add(90*day))
	require.NoError(t, err)
	f.requireUnchanged(t, func() {
		value, _, err := r.AddSecret(f.ctx, c.ID, noon.Add(90*day))
		require.ErrorContains(t, err, "the source of randomness repeats itself")
		require.Empty(t, value.Reveal())
		value, _, err = r.Rotate(f.ctx, c.ID, client.Rotation{ExpiresAt: noon.Add(90 * day)})
		require.ErrorContains(t, err, "the source of randomness repeats itself")
		require.Empty(t, value.Reveal())
	})
}

func TestRandomnessThatFailsFailsTheChange(t *testing.T) {
	f := newFixture(t)
	c := f.add(t, client.Spec{Name: "one"})
	broken := errors.New("no entropy")
	r := f.another(t, client.Config{Rand: iotest.ErrReader(broken), Audit: f.log(t)})
	f.requireUnchanged(t, func() {
		_, err := r.Add(f.ctx, client.Spec{Name: "two"})
		require.ErrorIs(t, err, broken)
		value, kept, err := r.AddSecret(f.ctx, c.ID, noon.Add(90*day))
		require.ErrorIs(t, err, broken)
		require.Empty(t, value.Reveal())
		require.Zero(t, kept)
	})
}

// log returns an audit log whose ids are random, whatever a Registry is given.
func (f *fixture) log(t testing.TB) *audit.Log {
	t.Helper()
	log, err := audit.NewLog(audit.Config{Store: f.store, Now: f.clock.now})
	require.NoError(t, err)
	return log
}

func TestWhatIsNotThereIsNotFound(t *testing.T) {
	f := newFixture(t)
	gone := f.add(t, client.Spec{Name: "gone"})
	require.NoError(t, f.Delete(f.ctx, gone.ID))
	for title, id := range map[string]string{
		"an unknown id":             "nobody",
		"a deleted client":          gone.ID,
		"the empty id":              "",
		"65 characters":             strings.Repeat("x", 65),
		"1 MiB":                     strings.Repeat("x", 1<<20),
		"a dot":                     "a.b",
		"a NUL":                     "a\x00b",
		"invalid UTF-8":             "a\xffb",
		"SQL":                       "x' OR '1'='1",
		"the id of an index record": "x.imported1",
	} {
		t.Run(title, func(t *testing.T) {
			f.requireUnchanged(t, func() {
				fail := func(err error) {
					t.Helper()
					require.ErrorIs(t, err, client.ErrNotFound)
					require.Less(t, len(err.Error()), 400)
				}
				_, err := f.Get(f.ctx, id)
				fail(err)
				_, err = f.Lookup(f.ctx, id)
				fail(err)
				_, err = f.Edit(f.ctx, id, func(*client.Client) error { return errors.New("not asked") })
				fail(err)
				_, err = f.Enable(f.ctx, id)
				fail(err)
				_, err = f.Disable(f.ctx, id)
				fail(err)
				fail(f.Delete(f.ctx, id))
				_, _, err = f.AddSecret(f.ctx, id, noon.Add(90*day))
				fail(err)
				_, _, err = f.Rotate(f.ctx, id, client.Rotation{ExpiresAt: noon.Add(90 * day)})
				fail(err)
				fail(f.DeleteSecret(f.ctx, id, "imported1"))
			})
		})
	}
}

func TestDeletingRemovesAllButTheMemoryOfTheID(t *testing.T) {
	f := newFixture(t)
	c := f.add(t, client.Spec{Name: "nightly"})
	value, _ := f.addSecret(t, c.ID, 90*day)
	f.addSecret(t, c.ID, 90*day)
	require.True(t, f.works(t, c.ID, value))
	require.NoError(t, f.Delete(f.ctx, c.ID))

	_, err := f.Lookup(f.ctx, c.ID)
	require.ErrorIs(t, err, client.ErrNotFound)
	var kinds []store.Kind
	for _, record := range f.records(t) {
		if record.Kind != audit.Kind {
			kinds = append(kinds, record.Kind)
		}
	}
	require.Equal(t, []store.Kind{client.KindID}, kinds)
	require.ErrorIs(t, f.Delete(f.ctx, c.ID), client.ErrNotFound)
}

func TestADisabledClientIsEnabledAgain(t *testing.T) {
	f := newFixture(t)
	c := f.add(t, client.Spec{Name: "nightly"})
	value, _ := f.addSecret(t, c.ID, 90*day)

	f.clock.advance(time.Minute)
	disabled, err := f.Disable(f.ctx, c.ID)
	require.NoError(t, err)
	require.True(t, disabled.Disabled)
	require.Equal(t, noon.Add(time.Minute), disabled.UpdatedAt)
	require.Equal(t, disabled, f.get(t, c.ID))
	looked, err := f.Lookup(f.ctx, c.ID)
	require.NoError(t, err)
	require.True(t, looked.Disabled)

	f.requireUnchanged(t, func() {
		again, err := f.Disable(f.ctx, c.ID)
		require.NoError(t, err)
		require.Equal(t, disabled, again)
	})

	enabled, err := f.Enable(f.ctx, c.ID)
	require.NoError(t, err)
	require.False(t, enabled.Disabled)
	require.True(t, f.works(t, c.ID, value), "its secrets stay")
	f.requireUnchanged(t, func() {
		_, err := f.Enable(f.ctx, c.ID)
		require.NoError(t, err)
	})
}

// changing are all ways to change something, on a client with a secret.
var changing = map[string]func(ctx context.Context, r *client.Registry, id, secretID string) error{
	"client.add": func(ctx context.Context, r *client.Registry, _, _ string) error {
		_, err := r.Add(ctx, client.Spec{Name: "another"})
		return err
	},
	"client.import": func(ctx context.Context, r *client.Registry, _, _ string) error {
		_, err := r.Import(ctx, client.Import{ID: "imported", Spec: client.Spec{Name: "another"}})
		return err
	},
	"client.edit": func(ctx context.Context, r *client.Registry, id, _ string) error {
		_, err := r.Edit(ctx, id, func(c *client.Client) error { c.Description = "edited"; return nil })
		return err
	},
	"client.edit, by Disable": func(ctx context.Context, r *client.Registry, id, _ string) error {
		_, err := r.Disable(ctx, id)
		return err
	},
	"client.delete": func(ctx context.Context, r *client.Registry, id, _ string) error { return r.Delete(ctx, id) },
	"client.secret.add": func(ctx context.Context, r *client.Registry, id, _ string) error {
		_, _, err := r.AddSecret(ctx, id, noon.Add(90*day))
		return err
	},
	"client.secret.add, by its digest": func(ctx context.Context, r *client.Registry, id, _ string) error {
		_, err := r.AddSecretDigest(ctx, id, client.SecretDigest{Digest: credentials.DigestOf(foreign), ExpiresAt: noon.Add(90 * day), HighEntropy: true})
		return err
	},
	"client.delete, if": func(ctx context.Context, r *client.Registry, id, _ string) error {
		return r.If(func(*client.Client) error { return nil }).Delete(ctx, id)
	},
	"client.secret.rotate": func(ctx context.Context, r *client.Registry, id, _ string) error {
		_, _, err := r.Rotate(ctx, id, client.Rotation{ExpiresAt: noon.Add(90 * day)})
		return err
	},
	"client.secret.delete": func(ctx context.Context, r *client.Registry, id, secretID string) error {
		return r.DeleteSecret(ctx, id, secretID)
	},
}

func TestEachChangeNeedsAnActor(t *testing.T) {
	for action, change := range changing {
		t.Run(action, func(t *testing.T) {
			f := newFixture(t)
			c := f.add(t, client.Spec{Name: "nightly"})
			_, kept := f.addSecret(t, c.ID, 90*day)
			f.requireUnchanged(t, func() {
				require.ErrorIs(t, change(t.Context(), f.Registry, c.ID, kept.ID), audit.ErrNoActor)
				ctx := audit.WithActor(t.Context(), audit.Actor{Name: "of no kind"})
				require.ErrorIs(t, change(ctx, f.Registry, c.ID, kept.ID), audit.ErrNoActor)
			})
			require.Equal(t, f.get(t, c.ID).Version, c.Version+1)
		})
	}
	t.Run("also one that would change nothing", func(t *testing.T) {
		f := newFixture(t)
		c := f.add(t, client.Spec{Name: "nightly"})
		_, err := f.Enable(t.Context(), c.ID)
		require.ErrorIs(t, err, audit.ErrNoActor)
		_, err = f.Edit(t.Context(), c.ID, func(*client.Client) error { return nil })
		require.ErrorIs(t, err, audit.ErrNoActor)
	})
	t.Run("also one that would be refused", func(t *testing.T) {
		f := newFixture(t)
		_, err := f.Add(t.Context(), client.Spec{})
		require.ErrorIs(t, err, audit.ErrNoActor)
		_, err = f.Import(t.Context(), client.Import{})
		require.ErrorIs(t, err, audit.ErrNoActor)
		require.ErrorIs(t, f.Delete(t.Context(), "nobody"), audit.ErrNoActor)
	})
	t.Run("reading needs none", func(t *testing.T) {
		f := newFixture(t)
		c := f.add(t, client.Spec{Name: "nightly"})
		_, err := f.Get(t.Context(), c.ID)
		require.NoError(t, err)
		_, err = f.Lookup(t.Context(), c.ID)
		require.NoError(t, err)
		_, err = f.List(t.Context(), client.Query{})
		require.NoError(t, err)
		_, _, err = f.Expiring(t.Context(), time.Time{}, time.Time{}, "", 0)
		require.NoError(t, err)
	})
}

func TestEachChangeIsOneEvent(t *testing.T) {
	for title, change := range changing {
		t.Run(title, func(t *testing.T) {
			f := newFixture(t)
			c := f.add(t, client.Spec{Name: "nightly", Description: "before"})
			f.clock.advance(time.Second)
			value, kept := f.addSecret(t, c.ID, 90*day)
			before := toMap(t, f.events(t, c.ID)[1].After)

			f.clock.advance(time.Second)
			actor := audit.Actor{Kind: audit.Person, ID: "p1", Name: "Ada", Address: "192.0.2.1", Request: "r1"}
			require.NoError(t, change(audit.WithActor(t.Context(), actor), f.Registry, c.ID, kept.ID))

			action, _, _ := strings.Cut(title, ",")
			subject := audit.Subject{Kind: "client", ID: c.ID, Name: "nightly"}
			id := c.ID
			if action == "client.add" || action == "client.import" {
				page, err := f.List(f.ctx, client.Query{Search: "another"})
				require.NoError(t, err)
				id = page.Clients[0].ID
				subject.ID, subject.Name = id, "another"
			}
			events := f.events(t, id)
			last := events[len(events)-1]
			if id == c.ID {
				require.Len(t, events, 3)
				require.Equal(t, before, toMap(t, last.Before))
			} else {
				require.Len(t, events, 1)
				require.Nil(t, last.Before)
			}
			require.Equal(t, action, last.Action)
			require.Equal(t, subject, last.Subject)
			require.Equal(t, actor, last.Actor)
			require.Equal(t, f.clock.now(), last.Time)
			if action == "client.delete" {
				require.Nil(t, last.After)
				return
			}
			now := f.get(t, id)
			after := toMap(t, last.After)
			require.Equal(t, now.Name, after["name"])
			secrets, _ := after["secrets"].([]any)
			require.Len(t, secrets, len(now.Secrets))
			for i, s := range now.Secrets {
				want := map[string]any{
					"id": s.ID, "created_at": s.CreatedAt.Format(time.RFC3339), "expires_at": s.ExpiresAt.Format(time.RFC3339),
				}
				if s.Imported {
					want["imported"] = true
				}
				require.Equal(t, want, secrets[i])
			}
			require.NotContains(t, string(last.After), value.Reveal())
		})
	}
}

func TestNoRecordButTheClientsOwnHasADigestAndNoneHasAValue(t *testing.T) {
	f := newFixture(t)
	c := f.add(t, client.Spec{Name: "nightly"})
	first, keptFirst := f.addSecret(t, c.ID, 90*day)
	second, keptSecond := f.addSecret(t, c.ID, 90*day)
	third, keptThird, err := f.Rotate(f.ctx, c.ID, client.Rotation{ExpiresAt: noon.Add(90 * day), OldEndsAt: noon.Add(day)})
	require.NoError(t, err)
	_, err = f.Disable(f.ctx, c.ID)
	require.NoError(t, err)
	foreign := client.ImportedSecret{Digest: keptThird.Digest, ExpiresAt: noon.Add(day)}
	foreign.Digest[0] ^= 1
	_, err = f.Import(f.ctx, client.Import{ID: "imported", Spec: client.Spec{Name: "imported"}, HighEntropy: true, Secrets: []client.ImportedSecret{foreign}})
	require.NoError(t, err)
	digests := [][]byte{keptFirst.Digest[:], keptSecond.Digest[:], keptThird.Digest[:], foreign.Digest[:]}

	inRecord := func(record store.Record, what []byte) bool {
		for _, part := range [][]byte{record.Data, []byte(record.ID), []byte(record.Text), []byte(record.Sort), []byte(strings.Join(record.Names, " "))} {
			if bytes.Contains(part, what) {
				return true
			}
		}
		for _, label := range record.Labels {
			if strings.Contains(label.Value, string(what)) {
				return true
			}
		}
		return false
	}
	found := map[int]bool{}
	for _, record := range f.records(t) {
		for _, value := range []string{first.Reveal(), second.Reveal(), third.Reveal()} {
			// The second half has nothing but random characters.
			require.False(t, inRecord(record, []byte(value[len(value)/2:])), "%s %s has a secret", record.Kind, record.ID)
		}
		for i, digest := range digests {
			for _, form := range digestForms(digest) {
				if inRecord(record, form) {
					require.Equal(t, client.Kind, record.Kind, "%s has a digest", record.ID)
					found[i] = true
				}
			}
		}
	}
	require.Equal(t, map[int]bool{0: true, 2: true, 3: true}, found, "the search finds what is there")

	require.NoError(t, f.DeleteSecret(f.ctx, c.ID, keptThird.ID))
	require.NoError(t, f.Delete(f.ctx, c.ID))
	require.NoError(t, f.Delete(f.ctx, "imported"))
	for _, record := range f.records(t) {
		for _, digest := range digests {
			for _, form := range digestForms(digest) {
				require.False(t, inRecord(record, form), "%s %s has a digest", record.Kind, record.ID)
			}
		}
	}
}

func TestAContextThatHasEndedChangesNothing(t *testing.T) {
	f := newFixture(t)
	c := f.add(t, client.Spec{Name: "nightly"})
	_, kept := f.addSecret(t, c.ID, 90*day)
	for action, change := range changing {
		t.Run(action, func(t *testing.T) {
			ctx, cancel := context.WithCancel(f.ctx)
			cancel()
			f.requireUnchanged(t, func() {
				require.ErrorIs(t, change(ctx, f.Registry, c.ID, kept.ID), context.Canceled)
			})
		})
	}
	ctx, cancel := context.WithCancel(f.ctx)
	cancel()
	_, err := f.Get(ctx, c.ID)
	require.ErrorIs(t, err, context.Canceled)
	_, err = f.Lookup(ctx, c.ID)
	require.ErrorIs(t, err, context.Canceled)
	_, err = f.List(ctx, client.Query{})
	require.ErrorIs(t, err, context.Canceled)
	_, _, err = f.Expiring(ctx, time.Time{}, time.Time{}, "", 0)
	require.ErrorIs(t, err, context.Canceled)
	_, err = f.LostScopes(ctx, resource.Diff{ServerID: "orders", Removed: []resource.Scope{{ID: "shop::read"}}})
	require.ErrorIs(t, err, context.Canceled)
}
