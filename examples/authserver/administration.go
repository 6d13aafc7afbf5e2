package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/clientele-go/clientele/admin"
	"github.com/clientele-go/clientele/resource"
)

// adminServices are the names that the administration service of a catalog may
// have, if -admin-service says nothing: that of ZIdentity, and the one of the
// built-in catalog.
var adminServices = []string{admin.DefaultService, "IAM"}

// findRoles looks up by which scopes API clients administer. It returns nil if the
// catalog has none and -admin-service is not set.
func findRoles(ctx context.Context, catalog *resource.Catalog, service string) (*admin.Roles, error) {
	if service != "" {
		roles, err := admin.ResolveRoles(ctx, catalog, admin.RolesConfig{Service: service})
		if err != nil {
			return nil, fmt.Errorf("-admin-service: %w", err)
		}
		return roles, nil
	}
	for _, service := range adminServices {
		roles, err := admin.ResolveRoles(ctx, catalog, admin.RolesConfig{Service: service})
		if !errors.Is(err, admin.ErrNoRoles) {
			return roles, err
		}
	}
	return nil, nil
}

// mountAdmin serves the admin API, if anybody can have a role for it.
func (a *authority) mountAdmin(mux *http.ServeMux) error {
	if a.roles == nil {
		a.log.Warn("no admin API: the catalog has no service with administrators; name it with -admin-service", "looked_for", adminServices)
		return nil
	}
	verifier, err := a.issuer.Verifier(a.roles.Audience())
	if err != nil {
		return err
	}
	api, err := admin.New(admin.Config{
		Registry: a.clients, Issuer: a.issuer, NumericTimes: a.numericTimes, Logger: a.log, Now: now,
		Authorize: admin.Bearer(verifier, a.clients, a.roles),
	})
	if err != nil {
		return err
	}
	api.Mount(mux)
	return nil
}
