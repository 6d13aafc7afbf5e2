package pgstore_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/pgstore"
	"github.com/clientele-go/clientele/pgstore/pgtest"
	"github.com/clientele-go/clientele/store"
)

// Each benchmark of a call stands beside the bare statement, by the same driver
// in the same server, that a program would execute at the least: what the store
// adds is its indexes, labels and names, and that one Apply of a tenant comes
// after the other.

// raw opens a bare database with one table.
func raw(b *testing.B) *pgxpool.Pool {
	b.Helper()
	p, err := pgxpool.New(b.Context(), pgtest.Database(b))
	require.NoError(b, err)
	b.Cleanup(p.Close)
	_, err = p.Exec(b.Context(), "CREATE TABLE record (id text COLLATE \"C\" PRIMARY KEY, data bytea NOT NULL)")
	require.NoError(b, err)
	return p
}

const rawInsert = "INSERT INTO record (id, data) VALUES ($1, $2)"

func rawFill(b *testing.B, p *pgxpool.Pool, records int, data []byte) {
	b.Helper()
	n := 0
	_, err := p.CopyFrom(b.Context(), pgx.Identifier{"record"}, []string{"id", "data"}, pgx.CopyFromFunc(func() ([]any, error) {
		if n++; n > records {
			return nil, nil
		}
		return []any{fmt.Sprint(n - 1), data}, nil
	}))
	require.NoError(b, err)
}

// tokens returns n tokens to append.
func tokens(n int, begin int64, id func(i int64) string) []store.Change {
	changes := make([]store.Change, n)
	for i := range changes {
		n := begin + int64(i)
		at := day(0).Add(time.Duration(n) * time.Millisecond)
		changes[i] = store.Append(store.Record{
			Kind: "token", ID: id(n), Sort: at.Format(time.RFC3339Nano), Expires: at.Add(time.Hour),
			Labels: []store.Label{{Key: "client", Value: fmt.Sprint("client-", n%50)}, {Key: "audience", Value: "api"}},
			Format: 1, Data: make([]byte, 300),
		})
	}
	return changes
}

// parallel runs f by so many goroutines, b.N times in all.
func parallel(b *testing.B, goroutines int, f func(ctx context.Context, i int64) error) {
	b.Helper()
	var next atomic.Int64
	b.ReportAllocs()
	b.ResetTimer()
	errs := make(chan error, goroutines)
	for range goroutines {
		go func() {
			for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
				if err := f(b.Context(), i); err != nil {
					errs <- err
					return
				}
			}
			errs <- nil
		}()
	}
	for range goroutines {
		require.NoError(b, <-errs)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s")
}

// BenchmarkInsert makes records durable, by one and by several callers: put, for
// which the callers of a tenant take turns; put into as many tenants; and
// appended.
func BenchmarkInsert(b *testing.B) {
	data := make([]byte, 700)
	record := func() store.Record {
		id := rand.Text()
		return store.Record{Kind: "client", ID: id, Names: []string{id}, Sort: id, Data: data}
	}
	for _, callers := range []int{1, 16, 64} {
		name := func(what string) string { return fmt.Sprintf("callers=%d/%s", callers, what) }
		b.Run(name("raw"), func(b *testing.B) {
			p := raw(b)
			parallel(b, callers, func(ctx context.Context, _ int64) error {
				_, err := p.Exec(ctx, rawInsert, rand.Text(), data)
				return err
			})
		})
		b.Run(name("put"), func(b *testing.B) {
			_, s := openTenant(b)
			parallel(b, callers, func(ctx context.Context, _ int64) error {
				_, err := s.Apply(ctx, store.Put(record()))
				return err
			})
		})
		b.Run(name("append"), func(b *testing.B) {
			_, s := openTenant(b)
			parallel(b, callers, func(ctx context.Context, _ int64) error {
				_, err := s.Apply(ctx, store.Append(record()))
				return err
			})
		})
	}
	b.Run("callers=64/put by two processes", func(b *testing.B) {
		url := pgtest.Database(b)
		s, other := tenant(b, openURL(b, url, pgstore.Config{}), "main"), tenant(b, openURL(b, url, pgstore.Config{}), "main")
		parallel(b, 64, func(ctx context.Context, i int64) error {
			_, err := []*pgstore.Store{s, other}[i%2].Apply(ctx, store.Put(record()))
			return err
		})
	})
	b.Run("callers=64/put into tenants", func(b *testing.B) {
		db, _ := openTenant(b)
		tenants := make([]*pgstore.Store, 16)
		for i := range tenants {
			tenants[i] = tenant(b, db, fmt.Sprint(i))
		}
		parallel(b, 64, func(ctx context.Context, i int64) error {
			_, err := tenants[i%16].Apply(ctx, store.Put(record()))
			return err
		})
	})
}

// BenchmarkAppend64 appends 64 tokens in one Apply, by one and by several
// callers.
func BenchmarkAppend64(b *testing.B) {
	const batch = 64
	id := func(int64) string { return rand.Text() }
	report := func(b *testing.B) { b.ReportMetric(float64(b.N*batch)/b.Elapsed().Seconds(), "records/s") }
	for _, callers := range []int{1, 8} {
		b.Run(fmt.Sprintf("callers=%d/raw", callers), func(b *testing.B) {
			p := raw(b)
			parallel(b, callers, func(ctx context.Context, _ int64) error {
				ids, data := make([]string, batch), make([][]byte, batch)
				for i := range ids {
					ids[i], data[i] = rand.Text(), make([]byte, 300)
				}
				_, err := p.Exec(ctx, "INSERT INTO record (id, data) SELECT * FROM unnest($1::text[], $2::bytea[])", ids, data)
				return err
			})
			report(b)
		})
		b.Run(fmt.Sprintf("callers=%d/store", callers), func(b *testing.B) {
			_, s := openTenant(b)
			parallel(b, callers, func(ctx context.Context, i int64) error {
				_, err := s.Apply(ctx, tokens(batch, i*batch, id)...)
				return err
			})
			report(b)
		})
	}
}

// BenchmarkReplay is an Append of what is there, as a spent assertion that comes
// again: refused without a wait for the disk.
func BenchmarkReplay(b *testing.B) {
	_, s := openTenant(b)
	r := store.Record{Kind: "spent", ID: "x", Expires: day(0)}
	_, err := s.Apply(b.Context(), store.Append(r))
	require.NoError(b, err)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Apply(b.Context(), store.Append(r)); err == nil {
			b.Fatal("appended twice")
		}
	}
}

// BenchmarkGet reads one of 10 000 records, by one and by several callers.
func BenchmarkGet(b *testing.B) {
	const records = 10_000
	id := func(i int64) string { return fmt.Sprint(i * 7919 % records) }
	for _, callers := range []int{1, 8} {
		b.Run(fmt.Sprintf("callers=%d/raw", callers), func(b *testing.B) {
			p := raw(b)
			rawFill(b, p, records, make([]byte, 700))
			parallel(b, callers, func(ctx context.Context, i int64) error {
				var data []byte
				return p.QueryRow(ctx, "SELECT data FROM record WHERE id = $1", id(i)).Scan(&data)
			})
		})
		b.Run(fmt.Sprintf("callers=%d/store", callers), func(b *testing.B) {
			_, s := openTenant(b)
			fillClients(b, s, records)
			parallel(b, callers, func(ctx context.Context, i int64) error {
				_, err := s.Get(ctx, "client", id(i))
				return err
			})
		})
	}
}

// BenchmarkList reads pages of 50 of 100 000 records, as the portal does.
func BenchmarkList(b *testing.B) {
	db, s := openTenant(b)
	fillClients(b, s, 100_000)
	db.Vacuum(b.Context())
	for _, bm := range []struct {
		name  string
		query store.Query
	}{
		{"first", store.Query{}},
		{"counted", store.Query{Count: true}},
		{"far offset, counted", store.Query{Offset: 90_000, Count: true}},
		{"backwards, counted", store.Query{Descending: true, Count: true}},
		{"search of many, counted", store.Query{Text: "team 42", Count: true}},
		{"search of one, counted", store.Query{Text: "service 99999 of", Count: true}},
		{"search of none, counted", store.Query{Text: "nowhere", Count: true}},
		{"label of 1 %, counted", store.Query{Labels: []store.Label{{Key: "team", Value: "42"}}, Count: true}},
		{"label of half, counted", store.Query{Labels: []store.Label{{Key: "half", Value: "1"}}, Count: true}},
		{"label of half, search of one, counted", store.Query{Labels: []store.Label{{Key: "half", Value: "0"}}, Text: "service 99999 of", Count: true}},
		{"label of half, search of all, counted", store.Query{Labels: []store.Label{{Key: "half", Value: "0"}}, Text: "service", Count: true}},
		{"two labels, counted", store.Query{Labels: []store.Label{{Key: "half", Value: "1"}, {Key: "team", Value: "42"}}, Count: true}},
	} {
		b.Run(bm.name, func(b *testing.B) {
			q := bm.query
			q.Kind, q.Limit = "client", 50
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.List(b.Context(), q); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkSweep drops 1000 tokens at a time.
func BenchmarkSweep(b *testing.B) {
	_, s := openTenant(b)
	n := int64(0)
	for b.Loop() {
		b.StopTimer()
		_, err := s.Apply(b.Context(), tokens(store.MaxLimit, n, func(int64) string { return rand.Text() })...)
		require.NoError(b, err)
		n += store.MaxLimit
		b.StartTimer()
		dropped, err := s.Sweep(b.Context(), day(1000), store.MaxLimit)
		require.NoError(b, err)
		require.Equal(b, store.MaxLimit, dropped)
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(n), "µs/record")
}
