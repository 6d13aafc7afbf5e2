package audit

import (
	"context"
	"fmt"
	"time"

	"github.com/clientele-go/clientele/internal/timekey"
	"github.com/clientele-go/clientele/store"
)

// A Filter selects events. What is zero does not narrow the selection; what is
// set must all be true of an event.
type Filter struct {
	ActorKind string // exactly
	ActorID   string // exactly
	Request   string // exactly

	Action string // exactly

	SubjectKind string // exactly
	SubjectID   string // exactly

	From, To time.Time // From <= Event.Time, and Event.Time < To; of the years 1 to 9999

	// Text is looked for, whatever the case, in the names and ids of actor
	// and subject, in the action and in the address. At most 4096 bytes
	// folded (see store.Fold). The fields above are found by an index; this
	// one is compared event by event.
	Text string

	// OldestFirst turns the order round, which is newest first.
	OldestFirst bool

	After  store.Cursor // continues behind a page: its Next
	Offset int          // skips that many events
	Limit  int          // most events of a page: 1…1000; 0 means 100
	Count  bool         // asks for Page.Total
}

// A Page is what List returns.
type Page struct {
	Events []Event
	// Next, as Filter.After, continues behind the last of Events. It is empty
	// if there was nothing more.
	Next store.Cursor
	// Total is the number of events that the filter selects without After,
	// Offset and Limit. It is counted only if Filter.Count is set.
	Total int
}

// List returns the events that f selects in the order of their times. Those of one
// microsecond stand in the order of their ids, which is no order of making. An event
// that has expired is listed until it is swept. The error wraps store.ErrInvalid if
// f is outside its bounds.
func (l *Log) List(ctx context.Context, f Filter) (Page, error) {
	q, err := f.query()
	if err != nil {
		return Page{}, fmt.Errorf("audit: list events: %w", err)
	}
	found, err := l.store.List(ctx, q)
	if err != nil {
		return Page{}, fmt.Errorf("audit: list events: %w", err)
	}
	page := Page{Events: make([]Event, len(found.Records)), Next: found.Next, Total: found.Total}
	for i, r := range found.Records {
		if page.Events[i], err = eventOf(r); err != nil {
			return Page{}, err
		}
	}
	return page, nil
}

func (f *Filter) query() (store.Query, error) {
	from, err := timekey.Bound("from", f.From)
	if err != nil {
		return store.Query{}, err
	}
	to, err := timekey.Bound("to", f.To)
	if err != nil {
		return store.Query{}, err
	}
	return store.Query{
		Kind: Kind,
		Labels: labels(
			store.Label{Key: labelAction, Value: clean(f.Action)},
			store.Label{Key: labelActorKind, Value: clean(f.ActorKind)},
			store.Label{Key: labelActorID, Value: clean(f.ActorID)},
			store.Label{Key: labelRequest, Value: clean(f.Request)},
			store.Label{Key: labelSubjectKind, Value: clean(f.SubjectKind)},
			store.Label{Key: labelSubjectID, Value: clean(f.SubjectID)},
		),
		Text:       store.Fold(f.Text),
		From:       from,
		To:         to,
		Descending: !f.OldestFirst,
		After:      f.After,
		Offset:     f.Offset,
		Limit:      f.Limit,
		Count:      f.Count,
	}, nil
}
