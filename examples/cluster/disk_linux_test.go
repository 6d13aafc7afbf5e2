package cluster_test

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A disk is a small one, in memory, for nothing but one test.
type disk struct {
	t    *testing.T
	path string
}

// smallDisk mounts a disk of so many MiB, which takes root.
func smallDisk(t *testing.T, size int) *disk {
	t.Helper()
	path, err := os.MkdirTemp("", "clientele-disk-")
	require.NoError(t, err)
	if err := syscall.Mount("tmpfs", path, "tmpfs", 0, fmt.Sprintf("size=%dm,mode=755", size)); err != nil {
		_ = os.Remove(path)
		if os.Getenv("CLIENTELE_NO_SKIP") != "1" {
			t.Skipf("a small disk can't be mounted (as root): %v", err)
		}
		t.Fatalf("a small disk can't be mounted (as root): %v", err)
	}
	// Unmounted at the end of what it reads from, which is that of this process
	// at the latest, however that ends.
	guard := exec.Command("/bin/sh", "-c", `read line; umount -l "$0"; rmdir "$0"`, path)
	guard.Dir = "/"
	guard.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	in, err := guard.StdinPipe()
	require.NoError(t, errors.Join(err, guard.Start()))
	t.Cleanup(func() { _ = errors.Join(in.Close(), guard.Wait()) })
	return &disk{t, path}
}

func (d *disk) ballast() string { return filepath.Join(d.path, "ballast") }

// fill leaves no room but what files have already.
func (d *disk) fill() {
	d.t.Helper()
	f, err := os.OpenFile(d.ballast(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	require.NoError(d.t, err)
	defer f.Close()
	for _, size := range []int{1 << 20, 4096} {
		for err = nil; err == nil; _, err = f.Write(make([]byte, size)) {
		}
		require.ErrorIs(d.t, err, syscall.ENOSPC)
	}
}

// free makes room.
func (d *disk) free() {
	d.t.Helper()
	require.NoError(d.t, os.Remove(d.ballast()))
}

// addUntilFull adds clients by an instance until that fails, and returns the names
// of those that were acknowledged, and of those that were not.
func (c *cluster) addUntilFull(t *testing.T, n int, prefix string) (added, failed []string) {
	t.Helper()
	for i := range 5000 {
		name := fmt.Sprintf("%s-%d", prefix, i)
		got := c.admin(n, http.MethodPost, "/api-clients", clientOf(name, 900, bySecret))
		if got.status == http.StatusCreated {
			added = append(added, name)
			continue
		}
		require.GreaterOrEqual(t, got.status, 500, "%s", got.body)
		require.NotEmpty(t, got.member("code"), "%s", got.body)
		require.NotEmpty(t, got.member("message"), "%s", got.body)
		if failed = append(failed, name); len(failed) == 3 {
			return added, failed
		}
	}
	t.Fatal("the disk has still room")
	return nil, nil
}

// requireThere checks, by an instance, that clients are there or not, each with its
// audit event.
func (c *cluster) requireThere(t *testing.T, n int, there, absent []string) {
	t.Helper()
	for _, name := range there {
		id, err := c.find(n, name)
		require.NoError(t, err)
		require.NotEmpty(t, id, "client %s was acknowledged", name)
		events, err := c.events(n, "client="+id)
		require.NoError(t, err)
		require.Equal(t, []string{"client.add"}, actionsOf(events))
	}
	for _, name := range absent {
		id, err := c.find(n, name) // which looks at the audit log
		require.NoError(t, err)
		require.Empty(t, id, "client %s was answered with an error", name)
	}
}

func TestTheDiskOfPostgreSQLIsFull(t *testing.T) {
	t.Parallel()
	d := smallDisk(t, 96)
	c := startCluster(t, setup{disk: d.path})
	h := c.withSecret(t, "report")
	signer, key := c.withKey(t)

	t.Run("changes fail and change nothing, tokens are issued, and it recovers by itself", func(t *testing.T) {
		d.fill()
		added, failed := c.addUntilFull(t, 0, "full")
		for n := range instances {
			c.tokenAt(t, n, h)
			// An assertion is accepted if it can be remembered, and never refused.
			got := c.post(n, assertion(t, signer, key, time.Now().Add(time.Minute)))
			require.Contains(t, []int{http.StatusOK, http.StatusServiceUnavailable}, got.status, "%s", got.body)
			c.requireThere(t, n, added, failed)
		}
		d.free()
		got := c.again(func() answer { return c.admin(1, http.MethodPost, "/api-clients", clientOf("room", 900, bySecret)) })
		require.Equal(t, http.StatusCreated, got.status, "%s", got.body)
		c.requireThere(t, 2, added, failed)
	})
}

func TestTheDiskOfSQLiteIsFull(t *testing.T) {
	t.Parallel()
	d := smallDisk(t, 16)
	c := startAlone(t, filepath.Join(d.path, "data"))
	got := c.admin(0, http.MethodPost, "/api-clients", clientOf("report", 900, bySecret))
	require.Equal(t, http.StatusCreated, got.status, "%s", got.body)
	h := holder{id: got.member("id")}
	got = c.admin(0, http.MethodPost, "/api-clients/"+h.id+"/secrets", newSecret())
	require.Equal(t, http.StatusCreated, got.status, "%s", got.body)
	h.value = got.member("value")
	signer, key := c.withKey(t)

	d.fill()
	added, failed := c.addUntilFull(t, 0, "full")
	c.tokenAt(t, 0, h)
	got = c.post(0, assertion(t, signer, key, time.Now().Add(time.Minute)))
	require.Contains(t, []int{http.StatusOK, http.StatusServiceUnavailable}, got.status, "%s", got.body)
	c.requireThere(t, 0, added, failed)

	// It recovers by itself, and so it does if it is killed.
	d.free()
	got = c.admin(0, http.MethodPost, "/api-clients", clientOf("room", 900, bySecret))
	require.Equal(t, http.StatusCreated, got.status, "%s", got.body)
	d.fill()
	more, failedToo := c.addUntilFull(t, 0, "again")
	c.process[0].Kill()
	d.free()
	c.launch(0)
	c.wait(0)
	c.requireThere(t, 0, append(append(added, more...), "room"), append(failed, failedToo...))
	c.tokenAt(t, 0, h)
	c.stop(0)
}
