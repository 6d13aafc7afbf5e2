package token_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/store"
	"github.com/clientele-go/clientele/token"
	"github.com/clientele-go/clientele/token/verifier"
)

// What both lists that an Issuer signs have in common.
func TestSignedLists(t *testing.T) {
	for name, path := range map[string]func(a *authority) string{
		"the list of revocations": func(*authority) string { return listPath },
		"a status list": func(a *authority) string {
			uri, _ := a.status(a.issue(a.add("report")).AccessToken)
			return strings.TrimPrefix(uri, issuerURL)
		},
	} {
		t.Run(name+" is signed by the key that is active", func(t *testing.T) {
			a := newAuthority(t, withStatus)
			path := path(a)
			before := head(a.get(path).Body.String())
			keys, err := a.issuer.SigningKeys(t.Context())
			require.NoError(t, err)
			for _, key := range keys {
				if key.State == token.KeyActive {
					require.NoError(t, a.issuer.WithdrawKey(a.ctx, key.KeyID))
				}
			}
			require.NotEqual(t, before, head(a.get(path).Body.String()))
		})
		t.Run(name+" is no access token", func(t *testing.T) {
			a := newAuthority(t, withStatus)
			raw := a.get(path(a)).Body.String()
			_, err := a.orders().Verify(t.Context(), raw)
			require.ErrorIs(t, err, verifier.ErrInvalidToken)
			_, err = a.issuer.RevokeToken(a.ctx, raw)
			require.ErrorIs(t, err, token.ErrNotOurs)
		})
		t.Run(name+" is not there while the store is away", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newAuthority(t, withStatus)
				path := path(a)
				require.Equal(t, http.StatusOK, a.get(path).Code)
				a.store.away.Store(true)
				time.Sleep(store.DefaultFresh + 1)
				w := a.get(path)
				require.Equal(t, http.StatusServiceUnavailable, w.Code)
				require.Equal(t, "no-store", w.Header().Get("Cache-Control"))
			})
		})
	}
}
