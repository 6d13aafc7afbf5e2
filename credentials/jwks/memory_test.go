package jwks_test

import (
	"context"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

// heap returns the bytes in use on the heap.
func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// perURL returns what a cache of so many URLs with two P-256 keys each takes on
// the heap, in bytes per URL.
func perURL(t testing.TB, urls int) int64 {
	t.Helper()
	before := heap()
	cache := filled(t, urls)
	bytes := int64(heap()) - int64(before)
	set, err := cache.Keys(context.Background(), urlOf(0)) // which keeps cache alive
	require.NoError(t, err)
	require.Len(t, set.Keys(), 2)
	return bytes / int64(urls)
}

func TestAURLTakesLessThan2000BytesAndNoGoroutine(t *testing.T) {
	goroutines := runtime.NumGoroutine()
	bytes := perURL(t, 10_000)
	t.Logf("%d B/URL", bytes)
	require.Less(t, bytes, int64(2000)) // 200 MB for 100 000
	require.LessOrEqual(t, runtime.NumGoroutine(), goroutines+2)
}

// BenchmarkHeap measures a cache of 100 000 URLs with two P-256 keys each.
func BenchmarkHeap(b *testing.B) {
	for b.Loop() {
		b.ReportMetric(float64(perURL(b, 100_000)), "heap-B/URL")
	}
}
