// Package token is the authority: the [Issuer] authenticates API clients,
// decides what they get, and signs their access tokens.
//
// An Issuer is an http.Handler that serves the token endpoint (RFC 6749 client
// credentials), the JWK Set and the metadata (RFC 8414), and a plain method,
// [Issuer.Issue], that does the same without HTTP:
//
//	issuer, err := token.NewIssuer(ctx, token.Config{
//		Issuer:      "https://auth.example.com",
//		Clients:     registry,
//		SealingKeys: []token.SealingKey{key},
//	})
//	…
//	http.Handle("/", issuer)
//
// Access tokens are JWTs of RFC 9068; package token/verifier checks them, in any
// process. A program that wants a word in what is issued sets Config.OnIssue.
//
// What was issued, and to whom, [Issuer.Tokens] lists; Config.Log says how surely it
// is kept. Why a client was refused, which the caller is never told,
// [Issuer.Denials] tells its administrator. [Issuer.Close], at the end of the
// program, writes the last of both. [Issuer.Notify] tells of secrets and
// certificates that end soon.
//
// A token that should not live to its end is revoked: by [Issuer.RevokeToken], by
// [Issuer.Revoke] if only its id is known, or with all others of its client by
// [Issuer.RevokeClient]. A client gives back its own at an endpoint (RFC 7009).
// Verifiers hear of it by a signed list that the Issuer publishes, or ask about
// each token (RFC 7662): see verifier.Revocation. In the same process they know at
// once. Verifiers that others wrote hear of it by status lists, if
// Config.StatusListTTL is set.
//
// What an Issuer keeps has an expiry, and is dropped when the program calls
// store.Store.Sweep: once a minute until fewer rows than its limit were dropped, in
// one process of those that share a store. Without it the database grows for ever.
//
// Read [Config] first, then [Issuance] and [Error]. An Issuer serves one tenant;
// several in one process are told apart by host or by the path of their issuer
// identifiers.
package token
