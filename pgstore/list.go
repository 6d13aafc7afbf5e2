package pgstore

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/clientele-go/clientele/store"
)

// List returns a page of the records that match q. A page that begins far from
// the beginning is found by a cursor (After) at once, by an offset in the time
// it takes to count up to it in an index.
func (s *Store) List(ctx context.Context, q store.Query) (page store.Page, err error) {
	const doing = "list"
	if err := q.Check(); err != nil {
		return page, failed(doing, err)
	}
	if q.Limit == 0 {
		q.Limit = store.DefaultLimit
	}
	sel, err := s.selection(&q)
	if err != nil {
		return page, failed(doing, err)
	}
	err = s.db.list(ctx, doing, func(ctx context.Context, c *pgx.Conn) error {
		return s.db.plan(ctx, c, sel.sql.String(), sel.args, func(rows pgx.Rows) error {
			page, err = sel.scan(rows)
			return err
		})
	})
	if err != nil {
		return store.Page{}, err
	}
	return page, nil
}

// A selection makes the statement for a query, by which the page and the count
// are of one moment. It is planned each time, because what is best depends on
// how many records have a label.
type selection struct {
	query *store.Query
	sql   strings.Builder
	args  []any

	schema       string
	tenant, kind string   // the arguments that they are
	labels       []string // likewise
	keys         string   // the table that has sort key, id and expiry
}

func (s *Store) selection(q *store.Query) (*selection, error) {
	b := &selection{query: q, schema: s.db.sql.schema, keys: "r"}
	b.tenant, b.kind = b.arg(s.id), b.arg(string(q.Kind))
	for _, l := range q.Labels {
		b.labels = append(b.labels, b.arg(labelHash(s.id, q.Kind, l)))
	}
	switch {
	case len(q.Labels) > 0:
		b.keys = "l0"
	case q.Text != "":
		b.keys = "s"
	}
	count := "0::bigint"
	matches := q.Count && q.Text != ""
	if matches {
		// Texts are searched once, for the count and for the page.
		b.add("WITH matches AS MATERIALIZED (SELECT " + b.key("sort") + ", " + b.key("id"))
		b.from()
		b.sortRange(q.From, q.To)
		b.add(") ")
		count = "(SELECT count(*) FROM matches)"
	}
	// The tenant's row is there even if no record is.
	b.add("SELECT t.total, p.id IS NOT NULL, coalesce(p.id, ''), coalesce(p.version, 0), coalesce(p.sort, ''), p.expires," +
		" coalesce(p.format, 0), coalesce(p.text, ''), p.names, p.labels, p.data FROM (SELECT ")
	if q.Count && !matches {
		b.add("(SELECT count(*)")
		b.from()
		b.sortRange(q.From, q.To)
		b.add(")")
	} else {
		b.add(count)
	}
	b.add(" AS total FROM " + b.schema + "tenant WHERE id = " + b.tenant + ") t LEFT JOIN LATERAL (SELECT r.id, " + recordColumns)
	from, to := q.From, q.To
	inOrder := b.keys == "r" && q.Offset == 0 && q.ExpiresFrom.IsZero() && q.ExpiresTo.IsZero()
	if !inOrder {
		// What is skipped, or does not fit, is not read; only the page is.
		b.add(" FROM (SELECT " + b.key("id"))
	}
	if matches {
		b.add(" FROM matches " + b.keys + " WHERE true")
		from, to = "", ""
	} else {
		b.from()
	}
	if err := b.page(from, to); err != nil {
		return nil, err
	}
	if !inOrder {
		b.add(") k JOIN " + b.schema + "record r ON r.tenant = " + b.tenant + " AND r.kind = " + b.kind + " AND r.id = k.id")
	}
	b.add(") p ON true ORDER BY p.sort" + b.direction() + ", p.id" + b.direction())
	return b, nil
}

// from adds what is gone through, and all conditions but those of the sort key.
// Tables are joined, rather than looked into for each row of the first, so that
// the server can begin with the label that the fewest records have.
func (b *selection) from() {
	q := b.query
	switch {
	case b.keys == "r":
		b.add(" FROM " + b.schema + "record r WHERE r.space = " + b.tenant + " AND r.kind = " + b.kind)
	case b.keys == "s":
		b.add(" FROM " + b.schema + "search s WHERE s.tenant = " + b.tenant + " AND s.kind = " + b.kind)
	default:
		b.add(" FROM " + b.schema + "label l0")
		for i, label := range b.labels[1:] {
			b.add(fmt.Sprintf(" JOIN %slabel l%d ON l%[2]d.label = %s AND l%[2]d.sort = l0.sort AND l%[2]d.id = l0.id", b.schema, i+1, label))
		}
		if q.Text != "" {
			b.add(" JOIN " + b.schema + "search s ON s.tenant = " + b.tenant + " AND s.kind = " + b.kind + " AND s.sort = l0.sort AND s.id = l0.id")
		}
		b.add(" WHERE l0.label = " + b.labels[0])
	}
	if !q.ExpiresFrom.IsZero() {
		b.add(" AND " + b.key("expires") + " >= " + b.arg(q.ExpiresFrom))
	}
	if !q.ExpiresTo.IsZero() {
		b.add(" AND " + b.key("expires") + " < " + b.arg(q.ExpiresTo))
	}
	if q.Text != "" {
		b.add(" AND strpos(s.text, " + b.arg(q.Text) + ") > 0")
	}
}

// page adds the rest of what selects a page, within a range of the sort key, and
// one record more, from which is seen whether there are more.
func (b *selection) page(from, to string) error {
	q := b.query
	if q.After != "" {
		sort, id, err := q.After.Position()
		if err != nil {
			return err
		}
		// Of two bounds at one end the narrower: an index takes one.
		switch {
		case !q.Descending && sort >= q.From:
			from = ""
			b.add(" AND (" + b.key("sort") + ", " + b.key("id") + ") > (" + b.arg(sort) + ", " + b.arg(id) + ")")
		case q.Descending && (q.To == "" || sort < q.To):
			to = ""
			b.add(" AND (" + b.key("sort") + ", " + b.key("id") + ") < (" + b.arg(sort) + ", " + b.arg(id) + ")")
		}
	}
	b.sortRange(from, to)
	b.add(" ORDER BY " + b.key("sort") + b.direction() + ", " + b.key("id") + b.direction())
	b.add(" LIMIT " + b.arg(q.Limit+1) + "::bigint")
	if q.Offset > 0 {
		b.add(" OFFSET " + b.arg(q.Offset) + "::bigint")
	}
	return nil
}

func (b *selection) direction() string {
	if b.query.Descending {
		return " DESC"
	}
	return ""
}

func (b *selection) sortRange(from, to string) {
	if from != "" {
		b.add(" AND " + b.key("sort") + " >= " + b.arg(from))
	}
	if to != "" {
		b.add(" AND " + b.key("sort") + " < " + b.arg(to))
	}
}

// key returns a column of the table that has sort key, id and expiry.
func (b *selection) key(column string) string { return b.keys + "." + column }

func (b *selection) add(sql string) { b.sql.WriteString(sql) }

// arg adds an argument and returns what stands for it.
func (b *selection) arg(v any) string {
	b.args = append(b.args, v)
	return fmt.Sprintf("$%d", len(b.args))
}

// scan reads the rows of the statement.
func (b *selection) scan(rows pgx.Rows) (page store.Page, err error) {
	tenant := false
	for rows.Next() {
		var found bool
		r := store.Record{Kind: b.query.Kind}
		if err := scanRecord(rows, &r, &page.Total, &found, &r.ID); err != nil {
			return page, err
		}
		if tenant = true; !found {
			break
		}
		if len(page.Records) == b.query.Limit {
			page.Next = store.At(page.Records[b.query.Limit-1])
			break
		}
		page.Records = append(page.Records, r)
	}
	rows.Close()
	if err := rows.Err(); err != nil {
		return page, err
	}
	if !tenant {
		return page, store.ErrDeleted
	}
	return page, nil
}
