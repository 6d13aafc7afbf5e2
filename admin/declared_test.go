package admin_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/admin"
	"github.com/clientele-go/clientele/client"
)

// apply declares what the file says.
func (a *api) apply(file string) (client.Plan, error) {
	a.t.Helper()
	f, err := admin.ParseClients(a.t.Context(), a.catalog, []byte(file))
	require.NoError(a.t, err)
	plan, err := client.Apply(program, a.registry, client.Declaration{Owner: "test", Clients: f.Clients}, false)
	return plan, f.Explain(err)
}

func TestDeclaredClients(t *testing.T) {
	a := newAPI(t, options{})
	mine := a.add(`{"name":"Nightly Report"}`)
	file := fmt.Sprintf(`[
	 {"name":"nightly report","accessTokenLifeTime":600,"clientResources":[{"name":"Zscaler APIs","selectedScopes":[{"id":"orders::editor"}]}]},
	 {"name":"imported","id":"my-own-id","externalId":"team-a/imported","status":false,"labels":{"team":"a"},
	  "secrets":[{"sha256":"%064x","expiresAt":%q}]}]`, 7, epoch(a.in(60)))
	plan, err := a.apply(file)
	require.NoError(t, err)
	require.Len(t, plan.Steps, 2)
	require.Equal(t, mine.ID, plan.Steps[0].ClientID, "one that has no owner is taken over by its name")
	c, err := a.registry.Get(t.Context(), "my-own-id")
	require.NoError(t, err)
	require.True(t, c.Disabled)
	require.Len(t, c.Secrets, 1)
	require.Equal(t, "team-a/imported", c.Labels[client.LabelExternalID])
	require.Equal(t, "a", c.Labels["team"])

	before := a.everything()
	plan, err = a.apply(file)
	require.NoError(t, err)
	require.Equal(t, before, a.everything(), "%s", plan)

	a.do(a.full, "POST", "/api-clients/"+mine.ID+"/disable", "").is(200)
	_, err = a.apply(strings.ReplaceAll(file, "600", "700"))
	require.NoError(t, err)
	var got apiClient
	a.do(a.view, "GET", "/api-clients/"+mine.ID, "").json(200, &got)
	require.False(t, *got.Status, "no file lets in again whom an administrator has locked out")
	require.EqualValues(t, 700, got.AccessTokenLifeTime)

	// What a list answers can be declared as it is.
	list := a.do(a.view, "GET", "/api-clients", "").is(200)
	f, err := admin.ParseClients(t.Context(), a.catalog, list.body)
	require.NoError(t, err)
	require.Len(t, f.Clients, 4)
}

func TestWrongFilesAreRefusedByTheirPlaces(t *testing.T) {
	a := newAPI(t, options{})
	_, _, private := newKey(t, a.in(-1), a.in(1))
	for _, test := range []struct{ name, file, fault string }{
		{"nothing", "", "line 1: no object"},
		{"another object", `{"clients":[]}`, "records is missing"},
		{"a broken third line", "[\n{\"name\":\"a\"},\n{\"name\" \"b\"}]", "line 3: no colon"},
		{"a broken third line in an object", "{\"records\":[\n{\"name\":\"a\"},\n{\"name\" \"b\"}]}", "line 3: no colon"},
		{"a member behind the array", `[{"name":"a"}],"labels":{}`, "not JSON: "},
		{"a client that is a string", `["a"]`, "[0]: is a string, want an object"},
		{"records that are an object", `{"records":{}}`, "records: is an object, want a list"},
		{"a wrong type in the second", `{"records":[{"name":"a"},{"name":7}]}`, "records[1].name: is a number"},
		{"a private key", `[{"name":"a","clientAuthentication":{"publicKeys":[{"keyValue":` + quote(t, private) + `}]}}]`, "[0].clientAuthentication.publicKeys[0].keyValue: "},
		{"an unknown resource server by name", `[{"name":"a","clientResources":[{"name":"nobody"}]}]`, `[0].clientResources[0].name: names the resource server "nobody"`},
		{"a secret without an end", `[{"name":"a","secrets":[{"sha256":"` + strings.Repeat("0", 64) + `"}]}]`, "[0].secrets[0].expiresAt: is required"},
		{"a secret that is no digest", `[{"name":"a","secrets":[{"sha256":"abc","expiresAt":1}]}]`, "[0].secrets[0].sha256: want the SHA-256"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := admin.ParseClients(t.Context(), a.catalog, []byte(test.file))
			require.ErrorContains(t, err, test.fault)
			require.NotContains(t, err.Error(), "PRIVATE KEY-----")
		})
	}
	for _, test := range []struct{ name, file, fault string }{
		{"no name", `[{"name":"a"},{}]`, "[1].name: "},
		{"a short lifetime", `{"records":[{"name":"a","accessTokenLifeTime":5}]}`, "records[0].accessTokenLifeTime: is 5s"},
		{"an unknown scope", `[{"name":"a","clientResources":[{"id":"other","selectedScopes":[{"id":"x"}]}]}]`, "[0].clientResources[0].selectedScopes[0].id: "},
		{"an id with a slash", `[{"name":"a","id":"a/b"}]`, "[0].id: "},
		{"a secret in the past", `[{"name":"a","secrets":[{"sha256":"` + strings.Repeat("1", 64) + `","expiresAt":1}]}]`, "[0].secrets[0].expiresAt: "},
		{"two of the same name", `[{"name":"a"},{"name":"A"}]`, "[1].name: "},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := *a
			a.t = t
			_, err := a.apply(test.file)
			require.ErrorContains(t, err, test.fault)
			require.ErrorAs(t, err, new(*client.InvalidError))
		})
	}
	require.ErrorIs(t, new(admin.ClientFile).Explain(errDown), errDown)
}

func TestFilesWarnOfKeys(t *testing.T) {
	a := newAPI(t, options{})
	_, expired, _ := newKey(t, a.in(-3000), a.in(-2000))
	f, err := admin.ParseClients(t.Context(), a.catalog, []byte(`[{"name":"a","clientAuthentication":{"authType":"PUBKEYCERT","clientCertificates":[{"certContent":`+quote(t, expired)+`}]}}]`))
	require.NoError(t, err)
	require.Len(t, f.Warnings, 1)
	require.Contains(t, f.Warnings[0], "[0].clientAuthentication.clientCertificates[0].certContent")
}
