package admin

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/store"
	"github.com/clientele-go/clientele/token"
)

// revokeWait is how long a revocation that belongs to a change goes on after the
// change was made, whether or not the caller waits for it.
const revokeWait = 10 * time.Second

// listTokens lists what was issued: tokens as package token has them.
func (h *Handler) listTokens(ctx context.Context, c *call) (answer, error) {
	f, err := c.tokenFilter()
	if err != nil {
		return answer{}, err
	}
	found, err := h.cfg.Issuer.Tokens(ctx, f)
	if err != nil {
		return answer{}, err
	}
	p := pageOf(c, found.Tokens, found.Total)
	if f.After != "" {
		// The total is that from the beginning, which says nothing of what is
		// behind a cursor.
		p.NextLink, p.PrevLink = "", ""
	}
	if p.NextLink == "" && c.window.limit > 0 && (found.AtLeast || f.After != "") && found.Next != "" {
		p.NextLink = c.linkAfter(found.Next)
	}
	return answer{status: http.StatusOK, body: p}, nil
}

// tokenFilter reads which tokens are asked for.
func (c *call) tokenFilter() (f token.TokenFilter, err error) {
	if err = c.readWindow(); err != nil {
		return f, err
	}
	if f.ClientID, err = c.exact("client"); err != nil {
		return f, err
	}
	if f.Credential, err = c.exact("credential"); err != nil {
		return f, err
	}
	if f.Status, err = choose(c, "status", map[string]token.TokenStatus{
		string(token.TokenActive):  token.TokenActive,
		string(token.TokenRevoked): token.TokenRevoked,
		string(token.TokenExpired): token.TokenExpired,
	}); err != nil {
		return f, err
	}
	if f.From, err = c.moment("from"); err != nil {
		return f, err
	}
	if f.To, err = c.moment("to"); err != nil {
		return f, err
	}
	after, err := c.one("after")
	f.After = store.Cursor(after)
	f.Offset, f.Limit, f.Count = c.window.offset, c.window.storeLimit(), true
	return f, err
}

// linkAfter returns the reference to the page behind a cursor.
func (c *call) linkAfter(after store.Cursor) string {
	query := make(url.Values, len(c.query)+2)
	for name, values := range c.query {
		query[name] = values
	}
	query.Del("offset")
	query.Set("after", string(after))
	query.Set("limit", strconv.Itoa(c.window.limit))
	return c.base + c.path + "?" + query.Encode()
}

func (h *Handler) getToken(ctx context.Context, c *call) (answer, error) {
	found, err := h.tokenOf(ctx, c.id)
	if err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusOK, body: found}, nil
}

// tokenOf returns the token with that jti. What can be none is not found either.
func (h *Handler) tokenOf(ctx context.Context, jti string) (token.Issued, error) {
	found, err := h.cfg.Issuer.Tokens(ctx, token.TokenFilter{ID: jti, Limit: 1})
	switch {
	case errors.Is(err, store.ErrInvalid), err == nil && len(found.Tokens) == 0:
		return token.Issued{}, store.ErrNotFound
	case err != nil:
		return token.Issued{}, err
	}
	return found.Tokens[0], nil
}

// revokeToken revokes one token. One that has expired, or that is revoked already,
// is answered as it is.
func (h *Handler) revokeToken(ctx context.Context, c *call) (answer, error) {
	found, err := h.tokenOf(ctx, c.id)
	if err != nil {
		return answer{}, err
	}
	if !c.dryRun {
		if err := h.cfg.Issuer.Revoke(ctx, found.ID, found.ExpiresAt); err != nil {
			return answer{}, err
		}
	}
	if found.Status == token.TokenActive {
		found.Status = token.TokenRevoked
	}
	return answer{status: http.StatusOK, body: found}, nil
}

// revokeTokens revokes all tokens that a client was given up to now. It may be
// deleted: deleting it and revoking its tokens are two steps, and the second can
// fail.
func (h *Handler) revokeTokens(ctx context.Context, c *call) (answer, error) {
	_, err := h.registry.Store().Get(ctx, client.KindID, c.id)
	switch {
	case errors.Is(err, store.ErrInvalid): // no id of a client
		return answer{}, store.ErrNotFound
	case err != nil:
		return answer{}, err
	}
	if !c.dryRun {
		_, err = h.cfg.Issuer.RevokeClient(ctx, c.id)
	}
	return answer{status: http.StatusNoContent}, err
}

// revoking reads whether a client is to lose its tokens with a change of it. It is
// asked before the change, so that what is wrong with it changes nothing.
func (h *Handler) revoking(c *call) (bool, error) {
	revoke, err := c.flag("revokeTokens")
	if err == nil && revoke && h.cfg.Issuer == nil {
		err = invalidParam("revokeTokens", "no tokens are issued here that could be revoked")
	}
	return revoke, err
}

// revokeAfter revokes the tokens of the client of c after a change by which it gets
// no more: the other way round it could get one in between. A caller that has left
// keeps nobody from it. The change is made whatever comes, and the fault says so.
func (h *Handler) revokeAfter(ctx context.Context, c *call, change string) error {
	if c.dryRun {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), revokeWait)
	defer cancel()
	if _, err := h.cfg.Issuer.RevokeClient(ctx, c.id); err != nil {
		f := refused(http.StatusInternalServerError, codeNotRevoked, "The API client is "+change+", but its tokens were not revoked: "+
			"they may be good until they expire. Try POST /api-clients/{id}/revoke-tokens.")
		f.err = err
		return f
	}
	return nil
}
