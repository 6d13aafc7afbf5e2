// Package people is what a program of somebody else does with portaloidc, pgstore
// and the core module: people sign in to its portal at an OpenID provider, and its
// data is in PostgreSQL.
package people

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"

	"github.com/clientele-go/clientele/admin/portal"
	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/memstore"
	"github.com/clientele-go/clientele/pgstore"
	"github.com/clientele-go/clientele/portaloidc"
	"github.com/clientele-go/clientele/resource"
	"github.com/clientele-go/clientele/store"
)

// Run asks for a page of the portal, and returns where one is sent to sign in.
func Run(ctx context.Context) (string, error) {
	dir, err := os.MkdirTemp("", "clientele-foreign-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	// No PostgreSQL listens in that folder, so that the program does without.
	if db, err := pgstore.Open(ctx, "host="+dir+" dbname=clientele sslmode=disable", pgstore.Config{}); err == nil {
		return "", errors.Join(errors.New("there is a database where there is none"), db.Close())
	}
	memory := memstore.New()
	defer memory.Close()
	handler, err := portalOn(memory)
	if err != nil {
		return "", err
	}
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "https://auth.shop.example/portal/clients", nil))
	return answer.Header().Get("Location"), nil
}

func portalOn(st store.Store) (http.Handler, error) {
	catalog, err := resource.NewCatalog(resource.Config{Store: st})
	if err != nil {
		return nil, err
	}
	registry, err := client.NewRegistry(client.Config{Store: st, Resources: catalog})
	if err != nil {
		return nil, err
	}
	sessions, err := portal.NewSessions(portal.SessionsConfig{})
	if err != nil {
		return nil, err
	}
	p, err := portal.New(portal.Config{Registry: registry, Sessions: sessions, SignInURL: portaloidc.SignInPath(portal.DefaultBasePath)})
	if err != nil {
		return nil, err
	}
	signIn, err := portaloidc.New(portaloidc.Config{
		Issuer: "https://login.shop.example", ClientID: "clientele", Server: "https://auth.shop.example",
		Portal: p, Sessions: sessions, Access: portaloidc.Groups{View: []string{"staff"}}.Access,
	})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	p.Mount(mux)
	signIn.Mount(mux)
	return mux, nil
}
