// Package sqlite is what a program of somebody else does with sqlitestore and the
// core module: it comes back to what it wrote.
package sqlite

import (
	"context"
	"os"
	"path/filepath"

	"github.com/clientele-go/clientele/audit"
	"github.com/clientele-go/clientele/resource"
	"github.com/clientele-go/clientele/sqlitestore"
)

// Run writes a catalog into a file, opens the file again, and returns the name of
// the resource server in it.
func Run(ctx context.Context) (string, error) {
	ctx = audit.WithActor(ctx, audit.Program("foreign"))
	dir, err := os.MkdirTemp("", "clientele-foreign-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "clientele.db")
	if err := open(ctx, path, func(catalog *resource.Catalog) error {
		_, err := catalog.Add(ctx, resource.Server{Name: "Shop", Audience: "https://api.shop.example"})
		return err
	}); err != nil {
		return "", err
	}
	var name string
	err = open(ctx, path, func(catalog *resource.Catalog) error {
		server, err := catalog.ByAudience(ctx, "https://api.shop.example")
		if err == nil {
			name = server.Name
		}
		return err
	})
	return name, err
}

// open opens the file for as long as use needs it.
func open(ctx context.Context, path string, use func(*resource.Catalog) error) error {
	db, err := sqlitestore.Open(ctx, path, sqlitestore.Config{})
	if err != nil {
		return err
	}
	defer db.Close()
	st, err := db.Tenant(ctx, "default")
	if err != nil {
		return err
	}
	catalog, err := resource.NewCatalog(resource.Config{Store: st})
	if err != nil {
		return err
	}
	return use(catalog)
}
