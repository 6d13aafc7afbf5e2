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

// BenchmarkTokenLogWait is what a caller waits longer for a token because it is
// logged, best effort, on SQLite, while the machine has time left: 1000 tokens a second
// from one caller. The times are medians and means of b.N tokens of each, in turns, and
// the ratios are those of logged ones to others.
func BenchmarkTokenLogWait(b *testing.B) {
	type side struct {
		issuer  *token.Issuer
		request token.Request
		took    []time.Duration
	}
	var sides [2]*side // without and with the log
	for i, mode := range []token.LogMode{token.LogOff, token.LogBestEffort} {
		db := must(sqlitestore.Open(b.Context(), filepath.Join(b.TempDir(), "bench.db"), sqlitestore.Config{}))(b)
		defer db.Close()
		s := new(side)
		s.issuer, s.request = benchmarkIssuer(b, must(db.Tenant(b.Context(), "bench"))(b), func(c *token.Config) { c.Log = mode })
		defer s.issuer.Close(context.Background())
		sides[i] = s
	}
	pace := time.NewTicker(time.Millisecond)
	defer pace.Stop()
	const turn = 500
	for done := 0; done < b.N; done += turn {
		for _, s := range sides {
			for range min(turn, b.N-done) {
				<-pace.C
				begin := time.Now()
				if _, err := s.issuer.Issue(b.Context(), s.request); err != nil {
					b.Fatal(err)
				}
				s.took = append(s.took, time.Since(begin))
			}
		}
	}
	var median, mean [2]float64
	for i, s := range sides {
		for _, one := range s.took {
			mean[i] += float64(one) / float64(len(s.took))
		}
		slices.Sort(s.took)
		median[i] = float64(s.took[len(s.took)/2])
	}
	b.ReportMetric(0, "ns/op") // which would be of both, and of waiting
	b.ReportMetric(median[0]/1000, "µs-without")
	b.ReportMetric(median[1]/1000, "µs-logged")
	b.ReportMetric(median[1]/median[0], "ratio")
	b.ReportMetric(mean[1]/mean[0], "ratio-of-means")
}
