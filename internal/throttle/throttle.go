// Package throttle counts what should be rare, such as failed attempts to
// authenticate, by any number of keys in a fixed amount of memory.
//
//	t := throttle.New(100, time.Minute)
//	if wait := t.Take(maphash.Comparable(seed, key), time.Now()); wait > 0 {
//		// too many: not before wait has passed
//	}
//
// It is a token bucket for each key, kept as a single time (the generic cell rate
// algorithm) in a sketch of two rows: a key has one cell in each row, chosen by a
// hash that nobody outside can foresee, and counts by the better of the two. So a
// flood of keys that were never seen takes no memory and drives out no other key.
// What it can do is fill cells that other keys have too: these then count as taken
// too early, never too late. It is therefore for what may be slowed by the doings
// of others, not for what must not be.
package throttle

import (
	"sync"
	"time"
)

// cells is how many there are in each of the two rows, a power of two. Where a
// hundred keys are at their limit, another one is at it too with a chance of 1 in
// 6 700; where a thousand are, of 1 in 67.
const cells = 8192

// A Throttle lets n pass at once for each key, and n in each period from then on.
// Its methods may be called concurrently, and take a few nanoseconds under one lock.
type Throttle struct {
	step  int64 // nanoseconds in which one more may pass
	burst int64 // nanoseconds ahead that a key may be: n-1 steps

	mu sync.Mutex
	// rows hold when the bucket of a cell is full again, in Unix nanoseconds.
	// They are made when there is something to count: 128 KiB.
	rows *[2][cells]int64
}

// New returns a Throttle. n is at least 1, and period at least n nanoseconds.
func New(n int, period time.Duration) *Throttle {
	step := max(int64(period)/int64(n), 1)
	return &Throttle{step: step, burst: step * int64(n-1)}
}

// Wait returns how long it takes until one more may pass for a key, of which hash is
// a hash that is seeded at random: 0 if it may at once.
func (t *Throttle) Wait(hash uint64, now time.Time) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.wait(hash, now.UnixNano())
}

// Take counts one more for a key if it may pass, and returns 0; and else how long
// it takes until one may, and counts nothing.
func (t *Throttle) Take(hash uint64, now time.Time) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	at := now.UnixNano()
	if wait := t.wait(hash, at); wait > 0 {
		return wait
	}
	if t.rows == nil {
		t.rows = new([2][cells]int64)
	}
	one, two := t.cells(hash)
	full := t.full(*one, *two, at) + t.step
	// A cell that is further ahead is so because of another key.
	*one, *two = max(t.held(*one, at), full), max(t.held(*two, at), full)
	return 0
}

func (t *Throttle) wait(hash uint64, now int64) time.Duration {
	if t.rows == nil {
		return 0
	}
	one, two := t.cells(hash)
	return time.Duration(max(t.full(*one, *two, now)-now-t.burst, 0))
}

// full returns when the bucket of a key with these cells is full again.
func (t *Throttle) full(one, two, now int64) int64 {
	return min(t.held(one, now), t.held(two, now))
}

// held returns what a cell says at now: a time that is neither past nor, after the
// clock was set back, further ahead than an empty bucket is.
func (t *Throttle) held(cell, now int64) int64 {
	return min(max(cell, now), now+t.burst+t.step)
}

func (t *Throttle) cells(hash uint64) (one, two *int64) {
	return &t.rows[0][hash%cells], &t.rows[1][(hash>>32)%cells]
}
