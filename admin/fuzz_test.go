package admin_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/admin"
	"github.com/clientele-go/clientele/audit"
	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/memstore"
	"github.com/clientele-go/clientele/resource"
)

// FuzzClient sends any body as an API client: it is refused by a fault, or what is
// answered can be sent back and comes back the same.
func FuzzClient(f *testing.F) {
	f.Add(`{"name":"a"}`)
	f.Add(`{"name":"a","description":"d","status":false,"accessTokenLifeTime":60,"labels":{"a":"b"},"clientAuthentication":{"authType":"JWKS","clientJwKsUrl":"https://example.com/"},
		"clientResources":[{"id":"jhlm44rd107q7","selectedScopes":[{"id":"orders::editor","name":"x"}]}]}`)
	f.Add(`{"NAME":"\ud83e\udd80","clientAuthentication":{"authType":"PUBKEYCERT","publicKeys":[{"keyName":"k","keyValue":"-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEvjRkZ2qXhs8pPeA3TGkqOFhgQVTp\n-----END PUBLIC KEY-----"}]}}`)
	f.Add(`{"name":"a","Name":"b"}`)
	f.Add(`[]`)
	handler := fuzzHandler(f)
	send := func(method, path, body string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest(method, base+path+"?dryRun=true", strings.NewReader(body)))
		return w
	}
	f.Fuzz(func(t *testing.T, body string) {
		w := send("POST", "/api-clients", body)
		switch w.Code {
		case http.StatusOK:
			again := send("POST", "/api-clients", w.Body.String())
			require.Equal(t, http.StatusOK, again.Code, "%s", again.Body)
			require.Equal(t, withoutWarnings(t, w.Body.Bytes()), withoutWarnings(t, again.Body.Bytes()))
		case http.StatusBadRequest, http.StatusRequestEntityTooLarge:
			var fault struct {
				Code, Message string
				Params        []string
			}
			require.NoError(t, json.Unmarshal(w.Body.Bytes(), &fault))
			require.NotEmpty(t, fault.Code)
			require.Less(t, len(fault.Message), 64<<10)
		default:
			t.Fatalf("status %d: %s", w.Code, w.Body)
		}
	})
}

func withoutWarnings(t *testing.T, body []byte) map[string]any {
	var c map[string]any
	require.NoError(t, json.Unmarshal(body, &c))
	delete(c, "warnings")
	return c
}

// FuzzSecret sends any body as a request for a secret.
func FuzzSecret(f *testing.F) {
	f.Add(`{"expiresAt":"1785643102"}`)
	f.Add(`{"expiresAt":1785643102,"sha256":"` + strings.Repeat("7", 64) + `","highEntropy":true}`)
	f.Add(`{"expiresAt":1e9,"oldEndsAt":null}`)
	handler := fuzzHandler(f)
	f.Fuzz(func(t *testing.T, body string) {
		for _, path := range []string{"/api-clients/nobody/secrets", "/api-clients/nobody/secrets/rotate"} {
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, httptest.NewRequest("POST", base+path, strings.NewReader(body)))
			if w.Code != 400 && w.Code != 404 && w.Code != 413 {
				t.Fatalf("status %d: %s", w.Code, w.Body)
			}
		}
	})
}

// FuzzQuery sends any query to the lists, and deletes a client under any If-Match: a
// list of tags counts as the grammar has it, and nothing passes in which the tag does
// not stand. {tag} stands for it.
func FuzzQuery(f *testing.F) {
	handler := fuzzHandler(f)
	send := func(method, path, query, body string, match ...string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, base+path, strings.NewReader(body))
		r.URL.RawQuery = query
		r.Header["If-Match"] = match
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		return w
	}
	made := send("POST", "/api-clients", "", `{"name":"a"}`)
	require.Equal(f, http.StatusCreated, made.Code, "%s", made.Body)
	var c struct{ ID string }
	require.NoError(f, json.Unmarshal(made.Body.Bytes(), &c))
	tag := made.Header().Get("ETag")
	require.NotEmpty(f, tag)

	f.Add("offset=0&limit=10&name%5Blike%5D=a", "{tag}", "")
	f.Add("label=a:b&label=c:d&status=true&authType=SECRET&scopeId=x&resourceServerId=y", "*", "")
	f.Add("from=2026-01-01T00:00:00Z&to=1785643102&text=a&client=b", `W/{tag}`, "")
	for _, seed := range []string{`"a", {tag}`, `"a,{tag},b"`, `"a,"`, ` {tag}	`, `{tag}"`, ",,{tag},", "W/*", `"\"{tag}`, `"a" {tag}`, "{tag}\x00", "\"\xff\",{tag}"} {
		f.Add("", seed, "")
		f.Add("", `"x"`, seed)
	}
	f.Fuzz(func(t *testing.T, query, first, second string) {
		for _, path := range []string{"/api-clients", "/resource-servers", "/audit-events"} {
			w := send("GET", path, query, "")
			if w.Code != 200 && w.Code != 400 {
				t.Fatalf("%s: status %d: %s", path, w.Code, w.Body)
			}
		}
		fields := []string{strings.ReplaceAll(first, "{tag}", tag), strings.ReplaceAll(second, "{tag}", tag)}
		w := send("DELETE", "/api-clients/"+c.ID, "dryRun=true", "", fields...)
		if w.Code != http.StatusNoContent && w.Code != http.StatusOK && w.Code != http.StatusPreconditionFailed {
			t.Fatalf("status %d: %s", w.Code, w.Body)
		}
		all := strings.Join(fields, ",")
		passed := w.Code != http.StatusPreconditionFailed
		if passed && !strings.Contains(all, tag) && !strings.Contains(all, "*") {
			t.Errorf("%q passes for %s", all, tag)
		}
		if entityTags.MatchString(all) {
			named := slices.Contains(entityTag.FindAllString(all, -1), tag)
			require.Equal(t, named, passed, "%q for %s", all, tag)
		}
	})
}

// A list of entity tags as RFC 9110 §5.6.1 and §8.8.3 have it, but for the empty
// elements that a list may have; and one of them.
var (
	entityTags = regexp.MustCompile(`^[ \t]*(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"(?:[ \t]*,[ \t]*(?:W/)?"[\x21\x23-\x7e\x80-\xff]*")*[ \t]*$`)
	entityTag  = regexp.MustCompile(`(?:W/)?"[^"]*"`)
)

// FuzzParseClients reads any file of declared clients.
func FuzzParseClients(f *testing.F) {
	f.Add(`[{"name":"a","secrets":[{"sha256":"` + strings.Repeat("7", 64) + `","expiresAt":"1785643102"}]}]`)
	f.Add(`{"records":[{"name":"a","externalId":"b","id":"c","clientResources":[{"name":"Other 100% API","selectedScopes":[{"id":"x"}]}]}]}`)
	catalog, err := resource.NewCatalog(resource.Config{Store: memstore.New()})
	require.NoError(f, err)
	_, err = catalog.Load(program, strings.NewReader(catalogFile))
	require.NoError(f, err)
	registry, err := client.NewRegistry(client.Config{Store: memstore.New(), Resources: catalog})
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, file string) {
		parsed, err := admin.ParseClients(t.Context(), catalog, []byte(file))
		if err != nil {
			return
		}
		require.True(t, json.Valid([]byte(file)))
		_, err = client.Apply(program, registry, client.Declaration{Owner: "fuzz", Clients: parsed.Clients}, true)
		_ = parsed.Explain(err)
	})
}

func fuzzHandler(f *testing.F) http.Handler {
	st := memstore.New()
	catalog, err := resource.NewCatalog(resource.Config{Store: st})
	require.NoError(f, err)
	_, err = catalog.Load(program, strings.NewReader(catalogFile))
	require.NoError(f, err)
	fixed := func() time.Time { return time.Unix(1772366400, 0) }
	registry, err := client.NewRegistry(client.Config{Store: st, Resources: catalog, Now: fixed})
	require.NoError(f, err)
	handler, err := admin.New(admin.Config{Registry: registry, Now: fixed, Authorize: func(*http.Request) (admin.Access, error) {
		return admin.Access{Actor: audit.Actor{Kind: audit.Person, ID: "u"}, Clients: admin.Full, Resources: admin.Full}, nil
	}})
	require.NoError(f, err)
	return handler
}
