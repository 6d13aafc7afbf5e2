package portal

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/credentials"
	"github.com/clientele-go/clientele/store"
)

const (
	pageSize = 50
	soon     = 30 * 24 * time.Hour // what ends within it is marked
)

// clientsView is the list of API clients.
type clientsView struct {
	page
	Query   listQuery
	Scope   string // in words, the scope that the list is narrowed to
	Rows    []row
	Total   int
	First   int // the number of the first row, from 1
	Last    int
	Filters bool // whether anything narrows the list
	Pages   pager
	Heads   map[string]head // of the columns that the list can be sorted by
	Methods []option
}

// A head is that of a column that the list can be sorted by.
type head struct {
	Link string // where it leads
	Sort string // as aria-sort says it; empty: it is not by this column
}

// A row is a client in the list.
type row struct {
	ID, Name, Method string
	Disabled         bool
	Grants           int
	Created          time.Time
	Ends             *ending   // when its last credential ends; nil: never
	Sooner           *ending   // a credential that ends soon, before the last one
	Used             time.Time // when it was used last; zero: no use is known
	None             bool      // there is no credential to authenticate with
}

// An ending is when a credential of a client ends, and how that looks today.
type ending struct {
	What string // "secret" or "certificate"
	At   time.Time
	Past bool // it has ended
	Soon bool // it ends soon
}

// A pager is where the other pages of a list are; empty where there is none.
type pager struct{ Prev, Next string }

type option struct {
	Value, Text string
	Chosen      bool
}

// A listQuery is what the address of the list says.
type listQuery struct {
	Search, Status, Method, Server, Scope, Order string
	Page                                         int
}

func readListQuery(r *http.Request) listQuery {
	v := r.URL.Query()
	q := listQuery{
		Search: v.Get("q"), Status: v.Get("status"), Method: v.Get("method"),
		Server: v.Get("server"), Scope: v.Get("scope"), Order: v.Get("order"),
	}
	q.Page, _ = strconv.Atoi(v.Get("page"))
	q.Page = min(max(q.Page, 1), 1_000_000)
	return q
}

// address returns the address of the list that q selects.
func (q listQuery) address(base string) string {
	v := url.Values{}
	for name, value := range map[string]string{
		"q": q.Search, "status": q.Status, "method": q.Method, "server": q.Server, "scope": q.Scope, "order": q.Order,
	} {
		if value != "" {
			v.Set(name, value)
		}
	}
	if q.Page > 1 {
		v.Set("page", strconv.Itoa(q.Page))
	}
	if len(v) == 0 {
		return base + "clients"
	}
	return base + "clients?" + v.Encode()
}

// orders are what the list can be sorted by, as its address says it. What it does
// not say, or says wrongly, is the name.
var orders = map[string]client.Order{"name": client.OrderName, "created": client.OrderCreated, "expiry": client.OrderExpiry}

// heads returns the heads of the columns that q can be sorted by: each leads to the
// first page by that column or, if it is by that one, to the other way round.
func (q listQuery) heads(base string) map[string]head {
	selected := q.selects()
	heads := make(map[string]head, len(orders))
	for name, order := range orders {
		var one head
		other := q
		other.Page, other.Order = 1, name
		if order == selected.Order {
			one.Sort = "descending"
			if !selected.Descending {
				one.Sort, other.Order = "ascending", "-"+name
			}
		}
		if other.Order == "name" {
			other.Order = ""
		}
		one.Link = other.address(base)
		heads[name] = one
	}
	return heads
}

// selects returns what the Registry is asked for.
func (q listQuery) selects() client.Query {
	query := client.Query{
		Search: q.Search, Method: credentials.Method(q.Method), ServerID: q.Server, ScopeID: q.Scope,
		Offset: (q.Page - 1) * pageSize, Limit: pageSize, Count: true,
	}
	name, descending := strings.CutPrefix(q.Order, "-")
	query.Order, query.Descending = orders[name], descending
	switch q.Status {
	case "enabled":
		query.Status = client.OnlyEnabled
	case "disabled":
		query.Status = client.OnlyDisabled
	}
	if q.Server == "" {
		query.ScopeID = ""
	}
	return query
}

func (h *Handler) listClients(w http.ResponseWriter, r *http.Request, v *visitor) {
	q := readListQuery(r)
	var found client.Page
	var err error
	if searchable(q.Search) {
		found, err = h.registry.List(r.Context(), q.selects())
	}
	if err != nil {
		h.failRead(w, r, err)
		return
	}
	view := clientsView{
		page: h.page(v, "API Clients", "clients"), Query: q, Total: found.Total,
		Filters: q.Search != "" || q.Status != "" || q.Method != "" || q.Server != "",
		Methods: methodOptions(q.Method),
	}
	view.done(r)
	ids := make([]string, len(found.Clients))
	for i, c := range found.Clients {
		ids[i] = c.ID
	}
	used, err := h.registry.LastUse(r.Context(), ids...)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	for _, c := range found.Clients {
		one := h.row(c)
		one.Used = used[c.ID]
		view.Rows = append(view.Rows, one)
	}
	view.First = (q.Page-1)*pageSize + 1
	view.Last = view.First + len(view.Rows) - 1
	if q.Page > 1 {
		prev := q
		prev.Page = min(q.Page-1, max(1, (found.Total+pageSize-1)/pageSize))
		view.Pages.Prev = prev.address(h.base)
	}
	if view.Last < found.Total && len(view.Rows) > 0 {
		next := q
		next.Page++
		view.Pages.Next = next.address(h.base)
	}
	view.Heads = q.heads(h.base)
	if q.Server != "" {
		view.Scope = h.scopeInWords(r, q.Server, q.Scope)
	}
	h.show(w, r, http.StatusOK, "clients.html", &view)
}

// searchable reports whether anything can be found by text: what is longer than the
// texts that are searched is in none.
func searchable(text string) bool { return len(store.Fold(text)) <= store.MaxText }

// scopeInWords returns how people call a scope, or a resource server.
func (h *Handler) scopeInWords(r *http.Request, serverID, scopeID string) string {
	server, err := h.registry.Resources().Get(r.Context(), serverID)
	if err != nil {
		return "a resource server that is gone"
	}
	if scopeID == "" {
		return titleOf(server.DisplayName, server.Name)
	}
	service, scope, ok := server.Scope(scopeID)
	if !ok {
		return "a scope that is gone"
	}
	return titleOf(service.DisplayName, service.Name) + ": " + scope.Name
}

// titleOf returns the display name, or else the name.
func titleOf(display, name string) string {
	if display != "" {
		return display
	}
	return name
}

func (h *Handler) row(c *client.Client) row {
	one := row{ID: c.ID, Name: c.Name, Method: methodName(c.Method), Disabled: c.Disabled, Grants: len(c.Grants)}
	one.Created = c.CreatedAt
	now := h.now()
	at, ends := c.EndsAt()
	if ends && !at.IsZero() {
		one.Ends = &ending{At: at, Past: !now.Before(at), Soon: at.Sub(now) <= soon}
	}
	if next := h.nextEnd(c); next != nil && !next.Past && next.Soon && (!ends || next.At.Before(at)) {
		one.Sooner = next
	}
	one.None = c.Method == credentials.MethodSecret && !slices.ContainsFunc(c.Secrets, func(s client.Secret) bool { return s.Valid(h.now()) })
	return one
}

// nextEnd returns the credential of c that ends next or, if all have ended, that
// ended last; nil if none has an end.
func (h *Handler) nextEnd(c *client.Client) *ending {
	var next *ending
	now := h.now()
	consider := func(what string, at time.Time) {
		one := &ending{What: what, At: at, Past: !now.Before(at), Soon: at.Sub(now) <= soon}
		switch {
		case next == nil, next.Past && !one.Past:
			next = one
		case next.Past == one.Past && one.Past == at.After(next.At) && !at.Equal(next.At):
			next = one
		}
	}
	for _, s := range c.Secrets {
		consider("secret", s.ExpiresAt)
	}
	for _, k := range c.Keys {
		if k.IsCertificate() {
			consider("certificate", k.NotAfter())
		}
	}
	return next
}

// methods are the ways to authenticate, in the order to show them.
var methods = []option{
	{Value: string(credentials.MethodSecret), Text: "Secret"},
	{Value: string(credentials.MethodPublicKeys), Text: "Certificates/Public Keys"},
	{Value: string(credentials.MethodJWKS), Text: "Client JWKS URL"},
}

func methodOptions(chosen string) []option {
	options := slices.Clone(methods)
	for i := range options {
		options[i].Chosen = options[i].Value == chosen
	}
	return options
}

func methodName(m credentials.Method) string {
	for _, one := range methods {
		if one.Value == string(m) {
			return one.Text
		}
	}
	return string(m)
}

// expiringView is the list of credentials that end soon.
type expiringView struct {
	page
	Rows  []expiringRow
	Days  int
	Pages pager
}

type expiringRow struct {
	ID, Name string
	Disabled bool
	What     string // the secret or certificate
	Ends     ending
}

// listExpiring lists the credentials that end within so many days, soonest first.
func (h *Handler) listExpiring(w http.ResponseWriter, r *http.Request, v *visitor) {
	days, err := strconv.Atoi(r.URL.Query().Get("days"))
	if err != nil || days < 1 || days > 3650 {
		days = 30
	}
	now := h.now()
	found, next, err := h.registry.Expiring(r.Context(), now, now.AddDate(0, 0, days), store.Cursor(r.URL.Query().Get("after")), pageSize)
	if err != nil {
		h.failRead(w, r, err)
		return
	}
	view := expiringView{page: h.page(v, "Expiring soon", "clients"), Days: days}
	for _, e := range found {
		one := expiringRow{ID: e.Client.ID, Name: e.Client.Name, Disabled: e.Client.Disabled}
		one.Ends = ending{What: "secret", At: e.EndsAt, Past: !now.Before(e.EndsAt), Soon: e.EndsAt.Sub(now) <= soon}
		if e.Secret != nil {
			one.What = "Secret " + e.Secret.ID
		} else {
			one.What = "Certificate, " + e.Key.Type()
			one.Ends.What = "certificate"
		}
		view.Rows = append(view.Rows, one)
	}
	if next != "" {
		view.Pages.Next = fmt.Sprintf("%sexpiring?%s", h.base, url.Values{"days": {strconv.Itoa(days)}, "after": {string(next)}}.Encode())
	}
	h.show(w, r, http.StatusOK, "expiring.html", &view)
}
