package client

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/clientele-go/clientele/credentials"
	"github.com/clientele-go/clientele/internal/timekey"
	"github.com/clientele-go/clientele/store"
)

// An Expiring is a credential that ends soon, and whose it is: a secret or a
// certificate.
type Expiring struct {
	Client *Client
	Secret *Secret          // of Client.Secrets; nil if it is a certificate
	Key    *credentials.Key // of Client.Keys; nil if it is a secret
	// EndsAt is the end: a secret's ExpiresAt, from which on it is refused, or
	// a certificate's NotAfter, until which it is taken.
	EndsAt time.Time
}

// Expiring returns the secrets and certificates of clients that end at from or
// later and before to, soonest first, at most limit (1…store.MaxLimit; 0 means
// store.DefaultLimit), and where the next page begins: pass it as after, which is
// empty for the first page. An empty next is the end; a page may have less than
// limit before it. A zero from or to is no bound. Those of disabled clients are
// among them.
//
// Arguments outside the bounds get an error that wraps store.ErrInvalid.
func (r *Registry) Expiring(ctx context.Context, from, to time.Time, after store.Cursor, limit int) (ending []Expiring, next store.Cursor, err error) {
	q := store.Query{Kind: KindExpiry, After: after, Limit: limit}
	if q.From, err = timekey.Bound("from", from); err == nil {
		q.To, err = timekey.Bound("to", to)
	}
	if err != nil {
		return nil, "", fmt.Errorf("listing credentials by expiry: %w", err)
	}
	page, err := r.store.List(ctx, q)
	if err != nil {
		return nil, "", fmt.Errorf("listing credentials by expiry: %w", err)
	}
	for _, record := range page.Records {
		clientID, _, _ := strings.Cut(record.ID, ".")
		c, err := r.Get(ctx, clientID)
		if errors.Is(err, ErrNotFound) {
			continue // deleted since the page was read
		}
		if err != nil {
			return nil, "", err
		}
		for _, e := range endsOf(c) {
			// One that has got another end stands on another page.
			if e.id == record.ID && e.sort == record.Sort {
				ending = append(ending, e.Expiring)
			}
		}
	}
	return ending, page.Next, nil
}

// An end is a credential as it stands in the index of KindExpiry.
type end struct {
	Expiring
	id, sort string // of the index record
}

// endsOf returns all credentials of c that have an end. The parts of the ids have
// no '.', so that no secret's is a certificate's. A nil c has none.
func endsOf(c *Client) []end {
	if c == nil {
		return nil
	}
	var ends []end
	add := func(id string, e Expiring) {
		e.Client = c
		ends = append(ends, end{e, c.ID + "." + id, timekey.Of(e.EndsAt)})
	}
	for i := range c.Secrets {
		s := &c.Secrets[i]
		add(s.ID, Expiring{Secret: s, EndsAt: s.ExpiresAt})
	}
	for i := range c.Keys {
		if k := &c.Keys[i]; k.IsCertificate() {
			add("key."+k.Thumbprint(), Expiring{Key: k, EndsAt: k.NotAfter()})
		}
	}
	return ends
}

// expiryChanges returns the changes of the index of credentials by their ends. The
// records that stay are written too, so that all have the client's version and
// can be named by it.
func expiryChanges(old, c *Client) []store.Change {
	var changes []store.Change
	ends, before := endsOf(old), map[string]bool{}
	for _, e := range ends {
		before[e.id] = true
	}
	for _, e := range endsOf(c) {
		r := store.Record{Kind: KindExpiry, ID: e.id, Sort: e.sort, Format: format}
		if before[e.id] {
			r.Version = old.Version
			delete(before, e.id)
		}
		changes = append(changes, store.Put(r))
	}
	for _, e := range ends {
		if before[e.id] {
			changes = append(changes, store.Delete(KindExpiry, e.id, old.Version))
		}
	}
	return changes
}
