package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/clientele-go/clientele/admin"
	"github.com/clientele-go/clientele/audit"
	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/credentials"
	"github.com/clientele-go/clientele/resource"
	"github.com/clientele-go/clientele/store"
)

// bootstrapName is the name of the first API client.
const bootstrapName = "bootstrap"

// bootstrapActor is who registers it, and does nothing else.
var bootstrapActor = audit.Program("authserver -bootstrap")

// A bootstrapFile is what the file of -bootstrap holds.
type bootstrapFile struct {
	Issuer        string `json:"issuer"`
	TokenEndpoint string `json:"token_endpoint"`
	ClientID      string `json:"client_id"`
	ClientSecret  string `json:"client_secret"`
}

// bootstrap registers a first API client and leaves its credentials in a file,
// once in the life of a database.
//
// The secret is known nowhere else, so the file is durable before the client is
// committed. That is why neither is left to Registry.AddSecret: id and secret
// are made here, and the client is imported with the secret's digest. Whoever
// loses power in between finds a file whose client does not exist, and the next
// start overwrites it.
func (a *authority) bootstrap(ctx context.Context, path string) error {
	done, err := a.bootstrapped(ctx)
	if err != nil || done {
		return err
	}
	taken, err := a.clients.ByName(ctx, bootstrapName)
	switch {
	case errors.Is(err, client.ErrNotFound):
	case err != nil:
		return fmt.Errorf("-bootstrap: %w", err)
	default:
		return fmt.Errorf("-bootstrap: there is an API client named %q already; rename it, or start without -bootstrap", taken.Name)
	}
	grants, err := a.firstGrants(ctx)
	if err != nil {
		return fmt.Errorf("-bootstrap: %w", err)
	}
	secret, err := credentials.NewSecret(rand.Reader)
	if err != nil {
		return fmt.Errorf("-bootstrap: %w", err)
	}
	first := client.Import{
		ID: newClientID(),
		Spec: client.Spec{
			Name:        bootstrapName,
			Description: "The first API client, made when the server was started with -bootstrap.",
			Grants:      grants,
		},
		Secrets:     []client.ImportedSecret{{Digest: secret.Digest(), ExpiresAt: now().Add(client.MaxSecretValidity)}},
		HighEntropy: true,
	}
	data, err := json.MarshalIndent(bootstrapFile{
		Issuer: a.issuer.Identifier(), TokenEndpoint: a.issuer.TokenEndpoint(),
		ClientID: first.ID, ClientSecret: secret.Reveal(),
	}, "", "  ")
	if err != nil {
		return fmt.Errorf("-bootstrap: %w", err)
	}
	if err := writeDurably(path, append(data, '\n'), os.Rename); err != nil {
		return fmt.Errorf("-bootstrap: %w", err)
	}
	ctx = audit.WithActor(ctx, bootstrapActor)
	if _, err := a.clients.Import(ctx, first); err != nil {
		return fmt.Errorf("-bootstrap: %w", err)
	}
	a.log.Info("first API client registered", "client_id", first.ID, "file", path)
	return a.rememberBootstrap(ctx)
}

// kindBootstrap is the kind of the one record that says that the first API client
// was registered.
const kindBootstrap store.Kind = "authserver.bootstrap"

// bootstrapped reports whether the first API client was ever registered, also when
// it was renamed or deleted since. A record says so or, if the program was killed
// before it wrote that, the audit event that was written together with the client,
// which may have an end.
func (a *authority) bootstrapped(ctx context.Context) (bool, error) {
	_, err := a.store.Get(ctx, kindBootstrap, bootstrapName)
	if !errors.Is(err, store.ErrNotFound) {
		return err == nil, err
	}
	page, err := a.audit.List(ctx, audit.Filter{ActorKind: bootstrapActor.Kind, ActorID: bootstrapActor.ID, Limit: 1})
	if err != nil {
		return false, fmt.Errorf("looking for the first API client: %w", err)
	}
	if len(page.Events) == 0 {
		return false, nil
	}
	return true, a.rememberBootstrap(ctx)
}

func (a *authority) rememberBootstrap(ctx context.Context) error {
	_, err := a.store.Apply(ctx, store.Append(store.Record{Kind: kindBootstrap, ID: bootstrapName}))
	if err != nil && !errors.Is(err, store.ErrExists) {
		return fmt.Errorf("remembering that the first API client was registered: %w", err)
	}
	return nil
}

// firstGrants returns what the first API client may do, at the default resource
// server, so that its token requests need no audience: administer, if the
// administration service is that of ZIdentity, and otherwise that and the first
// thing at each other service.
func (a *authority) firstGrants(ctx context.Context) ([]client.Grant, error) {
	server, err := a.clients.Resources().Default(ctx)
	if errors.Is(err, resource.ErrNoDefault) {
		return nil, errors.New(`the catalog has no default resource server for the first API client; give one of them "defaultApi":true`)
	}
	if err != nil {
		return nil, err
	}
	full := a.administrator()
	var grants []client.Grant
	for _, service := range server.Services {
		if len(service.Scopes) == 0 || len(grants) == client.MaxGrants-1 {
			continue
		}
		grant := client.Grant{ServerID: server.ID, ScopeID: service.Scopes[0].ID}
		if holder, _, ok := server.Scope(full.ScopeID); ok && full.ServerID == server.ID && holder.ID == service.ID {
			if service.Name == admin.DefaultService {
				return []client.Grant{full}, nil
			}
			grant, full = full, client.Grant{}
		}
		grants = append(grants, grant)
	}
	if full.ServerID != "" { // of another resource server
		grants = append(grants, full)
	}
	if len(grants) == 0 {
		return nil, fmt.Errorf("the default resource server %q has no scope to grant to the first API client", server.Name)
	}
	return grants, nil
}

// administrator returns the grant that administers; none if nobody can.
func (a *authority) administrator() client.Grant {
	if a.roles == nil {
		return client.Grant{}
	}
	return a.roles.Full()[0]
}

// newClientID returns an id with 128 random bits or more.
func newClientID() string { return strings.ToLower(rand.Text()) }
