package client

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/clientele-go/clientele/internal/timekey"
	"github.com/clientele-go/clientele/store"
)

// KindUsed is the kind of the records that say in which hour a credential was
// used. They are appended, and each has an expiry.
const KindUsed store.Kind = "client.used"

// usedHour is how long one record of KindUsed speaks of.
const usedHour = time.Hour

// InUse is how long after its last use DeleteUnusedSecret takes a secret for one
// that is in use.
const InUse = 24 * time.Hour

// ErrInUse: the secret was used a short time ago, so that somebody may depend on
// it.
var ErrInUse = errors.New("the secret was used within 24 hours")

// latestUses is how many uses of a client are looked at for the last one of each
// credential. One that is in use is among them as a rule; those that are not are
// looked for one by one. Of a busy client there are hundreds.
const latestUses = 16

// Keys of the labels by which uses are found.
const (
	labelUsedClient     = "client"
	labelUsedCredential = "credential"
)

// UsedRecord returns the record that says that a client used one of its
// credentials (credentials.Proof.ID) in the hour of at. Who authenticates clients
// appends it, at the first use in each hour: store.ErrExists means that somebody
// else has. It expires when the hour has been over for as long as retention.
func UsedRecord(clientID, credentialID string, at time.Time, retention time.Duration) store.Record {
	at = store.Time(at)
	hour := at.Truncate(usedHour)
	return store.Record{
		Kind: KindUsed, ID: usedID(clientID, credentialID) + "." + hour.Format("2006-01-02T15"),
		Labels: []store.Label{
			{Key: labelUsedClient, Value: clientID},
			{Key: labelUsedCredential, Value: usedID(clientID, credentialID)},
		},
		Sort: timekey.Of(at), Expires: store.Time(hour.Add(usedHour + retention)), Format: format,
	}
}

// usedID names a credential among those of all clients: neither part has a '.'.
func usedID(clientID, credentialID string) string { return clientID + "." + credentialID }

// LastUsed returns when each credential of a client was used last: by the id of a
// secret, the thumbprint of a key. It is the first use in the hour of the last
// one, so that the last one may be up to an hour later. What was not used within
// audit.Retention.Tokens is missing, and so is what was used while the Issuer
// keeps no log (token.LogOff); what was used in the last moments may be, and what
// is no credential of the client any more. Of a client that does not exist any more
// there is the last use.
func (r *Registry) LastUsed(ctx context.Context, clientID string) (map[string]time.Time, error) {
	last := map[string]time.Time{}
	if !validID(clientID) {
		return last, nil
	}
	more, err := r.lastUsed(ctx, last, store.Label{Key: labelUsedClient, Value: clientID}, latestUses)
	if err != nil || !more {
		return last, err
	}
	// The last uses of credentials whose client has used others for long.
	c, err := r.Get(ctx, clientID)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return nil, err
	}
	for _, id := range credentialsOf(c) {
		if _, ok := last[id]; ok {
			continue
		}
		if _, err := r.lastUsed(ctx, last, store.Label{Key: labelUsedCredential, Value: usedID(clientID, id)}, 1); err != nil {
			return nil, err
		}
	}
	return last, nil
}

// LastUse returns when each of the clients with these ids was used last: the latest
// of what LastUsed says, at the cost of one record each. Those of which no use is
// known are missing.
func (r *Registry) LastUse(ctx context.Context, clientIDs ...string) (map[string]time.Time, error) {
	last := make(map[string]time.Time, len(clientIDs))
	for _, id := range clientIDs {
		uses := map[string]time.Time{}
		if validID(id) {
			if _, err := r.lastUsed(ctx, uses, store.Label{Key: labelUsedClient, Value: id}, 1); err != nil {
				return nil, err
			}
		}
		for _, at := range uses { // one at most
			last[id] = at
		}
	}
	return last, nil
}

// lastUsed puts the latest uses that have a label into last, and reports whether
// there are earlier ones than those that it has read.
func (r *Registry) lastUsed(ctx context.Context, last map[string]time.Time, label store.Label, limit int) (more bool, err error) {
	page, err := r.store.List(ctx, store.Query{
		Kind: KindUsed, Labels: []store.Label{label}, Descending: true, Limit: limit,
	})
	if err != nil {
		return false, fmt.Errorf("listing uses of credentials: %w", err)
	}
	for _, record := range page.Records {
		parts := strings.Split(record.ID, ".")
		at, err := time.Parse(time.RFC3339, record.Sort)
		if len(parts) != 3 || err != nil {
			return false, fmt.Errorf("%s %.64q: it does not say what was used when", KindUsed, record.ID)
		}
		if _, ok := last[parts[1]]; !ok {
			last[parts[1]] = at
		}
	}
	return page.Next != "", nil
}

// credentialsOf returns the ids of the credentials that are known of c, which may
// be nil.
func credentialsOf(c *Client) []string {
	if c == nil {
		return nil
	}
	var ids []string
	for _, s := range c.Secrets {
		ids = append(ids, s.ID)
	}
	for _, k := range c.Keys {
		ids = append(ids, k.Thumbprint())
	}
	return ids
}

// DeleteUnusedSecret is DeleteSecret for a secret that nobody should depend on any
// more: of one that was used within the last 24 hours (InUse, by LastUsed, so that
// up to an hour more may count), it returns an error that wraps ErrInUse and says
// when. One that has expired is deleted all the same.
//
// It knows of no use that LastUsed does not know of, and a use at the same moment
// does not stop it.
func (r *Registry) DeleteUnusedSecret(ctx context.Context, id, secretID string) error {
	return r.deleteSecret(ctx, id, secretID, func(s Secret) error {
		now := r.now()
		if !s.Valid(now) {
			return nil
		}
		used, err := r.usedAt(ctx, id, secretID)
		if err != nil {
			return err
		}
		if used.IsZero() || !used.Truncate(usedHour).Add(usedHour+InUse).After(now) {
			return nil
		}
		return fmt.Errorf("secret %.64q of client %q: %w: at %s", secretID, id, ErrInUse, used.Format(time.RFC3339))
	})
}

// usedAt returns when a credential was used last, or zero.
func (r *Registry) usedAt(ctx context.Context, clientID, credentialID string) (time.Time, error) {
	last := map[string]time.Time{}
	_, err := r.lastUsed(ctx, last, store.Label{Key: labelUsedCredential, Value: usedID(clientID, credentialID)}, 1)
	return last[credentialID], err
}

func secretOf(c *Client, id string) (Secret, bool) {
	n := slices.IndexFunc(c.Secrets, func(s Secret) bool { return s.ID == id })
	if n < 0 {
		return Secret{}, false
	}
	return c.Secrets[n], true
}
