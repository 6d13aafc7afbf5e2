//go:build unix

package cluster_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"flag"
	"fmt"
	mathrand "math/rand/v2"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"
)

var (
	cycles = flag.Int("cycles", 10, "how often something is killed under load")
	seed   = flag.Uint64("seed", 0, "of what is killed when; 0 means any")
)

func TestInstancesThatStartAtOnceAgree(t *testing.T) {
	c := startCluster(t)

	t.Run("they make one signing key", func(t *testing.T) {
		var set struct{ Keys []any }
		first := c.get(0, "/oauth2/v1/keys")
		require.NoError(t, json.Unmarshal(first.body, &set))
		require.Len(t, set.Keys, 1)
		for n := range instances {
			require.JSONEq(t, string(first.body), string(c.get(n, "/oauth2/v1/keys").body))
		}
	})

	t.Run("of 64 administrators who add a third secret at once, each is told what became of it", func(t *testing.T) {
		id := c.add("crowded", bySecret)
		for range 2 {
			require.Less(t, c.admin(0, http.MethodPost, "/api-clients/"+id+"/secrets", newSecret()).status, 300)
		}
		oldest := c.secrets(0, id)
		var got [64]answer
		var all sync.WaitGroup
		for n := range got {
			all.Go(func() { got[n] = c.admin(n%instances, http.MethodPost, "/api-clients/"+id+"/secrets", newSecret()) })
		}
		all.Wait()
		left := c.secrets(1, id)
		require.Len(t, left, 2)
		require.Subset(t, oldest, left[:1], "the older one stays")
		var won []string
		for _, a := range got {
			value := a.member("value")
			if a.status >= 300 {
				require.Equal(t, http.StatusConflict, a.status, "%s", a.body)
				require.Empty(t, value)
				continue
			}
			require.NotEmpty(t, value)
			won = append(won, value)
		}
		require.NotEmpty(t, won)
		// What was replaced by a later winner is no secret any more, as soon as the
		// instance has heard of it.
		good := 0
		for deadline := time.Now().Add(patience); good != 1; {
			require.True(t, time.Now().Before(deadline), "%d of the values are good", good)
			good = 0
			for _, value := range won {
				if c.post(0, url.Values{"client_id": {id}, "client_secret": {value}}).status == http.StatusOK {
					good++
				}
			}
		}
	})

	t.Run("an assertion is accepted once, by one of them", func(t *testing.T) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		require.NoError(t, err)
		der, err := x509.MarshalPKIXPublicKey(key.Public())
		require.NoError(t, err)
		public, err := json.Marshal(string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})))
		require.NoError(t, err)
		id := c.add("signer", `{"authType":"PUBKEYCERT","publicKeys":[{"keyName":"one","keyValue":`+string(public)+`}]}`)
		for used := range instances {
			assertion, err := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims{
				"iss": id, "sub": id, "aud": issuer, "jti": rand.Text(), "exp": time.Now().Add(time.Minute).Unix(),
			}).SignedString(key)
			require.NoError(t, err)
			form := url.Values{"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}, "client_assertion": {assertion}}
			got := c.post(used, form)
			require.Equal(t, http.StatusOK, got.status, "%s", got.body)
			for n := range instances {
				got := c.post(n, form)
				require.Equal(t, http.StatusUnauthorized, got.status, "%s", got.body)
			}
		}
	})
}

func TestWhileTheDatabaseIsAwayNothingIsWronglyRefusedOrChanged(t *testing.T) {
	c := startCluster(t)
	id := c.add("report", bySecret)
	secret := c.admin(0, http.MethodPost, "/api-clients/"+id+"/secrets", newSecret()).member("value")
	form := url.Values{"client_id": {id}, "client_secret": {secret}}
	require.Equal(t, http.StatusOK, c.post(1, form).status)
	l := c.startLonely(id, form)

	c.pg.Kill()
	for n := range instances {
		c.until(n, "/readyz", http.StatusServiceUnavailable)
		require.Equal(t, "the database does not answer\n", string(c.get(n, "/readyz").body))
		require.Equal(t, http.StatusOK, c.get(n, "/healthz").status)
		for c.post(n, form).status == http.StatusOK { // for as long as the cache is fresh
			require.NoError(t, t.Context().Err())
		}
		got := c.post(n, form)
		require.Equal(t, http.StatusServiceUnavailable, got.status, "%s", got.body)
		require.NotEmpty(t, got.header.Get("Retry-After"))
		require.GreaterOrEqual(t, c.admin(n, http.MethodPut, "/api-clients/"+id, clientOf("changed", 60, bySecret)).status, 500)
	}

	l.goesOn()

	c.pg.Restart(c.t)
	for n := range instances {
		c.until(n, "/readyz", http.StatusOK)
		got := c.again(func() answer { return c.post(n, form) })
		require.Equal(t, http.StatusOK, got.status, "%s", got.body)
		got = c.again(func() answer { return c.admin(n, http.MethodGet, "/api-clients/"+id, "") })
		require.Equal(t, "report", got.member("name"), "%d %s", got.status, got.body)
	}
	l.recovers(c)
}

// A kept is what one worker knows of its API client.
type kept struct {
	id      string
	may     map[int]bool // lifetimes that it may have: the last acknowledged, and those since without an answer
	secrets []string     // acknowledged, since the last one that may have been replaced
}

// TestWhatIsKilledUnderLoadHasLostNothing kills an instance or PostgreSQL in each
// cycle, while workers add and edit clients and give them secrets.
func TestWhatIsKilledUnderLoadHasLostNothing(t *testing.T) {
	s := *seed
	if s == 0 {
		s = mathrand.Uint64()
	}
	t.Logf("-cycles %d -seed %d", *cycles, s)
	random := mathrand.New(mathrand.NewPCG(s, 0))
	c := startCluster(t)
	for cycle := range *cycles {
		const workers = 6
		var found [workers][]*kept
		var load sync.WaitGroup
		var over atomic.Bool
		moment := newCountdown(5 + random.IntN(60))
		for w := range workers {
			load.Go(func() {
				for round := 0; !over.Load(); round++ {
					if k := c.work(w, fmt.Sprintf("%d-%d-%d", cycle, w, round), &over, moment); k != nil {
						found[w] = append(found[w], k)
					}
				}
			})
		}
		select {
		case <-moment.zero:
		case <-time.After(patience):
			t.Fatal("there is no load")
		}
		victim := random.IntN(instances + 1)
		if victim == instances {
			c.pg.Kill()
		} else {
			c.process[victim].Kill()
		}
		over.Store(true)
		load.Wait()
		if victim == instances {
			c.pg.Restart(c.t)
		} else {
			c.launch(victim)
			c.wait(victim)
		}
		for n := range instances {
			c.until(n, "/readyz", http.StatusOK)
		}
		for _, all := range found {
			for _, k := range all {
				c.check(random.IntN(instances), k)
			}
		}
	}
}

// A countdown counts acknowledged changes.
type countdown struct {
	left atomic.Int64
	zero chan struct{}
}

func newCountdown(n int) *countdown {
	c := &countdown{zero: make(chan struct{})}
	c.left.Store(int64(n))
	return c
}

func (c *countdown) count() {
	if c.left.Add(-1) == 0 {
		close(c.zero)
	}
}

// work adds a client and changes it until it is over. It returns nil if the client
// was not acknowledged.
func (c *cluster) work(w int, name string, over *atomic.Bool, moment *countdown) *kept {
	n := w % instances
	got := c.admin(n, http.MethodPost, "/api-clients", clientOf(name, 900, bySecret))
	if got.status == 0 || got.status >= 300 {
		return nil
	}
	moment.count()
	k := &kept{id: got.member("id"), may: map[int]bool{900: true}}
	for change := 1; change <= 5 && !over.Load(); change++ {
		lifetime := 900 + change
		k.may[lifetime] = true
		if got := c.admin(n, http.MethodPut, "/api-clients/"+k.id, clientOf(name, lifetime, bySecret)); got.status == http.StatusOK || got.status == http.StatusNoContent {
			k.may = map[int]bool{lifetime: true}
			moment.count()
		}
		got := c.admin(n, http.MethodPost, "/api-clients/"+k.id+"/secrets", newSecret())
		if got.status == 0 || got.status >= 300 {
			k.secrets = k.secrets[:min(len(k.secrets), 1)] // the second may have been replaced
			return k
		}
		moment.count()
		k.secrets = append(k.secrets[:min(len(k.secrets), 1)], got.member("value"))
	}
	return k
}

// check holds what there is against what was acknowledged.
func (c *cluster) check(n int, k *kept) {
	c.t.Helper()
	got := c.again(func() answer { return c.admin(n, http.MethodGet, "/api-clients/"+k.id, "") })
	require.Equal(c.t, http.StatusOK, got.status, "an acknowledged client is gone: %s", got.body)
	var client struct {
		Lifetime  json.Number `json:"accessTokenLifeTime"`
		Resources []struct {
			Scopes []any `json:"selectedScopes"`
		} `json:"clientResources"`
	}
	require.NoError(c.t, json.Unmarshal(got.body, &client))
	lifetime, err := client.Lifetime.Int64()
	require.NoError(c.t, err)
	require.Contains(c.t, k.may, int(lifetime), "the last acknowledged edit is lost: %s", got.body)
	require.Len(c.t, client.Resources, 1)
	require.Len(c.t, client.Resources[0].Scopes, 1)
	require.LessOrEqual(c.t, len(c.secrets(n, k.id)), 2)
	for _, secret := range k.secrets {
		got := c.again(func() answer { return c.post(n, url.Values{"client_id": {k.id}, "client_secret": {secret}}) })
		require.Equal(c.t, http.StatusOK, got.status, "an acknowledged secret is lost: %s", got.body)
	}
}
