package token_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/internal/revlist"
	"github.com/clientele-go/clientele/memstore"
	"github.com/clientele-go/clientele/store"
	"github.com/clientele-go/clientele/token"
	"github.com/clientele-go/clientele/token/verifier"
)

const listPath = "/oauth2/v1/revocations"

// list returns what the Issuer publishes.
func (a *authority) list() *revlist.List {
	a.t.Helper()
	w := a.get(listPath)
	require.Equal(a.t, http.StatusOK, w.Code)
	parts := strings.Split(w.Body.String(), ".")
	require.Len(a.t, parts, 3)
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	require.NoError(a.t, err)
	l, err := revlist.Parse(payload)
	require.NoError(a.t, err)
	return l
}

func TestRevocationList(t *testing.T) {
	a := newAuthority(t)
	c := a.add("report")
	issued := a.issue(c)
	require.NoError(t, a.issuer.Revoke(a.ctx, issued.ID, issued.ExpiresAt))
	until, err := a.issuer.RevokeClient(a.ctx, c.id)
	require.NoError(t, err)

	w := a.get(listPath)
	require.Equal(t, revlist.MediaType, w.Header().Get("Content-Type"))
	require.Equal(t, "public, max-age=10", w.Header().Get("Cache-Control"))
	var header struct{ Alg, Typ, Kid string }
	require.NoError(t, json.Unmarshal([]byte(decode64(t, head(w.Body.String()))), &header))
	require.Equal(t, "ES256", header.Alg)
	require.Equal(t, revlist.Type, header.Typ)
	require.NotContains(t, w.Body.String(), c.id)

	l := a.list()
	require.Equal(t, issuerURL, l.Issuer)
	require.Equal(t, a.clock.Now().Truncate(time.Second), l.IssuedAt)
	require.Equal(t, time.Date(2026, 5, 17, 11, 30, 0, 0, time.UTC), l.Expires)
	require.Equal(t, 1, l.Tokens())
	require.Equal(t, 1, l.Clients())
	nobody := revlist.DigestOf("nobody")
	require.True(t, l.Revoked(revlist.DigestOf(issued.ID), nobody, 0))
	require.True(t, l.Revoked(nobody, revlist.DigestOf(c.id), until.Unix()))
	require.False(t, l.Revoked(nobody, revlist.DigestOf(c.id), until.Unix()+1))

	t.Run("is the same while nothing changes", func(t *testing.T) {
		etag := w.Header().Get("ETag")
		require.True(t, strings.HasPrefix(etag, `W/"`))
		a.clock.advance(29 * time.Minute)
		again := a.get(listPath, func(r *http.Request) { r.Header.Set("If-None-Match", etag) })
		require.Equal(t, http.StatusNotModified, again.Code)
		require.Equal(t, etag, again.Header().Get("ETag"))
		other := a.newIssuer()
		w := httptest.NewRecorder()
		other.ServeHTTP(w, httptest.NewRequest("GET", issuerURL+listPath, nil))
		require.Equal(t, etag, w.Header().Get("ETag"), "also that of another instance")
		a.clock.advance(time.Minute)
		again = a.get(listPath, func(r *http.Request) { r.Header.Set("If-None-Match", etag) })
		require.Equal(t, http.StatusOK, again.Code, "it is signed again in time")
		require.Equal(t, time.Date(2026, 5, 17, 12, 0, 0, 0, time.UTC), a.list().Expires)
	})
	t.Run("is made once a second at most", func(t *testing.T) {
		before := a.list()
		a.clock.advance(time.Second)
		require.NoError(t, a.issuer.Revoke(a.ctx, "1", time.Time{}))
		require.Equal(t, before.Tokens()+1, a.list().Tokens())
		require.NoError(t, a.issuer.Revoke(a.ctx, "2", time.Time{}))
		a.clock.advance(time.Second - 1)
		require.Equal(t, before.Tokens()+1, a.list().Tokens())
		a.clock.advance(1)
		require.Equal(t, before.Tokens()+2, a.list().Tokens())
	})
	t.Run("leaves out what has nothing to refuse", func(t *testing.T) {
		a.clock.advance(24 * time.Hour)
		require.Equal(t, 2, a.list().Tokens())
		require.Equal(t, 1, a.list().Clients())
		a.clock.advance(2 * time.Hour)
		require.Zero(t, a.list().Tokens())
		require.Zero(t, a.list().Clients())
	})
}

// wire is a network with one issuer in it.
type wire struct {
	issuer   *token.Issuer
	down     atomic.Bool
	requests atomic.Int64
	lists    atomic.Int64 // that were sent whole
}

func (n *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	n.requests.Add(1)
	w := httptest.NewRecorder()
	if n.down.Load() {
		w.WriteHeader(http.StatusBadGateway)
	} else {
		n.issuer.ServeHTTP(w, r)
	}
	if (r.URL.Path == listPath || strings.HasPrefix(r.URL.Path, statusPath)) && w.Code == http.StatusOK {
		n.lists.Add(1)
	}
	return w.Result(), nil
}

// far returns a Verifier that has nothing but a network.
func (a *authority) far(n *wire, revocation verifier.Revocation) *verifier.Verifier {
	a.t.Helper()
	v, err := verifier.New(verifier.Config{
		Issuer: issuerURL, Audience: ordersAud, HTTPClient: &http.Client{Transport: n}, Now: a.clock.Now,
		Revocation: revocation, Logger: slog.New(slog.NewJSONHandler(a.log, nil)),
	})
	require.NoError(a.t, err)
	return v
}

// bound is what package verifier promises.
const bound = 12 * time.Second

// A token that is revoked at one instance is refused by a Verifier that knows
// another one by HTTP alone, within the bound that is promised.
func TestRevocationReachesVerifiersFarAway(t *testing.T) {
	t.Run("by the list of revocations", func(t *testing.T) { testRevocationReaches(t, verifier.ModeList) })
	t.Run("by status lists", func(t *testing.T) {
		testRevocationReaches(t, verifier.ModeStatusList, withStatus, func(c *token.Config) { c.StatusListTTL = 10 * time.Second })
	})
}

func testRevocationReaches(t *testing.T, mode verifier.RevocationMode, configure ...func(*token.Config)) {
	synctest.Test(t, func(t *testing.T) {
		mem := memstore.New()
		defer mem.Close()
		a, b := authorityOn(t, mem, configure...), authorityOn(t, mem, configure...)
		n := &wire{issuer: b.issuer}
		v := b.far(n, verifier.Revocation{Mode: mode})
		pass := func(d time.Duration) {
			time.Sleep(d)
			a.clock.advance(d)
			b.clock.advance(d)
			synctest.Wait()
		}
		c, d := a.add("report"), a.add("other")
		pass(2 * time.Second)
		byID, byClient, good := a.issue(c), a.issue(d), a.issue(c)
		for _, issued := range []*token.Token{byID, byClient, good} {
			requireGood(t, v, issued.AccessToken)
		}
		_, err := a.issuer.RevokeToken(a.ctx, byID.AccessToken)
		require.NoError(t, err)
		_, err = a.issuer.RevokeClient(a.ctx, d.id)
		require.NoError(t, err)
		start := a.clock.Now()
		refused := map[string]time.Duration{}
		for a.clock.Now().Sub(start) <= bound {
			for _, issued := range []*token.Token{byID, byClient} {
				if _, err := v.Verify(t.Context(), issued.AccessToken); err == nil {
					refused[issued.ID] = a.clock.Now().Sub(start)
				}
			}
			requireGood(t, v, good.AccessToken)
			pass(100 * time.Millisecond)
		}
		requireRevoked(t, v, byID.AccessToken)
		requireRevoked(t, v, byClient.AccessToken)
		require.Less(t, refused[byID.ID], bound)
		fresh := a.issue(d)
		requireGood(t, v, fresh.AccessToken)

		// One that nobody asked for long waits for the list.
		require.NoError(t, a.issuer.Revoke(a.ctx, good.ID, good.ExpiresAt))
		pass(bound)
		requireRevoked(t, v, good.AccessToken)

		lists, requests := n.lists.Load(), n.requests.Load()
		for range 600 {
			requireGood(t, v, fresh.AccessToken)
			pass(time.Second)
		}
		require.Equal(t, lists, n.lists.Load(), "it has not changed")
		require.Less(t, n.requests.Load()-requests, int64(80), "and is asked for by its max-age")
	})
}

func TestRevocationListThatIsStale(t *testing.T) {
	for name, tt := range map[string]struct {
		revocation verifier.Revocation
		counts     time.Duration // for which the last list counts
		after      error         // for a good token; nil: it passes
	}{
		"refused after five minutes":        {verifier.Revocation{Mode: verifier.ModeList}, 5 * time.Minute, verifier.ErrUnavailable},
		"refused after what is configured":  {verifier.Revocation{Mode: verifier.ModeList, MaxStale: 20 * time.Second}, 20 * time.Second, verifier.ErrUnavailable},
		"refused when the list has expired": {verifier.Revocation{Mode: verifier.ModeList, MaxStale: 24 * time.Hour}, time.Hour - 250*time.Millisecond, verifier.ErrUnavailable},
		"accepted then, if that is chosen":  {verifier.Revocation{Mode: verifier.ModeList, WhenStale: verifier.StaleAccept}, 5 * time.Minute, nil},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAuthority(t)
			n := &wire{issuer: a.issuer}
			v := a.far(n, tt.revocation)
			c := a.add("report", func(s *client.Spec) { s.TokenLifetime = client.MaxTokenLifetime })
			good, bad := a.issue(c), a.issue(c)
			require.NoError(t, a.issuer.Revoke(a.ctx, bad.ID, bad.ExpiresAt))
			requireGood(t, v, good.AccessToken)
			n.down.Store(true)
			a.clock.advance(tt.counts - 1)
			requireGood(t, v, good.AccessToken)
			requireRevoked(t, v, bad.AccessToken)
			a.clock.advance(1)
			for _, raw := range []string{good.AccessToken, bad.AccessToken} {
				_, err := v.Verify(t.Context(), raw)
				require.ErrorIs(t, err, tt.after)
			}
			n.down.Store(false)
			a.clock.advance(time.Minute)
			if tt.after == nil { // nobody waits; who comes next has it
				require.Eventually(t, func() bool { _, err := v.Verify(t.Context(), bad.AccessToken); return err != nil }, 5*time.Second, time.Millisecond)
			}
			requireRevoked(t, v, bad.AccessToken)
			requireGood(t, v, good.AccessToken)
			require.Contains(t, a.log.String(), "revocations of the issuer not fetched")
			require.Contains(t, a.log.String(), "revocations of the issuer fetched again")
		})
	}
}

// BenchmarkRevocationList is the list of 100 000 revoked tokens: how it is made
// and how long it is, beside its signature.
func BenchmarkRevocationList(b *testing.B) {
	const n = 100_000
	a := newAuthority(b)
	var changes []store.Change
	for k := range n {
		jti := fmt.Sprintf("jti-%018d", k)
		changes = append(changes, store.Put(store.Record{
			Kind: token.KindRevocation, ID: "token." + jti, Expires: a.clock.Now().Add(time.Hour), Format: 1,
			Data: fmt.Appendf(nil, `{"jti":%q,"exp":%q}`, jti, a.clock.Now().Format(time.RFC3339)),
		}))
		if len(changes) == store.MaxChanges {
			_, err := a.store.Apply(b.Context(), changes...)
			require.NoError(b, err)
			changes = nil
		}
	}
	a.issuer = a.newIssuer()
	require.Equal(b, n, a.list().Tokens())
	c, more := a.add("report"), 0
	b.Run("made", func(b *testing.B) {
		b.ReportAllocs()
		size := 0
		for b.Loop() {
			more++
			require.NoError(b, a.issuer.Revoke(a.ctx, fmt.Sprint(more), time.Time{}))
			a.clock.advance(time.Second)
			size = a.get(listPath).Body.Len()
		}
		b.ReportMetric(float64(size), "bytes")
	})
	b.Run("verified token with a list", func(b *testing.B) {
		for name, revocation := range map[string]verifier.Revocation{"off": {}, "on": {Mode: verifier.ModeList}} {
			b.Run(name, func(b *testing.B) {
				v := a.far(&wire{issuer: a.issuer}, revocation)
				raw := a.issue(c).AccessToken
				requireGood(b, v, raw)
				b.ReportAllocs()
				for b.Loop() {
					if _, err := v.Verify(b.Context(), raw); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	})
}
