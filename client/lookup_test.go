package client_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/credentials"
	"github.com/clientele-go/clientele/resource"
)

func TestLookupSeesItsOwnChangesAtOnce(t *testing.T) {
	f := newFixture(t)
	c := f.add(t, client.Spec{Name: "nightly"})
	look := func() *client.Client {
		t.Helper()
		looked, err := f.Lookup(f.ctx, c.ID)
		require.NoError(t, err)
		require.Equal(t, f.get(t, c.ID), looked)
		return looked
	}
	require.False(t, look().Disabled)
	_, err := f.Disable(f.ctx, c.ID)
	require.NoError(t, err)
	require.True(t, look().Disabled)
	_, kept := f.addSecret(t, c.ID, 90*day)
	require.Len(t, look().Secrets, 1)
	require.NoError(t, f.DeleteSecret(f.ctx, c.ID, kept.ID))
	require.Empty(t, look().Secrets)
	require.NoError(t, f.Delete(f.ctx, c.ID))
	_, err = f.Lookup(f.ctx, c.ID)
	require.ErrorIs(t, err, client.ErrNotFound)

	_, err = f.Lookup(f.ctx, "imported")
	require.ErrorIs(t, err, client.ErrNotFound)
	_, err = f.Import(f.ctx, client.Import{ID: "imported", Spec: client.Spec{Name: "imported"}})
	require.NoError(t, err)
	_, err = f.Lookup(f.ctx, "imported")
	require.NoError(t, err)
}

func TestLookupSeesAnothersChangesWithinTheBound(t *testing.T) {
	for title, c := range map[string]struct{ set, bound time.Duration }{
		"one second by default": {0, time.Second}, "a minute": {time.Minute, time.Minute},
	} {
		t.Run(title, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				far := f.another(t, client.Config{Fresh: c.set})
				added := f.add(t, client.Spec{Name: "nightly"})
				value, _ := f.addSecret(t, added.ID, 90*day)
				looked, err := far.Lookup(f.ctx, added.ID)
				require.NoError(t, err)
				_, _, valid := looked.CheckSecret(value.Reveal(), noon)
				require.True(t, valid)

				// Not decoded again while nothing changes.
				gets := f.store.gets.Load()
				for range 10 {
					time.Sleep(c.bound / 4)
					again, err := far.Lookup(f.ctx, added.ID)
					require.NoError(t, err)
					require.Equal(t, looked, again)
				}
				require.Equal(t, gets, f.store.gets.Load())

				_, _, err = f.Rotate(f.ctx, added.ID, client.Rotation{ExpiresAt: noon.Add(90 * day)})
				require.NoError(t, err)
				time.Sleep(c.bound + 1)
				looked, err = far.Lookup(f.ctx, added.ID)
				require.NoError(t, err)
				_, known, _ := looked.CheckSecret(value.Reveal(), noon)
				require.False(t, known)

				_, err = f.Disable(f.ctx, added.ID)
				require.NoError(t, err)
				time.Sleep(c.bound + 1)
				looked, err = far.Lookup(f.ctx, added.ID)
				require.NoError(t, err)
				require.True(t, looked.Disabled)

				require.NoError(t, f.Delete(f.ctx, added.ID))
				time.Sleep(c.bound + 1)
				_, err = far.Lookup(f.ctx, added.ID)
				require.ErrorIs(t, err, client.ErrNotFound)

				_, err = far.Lookup(f.ctx, "imported")
				require.ErrorIs(t, err, client.ErrNotFound)
				_, err = f.Import(f.ctx, client.Import{ID: "imported", Spec: client.Spec{Name: "imported"}})
				require.NoError(t, err)
				time.Sleep(c.bound + 1)
				_, err = far.Lookup(f.ctx, "imported")
				require.NoError(t, err)
			})
		})
	}
}

func TestGetSeesAnothersChangesAtOnce(t *testing.T) {
	f := newFixture(t)
	far := f.another(t, client.Config{})
	c := f.add(t, client.Spec{Name: "nightly"})
	_, err := far.Disable(f.ctx, c.ID)
	require.NoError(t, err)
	require.True(t, f.get(t, c.ID).Disabled)
}

func TestLookupKeepsNoMoreThanItWasTold(t *testing.T) {
	f := newFixture(t)
	r := f.another(t, client.Config{CacheSize: 4})
	var ids []string
	for _, name := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
		ids = append(ids, f.add(t, client.Spec{Name: name}).ID)
	}
	all := func() int64 {
		before := f.store.gets.Load()
		for _, id := range ids {
			_, err := r.Lookup(f.ctx, id)
			require.NoError(t, err)
		}
		return f.store.gets.Load() - before
	}
	require.EqualValues(t, 8, all())
	require.GreaterOrEqual(t, all(), int64(4))
	ids = ids[:1]
	all()
	require.Zero(t, all())
}

func TestCachedClientsShareTheGrantsThatAreTheSame(t *testing.T) {
	f := newFixture(t)
	spec := client.Spec{Name: "one", Grants: []client.Grant{grant("orders", "shop::read"), grant("metrics", "node::read")}}
	look := func(name string) *client.Client {
		spec.Name = name
		c, err := f.Lookup(f.ctx, f.add(t, spec).ID)
		require.NoError(t, err)
		require.Equal(t, f.get(t, c.ID), c)
		return c
	}
	one, two := look("one"), look("two")
	require.Same(t, &one.Grants[0], &two.Grants[0])
	spec.Grants = spec.Grants[:1]
	require.NotSame(t, &one.Grants[0], &look("three").Grants[0])
	spec.Grants = []client.Grant{grant("metrics", "node::read"), grant("orders", "shop::read")}
	look("in another order")
	spec.Grants = nil
	require.Empty(t, look("without").Grants)

	// What a caller may change is its own.
	got := f.get(t, one.ID)
	require.NotSame(t, &one.Grants[0], &got.Grants[0])
	edited, err := f.Edit(f.ctx, one.ID, func(c *client.Client) error { c.Grants[0] = grant("orders", "shop::write"); return nil })
	require.NoError(t, err)
	require.NotEqual(t, edited.Grants, two.Grants)
	now, err := f.Lookup(f.ctx, two.ID)
	require.NoError(t, err)
	require.Equal(t, "shop::read", now.Grants[0].ScopeID)

	// There is an end to what is remembered, and all go on having what is theirs.
	services := resource.Server{ID: "many", Name: "Many", Audience: "https://many.example.com"}
	for i := range 1100 {
		if i%300 == 0 {
			services.Services = append(services.Services, resource.Service{Name: fmt.Sprint("service ", i)})
		}
		last := &services.Services[len(services.Services)-1]
		last.Scopes = append(last.Scopes, resource.Scope{ID: fmt.Sprint("scope-", i), Name: fmt.Sprint(i)})
	}
	_, err = f.catalog.Add(f.ctx, services)
	require.NoError(t, err)
	for i := range 1100 {
		spec.Grants = []client.Grant{grant("many", fmt.Sprint("scope-", i))}
		look(fmt.Sprint("client ", i))
	}
	_, err = f.Disable(f.ctx, two.ID) // so that it is read again
	require.NoError(t, err)
	again, err := f.Lookup(f.ctx, two.ID)
	require.NoError(t, err)
	require.Equal(t, two.Grants, again.Grants)
	require.NotSame(t, &two.Grants[0], &again.Grants[0], "it was forgotten")
}

func TestCachedClientsShareTheLabelsThatAreTheSame(t *testing.T) {
	f := newFixture(t)
	look := func(name string, labels map[string]string) *client.Client {
		c, err := f.Lookup(f.ctx, f.add(t, client.Spec{Name: name, Labels: labels}).ID)
		require.NoError(t, err)
		require.Equal(t, f.get(t, c.ID), c)
		return c
	}
	same := func(a, b *client.Client) bool {
		return reflect.ValueOf(a.Labels).Pointer() == reflect.ValueOf(b.Labels).Pointer()
	}
	one := look("one", map[string]string{"owner": "ops", "team": "a"})
	require.True(t, same(one, look("two", map[string]string{"team": "a", "owner": "ops"})))
	require.False(t, same(one, look("one less", map[string]string{"owner": "ops"})))
	require.False(t, same(one, look("another value", map[string]string{"owner": "ops", "team": "b"})))
	require.False(t, same(one, look("the other way round", map[string]string{"team": "ops", "owner": "a"})))
	require.Empty(t, look("without", nil).Labels)

	// What a caller may change is its own.
	_, err := f.Edit(f.ctx, one.ID, func(c *client.Client) error { c.Labels["team"] = "c"; return nil })
	require.NoError(t, err)
	require.Equal(t, "a", one.Labels["team"])
	require.Equal(t, "a", look("three", map[string]string{"owner": "ops", "team": "a"}).Labels["team"])

	// There is an end to what is remembered, and all go on having what is theirs.
	for i := range 1100 {
		look(fmt.Sprint("client ", i), map[string]string{"ticket": fmt.Sprint(i)})
	}
	again := look("four", map[string]string{"owner": "ops", "team": "a"})
	require.False(t, same(one, again), "it was forgotten")
}

func TestLookupReturnsWhatGetReturns(t *testing.T) {
	f := newFixture(t)
	keys := newKeys(2)
	named, err := keys[1].WithName("of the release job")
	require.NoError(t, err)
	two := f.add(t, client.Spec{Name: "two secrets", Grants: []client.Grant{grant("orders", "shop::read")}}).ID
	f.addSecret(t, two, 30*day)
	f.addSecret(t, two, 365*day)
	imported, err := f.Import(f.ctx, client.Import{
		ID:          "imported",
		Spec:        client.Spec{Name: "imported"},
		HighEntropy: true,
		Secrets:     []client.ImportedSecret{{Digest: credentials.DigestOf("from elsewhere"), ExpiresAt: noon.Add(90 * day)}},
	})
	require.NoError(t, err)
	digest, err := json.Marshal(credentials.DigestOf("x"))
	require.NoError(t, err)
	var three []string
	for i := range client.MaxSecrets + 1 {
		three = append(three, fmt.Sprintf(`{"id":"s%d","sha256":%s,"created_at":"2026-01-01T00:00:00Z","expires_at":"2027-01-01T00:00:00.5Z"}`, i, digest))
	}
	f.plant(t, "more", 9, `{"name":"more secrets than here","method":"CLIENT_SECRET","secrets":[`+strings.Join(three, ",")+`]}`)
	f.plant(t, "planted", 9, `{"name":"of a newer release","method":"newer","token_lifetime":-1,"created_at":"0001-01-01T00:00:00Z","updated_at":"9999-12-31T23:59:59.999999Z"}`)
	for title, id := range map[string]string{
		"the least":          f.add(t, client.Spec{Name: "x"}).ID,
		"two secrets":        two,
		"an import":          imported.ID,
		"a JWKS URL":         f.add(t, client.Spec{Name: "published", JWKSURL: keysURL}).ID,
		"keys":               f.add(t, client.Spec{Name: "keys", Keys: []credentials.Key{keys[0], named}}).ID,
		"a disabled":         f.add(t, client.Spec{Name: "disabled", Disabled: true, TokenLifetime: time.Minute}).ID,
		"labels":             f.add(t, client.Spec{Name: "labels", Labels: map[string]string{"owner": "ops", "empty": ""}}).ID,
		"the longest":        f.add(t, client.Spec{Name: strings.Repeat("\U0001f600", client.MaxName), Description: strings.Repeat("\U0001f600", client.MaxDescription), TokenLifetime: 24 * time.Hour}).ID,
		"of a newer release": "planted",
		"more secrets":       "more",
	} {
		t.Run(title, func(t *testing.T) {
			for range 2 {
				looked, err := f.Lookup(f.ctx, id)
				require.NoError(t, err)
				require.Equal(t, f.get(t, id), looked)
			}
		})
	}
}

// SECURITY 11: whether there is such a client, and how many secrets it has, nobody
// learns from how long it takes to look it up. What is measured is in
// token.TestTiming; here, that as many things are made.
func TestLookupOfNobodyUnpacksAClientToo(t *testing.T) {
	f := newFixture(t)
	made := func(id string) float64 {
		_, _ = f.Lookup(f.ctx, id) // is cached then, if only that there is none
		return testing.AllocsPerRun(100, func() { _, _ = f.Lookup(f.ctx, id) })
	}
	one := f.add(t, client.Spec{Name: "one"})
	for range client.MaxSecrets {
		require.Equal(t, 1.0, made(one.ID))
		f.addSecret(t, one.ID, 90*day)
	}
	require.Equal(t, 1.0, made(one.ID))
	require.Equal(t, 1.0, made(f.add(t, client.Spec{Name: "keys", Keys: newKeys(1)}).ID))
	const refusal = 1 // the error
	require.Equal(t, 1.0+refusal, made("nobody"))
}

// What clients have in common is kept once: their keys are not.
func TestCachedClientsThatAreAlikeKeepTheirOwnKeys(t *testing.T) {
	f := newFixture(t)
	keys := newKeys(2)
	for i, name := range []string{"one", "two", "with secrets"} {
		spec := client.Spec{Name: name, Grants: []client.Grant{grant("orders", "shop::read")}}
		if i < len(keys) {
			spec.Keys = keys[i : i+1]
		}
		looked, err := f.Lookup(f.ctx, f.add(t, spec).ID)
		require.NoError(t, err)
		require.Equal(t, f.get(t, looked.ID), looked)
	}
}
