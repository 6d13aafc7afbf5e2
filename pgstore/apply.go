package pgstore

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/clientele-go/clientele/store"
)

// How nothing is missed in the feed.
//
// Revisions are not of a sequence, from which a transaction could take a lower
// number than another one and be committed after it: who had read up to the
// higher one would never see it. Instead each tenant has a counter in its row.
// Whoever changes records other than by appending locks that row first, and
// keeps it locked until its transaction is committed. So the transactions of a
// tenant that put or delete are committed one after the other, in the order of
// their revisions, in whichever process; the counter and the records become
// visible together; and who reads the counter and the records in one snapshot,
// as Changes does, has everything up to it. No assumption is made about clocks,
// or how long a transaction takes.
//
// What that costs: one tenant has one commit at a time. So a process makes one
// transaction of all the Applies of a tenant that wait (see lane). Tenants do
// not wait for each other, and Applies of nothing but Appends, which have no
// place in the feed, for nobody.
//
// With the row locked, what a change is about cannot be changed by anybody else,
// but for one thing: somebody may append a record with the same id or name. Then
// the unique index refuses what is written, and the transaction is made again.

// Apply makes the changes, all or none. It returns when the server has made them
// durable, by one transaction for the calls of this process that came at the
// same time and are for the same tenant.
func (s *Store) Apply(ctx context.Context, changes ...store.Change) (store.Revision, error) {
	const doing = "apply"
	if err := store.Check(changes...); err != nil {
		return 0, failed(doing, err)
	}
	if err := s.db.alive(ctx); err != nil {
		return 0, failed(doing, err)
	}
	var rev store.Revision
	var err error
	if slices.ContainsFunc(changes, func(c store.Change) bool { return c.Op != store.OpAppend }) {
		rev, err = s.db.writers.do(ctx, s.id, changes)
	} else {
		err = s.append(ctx, changes)
	}
	if _, refused := err.(*store.ChangeError); err == nil || refused {
		return rev, err
	}
	return 0, failed(doing, err)
}

// append makes changes that are nothing but Appends: by one statement if they
// can be made; if not, it finds out why.
func (s *Store) append(ctx context.Context, changes []store.Change) error {
	return s.db.write(ctx, func(ctx context.Context, c *pgx.Conn) error {
		all := heldOf(changes)
		statements := (&recordRows{tenant: s.id, held: all}).arguments()
		if len(statements) == 1 {
			n, err := s.appendAtOnce(ctx, c, all, statements[0])
			if err == nil && n == len(changes) {
				return nil
			}
			if err != nil && codeOf(err) != codeUniqueViolation {
				return uncertain(err)
			}
		}
		t := &transaction{db: s.db, tenant: s.id}
		tasks := []*task{{changes: changes}}
		if err := t.run(ctx, c, tasks); err != nil {
			return err
		}
		return tasks[0].err
	})
}

// heldOf returns records that are appended, in the order in which they are
// inserted.
func heldOf(changes []store.Change) []*held {
	all := make([]*held, len(changes))
	for i := range changes {
		all[i] = newHeld(&changes[i].Record, 0)
	}
	slices.SortFunc(all, func(a, b *held) int {
		return compareKeys(key{a.record.Kind, a.record.ID}, key{b.record.Kind, b.record.ID})
	})
	return all
}

func (s *Store) appendAtOnce(ctx context.Context, c *pgx.Conn, all []*held, args []any) (inserted int, err error) {
	names, labels, texts := &nameRows{}, &labelRows{}, &textRows{}
	for _, h := range all {
		k := key{h.record.Kind, h.record.ID}
		for _, name := range h.names {
			names.add(nameKey{k.kind, name}, k.id)
		}
		labels.add(labelRowsOf(s.id, k, h))
		if h.text != "" {
			texts.add(h.record)
		}
	}
	args = append(args, len(migrations))
	which := 0
	if len(names.name) > 0 {
		which |= hasNames
		args = append(args, names.arguments()...)
	}
	if len(labels.hash) > 0 {
		which |= hasLabels
		args = append(args, labels.arguments()...)
	}
	if len(texts.id) > 0 {
		which |= hasTexts
		args = append(args, texts.arguments()...)
	}
	err = c.QueryRow(ctx, s.db.sql.appends[which], args...).Scan(&inserted)
	return inserted, err
}

// write calls f with a connection, and again if the server has undone what it
// did for a reason that passes. Close waits for it.
func (db *DB) write(ctx context.Context, f func(ctx context.Context, c *pgx.Conn) error) error {
	if err := db.begin(); err != nil {
		return err
	}
	defer db.end()
	bounded, cancel := context.WithTimeoutCause(ctx, db.timeout, errTimeout)
	defer cancel()
	return db.explain(ctx, bounded, db.again(bounded, f))
}
