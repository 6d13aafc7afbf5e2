package storetest

import (
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/clientele-go/clientele/store"
)

// writers is how many goroutines write at once.
const writers = 64

var raceCases = []testCase{
	{"one of 64 puts of the same version wins", with(testRacePut)},
	{"one of 64 puts of a new record wins", with(testRaceCreate)},
	{"one of 64 appends of a record wins", with(testRaceAppend)},
	{"one of 64 records gets a name", with(testRaceName)},
	{"one of 64 deletions wins", with(testRaceDelete)},
	{"no increment of 64 writers is lost", with(testRaceSum)},
	{"the versions of 64 writers all differ", with(testRaceVersions)},
	{"no reader sees a part of an Apply", with(testRaceWhole)},
	{"a page shows one moment", with(testRacePage)},
}

// winner runs one change per writer at once, checks that one of them can be
// made and that all others fail with loss, and returns which it was.
func (s fixture) winner(change func(i int) store.Change, loss error) int {
	s.t.Helper()
	won, wins := -1, new(atomic.Int32)
	together(s.t, writers, func(i int) error {
		_, err := s.Apply(s.t.Context(), change(i))
		switch {
		case err == nil:
			if wins.Add(1) == 1 {
				won = i
			}
			return nil
		case errors.Is(err, loss):
			return nil
		}
		return fmt.Errorf("writer %d: %w, want success or %q", i, err, loss)
	})
	if n := wins.Load(); n != 1 {
		s.t.Fatalf("%d of %d writers won, want 1", n, writers)
	}
	return won
}

func numbered(r store.Record, i int) store.Record {
	r.Data = strconv.AppendInt(nil, int64(i), 10)
	return r
}

func testRacePut(t *testing.T, s fixture) {
	s.put(bare("a"))
	for range 8 {
		r := s.get("client", "a")
		won := s.winner(func(i int) store.Change { return store.Put(numbered(r, i)) }, store.ErrConflict)
		if got := s.get("client", "a"); string(got.Data) != strconv.Itoa(won) || got.Version <= r.Version {
			t.Fatalf("%d won, but %s is there, version %d after %d", won, got.Data, got.Version, r.Version)
		}
	}
}

func testRaceCreate(t *testing.T, s fixture) {
	for n := range 4 {
		r := bare(strconv.Itoa(n))
		won := s.winner(func(i int) store.Change { return store.Put(numbered(r, i)) }, store.ErrExists)
		if got := s.get("client", r.ID); string(got.Data) != strconv.Itoa(won) {
			t.Fatalf("%d won, but %s is there", won, got.Data)
		}
	}
}

func testRaceAppend(t *testing.T, s fixture) {
	for n := range 4 {
		r := bare(strconv.Itoa(n))
		won := s.winner(func(i int) store.Change { return store.Append(numbered(r, i)) }, store.ErrExists)
		s.wantRecord(numbered(r, won))
	}
}

func testRaceName(t *testing.T, s fixture) {
	for n := range 4 {
		name := "name " + strconv.Itoa(n)
		id := func(i int) string { return fmt.Sprintf("%d of %d", i, n) }
		won := s.winner(func(i int) store.Change { return store.Put(named(id(i), name)) }, store.ErrTaken)
		s.get("client", id(won))
		if got := s.list(store.Query{Kind: "client", Count: true}).Total; got != n+1 {
			t.Fatalf("%d records, want %d", got, n+1)
		}
	}
}

func testRaceDelete(t *testing.T, s fixture) {
	for range 4 {
		r := s.put(bare("a"))
		s.winner(func(int) store.Change { return store.Delete("client", "a", r.Version) }, store.ErrNotFound)
		s.wantAbsent("client", "a")
	}
}

func testRaceSum(t *testing.T, s fixture) {
	const each = 2
	s.put(numbered(bare("sum"), 0))
	together(t, writers, func(i int) error { return increment(t, s, each) })
	if got := string(s.get("client", "sum").Data); got != strconv.Itoa(writers*each) {
		t.Errorf("the sum is %s, want %d", got, writers*each)
	}
}

// increment adds 1 to the record "sum" n times, by compare-and-swap.
func increment(t testing.TB, s store.Store, n int) error {
	for n > 0 {
		r, err := s.Get(t.Context(), "client", "sum")
		if err != nil {
			return err
		}
		sum, err := strconv.Atoi(string(r.Data))
		if err != nil {
			return err
		}
		_, err = s.Apply(t.Context(), store.Put(numbered(r, sum+1)))
		switch {
		case err == nil:
			n--
		case !errors.Is(err, store.ErrConflict):
			return err
		}
	}
	return nil
}

func testRaceVersions(t *testing.T, s fixture) {
	versions := make([]store.Revision, writers)
	together(t, writers, func(i int) (err error) {
		r := bare(strconv.Itoa(i))
		versions[i], err = s.Apply(t.Context(), store.Put(r), store.Append(store.Record{Kind: "audit", ID: r.ID}))
		return err
	})
	seen := map[store.Revision]bool{}
	for i, v := range versions {
		if seen[v] {
			t.Errorf("two Applies returned revision %d", v)
		}
		seen[v] = true
		s.wantRecord(store.Record{Kind: "client", ID: strconv.Itoa(i), Version: v})
	}
}

// beside runs read again and again in two goroutines while write runs again and
// again in a third, until there were enough of both.
func beside(t *testing.T, read func() error, write func(i int) error) {
	t.Helper()
	const enough = 100
	var reads atomic.Int32
	done := make(chan struct{})
	end := time.Now().Add(patience / 5)
	together(t, 3, func(who int) error {
		if who == 0 {
			defer close(done)
			for i := 0; i < enough || int(reads.Load()) < enough && time.Now().Before(end); i++ {
				if err := write(i); err != nil {
					return err
				}
			}
			return nil
		}
		for {
			if err := read(); err != nil {
				return err
			}
			reads.Add(1)
			select {
			case <-done:
				return nil
			default:
			}
		}
	})
}

func testRaceWhole(t *testing.T, s fixture) {
	a, b := bare("a"), bare("b")
	rev := s.apply(store.Put(a), store.Put(b))
	beside(t, func() error {
		p, err := s.List(t.Context(), store.Query{Kind: "client"})
		if err != nil {
			return err
		}
		if len(p.Records) != 2 || p.Records[0].Version != p.Records[1].Version {
			return fmt.Errorf("a List saw a part of an Apply: %v", p.Records)
		}
		// What Get sees second is never older than what it saw first.
		first, err := s.Get(t.Context(), "client", "b")
		if err != nil {
			return err
		}
		second, err := s.Get(t.Context(), "client", "a")
		if err == nil && second.Version < first.Version {
			err = fmt.Errorf("a Get saw a part of an Apply: version %d of b, then %d of a", first.Version, second.Version)
		}
		return err
	}, func(int) (err error) {
		a.Version, b.Version = rev, rev
		rev, err = s.Apply(t.Context(), store.Put(a), store.Put(b))
		return err
	})
}

func testRacePage(t *testing.T, s fixture) {
	const records = 20
	var oldest []store.Record
	for i := range records {
		oldest = append(oldest, s.put(bare(fmt.Sprintf("%08d", i))))
	}
	beside(t, func() error {
		p, err := s.List(t.Context(), store.Query{Kind: "client", Count: true, Limit: records + 5})
		if err == nil && (len(p.Records) != records || p.Total != records || p.Next != "") {
			err = fmt.Errorf("%d records, Total %d and Next %q, but there are %d at any moment", len(p.Records), p.Total, p.Next, records)
		}
		return err
	}, func(i int) (err error) {
		fresh := bare(fmt.Sprintf("%08d", records+i))
		drop := oldest[0]
		fresh.Version, err = s.Apply(t.Context(), store.Delete("client", drop.ID, drop.Version), store.Put(fresh))
		oldest = append(oldest[1:], fresh)
		return err
	})
}
