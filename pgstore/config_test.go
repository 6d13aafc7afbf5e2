package pgstore_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/pgstore"
	"github.com/clientele-go/clientele/pgstore/pgtest"
	"github.com/clientele-go/clientele/store"
)

func TestConfig(t *testing.T) {
	for says, c := range map[string]struct {
		cfg  pgstore.Config
		text string
	}{
		"a schema with a capital":            {pgstore.Config{Schema: "Main"}, "Schema"},
		"a schema with a quote":              {pgstore.Config{Schema: `a"b`}, "Schema"},
		"a schema that begins with a digit":  {pgstore.Config{Schema: "1a"}, "Schema"},
		"a schema of 49 bytes":               {pgstore.Config{Schema: strings.Repeat("a", 49)}, "Schema"},
		"one connection":                     {pgstore.Config{MaxConns: 1}, "MaxConns"},
		"a negative number of connections":   {pgstore.Config{MaxConns: -1}, "MaxConns"},
		"1001 connections":                   {pgstore.Config{MaxConns: 1001}, "MaxConns"},
		"a timeout of less than a second":    {pgstore.Config{Timeout: time.Second - 1}, "Timeout"},
		"a negative timeout":                 {pgstore.Config{Timeout: -time.Second}, "Timeout"},
		"a timeout of more than ten minutes": {pgstore.Config{Timeout: 10*time.Minute + 1}, "Timeout"},
		"a poll interval of 9 milliseconds":  {pgstore.Config{PollInterval: 9 * time.Millisecond}, "PollInterval"},
		"a poll interval beyond ten minutes": {pgstore.Config{PollInterval: 10*time.Minute + 1}, "PollInterval"},
	} {
		t.Run(says, func(t *testing.T) {
			_, err := pgstore.Open(t.Context(), "postgres://localhost/nowhere", c.cfg)
			require.ErrorIs(t, err, store.ErrInvalid)
			require.ErrorContains(t, err, c.text)
		})
	}
	t.Run("all at their limits", func(t *testing.T) {
		url := pgtest.Database(t)
		for _, cfg := range []pgstore.Config{
			{Schema: strings.Repeat("a", 48), MaxConns: 2, Timeout: time.Second, PollInterval: 10 * time.Millisecond},
			{Schema: "_", MaxConns: 1000, Timeout: 10 * time.Minute, PollInterval: 10 * time.Minute},
		} {
			putNew(t, tenant(t, openURL(t, url, cfg), "main"), "x")
		}
	})
}

// What cannot be understood as a URL may well have the password in it.
func TestNoErrorHasThePassword(t *testing.T) {
	const secret = "hunter2"
	for says, url := range map[string]string{
		"nothing wrong but the port":     "postgres://user:hunter2@localhost:99999/db",
		"a port that is no number":       "postgres://user:hunter2@localhost:port/db",
		"a space in the password":        "postgres://user:hunter2 hunter2@localhost/db",
		"a percent sign in the password": "postgres://user:%hunter2@localhost/db",
		"a slash in the password":        "postgres://user:hunter2/x@localhost/db",
		"a password as a parameter":      "postgres://localhost/db?password=hunter2&sslmode=bad",
		"an sslmode that there is not":   "postgres://user:hunter2@localhost/db?sslmode=hunter2x",
		"keywords and values":            "host=localhost password=hunter2 port=x",
		"keywords with a quote left":     "host=localhost password='hunter2",
		"no host that there is":          "postgres://user:hunter2@host.invalid/db?connect_timeout=1",
		"nobody who listens":             "postgres://user:hunter2@127.0.0.1:1/db",
		"a number of connections":        "postgres://user:hunter2@localhost/db?pool_max_conns=x",
	} {
		t.Run(says, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			_, err := pgstore.Open(ctx, url, pgstore.Config{})
			require.Error(t, err)
			require.NotContains(t, err.Error(), secret)
		})
	}
	for text, url := range map[string]string{
		"sslmode that there is not":   "postgres://user:hunter2@localhost/db?sslmode=full",
		"no such file":                "postgres://user:hunter2@localhost/db?sslmode=verify-full&sslrootcert=nowhere/ca.pem",
		"nor the keywords and values": "localhost",
		"a part, that it cannot have": "postgres://user:hunter2@localhost:99999/db",
		"connect: connection refused": "postgres://user:hunter2@127.0.0.1:1/db",
		"pool_max_conns of 1":         "postgres://user:hunter2@127.0.0.1:1/db?pool_max_conns=1",
	} {
		_, err := pgstore.Open(t.Context(), url, pgstore.Config{})
		require.ErrorContains(t, err, text)
	}
	t.Run("another password than that of the server", func(t *testing.T) {
		_, err := pgstore.Open(t.Context(), pgtest.As(t, pgtest.URL(t), "postgres", secret), pgstore.Config{})
		require.Error(t, err)
		require.NotContains(t, err.Error(), secret)
	})
}

func FuzzURL(f *testing.F) {
	f.Add("postgres://user:", "@localhost/db")
	f.Add("postgres://user:%", "@localhost:x/db?sslmode=bad")
	f.Add("host=localhost password=", " port=x")
	f.Add("postgres://localhost/db?password=", "&sslmode=bad")
	f.Fuzz(func(t *testing.T, before, after string) {
		const secret = "Tr0ub4dor3"
		if err := pgstore.ParseURL(before + secret + after); err != nil && strings.Contains(err.Error(), secret) {
			t.Errorf("%q: %v", before+secret+after, err)
		}
	})
}

func TestOpenRefusesWhatKeepsNoPromise(t *testing.T) {
	t.Run("a server that does not wait for its disk", func(t *testing.T) {
		url := pgtest.Database(t)
		pgtest.Exec(t, url, "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET synchronous_commit = off', current_database()); END $$")
		_, err := pgstore.Open(t.Context(), url, pgstore.Config{})
		require.ErrorContains(t, err, "synchronous_commit is off")
	})
	t.Run("a database of another encoding", func(t *testing.T) {
		pgtest.Exec(t, pgtest.URL(t), "CREATE DATABASE other_encoding ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' LOCALE_PROVIDER libc TEMPLATE template0")
		t.Cleanup(func() { pgtest.Exec(t, pgtest.URL(t), "DROP DATABASE other_encoding") })
		_, err := pgstore.Open(t.Context(), pgtest.In(t, pgtest.URL(t), "other_encoding"), pgstore.Config{})
		require.ErrorContains(t, err, "encoding LATIN1")
	})
	t.Run("a context that has ended", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := pgstore.Open(ctx, pgtest.URL(t), pgstore.Config{})
		require.ErrorIs(t, err, context.Canceled)
	})
}

// A database that is only to be read makes writes fail with a clear error.
func TestReadOnly(t *testing.T) {
	url := pgtest.Database(t)
	s := tenant(t, openURL(t, url, pgstore.Config{}), "main")
	putNew(t, s, "x")
	pgtest.Exec(t, url, "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = on', current_database()); END $$")
	db := openURL(t, url, pgstore.Config{SkipMigrations: true})
	s = tenant(t, db, "main")
	for _, c := range []store.Change{store.Put(store.Record{Kind: "client", ID: "y"}), store.Append(store.Record{Kind: "audit", ID: "y"})} {
		_, err := s.Apply(t.Context(), c)
		require.ErrorContains(t, err, "standby")
	}
	_, err := s.Get(t.Context(), "client", "x")
	require.NoError(t, err)
}
