package admin_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/admin"
)

// described is what the tests read of the description of the API.
type described struct {
	OpenAPI string
	Servers []struct{ URL string }
	Paths   map[string]map[string]json.RawMessage
}

func TestTheDescriptionIsServedToEverybody(t *testing.T) {
	a := newAPI(t, options{})
	for _, b := range []string{"/admin/api/v1", "/ziam/admin/api/v1"} {
		got := a.do("", "GET", b+"/openapi.json", "")
		var doc described
		got.json(200, &doc)
		require.Equal(t, "3.1.0", doc.OpenAPI)
		require.Equal(t, b, doc.Servers[0].URL)
		require.Len(t, doc.Servers, 1)
		require.Contains(t, got.Header.Get("Cache-Control"), "max-age")
		tag := got.Header.Get("ETag")
		for _, known := range []string{tag, "W/" + tag, `"x", ` + tag, "*"} {
			again := a.do("", "GET", b+"/openapi.json", "", "If-None-Match", known).is(304)
			require.Empty(t, again.body)
			require.Equal(t, tag, again.Header.Get("ETag"))
		}
		a.do("", "GET", b+"/openapi.json", "", "If-None-Match", `"x"`).is(200)
	}
	a.do("", "POST", "/openapi.json", "").fault(405, "METHOD_NOT_ALLOWED")
}

func TestTheDescriptionHasEachOperationAndNoOther(t *testing.T) {
	a := newAPI(t, options{})
	var doc described
	a.do("", "GET", "/openapi.json", "").json(200, &doc)
	var all []string
	for path, item := range doc.Paths {
		for method, raw := range item {
			if method == "parameters" {
				continue
			}
			op := strings.ToUpper(method) + " " + path
			all = append(all, op)
			var operation struct {
				OperationID string
				Parameters  []struct {
					Ref string `json:"$ref"`
				}
				RequestBody json.RawMessage
				Responses   map[string]json.RawMessage
			}
			require.NoError(t, json.Unmarshal(raw, &operation))
			require.NotEmpty(t, operation.OperationID, op)
			require.Contains(t, operation.Responses, "default", op)
			dry := false
			for _, p := range operation.Parameters {
				dry = dry || strings.HasSuffix(p.Ref, "/dryRun")
			}
			require.Equal(t, method != "get", dry, "%s takes dryRun", op)
		}
	}
	require.ElementsMatch(t, admin.Operations(), all)
}

func TestEachReferenceInTheDescriptionLeadsSomewhere(t *testing.T) {
	a := newAPI(t, options{})
	var doc any
	got := a.do("", "GET", "/openapi.json", "")
	got.json(200, &doc)
	seen := map[string]bool{}
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			if ref, ok := v["$ref"].(string); ok && !seen[ref] {
				seen[ref] = true
				at := doc
				for name := range strings.SplitSeq(strings.TrimPrefix(ref, "#/"), "/") {
					at = at.(map[string]any)[name]
					require.NotNil(t, at, ref)
				}
			}
			for _, one := range v {
				walk(one)
			}
		case []any:
			for _, one := range v {
				walk(one)
			}
		}
	}
	walk(doc)
	for kind, parts := range doc.(map[string]any)["components"].(map[string]any) {
		if kind == "securitySchemes" {
			continue
		}
		for name := range parts.(map[string]any) {
			require.True(t, seen["#/components/"+kind+"/"+name], "%s %s is used nowhere", kind, name)
		}
	}
}
