package pgtest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// Bouncer starts PgBouncer in transaction mode before the server at serverURL,
// and returns the URL of the same database through it. It is stopped at the end
// of the test.
func Bouncer(t testing.TB, serverURL string) string {
	t.Helper()
	pgbouncer, err := program("pgbouncer")
	if errors.Is(err, errMissing) {
		if _, missing := os.Stat("/usr/sbin/pgbouncer"); missing == nil { // seldom in the PATH
			pgbouncer, err = "/usr/sbin/pgbouncer", nil
		}
	}
	if err != nil {
		unavailable(t, err)
	}
	a, err := unprivileged()
	if err != nil {
		unavailable(t, err)
	}
	bounced, run, dir, err := bounce(a, pgbouncer, serverURL)
	if err != nil {
		t.Fatalf("pgtest: pgbouncer: %v", err)
	}
	t.Cleanup(func() {
		run.stop(kill)
		_ = os.RemoveAll(dir)
	})
	return bounced
}

func bounce(a *account, pgbouncer, serverURL string) (bounced string, run *process, dir string, err error) {
	u, err := url.Parse(serverURL)
	if err != nil {
		return "", nil, "", errors.New("the URL of the server cannot be parsed")
	}
	if dir, err = a.tempDir(""); err != nil {
		return "", nil, "", err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}()
	port, err := freePort()
	if err != nil {
		return "", nil, "", err
	}
	password, _ := u.User.Password()
	ini := fmt.Sprintf(`[databases]
* = host=%s port=%s
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %d
unix_socket_dir =
auth_type = scram-sha-256
auth_file = %s
pool_mode = transaction
default_pool_size = 20
max_client_conn = 1000
server_tls_sslmode = disable
`, u.Hostname(), u.Port(), port, filepath.Join(dir, "users"))
	if err := a.writeFile(filepath.Join(dir, "pgbouncer.ini"), []byte(ini)); err != nil {
		return "", nil, "", err
	}
	if err := a.writeFile(filepath.Join(dir, "users"), fmt.Appendf(nil, "%q %q\n", u.User.Username(), password)); err != nil {
		return "", nil, "", err
	}
	if run, err = a.start(dir, "log", pgbouncer, filepath.Join(dir, "pgbouncer.ini")); err != nil {
		return "", nil, "", err
	}
	u.Host = "127.0.0.1:" + strconv.Itoa(port)
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := ready(ctx, run, u.String()); err != nil {
		run.stop(kill)
		log, _ := os.ReadFile(filepath.Join(dir, "log"))
		return "", nil, "", fmt.Errorf("%w: %s", err, log)
	}
	return u.String(), run, dir, nil
}
