package token

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/credentials"
	"github.com/clientele-go/clientele/store"
)

// AssertionTypeJWT is the client_assertion_type of a JWT (RFC 7523 §2.2).
const AssertionTypeJWT = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// KindAssertion is the kind of the records that remember spent assertions. Their
// ids are digests; each has an expiry.
const KindAssertion store.Kind = "assertion"

// rememberFor is how much longer than it is valid a spent assertion is
// remembered, so that no step of a clock makes it fresh.
const rememberFor = 2 * time.Hour

// authenticateByAssertion returns the client that signed the assertion in req,
// and with which key. The assertion is spent then.
func (i *Issuer) authenticateByAssertion(ctx context.Context, req *Request, now time.Time) (*client.Client, credentials.Proof, error) {
	fail := func(err error) (*client.Client, credentials.Proof, error) { return nil, credentials.Proof{}, err }
	if req.AssertionType != AssertionTypeJWT {
		return fail(unauthenticated(ReasonAssertionType))
	}
	assertion, err := credentials.ParseAssertion(req.Assertion)
	if err != nil {
		return fail(badAssertion(err))
	}
	if req.ClientID != "" && req.ClientID != assertion.ClientID() {
		return fail(unauthenticated(ReasonClientMismatch))
	}
	req.ClientID = assertion.ClientID()
	c, err := i.clients.Lookup(ctx, req.ClientID)
	if err := needStore(ctx, "remembering the assertion"); err != nil {
		return fail(err)
	}
	switch {
	case errors.Is(err, client.ErrNotFound):
		return fail(unauthenticated(ReasonUnknownClient))
	case err != nil:
		return fail(i.storeError(ctx, "reading the client", err))
	case c.Disabled:
		return fail(found{client: c}.about(unauthenticated(ReasonDisabled)))
	}
	profile, err := i.profile(ctx, assertion)
	if err != nil {
		return fail(err)
	}
	var verified credentials.Verified
	if c.Method == credentials.MethodJWKS {
		err = besides(ctx, func(ctx context.Context) error {
			verified, err = i.verifyByJWKS(ctx, c, assertion, profile, now)
			return err
		})
	} else {
		verified, err = verifyByKeys(c, assertion, profile, now)
	}
	if err != nil {
		return fail(found{client: c}.about(err))
	}
	proof := credentials.Proof{Method: c.Method, ID: verified.Key.Thumbprint(), ExpiresAt: verified.Key.NotAfter()}
	if err := i.spend(ctx, verified); err != nil {
		return fail(ofProof(c, proof).about(err))
	}
	return c, proof, nil
}

// profile returns what the assertion must look like. In the compatible profile
// the audiences of the resource servers count too; those are looked up that the
// assertion names.
func (i *Issuer) profile(ctx context.Context, assertion *credentials.Assertion) (credentials.Profile, error) {
	if !i.compatible {
		return i.strict, nil
	}
	var known []string
	for _, audience := range assertion.Audiences() {
		switch _, err := i.clients.Resources().ByAudience(ctx, audience); {
		case err == nil:
			known = append(known, audience)
		case !errors.Is(err, store.ErrNotFound):
			return credentials.Profile{}, i.storeError(ctx, "reading the catalog", err)
		}
	}
	profile := credentials.Compatible(i.issuer, i.tokenEndpoint, known...)
	profile.ReplayWithoutID = i.spendWithoutID
	return profile, nil
}

// verifyByKeys verifies the assertion with the keys that its client has uploaded.
func verifyByKeys(c *client.Client, assertion *credentials.Assertion, profile credentials.Profile, now time.Time) (credentials.Verified, error) {
	if c.Method != credentials.MethodPublicKeys {
		return credentials.Verified{}, unauthenticated(ReasonMethodMismatch)
	}
	verified, err := assertion.Verify(c.Keys, profile, now)
	if err != nil {
		return verified, badAssertion(err)
	}
	return verified, nil
}

// verifyByJWKS verifies the assertion with the keys that its client publishes.
func (i *Issuer) verifyByJWKS(ctx context.Context, c *client.Client, assertion *credentials.Assertion, profile credentials.Profile, now time.Time) (credentials.Verified, error) {
	set, err := i.jwks.Keys(ctx, c.JWKSURL)
	if err != nil {
		return credentials.Verified{}, i.jwksError(ctx, err)
	}
	verified, err := assertion.Verify(set.Keys(), profile, now)
	var failed *credentials.AssertionError
	if errors.As(err, &failed) && failed.KeyMissing {
		// The client may have published the key just now.
		if newer := i.jwks.Renew(ctx, c.JWKSURL, set); newer != nil {
			verified, err = assertion.Verify(newer.Keys(), profile, now)
		}
	}
	if err != nil {
		return verified, badAssertion(err)
	}
	return verified, nil
}

// jwksError is the answer if the keys of a client can't be had: the same as to
// every failed authentication, since it must not tell who is a client.
func (i *Issuer) jwksError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return i.storeError(ctx, "fetching the keys of the client", err)
	}
	refusal := unauthenticated(ReasonJWKSUnavailable)
	refusal.Err = err
	return refusal
}

// badAssertion is the answer to an assertion that proves nothing.
func badAssertion(err error) error {
	var failed *credentials.AssertionError
	if !errors.As(err, &failed) {
		failed = &credentials.AssertionError{Reason: credentials.ReasonMalformed, Err: err}
	}
	refusal := unauthenticated(failed.Reason)
	refusal.Err = err
	return refusal
}

// spend remembers that the assertion was used. Exactly one of those who do that
// at once, on whichever instance, succeeds.
func (i *Issuer) spend(ctx context.Context, verified credentials.Verified) error {
	if verified.ReplayID == "" {
		return nil // the profile does without
	}
	_, err := i.clients.Store().Apply(ctx, store.Append(store.Record{
		Kind: KindAssertion, ID: verified.ReplayID, // a digest
		Expires: store.Time(verified.ExpiresAt.Add(credentials.Leeway + rememberFor)),
	}))
	switch {
	case errors.Is(err, store.ErrExists):
		refusal := unauthenticated(ReasonReplay)
		refusal.Err = fmt.Errorf("jti %.64q was used before", verified.JTI)
		return refusal
	case err != nil:
		return i.storeError(ctx, "remembering the assertion", err)
	}
	return nil
}
