package pgtest

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// A Server is a PostgreSQL.
type Server struct {
	// Dir is a directory that belongs to the user of the server.
	Dir string

	account  *account
	password string
	port     int
	settings map[string]string
	run      *process // nil: it is stopped
}

// Start starts a server of the test's own, with settings beside the usual ones.
// It is stopped at the end of the test.
func Start(t testing.TB, settings map[string]string) *Server {
	t.Helper()
	return StartIn(t, "", settings)
}

// StartIn starts a server like Start, which keeps its data in a new directory
// within parent: on a disk of its own, perhaps. Everybody must be allowed to
// search that.
func StartIn(t testing.TB, parent string, settings map[string]string) *Server {
	t.Helper()
	s, err := start(parent, settings)
	if err != nil {
		unavailable(t, err)
	}
	t.Cleanup(s.Stop)
	return s
}

func start(parent string, settings map[string]string) (*Server, error) {
	initdb, err := program("initdb")
	if err != nil {
		return nil, err
	}
	a, err := unprivileged()
	if err != nil {
		return nil, err
	}
	dir, err := a.tempDir(parent)
	if err != nil {
		return nil, err
	}
	s := &Server{Dir: dir, account: a, password: rand.Text(), settings: settings}
	if err = s.create(initdb); err == nil {
		err = s.start()
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return s, nil
}

// create makes the files of the server. The order of text is a language's, which
// is not that of bytes.
func (s *Server) create(initdb string) error {
	if err := s.WriteFile("password", []byte(s.password+"\n")); err != nil {
		return err
	}
	args := []string{"-D", s.data(), "-U", "postgres", "-A", "scram-sha-256", "--pwfile", filepath.Join(s.Dir, "password"), "-E", "UTF8", "--no-sync"}
	icu := []string{"--locale=C", "--locale-provider=icu", "--icu-locale=en-US"}
	out, err := s.account.command(s.Dir, initdb, append(args, icu...)...).CombinedOutput()
	if err != nil && strings.Contains(string(out), "icu") { // one that was built without
		out, err = s.account.command(s.Dir, initdb, append(args, "--locale=C")...).CombinedOutput()
	}
	if err != nil {
		return fmt.Errorf("initdb: %w: %s", err, out)
	}
	return nil
}

func (s *Server) data() string { return filepath.Join(s.Dir, "data") }

// WriteFile writes a file into Dir that the server, and nobody else, can read.
func (s *Server) WriteFile(name string, content []byte) error {
	return s.account.writeFile(filepath.Join(s.Dir, name), content)
}

// URL returns the URL of a database for the role postgres, which may do
// everything.
func (s *Server) URL(database string) string {
	u := url.URL{Scheme: "postgres", User: url.UserPassword("postgres", s.password), Host: s.Address(), Path: "/" + database, RawQuery: "sslmode=disable"}
	return u.String()
}

// Address returns the host and port at which the server listens.
func (s *Server) Address() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

// Log returns what the server has written.
func (s *Server) Log() string {
	b, err := os.ReadFile(filepath.Join(s.Dir, "log"))
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// start starts the server on a port that the system says is free. Somebody else
// may take it until the server does; then it is tried again. A server that is
// started again keeps its port.
func (s *Server) start() (err error) {
	keep := s.port != 0
	for range 5 {
		if !keep {
			if s.port, err = freePort(); err != nil {
				return err
			}
		}
		if err = s.startOnPort(); err == nil {
			return nil
		}
	}
	return err
}

func (s *Server) startOnPort() error {
	postgres, err := program("postgres")
	if err != nil {
		return err
	}
	settings := map[string]string{
		"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "max_connections": "200",
		"shared_buffers": "128MB", "max_wal_size": "2GB", "log_line_prefix": "%m [%p] %u@%d ",
	}
	maps.Copy(settings, s.settings)
	args := []string{"-D", s.data(), "-p", strconv.Itoa(s.port)}
	for name, value := range settings {
		args = append(args, "-c", name+"="+value)
	}
	run, err := s.account.start(s.Dir, "log", postgres, args...)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := ready(ctx, run, s.URL("postgres")); err != nil {
		run.stop(kill)
		return fmt.Errorf("%w: %s", err, s.Log())
	}
	s.run = run
	return nil
}

// ready waits until a server answers.
func ready(ctx context.Context, run *process, url string) error {
	for {
		c, err := pgx.Connect(ctx, url)
		if err == nil {
			return c.Close(ctx)
		}
		select {
		case <-run.ended:
			return errors.New("the server has ended")
		case <-ctx.Done():
			return fmt.Errorf("the server does not answer: %w", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Stop stops the server, and removes its data.
func (s *Server) Stop() {
	s.end(kill)
	_ = os.RemoveAll(s.Dir)
}

// Kill kills the server, as a loss of power would, but that what it has given to
// the system is not lost without a sync.
func (s *Server) Kill() { s.end(kill) }

// Shutdown stops the server in good order.
func (s *Server) Shutdown() { s.end(interrupt) }

func (s *Server) end(signal signal) {
	if s.run != nil {
		s.run.stop(signal)
		s.run = nil
	}
}

// Restart starts a server that was stopped or killed, at the same address. Those
// that served connections of one that was killed may take a moment to end, and none
// is started beside them.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; <-time.After(100 * time.Millisecond) {
		err := s.start()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("pgtest: restart: %v", err)
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

// Set changes a setting, for when the server is started again.
func (s *Server) Set(name, value string) {
	settings := maps.Clone(s.settings)
	if settings == nil {
		settings = map[string]string{}
	}
	settings[name] = value
	s.settings = settings
}

// Shell runs a script by bash, as the user that the server runs as, in Dir and with
// the programs of PostgreSQL in the PATH. It returns what the script wrote.
func (s *Server) Shell(ctx context.Context, script string, env ...string) ([]byte, error) {
	ctl, err := program("pg_ctl")
	if err != nil {
		return nil, err
	}
	bash, err := program("bash")
	if err != nil {
		return nil, err
	}
	cmd := s.account.command(s.Dir, bash, "-euo", "pipefail")
	cmd.Stdin = strings.NewReader(script)
	cmd.Env = append(os.Environ(), append(env, "PATH="+filepath.Dir(ctl)+string(filepath.ListSeparator)+os.Getenv("PATH"))...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })
	defer stop()
	err = cmd.Wait()
	return out.Bytes(), err
}
