package main_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/examples/internal/proctest"
)

const (
	reportSecret  = "report-secret-with-at-least-128-random-bits"
	billingSecret = "billing-secret-with-at-least-128-random-bits"
)

// hangup sends SIGHUP and returns the record that says what was applied.
func (s *server) hangup() map[string]any {
	s.t.Helper()
	s.Signal(syscall.SIGHUP)
	return s.Wait("clients applied")
}

// requireApplied checks what a record says was done.
func requireApplied(t *testing.T, record map[string]any, added, edited, unchanged []any) {
	t.Helper()
	require.Equal(t, [][]any{added, edited, unchanged},
		[][]any{record["added"].([]any), record["edited"].([]any), record["unchanged"].([]any)})
}

func TestDeclaredClientsAreThereAtStart(t *testing.T) {
	for _, c := range []struct{ name, file string }{
		{"an array", `[%s]`},
		{"records, as the admin API answers", `{"results_total":1,"records":[%s]}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			file := write(t, dir, "clients.json", fmt.Sprintf(c.file, declared("report", reportSecret, `,"accessTokenLifeTime":900`)))
			s := start(t, dir, "-clients", file)
			got := s.token("report", reportSecret)
			require.Equal(t, "orders::reader", got.Scope)
			require.Equal(t, 900, got.ExpiresIn)
		})
	}
}

func TestHangupAddsWhatIsMissingAndEditsWhatDiffers(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "clients.json")
	write(t, dir, "clients.json", `[`+declared("report", reportSecret)+`]`)
	s := start(t, dir, "-clients", file)

	requireApplied(t, s.hangup(), []any{}, []any{}, []any{"report"})

	write(t, dir, "clients.json", `[`+declared("report", reportSecret, `,"accessTokenLifeTime":60`)+`,`+declared("billing", billingSecret)+`]`)
	requireApplied(t, s.hangup(), []any{"billing"}, []any{"report"}, []any{})
	require.Equal(t, 60, s.token("report", reportSecret).ExpiresIn)
	require.Equal(t, 3600, s.token("billing", billingSecret).ExpiresIn)

	// One alone, in other words: by the name of its resource server, the
	// members in another case, and its own name in another case too.
	write(t, dir, "clients.json", `[{"NAME":"Billing","ClientResources":[{"name":"example apis","selectedScopes":[{"id":"invoices::editor","name":"ignored"}]}]}]`)
	requireApplied(t, s.hangup(), []any{}, []any{"Billing"}, []any{})
	require.Equal(t, "invoices::editor", s.token("billing", billingSecret).Scope)
	require.Equal(t, 60, s.token("report", reportSecret).ExpiresIn, "what is not declared is left alone")

	write(t, dir, "clients.json", `[{"name":"billing","status":false}]`)
	requireApplied(t, s.hangup(), []any{}, []any{"billing"}, []any{})
	status, got := s.post("billing", billingSecret)
	require.Equal(t, http.StatusUnauthorized, status)
	require.Equal(t, "invalid_client", got.Error)

	write(t, dir, "clients.json", `[{"name":"billing"}]`)
	requireApplied(t, s.hangup(), []any{}, []any{}, []any{"billing"}) // still disabled: nobody said otherwise
	s.stop()

	s = start(t, dir, "-clients", file)
	status, _ = s.post("billing", billingSecret)
	require.Equal(t, http.StatusUnauthorized, status, "a restart lets nobody in again")
	require.Equal(t, 60, s.token("report", reportSecret).ExpiresIn)
}

func TestTheSecretsOfAClientThatExistsAreNotTheFiles(t *testing.T) {
	dir := t.TempDir()
	file := write(t, dir, "clients.json", `[`+declared("report", reportSecret)+`]`)
	s := start(t, dir, "-clients", file)
	write(t, dir, "clients.json", `[`+declared("report", billingSecret)+`]`)
	s.Signal(syscall.SIGHUP)
	ignored := s.Wait("declared client")
	require.Equal(t, "WARN", ignored["level"])
	require.Equal(t, "report", ignored["client"])
	require.Contains(t, ignored["note"], "the client exists, and its secrets are an administrator's")
	requireApplied(t, s.Wait("clients applied"), []any{}, []any{}, []any{"report"})
	s.token("report", reportSecret)
	status, _ := s.post("report", billingSecret)
	require.Equal(t, http.StatusUnauthorized, status)
}

func TestHangupWithoutAFileIsHarmless(t *testing.T) {
	s := start(t, t.TempDir())
	s.Signal(syscall.SIGHUP)
	s.Wait("nothing to apply: there is no -clients")
	s.stop()
}

func TestAFileWithAnErrorChangesNothingAndSaysWhichField(t *testing.T) {
	inAMonth := fmt.Sprint(time.Now().AddDate(0, 1, 0).Unix())
	digest := `"sha256":"0000000000000000000000000000000000000000000000000000000000000001"`
	good := `{"name":"good"}`
	cases := []struct{ name, file, want string }{
		{"no JSON", `clients: []`, `not JSON`},
		{"nothing", ``, `not JSON`},
		{"cut off", `[{"name":"a"}`, `not JSON`},
		{"a second value behind the first", `[] []`, `not JSON`},
		{"a string", `"a"`, `not JSON: line 1: no object`},
		{"an object without records", `{"clients":[]}`, `records is missing`},
		{"records of a wrong type", `{"records":{}}`, `records: is an object, want a list`},
		{"a client that is no object", `[` + good + `,7]`, `[1]: is a number, want an object`},
		{"null for a client", `[` + good + `,null]`, `[1]: is null, want an object`},
		{"no name", `{"records":[` + good + `,{"description":"x"}]}`, `records[1].name: is required`},
		{"a name of 256 characters", fmt.Sprintf(`[`+good+`,{"name":"%0256d"}]`, 0), `[1].name: has 256 characters, at most 255`},
		{"a name twice, in another case", `[` + good + `,{"name":"GOOD"}]`, `[1].name: is that of Clients[0] too`},
		{"an id twice", `[{"name":"a","id":"x"},{"name":"b","id":"x"}]`, `[1].id: \"x\" is, or was once, the id of a client`},
		{"an id with a space", `[` + good + `,{"name":"a","id":"a b"}]`, `[1].id: has other characters`},
		{"the id of another client", `[` + good + `,{"name":"other","id":"report"}]`, `[1].id: \"report\" is, or was once, the id of a client`},
		{"another id of a client that exists", `[` + good + `,{"name":"report","id":"x"}]`, `[1].id: is \"x\", but the client has \"report\", and ids never change`},
		{"a status that is no boolean", `[` + good + `,{"name":"a","status":"true"}]`, `[1].status: is a string, want true or false`},
		{"a lifetime of 59 seconds", `[` + good + `,{"name":"a","accessTokenLifeTime":59}]`, `[1].accessTokenLifeTime: is 59s; choose 1m0s to 24h0m0s`},
		{"a lifetime of 86401 seconds", `[` + good + `,{"name":"a","accessTokenLifeTime":86401}]`, `[1].accessTokenLifeTime: is 24h0m1s`},
		{"a lifetime of zero", `[` + good + `,{"name":"a","accessTokenLifeTime":0}]`, `[1].accessTokenLifeTime: is 0; choose 60 to 86400 seconds`},
		{"a lifetime in halves of a second", `[` + good + `,{"name":"a","accessTokenLifeTime":60.5}]`, `[1].accessTokenLifeTime: is 60.5; choose 60 to 86400 seconds, as a whole number`},
		{"an unknown way to authenticate", `[` + good + `,{"name":"a","clientAuthentication":{"authType":"MAGIC"}}]`, `[1].clientAuthentication.authType: is \"MAGIC\"; choose`},
		{"a JWKS URL that is missing", `[` + good + `,{"name":"a","clientAuthentication":{"authType":"JWKS"}}]`, `[1].clientAuthentication.clientJWKsUrl: is required`},
		{"a JWKS URL by http", `[` + good + `,{"name":"a","clientAuthentication":{"authType":"JWKS","clientJWKsUrl":"http://127.0.0.1/jwks"}}]`, `[1].clientAuthentication.clientJWKsUrl: `},
		{"keys that are missing", `[` + good + `,{"name":"a","clientAuthentication":{"authType":"PUBKEYCERT"}}]`, `[1].clientAuthentication.publicKeys: are required`},
		{"a key that is none", `[` + good + `,{"name":"a","clientAuthentication":{"authType":"PUBKEYCERT","publicKeys":[{"keyName":"k","keyValue":"x"}]}}]`, `[1].clientAuthentication.publicKeys[0].keyValue: `},
		{"a resource server that is not there", `[` + good + `,{"name":"a","clientResources":[{"id":"nowhere","selectedScopes":[{"id":"x"}]}]}]`, `[1].clientResources[0].id: names the resource server \"nowhere\"`},
		{"a name of a resource server that is not there", `[` + good + `,{"name":"a","clientResources":[{"name":"Nowhere","selectedScopes":[]}]}]`, `[1].clientResources[0].name: names the resource server \"Nowhere\"`},
		{"neither id nor name of a resource server", `[` + good + `,{"name":"a","clientResources":[{"selectedScopes":[{"id":"orders::reader"}]}]}]`, `[1].clientResources[0].id: names the resource server \"\"`},
		{"a scope that is not there", `[` + good + `,{"name":"a","clientResources":[{"id":"example","selectedScopes":[{"id":"orders::reader"},{"id":"x"}]}]}]`, `[1].clientResources[0].selectedScopes[1].id: names the scope \"x\"`},
		{"two scopes of a service", `[` + good + `,{"name":"a","clientResources":[{"id":"example","selectedScopes":[{"id":"orders::reader"},{"id":"orders::editor"}]}]}]`, `selectedScopes[1].id: is a second scope`},
		{"a digest in base64", `[` + good + `,{"name":"a","secrets":[{"sha256":"AAAA","expiresAt":` + inAMonth + `}]}]`, `[1].secrets[0].sha256: want the SHA-256`},
		{"a digest that is missing", `[` + good + `,{"name":"a","secrets":[{"expiresAt":` + inAMonth + `}]}]`, `[1].secrets[0].sha256: is missing: the SHA-256`},
		{"a secret without an end", `[` + good + `,{"name":"a","secrets":[{` + digest + `}]}]`, `[1].secrets[0].expiresAt: is required, in seconds since 1970`},
		{"a secret that has ended", `[` + good + `,{"name":"a","secrets":[{` + digest + `,"expiresAt":"1700000000"}]}]`, `[1].secrets[0].expiresAt: is 2023-11-14T22:13:20Z; choose a time within 365 days`},
		{"an end in milliseconds", `[` + good + `,{"name":"a","secrets":[{` + digest + `,"expiresAt":"` + inAMonth + `000"}]}]`, `[1].secrets[0].expiresAt: is `},
		{"an end in words", `[` + good + `,{"name":"a","secrets":[{` + digest + `,"expiresAt":"2027-01-01"}]}]`, `[1].secrets[0].expiresAt: is \"2027-01-01\", want whole seconds since 1970`},
		{"three secrets", `[` + good + `,{"name":"a","secrets":[{` + digest + `,"expiresAt":` + inAMonth + `},{` + digest + `,"expiresAt":` + inAMonth + `},{` + digest + `,"expiresAt":` + inAMonth + `}]}]`, `[1].secrets: are 3, at most 2`},
		{"two faults: both are said", `[{"name":"a","status":1},{"name":7}]`, `[0].status: is a number, want true or false; [1].name: is a number`},
	}

	dir := t.TempDir()
	file := write(t, dir, "clients.json", `[`+declared("report", reportSecret)+`]`)
	s := start(t, dir, "-clients", file)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			write(t, dir, "clients.json", c.file)
			s.t = t
			s.Signal(syscall.SIGHUP)
			refused := s.Wait("clients refused")
			require.Equal(t, "ERROR", refused["level"])
			require.Contains(t, fmt.Sprintf("%q", refused["error"]), c.want)
			s.token("report", reportSecret)
		})
	}
	s.t = t
	write(t, dir, "clients.json", `[`+good+`]`)
	requireApplied(t, s.hangup(), []any{"good"}, []any{}, []any{}) // so that it was in none of them

	require.NoError(t, os.Remove(file))
	s.Signal(syscall.SIGHUP)
	require.Contains(t, s.Wait("clients refused")["error"], "no such file")
	s.stop()

	t.Run("at start it is an error of the program", func(t *testing.T) {
		write(t, dir, "clients.json", `[{"name":"another"},{"name":""}]`)
		code, stderr := proctest.Start(t, proctest.Self(t), "-data", filepath.Join(dir, "data"), "-addr", "127.0.0.1:0", "-clients", file).Exit()
		require.Equal(t, 1, code)
		require.Contains(t, stderr, "[1].name: is required")
	})
}
