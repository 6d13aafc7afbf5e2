package portal

import (
	"net/http"
	"strings"

	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/credentials"
	"github.com/clientele-go/clientele/resource"
)

// clientView is the page of a client: new, to be edited, or to be looked at.
type clientView struct {
	page
	Form     *form
	Problems problems
	Notices  []string
	Client   *client.Client // nil: it is new
	Action   string         // where the form goes

	Methods  []option
	Keys     []keyView
	MaxKeys  int
	JWKS     *jwksResult
	Shared   []client.SharedKey
	Servers  []serverChoice
	Gone     []goneChoice
	Granted  int
	Secrets  []secretRow
	Replaced string // id of the secret that one more would replace

	Revealed   *revealed
	ShownOnce  bool
	Unsaved    bool   // what the page shows is not what is saved
	Holds      string // for how many minutes the tokens that it holds stay valid; empty: not to be said
	Ending     string
	DeclaredBy string // by whose file the client is declared; empty: by none
	Last       bool
	Changed    []difference
	ChangedBy  string
	MaxLabels  int
	LabelSpace bool
}

// serverChoice is a resource server with what can be chosen of it.
type serverChoice struct {
	ID, Title, Audience, Description string
	Services                         []serviceChoice
}

type serviceChoice struct {
	Field, Title, Name, Cloud string
	Scopes                    []option
	Chosen                    string // the scope that is chosen, in words
	List                      bool   // too many for a group of buttons
	Gone                      string // the id of a scope that is chosen and gone
	GoneName                  string
	Wrong                     []string
}

// goneChoice is a grant of a service that is gone with its scope.
type goneChoice struct{ Field, Scope, Title string }

// manyScopes is how many scopes of a service are shown one below the other; more
// are a list to choose from.
const manyScopes = 12

// show answers with the page of the client as it stands on the desk.
func (d *desk) show(w http.ResponseWriter) {
	h, r := d.h, d.r
	title := "Add API Client"
	if d.old != nil {
		title = d.old.Name
	}
	nonce, err := h.nonces.make(d.v.owner)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	d.form.Nonce = nonce
	if d.old != nil {
		if d.uses, err = h.registry.LastUsed(r.Context(), d.old.ID); err != nil {
			h.fail(w, r, err)
			return
		}
	}
	view := &clientView{
		page: h.page(d.v, title, "clients"), Form: d.form, Problems: d.problems, Notices: d.notices, Client: d.old,
		Action: r.URL.Path, Methods: methodOptions(d.form.Method), Keys: d.keyViews(), MaxKeys: credentials.MaxKeys,
		JWKS: d.keysRead, Secrets: d.secretRows(), Revealed: d.revealed, ShownOnce: d.shown,
		Unsaved: r.Method == http.MethodPost && d.revealed == nil || d.revealed != nil && d.waits(),
		Last:    d.last, Changed: d.changed, ChangedBy: d.by,
		MaxLabels: client.MaxLabels, LabelSpace: len(d.form.Labels) < client.MaxLabels,
	}
	view.done(r)
	if d.old != nil && d.old.Disabled && view.Refusals && r.URL.Query().Get("done") == doneDisabled {
		view.Holds = minutes(d.old.TokenLifetime)
	}
	if s, ok := d.replaced(); ok {
		view.Replaced = s.ID
	}
	if view.Servers, view.Gone, err = d.choices(); err != nil {
		h.fail(w, r, err)
		return
	}
	for _, s := range view.Servers {
		for _, service := range s.Services {
			if service.Chosen != "" {
				view.Granted++
			}
		}
	}
	if d.old != nil {
		view.Ending = whatEnds(d.old)
		view.DeclaredBy = d.old.Labels[client.LabelOwner]
		if view.Shared, err = h.registry.SharedKeys(r.Context(), d.old); err != nil {
			h.fail(w, r, err)
			return
		}
	}
	name := "client_edit.html"
	if !d.v.may(change) {
		name = "client_view.html"
	} else if len(d.form.Labels) == 0 {
		d.form.Labels = []label{{}} // a row to type into
	}
	h.show(w, r, d.status, name, view)
}

// whatEnds says which credentials of c end if it is to authenticate in another way.
func whatEnds(c *client.Client) string {
	switch {
	case c.Method == credentials.MethodSecret && len(c.Secrets) > 0:
		return "its secrets end"
	case c.Method == credentials.MethodPublicKeys && len(c.Keys) > 0:
		return "its certificates and public keys count no more"
	case c.Method == credentials.MethodJWKS:
		return "the keys under its JWKS URL count no more"
	}
	return ""
}

// choices returns all services with their scopes, and which the form has chosen.
func (d *desk) choices() (all []serverChoice, gone []goneChoice, err error) {
	servers, err := d.h.registry.Resources().List(d.r.Context())
	if err != nil {
		return nil, nil, err
	}
	left := map[string]string{} // the scopes chosen, by field
	for _, g := range d.form.Grants {
		left[grantField(g.Server, g.Service)] = g.Scope
	}
	for _, s := range servers {
		one := serverChoice{ID: s.ID, Title: titleOf(s.DisplayName, s.Name), Audience: s.Audience, Description: s.Description}
		for _, service := range s.Services {
			field := grantField(s.ID, service.ID)
			one.Services = append(one.Services, d.service(field, service, left[field]))
			delete(left, field)
		}
		all = append(all, one)
	}
	for _, g := range d.form.Grants {
		field := grantField(g.Server, g.Service)
		if scope, ok := left[field]; ok {
			gone = append(gone, goneChoice{Field: field, Scope: scope, Title: d.goneName(g)})
		}
	}
	return all, gone, nil
}

func (d *desk) service(field string, service resource.Service, chosen string) serviceChoice {
	one := serviceChoice{
		Field: field, Title: titleOf(service.DisplayName, service.Name), Name: service.Name, Cloud: service.CloudName,
		List: len(service.Scopes) > manyScopes, Wrong: d.problems.At(field),
	}
	if one.Title == one.Name {
		one.Name = ""
	}
	found := chosen == ""
	for _, scope := range service.Scopes {
		o := option{Value: scope.ID, Text: scope.Name, Chosen: scope.ID == chosen}
		if o.Chosen {
			one.Chosen, found = scope.Name, true
		}
		one.Scopes = append(one.Scopes, o)
	}
	if !found {
		_, serverAndService, _ := strings.Cut(field, ".")
		server, serviceID, _ := strings.Cut(serverAndService, ".")
		one.Gone = chosen
		one.GoneName = d.goneName(grantChoice{server, serviceID, chosen})
		one.Chosen = one.GoneName
	}
	return one
}

// goneName returns how a scope that is gone was called when the client was saved.
func (d *desk) goneName(g grantChoice) string {
	if d.old != nil {
		for _, had := range d.old.Grants {
			if had.ServerID == g.Server && had.ServiceID == g.Service && had.ScopeID == g.Scope {
				return titleOf(had.Service, had.ServiceID) + ": " + titleOf(had.Scope, had.ScopeID)
			}
		}
	}
	return g.Scope
}

func grantField(server, service string) string { return fieldGrant + "." + server + "." + service }
