package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/text/unicode/norm"

	"github.com/clientele-go/clientele/credentials"
	"github.com/clientele-go/clientele/resource"
	"github.com/clientele-go/clientele/store"
)

// A Query selects clients. What is zero does not narrow the selection.
type Query struct {
	// Name is a part of the name, whatever the case. At most store.MaxText
	// bytes folded (see store.Fold).
	Name string
	// Search is what Name is, and finds also the client whose id it is as a
	// whole: in front of all others or, where its name has it too, among
	// them. Only one of Name and Search may be set.
	Search string
	// Labels must all be labels of the client. At most 8.
	Labels map[string]string
	// Status selects the enabled or the disabled ones.
	Status Status
	// Method selects by the way in which clients authenticate.
	Method credentials.Method
	// ServerID selects the clients with a grant at that resource server, and
	// with ScopeID those with a grant of that scope there. Grants of scopes
	// that are gone count too.
	ServerID, ScopeID string

	// Order is in which order they come: all else selects the same clients
	// in every order.
	Order Order
	// Descending turns the order.
	Descending bool
	// After, Offset, Limit and Count are those of store.Query. After is of
	// use in the order that it is from.
	After  store.Cursor
	Offset int
	Limit  int
	Count  bool
}

// maxQueryLabels is the most of Query.Labels: with those for the other fields
// they fit into a store.Query.
const maxQueryLabels = 8

// Status selects clients by whether they are disabled.
type Status int

const (
	AnyStatus    Status = iota // both
	OnlyEnabled                // those that may get tokens
	OnlyDisabled               // those that may not
)

// A Page is what List returns.
type Page struct {
	Clients []*Client
	// Next, as Query.After, continues behind the last of Clients; empty at
	// the end.
	Next store.Cursor
	// Total is how many clients the query selects in all, without After,
	// Offset and Limit. It is counted only if Query.Count is set.
	Total int
}

// List returns clients in the order of q; the same page for the same data. A page
// of another order than OrderName has the clients as they are when it is returned,
// and may have one less if one was deleted meanwhile. A query outside the bounds
// gets an error that wraps store.ErrInvalid.
func (r *Registry) List(ctx context.Context, q Query) (Page, error) {
	labels, err := q.labels()
	if err == nil && q.Name != "" && q.Search != "" {
		err = errors.New("both a Name and a Search")
	}
	var kind store.Kind
	if err == nil {
		kind, err = q.Order.kind()
	}
	if err != nil {
		return Page{}, fmt.Errorf("listing clients: %w: %w", store.ErrInvalid, err)
	}
	selected := store.Query{
		Kind: kind, Labels: labels, Text: store.Fold(cmp.Or(q.Search, q.Name)),
		Descending: q.Descending, After: q.After, Offset: q.Offset, Limit: q.Limit, Count: q.Count,
	}
	var page store.Page
	if q.Search != "" {
		page, err = r.search(ctx, q.Search, selected)
	} else {
		page, err = r.store.List(ctx, selected)
	}
	if err != nil {
		return Page{}, fmt.Errorf("listing clients: %w", err)
	}
	out := Page{Next: page.Next, Total: page.Total}
	out.Clients, err = r.clientsOf(ctx, page.Records)
	if err != nil {
		return Page{}, err
	}
	return out, nil
}

// ByName returns the client with that name, whatever the case and the form of
// Unicode, as it is now, or an error that wraps ErrNotFound.
func (r *Registry) ByName(ctx context.Context, name string) (*Client, error) {
	normalized, problem := normal(name, MaxName, "")
	if problem != "" {
		return nil, unnamed(name) // no client can have it
	}
	folded := store.Fold(normalized)
	key := sortKey(folded)
	q := store.Query{Kind: Kind, From: key, Limit: 1}
	if len(key) == store.MaxString {
		q.Limit = store.DefaultLimit // longer ones that begin alike stand there too
	}
	for {
		page, err := r.store.List(ctx, q)
		if err != nil {
			return nil, fmt.Errorf("looking for the client %.64q: %w", name, err)
		}
		for _, record := range page.Records {
			if record.Sort != key {
				return nil, unnamed(name)
			}
			if slices.Contains(record.Names, uniqueName(folded)) {
				return decode(record)
			}
		}
		if q.After = page.Next; q.After == "" {
			return nil, unnamed(name)
		}
	}
}

func unnamed(name string) error { return fmt.Errorf("a client called %.64q: %w", name, ErrNotFound) }

// labels returns the labels on the records that q selects.
func (q *Query) labels() ([]store.Label, error) {
	var labels []store.Label
	switch q.Status {
	case AnyStatus:
	case OnlyEnabled:
		labels = append(labels, store.Label{Key: labelStatus, Value: statusEnabled})
	case OnlyDisabled:
		labels = append(labels, store.Label{Key: labelStatus, Value: statusDisabled})
	default:
		return nil, fmt.Errorf("unknown status %d", q.Status)
	}
	if q.Method != "" {
		labels = append(labels, store.Label{Key: labelMethod, Value: string(q.Method)})
	}
	switch {
	case q.ScopeID != "" && q.ServerID == "":
		return nil, errors.New("a scope without its resource server")
	case q.ScopeID != "":
		labels = append(labels, scopeLabel(q.ServerID, q.ScopeID))
	case q.ServerID != "":
		labels = append(labels, store.Label{Key: labelServer, Value: q.ServerID})
	}
	if len(q.Labels) > maxQueryLabels {
		return nil, fmt.Errorf("%d labels, at most %d", len(q.Labels), maxQueryLabels)
	}
	for key, value := range q.Labels {
		// In NFC, as they are kept.
		labels = append(labels, store.Label{Key: labelUser + norm.NFC.String(key), Value: norm.NFC.String(value)})
	}
	return labels, nil
}

// A LostScope is a scope that a client was granted and that is gone.
type LostScope struct {
	Client *Client
	Grant  Grant
}

// LostScopes says which clients lost which scopes by what diff removed: what a
// program asks after resource.Catalog.Sync. Their grants stay, and grant nothing
// while the scope is gone. The order is that of diff.Removed, then that of List.
// It reads as many pages as there are.
func (r *Registry) LostScopes(ctx context.Context, diff resource.Diff) ([]LostScope, error) {
	var lost []LostScope
	for _, scope := range diff.Removed {
		q := Query{ServerID: diff.ServerID, ScopeID: scope.ID, Limit: store.MaxLimit}
		for {
			page, err := r.List(ctx, q)
			if err != nil {
				return nil, err
			}
			for _, c := range page.Clients {
				// A grant of another service's scope of that id has
				// lost nothing by this diff.
				if g, ok := c.grant(diff.ServerID, scope.ID); ok && g.ServiceID == diff.ServiceID {
					lost = append(lost, LostScope{c, g})
				}
			}
			if q.After = page.Next; q.After == "" {
				break
			}
		}
	}
	return lost, nil
}
