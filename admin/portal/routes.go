package portal

import (
	"errors"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/clientele-go/clientele/admin"
	"github.com/clientele-go/clientele/audit"
)

// A need is what a person must be allowed to for a route.
type need int

const (
	nothing      need = iota // not even signed in
	signedIn                 // that, and nothing else
	seeClients               // View on API Clients
	seeResources             // View on API Resources
	seeBoth                  // View on both
	change                   // Full on both
)

// A route is a method and a path of the portal.
type route struct {
	method, path string // path below the base, as http.ServeMux has it
	need         need
	serve        func(http.ResponseWriter, *http.Request, *visitor)
}

// table is all there is, with the permission that each needs.
func (h *Handler) table() []route {
	public := func(serve http.HandlerFunc) func(http.ResponseWriter, *http.Request, *visitor) {
		return func(w http.ResponseWriter, r *http.Request, _ *visitor) { serve(w, r) }
	}
	routes := []route{
		{"GET", "assets/{name}", nothing, public(h.assets.serve)},

		{"GET", "{$}", signedIn, h.home},
		{"GET", "clients", seeClients, h.listClients},
		{"GET", "expiring", seeClients, h.listExpiring},
		{"GET", "new-client", change, h.newClient},
		{"POST", "new-client", change, h.postNewClient},
		{"GET", "clients/{id}", seeClients, h.showClient},
		{"POST", "clients/{id}", change, h.postClient},
		{"GET", "clients/{id}/use", seeClients, h.useClient},
		{"GET", "clients/{id}/delete", change, h.askDeleteClient},
		{"POST", "clients/{id}/delete", change, h.deleteClient},
		{"GET", "clients/{id}/secrets/{secret}/delete", change, h.askDeleteSecret},
		{"POST", "clients/{id}/secrets/{secret}/delete", change, h.deleteSecret},

		{"GET", "resources", seeResources, h.listResources},
		{"GET", "resources/{id}", seeResources, h.showResource},
		{"GET", "audit", seeBoth, h.listAudit},
	}
	if h.issuer != nil {
		routes = append(routes,
			route{"GET", "refusals", seeClients, h.listRefusals},
			route{"GET", "tokens", seeClients, h.listTokens},
			route{"GET", "tokens/{id}", seeClients, h.showToken},
			route{"GET", "tokens/{id}/revoke", change, h.askRevokeToken},
			route{"POST", "tokens/{id}/revoke", change, h.revokeToken},
			route{"GET", "clients/{id}/revoke", change, h.askRevokeClient},
			route{"POST", "clients/{id}/revoke", change, h.revokeClient},
		)
	}
	if h.sessions != nil {
		routes = append(routes,
			route{"GET", "sign-in/{token}", nothing, public(h.signInPage)},
			route{"POST", "sign-in/{token}", nothing, public(h.signIn)},
			route{"POST", "sign-out", nothing, public(h.signOut)},
		)
	}
	return routes
}

// routes returns the whole of the portal: headers on everything, requests of
// foreign pages refused, then the table.
func (h *Handler) routes() http.Handler {
	mux := http.NewServeMux()
	methods := map[string][]string{}
	for _, one := range h.table() {
		mux.HandleFunc(one.method+" "+h.base+one.path, func(w http.ResponseWriter, r *http.Request) { h.pass(w, r, one) })
		methods[one.path] = append(methods[one.path], one.method)
	}
	for path, allowed := range methods {
		if slices.Contains(allowed, http.MethodGet) {
			allowed = append(allowed, http.MethodHead)
		}
		slices.Sort(allowed)
		mux.HandleFunc(h.base+path, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Allow", strings.Join(allowed, ", "))
			h.tell(w, r, http.StatusMethodNotAllowed, "That can't be done here", "This address does not take requests of that kind.")
		})
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { h.notFound(w, r) })

	protection := http.NewCrossOriginProtection()
	protection.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.tell(w, r, http.StatusForbidden, "Refused", "This request came from another site. Nothing was changed.")
	}))
	return secured(protection.Handler(mux))
}

// contentPolicy lets a page load from the portal itself alone, and nobody frame it.
const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// secured sets the headers that every answer has.
func secured(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		secure(w.Header())
		next.ServeHTTP(w, r)
	})
}

func secure(header http.Header) {
	header.Set("Content-Security-Policy", contentPolicy)
	header.Set("X-Frame-Options", "DENY")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("Cross-Origin-Opener-Policy", "same-origin")
	header.Set("Cross-Origin-Resource-Policy", "same-origin")
	header.Set("Cache-Control", "no-store")
}

// A visitor is the person behind a request.
type visitor struct {
	access admin.Access
	owner  string // what their drafts and nonces belong to
}

// may reports whether the visitor is allowed to what needs that.
func (v *visitor) may(n need) bool {
	if v == nil {
		return n == nothing
	}
	a := v.access
	switch n {
	case nothing, signedIn:
		return true
	case seeClients:
		return a.Clients >= admin.View
	case seeResources:
		return a.Resources >= admin.View
	case seeBoth:
		return a.Clients >= admin.View && a.Resources >= admin.View
	case change:
		return a.Clients >= admin.Full && a.Resources >= admin.Full
	}
	return false
}

// pass serves a route to whom it is for.
func (h *Handler) pass(w http.ResponseWriter, r *http.Request, one route) {
	if one.need == nothing {
		one.serve(w, r, nil)
		return
	}
	v, err := h.visitor(r)
	switch {
	case errors.Is(err, admin.ErrUnauthenticated):
		h.signedOut(w, r)
	case errors.Is(err, admin.ErrForbidden):
		h.forbidden(w, r, nil)
	case err != nil:
		h.fail(w, r, err)
	case !v.may(one.need):
		h.forbidden(w, r, v)
	default:
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		one.serve(w, r.WithContext(audit.WithActor(r.Context(), v.access.Actor)), v)
	}
}

// maxBody is the size of the largest form: the keys of a client and one more
// upload.
const maxBody = 4 << 20

// visitor returns who is behind r.
func (h *Handler) visitor(r *http.Request) (*visitor, error) {
	access, err := h.authenticate(r)
	if err != nil {
		return nil, err
	}
	if access.Actor.Kind == "" {
		access.Actor.Kind = audit.Person
	}
	if access.Actor.ID == "" && access.Actor.Name == "" {
		return nil, audit.ErrNoActor
	}
	if access.Actor.Address == "" {
		access.Actor.Address = addressOf(r)
	}
	v := &visitor{access: access, owner: access.Actor.Kind + "\n" + access.Actor.ID + "\n" + access.Actor.Name}
	if h.sessions != nil {
		if id, ok := h.sessions.idOf(r); ok {
			v.owner = string(id[:])
		}
	}
	return v, nil
}

func addressOf(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// home leads to the first page that the person may see.
func (h *Handler) home(w http.ResponseWriter, r *http.Request, v *visitor) {
	switch {
	case v.may(seeClients):
		http.Redirect(w, r, h.base+"clients", http.StatusSeeOther)
	case v.may(seeResources):
		http.Redirect(w, r, h.base+"resources", http.StatusSeeOther)
	default:
		h.forbidden(w, r, v)
	}
}

// signedOut sends a person to where one signs in, or says that one must. What was
// typed into a form must not be lost by a redirect: the page can be gone back to.
func (h *Handler) signedOut(w http.ResponseWriter, r *http.Request) {
	reading := reads(r)
	if reading && h.signInURL != "" {
		http.Redirect(w, r, withNext(h.signInURL, r.URL.RequestURI()), http.StatusSeeOther) // #nosec G710 -- to Config.SignInURL; where to go on is only a parameter
		return
	}
	view := &messageView{page: h.outside("Please sign in"), Message: "You are not signed in, or your session has ended."}
	switch {
	case !reading:
		view.Message = "Your session has ended, so nothing was saved."
		view.Advice = "Sign in in another tab, come back to this one, and reload it: what you typed is sent again."
		view.Link, view.LinkText = h.signInURL, "Sign in"
	case h.sessions != nil:
		view.Advice = "Open the sign-in link that you were given. A new one is made when the server starts."
	default:
		view.Advice = "Sign in where you usually do, and come back."
	}
	// A 401 has a challenge (RFC 9110 §15.5.2); one of a scheme that browsers do not
	// know has them show the page. What is around the portal may have set its own.
	if header := w.Header(); header.Get("WWW-Authenticate") == "" {
		header.Set("WWW-Authenticate", `Cookie realm="portal"`)
	}
	h.show(w, r, http.StatusUnauthorized, "message.html", view)
}

// withNext appends the parameter next to a URL.
func withNext(to, next string) string {
	separator := "?"
	if strings.Contains(to, "?") {
		separator = "&"
	}
	return to + separator + "next=" + url.QueryEscape(next)
}

func (h *Handler) forbidden(w http.ResponseWriter, r *http.Request, v *visitor) {
	message := "You may not see this page."
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		message = "You may look at everything here, but change nothing. Nothing was changed."
	}
	h.show(w, r, http.StatusForbidden, "message.html", &messageView{
		page: h.page(v, "Not allowed", ""), Message: message,
		Advice: "Adding, editing and deleting takes the permission Full on both API Clients and API Resources. Ask an administrator who has it.",
	})
}

func (h *Handler) notFound(w http.ResponseWriter, r *http.Request) {
	h.tell(w, r, http.StatusNotFound, "Not found", "There is nothing here, or no longer. It may have been deleted.")
}

// tell answers with a page of a few words.
func (h *Handler) tell(w http.ResponseWriter, r *http.Request, status int, title, message string) {
	v, _ := h.visitor(r)
	view := &messageView{page: h.page(v, title, ""), Message: message}
	if v.may(seeClients) {
		view.Link, view.LinkText = h.base+"clients", "All API clients"
	}
	h.show(w, r, status, "message.html", view)
}

// fail answers what is the fault of nobody who asked, and logs it.
func (h *Handler) fail(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() != nil {
		return // the person has left
	}
	h.logger.ErrorContext(r.Context(), "portal request failed", "method", r.Method, "path", h.logged(r), "error", err.Error())
	advice := "Try again in a moment."
	if r.Method == http.MethodPost {
		advice = "It may have been done or not: look before you try again."
	}
	h.show(w, r, http.StatusServiceUnavailable, "message.html", &messageView{
		page: h.outside("That did not work"), Message: "The portal could not do what you asked for. The log of the server says why.",
		Advice: advice, Link: h.base + "clients", LinkText: "All API clients",
	})
}

// logged returns the path of r as it may stand in a log: without the token of a
// sign-in link.
func (h *Handler) logged(r *http.Request) string {
	if strings.HasPrefix(r.URL.Path, h.base+"sign-in/") {
		return h.base + "sign-in/"
	}
	return r.URL.Path
}
