package sqlitestore_test

import (
	"crypto/rand"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/ncruces/go-sqlite3"
	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/sqlitestore"
	"github.com/clientele-go/clientele/store"
)

// Each benchmark of a call stands beside the bare statement, by the same driver
// with the same settings, that a program would execute at the least: what the
// store adds is its indexes, labels and names, and the way through the writer.

// raw opens a bare database with one table.
func raw(b *testing.B) *sqlite3.Conn {
	b.Helper()
	c, err := sqlite3.Open(filepath.Join(b.TempDir(), "raw.db"))
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, c.Close()) })
	require.NoError(b, c.Exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 4000"))
	require.NoError(b, c.Exec("CREATE TABLE record (id TEXT PRIMARY KEY, data BLOB NOT NULL)"))
	return c
}

// rawStatement prepares a statement, which is closed at the end.
func rawStatement(b *testing.B, c *sqlite3.Conn, sql string) *sqlite3.Stmt {
	b.Helper()
	s, _, err := c.Prepare(sql)
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, s.Close()) })
	return s
}

func rawInsert(b *testing.B, s *sqlite3.Stmt, id string, data []byte) {
	_ = s.BindText(1, id)
	_ = s.BindBlob(2, data)
	if err := s.Exec(); err != nil {
		b.Fatal(err)
	}
}

// tokens returns n tokens to append, with the ids that id makes.
func tokens(n int, begin int, id func(i int) string) []store.Change {
	changes := make([]store.Change, n)
	for i := range changes {
		at := day(0).Add(time.Duration(begin+i) * time.Millisecond)
		changes[i] = store.Append(store.Record{
			Kind: "token", ID: id(begin + i), Sort: at.Format(time.RFC3339Nano), Expires: at.Add(time.Hour),
			Labels: []store.Label{{Key: "client", Value: fmt.Sprint("client-", (begin+i)%50)}, {Key: "audience", Value: "api"}},
			Format: 1, Data: make([]byte, 300),
		})
	}
	return changes
}

// BenchmarkAppend64 appends 64 tokens in one Apply: with ids in the order in
// which they are made, such as UUIDs of version 7, and with random ones, each
// of which changes another page of the index of ids.
func BenchmarkAppend64(b *testing.B) {
	const batch = 64
	ids := map[string]func(int) string{
		"ordered": func(i int) string { return fmt.Sprintf("%026d", i) },
		"random":  func(int) string { return rand.Text() },
	}
	report := func(b *testing.B) {
		n := float64(b.N * batch)
		b.ReportMetric(n/b.Elapsed().Seconds(), "records/s")
		b.ReportMetric(float64(b.Elapsed().Microseconds())/n, "µs/record")
	}
	for _, order := range []string{"ordered", "random"} {
		b.Run(order+"/store", func(b *testing.B) {
			_, s := openTenant(b)
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				if _, err := s.Apply(b.Context(), tokens(batch, n, ids[order])...); err != nil {
					b.Fatal(err)
				}
				n += batch
			}
			report(b)
		})
		b.Run(order+"/raw", func(b *testing.B) {
			c := raw(b)
			begin, commit := rawStatement(b, c, "BEGIN IMMEDIATE"), rawStatement(b, c, "COMMIT")
			insert := rawStatement(b, c, "INSERT INTO record (id, data) VALUES (?, ?)")
			data := make([]byte, 300)
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				_ = begin.Exec()
				for range batch {
					rawInsert(b, insert, ids[order](n), data)
					n++
				}
				if err := commit.Exec(); err != nil {
					b.Fatal(err)
				}
			}
			report(b)
		})
	}
}

// BenchmarkInsert makes one record durable.
func BenchmarkInsert(b *testing.B) {
	data := make([]byte, 700)
	b.Run("store", func(b *testing.B) {
		_, s := openTenant(b)
		b.ReportAllocs()
		for b.Loop() {
			id := rand.Text()
			if _, err := s.Apply(b.Context(), store.Put(store.Record{Kind: "client", ID: id, Names: []string{id}, Sort: id, Data: data})); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("raw", func(b *testing.B) {
		c := raw(b)
		insert := rawStatement(b, c, "INSERT INTO record (id, data) VALUES (?, ?)")
		b.ReportAllocs()
		for b.Loop() {
			rawInsert(b, insert, rand.Text(), data)
		}
	})
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

// BenchmarkGet reads one of 10 000 records.
func BenchmarkGet(b *testing.B) {
	const records = 10_000
	data := make([]byte, 700)
	id := func(i int) string { return fmt.Sprint(i * 7919 % records) }
	b.Run("store", func(b *testing.B) {
		_, s := openTenant(b)
		fillClients(b, s, records)
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			if _, err := s.Get(b.Context(), "client", id(i)); err != nil {
				b.Fatal(err)
			}
			i++
		}
	})
	b.Run("raw", func(b *testing.B) {
		c := raw(b)
		require.NoError(b, c.Exec("BEGIN"))
		insert := rawStatement(b, c, "INSERT INTO record (id, data) VALUES (?, ?)")
		for i := range records {
			rawInsert(b, insert, id(i), data)
		}
		require.NoError(b, c.Exec("COMMIT"))
		get := rawStatement(b, c, "SELECT data FROM record WHERE id = ?")
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			_ = get.BindText(1, id(i))
			if !get.Step() || len(get.ColumnBlob(0, nil)) != len(data) {
				b.Fatal("not there")
			}
			_ = get.Reset()
			i++
		}
	})
}

// fillClients puts records as API clients look, with names in another order
// than the ids.
func fillClients(b *testing.B, s *sqlitestore.Store, records int) {
	b.Helper()
	changes := make([]store.Change, 0, store.MaxChanges)
	for i := range records {
		name := fmt.Sprintf("service %d of team %d", i*7919%records, i%97)
		changes = append(changes, store.Put(store.Record{
			Kind: "client", ID: fmt.Sprint(i), Names: []string{name}, Text: name, Sort: name, Data: make([]byte, 700),
			Labels: []store.Label{{Key: "team", Value: fmt.Sprint(i % 97)}, {Key: "half", Value: fmt.Sprint(i % 2)}},
		}))
		if len(changes) == cap(changes) {
			_, err := s.Apply(b.Context(), changes...)
			require.NoError(b, err)
			changes = changes[:0]
		}
	}
}

// BenchmarkList reads pages of 50 of 100 000 records, as the portal does.
func BenchmarkList(b *testing.B) {
	_, s := openTenant(b)
	fillClients(b, s, 100_000)
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
	n := 0
	for b.Loop() {
		b.StopTimer()
		_, err := s.Apply(b.Context(), tokens(store.MaxLimit, n, func(int) string { return rand.Text() })...)
		require.NoError(b, err)
		n += store.MaxLimit
		b.StartTimer()
		dropped, err := s.Sweep(b.Context(), day(1000), store.MaxLimit)
		require.NoError(b, err)
		require.Equal(b, store.MaxLimit, dropped)
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(n), "µs/record")
}
