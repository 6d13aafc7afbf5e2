package sqlitestore_test

import (
	"crypto/rand"
	"sync/atomic"
	"testing"
)

// BenchmarkAppend64Parallel appends 64 tokens in each Apply, from several callers
// at once, whose commits are grouped: what a token log under load does.
func BenchmarkAppend64Parallel(b *testing.B) {
	const batch = 64
	_, s := openTenant(b)
	var n atomic.Int64
	b.SetParallelism(8)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			begin := int(n.Add(batch)) - batch
			if _, err := s.Apply(b.Context(), tokens(batch, begin, func(int) string { return rand.Text() })...); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N*batch)/b.Elapsed().Seconds(), "records/s")
}
