package admin_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/admin"
	"github.com/clientele-go/clientele/audit"
	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/store"
)

// secrets returns the ids of the secrets of a client.
func (a *api) secrets(id string) (ids []string) {
	a.t.Helper()
	var all []apiSecret
	got := a.do(a.view, "GET", "/api-clients/"+id+"/secrets", "")
	got.json(200, &all)
	require.NotContains(a.t, string(got.body), "value")
	for _, s := range all {
		ids = append(ids, s.ID)
	}
	return ids
}

// works reports whether a client gets a token with that secret, over HTTP.
func (a *api) works(id, secret string) bool {
	a.t.Helper()
	response, err := http.PostForm(a.url+"/oauth2/v1/token", map[string][]string{
		"grant_type": {"client_credentials"}, "client_id": {id}, "client_secret": {secret},
	})
	require.NoError(a.t, err)
	response.Body.Close()
	return response.StatusCode == 200
}

const granted = `,"clientResources":[{"id":"jhlm44rd107q7","selectedScopes":[{"id":"orders::editor"}]}]`

func TestSecretsAreShownOnceAndAThirdReplacesTheSecond(t *testing.T) {
	a := newAPI(t, options{})
	c := a.add(`{"name":"one"` + granted + `}`)
	require.JSONEq(t, "[]", string(a.do(a.view, "GET", "/api-clients/"+c.ID+"/secrets", "").is(200).body))
	first, second := a.addSecret(c.ID, 60), a.addSecret(c.ID, 60)
	require.True(t, a.works(c.ID, first.Value))
	require.True(t, a.works(c.ID, second.Value))
	third := a.addSecret(c.ID, 60)
	require.Equal(t, []string{first.ID, third.ID}, a.secrets(c.ID))
	require.True(t, a.works(c.ID, first.Value))
	require.False(t, a.works(c.ID, second.Value))
	require.True(t, a.works(c.ID, third.Value))
	a.do(a.full, "DELETE", "/api-clients/"+c.ID+"/secrets/"+first.ID, "").is(204)
	require.False(t, a.works(c.ID, first.Value))
	for _, path := range []string{"/api-clients/" + c.ID, "/api-clients", "/audit-events", "/denials"} {
		require.NotContains(t, string(a.do(a.view, "GET", path, "").is(200).body), third.Value)
	}
	require.NotContains(t, a.log.String(), third.Value)
}

func TestSixtyFourThirdSecretsAtOnceLeaveTwo(t *testing.T) {
	a := newAPI(t, options{})
	c := a.add(`{"name":"one"` + granted + `}`)
	first := a.addSecret(c.ID, 60)
	a.addSecret(c.ID, 60)
	values := make([]string, 64)
	var wg sync.WaitGroup
	for i := range values {
		wg.Go(func() {
			got := a.do(a.full, "POST", "/api-clients/"+c.ID+"/secrets", `{"expiresAt":"`+epoch(a.in(60))+`"}`)
			if got.StatusCode == 409 {
				got.fault(409, "CONFLICT")
				return
			}
			var s apiSecret
			got.json(201, &s)
			values[i] = s.Value
		})
	}
	wg.Wait()
	ids := a.secrets(c.ID)
	require.Len(t, ids, 2)
	require.Equal(t, first.ID, ids[0])
	require.True(t, a.works(c.ID, first.Value))
	working := 0
	for _, v := range values {
		if v != "" && a.works(c.ID, v) {
			working++
		}
	}
	require.Equal(t, 1, working)
}

func TestTheEndOfASecret(t *testing.T) {
	a := newAPI(t, options{})
	c := a.add(`{"name":"one"}`)
	now := a.clock.Now()
	days := func(n int) time.Time { return now.Add(time.Duration(n) * 24 * time.Hour) }
	for _, test := range []struct {
		name, expiresAt string // as JSON; empty: absent
		ok              bool
	}{
		{"30 days, in a string", quote(t, epoch(days(30))), true},
		{"365 days, in a string", quote(t, epoch(days(365))), true},
		{"30 days, in a number", epoch(days(30)), true},
		{"365 days, in a number", epoch(days(365)), true},
		{"5 minutes less than 30 days, for the caller's clock", epoch(days(30).Add(-5 * time.Minute)), true},
		{"a second less than that", epoch(days(30).Add(-5*time.Minute - time.Second)), false},
		{"5 minutes more than 365 days", epoch(days(365).Add(5 * time.Minute)), true},
		{"a second more than that", epoch(days(365).Add(5*time.Minute + time.Second)), false},
		{"29 days", epoch(days(29)), false},
		{"366 days", quote(t, epoch(days(366))), false},
		{"now", epoch(now), false},
		{"the past", epoch(days(-1)), false},
		{"milliseconds", epoch(days(60)) + "000", false},
		{"milliseconds in a string", quote(t, epoch(days(60))+"000"), false},
		{"zero", "0", false},
		{"a negative number", "-1", false},
		{"a negative number in a string", `"-1"`, false},
		{"nothing", "", false},
		{"null", "null", false},
		{"an empty string", `""`, false},
		{"a date", `"2026-06-01T00:00:00Z"`, false},
		{"a fraction in a string", `"1785643102.5"`, false},
		{"a plus", `"+1785643102"`, false},
		{"a space", `" 1785643102"`, false},
		{"another kind of digits", `"１７８５６４３１０２"`, false},
		{"a large exponent", "1e99", false},
		{"more than a number holds", strings.Repeat("9", 300), false},
		{"true", "true", false},
		{"a list", "[1785643102]", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			body := "{}"
			if test.expiresAt != "" {
				body = `{"expiresAt":` + test.expiresAt + `}`
			}
			got := a.do(a.full, "POST", "/api-clients/"+c.ID+"/secrets", body)
			if test.ok {
				got.is(201)
				return
			}
			f := got.fault(400, "INVALID_INPUT_ARGUMENT", "expiresAt")
			require.Contains(t, f.Message, "30 to 365 days")
		})
	}
}

func TestTimesAreStringsUnlessTheConfigSaysNumbers(t *testing.T) {
	type numeric struct {
		ID        string `json:"id"`
		Value     string `json:"value"`
		CreatedAt int64  `json:"createdAt"`
		ExpiresAt int64  `json:"expiresAt"`
	}
	a := newAPI(t, options{})
	c := a.add(`{"name":"one"}`)
	var written struct{ ExpiresAt, CreatedAt string }
	for _, quote := range []string{"", `"`} { // whatever was sent
		a.do(a.full, "POST", "/api-clients/"+c.ID+"/secrets", `{"expiresAt":`+quote+epoch(a.in(60))+quote+`}`).json(201, &written)
		require.Equal(t, epoch(a.in(60)), written.ExpiresAt)
		require.Equal(t, epoch(a.clock.Now()), written.CreatedAt)
	}
	require.Contains(t, string(a.do(a.view, "GET", "/api-clients/"+c.ID+"/secrets", "").body), `"expiresAt":"`)

	var s numeric
	a = newAPI(t, options{admin: func(cfg *admin.Config) { cfg.NumericTimes = true }})
	c2 := a.do(a.full, "POST", "/api-clients", `{"name":"one"}`)
	require.Contains(t, string(c2.body), `"createdAt":1772366400`)
	var id struct{ ID string }
	c2.json(201, &id)
	a.do(a.full, "POST", "/api-clients/"+id.ID+"/secrets", `{"expiresAt":"`+epoch(a.in(60))+`"}`).json(201, &s)
	var all []numeric
	a.do(a.view, "GET", "/api-clients/"+id.ID+"/secrets", "").json(200, &all)
	require.Equal(t, s.ExpiresAt, all[0].ExpiresAt)
}

func TestASecretThatTheCallerMade(t *testing.T) {
	a := newAPI(t, options{})
	c := a.add(`{"name":"one"` + granted + `}`)
	path := "/api-clients/" + c.ID + "/secrets"
	body := func(sha, rest string) string {
		return fmt.Sprintf(`{"sha256":%q,"expiresAt":"%s"%s}`, sha, epoch(a.in(60)), rest)
	}
	for i, encode := range []func([]byte) string{
		hex.EncodeToString,
		func(b []byte) string { return strings.ToUpper(hex.EncodeToString(b)) },
		base64.RawURLEncoding.EncodeToString,
		base64.URLEncoding.EncodeToString,
	} {
		value := fmt.Sprintf("made-elsewhere-%d-0123456789abcdef0123456789abcdef", i)
		sum := sha256.Sum256([]byte(value))
		got := a.do(a.full, "POST", path, body(encode(sum[:]), `,"highEntropy":true`))
		var s map[string]string
		got.json(201, &s)
		require.NotContains(t, s, "value")
		require.NotContains(t, string(got.body), hex.EncodeToString(sum[:8]))
		require.True(t, a.works(c.ID, value))
		a.do(a.full, "POST", path, body(encode(sum[:]), `,"highEntropy":true`)).fault(400, "INVALID_INPUT_ARGUMENT", "sha256")
	}
	sum := sha256.Sum256([]byte("x"))
	empty := sha256.Sum256(nil)
	a.do(a.full, "POST", path, body(hex.EncodeToString(sum[:]), "")).fault(400, "INVALID_INPUT_ARGUMENT", "highEntropy")
	a.do(a.full, "POST", path, body(hex.EncodeToString(empty[:]), `,"highEntropy":true`)).fault(400, "INVALID_INPUT_ARGUMENT", "sha256")
	for _, sha := range []string{"", "abc", hex.EncodeToString(sum[:31]), hex.EncodeToString(sum[:]) + "00", strings.Repeat("!", 43), base64.RawURLEncoding.EncodeToString(sum[:]) + "=="} {
		a.do(a.full, "POST", path, body(sha, `,"highEntropy":true`)).fault(400, "INVALID_INPUT_ARGUMENT", "sha256")
	}
	a.do(a.full, "POST", path, `{"sha256":7,"highEntropy":"yes","expiresAt":"`+epoch(a.in(60))+`"}`).fault(400, "INVALID_INPUT_ARGUMENT", "sha256", "highEntropy")
}

func TestRotate(t *testing.T) {
	a := newAPI(t, options{})
	c := a.add(`{"name":"one"` + granted + `}`)
	old := a.addSecret(c.ID, 60)
	rotate := func(oldEndsAt string) (s apiSecret) {
		t.Helper()
		a.do(a.full, "POST", "/api-clients/"+c.ID+"/secrets/rotate",
			fmt.Sprintf(`{"expiresAt":"%s","oldEndsAt":%s}`, epoch(a.in(90)), oldEndsAt)).json(201, &s)
		return s
	}
	next := rotate(`"` + epoch(a.in(1)) + `"`)
	require.True(t, a.works(c.ID, old.Value))
	require.True(t, a.works(c.ID, next.Value))
	a.clock.Advance(25 * time.Hour)
	require.False(t, a.works(c.ID, old.Value))
	require.True(t, a.works(c.ID, next.Value))
	_, a.full = a.caller("with a fresh token", superAdmin)
	last := rotate("0")
	require.False(t, a.works(c.ID, next.Value))
	require.True(t, a.works(c.ID, last.Value))
	_, a.view = a.caller("who may look", viewOnly)
	require.Equal(t, []string{last.ID}, a.secrets(c.ID))

	a.do(a.full, "POST", "/api-clients/"+c.ID+"/secrets/rotate", `{"expiresAt":"`+epoch(a.in(90))+`"}`).fault(400, "INVALID_INPUT_ARGUMENT", "oldEndsAt")
	a.do(a.full, "POST", "/api-clients/"+c.ID+"/secrets/rotate", `{"expiresAt":"1","oldEndsAt":"x"}`).fault(400, "INVALID_INPUT_ARGUMENT", "oldEndsAt")
	a.do(a.full, "POST", "/api-clients/"+c.ID+"/secrets/rotate", `{"expiresAt":"1","oldEndsAt":"0"}`).fault(400, "INVALID_INPUT_ARGUMENT", "expiresAt")
	a.do(a.full, "POST", "/api-clients/nobody/secrets/rotate", `{"expiresAt":"`+epoch(a.in(90))+`","oldEndsAt":0}`).fault(404, "RESOURCE_NOT_FOUND")
}

func TestAClientRotatesItsOwnSecretAndNothingElse(t *testing.T) {
	a := newAPI(t, options{})
	id, token := a.caller("rotates", rotateOwn)
	otherID, _ := a.caller("rotates too", rotateOwn)
	body := `{"expiresAt":"` + epoch(a.in(90)) + `","oldEndsAt":"` + epoch(a.in(1)) + `"}`
	var s apiSecret
	a.do(token, "POST", "/api-clients/"+id+"/secrets/rotate", body).json(201, &s)
	require.True(t, a.works(id, s.Value))
	events, err := a.registry.Audit().List(t.Context(), audit.Filter{ActorID: id})
	require.NoError(t, err)
	require.Equal(t, "client.secret.rotate", events.Events[0].Action)

	before := a.everything()
	for _, op := range []string{
		"POST /api-clients/" + otherID + "/secrets/rotate", "POST /api-clients/nobody/secrets/rotate", "POST /api-clients/" + id + "/secrets",
		"DELETE /api-clients/" + id + "/secrets/" + s.ID, "GET /api-clients/" + id, "GET /api-clients/" + id + "/secrets", "POST /api-clients/" + id + "/disable",
		"PUT /api-clients/" + id, "DELETE /api-clients/" + id, "POST /api-clients/" + id + "/revoke-tokens", "GET /api-clients", "GET /denials", "GET /tokens", "GET /audit-events", "GET /resource-servers",
	} {
		method, path, _ := strings.Cut(op, " ")
		a.do(token, method, path, body).fault(403, "FORBIDDEN")
	}
	require.Equal(t, before, a.everything())
	a.do(a.full, "POST", "/api-clients/"+id+"/disable", "").is(200)
	a.do(token, "POST", "/api-clients/"+id+"/secrets/rotate", body).fault(401, "UNAUTHORIZED")
}

func TestOnlyClientsWithSecretsGetThem(t *testing.T) {
	a := newAPI(t, options{})
	c := a.add(`{"name":"one","clientAuthentication":{"authType":"JWKS","clientJWKsUrl":"https://example.com/jwks"}}`)
	path := "/api-clients/" + c.ID + "/secrets"
	expires := `{"expiresAt":"` + epoch(a.in(60)) + `","oldEndsAt":0}`
	a.do(a.full, "POST", path, expires).fault(409, "WRONG_AUTHENTICATION_TYPE", "clientAuthentication.authType")
	a.do(a.full, "POST", path+"/rotate", expires).fault(409, "WRONG_AUTHENTICATION_TYPE", "clientAuthentication.authType")
	a.do(a.full, "DELETE", path+"/x", "").fault(404, "RESOURCE_NOT_FOUND")
	require.JSONEq(t, "[]", string(a.do(a.view, "GET", path, "").is(200).body))
}

func TestDeletingASecretIfItIsUnused(t *testing.T) {
	for _, test := range []struct {
		name, query string
		since       time.Duration // its last use; negative: it was never used
		status      int
	}{
		{"never used", "?ifUnused=true", -1, 204},
		{"used now", "?ifUnused=true", 0, 409},
		{"used, and tried", "?ifUnused=true&dryRun=true", 0, 409},
		{"used 24 hours ago", "?ifUnused=true", 24 * time.Hour, 409},
		{"used 24 hours ago, and the hour that counts as one use", "?ifUnused=true", 25 * time.Hour, 204},
		{"used now, whatever", "", 0, 204},
		{"used now, and it says so", "?ifUnused=false", 0, 204},
		{"not said clearly", "?ifUnused=yes", -1, 400},
		{"said twice", "?ifUnused=true&ifUnused=true", -1, 400},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := newAPI(t, options{})
			c := a.add(`{"name":"one"` + granted + `}`)
			secret := a.addSecret(c.ID, 60)
			if test.since >= 0 {
				used := client.UsedRecord(c.ID, secret.ID, a.clock.Now().Add(-test.since), 48*time.Hour)
				_, err := a.registry.Store().Apply(t.Context(), store.Append(used))
				require.NoError(t, err)
			}
			got := a.do(a.full, "DELETE", "/api-clients/"+c.ID+"/secrets/"+secret.ID+test.query, "")
			switch test.status {
			case 409:
				got.fault(409, "SECRET_IN_USE", "ifUnused")
			case 400:
				got.fault(400, "INVALID_INPUT_ARGUMENT", "ifUnused")
			default:
				got.is(test.status)
			}
			require.Equal(t, test.status == 204, len(a.secrets(c.ID)) == 0)
		})
	}
}
