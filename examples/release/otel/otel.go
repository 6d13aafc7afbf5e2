// Package otel is what a program of somebody else does with otelclientele and the
// core module: it has a catalog observed.
package otel

import (
	"context"

	"github.com/clientele-go/clientele/audit"
	"github.com/clientele-go/clientele/memstore"
	"github.com/clientele-go/clientele/otelclientele"
	"github.com/clientele-go/clientele/resource"
	"github.com/clientele-go/clientele/store"
)

// Run writes a catalog, and returns the name of the resource server in it.
func Run(ctx context.Context) (string, error) {
	ctx = audit.WithActor(ctx, audit.Program("foreign"))
	telemetry, err := otelclientele.New(otelclientele.Config{})
	if err != nil {
		return "", err
	}
	memory := memstore.New()
	defer memory.Close()
	catalog, err := resource.NewCatalog(resource.Config{Store: store.Observe(memory, telemetry)})
	if err != nil {
		return "", err
	}
	server, err := catalog.Add(ctx, resource.Server{Name: "Shop", Audience: "https://api.shop.example"})
	if err != nil {
		return "", err
	}
	return server.Name, telemetry.Close()
}
