package admin

import (
	"context"
	"net/http"

	"github.com/clientele-go/clientele/token"
)

// listDenials lists why API clients got no token: denials as package token has
// them.
func (h *Handler) listDenials(ctx context.Context, c *call) (answer, error) {
	var f token.DenialFilter
	err := c.readWindow()
	if err == nil {
		f.ClientID, err = c.exact("client")
	}
	if err == nil {
		f.Reason, err = c.exact("reason")
	}
	if err == nil {
		f.From, err = c.moment("from")
	}
	if err == nil {
		f.To, err = c.moment("to")
	}
	if err != nil {
		return answer{}, err
	}
	f.Offset, f.Limit, f.Count = c.window.offset, c.window.storeLimit(), true
	found, err := h.cfg.Issuer.Denials(ctx, f)
	if err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusOK, body: pageOf(c, found.Denials, found.Total)}, nil
}
