//go:build unix

package sqlitestore_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/sqlitestore"
)

func TestOpenRefusesPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	require.NoError(t, syscall.Mkfifo(path, 0o600))
	_, err := sqlitestore.Open(t.Context(), path, sqlitestore.Config{})
	require.ErrorIs(t, err, sqlitestore.ErrForeign)
	require.NoFileExists(t, path+"-shm")
}

// The files beside the database have its mode, whatever that is.
func TestModeOfFilesBeside(t *testing.T) {
	path := closedFile(t)
	require.NoError(t, os.Chmod(path, 0o640))
	db := openFile(t, path, sqlitestore.Config{})
	tenant(t, db, "new")
	for _, ending := range []string{"", "-wal", "-shm"} {
		info, err := os.Stat(path + ending)
		require.NoError(t, err)
		require.Equal(t, fs.FileMode(0o640), info.Mode(), ending)
	}
}

// Who may not write gets told so. The test runs again as somebody else where it
// runs as somebody who may everything.
func TestOpenWithoutPermission(t *testing.T) {
	if dir := os.Getenv("SQLITESTORE_TEST_PERMISSION"); dir != "" {
		require.NoError(t, syscall.Setuid(65534))
		openWithoutPermission(t, dir)
		return
	}
	base, err := os.MkdirTemp("", "sqlitestore")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(base) })
	require.NoError(t, os.Chmod(base, 0o755))
	path := filepath.Join(base, "clientele.db")
	require.NoError(t, os.Rename(closedFile(t), path))
	require.NoError(t, os.Chmod(path, 0o444))
	if os.Getuid() != 0 {
		require.NoError(t, os.Chmod(base, 0o555))
		t.Cleanup(func() { _ = os.Chmod(base, 0o755) })
		openWithoutPermission(t, base)
		return
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestOpenWithoutPermission$", "-test.v")
	cmd.Env = append(os.Environ(), "SQLITESTORE_TEST_PERMISSION="+base)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	require.Contains(t, string(out), "--- PASS: TestOpenWithoutPermission")
}

func openWithoutPermission(t *testing.T, dir string) {
	path := filepath.Join(dir, "clientele.db")
	_, err := sqlitestore.Open(t.Context(), path, sqlitestore.Config{})
	require.ErrorIs(t, err, fs.ErrPermission)
	require.ErrorContains(t, err, "the file must be writable")
	_, err = sqlitestore.Open(t.Context(), filepath.Join(dir, "new.db"), sqlitestore.Config{})
	require.ErrorIs(t, err, fs.ErrPermission)
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 1)
}
