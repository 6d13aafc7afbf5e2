package main

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/audit"
	"github.com/clientele-go/clientele/examples/internal/proctest"
	"github.com/clientele-go/clientele/token"
)

func TestAfterARestoreNothingThatWasIssuedBeforeIsGood(t *testing.T) {
	for name, empty := range stores {
		t.Run(name, func(t *testing.T) {
			key, file := sealingKey(t)
			url, backup := empty(t), stores["SQLite"](t)
			var known credential
			var tokens []string
			issue := func(ctx context.Context, a authority, c credential) {
				raw, err := a.token(ctx, c)
				require.NoError(t, err)
				require.NoError(t, a.good(ctx, t, raw))
				tokens = append(tokens, raw)
			}
			run(t, url, key, "EdDSA", func(ctx context.Context, a authority) {
				known = addClient(ctx, t, a, "known")
				issue(ctx, a, known)
				_, err := a.issuer.RotateKeys(ctx) // one is next
				require.NoError(t, err)
			})
			mustMigrate(t, url, backup) // a copy of the whole is a backup, too
			run(t, url, key, "EdDSA", func(ctx context.Context, a authority) {
				issue(ctx, a, known)
				issue(ctx, a, addClient(ctx, t, a, "added after the backup"))
			})

			code, stderr := migrate(t, "-after-restore", backup)
			require.Equal(t, 1, code)
			require.Contains(t, stderr, "-sealing-key")
			_, other := sealingKey(t)
			code, stderr = migrate(t, "-after-restore", backup, "-sealing-key", other)
			require.Equal(t, 1, code)
			require.Contains(t, stderr, token.ErrSealed.Error())

			said := proctest.Output(t, proctest.Self(t), "-after-restore", backup, "-sealing-key", file)
			require.Contains(t, said, "all tokens of 1 API clients")
			require.Contains(t, said, "Withdrawn: 2 signing keys")
			require.Contains(t, said, "added since are gone")
			require.NotContains(t, said, key.Reveal())
			run(t, backup, key, "EdDSA", func(ctx context.Context, a authority) {
				for _, raw := range tokens {
					require.Error(t, a.good(ctx, t, raw))
				}
				issue(ctx, a, known) // and that one is good
				keys, err := a.issuer.SigningKeys(ctx)
				require.NoError(t, err)
				require.Len(t, keys, 1)
				require.Equal(t, "EdDSA", keys[0].Algorithm, "as before")
				page, err := a.clients.Audit().List(ctx, audit.Filter{ActorID: "migrate -after-restore"})
				require.NoError(t, err)
				require.NotEmpty(t, page.Events, "it stands in the audit log")
			})
		})
	}
}

func TestAfterARestoreWithAKeyThatIsElsewhere(t *testing.T) {
	url := stores["SQLite"](t)
	with(t, url, func(s *tenant) { fillOwn(t, s, "own", 1) })
	said := proctest.Output(t, proctest.Self(t), "-after-restore", url)
	require.Contains(t, said, "all tokens of 0 API clients")
	require.Contains(t, said, "The signing key is not in this store.")
}
