// Package tokensource is what callers hold: a [Source] gets access tokens by
// client credentials (RFC 6749 section 4.4), keeps them, and renews them before
// they expire.
//
//	source, err := tokensource.New(tokensource.Config{
//		Issuer:     "https://auth.example.com",
//		ClientID:   id,
//		Credential: tokensource.Secret{File: "/run/secrets/client-secret"},
//		Audience:   "https://api.example.com",
//	})
//	…
//	resp, err := source.Client().Get("https://api.example.com/orders")
//
// A Source is an oauth2.TokenSource of golang.org/x/oauth2, for whatever wants
// one; [Source.TokenContext] is the same with a context, and [Source.Client] is
// an http.Client that sends the token along.
//
// Read [Config] first, then the three kinds of [Credential]: a [Secret], a
// [PrivateKey] that signs an assertion (RFC 7523), or an [Assertion] that
// something else writes, such as a projected token of Kubernetes. Each is a
// value, a file or a function, and files and functions are read anew at each
// renewal, so that a rotated secret or key needs no restart. A caller whose keys
// the authorization server fetches from a URL publishes them with a [KeyRing],
// which rotates them, and withdraws one that has leaked.
//
// # Renewal
//
// A token is renewed before it expires, at a random moment in the first half of
// the early window (see Config.RenewBefore), by whichever call comes first
// then; that call and others get the old token at once, while a goroutine sends
// one request and ends. In the last ten seconds (or the last twentieth of a
// shorter life) a call rather waits for the new token, for at most half of what
// is left. A token that has expired is never returned, by the monotonic clock,
// which no step of the wall clock deceives, nor by the wall clock, which goes on
// while a machine sleeps. There is at most one request in flight, however many
// wait; each waits within its own context, and none is kept. Nobody has to close
// anything.
//
// A token's life counts from the moment it was asked for, by the expires_in of
// the answer alone, so that it does not matter how wrong the clock of this
// machine is. Without expires_in a token is used for five minutes; one with zero
// or less has expired already, and the answer is taken for none.
//
// Passing troubles are errors of the network, the status 408, 425, 429 and all
// from 500, a 4xx without an error code of RFC 6749, and a 2xx that is no token
// response: while somebody waits they are tried again, up to three times in
// all, after short random pauses or the answer's Retry-After if that is at most
// ten seconds. A refusal by an error code is not tried again, with two
// exceptions. On invalid_client the credential is read once more and tried if it
// has changed. And if an assertion signed here is refused while the answer's
// Date shows that the clock of this machine is off by five seconds to a day, it is
// signed once more by the server's time.
//
// When a renewal has failed, the next begins after a pause of about a second
// that doubles up to a minute, or after Retry-After, up to five minutes. Until
// then a token that is still valid goes on, and where there is none, calls fail
// at once with the same error.
//
// # Errors
//
// What the token endpoint answered is an *oauth2.RetrieveError, to be had by
// errors.As, with its ErrorCode and ErrorDescription, at most 2 KiB of its body,
// a few of its headers, and never the request. [ErrUnavailable] tells a passing
// trouble from a refusal. No error and no log ever holds a secret, a key, an
// assertion or a token: a body that repeats what was sent is left out.
//
// # Log
//
// A new token is logged at level Debug as "token renewed", a failure at Warn as
// "token renewal failed", with the attributes "client_id", "endpoint", and
// "lifetime", "renew_in", or "error", "attempts", "retry_in" and "serving":
// whether a token that is still valid goes on. A clock that is off is told of at
// Warn, and so is a secret that ends within 30 days, once, as "client secret
// expires soon" with its "expires_at" (see Config.OnExpiring).
package tokensource
