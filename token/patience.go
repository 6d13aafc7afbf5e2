package token

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/clientele-go/clientele/internal/away"
)

const (
	defaultStoreTimeout = 1500 * time.Millisecond
	minStoreTimeout     = 10 * time.Millisecond
	maxStoreTimeout     = time.Minute
)

// storeTimeout returns what Config.StoreTimeout says.
func (c *Config) storeTimeout() (time.Duration, error) {
	switch d := c.StoreTimeout; {
	case d == 0:
		return defaultStoreTimeout, nil
	case d < minStoreTimeout || d > maxStoreTimeout:
		return 0, fmt.Errorf("token: Config.StoreTimeout is %v, want %v to %v", d, minStoreTimeout, maxStoreTimeout)
	default:
		return d, nil
	}
}

// errStoreSlow is the cause of a context that Config.StoreTimeout has ended.
var errStoreSlow = errors.New("no answer from the store within Config.StoreTimeout")

// A storePatience is the context in which a request waits for the store: that of
// the caller, but for Config.StoreTimeout at the longest. The time begins when
// something asks whether it is over, which nothing does that is in a cache: so a
// request that waits for nobody sets no timer.
//
// It is also by what a request goes on while the store is away, if it may.
type storePatience struct {
	context.Context // of the caller
	limit           time.Duration
	request         away.Request

	mu      sync.Mutex
	bounded context.Context // nil: the time has not begun
	cancel  context.CancelFunc
}

// patient returns the context in which a request of ctx waits for the store. Its
// caller calls end when the request is answered.
func (i *Issuer) patient(ctx context.Context) *storePatience {
	return &storePatience{Context: ctx, limit: i.storeTimeout}
}

// goingOn is patient for a request that may go on from caches.
func (i *Issuer) goingOn(ctx context.Context) *storePatience {
	p := i.patient(ctx)
	p.request.GoOn(i.away)
	return p
}

// Value has the caches find the request, and package context the bounded context:
// those that are derived from p then end with that one, instead of asking p for its
// error when the time may have begun anew.
func (p *storePatience) Value(key any) any {
	if key == away.Key {
		return &p.request
	}
	p.mu.Lock()
	bounded := p.bounded
	p.mu.Unlock()
	if bounded != nil {
		return bounded.Value(key)
	}
	return p.Context.Value(key)
}

func (p *storePatience) begin() context.Context {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bounded == nil {
		p.bounded, p.cancel = context.WithTimeoutCause(p.Context, p.limit, errStoreSlow)
	}
	return p.bounded
}

func (p *storePatience) Done() <-chan struct{}       { return p.begin().Done() }
func (p *storePatience) Deadline() (time.Time, bool) { return p.begin().Deadline() }

func (p *storePatience) Err() error { return p.begin().Err() }

// cause returns why the context has ended, if it has.
func (p *storePatience) cause() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bounded == nil {
		return nil
	}
	return context.Cause(p.bounded)
}

// end ends the context, and the timer.
func (p *storePatience) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cancel != nil {
		p.cancel()
	}
}

// renew has the time begin anew.
func (p *storePatience) renew() {
	p.end()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.bounded, p.cancel = nil, nil
}

// besides calls f, which waits for something else than the store, in the context
// of the caller. The time for the store begins anew after it.
func besides(ctx context.Context, f func(ctx context.Context) error) error {
	p, ok := ctx.(*storePatience)
	if !ok {
		return f(ctx)
	}
	err := f(p.Context)
	p.renew()
	return err
}
