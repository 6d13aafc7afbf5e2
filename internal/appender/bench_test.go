package appender_test

import (
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/clientele-go/clientele/internal/appender"
	"github.com/clientele-go/clientele/memstore"
	"github.com/clientele-go/clientele/store"
)

// BenchmarkWrite is one durable record each, from one caller and from many, beside
// the Applies of one and of a full batch that it can't be faster than.
func BenchmarkWrite(b *testing.B) {
	data := make([]byte, 300)
	var last atomic.Int64
	next := func() store.Record {
		id := strconv.FormatInt(last.Add(1), 10)
		return store.Record{Kind: "log", ID: id, Sort: id, Labels: []store.Label{{Key: "client", Value: "c-1"}}, Data: data}
	}
	b.Run("raw Apply of one record", func(b *testing.B) {
		s := memstore.New()
		defer s.Close()
		b.ReportAllocs()
		for b.Loop() {
			if _, err := s.Apply(b.Context(), store.Append(next())); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run(fmt.Sprintf("raw Apply of %d records, each", appender.DefaultBatch), func(b *testing.B) {
		s := memstore.New()
		defer s.Close()
		b.ReportAllocs()
		changes := make([]store.Change, 0, appender.DefaultBatch)
		for b.Loop() {
			if changes = append(changes, store.Append(next())); len(changes) == cap(changes) {
				if _, err := s.Apply(b.Context(), changes...); err != nil {
					b.Fatal(err)
				}
				changes = changes[:0]
			}
		}
	})
	for _, callers := range []int{1, 64} {
		b.Run(fmt.Sprintf("Write from %d callers", callers), func(b *testing.B) {
			s := memstore.New()
			defer s.Close()
			a := appender.New(appender.Config{Store: s})
			b.ReportAllocs()
			// Each takes the next record of b.N as soon as it has written one.
			var wg sync.WaitGroup
			var taken atomic.Int64
			for range callers {
				wg.Go(func() {
					for taken.Add(1) <= int64(b.N) {
						if err := a.Write(b.Context(), next()); err != nil {
							b.Error(err)
						}
					}
				})
			}
			wg.Wait()
		})
	}
	b.Run("Add", func(b *testing.B) {
		s := memstore.New()
		defer s.Close()
		a := appender.New(appender.Config{Store: s, Queue: 1 << 30})
		b.ReportAllocs()
		for b.Loop() {
			if !a.Add(next()) {
				b.Fatal("refused")
			}
		}
		if err := a.Close(b.Context()); err != nil {
			b.Fatal(err)
		}
	})
}
