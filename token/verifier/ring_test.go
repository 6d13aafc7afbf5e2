package verifier_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clientele-go/clientele/internal/jws"
	"github.com/clientele-go/clientele/token/verifier"
	"github.com/stretchr/testify/require"
)

// live returns a Verifier on the clock of a synctest bubble.
func live(t *testing.T, s *source, change ...func(*verifier.Config)) *verifier.Verifier {
	cfg := verifier.Config{Keys: s}
	for _, c := range change {
		c(&cfg)
	}
	return newVerifier(t, cfg)
}

// verify verifies a token of k that is good for days.
func verify(t *testing.T, v *verifier.Verifier, k key) error {
	t.Helper()
	_, err := v.Verify(t.Context(), k.token(t, good(time.Now(), with{"exp": time.Now().Add(7 * 24 * time.Hour).Unix()})))
	return err
}

func TestNewFetchesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{set: jwkSet(t, newKey(t, "1", jws.ES256))}
		v := live(t, s)
		time.Sleep(time.Hour)
		require.Zero(t, s.count())
		_, err := v.Verify(t.Context(), "a.b.c")
		refused(t, err, verifier.ReasonMalformed, "")
		require.Zero(t, s.count(), "what is no token causes no fetch")
	})
}

func TestManyFirstCallersCauseOneFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKey(t, "1", jws.ES256)
		s := &source{set: jwkSet(t, k), delay: time.Second}
		v := live(t, s)
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() { require.NoError(t, verify(t, v, k)) })
		}
		wg.Wait()
		require.Equal(t, 1, s.count())
	})
}

func TestKeysAreRefreshedAheadWithoutWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKey(t, "1", jws.ES256)
		s := &source{set: jwkSet(t, k), maxAge: 10 * time.Minute}
		v := live(t, s)
		require.NoError(t, verify(t, v, k))
		s.slow(time.Second)

		time.Sleep(8*time.Minute - time.Second)
		require.NoError(t, verify(t, v, k))
		synctest.Wait()
		require.Equal(t, 1, s.count(), "fresh for four fifths of the time")

		time.Sleep(time.Second)
		start := time.Now()
		for range 10 {
			require.NoError(t, verify(t, v, k))
		}
		require.Zero(t, time.Since(start), "nobody waited")
		time.Sleep(2 * time.Second)
		require.Equal(t, 2, s.count(), "one fetch for all of them")

		time.Sleep(7 * time.Minute)
		require.NoError(t, verify(t, v, k))
		synctest.Wait()
		require.Equal(t, 2, s.count(), "the time counts anew from there")
	})
}

func TestUnusedKeysAreNotRefreshed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKey(t, "1", jws.ES256)
		s := &source{set: jwkSet(t, k)}
		v := live(t, s)
		require.NoError(t, verify(t, v, k))
		time.Sleep(6 * time.Hour)
		require.Equal(t, 1, s.count())

		s.slow(time.Second)
		start := time.Now()
		require.NoError(t, verify(t, v, k))
		require.Equal(t, time.Second, time.Since(start), "stale keys are not used while newer ones can be had")
		require.Equal(t, 2, s.count())
	})
}

func TestMaxAgeIsHeldWithinBounds(t *testing.T) {
	for name, c := range map[string]struct{ maxAge, fresh time.Duration }{
		"none is ten minutes":      {0, 10 * time.Minute},
		"a negative one is little": {-time.Hour, time.Second},
		"a millisecond":            {time.Millisecond, time.Second},
		"a second":                 {time.Second, time.Second},
		"a minute":                 {time.Minute, time.Minute},
		"an hour":                  {time.Hour, time.Hour},
		"a day":                    {24 * time.Hour, time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := newKey(t, "1", jws.ES256)
				s := &source{set: jwkSet(t, k), maxAge: c.maxAge}
				v := live(t, s)
				require.NoError(t, verify(t, v, k))
				time.Sleep(c.fresh*4/5 - time.Millisecond)
				require.NoError(t, verify(t, v, k))
				synctest.Wait()
				require.Equal(t, 1, s.count())
				time.Sleep(time.Millisecond)
				require.NoError(t, verify(t, v, k))
				synctest.Wait()
				require.Equal(t, 2, s.count())
			})
		})
	}
}

// TestWithdrawnKey is SECURITY 67 and 40: a valid set without the key.
func TestWithdrawnKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old, next := newKey(t, "old", jws.ES256), newKey(t, "new", jws.ES256)
		s := &source{set: jwkSet(t, old, next)}
		v := live(t, s)
		require.NoError(t, verify(t, v, old))
		require.NoError(t, verify(t, v, next))
		s.serve(jwkSet(t, next))
		time.Sleep(10 * time.Minute)
		err := verify(t, v, old)
		refused(t, err, verifier.ReasonUnknownKey, "")
		require.NoError(t, verify(t, v, next))
	})
}

// TestRotation: a key that nobody announced is found at its first use.
func TestRotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old, next := newKey(t, "old", jws.ES256), newKey(t, "new", jws.ES256)
		s := &source{set: jwkSet(t, old)}
		v := live(t, s)
		require.NoError(t, verify(t, v, old))
		s.serve(jwkSet(t, old, next))
		s.slow(time.Second)
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() { require.NoError(t, verify(t, v, next), "all that come with it wait for it") })
		}
		wg.Wait()
		require.Equal(t, 2, s.count())
	})
}

// TestUnknownKeys is SECURITY 66.
func TestUnknownKeys(t *testing.T) {
	t.Run("a thousand unknown keys a second cause a fetch a minute", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			k, stranger := newKey(t, "1", jws.EdDSA), newKey(t, "", jws.EdDSA)
			s := &source{set: jwkSet(t, k), maxAge: time.Hour}
			v := live(t, s)
			require.NoError(t, verify(t, v, k))
			for i := range 300 { // for five minutes
				for j := range 10 {
					stranger.kid = fmt.Sprintf("unknown-%d-%d", i, j)
					refused(t, verify(t, v, stranger), verifier.ReasonUnknownKey, "")
				}
				time.Sleep(time.Second)
			}
			require.Equal(t, 1+5, s.count())
		})
	})
	t.Run("the first one waits for a fetch, others and known ones for nothing", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			k, a, b := newKey(t, "1", jws.ES256), newKey(t, "a", jws.ES256), newKey(t, "b", jws.ES256)
			s := &source{set: jwkSet(t, k), maxAge: time.Hour}
			v := live(t, s)
			require.NoError(t, verify(t, v, k))
			s.slow(3 * time.Second)
			start := time.Now()
			var wg sync.WaitGroup
			wg.Go(func() {
				refused(t, verify(t, v, a), verifier.ReasonUnknownKey, "")
				require.Equal(t, 3*time.Second, time.Since(start))
			})
			synctest.Wait()
			require.NoError(t, verify(t, v, k))
			refused(t, verify(t, v, b), verifier.ReasonUnknownKey, "")
			require.Zero(t, time.Since(start))
			wg.Wait()
			refused(t, verify(t, v, a), verifier.ReasonUnknownKey, "")
			require.Equal(t, 3*time.Second, time.Since(start), "within the minute it is answered at once")
			require.Equal(t, 2, s.count())
		})
	})
	t.Run("a caller who gives up is answered, and the fetch goes on", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			k, next := newKey(t, "1", jws.ES256), newKey(t, "2", jws.ES256)
			s := &source{set: jwkSet(t, k), maxAge: time.Hour}
			v := live(t, s)
			require.NoError(t, verify(t, v, k))
			s.serve(jwkSet(t, k, next))
			s.slow(3 * time.Second)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, err := v.Verify(ctx, next.token(t, good(time.Now())))
			require.Error(t, err)
			start := time.Now()
			require.NoError(t, verify(t, v, next))
			require.Equal(t, 2*time.Second, time.Since(start))
			require.Equal(t, 2, s.count())
		})
	})
	t.Run("while the issuer is away they cause no attempts of their own", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			k, stranger := newKey(t, "1", jws.ES256), newKey(t, "2", jws.ES256)
			s := &source{set: jwkSet(t, k), maxAge: time.Hour}
			v := live(t, s)
			require.NoError(t, verify(t, v, k))
			s.fail(errors.New("away"))
			for range 600 {
				refused(t, verify(t, v, stranger), verifier.ReasonUnknownKey, "")
				time.Sleep(100 * time.Millisecond)
			}
			require.Equal(t, 2, s.count())
		})
	})
}

// TestIssuerDownAtStart is SECURITY 67: unavailable, never invalid.
func TestIssuerDownAtStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKey(t, "1", jws.ES256)
		away := errors.New("connection refused")
		s := &source{set: jwkSet(t, k), err: away}
		var l log
		v := live(t, s, func(cfg *verifier.Config) { cfg.Logger = l.logger() })
		var pauses []int
		for range 3000 { // for five minutes
			before := s.count()
			err := verify(t, v, k)
			require.ErrorIs(t, err, verifier.ErrUnavailable)
			require.ErrorIs(t, err, away)
			require.NotErrorIs(t, err, verifier.ErrInvalidToken)
			var unavailable *verifier.UnavailableError
			require.ErrorAs(t, err, &unavailable)
			require.Equal(t, issuerID, unavailable.Issuer)
			require.GreaterOrEqual(t, unavailable.RetryAfter, time.Second)
			require.LessOrEqual(t, unavailable.RetryAfter, time.Minute)
			if s.count() > before {
				pauses = append(pauses, 0)
			}
			pauses[len(pauses)-1]++
			time.Sleep(100 * time.Millisecond)
		}
		require.InDelta(t, 10, len(pauses), 3, "1, 2, 4, 8, 16, 32, 60, 60… s, less a quarter at most")
		require.InDelta(t, 9, pauses[0], 3)
		require.InDelta(t, 520, pauses[len(pauses)-2], 100)
		require.Contains(t, l.String(), `"msg":"keys of the issuer not fetched","issuer":"https://auth.example.com","error":"connection refused","retry_in":`)
		require.Contains(t, l.String(), `"serving":false`)

		s.serve(jwkSet(t, k))
		time.Sleep(time.Minute)
		require.NoError(t, verify(t, v, k))
		require.Contains(t, l.String(), "keys of the issuer fetched again")

		s.fail(away)
		time.Sleep(9 * time.Minute)
		before := s.count()
		for range 2 {
			require.NoError(t, verify(t, v, k))
			time.Sleep(time.Second)
		}
		require.Equal(t, before+2, s.count(), "after a success the pauses begin with a second anew")
	})
}

// TestIssuerAwayLater is SECURITY 67 and 39: last good keys, for a while.
func TestIssuerAwayLater(t *testing.T) {
	for name, broken := range map[string]func(*testing.T, *source){
		"away":           func(_ *testing.T, s *source) { s.fail(errors.New("connection refused")) },
		"hanging":        func(_ *testing.T, s *source) { s.slow(time.Hour) },
		"HTML":           func(_ *testing.T, s *source) { s.serve([]byte("<html>")) },
		"empty text":     func(_ *testing.T, s *source) { s.serve(nil) },
		"an empty set":   func(_ *testing.T, s *source) { s.serve([]byte(`{"keys":[]}`)) },
		"no keys":        func(_ *testing.T, s *source) { s.serve([]byte(`{}`)) },
		"keys of no use": func(_ *testing.T, s *source) { s.serve([]byte(`{"keys":[{"kty":"oct","k":"AAAA"}]}`)) },
		"a member twice": func(_ *testing.T, s *source) { s.serve([]byte(`{"keys":[],"keys":[]}`)) },
		"101 keys":       func(t *testing.T, s *source) { s.serve(manyKeys(t, 101)) },
		"more than 1 MiB": func(_ *testing.T, s *source) {
			s.serve(append(jwkSet(t, newKey(t, "2", jws.ES256)), bytes.Repeat([]byte(" "), 1<<20)...))
		},
		"a source panics": func(_ *testing.T, s *source) { s.mu.Lock(); s.after = func() { panic("bug") }; s.mu.Unlock() },
		"a source ends":   func(_ *testing.T, s *source) { s.mu.Lock(); s.after = runtime.Goexit; s.mu.Unlock() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := newKey(t, "1", jws.EdDSA)
				s := &source{set: jwkSet(t, k)}
				v := live(t, s, func(cfg *verifier.Config) { cfg.CacheSize = -1 })
				token := k.token(t, good(time.Now(), with{"exp": time.Now().Add(48 * time.Hour).Unix()}))
				_, err := v.Verify(t.Context(), token)
				require.NoError(t, err)
				fetched := time.Now()
				broken(t, s)
				for range 2 * 60 {
					start := time.Now()
					_, err := v.Verify(t.Context(), token)
					require.NoError(t, err)
					require.Zero(t, time.Since(start), "nobody waits for an issuer that is away")
					time.Sleep(time.Minute)
				}
				require.Greater(t, s.count(), 60, "asked again about once a minute")
				require.Less(t, s.count(), 150)

				time.Sleep(time.Until(fetched.Add(24*time.Hour - time.Minute)))
				_, err = v.Verify(t.Context(), token)
				require.NoError(t, err)
				time.Sleep(time.Minute)
				_, err = v.Verify(t.Context(), token)
				require.ErrorIs(t, err, verifier.ErrUnavailable, "but not for ever")
				require.NotErrorIs(t, err, verifier.ErrInvalidToken)
			})
		})
	}
	t.Run("after a pause in which nobody asked, one waits and all are served", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			k := newKey(t, "1", jws.ES256)
			s := &source{set: jwkSet(t, k)}
			v := live(t, s)
			require.NoError(t, verify(t, v, k))
			s.slow(time.Hour)
			time.Sleep(time.Hour)
			start := time.Now()
			require.NoError(t, verify(t, v, k))
			require.Equal(t, 5*time.Second, time.Since(start), "as long as a fetch may take")
			require.NoError(t, verify(t, v, k))
			require.Equal(t, 5*time.Second, time.Since(start))
		})
	})
	t.Run("MaxKeyAge is what the program says", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			k := newKey(t, "1", jws.ES256)
			s := &source{set: jwkSet(t, k), maxAge: time.Hour}
			v := live(t, s, func(cfg *verifier.Config) { cfg.MaxKeyAge = time.Minute })
			require.NoError(t, verify(t, v, k))
			s.fail(errors.New("away"))
			time.Sleep(time.Minute - time.Nanosecond)
			require.NoError(t, verify(t, v, k))
			time.Sleep(time.Nanosecond)
			require.ErrorIs(t, verify(t, v, k), verifier.ErrUnavailable)
		})
	})
}

// manyKeys returns a JWK Set of n keys.
func manyKeys(t *testing.T, n int) []byte {
	t.Helper()
	jwk := newKey(t, "1", jws.EdDSA).jwk(t)
	return []byte(`{"keys":[` + strings.Repeat(jwk+",", n-1) + jwk + `]}`)
}

func TestWaitingForTheFirstKeysEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKey(t, "1", jws.ES256)
		s := &source{set: jwkSet(t, k), delay: 3 * time.Second}
		v := live(t, s)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := v.Verify(ctx, k.token(t, good(time.Now())))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.NotErrorIs(t, err, verifier.ErrInvalidToken)
		require.NoError(t, verify(t, v, k), "the fetch went on")
		require.Equal(t, 1, s.count())
	})
}

func TestClockThatIsSetBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, c := newKey(t, "1", jws.ES256), newClock()
		s := &source{set: jwkSet(t, k)}
		v := newVerifier(t, verifier.Config{Keys: s, Now: c.Now})
		token := k.token(t, good(c.Now()))
		for range 3 {
			_, err := v.Verify(t.Context(), token)
			require.NoError(t, err)
			synctest.Wait()
			c.add(-time.Hour)
		}
		require.Equal(t, 3, s.count(), "the keys would else be fresh for an hour and more")

		s.fail(errors.New("away"))
		for range 3 {
			_, err := v.Verify(t.Context(), token)
			require.NoError(t, err)
			synctest.Wait()
			c.add(-time.Hour)
		}
		require.Equal(t, 6, s.count(), "nor does a pause become longer")

		stranger := newKey(t, "2", jws.ES256)
		s.serve(jwkSet(t, k))
		for i := range 3 {
			_, err := v.Verify(t.Context(), token) // which sees to the clock
			require.NoError(t, err)
			synctest.Wait()
			before := s.count()
			stranger.kid = fmt.Sprint("unknown", i)
			_, err = v.Verify(t.Context(), stranger.token(t, good(c.Now())))
			refused(t, err, verifier.ReasonUnknownKey, "")
			synctest.Wait()
			require.Equal(t, before+1, s.count(), "nor is the window for unknown keys closed for longer")
			c.add(-time.Hour)
		}
	})
}

func TestOneSetManyTimesIsParsedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKey(t, "1", jws.ES256)
		leaked := `{"kty":"oct","kid":"leaked","k":"c2VjcmV0c2VjcmV0"}`
		s := &source{set: []byte(`{"keys":[` + k.jwk(t) + `,` + leaked + `]}`)}
		var l log
		v := live(t, s, func(cfg *verifier.Config) { cfg.Logger = l.logger() })
		for range 5 {
			require.NoError(t, verify(t, v, k))
			time.Sleep(10 * time.Minute)
		}
		require.Equal(t, 5, s.count())
		require.Equal(t, 1, strings.Count(l.String(), "leaked"), "a warning is given once")
		require.Contains(t, l.String(), `"level":"WARN","msg":"key of the issuer ignored","issuer":"https://auth.example.com","kid":"leaked","index":1`)
		require.NotContains(t, l.String(), "c2VjcmV0c2VjcmV0")
	})
}

func TestConcurrentUseUnderRotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		keys := []key{newKey(t, "0", jws.EdDSA), newKey(t, "1", jws.EdDSA), newKey(t, "2", jws.EdDSA)}
		s := &source{set: jwkSet(t, keys...), maxAge: time.Second}
		v := live(t, s)
		tokens := make([]string, len(keys))
		for i, k := range keys {
			tokens[i] = k.token(t, good(time.Now()))
		}
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				for j := range 200 {
					_, err := v.Verify(t.Context(), tokens[(i+j)%3])
					require.NoError(t, err)
					if j%10 == 0 {
						s.serve(jwkSet(t, keys[j%3], keys[(j+1)%3], keys[(j+2)%3]))
					}
					time.Sleep(50 * time.Millisecond)
				}
			})
		}
		wg.Wait()
	})
}
