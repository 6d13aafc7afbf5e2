package token_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/audit"
	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/memstore"
	"github.com/clientele-go/clientele/resource"
	"github.com/clientele-go/clientele/store"
	"github.com/clientele-go/clientele/token"
	"github.com/clientele-go/clientele/token/verifier"
)

// direct serves requests without a network, and counts them.
type direct struct {
	handler http.Handler
	served  atomic.Int64
}

func (d *direct) RoundTrip(r *http.Request) (*http.Response, error) {
	d.served.Add(1)
	w := httptest.NewRecorder()
	d.handler.ServeHTTP(w, r)
	return w.Result(), nil
}

// cluster is several Issuers over one store, on the clock of a synctest bubble.
type cluster struct {
	t       *testing.T
	store   store.Store
	issuers []*token.Issuer
	client  known
}

// quick is a life of keys that a test can watch: three days.
func quick(c *token.Config) { c.KeyPeriod = 72 * time.Hour }

func newCluster(t *testing.T, n int, configure ...func(*token.Config)) *cluster {
	t.Helper()
	s := memstore.New()
	t.Cleanup(func() { _ = s.Close() })
	c := &cluster{t: t, store: s}
	for range n {
		a := &authority{t: t, store: &fragile{Store: s}}
		a.ctx = audit.WithActor(t.Context(), audit.Program("test"))
		var err error
		a.catalog, err = resource.NewCatalog(resource.Config{Store: s})
		require.NoError(t, err)
		a.registry, err = client.NewRegistry(client.Config{Store: s, Resources: a.catalog})
		require.NoError(t, err)
		if len(c.issuers) == 0 {
			a.clock = newClock()
			a.clock.ns.Store(time.Now().UnixNano())
			a.addServers()
			c.client = a.add("report")
		}
		c.issuers = append(c.issuers, c.newIssuer(a.registry, configure...))
	}
	return c
}

func (c *cluster) newIssuer(registry *client.Registry, configure ...func(*token.Config)) *token.Issuer {
	c.t.Helper()
	cfg := token.Config{
		Issuer: issuerURL, Clients: registry, SealingKeys: []token.SealingKey{testSealingKey},
		Logger: slog.New(slog.DiscardHandler),
	}
	for _, f := range configure {
		f(&cfg)
	}
	issuer, err := token.NewIssuer(c.t.Context(), cfg)
	require.NoError(c.t, err)
	return issuer
}

// registry returns another Registry over the same store.
func (c *cluster) registry() *client.Registry { return registryOver(c.t, c.store) }

// verifier returns one that reaches issuer n over HTTP, and how often it did.
func (c *cluster) verifier(n int) (*verifier.Verifier, *direct) {
	c.t.Helper()
	d := &direct{handler: c.issuers[n]}
	v, err := verifier.New(verifier.Config{
		Issuer: issuerURL, Audience: ordersAud, HTTPClient: &http.Client{Transport: d},
		Logger: slog.New(slog.DiscardHandler), CacheSize: -1,
	})
	require.NoError(c.t, err)
	return v, d
}

func (c *cluster) issue(n int) *token.Token {
	c.t.Helper()
	got, err := c.issuers[n].Issue(context.Background(), token.Request{ClientID: c.client.id, ClientSecret: c.client.secret})
	require.NoError(c.t, err)
	return got
}

func (c *cluster) keys(n int) []token.KeyInfo {
	c.t.Helper()
	keys, err := c.issuers[n].SigningKeys(c.t.Context())
	require.NoError(c.t, err)
	return keys
}

func states(keys []token.KeyInfo) string {
	s := ""
	for _, k := range keys {
		s += string(k.State) + " "
	}
	return s
}

// published returns the kids in the JWK Set of issuer n.
func (c *cluster) published(n int) []string {
	c.t.Helper()
	w := httptest.NewRecorder()
	c.issuers[n].ServeHTTP(w, httptest.NewRequest("GET", issuerURL+"/oauth2/v1/keys", nil))
	var set struct{ Keys []struct{ Kid string } }
	require.NoError(c.t, json.Unmarshal(w.Body.Bytes(), &set))
	var kids []string
	for _, k := range set.Keys {
		kids = append(kids, k.Kid)
	}
	return kids
}

// The proof: through weeks of rotations, no token that is valid is ever refused
// by a verifier that asks for keys no more often than it must.
func TestNoFreshTokenEverFailsThroughRotations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3, quick)
		var verifiers []*verifier.Verifier
		var counters []*direct
		for n := range c.issuers {
			v, d := c.verifier(n)
			verifiers, counters = append(verifiers, v), append(counters, d)
		}
		const step, days = 7 * time.Minute, 14
		signers := map[string]bool{}
		var held []*token.Token // until they expire
		for n := range int(days * 24 * time.Hour / step) {
			got := c.issue(n % len(c.issuers))
			signers[head(got.AccessToken)] = true
			held = append(held, got)
			for len(held) > 0 && !time.Now().Before(held[0].ExpiresAt) {
				held = held[1:]
			}
			for i, v := range verifiers {
				// The newest, and the oldest that has not expired.
				for _, one := range []*token.Token{got, held[0]} {
					_, err := v.Verify(t.Context(), one.AccessToken)
					require.NoError(t, err, "verifier %d at %v", i, time.Now())
				}
			}
			time.Sleep(step)
		}
		require.GreaterOrEqual(t, len(signers), 4, "it did rotate")
		require.LessOrEqual(t, len(c.published(0)), 3, "what is gone is gone")
		for _, d := range counters {
			// The JWK Set at most every ten minutes, the metadata every hour.
			require.LessOrEqual(t, d.served.Load(), int64(days*24*7+50))
		}
		page, err := c.store.List(t.Context(), store.Query{Kind: token.KindSigningKey, Count: true})
		require.NoError(t, err)
		require.LessOrEqual(t, page.Total, 3, "and removed from the store")
	})
}

func TestTheLifeOfAKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 2, quick)
		at := func(d time.Duration, want string) []token.KeyInfo {
			t.Helper()
			time.Sleep(d)
			c.issue(0)
			keys := c.keys(0)
			require.Equal(t, want, states(keys))
			time.Sleep(2 * store.DefaultFresh)
			require.Equal(t, states(keys), states(c.keys(1)), "the other instance says the same")
			require.Len(t, c.published(0), len(keys))
			return keys
		}
		const day = 24 * time.Hour
		began := time.Now()
		first := at(0, "active ")[0]
		require.True(t, first.RetiredAt.IsZero())
		at(2*day-time.Minute, "active ")
		keys := at(2*time.Minute, "active next ")
		require.WithinDuration(t, began.Add(3*day), keys[1].ActiveAt, 2*time.Minute, "published for at least a day")
		require.Equal(t, keys[1].ActiveAt, keys[0].RetiredAt)
		at(day-5*time.Minute, "active next ")
		keys = at(6*time.Minute, "retired active ")
		require.Equal(t, first.KeyID, keys[0].KeyID)
		at(24*time.Hour, "retired active ")
		at(time.Hour+time.Minute, "active ")
		require.NotContains(t, c.published(0), first.KeyID)
	})
}

func TestInstancesThatRotateAtOnceMakeOneNextKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 8, quick)
		time.Sleep(49 * time.Hour)
		done := make(chan struct{})
		for n := range c.issuers {
			go func() {
				defer func() { done <- struct{}{} }()
				_, err := c.issuers[n].Issue(context.Background(), token.Request{ClientID: c.client.id, ClientSecret: c.client.secret})
				if err != nil {
					t.Error(err)
				}
			}()
		}
		for range c.issuers {
			<-done
		}
		page, err := c.store.List(t.Context(), store.Query{Kind: token.KindSigningKey, Count: true})
		require.NoError(t, err)
		require.Equal(t, 2, page.Total)
	})
}

func TestRotateKeysByCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 1)
		v, _ := c.verifier(0)
		before := c.issue(0)
		_, err := v.Verify(t.Context(), before.AccessToken)
		require.NoError(t, err)

		activeAt, err := c.issuers[0].RotateKeys(t.Context())
		require.NoError(t, err)
		require.WithinDuration(t, time.Now().Add(2*time.Hour+10*time.Minute), activeAt, time.Second)
		require.Equal(t, "active next ", states(c.keys(0)))
		again, err := c.issuers[0].RotateKeys(t.Context())
		require.NoError(t, err)
		require.Equal(t, activeAt, again, "a second call changes nothing")

		time.Sleep(time.Until(activeAt) - time.Second)
		require.Equal(t, head(before.AccessToken), head(c.issue(0).AccessToken))
		time.Sleep(2 * time.Second)
		after := c.issue(0)
		require.NotEqual(t, head(before.AccessToken), head(after.AccessToken))
		_, err = v.Verify(t.Context(), after.AccessToken)
		require.NoError(t, err)
		require.Equal(t, "retired active ", states(c.keys(0)))
	})
}

func TestRotateKeysBringsTheNextKeyForward(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 1, quick)
		time.Sleep(48*time.Hour + time.Minute)
		c.issue(0)
		keys := c.keys(0)
		require.Equal(t, "active next ", states(keys))
		time.Sleep(time.Hour)
		activeAt, err := c.issuers[0].RotateKeys(t.Context())
		require.NoError(t, err)
		require.Equal(t, keys[1].CreatedAt.Add(2*time.Hour+10*time.Minute), activeAt)
		brought := c.keys(0)
		require.Equal(t, keys[1].KeyID, brought[1].KeyID)
		require.Equal(t, activeAt, brought[1].ActiveAt)
	})
}

func TestWithdrawKey(t *testing.T) {
	for _, tt := range []struct {
		name   string
		before string // the states
		which  int    // is withdrawn
		after  string
	}{
		{"the only one", "active ", 0, "active "},
		{"the active one, with a next one at hand", "active next ", 0, "active "},
		{"the next one", "active next ", 1, "active "},
		{"a retired one", "retired active ", 0, "active "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCluster(t, 2)
				v, _ := c.verifier(1)
				if tt.before != "active " {
					activeAt, err := c.issuers[0].RotateKeys(t.Context())
					require.NoError(t, err)
					if tt.before == "retired active " {
						time.Sleep(time.Until(activeAt))
					}
				}
				keys := c.keys(0)
				require.Equal(t, tt.before, states(keys))
				old := c.issue(0)
				_, err := v.Verify(t.Context(), old.AccessToken)
				require.NoError(t, err)

				gone := keys[tt.which]
				require.NoError(t, c.issuers[0].WithdrawKey(t.Context(), gone.KeyID))
				time.Sleep(2 * store.DefaultFresh)
				for n := range c.issuers {
					require.Equal(t, tt.after, states(c.keys(n)))
					require.NotContains(t, c.published(n), gone.KeyID)
				}
				fresh := c.issue(1)
				_, err = v.Verify(t.Context(), fresh.AccessToken)
				require.NoError(t, err, "what is signed from now on verifies")
				time.Sleep(10*time.Minute + time.Second)
				_, err = v.Verify(t.Context(), c.issue(1).AccessToken)
				require.NoError(t, err)
				_, err = v.Verify(t.Context(), old.AccessToken)
				if gone.State == token.KeyActive {
					require.ErrorIs(t, err, verifier.ErrInvalidToken, "what the withdrawn key signed is refused")
				} else {
					require.NoError(t, err)
				}
				require.ErrorIs(t, c.issuers[0].WithdrawKey(t.Context(), gone.KeyID), token.ErrUnknownKey)
			})
		})
	}
}

func TestEachChangeOfAKeyLeavesAnEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 1)
		ctx := audit.WithActor(t.Context(), audit.Actor{Kind: audit.Person, ID: "ada"})
		_, err := c.issuers[0].RotateKeys(ctx)
		require.NoError(t, err)
		require.NoError(t, c.issuers[0].WithdrawKey(ctx, c.keys(0)[0].KeyID))
		log, err := audit.NewLog(audit.Config{Store: c.store})
		require.NoError(t, err)
		page, err := log.List(t.Context(), audit.Filter{SubjectKind: string(token.KindSigningKey)})
		require.NoError(t, err)
		var got []string
		for _, e := range page.Events {
			got = append(got, e.Action+" by "+e.Actor.ID)
			require.NotContains(t, fmt.Sprintf("%s%s", e.Before, e.After), `"box"`)
		}
		require.ElementsMatch(t, []string{
			"signing_key.create by token.Issuer", "signing_key.create by ada",
			"signing_key.withdraw by ada", "signing_key.rotate by ada",
		}, got)
	})
}

func TestANewSealingKeySealsWhatAnOldOneSealed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 1)
		before := c.issue(0)
		fresh, err := token.NewSealingKey(rand.Reader)
		require.NoError(t, err)
		// First it opens everywhere, then it seals, then the old one goes.
		both := c.newIssuer(c.registry(), func(cfg *token.Config) { cfg.SealingKeys = []token.SealingKey{fresh, testSealingKey} })
		keys, err := both.SigningKeys(t.Context())
		require.NoError(t, err)
		require.Equal(t, fresh.ID(), keys[0].SealedBy)
		alone := c.newIssuer(c.registry(), func(cfg *token.Config) { cfg.SealingKeys = []token.SealingKey{fresh} })
		got, err := alone.Issue(t.Context(), token.Request{ClientID: c.client.id, ClientSecret: c.client.secret})
		require.NoError(t, err)
		require.Equal(t, head(before.AccessToken), head(got.AccessToken), "the key is the same")
	})
}

func TestAnotherAlgorithmTakesOverInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 1)
		v, _ := c.verifier(0)
		old := c.issue(0)
		_, err := v.Verify(t.Context(), old.AccessToken)
		require.NoError(t, err)
		c.issuers[0] = c.newIssuer(c.registry(), func(cfg *token.Config) { cfg.Algorithm = "EdDSA" })
		require.Equal(t, head(old.AccessToken), head(c.issue(0).AccessToken), "not before verifiers know it")
		keys := c.keys(0)
		require.Equal(t, "active next ", states(keys))
		require.Equal(t, "EdDSA", keys[1].Algorithm)
		time.Sleep(24*time.Hour + time.Second)
		fresh := c.issue(0)
		require.Contains(t, decode64(t, head(fresh.AccessToken)), "EdDSA")
		_, err = v.Verify(t.Context(), fresh.AccessToken)
		require.NoError(t, err)
	})
}

func TestTroubleWithTendingKeysStopsNoToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 1, quick)
		readOnly := &unwritable{Store: c.store}
		c.store = readOnly
		c.issuers[0] = c.newIssuer(c.registry(), func(cfg *token.Config) {
			quick(cfg)
			cfg.Log = token.LogOff // whose writes would be counted
		})
		readOnly.closed.Store(true)
		for range 100 {
			time.Sleep(time.Hour)
			c.issue(0)
		}
		require.Equal(t, "active ", states(c.keys(0)))
		require.LessOrEqual(t, readOnly.tries.Load(), int64(100))
		readOnly.closed.Store(false)
		time.Sleep(2 * time.Minute)
		c.issue(0)
		require.Equal(t, "active next ", states(c.keys(0)), "it makes up for it")
	})
}

// unwritable is a store that can be made to refuse changes.
type unwritable struct {
	store.Store
	closed atomic.Bool
	tries  atomic.Int64
}

func (u *unwritable) Apply(ctx context.Context, changes ...store.Change) (store.Revision, error) {
	if u.closed.Load() {
		u.tries.Add(1)
		return 0, io.ErrShortWrite
	}
	return u.Store.Apply(ctx, changes...)
}

func TestAnOwnKeyIsNotRotated(t *testing.T) {
	a := newAuthority(t, func(c *token.Config) { c.SealingKeys, c.EphemeralKeys = nil, true })
	_, err := a.issuer.RotateKeys(t.Context())
	require.ErrorIs(t, err, token.ErrOwnKey)
	require.ErrorIs(t, a.issuer.WithdrawKey(t.Context(), "x"), token.ErrOwnKey)
	_, err = a.issuer.SigningKeys(t.Context())
	require.ErrorIs(t, err, token.ErrOwnKey)
}

func registryOver(t *testing.T, s store.Store) *client.Registry {
	t.Helper()
	catalog, err := resource.NewCatalog(resource.Config{Store: s})
	require.NoError(t, err)
	registry, err := client.NewRegistry(client.Config{Store: s, Resources: catalog})
	require.NoError(t, err)
	return registry
}
