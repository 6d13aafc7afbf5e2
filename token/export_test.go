package token

import (
	"context"
	"maps"
	"strconv"
	"time"

	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/credentials"
	"github.com/clientele-go/clientele/store"
)

const (
	MaxRevoked      = maxRevoked
	MaxRevokedByOne = maxRevokedByOne
	MaxWaiting      = maxWaiting
)

// PretendRevoked has i take n more tokens for revoked, which are in no store, until
// a time.
func (i *Issuer) PretendRevoked(ctx context.Context, n int, until time.Time) error {
	if _, err := i.revocations.get(ctx); err != nil {
		return err
	}
	r := i.revocations
	r.mu.Lock()
	defer r.mu.Unlock()
	tokens := make(map[string]int64, n)
	maps.Copy(tokens, r.current.tokens)
	for k := range n {
		tokens["pretended."+strconv.Itoa(k)] = until.Unix()
	}
	r.current = &revoked{tokens: tokens, recent: r.current.recent, clients: r.current.clients, lists: r.current.lists}
	r.kept.Drop()
	return nil
}

// RecordsOfRevoked returns records that say of n tokens of a client that they are
// revoked, until a time.
func RecordsOfRevoked(clientID string, n int, until time.Time) ([]store.Record, error) {
	var records []store.Record
	for k := range n {
		r := revocation{TokenID: clientID + "." + strconv.Itoa(k), ClientID: clientID, ExpiresAt: until}
		record, err := r.record(0)
		if err != nil {
			return nil, err
		}
		records = append(records, record)
	}
	return records, nil
}

// TokenByID is what Revoke knows of a token.
func (i *Issuer) TokenByID(ctx context.Context, jti string) (Issued, error) {
	return i.tokenByID(ctx, jti)
}

// Work is how often secrets were compared with those of a client, and read.
type Work struct{ Checked, Parsed int }

// CountWork returns where i counts its work from now on. It is for one goroutine.
func CountWork(i *Issuer) *Work {
	w := new(Work)
	check, parse := i.checkSecret, i.parseSecret
	i.checkSecret = func(c *client.Client, presented string, now time.Time) (client.Secret, bool, bool) {
		w.Checked++
		return check(c, presented, now)
	}
	i.parseSecret = func(s string) (credentials.Secret, error) {
		w.Parsed++
		return parse(s)
	}
	return w
}

// SetStatusListSize has i give n indexes of each status list, from the next on.
func (i *Issuer) SetStatusListSize(n int64) { i.statusLists.size = n }

// KeptStatusLists returns how many status lists i keeps as they were signed.
func (i *Issuer) KeptStatusLists() int {
	i.statusLists.mu.Lock()
	defer i.statusLists.mu.Unlock()
	return len(i.statusLists.signed)
}
