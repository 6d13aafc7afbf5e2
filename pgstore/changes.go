package pgstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/clientele-go/clientele/store"
)

// Changes returns what was put or deleted after since, and waits for it if
// there is nothing. A commit of this process is seen at once, one of another
// process as soon as its notification has come, and at the latest after
// Config.PollInterval.
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
		case <-s.db.reading.Done():
			return store.Feed{}, failed(doing, store.ErrClosed)
		}
	}
}

// feed returns what is there now. It asks for the tenant's revision alone first,
// which as a rule is all there is to say.
func (s *Store) feed(ctx context.Context, since store.Revision, limit int) (feed store.Feed, err error) {
	err = s.db.read(ctx, "changes", func(ctx context.Context, c *pgx.Conn) error {
		var forgotten store.Revision
		err := c.QueryRow(ctx, s.db.sql.current, s.id).Scan(&feed.Revision, &forgotten)
		if errors.Is(err, pgx.ErrNoRows) {
			return store.ErrDeleted
		}
		if err == nil {
			err = known(since, forgotten, feed.Revision)
		}
		if err != nil || since == store.Latest || since == feed.Revision {
			return err
		}
		feed, err = s.changesSince(ctx, c, since, limit)
		return err
	})
	if err != nil {
		return store.Feed{}, err
	}
	return feed, nil
}

// known returns ErrTooOld if a feed since then would be incomplete.
func known(since, forgotten, now store.Revision) error {
	if since != store.Latest && (since < forgotten || since > now) {
		return fmt.Errorf("since %d: %w", since, store.ErrTooOld)
	}
	return nil
}

// changesSince reads the tenant's revision and the rows of the feed by one
// statement, and so at one moment. A revision has at most MaxChanges rows, so
// with that many beyond the limit, the one that the limit falls into is whole,
// and whether another one follows is seen.
func (s *Store) changesSince(ctx context.Context, c *pgx.Conn, since store.Revision, limit int) (feed store.Feed, err error) {
	rows, err := c.Query(ctx, s.db.sql.feed, planned, s.id, since, limit+store.MaxChanges+1)
	if err != nil {
		return feed, err
	}
	defer rows.Close()
	found, begin := false, 0 // begin: of the revision that is being read
	for rows.Next() {
		var forgotten store.Revision
		var changed store.Changed
		if err := rows.Scan(&feed.Revision, &forgotten, &changed.Revision, &changed.Kind, &changed.ID, &changed.Deleted); err != nil {
			return feed, err
		}
		if found = true; changed.Kind == "" {
			return feed, known(since, forgotten, feed.Revision) // the tenant alone
		}
		if err := known(since, forgotten, feed.Revision); err != nil {
			return feed, err
		}
		n := len(feed.Changed)
		if n > 0 && changed.Revision != feed.Changed[n-1].Revision {
			begin = n
		}
		if n >= limit && begin > 0 {
			feed.Changed, feed.More = feed.Changed[:begin], true
			feed.Revision = feed.Changed[begin-1].Revision
			return feed, nil
		}
		feed.Changed = append(feed.Changed, changed)
	}
	if err := rows.Err(); err != nil {
		return feed, err
	}
	if !found {
		return feed, store.ErrDeleted
	}
	return feed, nil
}
