package main_test

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/clientele-go/clientele/sqlitestore"
	"github.com/clientele-go/clientele/token"
)

// BenchmarkTokenLog is what the log of issued tokens costs on SQLite: the time of a
// token by secret from 64 callers at once, how many that are in a second, and what
// one of a hundred callers waits longer than.
func BenchmarkTokenLog(b *testing.B) {
	for _, mode := range []struct {
		name string
		log  token.LogMode
	}{{"off", token.LogOff}, {"best effort", token.LogBestEffort}, {"durable", token.LogDurable}} {
		for _, callers := range []int{1, 64} {
			b.Run(fmt.Sprintf("%s/%d callers", mode.name, callers), func(b *testing.B) {
				benchmarkTokenLog(b, mode.log, callers)
			})
		}
	}
}

func benchmarkTokenLog(b *testing.B, mode token.LogMode, callers int) {
	db := must(sqlitestore.Open(b.Context(), filepath.Join(b.TempDir(), "bench.db"), sqlitestore.Config{}))(b)
	defer db.Close()
	issuer, request := benchmarkIssuer(b, must(db.Tenant(b.Context(), "bench"))(b), func(c *token.Config) { c.Log = mode })
	took := make([]time.Duration, b.N)
	var taken atomic.Int64
	var wg sync.WaitGroup
	b.ReportAllocs()
	b.ResetTimer()
	for range callers {
		wg.Go(func() {
			for n := taken.Add(1); n <= int64(b.N); n = taken.Add(1) {
				begin := time.Now()
				if _, err := issuer.Issue(b.Context(), request); err != nil {
					b.Error(err)
				}
				took[n-1] = time.Since(begin)
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "tokens/s")
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "ms-p99")
	if err := issuer.Close(context.Background()); err != nil {
		b.Fatal(err)
	}
}
