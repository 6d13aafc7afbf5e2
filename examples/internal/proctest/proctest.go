// Package proctest runs the example programs as processes of their own, and
// follows what they do by their logs: what a program says with slog, as JSON on
// standard error.
//
//	func TestMain(m *testing.M) { proctest.Main(m, main) }
//	…
//	p := proctest.Start(t, proctest.Self(t), "-addr", "127.0.0.1:0")
//	record := p.Wait("authserver listens")
//	p.Signal(syscall.SIGTERM)
//	code, stderr := p.Exit()
package proctest

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// patience is how long a process may take for anything: far longer than it does.
const patience = time.Minute

// maxLines is how many lines of a log are kept for Wait before the process waits
// for them to be read.
const maxLines = 10_000

// asProgram, in the environment, makes a test binary the program that it tests.
const asProgram = "CLIENTELE_EXAMPLE_PROGRAM"

// Main is what TestMain does: it runs the tests or, in a process that Start has
// started, the program itself. So the program is part of the test binary, and go
// test never takes the result of an older one from its cache.
func Main(m *testing.M, program func()) {
	if os.Getenv(asProgram) == "" {
		os.Exit(m.Run())
	}
	program()
	os.Exit(0)
}

// Self returns the path of the test binary, the program of Main.
func Self(t testing.TB) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// Environ returns the environment in which Self is the program, for what starts it
// in its turn.
func Environ() []string { return append(os.Environ(), asProgram+"=1") }

// Build builds another example, the one in a folder beside that of the test, and
// returns the path of the program, which is there until the end of the test.
func Build(t testing.TB, name string) string {
	t.Helper()
	return BuildIn(t, t.TempDir(), name)
}

// BuildIn builds another example like Build, into a folder that is there already,
// with flags for go build.
func BuildIn(t testing.TB, folder, name string, flags ...string) string {
	t.Helper()
	// Not of use but to be seen by go test, which then knows when a result in
	// its cache is out of date.
	sources, err := filepath.Glob(filepath.Join("..", name, "*.go"))
	if err != nil || len(sources) == 0 {
		t.Fatalf("there is no example %s beside this one: %v", name, err)
	}
	for _, path := range sources {
		if _, err := os.ReadFile(path); err != nil {
			t.Fatal(err)
		}
	}
	program := filepath.Join(folder, name)
	args := append([]string{"build", "-o", program}, flags...)
	out, err := exec.Command("go", append(args, "../"+name)...).CombinedOutput()
	if err != nil {
		t.Fatalf("building %s: %v\n%s", name, err, out)
	}
	return program
}

// At sends every request to one address, over http, whatever its URL says: for
// those that know a program by an issuer that no name leads to.
type At string

// RoundTrip implements http.RoundTripper.
func (address At) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.URL.Scheme, r.URL.Host = "http", string(address)
	return http.DefaultTransport.RoundTrip(r)
}

// A Process is a program that was started. Its methods are called by one
// goroutine, that of the test.
type Process struct {
	t     testing.TB
	cmd   *exec.Cmd
	lines chan string // of standard error; closed at its end
	log   strings.Builder
	ended bool
}

// Start starts a program. It is killed at the end of the test if it still runs.
func Start(t testing.TB, program string, args ...string) *Process {
	t.Helper()
	p := &Process{t: t, cmd: exec.Command(program, args...), lines: make(chan string, maxLines)}
	p.cmd.Env = Environ()
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.lines)
		for scanner := bufio.NewScanner(stderr); scanner.Scan(); {
			p.lines <- scanner.Text()
		}
	}()
	t.Cleanup(func() {
		if !p.ended {
			p.Kill()
		}
	})
	return p
}

// Output runs a program to its end and returns what it wrote to standard output.
// It ends the test if the program fails.
func Output(t testing.TB, program string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = Environ()
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s%s", filepath.Base(program), err, out, stderr.String())
	}
	return string(out)
}

// Wait returns the next record of the log with that message. It ends the test if
// there is none, because the process ends or takes too long.
func (p *Process) Wait(message string) map[string]any {
	p.t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case line, ok := <-p.lines:
			if !ok {
				p.t.Fatalf("the process ended before it logged %q:\n%s", message, p.log.String())
			}
			p.log.WriteString(line + "\n")
			var record map[string]any
			if json.Unmarshal([]byte(line), &record) == nil && record["msg"] == message {
				return record
			}
		case <-deadline:
			p.t.Fatalf("the process did not log %q within %v:\n%s", message, patience, p.log.String())
		}
	}
}

// Signal sends the process a signal.
func (p *Process) Signal(signal os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(signal); err != nil {
		p.t.Fatalf("sending %v: %v", signal, err)
	}
}

// Kill ends the process as a loss of power would: without a chance to do anything
// (SIGKILL). It returns when the process is gone.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill() // in vain if it has just ended
	p.end()
}

// Exit waits until the process ends by itself, and returns its exit code and all
// that it wrote to standard error.
func (p *Process) Exit() (code int, stderr string) {
	p.t.Helper()
	timer := time.AfterFunc(patience, func() { _ = p.cmd.Process.Kill() })
	err := p.end()
	if !timer.Stop() {
		p.t.Fatalf("the process did not end within %v:\n%s", patience, p.log.String())
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		p.t.Fatal(err)
	}
	return p.cmd.ProcessState.ExitCode(), p.log.String()
}

// end reads the log to its end, which is that of the process.
func (p *Process) end() error {
	p.ended = true
	for line := range p.lines {
		p.log.WriteString(line + "\n")
	}
	return p.cmd.Wait()
}
