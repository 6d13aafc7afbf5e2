package store_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/internal/observetest"
	"github.com/clientele-go/clientele/memstore"
	"github.com/clientele-go/clientele/observe"
	"github.com/clientele-go/clientele/store"
	"github.com/clientele-go/clientele/store/storetest"
)

func TestAnObservedStoreIsAStore(t *testing.T) {
	r := observetest.New(t)
	storetest.Run(t, storetest.Config{
		Open: func(testing.TB, string, string) (store.Store, func() error) {
			s := memstore.New()
			return store.Observe(s, r), s.Close
		},
		Volatile: true,
	})
	require.NotEmpty(t, r.All(observe.StoreWait))
}

func TestAStoreThatNobodyObservesIsItself(t *testing.T) {
	s := memstore.New()
	defer s.Close()
	require.Same(t, s, store.Observe(s, nil))
}

// told is a Store that returns one error.
type told struct {
	store.Store
	err error
	ctx context.Context // of the last call
}

func (s *told) Get(ctx context.Context, _ store.Kind, _ string) (store.Record, error) {
	s.ctx = ctx
	return store.Record{}, s.err
}

func TestEachCallOfAStoreIsToldOf(t *testing.T) {
	mem := memstore.New()
	defer mem.Close()
	r := observetest.New(t)
	s := store.Observe(mem, r)
	ctx := t.Context()

	revision, err := s.Apply(ctx, store.Put(store.Record{Kind: "a", ID: "1"}), store.Put(store.Record{Kind: "b", ID: "2"}))
	require.NoError(t, err)
	e := r.One(observe.StoreApply)
	require.Equal(t, []string{"a", "2"}, []string{e.Label(observe.LabelKind), e.Detail(observe.DetailRecords)})

	_, err = s.Get(ctx, "a", "1")
	require.NoError(t, err)
	e = r.One(observe.StoreGet)
	require.Equal(t, []string{"a", "1"}, []string{e.Label(observe.LabelKind), e.Detail(observe.DetailRecords)})

	_, err = s.List(ctx, store.Query{Kind: "b"})
	require.NoError(t, err)
	e = r.One(observe.StoreList)
	require.Equal(t, []string{"b", "1"}, []string{e.Label(observe.LabelKind), e.Detail(observe.DetailRecords)})

	_, err = s.Changes(ctx, 0, 0, 0)
	require.NoError(t, err)
	e = r.One(observe.StoreChanges)
	require.Equal(t, []string{"", "2"}, []string{e.Label(observe.LabelKind), e.Detail(observe.DetailRecords)})
	_, err = s.Changes(ctx, revision, time.Nanosecond, 0)
	require.NoError(t, err)
	require.Equal(t, observe.OK, r.One(observe.StoreWait).Outcome)

	_, err = s.Sweep(ctx, time.Now(), 0)
	require.NoError(t, err)
	require.Equal(t, "0", r.One(observe.StoreSweep).Detail(observe.DetailRecords))

	_, err = s.Apply(ctx)
	require.ErrorIs(t, err, store.ErrInvalid)
	require.Empty(t, r.One(observe.StoreApply).Labels)

	// What is no kind is not one of a few.
	_, err = s.Get(ctx, store.Kind(strings.Repeat("X", 100)), "1")
	require.ErrorIs(t, err, store.ErrInvalid)
	require.Empty(t, r.One(observe.StoreGet).Labels)
}

func TestEachErrorOfAStoreHasItsWord(t *testing.T) {
	for _, c := range []struct {
		err     error
		outcome observe.Outcome
		reason  string
	}{
		{fmt.Errorf("a record: %w", store.ErrNotFound), observe.Refused, "not_found"},
		{&store.ChangeError{Err: store.ErrConflict}, observe.Refused, "conflict"},
		{&store.ChangeError{Err: store.ErrExists}, observe.Refused, "exists"},
		{&store.ChangeError{Err: store.ErrTaken}, observe.Refused, "taken"},
		{store.ErrTooOld, observe.Refused, "too_old"},
		{store.ErrInvalid, observe.Refused, "invalid"},
		{store.ErrClosed, observe.Failed, "closed"},
		{store.ErrDeleted, observe.Failed, "closed"},
		{store.ErrNewer, observe.Failed, "newer"},
		{context.Canceled, observe.Left, "cancelled"},
		{context.DeadlineExceeded, observe.Failed, "timeout"},
		{errAway, observe.Failed, "unavailable"},
	} {
		t.Run(c.reason, func(t *testing.T) {
			r := observetest.New(t)
			inner := &told{err: c.err}
			ctx, running := observe.Begin(t.Context(), r, observe.TokenRequest)
			_, err := store.Observe(inner, r).Get(ctx, "client", "1")
			require.Equal(t, c.err, err, "it is what the store says")
			running.End(ctx, observe.Result{Outcome: observe.OK})

			e := r.One(observe.StoreGet)
			require.Equal(t, c.outcome, e.Outcome)
			require.Equal(t, c.reason, e.Reason)
			if c.outcome == observe.Failed {
				require.Equal(t, c.err, e.Err)
			} else {
				require.NoError(t, e.Err, "it may name what somebody has made up")
			}
			require.Equal(t, observe.TokenRequest, e.Parent)

			ctx, inside := observe.Begin(inner.ctx, r, observe.StoreList)
			inside.End(ctx, observe.Result{Outcome: observe.OK})
			require.Equal(t, observe.StoreGet, r.One(observe.StoreList).Parent, "what the store does is within")
		})
	}
}

func TestATableTellsOfItsHitsAndLoads(t *testing.T) {
	w := watch(t)
	put(t, w, "1", "one")
	r := observetest.New(t)
	table := store.NewTable(store.TableConfig[string]{
		Store: w, Kind: "word", Decode: decodeText, Fresh: time.Hour, Observer: r,
	})
	counted := func() [2]int {
		return [2]int{r.Counted(observe.CacheHits, "word"), r.Counted(observe.CacheLoads, "word")}
	}
	r.Back = func() { table.Forget("another"); table.Len() } // which take every lock
	get := func(id string) error { _, err := table.Get(t.Context(), id); return err }

	require.NoError(t, get("1"))
	require.Equal(t, [2]int{0, 1}, counted(), "the first is a load")
	require.NoError(t, get("1"))
	require.NoError(t, get("1"))
	require.Equal(t, [2]int{2, 0}, counted(), "the others are hits")
	require.Equal(t, 1, table.Len())

	require.ErrorIs(t, get("2"), store.ErrNotFound)
	require.Equal(t, [2]int{0, 1}, counted(), "to learn that there is none is a load")
	require.ErrorIs(t, get("2"), store.ErrNotFound)
	require.Equal(t, [2]int{1, 0}, counted(), "to know it is a hit")
	require.Equal(t, 1, table.Len(), "and no value")

	table.Forget("1")
	require.Zero(t, table.Len())
	require.NoError(t, get("1"))
	require.Equal(t, [2]int{0, 1}, counted())
}

func TestATableThatCanNotConfirmTellsOfLoads(t *testing.T) {
	w := watch(t)
	w.away.Store(true)
	r := observetest.New(t)
	table := store.NewTable(store.TableConfig[string]{Store: w, Kind: "word", Decode: decodeText, Observer: r})
	_, err := table.Get(t.Context(), "1")
	require.ErrorIs(t, err, errAway)
	require.Equal(t, 1, r.Counted(observe.CacheLoads, "word"))
	require.Zero(t, r.Counted(observe.CacheHits, "word"))
}

func TestATableCountsBothOfItsGenerations(t *testing.T) {
	w := watch(t)
	table := newTable(w, 8)
	for i := range 6 {
		id := fmt.Sprint(i)
		put(t, w, id, id)
		_, err := table.Get(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, i+1, table.Len())
	}
}

func TestATableThatNobodyObservesAllocatesNothing(t *testing.T) {
	w := watch(t)
	put(t, w, "1", "one")
	table := store.NewTable(store.TableConfig[string]{Store: w, Kind: "word", Decode: decodeText, Fresh: time.Hour})
	ctx := t.Context()
	require.Zero(t, testing.AllocsPerRun(100, func() {
		if _, err := table.Get(ctx, "1"); err != nil {
			t.Fatal(err)
		}
	}))
}
