package main

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/clientele-go/clientele/audit"
	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/credentials/jwks"
	"github.com/clientele-go/clientele/resource"
	"github.com/clientele-go/clientele/sqlitestore"
	"github.com/clientele-go/clientele/token"
)

// An authority is what registers API clients and issues their tokens.
type authority struct {
	db      *sqlitestore.DB
	audit   *audit.Log
	catalog *resource.Catalog
	clients *client.Registry
	issuer  *token.Issuer

	server *http.Server
	addr   string
	url    string
}

// openAuthority opens the database, puts together what works on it, and serves
// it at addr.
func openAuthority(ctx context.Context, file string, keys []token.SealingKey, clock *clock, addr string) (_ *authority, err error) {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	a := &authority{addr: listener.Addr().String()}
	a.url = "http://" + a.addr // https, where others than this machine come by
	defer func() {
		if err != nil {
			err = errors.Join(err, listener.Close(), a.close())
		}
	}()

	if a.db, err = sqlitestore.Open(ctx, file, sqlitestore.Config{}); err != nil {
		return nil, err
	}
	st, err := a.db.Tenant(ctx, "default") // one database keeps many apart
	if err != nil {
		return nil, err
	}
	if a.audit, err = audit.NewLog(audit.Config{Store: st, Now: clock.Now}); err != nil {
		return nil, err
	}
	if a.catalog, err = resource.NewCatalog(resource.Config{Store: st, Audit: a.audit, Now: clock.Now}); err != nil {
		return nil, err
	}
	if a.clients, err = client.NewRegistry(client.Config{
		Store: st, Audit: a.audit, Resources: a.catalog, AllowJWKS: local, Now: clock.Now,
	}); err != nil {
		return nil, err
	}
	published, err := jwks.New(jwks.Config{Allow: local, Now: clock.Now, Logger: quiet})
	if err != nil {
		return nil, err
	}
	a.issuer, err = token.NewIssuer(ctx, token.Config{
		Issuer: a.url, Clients: a.clients, SealingKeys: keys, JWKS: published, Now: clock.Now, Logger: quiet,
	})
	if err != nil {
		return nil, err
	}
	a.server = serve(listener, a.issuer)
	return a, nil
}

func (a *authority) close() error {
	var err error
	if a.server != nil {
		err = a.server.Close()
	}
	if a.db != nil {
		err = errors.Join(err, a.db.Close())
	}
	return err
}

// local lets clients publish their keys on this machine, for the tour. Without it
// only https to public addresses will do.
var local = jwks.Allow{Loopback: true}

// serve serves handler until the server is closed.
func serve(listener net.Listener, handler http.Handler) *http.Server {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	go server.Serve(listener)
	return server
}

// A clock is the time, and as much more as was asked for.
type clock struct{ ahead atomic.Int64 }

func (c *clock) Now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

func (c *clock) advance(d time.Duration) { c.ahead.Add(int64(d)) }

var (
	randomness = rand.Reader
	quiet      = slog.New(slog.DiscardHandler)
)
