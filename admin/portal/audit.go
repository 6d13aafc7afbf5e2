package portal

import (
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/clientele-go/clientele/audit"
	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/resource"
	"github.com/clientele-go/clientele/store"
)

// auditPage is how many events a page has: they bring their details with them.
const auditPage = 25

type auditView struct {
	page
	Text, Action, Subject, From, To string
	Actions                         []option
	Events                          []eventRow
	Older, Newest                   string // addresses; empty: there is none
	Filters                         bool
	Wrong                           problems
}

type eventRow struct {
	audit.Event
	What    string // the action in words
	Who     string
	Link    string // to the subject, if it has a page
	Changes []modification
	More    int // changes that are not shown
}

// actions are what is done, in words.
var actions = []option{
	{Value: "client.add", Text: "API client added"},
	{Value: "client.import", Text: "API client added with ID or secret"},
	{Value: "client.edit", Text: "API client changed"},
	{Value: "client.delete", Text: "API client deleted"},
	{Value: "client.secret.add", Text: "Secret added"},
	{Value: "client.secret.rotate", Text: "Secret rotated"},
	{Value: "client.secret.delete", Text: "Secret deleted"},
	{Value: "token.revoke", Text: "Token revoked"},
	{Value: "client.revoke_tokens", Text: "Tokens of an API client revoked"},
	{Value: "resource_server.add", Text: "Resource server added"},
	{Value: "resource_server.edit", Text: "Resource server changed"},
	{Value: "resource_server.delete", Text: "Resource server deleted"},
	{Value: "resource_server.default", Text: "Default resource server changed"},
	{Value: "resource_server.sync", Text: "Scopes of a service synced"},
}

func actionInWords(action string) string {
	for _, one := range actions {
		if one.Value == action {
			return one.Text
		}
	}
	return action
}

func (h *Handler) listAudit(w http.ResponseWriter, r *http.Request, v *visitor) {
	q := r.URL.Query()
	view := &auditView{
		page: h.page(v, "Audit log", "audit"), Text: q.Get("q"), Action: q.Get("action"), Subject: q.Get("subject"),
		From: q.Get("from"), To: q.Get("to"),
	}
	filter := audit.Filter{Text: view.Text, Action: view.Action, SubjectID: view.Subject, After: store.Cursor(q.Get("after")), Limit: auditPage}
	filter.From = readDay(&view.Wrong, "from", view.From, 0)
	filter.To = readDay(&view.Wrong, "to", view.To, 1)
	view.Filters = view.Text != "" || view.Action != "" || view.Subject != "" || view.From != "" || view.To != ""
	for _, one := range actions {
		one.Chosen = one.Value == view.Action
		view.Actions = append(view.Actions, one)
	}
	if len(view.Wrong) > 0 {
		h.show(w, r, http.StatusUnprocessableEntity, "audit.html", view)
		return
	}
	var found audit.Page
	var err error
	if searchable(filter.Text) {
		found, err = h.registry.Audit().List(r.Context(), filter)
	}
	if err != nil {
		h.failRead(w, r, err)
		return
	}
	for _, e := range found.Events {
		view.Events = append(view.Events, h.eventRow(e))
	}
	if view.Newest = ""; q.Has("after") {
		view.Newest = pageAddress(h.base+"audit", q, "")
	}
	if found.Next != "" {
		view.Older = pageAddress(h.base+"audit", q, string(found.Next))
	}
	h.show(w, r, http.StatusOK, "audit.html", view)
}

func (h *Handler) eventRow(e audit.Event) eventRow {
	one := eventRow{Event: e, What: actionInWords(e.Action), Who: nameOf(e.Actor)}
	switch store.Kind(e.Subject.Kind) {
	case client.Kind:
		if e.Action != "client.delete" {
			one.Link = h.base + "clients/" + url.PathEscape(e.Subject.ID)
		}
	case "token":
		if h.issuer != nil {
			one.Link = h.base + "tokens/" + url.PathEscape(e.Subject.ID)
		}
	case resource.Kind:
		if e.Action != "resource_server.delete" {
			one.Link = h.base + "resources/" + url.PathEscape(e.Subject.ID)
		}
	}
	if one.Changes = changesOf(e.Before, e.After); len(one.Changes) > maxChanges {
		one.More = len(one.Changes) - maxChanges
		one.Changes = one.Changes[:maxChanges]
	}
	return one
}

// pageAddress returns the address of another page of the list that q selects.
func pageAddress(path string, q url.Values, after string) string {
	next := url.Values{}
	for name, vals := range q {
		if len(vals) > 0 && vals[0] != "" && name != "after" {
			next.Set(name, vals[0])
		}
	}
	if after != "" {
		next.Set("after", after)
	}
	if len(next) == 0 {
		return path
	}
	return path + "?" + next.Encode()
}

// readDay returns the beginning of a day that was typed, in UTC, so many days
// later; the zero time if none was.
func readDay(p *problems, field, typed string, later int) time.Time {
	if typed == "" {
		return time.Time{}
	}
	t, err := time.Parse(time.DateOnly, typed)
	if err != nil || t.Year() < 1970 || t.Year() > 9000 {
		p.add(field, "Type the day as year-month-day, such as 2027-01-31.")
		return time.Time{}
	}
	return t.AddDate(0, 0, later)
}

// failRead answers an error of reading a list: it may be the address that is wrong.
func (h *Handler) failRead(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, store.ErrInvalid) {
		h.tell(w, r, http.StatusBadRequest, "That is no page of this list", "Begin again with the first page.")
		return
	}
	h.fail(w, r, err)
}
