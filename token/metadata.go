package token

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/clientele-go/clientele/internal/etag"
	"github.com/clientele-go/clientele/internal/jws"
)

// authMethods are the ways in which a client authenticates, at every endpoint.
var authMethods = []string{"client_secret_basic", "client_secret_post", "private_key_jwt"}

// assertionAlgorithms are those of private_key_jwt.
var assertionAlgorithms = []jws.Algorithm{
	jws.RS256, jws.RS384, jws.RS512, jws.PS256, jws.PS384, jws.PS512,
	jws.ES256, jws.ES384, jws.ES512, jws.EdDSA, jws.Ed25519,
}

// metadata is the document of RFC 8414 §2. It names what there is, and nothing
// else.
type metadata struct {
	Issuer        string `json:"issuer"`
	TokenEndpoint string `json:"token_endpoint"`
	JWKSURI       string `json:"jwks_uri"`

	GrantTypes    []string `json:"grant_types_supported"`
	ResponseTypes []string `json:"response_types_supported"`

	TokenAuthMethods    []string        `json:"token_endpoint_auth_methods_supported"`
	TokenAuthAlgorithms []jws.Algorithm `json:"token_endpoint_auth_signing_alg_values_supported"`

	// IDTokenAlgorithms are what access tokens are signed with. There are no
	// ID tokens here; but verifiers that were made for them, coreos/go-oidc
	// among them, take this member for all tokens, and without it accept
	// RS256 alone.
	IDTokenAlgorithms []jws.Algorithm `json:"id_token_signing_alg_values_supported"`

	RevocationEndpoint       string          `json:"revocation_endpoint"`
	RevocationAuthMethods    []string        `json:"revocation_endpoint_auth_methods_supported"`
	RevocationAuthAlgorithms []jws.Algorithm `json:"revocation_endpoint_auth_signing_alg_values_supported"`

	IntrospectionEndpoint       string          `json:"introspection_endpoint"`
	IntrospectionAuthMethods    []string        `json:"introspection_endpoint_auth_methods_supported"`
	IntrospectionAuthAlgorithms []jws.Algorithm `json:"introspection_endpoint_auth_signing_alg_values_supported"`
	IntrospectionAlgorithms     []jws.Algorithm `json:"introspection_signing_alg_values_supported"` // RFC 9701 §7

	// RevocationsURI is an extension: where package verifier fetches the list
	// of what was revoked.
	RevocationsURI string `json:"clientele_revocations_uri"`
}

// metadataDocument returns the metadata, as JSON, and its etag.
func (i *Issuer) metadataDocument(ctx context.Context) ([]byte, string, error) {
	signing := i.signingAlgorithms(ctx)
	body, err := json.Marshal(metadata{
		Issuer:        i.issuer,
		TokenEndpoint: i.tokenEndpoint,
		JWKSURI:       i.issuer + i.paths.Keys,

		GrantTypes:    []string{GrantClientCredentials},
		ResponseTypes: []string{},

		TokenAuthMethods:    authMethods,
		TokenAuthAlgorithms: assertionAlgorithms,

		IDTokenAlgorithms: signing,

		RevocationEndpoint:       i.issuer + i.paths.Revoke,
		RevocationAuthMethods:    authMethods,
		RevocationAuthAlgorithms: assertionAlgorithms,

		IntrospectionEndpoint:       i.issuer + i.paths.Introspect,
		IntrospectionAuthMethods:    authMethods,
		IntrospectionAuthAlgorithms: assertionAlgorithms,
		IntrospectionAlgorithms:     signing,

		RevocationsURI: i.issuer + i.paths.Revocations,
	})
	if err != nil {
		return nil, "", fmt.Errorf("encoding the metadata: %w", err)
	}
	return body, etag.Of(body), nil
}

// signingAlgorithms returns those of all keys that are published, since a token
// may be by any of them. Without the store they are those that were known last:
// the metadata is there even then.
func (i *Issuer) signingAlgorithms(ctx context.Context) []jws.Algorithm {
	keys, err := i.keys.at(ctx, i.now())
	if err != nil {
		if last := i.signedBy.Load(); last != nil {
			return *last
		}
		return slices.Clone(algorithms)
	}
	all := []jws.Algorithm{keys.active.algorithm}
	for _, key := range keys.published {
		if !slices.Contains(all, key.algorithm) {
			all = append(all, key.algorithm)
		}
	}
	slices.Sort(all[1:])
	i.signedBy.Store(&all)
	return all
}
