package store_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/memstore"
	"github.com/clientele-go/clientele/store"
)

// watched is a store that counts its calls and can be taken away or held up.
type watched struct {
	store.Store
	gets, changes atomic.Int64
	away          atomic.Bool
	hold          func(ctx context.Context) // called in Get after it has read
}

var errAway = errors.New("the store is away")

func (w *watched) Get(ctx context.Context, kind store.Kind, id string) (store.Record, error) {
	w.gets.Add(1)
	if w.away.Load() {
		return store.Record{}, errAway
	}
	r, err := w.Store.Get(ctx, kind, id)
	if w.hold != nil {
		w.hold(ctx)
	}
	return r, err
}

func (w *watched) Changes(ctx context.Context, since store.Revision, wait time.Duration, limit int) (store.Feed, error) {
	w.changes.Add(1)
	if w.away.Load() {
		return store.Feed{}, errAway
	}
	return w.Store.Changes(ctx, since, wait, limit)
}

func watch(t *testing.T) *watched {
	s := memstore.New()
	t.Cleanup(func() { _ = s.Close() })
	return &watched{Store: s}
}

func decodeText(r store.Record) (string, error) {
	var s string
	err := json.Unmarshal(r.Data, &s)
	return s, err
}

func newTable(s store.Store, most int) *store.Table[string] {
	return store.NewTable(store.TableConfig[string]{Store: s, Kind: "word", Decode: decodeText, Max: most})
}

// put writes the text of a word over whatever is there.
func put(t *testing.T, s store.Store, id, text string) {
	t.Helper()
	r := store.Record{Kind: "word", ID: id}
	if old, err := s.Get(t.Context(), "word", id); err == nil {
		r.Version = old.Version
	}
	r.Data, _ = json.Marshal(text)
	_, err := s.Apply(t.Context(), store.Put(r))
	require.NoError(t, err)
}

func TestTableServesFromMemoryWhatNobodyChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := watch(t)
		put(t, s.Store, "a", "one")
		table := newTable(s, 0)
		for range 5 {
			got, err := table.Get(t.Context(), "a")
			require.NoError(t, err)
			require.Equal(t, "one", got)
			_, err = table.Get(t.Context(), "absent")
			require.ErrorIs(t, err, store.ErrNotFound)
			time.Sleep(store.DefaultFresh + 1) // in the bubble's time
		}
		require.EqualValues(t, 2, s.gets.Load(), "one for what exists, one for what does not")
	})
}

func TestTableSeesTheChangesOfOthersWithinItsBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := watch(t)
		put(t, s.Store, "a", "one")
		table := newTable(s, 0)
		check := func(id, want string) {
			t.Helper()
			got, err := table.Get(t.Context(), id)
			if want == "" {
				require.ErrorIs(t, err, store.ErrNotFound)
				return
			}
			require.NoError(t, err)
			require.Equal(t, want, got)
		}
		check("a", "one")
		check("b", "")

		put(t, s.Store, "a", "two")
		put(t, s.Store, "b", "new")
		check("a", "one") // still within the bound
		time.Sleep(store.DefaultFresh + 1)
		check("a", "two")
		check("b", "new")

		old, err := s.Store.Get(t.Context(), "word", "a")
		require.NoError(t, err)
		_, err = s.Store.Apply(t.Context(), store.Delete("word", "a", old.Version))
		require.NoError(t, err)
		time.Sleep(store.DefaultFresh + 1)
		check("a", "")
	})
}

func TestTableReadsAheadWhileItIsUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := watch(t)
		put(t, s.Store, "a", "one")
		table := newTable(s, 0)
		get := func() string {
			got, err := table.Get(t.Context(), "a")
			require.NoError(t, err)
			return got
		}
		get()
		put(t, s.Store, "a", "two")
		time.Sleep(store.DefaultFresh * 3 / 4)
		require.Equal(t, "one", get(), "the caller goes on with what is still within the bound")
		synctest.Wait()
		require.Equal(t, "two", get(), "and the feed was read meanwhile")
		before := s.changes.Load()
		time.Sleep(store.DefaultFresh * 2)
		synctest.Wait()
		require.Equal(t, before, s.changes.Load(), "nobody asks, nothing is read")
	})
}

func TestTableForgetsAtOnceWhatItIsToldTo(t *testing.T) {
	s := watch(t)
	put(t, s.Store, "a", "one")
	table := newTable(s, 0)
	_, err := table.Get(t.Context(), "a")
	require.NoError(t, err)
	put(t, s.Store, "a", "two")
	table.Forget("a")
	got, err := table.Get(t.Context(), "a")
	require.NoError(t, err)
	require.Equal(t, "two", got)
}

func TestTableDoesNotCacheWhatWasForgottenWhileItWasRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := watch(t)
		put(t, s.Store, "a", "one")
		table := newTable(s, 0)
		release := make(chan struct{})
		s.hold = func(context.Context) { <-release }

		first := make(chan string)
		go func() {
			got, _ := table.Get(context.Background(), "a")
			first <- got
		}()
		synctest.Wait() // it has read "one" and is held up
		put(t, s.Store, "a", "two")
		table.Forget("a")

		second := make(chan string)
		go func() {
			got, _ := table.Get(context.Background(), "a")
			second <- got
		}()
		synctest.Wait()
		close(release)
		require.Equal(t, "one", <-first, "who asked before may get the old one")
		require.Equal(t, "two", <-second, "who asks after the write never does")
		got, err := table.Get(t.Context(), "a")
		require.NoError(t, err)
		require.Equal(t, "two", got)
	})
}

func TestTableAsksTheStoreWhenItCannotConfirm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := watch(t)
		put(t, s.Store, "a", "one")
		table := newTable(s, 0)
		_, err := table.Get(t.Context(), "a")
		require.NoError(t, err)

		s.away.Store(true)
		_, err = table.Get(t.Context(), "a")
		require.NoError(t, err, "within the bound nothing is asked")
		time.Sleep(store.DefaultFresh + 1)
		_, err = table.Get(t.Context(), "a")
		require.ErrorIs(t, err, errAway)
		require.NotErrorIs(t, err, store.ErrNotFound)

		s.away.Store(false)
		got, err := table.Get(t.Context(), "a")
		require.NoError(t, err)
		require.Equal(t, "one", got)
	})
}

func TestTableLoadsAnIdOnceHoweverManyAsk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := watch(t)
		put(t, s.Store, "a", "one")
		table := newTable(s, 0)
		release := make(chan struct{})
		s.hold = func(context.Context) { <-release }
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				got, err := table.Get(t.Context(), "a")
				if err != nil || got != "one" {
					t.Errorf("got %q, %v", got, err)
				}
			})
		}
		ctx, cancel := context.WithCancel(t.Context())
		left := make(chan error)
		go func() {
			_, err := table.Get(ctx, "a")
			left <- err
		}()
		synctest.Wait()
		cancel()
		require.ErrorIs(t, <-left, context.Canceled, "who gives up does not wait for the others")
		close(release)
		wg.Wait()
		require.EqualValues(t, 1, s.gets.Load())
	})
}

func TestTableIsBounded(t *testing.T) {
	s := watch(t)
	table := newTable(s, 10)
	for n := range 100 {
		id := fmt.Sprint(n)
		put(t, s.Store, id, id)
		got, err := table.Get(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, id, got)
		_, err = table.Get(t.Context(), "0") // asked for all the time
		require.NoError(t, err)
	}
	require.EqualValues(t, 100, s.gets.Load(), "what is asked for all the time stays")
	for n := range 100 {
		_, err := table.Get(t.Context(), fmt.Sprint(n))
		require.NoError(t, err)
	}
	require.Greater(t, s.gets.Load(), int64(180), "what is not asked for leaves")
}

func TestTableDropsEverythingWhenTheFeedForgot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := watch(t)
		put(t, s.Store, "a", "one")
		table := newTable(&forgetful{Store: s}, 0)
		_, err := table.Get(t.Context(), "a")
		require.NoError(t, err)
		put(t, s.Store, "a", "two")
		time.Sleep(store.DefaultFresh + 1)
		got, err := table.Get(t.Context(), "a")
		require.NoError(t, err)
		require.Equal(t, "two", got)
	})
}

// forgetful is a store that never remembers what changed.
type forgetful struct{ store.Store }

func (f *forgetful) Changes(ctx context.Context, since store.Revision, wait time.Duration, limit int) (store.Feed, error) {
	if since != store.Latest {
		return store.Feed{}, store.ErrTooOld
	}
	return f.Store.Changes(ctx, since, wait, limit)
}

func TestACacheFarBehindBeginsAnew(t *testing.T) {
	for _, c := range []struct {
		name        string
		pages, want int // of the feed: there, and asked for
		kept        bool
	}{
		{"eight pages behind it reads them all", 8, 8, true},
		{"a page more is not worth reading", 9, 8 + 1, false},
		{"however many there are", 20, 8 + 1, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := watch(t)
				put(t, s, "still", "as ever")
				put(t, s, "page", "old")
				table, builds := newTable(s, 10), new(atomic.Int64)
				snapshot := newSnapshot(s, builds)
				get := func(id, want string) {
					value, err := table.Get(t.Context(), id)
					require.NoError(t, err)
					require.Equal(t, want, value)
				}
				get("still", "as ever")
				get("page", "old")
				_, err := snapshot.Get(t.Context())
				require.NoError(t, err)

				time.Sleep(2 * store.DefaultFresh)
				for page := range c.pages {
					changes := make([]store.Change, store.MaxChanges)
					for i := range changes {
						changes[i] = store.Put(store.Record{Kind: "filler", ID: fmt.Sprint(page, " ", i), Data: []byte("0")})
					}
					_, err := s.Apply(t.Context(), changes...)
					require.NoError(t, err)
				}
				time.Sleep(2 * store.DefaultFresh)
				gets, asked := s.gets.Load(), s.changes.Load()
				get("still", "as ever")
				require.EqualValues(t, c.want, s.changes.Load()-asked)
				require.Equal(t, c.kept, s.gets.Load() == gets)
				put(t, s, "page", "new")
				time.Sleep(2 * store.DefaultFresh)
				get("page", "new")
				require.EqualValues(t, c.want+1, s.changes.Load()-asked, "it follows on from there")

				asked = s.changes.Load()
				_, err = snapshot.Get(t.Context())
				require.NoError(t, err)
				require.LessOrEqual(t, s.changes.Load()-asked, int64(8+1))
			})
		})
	}
}

func TestTableReturnsTheErrorOfDecode(t *testing.T) {
	s := watch(t)
	_, err := s.Store.Apply(t.Context(), store.Put(store.Record{Kind: "word", ID: "a", Data: []byte("{")}))
	require.NoError(t, err)
	_, err = newTable(s, 0).Get(t.Context(), "a")
	var syntax *json.SyntaxError
	require.ErrorAs(t, err, &syntax)
	require.ErrorContains(t, err, `word "a"`)
}

func TestTableUnderConcurrentWritersIsNeverBehindItsOwnWrites(t *testing.T) {
	s := memstore.New()
	defer s.Close()
	table := newTable(s, 0)
	var wg sync.WaitGroup
	for w := range 8 {
		id := fmt.Sprint(w)
		wg.Go(func() {
			var version store.Revision
			for n := range 200 {
				data, _ := json.Marshal(fmt.Sprint(n))
				rev, err := s.Apply(t.Context(), store.Put(store.Record{Kind: "word", ID: id, Version: version, Data: data}))
				if err != nil {
					t.Error(err)
					return
				}
				version = rev
				table.Forget(id)
				if got, err := table.Get(t.Context(), id); err != nil || got != fmt.Sprint(n) {
					t.Errorf("after writing %d: %q, %v", n, got, err)
					return
				}
			}
		})
		wg.Go(func() { // a reader beside it
			for range 200 {
				_, _ = table.Get(t.Context(), id)
			}
		})
	}
	wg.Wait()
}

func newSnapshot(s store.Store, builds *atomic.Int64) *store.Snapshot[int] {
	return store.NewSnapshot(store.SnapshotConfig[int]{
		Store: s, Kinds: []store.Kind{"word"},
		Build: func(ctx context.Context, s store.Store) (int, error) {
			builds.Add(1)
			page, err := s.List(ctx, store.Query{Kind: "word", Count: true})
			return page.Total, err
		},
	})
}

func TestSnapshotIsBuiltAgainOnlyWhenOneOfItsKindsChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := watch(t)
		var builds atomic.Int64
		snapshot := newSnapshot(s, &builds)
		get := func() int {
			n, err := snapshot.Get(t.Context())
			require.NoError(t, err)
			return n
		}
		require.Equal(t, 0, get())
		require.Equal(t, 0, get())
		require.EqualValues(t, 1, builds.Load())

		_, err := s.Store.Apply(t.Context(), store.Put(store.Record{Kind: "other", ID: "x"}))
		require.NoError(t, err)
		time.Sleep(store.DefaultFresh + 1)
		require.Equal(t, 0, get())
		require.EqualValues(t, 1, builds.Load())

		put(t, s.Store, "a", "one")
		require.Equal(t, 0, get(), "within the bound")
		time.Sleep(store.DefaultFresh + 1)
		require.Equal(t, 1, get())
		require.EqualValues(t, 2, builds.Load())

		put(t, s.Store, "b", "two")
		snapshot.Drop()
		require.Equal(t, 2, get(), "own writes are seen at once")
	})
}

func TestSnapshotBuildsAnewWhenItCannotConfirm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := watch(t)
		var builds atomic.Int64
		snapshot := newSnapshot(s, &builds)
		_, err := snapshot.Get(t.Context())
		require.NoError(t, err)
		s.away.Store(true)
		time.Sleep(store.DefaultFresh + 1)
		_, err = snapshot.Get(t.Context()) // List still answers
		require.NoError(t, err)
		require.EqualValues(t, 2, builds.Load())
	})
}

func TestAMissingFieldOfACacheIsAMistakeOfTheProgram(t *testing.T) {
	require.Panics(t, func() { store.NewTable(store.TableConfig[int]{Kind: "word"}) })
	require.Panics(t, func() { store.NewSnapshot(store.SnapshotConfig[int]{}) })
}

func BenchmarkTableGet(b *testing.B) {
	s := memstore.New()
	defer s.Close()
	data, _ := json.Marshal("text")
	_, err := s.Apply(b.Context(), store.Put(store.Record{Kind: "word", ID: "a", Data: data}))
	require.NoError(b, err)
	table := newTable(s, 0)
	b.Run("cached", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = table.Get(b.Context(), "a")
		}
	})
	b.Run("cached parallel", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				_, _ = table.Get(b.Context(), "a")
			}
		})
	})
}
