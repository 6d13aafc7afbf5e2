package resource_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/resource"
)

func TestServerAsJSON(t *testing.T) {
	t.Run("has every member of the server, and lists that are never null", func(t *testing.T) {
		require.Equal(t, `{"id":"","name":"","displayName":"","description":"","primaryAud":"","defaultApi":false,"serviceScopes":[]}`,
			toJSON(t, resource.Server{}))
	})
	t.Run("leaves out what a service does not have", func(t *testing.T) {
		got := toJSON(t, &resource.Server{Services: []resource.Service{
			{ID: "s", Name: "S"},
			{ID: "t", Name: "T", DisplayName: "d", CloudName: "c", OrgName: "o", Scopes: []resource.Scope{{ID: "r", Name: "R"}}},
		}})
		require.True(t, strings.HasSuffix(got, `"serviceScopes":[{"service":{"id":"s","name":"S"},"scopes":[]},`+
			`{"service":{"id":"t","name":"T","displayName":"d","cloudName":"c","orgName":"o"},"scopes":[{"id":"r","name":"R"}]}]}`), got)
	})
	t.Run("does not tell times and version", func(t *testing.T) {
		server := orders()
		server.CreatedAt, server.UpdatedAt, server.Version = noon, noon, 7
		want := orders()
		require.Equal(t, toJSON(t, want), toJSON(t, server))
	})
	t.Run("is read again", func(t *testing.T) {
		want := orders()
		want.Default = true
		got := resource.Server{ID: "before", Services: []resource.Service{{ID: "x"}}}
		require.NoError(t, json.Unmarshal([]byte(toJSON(t, want)), &got))
		require.Equal(t, want, got)
	})
	t.Run("is read as a file is, with the path of what is wrong", func(t *testing.T) {
		got := resource.Server{ID: "before"}
		err := json.Unmarshal([]byte(`{"id":"x","serviceScopes":[{"scopes":[{"id":7}]}]}`), &got)
		requireField(t, err, "serviceScopes[0].scopes[0].id", "is a number, want a string")
		require.Equal(t, resource.Server{ID: "before"}, got, "and nothing is set")
	})
}
