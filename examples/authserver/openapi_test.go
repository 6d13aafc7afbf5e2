package main_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"
)

// A described is the admin API of a running server, each answer of which must be as
// the description that it serves says.
type described struct {
	t      *testing.T
	url    string
	token  string
	doc    map[string]any
	schema *jsonschema.Compiler
	seen   map[string]bool // "GET /api-clients 200"
}

func describe(t *testing.T, s *server, token string) *described {
	t.Helper()
	d := &described{t: t, url: "http://" + s.address + "/admin/api/v1", token: token, schema: jsonschema.NewCompiler(), seen: map[string]bool{}}
	resp := get(t, d.url+"/openapi.json", "")
	doc, err := jsonschema.UnmarshalJSON(resp.Body)
	require.NoError(t, err)
	d.doc = doc.(map[string]any)
	d.schema.DefaultDraft(jsonschema.Draft2020)
	d.schema.AssertFormat()
	require.NoError(t, d.schema.AddResource("https://api.test/openapi.json", doc))
	return d
}

// at follows a reference, if the value at a pointer is one, and returns the pointer
// of what it leads to and the value there.
func (d *described) at(pointer ...string) ([]string, map[string]any) {
	d.t.Helper()
	var v any = d.doc
	for _, name := range pointer {
		v = v.(map[string]any)[name]
		require.NotNil(d.t, v, "%v", pointer)
	}
	object := v.(map[string]any)
	if ref, ok := object["$ref"].(string); ok {
		return d.at(strings.Split(strings.TrimPrefix(ref, "#/"), "/")...)
	}
	return pointer, object
}

// valid requires that a body is valid against the schema of a response or request
// body at that pointer.
func (d *described) valid(what string, body []byte, pointer []string) {
	d.t.Helper()
	url := "https://api.test/openapi.json#"
	for _, name := range append(pointer, "content", "application/json", "schema") {
		url += "/" + strings.NewReplacer("~", "~0", "/", "~1", "{", "%7B", "}", "%7D").Replace(name)
	}
	schema, err := d.schema.Compile(url)
	require.NoError(d.t, err, what)
	instance, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	require.NoError(d.t, err, "%s: %s", what, body)
	require.NoError(d.t, schema.Validate(instance), "%s: %s", what, body)
}

// do sends a request for an operation, "PUT /api-clients/{id}", with the parts of its
// path, and checks the answer. A good request must be as the description says, too.
func (d *described) do(op string, parts []string, query, body string, status int, headers ...string) (*http.Response, []byte) {
	d.t.Helper()
	method, path, _ := strings.Cut(op, " ")
	full := regexp.MustCompile(`\{\w+\}`).ReplaceAllStringFunc(path, func(string) string {
		part := parts[0]
		parts = parts[1:]
		return part
	})
	req, err := http.NewRequestWithContext(d.t.Context(), method, d.url+full+query, strings.NewReader(body))
	require.NoError(d.t, err)
	req.Header.Set("Authorization", "Bearer "+d.token)
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	require.NoError(d.t, err)
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	require.NoError(d.t, err)
	what := fmt.Sprintf("%s %s%s", method, full, query)
	require.Equal(d.t, status, resp.StatusCode, "%s: %s", what, got)

	_, operation := d.at("paths", path, strings.ToLower(method))
	if body != "" && status < 300 && operation["requestBody"] != nil {
		pointer, _ := d.at("paths", path, strings.ToLower(method), "requestBody")
		d.valid(what+", the request", []byte(body), pointer)
	}
	answers := operation["responses"].(map[string]any)
	which := strconv.Itoa(status)
	if _, ok := answers[which]; !ok {
		require.GreaterOrEqual(d.t, status, 400, "%s: %d is not described", what, status)
		which = "default"
	}
	d.seen[op+" "+which] = true
	pointer, answer := d.at("paths", path, strings.ToLower(method), "responses", which)
	if answer["content"] == nil {
		require.Empty(d.t, got, what)
	} else {
		require.Equal(d.t, "application/json", resp.Header.Get("Content-Type"), what)
		d.valid(what, got, pointer)
	}
	for name := range answer["headers"].(map[string]any) {
		_, header := d.at(append(pointer, "headers", name)...)
		if header["required"] == true || name == "Dry-Run" && strings.Contains(query, "dryRun=true") {
			require.NotEmpty(d.t, resp.Header.Get(name), "%s: %s", what, name)
		}
	}
	return resp, got
}

// selfSigned returns a certificate as PEM.
func selfSigned(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// member returns a member of a JSON object that is a string.
func member(t *testing.T, object []byte, name string) string {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(object))
	require.NoError(t, err)
	text, ok := v.(map[string]any)[name].(string)
	require.True(t, ok, "%s in %s", name, object)
	return text
}

func TestEachAnswerIsAsTheDescriptionSays(t *testing.T) {
	dir := t.TempDir()
	first := filepath.Join(dir, "first.json")
	s := start(t, dir, "-bootstrap", first)
	admin := readBootstrap(t, first)
	d := describe(t, s, s.token(admin.ClientID, admin.ClientSecret).AccessToken)
	in := func(days int) string { return strconv.FormatInt(time.Now().AddDate(0, 0, days).Unix(), 10) }

	_, c := d.do("POST /api-clients", nil, "", `{"name":"one","description":"d","status":true,"accessTokenLifeTime":600,"labels":{"a":"b"},
		"clientAuthentication":{"authType":"SECRET"},"clientResources":[{"id":"example","selectedScopes":[{"id":"orders::reader","name":"x"}]}]}`, 201)
	id := member(t, c, "id")
	one := []string{id}
	d.do("POST /api-clients", nil, "?dryRun=true", `{"name":"two"}`, 200)
	d.do("POST /api-clients", nil, "", `{"name":"one"}`, 409)
	d.do("POST /api-clients", nil, "", `{"name":"three","clientAuthentication":{"authType":"JWKS","clientJWKsUrl":"https://example.com/jwks"}}`, 201)
	cert := selfSigned(t)
	d.do("POST /api-clients", nil, "", fmt.Sprintf(`{"name":"four","clientAuthentication":{"authType":"PUBKEYCERT","clientCertificates":[{"certContent":%q}]}}`, cert), 201)
	_, warned := d.do("POST /api-clients", nil, "", fmt.Sprintf(`{"name":"five","clientAuthentication":{"authType":"PUBKEYCERT","publicKeys":[{"keyName":"k","keyValue":%q}]}}`, cert), 201)
	require.Contains(t, string(warned), `"warnings":[`)
	d.do("GET /api-clients", nil, "?limit=2&offset=1", "", 200)
	d.do("GET /api-clients", nil, "?limit=0", "", 200)
	d.do("GET /api-clients", nil, "?limit=1001", "", 400)
	resp, read := d.do("GET /api-clients/{id}", one, "", "", 200)
	d.do("GET /api-clients/{id}", []string{"nobody"}, "", "", 404)
	d.do("PUT /api-clients/{id}", one, "", string(read), 200, "If-Match", resp.Header.Get("ETag"))
	d.do("PUT /api-clients/{id}", one, "?dryRun=true", `{"name":"renamed","clientAuthentication":{"authType":"SECRET"}}`, 200)
	d.do("PUT /api-clients/{id}", one, "", `{"name":"renamed","clientAuthentication":{"authType":"SECRET"}}`, 412, "If-Match", `"0"`)
	d.do("POST /api-clients/{id}/disable", one, "", "", 200)
	d.do("POST /api-clients/{id}/disable", []string{admin.ClientID}, "", "", 409)
	d.do("POST /api-clients/{id}/enable", one, "?dryRun=true", "", 200)
	d.do("POST /api-clients/{id}/enable", one, "", "", 200)
	d.do("POST /api-clients/{id}/enable", []string{"nobody"}, "", "", 404)

	_, secret := d.do("POST /api-clients/{id}/secrets", one, "", `{"expiresAt":"`+in(60)+`"}`, 201)
	d.do("POST /api-clients/{id}/secrets", one, "", `{"expiresAt":`+in(60)+`}`, 201)
	d.do("POST /api-clients/{id}/secrets", one, "?dryRun=true", `{"expiresAt":"`+in(60)+`"}`, 200)
	d.do("POST /api-clients/{id}/secrets", one, "", fmt.Sprintf(`{"expiresAt":"%s","sha256":"%064x","highEntropy":true}`, in(60), 7), 201)
	d.do("POST /api-clients/{id}/secrets", one, "", `{"expiresAt":"1"}`, 400)
	d.do("POST /api-clients/{id}/secrets/rotate", one, "?dryRun=true", `{"expiresAt":"`+in(60)+`","oldEndsAt":0}`, 200)
	d.do("POST /api-clients/{id}/secrets/rotate", one, "", `{"expiresAt":"`+in(60)+`","oldEndsAt":"`+in(1)+`"}`, 201)
	d.do("POST /api-clients/{id}/secrets/rotate", one, "", `{}`, 400)
	d.do("GET /api-clients/{id}/secrets", one, "", "", 200)
	d.do("GET /api-clients/{id}/secrets", []string{"nobody"}, "", "", 404)
	s.post(id, "cls_wrong")
	s.post(id, member(t, secret, "value")+"x")
	secretID := member(t, secret, "id")
	d.do("DELETE /api-clients/{id}/secrets/{secretId}", []string{id, secretID}, "?dryRun=true", "", 200)
	d.do("DELETE /api-clients/{id}/secrets/{secretId}", []string{id, secretID}, "", "", 204)
	d.do("DELETE /api-clients/{id}/secrets/{secretId}", []string{id, secretID}, "", "", 404)
	status, _ := s.post(id, member(t, secret, "value"))
	require.Equal(t, 401, status)

	d.do("GET /resource-servers", nil, "", "{}", 200)
	d.do("GET /resource-servers", nil, "?offset=x", "", 400)
	d.do("GET /resource-servers/{id}", []string{"example"}, "", "", 200)
	d.do("GET /resource-servers/{id}", []string{"nobody"}, "", "", 404)
	_, denials := d.do("GET /denials", nil, "?client="+id, "", 200)
	require.Contains(t, string(denials), secretID)
	d.do("GET /denials", nil, "?from=x", "", 400)

	_, own := d.do("GET /tokens", nil, "?status=active&limit=1", "", 200)
	d.do("GET /tokens", nil, "?status=good", "", 400)
	jti := []string{regexp.MustCompile(`"records":\[\{"id":"([^"]+)"`).FindStringSubmatch(string(own))[1]}
	d.do("GET /tokens/{id}", jti, "", "", 200)
	d.do("GET /tokens/{id}", []string{"nothing"}, "", "", 404)
	d.do("POST /tokens/{id}/revoke", jti, "?dryRun=true", "", 200)
	d.do("POST /tokens/{id}/revoke", []string{"nothing"}, "", "", 404)
	d.do("POST /api-clients/{id}/revoke-tokens", one, "?dryRun=true", "", 200)
	d.do("POST /api-clients/{id}/revoke-tokens", one, "", "", 204)
	d.do("POST /api-clients/{id}/revoke-tokens", []string{"nobody"}, "", "", 404)
	d.do("POST /api-clients/{id}/disable", one, "?revokeTokens=true", "", 200)
	d.do("POST /api-clients/{id}/disable", one, "?revokeTokens=yes", "", 400)
	d.do("DELETE /api-clients/{id}", one, "?dryRun=true", "", 200)
	d.do("DELETE /api-clients/{id}", one, "?revokeTokens=true", "", 204)
	d.do("DELETE /api-clients/{id}", one, "", "", 404)
	d.do("GET /audit-events", nil, "?limit=1000", "", 200)
	d.do("GET /audit-events", nil, "?to=x", "", 400)
	d.do("POST /tokens/{id}/revoke", jti, "", "", 200)
	d.do("GET /audit-events", nil, "", "", 401) // it was one's own
	d.token = "x"
	d.do("GET /audit-events", nil, "", "", 401)

	var missed []string
	for path, item := range d.doc["paths"].(map[string]any) {
		for method, operation := range item.(map[string]any) {
			if method == "parameters" {
				continue
			}
			for status := range operation.(map[string]any)["responses"].(map[string]any) {
				if one := strings.ToUpper(method) + " " + path + " " + status; !d.seen[one] {
					missed = append(missed, one)
				}
			}
		}
	}
	slices.Sort(missed)
	require.Empty(t, missed, "described, and seen by nobody")
}
