package sqlitestore_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/sqlitestore"
	"github.com/clientele-go/clientele/store"
)

// A record that something else has damaged is reported as what it is.
func TestDamagedRecord(t *testing.T) {
	for _, column := range []string{"names", "labels"} {
		t.Run(column, func(t *testing.T) {
			path := closedFile(t)
			alter(t, path, "UPDATE record SET "+column+` = '[["a'`)
			s := tenant(t, openFile(t, path, sqlitestore.Config{}), "main")
			_, err := s.Get(t.Context(), "client", "x")
			require.ErrorIs(t, err, sqlitestore.ErrCorrupt)
			require.ErrorContains(t, err, column+" of a record")
			_, err = s.List(t.Context(), store.Query{Kind: "client"})
			require.ErrorIs(t, err, sqlitestore.ErrCorrupt)
			_, err = s.Apply(t.Context(), store.Delete("client", "x", 1))
			require.ErrorIs(t, err, sqlitestore.ErrCorrupt)
		})
	}
}
