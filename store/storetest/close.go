package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/clientele-go/clientele/store"
)

var closeCases = []testCase{
	{"every method fails with ErrClosed", closable(testCloseCalls)},
	{"who waits in Changes is woken with ErrClosed", closable(testCloseWaiting)},
	{"calls that are under way end well or with ErrClosed", closable(testCloseUnderWay)},
}

// closable skips a store that cannot be closed.
func closable(run func(t *testing.T, cfg Config, s fixture)) func(*testing.T, Config) {
	return func(t *testing.T, cfg Config) {
		s := open(t, cfg)
		if !s.closable {
			t.Skip("the store cannot be closed")
		}
		run(t, cfg, s)
	}
}

func testCloseCalls(t *testing.T, _ Config, s fixture) {
	s.put(full("there"))
	s.close()
	for _, c := range calls {
		wantError(t, c.says, c.do(soon(t), s.Store), store.ErrClosed)
	}
}

func testCloseWaiting(t *testing.T, _ Config, s fixture) {
	rev := s.put(bare("a")).Version
	results := []func() answer{s.waiting(t.Context(), rev, time.Hour), s.waiting(t.Context(), rev, time.Hour)}
	s.close()
	for _, result := range results {
		wantError(t, "Changes, waiting", result().err, store.ErrClosed)
	}
}

func testCloseUnderWay(t *testing.T, cfg Config, s fixture) {
	const goroutines = 8
	var acknowledged [goroutines]int
	var count atomic.Int32
	busy := make(chan struct{})
	together(t, goroutines+1, func(i int) error {
		if i == goroutines {
			select {
			case <-busy:
			case <-time.After(patience):
			}
			s.close()
			return nil
		}
		for n := 0; ; n++ {
			r := bare(fmt.Sprintf("%d of %d", n, i))
			_, err := s.Apply(context.WithoutCancel(t.Context()), store.Put(r), store.Append(store.Record{Kind: "audit", ID: r.ID}))
			if errors.Is(err, store.ErrClosed) {
				return nil
			}
			if err != nil {
				return fmt.Errorf("an Apply while the store was closed: %w, want success or ErrClosed", err)
			}
			acknowledged[i] = n + 1
			if count.Add(1) == 5*goroutines {
				close(busy)
			}
			if _, err := s.Get(t.Context(), "client", r.ID); err != nil && !errors.Is(err, store.ErrClosed) {
				return fmt.Errorf("a Get while the store was closed: %w, want success or ErrClosed", err)
			}
		}
	})
	if cfg.Volatile {
		return
	}
	s = openAt(t, cfg, s.dir, "main")
	for i, n := range acknowledged {
		for n := range n {
			id := fmt.Sprintf("%d of %d", n, i)
			s.get("client", id)
			s.get("audit", id)
		}
	}
}
