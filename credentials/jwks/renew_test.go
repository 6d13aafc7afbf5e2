package jwks_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clientele-go/clientele/credentials/jwks"
	"github.com/stretchr/testify/require"
)

func TestRenewFindsAKeyThatWasJustPublished(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newJWK(t, "a"), newJWK(t, "b")
		world := newNetwork(setOf(a))
		cache := newCache(t, world)
		seen := requireKeys(t, cache, keysURL, "a")
		world.serve(setOf(a, b))
		require.Equal(t, []string{"a", "b"}, kids(cache.Renew(t.Context(), keysURL, seen).Keys()))
		require.Equal(t, 2, world.count())
		requireKeys(t, cache, keysURL, "a", "b")

		other := cache.Renew(t.Context(), keysURL, seen) // an assertion that was verified meanwhile
		require.Equal(t, []string{"a", "b"}, kids(other.Keys()))
		require.Zero(t, world.count())
	})
}

func TestSecurity38RenewFetchesOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world := newNetwork(setOf(newJWK(t, "a")))
		cache := newCache(t, world)
		seen := requireKeys(t, cache, keysURL, "a")
		require.Nil(t, cache.Renew(t.Context(), keysURL, seen), "the same keys are no news")
		require.Equal(t, 2, world.count())
		time.Sleep(time.Minute - 1)
		require.Nil(t, cache.Renew(t.Context(), keysURL, seen))
		require.Zero(t, world.count())
		time.Sleep(time.Nanosecond)
		require.Nil(t, cache.Renew(t.Context(), keysURL, seen))
		require.Equal(t, 1, world.count())
	})
}

func TestSecurity38AThousandUnknownKeysASecondForAnHourAreOneFetchAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world := newNetwork(setOf(newJWK(t, "a")), "Cache-Control: max-age=3600")
		cache := newCache(t, world)
		for range 600 {
			seen := requireKeys(t, cache, keysURL, "a")
			for range 100 {
				require.Nil(t, cache.Renew(t.Context(), keysURL, seen))
			}
			time.Sleep(100 * time.Millisecond)
		}
		require.Equal(t, 2, world.count(), "in the first minute")
		for range 59 * 60 {
			seen := requireKeys(t, cache, keysURL, "a")
			for range 10 {
				require.Nil(t, cache.Renew(t.Context(), keysURL, seen))
			}
			time.Sleep(time.Second)
		}
		require.LessOrEqual(t, world.count(), 60)
	})
}

func TestSecurity38WhoDidNotCauseTheFetchDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world := newNetwork(setOf(newJWK(t, "a")))
		cache := newCache(t, world)
		seen := requireKeys(t, cache, keysURL, "a")
		release := make(chan struct{})
		world.hangs(release, setOf(newJWK(t, "b")))
		var first sync.WaitGroup
		first.Go(func() { require.NotNil(t, cache.Renew(context.Background(), keysURL, seen)) })
		synctest.Wait()
		start := time.Now()
		for range 1000 {
			require.Nil(t, cache.Renew(t.Context(), keysURL, seen))
			requireKeys(t, cache, keysURL, "a")
		}
		require.Zero(t, time.Since(start))
		close(release)
		first.Wait()
		require.Equal(t, 2, world.count())
	})
}

func TestRenewOfAURLThatIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world := newNetwork(setOf(newJWK(t, "a")))
		cache := newCache(t, world)
		seen := requireKeys(t, cache, keysURL, "a")
		world.fails(errDown)
		require.Nil(t, cache.Renew(t.Context(), keysURL, seen))
		requireKeys(t, cache, keysURL, "a")
		for range 600 {
			require.Nil(t, cache.Renew(t.Context(), keysURL, seen))
			time.Sleep(time.Second)
		}
		require.LessOrEqual(t, world.count(), 12)
		world.serve(setOf(newJWK(t, "b")))
		time.Sleep(2 * time.Minute)
		require.Equal(t, []string{"b"}, kids(cache.Renew(t.Context(), keysURL, seen).Keys()))
	})
}

func TestRenewWaitsWithinItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world := newNetwork(setOf(newJWK(t, "a")))
		cache := newCache(t, world)
		seen := requireKeys(t, cache, keysURL, "a")
		world.hangs(nil, "")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		require.Nil(t, cache.Renew(ctx, keysURL, seen))
		require.Equal(t, time.Second, time.Since(start))
		time.Sleep(4 * time.Second)
		synctest.Wait()
	})
}

func TestRenewOfAURLThatNobodyAskedForYet(t *testing.T) {
	cache := newCache(t, newNetwork(setOf(newJWK(t, "a"))))
	require.Equal(t, []string{"a"}, kids(cache.Renew(t.Context(), keysURL, nil).Keys()))
}

func TestSecurity38FetchesInFlightAreBoundedAndTheOthersAreAnsweredAtOnce(t *testing.T) {
	cases := map[string]struct {
		url  func(i int) string
		most int
	}{
		"URLs on as many hosts": {func(i int) string { return fmt.Sprintf("https://h%d.example.com/", i) }, 64},
		"URLs on one host":      {func(i int) string { return fmt.Sprintf("https://keys.example.com/%d", i) }, 8},
		"in capitals and on other ports": {func(i int) string {
			return fmt.Sprintf("https://%s.example.com%s/%d", []string{"a", "A"}[i%2], []string{"", ":8443"}[i/2%2], i)
		}, 8},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const clients = 10_000
				set := setOf(newJWK(t, "a"))
				world := newNetwork(set)
				cache := newCache(t, world)
				var seen []*jwks.Set
				for i := range clients {
					seen = append(seen, requireKeys(t, cache, tc.url(i), "a"))
				}
				require.Equal(t, clients, world.count())
				release := make(chan struct{})
				world.hangs(release, set)
				start := time.Now()
				var wg sync.WaitGroup
				wg.Go(func() {
					for i := range clients {
						wg.Go(func() {
							require.Nil(t, cache.Renew(context.Background(), tc.url(i), seen[i]))
						})
					}
				})
				synctest.Wait()
				require.Equal(t, tc.most, world.count())
				unavailable := requireUnavailable(t, cache, tc.url(clients))
				require.ErrorIs(t, unavailable, jwks.ErrBusy)
				_, err := cache.Validate(t.Context(), tc.url(clients))
				require.ErrorIs(t, err, jwks.ErrBusy)
				require.Zero(t, time.Since(start))
				close(release)
				wg.Wait()
				require.Equal(t, tc.most, world.most)
				requireKeys(t, cache, tc.url(clients), "a") // there is room again
			})
		})
	}
}

func TestBoundsOfFetchesInFlightCanBeSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world := newNetwork("")
		release := make(chan struct{})
		world.hangs(release, setOf())
		cache := newCache(t, world, func(cfg *jwks.Config) { cfg.MaxInFlight, cfg.MaxInFlightPerHost = 3, 1 })
		var wg sync.WaitGroup
		for i := range 10 {
			wg.Go(func() { _, _ = cache.Keys(context.Background(), fmt.Sprintf("https://h%d.example.com/%d", i/2, i)) })
		}
		synctest.Wait()
		require.Equal(t, 3, world.count())
		close(release)
		wg.Wait()
	})
}

func TestKeysThatAreStaleServeWhileTooManyFetchesAreUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world := newNetwork(setOf(newJWK(t, "a")))
		cache := newCache(t, world, func(cfg *jwks.Config) { cfg.MaxInFlight = 1 })
		requireKeys(t, cache, keysURL, "a")
		time.Sleep(time.Hour)
		world.hangs(nil, "")
		var other sync.WaitGroup
		other.Go(func() { requireUnavailable(t, cache, "https://slow.example.com/") })
		synctest.Wait()
		requireKeys(t, cache, keysURL, "a")
		other.Wait()
		world.serve(setOf(newJWK(t, "b")))
		requireKeys(t, cache, keysURL, "b") // it was never a failure of the URL
	})
}

func TestTheURLsThatWereNotUsedForLongMakeRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		url := func(i int) string { return fmt.Sprintf("https://h%d.example.com/", i) }
		world := newNetwork(setOf(newJWK(t, "a")), "Cache-Control: max-age=3600")
		cache := newCache(t, world, func(cfg *jwks.Config) { cfg.MaxURLs = 100 })
		for i := range 1000 {
			requireKeys(t, cache, url(i), "a")
			requireKeys(t, cache, url(0), "a") // always in use
			time.Sleep(time.Second)
		}
		require.Less(t, world.count()-1000, 20, "the one in use was dropped again and again")
		for i := range 1000 {
			requireKeys(t, cache, url(i), "a")
		}
		require.GreaterOrEqual(t, world.count(), 900)
	})
}

func TestAURLThatIsBeingFetchedIsNotDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world := newNetwork("")
		cache := newCache(t, world, func(cfg *jwks.Config) { cfg.MaxURLs = 1 })
		release := make(chan struct{})
		world.hangs(release, setOf(newJWK(t, "a")))
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() { requireKeys(t, cache, fmt.Sprintf("https://h%d.example.com/", i%4), "a") })
		}
		synctest.Wait()
		require.Equal(t, 4, world.count())
		close(release)
		wg.Wait()
		require.Zero(t, world.count())
	})
}

func TestSetsOfManyKeysMakeRoomToo(t *testing.T) {
	var keys []string
	for i := range 100 {
		keys = append(keys, newJWK(t, fmt.Sprint(i)))
	}
	world := newNetwork(setOf(keys...))
	cache := newCache(t, world, func(cfg *jwks.Config) { cfg.MaxURLs = 50 }) // and 1000 keys
	for i := range 50 {
		_, err := cache.Keys(t.Context(), fmt.Sprintf("https://h%d.example.com/", i))
		require.NoError(t, err)
	}
	require.Equal(t, 50, world.count())
	for i := range 50 {
		_, err := cache.Keys(t.Context(), fmt.Sprintf("https://h%d.example.com/", i))
		require.NoError(t, err)
	}
	require.GreaterOrEqual(t, world.count(), 40)
}

func TestManyAtOnceOnACacheThatIsTooSmall(t *testing.T) {
	a, b := setOf(newJWK(t, "a")), setOf(newJWK(t, "b"))
	world := newNetwork("")
	calls := 0
	var mu sync.Mutex
	world.does(func(*http.Request) (*http.Response, error) {
		mu.Lock()
		defer mu.Unlock()
		if calls++; calls%7 == 0 {
			return nil, errDown
		}
		return response(200, []string{a, b}[calls%2]), nil
	})
	cache := newCache(t, world, func(cfg *jwks.Config) { cfg.MaxURLs, cfg.MaxInFlightPerHost = 5, 64 })
	var wg sync.WaitGroup
	for g := range 16 {
		wg.Go(func() {
			for i := range 300 {
				url := fmt.Sprintf("https://h%d.example.com/", (i*7+g)%20)
				set, err := cache.Keys(context.Background(), url)
				var unavailable *jwks.UnavailableError
				if err != nil && !errors.As(err, &unavailable) || err == nil && len(set.Keys()) != 1 {
					t.Errorf("%v, %v", kids(set.Keys()), err)
				}
				cache.Renew(context.Background(), url, set)
			}
		})
	}
	wg.Wait()
}
