package client

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/clientele-go/clientele/store"
)

// An ExpiringSecret is a secret that ends soon, and whose it is.
type ExpiringSecret struct {
	Client *Client
	Secret Secret
}

// Expiring returns the secrets that end at from or later and before to, soonest
// first, at most limit (1…store.MaxLimit; 0 means store.DefaultLimit), and where
// the next page begins: pass it as after, which is empty for the first page. An
// empty next is the end; a page may have less than limit before it. A zero from
// or to is no bound. Secrets of disabled clients are among them.
//
// Arguments outside the bounds get an error that wraps store.ErrInvalid.
func (r *Registry) Expiring(ctx context.Context, from, to time.Time, after store.Cursor, limit int) (secrets []ExpiringSecret, next store.Cursor, err error) {
	q := store.Query{Kind: KindExpiry, After: after, Limit: limit}
	if q.From, err = boundary("from", from); err == nil {
		q.To, err = boundary("to", to)
	}
	if err != nil {
		return nil, "", fmt.Errorf("listing secrets by expiry: %w", err)
	}
	page, err := r.store.List(ctx, q)
	if err != nil {
		return nil, "", fmt.Errorf("listing secrets by expiry: %w", err)
	}
	for _, record := range page.Records {
		clientID, secretID, _ := strings.Cut(record.ID, ".")
		c, err := r.Get(ctx, clientID)
		if errors.Is(err, ErrNotFound) {
			continue // deleted since the page was read
		}
		if err != nil {
			return nil, "", err
		}
		for _, s := range c.Secrets {
			// One that has got another end stands on another page.
			if s.ID == secretID && expiryKey(s.ExpiresAt) == record.Sort {
				secrets = append(secrets, ExpiringSecret{c, s})
			}
		}
	}
	return secrets, page.Next, nil
}

// boundary returns the key of the first whole microsecond that is not before t,
// since ends are whole ones; and "", no bound, for the zero time.
func boundary(what string, t time.Time) (string, error) {
	if t.IsZero() {
		return "", nil
	}
	whole := store.Time(t)
	if whole.Before(t) {
		whole = whole.Add(time.Microsecond)
	}
	if y := whole.Year(); y < 1 || y > 9999 {
		return "", fmt.Errorf("%w: %s is in the year %d, want 1 to 9999", store.ErrInvalid, what, y)
	}
	return expiryKey(whole), nil
}

// expiryKey returns t, which is whole microseconds, as text that sorts by time.
func expiryKey(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000Z") }

// expiryChanges returns the changes of the index of secrets by their ends. The
// records that stay are written too, so that all have the client's version and
// can be named by it.
func expiryChanges(old, c *Client) []store.Change {
	var changes []store.Change
	before := map[string]bool{}
	if old != nil {
		for _, s := range old.Secrets {
			before[s.ID] = true
		}
	}
	if c != nil {
		for _, s := range c.Secrets {
			r := store.Record{Kind: KindExpiry, ID: expiryID(c, s), Sort: expiryKey(s.ExpiresAt), Format: format}
			if before[s.ID] {
				r.Version = old.Version
				delete(before, s.ID)
			}
			changes = append(changes, store.Put(r))
		}
	}
	if old != nil {
		for _, s := range old.Secrets {
			if before[s.ID] {
				changes = append(changes, store.Delete(KindExpiry, expiryID(old, s), old.Version))
			}
		}
	}
	return changes
}

// expiryID returns the id of the index record of a secret of c. Neither of its
// parts has a '.'.
func expiryID(c *Client, s Secret) string { return c.ID + "." + s.ID }
