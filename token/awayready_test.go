package token_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/internal/observetest"
	"github.com/clientele-go/clientele/observe"
	"github.com/clientele-go/clientele/store"
	"github.com/clientele-go/clientele/token"
)

func TestGoingOnIsToldOf(t *testing.T) {
	r := observetest.New(t)
	loneliness(t, func(t *testing.T, l *lonely) {
		c := l.add("report")
		l.issues(c)
		away := "token.store.away " + issuerURL
		require.Zero(t, observetest.Gauges(l.issuer)[away])
		require.Contains(t, observetest.Gauges(l.issuer), away)
		l.leave()
		raw := l.issues(c).AccessToken
		l.issues(c)
		l.unavailable(l.post(known{c.id, "wrong"}.form()))
		require.Equal(t, 2, r.Counted(observe.CachedRequests, "ok"))
		require.Equal(t, 1, r.Counted(observe.CachedRequests, "failed"))
		line := l.lines(`"jti":"` + l.claims(raw)["jti"].(string))[0]
		require.Contains(t, line, `"msg":"token issued"`)
		require.Contains(t, line, `"cached":1000000001`)
		require.Len(t, l.lines(`"level":"WARN","msg":"the store is away: tokens are issued from what is cached","for":"5m0s","cause":"unexpected EOF"`), 1)
		time.Sleep(20 * time.Second)
		require.Equal(t, 20., observetest.Gauges(l.issuer)[away])
		require.Empty(t, l.lines("the store is back"))

		l.back()
		l.issues(c)
		synctest.Wait()
		l.issues(c)
		require.Len(t, l.lines(`"msg":"the store is back","after":"20s"`), 1)
		require.Zero(t, observetest.Gauges(l.issuer)[away])
		require.Zero(t, r.Counted(observe.CachedRequests, "ok"))
		require.Len(t, l.lines("the store is away: tokens"), 1)
	}, func(c *token.Config) { c.Observer = r })
}

func TestWhatIsIssuedWithoutTheStoreIsCountedAsLostForTheLog(t *testing.T) {
	r := observetest.New(t)
	loneliness(t, func(t *testing.T, l *lonely) {
		c := l.add("report")
		l.issues(c)
		time.Sleep(100 * time.Millisecond) // it is written
		l.leave()
		for range 3 {
			l.issues(c)
		}
		time.Sleep(time.Second)
		require.Equal(t, 3, r.Counted(observe.LogLost, "token"))
	}, func(c *token.Config) { c.Observer = r })
}

func TestReady(t *testing.T) {
	ready := func(t *testing.T, l *lonely, want time.Duration) {
		t.Helper()
		cached, err := l.issuer.Ready(t.Context())
		require.NoError(t, err)
		require.Equal(t, want, cached)
	}
	t.Run("while the store is there, and without it up to the bound", func(t *testing.T) {
		loneliness(t, func(t *testing.T, l *lonely) {
			ready(t, l, 0)
			l.store.away.Store(true)
			ready(t, l, 0) // all is fresh
			time.Sleep(store.DefaultFresh + 1)
			ready(t, l, store.DefaultFresh+1)
			time.Sleep(storeAway - store.DefaultFresh - 1)
			ready(t, l, storeAway)
			time.Sleep(time.Nanosecond)
			_, err := l.issuer.Ready(t.Context())
			require.ErrorContains(t, err, "unexpected EOF")
			l.back()
			ready(t, l, 0)
		})
	})
	t.Run("it keeps the caches current for who has little to do", func(t *testing.T) {
		loneliness(t, func(t *testing.T, l *lonely) {
			c := l.add("report")
			l.issues(c)
			for range 10 {
				time.Sleep(storeAway - time.Second)
				ready(t, l, 0)
			}
			l.store.away.Store(true)
			time.Sleep(storeAway)
			l.issues(c)
		})
	})
	t.Run("without a catalog of which one is the default", func(t *testing.T) {
		loneliness(t, func(t *testing.T, l *lonely) {
			l.removeDefault()
			ready(t, l, 0)
		})
	})
	t.Run("of who does not go on", func(t *testing.T) {
		loneliness(t, func(t *testing.T, l *lonely) {
			ready(t, l, 0)
			l.leave()
			_, err := l.issuer.Ready(t.Context())
			require.Error(t, err)
			l.back()
			ready(t, l, 0)
			l.fallSilent()
			began := time.Now()
			_, err = l.issuer.Ready(t.Context())
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.Equal(t, 1500*time.Millisecond, time.Since(began))
		}, func(c *token.Config) { c.StoreAway = 0 })
	})
}

func TestAClosedIssuerDoesNotGoOn(t *testing.T) {
	loneliness(t, func(t *testing.T, l *lonely) {
		c := l.add("report")
		l.issues(c)
		l.fallSilent()
		l.issues(c)
		time.Sleep(250 * time.Millisecond)
		l.issues(c) // has somebody look
		began := time.Now()
		require.NoError(t, l.issuer.Close(t.Context()))
		require.Zero(t, time.Since(began))
		l.unavailable(l.post(c.form()))
	}, func(c *token.Config) { c.Log = token.LogOff })
}

func TestStoreAwayHasBounds(t *testing.T) {
	a := newAuthority(t)
	for _, tc := range []struct {
		name string
		away time.Duration
		log  token.LogMode
		want string // of the error; empty: there is none
	}{
		{"negative", -1, token.LogBestEffort, "Config.StoreAway is -1ns, want 10s to 1h0m0s, or 0"},
		{"shorter than 10 seconds", 10*time.Second - 1, token.LogBestEffort, "Config.StoreAway is"},
		{"10 seconds", 10 * time.Second, token.LogBestEffort, ""},
		{"an hour", time.Hour, token.LogOff, ""},
		{"longer than an hour", time.Hour + 1, token.LogBestEffort, "Config.StoreAway is"},
		{"with a log that the store has to have first", time.Minute, token.LogDurable, "Config.StoreAway does not go with LogDurable"},
		{"such a log without it", 0, token.LogDurable, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cfg := a.config()
			cfg.StoreAway, cfg.Log = tc.away, tc.log
			_, err := token.NewIssuer(t.Context(), cfg)
			if tc.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, tc.want)
		})
	}
}
