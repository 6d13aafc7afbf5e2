//go:build unix

package cluster_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestInstancesThatStartAtOnceAgree(t *testing.T) {
	t.Parallel()
	c := startCluster(t, setup{})

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
		var first, second, got = answer{}, answer{}, [64]answer{}
		for _, a := range []*answer{&first, &second} {
			*a = c.admin(0, http.MethodPost, "/api-clients/"+id+"/secrets", newSecret())
			require.Equal(t, http.StatusCreated, a.status, "%s", a.body)
		}
		var all sync.WaitGroup
		for n := range got {
			all.Go(func() { got[n] = c.admin(n%instances, http.MethodPost, "/api-clients/"+id+"/secrets", newSecret()) })
		}
		all.Wait()
		left, err := c.secretIDs(1, id)
		require.NoError(t, err)
		require.Len(t, left, 2)
		require.Equal(t, first.member("id"), left[0], "the older one stays")
		values := map[string]string{first.member("id"): first.member("value"), second.member("id"): second.member("value")}
		won := []string{first.member("id"), second.member("id")}
		for _, a := range got {
			if a.status != http.StatusCreated {
				require.Equal(t, http.StatusConflict, a.status, "%s", a.body)
				require.NotContains(t, string(a.body), "value")
				require.Equal(t, "CONFLICT", a.member("code"))
				continue
			}
			require.NotEmpty(t, a.member("value"))
			values[a.member("id")] = a.member("value")
			won = append(won, a.member("id"))
		}
		require.Greater(t, len(won), 2, "nobody has won")
		require.Contains(t, won[2:], left[1])

		// Each who was told so has won, in a turn of their own, and nobody else has.
		events, err := c.events(2, "client="+id)
		require.NoError(t, err)
		require.Len(t, events, 1+len(won))
		_, err = chain(events)
		require.NoError(t, err)

		// Two are good, at each instance, as soon as it has heard of that.
		for n := range instances {
			c.settles(func() error {
				var good []string
				for _, secret := range won {
					if c.tokenBy(n, id, values[secret]).status == http.StatusOK {
						good = append(good, secret)
					}
				}
				if !slices.Equal(good, left) {
					return fmt.Errorf("at instance %d, of %v are good %v, in the place of %v", n, won, good, left)
				}
				return nil
			})
		}
	})

	t.Run("an assertion is accepted once, by one of them", func(t *testing.T) {
		id, key := c.withKey(t)
		for used := range instances {
			form := assertion(t, id, key, time.Now().Add(time.Minute))
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
	t.Parallel()
	c := startCluster(t, setup{})
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

// withKey adds a client that signs assertions.
func (c *cluster) withKey(t *testing.T) (id string, key *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	require.NoError(t, err)
	public, err := json.Marshal(string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})))
	require.NoError(t, err)
	return c.add("signer", `{"authType":"PUBKEYCERT","publicKeys":[{"keyName":"one","keyValue":`+string(public)+`}]}`), key
}
