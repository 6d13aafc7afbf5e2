package pgstore

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/clientele-go/clientele/store"
)

// A task is an Apply that is to be made, and what became of it.
type task struct {
	changes []store.Change
	rev     store.Revision
	err     error
}

// puts says whether a task does anything but append.
func (t *task) puts() bool {
	return slices.ContainsFunc(t.changes, func(c store.Change) bool { return c.Op != store.OpAppend })
}

// A transaction makes several Applies of a tenant in two round trips: one to
// begin, to lock the tenant, and to read what the changes are about, and one to
// write what they make of it, and to commit.
type transaction struct {
	db     *DB
	tenant int32
}

// run makes the tasks one after the other, each all or none. An error is about
// none of them in particular: then nothing was made, unless it wraps
// errUnknown.
func (t *transaction) run(ctx context.Context, c *pgx.Conn, tasks []*task) error {
	puts := slices.ContainsFunc(tasks, (*task).puts)
	s, rev, err := t.begin(ctx, c, puts, func(b *pgx.Batch, s *state) { t.readFor(b, s, tasks) })
	if err != nil {
		return t.giveUp(ctx, c, err)
	}
	made, last := 0, rev
	for _, task := range tasks {
		task.rev = 0
		if task.err = s.apply(task.changes, last+1); task.err != nil {
			continue
		}
		made++
		if task.puts() {
			last++
			task.rev = last
		}
	}
	if made == 0 {
		return t.giveUp(ctx, c, nil)
	}
	b := &pgx.Batch{}
	if last != rev {
		b.Queue(t.db.sql.setRevision, t.tenant, int64(last))
	}
	s.write(b, t.db.sql, t.tenant)
	if err := t.commit(ctx, c, b, last != rev); err != nil {
		if codeOf(err) == codeUniqueViolation {
			err = errors.Join(errCollision, err)
		}
		return t.giveUp(ctx, c, err)
	}
	return nil
}

// begin begins the transaction, locks the tenant for one that does not only
// append, and lets read queue what is to be read. It returns the revision of the
// tenant.
func (t *transaction) begin(ctx context.Context, c *pgx.Conn, lock bool, read func(*pgx.Batch, *state)) (*state, store.Revision, error) {
	s := newState()
	var rev store.Revision
	var schema schemaState
	b := &pgx.Batch{}
	b.Queue(t.db.sql.begin)
	look := t.db.sql.look
	if lock {
		look = t.db.sql.lock
	}
	b.Queue(look, t.tenant, t.milliseconds()).QueryRow(func(row pgx.Row) error {
		err := row.Scan(&rev, &schema.oldest, nil, nil)
		if errors.Is(err, pgx.ErrNoRows) {
			return store.ErrDeleted
		}
		return err
	})
	read(b, s)
	if err := c.SendBatch(ctx, b).Close(); err != nil {
		return nil, 0, err
	}
	return s, rev, schema.check()
}

func (t *transaction) milliseconds() string {
	return strconv.FormatInt(int64(t.db.timeout/time.Millisecond), 10)
}

// readFor reads the records and the names that the tasks are about.
func (t *transaction) readFor(b *pgx.Batch, s *state, tasks []*task) {
	keys, names := map[key]struct{}{}, map[nameKey]struct{}{}
	for _, task := range tasks {
		for i := range task.changes {
			c := &task.changes[i]
			keys[key{c.Record.Kind, c.Record.ID}] = struct{}{}
			if c.Op == store.OpDelete {
				continue
			}
			for _, name := range c.Record.Names {
				names[nameKey{c.Record.Kind, name}] = struct{}{}
			}
		}
	}
	var kinds, ids []string
	for k := range keys {
		kinds, ids = append(kinds, string(k.kind)), append(ids, k.id)
	}
	b.Queue(t.db.sql.records, t.tenant, kinds, ids).Query(s.scanFound)
	if len(names) == 0 {
		return
	}
	var nameKinds, texts []string
	for n := range names {
		nameKinds, texts = append(nameKinds, string(n.kind)), append(texts, n.name)
	}
	b.Queue(t.db.sql.names, t.tenant, nameKinds, texts).Query(s.scanOwned)
}

// scanFound adds the records of rows of heldColumns.
func (s *state) scanFound(rows pgx.Rows) error {
	defer rows.Close()
	for rows.Next() {
		k, h, err := scanHeld(rows)
		if err != nil {
			return err
		}
		s.found(k, h)
	}
	return rows.Err()
}

// scanOwned adds the names of rows of kind, name and id of the record.
func (s *state) scanOwned(rows pgx.Rows) error {
	for rows.Next() {
		var n nameKey
		var id string
		if err := rows.Scan(&n.kind, &n.name, &id); err != nil {
			return err
		}
		s.owned(n, id)
	}
	return rows.Err()
}

// commit sends what was queued, the commit, and a notification for whoever waits
// in another process if there is news. The notification is no part of the
// transaction: as such it would let the commits of all tenants wait for each
// other, and one that is lost is made up for by polling.
func (t *transaction) commit(ctx context.Context, c *pgx.Conn, b *pgx.Batch, news bool) error {
	done := false
	b.Queue(t.db.sql.commit).Exec(func(tag pgconn.CommandTag) error {
		if done = tag.String() == "COMMIT"; !done {
			return errors.New("the server has undone the transaction")
		}
		return nil
	})
	if news {
		b.Queue(t.db.sql.notify, t.db.watch.channel, t.db.watch.message(t.tenant))
	}
	err := c.SendBatch(ctx, b).Close()
	if done {
		return nil // whatever became of the notification
	}
	return uncertain(err)
}

// giveUp undoes what is left of a transaction, and returns err.
func (t *transaction) giveUp(ctx context.Context, c *pgx.Conn, err error) error {
	if !c.IsClosed() && c.PgConn().TxStatus() != 'I' {
		// If that fails, the pool closes the connection, and so the server
		// undoes the transaction.
		_, _ = c.Exec(ctx, t.db.sql.rollback)
	}
	return err
}
