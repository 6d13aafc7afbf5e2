package client

import (
	"hash/maphash"
	"maps"
	"slices"
	"sync"

	"github.com/clientele-go/clientele/credentials"
	"github.com/clientele-go/clientele/store"
)

// maxShared bounds the lists of grants that are remembered to be shared, and the
// labels. Beyond it they are forgotten all together, and live on with the clients
// that have them.
const maxShared = 1024

// shared has the lists of grants and the labels of cached clients: of many clients
// most may do the same, and belong to a few. What they say takes more room than all
// else of a client.
type shared struct {
	seed   maphash.Seed
	grants pool[[]Grant]
	labels pool[map[string]string]
}

func newShared() *shared { return &shared{seed: maphash.MakeSeed()} }

// decode returns the client in a record to be cached: what it returns nobody
// changes.
func (s *shared) decode(record store.Record) (*Client, error) {
	c, err := decode(record)
	if err != nil {
		return nil, err
	}
	c.Grants = s.sameGrants(c.Grants)
	c.Labels = s.sameLabels(c.Labels)
	c.Method = constant(c.Method)
	return c, nil
}

// sameGrants returns a list that is the same as list, and another client's if one
// has it.
func (s *shared) sameGrants(list []Grant) []Grant {
	if len(list) == 0 {
		return nil
	}
	var h maphash.Hash
	h.SetSeed(s.seed)
	for _, g := range list {
		maphash.WriteComparable(&h, g)
	}
	return s.grants.share(h.Sum64(), list, slices.Equal)
}

// sameLabels does the same for labels.
func (s *shared) sameLabels(labels map[string]string) map[string]string {
	if len(labels) == 0 {
		return labels
	}
	var hash uint64 // whatever the order
	for key, value := range labels {
		hash += maphash.Comparable(s.seed, [2]string{key, value})
	}
	return s.labels.share(hash, labels, maps.Equal)
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

// constant returns m without a text of its own.
func constant(m credentials.Method) credentials.Method {
	for _, known := range [...]credentials.Method{credentials.MethodSecret, credentials.MethodPublicKeys, credentials.MethodJWKS} {
		if m == known {
			return known
		}
	}
	return m
}
