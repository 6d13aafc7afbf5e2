package client

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/clientele-go/clientele/credentials"
	"github.com/clientele-go/clientele/internal/timekey"
	"github.com/clientele-go/clientele/store"
)

// An Order is in which order List returns clients. Those that stand at the same
// place are ordered by their ids.
type Order int

// The orders.
const (
	OrderName    Order = iota // by the folded names
	OrderCreated              // by Client.CreatedAt, the oldest first
	// OrderExpiry is the order in which clients will be without a credential:
	// by Client.EndsAt. In front are those that have none, then those whose
	// last one ended or ends soonest, and at the end those that have one
	// without an end. Of two secrets the later end counts, since who has been
	// given a new one needs nothing before.
	OrderExpiry
)

// kind returns the kind of the records that stand in that order.
func (o Order) kind() (store.Kind, error) {
	switch o {
	case OrderName:
		return Kind, nil
	case OrderCreated:
		return KindCreated, nil
	case OrderExpiry:
		return KindEnd, nil
	}
	return "", fmt.Errorf("unknown order %d", o)
}

// EndsAt returns when the last of the credentials of c ends: from then on it gets
// no token until it is given another one. Zero means that it has none. Without an
// end, ends is false: it has a public key that is no certificate, or a JWKS URL.
// Whether it is disabled does not matter.
func (c *Client) EndsAt() (at time.Time, ends bool) {
	if c.Method == credentials.MethodJWKS {
		return time.Time{}, false
	}
	for _, k := range c.Keys {
		if !k.IsCertificate() {
			return time.Time{}, false
		}
	}
	for _, e := range endsOf(c) {
		if e.EndsAt.After(at) {
			at = e.EndsAt
		}
	}
	return at, true
}

// neverKey sorts behind every time.
const neverKey = "never"

// endKey returns the place of c in OrderExpiry.
func endKey(c *Client) string {
	switch at, ends := c.EndsAt(); {
	case !ends:
		return neverKey
	case at.IsZero():
		return ""
	default:
		return timekey.Of(at)
	}
}

// orderRecords returns the records by which c stands in the orders other than that
// of its own record, and is found there in the same ways, as if they were new.
func orderRecords(record store.Record, c *Client) []store.Record {
	index := func(kind store.Kind, sort string) store.Record {
		return store.Record{Kind: kind, ID: record.ID, Labels: record.Labels, Text: record.Text, Sort: sort, Format: format}
	}
	return []store.Record{
		index(KindCreated, timekey.Of(c.CreatedAt)),
		index(KindEnd, endKey(c)),
	}
}

// orderChanges returns the changes of the orders: record is that of c (nil: it is
// deleted), had says whether old (nil: it is new) stands in them. Like those of
// expiryChanges the records have the client's version.
func orderChanges(record store.Record, old, c *Client, had bool) []store.Change {
	var changes []store.Change
	if c == nil {
		if had {
			changes = append(changes, store.Delete(KindCreated, old.ID, old.Version), store.Delete(KindEnd, old.ID, old.Version))
		}
		return changes
	}
	for _, r := range orderRecords(record, c) {
		if had {
			r.Version = old.Version
		}
		changes = append(changes, store.Put(r))
	}
	return changes
}

// inOrders reports whether the client of that record stands in all orders: what a
// release before they were there wrote does not.
func inOrders(record store.Record) bool { return record.Format >= formatOrders }

// Reindex makes the clients that were written before there were other orders than
// OrderName stand in them, and returns how many those were: until then List misses
// them there, unless they were changed since. It changes nothing of a client but
// its Version, and needs no actor. A program calls it when it starts: where there
// is nothing to do, it costs two counts. Clients of a newer release are left alone.
func (r *Registry) Reindex(ctx context.Context) (int, error) {
	n, err := r.reindex(ctx)
	if err != nil {
		return n, fmt.Errorf("indexing clients: %w", err)
	}
	return n, nil
}

func (r *Registry) reindex(ctx context.Context) (n int, err error) {
	if r.trial != nil {
		return 0, errors.New("not in a dry run")
	}
	var totals [2]int
	for i, kind := range []store.Kind{Kind, KindEnd} {
		page, err := r.store.List(ctx, store.Query{Kind: kind, Limit: 1, Count: true})
		if err != nil {
			return 0, err
		}
		totals[i] = page.Total
	}
	if totals[0] == totals[1] {
		return 0, nil
	}
	for q := (store.Query{Kind: Kind, Limit: store.MaxLimit}); ; {
		page, err := r.store.List(ctx, q)
		if err != nil {
			return n, err
		}
		for _, record := range page.Records {
			if inOrders(record) {
				continue
			}
			done, err := r.reindexOne(ctx, record)
			if err != nil {
				return n, err
			}
			if done {
				n++
			}
		}
		if q.After = page.Next; q.After == "" {
			return n, nil
		}
	}
}

// reindexOne reports whether there was something to do: who is changed at the same
// time stands in the orders by that.
func (r *Registry) reindexOne(ctx context.Context, record store.Record) (bool, error) {
	c, err := decode(record)
	if err != nil {
		return false, err
	}
	record.Format = format
	changes := append([]store.Change{store.Put(record)}, expiryChanges(c, c)...)
	changes = append(changes, orderChanges(record, c, c, false)...)
	_, err = r.store.Apply(ctx, changes...)
	r.table.Forget(record.ID)
	var failed *store.ChangeError
	if errors.As(err, &failed) && failed.Index == 0 {
		return false, nil
	}
	return err == nil, err
}

// clientsOf returns the clients that records of one of the orders stand for, as they
// are now.
func (r *Registry) clientsOf(ctx context.Context, records []store.Record) ([]*Client, error) {
	clients := make([]*Client, 0, len(records))
	for _, record := range records {
		if record.Kind != Kind {
			var err error
			record, err = r.read(ctx, record.ID)
			if errors.Is(err, ErrNotFound) {
				continue // deleted since the page was read
			}
			if err != nil {
				return nil, err
			}
		}
		c, err := decode(record)
		if err != nil {
			return nil, err
		}
		clients = append(clients, c)
	}
	return clients, nil
}
