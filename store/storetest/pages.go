package storetest

import (
	"encoding/base64"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/clientele-go/clientele/store"
)

var pageCases = []testCase{
	{"returns at most Limit records, 100 if it is 0", with(testPageLimit)},
	{"has no Next at the end, and only there", with(testPageEnd)},
	{"skips Offset records from the beginning", with(testPageOffset)},
	{"skips Offset records from the cursor", with(testPageCursorOffset)},
	{"continues behind any record, in either direction", with(testPageAt)},
	{"continues behind a record that is gone", with(testPageGone)},
	{"continues within the range of the sort key", with(testPageRange)},
	{"continues behind sort keys and ids of any bytes", with(testPageBytes)},
	{"neither skips nor repeats while records come and go", with(testPageChanges)},
	{"sees what comes behind the cursor, not what comes before it", with(testPageInserts)},
	{"refuses a cursor that was tampered with", with(testPageTampered)},
}

// fill puts n records, numbered in their order, and returns their ids. Every
// third has the sort key of the one before.
func (s fixture) fill(n int) []string {
	s.t.Helper()
	ids := make([]string, n)
	var changes []store.Change
	for i := range ids {
		ids[i] = fmt.Sprintf("%04d", i)
		key := i
		if i%3 == 2 {
			key--
		}
		changes = append(changes, store.Put(sortedAs(ids[i], fmt.Sprintf("key %04d", key))))
		if len(changes) == store.MaxChanges || i == n-1 {
			s.apply(changes...)
			changes = changes[:0]
		}
	}
	return ids
}

func testPageLimit(t *testing.T, s fixture) {
	ids := s.fill(store.MaxLimit + 1)
	for limit, want := range map[int]int{0: store.DefaultLimit, 1: 1, 2: 2, 99: 99, 100: 100, 101: 101, store.MaxLimit: store.MaxLimit} {
		p := s.list(store.Query{Kind: "client", Limit: limit})
		if !slices.Equal(idsOf(p.Records), ids[:want]) {
			t.Errorf("limit %d: %d records, want the first %d", limit, len(p.Records), want)
		}
		if p.Next == "" {
			t.Errorf("limit %d: no Next, but there are more", limit)
		}
		if p.Total != 0 {
			t.Errorf("limit %d: Total %d, but no count was asked for", limit, p.Total)
		}
	}
}

// follow reads all pages of q and checks that only the last has no Next.
func (s fixture) follow(q store.Query) []string {
	s.t.Helper()
	var ids []string
	for range 10_000 {
		p := s.list(q)
		ids = append(ids, idsOf(p.Records)...)
		if p.Next == "" {
			return ids
		}
		if len(p.Records) != q.Limit {
			s.t.Fatalf("a page of %d records has a Next, limit %d", len(p.Records), q.Limit)
		}
		q.After, q.Offset = p.Next, 0
	}
	s.t.Fatal("the pages have no end")
	return nil
}

func testPageEnd(t *testing.T, s fixture) {
	ids := s.fill(12)
	for _, q := range []store.Query{{Kind: "client"}, {Kind: "client", Count: true}, {Kind: "client", Descending: true}, {Kind: "client", From: "key", Text: ""}} {
		want := slices.Clone(ids)
		if q.Descending {
			slices.Reverse(want)
		}
		for q.Limit = 1; q.Limit <= 14; q.Limit++ {
			if got := s.follow(q); !slices.Equal(got, want) {
				t.Errorf("List %s, followed: %s", describe(q), firstDifference(got, want))
			}
			pages, next := 0, q
			for {
				p := s.list(next)
				pages++
				if p.Next == "" {
					break
				}
				next.After = p.Next
			}
			if want := (len(ids) + q.Limit - 1) / q.Limit; pages != want {
				t.Errorf("List %s: %d pages, want %d", describe(q), pages, want)
			}
		}
	}
}

func testPageOffset(t *testing.T, s fixture) {
	ids := s.fill(10)
	backward := slices.Clone(ids)
	slices.Reverse(backward)
	for _, offset := range []int{0, 1, 5, 9, 10, 11, 1000, math.MaxInt32, math.MaxInt} {
		for _, limit := range []int{1, 3, 100, store.MaxLimit} {
			from := min(offset, len(ids))
			to := min(from+limit, len(ids))
			for _, q := range []store.Query{{Kind: "client"}, {Kind: "client", Descending: true}, {Kind: "client", Count: true}, {Kind: "client", Descending: true, Count: true}} {
				q.Offset, q.Limit = offset, limit
				want := ids
				if q.Descending {
					want = backward
				}
				s.wantIDs(q, want[from:to]...)
				next := s.list(q).Next
				if (next != "") != (to < len(ids)) {
					t.Errorf("List %s: Next %q, but %d records follow", describe(q), next, len(ids)-to)
				}
				if next != "" {
					q.After, q.Offset, q.Limit = next, 0, store.MaxLimit
					s.wantIDs(q, want[to:]...)
				}
			}
		}
	}
}

func testPageCursorOffset(t *testing.T, s fixture) {
	ids := s.fill(10)
	for _, count := range []bool{false, true} {
		first := s.list(store.Query{Kind: "client", Limit: 3, Count: count})
		q := store.Query{Kind: "client", Limit: 3, After: first.Next, Offset: 2, Count: count}
		s.wantIDs(q, ids[5:8]...)
		q.Offset = 7
		s.wantIDs(q)
		q.Offset = math.MaxInt
		s.wantIDs(q)
		q = store.Query{Kind: "client", Limit: 3, Descending: true, Count: count}
		q.After, q.Offset = s.list(q).Next, 2
		s.wantIDs(q, ids[4], ids[3], ids[2])
	}
}

func testPageAt(t *testing.T, s fixture) {
	ids := s.fill(10)
	for _, q := range []store.Query{{}, {Count: true}, {From: "key"}, {From: "key", Count: true}, {To: "l", Count: true}} {
		q.Kind = "client"
		for i, r := range s.list(store.Query{Kind: "client"}).Records {
			q.After, q.Descending = store.At(r), false
			s.wantIDs(q, ids[i+1:]...)
			before := slices.Clone(ids[:i])
			slices.Reverse(before)
			q.Descending = true
			s.wantIDs(q, before...)
		}
	}
}

func testPageGone(t *testing.T, s fixture) {
	ids := s.fill(9)
	p := s.list(store.Query{Kind: "client", Limit: 4})
	back := s.list(store.Query{Kind: "client", Limit: 6, Descending: true})
	s.delete(p.Records[3])
	s.wantIDs(store.Query{Kind: "client", After: p.Next}, ids[4:]...)
	s.wantIDs(store.Query{Kind: "client", After: back.Next, Descending: true}, ids[2], ids[1], ids[0])
	// Moved in front of the cursor, or behind it: the place counts.
	s.delete(p.Records[2])
	s.put(sortedAs(ids[3], "a"))
	s.wantIDs(store.Query{Kind: "client", After: p.Next}, ids[4:]...)
}

func testPageRange(t *testing.T, s fixture) {
	ids := s.fill(30)
	for _, limit := range []int{1, 2, 7, 20} {
		q := store.Query{Kind: "client", From: "key 0006", To: "key 0024", Limit: limit}
		if got := s.follow(q); !slices.Equal(got, ids[6:24]) {
			t.Errorf("List %s, followed: %s", describe(q), firstDifference(got, ids[6:24]))
		}
		q.Descending = true
		got := s.follow(q)
		slices.Reverse(got)
		if !slices.Equal(got, ids[6:24]) {
			t.Errorf("List %s, followed backwards: %s", describe(q), firstDifference(got, ids[6:24]))
		}
	}
	// A cursor outside the range is before it or behind it.
	q := store.Query{Kind: "client", From: "key 0006", To: "key 0012"}
	for _, q.Count = range []bool{false, true} {
		q.Descending, q.After = false, store.At(store.Record{Sort: "a", ID: "a"})
		s.wantIDs(q, ids[6:12]...)
		q.After = store.At(store.Record{Sort: "key 0020", ID: "a"})
		s.wantIDs(q)
		q.Descending = true
		s.wantIDs(q, ids[11], ids[10], ids[9], ids[8], ids[7], ids[6])
		q.After = store.At(store.Record{Sort: "a", ID: "a"})
		s.wantIDs(q)
	}
}

func testPageBytes(t *testing.T, s fixture) {
	var want []string
	for _, k := range ladder {
		s.put(sortedAs(k+"<&>\u2028"+k, k))
		want = append(want, k+"<&>\u2028"+k)
	}
	for _, limit := range []int{1, 4} {
		if got := s.follow(store.Query{Kind: "client", Limit: limit}); !slices.Equal(got, want) {
			t.Errorf("pages of %d: %s", limit, firstDifference(got, want))
		}
		got := s.follow(store.Query{Kind: "client", Limit: limit, Descending: true})
		slices.Reverse(got)
		if !slices.Equal(got, want) {
			t.Errorf("pages of %d, backwards: %s", limit, firstDifference(got, want))
		}
	}
}

func testPageChanges(t *testing.T, s fixture) {
	const stay = 60
	random := rand.New(rand.NewPCG(5, 6))
	for i := range stay {
		s.put(sortedAs(fmt.Sprintf("stays %02d", i), fmt.Sprintf("%02d", i)))
	}
	come := 0
	var passing []store.Record
	for _, q := range []store.Query{{Kind: "client", Limit: 7}, {Kind: "client", Limit: 7, Descending: true}, {Kind: "client", Limit: 7, Count: true}} {
		var seen []string
		for {
			p := s.list(q)
			for _, r := range p.Records {
				if slices.Contains(seen, r.ID) {
					t.Fatalf("%s was returned twice", r.ID)
				}
				seen = append(seen, r.ID)
			}
			if p.Next == "" {
				break
			}
			q.After = p.Next
			// Between two pages some come and some go, on both sides.
			for range 5 {
				come++
				passing = append(passing, s.put(sortedAs(fmt.Sprintf("passes %d", come), fmt.Sprintf("%02d", random.IntN(stay)))))
			}
			for range 3 {
				i := random.IntN(len(passing))
				s.delete(passing[i])
				passing = slices.Delete(passing, i, i+1)
			}
		}
		for i := range stay {
			if id := fmt.Sprintf("stays %02d", i); !slices.Contains(seen, id) {
				t.Errorf("List %s: %s was skipped", describe(q), id)
			}
		}
	}
}

func testPageInserts(t *testing.T, s fixture) {
	for _, k := range []string{"b", "d", "f", "h"} {
		s.put(sortedAs(k, k))
	}
	forward := s.list(store.Query{Kind: "client", Limit: 2})
	backward := s.list(store.Query{Kind: "client", Limit: 2, Descending: true})
	for _, k := range []string{"a", "c", "e", "g", "i"} {
		s.put(sortedAs(k, k))
	}
	s.wantIDs(store.Query{Kind: "client", After: forward.Next}, "e", "f", "g", "h", "i")
	s.wantIDs(store.Query{Kind: "client", After: backward.Next, Descending: true}, "e", "d", "c", "b", "a")
}

func testPageTampered(t *testing.T, s fixture) {
	s.fill(3)
	encode := func(s string) store.Cursor { return store.Cursor(base64.RawURLEncoding.EncodeToString([]byte(s))) }
	next := s.list(store.Query{Kind: "client", Limit: 1}).Next
	for says, cursor := range map[string]store.Cursor{
		"no base64":            "!",
		"SQL":                  "' OR 1=1 --",
		"spaces":               " ",
		"a NUL":                "\x00",
		"cut at its end":       next[:len(next)-3],
		"cut at its beginning": next[3:],
		"with something more":  next + "AAAA",
		"with padding":         next + "=",
		"no JSON":              encode("key"),
		"an object":            encode(`{"sort":"a","id":"b"}`),
		"numbers":              encode(`[1,2]`),
		"without an id":        encode(`["a",""]`),
		"of one string":        encode(`["a"]`),
		"empty":                encode(`[]`),
		"with a NUL inside":    encode(`["a\u0000","b"]`),
		"with a long sort key": encode(`["` + strings.Repeat("a", store.MaxString+1) + `","b"]`),
		"with a long id":       encode(`["a","` + strings.Repeat("a", store.MaxString+1) + `"]`),
		"of a megabyte":        store.Cursor(strings.Repeat("A", 1<<20)),
	} {
		t.Run(says, func(t *testing.T) {
			for _, q := range []store.Query{{Kind: "client"}, {Kind: "client", Descending: true, Count: true}, {Kind: "none"}} {
				q.After = cursor
				_, err := s.List(t.Context(), q)
				wantError(t, "List", err, store.ErrInvalid)
			}
		})
	}
}
