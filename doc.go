// Package clientele is the tour of a library for machine-to-machine OAuth 2.0:
// a program registers API clients, an Issuer authenticates them and issues
// access tokens, and a Verifier checks those tokens at the services they are
// for. It holds no code; the packages are:
//
//   - client: what an API client is. Registry adds, edits, disables and deletes
//     them, and rotates their secrets.
//   - resource: what there is to reach: resource servers, their services, and
//     the scopes (roles) of each. Catalog keeps them.
//   - token: the Issuer, an http.Handler and a plain method.
//   - token/verifier: the Verifier and its middleware, for resource servers. It
//     needs the issuer's URL and no store.
//   - credentials: how a client proves who it is.
//   - audit: who changed what, when, and from where.
//   - store: the contract that whatever keeps the data fulfils; store/storetest
//     is that contract as tests.
//   - observe: what a program is told so that its operator can watch it.
//   - memstore: the store for tests and demonstrations.
//   - tokensource: what callers hold.
//   - clienteletest: for the tests of programs that check tokens or hold them.
//   - sqlitestore (a module of its own): the durable store for one machine.
//   - pgstore (a module of its own): the store for many machines, on PostgreSQL.
//   - otelclientele (a module of its own): what is observed, for OpenTelemetry.
//   - portaloidc (a module of its own): signing in to the portal.
//
// The folder examples, a module of its own too, has programs that run: begin
// with quickstart.
//
// # Time, randomness, logs
//
// Each Config takes a clock, a source of randomness and a *slog.Logger where it
// needs one, with the right defaults. Whoever changes something is an
// audit.Actor in the context. Errors are matched by errors.Is and errors.As; no
// error and no log record holds a secret, a key or a token.
package clientele
