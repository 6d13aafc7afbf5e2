package token

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/internal/flight"
	"github.com/clientele-go/clientele/internal/jws"
	"github.com/clientele-go/clientele/internal/revlist"
)

const (
	// listMaxAge is how long Verifiers may keep the list of what was revoked.
	listMaxAge = 10 * time.Second
	// listPause is the shortest time between two lists: however fast tokens
	// are revoked and however often the list is fetched, one a second is made.
	listPause = time.Second
	// listSpan is for how long a list counts at the least, and for twice that
	// at the most. All instances begin a span at the same time, so that what
	// they publish is the same.
	listSpan = 30 * time.Minute
)

// publishedList is the signed list of what was revoked, as it was made last.
type publishedList struct {
	current atomic.Pointer[signedList]
	making  flight.Group[struct{}, *signedList]
}

// A signedList is a list and what it was made of; immutable.
type signedList struct {
	known *revoked
	key   *signingKey
	made  time.Time
	body  []byte
	etag  string
}

// serves reports whether s is what would be made at now, or nearly.
func (s *signedList) serves(known *revoked, key *signingKey, now time.Time) bool {
	if s == nil || s.key != key || now.Before(s.made) || spanOf(now) != spanOf(s.made) {
		return false
	}
	return s.known == known || now.Sub(s.made) < listPause
}

func spanOf(t time.Time) int64 { return t.Unix() / int64(listSpan/time.Second) }

// revocationsDocument returns the list, signed, and its etag.
func (i *Issuer) revocationsDocument(ctx context.Context) ([]byte, string, error) {
	now := i.now()
	known, err := i.revocations.get(ctx)
	if err != nil {
		return nil, "", err
	}
	keys, err := i.keys.at(ctx, now)
	if err != nil {
		return nil, "", err
	}
	list := i.list.current.Load()
	if !list.serves(known, keys.active, now) {
		list, err = i.list.making.Do(ctx, struct{}{}, func(context.Context) (*signedList, error) {
			if list := i.list.current.Load(); list.serves(known, keys.active, now) {
				return list, nil
			}
			list, err := i.makeList(known, keys.active, now)
			if err == nil {
				i.list.current.Store(list)
			}
			return list, err
		})
		if err != nil {
			return nil, "", err
		}
	}
	return list.body, list.etag, nil
}

// makeList makes the list of what known has that can still refuse a token at now.
func (i *Issuer) makeList(known *revoked, key *signingKey, now time.Time) (*signedList, error) {
	end := now.Unix()
	tokens := make([]revlist.Digest, 0, known.count())
	for id, until := range known.tokens {
		if _, twice := known.recent[id]; until > end && !twice {
			tokens = append(tokens, revlist.DigestOf(id))
		}
	}
	for id, until := range known.recent {
		if until > end {
			tokens = append(tokens, revlist.DigestOf(id))
		}
	}
	clients := make(map[revlist.Digest]int64, len(known.clients))
	for id, until := range known.clients {
		if until+int64((client.MaxTokenLifetime+revokedFor)/time.Second) > end {
			clients[revlist.DigestOf(id)] = until
		}
	}
	payload, tag, err := revlist.Encode(revlist.Head{
		Issuer: i.issuer, IssuedAt: now, Expires: time.Unix((spanOf(now)+2)*int64(listSpan/time.Second), 0),
	}, tokens, clients)
	if err != nil {
		return nil, fmt.Errorf("encoding the list of revocations: %w", err)
	}
	header := fmt.Appendf(nil, `{"alg":%q,"typ":%q,"kid":%q}`, key.algorithm, revlist.Type, key.kid)
	body, err := jws.AppendCompact(nil, key.algorithm, key.signer, header, payload)
	if err != nil {
		return nil, fmt.Errorf("signing the list of revocations: %w", err)
	}
	// Weak, since another instance may have signed the same at another time.
	return &signedList{known: known, key: key, made: now, body: body, etag: `W/"` + tag + "." + key.kid + `"`}, nil
}
