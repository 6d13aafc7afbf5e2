// Package observetest has an Observer that remembers, for tests of what is told to
// one.
package observetest

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/clientele-go/clientele/observe"
)

// An Ended is an operation that has ended.
type Ended struct {
	observe.Result
	Op     observe.Operation
	Parent observe.Operation // within which it began; empty: none
}

// Label returns the value of a label, or "".
func (e Ended) Label(key string) string {
	for _, l := range e.Labels {
		if l.Key == key {
			return l.Value
		}
	}
	return ""
}

// Detail returns the value of a detail as text, or "".
func (e Ended) Detail(key string) string {
	for _, a := range e.Details {
		if a.Key == key {
			return a.Value.String()
		}
	}
	return ""
}

// A Recorder is an observe.Observer that remembers what it is told.
type Recorder struct {
	// Back, if set, is called by each method: to call back into what is
	// observed, which would never return if that held a lock.
	Back func()

	t       testing.TB
	mu      sync.Mutex
	ended   []Ended
	running map[*started]bool
	counts  map[string]int
}

type started struct {
	op     observe.Operation
	parent observe.Operation
}

type contextKey struct{}

// New returns a Recorder. At the end of the test it checks that each operation
// has ended.
func New(t testing.TB) *Recorder {
	r := &Recorder{t: t, running: map[*started]bool{}, counts: map[string]int{}}
	t.Cleanup(func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		for s := range r.running {
			t.Errorf("%s has begun and not ended", s.op)
		}
	})
	return r
}

// Start implements observe.Observer.
func (r *Recorder) Start(ctx context.Context, op observe.Operation) context.Context {
	s := &started{op: op}
	if parent, ok := ctx.Value(contextKey{}).(*started); ok {
		s.parent = parent.op
	}
	r.mu.Lock()
	r.running[s] = true
	r.mu.Unlock()
	r.back()
	return context.WithValue(ctx, contextKey{}, s)
}

// End implements observe.Observer.
func (r *Recorder) End(ctx context.Context, op observe.Operation, result observe.Result) {
	s, _ := ctx.Value(contextKey{}).(*started)
	r.mu.Lock()
	switch {
	case s == nil || s.op != op:
		r.t.Errorf("%s has ended with a context of another operation", op)
	case !r.running[s]:
		r.t.Errorf("%s has ended twice", op)
	case op.Text() == "":
		r.t.Errorf("%s is no operation", op)
	case result.Took < 0 || (result.Reason == "") != (result.Outcome == observe.OK):
		r.t.Errorf("%s has ended with %+v", op, result)
	default:
		delete(r.running, s)
		r.ended = append(r.ended, Ended{result, op, s.parent})
	}
	r.mu.Unlock()
	r.back()
}

// Count implements observe.Observer.
func (r *Recorder) Count(_ context.Context, counter observe.Counter, label string, n int) {
	r.mu.Lock()
	if counter.Info().Unit == "" || n < 1 {
		r.t.Errorf("%s is counted with %d", counter, n)
	}
	r.counts[string(counter)+" "+label] += n
	r.mu.Unlock()
	r.back()
}

func (r *Recorder) back() {
	if r.Back != nil {
		r.Back()
	}
}

// All returns the operations of that name that have ended, in the order of their
// ends, and forgets them.
func (r *Recorder) All(op observe.Operation) []Ended {
	r.mu.Lock()
	defer r.mu.Unlock()
	var found, others []Ended
	for _, e := range r.ended {
		if e.Op == op {
			found = append(found, e)
		} else {
			others = append(others, e)
		}
	}
	r.ended = others
	return found
}

// One returns the one operation of that name that has ended, and forgets it.
func (r *Recorder) One(op observe.Operation) Ended {
	r.t.Helper()
	all := r.All(op)
	if len(all) != 1 {
		r.t.Fatalf("%d of %s have ended, want one: %+v", len(all), op, all)
	}
	return all[0]
}

// Counted returns how often something was counted, since it was asked last.
func (r *Recorder) Counted(counter observe.Counter, label string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	key := string(counter) + " " + label
	n := r.counts[key]
	delete(r.counts, key)
	return n
}

// Text returns all that r remembers, in words: to look for what must not be there.
func (r *Recorder) Text() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var b strings.Builder
	for _, e := range r.ended {
		fmt.Fprintf(&b, "%+v\n", e)
	}
	fmt.Fprintf(&b, "%v\n", r.counts)
	return b.String()
}

// Gauges returns what a Source tells, by gauge and label.
func Gauges(s observe.Source) map[string]float64 {
	values := map[string]float64{}
	s.Gauges(func(g observe.Gauge, label string, value float64) { values[string(g)+" "+label] = value })
	return values
}
