package admin_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/admin"
	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/memstore"
	"github.com/clientele-go/clientele/resource"
)

func catalogOf(t *testing.T, file string) *resource.Catalog {
	catalog, err := resource.NewCatalog(resource.Config{Store: memstore.New()})
	require.NoError(t, err)
	_, err = catalog.Load(program, strings.NewReader(file))
	require.NoError(t, err)
	return catalog
}

func TestResolveRoles(t *testing.T) {
	const two = `{"records":[
	 {"id":"a","name":"A","primaryAud":"https://a.example","serviceScopes":[{"service":{"name":"IAM"},"scopes":[{"id":"a1","name":"Super Admin"}]}]},
	 {"id":"b","name":"B","primaryAud":"https://b.example","defaultApi":DEFAULT,"serviceScopes":[{"service":{"name":"IAM"},"scopes":[{"id":"b1","name":"Role:Super Admin"},{"id":"b2","name":"Super Admin"}]}]},
	 {"id":"c","name":"C","primaryAud":"https://c.example","serviceScopes":[{"service":{"name":"IAM"},"scopes":[{"id":"c1","name":"Super Admin"}]}]}]}`
	one := func(server, scope string) []client.Grant { return []client.Grant{{ServerID: server, ScopeID: scope}} }
	for _, test := range []struct {
		name, file string
		cfg        admin.RolesConfig
		full       []client.Grant
		fault      string // of the error; empty: none
	}{
		{"the defaults are those of the original", catalogFile, admin.RolesConfig{}, one(serverID, superAdmin), ""},
		{"a leading Role: may be written", catalogFile, admin.RolesConfig{Full: []string{"Role:Users Admin"}}, one(serverID, "hhlm44rd307qf::9h6p7ebv903k7"), ""},
		{"a service may be named by its id", catalogFile, admin.RolesConfig{Service: "hhlm44rd307qf"}, one(serverID, superAdmin), ""},
		{"several roles may have Full", catalogFile, admin.RolesConfig{Full: []string{"Super Admin", "Users Admin"}},
			append(one(serverID, superAdmin), client.Grant{ServerID: serverID, ScopeID: "hhlm44rd307qf::9h6p7ebv903k7"}), ""},
		{"a service that is not there", catalogFile, admin.RolesConfig{Service: "IAM"}, nil, `no service "IAM"`},
		{"a role with Full that is not there", catalogFile, admin.RolesConfig{Full: []string{"super admin"}}, nil, `no role "super admin"`},
		{"a named role with View that is not there", catalogFile, admin.RolesConfig{View: []string{"Reader"}}, nil, `no role "Reader"`},
		{"no role with Full", catalogFile, admin.RolesConfig{Full: []string{}}, nil, "Full is empty"},
		{"the other default roles may be missing, and the exact name goes first", strings.Replace(two, "DEFAULT", "true", 1), admin.RolesConfig{Service: "IAM"}, one("b", "b2"), ""},
		{"of several servers none is the default", strings.Replace(two, "DEFAULT", "false", 1), admin.RolesConfig{Service: "IAM"}, nil, "several resource servers"},
		{"of several servers one is named", strings.Replace(two, "DEFAULT", "false", 1), admin.RolesConfig{Service: "IAM", Server: "c"}, one("c", "c1"), ""},
		{"a server that is not there", strings.Replace(two, "DEFAULT", "false", 1), admin.RolesConfig{Service: "IAM", Server: "d"}, nil, `no service "IAM"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			roles, err := admin.ResolveRoles(t.Context(), catalogOf(t, test.file), test.cfg)
			if test.fault != "" {
				require.ErrorContains(t, err, test.fault)
				if !strings.HasPrefix(test.fault, "several") {
					require.ErrorIs(t, err, admin.ErrNoRoles)
				}
				return
			}
			require.NoError(t, err)
			require.Equal(t, test.full, roles.Full())
		})
	}
}
