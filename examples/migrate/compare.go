package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/clientele-go/clientele/store"
)

var (
	// errForeign: the target is not a copy of the source, or of a part of it.
	errForeign = errors.New("the target has data of its own, choose a tenant or a database without any")
	// errMissing: something is in the source and not in the target.
	errMissing = errors.New("missing in the target")
)

// pageSize is how many records are read at once. A record may have a megabyte.
const pageSize = 200

// A pair is a record in the source and its copy; nil is one that is not there.
type pair struct{ from, to *store.Record }

// pairs goes through the records of a kind on both sides in their order, which is
// the same in every store. It reads ahead on both sides, so that a record that is
// copied when it was found to be missing is not met again.
func pairs(ctx context.Context, from, to store.Store, kind store.Kind) iter.Seq2[pair, error] {
	return func(yield func(pair, error) bool) {
		a, b := &reader{store: from, kind: kind}, &reader{store: to, kind: kind}
		for {
			x, err1 := a.head(ctx)
			y, err2 := b.head(ctx)
			if err := errors.Join(err1, err2); err != nil {
				yield(pair{}, err)
				return
			}
			var order int
			switch {
			case x == nil && y == nil:
				return
			case y == nil:
				order = -1
			case x == nil:
				order = 1
			default:
				order = cmp.Or(cmp.Compare(x.Sort, y.Sort), cmp.Compare(x.ID, y.ID))
			}
			p := pair{x, y}
			if order > 0 {
				p.from = nil
			} else {
				a.next()
			}
			if order < 0 {
				p.to = nil
			} else {
				b.next()
			}
			if !yield(p, nil) {
				return
			}
		}
	}
}

// A reader reads the records of a kind, page by page.
type reader struct {
	store store.Store
	kind  store.Kind
	page  []store.Record
	after store.Cursor
	ended bool
}

// head returns the first record that is left, or nil.
func (r *reader) head(ctx context.Context) (*store.Record, error) {
	for len(r.page) == 0 && !r.ended {
		page, err := r.store.List(ctx, store.Query{Kind: r.kind, After: r.after, Limit: pageSize})
		if err != nil {
			return nil, err
		}
		r.page, r.after, r.ended = page.Records, page.Next, page.Next == ""
	}
	if len(r.page) == 0 {
		return nil, nil
	}
	return &r.page[0], nil
}

func (r *reader) next() { r.page = r.page[1:] }

// A difference is what a comparison has found.
type difference struct {
	kinds    []store.Kind // of the source, and of the target
	same     int          // records
	appends  int          // records that were appended, and are missing in the target
	puts     []put        // likewise of those that were put
	versions map[store.Revision]store.Revision
	first    error // the first of those that are missing
}

// A put is a record that was put, by what names it.
type put struct {
	version store.Revision
	kind    store.Kind
	id      string
}

// compare compares each record of the source with its copy. It returns what is
// missing in the target, and an error if that has anything else.
//
// A record has another version in the target, but two that were written by one
// Apply must have one there too: package client relies on that. What has expired
// may vanish from either side at any time, and so does not count if the other
// side alone has it.
func compare(ctx context.Context, from, to *tenant, now time.Time) (*difference, error) {
	d := &difference{versions: map[store.Revision]store.Revision{}}
	for _, t := range []*tenant{from, to} {
		kinds, err := t.kinds(ctx)
		if err != nil {
			return nil, err
		}
		d.kinds = append(d.kinds, kinds...)
	}
	slices.Sort(d.kinds)
	d.kinds = slices.Compact(d.kinds)
	for _, kind := range d.kinds {
		for p, err := range pairs(ctx, from, to, kind) {
			if err == nil {
				err = d.add(p, now)
			}
			if err != nil {
				return nil, err
			}
		}
	}
	return d, nil
}

func (d *difference) add(p pair, now time.Time) error {
	switch {
	case p.from == nil && expired(p.to, now):
		return nil
	case p.from == nil:
		return fmt.Errorf("%w: %s %.64q is not in the source", errForeign, p.to.Kind, p.to.ID)
	case p.to != nil:
		d.same++
		return d.equal(p.from, p.to)
	}
	if d.first == nil && !expired(p.from, now) {
		d.first = fmt.Errorf("%w: %s %.64q", errMissing, p.from.Kind, p.from.ID)
	}
	if p.from.Version == 0 {
		d.appends++
	} else {
		d.puts = append(d.puts, put{p.from.Version, p.from.Kind, p.from.ID})
	}
	return nil
}

// equal returns an error unless b is a copy of a.
func (d *difference) equal(a, b *store.Record) error {
	same := a.Kind == b.Kind && a.ID == b.ID && slices.Equal(a.Names, b.Names) && slices.Equal(sorted(a.Labels), sorted(b.Labels)) &&
		a.Text == b.Text && a.Sort == b.Sort && a.Expires.Equal(b.Expires) && a.Format == b.Format && bytes.Equal(a.Data, b.Data) &&
		(a.Version == 0) == (b.Version == 0)
	if !same {
		return fmt.Errorf("%w: %s %.64q is another than in the source", errForeign, a.Kind, a.ID)
	}
	if a.Version == 0 {
		return nil
	}
	if version, ok := d.versions[a.Version]; ok && version != b.Version {
		return fmt.Errorf("%w: %s %.64q was not written together with what it was written with in the source", errForeign, a.Kind, a.ID)
	}
	d.versions[a.Version] = b.Version
	return nil
}

// sorted returns labels in one order: a store may return them in any.
func sorted(labels []store.Label) []store.Label {
	return slices.SortedFunc(slices.Values(labels), func(a, b store.Label) int {
		return cmp.Or(cmp.Compare(a.Key, b.Key), cmp.Compare(a.Value, b.Value))
	})
}

func expired(r *store.Record, now time.Time) bool {
	return !r.Expires.IsZero() && r.Expires.Before(now)
}
