package admin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/resource"
)

// The names of the administration service and of its roles, unless a RolesConfig
// says otherwise.
const (
	DefaultService    = "ZIAM"
	DefaultFullRole   = "Super Admin"
	DefaultViewRole   = "View Only Admin"
	DefaultRotateRole = "Rotate Own Secret"
)

// ErrNoRoles: the catalog has no such administration service, or that no role with
// Full permission.
var ErrNoRoles = errors.New("no role to administer with")

// A RolesConfig says which scopes of which service are roles of this API. Names
// are those of the catalog, in which a leading "Role:" may be left out. Of the
// default roles only the one with Full must be there; a role that is named here
// must be.
type RolesConfig struct {
	// Server is the id of the resource server. Empty means the one that has
	// the Service: the default one, if several do.
	Server string
	// Service is the id or the name of the administration service. Empty
	// means DefaultService.
	Service string
	// Full are the roles with Full on both modules. Nil means
	// DefaultFullRole.
	Full []string
	// View are the roles with View on both modules. Nil means
	// DefaultViewRole.
	View []string
	// RotateOwn are the roles of API clients that may rotate their own
	// secrets. Nil means DefaultRotateRole.
	RotateOwn []string
}

// Roles are the scopes by which an API client administers. They are known by their
// ids: names repeat from service to service, and a sync may change them, which
// gives nobody another permission.
type Roles struct {
	serverID, serviceID string
	audience            string
	scopes              map[string]role
	full                []client.Grant
}

// A role is what a scope lets its holder do.
type role struct {
	level     Level
	rotateOwn bool
}

// ResolveRoles looks up the roles in the catalog, once: what has their names later
// on is none. It returns an error that wraps ErrNoRoles if there are none.
func ResolveRoles(ctx context.Context, catalog *resource.Catalog, cfg RolesConfig) (*Roles, error) {
	if cfg.Service == "" {
		cfg.Service = DefaultService
	}
	server, service, err := findService(ctx, catalog, cfg)
	if err != nil {
		return nil, fmt.Errorf("admin: %w", err)
	}
	r := &Roles{serverID: server.ID, serviceID: service.ID, audience: server.Audience, scopes: make(map[string]role)}
	for _, wanted := range []struct {
		names    []string
		fallback string
		role     role
	}{
		{cfg.Full, DefaultFullRole, role{level: Full}},
		{cfg.View, DefaultViewRole, role{level: View}},
		{cfg.RotateOwn, DefaultRotateRole, role{rotateOwn: true}},
	} {
		required := wanted.names != nil || wanted.role.level == Full
		if wanted.names == nil {
			wanted.names = []string{wanted.fallback}
		}
		for _, name := range wanted.names {
			scope, ok := scopeByName(service, name)
			switch {
			case ok:
				r.add(scope.ID, wanted.role)
			case required:
				return nil, fmt.Errorf("admin: %w: the service %q of %q has no role %.255q", ErrNoRoles, service.Name, server.Name, name)
			}
		}
	}
	if len(r.full) == 0 {
		return nil, fmt.Errorf("admin: %w: RolesConfig.Full is empty", ErrNoRoles)
	}
	return r, nil
}

func (r *Roles) add(scopeID string, what role) {
	had := r.scopes[scopeID]
	r.scopes[scopeID] = role{level: max(had.level, what.level), rotateOwn: had.rotateOwn || what.rotateOwn}
	if what.level == Full {
		r.full = append(r.full, client.Grant{ServerID: r.serverID, ScopeID: scopeID})
	}
}

// findService returns the administration service and the resource server that it
// belongs to.
func findService(ctx context.Context, catalog *resource.Catalog, cfg RolesConfig) (*resource.Server, resource.Service, error) {
	servers, err := catalog.List(ctx)
	if err != nil {
		return nil, resource.Service{}, err
	}
	var found *resource.Server
	several := false
	for _, s := range servers {
		if _, ok := s.Service(cfg.Service); !ok || cfg.Server != "" && s.ID != cfg.Server {
			continue
		}
		several = found != nil
		if found == nil || s.Default {
			found = s
		}
	}
	if several && !found.Default {
		return nil, resource.Service{}, fmt.Errorf("several resource servers have a service %.64q: say which one with RolesConfig.Server", cfg.Service)
	}
	if found == nil {
		return nil, resource.Service{}, fmt.Errorf("%w: the catalog has no service %.64q", ErrNoRoles, cfg.Service)
	}
	service, _ := found.Service(cfg.Service)
	return found, service, nil
}

// scopeByName returns the scope of that very name or else, with a leading "Role:"
// left out on either side, the first of that.
func scopeByName(service resource.Service, name string) (resource.Scope, bool) {
	for _, s := range service.Scopes {
		if s.Name == name {
			return s, true
		}
	}
	for _, s := range service.Scopes {
		if bare(s.Name) == bare(name) {
			return s, true
		}
	}
	return resource.Scope{}, false
}

func bare(role string) string { return strings.TrimSpace(strings.TrimPrefix(role, "Role:")) }

// Audience returns the audience of the resource server that the roles belong to:
// what the access tokens of administrators are for.
func (r *Roles) Audience() string { return r.audience }

// Full returns the grants that are Full on both modules: for client.Config.KeepOne,
// so that somebody can always administer.
func (r *Roles) Full() []client.Grant { return slices.Clone(r.full) }

// of returns what c may do by scopes that it holds now at server, the roles'
// resource server as it is now, and that its access token names.
func (r *Roles) of(c *client.Client, server *resource.Server, token []string) role {
	var all role
	for _, scope := range c.GrantsAt(server) {
		one, ok := r.scopes[scope.ID]
		if !ok || !slices.Contains(token, scope.ID) {
			continue
		}
		// A scope that has moved to another service is another role there.
		if service, _, ok := server.Scope(scope.ID); !ok || service.ID != r.serviceID {
			continue
		}
		all = role{level: max(all.level, one.level), rotateOwn: all.rotateOwn || one.rotateOwn}
	}
	return all
}
