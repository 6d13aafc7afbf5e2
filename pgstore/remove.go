package pgstore

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
)

// removeDeleted removes up to about limit rows that belong to a deleted tenant,
// and says whether there may be more.
func (db *DB) removeDeleted(ctx context.Context, limit int) (more bool, err error) {
	err = db.write(ctx, func(ctx context.Context, c *pgx.Conn) error {
		more, err = false, nil
		for after := int32(0); !more; {
			var id int32
			var past bool
			err := c.QueryRow(ctx, db.sql.deadTenant, planned, after).Scan(&id, &past)
			if errors.Is(err, pgx.ErrNoRows) {
				return nil
			}
			if err != nil {
				return err
			}
			if more, err = db.removeOf(ctx, c, id, limit); err != nil {
				return err
			}
			if !more && past {
				if _, err := c.Exec(ctx, db.sql.forgetTenant, planned, id); err != nil {
					return err
				}
			}
			after = id
		}
		return nil
	})
	return more, err
}

// removeOf removes rows of a tenant, and says whether there were any.
func (db *DB) removeOf(ctx context.Context, c *pgx.Conn, tenant int32, limit int) (bool, error) {
	removed, err := db.removeRecords(ctx, c, tenant, limit)
	if removed || err != nil {
		return removed, err
	}
	// Names go with their records. What is left is of an Append that came to
	// its end later, if anything.
	for _, sql := range []string{db.sql.deadNames, db.sql.deadDeletions} {
		tag, err := c.Exec(ctx, sql, planned, tenant, limit)
		if err != nil {
			return false, err
		}
		removed = removed || tag.RowsAffected() > 0
	}
	return removed, nil
}

// removeRecords removes records, with their names and labels.
func (db *DB) removeRecords(ctx context.Context, c *pgx.Conn, tenant int32, limit int) (bool, error) {
	t := &transaction{db: db, tenant: tenant}
	if _, err := c.Exec(ctx, db.sql.begin); err != nil {
		return false, err
	}
	s := newState()
	rows, err := c.Query(ctx, db.sql.deadRecords, planned, tenant, limit)
	if err == nil {
		err = s.scanFound(rows)
	}
	if err != nil || len(s.before) == 0 {
		return false, t.giveUp(ctx, c, err)
	}
	for k, h := range s.before {
		s.remove(k, h)
	}
	b := &pgx.Batch{}
	s.write(b, db.sql, tenant)
	return true, t.giveUp(ctx, c, t.commit(ctx, c, b, false))
}
