package token_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/token"
)

const randomID = `^[0-9a-v]{26}$`

func TestEveryRefusalHasTheIdOfItsRequest(t *testing.T) {
	a := newAuthority(t)
	c := a.add("report")
	for name, r := range map[string]*http.Request{
		"another method":       httptest.NewRequest("GET", issuerURL+"/oauth2/v1/token", nil),
		"another content type": httptest.NewRequest("POST", issuerURL+"/oauth2/v1/token", strings.NewReader("{}")),
		"a body too large":     post(strings.Repeat("x", 70<<10)),
		"a wrong secret":       post(known{c.id, "wrong"}.form().Encode()),
		"an unknown scope":     post(c.form().Encode() + "&scope=x"),
	} {
		t.Run(name, func(t *testing.T) {
			r.Header.Set("X-Request-Id", "a stranger's")
			require.Regexp(t, randomID, a.do(r).Header().Get("X-Request-Id"))
		})
	}
	t.Run("a store that is away", func(t *testing.T) {
		registry, err := client.NewRegistry(client.Config{Store: a.store, Resources: a.catalog, Now: a.clock.Now})
		require.NoError(t, err)
		a.issuer = a.newIssuer(func(c *token.Config) { c.Clients = registry }) // which has cached no client
		a.store.away.Store(true)
		got := a.post(c.form())
		require.Equal(t, http.StatusServiceUnavailable, got.Code)
		require.Regexp(t, randomID, got.Header().Get("X-Request-Id"))
	})
}

func TestAProgramGivesRequestsTheirIds(t *testing.T) {
	long := strings.Repeat("x", 128)
	for _, tt := range []struct {
		name, given string
		kept        bool
	}{
		{"one of a random UUID", "b0a7c2f4-29f6-4f86-a1ff-0d1b6f2a5c11", true},
		{"one of a proxy", "Root=1-67891233-abcdef012345678912345678;Parent=53995c3f", true},
		{"one in base64", "aGVsbG8+Lw==", true},
		{"one character", "x", true},
		{"as long as it may be", long, true},
		{"longer", long + "x", false},
		{"none", "", false},
		{"a space", "a b", false},
		{"a line break, which would begin another header", "a\r\nSet-Cookie: x", false},
		{"a NUL", "a\x00", false},
		{"a delete character", "a\x7f", false},
		{"not ASCII", "ä", false},
		{"a quote", `a"b`, false},
		{"an apostrophe", "a'b", false},
		{"a backtick", "a`b", false},
		{"a backslash", `a\b`, false},
		{"a tag", "<b>", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := newAuthority(t, func(c *token.Config) {
				c.RequestID = func(r *http.Request) string { return r.Header.Get("X-Test-Id") }
			})
			c := a.add("report")
			r := post(known{c.id, "wrong"}.form().Encode())
			r.Header["X-Test-Id"] = []string{tt.given}
			id := a.do(r).Header().Get("X-Request-Id")
			if tt.kept {
				require.Equal(t, tt.given, id)
			} else {
				require.Regexp(t, randomID, id)
			}
			got := a.denials(c.id)
			require.Len(t, got, 1)
			require.Equal(t, id, got[0].RequestID)

			r = post(c.form().Encode())
			r.Header["X-Test-Id"] = []string{tt.given}
			require.Equal(t, http.StatusOK, a.do(r).Code)
			lines := strings.Split(strings.TrimSpace(a.log.String()), "\n")
			issued := lines[len(lines)-1]
			require.Contains(t, issued, "token issued")
			require.Equal(t, tt.kept, strings.Contains(issued, "request_id"), "what is issued is logged with the program's id alone")
		})
	}
}

func TestACallerInTheSameProcessGivesItsOwnId(t *testing.T) {
	a := newAuthority(t)
	c := a.add("report")
	for _, id := range []string{"", "job 7"} {
		_, err := a.issuer.Issue(t.Context(), token.Request{ClientID: c.id, ClientSecret: "wrong" + id, RequestID: id, Scope: id})
		require.Error(t, err)
		require.Equal(t, id != "", strings.Contains(a.log.String(), `"request_id":"job 7"`))
	}
	got := a.denials(c.id)
	require.Len(t, got, 1)
	require.Empty(t, got[0].RequestID)
}

func TestTheURLOfTheTokenEndpoint(t *testing.T) {
	a := newAuthority(t)
	require.Equal(t, issuerURL+"/oauth2/v1/token", a.issuer.TokenEndpoint())
	other := a.newIssuer(func(c *token.Config) {
		c.Issuer, c.Paths.Token = "https://example.com/tenant", "/t"
	})
	require.Equal(t, "https://example.com/tenant/t", other.TokenEndpoint())
	require.Equal(t, "https://example.com/tenant", other.Identifier())
}
