package client

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/clientele-go/clientele/credentials"
	"github.com/clientele-go/clientele/store"
)

// AddSecret generates a secret that is valid until expiresAt, MinSecretValidity
// to MaxSecretValidity from now (SecretGrace at both ends), and returns it: the
// only time that its value is seen. It also returns what is kept of it.
//
// A client has at most MaxSecrets. Expired ones are dropped before counting; a
// third replaces the most recent, so that the older one, which is deployed, goes
// on working while a new one that was lost is made again.
//
// AddSecret does not try again by itself: who is overtaken by another change of
// the client gets ErrConflict and no secret. A time out of bounds gets an
// *InvalidError for "ExpiresAt", a client with another method ErrNoMethod.
func (r *Registry) AddSecret(ctx context.Context, id string, expiresAt time.Time) (credentials.Secret, Secret, error) {
	return r.addSecret(ctx, actionAddSecret, id, expiresAt, nil)
}

// A Rotation says how Rotate goes from the old secrets to a new one.
type Rotation struct {
	// ExpiresAt is the end of the new secret, as in AddSecret.
	ExpiresAt time.Time
	// OldEndsAt is an earlier end for the secret that stays beside the new
	// one: the time that the callers have to take up the new one. One that
	// ends earlier anyway keeps its end. Zero, or a time that has passed,
	// ends all old secrets at once: the answer to a leak.
	OldEndsAt time.Time
}

// Rotate generates a secret like AddSecret and brings forward the end of the
// old one, in a single step. Which old one stays follows the rule of AddSecret:
// where there were two, the new one takes the place of the most recent. Its
// errors are those of AddSecret.
func (r *Registry) Rotate(ctx context.Context, id string, rotation Rotation) (credentials.Secret, Secret, error) {
	end := store.Time(rotation.OldEndsAt)
	return r.addSecret(ctx, actionRotateSecret, id, rotation.ExpiresAt, func(old []Secret, now time.Time) []Secret {
		if !now.Before(end) {
			return nil
		}
		for i := range old {
			if end.Before(old[i].ExpiresAt) {
				old[i].ExpiresAt = end
			}
		}
		return old
	})
}

// addSecret adds a secret that it generates. If shorten is set, it says what
// becomes of the old ones that stay, which it may change in place.
func (r *Registry) addSecret(ctx context.Context, action, id string, expiresAt time.Time, shorten func(old []Secret, now time.Time) []Secret) (credentials.Secret, Secret, error) {
	var value credentials.Secret
	kept, err := r.keepSecret(ctx, action, id, shorten, func(old *Client, now time.Time) (s Secret, err error) {
		var p problems
		checkExpiry(&p, now, expiresAt)
		if err := p.err(); err != nil {
			return Secret{}, err
		}
		value, err = r.newSecret(old.Secrets)
		return Secret{ID: value.ID(), Digest: value.Digest(), ExpiresAt: expiresAt}, err
	})
	if err != nil {
		return credentials.Secret{}, Secret{}, err
	}
	if r.trial != nil {
		kept.ID, kept.Digest = "", credentials.Digest{}
		return credentials.Secret{}, kept, nil
	}
	return value, kept, nil
}

// A SecretDigest is a secret that somebody else made, by its digest.
type SecretDigest struct {
	// Digest is the SHA-256 of the secret as it is presented.
	Digest credentials.Digest
	// ExpiresAt is its end, as in AddSecret.
	ExpiresAt time.Time
	// HighEntropy states that the secret holds at least 128 random bits.
	// Without it the secret is refused: what a person chose can be found from
	// its digest by trying.
	HighEntropy bool
}

// AddSecretDigest adds a secret that the caller made, so that nobody else ever
// sees its value: neither this program nor the state file of a tool that asks it.
// It returns what is kept of it, with a generated ID.
//
// The rules and errors are those of AddSecret. A digest that a secret of the
// client has already gets an *InvalidError for "Digest", one whose entropy nobody
// states one for "HighEntropy".
func (r *Registry) AddSecretDigest(ctx context.Context, id string, s SecretDigest) (Secret, error) {
	kept, err := r.keepSecret(ctx, actionAddSecret, id, nil, func(old *Client, now time.Time) (Secret, error) {
		var p problems
		checkEntropy(&p, s.HighEntropy)
		checkDigest(&p, "Digest", s.Digest, old.Secrets)
		checkExpiry(&p, now, s.ExpiresAt)
		if err := p.err(); err != nil {
			return Secret{}, err
		}
		value, err := r.newSecret(old.Secrets) // of which the id alone is taken
		return Secret{ID: value.ID(), Digest: s.Digest, ExpiresAt: s.ExpiresAt, Imported: true}, err
	})
	if err == nil && r.trial != nil {
		kept.ID = ""
	}
	return kept, err
}

// keepSecret adds the secret that add returns to a client, and returns it.
func (r *Registry) keepSecret(ctx context.Context, action, id string, shorten func(old []Secret, now time.Time) []Secret, add func(old *Client, now time.Time) (Secret, error)) (Secret, error) {
	var kept Secret
	_, err := r.change(ctx, action, id, 1, func(old *Client) (*Client, error) {
		if old.Method != credentials.MethodSecret {
			return nil, fmt.Errorf("client %q: %w", id, ErrNoMethod)
		}
		now := store.Time(r.now())
		var err error
		if kept, err = add(old, now); err != nil {
			return nil, err
		}
		kept.CreatedAt, kept.ExpiresAt = now, store.Time(kept.ExpiresAt)

		c := old.Clone()
		c.Secrets = slices.DeleteFunc(c.Secrets, func(s Secret) bool { return !s.Valid(now) })
		c.Secrets = c.Secrets[:min(len(c.Secrets), MaxSecrets-1)]
		if shorten != nil {
			c.Secrets = shorten(c.Secrets, now)
		}
		c.Secrets = append(c.Secrets, kept)
		return c, nil
	})
	if err != nil {
		return Secret{}, err
	}
	return kept, nil
}

// newSecret generates a secret with an id that none of others has.
func (r *Registry) newSecret(others []Secret) (credentials.Secret, error) {
	value, err := credentials.NewSecret(r.rand)
	if err == nil && hasID(others, value.ID()) {
		// Not by chance: 47 bits. Who drew the id twice may draw the value twice.
		err = errors.New("the source of randomness repeats itself")
	}
	if err != nil {
		return credentials.Secret{}, fmt.Errorf("a new secret: %w", err)
	}
	return value, nil
}

func hasID(secrets []Secret, id string) bool {
	return slices.ContainsFunc(secrets, func(s Secret) bool { return s.ID == id })
}

// checkExpiry tests the end of a secret that is added now.
func checkExpiry(p *problems, now, expiresAt time.Time) {
	least, most := now.Add(MinSecretValidity), now.Add(MaxSecretValidity)
	if expiresAt.Before(least.Add(-SecretGrace)) || expiresAt.After(most.Add(SecretGrace)) {
		p.add("ExpiresAt", "is %s; choose 30 to 365 days from now: %s to %s",
			expiresAt.UTC().Format(time.RFC3339), least.Format(time.RFC3339), most.Format(time.RFC3339))
	}
}

// checkEntropy tests the statement about secrets that somebody else made.
func checkEntropy(p *problems, high bool) {
	if !high {
		p.add("HighEntropy", "must state that each secret holds at least 128 random bits; where that isn't so, have one generated instead")
	}
}

// checkDigest tests the digest of a secret that somebody else made, which is to be
// kept beside others.
func checkDigest(p *problems, field string, digest credentials.Digest, others []Secret) {
	switch {
	case digest == credentials.Digest{}:
		p.add(field, "is missing: the SHA-256 of the secret")
	case digest == credentials.DigestOf(""):
		p.add(field, "is that of an empty secret; leave it out")
	case slices.ContainsFunc(others, func(s Secret) bool { return s.Digest == digest }):
		p.add(field, "is that of another secret of the client")
	}
}

// DeleteSecret ends a secret at once and for good, whether it is in use or not (see
// DeleteUnusedSecret). It returns ErrNotFound if the client has none with that id.
func (r *Registry) DeleteSecret(ctx context.Context, id, secretID string) error {
	return r.deleteSecret(ctx, id, secretID, func(Secret) error { return nil })
}

// deleteSecret ends a secret unless may returns an error.
func (r *Registry) deleteSecret(ctx context.Context, id, secretID string, may func(s Secret) error) error {
	_, err := r.change(ctx, actionDeleteSecret, id, editAttempts, func(old *Client) (*Client, error) {
		secret, ok := secretOf(old, secretID)
		if !ok {
			return nil, fmt.Errorf("secret %.64q of client %q: %w", secretID, id, ErrNotFound)
		}
		if err := may(secret); err != nil {
			return nil, err
		}
		c := old.Clone()
		c.Secrets = slices.DeleteFunc(c.Secrets, func(s Secret) bool { return s.ID == secretID })
		return c, nil
	})
	return err
}
