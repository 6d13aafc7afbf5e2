// Package admin is the admin REST API: an http.Handler by which programs
// administer the API clients of a [client.Registry] as they would those of
// ZIdentity, with the same paths, fields and behaviour, below /admin/api/v1 and
// /ziam/admin/api/v1.
//
//	roles, err := admin.ResolveRoles(ctx, catalog, admin.RolesConfig{})
//	…
//	verifier, err := issuer.Verifier(roles.Audience())
//	api, err := admin.New(admin.Config{
//		Registry:  registry,
//		Issuer:    issuer,
//		Authorize: admin.Bearer(verifier, registry, roles),
//	})
//	api.Mount(mux)
//
// Who may do what is an [Access]: how much of the two modules, API Clients and API
// Resources. [Bearer] finds it from an access token of the issuer itself, by the
// roles of its administration service that [ResolveRoles] has looked up; a program
// with an idea of its own gives another function as [Config.Authorize]. Reading
// takes View, and changing an API client takes Full on both modules. One thing
// more: a client with the role for it may rotate its own secret.
//
// No rule about API clients is in this package. It reads requests, asks the
// Registry, and puts what that says into the words of the wire.
//
// Read [Config] first, then [Access] and [Roles]. The document at openapi.json
// below each base path describes each call; what follows is what holds for all of
// them.
//
// # Requests
//
// A body is JSON of at most 1 MiB. Its members match in any case of their ASCII
// letters, null counts as absent, and unknown members are ignored; a member twice,
// a wrong type or a wrong value is refused with its path in params. Unknown query
// parameters are ignored too. Paths are compared letter by letter: a trailing
// slash, an escape or another case is 404.
//
// Every changing call takes ?dryRun=true: everything is tested, nothing is
// changed, and the answer is 200 with the header Dry-Run: true and what would be.
//
// An API client has an ETag. Every call that changes one or its secrets takes If-Match
// and answers 412 if somebody changed the client in between; without it a PUT takes
// the place of the whole, never of a part. If-None-Match is 412 too where it names the
// ETag, or *: nobody overwrites what they thought was not there.
//
// # Answers
//
// Faults are found in this order: 404 for a path that does not exist, 405, 401,
// 403, then what is wrong with the request. Every answer has an X-Request-Id, which
// stands in the log and in the audit events as well, and Cache-Control: no-store.
// Times are epoch seconds in strings, see [Config.NumericTimes].
//
// After a 500 with the code UNEXPECTED_ERROR it is open whether a change was made:
// read before trying again. After one with the code TOKENS_NOT_REVOKED the API
// client is disabled or deleted as ?revokeTokens=true asked, and its tokens are
// good until they expire, or are revoked by another request.
//
// # Behind browsers
//
// An Authorize that goes by a cookie, or by anything else that browsers send by
// themselves, needs http.CrossOriginProtection around the Handler.
//
// # Log
//
// What is refused for want of a permission is logged at level Info, what fails at
// Error, with the attributes request_id, method, path, status, code, actor and
// error. The changes themselves are in the audit log.
package admin
