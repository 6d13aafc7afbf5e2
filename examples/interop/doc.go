// Package interop holds tests alone: programs and test vectors that others
// wrote, against ours.
//
// The vectors are those of Wycheproof, from its Go module, and the examples of
// RFC 7517 and RFC 7520. Tokens that a generator has bent go to golang-jwt, go-jose
// and jwx too: what one of them refuses and we accept has to be explained. The
// programs are golang.org/x/oauth2, go-oidc, curl,
// oauth4webapi, openid-client and jose on Node.js, and Authlib on Python, all
// against authserver as a process of its own. Those of Node.js are installed by
//
//	npm ci --prefix examples/interop/testdata/node
//
// and Authlib and curl are Debian's packages python3-authlib, python3-requests
// and curl. A test whose tools are not there is skipped, and fails if the
// environment says CLIENTELE_NO_SKIP=1.
package interop
