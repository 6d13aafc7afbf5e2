package sqlitestore_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/store"
)

// The view shows what the log of issued tokens keeps (token.Issued) in columns, and
// whatever else has that kind without them.
func TestIssuedTokensAreReadable(t *testing.T) {
	db, s := openTenant(t)
	_, err := s.Apply(t.Context(),
		store.Append(store.Record{Kind: "token", ID: "t1", Sort: "2026", Data: []byte(`{"method":"secret","credential":"s1","address":"192.0.2.7","requestId":"r1",` +
			`"claims":{"client_id":"c1","aud":"https://a.example","scope":"a b","iat":1779014400,"exp":1779018000}}`)}),
		store.Append(store.Record{Kind: "token", ID: "t2", Data: []byte("not JSON \xff")}),
		store.Append(store.Record{Kind: "token", ID: "t3", Data: []byte(`{"claims":{"iat":"x"}}`)}),
	)
	require.NoError(t, err)
	for sql, want := range map[string][]string{
		"SELECT id FROM issued_tokens ORDER BY 1": {"t1", "t2", "t3"},
		"SELECT concat_ws('|', tenant, id, client_id, method, credential, issued_at, expires_at, audience, scope, address, request_id) FROM issued_tokens WHERE id = 't1'": {
			"main|t1|c1|secret|s1|2026-05-17T10:40:00Z|2026-05-17T11:40:00Z|https://a.example|a b|192.0.2.7|r1"},
		"SELECT claims ->> 'scope' FROM issued_tokens WHERE client_id = 'c1'":   {"a b"},
		"SELECT coalesce(client_id, 'none') FROM issued_tokens WHERE id > 't1'": {"none", "none"},
	} {
		rows, err := db.Rows(t.Context(), sql)
		require.NoError(t, err, sql)
		require.Equal(t, want, rows, sql)
	}
}
