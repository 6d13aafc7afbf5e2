package client

import (
	"context"
	"fmt"
	"slices"

	"github.com/clientele-go/clientele/credentials"
	"github.com/clientele-go/clientele/credentials/jwks"
	"github.com/clientele-go/clientele/store"
)

// checkMethod tests the one way in which the client authenticates and what
// belongs to it. What belongs to another one is refused rather than dropped: who
// gave it meant something by it.
func (r *Registry) checkMethod(p *problems, spec *Spec) {
	if spec.Method == "" {
		spec.Method = impliedMethod(spec)
	}
	switch spec.Method {
	case credentials.MethodSecret, credentials.MethodPublicKeys, credentials.MethodJWKS:
	default:
		p.add("Method", "is %.32q; choose %q, %q or %q", spec.Method,
			credentials.MethodSecret, credentials.MethodPublicKeys, credentials.MethodJWKS)
		return
	}
	r.checkJWKSURL(p, spec)
	checkKeys(p, spec)
}

// impliedMethod returns the method that the rest of spec speaks of.
func impliedMethod(spec *Spec) credentials.Method {
	switch {
	case spec.JWKSURL != "":
		return credentials.MethodJWKS
	case len(spec.Keys) > 0:
		return credentials.MethodPublicKeys
	}
	return credentials.MethodSecret
}

func (r *Registry) checkJWKSURL(p *problems, spec *Spec) {
	switch {
	case spec.Method != credentials.MethodJWKS:
		if spec.JWKSURL != "" {
			p.add("JWKSURL", "is for clients that authenticate by %q, and this one does by %q", credentials.MethodJWKS, spec.Method)
		}
	case spec.JWKSURL == "":
		p.add("JWKSURL", "is required: the https URL under which the client publishes its keys")
	default:
		if err := jwks.CheckURL(spec.JWKSURL, r.allowJWKS); err != nil {
			p.add("JWKSURL", "%v", err)
		}
	}
}

func checkKeys(p *problems, spec *Spec) {
	switch {
	case spec.Method != credentials.MethodPublicKeys:
		if len(spec.Keys) > 0 {
			p.add("Keys", "are for clients that authenticate by %q, and this one does by %q", credentials.MethodPublicKeys, spec.Method)
		}
		return
	case len(spec.Keys) == 0:
		p.add("Keys", "are required: 1 to %d public keys or certificates", credentials.MaxKeys)
	case len(spec.Keys) > credentials.MaxKeys:
		p.add("Keys", "are %d, at most %d", len(spec.Keys), credentials.MaxKeys)
		return
	}
	for i, key := range spec.Keys {
		field := fmt.Sprintf("Keys[%d]", i)
		if key.PublicKey() == nil {
			p.add(field, "is empty")
			continue
		}
		for _, other := range spec.Keys[:i] {
			switch {
			case other.Thumbprint() == key.Thumbprint():
				p.add(field, "is the same key as another one of the client")
			case key.Name() != "" && other.Name() == key.Name():
				p.add(field, "has the name %q, as another one of the client has", key.Name())
			}
		}
	}
}

// leave drops what belonged to the method that old had and spec no longer has,
// unless an administrator has put something else there.
func (s *Spec) leave(old *Spec) {
	if s.Method == old.Method {
		return
	}
	if s.Method != credentials.MethodJWKS && s.JWKSURL == old.JWKSURL {
		s.JWKSURL = ""
	}
	if s.Method != credentials.MethodPublicKeys && slices.EqualFunc(s.Keys, old.Keys, sameKey) {
		s.Keys = nil
	}
}

func sameKey(a, b credentials.Key) bool {
	return a.Thumbprint() == b.Thumbprint() && a.Name() == b.Name() && a.X5TS256() == b.X5TS256()
}

// A SharedKey is a key that other clients have as well.
type SharedKey struct {
	Thumbprint string   // of the key (RFC 7638)
	ClientIDs  []string // of the others, at most store.DefaultLimit
}

// SharedKeys says which keys of c other clients have too, so that either could
// pass for the other as far as the key goes: a reason for a warning, not an
// error, since an assertion names its client.
func (r *Registry) SharedKeys(ctx context.Context, c *Client) ([]SharedKey, error) {
	var shared []SharedKey
	for _, key := range c.Keys {
		page, err := r.store.List(ctx, store.Query{Kind: Kind, Labels: []store.Label{keyLabel(key)}})
		if err != nil {
			return nil, fmt.Errorf("looking for clients with key %s: %w", key.Thumbprint(), err)
		}
		one := SharedKey{Thumbprint: key.Thumbprint()}
		for _, record := range page.Records {
			if record.ID != c.ID {
				one.ClientIDs = append(one.ClientIDs, record.ID)
			}
		}
		if len(one.ClientIDs) > 0 {
			shared = append(shared, one)
		}
	}
	return shared, nil
}

func keyLabel(key credentials.Key) store.Label {
	return store.Label{Key: labelKey, Value: key.Thumbprint()}
}
