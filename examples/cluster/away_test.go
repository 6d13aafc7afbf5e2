//go:build unix

package cluster_test

import (
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/examples/internal/proctest"
)

// A lonely instance is one more on the database of a cluster, which goes on without
// it (-store-away).
type lonely struct {
	*cluster                    // of which it is instance 0
	cached, uncached url.Values // secrets
	id               string     // of a client
}

// startLonely starts one. The secret of a client of the cluster becomes one that it
// has cached.
func (c *cluster) startLonely(id string, secret url.Values) *lonely {
	c.t.Helper()
	l := &lonely{cluster: &cluster{t: c.t, pg: c.pg, dir: c.dir, http: c.http, token: c.token}, id: id, cached: secret}
	l.process[0] = proctest.Start(c.t, c.program, "-store", c.pg.URL("postgres"), "-store-away", "1h",
		"-sealing-key", filepath.Join(c.dir, "sealing.key"), "-addr", "127.0.0.1:0", "-issuer", issuer)
	l.wait(0)
	other := c.add("not cached", bySecret)
	l.uncached = url.Values{
		"client_id": {other}, "client_secret": {c.admin(0, http.MethodPost, "/api-clients/"+other+"/secrets", newSecret()).member("value")},
	}
	require.Equal(c.t, http.StatusOK, l.post(0, l.cached).status)
	return l
}

// goesOn checks what it does while the database is away.
func (l *lonely) goesOn() {
	for deadline := time.Now().Add(patience); !strings.HasPrefix(string(l.get(0, "/readyz").body), "going on from the cache: "); {
		require.True(l.t, time.Now().Before(deadline), "%s", l.get(0, "/readyz").body)
	}
	got := l.post(0, l.cached)
	require.Equal(l.t, http.StatusOK, got.status, "%s", got.body)
	wrong := url.Values{"client_id": {l.id}, "client_secret": l.uncached["client_secret"]}
	for _, form := range []url.Values{l.uncached, wrong} {
		got := l.post(0, form)
		require.Equal(l.t, http.StatusServiceUnavailable, got.status, "%s", got.body)
		require.NotEmpty(l.t, got.header.Get("Retry-After"))
	}
	require.Equal(l.t, http.StatusOK, l.get(0, "/oauth2/v1/keys").status)
	require.Equal(l.t, http.StatusServiceUnavailable, l.get(0, "/oauth2/v1/revocations").status)
	got = l.admin(0, http.MethodGet, "/api-clients/"+l.id, "")
	require.Equal(l.t, http.StatusServiceUnavailable, got.status, "%s", got.body)
	got = l.admin(0, http.MethodPut, "/api-clients/"+l.id, clientOf("changed", 60, bySecret))
	require.Equal(l.t, http.StatusServiceUnavailable, got.status, "%s", got.body)
	require.NotEmpty(l.t, got.member("message"))
}

// recovers checks what it does when the database is back.
func (l *lonely) recovers(c *cluster) {
	for deadline := time.Now().Add(patience); string(l.get(0, "/readyz").body) != "ready\n"; {
		require.True(l.t, time.Now().Before(deadline), "%s", l.get(0, "/readyz").body)
	}
	got := l.again(func() answer { return l.post(0, l.uncached) })
	require.Equal(l.t, http.StatusOK, got.status, "%s", got.body)
	got = c.again(func() answer { return c.admin(0, http.MethodPost, "/api-clients/"+l.id+"/disable", "") })
	require.Less(l.t, got.status, 300, "%s", got.body)
	for deadline := time.Now().Add(patience); l.post(0, l.cached).status != http.StatusUnauthorized; {
		require.True(l.t, time.Now().Before(deadline))
	}
	l.process[0].Signal(syscall.SIGTERM)
	code, log := l.process[0].Exit()
	require.Zero(l.t, code)
	require.Contains(l.t, log, `"msg":"the store is away: tokens are issued from what is cached","for":"1h0m0s"`)
	require.Contains(l.t, log, `"msg":"the store is back"`)
}
