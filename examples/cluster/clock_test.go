//go:build unix

package cluster_test

import (
	"crypto/ecdsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/examples/internal/proctest"
	"github.com/clientele-go/clientele/token/verifier"
)

// The clock of one instance is an hour ahead, and then an hour behind.
func TestTheClockOfAnInstanceIsWrong(t *testing.T) {
	t.Parallel()
	// What is issued by a clock an hour behind is good for the others, too.
	c := startCluster(t, setup{falseClocks: true, lifetime: 2 * 3600})
	c.lengthenSignIn()
	const wrong = 1
	signer, key := c.withKey(t)
	for says, offset := range map[string]time.Duration{"ahead": time.Hour, "behind": -time.Hour} {
		t.Run("an hour "+says, func(t *testing.T) {
			c.setClock(wrong, offset)

			t.Run("nothing is lost or half, and the rules hold", func(t *testing.T) {
				l, all := c.begin(says, 1, 6, 10*time.Millisecond)
				l.await(40)
				l.over.Store(true)
				all.Wait()
				l.finished(0)
			})

			t.Run("a token ends when it says", func(t *testing.T) {
				h := c.withSecretFor(t, "short "+says, 60)
				at := time.Now()
				v, err := verifier.New(verifier.Config{
					Issuer: issuer, Audience: audience, Now: func() time.Time { return at },
					HTTPClient: &http.Client{Transport: proctest.At(c.at(0))},
				})
				require.NoError(t, err)
				byRight := c.tokenAt(t, 0, h)
				byWrong := c.tokenAt(t, wrong, h)
				for _, one := range []issued{byRight, byWrong} {
					expires := one.expires(t)
					for edge, good := range map[time.Duration]bool{-time.Second: true, time.Minute - time.Second: true, time.Minute: false} {
						at = expires.Add(edge)
						_, err = v.Verify(t.Context(), one.raw)
						require.Equal(t, good, err == nil, "%v after exp: %v", edge, err)
					}
				}
				// That of a clock behind has ended when it comes, and is refused.
				at = time.Now()
				_, err = v.Verify(t.Context(), byWrong.raw)
				var refusal *verifier.TokenError
				if offset < 0 {
					require.ErrorAs(t, err, &refusal)
					require.Equal(t, verifier.ReasonExpired, refusal.Reason)
				} else {
					require.NoError(t, err)
				}
			})

			t.Run("an assertion is accepted once", func(t *testing.T) {
				for first, now := range map[int]time.Time{0: time.Now(), wrong: time.Now().Add(offset)} {
					form := assertion(t, signer, key, now.Add(4*time.Minute))
					got := c.post(first, form)
					require.Equal(t, http.StatusOK, got.status, "%s", got.body)
					for n := range instances {
						got := c.post(n, form)
						require.Equal(t, refused, outcomeOf(got), "%d %s", got.status, got.body)
						require.Equal(t, "invalid_client", got.member("error"))
					}
				}
			})

			t.Run("what was revoked elsewhere it refuses", func(t *testing.T) {
				h := c.withSecretFor(t, "revoked "+says, 2*3600)
				for _, by := range [][2]int{{0, wrong}, {wrong, 0}} { // issued and revoked
					taken := c.tokenAt(t, by[0], h)
					got := c.form(by[1], "/oauth2/v1/revoke", url.Values{"client_id": {h.id}, "client_secret": {h.value}, "token": {taken.raw}}, "")
					require.Equal(t, http.StatusOK, got.status, "%s", got.body)
					for n := range instances {
						c.settles(func() error {
							active, got := c.introspect(n, h.id, h.value, taken)
							if active || got.status != http.StatusOK {
								return fmt.Errorf("at instance %d: %d %s", n, got.status, got.body)
							}
							return nil
						})
					}
				}
				// Its list of revocations is right, or ends before it begins.
				v, err := c.verifier(wrong)
				require.NoError(t, err)
				good := c.tokenAt(t, 0, h)
				if _, err = v.Verify(t.Context(), good.raw); offset < 0 {
					require.ErrorIs(t, err, verifier.ErrUnavailable)
				} else {
					require.NoError(t, err)
				}
			})

			t.Run("the keys are the same", func(t *testing.T) {
				for n := range instances {
					require.JSONEq(t, string(c.get(0, "/oauth2/v1/keys").body), string(c.get(n, "/oauth2/v1/keys").body))
				}
			})
		})
	}
}

// expires returns the exp of a token.
func (i issued) expires(t *testing.T) time.Time {
	t.Helper()
	var claims struct{ Exp int64 }
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(i.raw, ".")[1])
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(payload, &claims))
	return time.Unix(claims.Exp, 0)
}

// keyID returns the kid of a token.
func (i issued) keyID() string {
	var header struct{ Kid string }
	text, err := base64.RawURLEncoding.DecodeString(strings.Split(i.raw, ".")[0])
	if errors.Join(err, json.Unmarshal(text, &header)) != nil {
		return ""
	}
	return header.Kid
}

// lengthenSignIn gives the administrator the longest tokens there are, which are
// good whatever the clock is.
func (c *cluster) lengthenSignIn() {
	c.t.Helper()
	got := c.admin(0, http.MethodGet, "/api-clients/"+c.first.ID, "")
	var all map[string]any
	require.NoError(c.t, got.decode(&all))
	all["accessTokenLifeTime"] = 86400
	body, err := json.Marshal(all)
	require.NoError(c.t, err)
	got = c.admin(0, http.MethodPut, "/api-clients/"+c.first.ID, string(body))
	require.Equal(c.t, http.StatusOK, got.status, "%s", got.body)
	c.signIn(0)
}

// assertion returns the form of a client that signs one.
func assertion(t *testing.T, id string, key *ecdsa.PrivateKey, expires time.Time) url.Values {
	t.Helper()
	signed, err := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims{
		"iss": id, "sub": id, "aud": issuer, "jti": fmt.Sprint(mathrand.Uint64()), "exp": expires.Unix(),
	}).SignedString(key)
	require.NoError(t, err)
	return url.Values{"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}, "client_assertion": {signed}}
}

// The signing key rotates and all instances are restarted, one after the other,
// under load, while the clock of one is an hour ahead and that of another an hour
// behind. Callers try again once, at another instance, and none has to do without a
// token; and no token is refused by a Verifier before it ends.
func TestKeysRotateAndInstancesAreRestarted(t *testing.T) {
	c := startCluster(t, setup{falseClocks: true})
	c.lengthenSignIn()
	skew := [instances]time.Duration{0, time.Hour, -time.Hour}

	// An hour before the next key is made. See token.Config.KeyPeriod and KeyLead.
	const period, lead = 90 * 24 * time.Hour, 24 * time.Hour
	var now atomic.Int64 // the right time, as an offset
	moveTo := func(offset time.Duration) {
		for n := range instances {
			c.setClock(n, offset+skew[n])
		}
		now.Store(int64(offset))
	}
	moveTo(period - lead - 2*time.Hour)
	c.signIn(0)
	got := c.admin(0, http.MethodPost, "/api-clients", clientOf("caller", 86400, bySecret))
	require.Equal(t, http.StatusCreated, got.status, "%s", got.body)
	id := got.member("id")
	got = c.admin(0, http.MethodPost, "/api-clients/"+id+"/secrets",
		fmt.Sprintf(`{"expiresAt":%d}`, time.Now().Add(period+200*24*time.Hour).Unix()))
	require.Equal(t, http.StatusCreated, got.status, "%s", got.body)
	value := got.member("value")
	for n := range instances {
		c.settles(func() error { _, err := parseToken(c.tokenBy(n, id, value)); return err })
	}

	clock := func() time.Time { return time.Now().Add(time.Duration(now.Load())) }
	v, err := verifier.New(verifier.Config{
		Issuer: issuer, Audience: audience, Now: clock, HTTPClient: &http.Client{Transport: balancer{c}},
	})
	require.NoError(t, err)

	// still is held by who gets or verifies a token, and by who moves the time.
	var still sync.RWMutex
	var mu sync.Mutex
	var tokens []issued
	var failures []string
	verified := map[string]int{} // by key
	var first string             // the key that there is at the beginning
	var retired int              // verified of it, when nobody signed with it any more
	var requests, again int
	var over atomic.Bool
	var moment atomic.Pointer[countdown]
	call := func() {
		still.RLock()
		defer still.RUnlock()
		n := mathrand.IntN(instances)
		got, tried := c.tokenBy(n, id, value), 1
		begun := got
		if got.status != http.StatusOK {
			got, tried = c.tokenBy((n+1)%instances, id, value), 2
		}
		one, err := parseToken(got)
		mu.Lock()
		defer mu.Unlock()
		requests++
		again += tried - 1
		if outcomeOf(begun) == refused {
			failures = append(failures, fmt.Sprintf("instance %d, at the first try: %d %s", n, begun.status, begun.body))
		}
		if err != nil {
			failures = append(failures, fmt.Sprintf("no token: %v: %s", err, got.body))
			return
		}
		tokens = append(tokens, one)
		if first == "" {
			first = one.keyID()
		}
	}
	check := func() {
		still.RLock()
		defer still.RUnlock()
		mu.Lock()
		if len(tokens) == 0 {
			mu.Unlock()
			return
		}
		one := tokens[mathrand.IntN(len(tokens))]
		mu.Unlock()
		if !clock().Before(one.expires(t)) {
			return // it has ended
		}
		_, err := v.Verify(t.Context(), one.raw)
		mu.Lock()
		defer mu.Unlock()
		if err != nil {
			failures = append(failures, fmt.Sprintf("a token of key %s that ends in %v: %v", one.keyID(), one.expires(t).Sub(clock()), err))
			return
		}
		verified[one.keyID()]++
		if one.keyID() == first && time.Duration(now.Load()) > period+time.Hour {
			retired++
		}
		if m := moment.Load(); m != nil && m.left.Add(-1) == 0 {
			close(m.zero)
		}
	}
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() {
			for !over.Load() {
				call()
				check()
			}
		})
	}
	defer all.Wait()
	defer over.Store(true)
	work := func() {
		m := newCountdown(6)
		moment.Store(m)
		select {
		case <-m.zero:
		case <-time.After(patience):
			mu.Lock()
			defer mu.Unlock()
			t.Fatalf("there is no load: %v", failures)
		}
	}

	restarts := map[time.Duration]int{-lead: 0, 0: 1, 12 * time.Hour: 2} // which instance when
	offsets := []time.Duration{}
	for at := -lead - 2*time.Hour; at <= 27*time.Hour; at += time.Hour {
		offsets = append(offsets, at)
	}
	for at := -50 * time.Minute; at <= time.Hour; at += 10 * time.Minute {
		offsets = append(offsets, at)
	}
	slices.Sort(offsets)
	for _, at := range slices.Compact(offsets) {
		still.Lock()
		moveTo(period + at)
		tokens = slices.DeleteFunc(tokens, func(i issued) bool { return !clock().Before(i.expires(t)) })
		still.Unlock()
		work()
		n, due := restarts[at]
		if !due {
			continue
		}
		c.stop(n)
		work()
		c.launch(n)
		c.wait(n)
		work()
	}
	over.Store(true)
	all.Wait()
	t.Logf("%d token requests, %d of them at a second instance; verified by key: %v; %d by the first when it was retired", requests, again, verified, retired)
	require.Empty(t, failures)
	require.Len(t, verified, 2)
	require.NotZero(t, retired)
	var set struct{ Keys []struct{ Kid string } }
	for n := range instances {
		require.NoError(t, c.get(n, "/oauth2/v1/keys").decode(&set))
		require.Len(t, set.Keys, 1)
		require.NotEqual(t, first, set.Keys[0].Kid, "it is gone")
	}
}

// A balancer sends each request to one of the instances, and to the next if that
// does not answer.
type balancer struct{ c *cluster }

func (b balancer) RoundTrip(r *http.Request) (resp *http.Response, err error) {
	for n := mathrand.IntN(instances); n < 2*instances; n++ {
		r := r.Clone(r.Context())
		r.URL.Scheme, r.URL.Host = "http", b.c.at(n%instances)
		if resp, err = http.DefaultTransport.RoundTrip(r); err == nil {
			return resp, nil
		}
	}
	return nil, err
}
