package portal_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/client"
)

func TestEveryPageIsShown(t *testing.T) {
	w := newWorld(t)
	b := w.sits(full)
	c := w.add(client.Spec{Name: "nightly report", Grants: []client.Grant{{ServerID: "orders-api", ScopeID: "orders::read"}}})
	_, secret := w.addSecret(c.ID)
	for _, path := range []string{
		"clients", "expiring", "expiring?days=365", "new-client", "clients/" + c.ID, "clients/" + c.ID + "/use", "clients/" + c.ID + "/delete",
		"clients/" + c.ID + "/secrets/" + secret.ID + "/delete", "resources", "resources/orders-api", "resources/other", "audit", "refusals",
	} {
		t.Run(path, func(t *testing.T) {
			answer := b.get("/portal/" + path)
			require.Equal(t, http.StatusOK, answer.Code, answer.Body.String())
			require.Contains(t, answer.Body.String(), "</html>")
			require.NotContains(t, answer.Body.String(), "ZgotmplZ")
		})
	}
}
