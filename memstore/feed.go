package memstore

import (
	"context"
	"time"

	"github.com/clientele-go/clientele/store"
)

// How long a deletion is remembered, at least.
const memory = time.Hour

// Changes returns what was put or deleted after since, and waits for it if need
// be. See [store.Store].
func (s *Store) Changes(ctx context.Context, since store.Revision, wait time.Duration, limit int) (store.Feed, error) {
	if err := store.CheckLimit(limit); err != nil {
		return store.Feed{}, err
	}
	if limit == 0 {
		limit = store.DefaultLimit
	}
	var expired <-chan time.Time
	for {
		feed, changed, err := s.since(ctx, since, limit)
		if err != nil || len(feed.Changed) > 0 || since == store.Latest || wait <= 0 {
			return feed, err
		}
		if expired == nil {
			timer := time.NewTimer(wait)
			defer timer.Stop()
			expired = timer.C
		}
		select {
		case <-changed:
		case <-expired:
			wait = 0 // look once more, so that what is returned is true now
		case <-ctx.Done():
			return store.Feed{}, ctx.Err()
		}
	}
}

// since returns what there is after a revision, and a channel that is closed
// when there is more: taken under the same lock, so that nothing falls between.
func (s *Store) since(ctx context.Context, since store.Revision, limit int) (store.Feed, <-chan struct{}, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := s.usable(ctx); err != nil {
		return store.Feed{}, nil, err
	}
	feed := store.Feed{Revision: s.revision}
	if since == store.Latest {
		return feed, s.changed, nil
	}
	if since < s.forgotten || since > s.revision {
		return store.Feed{}, nil, store.ErrTooOld
	}
	start := &entry{}
	start.Version = since + 1
	for e := range s.feed.up(start) {
		if n := len(feed.Changed); n >= limit && e.Version != feed.Changed[n-1].Revision {
			feed.Revision = feed.Changed[n-1].Revision
			feed.More = true
			break
		}
		feed.Changed = append(feed.Changed, store.Changed{
			Kind: e.Kind, ID: e.ID, Revision: e.Version, Deleted: !e.deleted.IsZero(),
		})
	}
	return feed, s.changed, nil
}

// Sweep drops records that expired before a time, and forgets deletions that
// are older than an hour. See [store.Store].
func (s *Store) Sweep(ctx context.Context, before time.Time, limit int) (int, error) {
	if err := store.CheckLimit(limit); err != nil {
		return 0, err
	}
	if limit == 0 {
		limit = store.DefaultLimit
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usable(ctx); err != nil {
		return 0, err
	}
	// What is walked through is not changed meanwhile: collect, then drop.
	var gone []*entry
	for e := range s.expiring.up(nil) {
		if len(gone) == limit || !e.Expires.Before(before) {
			break
		}
		gone = append(gone, e)
	}
	for _, e := range gone {
		s.remove(s.kinds[e.Kind], e)
	}
	var old []*entry
	now := time.Now()
	for d := range s.deletions.up(nil) {
		if now.Sub(d.deleted) <= memory {
			break
		}
		old = append(old, d)
	}
	for _, d := range old {
		s.forget(s.kinds[d.Kind], d)
		s.forgotten = d.Version
	}
	return len(gone), nil
}
