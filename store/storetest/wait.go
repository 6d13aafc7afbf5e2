package storetest

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/clientele-go/clientele/store"
)

var waitCases = []testCase{
	{"does not wait if there is something", with(testWaitSomething)},
	{"does not wait if wait is 0 or less", with(testWaitZero)},
	{"waits as long as it may, then returns nothing", with(testWaitEnds)},
	{"is woken by a put", with(testWaitPut)},
	{"is woken by a deletion", with(testWaitDelete)},
	{"is woken again and again", with(testWaitAgain)},
	{"wakes everybody", with(testWaitAll)},
	{"is not woken by what does not stand in the feed", with(testWaitSilence)},
	{"waits for as long as can be said", with(testWaitLong)},
	{"ends with its context", with(testWaitContext)},
}

// An answer is what Changes returned.
type answer struct {
	feed store.Feed
	err  error
}

// waiting calls Changes in another goroutine, and returns how to get its
// answer, once it looks as if it waits.
func (s fixture) waiting(ctx context.Context, since store.Revision, wait time.Duration) func() answer {
	s.t.Helper()
	answers := make(chan answer, 1)
	go func() {
		feed, err := s.Changes(ctx, since, wait, 0)
		answers <- answer{feed, err}
	}()
	select {
	case a := <-answers:
		s.t.Fatalf("Changes did not wait: %+v, %v", a.feed, a.err)
	case <-time.After(glance):
	}
	return func() answer {
		s.t.Helper()
		select {
		case a := <-answers:
			return a
		case <-time.After(patience):
			s.t.Fatal("Changes still waits")
			return answer{}
		}
	}
}

// wantWoken checks that a waiting Changes says want when change is done.
func (s fixture) wantWoken(since store.Revision, wait time.Duration, change func(), want string) {
	s.t.Helper()
	result := s.waiting(s.t.Context(), since, wait)
	change()
	a := result()
	if a.err != nil || len(a.feed.Changed) != 1 || feedOf(a.feed)[0] != want {
		s.t.Fatalf("Changes was woken with %+v, %v; want %q", a.feed, a.err, want)
	}
}

func testWaitSomething(t *testing.T, s fixture) {
	s.put(bare("a"))
	f, err := s.Changes(soon(t), 0, time.Hour, 0)
	if err != nil || len(f.Changed) != 1 {
		t.Errorf("Changes = %+v, %v; want one change at once", f, err)
	}
}

func testWaitZero(t *testing.T, s fixture) {
	rev := s.put(bare("a")).Version
	for _, wait := range []time.Duration{0, -1, -time.Hour, math.MinInt64} {
		f, err := s.Changes(soon(t), rev, wait, 0)
		if err != nil || len(f.Changed) != 0 || f.More || f.Revision < rev {
			t.Errorf("Changes, wait %v = %+v, %v; want nothing at once", wait, f, err)
		}
	}
}

// wantSilence checks that Changes waits all the time it may while other is done.
func (s fixture) wantSilence(since store.Revision, other func()) {
	s.t.Helper()
	const wait = 4 * glance
	answers := make(chan answer, 1)
	begin := time.Now()
	go func() {
		feed, err := s.Changes(s.t.Context(), since, wait, 0)
		answers <- answer{feed, err}
	}()
	<-time.After(glance)
	other()
	select {
	case a := <-answers:
		if a.err != nil || len(a.feed.Changed) != 0 || a.feed.More || a.feed.Revision < since {
			s.t.Errorf("Changes = %+v, %v; want nothing at %d", a.feed, a.err, since)
		}
	case <-time.After(patience):
		s.t.Fatalf("Changes still waits, after %v", time.Since(begin))
	}
	if took := time.Since(begin); took < wait {
		s.t.Errorf("Changes waited for %v, want %v", took, wait)
	}
}

func testWaitEnds(t *testing.T, s fixture) {
	s.wantSilence(0, func() {})
	s.wantSilence(s.put(bare("a")).Version, func() {})
}

func testWaitPut(t *testing.T, s fixture) {
	s.wantWoken(0, time.Hour, func() { s.put(bare("a")) }, "+a")
	s.wantWoken(s.latest(), time.Hour, func() { s.put(s.get("client", "a")) }, "+a")
}

func testWaitDelete(t *testing.T, s fixture) {
	a := s.put(bare("a"))
	s.wantWoken(a.Version, time.Hour, func() { s.delete(a) }, "-a")
}

// testWaitAgain lets a writer wait for a follower that waits for the writer: a
// wake-up that is lost once in a while is lost here, and both wait for ever.
func testWaitAgain(t *testing.T, s fixture) { pingPong(t, s, s, 50_000) }

// pingPong writes through one store what is waited for through another, until
// it has taken too long or there were so many rounds. Both come a little later
// each time, so that now and then the one writes just when the other, having
// found nothing, begins to wait.
func pingPong(t *testing.T, writer, reader fixture, rounds int) {
	t.Helper()
	ctx, cancel := context.WithCancel(soon(t))
	defer cancel()
	r := writer.put(bare("ping"))
	since := r.Version
	var heard atomic.Int64
	heard.Store(int64(since))
	dawdle := func(steps int) {
		for range steps {
			_ = heard.Load() // takes about a nanosecond
		}
	}
	failed := make(chan error, 1)
	go func() {
		for i := 0; ; i++ {
			dawdle(i % 101 * 25)
			f, err := reader.Changes(ctx, since, time.Hour, 0)
			if err != nil || len(f.Changed) != 1 {
				failed <- fmt.Errorf("since %d: Changes = %+v, %v; want one change", since, f, err)
				return
			}
			since = f.Revision
			heard.Store(int64(since))
		}
	}()
	end := time.Now().Add(patience / 30)
	for i := 0; i < rounds && time.Now().Before(end); i++ {
		for store.Revision(heard.Load()) != r.Version {
			select {
			case err := <-failed:
				t.Fatalf("round %d: %v", i, err)
			default:
				runtime.Gosched()
			}
		}
		dawdle(i % 11 * 100)
		r = writer.put(r)
	}
}

func testWaitAll(t *testing.T, s fixture) {
	since := s.put(bare("a")).Version
	answers := make(chan answer, writers)
	for range writers {
		go func() {
			feed, err := s.Changes(t.Context(), since, time.Hour, 0)
			answers <- answer{feed, err}
		}()
	}
	s.wantWoken(since, time.Hour, func() { s.put(bare("b")) }, "+b")
	for range writers {
		select {
		case a := <-answers:
			if a.err != nil || len(a.feed.Changed) != 1 {
				t.Fatalf("Changes = %+v, %v; want one change", a.feed, a.err)
			}
		case <-time.After(patience):
			t.Fatal("somebody still waits")
		}
	}
}

func testWaitSilence(t *testing.T, s fixture) {
	swept := bare("swept")
	swept.Expires = day(0)
	s.apply(store.Put(swept), store.Append(bare("appended")))
	s.wantSilence(s.latest(), func() {
		for i := range 5 {
			s.apply(store.Append(store.Record{Kind: "audit", ID: fmt.Sprint(i), Expires: day(0)}))
		}
	})
	s.wantSilence(s.latest(), func() { s.sweep(day(1), 0) })
	s.wantSilence(s.latest(), func() {
		_, err := s.Apply(t.Context(), store.Put(bare("new")), store.Put(bare("appended")))
		wantError(t, "Apply", err, store.ErrExists)
	})
}

func testWaitLong(t *testing.T, s fixture) {
	s.wantWoken(0, math.MaxInt64, func() { s.put(bare("a")) }, "+a")
}

func testWaitContext(t *testing.T, s fixture) {
	rev := s.put(bare("a")).Version
	ctx, cancel := context.WithCancel(t.Context())
	result := s.waiting(ctx, rev, time.Hour)
	cancel()
	wantError(t, "Changes whose context was cancelled", result().err, context.Canceled)

	ctx, cancel = context.WithTimeout(t.Context(), glance)
	defer cancel()
	_, err := s.Changes(ctx, rev, time.Hour, 0)
	wantError(t, "Changes whose deadline has passed", err, context.DeadlineExceeded)

	// It disturbed nobody, and can be called again.
	s.wantWoken(rev, time.Hour, func() { s.put(bare("b")) }, "+b")
}
