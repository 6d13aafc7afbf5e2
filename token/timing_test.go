package token_test

import (
	"context"
	"flag"
	"io"
	"log/slog"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/store"
	"github.com/clientele-go/clientele/token"
)

var timing = flag.Int("timing", 0, "how many failed requests TestTiming measures: 100000 on a machine that does nothing else")

// failures are requests that fail to authenticate by a secret, by why they do. All
// secrets have the form of a generated one.
func (a *authority) failures() (names []string, as map[string]known) {
	a.t.Helper()
	expired := a.add("expired")
	a.clock.advance(91 * 24 * time.Hour)
	enabled, disabled, deleted := a.add("enabled"), a.add("disabled"), a.add("deleted")
	_, err := a.registry.Disable(a.ctx, disabled.id)
	require.NoError(a.t, err)
	require.NoError(a.t, a.registry.Delete(a.ctx, deleted.id))
	// As long as an id, so that nothing else differs, and with a letter that a
	// generated one never has.
	unknown := "z" + enabled.id[1:]
	const mistyped = "a secret that was never one"
	as = map[string]known{
		"unknown client": {unknown, enabled.secret}, "deleted client": deleted, "disabled client": disabled,
		"expired secret": expired, "secret of another client": {enabled.id, disabled.secret},
		"client with keys": {a.addSigner("signer").id, enabled.secret},
		"mistyped secret":  {enabled.id, mistyped}, "mistyped secret of an unknown client": {unknown, mistyped},
	}
	for name := range as {
		names = append(names, name)
	}
	slices.Sort(names)
	return names, as
}

// SECURITY 11: whatever is wrong, the same look-ups, the same hashes, the same
// comparisons and the same reading are done. How many comparisons one CheckSecret
// makes, package client tests.
func TestEveryFailedAuthenticationDoesTheSameWork(t *testing.T) {
	a := newAuthority(t)
	names, as := a.failures()
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			counting := &clientReads{Store: a.store}
			registry, err := client.NewRegistry(client.Config{Store: counting, Resources: a.catalog, Now: a.clock.Now})
			require.NoError(t, err)
			a.issuer = a.newIssuer(func(c *token.Config) { c.Clients = registry }) // with nothing in its caches
			work := token.CountWork(a.issuer)
			for n := range 3 {
				require.Equal(t, http.StatusUnauthorized, a.post(as[name].form()).Code)
				a.denials("") // waits for what is done after the answer
				require.Equal(t, token.Work{Checked: n + 1, Parsed: n + 1}, *work)
				require.EqualValues(t, 1, counting.n.Load(), "one look-up, and then none")
			}
		})
	}
}

// clientReads counts the reads of clients.
type clientReads struct {
	store.Store
	n atomic.Int64
}

func (c *clientReads) Get(ctx context.Context, kind store.Kind, id string) (store.Record, error) {
	if kind == client.Kind {
		c.n.Add(1)
	}
	return c.Store.Get(ctx, kind, id)
}

// TestTiming measures whether the time of an answer tells what was wrong, in the
// way of dudect (Reparaz, Balasch, Verbauwhede 2017): requests of two kinds in
// random order, Welch's t-test between their times, also between those below each
// of many percentiles, so that rare pauses do not hide a small difference.
func TestTiming(t *testing.T) {
	if *timing == 0 {
		t.Skip("for a machine that does nothing else: go test ./token -run TestTiming -v -timing 100000")
	}
	a := newAuthority(t, func(c *token.Config) {
		c.Logger = slog.New(slog.NewJSONHandler(io.Discard, nil))
	})
	names, as := a.failures()
	bodies := make([]string, len(names))
	for n, name := range names {
		bodies[n] = as[name].form().Encode()
	}
	times := make([][]float64, len(names))
	for n := range *timing {
		kind := rand.IntN(len(names))
		w, r := httptest.NewRecorder(), post(bodies[kind])
		start := time.Now()
		a.issuer.ServeHTTP(w, r)
		took := time.Since(start)
		require.Equal(t, http.StatusUnauthorized, w.Code)
		if n > *timing/10 { // all is warm
			times[kind] = append(times[kind], float64(took))
		}
	}
	for n, name := range names {
		like := "unknown client" // with a secret of the same form
		if strings.HasPrefix(name, "mistyped") {
			like = "mistyped secret of an unknown client"
		}
		unknown := times[slices.Index(names, like)]
		slices.Sort(times[n])
		worst := 0.0
		for _, cut := range []float64{1, .99, .95, .9, .8, .7, .5} {
			limit := quantile(unknown, cut)
			if one := welch(below(unknown, limit), below(times[n], limit)); math.Abs(one) > math.Abs(worst) {
				worst = one
			}
		}
		t.Logf("%-36s n=%d median %.0f ns  greatest |t| against an unknown client %.2f", name, len(times[n]), quantile(times[n], .5), math.Abs(worst))
	}
}

func quantile(of []float64, q float64) float64 {
	of = slices.Sorted(slices.Values(of))
	return of[int(q*float64(len(of)-1))]
}

func below(times []float64, limit float64) (kept []float64) {
	for _, one := range times {
		if one <= limit {
			kept = append(kept, one)
		}
	}
	return kept
}

// welch returns Welch's t of two samples.
func welch(a, b []float64) float64 {
	meanA, varA := moments(a)
	meanB, varB := moments(b)
	if d := math.Sqrt(varA/float64(len(a)) + varB/float64(len(b))); d > 0 {
		return (meanA - meanB) / d
	}
	return 0
}

func moments(of []float64) (mean, variance float64) {
	for _, x := range of {
		mean += x / float64(len(of))
	}
	for _, x := range of {
		variance += (x - mean) * (x - mean) / float64(len(of)-1)
	}
	return mean, variance
}
