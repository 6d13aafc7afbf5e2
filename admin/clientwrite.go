package admin

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/resource"
	"github.com/clientele-go/clientele/store"
)

// clientJSON is an API client as it is answered.
type clientJSON struct {
	ID                   string             `json:"id,omitempty"` // none in a dry run that would add it
	Name                 string             `json:"name"`
	Description          string             `json:"description"`
	Status               bool               `json:"status"`
	AccessTokenLifeTime  int64              `json:"accessTokenLifeTime"` // seconds
	ClientAuthentication authenticationJSON `json:"clientAuthentication"`
	ClientResources      []resourceJSON     `json:"clientResources"`

	// What the original does not have.
	Labels    map[string]string `json:"labels,omitempty"`
	CreatedAt epoch             `json:"createdAt"`
	UpdatedAt epoch             `json:"updatedAt"`
	Warnings  []string          `json:"warnings,omitempty"`
}

type authenticationJSON struct {
	AuthType           string            `json:"authType"`
	ClientJWKsURL      string            `json:"clientJWKsUrl,omitempty"`
	PublicKeys         []publicKeyJSON   `json:"publicKeys,omitempty"`
	ClientCertificates []certificateJSON `json:"clientCertificates,omitempty"`
}

type publicKeyJSON struct {
	KeyName    string `json:"keyName"`
	KeyValue   string `json:"keyValue"`
	Thumbprint string `json:"thumbprint"`
}

type certificateJSON struct {
	CertContent string `json:"certContent"`
	Thumbprint  string `json:"thumbprint"`
	ExpiresAt   epoch  `json:"expiresAt"`
}

type resourceJSON struct {
	ID             string      `json:"id"`
	Name           string      `json:"name"`
	DefaultAPI     bool        `json:"defaultApi"`
	SelectedScopes []scopeJSON `json:"selectedScopes"`
}

type scopeJSON struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	Gone bool   `json:"gone,omitempty"` // the service does not have it any more
}

// An epoch is a time in whole seconds since 1970, in a string or, where it says so,
// in a number.
type epoch struct {
	time.Time
	number bool
}

func (e epoch) MarshalJSON() ([]byte, error) {
	seconds := strconv.FormatInt(e.Unix(), 10)
	if !e.number {
		seconds = `"` + seconds + `"`
	}
	return []byte(seconds), nil
}

// clientOf returns c as it is answered, with the names that the catalog has now.
func (h *Handler) clientOf(ctx context.Context, c *client.Client) (clientJSON, error) {
	out := clientJSON{
		ID: c.ID, Name: c.Name, Description: c.Description, Status: !c.Disabled,
		AccessTokenLifeTime:  int64(c.TokenLifetime / time.Second),
		ClientAuthentication: authenticationJSON{AuthType: string(c.Method), ClientJWKsURL: c.JWKSURL},
		ClientResources:      []resourceJSON{},
		Labels:               c.Labels,
		CreatedAt:            h.epoch(c.CreatedAt), UpdatedAt: h.epoch(c.UpdatedAt),
	}
	auth := &out.ClientAuthentication
	for _, key := range c.Keys {
		text := string(key.MarshalPEM())
		// A certificate with a name stays where it has been given one.
		if key.IsCertificate() && key.Name() == "" {
			auth.ClientCertificates = append(auth.ClientCertificates, certificateJSON{text, key.Thumbprint(), h.epoch(key.NotAfter())})
		} else {
			auth.PublicKeys = append(auth.PublicKeys, publicKeyJSON{key.Name(), text, key.Thumbprint()})
		}
	}
	places := make(map[string]int, 1)
	for _, g := range c.Grants {
		server, err := h.registry.Resources().Get(ctx, g.ServerID)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return clientJSON{}, fmt.Errorf("looking for resource server %.64q: %w", g.ServerID, err)
		}
		i, ok := places[g.ServerID]
		if !ok {
			i = len(out.ClientResources)
			places[g.ServerID] = i
			out.ClientResources = append(out.ClientResources, resourceOf(server, g.ServerID))
		}
		at := &out.ClientResources[i]
		at.SelectedScopes = append(at.SelectedScopes, scopeOf(server, g))
	}
	return out, nil
}

// resourceOf returns the resource server with that id. Server is nil if it is gone.
func resourceOf(server *resource.Server, id string) resourceJSON {
	if server == nil {
		return resourceJSON{ID: id}
	}
	return resourceJSON{ID: id, Name: server.Name, DefaultAPI: server.Default}
}

// scopeOf returns the scope of a grant at server, which is nil if it is gone.
func scopeOf(server *resource.Server, g client.Grant) scopeJSON {
	if server != nil {
		service, scope, ok := server.Scope(g.ScopeID)
		if ok && service.ID == g.ServiceID {
			return scopeJSON{ID: g.ScopeID, Name: scope.Name}
		}
	}
	return scopeJSON{ID: g.ScopeID, Name: g.Scope, Gone: true}
}

// warnings says what an administrator should know about the keys of c beyond what
// was found when they were read.
func (h *Handler) warnings(ctx context.Context, c *client.Client) ([]string, error) {
	shared, err := h.registry.SharedKeys(ctx, c)
	if err != nil {
		return nil, err
	}
	var warnings []string
	for _, s := range shared {
		warnings = append(warnings, fmt.Sprintf("clientAuthentication: the key %s is also that of the API client %s: "+
			"who has its private half can pass for either", s.Thumbprint, strings.Join(s.ClientIDs, ", ")))
	}
	return warnings, nil
}

// epoch returns t as it is answered.
func (h *Handler) epoch(t time.Time) epoch { return epoch{t, h.cfg.NumericTimes} }
