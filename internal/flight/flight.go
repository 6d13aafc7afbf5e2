// Package flight lets many callers share one piece of work: a fetch, a read, a
// key being made.
//
//	var group flight.Group[string, *Keys]
//	keys, err := group.Do(ctx, url, func(ctx context.Context) (*Keys, error) {
//		return fetch(ctx, url)
//	})
//
// Unlike the usual single flight, each caller waits within its own context: who
// gives up leaves the others undisturbed, and the work ends when nobody waits
// for it any more.
package flight

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
)

// A Group runs at most one function per key at a time and hands its result to
// all who asked meanwhile. The zero Group is ready for use. Its methods may be
// called concurrently; it must not be copied after first use.
type Group[K comparable, V any] struct {
	mu    sync.Mutex
	calls map[K]*call[V]
}

// A call is one run of a function. Group.mu guards waiters; val and err are
// written before done is closed and never after.
type call[V any] struct {
	done    chan struct{}
	cancel  context.CancelFunc
	waiters int
	val     V
	err     error
}

// ErrGoexit is what callers get if the function ended its goroutine by
// runtime.Goexit instead of returning.
var ErrGoexit = errors.New("flight: the function ended its goroutine")

// A PanicError is what callers get if the function panicked: an error rather
// than a second panic, because several callers share it, and because it may
// come when none of them is left to recover.
type PanicError struct {
	Value any    // what was passed to panic
	Stack []byte // of the goroutine that panicked
}

// Error returns the value and the stack of the panic.
func (e *PanicError) Error() string {
	return fmt.Sprintf("flight: panic: %v\n\n%s", e.Value, e.Stack)
}

// Unwrap returns the value of the panic if it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// Do returns what fn returns. If another caller's function for the same key is
// running, Do waits for that one instead and returns what it returns: the value
// is shared.
//
// Do waits within ctx, and returns ctx.Err() if that ends first or has ended
// already. The function runs in a goroutine of its own, in a context that keeps
// the values of the first caller's but not its end: it is cancelled when the
// last caller that waits has left, and when fn has returned. A caller who comes
// after that cancellation starts anew, while the cancelled function may still
// be on its way out.
//
// A function that panics makes Do return a [*PanicError], one that ends its
// goroutine makes it return [ErrGoexit].
func (g *Group[K, V]) Do(ctx context.Context, key K, fn func(ctx context.Context) (V, error)) (V, error) {
	if err := ctx.Err(); err != nil {
		var none V
		return none, err
	}
	g.mu.Lock()
	c, ok := g.calls[key]
	if ok {
		c.waiters++
	} else {
		c = g.start(ctx, key, fn)
	}
	g.mu.Unlock()

	select {
	case <-c.done:
		return c.val, c.err
	case <-ctx.Done():
		return g.leave(ctx, key, c)
	}
}

// Forget makes later callers of Do start a new function even if one for that
// key is running. Who waits for that one still gets its result.
func (g *Group[K, V]) Forget(key K) {
	g.mu.Lock()
	delete(g.calls, key)
	g.mu.Unlock()
}

// start begins a call with one waiter. The caller holds g.mu.
func (g *Group[K, V]) start(ctx context.Context, key K, fn func(ctx context.Context) (V, error)) *call[V] {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx)) // #nosec G118 -- called when the last waiter leaves, or run ends
	c := &call[V]{done: make(chan struct{}), cancel: cancel, waiters: 1, err: ErrGoexit}
	if g.calls == nil {
		g.calls = make(map[K]*call[V])
	}
	g.calls[key] = c
	go g.run(ctx, key, c, fn)
	return c
}

// run calls fn and hands its result to the waiters, however fn ends.
func (g *Group[K, V]) run(ctx context.Context, key K, c *call[V], fn func(ctx context.Context) (V, error)) {
	defer func() {
		if r := recover(); r != nil {
			c.err = &PanicError{Value: r, Stack: debug.Stack()}
		}
		g.mu.Lock()
		g.drop(key, c)
		close(c.done)
		g.mu.Unlock()
		c.cancel()
	}()
	c.val, c.err = fn(ctx)
}

// leave takes a caller whose context has ended out of c, and cancels c if it
// was the last.
func (g *Group[K, V]) leave(ctx context.Context, key K, c *call[V]) (V, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-c.done: // both at once: the work is done, so use it
		return c.val, c.err
	default:
	}
	if c.waiters--; c.waiters == 0 {
		g.drop(key, c)
		c.cancel()
	}
	var none V
	return none, ctx.Err()
}

// drop forgets c, unless key stands for a later call already. The caller holds
// g.mu.
func (g *Group[K, V]) drop(key K, c *call[V]) {
	if g.calls[key] == c {
		delete(g.calls, key)
	}
}
