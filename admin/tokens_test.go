package admin_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/admin"
	"github.com/clientele-go/clientele/audit"
	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/internal/timekey"
	"github.com/clientele-go/clientele/memstore"
	"github.com/clientele-go/clientele/store"
	"github.com/clientele-go/clientele/token"
	"github.com/clientele-go/clientele/token/verifier"
)

// An apiToken is an issued token as programs read it.
type apiToken struct {
	ID         string    `json:"id"`
	ClientID   string    `json:"clientId"`
	Method     string    `json:"method"`
	Credential string    `json:"credential"`
	IssuedAt   time.Time `json:"issuedAt"`
	ExpiresAt  time.Time `json:"expiresAt"`
	Status     string    `json:"status"`
	Audience   string    `json:"audience"`
	Scopes     []string  `json:"scopes"`
	Address    string    `json:"address"`
	RequestID  string    `json:"requestId"`
	Claims     struct {
		JTI      string `json:"jti"`
		ClientID string `json:"client_id"`
		Aud      string `json:"aud"`
		Scope    string `json:"scope"`
	} `json:"claims"`
}

// person lets everybody in as a person with Full on both modules.
func person(cfg *admin.Config) {
	cfg.Authorize = func(*http.Request) (admin.Access, error) {
		return admin.Access{Actor: audit.Actor{Kind: audit.Person, ID: "u1"}, Clients: admin.Full, Resources: admin.Full}, nil
	}
}

// issued returns the newest token of a client.
func (a *api) issued(clientID string) token.Issued {
	a.t.Helper()
	page, err := a.issuer.Tokens(a.t.Context(), token.TokenFilter{ClientID: clientID, Limit: 1})
	require.NoError(a.t, err)
	require.NotEmpty(a.t, page.Tokens)
	return page.Tokens[0]
}

// good reports whether a Verifier of the issuer takes an access token, which else
// must be revoked.
func (a *api) good(accessToken string) bool {
	a.t.Helper()
	v, err := a.issuer.Verifier(audience)
	require.NoError(a.t, err)
	_, err = v.Verify(a.t.Context(), accessToken)
	if err == nil {
		return true
	}
	var refusal *verifier.TokenError
	require.ErrorAs(a.t, err, &refusal)
	require.Equal(a.t, verifier.ReasonRevoked, refusal.Reason)
	return false
}

// happened returns the audit events of an action, the newest first.
func (a *api) happened(action string) []audit.Event {
	a.t.Helper()
	page, err := a.registry.Audit().List(a.t.Context(), audit.Filter{Action: action})
	require.NoError(a.t, err)
	return page.Events
}

func TestIssuedTokensAreListedTheNewestFirst(t *testing.T) {
	a := newAPI(t, options{admin: person})
	begin := a.clock.Now()
	a.clock.Advance(time.Minute)
	one := a.add(`{"name":"one","accessTokenLifeTime":600` + granted + `}`)
	two := a.add(`{"name":"two","accessTokenLifeTime":3600` + granted + `}`)
	of := map[string]string{one.ID: a.addSecret(one.ID, 60).Value, two.ID: a.addSecret(two.ID, 60).Value}
	var ids []string
	var credential string // of one
	for _, id := range []string{one.ID, two.ID, one.ID, two.ID} {
		a.token(id, of[id], audience)
		issued := a.issued(id)
		ids = append(ids, issued.ID)
		if id == one.ID {
			credential = issued.Credential
		}
		a.clock.Advance(time.Minute)
	}
	a.clock.Advance(7 * time.Minute) // the first has expired, the third not yet
	a.do("", "POST", "/tokens/"+ids[3]+"/revoke", "").is(200)
	a.do("", "DELETE", "/api-clients/"+one.ID, "").is(204)

	since := "from=" + epoch(begin.Add(time.Minute))
	for _, test := range []struct {
		name, query string
		want        []int
		total       int
	}{
		{"all since then", since, []int{3, 2, 1, 0}, 4},
		{"those of a client that is deleted", "client=" + one.ID, []int{2, 0}, 2},
		{"those of nobody", "client=nobody", nil, 0},
		{"those of a client that is another's name", "client=one", nil, 0},
		{"active ones", since + "&status=active", []int{2, 1}, 2},
		{"active ones of a client", "status=active&client=" + two.ID, []int{1}, 1},
		{"those that a secret was used for", "credential=" + credential, []int{2, 0}, 2},
		{"active ones that it was used for", "credential=" + credential + "&status=active", []int{2}, 1},
		{"those that it was used for by another client", "credential=" + credential + "&client=" + two.ID, nil, 0},
		{"revoked ones", "status=revoked", []int{3}, 1},
		{"expired ones", since + "&status=expired", []int{0}, 1},
		{"from a time on, which counts", "from=" + epoch(begin.Add(3*time.Minute)), []int{3, 2}, 2},
		{"up to a time, which does not count", since + "&to=" + begin.Add(3*time.Minute).UTC().Format(time.RFC3339), []int{1, 0}, 2},
		{"a page of all", since + "&offset=1&limit=2", []int{2, 1}, 4},
		{"a page of a status", since + "&status=active&offset=1&limit=1", []int{1}, 2},
		{"how many there are", since + "&limit=0", nil, 4},
		{"how many there are of a status", since + "&status=active&limit=0", nil, 2},
		{"behind the last", since + "&offset=4", nil, 4},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := *a
			a.t = t
			var p apiPage[apiToken]
			a.do("", "GET", "/tokens?"+test.query, "").json(200, &p)
			var got []int
			for _, one := range p.Records {
				got = append(got, slices.Index(ids, one.ID))
			}
			require.Equal(t, test.want, got)
			require.Equal(t, test.total, p.ResultsTotal)
		})
	}
	t.Run("page by page", func(t *testing.T) {
		a := *a
		a.t = t
		for _, query := range []string{since, since + "&status=active"} {
			var whole, p apiPage[apiToken]
			a.do("", "GET", "/tokens?"+query, "").json(200, &whole)
			var paged []apiToken
			for next := base + "/tokens?limit=1&" + query; next != ""; next = p.NextLink {
				p = apiPage[apiToken]{}
				a.do("", "GET", next, "").json(200, &p)
				require.Len(t, p.Records, 1)
				paged = append(paged, p.Records...)
			}
			require.Equal(t, whole.Records, paged)
		}
	})
	for query, param := range map[string]string{
		"status=Active": "status", "status=gone": "status", "status=active&status=expired": "status", "from=yesterday": "from", "to=1e9": "to",
		"limit=1001": "limit", "offset=-1": "offset", "client=a&client=b": "client", "credential=a&credential=b": "credential", "after=a&after=b": "after",
		"client=" + strings.Repeat("x", 5000): "client",
	} {
		a.do("", "GET", "/tokens?"+query, "").fault(400, "INVALID_INPUT_ARGUMENT", param)
	}
	for _, query := range []string{"after=x", "after=%00", "client=%00", "client=%ff", "after=" + strings.Repeat("x", 5000)} {
		a.do("", "GET", "/tokens?"+query, "").fault(400, "INVALID_INPUT_ARGUMENT")
	}
}

func TestTheListOfAStatusLeadsBehindTheMostThatIsLookedAt(t *testing.T) {
	a := newAPI(t, options{admin: person})
	record, err := a.store.Get(t.Context(), token.KindToken, a.issued(a.fullID).ID)
	require.NoError(t, err)
	// The same over and over again, but of a minute, behind two that are good.
	data := strings.Replace(string(record.Data), `"exp":`, `"exp":1,"was":`, 1)
	var changes []store.Change
	for n := range token.MaxLooked + 500 {
		at := a.clock.Now().Add(time.Second + time.Duration(n)*time.Microsecond)
		changes = append(changes, store.Append(store.Record{
			Kind: token.KindToken, ID: fmt.Sprint("old", n), Sort: timekey.Of(at), Format: record.Format, Data: []byte(data),
		}))
		if len(changes) == store.MaxChanges {
			_, err := a.store.Apply(t.Context(), changes...)
			require.NoError(t, err)
			changes = nil
		}
	}
	_, err = a.store.Apply(t.Context(), changes...)
	require.NoError(t, err)

	var p apiPage[apiToken]
	a.do("", "GET", "/tokens?status=active&limit=1&offset=0", "").json(200, &p)
	require.Empty(t, p.Records)
	require.NotContains(t, p.NextLink, "offset=")
	var found []apiToken
	pages := 0
	for next := p.NextLink; next != ""; next = p.NextLink {
		p = apiPage[apiToken]{}
		a.do("", "GET", next, "").json(200, &p)
		require.Empty(t, p.PrevLink)
		found = append(found, p.Records...)
		pages++
		require.Less(t, pages, 10)
	}
	require.Len(t, found, 2)
	require.NotEqual(t, found[0].ID, found[1].ID)
}

func TestATokenIsLookedAtWithItsClaimsAndNeverItsSignature(t *testing.T) {
	a := newAPI(t, options{})
	id, raw := a.caller("report", editor)
	jti := a.issued(id).ID
	got := a.do(a.view, "GET", "/tokens/"+jti, "")
	var one apiToken
	got.json(200, &one)
	require.Equal(t, jti, one.ID)
	require.Equal(t, jti, one.Claims.JTI)
	require.Equal(t, id, one.ClientID)
	require.Equal(t, id, one.Claims.ClientID)
	require.Equal(t, audience, one.Audience)
	require.Equal(t, audience, one.Claims.Aud)
	require.Equal(t, strings.Join(one.Scopes, " "), one.Claims.Scope)
	require.Contains(t, one.Scopes, editor)
	require.Equal(t, "active", one.Status)
	require.Equal(t, "SECRET", one.Method)
	require.Equal(t, a.secrets(id)[0], one.Credential)
	require.Equal(t, a.clock.Now().UTC(), one.IssuedAt)
	require.Equal(t, a.clock.Now().Add(time.Hour).UTC(), one.ExpiresAt)

	var p apiPage[json.RawMessage]
	list := a.do(a.view, "GET", "/tokens?client="+id, "")
	list.json(200, &p)
	require.JSONEq(t, string(got.body), string(p.Records[0]))
	signature := raw[strings.LastIndexByte(raw, '.')+1:]
	require.Len(t, strings.Split(raw, "."), 3)
	for _, body := range [][]byte{got.body, list.body} {
		require.NotContains(t, string(body), signature)
		require.NotContains(t, string(body), raw)
	}
}

func TestWhatIsNoTokenHereIsNotFound(t *testing.T) {
	a, b := newAPI(t, options{}), newAPI(t, options{})
	foreign := b.issued(b.fullID).ID
	before := a.everything()
	absent := string(a.do(a.full, "GET", "/tokens/absent", "").body)
	for _, id := range []string{
		"absent", foreign, a.fullID, "~", "'--", "*", ".x", strings.Repeat("x", 256), strings.Repeat("x", 257), strings.Repeat("x", 50_000), a.full,
	} {
		for _, op := range []string{"GET ", "POST /revoke", "POST /revoke?dryRun=true"} {
			method, rest, _ := strings.Cut(op, " ")
			got := a.do(a.full, method, "/tokens/"+id+rest, "")
			got.fault(404, "RESOURCE_NOT_FOUND")
			require.Equal(t, absent, string(got.body), "%s of %.40q", op, id)
		}
	}
	for _, id := range []string{"%00", "%2e%2e", "a%2Fb", "%ff"} {
		a.do(a.full, "POST", "/tokens/"+id+"/revoke", "").fault(404, "RESOURCE_NOT_FOUND")
	}
	require.Equal(t, before, a.everything())
	require.True(t, b.good(b.full))
}

func TestARevokedTokenIsRefused(t *testing.T) {
	a := newAPI(t, options{})
	id, raw := a.caller("report", editor)
	jti := a.issued(id).ID
	_, other := a.caller("another", editor)
	path := "/tokens/" + jti + "/revoke"

	var one apiToken
	before := a.everything()
	a.do(a.view, "POST", path, "").fault(403, "FORBIDDEN")
	for _, wrong := range []string{"1", "", "yes"} {
		a.do(a.full, "POST", path+"?dryRun="+wrong, "").fault(400, "INVALID_INPUT_ARGUMENT", "dryRun")
	}
	dry := a.do(a.full, "POST", path+"?dryRun=true", "")
	dry.json(200, &one)
	require.Equal(t, "true", dry.Header.Get("Dry-Run"))
	require.Equal(t, "revoked", one.Status)
	require.Equal(t, before, a.everything())
	require.True(t, a.good(raw))

	got := a.do(a.full, "POST", path, "")
	got.json(200, &one)
	require.Equal(t, "revoked", one.Status)
	require.Equal(t, jti, one.ID)
	require.False(t, a.good(raw))
	require.True(t, a.good(other))
	a.do(a.view, "GET", "/tokens/"+jti, "").json(200, &one)
	require.Equal(t, "revoked", one.Status)

	events := a.happened("token.revoke")
	require.Len(t, events, 1)
	require.Equal(t, audit.Subject{Kind: "token", ID: jti}, events[0].Subject)
	require.Equal(t, a.fullID, events[0].Actor.ID)
	require.Equal(t, got.Header.Get("X-Request-Id"), events[0].Actor.Request)

	a.do(a.full, "POST", path, "{}").json(200, &one)
	require.Equal(t, "revoked", one.Status)
	require.Len(t, a.happened("token.revoke"), 1, "what is revoked already is left as it is")
}

func TestATokenThatHasExpiredStaysExpired(t *testing.T) {
	a := newAPI(t, options{admin: person})
	jti := a.issued(a.fullID).ID
	a.clock.Advance(2 * time.Hour)
	var one apiToken
	a.do("", "POST", "/tokens/"+jti+"/revoke", "").json(200, &one)
	require.Equal(t, "expired", one.Status)
	require.Empty(t, a.happened("token.revoke"))
}

func TestRevokingAllTokensOfAClient(t *testing.T) {
	a := newAPI(t, options{admin: person})
	c := a.add(`{"name":"one"` + granted + `}`)
	secret := a.addSecret(c.ID, 60).Value
	first, second := a.token(c.ID, secret, audience), a.token(c.ID, secret, audience)
	path := "/api-clients/" + c.ID + "/revoke-tokens"

	before := a.everything()
	got := a.do("", "POST", path+"?dryRun=true", "").is(200)
	require.JSONEq(t, `{}`, string(got.body))
	for _, id := range []string{"nobody", c.Name, "~", strings.Repeat("x", 257), strings.Repeat("x", 50_000), a.issued(c.ID).ID} {
		for _, query := range []string{"", "?dryRun=true"} {
			a.do("", "POST", "/api-clients/"+id+"/revoke-tokens"+query, "").fault(404, "RESOURCE_NOT_FOUND")
		}
	}
	require.Equal(t, before, a.everything())
	require.True(t, a.good(first))

	require.Empty(t, a.do("", "POST", path, "").is(204).body)
	require.False(t, a.good(first))
	require.False(t, a.good(second))
	require.True(t, a.good(a.full), "that of another client")
	events := a.happened("client.revoke_tokens")
	require.Len(t, events, 1)
	require.Equal(t, audit.Subject{Kind: "client", ID: c.ID, Name: "one"}, events[0].Subject)
	require.Equal(t, "u1", events[0].Actor.ID)

	third := a.token(c.ID, secret, audience)
	require.True(t, a.good(third), "what it gets from now on")
	a.do("", "DELETE", "/api-clients/"+c.ID, "").is(204)
	require.True(t, a.good(third))
	a.do("", "POST", path, "").is(204)
	require.False(t, a.good(third), "of a client that is deleted")
}

func TestDisablingAndDeletingRevokesTokensIfAsked(t *testing.T) {
	const off = `{"name":"off","status":false,"clientAuthentication":{"authType":"SECRET"}}`
	const on = `{"name":"on","status":true,"clientAuthentication":{"authType":"SECRET"}}`
	const silent = `{"name":"silent","clientAuthentication":{"authType":"SECRET"}}`
	for _, test := range []struct {
		name, op, body string
		status         int
		param          string // of the fault
		revoked        bool
		changed        bool
	}{
		{"disabling", "POST /disable", "", 200, "", false, true},
		{"disabling, and it says no", "POST /disable?revokeTokens=false", "", 200, "", false, true},
		{"disabling and revoking", "POST /disable?revokeTokens=true", "", 200, "", true, true},
		{"disabling and revoking as a dry run", "POST /disable?revokeTokens=true&dryRun=true", "", 200, "", false, false},
		{"disabling, not said clearly", "POST /disable?revokeTokens=yes", "", 400, "revokeTokens", false, false},
		{"disabling, said twice", "POST /disable?revokeTokens=true&revokeTokens=true", "", 400, "revokeTokens", false, false},
		{"disabling, said with nothing", "POST /disable?revokeTokens=", "", 400, "revokeTokens", false, false},
		{"deleting", "DELETE ", "", 204, "", false, true},
		{"deleting and revoking", "DELETE ?revokeTokens=true", "", 204, "", true, true},
		{"deleting and revoking as a dry run", "DELETE ?revokeTokens=true&dryRun=true", "", 200, "", false, false},
		{"deleting, not said clearly", "DELETE ?revokeTokens=TRUE", "", 400, "revokeTokens", false, false},
		{"a status of false", "PUT ", off, 200, "", false, true},
		{"a status of false and revoking", "PUT ?revokeTokens=true", off, 200, "", true, true},
		{"a status of false and revoking as a dry run", "PUT ?revokeTokens=true&dryRun=true", off, 200, "", false, false},
		{"a status of true and revoking", "PUT ?revokeTokens=true", on, 400, "revokeTokens", false, false},
		{"no status and revoking", "PUT ?revokeTokens=true", silent, 400, "revokeTokens", false, false},
		{"a replacement, not said clearly", "PUT ?revokeTokens=1", off, 400, "revokeTokens", false, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := newAPI(t, options{})
			c := a.add(`{"name":"one"` + granted + `}`)
			raw := a.token(c.ID, a.addSecret(c.ID, 60).Value, audience)
			before := a.everything()
			method, rest, _ := strings.Cut(test.op, " ")
			path := "/api-clients/" + c.ID + rest
			a.do(a.view, method, path, test.body).fault(403, "FORBIDDEN")
			got := a.do(a.full, method, path, test.body)
			if test.param != "" {
				got.fault(test.status, "INVALID_INPUT_ARGUMENT", test.param)
			}
			got.is(test.status)
			require.Equal(t, test.revoked, !a.good(raw))
			require.Equal(t, test.changed, !maps.Equal(before, a.everything()))
			events := a.happened("client.revoke_tokens")
			if !test.revoked {
				require.Empty(t, events)
				return
			}
			require.Equal(t, c.ID, events[0].Subject.ID)
			require.Equal(t, a.fullID, events[0].Actor.ID)
			require.Equal(t, got.Header.Get("X-Request-Id"), events[0].Actor.Request)
		})
	}
}

func TestAChangeThatIsNotMadeRevokesNothing(t *testing.T) {
	a := newAPI(t, options{})
	c := a.add(`{"name":"one"` + granted + `}`)
	raw := a.token(c.ID, a.addSecret(c.ID, 60).Value, audience)
	a.do(a.full, "POST", "/api-clients/"+c.ID+"/disable?revokeTokens=true", "", "If-Match", `"0"`).fault(412, "PRECONDITION_FAILED")
	a.do(a.full, "DELETE", "/api-clients/"+c.ID+"?revokeTokens=true", "", "If-Match", `"0"`).fault(412, "PRECONDITION_FAILED")
	require.True(t, a.good(raw))
	a.do(a.full, "DELETE", "/api-clients/"+a.fullID+"?revokeTokens=true", "").fault(409, "LAST_ADMINISTRATOR")
	a.do(a.full, "POST", "/api-clients/"+a.fullID+"/disable?revokeTokens=true", "").fault(409, "LAST_ADMINISTRATOR")
	require.True(t, a.good(a.full))
	a.do(a.full, "DELETE", "/api-clients/nobody?revokeTokens=true", "").fault(404, "RESOURCE_NOT_FOUND")
	require.Empty(t, a.happened("client.revoke_tokens"))

	a.do(a.full, "POST", "/api-clients/"+c.ID+"/disable", "").is(200)
	a.do(a.full, "POST", "/api-clients/"+c.ID+"/disable?revokeTokens=true", "").is(200)
	require.False(t, a.good(raw), "that of a client that was disabled before")
}

func TestWithoutAnIssuerNothingCanBeRevoked(t *testing.T) {
	a := newAPI(t, options{admin: func(cfg *admin.Config) { cfg.Issuer = nil }})
	c := a.add(`{"name":"one"}`)
	before := a.everything()
	for _, op := range []string{"POST /disable", "DELETE ", "PUT "} {
		method, rest, _ := strings.Cut(op, " ")
		body := `{"name":"one","status":false,"clientAuthentication":{"authType":"SECRET"}}`
		a.do(a.full, method, "/api-clients/"+c.ID+rest+"?revokeTokens=true", body).fault(400, "INVALID_INPUT_ARGUMENT", "revokeTokens")
	}
	require.Equal(t, before, a.everything())
	a.do(a.full, "DELETE", "/api-clients/"+c.ID+"?revokeTokens=false", "").is(204)
}

// A watched store tells what is asked for revocations, which may fail.
type watched struct {
	store.Store
	asking  atomic.Pointer[func()] // before a revocation is read
	changed atomic.Pointer[func()] // after a client was changed
	down    atomic.Bool
}

func (w *watched) Get(ctx context.Context, kind store.Kind, id string) (store.Record, error) {
	if kind == token.KindRevocation {
		if tell := w.asking.Load(); tell != nil {
			(*tell)()
		}
		if w.down.Load() {
			return store.Record{}, errDown
		}
	}
	return w.Store.Get(ctx, kind, id)
}

func (w *watched) Apply(ctx context.Context, changes ...store.Change) (store.Revision, error) {
	revision, err := w.Store.Apply(ctx, changes...)
	if tell := w.changed.Load(); err == nil && tell != nil && slices.ContainsFunc(changes, func(c store.Change) bool { return c.Record.Kind == client.Kind }) {
		(*tell)()
	}
	return revision, err
}

func TestTokensThatCouldNotBeRevokedAfterTheChangeAreToldOf(t *testing.T) {
	const off = `{"name":"off","status":false,"clientAuthentication":{"authType":"SECRET"}}`
	for _, test := range []struct{ name, op, body, says string }{
		{"disabled", "POST /disable?revokeTokens=true", "", "is disabled, but its tokens were not revoked"},
		{"replaced", "PUT ?revokeTokens=true", off, "is saved and disabled, but its tokens were not revoked"},
		{"deleted", "DELETE ?revokeTokens=true", "", "is deleted, but its tokens were not revoked"},
	} {
		t.Run(test.name, func(t *testing.T) {
			st := &watched{Store: memstore.New()}
			a := newAPI(t, options{store: st})
			c := a.add(`{"name":"one"` + granted + `}`)
			secret := a.addSecret(c.ID, 60).Value
			raw := a.token(c.ID, secret, audience)
			st.down.Store(true)
			method, rest, _ := strings.Cut(test.op, " ")
			got := a.do(a.full, method, "/api-clients/"+c.ID+rest, test.body)
			require.Contains(t, got.fault(500, "TOKENS_NOT_REVOKED").Message, test.says)
			require.NotContains(t, string(got.body), errDown.Error())
			require.Empty(t, got.Header.Get("Retry-After"))
			require.Contains(t, a.log.String(), `"level":"ERROR"`)
			require.Contains(t, a.log.String(), errDown.Error())
			_, err := a.issuer.Issue(t.Context(), token.Request{ClientID: c.ID, ClientSecret: secret, Audience: audience})
			require.Error(t, err, "it gets no more")
			require.True(t, a.good(raw))

			a.do(a.full, "POST", "/api-clients/"+c.ID+"/revoke-tokens", "").fault(500, "UNEXPECTED_ERROR")
			a.do(a.full, "POST", "/tokens/"+a.issued(c.ID).ID+"/revoke", "").fault(500, "UNEXPECTED_ERROR")
			st.down.Store(false)
			a.do(a.full, "POST", "/api-clients/"+c.ID+"/revoke-tokens", "").is(204)
			require.False(t, a.good(raw))
		})
	}
}

func TestAClientGetsNoMoreBeforeItsTokensAreRevoked(t *testing.T) {
	for _, op := range []string{"POST /disable", "DELETE ", "PUT "} {
		t.Run(op, func(t *testing.T) {
			st := &watched{Store: memstore.New()}
			a := newAPI(t, options{store: st})
			c := a.add(`{"name":"one"` + granted + `}`)
			secret := a.addSecret(c.ID, 60).Value
			var asked, got int
			tell := func() {
				asked++
				if _, err := a.issuer.Issue(context.WithoutCancel(t.Context()), token.Request{ClientID: c.ID, ClientSecret: secret, Audience: audience}); err == nil {
					got++
				}
			}
			st.asking.Store(&tell)
			method, rest, _ := strings.Cut(op, " ")
			a.do(a.full, method, "/api-clients/"+c.ID+rest+"?revokeTokens=true", `{"name":"one","status":false,"clientAuthentication":{"authType":"SECRET"}}`)
			require.Positive(t, asked)
			require.Zero(t, got)
		})
	}
}

func TestACallerThatLeavesAfterTheChangeKeepsNoTokenGood(t *testing.T) {
	const off = `{"name":"one","status":false,"clientAuthentication":{"authType":"SECRET"}}`
	leave := func(t *testing.T, op string, down bool) (a *api, raw string) {
		st := &watched{Store: memstore.New()}
		a = newAPI(t, options{store: st})
		c := a.add(`{"name":"one"` + granted + `}`)
		raw = a.token(c.ID, a.addSecret(c.ID, 60).Value, audience)
		cfg := admin.Config{Registry: a.registry, Issuer: a.issuer, Now: a.clock.Now, Logger: slog.New(slog.NewJSONHandler(a.log, nil))}
		person(&cfg)
		handler, err := admin.New(cfg)
		require.NoError(t, err)
		ctx, leave := context.WithCancel(t.Context())
		left := func() { leave() }
		st.changed.Store(&left)
		st.down.Store(down)
		method, rest, _ := strings.Cut(op, " ")
		handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, method,
			base+"/api-clients/"+c.ID+rest+"?revokeTokens=true", strings.NewReader(off)))
		require.Error(t, ctx.Err())
		st.down.Store(false)
		return a, raw
	}
	for _, op := range []string{"POST /disable", "DELETE ", "PUT "} {
		t.Run(op, func(t *testing.T) {
			a, raw := leave(t, op, false)
			require.False(t, a.good(raw))
			require.NotContains(t, a.log.String(), "TOKENS_NOT_REVOKED")
		})
		t.Run(op+" and what then fails is in the log", func(t *testing.T) {
			a, _ := leave(t, op, true)
			require.Contains(t, a.log.String(), `"code":"TOKENS_NOT_REVOKED"`)
		})
	}
}
