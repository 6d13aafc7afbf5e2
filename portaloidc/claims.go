package portaloidc

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/clientele-go/clientele/admin"
	"github.com/clientele-go/clientele/audit"
)

// Claims are what the provider says, in an ID token that was checked, of whoever
// has signed in.
type Claims struct {
	Issuer, Subject string // who it is: together they are never another person's
	Name            string // name, or else preferred_username; may be empty
	Email           string
	EmailVerified   bool

	raw json.RawMessage
}

// Decode reads all claims of the ID token into v, as json.Unmarshal does.
func (c *Claims) Decode(v any) error {
	if err := json.Unmarshal(c.raw, v); err != nil {
		return fmt.Errorf("claims of an ID token: %w", err)
	}
	return nil
}

// actor returns who it is for the audit log.
func (c *Claims) actor(name string) audit.Actor {
	for _, other := range []string{c.Name, c.Email, c.Subject} {
		if name == "" {
			name = other
		}
	}
	return audit.Actor{Kind: audit.Person, ID: c.Issuer + "#" + c.Subject, Name: name}
}

// Groups is what people may do by the groups that they are in.
type Groups struct {
	// Claim names the claim with the names of the groups, an array of strings or
	// a single one. Empty means groups.
	Claim string
	// Who is in one of Full may do everything, who is in one of View may see
	// everything, and whoever else is kept out.
	Full, View []string
}

// Access is a Config.Access.
func (g Groups) Access(_ context.Context, c *Claims) (admin.Access, error) {
	claim := g.Claim
	if claim == "" {
		claim = "groups"
	}
	all := map[string]json.RawMessage{}
	if err := c.Decode(&all); err != nil {
		return admin.Access{}, err
	}
	var in []string
	var one string
	switch raw := all[claim]; {
	case raw == nil:
	case json.Unmarshal(raw, &one) == nil:
		in = []string{one}
	case json.Unmarshal(raw, &in) != nil:
		return admin.Access{}, fmt.Errorf("%w: the claim %q is no array of strings", admin.ErrForbidden, claim)
	}
	member := func(of []string) bool {
		return slices.ContainsFunc(of, func(name string) bool { return name != "" && slices.Contains(in, name) })
	}
	switch {
	case member(g.Full):
		return admin.Access{Clients: admin.Full, Resources: admin.Full}, nil
	case member(g.View):
		return admin.Access{Clients: admin.View, Resources: admin.View}, nil
	}
	return admin.Access{}, fmt.Errorf("%w: in none of the groups %s", admin.ErrForbidden, strings.Join(append(slices.Clone(g.Full), g.View...), ", "))
}
