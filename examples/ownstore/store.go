// Package ownstore is a store of one's own, as an afternoon brings it forth: a
// journal on disk and maps in memory. Read it beside the contract, which is the
// comment of [store.Store]; its test shows in three lines that all of it is kept.
//
// Two ideas carry it. What is in memory never changes, but is followed by a
// changed copy: all or nothing is a matter of keeping the copy or not. And the
// journal holds what was done, one line of JSON for each Apply and Sweep, synced
// before anybody sees the copy: opening the store does the same again. It is for
// one process at a time and some thousands of records: the journal only grows,
// each change copies the maps, and each search looks at every record.
package ownstore

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/clientele-go/clientele/store"
)

// Store keeps the records of one tenant in one file. Make one with [Open].
type Store struct {
	now  atomic.Pointer[state]
	lock chan struct{} // a mutex that one can stop waiting for; guards the rest
	file *os.File
	size int64
}

// A state is everything there is at one moment. It never changes.
type state struct {
	records  map[key]store.Record
	deleted  map[key]store.Record // with the revision as version; never forgotten
	revision store.Revision       // of the latest Apply in the feed
	err      error                // why there is nothing, and will be nothing
	next     chan struct{}        // closed when another state follows
}

type key struct{ kind, id string }

// A line of the journal is an Apply, or a Sweep if it has no Changes.
type line struct {
	Changes []store.Change `json:",omitempty"`
	Before  time.Time      `json:",omitzero"`
	Limit   int            `json:",omitzero"`
}

// Open opens the store in the file path, or makes one. A last line without an
// end was torn by a crash; nobody was told that it is there, and it is cut off.
func Open(path string) (*Store, error) {
	journal, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	journal = journal[:bytes.LastIndexByte(journal, '\n')+1]
	now := &state{records: map[key]store.Record{}, deleted: map[key]store.Record{}, next: make(chan struct{})}
	for text := range bytes.Lines(journal) {
		var l line
		if err = json.Unmarshal(text, &l); err == nil {
			now, err = now.after(l)
		}
		if err != nil {
			return nil, fmt.Errorf("%s is damaged: %w", path, err)
		}
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(file.Truncate(int64(len(journal))), file.Sync()); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	if dir, err := os.Open(filepath.Dir(path)); err == nil {
		_ = errors.Join(dir.Sync(), dir.Close()) // makes a new name last, where the system can
	}
	s := &Store{lock: make(chan struct{}, 1), file: file, size: int64(len(journal))}
	s.now.Store(now)
	return s, nil
}

// Close wakes who waits, and makes all later calls fail with [store.ErrClosed].
func (s *Store) Close() error {
	s.lock <- struct{}{}
	defer func() { <-s.lock }()
	close(s.now.Swap(&state{err: store.ErrClosed, next: make(chan struct{})}).next)
	return s.file.Close()
}

// read returns what there is now.
func (s *Store) read(ctx context.Context) (*state, error) {
	now := s.now.Load()
	return now, cmp.Or(now.err, ctx.Err())
}

// commit does what l says, if that can be done and kept.
func (s *Store) commit(ctx context.Context, l line, invalid error) (before, after *state, err error) {
	text, err := json.Marshal(l)
	if err = cmp.Or(invalid, err); err != nil {
		return nil, nil, err
	}
	select {
	case s.lock <- struct{}{}:
		defer func() { <-s.lock }()
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
	if before, err = s.read(ctx); err == nil {
		after, err = before.after(l)
	}
	if err != nil {
		return nil, nil, err
	}
	if err := s.write(append(text, '\n')); err != nil {
		// Nobody knows what the journal holds now: do nothing any more.
		after = &state{err: fmt.Errorf("open the journal again: %w", err), next: make(chan struct{})}
	}
	close(s.now.Swap(after).next) // wakes who waits
	return before, after, after.err
}

func (s *Store) write(text []byte) error {
	if info, err := s.file.Stat(); err != nil || info.Size() != s.size {
		return cmp.Or(err, errors.New("somebody else has written to it"))
	}
	s.size += int64(len(text))
	_, err := s.file.Write(text)
	return cmp.Or(err, s.file.Sync())
}

// after returns what there is after l, or the error of what cannot be done.
func (st *state) after(l line) (*state, error) {
	next := &state{maps.Clone(st.records), maps.Clone(st.deleted), st.revision, nil, make(chan struct{})}
	for i, c := range l.Changes {
		if err := next.change(c, st.revision+1); err != nil {
			return nil, &store.ChangeError{Index: i, Kind: c.Record.Kind, ID: c.Record.ID, Err: err}
		}
	}
	if l.Limit > 0 {
		expired := slices.DeleteFunc(slices.Collect(maps.Values(st.records)), func(r store.Record) bool {
			return r.Expires.IsZero() || !r.Expires.Before(l.Before)
		})
		slices.SortFunc(expired, func(a, b store.Record) int {
			return cmp.Or(a.Expires.Compare(b.Expires), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.ID, b.ID))
		})
		for _, r := range expired[:min(l.Limit, len(expired))] {
			delete(next.records, key{string(r.Kind), r.ID})
		}
	}
	return next, nil
}

// change makes one change in a state that nobody has seen yet.
func (st *state) change(c store.Change, revision store.Revision) error {
	r, k := c.Record, key{string(c.Record.Kind), c.Record.ID}
	old, exists := st.records[k]
	switch {
	case r.Version == 0 && exists: // new, as Check allows no deletion of version 0
		return store.ErrExists
	case r.Version > 0 && !exists:
		return store.ErrNotFound
	case r.Version != old.Version:
		return store.ErrConflict
	}
	delete(st.records, k)
	if c.Op != store.OpAppend {
		st.revision, r.Version = revision, revision
		delete(st.deleted, k) // the feed says only the latest of each record
	}
	if c.Op == store.OpDelete {
		st.deleted[k] = store.Record{Kind: r.Kind, ID: r.ID, Version: revision}
		return nil
	}
	for _, other := range st.records {
		if other.Kind == r.Kind && slices.ContainsFunc(r.Names, func(n string) bool { return slices.Contains(other.Names, n) }) {
			return store.ErrTaken
		}
	}
	// The caller may change its slices later.
	r.Names, r.Labels, r.Data = slices.Clone(r.Names), slices.Clone(r.Labels), slices.Clone(r.Data)
	st.records[k] = r
	return nil
}

// Apply makes all changes or none. See [store.Store].
func (s *Store) Apply(ctx context.Context, changes ...store.Change) (store.Revision, error) {
	before, after, err := s.commit(ctx, line{Changes: changes}, store.Check(changes...))
	if err != nil || after.revision == before.revision {
		return 0, err
	}
	return after.revision, nil
}

// Sweep drops what expired before a time. See [store.Store].
func (s *Store) Sweep(ctx context.Context, before time.Time, limit int) (int, error) {
	if year := before.UTC().Year(); year < 1 || year > 9999 { // which JSON cannot say
		before = time.Date(min(max(year, 1), 10000), 1, 1, 0, 0, 0, -1, time.UTC)
	}
	old, now, err := s.commit(ctx, line{Before: before.UTC(), Limit: cmp.Or(limit, store.DefaultLimit)}, store.CheckLimit(limit))
	if err != nil {
		return 0, err
	}
	return len(old.records) - len(now.records), nil
}

// Get returns a record. See [store.Store].
func (s *Store) Get(ctx context.Context, kind store.Kind, id string) (store.Record, error) {
	now, err := s.read(ctx)
	if err = cmp.Or(store.CheckKey(kind, id), err); err != nil {
		return store.Record{}, err
	}
	if r, ok := now.records[key{string(kind), id}]; ok {
		return r, nil
	}
	return store.Record{}, store.ErrNotFound
}

// List returns the records that match q. See [store.Store].
func (s *Store) List(ctx context.Context, q store.Query) (page store.Page, err error) {
	now, err := s.read(ctx)
	if err = cmp.Or(q.Check(), err); err != nil {
		return page, err
	}
	found := slices.DeleteFunc(slices.Collect(maps.Values(now.records)), func(r store.Record) bool { return !matches(q, r) })
	sign := map[bool]int{false: 1, true: -1}[q.Descending]
	order := func(a, b store.Record) int { return sign * cmp.Compare(a.Sort+"\x00"+a.ID, b.Sort+"\x00"+b.ID) }
	slices.SortFunc(found, order)
	if q.Count {
		page.Total = len(found)
	}
	if q.After != "" {
		sort, id, _ := q.After.Position() // checked above
		found = slices.DeleteFunc(found, func(r store.Record) bool { return order(r, store.Record{Sort: sort, ID: id}) <= 0 })
	}
	page.Records = found[min(q.Offset, len(found)):]
	if limit := cmp.Or(q.Limit, store.DefaultLimit); len(page.Records) > limit {
		page.Records = page.Records[:limit]
		page.Next = store.At(page.Records[limit-1])
	}
	return page, nil
}

func matches(q store.Query, r store.Record) bool {
	return r.Kind == q.Kind && !slices.ContainsFunc(q.Labels, func(l store.Label) bool { return !slices.Contains(r.Labels, l) }) &&
		strings.Contains(r.Text, q.Text) && r.Sort >= q.From && (q.To == "" || r.Sort < q.To) && !r.Expires.Before(q.ExpiresFrom) &&
		(q.ExpiresTo.IsZero() || !r.Expires.IsZero() && r.Expires.Before(q.ExpiresTo))
}

// Changes returns what was put or deleted after since. See [store.Store].
func (s *Store) Changes(ctx context.Context, since store.Revision, wait time.Duration, limit int) (store.Feed, error) {
	for end := time.After(wait); ; {
		now, err := s.read(ctx)
		if err = cmp.Or(store.CheckLimit(limit), err); err != nil {
			return store.Feed{}, err
		}
		if since == store.Latest {
			since, wait = now.revision, 0
		}
		if since < 0 || since > now.revision {
			return store.Feed{}, store.ErrTooOld
		}
		feed := now.since(since, cmp.Or(limit, store.DefaultLimit))
		if len(feed.Changed) > 0 || wait <= 0 {
			return feed, nil
		}
		select {
		case <-now.next:
		case <-ctx.Done():
		case <-end:
			wait = 0 // look once more
		}
	}
}

func (st *state) since(since store.Revision, limit int) store.Feed {
	feed := store.Feed{Revision: st.revision}
	for i, all := range []map[key]store.Record{st.records, st.deleted} {
		for _, r := range all {
			if r.Version > since {
				feed.Changed = append(feed.Changed, store.Changed{Kind: r.Kind, ID: r.ID, Revision: r.Version, Deleted: i == 1})
			}
		}
	}
	slices.SortFunc(feed.Changed, func(a, b store.Changed) int { return cmp.Compare(a.Revision, b.Revision) })
	for n := limit; n < len(feed.Changed); n++ {
		if last := feed.Changed[n-1].Revision; feed.Changed[n].Revision > last {
			return store.Feed{Changed: feed.Changed[:n], Revision: last, More: true}
		}
	}
	return feed
}
