package jwks_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clientele-go/clientele/credentials/jwks"
	"github.com/stretchr/testify/require"
)

func TestKeysAreFreshForTheMaxAgeOfTheAnswer(t *testing.T) {
	cases := map[string]struct {
		header string
		want   time.Duration
	}{
		"none said: ten minutes":             {"X: y", 10 * time.Minute},
		"half an hour":                       {"Cache-Control: max-age=1800", 30 * time.Minute},
		"a second is a minute":               {"Cache-Control: max-age=1", time.Minute},
		"nothing is a minute":                {"Cache-Control: max-age=0", time.Minute},
		"no-store is a minute":               {"Cache-Control: no-store", time.Minute},
		"59 seconds are a minute":            {"Cache-Control: max-age=59", time.Minute},
		"61 seconds are 61 seconds":          {"Cache-Control: max-age=61", 61 * time.Second},
		"3599 seconds are 3599 seconds":      {"Cache-Control: max-age=3599", 3599 * time.Second},
		"3601 seconds are an hour":           {"Cache-Control: max-age=3601", time.Hour},
		"a year is an hour":                  {"Cache-Control: max-age=31536000", time.Hour},
		"one that is no number: ten minutes": {"Cache-Control: max-age=soon", 10 * time.Minute},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				world := newNetwork(setOf(newJWK(t, "a")), tc.header)
				cache := newCache(t, world)
				requireKeys(t, cache, keysURL, "a")
				world.serve(setOf(newJWK(t, "b")), tc.header)

				time.Sleep(tc.want*3/4 - 1)
				requireKeys(t, cache, keysURL, "a")
				synctest.Wait()
				require.Equal(t, 1, world.count(), "not ahead of its time")

				cache = newCache(t, world)
				requireKeys(t, cache, keysURL, "b")
				world.serve(setOf(newJWK(t, "c")), tc.header)
				time.Sleep(tc.want)
				requireKeys(t, cache, keysURL, "c")
			})
		})
	}
}

func TestKeysAreRefreshedAheadOnlyIfTheyAreUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world := newNetwork(setOf(newJWK(t, "a")))
		cache := newCache(t, world)
		requireKeys(t, cache, keysURL, "a")

		time.Sleep(9 * time.Minute)
		world.serve(setOf(newJWK(t, "b")))
		requireKeys(t, cache, keysURL, "a") // at once, and has it fetched anew
		synctest.Wait()
		require.Equal(t, 2, world.count())
		requireKeys(t, cache, keysURL, "b")

		time.Sleep(100 * time.Hour) // nobody uses it
		synctest.Wait()
		require.Zero(t, world.count())
	})
}

func TestARefreshAheadDelaysNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world := newNetwork(setOf(newJWK(t, "a")))
		cache := newCache(t, world)
		requireKeys(t, cache, keysURL, "a")
		time.Sleep(9 * time.Minute)
		release := make(chan struct{})
		world.hangs(release, setOf(newJWK(t, "b")))
		start := time.Now()
		for range 1000 {
			requireKeys(t, cache, keysURL, "a")
		}
		require.Zero(t, time.Since(start))
		synctest.Wait()
		require.Equal(t, 2, world.count(), "one fetch for all")
		close(release)
		synctest.Wait()
		requireKeys(t, cache, keysURL, "b")
	})
}

func TestSecurity40AKeyThatWasRemovedStopsWorkingWithinTheFreshness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newJWK(t, "a"), newJWK(t, "b")
		world := newNetwork(setOf(a, b), "Cache-Control: max-age=300")
		cache := newCache(t, world)
		requireKeys(t, cache, keysURL, "a", "b")
		world.serve(setOf(b), "Cache-Control: max-age=300")
		time.Sleep(5 * time.Minute)
		requireKeys(t, cache, keysURL, "b")

		world.serve(setOf(), "Cache-Control: max-age=300") // taken back, all of them
		time.Sleep(5 * time.Minute)
		requireKeys(t, cache, keysURL)
	})
}

func TestSecurity40AlsoIfTheLastFetchFailedLongAgo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world := newNetwork(setOf(newJWK(t, "leaked")))
		cache := newCache(t, world)
		requireKeys(t, cache, keysURL, "leaked")
		world.fails(errDown)
		time.Sleep(10 * time.Minute)
		requireKeys(t, cache, keysURL, "leaked")

		world.serve(setOf(newJWK(t, "new")))
		time.Sleep(5 * time.Hour)
		requireKeys(t, cache, keysURL, "new")
	})
}

func TestSecurity39TheLastGoodSetServesForADayAndNoLonger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world := newNetwork(setOf(newJWK(t, "a")))
		cache := newCache(t, world)
		start := time.Now()
		requireKeys(t, cache, keysURL, "a")
		world.fails(errDown)
		for time.Since(start) < 24*time.Hour-time.Minute {
			time.Sleep(time.Minute)
			requireKeys(t, cache, keysURL, "a")
		}
		fetches := world.count()
		require.InDelta(t, 24*60, fetches, 120, "about one a minute")
		time.Sleep(24*time.Hour - time.Since(start) - 1)
		requireKeys(t, cache, keysURL, "a")
		time.Sleep(time.Nanosecond)
		unavailable := requireUnavailable(t, cache, keysURL)
		require.ErrorIs(t, unavailable, errDown)

		world.serve(setOf(newJWK(t, "b")))
		time.Sleep(time.Minute)
		requireKeys(t, cache, keysURL, "b")
	})
}

func TestSecurity39WhileTheHostIsDownNobodyWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world := newNetwork(setOf(newJWK(t, "a")))
		cache := newCache(t, world)
		requireKeys(t, cache, keysURL, "a")
		world.hangs(nil, "") // until the 5 seconds have passed
		time.Sleep(10 * time.Minute)
		start := time.Now()
		requireKeys(t, cache, keysURL, "a")
		require.Equal(t, 5*time.Second, time.Since(start), "the first finds out")
		for range 3600 {
			start := time.Now()
			requireKeys(t, cache, keysURL, "a")
			require.Zero(t, time.Since(start))
			time.Sleep(time.Second)
		}
		time.Sleep(5 * time.Second) // time stops with this function: let a fetch under way end
	})
}

func TestSecurity36AnAnswerThatIsNoSetKeepsTheLastGoodOne(t *testing.T) {
	key := newJWK(t, "new")
	answers := map[string]func(*http.Request) (*http.Response, error){
		"204":                            static(204, ""),
		"401":                            static(401, setOf(key)),
		"404":                            static(404, setOf(key)),
		"500":                            static(500, setOf(key)),
		"304 to a request without a tag": static(304, ""),
		"206":                            static(206, setOf(key)),
		"nothing":                        static(200, ""),
		"HTML":                           static(200, "<!DOCTYPE html><html></html>", "Content-Type: text/html"),
		"invalid JSON":                   static(200, `{"keys":[`),
		"two JSON values":                static(200, setOf(key)+setOf(key)),
		"invalid UTF-8":                  static(200, "{\"keys\":[],\"a\":\"\xff\"}"),
		"JSON that is no object":         static(200, `[]`),
		"null":                           static(200, `null`),
		"a single JWK":                   static(200, key),
		"keys missing":                   static(200, `{}`),
		"keys that are an object":        static(200, `{"keys":{}}`),
		"keys that are null":             static(200, `{"keys":null}`),
		"keys twice":                     static(200, `{"keys":[],"keys":[`+key+`]}`),
		"101 keys":                       static(200, setOf(strings.Split(strings.Repeat(`{"kty":"oct"} `, 101), " ")[:101]...)),
		"more than 1 MiB":                static(200, `{"keys":[],"a":"`+strings.Repeat("x", 1<<20)+`"}`),
		"a nesting of 100 000":           static(200, `{"keys":[],"a":`+strings.Repeat("[", 100_000)+strings.Repeat("]", 100_000)+`}`),
		"gzip":                           static(200, "\x1f\x8b\x08", "Content-Encoding: gzip"),
		"br":                             static(200, setOf(key), "Content-Encoding: br"),
		"a connection that fails":        func(*http.Request) (*http.Response, error) { return nil, errDown },
		"an HTTP client that panics":     func(*http.Request) (*http.Response, error) { panic("no") },
	}
	for name, answer := range answers {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				world := newNetwork(setOf(newJWK(t, "good")))
				cache := newCache(t, world)
				requireKeys(t, cache, keysURL, "good")
				world.does(answer)
				time.Sleep(time.Hour)
				requireKeys(t, cache, keysURL, "good")
				require.Equal(t, 2, world.count())
				requireUnavailable(t, cache, keysURL+"?without-a-last-one")
			})
		})
	}
}

// static answers all requests alike.
func static(status int, body string, headers ...string) func(*http.Request) (*http.Response, error) {
	return func(*http.Request) (*http.Response, error) { return response(status, body, headers...), nil }
}

func TestSecurity36FailuresAreBackedOffWithJitter(t *testing.T) {
	// pauses returns the times between the fetches of a URL that is asked for
	// every tenth of a second.
	pauses := func(t *testing.T) (all []time.Duration) {
		synctest.Test(t, func(t *testing.T) {
			world := newNetwork("")
			world.fails(errDown)
			cache := newCache(t, world)
			last := time.Now()
			for len(all) < 10 {
				requireUnavailable(t, cache, keysURL)
				if world.count() > 0 {
					all = append(all, time.Since(last))
					last = time.Now()
				}
				time.Sleep(10 * time.Millisecond)
			}
		})
		return all[1:]
	}
	first := pauses(t)
	for i, pause := range first {
		want := min(time.Second<<i, time.Minute)
		require.LessOrEqual(t, pause, want+20*time.Millisecond)
		require.GreaterOrEqual(t, pause, want*3/4)
	}
	require.NotEqual(t, first, pauses(t), "no jitter")
}

func TestOneFetchServesAllWhoWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world, release := newNetwork(""), make(chan struct{})
		world.hangs(release, setOf(newJWK(t, "a")))
		cache := newCache(t, world)
		var wg sync.WaitGroup
		for range 1000 {
			wg.Go(func() { requireKeys(t, cache, keysURL, "a") })
		}
		synctest.Wait()
		close(release)
		wg.Wait()
		require.Equal(t, 1, world.count())
	})
}

func TestWhoGivesUpLeavesTheFetchToTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world, release := newNetwork(""), make(chan struct{})
		world.hangs(release, setOf(newJWK(t, "a")))
		cache := newCache(t, world)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := cache.Keys(ctx, keysURL+"?secret")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.NotContains(t, err.Error(), "secret")
		close(release)
		synctest.Wait()
		requireKeys(t, cache, keysURL+"?secret", "a")
		require.Equal(t, 1, world.count())
	})
}

func TestWhoGivesUpOnStaleKeysGetsNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world := newNetwork(setOf(newJWK(t, "a")))
		cache := newCache(t, world)
		requireKeys(t, cache, keysURL, "a")
		time.Sleep(time.Hour)
		world.hangs(nil, "")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := cache.Keys(ctx, keysURL) // which may have been removed, for all that is known
		require.ErrorIs(t, err, context.DeadlineExceeded)
		time.Sleep(4 * time.Second)
		synctest.Wait()
	})
}

func TestAFetchEndsAfterFiveSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world := newNetwork("")
		world.hangs(nil, "")
		cache := newCache(t, world)
		start := time.Now()
		unavailable := requireUnavailable(t, cache, keysURL)
		require.ErrorIs(t, unavailable, context.DeadlineExceeded)
		require.Equal(t, 5*time.Second, time.Since(start))
	})
}

func TestAClockThatIsSetBackTakesNoKeysAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		offset := time.Duration(0)
		world := newNetwork(setOf(newJWK(t, "a")))
		cache := newCache(t, world, func(cfg *jwks.Config) { cfg.Now = func() time.Time { return time.Now().Add(offset) } })
		requireKeys(t, cache, keysURL, "a")
		world.fails(errDown)
		offset = -time.Hour
		requireKeys(t, cache, keysURL, "a")
		requireKeys(t, cache, keysURL, "a")
		world.serve(setOf(newJWK(t, "b")))
		time.Sleep(time.Minute)
		requireKeys(t, cache, keysURL, "a")
		synctest.Wait()
		requireKeys(t, cache, keysURL, "b")
	})
}

func TestTheSameSetFetchedAgainIsNotParsedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cache := newCache(t, newNetwork(setOf(newJWK(t, "a"))))
		first := requireKeys(t, cache, keysURL, "a")
		time.Sleep(time.Hour)
		second := requireKeys(t, cache, keysURL, "a")
		require.Same(t, &first.Keys()[0], &second.Keys()[0])
		require.Equal(t, time.Hour, second.FetchedAt().Sub(first.FetchedAt()))
	})
}

func TestTheKeysOfASetCannotBeAppendedTo(t *testing.T) {
	cache := newCache(t, newNetwork(setOf(newJWK(t, "a"), newJWK(t, "b"), newJWK(t, "c"))))
	set := requireKeys(t, cache, keysURL, "a", "b", "c")
	require.Equal(t, len(set.Keys()), cap(set.Keys()))
	require.Empty(t, (*jwks.Set)(nil).Keys())
}

func TestSecurity37KeysThatCannotBeUsedAreLeftOutAndLeakedOnesWarnedOf(t *testing.T) {
	var log bytes.Buffer
	world := newNetwork(setOf(
		newJWK(t, "good"),
		`{"kty":"oct","kid":"symmetric","k":"c2VjcmV0LW1hdGVyaWFs"}`,
		strings.Replace(newJWK(t, "private"), "{", `{"d":"c2VjcmV0LW1hdGVyaWFs",`, 1),
		`{"kty":"EC","crv":"P-256","kid":"off the curve","x":"AQ","y":"AQ"}`,
		strings.Replace(newJWK(t, "for encryption"), `"use":"sig"`, `"use":"enc"`, 1),
	))
	cache := newCache(t, world, func(cfg *jwks.Config) { cfg.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	requireKeys(t, cache, keysURL+"?token=confidential", "good")
	require.Equal(t, 2, strings.Count(log.String(), "level=WARN"), log.String())
	require.NotContains(t, log.String(), "c2VjcmV0LW1hdGVyaWFs")
	require.NotContains(t, log.String(), "confidential")
}

func TestFailuresAreLoggedLessAndLessOftenAndWithoutTheQuery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		world := newNetwork("")
		world.fails(fmt.Errorf("broken: %s", strings.Repeat("x", 5000)))
		cache := newCache(t, world, func(cfg *jwks.Config) { cfg.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
		for range 16 {
			err := requireUnavailable(t, cache, keysURL+"?token=confidential")
			require.NotContains(t, err.Error(), "confidential")
			require.Less(t, len(err.Error()), 500)
			time.Sleep(time.Minute)
		}
		require.Equal(t, 5, strings.Count(log.String(), "JWKS URL not fetched"), log.String()) // 1, 2, 4, 8, 16
		require.Contains(t, log.String(), "reason=unreachable")
		require.NotContains(t, log.String(), "confidential")
		require.Less(t, log.Len(), 5*1000)
		world.serve(setOf())
		time.Sleep(time.Minute)
		requireKeys(t, cache, keysURL+"?token=confidential")
		require.Contains(t, log.String(), "JWKS URL fetched again")

		world.fails(errDown)
		time.Sleep(9 * time.Minute)
		world.count()
		for range 2 {
			requireKeys(t, cache, keysURL+"?token=confidential")
			time.Sleep(time.Second)
		}
		synctest.Wait() // a background fetch may still be logging
		require.Equal(t, 2, world.count(), "after a success the pauses begin with a second anew")
		require.Equal(t, 7, strings.Count(log.String(), "JWKS URL not fetched"), "and so does what is logged")
	})
}

func TestTheHTTPClientIsGivenNoCookies(t *testing.T) {
	world := newNetwork(setOf(newJWK(t, "a")))
	cache := newCache(t, world, func(cfg *jwks.Config) { cfg.HTTPClient.Jar = noJar{t} })
	requireKeys(t, cache, keysURL, "a")
}

// noJar fails the test if it is used.
type noJar struct{ testing.TB }

func (j noJar) SetCookies(u *url.URL, cookies []*http.Cookie) { j.Error("cookies kept") }
func (j noJar) Cookies(u *url.URL) []*http.Cookie             { j.Error("cookies sent"); return nil }

func TestRedirectsOfTheHTTPClientAreHeldToBothRules(t *testing.T) {
	redirect := func(where string) func(*http.Request) (*http.Response, error) {
		return func(req *http.Request) (*http.Response, error) {
			if req.URL.Path == "/there" {
				return response(200, setOf()), nil
			}
			return response(302, "", "Location: "+where), nil
		}
	}
	errOwn := errors.New("the program's own rule")
	world := newNetwork("")
	ask := func(own func(*http.Request, []*http.Request) error) error {
		cache := newCache(t, world, func(cfg *jwks.Config) { cfg.HTTPClient.CheckRedirect = own })
		_, err := cache.Keys(t.Context(), keysURL)
		return err
	}
	world.does(redirect("/there"))
	require.NoError(t, ask(nil))
	require.ErrorIs(t, ask(func(*http.Request, []*http.Request) error { return errOwn }), errOwn)
	world.does(redirect("https://evil.example/there"))
	require.ErrorContains(t, ask(func(*http.Request, []*http.Request) error { return nil }), "redirect not followed")
}
