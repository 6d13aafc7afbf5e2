package sqlitestore_test

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/sqlitestore"
	"github.com/clientele-go/clientele/store"
)

func TestBackup(t *testing.T) {
	db, s := openTenant(t)
	fill(t, s, 100)
	copied := filepath.Join(t.TempDir(), "it's a copy.db")
	require.NoError(t, db.Backup(t.Context(), copied))
	info, err := os.Stat(copied)
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o600), info.Mode())
	for range 4 { // readers
		_, err := db.Rows(t.Context(), "DELETE FROM record")
		require.Error(t, err, "a reader writes nothing")
	}
	later := putNew(t, s, "later")

	from := openFile(t, copied, sqlitestore.Config{})
	old := tenant(t, from, "main")
	want, err := s.List(t.Context(), store.Query{Kind: "client", From: "5", Limit: store.MaxLimit})
	require.NoError(t, err)
	got, err := old.List(t.Context(), store.Query{Kind: "client", From: "5", Limit: store.MaxLimit})
	require.NoError(t, err)
	require.Equal(t, want, got)
	_, err = old.Get(t.Context(), "client", "later")
	require.ErrorIs(t, err, store.ErrNotFound)
	require.Equal(t, later-1, latest(t, old))
	// Who followed the feed of the newer data is told to begin anew.
	_, err = old.Changes(t.Context(), later, 0, 0)
	require.ErrorIs(t, err, store.ErrTooOld)
	require.Equal(t, later, putNew(t, old, "another"))
}

func TestBackupRefuses(t *testing.T) {
	db, s := openTenant(t)
	fillTexts(t, s, 5000)
	dir := t.TempDir()
	there := filepath.Join(dir, "there")
	require.NoError(t, os.WriteFile(there, []byte("precious"), 0o644))
	done, cancel := context.WithCancel(t.Context())
	cancel()
	for _, c := range []struct {
		says string
		ctx  context.Context
		path string
		want error
	}{
		{"to overwrite a file", t.Context(), there, fs.ErrExist},
		{"a directory that is not there", t.Context(), filepath.Join(dir, "none", "copy"), fs.ErrNotExist},
		{"no path", t.Context(), "", store.ErrInvalid},
		{"a context that is done", done, filepath.Join(dir, "copy"), context.Canceled},
		{"a context that ends meanwhile", endsAfter(t.Context(), 20), filepath.Join(dir, "copy"), context.Canceled},
	} {
		t.Run(c.says, func(t *testing.T) {
			require.ErrorIs(t, db.Backup(c.ctx, c.path), c.want)
			entries, err := os.ReadDir(dir)
			require.NoError(t, err)
			require.Len(t, entries, 1, "nothing is left of it")
			content, err := os.ReadFile(there)
			require.NoError(t, err)
			require.Equal(t, "precious", string(content))
		})
	}
	require.NoError(t, db.Close())
	require.ErrorIs(t, db.Backup(t.Context(), filepath.Join(dir, "copy")), store.ErrClosed)
}
