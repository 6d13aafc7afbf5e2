package client_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/audit"
	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/credentials"
	"github.com/clientele-go/clientele/store"
)

func TestADryRunWritesNothing(t *testing.T) {
	for action, change := range changing {
		t.Run(action, func(t *testing.T) {
			f := newFixture(t)
			c := f.add(t, client.Spec{Name: "nightly"})
			_, kept := f.addSecret(t, c.ID, 90*day)
			dry := f.DryRun()
			f.store.beforeApply = func(context.Context, []store.Change) error { return errors.New("Apply was called") }
			f.requireUnchanged(t, func() {
				for _, r := range []*client.Registry{dry, dry.DryRun()} {
					require.NoError(t, change(f.ctx, r, c.ID, kept.ID))
					require.NoError(t, change(f.ctx, r, c.ID, kept.ID), "nor does it remember")
					require.ErrorIs(t, change(t.Context(), r, c.ID, kept.ID), audit.ErrNoActor)
				}
			})
			f.store.beforeApply = nil
			looked, err := dry.Lookup(f.ctx, c.ID)
			require.NoError(t, err)
			require.Equal(t, f.get(t, c.ID), looked)
			require.NoError(t, change(f.ctx, f.Registry, c.ID, kept.ID), "the Registry itself goes on writing")
		})
	}
}

func TestADryRunReturnsWhatWouldHaveBeenMade(t *testing.T) {
	f := newFixture(t)
	dry := f.DryRun()
	same := func(t *testing.T, want, got *client.Client) {
		t.Helper()
		require.Empty(t, got.ID)
		require.Zero(t, got.Version)
		want = want.Clone()
		want.ID, want.Version = "", 0
		require.Equal(t, want, got)
	}
	spec := client.Spec{Name: "cafe\u0301", Labels: map[string]string{"owner": "ops"}, Grants: []client.Grant{grant("orders", "shop::read")}}

	tried, err := dry.Add(f.ctx, spec)
	require.NoError(t, err)
	added := f.add(t, spec)
	same(t, added, tried)

	t.Run("by Import", func(t *testing.T) {
		imported := client.Import{Spec: client.Spec{Name: "imported"}, Secrets: imported("1", "2"), HighEntropy: true}
		imported.Secrets[1].ID = "own"
		tried, err := dry.Import(f.ctx, imported)
		require.NoError(t, err)
		require.Empty(t, tried.Secrets[0].ID)
		require.Equal(t, "own", tried.Secrets[1].ID)
		c, err := f.Import(f.ctx, imported)
		require.NoError(t, err)
		require.Equal(t, "own", c.Secrets[1].ID)
		kept := c.Clone()
		kept.Secrets[0].ID = ""
		same(t, kept, tried)
	})
	t.Run("by Import of an id", func(t *testing.T) {
		tried, err := dry.Import(f.ctx, client.Import{ID: "legacy", Spec: client.Spec{Name: "legacy"}})
		require.NoError(t, err)
		require.Equal(t, "legacy", tried.ID)
	})
	t.Run("by Edit", func(t *testing.T) {
		edit := func(c *client.Client) error { c.Name, c.Grants = "renamed", nil; return nil }
		tried, err := dry.Edit(f.ctx, added.ID, edit)
		require.NoError(t, err)
		require.Equal(t, added.ID, tried.ID)
		require.Equal(t, added.Version, tried.Version)
		edited, err := f.Edit(f.ctx, added.ID, edit)
		require.NoError(t, err)
		edited.Version = tried.Version
		require.Equal(t, edited, tried)
	})
	t.Run("by AddSecret and Rotate", func(t *testing.T) {
		value, kept, err := dry.AddSecret(f.ctx, added.ID, noon.Add(90*day))
		require.NoError(t, err)
		require.Empty(t, value.Reveal())
		require.Equal(t, client.Secret{CreatedAt: noon, ExpiresAt: noon.Add(90 * day)}, kept)
		value, kept, err = dry.Rotate(f.ctx, added.ID, client.Rotation{ExpiresAt: noon.Add(60 * day)})
		require.NoError(t, err)
		require.Empty(t, value.Reveal())
		require.Equal(t, client.Secret{CreatedAt: noon, ExpiresAt: noon.Add(60 * day)}, kept)
	})
	t.Run("by AddSecretDigest", func(t *testing.T) {
		digest := credentials.DigestOf(foreign)
		kept, err := dry.AddSecretDigest(f.ctx, added.ID, client.SecretDigest{Digest: digest, ExpiresAt: noon.Add(90 * day), HighEntropy: true})
		require.NoError(t, err)
		require.Equal(t, client.Secret{Digest: digest, CreatedAt: noon, ExpiresAt: noon.Add(90 * day), Imported: true}, kept)
	})
	t.Run("by Disable and Enable", func(t *testing.T) {
		tried, err := dry.Disable(f.ctx, added.ID)
		require.NoError(t, err)
		require.True(t, tried.Disabled)
		tried, err = dry.Enable(f.ctx, added.ID)
		require.NoError(t, err)
		require.False(t, tried.Disabled, "it never was")
	})
}

// A dry run is refused with the very words of the change itself.
func TestADryRunIsRefusedAsTheChangeIs(t *testing.T) {
	f := newFixture(t)
	f.Registry = f.another(t, client.Config{KeepOne: []client.Grant{grant("orders", "shop::write")}})
	f.add(t, client.Spec{Name: "Nightly"})
	gone := f.add(t, client.Spec{Name: "gone"})
	require.NoError(t, f.Delete(f.ctx, gone.ID))
	last := f.add(t, client.Spec{Name: "last", Grants: []client.Grant{grant("orders", "shop::write")}})
	signer := f.add(t, client.Spec{Name: "signer", JWKSURL: keysURL})
	f.newerClient(t)
	own := errors.New("not today")
	for title, change := range map[string]func(r *client.Registry) error{
		"a name that is taken": func(r *client.Registry) error {
			_, err := r.Add(f.ctx, client.Spec{Name: "NIGHTLY"})
			return err
		},
		"a name that is taken, by an edit": func(r *client.Registry) error {
			_, err := r.Edit(f.ctx, signer.ID, func(c *client.Client) error { c.Name = "nightly"; return nil })
			return err
		},
		"an id that is used": func(r *client.Registry) error {
			_, err := r.Import(f.ctx, client.Import{ID: last.ID, Spec: client.Spec{Name: "x"}})
			return err
		},
		"an id that was used": func(r *client.Registry) error {
			_, err := r.Import(f.ctx, client.Import{ID: gone.ID, Spec: client.Spec{Name: "x"}})
			return err
		},
		"an id and a name that are taken": func(r *client.Registry) error {
			_, err := r.Import(f.ctx, client.Import{ID: last.ID, Spec: client.Spec{Name: "nightly"}})
			return err
		},
		"a name that is taken, with an id that was used": func(r *client.Registry) error {
			_, err := r.Import(f.ctx, client.Import{ID: gone.ID, Spec: client.Spec{Name: "nightly"}})
			return err
		},
		"several fields at fault": func(r *client.Registry) error {
			_, err := r.Import(f.ctx, client.Import{ID: "a.b", Spec: client.Spec{TokenLifetime: 1, Grants: []client.Grant{grant("orders", "none")}}})
			return err
		},
		"no client": func(r *client.Registry) error {
			_, err := r.Edit(f.ctx, gone.ID, func(*client.Client) error { return nil })
			return err
		},
		"no client to delete": func(r *client.Registry) error { return r.Delete(f.ctx, gone.ID) },
		"no secret":           func(r *client.Registry) error { return r.DeleteSecret(f.ctx, last.ID, "none") },
		"no secret to be had": func(r *client.Registry) error {
			_, _, err := r.AddSecret(f.ctx, signer.ID, noon.Add(90*day))
			return err
		},
		"a secret for too long": func(r *client.Registry) error {
			_, _, err := r.AddSecret(f.ctx, last.ID, noon.Add(400*day))
			return err
		},
		"a digest that is missing": func(r *client.Registry) error {
			_, err := r.AddSecretDigest(f.ctx, last.ID, client.SecretDigest{ExpiresAt: noon.Add(90 * day)})
			return err
		},
		"the last to be deleted":  func(r *client.Registry) error { return r.Delete(f.ctx, last.ID) },
		"the last to be disabled": func(r *client.Registry) error { _, err := r.Disable(f.ctx, last.ID); return err },
		"a newer release's client": func(r *client.Registry) error {
			_, err := r.Disable(f.ctx, "newer")
			return err
		},
		"a function's own error": func(r *client.Registry) error {
			return r.If(func(*client.Client) error { return own }).Delete(f.ctx, last.ID)
		},
	} {
		t.Run(title, func(t *testing.T) {
			var tried error
			f.requireUnchanged(t, func() { tried = change(f.DryRun()) })
			require.Error(t, tried)
			err := change(f.Registry)
			require.EqualError(t, tried, err.Error())
			for _, sentinel := range []error{client.ErrNameTaken, client.ErrIDUsed, client.ErrNotFound, client.ErrNoMethod, client.ErrLast, client.ErrConflict, store.ErrNewer, own} {
				require.Equal(t, errors.Is(err, sentinel), errors.Is(tried, sentinel), "%v", sentinel)
			}
			require.Equal(t, errors.As(err, new(*client.InvalidError)), errors.As(tried, new(*client.InvalidError)))
		})
	}
}

func TestADryRunOnAStoreThatFails(t *testing.T) {
	f := newFixture(t)
	c := f.add(t, client.Spec{Name: "nightly"})
	dry := f.DryRun()
	for title, kinds := range map[string][]store.Kind{"clients": {client.Kind}, "ids": {client.KindID}} {
		t.Run(title, func(t *testing.T) {
			f.store.beforeGet = func(_ context.Context, kind store.Kind) error {
				if kind == kinds[0] {
					return errAway
				}
				return nil
			}
			defer func() { f.store.beforeGet = nil }()
			_, err := dry.Add(f.ctx, client.Spec{Name: "another"})
			requireUnknown(t, err)
			require.ErrorContains(t, err, "saving client")
		})
	}
	t.Run("a search for the name", func(t *testing.T) {
		f.store.beforeList = func(_ context.Context, q store.Query) error { return errAway }
		defer func() { f.store.beforeList = nil }()
		_, err := dry.Edit(f.ctx, c.ID, func(c *client.Client) error { c.Name = "another"; return nil })
		requireUnknown(t, err)
		_, err = dry.Edit(f.ctx, c.ID, func(c *client.Client) error { c.Name = "NIGHTLY"; return nil })
		require.NoError(t, err, "its own name needs none")
	})
}
