package portal

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/clientele-go/clientele/client"
)

// confirmView asks for the word YES.
type confirmView struct {
	page
	Crumbs   []crumb
	Name     string // of what it is about
	Code     string // the id of that
	Question string
	Effects  []string // what will be
	Button   string
	Action   string
	Back     string
	Wrong    string         // why the word was not taken
	Option   *confirmOption // what may be done with it; nil: nothing
	InUse    bool           // the person has been told that it was used a short time ago
}

// A confirmOption is what a person may have done together with what they confirm.
type confirmOption struct {
	Name, Text string
	Checked    bool
}

// A crumb is a page above this one.
type crumb struct{ Text, Link string }

// aboutClient returns the question about a client, without the question.
func (h *Handler) aboutClient(v *visitor, c *client.Client, title string) *confirmView {
	back := h.base + "clients/" + c.ID
	return &confirmView{
		page: h.page(v, title, "clients"), Name: c.Name, Code: c.ID, Back: back,
		Crumbs: []crumb{{"API Clients", h.base + "clients"}, {c.Name, back}},
	}
}

// confirmed reports whether the word was typed: once, in a form that could be read
// as a whole.
func confirmed(r *http.Request) bool {
	if r.ParseForm() != nil {
		return false
	}
	words := r.PostForm["confirm"]
	return len(words) == 1 && strings.TrimSpace(words[0]) == "YES"
}

const (
	revokeToo     = "revoke" // the field that asks for it
	revokeTimeout = 10 * time.Second
)

const notConfirmed = "Type the word YES, in capital letters."

func (h *Handler) askDeleteClient(w http.ResponseWriter, r *http.Request, v *visitor) {
	if c, ok := h.client(w, r); ok {
		h.confirmDelete(w, r, v, c, http.StatusOK, "")
	}
}

func (h *Handler) confirmDelete(w http.ResponseWriter, r *http.Request, v *visitor, c *client.Client, status int, wrong string) {
	view := h.aboutClient(v, c, "Delete "+c.Name)
	view.Question, view.Button, view.Action, view.Wrong = "Delete this API client?", "Delete the API client", r.URL.Path, wrong
	gone := "It gets no more access tokens, from this moment on."
	if h.issuer == nil {
		gone += " Those that it holds stay valid until they expire, at most " + minutes(c.TokenLifetime) + " minutes."
	} else {
		// Who is asked anew has chosen already.
		view.Option = &confirmOption{
			Name: revokeToo, Checked: r.Method != http.MethodPost || r.PostFormValue(revokeToo) != "",
			Text: "Revoke the access tokens that it holds, too. Else they stay valid until they expire, at most " + minutes(c.TokenLifetime) + " minutes.",
		}
	}
	view.Effects = []string{
		gone,
		"Its client ID is never used again. What calls by it has to be set up anew.",
		"This can't be undone. To stop it for a while, disable it instead.",
	}
	h.show(w, r, status, "confirm.html", view)
}

func (h *Handler) deleteClient(w http.ResponseWriter, r *http.Request, v *visitor) {
	c, ok := h.client(w, r)
	if !ok {
		return
	}
	if !confirmed(r) {
		h.confirmDelete(w, r, v, c, http.StatusUnprocessableEntity, notConfirmed)
		return
	}
	err := h.registry.Delete(r.Context(), c.ID)
	switch {
	case errors.Is(err, client.ErrNotFound):
		h.notFound(w, r)
	case errors.Is(err, client.ErrLast):
		h.lastOne(w, r, v, c)
	case err != nil:
		h.fail(w, r, err)
	case h.issuer != nil && r.PostFormValue(revokeToo) != "":
		h.revokeDeleted(w, r, v, c)
	default:
		http.Redirect(w, r, h.base+"clients?done=deleted", http.StatusSeeOther)
	}
}

// revokeDeleted revokes the tokens of a client that has just been deleted, also if
// the person leaves.
func (h *Handler) revokeDeleted(w http.ResponseWriter, r *http.Request, v *visitor, c *client.Client) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), revokeTimeout)
	defer cancel()
	if _, err := h.issuer.RevokeClient(ctx, c.ID); err != nil {
		h.logger.ErrorContext(ctx, "tokens of a deleted client not revoked", "client_id", c.ID, "error", err.Error())
		h.show(w, r, http.StatusInternalServerError, "message.html", &messageView{
			page:    h.page(v, "Its tokens were not revoked", "clients"),
			Message: "“" + c.Name + "” was deleted, and gets no more access tokens. But those that it holds could not be revoked: they stay valid until they expire, at most " + minutes(c.TokenLifetime) + " minutes.",
			Advice:  "Programs can revoke them by the admin API: POST /api-clients/" + c.ID + "/revoke-tokens.",
			Link:    h.base + "clients", LinkText: "Back to the API clients",
		})
		return
	}
	http.Redirect(w, r, h.base+"clients?done=deleted-revoked", http.StatusSeeOther)
}

// lastOne says why a client must stay.
func (h *Handler) lastOne(w http.ResponseWriter, r *http.Request, v *visitor, c *client.Client) {
	h.show(w, r, http.StatusConflict, "message.html", &messageView{
		page: h.page(v, "This one has to stay", "clients"), Message: lastMessage(c.Name),
		Advice: "Nothing was changed. Give another enabled client the same access first.",
		Link:   h.base + "clients/" + c.ID, LinkText: "Back to " + c.Name,
	})
}

func lastMessage(name string) string {
	return "“" + name + "” is the last enabled API client that may administer this server. Without it nobody could do so by the API."
}

// secretOf returns the secret that the path names, of the client that it names. If
// ok is false, the answer has been given.
func (h *Handler) secretOf(w http.ResponseWriter, r *http.Request) (_ *client.Client, _ client.Secret, ok bool) {
	c, ok := h.client(w, r)
	if !ok {
		return nil, client.Secret{}, false
	}
	for _, s := range c.Secrets {
		if s.ID == r.PathValue("secret") {
			return c, s, true
		}
	}
	h.notFound(w, r)
	return nil, client.Secret{}, false
}

func (h *Handler) askDeleteSecret(w http.ResponseWriter, r *http.Request, v *visitor) {
	if c, s, ok := h.secretOf(w, r); ok {
		h.confirmDeleteSecret(w, r, v, c, s, http.StatusOK, "")
	}
}

func (h *Handler) confirmDeleteSecret(w http.ResponseWriter, r *http.Request, v *visitor, c *client.Client, s client.Secret, status int, wrong string) {
	uses, err := h.registry.LastUsed(r.Context(), c.ID)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	effects := []string{"The secret " + s.ID + ", added " + longTime(s.CreatedAt) + ", is refused from this moment on.", "This can't be undone."}
	if len(c.Secrets) == 1 {
		effects = append(effects, "It is the only one: “"+c.Name+"” gets no more tokens until another one is added.")
	}
	view := h.aboutClient(v, c, "Delete a secret of "+c.Name)
	view.Question, view.Button, view.Action, view.Wrong, view.Effects = "Delete this secret?", "Delete the secret", r.URL.Path, wrong, effects
	switch used := uses[s.ID]; {
	case used.IsZero():
		view.Effects = append(view.Effects, "No use of it is known here.")
	case inUse(used, h.now()):
		view.InUse = true
		view.Effects = append(view.Effects, "It is in use: the last time was "+h.relative(used)+". Whoever uses it gets no more tokens.")
	default:
		view.Effects = append(view.Effects, "It was used last "+h.relative(used)+", so it should be safe to delete.")
	}
	h.show(w, r, status, "confirm.html", view)
}

func (h *Handler) deleteSecret(w http.ResponseWriter, r *http.Request, v *visitor) {
	c, s, ok := h.secretOf(w, r)
	if !ok {
		return
	}
	if !confirmed(r) {
		h.confirmDeleteSecret(w, r, v, c, s, http.StatusUnprocessableEntity, notConfirmed)
		return
	}
	remove := h.registry.DeleteUnusedSecret
	if r.PostFormValue("inuse") != "" { // the page has said so
		remove = h.registry.DeleteSecret
	}
	err := remove(r.Context(), c.ID, s.ID)
	switch {
	case errors.Is(err, client.ErrInUse):
		h.confirmDeleteSecret(w, r, v, c, s, http.StatusConflict, "It was used just now. Look again whether it may go.")
	case errors.Is(err, client.ErrNotFound):
		h.notFound(w, r)
	case err != nil:
		h.fail(w, r, err)
	default:
		http.Redirect(w, r, h.base+"clients/"+c.ID+"?done=secret-deleted", http.StatusSeeOther)
	}
}
