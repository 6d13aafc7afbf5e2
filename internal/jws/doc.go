// Package jws is the JSON Web Signature (RFC 7515) in its compact form, as far
// as access tokens and client assertions need it: asymmetric algorithms only,
// and nothing that JOSE lets a sender choose but a receiver should not.
//
// Read [Algorithm] first, then [Sign] and [Verify], which call the primitives
// of the standard library directly, then [Split] and [ParseHeader] for what
// arrives from outside, and [JWK] for keys in JSON. To make a token:
//
//	token, err := jws.AppendCompact(nil, jws.ES256, signer, []byte(`{"alg":"ES256","kid":"1"}`), claims)
//
// and to take one apart:
//
//	compact, err := jws.Split(token, 16<<10)
//	header, err := jws.ParseHeader(headerJSON)
//	err = jws.Verify(header.Algorithm, key, []byte(compact.SigningInput), signature)
package jws
