package sqlitestore

import (
	"context"
	"fmt"
	"time"

	"github.com/clientele-go/clientele/store"
)

// Changes returns what was put or deleted after since, and waits for it if
// there is nothing. A commit of this process is seen at once, one of another
// process within 50 milliseconds.
func (s *Store) Changes(ctx context.Context, since store.Revision, wait time.Duration, limit int) (store.Feed, error) {
	const doing = "changes"
	if err := store.CheckLimit(limit); err != nil {
		return store.Feed{}, failed(doing, err)
	}
	if since < store.Latest {
		return store.Feed{}, failed(doing, fmt.Errorf("%w: revision %d", store.ErrInvalid, since))
	}
	if limit == 0 {
		limit = store.DefaultLimit
	}
	feed, err := s.feed(ctx, since, limit)
	if err != nil || len(feed.Changed) > 0 || since == store.Latest || wait <= 0 {
		return feed, err
	}
	w := s.db.watch.join(s.id)
	defer s.db.watch.leave(s.id, w)
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		// Asked for before the feed is read, so that nothing falls between.
		changed := s.db.watch.next(w)
		feed, err = s.feed(ctx, since, limit)
		if err != nil || len(feed.Changed) > 0 {
			return feed, err
		}
		select {
		case <-changed:
		case <-timer.C:
			return s.feed(ctx, since, limit)
		case <-ctx.Done():
			return store.Feed{}, failed(doing, ctx.Err())
		case <-s.db.closing:
			return store.Feed{}, failed(doing, store.ErrClosed)
		}
	}
}

// feed returns what is there now.
func (s *Store) feed(ctx context.Context, since store.Revision, limit int) (feed store.Feed, err error) {
	err = s.db.readers.read(ctx, "changes", func(c *conn) error {
		feed, err = s.current(c, since)
		if err != nil || since == store.Latest || since == feed.Revision {
			return err
		}
		return c.snapshot(func() error {
			if feed, err = s.current(c, since); err != nil {
				return err
			}
			return s.changesSince(c, since, limit, &feed)
		})
	})
	if err != nil {
		return store.Feed{}, err
	}
	return feed, nil
}

// current returns an empty feed at the tenant's revision, or ErrTooOld if a
// feed since then would be incomplete.
func (s *Store) current(c *conn, since store.Revision) (feed store.Feed, err error) {
	q := c.sql("SELECT revision, forgotten FROM tenant WHERE id = ?").int(s.id)
	found := q.next()
	var forgotten store.Revision
	if found {
		feed.Revision = store.Revision(q.ColumnInt64(0))
		forgotten = store.Revision(q.ColumnInt64(1))
	}
	switch err := q.done(); {
	case err != nil:
		return feed, err
	case !found:
		return feed, store.ErrDeleted
	case since != store.Latest && (since < forgotten || since > feed.Revision):
		return feed, fmt.Errorf("since %d: %w", since, store.ErrTooOld)
	}
	return feed, nil
}

const feedSQL = `
	SELECT version AS revision, kind, id, 0 FROM record WHERE tenant = ? AND version > ? AND version > 0
	UNION ALL
	SELECT revision, kind, id, 1 FROM deletion WHERE tenant = ? AND revision > ?
	ORDER BY revision`

// changesSince adds to the feed what is in two indexes: the records by version,
// and the deletions by revision.
func (s *Store) changesSince(c *conn, since store.Revision, limit int, feed *store.Feed) error {
	q := c.sql(feedSQL).int(s.id).int(int64(since)).int(s.id).int(int64(since))
	begin := 0 // of the revision that is being read
	for q.next() {
		rev, n := store.Revision(q.ColumnInt64(0)), len(feed.Changed)
		if n > 0 && rev != feed.Changed[n-1].Revision {
			begin = n
		}
		if n >= limit && begin > 0 {
			feed.Changed, feed.More = feed.Changed[:begin], true
			feed.Revision = feed.Changed[begin-1].Revision
			break
		}
		kind, err := s.db.kindName(c, q.ColumnInt64(1))
		if err != nil {
			_ = q.done()
			return err
		}
		feed.Changed = append(feed.Changed, store.Changed{
			Kind: kind, ID: q.ColumnText(2), Revision: rev, Deleted: q.ColumnInt64(3) != 0,
		})
	}
	return q.done()
}
