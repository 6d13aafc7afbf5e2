package sqlitestore

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/ncruces/go-sqlite3"

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
		rows[i] = row{changes[i].Op, r, encodeNames(r.Names), encodeLabels(r.Labels)}
		weight += 1 + len(r.Data)/4096
	}
	return rows, weight
}

// The names and labels of a record are kept in it as JSON: they are returned
// with it, tell which rows of other tables belong to it, and people can read
// and query them.

func encodeNames(names []string) string {
	if len(names) == 0 {
		return ""
	}
	b, err := json.Marshal(names)
	if err != nil {
		panic(err) // strings always marshal
	}
	return string(b)
}

func encodeLabels(labels []store.Label) string {
	if len(labels) == 0 {
		return ""
	}
	pairs := make([][2]string, len(labels))
	for i, l := range labels {
		pairs[i] = [2]string{l.Key, l.Value}
	}
	b, err := json.Marshal(pairs)
	if err != nil {
		panic(err) // strings always marshal
	}
	return string(b)
}

func decodeNames(s string) (names []string, err error) {
	if s == "" {
		return nil, nil
	}
	if plain, ok := plainStrings(s); ok {
		return plain, nil
	}
	if err := json.Unmarshal([]byte(s), &names); err != nil {
		return nil, fmt.Errorf("%w: names of a record: %w", ErrCorrupt, err)
	}
	return names, nil
}

func decodeLabels(s string) ([]store.Label, error) {
	if s == "" {
		return nil, nil
	}
	if plain, ok := plainStrings(s); ok && len(plain)%2 == 0 {
		labels := make([]store.Label, len(plain)/2)
		for i := range labels {
			labels[i] = store.Label{Key: plain[2*i], Value: plain[2*i+1]}
		}
		return labels, nil
	}
	var pairs [][2]string
	if err := json.Unmarshal([]byte(s), &pairs); err != nil {
		return nil, fmt.Errorf("%w: labels of a record: %w", ErrCorrupt, err)
	}
	labels := make([]store.Label, len(pairs))
	for i, p := range pairs {
		labels[i] = store.Label{Key: p[0], Value: p[1]}
	}
	return labels, nil
}

// plainStrings returns the strings of a JSON array as this package writes it,
// whatever its depth, if none of them has an escape: what is between every
// other pair of quotes. It is much of what reading a record costs otherwise.
func plainStrings(s string) ([]string, bool) {
	if strings.IndexByte(s, '\\') >= 0 {
		return nil, false
	}
	all := make([]string, 0, strings.Count(s, `"`)/2)
	for {
		_, rest, ok := strings.Cut(s, `"`)
		if !ok {
			return all, true
		}
		one, rest, ok := strings.Cut(rest, `"`)
		if !ok {
			return nil, false
		}
		all, s = append(all, one), rest
	}
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
	if r.Names, err = decodeNames(s.ColumnText(6)); err != nil {
		return r, err
	}
	if r.Labels, err = decodeLabels(s.ColumnText(7)); err != nil {
		return r, err
	}
	r.Data = s.ColumnBlob(8, nil)
	return r, nil
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
