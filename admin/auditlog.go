package admin

import (
	"context"
	"net/http"

	"github.com/clientele-go/clientele/audit"
	"github.com/clientele-go/clientele/client"
)

// listEvents lists who changed what: events as package audit has them.
func (h *Handler) listEvents(ctx context.Context, c *call) (answer, error) {
	f, err := c.eventFilter()
	if err != nil {
		return answer{}, err
	}
	found, err := h.registry.Audit().List(ctx, f)
	if err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusOK, body: pageOf(c, found.Events, found.Total)}, nil
}

func (c *call) eventFilter() (f audit.Filter, err error) {
	if err = c.readWindow(); err != nil {
		return f, err
	}
	for _, p := range []struct {
		name string
		to   *string
	}{
		{"actor", &f.ActorID},
		{"actorKind", &f.ActorKind},
		{"request", &f.Request},
		{"action", &f.Action},
		{"subject", &f.SubjectID},
		{"subjectKind", &f.SubjectKind},
	} {
		if *p.to, err = c.exact(p.name); err != nil {
			return f, err
		}
	}
	id, err := c.exact("client")
	if err != nil {
		return f, err
	}
	if id != "" {
		if f.SubjectID != "" || f.SubjectKind != "" {
			return f, invalidParam("client", "is a subject, beside another one")
		}
		f.SubjectID, f.SubjectKind = id, string(client.Kind)
	}
	if f.Text, err = c.search("text"); err != nil {
		return f, err
	}
	if f.From, err = c.moment("from"); err != nil {
		return f, err
	}
	f.To, err = c.moment("to")
	f.Offset, f.Limit, f.Count = c.window.offset, c.window.storeLimit(), true
	return f, err
}
