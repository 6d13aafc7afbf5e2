package storetest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/clientele-go/clientele/store"
)

var contextCases = []testCase{
	{"a context that was cancelled before changes nothing", with(testContextCancelled)},
	{"a deadline that has passed before changes nothing", with(testContextDeadline)},
	{"a context that ends during Apply leaves all or nothing", with(testContextDuring)},
	{"a context that ends during a read harms nobody else", with(testContextReads)},
}

// A call is a call of one of the methods, with arguments that are in order.
type call struct {
	says string
	do   func(ctx context.Context, s store.Store) error
}

var calls = []call{
	{"Get", func(ctx context.Context, s store.Store) error {
		_, err := s.Get(ctx, "client", "there")
		return err
	}},
	{"Get of nothing", func(ctx context.Context, s store.Store) error {
		_, err := s.Get(ctx, "client", "not there")
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		return err
	}},
	{"List", func(ctx context.Context, s store.Store) error {
		_, err := s.List(ctx, store.Query{Kind: "client"})
		return err
	}},
	{"List with a count", func(ctx context.Context, s store.Store) error {
		_, err := s.List(ctx, store.Query{Kind: "client", Labels: labels("team", "risk"), Text: "text", Count: true, Descending: true})
		return err
	}},
	{"Apply of a put", func(ctx context.Context, s store.Store) error {
		_, err := s.Apply(ctx, store.Put(store.Record{Kind: "client", ID: "new"}))
		return err
	}},
	{"Apply of an append", func(ctx context.Context, s store.Store) error {
		_, err := s.Apply(ctx, store.Append(store.Record{Kind: "client", ID: "new event"}))
		return err
	}},
	{"Changes", func(ctx context.Context, s store.Store) error {
		_, err := s.Changes(ctx, 0, 0, 0)
		return err
	}},
	{"Changes since Latest", func(ctx context.Context, s store.Store) error {
		_, err := s.Changes(ctx, store.Latest, 0, 0)
		return err
	}},
	{"Changes that may wait", func(ctx context.Context, s store.Store) error {
		_, err := s.Changes(ctx, 0, time.Hour, 0)
		return err
	}},
	{"Sweep", func(ctx context.Context, s store.Store) error {
		_, err := s.Sweep(ctx, day(2), 0)
		return err
	}},
}

// wantAll checks that every call fails with want, and changes nothing.
func (s fixture) wantAll(ctx context.Context, want error) {
	s.t.Helper()
	s.put(full("there"))
	s.apply(store.Append(full("appended")))
	before := s.state("client")
	for _, c := range calls {
		wantError(s.t, c.says, c.do(ctx, s.Store), want)
	}
	s.wantState(before)
	for _, c := range calls {
		if err := c.do(soon(s.t), s.Store); err != nil {
			s.t.Errorf("%s after that: %v", c.says, err)
		}
	}
}

func testContextCancelled(t *testing.T, s fixture) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("a cause"))
	s.wantAll(ctx, context.Canceled)
}

func testContextDeadline(t *testing.T, s fixture) {
	ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	s.wantAll(ctx, context.DeadlineExceeded)
}

func testContextDuring(t *testing.T, s fixture) {
	const rounds = 100
	done := make([]bool, rounds)
	for i := range rounds {
		// A little later each time: before, during and after Apply.
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i)*5*time.Microsecond)
		id := fmt.Sprintf("%03d", i)
		_, err := s.Apply(ctx, store.Put(named(id, id)), store.Append(store.Record{Kind: "audit", ID: id}))
		cancel()
		done[i] = err == nil
		if _, is := errors.AsType[*store.ChangeError](err); is || errors.Is(err, store.ErrInvalid) {
			t.Errorf("Apply whose context ended: %v", err)
		}
	}
	put, appended := map[string]bool{}, map[string]bool{}
	for _, r := range s.list(store.Query{Kind: "client", Limit: store.MaxLimit}).Records {
		put[r.ID] = true
	}
	for _, r := range s.list(store.Query{Kind: "audit", Limit: store.MaxLimit}).Records {
		appended[r.ID] = true
	}
	for i := range rounds {
		id := fmt.Sprintf("%03d", i)
		switch {
		case put[id] != appended[id]:
			t.Errorf("Apply %d was made in part: put %t, appended %t", i, put[id], appended[id])
		case done[i] && !put[id]:
			t.Errorf("Apply %d was acknowledged, but is not there", i)
		case !put[id]:
			s.put(named(id, id)) // nothing of it stands in the way
		}
	}
	s.wantTaken("000", "099")
}

func testContextReads(t *testing.T, s fixture) {
	s.fill(50)
	together(t, 8, func(i int) error {
		for n := range 50 {
			ctx, cancel := context.WithCancel(t.Context())
			if i%2 == 0 {
				go cancel()
			}
			p, err := s.List(ctx, store.Query{Kind: "client", Count: true})
			cancel()
			switch {
			case err == nil && (len(p.Records) != 50 || p.Total != 50):
				return fmt.Errorf("a List returned %d of 50 records, Total %d, and no error", len(p.Records), p.Total)
			case err != nil && i%2 == 1:
				return fmt.Errorf("the List number %d, whose context was not cancelled: %w", n, err)
			case err != nil && !errors.Is(err, context.Canceled):
				return fmt.Errorf("a List whose context was cancelled: %w", err)
			}
		}
		return nil
	})
}
