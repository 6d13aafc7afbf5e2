package sqlitestore

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/clientele-go/clientele/store"
)

// List returns a page of the records that match q. A page that begins far from
// the beginning is found by a cursor (After) at once, by an offset in the time
// it takes to count up to it in an index: from the end, if that is nearer and
// known by Count.
func (s *Store) List(ctx context.Context, q store.Query) (page store.Page, err error) {
	const doing = "list"
	if err := q.Check(); err != nil {
		return page, failed(doing, err)
	}
	if q.Limit == 0 {
		q.Limit = store.DefaultLimit
	}
	err = s.db.readers.scan(ctx, doing, func(c *conn) error {
		return c.snapshot(func() error {
			page, err = s.list(c, &q)
			return err
		})
	})
	if err != nil {
		return store.Page{}, err
	}
	return page, nil
}

func (s *Store) list(c *conn, q *store.Query) (page store.Page, err error) {
	if err := s.exists(c); err != nil {
		return page, err
	}
	kind, err := s.db.kindNumber(c, q.Kind)
	if err != nil || kind == 0 {
		return page, err
	}
	sel := selection{tenant: s.id, kind: kind, query: q}
	if err := sel.plan(c); err != nil {
		return page, err
	}
	if q.Count {
		total, err := sel.count().on(c).only()
		if err != nil {
			return page, err
		}
		page.Total = int(total)
		if q.After == "" && q.Offset > page.Total/2 {
			return sel.fromTheEnd(c, page.Total)
		}
	}
	return sel.read(c, page.Total)
}

// fromTheEnd reads a page of which the end of the selection is nearer than its
// beginning, backwards: an offset costs what is skipped.
func (s *selection) fromTheEnd(c *conn, total int) (store.Page, error) {
	q := *s.query
	before := total - q.Offset // from the first record of the page to the end
	if before <= 0 {
		return store.Page{Total: total}, nil
	}
	backwards := q
	backwards.Descending = !q.Descending
	backwards.Limit = min(q.Limit, before)
	backwards.Offset = before - backwards.Limit
	turned := *s
	turned.query = &backwards
	page, err := turned.read(c, total)
	if err != nil {
		return page, err
	}
	slices.Reverse(page.Records)
	if page.Next = ""; backwards.Offset > 0 && len(page.Records) > 0 {
		page.Next = store.At(page.Records[len(page.Records)-1])
	}
	return page, nil
}

// read reads the page.
func (s *selection) read(c *conn, total int) (page store.Page, err error) {
	page.Total = total
	q := s.query
	paged, err := s.page()
	if err != nil {
		return page, err
	}
	st := paged.on(c)
	for err == nil && st.next() {
		if len(page.Records) == q.Limit {
			page.Next = store.At(page.Records[q.Limit-1])
			break
		}
		var r store.Record
		r, err = st.scan(q.Kind)
		page.Records = append(page.Records, r)
	}
	if done := st.done(); err == nil {
		err = done
	}
	return page, err
}

// A selection makes the statements for a query.
type selection struct {
	tenant, kind int64
	query        *store.Query
	by           int // the label whose rows are gone through, or -1: all records are
}

const (
	// fewRows is up to how many rows are gone through without a thought.
	fewRows = 1000
	// lookUp is how many texts can be searched, one after the other, in the
	// time in which one record is looked up.
	lookUp = 20
)

// plan decides what is gone through: the rows of one label, of which there are
// the fewest, or the records in their order.
//
// The rows of a label have what a page and a count need, in the order of the
// page, except for the text. Where that is searched, each row costs a look at
// its record; so if a label has very many, it is cheaper to search the texts of
// all records, which stand side by side in an index, and to look up the labels
// of those that match.
func (s *selection) plan(c *conn) error {
	s.by = -1
	labels, searched := s.query.Labels, s.query.Text != ""
	if len(labels) == 0 {
		return nil
	}
	if len(labels) == 1 && !searched {
		s.by = 0
		return nil
	}
	var rows int64
	var err error
	if s.by, rows, err = s.rarest(c); err != nil {
		return err
	}
	if searched && rows > fewRows {
		limit := rows * lookUp
		st := c.sql("SELECT count(*) FROM (SELECT 1 FROM record INDEXED BY record_sort WHERE tenant = ? AND kind = ? LIMIT ?)")
		records, err := st.int(s.tenant).int(s.kind).int(limit).only()
		if err != nil {
			return err
		}
		if records < limit {
			s.by = -1
		}
	}
	return nil
}

// rarest returns which of the labels the fewest records have, and how many. It
// counts no further than it must to know.
func (s *selection) rarest(c *conn) (by int, rows int64, err error) {
	const sql = "SELECT count(*) FROM (SELECT 1 FROM label WHERE tenant = ? AND kind = ? AND key = ? AND value = ? LIMIT ?)"
	for limit := int64(fewRows); ; limit *= 8 {
		rows = limit
		for i, l := range s.query.Labels {
			n, err := c.sql(sql).int(s.tenant).int(s.kind).text(l.Key).text(l.Value).int(limit).only()
			if err != nil {
				return 0, 0, err
			}
			if n < rows {
				by, rows = i, n
			}
		}
		if rows < limit {
			return by, rows, nil
		}
	}
}

// count returns the statement that counts the whole selection.
func (s *selection) count() *builder {
	b := &builder{}
	b.add("SELECT count(*) FROM ")
	if s.whole() {
		b.add("record INDEXED BY record_id") // the smallest that has them all
	} else {
		s.from(b, s.query.Text != "")
	}
	s.where(b)
	s.sortRange(b, s.query.From, s.query.To)
	return b
}

// whole reports whether all records of the kind are selected.
func (s *selection) whole() bool {
	q := s.query
	return s.by < 0 && len(q.Labels) == 0 && q.Text == "" && q.From == "" && q.To == "" && q.ExpiresFrom.IsZero() && q.ExpiresTo.IsZero()
}

// page returns the statement for the records of the page and one more, from
// which is seen whether there are more.
func (s *selection) page() (*builder, error) {
	b, q := &builder{}, s.query
	alone := s.by >= 0 && q.Text == ""
	if alone {
		// Rows that the offset skips cost no look at their records.
		b.add("SELECT " + columns + " FROM (SELECT by.rid, by.sort, by.id FROM ")
	} else {
		b.add("SELECT " + columns + " FROM ")
	}
	s.from(b, !alone)
	s.where(b)
	from, to := q.From, q.To
	if q.After != "" {
		sort, id, err := q.After.Position()
		if err != nil {
			return nil, err
		}
		// Of two bounds at one end the narrower: an index takes one.
		switch {
		case !q.Descending && sort >= from:
			from = ""
			b.add(" AND (" + s.table() + ".sort, " + s.table() + ".id) > (?, ?)").text(sort).text(id)
		case q.Descending && (to == "" || sort < to):
			to = ""
			b.add(" AND (" + s.table() + ".sort, " + s.table() + ".id) < (?, ?)").text(sort).text(id)
		}
	}
	s.sortRange(b, from, to)
	direction := ""
	if q.Descending {
		direction = " DESC"
	}
	b.add(" ORDER BY " + s.table() + ".sort" + direction + ", " + s.table() + ".id" + direction)
	b.add(" LIMIT ? OFFSET ?").int(int64(q.Limit) + 1).int(int64(q.Offset))
	if alone {
		b.add(") AS page CROSS JOIN record ON record.rid = page.rid")
		b.add(" ORDER BY page.sort" + direction + ", page.id" + direction)
	}
	return b, nil
}

// table is what has the sort key, the id and the expiry in an index.
func (s *selection) table() string {
	if s.by >= 0 {
		return "by"
	}
	return "record"
}

// from names what is gone through, and the record itself if it is needed.
func (s *selection) from(b *builder, record bool) {
	switch {
	case s.by < 0:
		b.add("record INDEXED BY record_sort")
	case record:
		b.add("label AS by CROSS JOIN record ON record.rid = by.rid") // in this order
	default:
		b.add("label AS by")
	}
}

// where adds all conditions but those of the sort key.
func (s *selection) where(b *builder) {
	q, t := s.query, s.table()
	b.add(" WHERE " + t + ".tenant = ? AND " + t + ".kind = ?").int(s.tenant).int(s.kind)
	if s.by >= 0 {
		b.add(" AND by.key = ? AND by.value = ?").text(q.Labels[s.by].Key).text(q.Labels[s.by].Value)
	}
	if !q.ExpiresFrom.IsZero() {
		b.add(" AND " + t + ".expires >= ?").time(q.ExpiresFrom)
	}
	if !q.ExpiresTo.IsZero() {
		b.add(" AND " + t + ".expires < ?").time(q.ExpiresTo)
	}
	if q.Text != "" {
		b.add(" AND instr(record.text, ?)").text(q.Text)
	}
	for i, l := range q.Labels {
		if i == s.by {
			continue
		}
		b.add(" AND EXISTS (SELECT 1 FROM label WHERE tenant = ? AND kind = ? AND key = ? AND value = ?").
			int(s.tenant).int(s.kind).text(l.Key).text(l.Value)
		b.add(" AND sort = " + t + ".sort AND id = " + t + ".id)")
	}
}

func (s *selection) sortRange(b *builder, from, to string) {
	if from != "" {
		b.add(" AND " + s.table() + ".sort >= ?").text(from)
	}
	if to != "" {
		b.add(" AND " + s.table() + ".sort < ?").text(to)
	}
}

// A builder makes a statement and its arguments, piece by piece.
type builder struct {
	sql  strings.Builder
	args []argument
}

type argument struct {
	text   string
	number int64
	isText bool
}

func (b *builder) add(sql string) *builder {
	b.sql.WriteString(sql)
	return b
}

func (b *builder) text(v string) *builder {
	b.args = append(b.args, argument{text: v, isText: true})
	return b
}

func (b *builder) int(v int64) *builder {
	b.args = append(b.args, argument{number: v})
	return b
}

func (b *builder) time(t time.Time) *builder { return b.int(t.UnixMicro()) }

// on returns the statement with its arguments, on a connection.
func (b *builder) on(c *conn) *statement {
	s := c.sql(b.sql.String())
	for _, a := range b.args {
		if a.isText {
			s.text(a.text)
		} else {
			s.int(a.number)
		}
	}
	return s
}
