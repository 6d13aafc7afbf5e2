package sqlitestore

import (
	"slices"
	"time"

	"github.com/ncruces/go-sqlite3"

	"github.com/clientele-go/clientele/store"
)

// An oldRecord is what has to be known of a record to replace or remove it.
type oldRecord struct {
	rid     int64
	version store.Revision
	sort    string
	expires time.Time
	names   []string
	labels  []store.Label
}

// oldColumns are those that scanOld reads, in its order.
const oldColumns = "rid, version, sort, expires, names, labels"

func (s *statement) scanOld() (old oldRecord, err error) {
	old.rid = s.ColumnInt64(0)
	old.version = store.Revision(s.ColumnInt64(1))
	old.sort = s.ColumnText(2)
	if s.ColumnType(3) != sqlite3.NULL {
		old.expires = time.UnixMicro(s.ColumnInt64(3)).UTC()
	}
	old.names, old.labels, err = s.lists(4)
	return old, err
}

// find returns the record with a key, if it has that version.
func (w *writer) find(key recordKey, version store.Revision) (old oldRecord, err error) {
	s := w.conn.sql("SELECT " + oldColumns + " FROM record WHERE tenant = ? AND kind = ? AND id = ?").key(key)
	found := s.next()
	if found {
		old, err = s.scanOld()
	}
	switch done := s.done(); {
	case done != nil:
		return old, done
	case err != nil:
		return old, err
	case !found:
		return old, store.ErrNotFound
	case old.version != version:
		return old, store.ErrConflict
	}
	return old, nil
}

// delete removes a record, and remembers that.
func (w *writer) delete(key recordKey, rev, version store.Revision) error {
	old, err := w.find(key, version)
	if err != nil {
		return err
	}
	if err := w.remove(key, &old); err != nil {
		return err
	}
	return w.conn.sql("INSERT OR REPLACE INTO deletion (tenant, kind, id, revision, at) VALUES (?, ?, ?, ?, ?)").
		key(key).int(int64(rev)).int(w.db.now().UnixMicro()).exec()
}

// remove removes a record with what belongs to it.
func (w *writer) remove(key recordKey, old *oldRecord) error {
	if err := w.conn.sql("DELETE FROM record WHERE rid = ?").int(old.rid).exec(); err != nil {
		return err
	}
	if err := w.deleteNames(key, old.names); err != nil {
		return err
	}
	return w.deleteLabels(key, old.sort, old.labels)
}

func (w *writer) deleteNames(key recordKey, names []string) error {
	for _, name := range names {
		err := w.conn.sql("DELETE FROM name WHERE tenant = ? AND kind = ? AND name = ?").
			int(key.tenant).int(key.kind).text(name).exec()
		if err != nil {
			return err
		}
	}
	return nil
}

// deleteLabels removes the rows of labels that a record with that key and sort
// key had.
func (w *writer) deleteLabels(key recordKey, sort string, labels []store.Label) error {
	for _, l := range labels {
		err := w.conn.sql("DELETE FROM label WHERE tenant = ? AND kind = ? AND key = ? AND value = ? AND sort = ? AND id = ?").
			int(key.tenant).int(key.kind).text(l.Key).text(l.Value).text(sort).text(key.id).exec()
		if err != nil {
			return err
		}
	}
	return nil
}

// compare returns what is in before alone, and what is in now alone.
func compare[T comparable](before, now []T) (gone, come []T) {
	if slices.Equal(before, now) {
		return nil, nil
	}
	in := make(map[T]bool, len(before))
	for _, v := range before {
		in[v] = true
	}
	for _, v := range now {
		if !in[v] {
			come = append(come, v)
		}
		delete(in, v)
	}
	for v := range in {
		gone = append(gone, v)
	}
	return gone, come
}
