package client

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/clientele-go/clientele/resource"
	"github.com/clientele-go/clientele/store"
)

// checkSpec tests spec against every rule, completes it (defaults, NFC, the
// names in grants) and returns an *InvalidError with all that is wrong, or was
// found to be before, or an error of the catalog. Of old, the client before the
// change, the grants that are gone may stay.
func (r *Registry) checkSpec(ctx context.Context, p *problems, spec *Spec, old *Client) error {
	checkName(p, spec)
	checkDescription(p, spec)
	checkLabels(p, spec)
	checkLifetime(p, spec)
	r.checkMethod(p, spec)
	if err := r.checkGrants(ctx, p, spec, old); err != nil {
		return err
	}
	return p.err()
}

func checkName(p *problems, spec *Spec) {
	name, problem := normal(spec.Name, MaxName, "")
	switch {
	case problem != "":
		p.add("Name", "%s", problem)
	case strings.TrimSpace(name) == "":
		p.add("Name", "is required: 1 to %d characters", MaxName)
	default:
		spec.Name = name
	}
}

func checkDescription(p *problems, spec *Spec) {
	description, problem := normal(spec.Description, MaxDescription, "\n\r\t")
	if problem != "" {
		p.add("Description", "%s", problem)
		return
	}
	spec.Description = description
}

// normal returns s in NFC if that is UTF-8 of at most so many code points without
// control characters other than those allowed, and else what is wrong.
func normal(s string, most int, allowed string) (_, problem string) {
	// Before any work on it: what NFC makes one code point of has up to four,
	// in nine bytes.
	if len(s) > most*9 {
		return "", fmt.Sprintf("is too long: at most %d characters", most)
	}
	if !utf8.ValidString(s) {
		return "", "is not UTF-8"
	}
	s = norm.NFC.String(s)
	if n := utf8.RuneCountInString(s); n > most {
		return "", fmt.Sprintf("has %d characters, at most %d", n, most)
	}
	for _, c := range s {
		if unicode.IsControl(c) && !strings.ContainsRune(allowed, c) {
			return "", fmt.Sprintf("has the control character %U; leave it out", c)
		}
	}
	return s, ""
}

func checkLabels(p *problems, spec *Spec) {
	if len(spec.Labels) > MaxLabels {
		p.add("Labels", "are %d, at most %d", len(spec.Labels), MaxLabels)
		return
	}
	if len(spec.Labels) == 0 {
		spec.Labels = nil
		return
	}
	labels := make(map[string]string, len(spec.Labels))
	for _, key := range slices.Sorted(maps.Keys(spec.Labels)) {
		k, problem := normal(key, MaxLabelKey, "")
		switch _, twice := labels[k]; {
		case problem != "":
			p.add("Labels", "has a key that %s", problem)
			continue
		case strings.TrimSpace(k) == "":
			p.add("Labels", "has an empty key; want 1 to %d characters", MaxLabelKey)
			continue
		case twice:
			p.add(fmt.Sprintf("Labels[%q]", k), "is there twice, in two spellings of Unicode")
			continue
		}
		value, problem := normal(spec.Labels[key], MaxLabelValue, "")
		if problem != "" {
			p.add(fmt.Sprintf("Labels[%q]", k), "%s", problem)
		}
		labels[k] = value
	}
	spec.Labels = labels
}

func checkLifetime(p *problems, spec *Spec) {
	switch lifetime := spec.TokenLifetime; {
	case lifetime == 0:
		spec.TokenLifetime = DefaultTokenLifetime
	case lifetime < MinTokenLifetime || lifetime > MaxTokenLifetime:
		p.add("TokenLifetime", "is %v; choose %v to %v", lifetime, MinTokenLifetime, MaxTokenLifetime)
	case lifetime%time.Second != 0:
		p.add("TokenLifetime", "is %v; choose whole seconds", lifetime)
	}
}

func (r *Registry) checkGrants(ctx context.Context, p *problems, spec *Spec, old *Client) error {
	if len(spec.Grants) > MaxGrants {
		p.add("Grants", "are %d, at most %d", len(spec.Grants), MaxGrants)
		return nil
	}
	if len(spec.Grants) == 0 {
		spec.Grants = nil
		return nil
	}
	type service struct{ server, service string }
	first := make(map[service]Grant, len(spec.Grants))
	for i := range spec.Grants {
		field := fmt.Sprintf("Grants[%d]", i)
		g, problem, err := r.resolve(ctx, field, spec.Grants[i], old)
		switch {
		case err != nil:
			return err
		case problem != nil:
			*p = append(*p, *problem)
			continue
		}
		at := service{g.ServerID, g.ServiceID}
		if other, ok := first[at]; ok {
			p.add(field+".ScopeID", "is a second scope (%q beside %q) of the service %q; choose one for each service", g.Scope, other.Scope, g.Service)
			continue
		}
		first[at] = g
		spec.Grants[i] = g
	}
	return nil
}

// resolve completes a grant from the catalog or, where its scope is gone, from
// what the client had before. It returns what is wrong with it, or an error of
// the catalog.
func (r *Registry) resolve(ctx context.Context, field string, g Grant, old *Client) (Grant, *Problem, error) {
	server, err := r.resources.Get(ctx, g.ServerID)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return g, nil, fmt.Errorf("looking for resource server %.64q: %w", g.ServerID, err)
	}
	had, ok := old.grant(g.ServerID, g.ScopeID)
	if server != nil {
		service, scope, there := server.Scope(g.ScopeID)
		// One that has moved to another service grants nothing, and an Edit
		// that hands it on untouched does not change that.
		moved := ok && g.ServiceID == had.ServiceID && had.ServiceID != service.ID
		if there && !moved {
			return Grant{
				ServerID: server.ID, ScopeID: scope.ID, Scope: scope.Name,
				ServiceID: service.ID, Service: service.Name,
			}, nil, nil
		}
	}
	switch {
	case ok:
		return had, nil, nil
	case server == nil:
		return g, &Problem{Field: field + ".ServerID", Message: fmt.Sprintf("names the resource server %.64q, which does not exist", g.ServerID)}, nil
	default:
		return g, &Problem{Field: field + ".ScopeID", Message: fmt.Sprintf("names the scope %.64q, which the resource server %q does not have", g.ScopeID, server.Name)}, nil
	}
}

// grant returns the grant of that scope that c has. A nil c has none.
func (c *Client) grant(serverID, scopeID string) (Grant, bool) {
	if c == nil {
		return Grant{}, false
	}
	for _, g := range c.Grants {
		if g.ServerID == serverID && g.ScopeID == scopeID {
			return g, true
		}
	}
	return Grant{}, false
}

// current returns the scope of g in server as its catalog is now.
func (g Grant) current(server *resource.Server) (resource.Scope, bool) {
	service, scope, ok := server.Scope(g.ScopeID)
	return scope, ok && service.ID == g.ServiceID
}
