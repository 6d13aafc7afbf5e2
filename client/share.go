package client

import (
	"hash/maphash"
	"slices"
	"sync"

	"github.com/clientele-go/clientele/credentials"
	"github.com/clientele-go/clientele/store"
)

// maxShared bounds the lists of grants that are remembered to be shared. Beyond it
// they are forgotten all together, and live on with the clients that have them.
const maxShared = 1024

// shared has the lists of grants of cached clients: of many clients most may do
// the same, and what a grant says takes more room than all else of a client.
type shared struct {
	seed  maphash.Seed
	mu    sync.Mutex
	lists map[uint64][]Grant // by their hash
}

func newShared() *shared { return &shared{seed: maphash.MakeSeed(), lists: map[uint64][]Grant{}} }

// decode returns the client in a record to be cached: what it returns nobody
// changes.
func (s *shared) decode(record store.Record) (*Client, error) {
	c, err := decode(record)
	if err != nil {
		return nil, err
	}
	c.Grants = s.grants(c.Grants)
	c.Method = constant(c.Method)
	return c, nil
}

// grants returns a list that is the same as list, and another client's if one has
// it.
func (s *shared) grants(list []Grant) []Grant {
	if len(list) == 0 {
		return nil
	}
	var h maphash.Hash
	h.SetSeed(s.seed)
	for _, g := range list {
		maphash.WriteComparable(&h, g)
	}
	hash := h.Sum64()
	s.mu.Lock()
	defer s.mu.Unlock()
	if known := s.lists[hash]; slices.Equal(known, list) {
		return known
	}
	if len(s.lists) >= maxShared {
		clear(s.lists)
	}
	s.lists[hash] = list
	return list
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
