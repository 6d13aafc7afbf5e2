package pgstore_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/pgstore"
	"github.com/clientele-go/clientele/store"
)

// Labels that read the same when they are written one after the other are
// different ones.
func TestLabelHash(t *testing.T) {
	seen := map[[16]byte]string{}
	for _, c := range []struct {
		tenant int32
		kind   store.Kind
		label  store.Label
	}{
		{1, "a", store.Label{Key: "b", Value: "c"}},
		{2, "a", store.Label{Key: "b", Value: "c"}},
		{1, "ab", store.Label{Key: "", Value: "c"}},
		{1, "a", store.Label{Key: "bc", Value: ""}},
		{1, "a", store.Label{Key: "b", Value: ""}},
		{1, "", store.Label{Key: "ab", Value: "c"}},
		{1, "a", store.Label{Key: "b", Value: "C"}},
	} {
		h := pgstore.LabelHash(c.tenant, c.kind, c.label)
		require.NotContains(t, seen, h)
		seen[h] = c.label.Key
		require.Equal(t, h, pgstore.LabelHash(c.tenant, c.kind, c.label))
	}
}

// A record that something else has damaged is reported as what it is.
func TestDamagedRecord(t *testing.T) {
	for _, column := range []string{"names", "labels"} {
		t.Run(column, func(t *testing.T) {
			db, s := openTenant(t)
			r := putNew(t, s, "x")
			db.Exec(t.Context(), "UPDATE @.record SET "+column+` = '[["a'`)
			_, err := s.Get(t.Context(), "client", "x")
			require.ErrorContains(t, err, "database damaged: "+column+" of a record")
			_, err = s.List(t.Context(), store.Query{Kind: "client"})
			require.ErrorContains(t, err, "database damaged")
			_, err = s.Apply(t.Context(), store.Delete("client", "x", r.Version))
			require.ErrorContains(t, err, "database damaged")
		})
	}
}
