package sqlitestore

import (
	"fmt"
	"time"

	"github.com/ncruces/go-sqlite3"

	"github.com/clientele-go/clientele/internal/jsonlist"
	"github.com/clientele-go/clientele/store"
)

// A row is a change as it is written.
type row struct {
	op     store.Op
	record *store.Record
	names  string // as JSON, "" for none
	labels string
}

// newRows encodes changes, and weighs them for the writer: it has room in a
// transaction for so many records, or so many pages of large ones.
func newRows(changes []store.Change) (rows []row, weight int) {
	rows = make([]row, len(changes))
	for i := range changes {
		r := &changes[i].Record
		rows[i] = row{changes[i].Op, r, jsonlist.Names(r.Names), jsonlist.Labels(r.Labels)}
		weight += 1 + len(r.Data)/4096
	}
	return rows, weight
}

// columns are those of the table record that scan reads, in its order.
const columns = "record.id, record.version, record.sort, record.expires, record.format, record.text, record.names, record.labels, record.data"

// scan returns the record of a statement's current row.
func (s *statement) scan(kind store.Kind) (r store.Record, err error) {
	r.Kind = kind
	r.ID = s.ColumnText(0)
	r.Version = store.Revision(s.ColumnInt64(1))
	r.Sort = s.ColumnText(2)
	if s.ColumnType(3) != sqlite3.NULL {
		r.Expires = time.UnixMicro(s.ColumnInt64(3)).UTC()
	}
	r.Format = s.ColumnInt(4)
	r.Text = s.ColumnText(5)
	if r.Names, r.Labels, err = s.lists(6); err != nil {
		return r, err
	}
	r.Data = s.ColumnBlob(8, nil)
	return r, nil
}

// lists returns the names and the labels of two columns.
func (s *statement) lists(column int) (names []string, labels []store.Label, err error) {
	names, labels, err = jsonlist.Parse(s.ColumnText(column), s.ColumnText(column+1))
	if err != nil {
		err = fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return names, labels, err
}

// time gives a statement a time, or null for none.
func (s *statement) time(t time.Time) *statement {
	if t.IsZero() {
		return s.null()
	}
	return s.int(t.UnixMicro())
}

// list gives a statement names or labels as JSON, or null for none.
func (s *statement) list(encoded string) *statement {
	if encoded == "" {
		return s.null()
	}
	return s.text(encoded)
}
