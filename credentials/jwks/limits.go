package jwks

import "sync"

// limits bounds how many fetches run at the same time, in all and per host. Who
// finds them reached does not wait.
type limits struct {
	total, perHost int

	mu    sync.Mutex
	all   int
	hosts map[string]int // without those that have none
}

func newLimits(total, perHost int) *limits {
	return &limits{total: total, perHost: perHost, hosts: make(map[string]int)}
}

// acquire reports whether a fetch from host may begin. If so, release ends it.
func (l *limits) acquire(host string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.all >= l.total || l.hosts[host] >= l.perHost {
		return false
	}
	l.all++
	l.hosts[host]++
	return true
}

func (l *limits) release(host string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all--
	if l.hosts[host]--; l.hosts[host] == 0 {
		delete(l.hosts, host)
	}
}
