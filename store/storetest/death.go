package storetest

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/clientele-go/clientele/store"
)

var deathCases = []testCase{
	{"a process that is killed loses nothing that it acknowledged", testDeathKilled},
	{"two processes work on the same data", testDeathTwo},
}

// childTask and childDir tell a process of the test binary that it is the child
// of another one, what to do, and with which data.
const (
	childTask = "CLIENTELE_STORETEST_TASK"
	childDir  = "CLIENTELE_STORETEST_DIR"

	taskWrite = "write" // until killed
	taskSum   = "sum"   // increments, and ends
)

// Lines of the output of a child begin with this; the others are of package
// testing.
const acknowledged = "acknowledged "

const sumEach = 50

func isChild() bool { return os.Getenv(childTask) != "" }

// runChild is what Run does in a child.
func runChild(t *testing.T, cfg Config) {
	s := openAt(t, cfg, os.Getenv(childDir), "main")
	switch task := os.Getenv(childTask); task {
	case taskWrite:
		first := s.list(store.Query{Kind: "client", Count: true}).Total
		for i := first; ; i++ {
			rev := s.apply(triple(i)...)
			if _, err := fmt.Printf("%s%d %d\n", acknowledged, i, rev); err != nil {
				t.Fatal(err) // the parent is gone
			}
		}
	case taskSum:
		if err := increment(t, s, sumEach); err != nil {
			t.Fatal(err)
		}
		rev := s.put(bare("the end")).Version
		fmt.Printf("%s%d %d\n", acknowledged, sumEach, rev)
	default:
		t.Fatalf("unknown task %q", task)
	}
}

// triple returns changes that are there all or none: the i-th of a series.
func triple(i int) []store.Change {
	id := fmt.Sprintf("%06d", i)
	r := full(id)
	event := full(id)
	event.Kind, event.Data = "audit", bytes.Repeat([]byte{byte(i)}, 5000)
	return []store.Change{store.Put(r), store.Append(event), store.Put(store.Record{Kind: "other", ID: id})}
}

// child starts the test binary again, in the test that called Run.
func child(t *testing.T, task, dir string) (cmd *exec.Cmd, output io.Reader, stderr *bytes.Buffer) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	names := strings.Split(t.Name(), "/")
	for i, name := range names {
		names[i] = "^" + regexp.QuoteMeta(name) + "$"
	}
	caller := strings.Join(names[:len(names)-2], "/") // without the group and the case
	cmd = exec.CommandContext(t.Context(), exe, "-test.run="+caller, "-test.count=1", "-test.timeout=5m")
	cmd.Env = append(os.Environ(), childTask+"="+task, childDir+"="+dir)
	stderr = new(bytes.Buffer)
	cmd.Stderr = stderr
	output, err = cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, output, stderr
}

// An acknowledgement is what a child said that it has done.
type acknowledgement struct {
	n   int
	rev store.Revision
}

func parseAcknowledgement(line string) (a acknowledgement, ok bool) {
	// The first may follow what package testing wrote without a line end.
	_, rest, ok := strings.Cut(line, acknowledged)
	if !ok {
		return a, false
	}
	n, rev, ok := strings.Cut(strings.TrimSpace(rest), " ")
	if !ok {
		return a, false
	}
	var err1, err2 error
	a.n, err1 = strconv.Atoi(n)
	v, err2 := strconv.ParseInt(rev, 10, 64)
	a.rev = store.Revision(v)
	return a, err1 == nil && err2 == nil
}

func testDeathKilled(t *testing.T, cfg Config) {
	if cfg.Volatile {
		t.Skip("the store is volatile")
	}
	const rounds, each = 3, 40
	dir := t.TempDir()
	var all []acknowledgement
	for range rounds {
		cmd, output, stderr := child(t, taskWrite, dir)
		timer := time.AfterFunc(2*patience, func() { _ = cmd.Process.Kill() })
		lines, begin := bufio.NewScanner(output), len(all)
		var other []string
		for lines.Scan() {
			a, ok := parseAcknowledgement(lines.Text())
			if !ok {
				other = append(other, lines.Text())
				continue
			}
			all = append(all, a)
			if len(all) == begin+each {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		timer.Stop()
		_ = cmd.Wait() // says that it was killed
		if len(all) < begin+each {
			t.Fatalf("the child ended by itself, after %d Applies:\n%s\n%s", len(all)-begin, strings.Join(other, "\n"), stderr)
		}
		s := openAt(t, cfg, dir, "main")
		wantAcknowledged(s, all)
		s.close()
	}
	s := openAt(t, cfg, dir, "main")
	if rev := s.put(full("after")).Version; rev <= all[len(all)-1].rev {
		t.Errorf("revision %d after %d", rev, all[len(all)-1].rev)
	}
}

// wantAcknowledged checks that all of a child's Applies are there whole, and of
// others at most one per life, whole too.
func wantAcknowledged(s fixture, all []acknowledgement) {
	s.t.Helper()
	for _, a := range all {
		s.wantTriple(a.n, a.rev)
	}
	total := s.list(store.Query{Kind: "client", Count: true}).Total
	if last := all[len(all)-1].n; total != last+1 && total != last+2 {
		s.t.Fatalf("%d records are there, %d were acknowledged", total, last+1)
	}
	for i := range total {
		id := fmt.Sprintf("%06d", i)
		s.wantTriple(i, s.get("client", id).Version)
	}
	for _, kind := range []store.Kind{"audit", "other"} {
		if n := s.list(store.Query{Kind: kind, Count: true}).Total; n != total {
			s.t.Errorf("%d records of kind client, but %d of kind %s", total, n, kind)
		}
	}
	f := &follower{limit: store.MaxLimit, known: map[string]store.Changed{}}
	if _, err := f.follow(s.t, s, 0); err != nil {
		s.t.Fatal(err)
	}
	f.check(s)
}

func (s fixture) wantTriple(i int, rev store.Revision) {
	s.t.Helper()
	for _, c := range triple(i) {
		r := c.Record
		if c.Op == store.OpPut {
			r.Version = rev
		}
		s.wantRecord(r)
	}
}

func testDeathTwo(t *testing.T, cfg Config) {
	if cfg.Volatile || cfg.Exclusive {
		t.Skip("the data can be open only once at a time")
	}
	s := open(t, cfg)
	s.put(numbered(bare("sum"), 0))
	since := s.latest()
	cmd, output, stderr := child(t, taskSum, s.dir)
	together(t, 3, func(i int) error {
		switch i {
		case 0:
			said, err := io.ReadAll(output)
			if err == nil {
				err = cmd.Wait()
			}
			if err != nil {
				return fmt.Errorf("the child: %w\n%s%s", err, said, stderr)
			}
			return nil
		case 1:
			return increment(t, s, sumEach)
		}
		// Wait for the other process to come to its end.
		ctx := soon(t)
		for {
			f, err := s.Changes(ctx, since, time.Hour, 0)
			if err != nil {
				return fmt.Errorf("following the other process: %w", err)
			}
			for _, c := range f.Changed {
				if c.ID == "the end" {
					return nil
				}
			}
			since = f.Revision
		}
	})
	if got := string(s.get("client", "sum").Data); got != strconv.Itoa(2*sumEach) {
		t.Errorf("the sum is %s, want %d", got, 2*sumEach)
	}
}
