package jwks_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"net/http"
	"testing"

	"github.com/clientele-go/clientele/credentials/jwks"
	"github.com/clientele-go/clientele/internal/jws"
	"github.com/stretchr/testify/require"
)

// someKeys returns n public JWKs.
func someKeys(t testing.TB, n int) []string {
	t.Helper()
	list := make([]string, n)
	for i := range list {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		require.NoError(t, err)
		data, err := jws.PublicJWK(key.Public(), fmt.Sprintf("2033-01-%04d", i), "ES256", "sig")
		require.NoError(t, err)
		list[i] = string(data)
	}
	return list
}

func urlOf(i int) string { return fmt.Sprintf("https://tenant-%06d.keys.example.com/jwks.json", i) }

// filled returns a cache that has fetched n URLs of two keys each.
func filled(t testing.TB, n int) *jwks.Cache {
	t.Helper()
	keys := someKeys(t, 64)
	world := newNetwork("")
	next := 0
	world.does(func(*http.Request) (*http.Response, error) {
		next++
		return response(200, setOf(keys[next%64], keys[(next+1+next/64%63)%64])), nil
	})
	cache := newCache(t, world)
	for i := range n {
		set, err := cache.Keys(context.Background(), urlOf(i))
		require.NoError(t, err)
		require.Len(t, set.Keys(), 2)
		world.fetches = make(map[string]int)
	}
	return cache
}

// BenchmarkKeys compares keys that are there with a lookup in a plain map.
func BenchmarkKeys(b *testing.B) {
	const urls = 10_000
	cache := filled(b, urls)
	names, plain := make([]string, urls), make(map[string]*jwks.Set, urls)
	for i := range names {
		names[i] = urlOf(i)
		plain[urlOf(i)], _ = cache.Keys(context.Background(), names[i])
	}
	b.Run("raw map", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			if plain[names[i%urls]] == nil {
				b.Fatal("no set")
			}
		}
	})
	one := func(b *testing.B, i int) {
		set, err := cache.Keys(context.Background(), names[i%urls])
		if err != nil || len(set.Keys()) != 2 {
			b.Fatal(err)
		}
	}
	b.Run("cached", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			one(b, i)
		}
	})
	b.Run("cached, one URL", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			one(b, 7)
		}
	})
	b.Run("cached, parallel", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for i := 0; pb.Next(); i += 7 {
				one(b, i)
			}
		})
	})
	b.Run("cached, one URL, parallel", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				one(b, 7)
			}
		})
	})
}

// BenchmarkRenew is a flood of assertions by keys that nobody knows.
func BenchmarkRenew(b *testing.B) {
	cache := filled(b, 1)
	set, err := cache.Keys(context.Background(), urlOf(0))
	require.NoError(b, err)
	cache.Renew(context.Background(), urlOf(0), set)
	set, err = cache.Keys(context.Background(), urlOf(0))
	require.NoError(b, err)
	url := urlOf(0)
	b.ReportAllocs()
	for b.Loop() {
		if cache.Renew(context.Background(), url, set) != nil {
			b.Fatal("a new set")
		}
	}
}

func TestKeysThatAreThereCostNoAllocation(t *testing.T) {
	cache := filled(t, 1)
	url := urlOf(0)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		if set, err := cache.Keys(context.Background(), url); err != nil || len(set.Keys()) != 2 {
			t.Fatal(err)
		}
	}))
}

func BenchmarkCheckURL(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if err := jwks.CheckURL(keysURL, jwks.Allow{}); err != nil {
			b.Fatal(err)
		}
	}
}
