package token

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/credentials"
	"github.com/clientele-go/clientele/internal/strictjson"
	"github.com/clientele-go/clientele/internal/timekey"
	"github.com/clientele-go/clientele/store"
)

// A TokenFilter selects issued tokens. What is zero does not narrow the selection;
// what is set must all be true of a token.
type TokenFilter struct {
	ID         string // the jti, exactly
	ClientID   string // exactly
	Credential string // the id of a secret or the thumbprint of a key, exactly
	// Status is found by looking at one token after the other, of MaxLooked in
	// a call; the fields above and below are found by an index.
	Status TokenStatus

	From, To time.Time // when it was issued: From <= time < To; of the years 1 to 9999

	After  store.Cursor // continues behind a page: its Next
	Offset int          // skips that many tokens
	Limit  int          // most tokens of a page: 1…1000; 0 means 100
	Count  bool         // asks for TokenPage.Total
}

// MaxLooked is how many tokens a call of Tokens with a Status looks at, about.
const MaxLooked = 10_000

// A TokenPage is what Tokens returns.
type TokenPage struct {
	Tokens []Issued
	// Next, as TokenFilter.After, continues behind the last of Tokens. It is
	// empty if there was nothing more. With a Status a page may have fewer
	// tokens than asked for, even none, and a Next: that far it has looked.
	Next store.Cursor
	// Total is the number of tokens that the filter selects without After,
	// Offset and Limit. It is counted only if TokenFilter.Count is set.
	Total int
	// AtLeast says that there may be more than Total: with a Status only the
	// newest MaxLooked are counted.
	AtLeast bool
}

// Tokens returns the issued tokens that f selects, the newest first. What this
// Issuer issued before the call is among them, unless it could not be kept; what
// another process issued may come a moment later. With LogOff there are none but
// those of others. A token whose retention is over is listed until it is swept.
// The error wraps store.ErrInvalid if f is outside its bounds.
func (i *Issuer) Tokens(ctx context.Context, f TokenFilter) (TokenPage, error) {
	page, err := i.tokens(ctx, &f)
	if err != nil {
		return TokenPage{}, fmt.Errorf("token: listing tokens: %w", err)
	}
	return page, nil
}

func (i *Issuer) tokens(ctx context.Context, f *TokenFilter) (TokenPage, error) {
	now := i.now()
	q, err := f.query(now)
	if err != nil {
		return TokenPage{}, err
	}
	if err := i.tokenLog.flush(ctx); err != nil {
		return TokenPage{}, err
	}
	switch {
	case f.ID != "":
		return i.oneToken(ctx, f, now)
	case f.Status == "":
		found, err := i.clients.Store().List(ctx, q)
		if err != nil {
			return TokenPage{}, err
		}
		page := TokenPage{Tokens: make([]Issued, len(found.Records)), Next: found.Next, Total: found.Total}
		for n, r := range found.Records {
			if page.Tokens[n], err = i.issuedOf(ctx, r, now); err != nil {
				return TokenPage{}, err
			}
		}
		return page, nil
	}
	page, err := i.tokensOfStatus(ctx, f, q, now)
	if err == nil && f.Count {
		page.Total, page.AtLeast, err = i.countTokens(ctx, f, q, now)
	}
	return page, err
}

// query returns the Query that finds what f selects, apart from ID and Status.
func (f *TokenFilter) query(now time.Time) (store.Query, error) {
	from, err := timekey.Bound("from", f.From)
	if err != nil {
		return store.Query{}, err
	}
	to, err := timekey.Bound("to", f.To)
	if err != nil {
		return store.Query{}, err
	}
	q := store.Query{
		Kind: KindToken, From: from, To: to, Descending: true,
		After: f.After, Offset: f.Offset, Limit: f.Limit, Count: f.Count,
	}
	if f.ClientID != "" {
		q.Labels = append(q.Labels, store.Label{Key: labelClient, Value: f.ClientID})
	}
	if f.Credential != "" {
		q.Labels = append(q.Labels, store.Label{Key: labelCredential, Value: f.Credential})
	}
	switch f.Status {
	case "", TokenExpired:
	case TokenActive, TokenRevoked:
		// All others have expired; the hour is for clocks that differ.
		q.From = max(q.From, timekey.Of(now.Add(-client.MaxTokenLifetime-time.Hour)))
	default:
		return store.Query{}, fmt.Errorf("%w: status %.16q, want %s, %s or %s", store.ErrInvalid, f.Status, TokenActive, TokenRevoked, TokenExpired)
	}
	return q, q.Check()
}

// oneToken returns the token of f.ID, if it is what f selects.
func (i *Issuer) oneToken(ctx context.Context, f *TokenFilter, now time.Time) (TokenPage, error) {
	record, err := i.clients.Store().Get(ctx, KindToken, f.ID)
	if errors.Is(err, store.ErrNotFound) {
		return TokenPage{}, nil
	}
	if err != nil {
		return TokenPage{}, err
	}
	t, err := i.issuedOf(ctx, record, now)
	if err != nil || !f.selects(&t, record.Sort) {
		return TokenPage{}, err
	}
	page := TokenPage{}
	if f.Count {
		page.Total = 1
	}
	if f.Offset == 0 && f.After == "" {
		page.Tokens = []Issued{t}
	}
	return page, nil
}

func (f *TokenFilter) selects(t *Issued, sort string) bool {
	from, _ := timekey.Bound("from", f.From) // tested before
	to, _ := timekey.Bound("to", f.To)
	return (f.ClientID == "" || f.ClientID == t.ClientID) &&
		(f.Credential == "" || f.Credential == t.Credential) &&
		(f.Status == "" || f.Status == t.Status) &&
		from <= sort && (to == "" || sort < to)
}

// tokensOfStatus returns a page of what q finds that has the status.
func (i *Issuer) tokensOfStatus(ctx context.Context, f *TokenFilter, q store.Query, now time.Time) (page TokenPage, err error) {
	limit, skip := f.Limit, f.Offset
	if limit == 0 {
		limit = store.DefaultLimit
	}
	q.Offset, q.Count = 0, false
	q.Limit = max(limit, store.DefaultLimit)
	page.Next, err = i.look(ctx, q, now, func(t *Issued) bool {
		switch {
		case t.Status != f.Status:
		case skip > 0:
			skip--
		default:
			page.Tokens = append(page.Tokens, *t)
		}
		return len(page.Tokens) < limit
	})
	return page, err
}

// countTokens returns how many of what q finds from its beginning have the status,
// and whether there may be more.
func (i *Issuer) countTokens(ctx context.Context, f *TokenFilter, q store.Query, now time.Time) (n int, more bool, err error) {
	q.After, q.Offset, q.Count, q.Limit = "", 0, false, store.MaxLimit
	next, err := i.look(ctx, q, now, func(t *Issued) bool {
		if t.Status == f.Status {
			n++
		}
		return true
	})
	return n, next != "", err
}

// look shows the tokens that q finds to see, until that has seen enough or it has
// shown MaxLooked, and returns where it goes on, if it does.
func (i *Issuer) look(ctx context.Context, q store.Query, now time.Time, see func(t *Issued) bool) (next store.Cursor, err error) {
	for looked := 0; looked < MaxLooked; looked += q.Limit {
		found, err := i.clients.Store().List(ctx, q)
		if err != nil {
			return "", err
		}
		for n, r := range found.Records {
			t, err := i.issuedOf(ctx, r, now)
			if err != nil {
				return "", err
			}
			if see(&t) {
				continue
			}
			if n == len(found.Records)-1 {
				return found.Next, nil
			}
			return store.At(r), nil
		}
		if q.After = found.Next; q.After == "" {
			return "", nil
		}
	}
	return q.After, nil
}

// tokenByID returns the token with that jti, or an error that wraps
// store.ErrNotFound: also if it was issued without being logged.
func (i *Issuer) tokenByID(ctx context.Context, jti string) (Issued, error) {
	record, err := i.clients.Store().Get(ctx, KindToken, jti)
	if errors.Is(err, store.ErrNotFound) { // yet
		if err := i.tokenLog.flush(ctx); err != nil {
			return Issued{}, err
		}
		record, err = i.clients.Store().Get(ctx, KindToken, jti)
	}
	if err != nil {
		return Issued{}, fmt.Errorf("reading a token: %w", err)
	}
	return i.issuedOf(ctx, record, i.now())
}

// issuedOf returns the token that r holds, as it is at now. A newer format is read
// as far as it is known here.
func (i *Issuer) issuedOf(ctx context.Context, r store.Record, now time.Time) (Issued, error) {
	t, err := parseIssued(r.Data)
	if err != nil {
		return Issued{}, fmt.Errorf("token %.64q: %w", r.ID, err)
	}
	t.ID = r.ID
	if !now.Before(t.ExpiresAt) {
		t.Status = TokenExpired
		return t, nil
	}
	revoked, err := i.revocation(ctx, t.ID, t.ClientID, t.IssuedAt)
	if err != nil {
		return Issued{}, err
	}
	t.Status = TokenActive
	if revoked {
		t.Status = TokenRevoked
	}
	return t, nil
}

// kept is the data of a record of KindToken; see issuedEntry.record.
type kept struct {
	Method     credentials.Method `json:"method"`
	Credential string             `json:"credential"`
	Address    string             `json:"address"`
	RequestID  string             `json:"requestId"`
	Claims     json.RawMessage    `json:"claims"`
}

func parseIssued(data []byte) (Issued, error) {
	var k kept
	if err := json.Unmarshal(data, &k); err != nil {
		return Issued{}, err
	}
	t := Issued{Method: k.Method, Credential: k.Credential, Address: k.Address, RequestID: k.RequestID, Claims: k.Claims}
	var object strictjson.Object // json.Unmarshal would take a claim "IAT" for iat
	object.Reset(k.Claims)
	for object.Next() {
		v := object.Value()
		switch string(object.Key()) {
		case "client_id":
			t.ClientID, _ = v.Text()
		case "aud":
			t.Audience, _ = v.Text()
		case "scope":
			scope, _ := v.Text()
			t.Scopes = strings.Fields(scope)
		case "iat":
			t.IssuedAt, _ = dateOf(v)
		case "exp":
			t.ExpiresAt, _ = dateOf(v)
		}
	}
	return t, object.Err()
}
