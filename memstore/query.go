package memstore

import (
	"context"
	"slices"
	"strings"

	"github.com/clientele-go/clientele/store"
)

// List returns the records that match q. See [store.Store].
func (s *Store) List(ctx context.Context, q store.Query) (store.Page, error) {
	if err := q.Check(); err != nil {
		return store.Page{}, err
	}
	var after *entry
	if q.After != "" {
		sort, id, err := q.After.Position()
		if err != nil {
			return store.Page{}, err
		}
		after = at(sort, id)
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := s.usable(ctx); err != nil {
		return store.Page{}, err
	}
	from := s.shortest(&q)
	if from == nil {
		return store.Page{}, nil
	}
	return page(ctx, from, &q, after)
}

// shortest returns a list of records among which all that q selects are, or nil
// if there are none: those with the rarest of its labels, or all of the kind.
func (s *Store) shortest(q *store.Query) *list {
	k := s.kinds[q.Kind]
	if k == nil {
		return nil
	}
	shortest := &k.ordered
	for _, label := range q.Labels {
		labelled := k.byLabel[label]
		if labelled == nil {
			return nil
		}
		if labelled.size < shortest.size {
			shortest = labelled
		}
	}
	return shortest
}

// page walks through l once, from where q begins to where the page, or the
// count, ends.
func page(ctx context.Context, l *list, q *store.Query, after *entry) (store.Page, error) {
	limit := q.Limit
	if limit == 0 {
		limit = store.DefaultLimit
	}
	var p store.Page
	count := q.Count
	if count && selectsAll(q) {
		p.Total, count = l.size, false
	}
	start := first(q)
	if after != nil && !count && (start == nil || behind(q, after, start)) {
		start = after
	}
	walk := l.up
	if q.Descending {
		walk = l.down
	}
	visited, skip, more := 0, q.Offset, false
	for e := range walk(start) {
		if visited++; visited%4096 == 0 && ctx.Err() != nil {
			return store.Page{}, ctx.Err()
		}
		if beyond(q, e) {
			break
		}
		if !matches(q, e) {
			continue
		}
		if count {
			p.Total++
		}
		switch {
		case after != nil && !behind(q, e, after):
		case skip > 0:
			skip--
		case len(p.Records) < limit:
			p.Records = append(p.Records, e.Record)
		default:
			more = true
		}
		if more && !count {
			break
		}
	}
	if more {
		p.Next = store.At(p.Records[limit-1])
	}
	return p, nil
}

// selectsAll says whether q selects everything in the list that shortest returns
// for it, so that there is no need to count.
func selectsAll(q *store.Query) bool {
	return len(q.Labels) <= 1 && q.Text == "" && q.From == "" && q.To == "" && q.ExpiresFrom.IsZero() && q.ExpiresTo.IsZero()
}

// at returns an entry that stands for a place in the order of a kind.
func at(sort, id string) *entry {
	return &entry{Record: store.Record{Sort: sort, ID: id}}
}

// first returns the place where the range of q begins, in its direction. No id
// is empty: ("x", "") is before every record with the sort key "x".
func first(q *store.Query) *entry {
	switch {
	case q.Descending && q.To != "":
		return at(q.To, "")
	case !q.Descending && q.From != "":
		return at(q.From, "")
	}
	return nil
}

// beyond says whether the range of q has ended before e.
func beyond(q *store.Query, e *entry) bool {
	if q.Descending {
		return e.Sort < q.From
	}
	return q.To != "" && e.Sort >= q.To
}

// behind says whether e comes after place in the direction of q.
func behind(q *store.Query, e, place *entry) bool {
	if q.Descending {
		return bySort(e, place) < 0
	}
	return bySort(e, place) > 0
}

// matches says whether q selects e, whose sort key is in range.
func matches(q *store.Query, e *entry) bool {
	for _, label := range q.Labels {
		if !slices.Contains(e.Labels, label) {
			return false
		}
	}
	if !q.ExpiresFrom.IsZero() && e.Expires.Before(q.ExpiresFrom) {
		return false
	}
	if !q.ExpiresTo.IsZero() && (e.Expires.IsZero() || !e.Expires.Before(q.ExpiresTo)) {
		return false
	}
	return strings.Contains(e.Text, q.Text)
}
