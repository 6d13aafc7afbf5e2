package client

import (
	"hash/maphash"
	"maps"
	"slices"
	"sync"

	"github.com/clientele-go/clientele/credentials"
	"github.com/clientele-go/clientele/store"
)

// maxShared bounds the lists of grants that are remembered to be shared, the labels,
// and the commons. Beyond it they are forgotten all together, and live on with the clients
// that have them.
const maxShared = 1024

// A common is what many clients have in common: most of them do the same, belong to
// a few, and authenticate in one way. What it says takes more room than all else of
// a client.
type common struct {
	method credentials.Method
	labels map[string]string
	grants []Grant
	keys   []credentials.Key // which are of one client as a rule
}

// shared has the commons of cached clients, and what they consist of.
type shared struct {
	seed    maphash.Seed
	grants  pool[[]Grant]
	labels  pool[map[string]string]
	commons pool[*common]
}

func newShared() *shared { return &shared{seed: maphash.MakeSeed()} }

// decode returns the client in a record as it is cached.
func (s *shared) decode(record store.Record) (*packed, error) {
	c, err := decode(record)
	if err != nil {
		return nil, err
	}
	return pack(c, s.common(c)), nil
}

// common returns what c has in common with others: theirs, if one has the same.
func (s *shared) common(c *Client) *common {
	grants, grantsHash := s.sameGrants(c.Grants)
	labels, labelsHash := s.sameLabels(c.Labels)
	own := &common{c.Method, labels, grants, c.Keys}
	if len(c.Keys) > 0 {
		return own
	}
	hash := grantsHash ^ labelsHash ^ maphash.String(s.seed, string(c.Method))
	return s.commons.share(hash, own, func(a, b *common) bool {
		return a.method == b.method && maps.Equal(a.labels, b.labels) && slices.Equal(a.grants, b.grants)
	})
}

// sameGrants returns a list that is the same as list, and another client's if one
// has it, and its hash.
func (s *shared) sameGrants(list []Grant) ([]Grant, uint64) {
	if len(list) == 0 {
		return nil, 0
	}
	var h maphash.Hash
	h.SetSeed(s.seed)
	for _, g := range list {
		maphash.WriteComparable(&h, g)
	}
	return s.grants.share(h.Sum64(), list, slices.Equal), h.Sum64()
}

// sameLabels does the same for labels.
func (s *shared) sameLabels(labels map[string]string) (map[string]string, uint64) {
	if len(labels) == 0 {
		return labels, 0
	}
	var hash uint64 // whatever the order
	for key, value := range labels {
		hash += maphash.Comparable(s.seed, [2]string{key, value})
	}
	return s.labels.share(hash, labels, maps.Equal), hash
}

// A pool has values that are shared.
type pool[T any] struct {
	mu    sync.Mutex
	known map[uint64]T // by their hash
}

// share returns the value with that hash that is known if it equals v, or else
// makes it v.
func (p *pool[T]) share(hash uint64, v T, equal func(a, b T) bool) T {
	p.mu.Lock()
	defer p.mu.Unlock()
	if known, ok := p.known[hash]; ok && equal(known, v) {
		return known
	}
	if p.known == nil || len(p.known) >= maxShared {
		p.known = map[uint64]T{}
	}
	p.known[hash] = v
	return v
}
