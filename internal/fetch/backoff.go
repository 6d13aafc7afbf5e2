package fetch

import (
	"math/rand/v2"
	"time"
)

// Pauses of a Backoff.
const (
	FirstPause   = time.Second
	LongestPause = time.Minute
)

// A Backoff counts the fetches of one thing that failed, and says when the next
// may begin. The zero Backoff knows of none. It is for its owner to lock.
type Backoff struct {
	Failures int       // in a row
	Err      error     // of the last of them
	RetryAt  time.Time // not before that
}

// Failed notes that a fetch has failed at now, and returns the pause before the
// next one: of FirstPause, doubled after each failure up to LongestPause, less a
// random part of up to a quarter, so that what failed together does not come
// back together.
func (b *Backoff) Failed(now time.Time, err error) (pause time.Duration) {
	pause = min(FirstPause<<min(b.Failures, 10), LongestPause)
	pause -= rand.N(pause / 4) // #nosec G404 -- no secret
	b.Failures++
	b.Err, b.RetryAt = err, now.Add(pause)
	return pause
}

// Pause returns how much of the pause is left at now. If more is left than any
// pause takes, the clock was set back, and there is none.
func (b *Backoff) Pause(now time.Time) time.Duration {
	left := b.RetryAt.Sub(now)
	if b.Failures == 0 || left > LongestPause {
		return 0
	}
	return max(left, 0)
}

// RetryAfter returns what to tell who can't wait: the pause that is left, and at
// least FirstPause.
func (b *Backoff) RetryAfter(now time.Time) time.Duration {
	return max(b.Pause(now), FirstPause)
}
