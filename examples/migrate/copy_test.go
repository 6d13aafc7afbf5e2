package main

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/examples/internal/proctest"
	"github.com/clientele-go/clientele/store"
)

func TestATenantIsCopiedWhole(t *testing.T) {
	for _, way := range [][2]string{{"SQLite", "PostgreSQL"}, {"PostgreSQL", "SQLite"}} {
		t.Run(way[0]+" to "+way[1], func(t *testing.T) {
			key, _ := sealingKey(t)
			from, to := stores[way[0]](t), stores[way[1]](t)
			c, raw := fill(t, from, key)
			mustMigrate(t, from, to)

			with(t, from, func(a *tenant) {
				with(t, to, func(b *tenant) {
					kinds, err := a.kinds(t.Context())
					require.NoError(t, err)
					copied, err := b.kinds(t.Context())
					require.NoError(t, err)
					require.Equal(t, kinds, copied)
					for _, kind := range kinds {
						require.Equal(t, records(t, a, kind), records(t, b, kind), kind)
					}
				})
			})
			run(t, to, key, "", func(ctx context.Context, a authority) {
				require.NoError(t, a.good(ctx, t, raw), "what was issued before is good")
				_, err := a.token(ctx, c)
				require.NoError(t, err)
				// Its secret's record in the index is known by its version.
				_, _, err = a.clients.AddSecret(ctx, c.id, time.Now().AddDate(0, 0, 60))
				require.NoError(t, err)
				page, err := a.clients.List(ctx, client.Query{Limit: store.MaxLimit})
				require.NoError(t, err)
				for _, one := range page.Clients {
					require.NoError(t, a.clients.Delete(ctx, one.ID))
				}
			})
		})
	}
}

// records returns all records of a kind without their versions, and with labels in
// one order.
func records(t *testing.T, s store.Store, kind store.Kind) (all []store.Record) {
	t.Helper()
	q := store.Query{Kind: kind, Limit: store.MaxLimit}
	for more := true; more; more = q.After != "" {
		page, err := s.List(t.Context(), q)
		require.NoError(t, err)
		for _, r := range page.Records {
			r.Version, r.Labels, r.Data = min(r.Version, 1), sorted(r.Labels), append([]byte{}, r.Data...)
			all = append(all, r)
		}
		q.After = page.Next
	}
	return all
}

func TestAnotherTenantIsNotTouched(t *testing.T) {
	from, to := stores["SQLite"](t), stores["SQLite"](t)
	with(t, from, func(s *tenant) { fillOwn(t, s, "own", 3) })
	with(t, to, func(s *tenant) { fillOwn(t, s, "other", 3) })
	mustMigrate(t, from, to, "-to-tenant", "second")
	code, stderr := migrate(t, "-from", to, "-tenant", "second", "-to", from, "-to-tenant", "third")
	require.Zero(t, code, stderr)
	with(t, to, func(s *tenant) {
		kinds, err := s.kinds(t.Context())
		require.NoError(t, err)
		require.Equal(t, []store.Kind{"other", "other.appended", "other.pair"}, kinds)
	})
}

func TestWhatWasCopiedIsNotCopiedAgain(t *testing.T) {
	from, to := stores["SQLite"](t), stores["SQLite"](t)
	with(t, from, func(s *tenant) { fillOwn(t, s, "own", 30) })
	mustMigrate(t, from, to)
	var before store.Revision
	with(t, to, func(s *tenant) { before = latest(t, s) })
	mustMigrate(t, from, to)
	with(t, to, func(s *tenant) { require.Equal(t, before, latest(t, s)) })

	// And what has come since is added.
	with(t, from, func(s *tenant) { fillOwn(t, s, "later", 5) })
	mustMigrate(t, from, to, "-batch", "1")
	with(t, to, func(s *tenant) {
		require.Equal(t, before+5, latest(t, s), "pairs that were put together stay together, whatever -batch is")
	})
}

func latest(t *testing.T, s store.Store) store.Revision {
	t.Helper()
	r, err := revision(t.Context(), s)
	require.NoError(t, err)
	return r
}

func TestATargetWithDataOfItsOwnIsRefused(t *testing.T) {
	for name, spoil := range map[string]func(context.Context, *tenant) error{
		"a record that the source has not": func(ctx context.Context, s *tenant) error {
			_, err := s.Apply(ctx, store.Put(store.Record{Kind: "client", ID: "stranger"}))
			return err
		},
		"an appended one that the source has not": func(ctx context.Context, s *tenant) error {
			_, err := s.Apply(ctx, store.Append(store.Record{Kind: "own", ID: "stranger", Expires: store.Time(time.Now().Add(time.Hour))}))
			return err
		},
		"a record with other data": func(ctx context.Context, s *tenant) error {
			_, err := s.Apply(ctx, store.Put(store.Record{Kind: "own", ID: "same", Data: []byte("other")}))
			return err
		},
		"a record that was appended, not put": func(ctx context.Context, s *tenant) error {
			_, err := s.Apply(ctx, store.Append(store.Record{Kind: "own", ID: "same"}))
			return err
		},
		"records that were put one by one, not together": func(ctx context.Context, s *tenant) error {
			if _, err := s.Apply(ctx, store.Put(store.Record{Kind: "own", ID: "same"})); err != nil {
				return err
			}
			_, err := s.Apply(ctx, store.Put(store.Record{Kind: "own", ID: "together"}))
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			from, to := stores["SQLite"](t), stores["SQLite"](t)
			with(t, from, func(s *tenant) {
				_, err := s.Apply(t.Context(), store.Put(store.Record{Kind: "own", ID: "same"}), store.Put(store.Record{Kind: "own", ID: "together"}))
				require.NoError(t, err)
				fillOwn(t, s, "own", 5)
			})
			var before store.Revision
			with(t, to, func(s *tenant) {
				require.NoError(t, spoil(t.Context(), s))
				before = latest(t, s)
			})
			code, stderr := migrate(t, "-from", from, "-to", to)
			require.Equal(t, 1, code)
			require.Contains(t, stderr, errForeign.Error())
			with(t, to, func(s *tenant) { require.Equal(t, before, latest(t, s), "nothing was written") })
		})
	}
}

func TestWhatHasExpiredMayBeMissing(t *testing.T) {
	past := store.Time(time.Now().Add(-time.Hour))
	old := store.Record{Kind: "own", ID: "old", Expires: past}
	from, to := stores["SQLite"](t), stores["SQLite"](t)
	with(t, from, func(s *tenant) {
		_, err := s.Apply(t.Context(), store.Put(old), store.Put(store.Record{Kind: "own", ID: "young"}))
		require.NoError(t, err)
	})
	mustMigrate(t, from, to)
	for name, url := range map[string]string{"in the target": to, "in the source": from} {
		with(t, url, func(s *tenant) {
			n, err := s.Sweep(t.Context(), time.Now(), 0)
			require.NoError(t, err)
			require.Equal(t, 1, n, name)
		})
		mustMigrate(t, from, to)
		if url == to {
			// As if it had been there alone.
			with(t, to, func(s *tenant) {
				_, err := s.Apply(t.Context(), store.Append(store.Record{Kind: "own", ID: "older", Expires: past}))
				require.NoError(t, err)
			})
			mustMigrate(t, from, to)
		}
	}
}

func TestASourceThatChangesMeanwhileIsNoticed(t *testing.T) {
	for name, change := range map[string]store.Change{
		"by a put":     store.Put(store.Record{Kind: "own", ID: "new"}),
		"by an append": store.Append(store.Record{Kind: "new", ID: "new"}),
	} {
		t.Run(name, func(t *testing.T) {
			from, to := stores["SQLite"](t), stores["SQLite"](t)
			with(t, from, func(a *tenant) {
				fillOwn(t, a, "own", 3)
				with(t, to, func(b *tenant) {
					source := *a
					source.Store = &meanwhile{Store: a, change: change}
					m := &migration{from: &source, to: b, batch: 10, log: quiet}
					require.ErrorIs(t, m.run(t.Context()), errChanged)
				})
			})
			mustMigrate(t, from, to)
		})
	}
}

func TestAKilledCopyGoesOn(t *testing.T) {
	for _, way := range [][2]string{{"SQLite", "PostgreSQL"}, {"PostgreSQL", "SQLite"}} {
		t.Run(way[0]+" to "+way[1], func(t *testing.T) {
			from, to := stores[way[0]](t), stores[way[1]](t)
			with(t, from, func(s *tenant) { fillOwn(t, s, "own", 150) })
			p := proctest.Start(t, proctest.Self(t), "-from", from, "-to", to, "-batch", "2")
			p.Wait("copying") // nothing yet
			p.Wait("copying")
			p.Kill()
			with(t, from, func(a *tenant) {
				with(t, to, func(b *tenant) {
					d, err := compare(t.Context(), a, b, time.Now())
					require.NoError(t, err, "what is there is right")
					require.Positive(t, d.same)
					t.Log("copied when it was killed:", d.same)
				})
			})
			mustMigrate(t, from, to)
		})
	}
}

func TestWrongUse(t *testing.T) {
	file := stores["SQLite"](t)
	with(t, file, func(s *tenant) { fillOwn(t, s, "own", 1) })
	absent := filepath.Join(t.TempDir(), "absent.db")
	for name, test := range map[string]struct {
		args []string
		code int
		want string
	}{
		"nothing to do":              {nil, 2, "say what to copy"},
		"no target":                  {[]string{"-from", file}, 2, "say what to copy"},
		"two things at once":         {[]string{"-from", file, "-to", absent, "-after-restore", file}, 2, "leave -from and -to out"},
		"a sealing key for a copy":   {[]string{"-from", file, "-to", absent, "-sealing-key", file}, 2, "a copy needs none"},
		"no record at once":          {[]string{"-from", file, "-to", absent, "-batch", "0"}, 2, "choose 1 to 1000"},
		"too many records at once":   {[]string{"-from", file, "-to", absent, "-batch", "1001"}, 2, "choose 1 to 1000"},
		"an argument":                {[]string{"-from", file, "-to", absent, "more"}, 2, "unexpected argument"},
		"a source that is not there": {[]string{"-from", absent, "-to", file}, 1, "there is no file"},
		"a tenant that is not there": {[]string{"-from", "sqlite:" + file, "-tenant", "x", "-to", absent}, 1, `there is no tenant \"x\", only [\"default\"]`},
		"another kind of URL":        {[]string{"-from", file, "-to", "mysql://root:hunter2@db/x"}, 1, "neither a path"},
		"a schema in SQLite":         {[]string{"-from", file, "-to", absent, "-to-schema", "x"}, 1, "SQLite has no schema"},
		"a server that is not there": {[]string{"-from", file, "-to", "postgres://root:hunter2@127.0.0.1:1/x?connect_timeout=1"}, 1, "-to: pgstore: open"},
	} {
		t.Run(name, func(t *testing.T) {
			code, stderr := migrate(t, test.args...)
			require.Equal(t, test.code, code, stderr)
			require.Contains(t, stderr, test.want)
			require.NotContains(t, stderr, "hunter2")
			require.NoFileExists(t, filepath.Join(filepath.Dir(absent), "absent.db-wal"))
		})
	}
}
