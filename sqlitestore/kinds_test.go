package sqlitestore_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/store"
)

func TestKinds(t *testing.T) {
	db, s := openTenant(t)
	other := tenant(t, db, "other")
	kinds, err := s.Kinds(t.Context())
	require.NoError(t, err)
	require.Empty(t, kinds)

	_, err = other.Apply(t.Context(), store.Put(store.Record{Kind: "of.another", ID: "1"}))
	require.NoError(t, err)
	version, err := s.Apply(t.Context(),
		store.Put(store.Record{Kind: "client", ID: "1"}), store.Put(store.Record{Kind: "client", ID: "2"}),
		store.Append(store.Record{Kind: "audit", ID: "1"}), store.Put(store.Record{Kind: "a-b", ID: "1"}),
		store.Put(store.Record{Kind: "a.b", ID: "1"}))
	require.NoError(t, err)
	kinds, err = s.Kinds(t.Context())
	require.NoError(t, err)
	require.Equal(t, []store.Kind{"a-b", "a.b", "audit", "client"}, kinds)

	_, err = s.Apply(t.Context(), store.Delete("a.b", "1", version))
	require.NoError(t, err)
	kinds, err = s.Kinds(t.Context())
	require.NoError(t, err)
	require.Equal(t, []store.Kind{"a-b", "audit", "client"}, kinds, "none is left of the other kind")

	require.NoError(t, db.DeleteTenant(t.Context(), "main"))
	_, err = s.Kinds(t.Context())
	require.ErrorIs(t, err, store.ErrDeleted)
}
