package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/clientele-go/clientele/internal/flight"
	"github.com/clientele-go/clientele/observe"
)

// TableConfig says what a Table is a view of.
type TableConfig[T any] struct {
	// Store and Kind say which records. Required.
	Store Store
	Kind  Kind
	// Decode makes the value that is cached from a record. It is called once
	// for each version of a record that is asked for. Required.
	Decode func(Record) (T, error)
	// Max is the most records that are kept decoded. 0 means 100 000.
	Max int
	// Fresh is how long a value is served, at most, after another process
	// changed it. 0 means DefaultFresh, one second.
	Fresh time.Duration
	// Observer, if set, is told of observe.CacheHits and CacheLoads, with Kind
	// as their label.
	Observer observe.Observer
}

// A Table is a typed, cached view of one kind: values by id, decoded once for
// each version and then shared, so that T should be immutable (a pointer to
// what nobody changes). Its methods may be called concurrently.
//
// A value is served if the store's feed has confirmed, within the bound of
// TableConfig.Fresh, that nothing newer exists. If that can't be confirmed, Get
// asks the store itself, unless it is called on behalf of a request that may go on
// from what is cached (token.Config.StoreAway). The number of cached values is bounded; that an id
// does not exist is remembered as well (in a smaller bounded room), so that
// asking for what is absent costs what asking for something costs. One load is
// under way for an id however many ask, and each waits within its own context.
type Table[T any] struct {
	cfg      TableConfig[T]
	follower follower
	loads    flight.Group[string, T]

	mu      sync.RWMutex
	values  generations[T]
	absent  generations[*absentError] // made once: asking again costs no more than for what is there
	loading map[string]*load          // what may be cached when it arrives
}

// A load is told apart from a later one for the same id by its address.
type load struct{ _ byte }

// maxAbsent bounds what is remembered to be absent: enough for a few wrong
// configurations, little enough for whoever tries ids at random.
const maxAbsent = 8192

// NewTable returns a Table. It panics if a required field of cfg is missing,
// which is a mistake of the program and not of its data.
func NewTable[T any](cfg TableConfig[T]) *Table[T] {
	if cfg.Store == nil || cfg.Kind == "" || cfg.Decode == nil {
		panic("store: NewTable needs a Store, a Kind and a Decode")
	}
	if cfg.Max <= 0 {
		cfg.Max = 100_000
	}
	t := &Table[T]{cfg: cfg, loading: map[string]*load{}}
	t.values.max, t.absent.max = cfg.Max, min(maxAbsent, cfg.Max)
	t.follower.init(cfg.Store, cfg.Fresh, t.changed, t.reset)
	return t
}

// Get returns the value with that id, or an error that wraps ErrNotFound, or
// the error of the store or of Decode.
func (t *Table[T]) Get(ctx context.Context, id string) (T, error) {
	if err := t.follower.confirm(ctx); err != nil {
		return t.unconfirmed(ctx, id, err)
	}
	t.mu.RLock()
	value, young, ok := t.values.get(id)
	if !ok {
		if absent, _, gone := t.absent.get(id); gone {
			t.mu.RUnlock()
			t.count(ctx, observe.CacheHits)
			return value, absent
		}
	}
	t.mu.RUnlock()
	if !ok {
		id = strings.Clone(id) // which may be a part of something large
		return t.loads.Do(ctx, id, func(ctx context.Context) (T, error) { return t.load(ctx, id) })
	}
	if !young {
		t.keep(id)
	}
	t.count(ctx, observe.CacheHits)
	return value, nil
}

// unconfirmed is Get where confirm has failed with err.
func (t *Table[T]) unconfirmed(ctx context.Context, id string, err error) (value T, _ error) {
	switch {
	case goesOn(err):
		t.mu.RLock()
		value, _, ok := t.values.get(id)
		absent, _, gone := t.absent.get(id)
		t.mu.RUnlock()
		switch {
		case ok:
			t.count(ctx, observe.CacheHits)
			return value, nil
		case gone:
			t.count(ctx, observe.CacheHits)
			return value, absent
		}
		return value, fmt.Errorf("this %s is not cached: %w", t.cfg.Kind, err)
	case ctx.Err() != nil:
		return value, ctx.Err()
	}
	return t.read(ctx, id)
}

// Len returns how many values are cached.
func (t *Table[T]) Len() int {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.values.len()
}

func (t *Table[T]) count(ctx context.Context, counter observe.Counter) {
	if t.cfg.Observer != nil {
		t.cfg.Observer.Count(ctx, counter, string(t.cfg.Kind), 1)
	}
}

// Forget drops what is cached for id. Who changes a record through the store
// calls it when Apply returned, also with an error that leaves the outcome
// unknown, and so sees its own write at once.
func (t *Table[T]) Forget(id string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.forget(id)
}

func (t *Table[T]) forget(id string) {
	t.values.drop(id)
	t.absent.drop(id)
	delete(t.loading, id)
	t.loads.Forget(id)
}

// keep saves a value of the old generation from being dropped with it.
func (t *Table[T]) keep(id string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if value, young, ok := t.values.get(id); ok && !young {
		t.values.put(id, value)
	}
}

// load reads id from the store and caches it, unless it was forgotten, or
// everything was, while it was read.
func (t *Table[T]) load(ctx context.Context, id string) (T, error) {
	l := new(load)
	t.mu.Lock()
	t.loading[id] = l
	t.mu.Unlock()

	value, err := t.read(ctx, id)

	t.mu.Lock()
	defer t.mu.Unlock()
	if t.loading[id] != l {
		return value, err
	}
	delete(t.loading, id)
	switch {
	case err == nil:
		t.values.put(id, value)
	case errors.Is(err, ErrNotFound):
		t.absent.put(id, &absentError{t.cfg.Kind, id})
	}
	return value, err
}

func (t *Table[T]) read(ctx context.Context, id string) (value T, err error) {
	t.count(ctx, observe.CacheLoads)
	record, err := t.cfg.Store.Get(ctx, t.cfg.Kind, id)
	if err != nil {
		return value, err
	}
	record.ID = id // the text that is the key here: many stores return another
	value, err = t.cfg.Decode(record)
	if err != nil {
		return value, fmt.Errorf("%s %.64q: %w", t.cfg.Kind, id, err)
	}
	return value, nil
}

func (t *Table[T]) changed(changes []Changed) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, c := range changes {
		if c.Kind == t.cfg.Kind {
			t.forget(c.ID)
		}
	}
}

func (t *Table[T]) reset() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.values.clear()
	t.absent.clear()
	for id := range t.loading {
		t.loads.Forget(id)
	}
	clear(t.loading)
}

// An absentError says that there is no such record. It is put into words only
// if somebody reads it: whoever asks for what is absent should wait no longer.
type absentError struct {
	kind Kind
	id   string
}

func (e *absentError) Error() string { return fmt.Sprintf("%s %.64q: %v", e.kind, e.id, ErrNotFound) }

func (e *absentError) Unwrap() error { return ErrNotFound }

// generations is a map bounded to max entries that forgets the least used: when
// the young generation is half of max, it becomes the old one, whose entries
// are gone unless somebody asked for them (and put them again) in between.
type generations[V any] struct {
	max        int
	young, old map[string]V
}

func (g *generations[V]) get(id string) (v V, young, ok bool) {
	if v, ok = g.young[id]; ok {
		return v, true, true
	}
	v, ok = g.old[id]
	return v, false, ok
}

func (g *generations[V]) put(id string, v V) {
	delete(g.old, id)
	if g.young == nil {
		g.young = map[string]V{}
	}
	g.young[id] = v
	if len(g.young) >= max(g.max/2, 1) {
		g.old, g.young = g.young, nil
	}
}

func (g *generations[V]) drop(id string) {
	delete(g.young, id)
	delete(g.old, id)
}

// len returns how many entries there are: none is in both.
func (g *generations[V]) len() int { return len(g.young) + len(g.old) }

func (g *generations[V]) clear() { g.young, g.old = nil, nil }
