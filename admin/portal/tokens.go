package portal

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/store"
	"github.com/clientele-go/clientele/token"
)

type tokensView struct {
	page
	ClientID, ID, From, To string
	Statuses               []option
	Rows                   []tokenRow
	Older, Newest          string
	Filters                bool
	Wrong                  problems
}

type tokenRow struct {
	token.Issued
	Name string // of the client; empty: it is gone
	Link string
}

func (h *Handler) listTokens(w http.ResponseWriter, r *http.Request, v *visitor) {
	q := r.URL.Query()
	view := &tokensView{
		page: h.page(v, "Tokens", "tokens"), ClientID: strings.TrimSpace(q.Get("client")), ID: strings.TrimSpace(q.Get("jti")),
		From: q.Get("from"), To: q.Get("to"),
	}
	status := token.TokenStatus(q.Get("status"))
	for _, one := range []token.TokenStatus{token.TokenActive, token.TokenRevoked, token.TokenExpired} {
		view.Statuses = append(view.Statuses, option{string(one), statusInWords(one), one == status})
	}
	view.Filters = view.ClientID != "" || view.ID != "" || status != "" || view.From != "" || view.To != ""
	filter := token.TokenFilter{ClientID: view.ClientID, ID: view.ID, Status: status, After: store.Cursor(q.Get("after")), Limit: pageSize}
	filter.From = readDay(&view.Wrong, "from", view.From, 0)
	filter.To = readDay(&view.Wrong, "to", view.To, 1)
	if len(view.Wrong) > 0 {
		h.show(w, r, http.StatusUnprocessableEntity, "tokens.html", view)
		return
	}
	found, err := h.issuer.Tokens(r.Context(), filter)
	if err != nil {
		h.failRead(w, r, err)
		return
	}
	names := h.names()
	for _, t := range found.Tokens {
		row := tokenRow{Issued: t, Link: h.base + "tokens/" + url.PathEscape(t.ID)}
		if row.Name, err = names(r, t.ClientID); err != nil {
			h.fail(w, r, err)
			return
		}
		view.Rows = append(view.Rows, row)
	}
	if q.Has("after") {
		view.Newest = pageAddress(h.base+"tokens", q, "")
	}
	if found.Next != "" {
		view.Older = pageAddress(h.base+"tokens", q, string(found.Next))
	}
	h.show(w, r, http.StatusOK, "tokens.html", view)
}

// names returns what tells the names of clients by their ids, each looked up once;
// of one that is gone it is empty.
func (h *Handler) names() func(r *http.Request, id string) (string, error) {
	known := map[string]string{}
	return func(r *http.Request, id string) (string, error) {
		name, ok := known[id]
		if ok {
			return name, nil
		}
		c, err := h.registry.Lookup(r.Context(), id)
		switch {
		case err == nil:
			name = c.Name
		case !errors.Is(err, client.ErrNotFound):
			return "", err
		}
		known[id] = name
		return name, nil
	}
}

func statusInWords(s token.TokenStatus) string {
	switch s {
	case token.TokenActive:
		return "Active"
	case token.TokenRevoked:
		return "Revoked"
	case token.TokenExpired:
		return "Expired"
	}
	return string(s)
}

type tokenView struct {
	page
	Token    tokenRow
	Claims   string
	Facts    []fact
	MayClose bool // whether it can be revoked, by this person and at all
}

// token reads the token that the path names. If ok is false, the answer has been
// given.
func (h *Handler) token(w http.ResponseWriter, r *http.Request) (_ tokenRow, ok bool) {
	id := r.PathValue("id")
	found, err := h.issuer.Tokens(r.Context(), token.TokenFilter{ID: id, Limit: 1})
	switch {
	case errors.Is(err, store.ErrInvalid), err == nil && len(found.Tokens) == 0:
		h.notFound(w, r)
		return tokenRow{}, false
	case err != nil:
		h.fail(w, r, err)
		return tokenRow{}, false
	}
	row := tokenRow{Issued: found.Tokens[0], Link: h.base + "tokens/" + url.PathEscape(id)}
	if row.Name, err = h.names()(r, row.ClientID); err != nil {
		h.fail(w, r, err)
		return tokenRow{}, false
	}
	return row, true
}

func (h *Handler) showToken(w http.ResponseWriter, r *http.Request, v *visitor) {
	row, ok := h.token(w, r)
	if !ok {
		return
	}
	view := &tokenView{
		page: h.page(v, "Token "+row.ID, "tokens"), Token: row,
		MayClose: v.may(change) && row.Status == token.TokenActive,
	}
	view.done(r)
	var claims bytes.Buffer
	if json.Indent(&claims, row.Claims, "", "  ") == nil {
		view.Claims = claims.String()
	}
	for _, one := range []fact{
		{"Audience", row.Audience}, {"Scopes", strings.Join(row.Scopes, " ")}, {"Authenticated by", strings.Trim(methodName(row.Method)+", "+row.Credential, ", ")},
		{"Address", row.Address}, {"Request ID", row.RequestID},
	} {
		if one.Value != "" {
			view.Facts = append(view.Facts, one)
		}
	}
	h.show(w, r, http.StatusOK, "token.html", view)
}

func (h *Handler) askRevokeToken(w http.ResponseWriter, r *http.Request, v *visitor) {
	if row, ok := h.token(w, r); ok {
		h.confirmRevokeToken(w, r, v, row, http.StatusOK, "")
	}
}

func (h *Handler) confirmRevokeToken(w http.ResponseWriter, r *http.Request, v *visitor, row tokenRow, status int, wrong string) {
	h.show(w, r, status, "confirm.html", &confirmView{
		page: h.page(v, "Revoke a token", "tokens"), Question: "Revoke this token?", Name: titleOf(row.Name, row.ClientID), Code: row.ID,
		Crumbs: []crumb{{"Tokens", h.base + "tokens"}, {row.ID, row.Link}},
		Effects: []string{
			"The services that ask for revoked tokens refuse it as soon as they hear of it; the others when it expires, " + longTime(row.ExpiresAt) + ".",
			"The API client can get another one at once. To stop that, disable the client or delete its secret.",
		},
		Button: "Revoke the token", Action: r.URL.Path, Back: row.Link, Wrong: wrong,
	})
}

func (h *Handler) revokeToken(w http.ResponseWriter, r *http.Request, v *visitor) {
	row, ok := h.token(w, r)
	if !ok {
		return
	}
	if !confirmed(r) {
		h.confirmRevokeToken(w, r, v, row, http.StatusUnprocessableEntity, notConfirmed)
		return
	}
	if err := h.issuer.Revoke(r.Context(), row.ID, row.ExpiresAt); err != nil {
		h.fail(w, r, err)
		return
	}
	http.Redirect(w, r, row.Link+"?done=token-revoked", http.StatusSeeOther)
}

func (h *Handler) askRevokeClient(w http.ResponseWriter, r *http.Request, v *visitor) {
	if c, ok := h.client(w, r); ok {
		h.confirmRevokeClient(w, r, v, c, http.StatusOK, "")
	}
}

func (h *Handler) confirmRevokeClient(w http.ResponseWriter, r *http.Request, v *visitor, c *client.Client, status int, wrong string) {
	view := h.aboutClient(v, c, "Revoke all tokens of "+c.Name)
	view.Question, view.Button, view.Action, view.Wrong = "Revoke all tokens of this API client?", "Revoke all its tokens", r.URL.Path, wrong
	view.Effects = []string{
		"All access tokens that it was given up to now are refused by the services that ask for revoked tokens, as soon as they hear of it; by the others when they expire, within " + minutes(c.TokenLifetime) + " minutes.",
		"It can get new ones at once. If its secret has leaked, delete that first.",
	}
	h.show(w, r, status, "confirm.html", view)
}

func (h *Handler) revokeClient(w http.ResponseWriter, r *http.Request, v *visitor) {
	c, ok := h.client(w, r)
	if !ok {
		return
	}
	if !confirmed(r) {
		h.confirmRevokeClient(w, r, v, c, http.StatusUnprocessableEntity, notConfirmed)
		return
	}
	if _, err := h.issuer.RevokeClient(r.Context(), c.ID); err != nil {
		h.fail(w, r, err)
		return
	}
	http.Redirect(w, r, h.base+"clients/"+c.ID+"?done=tokens-revoked", http.StatusSeeOther)
}
