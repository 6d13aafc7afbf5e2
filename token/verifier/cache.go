package verifier

import (
	"context"
	"hash/maphash"
	"math/bits"
	"sync/atomic"
	"time"
)

// A cache remembers verified tokens: a table of slots in which a token has two
// places, by its hash. The whole token is compared, so that a hash that two
// tokens share does no harm; and the hash is seeded, so that nobody can find
// such tokens.
//
// A nil cache remembers nothing.
type cache struct {
	seed  maphash.Seed
	mask  uint64
	slots []atomic.Pointer[entry]
}

// An entry is a verified token. It never changes.
type entry struct {
	token  string
	claims *Claims
	ring   *ring
	set    *keySet // that held the key
	from   time.Time
	until  time.Time
}

// newCache returns a cache of at least size tokens.
func newCache(size int) *cache {
	n := 1 << bits.Len(uint(max(size, 2)-1))
	return &cache{seed: maphash.MakeSeed(), mask: uint64(n - 1), slots: make([]atomic.Pointer[entry], n)}
}

// hash returns what the places of a token are found by.
func (c *cache) hash(token string) uint64 {
	if c == nil || len(token) > maxToken {
		return 0
	}
	return maphash.String(c.seed, token)
}

// places returns the two slots of a token with that hash.
func (c *cache) places(hash uint64) (a, b *atomic.Pointer[entry]) {
	return &c.slots[hash&c.mask], &c.slots[(hash>>32)&c.mask]
}

// get returns the claims of a token that was verified before, if it is still
// good: not expired, and its key still among those in force.
func (c *cache) get(ctx context.Context, token string, hash uint64, now time.Time) (*Claims, bool) {
	if c == nil {
		return nil, false
	}
	a, b := c.places(hash)
	e := a.Load()
	if e == nil || e.token != token {
		if e = b.Load(); e == nil || e.token != token {
			return nil, false
		}
	}
	if !now.Before(e.until) || now.Before(e.from) {
		return nil, false
	}
	snap, err := e.ring.keys(ctx, now)
	if err != nil || snap.set != e.set {
		return nil, false
	}
	return e.claims, true
}

// put remembers a token that was just verified with a key of set. It keeps the
// string.
func (c *cache) put(token string, hash uint64, claims *Claims, ring *ring, set *keySet, leeway time.Duration) {
	if c == nil {
		return
	}
	e := &entry{token: token, claims: claims, ring: ring, set: set, until: claims.Expires.Add(leeway)}
	if !claims.NotBefore.IsZero() {
		e.from = claims.NotBefore.Add(-leeway)
	}
	a, b := c.places(hash)
	place := a
	// Rather replace a token that ends first, or that is of no use any more.
	if old, other := a.Load(), b.Load(); old != nil && old.token != token && (other == nil || other.worth().Before(old.worth())) {
		place = b
	}
	place.Store(e)
}

// worth returns until when an entry is of use, the zero time if it is not.
func (e *entry) worth() time.Time {
	if snap := e.ring.current.Load(); snap == nil || snap.set != e.set {
		return time.Time{}
	}
	return e.until
}
