package admin_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/admin"
)

func TestWrongClientsAreRefusedByTheirFields(t *testing.T) {
	a := newAPI(t, options{})
	c := a.add(`{"name":"victim"}`)
	public, _, private := newKey(t, a.in(-1), a.in(1))
	before := a.everything()
	auth := func(s string) string { return `{"name":"x","clientAuthentication":` + s + `}` }
	res := func(s string) string { return `{"name":"x","clientResources":` + s + `}` }
	at := func(s string) string { return "clientAuthentication." + s }
	for _, test := range []struct {
		name, body string
		params     []string
		message    string // a part of it
	}{
		{"no name", `{}`, []string{"name"}, "required"},
		{"a name of null", `{"name":null}`, []string{"name"}, "required"},
		{"an empty name", `{"name":""}`, []string{"name"}, "required"},
		{"a name that is a number", `{"name":1}`, []string{"name"}, "is a number, want a string"},
		{"a name that is a list", `{"name":["x"]}`, []string{"name"}, "is a list"},
		{"a long name", `{"name":"` + strings.Repeat("x", 256) + `"}`, []string{"name"}, "255"},
		{"a NUL in the name", `{"name":"a\u0000b"}`, []string{"name"}, "U+0000"},
		{"a name twice in two cases", `{"name":"x","Name":"y"}`, []string{"name"}, "twice"},
		{"a description that is an object", `{"name":"x","description":{}}`, []string{"description"}, "is an object"},
		{"a long description", `{"name":"x","description":"` + strings.Repeat("x", 4097) + `"}`, []string{"description"}, "4096"},
		{"a status that is a string", `{"name":"x","status":"true"}`, []string{"status"}, "want true or false"},
		{"a status that is a number", `{"name":"x","status":1}`, []string{"status"}, "want true or false"},
		{"a lifetime of 59", `{"name":"x","accessTokenLifeTime":59}`, []string{"accessTokenLifeTime"}, "59"},
		{"a lifetime of 86401", `{"name":"x","accessTokenLifeTime":86401}`, []string{"accessTokenLifeTime"}, "choose"},
		{"a lifetime of 0", `{"name":"x","accessTokenLifeTime":0}`, []string{"accessTokenLifeTime"}, "60 to 86400 seconds"},
		{"a negative lifetime", `{"name":"x","accessTokenLifeTime":-3600}`, []string{"accessTokenLifeTime"}, "60 to 86400 seconds"},
		{"a lifetime of 1e99", `{"name":"x","accessTokenLifeTime":1e99}`, []string{"accessTokenLifeTime"}, "1e99"},
		{"a lifetime that overflows", `{"name":"x","accessTokenLifeTime":18446744073709555216}`, []string{"accessTokenLifeTime"}, "60 to 86400"},
		{"a lifetime that overflows as nanoseconds", `{"name":"x","accessTokenLifeTime":9223372037}`, []string{"accessTokenLifeTime"}, "60 to 86400"},
		{"a lifetime with a fraction", `{"name":"x","accessTokenLifeTime":60.5}`, []string{"accessTokenLifeTime"}, "whole"},
		{"a lifetime in a string", `{"name":"x","accessTokenLifeTime":"3600"}`, []string{"accessTokenLifeTime"}, "is a string, want a number"},
		{"an unknown authType", auth(`{"authType":"PASSWORD"}`), []string{at("authType")}, `"SECRET"`},
		{"an authType in another case", auth(`{"authType":"secret"}`), []string{at("authType")}, `"SECRET"`},
		{"an authType that is a list", auth(`{"authType":["SECRET"]}`), []string{at("authType")}, "want a string"},
		{"an authentication that is a string", auth(`"SECRET"`), []string{"clientAuthentication"}, "want an object"},
		{"JWKS without its URL", auth(`{"authType":"JWKS"}`), []string{at("clientJWKsUrl")}, "required"},
		{"JWKS with an empty URL", auth(`{"authType":"JWKS","clientJWKsUrl":""}`), []string{at("clientJWKsUrl")}, "required"},
		{"a URL of http", auth(`{"authType":"JWKS","clientJWKsUrl":"http://example.com/"}`), []string{at("clientJWKsUrl")}, "https"},
		{"a URL of this machine", auth(`{"authType":"JWKS","clientJWKsUrl":"https://127.0.0.1/"}`), []string{at("clientJWKsUrl")}, ""},
		{"a URL with a script", auth(`{"authType":"JWKS","clientJWKsUrl":"javascript:alert(1)"}`), []string{at("clientJWKsUrl")}, ""},
		{"a URL beside secrets", auth(`{"authType":"SECRET","clientJWKsUrl":"https://example.com/"}`), []string{at("clientJWKsUrl")}, "JWKS"},
		{"PUBKEYCERT without keys", auth(`{"authType":"PUBKEYCERT"}`), []string{at("publicKeys")}, "required"},
		{"PUBKEYCERT with empty lists", auth(`{"authType":"PUBKEYCERT","publicKeys":[],"clientCertificates":[]}`), []string{at("publicKeys")}, "required"},
		{"a key without its value", auth(`{"authType":"PUBKEYCERT","publicKeys":[{"keyName":"x"}]}`), []string{at("publicKeys[0].keyValue")}, ""},
		{"a key that is a string", auth(`{"authType":"PUBKEYCERT","publicKeys":["x"]}`), []string{at("publicKeys[0]"), at("publicKeys[0].keyValue")}, "want an object"},
		{"a private key", auth(`{"authType":"PUBKEYCERT","publicKeys":[{"keyValue":` + quote(t, private) + `}]}`), []string{at("publicKeys[0].keyValue")}, "leaked"},
		{"a private key as certificate", auth(`{"authType":"PUBKEYCERT","clientCertificates":[{"certContent":` + quote(t, private) + `}]}`), []string{at("clientCertificates[0].certContent")}, "leaked"},
		{"no PEM", auth(`{"authType":"PUBKEYCERT","clientCertificates":[{"certContent":"MIIB"}]}`), []string{at("clientCertificates[0].certContent")}, ""},
		{"the same key twice", auth(`{"authType":"PUBKEYCERT","publicKeys":[{"keyValue":` + quote(t, public) + `},{"keyValue":` + quote(t, public) + `}]}`), []string{at("publicKeys[1].keyValue")}, "same key"},
		{"a control character in a key's name", auth(`{"authType":"PUBKEYCERT","publicKeys":[{"keyName":"a\nb","keyValue":` + quote(t, public) + `}]}`), []string{at("publicKeys[0].keyName")}, ""},
		{"keys beside secrets", auth(`{"authType":"SECRET","publicKeys":[{"keyValue":` + quote(t, public) + `}]}`), []string{at("publicKeys")}, "PUBKEYCERT"},
		{"resources that are an object", res(`{}`), []string{"clientResources"}, "want a list"},
		{"a resource of null", res(`[null]`), []string{"clientResources[0]"}, ""},
		{"an unknown resource server", res(`[{"id":"nobody","selectedScopes":[{"id":"orders::editor"}]}]`), []string{"clientResources[0].id"}, `"nobody"`},
		{"an unknown resource server without scopes", res(`[{"id":"nobody","selectedScopes":[]}]`), []string{"clientResources[0].id"}, `"nobody"`},
		{"an unknown name of a resource server", res(`[{"name":"nobody","selectedScopes":[{"id":"orders::editor"}]}]`), []string{"clientResources[0].name"}, `"nobody"`},
		{"a resource server without id and name", res(`[{"selectedScopes":[{"id":"orders::editor"}]}]`), []string{"clientResources[0].id"}, ""},
		{"an unknown scope", res(`[{"id":"` + serverID + `","selectedScopes":[{"id":"orders::owner"}]}]`), []string{"clientResources[0].selectedScopes[0].id"}, `"orders::owner"`},
		{"a scope of another resource server", res(`[{"id":"` + serverID + `","selectedScopes":[{"id":"orders::editor"},{"id":"things::reader"}]}]`), []string{"clientResources[0].selectedScopes[1].id"}, `"things::reader"`},
		{"a scope without id", res(`[{"id":"` + serverID + `","selectedScopes":[{"name":"Role:Editor"}]}]`), []string{"clientResources[0].selectedScopes[0].id"}, ""},
		{"a scope that is a string", res(`[{"id":"` + serverID + `","selectedScopes":["orders::editor"]}]`), []string{"clientResources[0].selectedScopes[0]"}, "want an object"},
		{"two scopes of a service", res(`[{"id":"` + serverID + `","selectedScopes":[{"id":"orders::editor"},{"id":"orders::reader"}]}]`), []string{"clientResources[0].selectedScopes[1].id"}, `"Orders"`},
		{"two scopes of a service in two entries", res(`[{"id":"` + serverID + `","selectedScopes":[{"id":"orders::editor"}]},{"id":"` + serverID + `","selectedScopes":[{"id":"orders::reader"}]}]`), []string{"clientResources[1].selectedScopes[0].id"}, `"Orders"`},
		{"labels that are a list", `{"name":"x","labels":[]}`, []string{"labels"}, "want an object"},
		{"a label that is a number", `{"name":"x","labels":{"a":1}}`, []string{`labels["a"]`}, "want a string"},
		{"an empty key of a label", `{"name":"x","labels":{"":"b"}}`, []string{"labels"}, "empty key"},
		{"a label with a control character", `{"name":"x","labels":{"a":"\u0007"}}`, []string{`labels["a"]`}, "U+0007"},
		{"several things at once", `{"name":"","accessTokenLifeTime":59,"clientAuthentication":{"authType":"JWKS"}}`,
			[]string{"name", "accessTokenLifeTime", at("clientJWKsUrl")}, "name: "},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := *a
			a.t = t
			for _, query := range []string{"", "?dryRun=true"} {
				f := a.do(a.full, "POST", "/api-clients"+query, test.body).fault(400, "INVALID_INPUT_ARGUMENT", test.params...)
				require.Contains(t, f.Message, test.message)
				require.NotContains(t, f.Message, "PRIVATE")
			}
			if strings.Contains(test.body, "authType") {
				a.do(a.full, "PUT", "/api-clients/"+c.ID, test.body).fault(400, "INVALID_INPUT_ARGUMENT", test.params...)
			}
		})
	}
	require.Equal(t, before, a.everything())
}

func TestBodiesThatAreNoSoundJSON(t *testing.T) {
	a := newAPI(t, options{})
	c := a.add(`{"name":"victim"}`)
	before := a.everything()
	deep := strings.Repeat(`{"a":`, 10_000) + "1" + strings.Repeat("}", 10_000)
	for _, test := range []struct {
		name, body string
		status     int
		code       string
	}{
		{"no body", "", 400, "INVALID_INPUT_ARGUMENT"},
		{"a list", `[]`, 400, "INVALID_INPUT_ARGUMENT"},
		{"null", `null`, 400, "INVALID_INPUT_ARGUMENT"},
		{"text", `name=x`, 400, "INVALID_INPUT_ARGUMENT"},
		{"half an object", `{"name":"x"`, 400, "INVALID_INPUT_ARGUMENT"},
		{"more behind it", `{"name":"x"}{"name":"y"}`, 400, "INVALID_INPUT_ARGUMENT"},
		{"a byte order mark", "\ufeff{\"name\":\"x\"}", 400, "INVALID_INPUT_ARGUMENT"},
		{"UTF-16", "{\x00\"\x00}\x00", 400, "INVALID_INPUT_ARGUMENT"},
		{"invalid UTF-8", "{\"name\":\"\xff\"}", 400, "INVALID_INPUT_ARGUMENT"},
		{"a lone surrogate", `{"name":"\ud800"}`, 400, "INVALID_INPUT_ARGUMENT"},
		{"a member twice", `{"name":"x","name":"y"}`, 400, "INVALID_INPUT_ARGUMENT"},
		{"an unknown member twice", `{"name":"x","a":{"b":1,"b":2}}`, 400, "INVALID_INPUT_ARGUMENT"},
		{"a number out of range", `{"name":"x","a":1e999}`, 400, "INVALID_INPUT_ARGUMENT"},
		{"NaN", `{"name":"x","accessTokenLifeTime":NaN}`, 400, "INVALID_INPUT_ARGUMENT"},
		{"ten thousand objects in each other", `{"name":"x","a":` + deep + `}`, 400, "INVALID_INPUT_ARGUMENT"},
		{"a megabyte of brackets", strings.Repeat("[", 1<<20), 400, "INVALID_INPUT_ARGUMENT"},
		{"ten megabytes", `{"name":"` + strings.Repeat("x", 10<<20) + `"}`, 413, "REQUEST_TOO_LARGE"},
		{"a byte more than a megabyte", `{"name":"x"` + strings.Repeat(" ", 1<<20-11) + `}`, 413, "REQUEST_TOO_LARGE"},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := *a
			a.t = t
			for _, op := range []string{"POST /api-clients", "PUT /api-clients/" + c.ID, "POST /api-clients/" + c.ID + "/secrets", "POST /api-clients/" + c.ID + "/secrets/rotate"} {
				method, path, _ := strings.Cut(op, " ")
				a.do(a.full, method, path, test.body).fault(test.status, test.code)
			}
		})
	}
	t.Run("other content types", func(t *testing.T) {
		a := *a
		a.t = t
		for _, kind := range []string{"application/x-www-form-urlencoded", "text/plain", "multipart/form-data; boundary=x", "application/jsonp", "application/json; charset", "text/json", ";"} {
			got := a.do(a.full, "POST", "/api-clients", `{"name":"x"}`, "Content-Type", kind)
			require.Contains(t, got.fault(415, "UNSUPPORTED_MEDIA_TYPE").Message, "application/json")
		}
	})
	require.Equal(t, before, a.everything())
	a.do(a.full, "POST", "/api-clients", `{"name":"x"`+strings.Repeat(" ", 1<<20-12)+`}`).is(201)
}

func TestManyFaultsAreToldInPart(t *testing.T) {
	a := newAPI(t, options{})
	var f fault
	a.do(a.full, "POST", "/api-clients", `{"name":"x","clientAuthentication":{"authType":"PUBKEYCERT","publicKeys":[`+
		strings.TrimSuffix(strings.Repeat("1,", 10_000), ",")+`]}}`).json(400, &f)
	require.LessOrEqual(t, len(f.Params), 20)
	a.do(a.full, "POST", "/api-clients", `{"name":"x","clientResources":[`+strings.TrimSuffix(strings.Repeat("1,", 10_000), ",")+`]}`).json(400, &f)
	require.LessOrEqual(t, len(f.Params), 20)
	a.do(a.full, "POST", "/api-clients", `{"name":"x","clientResources":[{"id":"`+serverID+`","selectedScopes":[`+
		strings.TrimSuffix(strings.Repeat(`{"id":"x"},`, 10_000), ",")+`]}]}`).json(400, &f)
	require.Equal(t, []string{"clientResources"}, f.Params)
	public, _, _ := newKey(t, a.in(-1), a.in(1))
	a.do(a.full, "POST", "/api-clients", `{"name":"x","clientAuthentication":{"authType":"PUBKEYCERT","publicKeys":[`+
		strings.TrimSuffix(strings.Repeat(`{"keyValue":`+quote(t, public)+`},`, 3000), ",")+`]}}`).json(400, &f)
	require.Equal(t, []string{"clientAuthentication.publicKeys"}, f.Params)
}

func TestRequestIDs(t *testing.T) {
	a := newAPI(t, options{admin: func(cfg *admin.Config) {
		cfg.RequestID = func(r *http.Request) string { return r.Header.Get("X-Request-Id") }
	}})
	require.Equal(t, "from-the-proxy", a.do(a.view, "GET", "/api-clients", "", "X-Request-Id", "from-the-proxy").Header.Get("X-Request-Id"))
	seen := map[string]bool{}
	for _, id := range []string{"", "a b", "a\"b", "a<b", strings.Repeat("x", 129), "ü", "a\\b"} {
		got := a.do(a.view, "GET", "/nothing", "", "X-Request-Id", id).Header.Get("X-Request-Id")
		require.Len(t, got, 26, "%q", id)
		require.False(t, seen[got])
		seen[got] = true
	}
	got := a.do(a.view, "POST", "/api-clients", `{"name":"x"}`)
	require.Contains(t, a.log.String(), fmt.Sprintf(`"request_id":%q`, got.Header.Get("X-Request-Id")))
}
