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

// addSecret adds a secret. If shorten is set, it says what becomes of the old
// ones that stay, which it may change in place.
func (r *Registry) addSecret(ctx context.Context, action, id string, expiresAt time.Time, shorten func(old []Secret, now time.Time) []Secret) (credentials.Secret, Secret, error) {
	var value credentials.Secret
	var kept Secret
	_, err := r.change(ctx, action, id, 1, func(old *Client) (*Client, error) {
		if old.Method != credentials.MethodSecret {
			return nil, fmt.Errorf("client %q: %w", id, ErrNoMethod)
		}
		now := store.Time(r.now())
		if err := checkExpiry(now, expiresAt); err != nil {
			return nil, err
		}
		var err error
		if value, err = r.newSecret(old); err != nil {
			return nil, fmt.Errorf("a new secret for client %q: %w", id, err)
		}
		kept = Secret{ID: value.ID(), Digest: value.Digest(), CreatedAt: now, ExpiresAt: store.Time(expiresAt)}

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
		return credentials.Secret{}, Secret{}, err
	}
	return value, kept, nil
}

// newSecret generates a secret with an id that no secret of c has.
func (r *Registry) newSecret(c *Client) (credentials.Secret, error) {
	value, err := credentials.NewSecret(r.rand)
	if err != nil {
		return credentials.Secret{}, err
	}
	if slices.ContainsFunc(c.Secrets, func(s Secret) bool { return s.ID == value.ID() }) {
		// Not by chance: 47 bits. Who drew the id twice may draw the value twice.
		return credentials.Secret{}, errors.New("the source of randomness repeats itself")
	}
	return value, nil
}

// checkExpiry tests the end of a secret that is added now.
func checkExpiry(now, expiresAt time.Time) error {
	least, most := now.Add(MinSecretValidity), now.Add(MaxSecretValidity)
	if expiresAt.Before(least.Add(-SecretGrace)) || expiresAt.After(most.Add(SecretGrace)) {
		return invalid("ExpiresAt", nil, "is %s; choose 30 to 365 days from now: %s to %s",
			expiresAt.UTC().Format(time.RFC3339), least.Format(time.RFC3339), most.Format(time.RFC3339))
	}
	return nil
}

// DeleteSecret ends a secret at once and for good. It returns ErrNotFound if the
// client has none with that id.
func (r *Registry) DeleteSecret(ctx context.Context, id, secretID string) error {
	_, err := r.change(ctx, actionDeleteSecret, id, editAttempts, func(old *Client) (*Client, error) {
		c := old.Clone()
		c.Secrets = slices.DeleteFunc(c.Secrets, func(s Secret) bool { return s.ID == secretID })
		if len(c.Secrets) == len(old.Secrets) {
			return nil, fmt.Errorf("secret %.64q of client %q: %w", secretID, id, ErrNotFound)
		}
		return c, nil
	})
	return err
}
