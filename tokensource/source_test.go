package tokensource_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/clientele-go/clientele/tokensource"
)

func TestTheFirstCallGetsATokenAndTheNextOnesKeepIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{answer: granting(time.Hour)}
		source := newSource(t, s, func(cfg *tokensource.Config) {
			cfg.Audience, cfg.Resource = "https://api.example.com", "https://api.example.com/v1"
			cfg.Scopes = []string{"orders.read", "hhlm4::hpok"}
			cfg.Params = url.Values{"tenant": {"a", "b"}}
		})
		require.Zero(t, s.count(), "New uses no network")

		began := time.Now()
		token, err := source.Token()
		require.NoError(t, err)
		require.Equal(t, "token-1", token.AccessToken)
		require.Equal(t, "Bearer", token.TokenType)
		require.Equal(t, int64(3600), token.ExpiresIn)
		require.True(t, token.Expiry.Equal(began.Add(time.Hour)))
		require.Equal(t, "a b", token.Extra("scope"))
		require.Equal(t, 3600.0, token.Extra("expires_in"))
		require.Nil(t, token.Extra("none"))

		require.Equal(t, url.Values{
			"grant_type": {"client_credentials"}, "audience": {"https://api.example.com"},
			"resource": {"https://api.example.com/v1"}, "scope": {"orders.read hhlm4::hpok"}, "tenant": {"a", "b"},
		}, s.call(1).form)
		require.Equal(t, http.MethodPost, s.call(1).Method)
		require.Equal(t, tokenURL, s.call(1).URL.String())
		require.Equal(t, "application/x-www-form-urlencoded", s.call(1).Header.Get("Content-Type"))
		require.Equal(t, "application/json", s.call(1).Header.Get("Accept"))

		for range 100 {
			again, err := source.TokenContext(t.Context())
			require.NoError(t, err)
			require.Same(t, token, again)
			time.Sleep(time.Second)
		}
		require.Equal(t, 1, s.count())
	})
}

func TestATokenThatIsThereIsGivenEvenInAContextThatHasEnded(t *testing.T) {
	s := &server{answer: granting(time.Hour)}
	source := newSource(t, s)
	ended, cancel := context.WithCancel(t.Context())
	cancel()

	_, err := source.TokenContext(ended)
	require.ErrorIs(t, err, context.Canceled)
	require.Zero(t, s.count(), "nobody waits, nothing is sent")
	require.Equal(t, "token-1", access(t, source))
	_, err = source.TokenContext(ended)
	require.NoError(t, err)
}

func TestRenewalBeginsInTheFirstHalfOfTheEarlyWindow(t *testing.T) {
	for _, c := range []struct {
		name        string
		life        time.Duration
		renewBefore time.Duration
		first, last time.Duration // ages at which the renewal may begin
	}{
		{"a fifth of the life of a short token", 10 * time.Minute, 0, 8 * time.Minute, 9 * time.Minute},
		{"five minutes of a long one", 24 * time.Hour, 0, 24*time.Hour - 5*time.Minute, 24*time.Hour - 150*time.Second},
		{"as the program says", time.Hour, 20 * time.Minute, 40 * time.Minute, 50 * time.Minute},
		{"but at most half of the life", time.Minute, time.Hour, 30 * time.Second, 45 * time.Second},
		{"not at all: the last seconds are not early", time.Hour, -1, 3590 * time.Second, 3590 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ages := make(map[time.Duration]bool)
				for range 40 {
					s := &server{answer: granting(c.life)}
					source := newSource(t, s, func(cfg *tokensource.Config) { cfg.RenewBefore = c.renewBefore })
					began := time.Now()
					access(t, source)
					time.Sleep(c.first - time.Millisecond)
					access(t, source)
					synctest.Wait()
					require.Equal(t, 1, s.count(), "too early")
					for s.count() == 1 {
						time.Sleep(time.Millisecond * 100)
						access(t, source)
						synctest.Wait()
					}
					age := s.call(2).at.Sub(began)
					require.LessOrEqual(t, age, c.last+100*time.Millisecond)
					ages[age] = true
				}
				if c.first < c.last {
					require.Greater(t, len(ages), 10, "the moment is random")
				}
			})
		})
	}
}

func TestACallInTheEarlyWindowGetsTheOldTokenAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{answer: func(n int, c call) *http.Response {
			if n > 1 {
				hang(c, 3*time.Second)
			}
			return grant(fmt.Sprint("token-", n), time.Hour)
		}}
		source := newSource(t, s)
		access(t, source)
		time.Sleep(58 * time.Minute)
		for range 100 {
			began := time.Now()
			require.Equal(t, "token-1", access(t, source))
			require.Zero(t, time.Since(began))
			time.Sleep(10 * time.Millisecond)
		}
		require.Equal(t, 2, s.count(), "one request, however many call")
		time.Sleep(3 * time.Second)
		require.Equal(t, "token-2", access(t, source))
		require.Equal(t, 2, s.count())
	})
}

func TestNothingIsRenewedUnlessSomebodyCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{answer: granting(time.Hour)}
		source := newSource(t, s)
		access(t, source)
		time.Sleep(48 * time.Hour)
		require.Equal(t, 1, s.count())
		require.Equal(t, "token-2", access(t, source))
	}) // and no goroutine is left, or the bubble would not end
}

func TestInTheLastSecondsACallWaitsForTheNewToken(t *testing.T) {
	for _, c := range []struct {
		name   string
		takes  time.Duration
		status int
		want   string
		waits  time.Duration
	}{
		{"and gets it", time.Second, 200, "token-2", time.Second},
		{"but for half of what is left at most", 20 * time.Second, 200, "token-1", 4 * time.Second},
		{"and gets the old one if it fails", time.Second, 400, "token-1", time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &server{answer: func(n int, call call) *http.Response {
					if n == 1 {
						return grant("token-1", time.Hour)
					}
					hang(call, c.takes)
					if c.status != 200 {
						return respond(c.status, `{"error":"invalid_scope"}`)
					}
					return grant("token-2", time.Hour)
				}}
				source := newSource(t, s)
				access(t, source)
				time.Sleep(time.Hour - 8*time.Second)
				began := time.Now()
				require.Equal(t, c.want, access(t, source))
				require.Equal(t, c.waits, time.Since(began))
				time.Sleep(time.Minute) // the request may still be under way
			})
		})
	}
}

func TestAnExpiredTokenIsNeverReturned(t *testing.T) {
	for _, c := range []struct {
		name string
		life time.Duration
		step time.Duration
	}{
		{"of an hour", time.Hour, time.Second},
		{"of a minute", time.Minute, 77 * time.Millisecond},
		{"of a second", time.Second, time.Millisecond},
		{"asked for every half millisecond", 2 * time.Second, 500 * time.Microsecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &server{answer: func(n int, _ call) *http.Response {
					if n > 1 {
						return nil // down for ever
					}
					return grant("token-1", c.life)
				}}
				source := newSource(t, s)
				began := time.Now()
				access(t, source)
				for time.Since(began) < c.life {
					require.Equal(t, "token-1", access(t, source), "%s before the end", c.life-time.Since(began))
					time.Sleep(min(c.step, c.life-time.Since(began)))
				}
				_, err := source.Token()
				require.ErrorIs(t, err, tokensource.ErrUnavailable)
				require.ErrorIs(t, err, errDown)
			})
		})
	}
	t.Run("counted from the request, not from the answer", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &server{answer: func(n int, c call) *http.Response {
				hang(c, 5*time.Second)
				return grant(fmt.Sprint("token-", n), 8*time.Second)
			}}
			source := newSource(t, s)
			require.Equal(t, "token-1", access(t, source))
			time.Sleep(3 * time.Second)
			require.Equal(t, "token-2", access(t, source))
		})
	})
	t.Run("nor one that expired on its way", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &server{answer: func(_ int, c call) *http.Response {
				hang(c, 2*time.Second)
				return grant("late", 2*time.Second)
			}}
			_, err := newSource(t, s).Token()
			require.ErrorIs(t, err, tokensource.ErrUnavailable)
			require.ErrorContains(t, err, "expired on its way")
		})
	})
	t.Run("but a new one of a short life is", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &server{answer: func(_ int, c call) *http.Response {
				hang(c, 1990*time.Millisecond)
				return grant("short", 2*time.Second)
			}}
			require.Equal(t, "short", access(t, newSource(t, s)))
			require.Equal(t, 1, s.count())
		})
	})
}

func TestAValidTokenGoesOnWhileRenewalsFailAndTheyDoNotHammer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{answer: func(n int, _ call) *http.Response {
			if n == 1 {
				return grant("token-1", 24*time.Hour)
			}
			return respond(503, "")
		}}
		log, logged := records()
		source := newSource(t, s, func(cfg *tokensource.Config) { cfg.RenewBefore, cfg.Logger = 2*time.Hour, log })
		access(t, source)
		time.Sleep(22 * time.Hour)
		for range 119 * 60 { // 119 minutes, a call a second
			require.Equal(t, "token-1", access(t, source))
			time.Sleep(time.Second)
		}
		synctest.Wait()
		require.Greater(t, s.count(), 60, "it is tried on")
		require.Less(t, s.count(), 260)
		for n := 9; n < s.count(); n++ { // the pauses have grown
			pause := s.call(n + 1).at.Sub(s.call(n).at)
			require.GreaterOrEqual(t, pause, 30*time.Second)
			require.Less(t, pause, 61*time.Second)
		}
		require.Contains(t, logged(), `level=WARN msg="token renewal failed" client_id=nightly-report endpoint=https://auth.example.com/oauth2/v1/token`)
		require.Contains(t, logged(), "serving=true")
	})
}

func TestWithoutATokenCallsFailAtOnceUntilTheNextAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		up := false
		s := &server{answer: func(n int, _ call) *http.Response {
			if up {
				return grant("token", time.Hour)
			}
			return respond(400, `{"error":"invalid_scope","error_description":"no such scope"}`)
		}}
		source := newSource(t, s)
		_, err := source.Token()
		require.ErrorContains(t, err, `refuses: invalid_scope "no such scope"`)
		require.Equal(t, 1, s.count())
		for range 1000 {
			began := time.Now()
			_, err := source.Token()
			require.ErrorContains(t, err, "not tried again for")
			var refusal *oauth2.RetrieveError
			require.ErrorAs(t, err, &refusal)
			require.Equal(t, "invalid_scope", refusal.ErrorCode)
			require.Zero(t, time.Since(began))
		}
		require.Equal(t, 1, s.count())
		up = true
		time.Sleep(time.Second)
		require.Equal(t, "token", access(t, source))

		t.Log("a success ends the pauses")
		up = false
		time.Sleep(2 * time.Hour)
		_, err = source.Token()
		require.Error(t, err)
		up = true
		time.Sleep(time.Second)
		require.Equal(t, "token", access(t, source))
	})
}

func TestAClockThatIsHandedInSaysWhatHasExpired(t *testing.T) {
	var mu sync.Mutex
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	step := func(d time.Duration) {
		mu.Lock()
		defer mu.Unlock()
		now = now.Add(d)
	}
	s := &server{answer: granting(time.Hour)}
	source := newSource(t, s, func(cfg *tokensource.Config) {
		cfg.RenewBefore = -1
		cfg.Now = func() time.Time {
			mu.Lock()
			defer mu.Unlock()
			return now
		}
	})
	require.Equal(t, "token-1", access(t, source))
	step(time.Hour - 11*time.Second)
	require.Equal(t, "token-1", access(t, source))
	step(11 * time.Second)
	token, err := source.Token()
	require.NoError(t, err)
	require.Equal(t, "token-2", token.AccessToken)
	require.Equal(t, time.Date(2030, 1, 1, 2, 0, 0, 0, time.UTC), token.Expiry)
}

func TestSecurity74ACallerWhoseClockIsFiveMinutesOffStillWorks(t *testing.T) {
	for _, off := range []time.Duration{-5 * time.Minute, 5 * time.Minute, -3 * time.Hour} {
		t.Run(fmt.Sprint("with a secret, off by ", off), func(t *testing.T) {
			s := &server{answer: granting(time.Hour)}
			source := newSource(t, s, func(cfg *tokensource.Config) {
				cfg.Now = func() time.Time { return time.Now().Add(off) }
			})
			require.Equal(t, "token-1", access(t, source))
			require.Equal(t, "token-1", access(t, source))
			require.Equal(t, 1, s.count())
		})
	}
	// With an assertion: TestSecurity74AnAssertionIsSignedOnceMoreByTheServersClock.
}

func TestASourceServesXOAuth2(t *testing.T) {
	s := &server{answer: granting(time.Hour)}
	var source oauth2.TokenSource = newSource(t, s)
	wrapped := oauth2.ReuseTokenSource(nil, source)
	token, err := wrapped.Token()
	require.NoError(t, err)
	require.True(t, token.Valid())
	require.Equal(t, 1, s.count())
}

func TestWhoWritesIntoATokenDoesNotReachWhatTransportSends(t *testing.T) {
	api := &server{answer: func(int, call) *http.Response { return respond(200, "") }}
	s := &server{answer: granting(time.Hour)}
	source := newSource(t, s, func(cfg *tokensource.Config) { cfg.Hosts = []string{"api.example.com"} })
	token, err := source.Token()
	require.NoError(t, err)
	token.AccessToken = "mine"
	resp, err := (&http.Client{Transport: source.Transport(api)}).Get("https://api.example.com/")
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, "Bearer token-1", api.call(1).Header.Get("Authorization"))
}
