package jwks

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"time"

	"github.com/clientele-go/clientele/credentials"
)

const (
	fetchTimeout  = 5 * time.Second
	defaultFresh  = 10 * time.Minute // without a max-age
	shortestFresh = time.Minute
	longestFresh  = time.Hour
	lastGood      = 24 * time.Hour // a set serves without a newer one for
	unknownWindow = time.Minute    // one fetch for unknown keys per
	// failureNews is for how long after the pause a failure counts as a sign
	// that the next fetch fails too.
	failureNews = time.Minute
)

// A Set is the keys that were found under a URL at one moment. It does not
// change, and may be used by several goroutines.
type Set struct {
	keys    []credentials.Key
	digest  [sha256.Size]byte // of the JSON
	fetched time.Time
	ahead   time.Duration // after fetched, who comes has it fetched anew
	fresh   time.Duration // after fetched, who comes waits for that
}

// Keys returns the keys, in the order of the JWK Set: none if the client has
// taken back all of them. They are shared and read-only.
func (s *Set) Keys() []credentials.Key {
	if s == nil {
		return nil
	}
	return slices.Clip(s.keys)
}

// FetchedAt returns when the fetch began that the keys are of.
func (s *Set) FetchedAt() time.Time { return s.fetched }

// early reports whether there is no reason yet to fetch a newer set than s.
func (s *Set) early(now time.Time) bool { return s != nil && within(now.Sub(s.fetched), s.ahead) }

// isFresh reports whether s is in force at now without asking anybody.
func (s *Set) isFresh(now time.Time) bool { return s != nil && within(now.Sub(s.fetched), s.fresh) }

// within reports whether an age is below most. One below zero comes from a clock
// that was set back, and says nothing.
func within(age, most time.Duration) bool { return 0 <= age && age < most }

// serves reports whether s may be used at now if there is no newer one. A clock
// that was set back does not take anybody's keys away.
func (s *Set) serves(now time.Time) bool {
	return s != nil && now.Sub(s.fetched) < lastGood
}

// differs reports whether s has other keys than seen, either of which may be nil.
func (s *Set) differs(seen *Set) bool {
	return s != nil && (seen == nil || s.digest != seen.digest)
}

// Keys returns the keys under a JWKS URL that are in force now. It answers at
// once while it has fresh ones, and also while newer ones cannot be fetched and
// the last ones were less than 24 hours ago. Else it waits for a fetch, one per
// URL however many wait, within ctx. It does not wait for a fetch to be allowed
// to begin: while a pause after a failure lasts, or as many are under way as
// Config says, the last keys serve, or there is an error at once.
//
// The error is a *URLError for a URL that CheckURL refuses, that of ctx, or an
// *UnavailableError if there is nothing that could be used: nobody can say then
// whether an assertion is good, and asking again later may help.
func (c *Cache) Keys(ctx context.Context, url string) (*Set, error) {
	now := c.now()
	if e := c.table.find(url); e != nil {
		if set := e.set.Load(); set.early(now) {
			e.touch(now)
			return set, nil
		}
	}
	e, err := c.lock(url, now)
	if err != nil {
		return nil, err
	}
	last := e.set.Load()
	serves := last.serves(now)
	if serves && (last.isFresh(now) || e.failing(now)) {
		if !last.early(now) {
			_, _ = c.start(ctx, e, now)
		}
		e.mu.Unlock()
		return last, nil
	}
	a, cause := c.start(ctx, e, now)
	e.mu.Unlock()

	if a != nil {
		cause = a.wait(ctx)
	}
	if set := e.set.Load(); set != last {
		return set, nil
	}
	switch {
	case a != nil && cause != nil:
		return nil, fmt.Errorf("jwks: waiting for the keys of %s: %w", withoutQuery(url), cause)
	case serves:
		return last, nil
	}
	return nil, c.unavailable(e, cause)
}

// Renew returns keys that differ from those of seen, the Set that Keys returned,
// or nil. It is for an assertion by a key that seen does not have: the client may
// have published a new one, or anybody may have made the assertion up.
//
// It fetches the URL at most once per minute, and only who causes that waits for
// it, within ctx; everybody else is answered at once by what is there.
func (c *Cache) Renew(ctx context.Context, url string, seen *Set) *Set {
	now := c.now()
	e, err := c.lock(url, now)
	if err != nil {
		return nil
	}
	if set := e.set.Load(); set.differs(seen) && set.serves(now) {
		e.mu.Unlock()
		return set
	}
	var a *attempt
	if left := e.unknownAt.Sub(now); left <= 0 || left > unknownWindow { // or the clock was set back
		if a, _ = c.start(ctx, e, now); a != nil {
			e.unknownAt = now.Add(unknownWindow)
		}
	}
	e.mu.Unlock()
	if a == nil {
		return nil
	}
	_ = a.wait(ctx) // other keys or none is all that counts
	if set := e.set.Load(); set.differs(seen) && set.serves(now) {
		return set
	}
	return nil
}

// lock returns the entry of a URL with its mu held, a new one if there is none.
func (c *Cache) lock(url string, now time.Time) (*entry, error) {
	for {
		e := c.table.find(url)
		if e == nil {
			host, err := checkURL(url, c.allow)
			if err != nil {
				return nil, err
			}
			e = c.table.add(url, host, now)
		}
		e.mu.Lock()
		if !e.dropped {
			e.touch(now)
			return e, nil
		}
		e.mu.Unlock() // dropped between the two
	}
}
