package admin_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/admin"
	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/memstore"
	"github.com/clientele-go/clientele/store"
)

// A failing store fails where it is told to.
type failing struct {
	store.Store
	reads, writes atomic.Bool
}

func (f *failing) Get(ctx context.Context, kind store.Kind, id string) (store.Record, error) {
	if f.reads.Load() && kind == client.Kind {
		return store.Record{}, errDown
	}
	return f.Store.Get(ctx, kind, id)
}

func (f *failing) List(ctx context.Context, q store.Query) (store.Page, error) {
	if f.reads.Load() {
		return store.Page{}, errDown
	}
	return f.Store.List(ctx, q)
}

func (f *failing) Apply(ctx context.Context, changes ...store.Change) (store.Revision, error) {
	if f.writes.Load() {
		return 0, errDown
	}
	return f.Store.Apply(ctx, changes...)
}

func TestAStoreThatIsDown(t *testing.T) {
	st := &failing{Store: memstore.New()}
	a := newAPI(t, options{store: st})
	c := a.add(`{"name":"one"}`)
	t.Run("after a change nobody knows whether it was made", func(t *testing.T) {
		st.writes.Store(true)
		defer st.writes.Store(false)
		for _, op := range []string{"POST /api-clients", "PUT /api-clients/" + c.ID, "DELETE /api-clients/" + c.ID, "POST /api-clients/" + c.ID + "/secrets", "POST /api-clients/" + c.ID + "/disable"} {
			method, path, _ := strings.Cut(op, " ")
			got := a.do(a.full, method, path, `{"name":"two","clientAuthentication":{"authType":"SECRET"},"expiresAt":"`+epoch(a.in(60))+`"}`)
			got.fault(500, "UNEXPECTED_ERROR")
			require.NotContains(t, string(got.body), errDown.Error())
			require.Empty(t, got.Header.Get("Retry-After"))
		}
		require.Contains(t, a.log.String(), errDown.Error())
	})
	t.Run("reading can be tried again", func(t *testing.T) {
		st.reads.Store(true)
		defer st.reads.Store(false)
		for _, path := range []string{"/api-clients", "/api-clients/" + c.ID, "/audit-events", "/denials", "/tokens"} {
			got := a.do(a.full, "GET", path, "")
			got.fault(503, "SERVICE_UNAVAILABLE")
			require.Equal(t, "1", got.Header.Get("Retry-After"))
		}
	})
	a.do(a.full, "GET", "/api-clients/"+c.ID, "").is(200)
}

func TestWhatANewerReleaseWroteStaysAsItIs(t *testing.T) {
	a := newAPI(t, options{})
	c := a.add(`{"name":"one"}`)
	record, err := a.store.Get(t.Context(), client.Kind, c.ID)
	require.NoError(t, err)
	record.Format = 999
	_, err = a.store.Apply(t.Context(), store.Put(record))
	require.NoError(t, err)
	a.do(a.full, "POST", "/api-clients/"+c.ID+"/disable", "").fault(409, "WRITTEN_BY_NEWER_RELEASE")
	a.do(a.view, "GET", "/api-clients/"+c.ID, "").is(200)
}

func TestNewRefusesWhatIsIncomplete(t *testing.T) {
	a := newAPI(t, options{})
	authorize := admin.Bearer(nil, a.registry, a.roles)
	_, err := admin.New(admin.Config{Authorize: authorize})
	require.ErrorContains(t, err, "Registry is missing")
	_, err = admin.New(admin.Config{Registry: a.registry})
	require.ErrorContains(t, err, "Authorize is missing")
	for _, path := range []string{"", "/", "admin", "/admin/", "//admin", "/a b", "/a%20b", "/a?b", "/a/../b", "/.", "/ä"} {
		_, err = admin.New(admin.Config{Registry: a.registry, Authorize: authorize, BasePaths: []string{"/ok", path}})
		require.ErrorContains(t, err, "BasePaths[1]", "%q", path)
	}
}

func TestWithoutAnIssuerThereAreNoDenialsAndNoTokens(t *testing.T) {
	a := newAPI(t, options{admin: func(cfg *admin.Config) { cfg.Issuer, cfg.BasePaths = nil, []string{"/admin/v2"} }})
	for _, op := range []string{"GET /denials", "GET /tokens", "GET /tokens/x", "POST /tokens/x/revoke", "POST /api-clients/" + a.fullID + "/revoke-tokens"} {
		method, path, _ := strings.Cut(op, " ")
		a.do(a.full, method, "/admin/v2"+path, "").fault(404, "RESOURCE_NOT_FOUND")
	}
	a.do(a.full, "GET", "/admin/v2/api-clients", "").is(200)
	require.Equal(t, 404, a.do(a.full, "GET", "/admin/api/v1/api-clients", "").StatusCode)
}
