package pgstore

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/clientele-go/clientele/store"
)

// errCorrupt: a record is not as this package writes it.
var errCorrupt = errors.New("database damaged")

// The names and labels of a record are kept in it as JSON: they are returned
// with it, tell which rows of other tables belong to it, and people can read
// and query them.

func encodeNames(names []string) *string {
	if len(names) == 0 {
		return nil
	}
	return encode(names)
}

func encodeLabels(labels []store.Label) *string {
	if len(labels) == 0 {
		return nil
	}
	pairs := make([][2]string, len(labels))
	for i, l := range labels {
		pairs[i] = [2]string{l.Key, l.Value}
	}
	return encode(pairs)
}

func encode(v any) *string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // strings always marshal
	}
	s := string(b)
	return &s
}

func decodeNames(s *string) (names []string, err error) {
	if s == nil {
		return nil, nil
	}
	if plain, ok := plainStrings(*s); ok {
		return plain, nil
	}
	if err := json.Unmarshal([]byte(*s), &names); err != nil {
		return nil, fmt.Errorf("%w: names of a record: %w", errCorrupt, err)
	}
	return names, nil
}

func decodeLabels(s *string) ([]store.Label, error) {
	if s == nil {
		return nil, nil
	}
	if plain, ok := plainStrings(*s); ok && len(plain)%2 == 0 {
		labels := make([]store.Label, len(plain)/2)
		for i := range labels {
			labels[i] = store.Label{Key: plain[2*i], Value: plain[2*i+1]}
		}
		return labels, nil
	}
	var pairs [][2]string
	if err := json.Unmarshal([]byte(*s), &pairs); err != nil {
		return nil, fmt.Errorf("%w: labels of a record: %w", errCorrupt, err)
	}
	labels := make([]store.Label, len(pairs))
	for i, p := range pairs {
		labels[i] = store.Label{Key: p[0], Value: p[1]}
	}
	return labels, nil
}

// plainStrings returns the strings of a JSON array as this package writes it,
// whatever its depth, if none of them has an escape: what is between every
// other pair of quotes. It is much of what reading a record costs otherwise.
func plainStrings(s string) ([]string, bool) {
	if strings.IndexByte(s, '\\') >= 0 {
		return nil, false
	}
	all := make([]string, 0, strings.Count(s, `"`)/2)
	for {
		_, rest, ok := strings.Cut(s, `"`)
		if !ok {
			return all, true
		}
		one, rest, ok := strings.Cut(rest, `"`)
		if !ok {
			return nil, false
		}
		all, s = append(all, one), rest
	}
}

// labelHash returns what stands for a label in the table of labels: 128 bits of
// a SHA-256, so that nobody finds another label for which the same stands.
func labelHash(tenant int32, kind store.Kind, l store.Label) (hash [16]byte) {
	b := make([]byte, 0, 128)
	b = binary.BigEndian.AppendUint32(b, uint32(tenant))
	b = append(append(b, kind...), 0) // there is no zero byte in any of them
	b = append(append(b, l.Key...), 0)
	sum := sha256.Sum256(append(b, l.Value...))
	return [16]byte(sum[:16])
}

// A held is what has to be known of a record that is there, to change it.
type held struct {
	version store.Revision
	sort    string
	expires time.Time
	text    string
	names   []string
	labels  []store.Label

	record *store.Record // if it has to be written
}

// scanRecord reads recordColumns of a record whose kind and id are known; more
// are read before them.
func scanRecord(rows pgx.Row, r *store.Record, before ...any) error {
	var names, labels *string
	var expires *time.Time
	err := rows.Scan(append(before, &r.Version, &r.Sort, &expires, &r.Format, &r.Text, &names, &labels, &r.Data)...)
	if err != nil {
		return err
	}
	r.Expires = timeOf(expires)
	if r.Names, err = decodeNames(names); err != nil {
		return err
	}
	r.Labels, err = decodeLabels(labels)
	return err
}

// scanHeld reads heldColumns.
func scanHeld(row pgx.Row) (k key, h *held, err error) {
	h = new(held)
	var names, labels *string
	var expires *time.Time
	if err := row.Scan(&k.kind, &k.id, &h.version, &h.sort, &expires, &h.text, &names, &labels); err != nil {
		return k, nil, err
	}
	h.expires = timeOf(expires)
	if h.names, err = decodeNames(names); err != nil {
		return k, nil, err
	}
	h.labels, err = decodeLabels(labels)
	return k, h, err
}

func timeOf(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}

// orNull returns what a time is in the database: null for none.
func orNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
