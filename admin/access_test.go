package admin_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/admin"
	"github.com/clientele-go/clientele/audit"
)

// What each operation takes, written down a second time.
const (
	seesClients   = "View on API Clients"
	seesResources = "View on API Resources"
	seesBoth      = "View on both"
	configures    = "Full on both"
	rotatesOwn    = "Full on both, or one's own"
)

var operations = map[string]string{
	"GET /api-clients":                          seesClients,
	"POST /api-clients":                         configures,
	"GET /api-clients/{id}":                     seesClients,
	"PUT /api-clients/{id}":                     configures,
	"DELETE /api-clients/{id}":                  configures,
	"POST /api-clients/{id}/enable":             configures,
	"POST /api-clients/{id}/disable":            configures,
	"GET /api-clients/{id}/secrets":             seesClients,
	"POST /api-clients/{id}/secrets":            configures,
	"POST /api-clients/{id}/secrets/rotate":     rotatesOwn,
	"DELETE /api-clients/{id}/secrets/{secret}": configures,
	"GET /resource-servers":                     seesResources,
	"GET /resource-servers/{id}":                seesResources,
	"GET /audit-events":                         seesBoth,
	"GET /denials":                              seesClients,
	"GET /tokens":                               seesClients,
	"GET /tokens/{id}":                          seesClients,
	"POST /tokens/{id}/revoke":                  configures,
	"POST /api-clients/{id}/revoke-tokens":      configures,
}

func TestTheTableOfTheTestsIsThatOfTheHandler(t *testing.T) {
	var want []string
	for op := range operations {
		want = append(want, strings.ReplaceAll(op, "{secret}", "{secretId}"))
	}
	require.ElementsMatch(t, admin.Operations(), want)
}

// may reports what the table says of somebody with these levels.
func may(need string, clients, resources admin.Level, own bool) bool {
	switch need {
	case seesClients:
		return clients >= admin.View
	case seesResources:
		return resources >= admin.View
	case seesBoth:
		return clients >= admin.View && resources >= admin.View
	case configures:
		return clients == admin.Full && resources == admin.Full
	default:
		return own || clients == admin.Full && resources == admin.Full
	}
}

// try sends the operation with a request that is good if the caller may do it: as a
// dry run, so that the next one finds the same.
func (a *api) try(token, op, id, secretID string, headers ...string) reply {
	a.t.Helper()
	method, path, _ := strings.Cut(op, " ")
	if strings.HasPrefix(path, "/resource-servers") {
		path = strings.ReplaceAll(path, "{id}", serverID)
	}
	if strings.HasPrefix(path, "/tokens/") {
		path = strings.ReplaceAll(path, "{id}", a.issued(a.fullID).ID)
	}
	path = strings.NewReplacer("{id}", id, "{secret}", secretID).Replace(path)
	body := ""
	if method == "POST" || method == "PUT" {
		body = fmt.Sprintf(`{"name":"tried","clientAuthentication":{"authType":"SECRET"},"expiresAt":%q,"oldEndsAt":0}`, epoch(a.in(60)))
	}
	return a.do(token, method, path+"?dryRun=true", body, headers...)
}

func TestEachOperationIsForThoseWithThePermission(t *testing.T) {
	var access admin.Access
	a := newAPI(t, options{admin: func(cfg *admin.Config) {
		cfg.Authorize = func(*http.Request) (admin.Access, error) { return access, nil }
	}})
	access = admin.Access{Actor: audit.Actor{Kind: audit.Person, ID: "u1"}, Clients: admin.Full, Resources: admin.Full}
	victim := a.add(`{"name":"victim"}`)
	secret := a.addSecret(victim.ID, 60)
	before := a.everything()
	levels := []admin.Level{admin.None, admin.View, admin.Full}
	for op, need := range operations {
		for _, access.Clients = range levels {
			for _, access.Resources = range levels {
				for _, own := range []string{"", victim.ID, "another"} {
					access.RotateOwn = own
					got := a.try("", op, victim.ID, secret.ID)
					who := fmt.Sprintf("%s with %v and %v, own %q", op, access.Clients, access.Resources, own)
					if may(need, access.Clients, access.Resources, own == victim.ID) {
						require.Equal(t, 200, got.StatusCode, "%s: %s", who, got.body)
					} else {
						require.Equal(t, 403, got.StatusCode, "%s: %s", who, got.body)
						got.fault(403, "FORBIDDEN")
					}
				}
			}
		}
	}
	require.Equal(t, before, a.everything())
}

func TestEachOperationIsForTheTokensOfThoseWithTheRole(t *testing.T) {
	a := newAPI(t, options{})
	victim := a.add(`{"name":"victim"}`)
	secret := a.addSecret(victim.ID, 60)
	ownID, own := a.caller("rotates its own", rotateOwn)
	_, nobody := a.caller("does something else", editor)
	_, elsewhere := a.caller("Super Admin of another service", reader)
	before := a.everything()
	for op, need := range operations {
		a.try(a.full, op, victim.ID, secret.ID).is(200)
		a.try("", op, victim.ID, secret.ID).fault(401, "UNAUTHORIZED")
		a.try(nobody, op, victim.ID, secret.ID).fault(403, "FORBIDDEN")
		a.try(elsewhere, op, victim.ID, secret.ID).fault(403, "FORBIDDEN")
		a.try(own, op, victim.ID, secret.ID).fault(403, "FORBIDDEN")
		a.try(own, op, "doesnotexist", secret.ID).fault(403, "FORBIDDEN")
		if may(need, admin.View, admin.View, false) {
			a.try(a.view, op, victim.ID, secret.ID).is(200)
		} else {
			a.try(a.view, op, victim.ID, secret.ID).fault(403, "FORBIDDEN")
		}
		if need == rotatesOwn {
			a.try(own, op, ownID, secret.ID).is(200)
		}
	}
	require.Equal(t, before, a.everything())
}

func TestViewOnlyChangesNothingByAnyPath(t *testing.T) {
	a := newAPI(t, options{})
	victim := a.add(`{"name":"victim"}`)
	secret := a.addSecret(victim.ID, 60)
	before := a.everything()
	var paths []string
	for op := range operations {
		_, path, _ := strings.Cut(op, " ")
		path = strings.NewReplacer("{id}", victim.ID, "{secret}", secret.ID).Replace(path)
		for _, b := range []string{"/admin/api/v1", "/ziam/admin/api/v1"} {
			paths = append(paths, b+path, b+path+"/", b+"/"+path, b+"/."+path, b+path+"//", b+path+"%2F", b+path+";x=1",
				b+strings.ToUpper(path), strings.ToUpper(b)+path, b+strings.Replace(path, "-", "%2D", 1), b+path+"?_method=DELETE",
				b+path+"?dryRun=false", b+path+"/.."+path, b+"/x/.."+path, b+path+"%00", b+strings.Replace(path, "a", "%61", 1))
		}
	}
	body := fmt.Sprintf(`{"name":"taken over","clientAuthentication":{"authType":"SECRET"},"expiresAt":%q,"oldEndsAt":0}`, epoch(a.in(60)))
	for _, path := range paths {
		for _, method := range []string{"POST", "PUT", "PATCH", "DELETE", "OPTIONS", "GET", "HEAD", "post", "LINK"} {
			got := a.do(a.view, method, path, body,
				"X-HTTP-Method-Override", "DELETE", "X-HTTP-Method", "PUT", "X-Method-Override", "POST", "X-Original-URL", base+"/api-clients/"+victim.ID)
			require.Contains(t, []int{200, 307, 400, 403, 404, 405}, got.StatusCode, "%s %s: %s", method, path, got.body)
			if method != "GET" && method != "HEAD" {
				require.NotEqual(t, 200, got.StatusCode, "%s %s", method, path)
			}
		}
	}
	require.Equal(t, before, a.everything())
}

func TestFaultsAreFoundInOrder(t *testing.T) {
	a := newAPI(t, options{})
	c := a.add(`{"name":"one"}`)
	huge := `{"name":"` + strings.Repeat("x", 2<<20) + `"}`
	for _, test := range []struct {
		name, token, method, path, body string
		status                          int
	}{
		{"an unknown path before a missing token", "", "GET", "/users", "", 404},
		{"a trailing slash is an unknown path", a.full, "GET", "/api-clients/", "", 404},
		{"another case is an unknown path", a.full, "GET", "/API-Clients", "", 404},
		{"an escaped letter is an unknown path", a.full, "GET", "/%61pi-clients", "", 404},
		{"an escaped slash is an unknown path", a.full, "GET", "/api-clients%2F" + c.ID, "", 404},
		{"an escape in the place of an id is an unknown path, whoever asks", "", "GET", "/api-clients/x%2Fsecrets", "", 404},
		{"nothing in the place of an id is an unknown path, whoever asks", "", "GET", "/api-clients/", "", 404},
		{"a method that is not there before a missing token", "", "PATCH", "/api-clients", "", 405},
		{"a missing token before a body that is too large", "", "POST", "/api-clients", huge, 401},
		{"a missing permission before a body that is too large", a.view, "POST", "/api-clients", huge, 403},
		{"a missing permission before a wrong query", a.view, "POST", "/api-clients?dryRun=maybe", "{", 403},
		{"a missing permission before a client that is not there", a.view, "DELETE", "/api-clients/nobody", "", 403},
		{"a wrong body before a client that is not there", a.full, "PUT", "/api-clients/nobody", "{", 400},
		{"a body that is too large", a.full, "POST", "/api-clients", huge, 413},
		{"a client that is not there", a.full, "PUT", "/api-clients/nobody", `{"name":"x","clientAuthentication":{"authType":"SECRET"}}`, 404},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := a.do(test.token, test.method, test.path, test.body)
			require.Equal(t, test.status, got.StatusCode, "%s", got.body)
			require.NotEmpty(t, got.Header.Get("X-Request-Id"))
			require.Equal(t, "no-store", got.Header.Get("Cache-Control"))
			require.Equal(t, "application/json", got.Header.Get("Content-Type"))
		})
	}
}

func TestAMethodThatIsNotThereIsToldWhichAre(t *testing.T) {
	a := newAPI(t, options{})
	methods := map[string][]string{}
	for op := range operations {
		method, path, _ := strings.Cut(op, " ")
		path = strings.NewReplacer("{id}", "x", "{secret}", "y").Replace(path)
		methods[path] = append(methods[path], method)
	}
	methods["/openapi.json"] = []string{"GET"}
	for path, there := range methods {
		if slices.Contains(there, "GET") {
			there = append(there, "HEAD")
		}
		slices.Sort(there)
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "get", "FETCH"} {
			got := a.do("", method, path, "")
			if slices.Contains(there, method) {
				require.NotEqual(t, 405, got.StatusCode, "%s %s", method, path)
				continue
			}
			require.Equal(t, 405, got.StatusCode, "%s %s", method, path)
			require.Equal(t, strings.Join(there, ", "), got.Header.Get("Allow"), "%s %s", method, path)
		}
	}
	require.Len(t, methods, 16)
}

func TestBothBasePathsAreTheSame(t *testing.T) {
	a := newAPI(t, options{})
	c := a.add(`{"name":"one"}`)
	for _, path := range []string{"/api-clients", "/api-clients/" + c.ID, "/resource-servers"} {
		require.JSONEq(t,
			strings.ReplaceAll(string(a.do(a.view, "GET", "/ziam/admin/api/v1"+path, "").is(200).body), "/ziam", ""),
			string(a.do(a.view, "GET", "/admin/api/v1"+path, "").is(200).body))
	}
}

func TestOneIsTheSameAsAnotherForThoseWhoMayNotLook(t *testing.T) {
	a := newAPI(t, options{})
	_, nobody := a.caller("nobody", editor)
	c := a.add(`{"name":"one"}`)
	there := a.do(nobody, "GET", "/api-clients/"+c.ID, "")
	absent := a.do(nobody, "GET", "/api-clients/absent", "")
	require.Equal(t, string(there.body), string(absent.body))
	require.Equal(t, there.StatusCode, absent.StatusCode)
}
