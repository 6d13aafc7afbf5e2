package pgstore_test

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
		store.Append(store.Record{Kind: "token", ID: "t3", Data: []byte(`{"claims":{"iat":"x","exp":1e300}}`)}),
		store.Append(store.Record{Kind: "token", ID: "t4", Data: []byte(`{"claims":[]}`)}),
		store.Append(store.Record{Kind: "token", ID: "t5"}),
	)
	require.NoError(t, err)
	for sql, want := range map[string]string{
		"SELECT string_agg(id, ',' ORDER BY id) FROM @.issued_tokens": "t1,t2,t3,t4,t5",
		"SELECT concat_ws('|', tenant, id, client_id, method, credential, issued_at AT TIME ZONE 'UTC', expires_at AT TIME ZONE 'UTC', audience, scope, address, request_id)" +
			" FROM @.issued_tokens WHERE id = 't1'": "main|t1|c1|secret|s1|2026-05-17 10:40:00|2026-05-17 11:40:00|https://a.example|a b|192.0.2.7|r1",
		"SELECT claims ->> 'scope' FROM @.issued_tokens WHERE client_id = 'c1'":                                     "a b",
		"SELECT count(*) FROM @.issued_tokens WHERE client_id IS NULL AND issued_at IS NULL AND expires_at IS NULL": "4",
		"SELECT id FROM @.issued_tokens WHERE issued_at BETWEEN '2026-05-17 10:00:00Z' AND '2026-05-17 11:00:00Z'":  "t1",
	} {
		require.Equal(t, want, db.Value(t.Context(), sql), sql)
	}
}
