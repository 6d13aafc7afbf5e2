package sqlitestore_test

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/sqlitestore"
	"github.com/clientele-go/clientele/store"
)

const (
	crashDir     = "SQLITESTORE_TEST_CRASH"
	crashWriters = 4
	crashSaid    = "acknowledged "
)

// A process that writes by several goroutines, so that their commits are
// grouped, is killed again and again, at any moment. What it acknowledged must
// be there whole, and of the rest nothing in part.
func TestCrash(t *testing.T) {
	if dir := os.Getenv(crashDir); dir != "" {
		crashChild(t, dir)
		return
	}
	if testing.Short() {
		t.Skip("it takes seconds")
	}
	dir := t.TempDir()
	acknowledged := map[string]bool{}
	for range 10 {
		before := len(acknowledged)
		crashRound(t, dir, 20+rand.IntN(200), time.Duration(rand.IntN(3000))*time.Microsecond, acknowledged)
		require.Greater(t, len(acknowledged), before)
		checkAfterCrash(t, dir, acknowledged)
	}
}

// crashRound starts a child, and kills it some time after its n-th
// acknowledgement.
func crashRound(t *testing.T, dir string, n int, later time.Duration, acknowledged map[string]bool) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestCrash$", "-test.timeout=2m")
	cmd.Env = append(os.Environ(), crashDir+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	kill := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
	seen := 0
	for lines := bufio.NewScanner(out); lines.Scan(); {
		id, ok := strings.CutPrefix(lines.Text(), crashSaid)
		if !ok {
			t.Error(lines.Text())
			continue
		}
		acknowledged[id] = true
		if seen++; seen == n {
			kill.Reset(later)
		}
	}
	kill.Stop()
	require.ErrorContains(t, cmd.Wait(), "killed", "the child ended by itself")
}

// crashChild writes until it is killed.
func crashChild(t *testing.T, dir string) {
	db := openFile(t, filepath.Join(dir, "clientele.db"), sqlitestore.Config{})
	s := tenant(t, db, "main")
	first, err := s.List(t.Context(), store.Query{Kind: "client", Count: true, Limit: 1})
	require.NoError(t, err)
	var all sync.WaitGroup
	for g := range crashWriters {
		all.Go(func() {
			for i := first.Total; ; i++ {
				id := fmt.Sprintf("%06d-%d", i, g)
				if _, err := s.Apply(t.Context(), numbered(id)...); err != nil {
					t.Error(err)
					return
				}
				fmt.Println(crashSaid + id)
			}
		})
	}
	all.Wait()
}

// numbered returns changes that are there all or none.
func numbered(id string) []store.Change {
	i, _ := strconv.Atoi(id[:6])
	data := []byte(strings.Repeat(id, 10+i%300))
	labels := []store.Label{{Key: "id", Value: id}, {Key: "all"}}
	return []store.Change{
		store.Put(store.Record{Kind: "client", ID: id, Names: []string{id}, Labels: labels, Text: id, Sort: id, Data: data}),
		store.Append(store.Record{Kind: "audit", ID: id, Labels: labels, Text: id, Sort: id, Expires: day(i), Data: data}),
	}
}

func checkAfterCrash(t *testing.T, dir string, acknowledged map[string]bool) {
	t.Helper()
	db, err := sqlitestore.Open(t.Context(), filepath.Join(dir, "clientele.db"), sqlitestore.Config{})
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	check, err := db.Rows(t.Context(), "PRAGMA integrity_check")
	require.NoError(t, err)
	require.Equal(t, []string{"ok"}, check)
	s := tenant(t, db, "main")
	for id := range acknowledged {
		requireWhole(t, s, id)
	}
	var after store.Cursor
	count := 0
	for more := true; more; more = after != "" {
		page, err := s.List(t.Context(), store.Query{Kind: "audit", After: after, Limit: store.MaxLimit})
		require.NoError(t, err)
		for _, r := range page.Records {
			requireWhole(t, s, r.ID)
			count++
		}
		after = page.Next
	}
	for sql, want := range map[string]int{
		"SELECT count(*) FROM record":                                  2 * count,
		"SELECT count(*) FROM label":                                   4 * count,
		"SELECT count(*) FROM name":                                    count,
		"SELECT count(DISTINCT version) FROM record WHERE version > 0": count,
	} {
		n, err := db.Number(t.Context(), sql)
		require.NoError(t, err)
		require.EqualValues(t, want, n, sql)
	}
}

func requireWhole(t *testing.T, s store.Store, id string) {
	t.Helper()
	for _, c := range numbered(id) {
		r, err := s.Get(t.Context(), c.Record.Kind, id)
		require.NoError(t, err)
		require.Equal(t, c.Op == store.OpAppend, r.Version == 0)
		r.Version = 0
		require.Equal(t, c.Record, r)
	}
}
