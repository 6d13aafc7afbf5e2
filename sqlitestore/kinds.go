package sqlitestore

import (
	"fmt"
	"sync"

	"github.com/clientele-go/clientele/store"
)

// kinds knows the numbers of the kinds that are in the file, as far as they
// were asked for: what was committed once never changes.
type kinds struct {
	mu      sync.RWMutex
	numbers map[store.Kind]int64
	names   map[int64]store.Kind
}

func newKinds() *kinds {
	return &kinds{numbers: map[store.Kind]int64{}, names: map[int64]store.Kind{}}
}

func (k *kinds) number(kind store.Kind) (int64, bool) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	n, ok := k.numbers[kind]
	return n, ok
}

func (k *kinds) name(n int64) (store.Kind, bool) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	kind, ok := k.names[n]
	return kind, ok
}

func (k *kinds) add(kind store.Kind, n int64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.numbers[kind], k.names[n] = n, kind
}

// kindNumber returns the number of a kind as a reader sees it, or 0 if there is
// no record of that kind.
func (db *DB) kindNumber(c *conn, kind store.Kind) (int64, error) {
	if n, ok := db.kinds.number(kind); ok {
		return n, nil
	}
	n, err := findKind(c, kind)
	if n != 0 && err == nil {
		db.kinds.add(kind, n)
	}
	return n, err
}

// kindName returns the kind with a number that a reader has found.
func (db *DB) kindName(c *conn, n int64) (store.Kind, error) {
	if kind, ok := db.kinds.name(n); ok {
		return kind, nil
	}
	s := c.sql("SELECT name FROM kind WHERE id = ?").int(n)
	var kind store.Kind
	if s.next() {
		kind = store.Kind(s.ColumnText(0))
	}
	if err := s.done(); err != nil {
		return "", err
	}
	if kind == "" {
		return "", fmt.Errorf("%w: no kind has number %d", ErrCorrupt, n)
	}
	db.kinds.add(kind, n)
	return kind, nil
}

func findKind(c *conn, kind store.Kind) (int64, error) {
	return c.sql("SELECT id FROM kind WHERE name = ?").text(string(kind)).only()
}
