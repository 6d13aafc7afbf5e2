package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/clientele-go/clientele/store"
)

// Benchmark measures the calls that clientele makes most, in the store that cfg
// opens: with 10 000 records, as API clients look.
//
//   - Get of a record, alone and by several goroutines at once;
//   - Put of a record together with an appended audit event, durable, alone and
//     by 16 goroutines at once;
//   - Append of 64 records at once, as issued tokens look (two labels, a sort
//     key, an expiry, 300 bytes), with the records per second;
//   - List of 100 records from the middle, and the same with a count and with a
//     search;
//   - Changes when nothing changed.
func Benchmark(b *testing.B, cfg Config) {
	benchmarks := []struct {
		name string
		run  func(b *testing.B, s fixture)
	}{
		{"Get", benchGet},
		{"GetParallel", benchGetParallel},
		{"PutWithAudit", benchPut},
		{"PutWithAuditParallel", benchPutParallel},
		{"Append64", benchAppend},
		{"Page", benchPage},
		{"PageCounted", benchPageCounted},
		{"PageSearched", benchPageSearched},
		{"NothingChanged", benchChanges},
	}
	for _, bm := range benchmarks {
		b.Run(bm.name, func(b *testing.B) {
			s := open(b, cfg)
			var changes []store.Change
			for i := range benchRecords {
				changes = append(changes, store.Put(benchClient(i)))
				if len(changes) == store.MaxChanges {
					s.apply(changes...)
					changes = changes[:0]
				}
			}
			b.ReportAllocs()
			b.ResetTimer()
			bm.run(b, s)
		})
	}
}

const benchRecords = 10_000

// benchClient returns a record as an API client looks.
func benchClient(i int) store.Record {
	id := fmt.Sprintf("client-%06d", i*7919%benchRecords)
	name := fmt.Sprintf("service account %d of team %d", i, i%97)
	return store.Record{
		Kind: "client", ID: id, Names: []string{name}, Text: name + "\n" + id, Sort: name,
		Labels: labels("team", fmt.Sprint(i%97), "resource", fmt.Sprint(i%7)), Format: 1, Data: bulk(700),
	}
}

func benchGet(b *testing.B, s fixture) {
	id := benchClient(4321).ID
	ctx := b.Context()
	for b.Loop() {
		if _, err := s.Get(ctx, "client", id); err != nil {
			b.Fatal(err)
		}
	}
}

func benchGetParallel(b *testing.B, s fixture) {
	id := benchClient(4321).ID
	ctx := b.Context()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := s.Get(ctx, "client", id); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

// benchWrite puts r with an audit event once, and returns it as it is then.
func benchWrite(b *testing.B, s fixture, r store.Record, event string) (store.Record, error) {
	rev, err := s.Apply(b.Context(), store.Put(r), store.Append(store.Record{
		Kind: "audit", ID: event, Sort: event, Labels: labels("client", r.ID), Format: 1, Data: r.Data[:200],
	}))
	r.Version = rev
	return r, err
}

func benchPut(b *testing.B, s fixture) {
	r := s.get("client", benchClient(4321).ID)
	i := 0
	for b.Loop() {
		var err error
		if r, err = benchWrite(b, s, r, fmt.Sprintf("event %09d", i)); err != nil {
			b.Fatal(err)
		}
		i++
	}
}

func benchPutParallel(b *testing.B, s fixture) {
	const goroutines = 16
	turns := make(chan int)
	errs := make(chan error, goroutines)
	for g := range goroutines {
		r := s.get("client", benchClient(g).ID)
		go func() {
			var failed error
			for i := range turns {
				if failed == nil {
					r, failed = benchWrite(b, s, r, fmt.Sprintf("event %09d", i))
				}
			}
			errs <- failed
		}()
	}
	i := 0
	for b.Loop() {
		turns <- i
		i++
	}
	close(turns)
	for range goroutines {
		if err := <-errs; err != nil {
			b.Fatal(err)
		}
	}
}

func benchAppend(b *testing.B, s fixture) {
	const batch = 64
	data := bulk(300)
	changes := make([]store.Change, batch)
	n := 0
	for b.Loop() {
		for i := range changes {
			n++
			at := day(0).Add(time.Duration(n) * time.Millisecond)
			changes[i] = store.Append(store.Record{
				Kind: "token", ID: fmt.Sprintf("token-%012d-%x", n, n*2654435761), Sort: at.Format(time.RFC3339Nano), Expires: at.Add(time.Hour),
				Labels: labels("client", fmt.Sprintf("client-%06d", n%benchRecords), "status", "active"), Format: 1, Data: data,
			})
		}
		s.apply(changes...)
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "records/s")
}

// benchList measures q, which must find a page of 100.
func benchList(b *testing.B, s fixture, q store.Query) {
	q.Kind, q.Limit = "client", 100
	for b.Loop() {
		if p := s.list(q); len(p.Records) != q.Limit {
			b.Fatalf("%d records, want %d", len(p.Records), q.Limit)
		}
	}
}

func benchPage(b *testing.B, s fixture) {
	benchList(b, s, store.Query{After: store.At(benchClient(4321))})
}

func benchPageCounted(b *testing.B, s fixture) {
	benchList(b, s, store.Query{After: store.At(benchClient(4321)), Count: true})
}

func benchPageSearched(b *testing.B, s fixture) {
	benchList(b, s, store.Query{Text: "of team 42", Count: true})
}

func benchChanges(b *testing.B, s fixture) {
	since := s.latest()
	for b.Loop() {
		if f := s.changes(since, 0); len(f.Changed) != 0 {
			b.Fatalf("%d changes, want none", len(f.Changed))
		}
	}
}
