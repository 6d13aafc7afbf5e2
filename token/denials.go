package token

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/clientele-go/clientele/internal/timekey"
	"github.com/clientele-go/clientele/store"
)

// A DenialFilter selects denials. What is zero does not narrow the selection;
// what is set must all be true of a Denial.
type DenialFilter struct {
	ClientID string // exactly
	Reason   string // exactly

	From, To time.Time // From <= Denial.Time, and Denial.Time < To; of the years 1 to 9999

	After  store.Cursor // continues behind a page: its Next
	Offset int          // skips that many denials
	Limit  int          // most denials of a page: 1…1000; 0 means 100
	Count  bool         // asks for DenialPage.Total
}

// A DenialPage is what Denials returns.
type DenialPage struct {
	Denials []Denial
	// Next, as DenialFilter.After, continues behind the last of Denials. It
	// is empty if there was nothing more.
	Next store.Cursor
	// Total is the number of denials that the filter selects without After,
	// Offset and Limit. It is counted only if DenialFilter.Count is set.
	Total int
}

// Denials returns the denials that f selects, the newest first. What this Issuer
// refused before the call is among them, unless it could not be kept; what
// another process refused may come a moment later. A Denial that has expired is
// listed until it is swept. The error wraps store.ErrInvalid if f is outside its
// bounds.
func (i *Issuer) Denials(ctx context.Context, f DenialFilter) (DenialPage, error) {
	q, err := f.query()
	if err != nil {
		return DenialPage{}, fmt.Errorf("token: listing denials: %w", err)
	}
	if err := i.denials.flush(ctx); err != nil {
		return DenialPage{}, fmt.Errorf("token: listing denials: %w", err)
	}
	found, err := i.clients.Store().List(ctx, q)
	if err != nil {
		return DenialPage{}, fmt.Errorf("token: listing denials: %w", err)
	}
	page := DenialPage{Denials: make([]Denial, len(found.Records)), Next: found.Next, Total: found.Total}
	for n, r := range found.Records {
		if page.Denials[n], err = denialOf(r); err != nil {
			return DenialPage{}, err
		}
	}
	return page, nil
}

func (f *DenialFilter) query() (store.Query, error) {
	from, err := timekey.Bound("from", f.From)
	if err != nil {
		return store.Query{}, err
	}
	to, err := timekey.Bound("to", f.To)
	if err != nil {
		return store.Query{}, err
	}
	q := store.Query{
		Kind: KindDenial, From: from, To: to, Descending: true,
		After: f.After, Offset: f.Offset, Limit: f.Limit, Count: f.Count,
	}
	if f.ClientID != "" {
		q.Labels = append(q.Labels, store.Label{Key: labelClient, Value: f.ClientID})
	}
	if f.Reason != "" {
		q.Labels = append(q.Labels, store.Label{Key: labelReason, Value: tidy(f.Reason)})
	}
	return q, nil
}

// Keys of the labels by which denials are found.
const (
	labelClient = "client"
	labelReason = "reason"
)

// denialFormat is the number of the format of a denial's data: the JSON of Denial.
const denialFormat = 1

// record returns d as it is stored.
func (d *Denial) record(retention time.Duration) (store.Record, error) {
	data, err := json.Marshal(d)
	if err != nil {
		return store.Record{}, fmt.Errorf("encoding a denial: %w", err)
	}
	return store.Record{
		Kind: KindDenial, ID: d.ID,
		Labels:  []store.Label{{Key: labelClient, Value: d.ClientID}, {Key: labelReason, Value: d.Reason}},
		Sort:    timekey.Of(d.Time),
		Expires: store.Time(d.Time.Add(retention)),
		Format:  denialFormat, Data: data,
	}, nil
}

// denialOf returns the denial that r holds. A newer format is read as far as it
// is known here.
func denialOf(r store.Record) (Denial, error) {
	var d Denial
	if err := json.Unmarshal(r.Data, &d); err != nil {
		return Denial{}, fmt.Errorf("token: denial %.64q: %w", r.ID, err)
	}
	d.ID = r.ID
	return d, nil
}
