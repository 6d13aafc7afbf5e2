package admin_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/unicode/norm"

	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/credentials"
	"github.com/clientele-go/clientele/credentials/jwks"
	"github.com/clientele-go/clientele/resource"
)

// quote returns s as JSON.
func quote(t testing.TB, s string) string {
	b, err := json.Marshal(s)
	require.NoError(t, err)
	return string(b)
}

func TestAddAsTheSDKsDo(t *testing.T) {
	a := newAPI(t, options{})
	public, _, _ := newKey(t, a.in(-1), a.in(100))
	_, named, _ := newKey(t, a.in(-1), a.in(100))

	t.Run("by secret, with scopes whose names are the caller's own", func(t *testing.T) {
		got := a.do(a.full, "POST", "/ziam/admin/api/v1/api-clients", `{"name":"API_Client01","description":"API_Client01","status":true,
			"accessTokenLifeTime":86400,"clientAuthentication":{"authType":"SECRET"},
			"clientResources":[{"id":"jhlm44rd107q7","name":"Zscaler APIs","defaultApi":true,"selectedScopes":[
				{"id":"orders::editor","name":"zs:config:zia.zscalerbeta.net:8061240:config:33860:ZIA_API_Role01"},
				{"id":"hhlm44rd307qf::9h6p7ebv903k4","name":"zs:config:ziam:0:config:9h6p7ebv903k4:Super Admin"}]}]}`)
		var c apiClient
		got.json(201, &c)
		require.Equal(t, "/ziam/admin/api/v1/api-clients/"+c.ID, got.Header.Get("Location"))
		require.JSONEq(t, fmt.Sprintf(`{"id":%q,"name":"API_Client01","description":"API_Client01","status":true,"accessTokenLifeTime":86400,
			"clientAuthentication":{"authType":"SECRET"},
			"clientResources":[{"id":"jhlm44rd107q7","name":"Zscaler APIs","defaultApi":true,"selectedScopes":[
				{"id":"orders::editor","name":"Role:Editor"},{"id":"hhlm44rd307qf::9h6p7ebv903k4","name":"Role:Super Admin"}]}],
			"createdAt":"1772366400","updatedAt":"1772366400"}`, c.ID), string(got.body))
		again := a.do(a.view, "GET", got.Header.Get("Location"), "").is(200)
		require.Equal(t, string(got.body), string(again.body))
		require.Equal(t, got.Header.Get("ETag"), again.Header.Get("ETag"))
	})
	t.Run("by JWKS URL, as the Python SDK spells it", func(t *testing.T) {
		c := a.add(`{"name":"jwks","clientAuthentication":{"authType":"JWKS","clientJwKsUrl":"https://example.com/jwks.json","publicKeys":[],"clientCertificates":null}}`)
		require.Equal(t, "JWKS", c.ClientAuthentication.AuthType)
		require.Equal(t, "https://example.com/jwks.json", c.ClientAuthentication.ClientJWKsURL)
	})
	t.Run("by public keys and certificates, each back in its place", func(t *testing.T) {
		c := a.add(fmt.Sprintf(`{"name":"keys","clientAuthentication":{"authType":"PUBKEYCERT",
			"publicKeys":[{"keyName":"laptop","keyValue":%s},{"keyName":"signed","keyValue":%s}],
			"clientCertificates":[{"certContent":%s}]}}`, quote(t, public), quote(t, named), quote(t, anotherCertificate(t, a))))
		auth := c.ClientAuthentication
		require.Len(t, auth.PublicKeys, 2)
		require.Equal(t, "laptop", auth.PublicKeys[0].KeyName)
		require.Equal(t, public, auth.PublicKeys[0].KeyValue)
		require.Equal(t, "signed", auth.PublicKeys[1].KeyName)
		require.Equal(t, named, auth.PublicKeys[1].KeyValue)
		require.Len(t, auth.ClientCertificates, 1)
		require.Equal(t, epoch(a.in(100)), auth.ClientCertificates[0].ExpiresAt)
		require.Len(t, auth.ClientCertificates[0].Thumbprint, 43)
		require.Empty(t, c.Warnings)
	})
	t.Run("with nothing but a name", func(t *testing.T) {
		c := a.add(`{"name":"least"}`)
		require.True(t, *c.Status)
		require.EqualValues(t, 3600, c.AccessTokenLifeTime)
		require.Equal(t, "SECRET", c.ClientAuthentication.AuthType)
		require.Empty(t, c.ClientResources)
	})
	t.Run("disabled, with labels, and names in any case", func(t *testing.T) {
		c := a.add(`{"NAME":"disabled","Status":false,"accesstokenlifetime":60,"LABELS":{"owner":"team a"},"unknown":{"a":[1,2]},"id":"mine","createdAt":"1"}`)
		require.False(t, *c.Status)
		require.EqualValues(t, 60, c.AccessTokenLifeTime)
		require.Equal(t, map[string]string{"owner": "team a"}, c.Labels)
		require.NotEqual(t, "mine", c.ID)
	})
	t.Run("a resource server by its name", func(t *testing.T) {
		c := a.add(`{"name":"by name","clientResources":[{"name":"zscaler apis","selectedScopes":[{"id":"orders::editor"}]}]}`)
		require.Equal(t, serverID, c.ClientResources[0].ID)
	})
	t.Run("without a content type, or with a charset", func(t *testing.T) {
		a.do(a.full, "POST", "/api-clients", `{"name":"no type"}`, "Content-Type", "").is(201)
		a.do(a.full, "POST", "/api-clients", `{"name":"with charset"}`, "Content-Type", "Application/JSON; charset=UTF-8").is(201)
	})
	t.Run("with warnings of keys that should be looked at", func(t *testing.T) {
		_, expired, _ := newKey(t, a.in(-10), a.in(-1))
		_, early, _ := newKey(t, a.in(1), a.in(10))
		c := a.add(fmt.Sprintf(`{"name":"warned","clientAuthentication":{"authType":"PUBKEYCERT","publicKeys":[{"keyValue":%s}],
			"clientCertificates":[{"certContent":%s},{"certContent":%s}]}}`, quote(t, public), quote(t, expired), quote(t, early)))
		require.Len(t, c.Warnings, 3)
		require.Contains(t, c.Warnings[0], "clientCertificates[0].certContent")
		require.Contains(t, c.Warnings[1], "clientCertificates[1].certContent")
		require.Contains(t, c.Warnings[2], "also that of the API client")
	})
}

func anotherCertificate(t testing.TB, a *api) string {
	_, certificate, _ := newKey(t, a.in(-1), a.in(100))
	return certificate
}

func TestReplaceAsAWhole(t *testing.T) {
	a := newAPI(t, options{})
	const whole = `{"name":"one","description":"d","status":true,"accessTokenLifeTime":600,"labels":{"owner":"x"},
		"clientAuthentication":{"authType":"SECRET"},
		"clientResources":[{"id":"jhlm44rd107q7","selectedScopes":[{"id":"orders::editor"}]}]}`
	put := func(t *testing.T, id, body string) (c apiClient) {
		t.Helper()
		a.do(a.full, "PUT", "/api-clients/"+id, body).json(200, &c)
		return c
	}
	t.Run("what was read can be sent back", func(t *testing.T) {
		c := a.add(strings.Replace(whole, "one", "sent back", 1))
		read := a.do(a.full, "GET", "/api-clients/"+c.ID, "")
		again := a.do(a.full, "PUT", "/api-clients/"+c.ID, string(read.body)).is(200)
		require.Equal(t, string(read.body), string(again.body))
		require.Equal(t, read.Header.Get("ETag"), again.Header.Get("ETag"), "nothing was changed, so nothing was written")
	})
	t.Run("what is absent gets its default, but for status and labels", func(t *testing.T) {
		c := a.add(strings.Replace(whole, "one", "absent", 1))
		a.do(a.full, "POST", "/api-clients/"+c.ID+"/disable", "").is(200)
		got := put(t, c.ID, `{"name":"renamed","clientAuthentication":{"authType":"SECRET"}}`)
		require.Equal(t, "renamed", got.Name)
		require.Empty(t, got.Description)
		require.False(t, *got.Status, "nobody has enabled it")
		require.EqualValues(t, 3600, got.AccessTokenLifeTime)
		require.Empty(t, got.ClientResources)
		require.Equal(t, map[string]string{"owner": "x"}, got.Labels)
		got = put(t, c.ID, `{"name":"renamed","status":true,"labels":{},"clientAuthentication":{"authType":"SECRET"}}`)
		require.True(t, *got.Status)
		require.Empty(t, got.Labels)
	})
	t.Run("how it authenticates must be said", func(t *testing.T) {
		c := a.add(`{"name":"method","clientAuthentication":{"authType":"JWKS","clientJWKsUrl":"https://example.com/a"}}`)
		for _, body := range []string{
			`{"name":"method"}`,
			`{"name":"method","clientAuthentication":null}`,
			`{"name":"method","clientAuthentication":{}}`,
			`{"name":"method","clientAuthentication":{"clientJWKsUrl":"https://example.com/b"}}`,
		} {
			a.do(a.full, "PUT", "/api-clients/"+c.ID, body).fault(400, "INVALID_INPUT_ARGUMENT", "clientAuthentication.authType")
		}
		a.do(a.full, "PUT", "/api-clients/"+c.ID, `{"name":"method","clientAuthentication":{"authType":"JWKS"}}`).
			fault(400, "INVALID_INPUT_ARGUMENT", "clientAuthentication.clientJWKsUrl")
	})
	t.Run("secrets stay, until it authenticates in another way", func(t *testing.T) {
		c := a.add(strings.Replace(whole, "one", "secrets", 1))
		a.addSecret(c.ID, 60)
		put(t, c.ID, `{"name":"secrets","clientAuthentication":{"authType":"SECRET"}}`)
		var secrets []apiSecret
		a.do(a.view, "GET", "/api-clients/"+c.ID+"/secrets", "").json(200, &secrets)
		require.Len(t, secrets, 1)
		put(t, c.ID, `{"name":"secrets","clientAuthentication":{"authType":"JWKS","clientJWKsUrl":"https://example.com/c"}}`)
		a.do(a.view, "GET", "/api-clients/"+c.ID+"/secrets", "").json(200, &secrets)
		require.Empty(t, secrets)
		got := put(t, c.ID, `{"name":"secrets","clientAuthentication":{"authType":"SECRET","clientJWKsUrl":"https://example.com/c"}}`)
		require.Empty(t, got.ClientAuthentication.ClientJWKsURL, "what belonged to the old way ends with it")
	})
	t.Run("a scope that is gone is shown as that, and may stay", func(t *testing.T) {
		a := newAPI(t, options{})
		c := a.add(whole)
		_, err := a.catalog.Sync(program, serverID, "Orders", []resource.Scope{{ID: reader, Name: "Role:Reader"}})
		require.NoError(t, err)
		read := a.do(a.full, "GET", "/api-clients/"+c.ID, "")
		var got apiClient
		read.json(200, &got)
		require.True(t, got.ClientResources[0].SelectedScopes[0].Gone)
		require.Equal(t, "Role:Editor", got.ClientResources[0].SelectedScopes[0].Name)
		a.do(a.full, "PUT", "/api-clients/"+c.ID, string(read.body)).is(200)
		a.do(a.full, "POST", "/api-clients", strings.Replace(whole, "one", "new", 1)).
			fault(400, "INVALID_INPUT_ARGUMENT", "clientResources[0].selectedScopes[0].id")
		require.NoError(t, a.catalog.Delete(program, serverID))
		c2, err := a.registry.Get(t.Context(), c.ID)
		require.NoError(t, err)
		require.Len(t, c2.Grants, 1)
		_, err = a.catalog.Load(program, strings.NewReader(strings.Replace(catalogFile, "jhlm44rd107q7", "another-server", 1)))
		require.NoError(t, err)
	})
}

func TestIfMatch(t *testing.T) {
	a := newAPI(t, options{})
	const body = `{"name":"one","description":"%d","clientAuthentication":{"authType":"SECRET"}}`
	c := a.add(`{"name":"one"}`)
	path := "/api-clients/" + c.ID
	tag := a.do(a.view, "GET", path, "").Header.Get("ETag")
	expires := `{"expiresAt":"` + epoch(a.in(60)) + `","oldEndsAt":"` + epoch(a.in(60)) + `"}`

	newer := a.do(a.full, "PUT", path, fmt.Sprintf(body, 1), "If-Match", tag).is(200).Header.Get("ETag")
	require.NotEqual(t, tag, newer)
	secret := a.addSecret(c.ID, 60)
	stale := newer
	newer = a.do(a.view, "GET", path, "").Header.Get("ETag")
	require.NotEqual(t, stale, newer, "a secret is part of the client")
	require.Equal(t, newer, a.do(a.view, "GET", path+"/secrets", "").Header.Get("ETag"))

	before := a.everything()
	for _, match := range []string{stale, tag, `"x"`, `W/` + newer, "", " ", newer[1:], `"` + newer, "**"} {
		h := []string{"If-Match", match}
		if match == "" {
			h[1] = `""`
		}
		for _, try := range []reply{
			a.do(a.full, "PUT", path, fmt.Sprintf(body, 2), h...),
			a.do(a.full, "DELETE", path, "", h...),
			a.do(a.full, "DELETE", path+"?dryRun=true", "", h...),
			a.do(a.full, "POST", path+"/disable", "", h...),
			a.do(a.full, "POST", path+"/secrets", expires, h...),
			a.do(a.full, "POST", path+"/secrets/rotate", expires, h...),
			a.do(a.full, "DELETE", path+"/secrets/"+secret.ID, "", h...),
		} {
			try.fault(412, "PRECONDITION_FAILED")
		}
	}
	require.Equal(t, before, a.everything())

	for _, none := range []string{"*", newer, "W/" + newer, `"x", ` + newer} {
		for _, try := range []reply{
			a.do(a.full, "PUT", path, fmt.Sprintf(body, 2), "If-None-Match", none),
			a.do(a.full, "PUT", path, fmt.Sprintf(body, 2), "If-Match", newer, "If-None-Match", none),
			a.do(a.full, "DELETE", path, "", "If-None-Match", none),
			a.do(a.full, "POST", path+"/enable?dryRun=true", "", "If-None-Match", none),
			a.do(a.full, "POST", path+"/secrets", expires, "If-None-Match", none),
		} {
			require.Contains(t, try.fault(412, "PRECONDITION_FAILED").Message, "If-None-Match")
		}
	}
	require.Equal(t, before, a.everything())

	newer = a.do(a.full, "PUT", path, fmt.Sprintf(body, 2), "If-None-Match", stale).is(200).Header.Get("ETag")
	a.do(a.full, "PUT", "/api-clients/nobody", fmt.Sprintf(body, 5), "If-None-Match", "*").is(404)
	a.do(a.full, "PUT", path, fmt.Sprintf(body, 3), "If-Match", `"a", `+newer).is(200)
	a.do(a.full, "POST", path+"/secrets", expires, "If-Match", "*").is(201)
	a.do(a.full, "PUT", path, fmt.Sprintf(body, 4)).is(200)
	a.do(a.full, "PUT", "/api-clients/nobody", fmt.Sprintf(body, 5), "If-Match", "*").is(404)
	a.do(a.full, "POST", "/api-clients/nobody/secrets", expires, "If-Match", "*").is(404)
	a.do(a.full, "DELETE", path, "", "If-Match", "*").is(204)
}

func TestConcurrentReplacementsAreWholeAndWithIfMatchOneWins(t *testing.T) {
	a := newAPI(t, options{})
	c := a.add(`{"name":"one"}`)
	path := "/api-clients/" + c.ID
	tag := a.do(a.view, "GET", path, "").Header.Get("ETag")
	put := func(i int, headers ...string) int {
		return a.do(a.full, "PUT", path, fmt.Sprintf(`{"name":"name %[1]d","description":"description %[1]d","accessTokenLifeTime":%[2]d,
			"clientAuthentication":{"authType":"SECRET"},"labels":{"n":"%[1]d"}}`, i, 60+i), headers...).StatusCode
	}
	all := func(headers ...string) (statuses map[int]int) {
		statuses = map[int]int{}
		var mu sync.Mutex
		var wg sync.WaitGroup
		for i := range 16 {
			wg.Go(func() {
				status := put(i, headers...)
				mu.Lock()
				statuses[status]++
				mu.Unlock()
			})
		}
		wg.Wait()
		return statuses
	}
	require.Equal(t, map[int]int{200: 1, 412: 15}, all("If-Match", tag))
	require.Equal(t, map[int]int{200: 16}, all())
	var got apiClient
	a.do(a.view, "GET", path, "").json(200, &got)
	n := got.Labels["n"]
	require.Equal(t, "name "+n, got.Name)
	require.Equal(t, "description "+n, got.Description)
	require.Equal(t, n, fmt.Sprint(got.AccessTokenLifeTime-60))
}

func TestDelete(t *testing.T) {
	a := newAPI(t, options{})
	c := a.add(`{"name":"one"}`)
	secret := a.addSecret(c.ID, 60)
	got := a.do(a.full, "DELETE", "/api-clients/"+c.ID, "{}").is(204)
	require.Empty(t, got.body)
	require.Empty(t, got.Header.Get("Content-Type"))
	a.do(a.view, "GET", "/api-clients/"+c.ID, "{}").fault(404, "RESOURCE_NOT_FOUND")
	a.do(a.full, "DELETE", "/api-clients/"+c.ID, "").fault(404, "RESOURCE_NOT_FOUND")
	a.do(a.full, "DELETE", "/api-clients/"+c.ID+"/secrets/"+secret.ID, "").fault(404, "RESOURCE_NOT_FOUND")
}

func TestEnableAndDisable(t *testing.T) {
	a := newAPI(t, options{})
	c := a.add(`{"name":"one","description":"kept","labels":{"a":"b"}}`)
	path := "/api-clients/" + c.ID
	var got apiClient
	disabled := a.do(a.full, "POST", path+"/disable", "")
	disabled.json(200, &got)
	require.False(t, *got.Status)
	require.Equal(t, "kept", got.Description)
	require.Equal(t, disabled.Header.Get("ETag"), a.do(a.full, "POST", path+"/disable", "{}").is(200).Header.Get("ETag"))
	a.do(a.full, "POST", path+"/enable?dryRun=true", "", "Content-Type", "text/plain").json(200, &got)
	require.True(t, *got.Status)
	a.do(a.view, "GET", path, "").json(200, &got)
	require.False(t, *got.Status)
	a.do(a.full, "POST", path+"/enable", "").json(200, &got)
	require.True(t, *got.Status)
	a.do(a.full, "POST", "/api-clients/nobody/enable", "").fault(404, "RESOURCE_NOT_FOUND")
}

func TestAClientIsDisabledWhateverTheRulesSayOfItNow(t *testing.T) {
	a := newAPI(t, options{})
	looser, err := client.NewRegistry(client.Config{Store: a.store, Resources: a.catalog, Now: a.clock.Now, AllowJWKS: jwks.Allow{AnyPort: true}})
	require.NoError(t, err)
	c, err := looser.Add(program, client.Spec{Name: "one", Method: credentials.MethodJWKS, JWKSURL: "https://keys.example.com:1234/jwks"})
	require.NoError(t, err)
	var got apiClient
	put := `{"name":"one","status":false,"clientAuthentication":{"authType":"JWKS","clientJWKsUrl":"` + c.JWKSURL + `"}}`
	a.do(a.full, "PUT", "/api-clients/"+c.ID, put).json(200, &got)
	require.False(t, *got.Status)
	a.do(a.full, "PUT", "/api-clients/"+c.ID, strings.Replace(put, "one", "two", 1)).fault(400, "INVALID_INPUT_ARGUMENT", "clientAuthentication.clientJWKsUrl")
	for _, op := range []string{"disable", "enable"} {
		a.do(a.full, "POST", "/api-clients/"+c.ID+"/"+op, "").json(200, &got)
		require.Equal(t, op == "enable", *got.Status)
	}
}

func TestNamesAreUniqueWhateverTheCase(t *testing.T) {
	a := newAPI(t, options{})
	a.add(`{"name":"Nightly Report"}`)
	other := a.add(`{"name":"other"}`)
	a.do(a.full, "POST", "/api-clients", `{"name":"NIGHTLY report"}`).fault(409, "DUPLICATE_ITEM", "name")
	a.do(a.full, "POST", "/api-clients?dryRun=true", `{"name":"NIGHTLY report"}`).fault(409, "DUPLICATE_ITEM", "name")
	a.do(a.full, "PUT", "/api-clients/"+other.ID, `{"name":"nightly report","clientAuthentication":{"authType":"SECRET"}}`).fault(409, "DUPLICATE_ITEM", "name")
}

func TestDryRunsChangeNothingAndTellWhatWouldBe(t *testing.T) {
	a := newAPI(t, options{})
	c := a.add(`{"name":"one"}`)
	secret := a.addSecret(c.ID, 60)
	path := "/api-clients/" + c.ID
	expires := `{"expiresAt":"` + epoch(a.in(60)) + `","oldEndsAt":0}`
	before := a.everything()
	dry := func(method, path, body string) string {
		t.Helper()
		got := a.do(a.full, method, path+"?dryRun=true", body).is(200)
		require.Equal(t, "true", got.Header.Get("Dry-Run"))
		require.Empty(t, got.Header.Get("Location"))
		return string(got.body)
	}
	added := dry("POST", "/api-clients", `{"name":"two"}`)
	require.Contains(t, added, `"name":"two"`)
	require.NotContains(t, added, `"id":`)
	require.Contains(t, dry("PUT", path, `{"name":"three","clientAuthentication":{"authType":"SECRET"}}`), `"name":"three"`)
	require.JSONEq(t, `{}`, dry("DELETE", path, ""))
	require.JSONEq(t, `{}`, dry("DELETE", path+"/secrets/"+secret.ID, ""))
	would := fmt.Sprintf(`{"createdAt":%q,"expiresAt":%q}`, epoch(a.clock.Now()), epoch(a.in(60)))
	require.JSONEq(t, would, dry("POST", path+"/secrets", expires))
	require.JSONEq(t, would, dry("POST", path+"/secrets/rotate", expires))
	require.JSONEq(t, would, dry("POST", path+"/secrets", fmt.Sprintf(`{"expiresAt":%q,"highEntropy":true,"sha256":"%064x"}`, epoch(a.in(60)), 7)))
	for _, wrong := range []string{"1", "TRUE", "yes", "", "true&dryRun=true", "%20true"} {
		a.do(a.full, "DELETE", path+"?dryRun="+wrong, "").fault(400, "INVALID_INPUT_ARGUMENT", "dryRun")
	}
	a.do(a.full, "DELETE", "/api-clients/nobody?dryRun=true", "").fault(404, "RESOURCE_NOT_FOUND")
	require.Equal(t, before, a.everything())
	a.do(a.full, "DELETE", path+"?dryRun=false", "").is(204)
}

func TestHostileNamesComeBackInertly(t *testing.T) {
	a := newAPI(t, options{})
	for i, name := range []string{
		`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `javascript:alert(1)`, `{{constructor.constructor('x')()}}`, `${7*7}`,
		"\u202Egnp.exe", "zero\u200Bwidth\uFEFF", "line\u2028separator", `' OR 1=1 --`, `=cmd|' /C calc'!A0`, `%00%0d%0aSet-Cookie:x=y`, `\u0000\"`,
		strings.Repeat("👩‍👩‍👧‍👦", 36), "Ünïcödé ﬁle", "\U000E0041tags",
	} {
		name = fmt.Sprintf("%d %s", i, name)
		key := name
		if len(key) > client.MaxLabelKey {
			key = "long"
		}
		c := a.add(fmt.Sprintf(`{"name":%s,"description":%[1]s,"labels":{%s:%[1]s}}`, quote(t, name), quote(t, key)))
		got := a.do(a.view, "GET", "/api-clients/"+c.ID, "").is(200)
		require.NotContains(t, string(got.body), "<")
		require.NotContains(t, string(got.body), "\u2028")
		var back apiClient
		got.json(200, &back)
		require.Equal(t, []string{c.Name, c.Description}, []string{back.Name, back.Description})
		require.Equal(t, c.Labels, back.Labels)
		require.Equal(t, c.Name, back.Labels[norm.NFC.String(key)])
		for header, values := range got.Header {
			require.NotContains(t, strings.Join(values, ""), name, header)
		}
		events := a.do(a.view, "GET", "/audit-events?client="+c.ID, "").is(200)
		require.NotContains(t, string(events.body), "<")
		a.do(a.full, "POST", "/api-clients", fmt.Sprintf(`{"name":%s}`, quote(t, name))).fault(409, "DUPLICATE_ITEM", "name")
	}
	emoji := strings.Repeat("🦀", 255)
	require.Equal(t, emoji, a.add(fmt.Sprintf(`{"name":%q}`, emoji)).Name)
	f := a.do(a.full, "POST", "/api-clients", fmt.Sprintf(`{"name":"%s🦀"}`, emoji)).fault(400, "INVALID_INPUT_ARGUMENT", "name")
	require.Contains(t, f.Message, "255")
	f = a.do(a.full, "POST", "/api-clients", `{"name":"a\r\nX-Injected: 1"}`).fault(400, "INVALID_INPUT_ARGUMENT", "name")
	require.NotContains(t, f.Message, "\n")
}

func TestAnotherTenantsClientsAreNotThere(t *testing.T) {
	a, b := newAPI(t, options{}), newAPI(t, options{})
	c := b.add(`{"name":"of b"}`)
	mine := a.add(`{"name":"of a"}`)
	secret := b.addSecret(c.ID, 60)
	other := a.add(`{"name":"another of a"}`)
	otherSecret := a.addSecret(other.ID, 60)
	for _, op := range []string{"GET ", "PUT ", "DELETE ", "POST /enable", "POST /disable", "POST /revoke-tokens", "POST /disable?revokeTokens=true", "DELETE ?revokeTokens=true", "GET /secrets", "POST /secrets", "POST /secrets/rotate", "DELETE /secrets/" + secret.ID} {
		method, rest, _ := strings.Cut(op, " ")
		body := fmt.Sprintf(`{"name":"x","clientAuthentication":{"authType":"SECRET"},"expiresAt":%q,"oldEndsAt":0}`, epoch(a.in(60)))
		foreign := a.do(a.full, method, "/api-clients/"+c.ID+rest, body)
		absent := a.do(a.full, method, "/api-clients/00000000000000000000000000"+rest, body)
		foreign.fault(404, "RESOURCE_NOT_FOUND")
		require.Equal(t, string(absent.body), string(foreign.body), op)
	}
	foreign := a.do(a.full, "DELETE", "/api-clients/"+mine.ID+"/secrets/"+otherSecret.ID, "")
	absent := a.do(a.full, "DELETE", "/api-clients/"+mine.ID+"/secrets/00000000", "")
	foreign.fault(404, "RESOURCE_NOT_FOUND")
	require.Equal(t, string(absent.body), string(foreign.body))
	a.do(a.full, "GET", "/resource-servers/nobody", "").fault(404, "RESOURCE_NOT_FOUND")
}

func TestWhatAnAdministratorChangesIsInTheAuditLog(t *testing.T) {
	a := newAPI(t, options{})
	got := a.do(a.full, "POST", "/api-clients", `{"name":"one"}`)
	var c apiClient
	got.json(201, &c)
	var p apiPage[struct {
		ID     string
		Time   time.Time
		Action string
		Actor  struct{ Kind, ID, Name, Address, Request string }
		After  struct{ Name string }
	}]
	a.do(a.view, "GET", "/audit-events?client="+c.ID, "").json(200, &p)
	require.Equal(t, 1, p.ResultsTotal)
	e := p.Records[0]
	require.Equal(t, "client.add", e.Action)
	require.Equal(t, "one", e.After.Name)
	require.Equal(t, "client", e.Actor.Kind)
	require.Equal(t, a.fullID, e.Actor.ID)
	require.Equal(t, "The Super Admin", e.Actor.Name)
	require.Equal(t, "127.0.0.1", e.Actor.Address)
	require.Equal(t, got.Header.Get("X-Request-Id"), e.Actor.Request)
	for query, total := range map[string]int{
		"request=" + e.Actor.Request: 1, "actor=" + a.fullID: 1, "actor=nobody": 0, "actorKind=client": 1, "action=client.add&actorKind=client": 1,
		"action=client.delete": 0, "text=ONE&actorKind=client": 1, "subject=" + c.ID: 1, "subjectKind=resource_server": 2, "client=" + c.ID + "&from=1": 1,
		"client=" + c.ID + "&to=" + epoch(a.clock.Now()): 0, "client=" + c.ID + "&to=2030-01-01T00:00:00Z": 1, "client=" + c.ID + "&from=2030-01-01T00:00:00Z": 0,
		"text=%25": 1, "text=100%25_": 0, "subject=" + serverID + "&text=other": 0,
	} {
		a.do(a.view, "GET", "/audit-events?"+query, "").json(200, &p)
		require.Equal(t, total, p.ResultsTotal, query)
	}
	for _, wrong := range []string{"from=yesterday", "to=1e9", "from=-1", "client=a&client=b", "limit=1001"} {
		name, _, _ := strings.Cut(wrong, "=")
		a.do(a.view, "GET", "/audit-events?"+wrong, "").fault(400, "INVALID_INPUT_ARGUMENT", name)
	}
	a.do(a.view, "GET", "/audit-events?client=a&subject=b", "").fault(400, "INVALID_INPUT_ARGUMENT", "client")
}

func TestWhyAClientWasRefused(t *testing.T) {
	a := newAPI(t, options{})
	c := a.add(`{"name":"one"}`)
	old := a.addSecret(c.ID, 60)
	a.do(a.full, "DELETE", "/api-clients/"+c.ID+"/secrets/"+old.ID, "").is(204)
	response, err := http.PostForm(a.url+"/oauth2/v1/token", map[string][]string{
		"grant_type": {"client_credentials"}, "client_id": {c.ID}, "client_secret": {old.Value}, "audience": {audience},
	})
	require.NoError(t, err)
	response.Body.Close()
	require.Equal(t, 401, response.StatusCode)
	var p apiPage[struct {
		ClientID, Error, Reason, RequestID, Audience string
		Secret                                       struct{ ID, State string }
	}]
	got := a.do(a.view, "GET", "/denials?client="+c.ID, "")
	got.json(200, &p)
	require.Equal(t, 1, p.ResultsTotal)
	require.Equal(t, c.ID, p.Records[0].ClientID)
	require.Equal(t, "wrong_secret", p.Records[0].Reason)
	require.Equal(t, old.ID, p.Records[0].Secret.ID)
	require.Equal(t, "unknown", p.Records[0].Secret.State)
	require.Equal(t, response.Header.Get("X-Request-Id"), p.Records[0].RequestID)
	require.NotContains(t, string(got.body), old.Value)
	for query, total := range map[string]int{"reason=wrong_secret": 1, "reason=x": 0, "client=x": 0, "from=" + epoch(a.in(1)): 0, "to=" + epoch(a.in(1)): 1} {
		a.do(a.view, "GET", "/denials?"+query, "").json(200, &p)
		require.Equal(t, total, p.ResultsTotal, query)
	}
	a.do(a.view, "GET", "/denials?from=x", "").fault(400, "INVALID_INPUT_ARGUMENT", "from")
}
