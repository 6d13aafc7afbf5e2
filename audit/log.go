package audit

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/clientele-go/clientele/internal/randid"
	"github.com/clientele-go/clientele/store"
)

// Config is what a Log is made of. Only Store is required.
type Config struct {
	// Store keeps the events, beside the records they tell of.
	Store store.Store
	// Retention is how long an event is kept; then Store.Sweep may drop it.
	// Zero keeps events for ever. Events written before keep the end they
	// were given.
	Retention time.Duration
	// Now tells the time; nil means time.Now.
	Now func() time.Time
	// Rand gives the random ids of events; nil means crypto/rand. It is read
	// by several goroutines at once.
	Rand io.Reader
}

// A Log makes and reads the events of one tenant. Its methods may be called by
// any number of goroutines at once. It holds nothing that must be closed.
type Log struct {
	store     store.Store
	retention time.Duration
	now       func() time.Time
	rand      io.Reader
}

// NewLog returns a Log on cfg.Store. It fails if there is no store or if the
// retention is negative, and asks the store nothing.
func NewLog(cfg Config) (*Log, error) {
	if cfg.Store == nil {
		return nil, errors.New("audit: Config.Store is missing")
	}
	if cfg.Retention < 0 {
		return nil, fmt.Errorf("audit: Config.Retention is %v, want zero (for ever) or more", cfg.Retention)
	}
	l := &Log{store: cfg.Store, retention: cfg.Retention, now: cfg.Now, rand: cfg.Rand}
	if l.now == nil {
		l.now = time.Now
	}
	if l.rand == nil {
		l.rand = rand.Reader
	}
	return l, nil
}

// Change returns the Append that writes the event of e, done by the Actor of ctx
// now. The caller hands it to the same Apply as the change that it tells of.
//
// It fails with ErrNoActor if ctx does not say who acts, and with another error
// if e has no action or no kind of subject, if one of its values cannot be
// encoded, or if Config.Rand fails. Values that are too large are no error (see
// MaxValue).
func (l *Log) Change(ctx context.Context, e Entry) (store.Change, error) {
	actor, err := ActorFrom(ctx)
	if err != nil {
		return store.Change{}, err
	}
	if e.Action == "" || e.Subject.Kind == "" {
		return store.Change{}, errors.New("audit: an entry needs an action and a kind of subject")
	}
	before, err := encoded(e.Before)
	if err != nil {
		return store.Change{}, fmt.Errorf("audit: %s: encode what was before: %w", e.Action, err)
	}
	after, err := encoded(e.After)
	if err != nil {
		return store.Change{}, fmt.Errorf("audit: %s: encode what is after: %w", e.Action, err)
	}
	id, err := randid.New(l.rand)
	if err != nil {
		return store.Change{}, fmt.Errorf("audit: new id: %w", err)
	}
	event := Event{
		ID:      id,
		Time:    store.Time(l.now()),
		Actor:   actor.cleaned(),
		Action:  clean(e.Action),
		Subject: e.Subject.cleaned(),
		Before:  before,
		After:   after,
	}
	record, err := event.record()
	if err != nil {
		return store.Change{}, err
	}
	if l.retention > 0 {
		record.Expires = store.Time(event.Time.Add(l.retention))
	}
	return store.Append(record), nil
}
