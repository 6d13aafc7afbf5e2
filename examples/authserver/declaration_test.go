package main

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestADeclarationIsReadInTheShapeOfTheAdminAPI(t *testing.T) {
	declared, err := parseDeclarations([]byte(`{"results_total":1,"records":[{
		"id":"a-1","name":"nightly report","description":"d","status":false,"accessTokenLifeTime":900,
		"clientAuthentication":{"authType":"SECRET","clientJWKsUrl":"","publicKeys":[]},
		"clientResources":[{"id":"example","name":"Example APIs","defaultApi":true,"selectedScopes":[{"id":"orders::reader","name":"Role:Reader"}]}],
		"secrets":[
			{"sha256":"` + strings.Repeat("ab", 32) + `","expiresAt":"1800000000"},
			{"sha256":"` + strings.Repeat("CD", 32) + `","expiresAt":1800000001}]}]}`))
	require.NoError(t, err)
	require.Len(t, declared, 1)
	d := declared[0]
	require.Equal(t, "a-1", d.ID)
	require.Equal(t, "nightly report", d.Name)
	require.Equal(t, "d", d.Description)
	require.False(t, *d.Status)
	require.Equal(t, 15*time.Minute, d.lifetime)
	require.Equal(t, "orders::reader", d.ClientResources[0].SelectedScopes[0].ID)
	require.Len(t, d.secrets, 2)
	require.Equal(t, byte(0xab), d.secrets[0].Digest[31])
	require.Equal(t, byte(0xcd), d.secrets[1].Digest[31])
	require.Equal(t, time.Unix(1800000000, 0), d.secrets[0].ExpiresAt)
	require.Equal(t, time.Unix(1800000001, 0), d.secrets[1].ExpiresAt)
	require.Equal(t, "records[0].secrets[1].expiresAt", d.fields["Secrets[1].ExpiresAt"])
}

func TestADeclarationOfANameAloneTakesTheDefaults(t *testing.T) {
	declared, err := parseDeclarations([]byte(` [{"name":"a"}]`))
	require.NoError(t, err)
	require.Nil(t, declared[0].Status)
	require.Equal(t, time.Hour, declared[0].lifetime)
	require.Empty(t, declared[0].secrets)
	require.Equal(t, "[0].name", declared[0].fields["Name"])
}

func FuzzDeclarations(f *testing.F) {
	for _, seed := range []string{
		`[]`, `{"records":[]}`, `{"records":null}`, `[{"name":"a"}]`, `[null]`, `null`, ``, `{}`, `[] []`,
		`[{"name":"a","status":true,"accessTokenLifeTime":60,"clientAuthentication":{"authType":"SECRET"}}]`,
		`[{"name":"a","clientResources":[{"name":"x","selectedScopes":[{"id":"y"}]}],"secrets":[{"sha256":"00","expiresAt":"1"}]}]`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		declared, err := parseDeclarations(text)
		if err != nil {
			require.Empty(t, declared)
			require.NotEmpty(t, err.Error())
			return
		}
		for _, d := range declared {
			require.NotEmpty(t, d.Name)
			require.GreaterOrEqual(t, d.lifetime, time.Minute)
			require.LessOrEqual(t, d.lifetime, 24*time.Hour)
			require.Len(t, d.secrets, len(d.Secrets))
		}
	})
}
