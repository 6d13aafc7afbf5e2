package appender_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/internal/appender"
	"github.com/clientele-go/clientele/memstore"
	"github.com/clientele-go/clientele/store"
)

// watched is a store that notes what is applied and asks before it is.
type watched struct {
	store.Store
	before func(ctx context.Context, changes []store.Change) error // if set

	mu      sync.Mutex
	applied [][]string // the ids of each Apply
}

func (w *watched) Apply(ctx context.Context, changes ...store.Change) (store.Revision, error) {
	var ids []string
	for _, c := range changes {
		ids = append(ids, c.Record.ID)
	}
	w.mu.Lock()
	w.applied = append(w.applied, ids)
	w.mu.Unlock()
	if w.before != nil {
		if err := w.before(ctx, changes); err != nil {
			return 0, err
		}
	}
	return w.Store.Apply(ctx, changes...)
}

// sizes returns how many changes each Apply so far had.
func (w *watched) sizes() []int {
	w.mu.Lock()
	defer w.mu.Unlock()
	sizes := []int{}
	for _, ids := range w.applied {
		sizes = append(sizes, len(ids))
	}
	return sizes
}

func (w *watched) has(t *testing.T, id string) bool {
	t.Helper()
	_, err := w.Get(context.Background(), "log", id)
	if !errors.Is(err, store.ErrNotFound) {
		require.NoError(t, err)
	}
	return err == nil
}

func watch(t testing.TB) *watched {
	s := memstore.New()
	t.Cleanup(func() { _ = s.Close() })
	return &watched{Store: s}
}

func record(id string) store.Record { return store.Record{Kind: "log", ID: id} }

// gate lets Applies through once it is open.
type gate struct {
	open    chan struct{}
	reached chan struct{} // has room for many
}

func (w *watched) gate() *gate {
	g := &gate{make(chan struct{}), make(chan struct{}, 1000)}
	w.before = func(ctx context.Context, _ []store.Change) error {
		g.reached <- struct{}{}
		select {
		case <-g.open:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return g
}

// writes starts a Write for each id, in their order, and returns where their
// errors arrive. It needs a bubble.
func writes(ctx context.Context, a *appender.Appender, ids ...string) []chan error {
	var results []chan error
	for _, id := range ids {
		result := make(chan error, 1)
		results = append(results, result)
		go func() { result <- a.Write(ctx, record(id)) }()
		synctest.Wait()
	}
	return results
}

func numbered(n int) []string {
	var ids []string
	for i := range n {
		ids = append(ids, fmt.Sprintf("%04d", i))
	}
	return ids
}

func TestWriteReturnsWhenTheRecordIsThere(t *testing.T) {
	w := watch(t)
	a := appender.New(appender.Config{Store: w})
	for _, id := range numbered(3) {
		require.NoError(t, a.Write(t.Context(), record(id)))
		require.True(t, w.has(t, id))
	}
	require.Equal(t, []int{1, 1, 1}, w.sizes())
}

func TestWhatArrivesMeanwhileGoesTogether(t *testing.T) {
	for _, tt := range []struct {
		name  string
		batch int
		want  []int
	}{
		{"64 at a time by default", 0, []int{1, 64, 35}},
		{"as many as it is told", 99, []int{1, 99}},
		{"one by one", 1, []int{1, 1, 1, 1, 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := watch(t)
				g := w.gate()
				a := appender.New(appender.Config{Store: w, Batch: tt.batch})
				total := 0
				for _, n := range tt.want {
					total += n
				}
				ids := numbered(total)
				results := writes(t.Context(), a, ids...)
				close(g.open)
				for _, result := range results {
					require.NoError(t, <-result)
				}
				require.Equal(t, tt.want, w.sizes())
				var order []string
				for _, batch := range w.applied {
					order = append(order, batch...)
				}
				require.Equal(t, ids, order, "in the order in which they came")
			})
		})
	}
}

// An Apply is all or nothing; but one record that can't be written must not take
// the others of its batch along.
func TestOneRecordDoesNotSpoilTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watch(t)
		_, err := w.Store.Apply(t.Context(),
			store.Append(record("old 1")), store.Append(record("old 2")),
			store.Append(store.Record{Kind: "log", ID: "named", Names: []string{"name"}}))
		require.NoError(t, err)
		g := w.gate()
		a := appender.New(appender.Config{Store: w})
		results := writes(t.Context(), a, "first", "old 1", "new 1", "twice", "old 2", "twice", "new 2", "twice")
		taken := make(chan error, 1)
		go func() {
			taken <- a.Write(t.Context(), store.Record{Kind: "log", ID: "new 3", Names: []string{"name"}})
		}()
		synctest.Wait()
		kind := make(chan error, 1)
		go func() { kind <- a.Write(t.Context(), store.Record{Kind: "other", ID: "twice"}) }()
		synctest.Wait()
		close(g.open)

		for n, want := range []error{nil, store.ErrExists, nil, nil, store.ErrExists, store.ErrExists, nil, store.ErrExists} {
			err := <-results[n]
			require.ErrorIs(t, err, want, n)
			if want != nil {
				var failed *store.ChangeError
				require.ErrorAs(t, err, &failed)
				require.Zero(t, failed.Index, "the caller has handed in one record")
				require.Equal(t, store.Kind("log"), failed.Kind)
			}
		}
		require.ErrorIs(t, <-taken, store.ErrTaken)
		require.NoError(t, <-kind, "the same id of another kind is another record")
		for _, id := range []string{"first", "new 1", "twice", "new 2"} {
			require.True(t, w.has(t, id), id)
		}
		require.False(t, w.has(t, "new 3"))
	})
}

func TestAFailureReachesEveryoneWhoWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watch(t)
		g := w.gate()
		a := appender.New(appender.Config{Store: w, Batch: 10})
		results := writes(t.Context(), a, numbered(15)...)
		full := errors.New("the disk is full")
		w.before = func(context.Context, []store.Change) error {
			if len(w.applied) == 2 {
				return full
			}
			return nil
		}
		close(g.open)
		for n, result := range results {
			err := <-result
			if n >= 1 && n <= 10 {
				require.ErrorIs(t, err, full, n)
			} else {
				require.NoError(t, err, n)
			}
		}
		require.Equal(t, []int{1, 10, 4}, w.sizes())
	})
}

// A ChangeError that names no change of the batch is a failure like others, and
// no reason to try for ever.
func TestAnImpossibleChangeErrorIsAFailure(t *testing.T) {
	for _, index := range []int{-1, 1} {
		w := watch(t)
		w.before = func(context.Context, []store.Change) error {
			return &store.ChangeError{Index: index, Err: store.ErrExists}
		}
		a := appender.New(appender.Config{Store: w})
		require.ErrorIs(t, a.Write(t.Context(), record("x")), store.ErrExists)
		require.Equal(t, []int{1}, w.sizes())
	}
}

func TestAnInvalidRecordIsRefusedAtOnce(t *testing.T) {
	w := watch(t)
	a := appender.New(appender.Config{Store: w})
	for _, r := range []store.Record{record(""), {Kind: "LOG", ID: "x"}, {Kind: "log", ID: "x", Text: strings.Repeat("x", store.MaxText+1)}} {
		require.ErrorIs(t, a.Write(t.Context(), r), store.ErrInvalid)
		require.False(t, a.Add(r))
	}
	require.NoError(t, a.Flush(t.Context()))
	require.Empty(t, w.sizes())
}

func TestACallerWaitsWithinItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watch(t)
		g := w.gate()
		a := appender.New(appender.Config{Store: w})
		ctx, cancel := context.WithCancel(t.Context())
		results := writes(ctx, a, "under way", "waiting")
		stays := writes(t.Context(), a, "stays")[0]
		cancel()
		for _, result := range results {
			require.ErrorIs(t, <-result, context.Canceled)
		}
		require.ErrorIs(t, a.Write(ctx, record("late")), context.Canceled)
		close(g.open)
		require.NoError(t, <-stays)
		require.Equal(t, [][]string{{"under way"}, {"stays"}}, w.applied, "who left in time was never written")
	})
}

func TestAnApplyMayTakeSoLong(t *testing.T) {
	for _, tt := range []struct {
		name    string
		timeout time.Duration
		want    time.Duration
	}{
		{"ten seconds by default", 0, 10 * time.Second},
		{"as long as it is told", time.Minute, time.Minute},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := watch(t)
				w.gate()
				a := appender.New(appender.Config{Store: w, Timeout: tt.timeout})
				start := time.Now()
				require.ErrorIs(t, a.Write(t.Context(), record("x")), context.DeadlineExceeded)
				require.Equal(t, tt.want, time.Since(start))
			})
		})
	}
}

func TestWhatAddLosesIsTold(t *testing.T) {
	w := watch(t)
	_, err := w.Store.Apply(t.Context(), store.Append(record("old")), store.Append(store.Record{Kind: "log", ID: "named", Names: []string{"name"}}))
	require.NoError(t, err)
	lost := map[string]error{}
	a := appender.New(appender.Config{Store: w, Lost: func(r store.Record, err error) { lost[r.ID] = err }})
	require.True(t, a.Add(record("old")))
	require.True(t, a.Add(record("new")))
	require.True(t, a.Add(store.Record{Kind: "log", ID: "unnamed", Names: []string{"name"}}))
	require.True(t, a.AddFunc(func(context.Context, *appender.Room) (store.Record, bool) { return store.Record{ID: "invalid"}, true }))
	require.NoError(t, a.Flush(t.Context()))
	require.Len(t, lost, 2, "what exists already counts as written")
	require.ErrorIs(t, lost["unnamed"], store.ErrTaken)
	require.ErrorIs(t, lost["invalid"], store.ErrInvalid)
	require.True(t, w.has(t, "new"))

	clear(lost)
	away := errors.New("away")
	w.before = func(context.Context, []store.Change) error { return away }
	require.True(t, a.Add(record("gone")))
	require.NoError(t, a.Flush(t.Context()))
	require.Equal(t, map[string]error{"gone": away}, lost)
}

func TestARecordIsBuiltWhenItsTurnComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watch(t)
		g := w.gate()
		a := appender.New(appender.Config{Store: w})
		first := writes(t.Context(), a, "first")[0]
		var built []string
		build := func(id string, ok bool) func(context.Context, *appender.Room) (store.Record, bool) {
			return func(ctx context.Context, _ *appender.Room) (store.Record, bool) {
				_, limited := ctx.Deadline()
				require.True(t, limited)
				built = append(built, id)
				return record(id), ok
			}
		}
		require.True(t, a.AddFunc(build("one", true)))
		require.True(t, a.AddFunc(build("none", false)))
		require.True(t, a.AddFunc(build("two", true)))
		synctest.Wait()
		require.Empty(t, built)
		close(g.open)
		require.NoError(t, <-first)
		require.NoError(t, a.Flush(t.Context()))
		require.Equal(t, []string{"one", "none", "two"}, built)
		require.Equal(t, [][]string{{"first"}, {"one", "two"}}, w.applied)

		require.True(t, a.AddFunc(build("none", false)))
		require.NoError(t, a.Flush(t.Context()))
		require.Len(t, w.applied, 2, "nothing to write")
	})
}

// A panic in the goroutine that writes would end the program.
func TestAPanicIsAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watch(t)
		g := w.gate()
		var lost []string
		a := appender.New(appender.Config{Store: w, Lost: func(_ store.Record, err error) { lost = append(lost, err.Error()) }})
		first := writes(t.Context(), a, "first")[0]
		require.True(t, a.AddFunc(func(context.Context, *appender.Room) (store.Record, bool) { panic("build is broken") }))
		beside := writes(t.Context(), a, "beside")[0]
		close(g.open)
		require.NoError(t, <-first)
		require.ErrorContains(t, <-beside, "panic: build is broken")
		require.NoError(t, a.Flush(t.Context()))
		require.Len(t, lost, 1)
		require.Contains(t, lost[0], "panic: build is broken")

		w.before = func(context.Context, []store.Change) error { panic("store is broken") }
		require.ErrorContains(t, a.Write(t.Context(), record("x")), "panic: store is broken")
		w.before = nil
		require.NoError(t, a.Write(t.Context(), record("x")), "and it goes on")
	})
}

func TestNewPanicsWithout(t *testing.T) {
	s := memstore.New()
	defer s.Close()
	for name, cfg := range map[string]appender.Config{
		"a store":         {},
		"a sound batch":   {Store: s, Batch: -1},
		"a small batch":   {Store: s, Batch: store.MaxChanges + 1},
		"a sound queue":   {Store: s, Queue: -1},
		"a sound timeout": {Store: s, Timeout: -1},
	} {
		require.Panics(t, func() { appender.New(cfg) }, name)
	}
}

// Many callers at once, some of whom leave: what was acknowledged is there, once.
func TestManyCallersAtOnce(t *testing.T) {
	w := watch(t)
	a := appender.New(appender.Config{Store: w, Batch: 8, Queue: 16})
	var wg sync.WaitGroup
	for caller := range 32 {
		wg.Go(func() {
			for n := range 100 {
				id := fmt.Sprintf("%d.%d", caller, n)
				switch n % 4 {
				case 0:
					ctx, cancel := context.WithCancel(context.Background())
					go cancel()
					_ = a.Write(ctx, record(id))
				case 1:
					_ = a.Add(record(id))
				case 2: // of which one succeeds
					_ = a.Write(context.Background(), record(fmt.Sprint("shared ", n)))
				default:
					if err := a.Write(context.Background(), record(id)); err != nil {
						t.Error(err)
					} else if _, err := w.Get(context.Background(), "log", id); err != nil {
						t.Error(err)
					}
				}
			}
			if err := a.Flush(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	require.NoError(t, a.Close(t.Context()))
	for n := 2; n < 100; n += 4 {
		require.True(t, w.has(t, fmt.Sprint("shared ", n)))
	}
}
