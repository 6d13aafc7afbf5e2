package client

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/clientele-go/clientele/store"
)

// afterID is the cursor behind the client that Query.Search has found by its id, in
// front of the first of those that it finds by their names. No store has one like
// it.
const afterID store.Cursor = "after-id"

// search returns a page of the clients that q selects, whose Text is a part of their
// names, and with them the one that has the id text, if all else of q selects it: in
// front of the others, unless its name has the Text too and it is one of them.
func (r *Registry) search(ctx context.Context, text string, q store.Query) (store.Page, error) {
	inFront := q.After == ""
	if q.After == afterID {
		q.After = ""
	}
	if err := q.Check(); err != nil { // of the caller's Limit, not of what it becomes
		return store.Page{}, err
	}
	record, found, err := r.byID(ctx, text, q)
	if err != nil {
		return store.Page{}, err
	}
	if !found {
		return r.store.List(ctx, q)
	}
	limit := cmp.Or(q.Limit, store.DefaultLimit)
	first := inFront && q.Offset == 0
	switch {
	case first:
		q.Limit = max(1, limit-1) // the least, which still says whether there are more
	case inFront:
		q.Offset--
	}
	page, err := r.store.List(ctx, q)
	if err != nil {
		return store.Page{}, err
	}
	if q.Count {
		page.Total++
	}
	if first {
		if limit == 1 && len(page.Records) > 0 {
			page.Records, page.Next = nil, afterID
		}
		page.Records = slices.Insert(page.Records, 0, record)
	}
	return page, nil
}

// byID returns the record of the client with that id if q selects it but for its
// Text.
func (r *Registry) byID(ctx context.Context, id string, q store.Query) (store.Record, bool, error) {
	record, err := r.read(ctx, id)
	if errors.Is(err, ErrNotFound) {
		return store.Record{}, false, nil
	}
	if err != nil {
		return store.Record{}, false, err
	}
	for _, label := range q.Labels {
		if !slices.Contains(record.Labels, label) {
			return store.Record{}, false, nil
		}
	}
	return record, !strings.Contains(record.Text, q.Text), nil
}
