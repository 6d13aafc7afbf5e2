// Package jwks gets the keys of API clients from the URLs under which they
// publish them, and keeps them for as long as they may be used.
//
// Whoever administers a client chooses the URL, and whoever knows the id of a
// client makes it be asked for: so the network behind a URL is not trusted, and
// the work that others can cause is bounded. One [Cache] serves a whole program:
//
//	cache, err := jwks.New(jwks.Config{})
//	…
//	set, err := cache.Keys(ctx, url)
//	verified, err := assertion.Verify(set.Keys(), profile, time.Now())
//	if missing(err) { // AssertionError.KeyMissing: is there a newer key?
//		if set = cache.Renew(ctx, url, set); set != nil {
//			verified, err = assertion.Verify(set.Keys(), profile, time.Now())
//		}
//	}
//
// Read [Cache.Keys] first, then [Cache.Renew]. [CheckURL] is for the moment in
// which a URL is saved, and [Cache.Validate] for the person who wants to know
// whether the keys are found there.
//
// # How long keys are used
//
// A set is fresh for the max-age of the answer that it came in, within 1 and 60
// minutes, 10 if there is none; who asks for it towards the end of that time gets
// it and has it fetched anew. Who comes later waits for it, 5 seconds at
// most. So a key that was taken out of the set stops working within that time.
// Only if no set can be fetched does the last one go on, for 24 hours since it
// was. A URL that nobody asks for is never fetched.
//
// # What is reached
//
// The HTTP client that is used by default connects to public addresses alone,
// whatever a host name resolves to at that moment, directly and not through the
// proxies of the environment, by TLS with certificates of the system's
// authorities, to the ports 443 and 8443. [Allow] says what else a program may
// let in. Redirects are followed within the host, three at most.
package jwks
