//go:build unix

package cluster_test

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/pgstore/pgtest"
)

// The network between one instance and the database fails, in each of its ways,
// while there is a load on all three.
func TestTheNetworkToTheDatabaseFails(t *testing.T) {
	t.Parallel()
	c := startCluster(t, setup{proxies: true})
	const far = 1 // the instance that is cut off

	for says, fail := range map[string]func(*pgtest.Proxy){
		"connections are refused": (*pgtest.Proxy).Refuse,
		"nothing passes":          (*pgtest.Proxy).Swallow,
	} {
		t.Run(says, func(t *testing.T) {
			disabled := c.withSecret(t, says+" disabled")
			revoked := c.withSecret(t, says+" revoked")
			taken := c.tokenAt(t, far, revoked)
			var active bool
			got := c.again(func() (got answer) {
				active, got = c.introspect(far, revoked.id, revoked.value, taken)
				return got
			})
			require.True(t, active, "%s", got.body)

			l, all := c.begin(says[:7], 1, 6, 50*time.Millisecond)
			l.await(20)
			fail(c.proxy[far])

			// For as long as its cache is fresh it goes on, and then it says so.
			slowest := c.token503(t, far, disabled)
			t.Logf("503 after %v at the latest", slowest.Round(time.Millisecond))
			c.until(far, "/readyz", http.StatusServiceUnavailable)
			require.Equal(t, http.StatusOK, c.get(far, "/healthz").status)

			l.await(20) // the others go on
			for n := range instances {
				if n == far {
					continue
				}
				c.until(n, "/readyz", http.StatusOK)
				c.tokenAt(t, n, disabled)
			}

			// What was taken elsewhere meanwhile is taken here too, from the first
			// answer on that is one.
			got = c.admin(0, http.MethodPost, "/api-clients/"+disabled.id+"/disable", "")
			require.Equal(t, http.StatusOK, got.status, "%s", got.body)
			got = c.form(2, "/oauth2/v1/revoke", url.Values{"client_id": {revoked.id}, "client_secret": {revoked.value}, "token": {taken.raw}}, "")
			require.Equal(t, http.StatusOK, got.status, "%s", got.body)
			require.Equal(t, http.StatusServiceUnavailable, c.tokenBy(far, disabled.id, disabled.value).status)
			l.over.Store(true)
			c.proxy[far].Heal()
			got = c.again(func() answer { return c.tokenBy(far, disabled.id, disabled.value) })
			require.Equal(t, http.StatusUnauthorized, got.status, "%s", got.body)
			got = c.again(func() (got answer) {
				active, got = c.introspect(far, revoked.id, revoked.value, taken)
				return got
			})
			require.Equal(t, http.StatusOK, got.status, "%s", got.body)
			require.False(t, active)

			all.Wait()
			c.until(far, "/readyz", http.StatusOK)
			l.finished(far)
		})
	}

	t.Run("it is slow", func(t *testing.T) {
		c.proxy[far].Slow(50 * time.Millisecond)
		c.proxy[2].Slow(200 * time.Millisecond)
		l, all := c.begin("slow", 1, 6, 10*time.Millisecond)
		l.await(40)
		l.over.Store(true)
		all.Wait()
		c.proxy[far].Heal()
		c.proxy[2].Heal()
		l.finished(far)
	})

	t.Run("what an instance has begun it answers before it stops", func(t *testing.T) {
		begun := make(chan struct{}, 1)
		c.proxy[2].Slow(50 * time.Millisecond)
		c.proxy[2].Watch(func([]byte) pgtest.Verdict {
			select {
			case begun <- struct{}{}:
			default:
			}
			return pgtest.Pass
		})
		answered := make(chan answer, 1)
		go func() { answered <- c.admin(2, http.MethodPost, "/api-clients", clientOf("late", 900, bySecret)) }()
		<-begun
		c.stop(2)
		got := <-answered
		require.Equal(t, http.StatusCreated, got.status, "%s", got.body)
		id, err := c.find(0, "late")
		require.NoError(t, err)
		require.Equal(t, got.member("id"), id)
	})
}

// withSecret adds a client, which all instances know of.
func (c *cluster) withSecret(t *testing.T, name string) holder {
	t.Helper()
	return c.withSecretFor(t, name, 900)
}

// withSecretFor adds one whose tokens last for so many seconds.
func (c *cluster) withSecretFor(t *testing.T, name string, lifetime int) holder {
	t.Helper()
	got := c.admin(0, http.MethodPost, "/api-clients", clientOf(name, lifetime, bySecret))
	require.Equal(t, http.StatusCreated, got.status, "%s", got.body)
	id := got.member("id")
	got = c.admin(0, http.MethodPost, "/api-clients/"+id+"/secrets", newSecret())
	require.Equal(t, http.StatusCreated, got.status, "%s", got.body)
	h := holder{id, got.member("value")}
	for n := range instances {
		c.settles(func() error {
			_, err := parseToken(c.tokenBy(n, h.id, h.value))
			return err
		})
	}
	return h
}

// token503 asks an instance for tokens until it says that it can't tell: it says
// nothing else but that and yes, and always something. It returns how long it has
// taken at the most.
func (c *cluster) token503(t *testing.T, n int, h holder) (slowest time.Duration) {
	t.Helper()
	for said := 0; said < 3; {
		begun := time.Now()
		got := c.tokenBy(n, h.id, h.value)
		slowest = max(slowest, time.Since(begun))
		switch got.status {
		case http.StatusOK:
			require.Zero(t, said, "it has said before that it can't tell")
		case http.StatusServiceUnavailable:
			require.NotEmpty(t, got.header.Get("Retry-After"))
			said++
		default:
			t.Fatalf("%d %s", got.status, got.body)
		}
	}
	return slowest
}
