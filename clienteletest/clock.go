package clienteletest

import (
	"sync"
	"time"
)

// A Clock is a clock that a test holds: it goes only when it is told to. Its Now
// is what to give to the program under test. The zero Clock shows the zero time.
// It may be used by several goroutines.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// Now returns what the clock shows.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Set makes the clock show t.
func (c *Clock) Set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = t
}

// Advance makes the clock show a later time, or an earlier one if d is negative.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}
