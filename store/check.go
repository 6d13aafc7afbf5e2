package store

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// Check tests the changes of an Apply against every limit of this package. Its
// error wraps ErrInvalid and says which change and which field is at fault. A
// store calls it first thing in Apply.
func Check(changes ...Change) error {
	if len(changes) == 0 || len(changes) > MaxChanges {
		return fmt.Errorf("%w: %d changes in one Apply, want 1 to %d", ErrInvalid, len(changes), MaxChanges)
	}
	for i := range changes {
		if err := changes[i].check(); err != nil {
			return fmt.Errorf("%w: change %d: %w", ErrInvalid, i, err)
		}
	}
	if i := repeated(changes); i >= 0 {
		return fmt.Errorf("%w: change %d: a second one of the same record", ErrInvalid, i)
	}
	return nil
}

// repeated returns the index of a change whose record an earlier one names too.
func repeated(changes []Change) int {
	if ascending(changes) {
		return -1
	}
	type key struct {
		kind Kind
		id   string
	}
	seen := make(map[key]struct{}, len(changes))
	for i := range changes {
		k := key{changes[i].Record.Kind, changes[i].Record.ID}
		if _, ok := seen[k]; ok {
			return i
		}
		seen[k] = struct{}{}
	}
	return -1
}

// ascending reports whether all changes are of one kind, and the ids in order: then none
// comes twice. A log is written so.
func ascending(changes []Change) bool {
	for i := 1; i < len(changes); i++ {
		a, b := &changes[i-1].Record, &changes[i].Record
		if a.Kind != b.Kind || a.ID >= b.ID {
			return false
		}
	}
	return true
}

func (c *Change) check() error {
	r := &c.Record
	if err := checkKey(r.Kind, r.ID); err != nil {
		return err
	}
	switch c.Op {
	case OpPut:
		if r.Version < 0 {
			return fmt.Errorf("version %d is negative", r.Version)
		}
	case OpAppend:
		if r.Version != 0 {
			return fmt.Errorf("version %d of an appended record, want 0", r.Version)
		}
	case OpDelete:
		if r.Version <= 0 {
			return fmt.Errorf("version %d of a deletion, want the one that was read", r.Version)
		}
		return nil
	default:
		return fmt.Errorf("unknown operation %d", c.Op)
	}
	return r.check()
}

func (r *Record) check() error {
	if len(r.Names) > MaxNames {
		return fmt.Errorf("%d names, at most %d", len(r.Names), MaxNames)
	}
	for i, name := range r.Names {
		if err := checkString("name", name, 1, MaxString); err != nil {
			return err
		}
		for _, other := range r.Names[:i] {
			if name == other {
				return fmt.Errorf("a name twice")
			}
		}
	}
	if err := checkLabels(r.Labels, MaxLabels); err != nil {
		return err
	}
	if err := checkString("text", r.Text, 0, MaxText); err != nil {
		return err
	}
	if err := checkString("sort key", r.Sort, 0, MaxString); err != nil {
		return err
	}
	if err := checkTime("expiry", r.Expires); err != nil {
		return err
	}
	if r.Format < 0 || r.Format > 1_000_000 {
		return fmt.Errorf("format %d, want 0 to 1000000", r.Format)
	}
	if len(r.Data) > MaxData {
		return fmt.Errorf("%d bytes of data, at most %d", len(r.Data), MaxData)
	}
	return nil
}

// Check tests q against every limit of this package. Its error wraps
// ErrInvalid. A store calls it first thing in List.
func (q *Query) Check() error {
	if err := q.check(); err != nil {
		return fmt.Errorf("%w: query: %w", ErrInvalid, err)
	}
	return nil
}

func (q *Query) check() error {
	if err := checkKind(q.Kind); err != nil {
		return err
	}
	if err := checkLabels(q.Labels, 16); err != nil {
		return err
	}
	if err := checkString("text", q.Text, 0, MaxText); err != nil {
		return err
	}
	if err := checkString("from", q.From, 0, MaxString); err != nil {
		return err
	}
	if err := checkString("to", q.To, 0, MaxString); err != nil {
		return err
	}
	if err := checkTime("expires from", q.ExpiresFrom); err != nil {
		return err
	}
	if err := checkTime("expires to", q.ExpiresTo); err != nil {
		return err
	}
	if q.After != "" {
		if _, _, err := q.After.Position(); err != nil {
			return err
		}
	}
	if q.Offset < 0 {
		return fmt.Errorf("offset %d is negative", q.Offset)
	}
	return checkLimit(q.Limit)
}

// CheckLimit tests a limit of Changes or Sweep: 0…MaxLimit. Its error wraps
// ErrInvalid.
func CheckLimit(limit int) error {
	if err := checkLimit(limit); err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return nil
}

func checkLimit(limit int) error {
	if limit < 0 || limit > MaxLimit {
		return fmt.Errorf("limit %d, want 0 to %d", limit, MaxLimit)
	}
	return nil
}

// CheckKey tests a kind and an id. Its error wraps ErrInvalid. A store calls it
// first thing in Get.
func CheckKey(kind Kind, id string) error {
	if err := checkKey(kind, id); err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return nil
}

func checkKey(kind Kind, id string) error {
	if err := checkKind(kind); err != nil {
		return err
	}
	return checkString("id", id, 1, MaxString)
}

func checkKind(kind Kind) error {
	if len(kind) == 0 || len(kind) > MaxKind {
		return fmt.Errorf("a kind of %d bytes, want 1 to %d", len(kind), MaxKind)
	}
	for i := range len(kind) {
		c := kind[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '.' && c != '_' && c != '-' {
			return fmt.Errorf("kind %q has more than a-z, 0-9, '.', '_' and '-'", kind)
		}
	}
	return nil
}

func checkLabels(labels []Label, most int) error {
	if len(labels) > most {
		return fmt.Errorf("%d labels, at most %d", len(labels), most)
	}
	for _, l := range labels {
		if err := checkString("label key", l.Key, 1, MaxString); err != nil {
			return err
		}
		if err := checkString("label value", l.Value, 0, MaxString); err != nil {
			return err
		}
	}
	if len(labels) <= 8 {
		for i, l := range labels {
			for _, other := range labels[:i] {
				if l == other {
					return fmt.Errorf("label %.64q twice", l.Key)
				}
			}
		}
		return nil
	}
	seen := make(map[Label]struct{}, len(labels))
	for _, l := range labels {
		if _, ok := seen[l]; ok {
			return fmt.Errorf("label %.64q twice", l.Key)
		}
		seen[l] = struct{}{}
	}
	return nil
}

func checkString(what, s string, least, most int) error {
	switch {
	case len(s) < least:
		return fmt.Errorf("no %s", what)
	case len(s) > most:
		return fmt.Errorf("%s of %d bytes, at most %d", what, len(s), most)
	case strings.IndexByte(s, 0) >= 0:
		return fmt.Errorf("%s with a NUL", what)
	case !utf8.ValidString(s):
		return fmt.Errorf("%s is not UTF-8", what)
	}
	return nil
}

func checkTime(what string, t time.Time) error {
	if t.IsZero() {
		return nil
	}
	if t.Location() != time.UTC || t.Nanosecond()%1000 != 0 || t.Year() < 1 || t.Year() > 9999 {
		return fmt.Errorf("%s is not in whole microseconds, UTC, of the years 1 to 9999 (see Time)", what)
	}
	return nil
}

// Time returns t as stores keep it: in UTC, cut to whole microseconds, without
// a monotonic reading.
func Time(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Microsecond)
}

// CheckFormat returns an error that wraps ErrNewer if r is in a format newer
// than mine, the newest that the caller can write. Who rewrites a record calls
// it first; reading a newer format is allowed.
func CheckFormat(r Record, mine int) error {
	if r.Format > mine {
		return fmt.Errorf("%s %.64q: %w (%d, this release writes %d)", r.Kind, r.ID, ErrNewer, r.Format, mine)
	}
	return nil
}

// A Cursor is a place in the order of a kind, as text. Its empty value is the
// beginning. It holds no secret but may come back from a caller changed: a bad
// one is refused with ErrInvalid.
type Cursor string

// At returns the place of r in the order of its kind.
func At(r Record) Cursor {
	b, err := json.Marshal([2]string{r.Sort, r.ID})
	if err != nil {
		panic(err) // two strings always marshal
	}
	return Cursor(base64.RawURLEncoding.EncodeToString(b))
}

// Position returns the sort key and the id that c stands for, which a store
// needs to continue behind it. Its error wraps ErrInvalid.
func (c Cursor) Position() (sort, id string, err error) {
	var at [2]string
	b, err := base64.RawURLEncoding.Strict().DecodeString(string(c))
	if err == nil {
		err = json.Unmarshal(b, &at)
	}
	if err != nil || At(Record{Sort: at[0], ID: at[1]}) != c ||
		checkString("sort key", at[0], 0, MaxString) != nil || checkString("id", at[1], 1, MaxString) != nil {
		return "", "", fmt.Errorf("%w: not a cursor of this store", ErrInvalid)
	}
	return at[0], at[1], nil
}
