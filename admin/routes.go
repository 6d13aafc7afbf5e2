package admin

import (
	"context"
	"net/http"
	"slices"
	"strings"
)

// A route is a path, and what can be done there.
type route struct {
	path       string // "/api-clients/{id}/secrets"
	segments   []string
	operations []operation
}

// An operation is what a method does at a path.
type operation struct {
	method  string
	need    need // the least that it takes
	changes bool // takes dryRun
	body    bool // has one that is read
	serve   func(h *Handler, ctx context.Context, c *call) (answer, error)
}

// routes returns the table of all that the API can do, and of what it takes.
func routes(issuer bool) []route {
	seeClients := need{clients: View}
	seeResources := need{resources: View}
	seeBoth := need{clients: View, resources: View}
	configure := need{clients: Full, resources: Full}
	rotate := need{clients: Full, resources: Full, own: true}

	table := []route{
		{path: "/api-clients", operations: []operation{
			{method: http.MethodGet, need: seeClients, serve: (*Handler).listClients},
			{method: http.MethodPost, need: configure, changes: true, body: true, serve: (*Handler).addClient},
		}},
		{path: "/api-clients/{id}", operations: []operation{
			{method: http.MethodGet, need: seeClients, serve: (*Handler).getClient},
			{method: http.MethodPut, need: configure, changes: true, body: true, serve: (*Handler).replaceClient},
			{method: http.MethodDelete, need: configure, changes: true, serve: (*Handler).deleteClient},
		}},
		{path: "/api-clients/{id}/enable", operations: []operation{
			{method: http.MethodPost, need: configure, changes: true, serve: (*Handler).enableClient},
		}},
		{path: "/api-clients/{id}/disable", operations: []operation{
			{method: http.MethodPost, need: configure, changes: true, serve: (*Handler).disableClient},
		}},
		{path: "/api-clients/{id}/secrets", operations: []operation{
			{method: http.MethodGet, need: seeClients, serve: (*Handler).listSecrets},
			{method: http.MethodPost, need: configure, changes: true, body: true, serve: (*Handler).addSecret},
		}},
		{path: "/api-clients/{id}/secrets/rotate", operations: []operation{
			{method: http.MethodPost, need: rotate, changes: true, body: true, serve: (*Handler).rotateSecret},
		}},
		{path: "/api-clients/{id}/secrets/{secretId}", operations: []operation{
			{method: http.MethodDelete, need: configure, changes: true, serve: (*Handler).deleteSecret},
		}},
		{path: "/resource-servers", operations: []operation{
			{method: http.MethodGet, need: seeResources, serve: (*Handler).listServers},
		}},
		{path: "/resource-servers/{id}", operations: []operation{
			{method: http.MethodGet, need: seeResources, serve: (*Handler).getServer},
		}},
		{path: "/audit-events", operations: []operation{
			{method: http.MethodGet, need: seeBoth, serve: (*Handler).listEvents},
		}},
	}
	if issuer {
		table = append(table, []route{
			{path: "/api-clients/{id}/revoke-tokens", operations: []operation{
				{method: http.MethodPost, need: configure, changes: true, serve: (*Handler).revokeTokens},
			}},
			{path: "/tokens", operations: []operation{
				{method: http.MethodGet, need: seeClients, serve: (*Handler).listTokens},
			}},
			{path: "/tokens/{id}", operations: []operation{
				{method: http.MethodGet, need: seeClients, serve: (*Handler).getToken},
			}},
			{path: "/tokens/{id}/revoke", operations: []operation{
				{method: http.MethodPost, need: configure, changes: true, serve: (*Handler).revokeToken},
			}},
			{path: "/denials", operations: []operation{
				{method: http.MethodGet, need: seeClients, serve: (*Handler).listDenials},
			}},
		}...)
	}
	for i := range table {
		table[i].segments = strings.Split(table[i].path[1:], "/")
	}
	return table
}

// openAPIPath is where the description of the API is, below each base path. It is
// read without authentication: what it says is what this package's source says.
const openAPIPath = "openapi.json"

// find returns what the request is about, by its path as it was sent, letter by
// letter: what has an escape in it is no path of this API, and so nothing is found
// under two spellings. A nil operation is the description of the API.
func (h *Handler) find(c *call) (*base, *operation, error) {
	path := c.r.URL.EscapedPath()
	for i := range h.bases {
		b := &h.bases[i]
		rest, ok := strings.CutPrefix(path, b.path+"/")
		if !ok || strings.IndexByte(rest, '%') >= 0 {
			continue
		}
		c.base, c.path = b.path, "/"+rest
		if rest == openAPIPath {
			return b, nil, allowed(c.r.Method, http.MethodGet)
		}
		segments := strings.Split(rest, "/")
		for j := range h.routes {
			if h.routes[j].match(segments, c) {
				op, err := h.routes[j].operation(c.r.Method)
				return b, op, err
			}
		}
	}
	return nil, nil, refused(http.StatusNotFound, codeNotFound, "There is nothing at this path.")
}

// match reports whether segments are a path of the route, and takes the ids out of
// it. A literal segment goes before an id: the routes are in that order.
func (r *route) match(segments []string, c *call) bool {
	if len(segments) != len(r.segments) {
		return false
	}
	var id, secretID string
	for i, want := range r.segments {
		switch {
		case segments[i] == "":
			return false
		case want == "{id}":
			id = segments[i]
		case want == "{secretId}":
			secretID = segments[i]
		case segments[i] != want:
			return false
		}
	}
	c.id, c.secretID = id, secretID
	return true
}

// operation returns what the method does, or a fault that tells the ones there
// are.
func (r *route) operation(method string) (*operation, error) {
	if method == http.MethodHead {
		method = http.MethodGet
	}
	methods := make([]string, len(r.operations))
	for i := range r.operations {
		if r.operations[i].method == method {
			return &r.operations[i], nil
		}
		methods[i] = r.operations[i].method
	}
	return nil, allowed(method, methods...)
}

// allowed returns a fault unless the method is among methods.
func allowed(method string, methods ...string) error {
	if slices.Contains(methods, http.MethodGet) {
		methods = append(methods, http.MethodHead)
	}
	if slices.Contains(methods, method) {
		return nil
	}
	slices.Sort(methods)
	f := refused(http.StatusMethodNotAllowed, codeMethod, "The path has other methods than this.")
	f.allow = strings.Join(methods, ", ")
	return f
}
