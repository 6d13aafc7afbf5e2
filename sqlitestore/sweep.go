package sqlitestore

import (
	"context"
	"math"
	"time"

	"github.com/clientele-go/clientele/store"
)

const (
	// rememberFor is how long a deletion is remembered at least.
	rememberFor = time.Hour
	// forgetAtOnce is how many deletions one Sweep forgets at most.
	forgetAtOnce = 1000
)

// Sweep drops records whose expiry is earlier than before, at most limit,
// earliest first. It also forgets deletions older than an hour, and removes
// some of what deleted tenants have left behind.
func (s *Store) Sweep(ctx context.Context, before time.Time, limit int) (int, error) {
	const doing = "sweep"
	if err := store.CheckLimit(limit); err != nil {
		return 0, failed(doing, err)
	}
	if limit == 0 {
		limit = store.DefaultLimit
	}
	dropped := 0
	err := s.db.writer.do(&task{ctx: ctx, weight: limit, run: func(w *writer) (err error) {
		dropped, err = w.sweep(ctx, s, before, limit)
		return err
	}})
	if err != nil {
		return 0, failed(doing, err)
	}
	return dropped, nil
}

func (w *writer) sweep(ctx context.Context, s *Store, before time.Time, limit int) (int, error) {
	if err := s.exists(w.conn); err != nil {
		return 0, err
	}
	keys, expired, err := w.expired(s.id, before, limit)
	if err != nil {
		return 0, err
	}
	for i := range expired {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		if err := w.remove(keys[i], &expired[i]); err != nil {
			return 0, err
		}
	}
	if err := w.forgetDeletions(s.id); err != nil {
		return 0, err
	}
	_, err = w.removeDeleted(removeAtOnce)
	return len(expired), err
}

func (w *writer) expired(tenant int64, before time.Time, limit int) (keys []recordKey, expired []oldRecord, err error) {
	q := w.conn.sql("SELECT " + oldColumns + ", kind, id FROM record WHERE tenant = ? AND expires < ? ORDER BY expires LIMIT ?").
		int(tenant).int(microsBefore(before)).int(int64(limit))
	for q.next() {
		old, err := q.scanOld()
		if err != nil {
			_ = q.done()
			return nil, nil, err
		}
		keys = append(keys, recordKey{tenant, q.ColumnInt64(6), q.ColumnText(7)})
		expired = append(expired, old)
	}
	return keys, expired, q.done()
}

// microsBefore returns the number of microseconds since 1970 such that whole
// microseconds are before t just if they are less.
func microsBefore(t time.Time) int64 {
	switch {
	case t.Year() < 1:
		return math.MinInt64
	case t.Year() > 9999:
		return math.MaxInt64
	}
	micros := t.UnixMicro()
	if t.Nanosecond()%1000 != 0 {
		micros++
	}
	return micros
}

// forgetDeletions forgets the earliest deletions of a tenant as far as they are
// old enough, and notes up to which revision: a feed from before that would be
// incomplete.
func (w *writer) forgetDeletions(tenant int64) error {
	old := w.db.now().Add(-rememberFor).UnixMicro()
	q := w.conn.sql("SELECT revision, at FROM deletion WHERE tenant = ? ORDER BY revision LIMIT ?").int(tenant).int(forgetAtOnce)
	var upTo int64
	for q.next() && q.ColumnInt64(1) < old {
		upTo = q.ColumnInt64(0)
	}
	if err := q.done(); err != nil || upTo == 0 {
		return err
	}
	// One revision may have more deletions than were looked at; they are as old.
	err := w.conn.sql("DELETE FROM deletion WHERE tenant = ? AND revision <= ?").int(tenant).int(upTo).exec()
	if err != nil {
		return err
	}
	return w.conn.sql("UPDATE tenant SET forgotten = max(forgotten, ?) WHERE id = ?").int(upTo).int(tenant).exec()
}
