package tokensource_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/tokensource"
)

// ending answers with a token of an hour and the end that ends returns, as JSON.
func ending(ends func(n int) string) *server {
	return &server{answer: func(n int, _ call) *http.Response {
		return respond(200, fmt.Sprintf(`{"access_token":"token-%d","expires_in":3600,"client_secret_expires_at":%s}`, n, ends(n)))
	}}
}

// An ear hears what OnExpiring is told.
type ear struct {
	mu    sync.Mutex
	heard []time.Time
}

func (e *ear) hear(cfg *tokensource.Config) {
	cfg.OnExpiring = func(_ context.Context, when time.Time) {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.heard = append(e.heard, when)
	}
}

func (e *ear) all() []time.Time {
	synctest.Wait()
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.heard
}

func TestASecretThatEndsSoonIsToldOfOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		end := time.Now().Add(30*24*time.Hour + 90*time.Minute).Truncate(time.Second).UTC()
		next := end
		s := ending(func(int) string { return fmt.Sprint(next.Unix()) })
		var told ear
		logger, text := records()
		source := newSource(t, s, told.hear, func(cfg *tokensource.Config) { cfg.Logger = logger })
		access(t, source)
		require.Empty(t, told.all(), "there are more than 30 days")
		for range 4 { // renewals
			time.Sleep(time.Hour)
			access(t, source)
		}
		require.Equal(t, 5, s.count())
		require.Equal(t, []time.Time{end}, told.all())
		require.Equal(t, 1, strings.Count(text(), `msg="client secret expires soon"`))
		require.Contains(t, text(), "expires_at="+end.Format("2006-01-02T15:04:05"))

		next = end.Add(-time.Hour) // it was brought forward
		time.Sleep(time.Hour)
		access(t, source)
		require.Equal(t, []time.Time{end, next}, told.all())
		next = end.AddDate(1, 0, 0) // another secret
		time.Sleep(time.Hour)
		access(t, source)
		require.Len(t, told.all(), 2)
	})
}

func TestTheEdgeOfThirtyDays(t *testing.T) {
	for days, want := range map[time.Duration]int{30 * 24 * time.Hour: 1, 30*24*time.Hour + time.Second: 0} {
		synctest.Test(t, func(t *testing.T) {
			s := ending(func(int) string { return fmt.Sprint(time.Now().Add(days).Unix()) })
			var told ear
			access(t, newSource(t, s, told.hear))
			require.Len(t, told.all(), want)
		})
	}
}

func TestWhatIsNoEndIsNotToldOf(t *testing.T) {
	for _, ends := range []string{`0`, `-1`, `null`, `"1779014400"`, `1e300`, `253402300800`, `{}`, `true`} {
		t.Run(ends, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var told ear
				require.Equal(t, "token-1", access(t, newSource(t, ending(func(int) string { return ends }), told.hear)))
				require.Empty(t, told.all())
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		var told ear
		s := ending(func(int) string { return fmt.Sprint(time.Now().Unix()) })
		access(t, newSource(t, s, told.hear, credential(tokensource.Assertion{Value: "x.y.z"})))
		require.Empty(t, told.all(), "there is no secret")
	})
}

func TestOnExpiringStopsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := ending(func(n int) string { return fmt.Sprint(time.Now().Unix() + int64(n)) })
		logger, text := records()
		wait := make(chan struct{})
		source := newSource(t, s, func(cfg *tokensource.Config) {
			cfg.Logger = logger
			cfg.OnExpiring = func(context.Context, time.Time) { <-wait; panic("broken") }
		})
		require.Equal(t, "token-1", access(t, source))
		time.Sleep(2 * time.Hour)
		require.Equal(t, "token-2", access(t, source), "although it still waits")
		close(wait)
		synctest.Wait()
		require.Contains(t, text(), "OnExpiring panicked")
		require.NotContains(t, text(), secret)
	})
}
