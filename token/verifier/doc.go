// Package verifier checks access tokens (RFC 9068) at the services they are for.
// It needs the issuer's URL and the service's audience, and no store.
//
//	v, err := verifier.New(verifier.Config{
//		Issuer:   "https://auth.example.com",
//		Audience: "https://api.example.com",
//	})
//	…
//	mux.Handle("GET /orders", v.Require("orders.read")(orders))
//
// A handler behind [Verifier.Require] finds the [Claims] of the token with
// [FromContext]. Whoever gets tokens by another way than net/http, from a queue
// or in the metadata of gRPC, calls [Verifier.Verify].
//
// Read [Config] first, then [Verifier.Verify] for what is checked, [Claims] and
// [TokenError].
//
// # Keys
//
// The keys of an issuer are found by its metadata (RFC 8414, and OpenID Connect
// Discovery where that is not served) and fetched at first use. They are fresh
// for the max-age of the answer, within 1 and 60 minutes, 10 minutes if it names
// none; in the last fifth of that time a request has them fetched anew without
// waiting. There is one fetch at a time, none without requests, and nothing to
// close. A token that names an unknown key causes a fetch, at most once a minute
// per issuer, and only tokens that name the same key wait for it. If an issuer is
// away or serves no JWK Set with a usable key, the last good keys serve on for
// Config.MaxKeyAge, and it is asked again after pauses of a second to a minute.
// A good set without a key withdraws that key.
//
// # Revocation
//
// A token is good until it expires, unless Config.Revocation says how to hear of
// those that are revoked before: see [Revocation].
//
// # Log
//
// What is refused is logged at level Info as "access token refused", a request
// without a token at Debug, and one that cannot be decided at Warn, with the
// attributes "reason" (see the Reason constants), "status", "method", "path",
// "error", and "client_id" and "jti" once the token is known to be good.
//
// Of the keys, "keys of the issuer not fetched" is logged at Warn, with "issuer",
// "error", "retry_in" and "serving": whether there are keys that go on. "keys of
// the issuer fetched again" follows at Info. "key of the issuer ignored" tells of
// one that can't be used, with "kid", "index" and "error", at Debug, or at Warn
// if the issuer has published a secret.
//
// Of revocations, "revocations of the issuer not fetched" is logged at Warn, with
// "issuer", "error", "retry_in" and "serving": what becomes of tokens meanwhile.
// "revocations of the issuer fetched again" follows at Info. So it is with "status
// list of the issuer", which has "uri", too. "introspection failed"
// is logged at Warn, with "issuer", "error" and "retry_in".
//
// No log and no error ever holds a token.
package verifier
