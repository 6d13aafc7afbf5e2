package storetest

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/clientele-go/clientele/store"
)

// A follower keeps a copy of what a store holds by its feed alone.
type follower struct {
	limit int
	since store.Revision
	known map[string]store.Changed
}

// follow takes one answer of Changes.
func (f *follower) follow(t testing.TB, s store.Store, wait time.Duration) (store.Feed, error) {
	feed, err := s.Changes(t.Context(), f.since, wait, f.limit)
	if err != nil {
		return feed, err
	}
	if err := wellFormed(f.since, f.limit, feed); err != nil {
		return feed, err
	}
	for _, c := range feed.Changed {
		f.known[c.ID] = c
	}
	f.since = feed.Revision
	return feed, nil
}

// check compares the copy with the store.
func (f *follower) check(s fixture) {
	s.t.Helper()
	there := map[string]bool{}
	for _, r := range s.list(store.Query{Kind: "client", Limit: store.MaxLimit}).Records {
		there[r.ID] = true
		if c := f.known[r.ID]; c.Deleted || c.Revision != r.Version {
			s.t.Errorf("the store has %s at version %d, the follower heard %+v", r.ID, r.Version, c)
		}
	}
	for id, c := range f.known {
		if !c.Deleted && !there[id] {
			s.t.Errorf("the follower heard %+v, the store has no %s", c, id)
		}
	}
}

// followWriters runs writers through each of stores, and a follower of each
// with several limits, and checks that they missed nothing.
func followWriters(t *testing.T, stores ...fixture) {
	const perStore, each = 6, 100
	limits := []int{1, 3, store.MaxLimit}
	var acknowledged atomic.Int64
	var left atomic.Int32
	left.Store(int32(len(stores) * perStore))
	for i := range 4 {
		stores[0].put(bare(fmt.Sprint("shared ", i)))
	}
	followers := make([]*follower, len(stores)*len(limits))
	for i := range followers {
		followers[i] = &follower{limit: limits[i%len(limits)], known: map[string]store.Changed{}}
	}
	together(t, len(stores)*perStore+len(followers), func(i int) error {
		if i < len(followers) {
			s, f := stores[i/len(limits)], followers[i]
			for {
				last, acked := left.Load() == 0, store.Revision(acknowledged.Load())
				feed, err := f.follow(t, s, 5*time.Millisecond)
				if err != nil {
					return err
				}
				if !feed.More && feed.Revision < acked {
					return fmt.Errorf("the feed ends at %d, but %d was acknowledged before", feed.Revision, acked)
				}
				if last && len(feed.Changed) == 0 {
					return nil
				}
			}
		}
		defer left.Add(-1)
		i -= len(followers)
		return write(t, stores[i%len(stores)], i, each, &acknowledged)
	})
	for i, f := range followers {
		f.check(stores[i/len(limits)])
	}
}

// write puts n records of its own, deletes every fifth of them, and changes one
// that it shares with others each time, or fails to.
func write(t testing.TB, s store.Store, writer, n int, acknowledged *atomic.Int64) error {
	acknowledge := func(rev store.Revision) {
		for {
			old := acknowledged.Load()
			if int64(rev) <= old || acknowledged.CompareAndSwap(old, int64(rev)) {
				return
			}
		}
	}
	for i := range n {
		own := bare(fmt.Sprintf("own %d of %d", i, writer))
		shared, err := s.Get(t.Context(), "client", fmt.Sprint("shared ", i%4))
		if err != nil {
			return err
		}
		rev, err := s.Apply(t.Context(), store.Put(own), store.Append(store.Record{Kind: "audit", ID: own.ID}), store.Put(shared))
		if errors.Is(err, store.ErrConflict) {
			rev, err = s.Apply(t.Context(), store.Put(own))
		}
		if err != nil {
			return err
		}
		acknowledge(rev)
		if i%5 == 4 {
			if rev, err = s.Apply(t.Context(), store.Delete("client", own.ID, rev)); err != nil {
				return err
			}
			acknowledge(rev)
		}
	}
	return nil
}

// wellFormed checks what is true of every answer of Changes.
func wellFormed(since store.Revision, limit int, f store.Feed) error {
	last := since
	for i, c := range f.Changed {
		switch {
		case c.Revision < last || c.Revision <= since:
			return fmt.Errorf("since %d: revision %d after %d", since, c.Revision, last)
		case c.Revision > f.Revision:
			return fmt.Errorf("since %d: revision %d in a feed until %d", since, c.Revision, f.Revision)
		case c.Revision > last && i >= limit:
			return fmt.Errorf("since %d: revision %d begins as change %d, limit %d", since, c.Revision, i, limit)
		}
		last = c.Revision
		for _, other := range f.Changed[:i] {
			if other.Kind == c.Kind && other.ID == c.ID {
				return fmt.Errorf("since %d: %s %s stands there twice", since, c.Kind, c.ID)
			}
		}
	}
	switch {
	case f.Revision < since:
		return fmt.Errorf("since %d: the feed goes back to revision %d", since, f.Revision)
	case f.More && len(f.Changed) == 0:
		return fmt.Errorf("since %d: nothing, but More", since)
	}
	return nil
}
