// Package pgtest starts PostgreSQL for tests, from the programs that Debian's
// package postgresql installs (or that are in the PATH): a server of its own for
// a test that stops or kills it, and one for all others of a test binary.
//
//	func TestMain(m *testing.M) { pgtest.Main(m) }
//
//	func TestSomething(t *testing.T) {
//		url := pgtest.Database(t)
//		...
//	}
//
// Where the programs are missing, tests are skipped with a line that says so,
// or fail if CLIENTELE_NO_SKIP is 1 in the environment. If CLIENTELE_POSTGRES is
// set, it is the URL of a server to use instead, as a role that may create
// databases and roles.
//
// A server keeps its data in a temporary directory, and listens on a port of the
// loopback interface. It is never run as root, but by the user postgres then. It
// ends with the process that started it, and its data are removed, even if that is
// killed. One of a test's own, and the one for benchmarks, syncs its data as it
// would in earnest. The one for all other tests does not: nobody kills it.
package pgtest

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	envURL    = "CLIENTELE_POSTGRES"
	envNoSkip = "CLIENTELE_NO_SKIP"
)

// shared is the server for most tests.
var shared struct {
	mu     sync.Mutex
	server *Server
	url    string // of a server that something else has started, or of server
}

// Main runs the tests, and then stops the server that they shared. TestMain
// calls it.
func Main(m *testing.M) {
	code := m.Run()
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if shared.server != nil {
		shared.server.Stop()
	}
	os.Exit(code)
}

// URL returns the URL of the server that the tests share, for a role that may do
// everything. Processes that the test starts use the same.
func URL(t testing.TB) string {
	t.Helper()
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if shared.url == "" {
		shared.url = os.Getenv(envURL)
	}
	if shared.url == "" {
		s, err := start("", sharedSettings())
		if err != nil {
			unavailable(t, err)
		}
		shared.server, shared.url = s, s.URL("postgres")
		if err := os.Setenv(envURL, shared.url); err != nil {
			t.Fatal(err)
		}
	}
	return shared.url
}

// sharedSettings are those of the shared server.
func sharedSettings() map[string]string {
	if f := flag.Lookup("test.bench"); f != nil && f.Value.String() != "" {
		return nil
	}
	return map[string]string{"fsync": "off", "full_page_writes": "off"}
}

// Database creates an empty database in the shared server, which is dropped at
// the end of the test, and returns its URL.
func Database(t testing.TB) string {
	t.Helper()
	name := "test_" + strings.ToLower(rand.Text())
	Exec(t, URL(t), "CREATE DATABASE "+name)
	t.Cleanup(func() { Exec(t, URL(t), "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)") })
	return In(t, URL(t), name)
}

// In returns the URL of another database of the same server.
func In(t testing.TB, serverURL, database string) string {
	t.Helper()
	u, err := url.Parse(serverURL)
	if err != nil {
		t.Fatal("the URL of the server cannot be parsed")
	}
	u.Path = "/" + database
	return u.String()
}

// As returns the URL for another role.
func As(t testing.TB, serverURL, role, password string) string {
	t.Helper()
	u, err := url.Parse(serverURL)
	if err != nil {
		t.Fatal("the URL of the server cannot be parsed")
	}
	u.User = url.UserPassword(role, password)
	return u.String()
}

// Exec executes statements by a connection of its own.
func Exec(t testing.TB, serverURL string, statements ...string) {
	t.Helper()
	if err := tryExec(t, serverURL, statements...); err != nil {
		t.Fatal(err)
	}
}

// tryExec executes statements by a connection of its own, up to the first that
// fails, and returns its error.
func tryExec(t testing.TB, serverURL string, statements ...string) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
	defer cancel()
	c, err := pgx.Connect(ctx, serverURL)
	if err != nil {
		return fmt.Errorf("pgtest: connect: %w", err)
	}
	defer c.Close(ctx)
	for _, sql := range statements {
		if _, err := c.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol); err != nil {
			return fmt.Errorf("pgtest: %s: %w", sql, err)
		}
	}
	return nil
}

// errMissing: a program is not installed.
var errMissing = errors.New("not installed")

// unavailable skips a test for which there is no server, or fails it.
func unavailable(t testing.TB, err error) {
	t.Helper()
	if errors.Is(err, errMissing) && os.Getenv(envNoSkip) != "1" {
		t.Skipf("pgtest: %v (Debian: apt-get install postgresql pgbouncer)", err)
	}
	t.Fatalf("pgtest: %v", err)
}

// program returns the path of a program: one in the PATH, or else of the newest
// PostgreSQL that Debian has installed.
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
