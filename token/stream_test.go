package token_test

import (
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/audit"
	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/resource"
	"github.com/clientele-go/clientele/token"
)

// One audit log streams what is done to resource servers, clients and keys alike,
// and nothing of what was not done.
func TestEveryChangeIsStreamedOnceItIsMade(t *testing.T) {
	a := newAuthority(t)
	out := new(logged)
	log, err := audit.NewLog(audit.Config{Store: a.store, Now: a.clock.Now, Logger: slog.New(slog.NewJSONHandler(out, nil))})
	require.NoError(t, err)
	catalog, err := resource.NewCatalog(resource.Config{Store: a.store, Audit: log, Now: a.clock.Now})
	require.NoError(t, err)
	registry, err := client.NewRegistry(client.Config{Store: a.store, Resources: catalog, Audit: log, Now: a.clock.Now})
	require.NoError(t, err)
	issuer := a.newIssuer(func(c *token.Config) { c.Clients = registry })

	server := resource.Server{Name: "More", Audience: "https://more.example.com"}
	_, err = catalog.Add(a.ctx, server)
	require.NoError(t, err)
	_, err = catalog.Add(a.ctx, server)
	require.Error(t, err)
	c, err := registry.Add(a.ctx, client.Spec{Name: "report"})
	require.NoError(t, err)
	_, err = registry.Add(a.ctx, client.Spec{Name: "Report"})
	require.Error(t, err)
	secret, _, err := registry.AddSecret(a.ctx, c.ID, a.clock.Now().AddDate(0, 0, 90))
	require.NoError(t, err)
	_, err = issuer.RotateKeys(a.ctx)
	require.NoError(t, err)
	a.store.away.Store(true)
	_, err = registry.Disable(a.ctx, c.ID)
	require.Error(t, err)
	a.store.away.Store(false)
	require.NoError(t, registry.Delete(a.ctx, c.ID))

	var actions, ids []string
	for line := range strings.Lines(out.String()) {
		var record struct {
			Msg, Event, Action string
			At                 time.Time
			Actor              audit.Actor
		}
		require.NoError(t, json.Unmarshal([]byte(line), &record))
		require.Equal(t, "audit", record.Msg)
		require.Equal(t, audit.Program("test"), record.Actor)
		actions, ids = append(actions, record.Action), append(ids, record.Event)
	}
	require.Equal(t, []string{"resource_server.add", "client.add", "client.secret.add", "signing_key.create", "client.delete"}, actions)
	require.NotContains(t, out.String(), secret.Reveal())

	// Each is an event of the log.
	page, err := log.List(a.ctx, audit.Filter{Limit: 1000})
	require.NoError(t, err)
	kept := map[string]bool{}
	for _, e := range page.Events {
		kept[e.ID] = true
	}
	for _, id := range ids {
		require.True(t, kept[id], id)
	}
}
