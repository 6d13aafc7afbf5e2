//go:build unix

package cluster_test

import (
	"crypto/rand"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// patience is how long anything may take: far longer than it does.
const patience = time.Minute

// A postgres is a server of the test's own.
type postgres struct {
	t        *testing.T
	dir      string
	program  string
	account  *syscall.Credential // nil: who runs the test
	port     int
	password string
	cmd      *exec.Cmd
}

// startPostgres starts a server, which is killed at the end of the test.
func startPostgres(t *testing.T) *postgres {
	t.Helper()
	initdb, err := exec.LookPath("initdb")
	if err != nil {
		if found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb"); len(found) > 0 {
			initdb, err = found[len(found)-1], nil
		}
	}
	p := &postgres{t: t, password: rand.Text()}
	if err == nil && os.Geteuid() == 0 {
		p.account, err = postgresUser()
	}
	if err != nil {
		if os.Getenv("CLIENTELE_NO_SKIP") == "1" {
			t.Fatalf("PostgreSQL is missing: %v", err)
		}
		t.Skipf("PostgreSQL is missing: %v (Debian: apt-get install postgresql)", err)
	}
	p.program = filepath.Join(filepath.Dir(initdb), "postgres")
	// Not t.TempDir, which no other user may enter.
	p.dir, err = os.MkdirTemp("", "clientele-cluster-")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(p.dir) })
	secret := filepath.Join(p.dir, "password")
	require.NoError(t, os.WriteFile(secret, []byte(p.password), 0o600))
	if p.account != nil {
		for _, path := range []string{p.dir, secret} {
			require.NoError(t, os.Chown(path, int(p.account.Uid), int(p.account.Gid)))
		}
	}
	out, err := p.command(initdb, "-D", p.data(), "-U", "postgres", "-A", "scram-sha-256", "--pwfile", secret, "-E", "UTF8", "--locale=C", "--no-sync").CombinedOutput()
	require.NoError(t, err, "%s", out)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p.port = l.Addr().(*net.TCPAddr).Port
	require.NoError(t, l.Close())
	p.start()
	t.Cleanup(p.kill)
	return p
}

func postgresUser() (*syscall.Credential, error) {
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, err
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, err
}

func (p *postgres) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Dir = p.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: p.account}
	return cmd
}

func (p *postgres) data() string { return filepath.Join(p.dir, "data") }

func (p *postgres) address() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(p.port)) }

func (p *postgres) url() string {
	u := url.URL{Scheme: "postgres", User: url.UserPassword("postgres", p.password), Host: p.address(), Path: "/postgres", RawQuery: "sslmode=disable"}
	return u.String()
}

// start starts the server, also after it was killed. What a killed one left
// behind may be in the way for a moment.
func (p *postgres) start() {
	p.t.Helper()
	deadline := time.Now().Add(patience)
	for time.Now().Before(deadline) {
		log, err := os.OpenFile(filepath.Join(p.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		require.NoError(p.t, err)
		p.cmd = p.command(p.program, "-D", p.data(), "-p", strconv.Itoa(p.port), "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=")
		p.cmd.Stdout, p.cmd.Stderr = log, log
		require.NoError(p.t, p.cmd.Start())
		require.NoError(p.t, log.Close())
		ended := make(chan struct{})
		go func(cmd *exec.Cmd) { defer close(ended); _ = cmd.Wait() }(p.cmd)
		if p.answers(ended, deadline) {
			return
		}
	}
	log, _ := os.ReadFile(filepath.Join(p.dir, "log"))
	p.t.Fatalf("PostgreSQL did not start:\n%s", log)
}

func (p *postgres) answers(ended chan struct{}, deadline time.Time) bool {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for ; time.Now().Before(deadline); <-tick.C {
		select {
		case <-ended:
			return false
		default:
		}
		// It listens before it has recovered, and then refuses; who opens a
		// database tries again.
		if c, err := net.Dial("tcp", p.address()); err == nil {
			return c.Close() == nil
		}
	}
	return false
}

// kill kills the server and all its processes, as a loss of power would.
func (p *postgres) kill() {
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for ; ; <-tick.C {
		if syscall.Kill(-p.cmd.Process.Pid, 0) != nil {
			return
		}
	}
}
