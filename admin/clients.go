package admin

import (
	"context"
	"net/http"
	"strings"

	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/credentials"
)

// maxLabels is how many labels a list may be narrowed by.
const maxLabels = 8

func (h *Handler) listClients(ctx context.Context, c *call) (answer, error) {
	q, err := c.clientQuery()
	if err != nil {
		return answer{}, err
	}
	found, err := h.registry.List(ctx, q)
	if err != nil {
		return answer{}, err
	}
	records := make([]clientJSON, len(found.Clients))
	for i, one := range found.Clients {
		if records[i], err = h.clientOf(ctx, one); err != nil {
			return answer{}, err
		}
	}
	return answer{status: http.StatusOK, body: pageOf(c, records, found.Total)}, nil
}

// clientQuery reads which API clients are asked for.
func (c *call) clientQuery() (q client.Query, err error) {
	if err = c.readWindow(); err != nil {
		return q, err
	}
	if q.Name, err = c.search("name[like]"); err != nil {
		return q, err
	}
	if q.Status, err = choose(c, "status", map[string]client.Status{
		"true": client.OnlyEnabled, "false": client.OnlyDisabled,
	}); err != nil {
		return q, err
	}
	if q.Method, err = choose(c, "authType", map[string]credentials.Method{
		string(credentials.MethodSecret):     credentials.MethodSecret,
		string(credentials.MethodPublicKeys): credentials.MethodPublicKeys,
		string(credentials.MethodJWKS):       credentials.MethodJWKS,
	}); err != nil {
		return q, err
	}
	if q.ServerID, err = c.exact("resourceServerId"); err != nil {
		return q, err
	}
	if q.ScopeID, err = c.exact("scopeId"); err != nil {
		return q, err
	}
	if q.ScopeID != "" && q.ServerID == "" {
		return q, invalidParam("resourceServerId", "is required beside scopeId: ids of scopes are those of one resource server")
	}
	if q.Labels, err = c.labels(); err != nil {
		return q, err
	}
	q.Offset, q.Limit, q.Count = c.window.offset, c.window.storeLimit(), true
	return q, nil
}

// labels reads the labels that clients must have: "key:value", each in a parameter
// of its own.
func (c *call) labels() (map[string]string, error) {
	values := c.query["label"]
	if len(values) > maxLabels {
		return nil, invalidParam("label", "stands there %d times, at most %d", len(values), maxLabels)
	}
	labels := make(map[string]string, len(values))
	for _, text := range values {
		key, value, ok := strings.Cut(text, ":")
		switch {
		case !ok || key == "":
			return nil, invalidParam("label", "is %.64q, want key:value", text)
		case len(key) > 4*client.MaxLabelKey || len(value) > 4*client.MaxLabelValue:
			return nil, invalidParam("label", "is longer than any label")
		}
		if other, twice := labels[key]; twice && other != value {
			return nil, invalidParam("label", "wants two values of %.64q, and a client has one", key)
		}
		labels[key] = value
	}
	return labels, nil
}

func (h *Handler) getClient(ctx context.Context, c *call) (answer, error) {
	found, err := h.registry.Get(ctx, c.id)
	if err != nil {
		return answer{}, err
	}
	return h.clientAnswer(ctx, http.StatusOK, found)
}

// clientAnswer returns the answer that is an API client.
func (h *Handler) clientAnswer(ctx context.Context, status int, found *client.Client, warnings ...string) (answer, error) {
	body, err := h.clientOf(ctx, found)
	if err != nil {
		return answer{}, err
	}
	body.Warnings = warnings
	out := answer{status: status, body: body}
	if found.Version > 0 {
		out.etag = etagOf(found.Version)
	}
	return out, nil
}

// saved returns the answer that is an API client after it was saved. By then
// nothing may fail any more: what can't be found out to be warned of is left out.
func (h *Handler) saved(ctx context.Context, status int, in *clientInput, saved *client.Client) (answer, error) {
	warnings := in.warnings
	if more, err := h.warnings(ctx, saved); err == nil {
		warnings = append(warnings, more...)
	}
	return h.clientAnswer(ctx, status, saved, warnings...)
}

func (h *Handler) addClient(ctx context.Context, c *call) (answer, error) {
	in, err := parseClient(c.body, h.cfg.Now())
	if err != nil {
		return answer{}, err
	}
	if err := in.grants(ctx, h.registry.Resources(), &c.paths); err != nil {
		return answer{}, err
	}
	spec := in.Spec
	spec.Disabled = in.status != nil && !*in.status
	added, err := h.registryFor(c).Add(ctx, spec)
	if err != nil {
		return answer{}, err
	}
	out, err := h.saved(ctx, http.StatusCreated, in, added)
	out.location = c.base + "/api-clients/" + added.ID
	return out, err
}

// replaceClient replaces what an administrator says of an API client as a whole.
// What is absent gets its default, but for two things: status, without which a
// client stays enabled or disabled as it is, and labels, which programs for the
// original know nothing of.
func (h *Handler) replaceClient(ctx context.Context, c *call) (answer, error) {
	revoke, err := h.revoking(c)
	if err != nil {
		return answer{}, err
	}
	in, err := parseClient(c.body, h.cfg.Now())
	if err != nil {
		return answer{}, err
	}
	if revoke && (in.status == nil || *in.status) {
		return answer{}, invalidParam("revokeTokens", `goes with "status": false alone: a client that goes on gets others at once`)
	}
	if !in.hasMethod {
		return answer{}, refused(http.StatusBadRequest, codeInvalid,
			"clientAuthentication.authType: is required, so that nothing that was left out changes how the client authenticates",
			"clientAuthentication.authType")
	}
	if err := in.grants(ctx, h.registry.Resources(), &c.paths); err != nil {
		return answer{}, err
	}
	saved, err := h.registryFor(c).Edit(ctx, c.id, func(old *client.Client) error {
		spec := in.Spec
		spec.Disabled = old.Disabled
		if in.status != nil {
			spec.Disabled = !*in.status
		}
		if !in.hasLabels {
			spec.Labels = old.Labels
		}
		old.Spec = spec
		return nil
	})
	if err == nil && revoke {
		err = h.revokeAfter(ctx, c, "saved and disabled")
	}
	if err != nil {
		return answer{}, err
	}
	return h.saved(ctx, http.StatusOK, in, saved)
}

func (h *Handler) deleteClient(ctx context.Context, c *call) (answer, error) {
	revoke, err := h.revoking(c)
	if err != nil {
		return answer{}, err
	}
	err = h.registryFor(c).Delete(ctx, c.id)
	if err == nil && revoke {
		err = h.revokeAfter(ctx, c, "deleted")
	}
	return answer{status: http.StatusNoContent}, err
}

func (h *Handler) enableClient(ctx context.Context, c *call) (answer, error) {
	saved, err := h.registryFor(c).Enable(ctx, c.id)
	if err != nil {
		return answer{}, err
	}
	return h.clientAnswer(ctx, http.StatusOK, saved)
}

func (h *Handler) disableClient(ctx context.Context, c *call) (answer, error) {
	revoke, err := h.revoking(c)
	if err != nil {
		return answer{}, err
	}
	saved, err := h.registryFor(c).Disable(ctx, c.id)
	if err == nil && revoke {
		err = h.revokeAfter(ctx, c, "disabled")
	}
	if err != nil {
		return answer{}, err
	}
	return h.clientAnswer(ctx, http.StatusOK, saved)
}
