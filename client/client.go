package client

import (
	"maps"
	"slices"
	"time"

	"github.com/clientele-go/clientele/credentials"
	"github.com/clientele-go/clientele/resource"
	"github.com/clientele-go/clientele/store"
)

// The bounds of an API client. What people write is counted in code points.
const (
	MaxName        = 255  // code points of a name, after NFC
	MaxDescription = 4096 // code points of a description
	MaxLabels      = 16   // labels of a client
	MaxLabelKey    = 64   // code points of a label's key
	MaxLabelValue  = 255  // code points of a label's value
	MaxGrants      = 200  // grants of a client
	MaxSecrets     = 2    // secrets of a client at any time

	MinTokenLifetime     = time.Minute    // shortest life of an access token
	MaxTokenLifetime     = 24 * time.Hour // longest life of an access token
	DefaultTokenLifetime = time.Hour      // what a TokenLifetime of 0 means

	MinSecretValidity = 30 * 24 * time.Hour  // shortest validity of a secret when it is added
	MaxSecretValidity = 365 * 24 * time.Hour // longest validity of a secret when it is added
	// SecretGrace is granted at both ends of a secret's validity, for the
	// caller's clock and the way here.
	SecretGrace = 5 * time.Minute
)

// A Spec is what an administrator says of an API client. Only Name is required.
type Spec struct {
	// Name is 1 to MaxName code points without control characters, and
	// unique in the tenant whatever the case. It is kept in NFC.
	Name string
	// Description has at most MaxDescription code points, and no control
	// characters but line breaks and tabs.
	Description string
	// Labels are free: an owner, a ticket, the id in another system. At most
	// MaxLabels; keys of 1 to MaxLabelKey code points, values of 0 to
	// MaxLabelValue, without control characters.
	Labels map[string]string
	// Disabled says that the client gets no token.
	Disabled bool
	// TokenLifetime is how long its access tokens are valid, in whole seconds,
	// MinTokenLifetime to MaxTokenLifetime. 0 means DefaultTokenLifetime.
	TokenLifetime time.Duration
	// Method is the one way in which the client authenticates. Empty means
	// the one that JWKSURL or Keys belong to, or credentials.MethodSecret
	// where neither is set. Changing it
	// ends the credentials of the other at once.
	Method credentials.Method
	// JWKSURL is where the client publishes its keys as a JWK Set, with
	// credentials.MethodJWKS alone: an https URL, as jwks.CheckURL demands.
	JWKSURL string
	// Keys are the public keys and certificates of the client, with
	// credentials.MethodPublicKeys alone: 1 to credentials.MaxKeys, each
	// once, with different names where they have one.
	Keys []credentials.Key
	// Grants are the scopes that the client may get: at most MaxGrants, and at
	// most one for each service of a resource server.
	Grants []Grant
}

// A Grant is one scope (role) at one service of a resource server. The caller
// gives ServerID and ScopeID; the rest is filled in when the client is saved, so
// that a scope that is gone can still be named. A grant counts while that service
// has that scope: see Client.GrantsAt.
type Grant struct {
	ServerID  string // id of the resource server
	ScopeID   string // the RFC 6749 scope token
	ServiceID string // id of the service that has the scope
	Service   string // name of that service when the client was saved
	Scope     string // display name of the scope when the client was saved
}

// A Secret is what is kept of a secret of a client: never its value.
type Secret struct {
	ID        string             // id of the entry; part of a generated value
	Digest    credentials.Digest `json:"-"` // nobody who is shown a Client needs it
	CreatedAt time.Time
	ExpiresAt time.Time // the secret is refused from then on
	Imported  bool      `json:",omitempty"` // came from elsewhere, as a digest
}

// Valid reports whether the secret has not expired at now.
func (s Secret) Valid(now time.Time) bool { return now.Before(s.ExpiresAt) }

// A Client is an API client. The Registry makes it; what the fields of one that
// Lookup returned point to is shared and read-only.
type Client struct {
	// ID is the OAuth client id (RFC 6749 §2.2): generated, of A-Z, a-z, 0-9,
	// '_' and '-', never reused.
	ID string
	Spec
	// Secrets are in the order of adding: the last is the most recent. At
	// most MaxSecrets. Expired ones may still be among them.
	Secrets   []Secret
	CreatedAt time.Time // when it was added, by Config.Now
	UpdatedAt time.Time // when it was changed last, its secrets included
	// Version changes with every change of the client.
	Version store.Revision
}

// Clone returns a deep copy, which the caller may change.
func (c *Client) Clone() *Client {
	d := *c
	d.Spec = c.Spec.clone()
	d.Secrets = slices.Clone(c.Secrets)
	return &d
}

func (s Spec) clone() Spec {
	s.Labels = maps.Clone(s.Labels)
	s.Keys = slices.Clone(s.Keys)
	s.Grants = slices.Clone(s.Grants)
	return s
}

// GrantsAt returns the scopes that the client has at server as its catalog is
// now, in the order of its grants. A scope that is gone, or that has moved to
// another service, grants nothing.
func (c *Client) GrantsAt(server *resource.Server) []resource.Scope {
	var scopes []resource.Scope
	for _, g := range c.Grants {
		if g.ServerID != server.ID {
			continue
		}
		scope, ok := g.current(server)
		if !ok {
			continue
		}
		if scopes == nil {
			scopes = make([]resource.Scope, 0, len(c.Grants))
		}
		scopes = append(scopes, scope)
	}
	return scopes
}

// CheckSecret returns the secret that presented is the value of. It reports
// whether there is one, and whether it has not expired at now; whether the client
// is disabled is for the caller to look at. It does the same work whatever the
// client has and whatever is presented: one hash of at most
// credentials.MaxSecretLen bytes and one more, and MaxSecrets comparisons that
// take the same time wherever they differ. On the zero Client it finds nothing.
func (c *Client) CheckSecret(presented string, now time.Time) (secret Secret, known, valid bool) {
	found := c.match(credentials.DigestOf(presented), credentials.Digest.Equal)
	if found < 0 || found >= len(c.Secrets) || len(presented) > credentials.MaxSecretLen {
		return Secret{}, false, false
	}
	secret = c.Secrets[found]
	return secret, true, secret.Valid(now)
}

// match returns the index of the secret with that digest, or another number. It
// compares MaxSecrets times, come what may.
func (c *Client) match(digest credentials.Digest, equal func(a, b credentials.Digest) bool) int {
	found := -1
	for i := range MaxSecrets {
		var kept credentials.Digest // which nothing has
		if i < len(c.Secrets) {
			kept = c.Secrets[i].Digest
		}
		if equal(digest, kept) {
			found = i
		}
	}
	return found
}
