package audit

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/clientele-go/clientele/internal/randid"
	"github.com/clientele-go/clientele/store"
)

// Config is what a Log is made of. Only Store is required.
type Config struct {
	// Store keeps the events, beside the records they tell of.
	Store store.Store
	// Retention is how long what a tenant gathers is kept. Its zero value is
	// a sensible choice.
	Retention Retention
	// Logger, if set, gets each event once its change is durable: see
	// Pending.Done.
	Logger *slog.Logger
	// Now tells the time; nil means time.Now.
	Now func() time.Time
	// Rand gives the random part of the ids of events; nil means crypto/rand.
	// It is read by several goroutines at once.
	Rand io.Reader
}

// A Log makes and reads the events of one tenant. Its methods may be called by
// any number of goroutines at once. It holds nothing that must be closed.
type Log struct {
	store     store.Store
	retention Retention
	logger    *slog.Logger
	now       func() time.Time
	rand      io.Reader
}

// NewLog returns a Log on cfg.Store. It fails if there is no store or if a
// retention is negative, and asks the store nothing.
func NewLog(cfg Config) (*Log, error) {
	if cfg.Store == nil {
		return nil, errors.New("audit: Config.Store is missing")
	}
	if err := cfg.Retention.check(); err != nil {
		return nil, err
	}
	l := &Log{store: cfg.Store, retention: cfg.Retention.orDefault(), logger: cfg.Logger, now: cfg.Now, rand: cfg.Rand}
	if l.now == nil {
		l.now = time.Now
	}
	if l.rand == nil {
		l.rand = rand.Reader
	}
	return l, nil
}

// Retention returns how long what the tenant gathers is kept, with the defaults
// in the place of zeros: for whoever writes something of it.
func (l *Log) Retention() Retention { return l.retention }

// Change returns the event of e, done by the Actor of ctx now, as the Append that
// writes it. The caller hands that to the same Apply as the change that it tells
// of, and calls Done if the Apply succeeded.
//
// It fails with ErrNoActor if ctx does not say who acts, and with another error
// if e has no action or no kind of subject, if one of its values cannot be
// encoded, or if Config.Rand fails. Values that are too large are no error (see
// MaxValue).
func (l *Log) Change(ctx context.Context, e Entry) (Pending, error) {
	actor, err := ActorFrom(ctx)
	if err != nil {
		return Pending{}, err
	}
	if e.Action == "" || e.Subject.Kind == "" {
		return Pending{}, errors.New("audit: an entry needs an action and a kind of subject")
	}
	before, err := encoded(e.Before)
	if err != nil {
		return Pending{}, fmt.Errorf("audit: %s: encode what was before: %w", e.Action, err)
	}
	after, err := encoded(e.After)
	if err != nil {
		return Pending{}, fmt.Errorf("audit: %s: encode what is after: %w", e.Action, err)
	}
	now := store.Time(l.now())
	id, err := randid.Ordered(now, l.rand)
	if err != nil {
		return Pending{}, fmt.Errorf("audit: new id: %w", err)
	}
	event := &Event{
		ID:      id,
		Time:    now,
		Actor:   actor.cleaned(),
		Action:  clean(e.Action),
		Subject: e.Subject.cleaned(),
		Before:  before,
		After:   after,
	}
	record, err := event.record()
	if err != nil {
		return Pending{}, err
	}
	if l.retention.Events > 0 {
		record.Expires = store.Time(now.Add(l.retention.Events))
	}
	return Pending{Change: store.Append(record), event: event, logger: l.logger}, nil
}
