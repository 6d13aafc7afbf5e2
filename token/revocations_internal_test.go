package token

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/memstore"
	"github.com/clientele-go/clientele/store"
)

// forgetful is a store whose feed goes back no further than its revision.
type forgetful struct {
	store.Store
	forgot bool
}

func (f *forgetful) Changes(ctx context.Context, since store.Revision, wait time.Duration, limit int) (store.Feed, error) {
	if f.forgot && since != store.Latest {
		return store.Feed{}, store.ErrTooOld
	}
	return f.Store.Changes(ctx, since, wait, limit)
}

func putRevocation(t testing.TB, s store.Store, r revocation) {
	t.Helper()
	record, err := r.record(0)
	require.NoError(t, err)
	_, err = s.Apply(t.Context(), store.Put(record))
	require.NoError(t, err)
}

func TestRevocationsWhoseFeedIsTooOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &forgetful{Store: memstore.New()}
		r := newRevocations(s, time.Now)
		got, err := r.get(t.Context())
		require.NoError(t, err)
		require.False(t, got.has("a", "c", 0))

		putRevocation(t, s, revocation{TokenID: "a", ExpiresAt: time.Now()})
		s.forgot = true
		time.Sleep(store.DefaultFresh + 1)
		got, err = r.get(t.Context())
		require.NoError(t, err)
		require.True(t, got.has("a", "c", 0))
	})
}

func TestRevocationsThatHaveExpiredAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New()
		r := newRevocations(s, time.Now)
		_, err := r.get(t.Context())
		require.NoError(t, err)
		putRevocation(t, s, revocation{TokenID: "old", ExpiresAt: time.Now()})
		time.Sleep(revokedFor + 1)
		for n := range maxRecent {
			putRevocation(t, s, revocation{TokenID: fmt.Sprint(n), ExpiresAt: time.Now()})
		}
		r.kept.Drop()
		got, err := r.get(t.Context())
		require.NoError(t, err)
		require.Empty(t, got.recent)
		require.Equal(t, maxRecent, got.count())
		require.True(t, got.has("1", "", 0))
	})
}

// What was handed out does not change.
func TestRevocationsAreImmutable(t *testing.T) {
	s := memstore.New()
	r := newRevocations(s, time.Now)
	var seen []*revoked
	for n := range 2*maxRecent + 10 {
		got, err := r.get(t.Context())
		require.NoError(t, err)
		require.Equal(t, n, got.count())
		require.Len(t, got.clients, n)
		seen = append(seen, got)
		putRevocation(t, s, revocation{TokenID: fmt.Sprint(n), ExpiresAt: time.Now().Add(time.Hour)})
		putRevocation(t, s, revocation{ClientID: fmt.Sprint(n), IssuedUntil: time.Now()})
		r.kept.Drop()
	}
	for n, got := range seen {
		require.Equal(t, n, got.count())
		require.Len(t, got.clients, n)
	}
}

// BenchmarkRevocation is the look-up of a token among 100 000 revoked ones, beside
// that in a map.
func BenchmarkRevocation(b *testing.B) {
	const n = 100_000
	s := memstore.New()
	tokens := map[string]int64{}
	var changes []store.Change
	for k := range n {
		one := revocation{TokenID: fmt.Sprintf("jti-%018d", k), ExpiresAt: time.Now().Add(time.Hour)}
		tokens[one.TokenID] = 0
		record, err := one.record(0)
		require.NoError(b, err)
		if changes = append(changes, store.Put(record)); len(changes) == store.MaxChanges {
			_, err := s.Apply(b.Context(), changes...)
			require.NoError(b, err)
			changes = nil
		}
	}
	putRevocation(b, s, revocation{ClientID: "client", IssuedUntil: time.Now()})
	r := newRevocations(s, time.Now)
	more := 0
	_, err := r.get(b.Context())
	require.NoError(b, err)
	i := &Issuer{revocations: r, now: time.Now}
	b.Run("raw map", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, ok := tokens["jti-1234567890123456789"]; ok {
				b.Fatal("found")
			}
		}
	})
	for name, jti := range map[string]string{"of a good token": "jti-1234567890123456789", "of a revoked token": "jti-000000000000050000"} {
		b.Run("look-up "+name, func(b *testing.B) {
			iat := time.Now()
			b.ReportAllocs()
			for b.Loop() {
				if _, err := i.revocation(b.Context(), jti, "another", iat); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("reading all", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := newRevocations(s, time.Now).get(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("hearing of one more", func(b *testing.B) {
		for b.Loop() {
			more++
			putRevocation(b, s, revocation{TokenID: fmt.Sprint(more), ExpiresAt: time.Now().Add(time.Hour)})
			r.kept.Drop()
			if _, err := r.get(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	})
}
