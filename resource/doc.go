// Package resource keeps what there is to reach: resource servers (the APIs that
// access tokens are for), the services of each, and the scopes (roles) that each
// service offers.
//
// A [Server] is known to callers by its audience, a URI; a [Scope] by its ID, the
// RFC 6749 scope token that stands in requests and tokens. What people read is the
// name beside it, which may hold spaces and repeat from service to service.
//
// The [Catalog] is the only way to change them, and answers from memory:
//
//	catalog, err := resource.NewCatalog(resource.Config{Store: store})
//	ctx = audit.WithActor(ctx, audit.Program("setup"))
//	_, err = catalog.Load(ctx, file)                            // a recorded catalog, or by hand:
//	_, err = catalog.Add(ctx, resource.Server{Name: "Orders", Audience: "https://api.example.com", Default: true})
//	server, err := catalog.ByAudience(ctx, "https://api.example.com")
//
// A service that has roles of its own pushes them with [Catalog.Sync] and is told
// what that changed.
//
// Read [Server] first, then [Catalog]. What is wrong with a value is said by a
// [FieldError]; the bounds stand at the fields.
//
// Every change is written together with its audit event, whose subject has the
// kind "resource_server" and whose action is "resource_server.add", ".edit",
// ".delete", ".default" or ".sync".
package resource
