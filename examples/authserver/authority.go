package main

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/clientele-go/clientele/admin"
	"github.com/clientele-go/clientele/admin/portal"
	"github.com/clientele-go/clientele/audit"
	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/credentials/jwks"
	"github.com/clientele-go/clientele/examples/internal/demo"
	"github.com/clientele-go/clientele/resource"
	"github.com/clientele-go/clientele/store"
	"github.com/clientele-go/clientele/token"
)

// tenant is the name of the only one.
const tenant = "default"

// builtin is the catalog of a server that was given none.
//
//go:embed catalog.json
var builtin []byte

// An authority is everything behind the endpoints.
type authority struct {
	log     *slog.Logger
	db      io.Closer
	store   store.Store
	audit   *audit.Log
	clients *client.Registry
	roles   *admin.Roles // nil: nobody can administer
	issuer  *token.Issuer
	jwks    *jwks.Cache
	portal  *portal.Handler
	metrics *metrics // nil: nobody wants any

	receiver token.Receiver // of credentials that expire

	allowJWKS    jwks.Allow
	numericTimes bool
	oidc         oidcOptions
}

// open opens the database and puts together what works on it.
func open(ctx context.Context, o options, log *slog.Logger) (_ *authority, err error) {
	if o.store == "" {
		if err := makeFolder(o.data); err != nil {
			return nil, fmt.Errorf("-data %s: %w; the program needs a folder that it can write to", o.data, err)
		}
	}
	a := &authority{log: log, numericTimes: o.numericTimes, oidc: o.oidc}
	if o.insecureJWKS {
		a.allowJWKS = jwks.Allow{AnyPort: true, Private: true}
		log.Warn("-insecure-jwks: client JWKS URLs may reach into this network; not for production")
	}
	if o.metrics != "" {
		if a.metrics, err = newMetrics(log); err != nil {
			return nil, err
		}
	}
	if a.receiver, err = a.newReceiver(o); err != nil {
		return nil, err
	}
	var path string
	if a.db, a.store, path, err = openStore(ctx, o); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.db.Close())
		}
	}()
	a.store = store.Observe(a.store, a.observer())
	if err := a.openClients(ctx, o); err != nil {
		return nil, err
	}
	keyPath := o.sealingKeyPath()
	key, err := sealingKey(ctx, keyPath, a.store, o.sealingKey == "")
	if err != nil {
		return nil, err
	}
	a.jwks, err = jwks.New(jwks.Config{Allow: a.allowJWKS, Observer: a.observer(), Logger: log, Now: now})
	if err != nil {
		return nil, err
	}
	a.issuer, err = token.NewIssuer(ctx, token.Config{
		Issuer: o.issuer, Clients: a.clients, Logger: log,
		SealingKeys: []token.SealingKey{key}, JWKS: a.jwks,
		// What callers of the original sign counts here too.
		CompatibleAssertions: true,
		MayIntrospect:        o.introspect.may,
		Log:                  o.log,
		StatusListTTL:        o.statuses,
		StoreAway:            o.storeAway,
		Observer:             a.observer(),
		Now:                  now,
	})
	if errors.Is(err, token.ErrSealed) {
		return nil, fmt.Errorf("%s is not the key that the signing keys in %s were sealed with; put that one back: %w", keyPath, path, err)
	}
	return a, err
}

// openClients loads the catalog, and puts together what knows of API clients.
func (a *authority) openClients(ctx context.Context, o options) (err error) {
	if a.audit, err = audit.NewLog(audit.Config{
		Store: a.store, Logger: a.log, Now: now, Retention: audit.Retention{Events: o.keepAudit},
	}); err != nil {
		return err
	}
	catalog, err := resource.NewCatalog(resource.Config{Store: a.store, Audit: a.audit, Now: now})
	if err != nil {
		return err
	}
	if err := a.loadCatalog(ctx, catalog, o.catalog); err != nil {
		return err
	}
	if a.roles, err = findRoles(ctx, catalog, o.adminService); err != nil {
		return err
	}
	cfg := client.Config{Store: a.store, Resources: catalog, Audit: a.audit, AllowJWKS: a.allowJWKS, Observer: a.observer(), Now: now}
	if a.roles != nil {
		cfg.KeepOne = a.roles.Full()
	}
	a.clients, err = client.NewRegistry(cfg)
	return err
}

// close writes what is still to be written, and closes the database.
func (a *authority) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return errors.Join(a.issuer.Close(ctx), a.db.Close())
}

// prepare brings into the database what the files of the flags say.
func (a *authority) prepare(ctx context.Context, o options) error {
	if _, err := a.clients.Reindex(ctx); err != nil {
		return err
	}
	if o.demo {
		if err := demo.Fill(ctx, a.clients); err != nil {
			return fmt.Errorf("-demo: %w", err)
		}
	}
	if o.clients != "" {
		if err := a.declare(ctx, o.clients); err != nil {
			return err
		}
	}
	if o.bootstrap != "" {
		if err := a.bootstrap(ctx, o.bootstrap); err != nil {
			return err
		}
	}
	if err := a.checkIntrospectors(ctx, o.introspect); err != nil {
		return err
	}
	return a.watch()
}

func (a *authority) loadCatalog(ctx context.Context, catalog *resource.Catalog, path string) error {
	var file io.Reader = bytes.NewReader(builtin)
	if path == "" {
		path = "(built-in)"
	} else {
		f, err := os.Open(path)
		if err != nil {
			return fmt.Errorf("-catalog: %w", err)
		}
		defer f.Close()
		file = f
	}
	ctx = audit.WithActor(ctx, audit.Program("authserver -catalog"))
	report, err := catalog.Load(ctx, file)
	if err != nil {
		return fmt.Errorf("-catalog %s: %w", path, err)
	}
	a.log.Info("catalog loaded", "file", path,
		"added", len(report.Added), "changed", len(report.Changed), "unchanged", len(report.Unchanged))
	return nil
}

// reload applies the file of -clients again. An error changes nothing.
func (a *authority) reload(ctx context.Context, path string) {
	if path == "" {
		a.log.Info("nothing to apply: there is no -clients")
		return
	}
	if err := a.declare(ctx, path); err != nil {
		a.log.Error("clients refused", "error", err.Error())
	}
}

// sweep lets the store drop what has expired, once a minute until ctx ends.
func (a *authority) sweep(ctx context.Context) {
	ticker := time.NewTicker(time.Minute)
	defer ticker.Stop()
	for {
		n, err := a.store.Sweep(ctx, now(), store.MaxLimit)
		if err != nil && ctx.Err() == nil {
			a.log.Error("sweeping failed", "error", err.Error())
		}
		if err == nil && n == store.MaxLimit && ctx.Err() == nil {
			continue // there may be more
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (a *authority) routes() (http.Handler, error) {
	mux := http.NewServeMux()
	a.issuer.Mount(mux)
	a.mountHealth(mux)
	if err := a.mountPortal(mux); err != nil {
		return nil, err
	}
	return mux, a.mountAdmin(mux)
}
