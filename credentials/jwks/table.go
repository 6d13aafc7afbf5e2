package jwks

import (
	"hash/maphash"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/clientele-go/clientele/internal/fetch"
)

const (
	mostShards = 64
	// fullShard is how many entries a shard should have room for, so that
	// there are some to compare.
	fullShard = 64
	// sampled is how many entries are compared to find one to drop.
	sampled = 8
	// keysPerURL is how many keys there may be for each of table.mostURLs.
	keysPerURL = 4
	// leastKeys is how many keys there may be in any case.
	leastKeys = 1000
)

// An entry is what is known of one URL.
type entry struct {
	url  string
	host string              // of the limits
	set  atomic.Pointer[Set] // nil before the first good fetch; stored under mu
	used atomic.Int64        // Unix seconds of the last use

	mu        sync.Mutex
	attempt   *attempt // under way; nil: none
	backoff   fetch.Backoff
	unknownAt time.Time // an unknown key causes no fetch before that
	dropped   bool      // it is in the table no longer
}

// touch notes a use. A second is exact enough, and lets many cores read the
// entry without taking it from one another.
func (e *entry) touch(now time.Time) {
	if second := now.Unix(); e.used.Load() != second {
		e.used.Store(second)
	}
}

// A table holds entries by their URLs: at most a number of them, and of keys in
// them.
type table struct {
	seed               maphash.Seed
	mostURLs, mostKeys int64
	urls, keys         atomic.Int64
	shards             []shard
}

type shard struct {
	mu      sync.RWMutex // before entry.mu
	entries map[string]*entry
	_       [128]byte // so that cores that use other shards are not disturbed
}

func newTable(mostURLs int) *table {
	t := &table{
		seed:     maphash.MakeSeed(),
		mostURLs: int64(mostURLs),
		mostKeys: max(int64(mostURLs)*keysPerURL, leastKeys),
		shards:   make([]shard, min(max(mostURLs/fullShard, 1), mostShards)),
	}
	for i := range t.shards {
		t.shards[i].entries = make(map[string]*entry)
	}
	return t
}

func (t *table) shard(url string) *shard {
	return &t.shards[maphash.String(t.seed, url)%uint64(len(t.shards))]
}

// find returns the entry of a URL, or nil.
func (t *table) find(url string) *entry {
	s := t.shard(url)
	s.mu.RLock()
	e := s.entries[url]
	s.mu.RUnlock()
	return e
}

// add returns the entry of a URL, a new one if there is none.
func (t *table) add(url, host string, now time.Time) *entry {
	s := t.shard(url)
	s.mu.Lock()
	e := s.entries[url]
	if e != nil {
		s.mu.Unlock()
		return e
	}
	// Copies, lest what is kept holds on to a whole request.
	e = &entry{url: strings.Clone(url), host: strings.Clone(host)}
	e.touch(now)
	s.entries[e.url] = e
	s.mu.Unlock()
	t.urls.Add(1)
	t.shrink(e)
	return e
}

// counted notes that the keys of e have become more or fewer.
func (t *table) counted(e *entry, more int) {
	t.keys.Add(int64(more))
	t.shrink(e)
}

// shrink drops entries that were not used for long until the table is within its
// bounds, or nothing can be dropped, but never keep.
func (t *table) shrink(keep *entry) {
	for t.urls.Load() > t.mostURLs || t.keys.Load() > t.mostKeys {
		first, dropped := rand.N(len(t.shards)), false // #nosec G404 -- no secret
		for i := 0; i < len(t.shards) && !dropped; i++ {
			dropped = t.drop(&t.shards[(first+i)%len(t.shards)], keep)
		}
		if !dropped {
			return
		}
	}
}

// drop drops one entry of a shard, the one of a few that was not used for the
// longest time, and reports whether it did. An entry that is being fetched
// stays, or there would be a second fetch of the same URL.
func (t *table) drop(s *shard, keep *entry) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	var oldest *entry
	seen := 0
	for _, e := range s.entries { // which begins anywhere
		if e == keep {
			continue
		}
		if oldest == nil || e.used.Load() < oldest.used.Load() {
			oldest = e
		}
		if seen++; seen == sampled {
			break
		}
	}
	if oldest == nil {
		return false
	}
	oldest.mu.Lock()
	defer oldest.mu.Unlock()
	if oldest.attempt != nil {
		return false
	}
	oldest.dropped = true
	delete(s.entries, oldest.url)
	t.urls.Add(-1)
	t.keys.Add(-int64(len(oldest.set.Load().Keys())))
	return true
}
