package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/clientele-go/clientele/audit"
	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/store"
)

// declare makes the API clients what the file says: those that are missing are
// added, those that differ are edited, all others are left alone. A file that
// was applied before writes nothing, and one with an error neither: everything
// is done in a rehearsal first.
func (a *authority) declare(ctx context.Context, path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("-clients: %w", err)
	}
	declared, err := parseDeclarations(text)
	if err != nil {
		return fmt.Errorf("-clients %s: %w", path, err)
	}
	ctx = audit.WithActor(ctx, audit.Program("authserver -clients"))
	rehearsal, err := client.NewRegistry(client.Config{Store: rehearsal{a.store}, Resources: a.clients.Resources(), AllowJWKS: a.allowJWKS})
	if err != nil {
		return err
	}
	var problems []error
	for i := range declared {
		if err := a.rehearse(ctx, rehearsal, &declared[i], declared[:i]); err != nil {
			problems = append(problems, err)
		}
	}
	if len(problems) > 0 {
		return fmt.Errorf("-clients %s: nothing was changed: %w", path, listed(problems))
	}

	added, edited, unchanged := []string{}, []string{}, []string{}
	for i := range declared {
		d := &declared[i]
		after, err := d.apply(ctx, a.clients)
		switch {
		case err != nil: // of the store, or somebody came in between
			return fmt.Errorf("-clients %s: stopped at %s, to be applied again: %w", path, d.field, err)
		case d.before == nil:
			added = append(added, after.Name)
		case d.before.Version != after.Version:
			edited = append(edited, after.Name)
		default:
			unchanged = append(unchanged, after.Name)
		}
	}
	a.log.Info("clients applied", "file", path, "added", added, "edited", edited, "unchanged", unchanged)
	return nil
}

// rehearse finds the client that d is about, and out what would be wrong.
func (a *authority) rehearse(ctx context.Context, rehearsal *client.Registry, d *declaration, earlier []declaration) (err error) {
	for _, other := range earlier {
		if store.Fold(other.Name) == store.Fold(d.Name) {
			return fmt.Errorf("%s.name: %q stands in %s already", d.field, d.Name, other.field)
		}
		if d.ID != "" && other.ID == d.ID {
			return fmt.Errorf("%s.id: %q stands in %s already", d.field, d.ID, other.field)
		}
	}
	if d.before, err = a.find(ctx, d.Name); err != nil {
		return fmt.Errorf("%s: %w", d.field, err)
	}
	if err := d.resolve(ctx, a.clients.Resources()); err != nil {
		return err
	}
	if d.before != nil {
		if d.ID != "" && d.ID != d.before.ID {
			return fmt.Errorf("%s.id: is %q, but the client %q has %q, and ids never change", d.field, d.ID, d.before.Name, d.before.ID)
		}
		for _, s := range d.secrets {
			if !slices.ContainsFunc(d.before.Secrets, func(had client.Secret) bool { return had.Digest == s.Digest }) {
				a.log.Warn("declared secret ignored: the client exists, and its secrets are an administrator's",
					"client", d.before.Name, "client_id", d.before.ID, "sha256", s.Digest.String())
			}
		}
	}
	_, err = d.apply(ctx, rehearsal)
	return d.translate(err)
}

// apply makes the client in registry what d says.
func (d *declaration) apply(ctx context.Context, registry *client.Registry) (*client.Client, error) {
	if d.before != nil {
		return registry.Edit(ctx, d.before.ID, func(c *client.Client) error {
			d.declare(&c.Spec)
			return nil
		})
	}
	imported := client.Import{ID: d.ID, Secrets: d.secrets, HighEntropy: true}
	if imported.ID == "" {
		imported.ID = newClientID()
	}
	d.declare(&imported.Spec)
	return registry.Import(ctx, imported)
}

// declare sets what d says of a client, and leaves the rest: its labels, and
// whether it is disabled where d does not say. So no restart lets in again whom
// an administrator has locked out.
func (d *declaration) declare(spec *client.Spec) {
	spec.Name = d.Name
	spec.Description = d.Description
	if d.Status != nil {
		spec.Disabled = !*d.Status
	}
	spec.TokenLifetime = d.lifetime
	spec.Method = d.method
	spec.JWKSURL = d.ClientAuthentication.ClientJWKsURL
	spec.Keys = d.keys
	spec.Grants = d.grants
}

// translate returns err in the words of the file.
func (d *declaration) translate(err error) error {
	var invalid *client.InvalidError
	if !errors.As(err, &invalid) {
		if err != nil {
			err = fmt.Errorf("%s: %w", d.field, err)
		}
		return err
	}
	var problems []error
	for _, p := range invalid.Problems {
		field, ok := d.fields[p.Field]
		if !ok {
			field = d.field + "." + p.Field
		}
		problems = append(problems, fmt.Errorf("%s: %s", field, p.Message))
	}
	return listed(problems)
}

// find returns the client with that name, whatever the case, or nil.
func (a *authority) find(ctx context.Context, name string) (*client.Client, error) {
	folded := store.Fold(name)
	query := client.Query{Search: name, Limit: store.MaxLimit}
	for {
		page, err := a.clients.List(ctx, query)
		if err != nil {
			return nil, fmt.Errorf("looking for the client %.64q: %w", name, err)
		}
		for _, c := range page.Clients {
			if store.Fold(c.Name) == folded {
				return c, nil
			}
		}
		if page.Next == "" {
			return nil, nil
		}
		query.After = page.Next
	}
}

// A rehearsal is a store to which every change can be made and is not.
type rehearsal struct{ store.Store }

// Apply refuses what the store would refuse: what is there already.
func (r rehearsal) Apply(ctx context.Context, changes ...store.Change) (store.Revision, error) {
	if err := store.Check(changes...); err != nil {
		return 0, err
	}
	for i, c := range changes {
		if c.Record.Version != 0 { // it was read just now
			continue
		}
		_, err := r.Get(ctx, c.Record.Kind, c.Record.ID)
		switch {
		case err == nil:
			return 0, &store.ChangeError{Index: i, Kind: c.Record.Kind, ID: c.Record.ID, Err: store.ErrExists}
		case !errors.Is(err, store.ErrNotFound):
			return 0, err
		}
	}
	return 1, nil
}

// listed is errors in one line.
type listed []error

func (l listed) Error() string {
	texts := make([]string, len(l))
	for i, err := range l {
		texts[i] = err.Error()
	}
	return strings.Join(texts, "; ")
}

func (l listed) Unwrap() []error { return l }
