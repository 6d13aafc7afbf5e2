package token

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/internal/timekey"
	"github.com/clientele-go/clientele/store"
)

// KindRevocation is the kind of the records that hold revocations: one for each
// token that was revoked by itself, and one for each client whose tokens were.
// Each has an expiry: once nothing is left that it could refuse.
const KindRevocation store.Kind = "revocation"

// revocationFormat is the number of the format of revocation.
const revocationFormat = 1

// A revocation is what a record of KindRevocation holds: a token, or a client.
type revocation struct {
	TokenID   string    `json:"jti,omitempty"`
	ExpiresAt time.Time `json:"exp,omitzero"` // of the token
	// Status is what the status claim of the token says, if that is known.
	Status *statusRef `json:"status,omitempty"`

	ClientID    string    `json:"client_id,omitempty"`   // of the token, if known, or the client
	IssuedUntil time.Time `json:"issued_until,omitzero"` // the tokens of the client are refused
}

// revokedFor is how much longer than what it refuses a revocation is kept: so that
// no clock that is behind, nor a step of one, makes a token good again, nor an
// instance whose clock is an hour ahead sweeps what a Verifier still needs.
const revokedFor = 2 * time.Hour

// Beginnings of the ids of records, which keep tokens and clients apart.
const (
	revokedToken  = "token."
	revokedClient = "client."
)

func (r *revocation) id() string {
	if r.TokenID != "" {
		return revokedToken + r.TokenID
	}
	return revokedClient + r.ClientID
}

// expires returns when r has nothing left to refuse, and revokedFor more.
func (r *revocation) expires() time.Time {
	if r.TokenID != "" {
		return store.Time(r.ExpiresAt.Add(revokedFor))
	}
	return store.Time(r.IssuedUntil.Add(client.MaxTokenLifetime + revokedFor))
}

func (r *revocation) record(version store.Revision) (store.Record, error) {
	data, err := json.Marshal(r)
	if err != nil {
		return store.Record{}, fmt.Errorf("encoding a revocation: %w", err)
	}
	record := store.Record{
		Kind: KindRevocation, ID: r.id(), Version: version,
		Sort: timekey.Of(r.expires()), Expires: r.expires(),
		Format: revocationFormat, Data: data,
	}
	if r.ClientID != "" {
		record.Labels = []store.Label{{Key: labelClient, Value: r.ClientID}}
	}
	return record, nil
}

// revocationOf returns the revocation that a record holds. A newer format is read
// as far as it is known here.
func revocationOf(record store.Record) (revocation, error) {
	var r revocation
	if err := json.Unmarshal(record.Data, &r); err != nil {
		return revocation{}, fmt.Errorf("token: revocation %.64q: %w", record.ID, err)
	}
	if r.TokenID == "" && r.ClientID == "" {
		return revocation{}, fmt.Errorf("token: revocation %.64q: it names neither a token nor a client", record.ID)
	}
	return r, nil
}

// revocations is the revocations in a store, kept in memory: no look-up waits for
// the store unless its feed has to be read, and a new revocation costs as much as
// it is large, however many there are.
type revocations struct {
	store store.Store
	now   func() time.Time
	kept  *store.Snapshot[*revoked]

	mu       sync.Mutex // held by who reads the feed
	current  *revoked   // nil: everything is to be read
	revision store.Revision
	tidied   time.Time // see tidy
}

func newRevocations(s store.Store, now func() time.Time) *revocations {
	r := &revocations{store: s, now: now}
	// The Snapshot says when there is something to read, and how old what is
	// there may be; what is read is what was added since the last time.
	r.kept = store.NewSnapshot(store.SnapshotConfig[*revoked]{
		Store: s, Kinds: []store.Kind{KindRevocation}, Build: r.read,
	})
	return r
}

// get returns what is revoked, as it was a second ago at the latest.
func (r *revocations) get(ctx context.Context) (*revoked, error) { return r.kept.Get(ctx) }

// tidyPause is how long nothing is looked through for what has expired after that
// was done.
const tidyPause = time.Minute

// tidy returns what is revoked, without what has expired: that takes room until
// others come, since no feed tells of what is swept.
func (r *revocations) tidy(ctx context.Context) (*revoked, error) {
	r.mu.Lock()
	if now := r.now(); r.current != nil && now.Sub(r.tidied).Abs() >= tidyPause {
		r.current, r.tidied = r.current.merged(now), now
		r.kept.Drop()
	}
	r.mu.Unlock()
	return r.get(ctx)
}

// read catches up with the store's feed.
func (r *revocations) read(ctx context.Context, s store.Store) (*revoked, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.current != nil {
		feed, err := s.Changes(ctx, r.revision, 0, store.MaxLimit)
		if errors.Is(err, store.ErrTooOld) {
			r.current = nil
			break
		}
		if err != nil {
			return nil, fmt.Errorf("reading revocations: %w", err)
		}
		next, err := r.current.with(ctx, s, feed.Changed, r.now())
		if err != nil {
			return nil, err
		}
		r.current, r.revision = next, feed.Revision
		if !feed.More {
			return next, nil
		}
	}
	return r.readAll(ctx, s)
}

// readAll reads everything. What comes meanwhile stands in the feed behind the
// revision that is asked for first.
func (r *revocations) readAll(ctx context.Context, s store.Store) (*revoked, error) {
	feed, err := s.Changes(ctx, store.Latest, 0, 0)
	if err != nil {
		return nil, fmt.Errorf("reading revocations: %w", err)
	}
	all := &revoked{tokens: map[string]int64{}, clients: map[string]int64{}, lists: marks{}}
	q := store.Query{Kind: KindRevocation, Limit: store.MaxLimit}
	for {
		page, err := s.List(ctx, q)
		if err != nil {
			return nil, fmt.Errorf("reading revocations: %w", err)
		}
		for _, record := range page.Records {
			one, err := revocationOf(record)
			if err != nil {
				return nil, err
			}
			all.add(&one)
		}
		if page.Next == "" {
			break
		}
		q.After = page.Next
	}
	all.tokens, all.recent = all.recent, nil
	r.current, r.revision = all, feed.Revision
	return all, nil
}

// revoked is what is revoked at one time; immutable once it is handed out. Most
// tokens are in one large map, which successors share, and those that came last
// in a small one of its own, so that neither a look-up locks nor one more token
// copies all of them.
type revoked struct {
	tokens, recent map[string]int64 // until when it is kept, by jti; in seconds since 1970
	clients        map[string]int64 // the last iat that is refused, by client id
	lists          marks            // of those of tokens, by status list
}

// maxRecent is how many tokens are in the small map, unless the large one is so
// large that copying it is the greater cost.
const maxRecent = 256

// add adds one to r, which nobody else has yet.
func (r *revoked) add(one *revocation) {
	if one.TokenID == "" {
		r.clients[one.ClientID] = one.IssuedUntil.Unix()
		return
	}
	if r.recent == nil {
		r.recent = map[string]int64{}
	}
	r.recent[one.TokenID] = one.expires().Unix()
	r.lists.add(one)
}

// with returns a successor of r in which changes were made, or r if none concerns
// it.
func (r *revoked) with(ctx context.Context, s store.Store, changes []store.Changed, now time.Time) (*revoked, error) {
	next := r
	for _, c := range changes {
		if c.Kind != KindRevocation {
			continue
		}
		if next == r {
			next = &revoked{tokens: r.tokens, recent: maps.Clone(r.recent), clients: maps.Clone(r.clients), lists: r.lists.clone()}
		}
		record, err := s.Get(ctx, KindRevocation, c.ID)
		if errors.Is(err, store.ErrNotFound) {
			next.remove(c.ID)
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("reading a revocation: %w", err)
		}
		one, err := revocationOf(record)
		if err != nil {
			return nil, err
		}
		next.add(&one)
	}
	if len(next.recent) > max(maxRecent, len(next.tokens)/32) {
		next = next.merged(now)
	}
	return next, nil
}

// remove removes what the record of that id has revoked, from a successor that
// nobody else has yet. Nothing in this package deletes one, but whoever operates
// the store may.
func (r *revoked) remove(id string) {
	if clientID, ok := strings.CutPrefix(id, revokedClient); ok {
		delete(r.clients, clientID)
		return
	}
	tokenID := strings.TrimPrefix(id, revokedToken)
	delete(r.recent, tokenID)
	r.lists.remove(tokenID)
	if _, ok := r.tokens[tokenID]; ok {
		r.tokens = maps.Clone(r.tokens)
		delete(r.tokens, tokenID)
	}
}

// merged returns r with all tokens in the large map, and without what has expired
// at now.
func (r *revoked) merged(now time.Time) *revoked {
	end := now.Unix()
	next := &revoked{tokens: make(map[string]int64, len(r.tokens)+len(r.recent)), clients: r.clients, lists: r.lists.after(end)}
	for _, tokens := range []map[string]int64{r.tokens, r.recent} {
		for id, until := range tokens {
			if until > end {
				next.tokens[id] = until
			}
		}
	}
	return next
}

// count returns how many tokens are in r, those that have expired included.
func (r *revoked) count() int { return len(r.tokens) + len(r.recent) }

// has reports whether the token of that jti is revoked, by itself or with all of
// its client that were issued when it was.
func (r *revoked) has(jti, clientID string, iat int64) bool {
	if until, ok := r.clients[clientID]; ok && iat <= until {
		return true
	}
	if _, ok := r.recent[jti]; ok {
		return true
	}
	_, ok := r.tokens[jti]
	return ok
}
