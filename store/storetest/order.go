package storetest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/clientele-go/clientele/store"
)

var orderCases = []testCase{
	{"orders by the bytes of the sort key", with(testOrderBytes)},
	{"orders what has the same sort key by the bytes of the id", with(testOrderTies)},
	{"orders by the sort key first, wherever it ends and the id begins", with(testOrderSeam)},
	{"orders descending from both ends", with(testOrderDescending)},
	{"puts a record elsewhere when its sort key changes", with(testOrderMoves)},
	{"orders what a label or a text selects in the same way", with(testOrderSelected)},
}

// ladder are strings in the order of their bytes, which is not that of a
// language, of upper and lower case, of numbers or of UTF-16.
var ladder = []string{
	"\x01", "\t", " ", "  ", "!", "\"", "%", "'", "-", "0", "00", "1", "10", "2", "A", "AB", "Aa", "B", "Z", "_", "a", "a\x01", "a\t", "a ", "a!", "a-", "aA", "aa", "ab", "a\u0301", "b", "z", "ß", "á", "é", "Ā", "Я", "я", "日", "日本", "ﬁ", "\uffff", "\U00010000", "\U0001f600", "\U0010ffff",
}

// shuffled returns a copy of ladder in another order, the same each time.
func shuffled() []string {
	all := slices.Clone(ladder)
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all
}

func testOrderBytes(t *testing.T, s fixture) {
	if !slices.IsSorted(ladder) {
		t.Fatal("the ladder is not in order")
	}
	for i, k := range shuffled() {
		s.put(sortedAs(fmt.Sprintf("%03d %s", len(ladder)-i, k), k))
	}
	var got []string
	for _, r := range s.list(store.Query{Kind: "client"}).Records {
		got = append(got, r.Sort)
	}
	if !slices.Equal(got, ladder) {
		t.Errorf("the order of the sort keys: %s", firstDifference(got, ladder))
	}
}

func testOrderTies(t *testing.T, s fixture) {
	for _, id := range shuffled() {
		s.put(sortedAs(id, "same"))
	}
	s.wantIDs(store.Query{Kind: "client"}, ladder...)
}

func testOrderSeam(t *testing.T, s fixture) {
	// In the order they must have: (sort key, id).
	places := [][2]string{
		{"", "z"}, {"a", "\x01"}, {"a", "a"}, {"a", "b"}, {"a", "bc"}, {"a", "c"}, {"a", "zz"}, {"a", "é"}, {"a\x01", "a1"}, {"a ", "a2"}, {"a!", "a3"},
		{"a/", "a4"}, {"aa", "\x02"}, {"ab", "a5"}, {"ab", "c1"}, {"abc", "0"}, {"b", "\x03"},
	}
	var want []string
	for _, p := range places {
		want = append(want, p[1])
	}
	for _, i := range rand.New(rand.NewPCG(3, 4)).Perm(len(places)) {
		s.put(sortedAs(places[i][1], places[i][0]))
	}
	s.wantIDs(store.Query{Kind: "client"}, want...)
}

func testOrderDescending(t *testing.T, s fixture) {
	var want []string
	for _, k := range shuffled() {
		s.put(sortedAs("1 "+k, k))
		s.put(sortedAs("2 "+k, k))
	}
	for _, k := range slices.Backward(ladder) {
		want = append(want, "2 "+k, "1 "+k)
	}
	s.wantIDs(store.Query{Kind: "client", Descending: true}, want...)
}

func testOrderMoves(t *testing.T, s fixture) {
	a := s.put(sortedAs("a", "1"))
	s.put(sortedAs("b", "2"))
	s.put(sortedAs("c", "3"))
	for _, c := range []struct{ key, order string }{{"4", "bca"}, {"2", "abc"}, {"22", "bac"}, {"", "abc"}, {"3", "bac"}} {
		a.Sort = c.key
		a = s.put(a)
		s.wantIDs(store.Query{Kind: "client"}, strings.Split(c.order, "")...)
	}
}

func testOrderSelected(t *testing.T, s fixture) {
	var want []string
	for i, k := range shuffled() {
		r := labelled(k, "half", fmt.Sprint(i%2))
		r.Sort, r.Text = k, fmt.Sprintf("text %d", i%2)
		s.put(r)
		if i%2 == 0 {
			want = append(want, k)
		}
	}
	slices.Sort(want)
	q := store.Query{Kind: "client", Labels: labels("half", "0")}
	s.wantIDs(q, want...)
	s.wantIDs(store.Query{Kind: "client", Text: "text 0"}, want...)
	q.Text, q.Descending = "text", true
	slices.Reverse(want)
	s.wantIDs(q, want...)
}
