package storetest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/clientele-go/clientele/store"
)

var limitCases = []testCase{
	{"takes every field of a record at its limits", with(testLimitRecord)},
	{"takes a record with every field at its maximum at once", with(testLimitEverything)},
	{"refuses a record beyond its limits and changes nothing", with(testLimitBeyond)},
	{"takes 1000 changes in an Apply, and refuses more", with(testLimitChanges)},
	{"refuses an operation that it does not know", with(testLimitOps)},
	{"takes a query at its limits", with(testLimitQuery)},
	{"refuses a query beyond its limits", with(testLimitQueryBeyond)},
	{"bounds the limits of Changes and Sweep", with(testLimitLimits)},
}

// A badValue is a string that no field takes.
type badValue struct{ says, value string }

// badStrings are what is refused in every string of at most so many bytes.
func badStrings(most int) []badValue {
	return []badValue{
		{"one byte too long", strings.Repeat("a", most+1)},
		{"one byte too long, in fewer runes", strings.Repeat("é", most/2) + "a"},
		{"of a megabyte and more", strings.Repeat("a", 1<<20+1)},
		{"a NUL alone", "\x00"},
		{"with a NUL", "a\x00b"},
		{"with a NUL at the end", "a\x00"},
		{"no UTF-8", "a\xff"},
		{"UTF-8 cut short", "a\xc3"},
		{"UTF-8 longer than needed", "\xc0\xaf"},
		{"half a surrogate pair", "\xed\xa0\x80"},
		{"beyond Unicode", "\xf4\x90\x80\x80"},
	}
}

var badKinds = append(badStrings(store.MaxKind),
	badValue{"empty", ""},
	badValue{"with a capital", "Client"},
	badValue{"with a space", "a b"},
	badValue{"with a slash", "a/b"},
	badValue{"with a percent", "a%"},
	badValue{"with an accent", "é"},
	badValue{"with a quote", "a'"},
	badValue{"with a colon", "a:b"},
)

// long returns n bytes of text that does not compress, the same for a seed, and
// every fourth rune of more than one byte.
func long(n int, seed uint64) string {
	random := rand.New(rand.NewPCG(seed, 7))
	var b strings.Builder
	for b.Len() < n {
		if n-b.Len() >= 4 && random.IntN(4) == 0 {
			b.WriteRune(rune(0x80 + random.IntN(0xD000)))
		} else {
			b.WriteByte(byte(' ' + random.IntN(95)))
		}
	}
	return b.String()
}

// bulk returns n bytes that are no text.
func bulk(n int) []byte {
	random := rand.New(rand.NewPCG(8, 9))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(random.Uint32())
	}
	return b
}

// manyLabels returns n labels, all different.
func manyLabels(n int) []store.Label {
	all := make([]store.Label, n)
	for i := range all {
		all[i] = store.Label{Key: "key " + fmt.Sprint(i/2), Value: fmt.Sprint(i % 2)}
	}
	return all
}

func manyNames(n int, prefix string) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprint(prefix, i)
	}
	return all
}

func testLimitRecord(t *testing.T, s fixture) {
	fields := map[string]func(r *store.Record){
		"a kind of 1 byte":               func(r *store.Record) { r.Kind = "k" },
		"a kind of 64 bytes":             func(r *store.Record) { r.Kind = store.Kind(strings.Repeat("a.9_-z", 11)[:store.MaxKind]) },
		"a kind of every byte there is":  func(r *store.Record) { r.Kind = "abcdefghijklmnopqrstuvwxyz0123456789._-" },
		"an id of 1 byte":                func(r *store.Record) { r.ID = "1" },
		"an id of 1024 bytes":            func(r *store.Record) { r.ID = long(store.MaxString, 1) },
		"an id of 512 runes":             func(r *store.Record) { r.ID = strings.Repeat("é", store.MaxString/2) },
		"an id of 1024 spaces":           func(r *store.Record) { r.ID = strings.Repeat(" ", store.MaxString) },
		"a name of 1 byte":               func(r *store.Record) { r.Names = []string{"n"} },
		"a name of 1024 bytes":           func(r *store.Record) { r.Names = []string{long(store.MaxString, 2)} },
		"16 names":                       func(r *store.Record) { r.Names = manyNames(store.MaxNames, "one of 16: ") },
		"a label of 1 and 0 bytes":       func(r *store.Record) { r.Labels = labels("l", "") },
		"a label of 1024 and 1024 bytes": func(r *store.Record) { r.Labels = labels(long(store.MaxString, 3), long(store.MaxString, 4)) },
		"512 labels":                     func(r *store.Record) { r.Labels = manyLabels(store.MaxLabels) },
		"a text of 4096 bytes":           func(r *store.Record) { r.Text = long(store.MaxText, 5) },
		"a sort key of 1024 bytes":       func(r *store.Record) { r.Sort = long(store.MaxString, 6) },
		"format 0":                       func(r *store.Record) { r.Format = 0 },
		"format 1000000":                 func(r *store.Record) { r.Format = 1_000_000 },
		"the earliest expiry":            func(r *store.Record) { r.Expires = time.Time{}.Add(time.Microsecond) },
		"the latest expiry":              func(r *store.Record) { r.Expires = time.Date(9999, 12, 31, 23, 59, 59, 999_999_000, time.UTC) },
		"an expiry to the microsecond":   func(r *store.Record) { r.Expires = time.Date(2030, 1, 1, 0, 0, 0, 1000, time.UTC) },
		"an expiry before 1970":          func(r *store.Record) { r.Expires = time.Date(1969, 12, 31, 23, 59, 59, 999_999_000, time.UTC) },
		"1 byte of data":                 func(r *store.Record) { r.Data = []byte{0} },
		"1 MiB of data":                  func(r *store.Record) { r.Data = bulk(store.MaxData) },
	}
	for says, set := range fields {
		t.Run(says, func(t *testing.T) {
			s := s.in(t)
			r := bare("put with " + says)
			set(&r)
			r = s.put(r)
			s.wantRecord(r)
			s.wantRecord(s.put(r))
			s.delete(s.get(r.Kind, r.ID))
			s.wantAbsent(r.Kind, r.ID)

			r = bare("append with " + says)
			set(&r)
			s.apply(store.Append(r))
			s.wantRecord(r)
		})
	}
}

// greatest returns a record with every field at its maximum.
func greatest() store.Record {
	r := store.Record{
		Kind: store.Kind(strings.Repeat("k", store.MaxKind)), ID: long(store.MaxString, 1), Text: long(store.MaxText, 2), Sort: long(store.MaxString, 3),
		Expires: time.Date(9999, 12, 31, 23, 59, 59, 999_999_000, time.UTC), Format: 1_000_000, Data: bulk(store.MaxData),
	}
	for i := range uint64(store.MaxNames) {
		r.Names = append(r.Names, long(store.MaxString, 10+i))
	}
	for i := range uint64(store.MaxLabels) {
		r.Labels = append(r.Labels, store.Label{Key: long(store.MaxString, 100+i), Value: long(store.MaxString, 1000+i)})
	}
	return r
}

func testLimitEverything(t *testing.T, s fixture) {
	r := s.put(greatest())
	s.wantRecord(r)
	q := store.Query{
		Kind: r.Kind, Labels: r.Labels[len(r.Labels)-16:], Text: r.Text, From: r.Sort, ExpiresFrom: r.Expires, Count: true, Limit: 1,
	}
	p := s.list(q)
	if d := differences(p.Records, []store.Record{r}); d != "" || p.Total != 1 {
		t.Errorf("List: %s; Total %d, want 1", d, p.Total)
	}
	q.After = store.At(r)
	s.wantIDs(q)
	c := store.Put(store.Record{Kind: r.Kind, ID: "other", Names: r.Names[store.MaxNames-1:]})
	_, err := s.Apply(t.Context(), c)
	wantChangeError(t, err, 0, c, store.ErrTaken)
	s.wantFeed(0, "+"+r.ID)
	s.delete(r)
	s.wantFeed(0, "-"+r.ID)
}

func testLimitBeyond(t *testing.T, s fixture) {
	there := s.put(full("there"))
	fields := map[string]func(r *store.Record){
		"a negative version":             func(r *store.Record) { r.Version = -1 },
		"17 names":                       func(r *store.Record) { r.Names = manyNames(store.MaxNames+1, "name ") },
		"an empty name":                  func(r *store.Record) { r.Names = []string{"a", ""} },
		"a name twice":                   func(r *store.Record) { r.Names = []string{"a", "b", "a"} },
		"513 labels":                     func(r *store.Record) { r.Labels = manyLabels(store.MaxLabels + 1) },
		"an empty label key":             func(r *store.Record) { r.Labels = labels("a", "b", "", "c") },
		"a label twice":                  func(r *store.Record) { r.Labels = labels("a", "b", "a", "c", "a", "b") },
		"a label twice among many":       func(r *store.Record) { r.Labels = append(manyLabels(20), manyLabels(1)...) },
		"format -1":                      func(r *store.Record) { r.Format = -1 },
		"format 1000001":                 func(r *store.Record) { r.Format = 1_000_001 },
		"the largest format":             func(r *store.Record) { r.Format = math.MaxInt },
		"an expiry with nanoseconds":     func(r *store.Record) { r.Expires = day(0).Add(time.Nanosecond) },
		"an expiry in another time zone": func(r *store.Record) { r.Expires = day(0).In(time.FixedZone("", 3600)) },
		"an expiry in a zone like UTC":   func(r *store.Record) { r.Expires = day(0).In(time.FixedZone("GMT", 0)) },
		"an expiry in the year 10000":    func(r *store.Record) { r.Expires = time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC) },
		"an expiry in the year 0":        func(r *store.Record) { r.Expires = time.Time{}.Add(-time.Microsecond) },
		"1 MiB and 1 byte of data":       func(r *store.Record) { r.Data = bulk(store.MaxData + 1) },
	}
	for _, bad := range badKinds {
		fields["a kind "+bad.says] = func(r *store.Record) { r.Kind = store.Kind(bad.value) }
	}
	fields["an id empty"] = func(r *store.Record) { r.ID = "" }
	for _, bad := range badStrings(store.MaxString) {
		fields["an id "+bad.says] = func(r *store.Record) { r.ID = bad.value }
		fields["a name "+bad.says] = func(r *store.Record) { r.Names = []string{"a", bad.value} }
		fields["a label key "+bad.says] = func(r *store.Record) { r.Labels = labels("a", "b", bad.value, "c") }
		fields["a label value "+bad.says] = func(r *store.Record) { r.Labels = labels("a", "b", "c", bad.value) }
		fields["a sort key "+bad.says] = func(r *store.Record) { r.Sort = bad.value }
	}
	for _, bad := range badStrings(store.MaxText) {
		fields["a text "+bad.says] = func(r *store.Record) { r.Text = bad.value }
	}
	before := s.state("client")
	for says, set := range fields {
		t.Run(says, func(t *testing.T) {
			s := s.in(t)
			r := bare("new")
			set(&r)
			over := there
			set(&over)
			for _, c := range []store.Change{store.Put(r), {Op: store.OpAppend, Record: r}, store.Put(over)} {
				_, err := s.Apply(t.Context(), store.Append(bare("beside")), c)
				wantError(t, "Apply", err, store.ErrInvalid)
			}
			s.wantAbsent("client", "beside")
		})
	}
	for says, c := range map[string]store.Change{
		"an append with a version":        {Op: store.OpAppend, Record: store.Record{Kind: "client", ID: "new", Version: 1}},
		"a deletion of version 0":         store.Delete("client", "there", 0),
		"a deletion of version -1":        store.Delete("client", "there", -1),
		"a deletion of no id":             store.Delete("client", "", there.Version),
		"a deletion of a long id":         store.Delete("client", strings.Repeat("a", store.MaxString+1), there.Version),
		"a deletion of no kind":           store.Delete("", "there", there.Version),
		"a deletion of a kind with a NUL": store.Delete("client\x00", "there", there.Version),
	} {
		t.Run(says, func(t *testing.T) {
			_, err := s.Apply(t.Context(), store.Append(bare("beside")), c)
			wantError(t, "Apply", err, store.ErrInvalid)
		})
	}
	s.wantState(before)
	s.wantAbsent("client", "beside")
}

func testLimitChanges(t *testing.T, s fixture) {
	changes := make([]store.Change, store.MaxChanges+1)
	for i := range changes {
		r := bare(fmt.Sprintf("%04d", i))
		changes[i] = store.Put(r)
		if i%2 == 1 {
			changes[i] = store.Append(r)
		}
	}
	before := s.state("client")
	_, err := s.Apply(t.Context(), changes...)
	wantError(t, "Apply of 1001 changes", err, store.ErrInvalid)
	s.wantState(before)

	// All of 1000 fail with the last one.
	last := changes[store.MaxChanges-1]
	blocker := s.put(bare(last.Record.ID))
	_, err = s.Apply(t.Context(), changes[:store.MaxChanges]...)
	wantChangeError(t, err, store.MaxChanges-1, last, store.ErrExists)
	s.wantIDs(store.Query{Kind: "client"}, blocker.ID)

	s.delete(blocker)
	rev := s.apply(changes[:store.MaxChanges]...)
	p := s.list(store.Query{Kind: "client", Limit: store.MaxLimit})
	if len(p.Records) != store.MaxChanges || p.Next != "" {
		t.Errorf("%d records and Next %q, want %d and none", len(p.Records), p.Next, store.MaxChanges)
	}
	for i, r := range p.Records {
		want := changes[i].Record
		if changes[i].Op == store.OpPut {
			want.Version = rev
		}
		if d := difference(r, want); d != "" {
			t.Fatalf("record %d: %s", i, d)
		}
	}
}

func testLimitOps(t *testing.T, s fixture) {
	r := s.put(bare("a"))
	before := s.state("client")
	for _, op := range []store.Op{0, store.OpAppend + 1, 255} {
		for _, record := range []store.Record{r, bare("new")} {
			_, err := s.Apply(t.Context(), store.Change{Op: op, Record: record})
			wantError(t, fmt.Sprintf("Apply of operation %d", op), err, store.ErrInvalid)
		}
	}
	s.wantState(before)
}

func testLimitQuery(t *testing.T, s fixture) {
	r := bare("a")
	r.Labels, r.Text, r.Sort, r.Expires = manyLabels(16), long(store.MaxText, 1), long(store.MaxString, 2), day(0)
	big := labels(long(store.MaxString, 3), long(store.MaxString, 4))
	r.Labels = append(r.Labels, big...)
	s.put(r)
	latest := time.Date(9999, 12, 31, 23, 59, 59, 999_999_000, time.UTC)
	for says, q := range map[string]store.Query{
		"16 labels":                      {Labels: r.Labels[:16]},
		"a label of 1024 and 1024 bytes": {Labels: big},
		"a text of 4096 bytes":           {Text: r.Text},
		"a From of 1024 bytes":           {From: r.Sort},
		"a To of 1024 bytes":             {To: strings.Repeat("\U0010ffff", store.MaxString/4)},
		"the earliest expiry":            {ExpiresFrom: time.Time{}.Add(time.Microsecond)},
		"the latest expiry":              {ExpiresTo: latest},
		"limit 1":                        {Limit: 1},
		"limit 1000":                     {Limit: store.MaxLimit},
		"the longest cursor":             {After: store.At(store.Record{Sort: strings.Repeat("\x01", store.MaxString), ID: strings.Repeat("\x01", store.MaxString)})},
	} {
		t.Run(says, func(t *testing.T) {
			q.Kind = "client"
			s.in(t).wantIDs(q, "a")
		})
	}
}

func testLimitQueryBeyond(t *testing.T, s fixture) {
	s.put(bare("a"))
	queries := map[string]store.Query{
		"17 labels":                      {Labels: manyLabels(17)},
		"an empty label key":             {Labels: labels("", "a")},
		"a label twice":                  {Labels: labels("a", "b", "a", "b")},
		"an offset of -1":                {Offset: -1},
		"the smallest offset":            {Offset: math.MinInt},
		"a limit of -1":                  {Limit: -1},
		"a limit of 1001":                {Limit: store.MaxLimit + 1},
		"the largest limit":              {Limit: math.MaxInt},
		"an expiry with nanoseconds":     {ExpiresFrom: day(0).Add(time.Nanosecond)},
		"an expiry in another time zone": {ExpiresTo: day(0).In(time.FixedZone("", 3600))},
		"an expiry in the year 10000":    {ExpiresTo: time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC)},
	}
	for _, bad := range badStrings(store.MaxString) {
		queries["a label key "+bad.says] = store.Query{Labels: labels(bad.value, "a")}
		queries["a label value "+bad.says] = store.Query{Labels: labels("a", bad.value)}
		queries["From "+bad.says] = store.Query{From: bad.value}
		queries["To "+bad.says] = store.Query{To: bad.value}
	}
	for _, bad := range badStrings(store.MaxText) {
		queries["a text "+bad.says] = store.Query{Text: bad.value}
	}
	for says, q := range queries {
		t.Run(says, func(t *testing.T) {
			for _, q.Kind = range []store.Kind{"client", "none"} {
				_, err := s.List(t.Context(), q)
				wantError(t, "List", err, store.ErrInvalid)
			}
		})
	}
	for _, bad := range badKinds {
		t.Run("a kind "+bad.says, func(t *testing.T) {
			_, err := s.List(t.Context(), store.Query{Kind: store.Kind(bad.value)})
			wantError(t, "List", err, store.ErrInvalid)
		})
	}
}

func testLimitLimits(t *testing.T, s fixture) {
	expiring := bare("a")
	expiring.Expires = day(0)
	rev := s.put(expiring).Version
	for _, limit := range []int{-1, store.MaxLimit + 1, math.MinInt, math.MaxInt} {
		for _, since := range []store.Revision{0, rev, store.Latest} {
			_, err := s.Changes(t.Context(), since, 0, limit)
			wantError(t, fmt.Sprintf("Changes with limit %d", limit), err, store.ErrInvalid)
		}
		_, err := s.Sweep(t.Context(), day(1), limit)
		wantError(t, fmt.Sprintf("Sweep with limit %d", limit), err, store.ErrInvalid)
	}
	s.wantIDs(store.Query{Kind: "client"}, "a")
	for _, limit := range []int{0, 1, store.MaxLimit} {
		if got := feedOf(s.changes(0, limit)); !slices.Equal(got, []string{"+a"}) {
			t.Errorf("Changes with limit %d = %q", limit, got)
		}
	}
	for _, limit := range []int{0, 1, store.MaxLimit} {
		if n := s.sweep(day(0), limit); n != 0 {
			t.Errorf("Sweep with limit %d dropped %d, but nothing expired", limit, n)
		}
	}
}
