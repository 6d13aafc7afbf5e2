package sqlitestore_test

import (
	"errors"
	"fmt"
	"math"
	"testing"

	"github.com/ncruces/go-sqlite3"
	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/store"
)

// large returns a record that does not fit in the last few pages.
func large(id string) store.Change {
	return store.Put(store.Record{Kind: "client", ID: id, Names: []string{"name of " + id}, Labels: []store.Label{{Key: "id", Value: id}}, Data: make([]byte, 500_000)})
}

func requireFull(t *testing.T, err error) {
	t.Helper()
	require.ErrorIs(t, err, sqlite3.FULL)
	var change *store.ChangeError
	require.False(t, errors.As(err, &change), "a full disk is no fault of a change: %v", err)
}

func TestFullDisk(t *testing.T) {
	db, s := openTenant(t)
	_, err := s.Apply(t.Context(), put("there"))
	require.NoError(t, err)
	pages, err := db.Number(t.Context(), "PRAGMA page_count")
	require.NoError(t, err)
	_, err = db.SetMaxPages(t.Context(), pages+20)
	require.NoError(t, err)

	t.Run("an Apply that does not fit changes nothing", func(t *testing.T) {
		_, err := s.Apply(t.Context(), put("small"), large("large"))
		requireFull(t, err)
		require.Equal(t, []string{"there"}, ids(t, s))
		require.EqualValues(t, 1, latest(t, s))
	})
	t.Run("one that fits is made", func(t *testing.T) {
		_, err := s.Apply(t.Context(), put("small"))
		require.NoError(t, err)
	})
	t.Run("in a group, those that fit are made, each whole", func(t *testing.T) {
		release := db.Hold(t.Context())
		var fits, not []<-chan error
		for i := range 3 {
			fits = append(fits, applying(t.Context(), s, put(fmt.Sprint("a", i)), put(fmt.Sprint("b", i))))
			db.WaitQueued(t.Context(), 2*i+1)
			not = append(not, applying(t.Context(), s, put(fmt.Sprint("c", i)), large(fmt.Sprint("d", i))))
			db.WaitQueued(t.Context(), 2*i+2)
		}
		release()
		for i := range 3 {
			require.NoError(t, receive(t, fits[i]))
			requireFull(t, receive(t, not[i]))
		}
		require.Equal(t, []string{"a0", "a1", "a2", "b0", "b1", "b2", "small", "there"}, ids(t, s))
	})
	t.Run("it recovers when there is room", func(t *testing.T) {
		_, err := db.SetMaxPages(t.Context(), math.MaxInt32)
		require.NoError(t, err)
		_, err = s.Apply(t.Context(), large("large"))
		require.NoError(t, err)
		check, err := db.Rows(t.Context(), "PRAGMA integrity_check")
		require.NoError(t, err)
		require.Equal(t, []string{"ok"}, check)
	})
}
