package admin_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/memstore"
	"github.com/clientele-go/clientele/store"
)

// A store after whose next Get of a client somebody else does something.
type interrupted struct {
	store.Store
	then func()
}

func (s *interrupted) Get(ctx context.Context, kind store.Kind, id string) (store.Record, error) {
	record, err := s.Store.Get(ctx, kind, id)
	if kind != client.Kind {
		return record, err // that may be of nobody who asked: uses are noted a moment later
	}
	if then := s.then; then != nil {
		s.then = nil
		then()
	}
	return record, err
}

// Whenever somebody changes the client after it was looked at, a call about its
// secrets that names the version before changes nothing.
func TestIfMatchOfSecretsLeavesNoWindow(t *testing.T) {
	st := &interrupted{Store: memstore.New()}
	a := newAPI(t, options{store: st})
	c := a.add(`{"name":"one"` + granted + `}`)
	path := "/api-clients/" + c.ID
	secret := a.addSecret(c.ID, 60)
	expires := `{"expiresAt":"` + epoch(a.in(60)) + `","oldEndsAt":0}`
	// Of another process, which waits for nobody here.
	other, err := client.NewRegistry(client.Config{Store: st.Store, Resources: a.catalog, Now: a.clock.Now})
	require.NoError(t, err)
	for _, call := range []struct{ method, path, body string }{
		{"POST", "/secrets", expires},
		{"POST", "/secrets", `{"sha256":"d7a8fbb307d7809469ca9abcb0082e4f8d5651e46d3cdb762d02d0bf37c9e592","highEntropy":true,` + expires[1:]},
		{"POST", "/secrets/rotate", expires},
		{"DELETE", "/secrets/" + secret.ID, ""},
		{"POST", "/disable", ""},
		{"DELETE", "", ""},
	} {
		tag := a.do(a.view, "GET", path, "").Header.Get("ETag")
		lookedAt := 0
		again := func() {}
		again = func() {
			// The first look is that of the token's client, whose role it is.
			if lookedAt++; lookedAt == 1 {
				st.then = again
				return
			}
			_, err := other.Edit(program, c.ID, func(c *client.Client) error { c.Description += "x"; return nil })
			require.NoError(t, err)
		}
		st.then = again
		got := a.do(a.full, call.method, path+call.path, call.body, "If-Match", tag)
		require.Equal(t, 2, lookedAt, "nobody looked at the client")
		require.Contains(t, []int{http.StatusConflict, http.StatusPreconditionFailed}, got.StatusCode, "%s %s: %s", call.method, call.path, got.body)
		require.Equal(t, []string{secret.ID}, a.secrets(c.ID))
	}
}
