package admin_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/client"
)

// list returns a page of API clients.
func (a *api) list(query string) (p apiPage[apiClient]) {
	a.t.Helper()
	a.do(a.view, "GET", "/api-clients"+query, "").json(200, &p)
	return p
}

func TestPages(t *testing.T) {
	a := newAPI(t, options{})
	for i := range 23 {
		a.add(fmt.Sprintf(`{"name":"client %02d"}`, i))
	}
	p := a.list("")
	require.Equal(t, []int{25, 0, 100, 25}, []int{p.ResultsTotal, p.PageOffset, p.PageSize, len(p.Records)})
	require.Empty(t, p.NextLink+p.PrevLink)

	p = a.list("?limit=10&offset=20&unknown=x&unknown=y")
	require.Equal(t, []int{25, 20, 10, 5}, []int{p.ResultsTotal, p.PageOffset, p.PageSize, len(p.Records)})
	require.Empty(t, p.NextLink)
	require.Equal(t, "/admin/api/v1/api-clients?limit=10&offset=10&unknown=x&unknown=y", p.PrevLink)

	p = a.list("?limit=0")
	require.Equal(t, []int{25, 0, 0, 0}, []int{p.ResultsTotal, p.PageOffset, p.PageSize, len(p.Records)})
	require.NotNil(t, p.Records)
	require.Empty(t, p.NextLink+p.PrevLink)

	p = a.list("?offset=2147483647&limit=1000")
	require.Empty(t, p.Records)
	require.NotNil(t, p.Records)
	require.Empty(t, p.NextLink)

	for _, b := range []string{"/admin/api/v1", "/ziam/admin/api/v1"} {
		t.Run("following next_link and back sees each once, below "+b, func(t *testing.T) {
			a := *a
			a.t = t
			var seen, back []string
			link, last := b+"/api-clients?limit=4&name%5Blike%5D=CLIENT", ""
			for link != "" {
				require.True(t, strings.HasPrefix(link, b+"/api-clients?"), link)
				last = link
				var p apiPage[apiClient]
				a.do(a.view, "GET", link, "", "Host", "evil.example", "X-Forwarded-Host", "evil.example").json(200, &p)
				require.Equal(t, 25, p.ResultsTotal+2)
				seen = append(seen, names(p.Records)...)
				link = p.NextLink
			}
			require.Len(t, seen, 23)
			require.True(t, slices.IsSorted(seen))
			for link = last; link != ""; {
				var p apiPage[apiClient]
				a.do(a.view, "GET", link, "").json(200, &p)
				back = append(names(p.Records), back...)
				link = p.PrevLink
			}
			require.Equal(t, seen, back)
		})
	}
}

// As the Go SDK pages: by offset, until a page is short or has no next_link.
func TestPagesByOffset(t *testing.T) {
	a := newAPI(t, options{})
	for i := range 6 {
		a.add(fmt.Sprintf(`{"name":"client %02d"}`, i))
	}
	var seen []string
	for offset, limit := 0, 4; ; {
		query := url.Values{"limit": {fmt.Sprint(limit)}}
		if offset > 0 {
			query.Set("offset", fmt.Sprint(offset))
		}
		p := a.list("?" + query.Encode())
		seen = append(seen, names(p.Records)...)
		if len(p.Records) < limit || p.NextLink == "" {
			break
		}
		offset += len(p.Records)
	}
	require.Len(t, seen, 8)
}

func TestWrongQueries(t *testing.T) {
	a := newAPI(t, options{})
	long := strings.Repeat("x", 5000)
	for query, param := range map[string]string{
		"limit=1001": "limit", "limit=-1": "limit", "limit=x": "limit", "limit=1e2": "limit", "limit=10.0": "limit", "limit=%2B10": "limit",
		"limit=99999999999999999999": "limit", "limit=1&limit=1": "limit", "limit=+5": "limit",
		"offset=-1": "offset", "offset=2147483648": "offset", "offset=x": "offset", "offset=0&offset=5": "offset",
		"name[like]=a&name[like]=b": "name[like]", "name[like]=" + long: "name[like]",
		"status=enabled": "status", "status=1": "status", "authType=secret": "authType",
		"scopeId=orders::editor": "resourceServerId", "resourceServerId=" + long: "resourceServerId",
		"label=x": "label", "label=:x": "label", "label=a:b&label=a:c": "label", "label=" + long + ":x": "label",
		strings.Repeat("label=a:b&", 9): "label",
	} {
		a.do(a.view, "GET", "/api-clients?"+query, "").fault(400, "INVALID_INPUT_ARGUMENT", param)
	}
	for _, text := range []string{"x", ":x"} {
		require.Contains(t, a.do(a.view, "GET", "/api-clients?label="+text, "").fault(400, "INVALID_INPUT_ARGUMENT", "label").Message, `"`+text+`"`)
	}
	a.do(a.view, "GET", "/resource-servers?limit=1001", "").fault(400, "INVALID_INPUT_ARGUMENT", "limit")
	a.do(a.view, "GET", "/denials?offset=-1", "").fault(400, "INVALID_INPUT_ARGUMENT", "offset")
	for _, query := range []string{"limit=%zz", "limit=5;offset=1", "%", "name[like]=%00", "label=a%00:b"} {
		a.do(a.view, "GET", "/api-clients?"+query, "").fault(400, "INVALID_INPUT_ARGUMENT")
	}
	for _, query := range []string{"limit=1000", "limit=", "offset=", "name[like]=", "status=", "label=owner:", "limit=010"} {
		a.do(a.view, "GET", "/api-clients?"+query, "").is(200)
	}
}

func TestNameLikeIsASubstringWithoutPatterns(t *testing.T) {
	a := newAPI(t, options{})
	for _, name := range []string{"100% sure", "1000 sure", "under_score", "underxscore", `back\slash`, `quo"te`, "O'Neill", "Straße", "CAFÉ", "[like]", "a*b"} {
		a.add(fmt.Sprintf(`{"name":%s}`, quote(t, name)))
	}
	for like, want := range map[string][]string{
		"0%": {"100% sure"}, "_": {"under_score"}, `\`: {`back\slash`}, `"`: {`quo"te`}, "'": {"O'Neill"}, "STRASSE": {"Straße"}, "café": {"CAFÉ"},
		"cafe\u0301": {"CAFÉ"}, "[like]": {"[like]"}, "*": {"a*b"}, "' OR '1'='1": {}, "%25": {}, "UNDER": {"under_score", "underxscore"}, " SURE": {"100% sure", "1000 sure"},
	} {
		p := a.list("?name%5Blike%5D=" + url.QueryEscape(like))
		require.Equal(t, want, names(p.Records), like)
		require.Equal(t, len(want), p.ResultsTotal)
		require.Equal(t, names(p.Records), names(a.list("?name[like]="+url.QueryEscape(like)).Records), "unescaped brackets, as curl sends them")
	}
}

func TestNameLikeFindsNoIDs(t *testing.T) {
	a := newAPI(t, options{})
	_, err := a.registry.Import(program, client.Import{ID: "id-alone", Spec: client.Spec{Name: "one"}})
	require.NoError(t, err)
	for _, like := range []string{"id-alone", "id-al", "ID-ALONE", "alone"} {
		p := a.list("?name[like]=" + like)
		require.Empty(t, p.Records, like)
		require.Zero(t, p.ResultsTotal, like)
	}
	a.add(`{"name":"beside id-alone"}`)
	p := a.list("?name[like]=id-alone")
	require.Equal(t, []string{"beside id-alone"}, names(p.Records))
	require.Equal(t, 1, p.ResultsTotal)
}

func TestFilters(t *testing.T) {
	a := newAPI(t, options{})
	a.add(`{"name":"a","labels":{"owner":"x","env":"prod"}` + granted + `}`)
	a.add(`{"name":"b","status":false,"labels":{"owner":"x","url":"https://x:1"}}`)
	a.add(`{"name":"c","clientAuthentication":{"authType":"JWKS","clientJWKsUrl":"https://example.com/j"}}`)
	for query, want := range map[string][]string{
		"label=owner:x": {"a", "b"}, "label=owner:x&label=env:prod": {"a"}, "label=owner:y": {}, "label=url:https://x:1": {"b"}, "label=owner:x&label=owner:x": {"a", "b"},
		"status=false": {"b"}, "status=true&label=owner:x": {"a"}, "authType=JWKS": {"c"}, "authType=PUBKEYCERT": {}, "status=false&authType=JWKS": {},
		"resourceServerId=" + serverID + "&scopeId=orders::editor": {"a"}, "resourceServerId=other": {}, "resourceServerId=nobody": {},
	} {
		require.Equal(t, want, names(a.list("?"+query).Records), query)
	}
	p := a.list("?label=owner:x&limit=1")
	require.Equal(t, "/admin/api/v1/api-clients?label=owner%3Ax&limit=1&offset=1", p.NextLink)
}

func TestResourceServers(t *testing.T) {
	a := newAPI(t, options{})
	var p apiPage[json.RawMessage]
	a.do(a.view, "GET", "/resource-servers", "{}").json(200, &p)
	require.Equal(t, 2, p.ResultsTotal)
	var file struct{ Records []json.RawMessage }
	require.NoError(t, json.Unmarshal([]byte(catalogFile), &file))
	require.JSONEq(t, string(file.Records[0]), string(p.Records[1]), "in the order of the names, as they were recorded")
	require.JSONEq(t, string(file.Records[0]), string(a.do(a.view, "GET", "/resource-servers/"+serverID, "").is(200).body))
	a.do(a.view, "GET", "/resource-servers?name[like]=100%25", "").json(200, &p)
	require.Len(t, p.Records, 1)
	a.do(a.view, "GET", "/resource-servers?limit=1", "").json(200, &p)
	require.Equal(t, "/admin/api/v1/resource-servers?limit=1&offset=1", p.NextLink)
	a.do(a.view, "GET", p.NextLink, "").json(200, &p)
	require.Len(t, p.Records, 1)
	require.Empty(t, p.NextLink)
	a.do(a.view, "GET", "/resource-servers?offset=7", "").json(200, &p)
	require.Equal(t, []int{0, 2}, []int{len(p.Records), p.ResultsTotal})
	a.do(a.full, "POST", "/resource-servers", "{}").fault(405, "METHOD_NOT_ALLOWED")
}

func TestHeadIsGetWithoutABody(t *testing.T) {
	a := newAPI(t, options{})
	got := a.do(a.view, "HEAD", "/api-clients/"+a.fullID, "").is(200)
	require.Empty(t, got.body)
	require.NotEmpty(t, got.Header.Get("ETag"))
	a.do("", "HEAD", "/api-clients", "").is(401)
}
