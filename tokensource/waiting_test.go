package tokensource_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestSecurity72TenThousandGoroutinesAtExpiryMakeOneRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{answer: func(n int, c call) *http.Response {
			hang(c, time.Second)
			return grant(fmt.Sprint("token-", n), time.Hour)
		}}
		source := newSource(t, s)
		for n := 1; n <= 3; n++ {
			var all sync.WaitGroup
			for range 10_000 {
				all.Go(func() {
					token, err := source.Token()
					if err != nil || token.AccessToken != fmt.Sprint("token-", n) {
						t.Error(token, err)
					}
				})
			}
			all.Wait()
			require.Equal(t, n, s.count())
			time.Sleep(time.Hour)
		}
	})
}

func TestTenThousandGoroutinesShareAFailureToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{answer: func(_ int, c call) *http.Response {
			hang(c, time.Second)
			return respond(401, `{"error":"invalid_client"}`)
		}}
		source := newSource(t, s)
		var all sync.WaitGroup
		for range 10_000 {
			all.Go(func() {
				if _, err := source.Token(); err == nil {
					t.Error("no error")
				}
			})
		}
		all.Wait()
		require.Equal(t, 1, s.count())
	})
}

func TestEachWaitsWithinItsOwnContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{answer: func(_ int, c call) *http.Response {
			hang(c, 5*time.Second)
			return grant("token", time.Hour)
		}}
		source := newSource(t, s)
		began := time.Now()
		var all sync.WaitGroup
		all.Go(func() { // the first, who causes the request
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, err := source.TokenContext(ctx)
			if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Second {
				t.Error(err, time.Since(began))
			}
		})
		all.Go(func() {
			token, err := source.TokenContext(t.Context())
			if err != nil || token.AccessToken != "token" || time.Since(began) != 5*time.Second {
				t.Error(err, time.Since(began))
			}
		})
		all.Wait()
		require.Equal(t, 1, s.count())
	})
}

func TestARequestOutlivesThoseWhoHaveNoTimeForIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{answer: func(n int, c call) *http.Response {
			hang(c, time.Second)
			return grant(fmt.Sprint("token-", n), time.Hour)
		}}
		source := newSource(t, s)
		impatient := func() error {
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			_, err := source.TokenContext(ctx)
			return err
		}
		require.ErrorIs(t, impatient(), context.DeadlineExceeded)
		time.Sleep(time.Second)
		require.NoError(t, impatient(), "else it would never have a token")
		require.Equal(t, 1, s.count())
	})
}

type key struct{}

func TestNoContextOfConstructionOrOfACallerIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{answer: granting(time.Hour)}
		source := newSource(t, s)
		for n := range 3 {
			ctx, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, n))
			token, err := source.TokenContext(ctx)
			require.NoError(t, err)
			require.Equal(t, fmt.Sprint("token-", n+1), token.AccessToken)
			require.Equal(t, n, s.call(n+1).Context().Value(key{}), "a renewal sees the values of who began it")
			cancel()
			time.Sleep(time.Hour)
		}
	})
}
