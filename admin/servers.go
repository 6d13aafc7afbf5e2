package admin

import (
	"context"
	"net/http"
	"strings"

	"github.com/clientele-go/clientele/resource"
	"github.com/clientele-go/clientele/store"
)

func (h *Handler) listServers(ctx context.Context, c *call) (answer, error) {
	if err := c.readWindow(); err != nil {
		return answer{}, err
	}
	like, err := c.search("name[like]")
	if err != nil {
		return answer{}, err
	}
	all, err := h.registry.Resources().List(ctx)
	if err != nil {
		return answer{}, err
	}
	like = store.Fold(like)
	var found []*resource.Server
	for _, s := range all {
		if strings.Contains(store.Fold(s.Name), like) {
			found = append(found, s)
		}
	}
	first := min(c.window.offset, len(found))
	return answer{status: http.StatusOK, body: pageOf(c, found[first:], len(found))}, nil
}

func (h *Handler) getServer(ctx context.Context, c *call) (answer, error) {
	server, err := h.registry.Resources().Get(ctx, c.id)
	if err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusOK, body: server}, nil
}
