package pgstore_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/store"
)

// What is too much for one statement is written by several, in one transaction.
func TestLargeApply(t *testing.T) {
	_, s := openTenant(t)
	for _, make := range []func(store.Record) store.Change{store.Put, store.Append} {
		kind := store.Kind(fmt.Sprint("kind-", len(everything(t, s, store.Query{Kind: "kind-0"}))))
		var changes []store.Change
		for i := range 20 {
			changes = append(changes, make(store.Record{Kind: kind, ID: fmt.Sprint(i), Data: bytes.Repeat([]byte{byte(i)}, store.MaxData)}))
		}
		refused := append(changes[:19:19], store.Append(store.Record{Kind: kind, ID: "x", Names: []string{"n"}}), store.Append(store.Record{Kind: kind, ID: "y", Names: []string{"n"}}))
		_, err := s.Apply(t.Context(), refused...)
		require.ErrorIs(t, err, store.ErrTaken)
		require.Empty(t, everything(t, s, store.Query{Kind: kind}))
		_, err = s.Apply(t.Context(), changes...)
		require.NoError(t, err)
		all := everything(t, s, store.Query{Kind: kind})
		require.Len(t, all, 20)
		for _, c := range changes {
			require.Equal(t, c.Record.Data, all[c.Record.ID].Data)
		}
	}
}
