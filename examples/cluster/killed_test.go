//go:build unix

package cluster_test

import (
	"flag"
	"fmt"
	mathrand "math/rand/v2"
	"net/http"
	"testing"
	"time"
)

var (
	cycles = flag.Int("cycles", 10, "how often something is killed under load")
	seed   = flag.Uint64("seed", 0, "of what is killed when; 0 means any")
)

// TestWhatIsKilledUnderLoadHasLostNothing kills an instance or PostgreSQL in each
// cycle, while workers add, edit and delete clients, add, rotate and delete their
// secrets, get tokens and revoke them.
func TestWhatIsKilledUnderLoadHasLostNothing(t *testing.T) {
	s := *seed
	if s == 0 {
		s = mathrand.Uint64()
	}
	t.Logf("-cycles %d -seed %d", *cycles, s)
	random := mathrand.New(mathrand.NewPCG(s, 0))
	c := startCluster(t, setup{})
	var calls [3]int64
	var clients, pending int
	for cycle := range *cycles {
		l, all := c.begin(fmt.Sprintf("cycle%d", cycle), random.Uint64(), 9, 0)
		l.await(5 + random.IntN(90))
		victim := random.IntN(instances + 1)
		if victim == instances {
			c.pg.Kill()
		} else {
			c.process[victim].Kill()
			l.await(20) // the others go on
		}
		l.over.Store(true)
		all.Wait()
		if victim == instances {
			c.pg.Restart(c.t)
		} else {
			c.launch(victim)
			c.wait(victim)
		}
		for n := range instances {
			c.until(n, "/readyz", http.StatusOK)
		}
		c.signIn(random.IntN(instances))
		l.finished(random.IntN(instances))
		for n := range calls {
			calls[n] += l.calls[n].Load()
		}
		for _, k := range l.all {
			if k.pending != nil {
				pending++
			}
		}
		clients += len(l.all)
	}
	t.Logf("%d clients; changes: %d acknowledged, %d refused, %d unknown (%d of them of one worker alone)",
		clients, calls[acknowledged], calls[refused], calls[unknown], pending)
}

// await waits until so many more changes were acknowledged.
func (l *load) await(changes int) {
	l.t.Helper()
	moment := newCountdown(changes)
	l.moment.Store(moment)
	select {
	case <-moment.zero:
	case <-time.After(patience):
		l.over.Store(true)
		l.t.Fatalf("there is no load: %v", l.failures)
	}
}
