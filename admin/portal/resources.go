package portal

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/resource"
	"github.com/clientele-go/clientele/store"
)

type resourcesView struct {
	page
	Servers []serverRow
}

type serverRow struct {
	*resource.Server
	Title  string
	Scopes int
}

func (h *Handler) listResources(w http.ResponseWriter, r *http.Request, v *visitor) {
	servers, err := h.registry.Resources().List(r.Context())
	if err != nil {
		h.fail(w, r, err)
		return
	}
	view := &resourcesView{page: h.page(v, "API Resources", "resources")}
	for _, s := range servers {
		one := serverRow{Server: s, Title: titleOf(s.DisplayName, s.Name)}
		for _, service := range s.Services {
			one.Scopes += len(service.Scopes)
		}
		view.Servers = append(view.Servers, one)
	}
	h.show(w, r, http.StatusOK, "resources.html", view)
}

type resourceView struct {
	page
	Server   serverRow
	Services []serviceRow
}

type serviceRow struct {
	resource.Service
	Title string
	Rows  []scopeRow
}

type scopeRow struct {
	resource.Scope
	Link  string // the clients that have it
	Known bool   // whether Count is
	Count int
}

func (h *Handler) showResource(w http.ResponseWriter, r *http.Request, v *visitor) {
	s, err := h.registry.Resources().Get(r.Context(), r.PathValue("id"))
	switch {
	case errors.Is(err, store.ErrNotFound):
		h.notFound(w, r)
		return
	case err != nil:
		h.fail(w, r, err)
		return
	}
	view := &resourceView{page: h.page(v, titleOf(s.DisplayName, s.Name), "resources"), Server: serverRow{Server: s, Title: titleOf(s.DisplayName, s.Name)}}
	until := time.Now().Add(countTime)
	for _, service := range s.Services {
		one := serviceRow{Service: service, Title: titleOf(service.DisplayName, service.Name)}
		for _, scope := range service.Scopes {
			row := scopeRow{Scope: scope}
			if v.may(seeClients) {
				row.Link = listQuery{Server: s.ID, Scope: scope.ID}.address(h.base)
				row.Count, row.Known = h.counts.of(r.Context(), h.registry, s.ID, scope.ID, until)
			}
			one.Rows = append(one.Rows, row)
		}
		view.Services = append(view.Services, one)
		view.Server.Scopes += len(service.Scopes)
	}
	h.show(w, r, http.StatusOK, "resource.html", view)
}

const (
	countTime = 25 * time.Millisecond // what a page may spend on counting
	countLife = time.Minute           // how old a number may be
	maxCounts = 20_000
)

// counts are how many clients have a scope, for a while: counting many takes its
// time, and a page with many scopes shows those that it got to, and the others
// when it is loaded again.
type counts struct {
	now func() time.Time

	mu    sync.Mutex
	known map[[2]string]counted
}

type counted struct {
	n  int
	at time.Time
}

func newCounts(now func() time.Time) *counts {
	return &counts{now: now, known: map[[2]string]counted{}}
}

// of returns how many clients have a scope, and whether that is known: it does not
// begin to count after until, by the machine's clock.
func (c *counts) of(ctx context.Context, registry *client.Registry, serverID, scopeID string, until time.Time) (int, bool) {
	at := [2]string{serverID, scopeID}
	c.mu.Lock()
	found, ok := c.known[at]
	c.mu.Unlock()
	if ok && c.now().Sub(found.at) < countLife {
		return found.n, true
	}
	if time.Now().After(until) {
		return found.n, ok // an older number, if there is one
	}
	page, err := registry.List(ctx, client.Query{ServerID: serverID, ScopeID: scopeID, Limit: 1, Count: true})
	if err != nil {
		return 0, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.known) >= maxCounts {
		clear(c.known)
	}
	c.known[at] = counted{page.Total, c.now()}
	return page.Total, true
}
