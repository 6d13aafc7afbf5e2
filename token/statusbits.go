package token

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/internal/timekey"
	"github.com/clientele-go/clientele/store"
)

// A mark is a token in a status list that is revoked by itself.
type mark struct {
	jti   string
	index int
	until int64 // it is kept; in seconds since 1970
}

// marks are those of each list, by its id. They are part of a revoked, and like that
// immutable once they are handed out.
type marks map[string][]mark

// clone returns marks to which others may be added.
func (m marks) clone() marks {
	next := make(marks, len(m))
	for list, all := range m {
		next[list] = slices.Clip(all)
	}
	return next
}

// add adds the mark of one, if it has one, to m, which nobody else has yet.
func (m marks) add(one *revocation) {
	if s := one.Status; s != nil {
		m[s.List] = append(m[s.List], mark{one.TokenID, s.Index, one.expires().Unix()})
	}
}

// remove removes the mark of a token from m, which nobody else has yet.
func (m marks) remove(jti string) {
	is := func(one mark) bool { return one.jti == jti }
	for list, all := range m {
		if slices.ContainsFunc(all, is) {
			m[list] = slices.DeleteFunc(slices.Clone(all), is)
		}
	}
}

// after returns the marks that are still kept at end.
func (m marks) after(end int64) marks {
	next := make(marks, len(m))
	for list, all := range m {
		for _, one := range all {
			if one.until > end {
				next[list] = append(next[list], one)
			}
		}
	}
	return next
}

// marks reports whether the token has its mark in its status list, or needs none.
func (r *revoked) marks(jti string, status *statusRef) bool {
	return status == nil || slices.ContainsFunc(r.lists[status.List], func(one mark) bool { return one.jti == jti })
}

// join has r revoke whatever else before does, which stands in the store.
func (r *revocation) join(before *revocation) {
	if before == nil || r.TokenID == "" {
		return
	}
	if before.ExpiresAt.After(r.ExpiresAt) {
		r.ExpiresAt = before.ExpiresAt
	}
	if r.Status == nil {
		r.Status = before.Status
	}
}

const (
	// maxLogged bounds how many tokens of one client are looked for in the log.
	maxLogged = 100_000
	// logSettled is how much later than up to when a client's tokens are revoked
	// the log has all of them: those of stragglers, and of an instance whose log
	// waits for the store.
	logSettled = 2 * stragglers
)

// A loggedClient is the tokens of a client that are revoked together, as the log of
// issued tokens has them; immutable.
type loggedClient struct {
	until   int64     // the last iat that is refused
	read    time.Time // when
	settled bool      // nothing comes any more
	lists   map[string][]int
}

// revokedIn returns the indexes of the tokens in a status list that are revoked, in
// ascending order.
func (i *Issuer) revokedIn(ctx context.Context, list string, now time.Time) ([]int, error) {
	known, err := i.revocations.get(ctx)
	if err != nil {
		return nil, err
	}
	var set []int
	for _, one := range known.lists[list] {
		set = append(set, one.index)
	}
	for clientID, until := range known.clients {
		if until+int64((client.MaxTokenLifetime+revokedFor)/time.Second) <= now.Unix() {
			continue
		}
		logged, err := i.loggedOf(ctx, clientID, until, now)
		if err != nil {
			return nil, err
		}
		set = append(set, logged.lists[list]...)
	}
	slices.Sort(set)
	i.statusLists.forget(known)
	return slices.Compact(set), nil
}

// forget drops what is known of clients that are revoked no more.
func (s *statusLists) forget(known *revoked) {
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.clients, func(id string, c *loggedClient) bool { return known.clients[id] != c.until })
}

// loggedOf returns the tokens of a client whose tokens up to until are revoked. The
// log is read once a second until it is settled.
func (i *Issuer) loggedOf(ctx context.Context, clientID string, until int64, now time.Time) (*loggedClient, error) {
	s := i.statusLists
	current := func() *loggedClient {
		s.mu.Lock()
		defer s.mu.Unlock()
		c := s.clients[clientID]
		if c == nil || c.until != until || !c.settled && now.Sub(c.read).Abs() >= listPause {
			return nil
		}
		return c
	}
	if c := current(); c != nil {
		return c, nil
	}
	return s.reading.Do(ctx, clientID+" "+time.Unix(until, 0).UTC().Format(time.RFC3339), func(ctx context.Context) (*loggedClient, error) {
		if c := current(); c != nil {
			return c, nil
		}
		c, err := i.readLogged(ctx, clientID, until, now)
		if err != nil {
			return nil, fmt.Errorf("reading the tokens of a client: %w", err)
		}
		s.mu.Lock()
		s.clients[clientID] = c
		s.mu.Unlock()
		return c, nil
	})
}

func (i *Issuer) readLogged(ctx context.Context, clientID string, until int64, now time.Time) (*loggedClient, error) {
	c := &loggedClient{
		until: until, read: now, lists: map[string][]int{},
		settled: now.Unix() > until+int64(logSettled/time.Second),
	}
	if err := i.tokenLog.flush(ctx); err != nil {
		return nil, err
	}
	last := time.Unix(until, 0)
	q := store.Query{
		Kind: KindToken, Labels: []store.Label{{Key: labelClient, Value: clientID}},
		// Tokens stand under when they were asked for, which is never later than
		// in the second of their iat.
		From: timekey.Of(last.Add(-client.MaxTokenLifetime - revokedFor)), To: timekey.Of(last.Add(time.Second)),
		Descending: true, Limit: store.MaxLimit,
	}
	for looked := 0; ; looked += q.Limit {
		if looked >= maxLogged {
			i.statusLists.logger.Warn("status lists: a revoked client has more tokens than are looked for", "client_id", shorten(clientID), "count", looked)
			return c, nil
		}
		page, err := i.clients.Store().List(ctx, q)
		if err != nil {
			return nil, err
		}
		for _, r := range page.Records {
			t, err := parseIssued(r.Data)
			if err != nil {
				return nil, fmt.Errorf("token %.64q: %w", r.ID, err)
			}
			if t.IssuedAt.Unix() > until || !now.Before(t.ExpiresAt.Add(leeway)) {
				continue
			}
			if s := i.statusOf(t.Claims); s != nil {
				c.lists[s.List] = append(c.lists[s.List], s.Index)
			}
		}
		if q.After = page.Next; q.After == "" {
			return c, nil
		}
	}
}
