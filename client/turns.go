package client

import (
	"context"
	"sync"
)

// turns makes those who want to change the same client here do so one after the
// other: on a store that takes a while, most of many at once would otherwise only
// overtake each other until they give up. What it can't order, the changes of
// other processes, is what compare-and-swap is for.
type turns struct {
	mu     sync.Mutex
	queues map[string]*queue // by client id; none that nobody uses
}

// A queue is those who have the turn or wait for it.
type queue struct {
	turn  chan struct{} // holds a token while somebody has the turn
	users int           // guarded by turns.mu
}

// take returns nil when it is the caller's turn, which give ends, or the error of
// ctx.
func (t *turns) take(ctx context.Context, id string) error {
	t.mu.Lock()
	q := t.queues[id]
	if q == nil {
		if t.queues == nil {
			t.queues = make(map[string]*queue)
		}
		q = &queue{turn: make(chan struct{}, 1)}
		t.queues[id] = q
	}
	q.users++
	t.mu.Unlock()

	select {
	case q.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		t.leave(id, q)
		return ctx.Err()
	}
}

func (t *turns) give(id string) {
	t.mu.Lock()
	q := t.queues[id]
	t.mu.Unlock()
	<-q.turn
	t.leave(id, q)
}

func (t *turns) leave(id string, q *queue) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if q.users--; q.users == 0 {
		delete(t.queues, id)
	}
}
