package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/clientele-go/clientele/audit"
	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/resource"
	"github.com/clientele-go/clientele/store"
	"github.com/clientele-go/clientele/token/verifier"
)

// Bearer returns a Config.Authorize by access tokens: v, a Verifier of this issuer
// for Roles.Audience, says whether a token is good, and registry what its client
// may do by now. A client that was disabled or deleted, or that has lost a role, a
// moment ago administers nothing with the tokens that it holds, and a token gives
// no role that it was not issued for.
//
// The token stands in the Authorization header (RFC 6750 §2.1) and nowhere else.
func Bearer(v *verifier.Verifier, registry *client.Registry, roles *Roles) func(*http.Request) (Access, error) {
	return func(r *http.Request) (Access, error) {
		token, err := bearerToken(r)
		if err != nil {
			return Access{}, err
		}
		ctx := r.Context()
		claims, err := v.Verify(ctx, token)
		if err != nil {
			return Access{}, err
		}
		// Of several audiences of v, ids of scopes mean something at one.
		if !slices.Contains(claims.Audience, roles.audience) {
			return Access{}, &verifier.TokenError{Reason: verifier.ReasonAudience}
		}
		return accessOf(ctx, registry, roles, claims)
	}
}

// accessOf returns what the client of a good token may do now.
func accessOf(ctx context.Context, registry *client.Registry, roles *Roles, claims *verifier.Claims) (Access, error) {
	c, err := registry.Get(ctx, claims.ClientID) // not Lookup: as it is now
	switch {
	case errors.Is(err, client.ErrNotFound):
		return Access{}, refusedToken("its client was deleted")
	case err != nil:
		return Access{}, err
	case c.Disabled:
		return Access{}, refusedToken("its client is disabled")
	}
	server, err := registry.Resources().Get(ctx, roles.serverID)
	if errors.Is(err, store.ErrNotFound) {
		server, err = new(resource.Server), nil // at which nobody has anything
	}
	if err != nil {
		return Access{}, fmt.Errorf("looking for resource server %.64q: %w", roles.serverID, err)
	}
	may := roles.of(c, server, claims.Scopes)
	access := Access{
		Actor:   audit.Actor{Kind: audit.Client, ID: c.ID, Name: c.Name},
		Clients: may.level, Resources: may.level,
	}
	if may.rotateOwn {
		access.RotateOwn = c.ID
	}
	return access, nil
}

func refusedToken(why string) error {
	return &verifier.TokenError{Reason: verifier.ReasonRefused, Err: errors.New(why)}
}

// bearerToken returns the access token of r.
func bearerToken(r *http.Request) (string, error) {
	headers := r.Header["Authorization"]
	if len(headers) == 0 {
		return "", verifier.ErrNoToken
	}
	if len(headers) > 1 {
		f := refused(http.StatusBadRequest, codeInvalid, "There is more than one Authorization header.")
		f.challenge = `Bearer realm="admin", error="invalid_request"`
		return "", f
	}
	scheme, token, _ := strings.Cut(headers[0], " ")
	if token = strings.Trim(token, " "); token == "" || !strings.EqualFold(scheme, "Bearer") {
		return "", verifier.ErrNoToken
	}
	return token, nil
}
