package store

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/clientele-go/clientele/observe"
)

// Observe returns a Store that does what s does and tells o of each call: an
// observe.StoreGet and so on, within the contexts of which s works. With a nil o
// it returns s.
func Observe(s Store, o observe.Observer) Store {
	if o == nil {
		return s
	}
	return &observed{s, o}
}

// An observed is a Store, the calls of which an Observer is told of.
type observed struct {
	store    Store
	observer observe.Observer
}

func (s *observed) Get(ctx context.Context, kind Kind, id string) (Record, error) {
	ctx, running := observe.Begin(ctx, s.observer, observe.StoreGet)
	r, err := s.store.Get(ctx, kind, id)
	end(ctx, running, kind, 1, err)
	return r, err
}

func (s *observed) List(ctx context.Context, q Query) (Page, error) {
	ctx, running := observe.Begin(ctx, s.observer, observe.StoreList)
	page, err := s.store.List(ctx, q)
	end(ctx, running, q.Kind, len(page.Records), err)
	return page, err
}

func (s *observed) Apply(ctx context.Context, changes ...Change) (Revision, error) {
	ctx, running := observe.Begin(ctx, s.observer, observe.StoreApply)
	revision, err := s.store.Apply(ctx, changes...)
	var kind Kind
	if len(changes) > 0 {
		kind = changes[0].Record.Kind
	}
	end(ctx, running, kind, len(changes), err)
	return revision, err
}

func (s *observed) Changes(ctx context.Context, since Revision, wait time.Duration, limit int) (Feed, error) {
	op := observe.StoreChanges
	if wait > 0 {
		op = observe.StoreWait
	}
	ctx, running := observe.Begin(ctx, s.observer, op)
	feed, err := s.store.Changes(ctx, since, wait, limit)
	end(ctx, running, "", len(feed.Changed), err)
	return feed, err
}

func (s *observed) Sweep(ctx context.Context, before time.Time, limit int) (int, error) {
	ctx, running := observe.Begin(ctx, s.observer, observe.StoreSweep)
	swept, err := s.store.Sweep(ctx, before, limit)
	end(ctx, running, "", swept, err)
	return swept, err
}

// end tells what came of a call about records of a kind, if it is about one.
func end(ctx context.Context, running observe.Running, kind Kind, records int, err error) {
	result := observe.Result{Outcome: observe.OK}
	// Whoever calls may have made the kind up: it is told only if the store
	// has had nothing against it.
	if kind != "" && !errors.Is(err, ErrInvalid) {
		result.Labels = []observe.Label{{Key: observe.LabelKind, Value: string(kind)}}
	}
	if err == nil {
		result.Details = []slog.Attr{slog.Int(observe.DetailRecords, records)}
	} else {
		result.Outcome, result.Reason = outcomeOf(err)
		// What was refused is said by the reason; the error would also name the
		// record, by what a stranger may have sent for an id: a secret, perhaps.
		if result.Outcome == observe.Failed {
			result.Err = err
		}
	}
	running.End(ctx, result)
}

// outcomeOf returns what an error of a Store comes down to.
func outcomeOf(err error) (observe.Outcome, string) {
	for _, known := range [...]struct {
		err     error
		outcome observe.Outcome
		reason  string
	}{
		{ErrNotFound, observe.Refused, "not_found"},
		{ErrConflict, observe.Refused, "conflict"},
		{ErrExists, observe.Refused, "exists"},
		{ErrTaken, observe.Refused, "taken"},
		{ErrTooOld, observe.Refused, "too_old"},
		{ErrInvalid, observe.Refused, "invalid"},
		{ErrClosed, observe.Failed, "closed"},
		{ErrNewer, observe.Failed, "newer"},
		{context.Canceled, observe.Left, "cancelled"},
		{context.DeadlineExceeded, observe.Failed, "timeout"},
	} {
		if errors.Is(err, known.err) {
			return known.outcome, known.reason
		}
	}
	return observe.Failed, "unavailable"
}
