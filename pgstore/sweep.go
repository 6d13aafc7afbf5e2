package pgstore

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/clientele-go/clientele/store"
)

const (
	// forgetAtOnce is how many deletions one Sweep looks at to forget them.
	forgetAtOnce = 1000
	// removeAtOnce is how many rows of deleted tenants are removed in one
	// transaction.
	removeAtOnce = 500
)

// Sweep drops records whose expiry is earlier than before, at most limit,
// earliest first. It also forgets deletions older than an hour, and removes
// some of what deleted tenants have left behind.
func (s *Store) Sweep(ctx context.Context, before time.Time, limit int) (int, error) {
	const doing = "sweep"
	if err := store.CheckLimit(limit); err != nil {
		return 0, failed(doing, err)
	}
	if err := s.db.alive(ctx); err != nil {
		return 0, failed(doing, err)
	}
	if limit == 0 {
		limit = store.DefaultLimit
	}
	dropped := 0
	err := s.db.write(ctx, func(ctx context.Context, c *pgx.Conn) (err error) {
		t := &transaction{db: s.db, tenant: s.id}
		dropped, err = t.sweep(ctx, c, before, limit)
		return t.giveUp(ctx, c, err)
	})
	if err == nil {
		_, err = s.db.removeDeleted(ctx, removeAtOnce)
	}
	if err != nil {
		return 0, failed(doing, err)
	}
	return dropped, nil
}

// sweep locks the tenant, so that nobody puts a record, or sweeps it too, while
// it is dropped.
func (t *transaction) sweep(ctx context.Context, c *pgx.Conn, before time.Time, limit int) (int, error) {
	s, _, err := t.begin(ctx, c, true, func(*pgx.Batch, *state) {})
	if err != nil {
		return 0, err
	}
	rows, err := c.Query(ctx, t.db.sql.expired, planned, t.tenant, timestamp(before), limit)
	if err != nil {
		return 0, err
	}
	if err := s.scanFound(rows); err != nil {
		return 0, err
	}
	dropped := len(s.before)
	for k, h := range s.before {
		s.remove(k, h)
	}
	var forgotten store.Revision
	if err := c.QueryRow(ctx, t.db.sql.forgotten, planned, t.tenant, forgetAtOnce).Scan(&forgotten); err != nil {
		return 0, err
	}
	if dropped == 0 && forgotten == 0 {
		return 0, nil
	}
	b := &pgx.Batch{}
	s.write(b, t.db.sql, t.tenant)
	if forgotten != 0 {
		// A feed from before that would be incomplete.
		b.Queue(t.db.sql.setForgotten, t.tenant, forgotten)
		b.Queue(t.db.sql.forgetDeletions, t.tenant, forgotten)
	}
	return dropped, t.commit(ctx, c, b, false)
}

// timestamp returns the least time in whole microseconds that is not before t.
func timestamp(t time.Time) pgtype.Timestamptz {
	switch {
	case t.UTC().Year() < 1:
		return pgtype.Timestamptz{InfinityModifier: pgtype.NegativeInfinity, Valid: true}
	case t.UTC().Year() > 9999:
		return pgtype.Timestamptz{InfinityModifier: pgtype.Infinity, Valid: true}
	}
	t = t.UTC()
	if rest := t.Nanosecond() % 1000; rest != 0 {
		t = t.Add(time.Microsecond - time.Duration(rest))
	}
	return pgtype.Timestamptz{Time: t, Valid: true}
}
