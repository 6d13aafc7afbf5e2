package sqlitestore

import (
	"context"
	"errors"
	"slices"

	"github.com/ncruces/go-sqlite3"

	"github.com/clientele-go/clientele/store"
)

// Apply makes the changes, all or none. It returns when they are on the disk,
// together with those of other callers that came at the same time.
func (s *Store) Apply(ctx context.Context, changes ...store.Change) (store.Revision, error) {
	const doing = "apply"
	if err := store.Check(changes...); err != nil {
		return 0, failed(doing, err)
	}
	rows, weight := newRows(changes)
	var rev store.Revision
	err := s.db.writer.do(&task{
		ctx: ctx, weight: weight,
		run: func(w *writer) (err error) {
			rev, err = w.apply(ctx, s, rows)
			return err
		},
		after: func() {
			if rev != 0 {
				s.db.watch.changed(s.id, rev)
			}
		},
	})
	if err == nil {
		return rev, nil
	}
	if refused, ok := errors.AsType[*store.ChangeError](err); ok {
		return 0, refused
	}
	return 0, failed(doing, err)
}

// apply makes the changes of one Apply within a transaction.
func (w *writer) apply(ctx context.Context, s *Store, rows []row) (store.Revision, error) {
	rev, err := w.revision(s, rows)
	if err != nil {
		return 0, err
	}
	for i := range rows {
		// Asked here, and not by SQLite, which would undo the whole group.
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		err := w.change(s.id, rev, &rows[i])
		switch err {
		case nil:
		case store.ErrNotFound, store.ErrConflict, store.ErrExists, store.ErrTaken:
			r := rows[i].record
			return 0, &store.ChangeError{Index: i, Kind: r.Kind, ID: r.ID, Err: err}
		default:
			return 0, err
		}
	}
	return rev, nil
}

// revision returns the next revision of the tenant, or 0 if the rows do not
// need one.
func (w *writer) revision(s *Store, rows []row) (store.Revision, error) {
	if !slices.ContainsFunc(rows, func(r row) bool { return r.op != store.OpAppend }) {
		return 0, s.exists(w.conn)
	}
	rev, err := w.conn.sql("UPDATE tenant SET revision = revision + 1 WHERE id = ? RETURNING revision").int(s.id).only()
	if err == nil && rev == 0 {
		err = store.ErrDeleted
	}
	return store.Revision(rev), err
}

func (w *writer) change(tenant int64, rev store.Revision, r *row) error {
	kind, err := w.kindNumber(r.record.Kind)
	if err != nil {
		return err
	}
	key := recordKey{tenant, kind, r.record.ID}
	switch {
	case r.op == store.OpDelete:
		return w.delete(key, rev, r.record.Version)
	case r.op == store.OpPut && r.record.Version != 0:
		return w.replace(key, rev, r)
	case r.op == store.OpPut:
		return w.create(key, rev, r)
	}
	return w.insert(key, 0, r)
}

// kindNumber returns the number of a kind, which it adds if it is new.
func (w *writer) kindNumber(kind store.Kind) (int64, error) {
	if n, ok := w.db.kinds.number(kind); ok {
		return n, nil
	}
	if n, ok := w.added[kind]; ok {
		return n, nil
	}
	n, err := findKind(w.conn, kind)
	if n != 0 || err != nil {
		return n, err
	}
	if err := w.conn.sql("INSERT INTO kind (name) VALUES (?)").text(string(kind)).exec(); err != nil {
		return 0, err
	}
	w.added[kind] = w.conn.LastInsertRowID()
	return w.added[kind], nil
}

// A recordKey is the unique key of a record.
type recordKey struct {
	tenant, kind int64
	id           string
}

func (s *statement) key(k recordKey) *statement { return s.int(k.tenant).int(k.kind).text(k.id) }

// create inserts a record that was put, which may have been deleted before.
func (w *writer) create(key recordKey, rev store.Revision, r *row) error {
	if err := w.insert(key, rev, r); err != nil {
		return err
	}
	return w.conn.sql("DELETE FROM deletion WHERE tenant = ? AND kind = ? AND id = ?").key(key).exec()
}

func (w *writer) insert(key recordKey, rev store.Revision, r *row) error {
	const sql = `INSERT INTO record (tenant, kind, id, version, sort, expires, format, text, names, labels, data)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	s := w.conn.sql(sql).key(key).int(int64(rev)).text(r.record.Sort).time(r.record.Expires).int(int64(r.record.Format))
	err := s.text(r.record.Text).list(r.names).list(r.labels).blob(r.record.Data).exec()
	if errors.Is(err, sqlite3.CONSTRAINT_UNIQUE) {
		return store.ErrExists
	}
	if err != nil {
		return err
	}
	rid := w.conn.LastInsertRowID()
	if err := w.insertNames(key, rid, r.record.Names); err != nil {
		return err
	}
	return w.insertLabels(key, rid, r.record, r.record.Labels)
}

func (w *writer) insertNames(key recordKey, rid int64, names []string) error {
	for _, name := range names {
		err := w.conn.sql("INSERT INTO name (tenant, kind, name, rid) VALUES (?, ?, ?, ?)").
			int(key.tenant).int(key.kind).text(name).int(rid).exec()
		if errors.Is(err, sqlite3.CONSTRAINT_PRIMARYKEY) {
			return store.ErrTaken
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) insertLabels(key recordKey, rid int64, r *store.Record, labels []store.Label) error {
	for _, l := range labels {
		err := w.conn.sql("INSERT INTO label (tenant, kind, key, value, sort, id, rid, expires) VALUES (?, ?, ?, ?, ?, ?, ?, ?)").
			int(key.tenant).int(key.kind).text(l.Key).text(l.Value).text(r.Sort).text(key.id).int(rid).time(r.Expires).exec()
		if err != nil {
			return err
		}
	}
	return nil
}

// replace writes a record over the version that it names.
func (w *writer) replace(key recordKey, rev store.Revision, r *row) error {
	old, err := w.find(key, r.record.Version)
	if err != nil {
		return err
	}
	const sql = `UPDATE record SET version = ?, sort = ?, expires = ?, format = ?, text = ?, names = ?, labels = ?, data = ?
		WHERE rid = ?`
	s := w.conn.sql(sql).int(int64(rev)).text(r.record.Sort).time(r.record.Expires).int(int64(r.record.Format))
	err = s.text(r.record.Text).list(r.names).list(r.labels).blob(r.record.Data).int(old.rid).exec()
	if err != nil {
		return err
	}
	gone, come := compare(old.names, r.record.Names)
	if err := w.deleteNames(key, gone); err != nil {
		return err
	}
	if err := w.insertNames(key, old.rid, come); err != nil {
		return err
	}
	goneLabels, comeLabels := old.labels, r.record.Labels
	if old.sort == r.record.Sort && old.expires.Equal(r.record.Expires) {
		goneLabels, comeLabels = compare(old.labels, r.record.Labels)
	}
	if err := w.deleteLabels(key, old.sort, goneLabels); err != nil {
		return err
	}
	return w.insertLabels(key, old.rid, r.record, comeLabels)
}
