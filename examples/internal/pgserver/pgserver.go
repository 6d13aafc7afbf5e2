// Package pgserver starts PostgreSQL for the tests of the examples, from the
// programs that Debian's package postgresql installs (or that are in the PATH).
// It is the least of what pgstore's own tests have for that.
//
//	func TestSomething(t *testing.T) {
//		url := pgserver.Database(t)
//		...
//	}
//
// Where the programs are missing, tests are skipped with a line that says so,
// or fail if CLIENTELE_NO_SKIP is 1 in the environment. If CLIENTELE_POSTGRES is
// set, it is the URL of a server to use instead, as a role that may create
// databases.
//
// The server keeps its data in a temporary directory, without syncing them but
// for benchmarks, and listens on a port of the loopback interface. It is never run
// as root, but by the user postgres then. It ends with the process that started
// it, however that ends, and its data are removed.
package pgserver

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	envURL    = "CLIENTELE_POSTGRES"
	envNoSkip = "CLIENTELE_NO_SKIP"

	// patience is how long anything may take: far longer than it does.
	patience = time.Minute
)

// errMissing: a program is not installed.
var errMissing = errors.New("not installed")

// shared is the server of all tests of a test binary.
var shared struct {
	mu    sync.Mutex
	url   string
	guard io.Closer // of a pipe that the system closes when this process has ended
}

// Database creates an empty database, which is dropped at the end of the test, and
// returns its URL.
func Database(t testing.TB) string {
	t.Helper()
	server := serverURL(t)
	name := "test_" + strings.ToLower(rand.Text())
	execute(t, server, "CREATE DATABASE "+name)
	t.Cleanup(func() { execute(t, server, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)") })
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal("the URL of the server cannot be parsed")
	}
	u.Path = "/" + name
	return u.String()
}

// Program returns the path of a program of PostgreSQL, such as pg_dump: one in the
// PATH, or else of the newest that Debian has installed. Without it the test is
// skipped, or fails.
func Program(t testing.TB, name string) string {
	t.Helper()
	path, err := program(name)
	if err != nil {
		unavailable(t, err)
	}
	return path
}

func serverURL(t testing.TB) string {
	t.Helper()
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if shared.url == "" {
		shared.url = os.Getenv(envURL)
	}
	if shared.url == "" {
		var err error
		if shared.url, err = start(); err != nil {
			unavailable(t, err)
		}
	}
	return shared.url
}

func execute(t testing.TB, server, sql string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
	defer cancel()
	c, err := pgx.Connect(ctx, server)
	if err != nil {
		t.Fatalf("pgserver: connect: %v", err)
	}
	defer c.Close(ctx)
	if _, err := c.Exec(ctx, sql); err != nil {
		t.Fatalf("pgserver: %s: %v", sql, err)
	}
}

// unavailable skips a test for which there is no server, or fails it.
func unavailable(t testing.TB, err error) {
	t.Helper()
	if errors.Is(err, errMissing) && os.Getenv(envNoSkip) != "1" {
		t.Skipf("pgserver: %v (Debian: apt-get install postgresql)", err)
	}
	t.Fatalf("pgserver: %v", err)
}

func program(name string) (string, error) {
	if p, err := exec.LookPath(name); err == nil {
		return filepath.EvalSymlinks(p) // it finds its files beside it
	}
	all, err := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
	if err != nil {
		return "", err
	}
	if len(all) == 0 {
		return "", fmt.Errorf("%s: %w", name, errMissing)
	}
	// The newest: 9 is before 15.
	return slices.MaxFunc(all, func(a, b string) int {
		return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
	}), nil
}

// start starts a server, and returns the URL for the role postgres, which may do
// everything.
func start() (string, error) {
	a, err := unprivileged()
	if err != nil {
		return "", err
	}
	dir, err := a.tempDir()
	if err != nil {
		return "", err
	}
	server, err := a.serve(dir)
	if err != nil {
		return "", errors.Join(err, os.RemoveAll(dir))
	}
	return server, nil
}

// serve makes the files of a server in dir, and starts it.
func (a *account) serve(dir string) (string, error) {
	initdb, err := program("initdb")
	if err != nil {
		return "", err
	}
	postgres, err := program("postgres")
	if err != nil {
		return "", err
	}
	password, data := rand.Text(), filepath.Join(dir, "data")
	secret := filepath.Join(dir, "password")
	if err := a.writeFile(secret, []byte(password+"\n")); err != nil {
		return "", err
	}
	out, err := a.command(dir, initdb, "-D", data, "-U", "postgres", "-A", "scram-sha-256", "--pwfile", secret, "-E", "UTF8", "--locale=C", "--no-sync").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("initdb: %w: %s", err, out)
	}
	// Somebody else may take the port that is free until the server does.
	for range 5 {
		var port int
		if port, err = freePort(); err != nil {
			return "", err
		}
		u := url.URL{
			Scheme: "postgres", User: url.UserPassword("postgres", password),
			Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), Path: "/postgres", RawQuery: "sslmode=disable",
		}
		if err = a.run(dir, u.String(), postgres, append([]string{"-D", data, "-p", strconv.Itoa(port)}, settings()...)...); err == nil {
			return u.String(), nil
		}
	}
	return "", err
}

func settings() []string {
	all := []string{
		"-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=",
		"-c", "max_connections=100", "-c", "shared_buffers=64MB",
	}
	if f := flag.Lookup("test.bench"); f == nil || f.Value.String() == "" {
		all = append(all, "-c", "fsync=off", "-c", "full_page_writes=off")
	}
	return all
}

// ready waits until a server answers.
func ready(ended <-chan struct{}, server string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		c, err := pgx.Connect(ctx, server)
		if err == nil {
			return c.Close(ctx)
		}
		select {
		case <-ended:
			return errors.New("the server has ended")
		case <-ctx.Done():
			return fmt.Errorf("the server does not answer: %w", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
