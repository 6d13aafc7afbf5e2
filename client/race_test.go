package client_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/credentials"
	"github.com/clientele-go/clientele/store"
)

const racers = 64

// race calls do in as many goroutines as there are racers, all at once.
func race(do func(i int)) {
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range racers {
		wg.Go(func() {
			<-start
			do(i)
		})
	}
	close(start)
	wg.Wait()
}

// A won secret is one that somebody was given.
type won struct {
	value credentials.Secret
	kept  client.Secret
}

// addAtOnce lets all racers add a secret, over several registries, and returns
// what was given. Who is given nothing must have been told so.
func (f *fixture) addAtOnce(t *testing.T, id string, registries ...*client.Registry) []won {
	t.Helper()
	var mu sync.Mutex
	var winners []won
	var failures []error
	race(func(i int) {
		r := registries[i%len(registries)]
		value, kept, err := r.AddSecret(f.ctx, id, noon.Add(90*day))
		mu.Lock()
		defer mu.Unlock()
		if err != nil {
			if value.Reveal() != "" || kept != (client.Secret{}) {
				err = fmt.Errorf("given %v in spite of %w", value, err)
			}
			failures = append(failures, err)
			return
		}
		winners = append(winners, won{value, kept})
	})
	for _, err := range failures {
		require.ErrorIs(t, err, client.ErrConflict)
		require.NotContains(t, err.Error(), "in spite of")
	}
	require.Len(t, failures, racers-len(winners))
	return winners
}

// requireWinners tests that the secrets of a client are among those that were
// given, and that of these, no other works.
func (f *fixture) requireWinners(t *testing.T, id string, winners []won) {
	t.Helper()
	now := f.get(t, id)
	require.NotEmpty(t, now.Secrets)
	require.LessOrEqual(t, len(now.Secrets), client.MaxSecrets)
	for _, s := range now.Secrets {
		require.True(t, slices.ContainsFunc(winners, func(w won) bool { return w.kept == s }), "nobody was given %s", s.ID)
	}
	for _, w := range winners {
		require.Equal(t, slices.Contains(now.Secrets, w.kept), f.works(t, id, w.value))
	}
}

func TestOfManyWhoAddASecretToTheSameStateOneWins(t *testing.T) {
	f := newFixture(t)
	c := f.add(t, client.Spec{Name: "nightly"})
	_, first := f.addSecret(t, c.ID, 90*day)

	// Nobody writes before everybody has read.
	var reading sync.WaitGroup
	reading.Add(racers)
	f.store.beforeApply = func(context.Context, []store.Change) error {
		reading.Done()
		reading.Wait()
		return nil
	}
	winners := f.addAtOnce(t, c.ID, f.Registry, f.another(t, client.Config{}))
	f.store.beforeApply = nil

	require.Len(t, winners, 1)
	require.Equal(t, []client.Secret{first, winners[0].kept}, f.get(t, c.ID).Secrets)
	require.True(t, f.works(t, c.ID, winners[0].value))
}

func TestAtMostTwoSecretsWhateverTheRaces(t *testing.T) {
	f := newFixture(t)
	other := f.another(t, client.Config{})
	c := f.add(t, client.Spec{Name: "nightly"})

	// Whoever looks meanwhile, in whichever way, sees two at most.
	ctx, stop := context.WithCancel(f.ctx)
	var readers sync.WaitGroup
	reads := make([]int, 4)
	look := func(i int, read func() (*client.Client, error)) {
		readers.Go(func() {
			for ctx.Err() == nil {
				seen, err := read()
				if err != nil || len(seen.Secrets) > client.MaxSecrets {
					t.Errorf("%v: seen %+v", err, seen)
					return
				}
				reads[i]++
			}
		})
	}
	look(0, func() (*client.Client, error) { return f.Get(f.ctx, c.ID) })
	look(1, func() (*client.Client, error) { return other.Get(f.ctx, c.ID) })
	look(2, func() (*client.Client, error) { return other.Lookup(f.ctx, c.ID) })
	look(3, func() (*client.Client, error) {
		secrets, _, err := f.Expiring(f.ctx, time.Time{}, time.Time{}, "", 0)
		if err == nil && len(secrets) > client.MaxSecrets {
			err = errors.New("more than two in the index")
		}
		return c, err
	})

	var winners []won
	for range 8 {
		winners = append(winners, f.addAtOnce(t, c.ID, f.Registry, other)...)
	}
	stop()
	readers.Wait()
	for i := range reads {
		require.NotZero(t, reads[i])
	}

	f.requireWinners(t, c.ID, winners)
	require.Len(t, f.events(t, c.ID), 1+len(winners), "one event for each that was given")
	for _, e := range f.events(t, c.ID) {
		secrets, _ := toMap(t, e.After)["secrets"].([]any)
		require.LessOrEqual(t, len(secrets), client.MaxSecrets)
	}
}

func TestEditsAtOnceLoseNothing(t *testing.T) {
	cases := []struct {
		title      string
		registries int
	}{{"one Registry", 1}, {"two Registries", 2}}
	for _, c := range cases {
		t.Run(c.title, func(t *testing.T) {
			f := newFixture(t)
			added := f.add(t, client.Spec{Name: "nightly"})
			registries := []*client.Registry{f.Registry, f.another(t, client.Config{})}[:c.registries]
			var mu sync.Mutex
			var done []string
			race(func(i int) {
				line := fmt.Sprintf("editor %d\n", i)
				_, err := registries[i%c.registries].Edit(f.ctx, added.ID, func(c *client.Client) error {
					c.Description += line
					return nil
				})
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil:
					done = append(done, line)
				case c.registries == 1 || !errors.Is(err, client.ErrConflict):
					t.Errorf("editor %d: %v", i, err)
				}
			})
			require.ElementsMatch(t, done, slices.Collect(strings.Lines(f.get(t, added.ID).Description)))
			require.Len(t, f.events(t, added.ID), 1+len(done))
		})
	}
}

func TestAddsAtOnceOfOneNameAndOneID(t *testing.T) {
	f := newFixture(t)
	other := f.another(t, client.Config{})
	var mu sync.Mutex
	added, imported := 0, 0
	race(func(i int) {
		r := []*client.Registry{f.Registry, other}[i%2]
		_, err := r.Add(f.ctx, client.Spec{Name: []string{"nightly", "NIGHTLY"}[i%2]})
		_, importErr := r.Import(f.ctx, client.Import{ID: "imported", Spec: client.Spec{Name: fmt.Sprint("client ", i)}})
		mu.Lock()
		defer mu.Unlock()
		if err == nil {
			added++
		} else if !errors.Is(err, client.ErrNameTaken) {
			t.Error(err)
		}
		if importErr == nil {
			imported++
		} else if !errors.Is(importErr, client.ErrIDUsed) {
			t.Error(importErr)
		}
	})
	require.Equal(t, 1, added)
	require.Equal(t, 1, imported)
}

func TestADeletionThatComesInBetween(t *testing.T) {
	deleteFirst := func(t *testing.T, change func(f *fixture, id, secretID string) error) {
		f := newFixture(t)
		c := f.add(t, client.Spec{Name: "nightly"})
		_, kept := f.addSecret(t, c.ID, 90*day)
		other := f.another(t, client.Config{})
		f.store.beforeApply = func(context.Context, []store.Change) error {
			f.store.beforeApply = nil
			return other.Delete(f.ctx, c.ID)
		}
		err := change(f, c.ID, kept.ID)
		require.ErrorIs(t, err, client.ErrNotFound)
		require.NotErrorIs(t, err, client.ErrConflict)
		_, err = f.Lookup(f.ctx, c.ID)
		require.ErrorIs(t, err, client.ErrNotFound, "nothing brings it back")
	}
	for action, change := range changing {
		if action == "client.add" || action == "client.import" {
			continue
		}
		t.Run(action, func(t *testing.T) {
			deleteFirst(t, func(f *fixture, id, secretID string) error { return change(f.ctx, f.Registry, id, secretID) })
		})
	}
}

func TestADeletionAndEditsAtOnce(t *testing.T) {
	for range 10 {
		f := newFixture(t)
		other := f.another(t, client.Config{})
		c := f.add(t, client.Spec{Name: "nightly"})
		f.addSecret(t, c.ID, 90*day)
		race(func(i int) {
			var err error
			switch {
			case i == racers/2:
				for err = client.ErrConflict; errors.Is(err, client.ErrConflict); {
					err = other.Delete(f.ctx, c.ID)
				}
			case i%2 == 0:
				_, err = f.Edit(f.ctx, c.ID, func(c *client.Client) error { c.Description += "."; return nil })
			default:
				_, _, err = other.AddSecret(f.ctx, c.ID, noon.Add(90*day))
			}
			if err != nil && !errors.Is(err, client.ErrNotFound) && !errors.Is(err, client.ErrConflict) {
				t.Error(err)
			}
		})
		_, err := f.Get(f.ctx, c.ID)
		require.ErrorIs(t, err, client.ErrNotFound)
		left, _, err := f.Expiring(f.ctx, time.Time{}, time.Time{}, "", 0)
		require.NoError(t, err)
		require.Empty(t, left)
		f.add(t, client.Spec{Name: "nightly"})
	}
}
