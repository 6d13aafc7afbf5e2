package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/examples/internal/proctest"
	"github.com/clientele-go/clientele/examples/internal/readmetest"
	"github.com/clientele-go/clientele/pgstore/pgtest"
	"github.com/clientele-go/clientele/token"
)

const readme, chapter = "../../README.md", "Backup, restore, move"

// The commands of the README's chapter, each by something that stands in it alone.
var (
	aboutMoments = []string{"pg_basebackup", "pg_ctl"}
	aboutCopies  = []string{"sqlite3", "cp backup.db", "-after-restore", "-from", "pg_dump", "pg_restore"}
)

// command returns that of the README's commands that has a word in it.
func command(t *testing.T, word string) string {
	t.Helper()
	has := func(block string) bool { return strings.Contains(block, word) }
	blocks := readmetest.Blocks(t, readme, chapter)
	n := slices.IndexFunc(blocks, has)
	require.GreaterOrEqual(t, n, 0, word)
	require.False(t, slices.ContainsFunc(blocks[n+1:], has), "%s stands in more than one", word)
	return blocks[n]
}

func TestEachOfTheReadmesCommandsIsRun(t *testing.T) {
	var run []string
	for _, word := range slices.Concat(aboutCopies, aboutMoments) {
		run = append(run, command(t, word))
	}
	require.ElementsMatch(t, readmetest.Blocks(t, readme, chapter), run)
}

// A shell runs commands in a folder.
type shell struct {
	dir string
	env []string
}

// asMigrate makes of "go run ./examples/migrate" the program that is tested.
const asMigrate = `go() { test "$1 $2" = "run ./examples/migrate"; shift 2; "$MIGRATE" "$@"; }` + "\n"

// run runs what the README says, and returns what it says itself.
func (s *shell) run(t *testing.T, word string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-euo", "pipefail")
	cmd.Dir, cmd.Stdin = s.dir, strings.NewReader(asMigrate+command(t, word))
	cmd.Env = append(proctest.Environ(), s.env...)
	said, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", said)
	return string(said)
}

// names returns the names of all API clients.
func names(t *testing.T, url string, key token.SealingKey) (all []string) {
	t.Helper()
	run(t, url, key, "", func(ctx context.Context, a authority) {
		page, err := a.clients.List(ctx, client.Query{})
		require.NoError(t, err)
		for _, c := range page.Clients {
			all = append(all, c.Name)
		}
	})
	return all
}

func TestTheReadmesBackupsAreRestored(t *testing.T) {
	if _, err := exec.LookPath("sqlite3"); err != nil && os.Getenv("CLIENTELE_NO_SKIP") != "1" {
		t.Skip("sqlite3 is not there (Debian: apt-get install sqlite3)")
	}
	key, _ := sealingKey(t)
	database, restored := pgtest.Database(t), pgtest.Database(t)
	s := &shell{dir: t.TempDir(), env: []string{"MIGRATE=" + proctest.Self(t), "DATABASE=" + database, "RESTORED=" + restored}}
	data := filepath.Join(s.dir, "data")
	require.NoError(t, os.Mkdir(data, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(data, "sealing.key"), []byte(key.Reveal()), 0o600))
	file := filepath.Join(data, "clientele.db")

	var c credential
	var old string
	add := func(name string) func(context.Context, authority) {
		return func(ctx context.Context, a authority) { addClient(ctx, t, a, name) }
	}
	run(t, file, key, "", func(ctx context.Context, a authority) {
		c = addClient(ctx, t, a, "before")
		var err error
		old, err = a.token(ctx, c)
		require.NoError(t, err)
		// Somebody has it open, and what was written last is not in the file itself.
		s.run(t, "sqlite3")
		add("since")(ctx, a)
	})
	info, err := os.Stat(filepath.Join(s.dir, "backup.db"))
	require.NoError(t, err)
	require.Zero(t, info.Mode().Perm()&0o077, "nobody else reads it")
	require.Equal(t, []string{"before", "since"}, names(t, file, key))
	s.run(t, "cp backup.db")
	require.Equal(t, []string{"before"}, names(t, file, key))
	require.Contains(t, s.run(t, "-after-restore"), "all tokens of 1 API clients")

	s.run(t, "-from")
	run(t, database, key, "", func(ctx context.Context, a authority) {
		require.Error(t, a.good(ctx, t, old))
		raw, err := a.token(ctx, c)
		require.NoError(t, err)
		require.NoError(t, a.good(ctx, t, raw))
		s.run(t, "pg_dump")
		add("since the dump")(ctx, a)
	})
	s.run(t, "pg_restore")
	require.Equal(t, []string{"before"}, names(t, restored, key))
	require.Equal(t, []string{"before", "since the dump"}, names(t, database, key))
}

var (
	serverSettings = regexp.MustCompile("(?s)```ini\n(.*?)```")
	serverSetting  = regexp.MustCompile(`(?m)^(\w+) = (.*)$`)
)

func TestTheReadmesWayBackToAnyMoment(t *testing.T) {
	key, _ := sealingKey(t)
	server := pgtest.Start(t, map[string]string{"fsync": "off"})
	url := server.URL("postgres")
	here := strings.NewReplacer("/srv/", server.Dir+"/srv/")
	shell := func(script string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
		defer cancel()
		said, err := server.Shell(ctx, script, "DATABASE="+url)
		require.NoError(t, err, "%s", said)
	}
	shell(here.Replace("mkdir -p /srv/backup/wal"))
	text, err := os.ReadFile(readme)
	require.NoError(t, err)
	found := serverSettings.FindStringSubmatch(string(text))
	require.NotNil(t, found)
	for _, setting := range serverSetting.FindAllStringSubmatch(found[1], -1) {
		server.Set(setting[1], here.Replace(strings.Trim(setting[2], "'")))
	}
	server.Shutdown()
	server.Restart(t)

	add := func(name string) {
		run(t, url, key, "", func(ctx context.Context, a authority) { addClient(ctx, t, a, name) })
	}
	add("before the backup")
	// The server that is restored is started by its files alone.
	host, port, err := net.SplitHostPort(server.Address())
	require.NoError(t, err)
	require.NoError(t, server.WriteFile("data/postgresql.auto.conf", fmt.Appendf(nil,
		"listen_addresses = '%s'\nport = %s\nunix_socket_directories = ''\nmax_connections = 200\nfsync = off\n", host, port)))
	shell(here.Replace(command(t, "pg_basebackup")))
	add("since the backup")
	moment := time.Now()
	add("since that moment")
	server.Shutdown() // in good order: all of the log is archived

	const inReadme = "2026-11-30 09:41:00 UTC"
	back := command(t, "pg_ctl")
	require.Contains(t, back, inReadme)
	back = strings.Replace(back, inReadme, moment.UTC().Format("2006-01-02 15:04:05.000000 UTC"), 1)
	t.Cleanup(func() { shell(here.Replace("pg_ctl -D /srv/restored stop -m immediate")) })
	shell(here.Replace(back))
	pgtest.Exec(t, url, "DO $$ BEGIN WHILE pg_is_in_recovery() LOOP PERFORM pg_sleep(0.02); END LOOP; END $$")
	require.Equal(t, []string{"before the backup", "since the backup"}, names(t, url, key))
}
