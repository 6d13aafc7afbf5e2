package storetest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/clientele-go/clientele/store"
)

var listCases = []testCase{
	{"finds the records of a kind and no others", with(testListKind)},
	{"finds nothing in a kind that has no records", with(testListNothing)},
	{"returns records whole", with(testListWhole)},
	{"finds a label by exactly its key and its value", with(testListLabelExact)},
	{"finds each of several values of a label", with(testListLabelValues)},
	{"finds what has all labels", with(testListLabelAll)},
	{"follows labels through put, delete and sweep", with(testListLabelLife)},
	{"finds a substring of the text wherever it is", with(testListText)},
	{"takes every byte of a text literally", with(testListTextLiteral)},
	{"finds a long text by its end", with(testListTextLong)},
	{"follows the text through put and delete", with(testListTextLife)},
	{"bounds the sort key by From, included, and To, excluded", with(testListSort)},
	{"bounds the expiry by ExpiresFrom, included, and ExpiresTo, excluded", with(testListExpiry)},
	{"finds what meets every condition", with(testListEverything)},
	{"counts what is selected, whatever the page", with(testListCount)},
	{"takes SQL for text like any other", with(testListSQL)},
}

func testListKind(t *testing.T, s fixture) {
	for _, kind := range []store.Kind{"client", "client.x", "clien", "client-", "c"} {
		r := bare("of " + string(kind))
		r.Kind = kind
		s.put(r)
	}
	s.apply(store.Append(bare("appended")))
	s.wantIDs(store.Query{Kind: "client"}, "appended", "of client")
	s.wantIDs(store.Query{Kind: "c"}, "of c")
}

func testListNothing(t *testing.T, s fixture) {
	s.put(bare("a"))
	for _, q := range []store.Query{
		{Kind: "other"},
		{Kind: "other", Count: true},
		{Kind: "other", Descending: true, Labels: []store.Label{{Key: "a"}}, Text: "a", From: "a", To: "b", Offset: 1},
		{Kind: "client", Labels: []store.Label{{Key: "none"}}, Count: true},
	} {
		if p := s.list(q); len(p.Records) != 0 || p.Next != "" || p.Total != 0 {
			t.Errorf("List %s = %v, want nothing", describe(q), p)
		}
	}
}

func testListWhole(t *testing.T, s fixture) {
	want := []store.Record{s.put(full("a")), s.put(full("b")), full("c")}
	s.apply(store.Append(want[2]))
	for _, q := range []store.Query{
		{Kind: "client"},
		{Kind: "client", Text: "full"},
		{Kind: "client", Labels: []store.Label{{Key: "team", Value: "risk"}}},
		{Kind: "client", From: "s", To: "t", Count: true},
		{Kind: "client", ExpiresFrom: day(0), ExpiresTo: day(2)},
	} {
		if d := differences(s.list(q).Records, want); d != "" {
			t.Errorf("List %s: %s", describe(q), d)
		}
	}
}

// labelled returns a record with labels, given as key, value, key, value.
func labelled(id string, pairs ...string) store.Record {
	r := bare(id)
	r.Labels = labels(pairs...)
	return r
}

func labels(pairs ...string) []store.Label {
	var all []store.Label
	for i := 0; i < len(pairs); i += 2 {
		all = append(all, store.Label{Key: pairs[i], Value: pairs[i+1]})
	}
	return all
}

func testListLabelExact(t *testing.T, s fixture) {
	pairs := [][2]string{
		{"ab", "c"}, {"a", "bc"}, {"abc", ""}, {"a", ""}, {"a=b", "c"}, {"a", "b=c"}, {"a:b", "c"}, {"a", "b:c"}, {"A", "bc"}, {"a", "BC"},
		{"a", "b"}, {"a", "bc "}, {" a", "bc"}, {"a", "%"}, {"a", "b_"}, {"a\x01", "b"}, {"a", "\x01b"}, {"a", `b"`}, {"a", `b"c`}, {`a"`, "b"},
	}
	for _, a := range alike {
		pairs = append(pairs, [2]string{"value", a}, [2]string{a, "key"})
	}
	for _, p := range pairs {
		s.put(labelled(p[0]+"|"+p[1], p[0], p[1]))
	}
	s.put(bare("none"))
	for _, p := range pairs {
		s.wantIDs(store.Query{Kind: "client", Labels: labels(p[0], p[1])}, p[0]+"|"+p[1])
	}
	s.wantIDs(store.Query{Kind: "client", Labels: labels("value", "")})
	s.wantIDs(store.Query{Kind: "client", Labels: labels("ab", "")})
}

func testListLabelValues(t *testing.T, s fixture) {
	s.put(labelled("both", "team", "red", "team", "green", "other", "red"))
	s.put(labelled("red", "team", "red"))
	s.put(labelled("green", "team", "green"))
	s.wantIDs(store.Query{Kind: "client", Labels: labels("team", "red")}, "both", "red")
	s.wantIDs(store.Query{Kind: "client", Labels: labels("team", "green")}, "both", "green")
	s.wantIDs(store.Query{Kind: "client", Labels: labels("other", "red")}, "both")
	s.wantIDs(store.Query{Kind: "client", Labels: labels("other", "green")})
}

func testListLabelAll(t *testing.T, s fixture) {
	s.put(labelled("1", "a", "x"))
	s.put(labelled("2", "a", "x", "b", "y"))
	s.put(labelled("3", "a", "x", "b", "y", "c", "z"))
	s.put(labelled("4", "a", "x", "a", "y", "c", "z"))
	s.wantIDs(store.Query{Kind: "client", Labels: labels("a", "x")}, "1", "2", "3", "4")
	s.wantIDs(store.Query{Kind: "client", Labels: labels("a", "x", "b", "y")}, "2", "3")
	s.wantIDs(store.Query{Kind: "client", Labels: labels("b", "y", "a", "x")}, "2", "3")
	s.wantIDs(store.Query{Kind: "client", Labels: labels("c", "z", "a", "x")}, "3", "4")
	s.wantIDs(store.Query{Kind: "client", Labels: labels("a", "y", "a", "x")}, "4")
	s.wantIDs(store.Query{Kind: "client", Labels: labels("a", "x", "b", "y", "c", "z")}, "3")
	s.wantIDs(store.Query{Kind: "client", Labels: labels("a", "x", "b", "z")})
}

func testListLabelLife(t *testing.T, s fixture) {
	red, green := store.Query{Kind: "client", Labels: labels("team", "red")}, store.Query{Kind: "client", Labels: labels("team", "green")}
	r := s.put(labelled("a", "team", "red", "id", "a"))
	s.put(labelled("b", "team", "red"))
	s.wantIDs(red, "a", "b")
	r.Labels = labels("team", "green", "id", "a")
	r = s.put(r)
	s.wantIDs(red, "b")
	s.wantIDs(green, "a")
	s.wantIDs(store.Query{Kind: "client", Labels: labels("id", "a")}, "a")
	s.delete(r)
	s.wantIDs(green)
	s.put(bare("a"))
	s.wantIDs(green)
	s.wantIDs(store.Query{Kind: "client", Labels: labels("id", "a")})
	expiring := labelled("c", "team", "green")
	expiring.Expires = day(0)
	s.apply(store.Append(expiring))
	s.wantIDs(green, "c")
	s.sweep(day(1), 0)
	s.wantIDs(green)
	s.apply(store.Append(bare("c")))
	s.wantIDs(green)
}

// wantTexts puts a record for each text, and checks what each search finds.
func (s fixture) wantTexts(texts, searches []string) {
	s.t.Helper()
	for i, text := range texts {
		r := bare(fmt.Sprintf("%03d", i))
		r.Text = text
		s.put(r)
	}
	for _, search := range searches {
		var want []string
		for i, text := range texts {
			if strings.Contains(text, search) {
				want = append(want, fmt.Sprintf("%03d", i))
			}
		}
		s.wantIDs(store.Query{Kind: "client", Text: search}, want...)
	}
}

func testListText(t *testing.T, s fixture) {
	s.wantTexts([]string{
		"payments gateway", "payment", "aaab", "zürich 日本語", "", "two\nlines\tand a tab", "ﬁ", "000",
	}, []string{
		"", "payment", "payments", "s g", "way", "payments gateway", "payments gateway ", " payment", "gateway payments",
		"Payment", "PAYMENT", "p", "pa", "nt", "aab", "aaaab", "ü", "Ü", "u", "本", "日本語", "h 日", "o\nl", "\t", "two lines", " ",
		"fi", "ﬁ", "client", "001", "0", "00",
	})
}

func testListTextLiteral(t *testing.T, s fixture) {
	special := []string{
		"%", "_", "'", "\"", "\\", "*", "[", "]", "?", "^", "-", ".", "(", ")", "+", "$", "|", "{", "}", "#", "!", "/", "~", "&", "<", ">", ":", ";", "@",
		"\\%", "\\_", "%%", "__", "''", "\\\\", "[a]", "[^a]", "a*", "a?", ".*", "$1", ":x", "@x", "?1", "\x01", "\x7f", "\r\n", "\u200b", "\ufeff",
	}
	texts, searches := []string{"a plain text x1"}, []string{"text%", "%text", "t_xt", "te*t", "te?t", "t[e]xt", "a OR b", "a AND text", "\"plain\"", "NEAR"}
	for _, c := range special {
		texts = append(texts, "before "+c+" after", c)
		searches = append(searches, c, "before "+c+" after", "e "+c, c+" a")
	}
	s.wantTexts(texts, searches)
}

func testListTextLong(t *testing.T, s fixture) {
	long := strings.Repeat("many words ", store.MaxText)[:store.MaxText-len("the end é")] + "the end é"
	s.wantTexts([]string{long, long[1:], long[:len(long)-2] + "ab"}, []string{long, long[1:], long[:len(long)-2], "end é", "é", "end ab", long[100:3000]})
}

func testListTextLife(t *testing.T, s fixture) {
	red, green := store.Query{Kind: "client", Text: "red"}, store.Query{Kind: "client", Text: "green"}
	r := bare("a")
	r.Text = "a red one"
	r = s.put(r)
	s.wantIDs(red, "a")
	r.Text = "a green one"
	r = s.put(r)
	s.wantIDs(red)
	s.wantIDs(green, "a")
	s.delete(r)
	s.wantIDs(green)
	s.put(bare("a"))
	s.wantIDs(green)
}

// sortedAs returns a bare record with a sort key.
func sortedAs(id, sort string) store.Record {
	r := bare(id)
	r.Sort = sort
	return r
}

func testListSort(t *testing.T, s fixture) {
	keys := []string{"", "\x01", " ", "A", "B", "a", "a\x01", "a ", "a!", "aa", "b", "ba", "z", "é", "日", "\uffff", "\U00010000", "\U0010ffff"}
	for _, k := range keys {
		s.put(sortedAs("id of "+k, k))
	}
	s.put(store.Record{Kind: "other", ID: "x", Sort: "a"})
	bounds := append(slices.Clone(keys), "0", "C", "a\x02", "ab", "c", "ÿ", "\U00010001")
	for _, from := range bounds {
		for _, to := range bounds {
			var want []string
			for _, k := range keys {
				if from <= k && (to == "" || k < to) {
					want = append(want, "id of "+k)
				}
			}
			q := store.Query{Kind: "client", From: from, To: to}
			s.wantIDs(q, want...)
			slices.Reverse(want)
			q.Descending, q.Count = true, true
			p := s.list(q)
			if got := idsOf(p.Records); !slices.Equal(got, want) || p.Total != len(want) {
				t.Errorf("List %s, Total %d: %s", describe(q), p.Total, firstDifference(got, want))
			}
		}
	}
}

func testListExpiry(t *testing.T, s fixture) {
	first, last := time.Time{}.Add(time.Microsecond), time.Date(9999, 12, 31, 23, 59, 59, 999_999_000, time.UTC)
	epoch := time.Unix(0, 0).UTC()
	times := []time.Time{
		{}, first, epoch.Add(-time.Microsecond), epoch, epoch.Add(time.Microsecond),
		day(0).Add(-time.Microsecond), day(0), day(0).Add(time.Microsecond), day(1), last,
	}
	id := func(i int) string { return fmt.Sprintf("%02d", i) }
	for i, at := range times {
		r := bare(id(i))
		r.Expires = at
		if i%2 == 0 {
			s.apply(store.Append(r))
		} else {
			s.put(r)
		}
	}
	for _, from := range times {
		for _, to := range times {
			var want []string
			for i, at := range times {
				bounded := !from.IsZero() || !to.IsZero()
				if bounded && at.IsZero() || at.Before(from) || !to.IsZero() && !at.Before(to) {
					continue
				}
				want = append(want, id(i))
			}
			s.wantIDs(store.Query{Kind: "client", ExpiresFrom: from, ExpiresTo: to}, want...)
		}
	}
}

func testListEverything(t *testing.T, s fixture) {
	// Ten records fulfil all conditions; each of the others all but one.
	perfect := func(id string) store.Record {
		return store.Record{Kind: "client", ID: id, Labels: labels("a", "x", "b", "y"), Text: "needle", Sort: "m", Expires: day(5)}
	}
	want := make([]string, 10)
	for i := range want {
		want[i] = fmt.Sprintf("good %d", i)
		r := perfect(want[i])
		r.Sort += want[i]
		s.put(r)
	}
	spoils := map[string]func(r *store.Record){
		"kind":         func(r *store.Record) { r.Kind = "other" },
		"label":        func(r *store.Record) { r.Labels = labels("a", "x", "b", "z") },
		"fewer labels": func(r *store.Record) { r.Labels = r.Labels[:1] },
		"text":         func(r *store.Record) { r.Text = "needl" },
		"low":          func(r *store.Record) { r.Sort = "l" },
		"high":         func(r *store.Record) { r.Sort = "n" },
		"early":        func(r *store.Record) { r.Expires = day(4) },
		"late":         func(r *store.Record) { r.Expires = day(6) },
		"never":        func(r *store.Record) { r.Expires = time.Time{} },
	}
	for id, spoil := range spoils {
		r := perfect(id)
		spoil(&r)
		s.put(r)
	}
	q := store.Query{
		Kind: "client", Labels: labels("a", "x", "b", "y"), Text: "needle", From: "m", To: "n",
		ExpiresFrom: day(5), ExpiresTo: day(5).Add(time.Microsecond),
	}
	s.wantIDs(q, want...)
	q.Limit, q.Offset, q.Count = 3, 2, true
	s.wantIDs(q, want[2:5]...)
	p := s.list(q)
	q.After, q.Offset = p.Next, 1
	s.wantIDs(q, want[6:9]...)
	if total := s.list(q).Total; total != len(want) {
		t.Errorf("Total %d, want %d", total, len(want))
	}
	q.After, q.Offset, q.Descending = "", 0, true
	s.wantIDs(q, want[9], want[8], want[7])
}

func testListCount(t *testing.T, s fixture) {
	for i := range 10 {
		r := labelled(fmt.Sprint(i), "half", fmt.Sprint(i/5), "parity", fmt.Sprint(i%2))
		r.Text, r.Sort = "text", fmt.Sprint(9-i)
		s.put(r)
	}
	queries := map[int]store.Query{
		10: {Kind: "client"},
		5:  {Kind: "client", Labels: labels("half", "1")},
		2:  {Kind: "client", Labels: labels("half", "1", "parity", "0")},
		3:  {Kind: "client", From: "2", To: "5", Text: "ex"},
		0:  {Kind: "client", Text: "none"},
	}
	for want, q := range queries {
		for _, q.Descending = range []bool{false, true} {
			for _, q.Limit = range []int{0, 1, 2, 100} {
				for _, q.Offset = range []int{0, 1, 50} {
					for _, q.After = range []store.Cursor{"", store.At(store.Record{Sort: "4", ID: "5"}), store.At(store.Record{Sort: "zz", ID: "z"})} {
						q.Count = true
						if total := s.list(q).Total; total != want {
							t.Errorf("List %s: Total %d, want %d", describe(q), total, want)
						}
					}
				}
			}
		}
	}
}

func testListSQL(t *testing.T, s fixture) {
	hostile := []string{
		"'; DROP TABLE records; --", "\"; DROP TABLE records; --", "' OR '1'='1", "\" OR \"\"=\"", "1 OR 1=1", "x'); DELETE FROM records; --",
		"`", "]]>", "$1", "?1", ":id", "@p1", "%s%d%!", "{{.}}", "\\", "\\'", "''", "/*", "--", ";", "NULL", "DEFAULT", "E'\\x41'", "\u02bc; DROP TABLE records",
	}
	bystander := s.put(full("bystander"))
	for _, h := range hostile {
		r := store.Record{
			Kind: "client", ID: h, Names: []string{"name " + h, h}, Labels: labels(h, h, "key", h, h, "value"),
			Text: "text " + h + " text", Sort: h, Expires: day(3), Data: []byte(h),
		}
		r = s.put(r)
		appended := r
		appended.Kind = "audit"
		s.apply(store.Append(appended))
		r = s.put(r)
		s.wantRecord(r)
		s.wantTaken(h)
	}
	for _, h := range hostile {
		s.wantIDs(store.Query{Kind: "client", Labels: labels(h, h, "key", h, h, "value")}, h)
		s.wantIDs(store.Query{Kind: "client", Text: "text " + h + " text"}, h)
		s.wantIDs(store.Query{Kind: "client", From: h, To: h + "\x01"}, h)
		s.wantIDs(store.Query{Kind: "audit", After: store.At(store.Record{Sort: h, ID: " "}), Limit: 1}, h)
		s.delete(s.get("client", h))
		s.wantAbsent("client", h)
	}
	s.wantRecord(bystander)
	if n := s.sweep(day(4), store.MaxLimit); n != len(hostile)+1 {
		t.Errorf("Sweep dropped %d records, want %d", n, len(hostile)+1)
	}
}
