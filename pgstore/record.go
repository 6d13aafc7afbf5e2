package pgstore

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/clientele-go/clientele/internal/jsonlist"
	"github.com/clientele-go/clientele/store"
)

// errCorrupt: a record is not as this package writes it.
var errCorrupt = errors.New("database damaged")

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
	r.Names, r.Labels, err = listsOf(names, labels)
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
	h.names, h.labels, err = listsOf(names, labels)
	return k, h, err
}

// listsOf returns the names and the labels that a record has in the database.
func listsOf(names, labels *string) ([]string, []store.Label, error) {
	n, l, err := jsonlist.Parse(textOf(names), textOf(labels))
	if err != nil {
		err = fmt.Errorf("%w: %w", errCorrupt, err)
	}
	return n, l, err
}

func timeOf(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}

func textOf(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// listOrNull returns what a list of names or labels is in the database: null for
// none.
func listOrNull(list string) *string {
	if list == "" {
		return nil
	}
	return &list
}

// orNull returns what a time is in the database: null for none.
func orNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
