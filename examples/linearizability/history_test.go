package linearizability

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/store"
)

// A history is what was called, by whom, and what it returned.
type history struct {
	mu         sync.Mutex
	begin      time.Time
	operations []porcupine.Operation
}

func newHistory() *history { return &history{begin: time.Now()} }

// call makes a call, and records it. An error is one that leaves the outcome
// unknown, or that makes no sense.
func (h *history) call(ctx context.Context, s store.Store, client int, i input) (output, error) {
	called := time.Since(h.begin)
	runtime.Gosched() // so that calls overlap that take next to no time, too
	o, err := do(ctx, s, i)
	returned := time.Since(h.begin)
	if err != nil {
		return o, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.operations = append(h.operations, porcupine.Operation{
		ClientId: client, Input: i, Output: o, Call: int64(called), Return: int64(returned),
	})
	return o, nil
}

func do(ctx context.Context, s store.Store, i input) (o output, err error) {
	if len(i.changes) > 0 {
		return write(ctx, s, i.changes)
	}
	found := []store.Record{}
	if i.get < 0 {
		page, err := s.List(ctx, store.Query{Kind: kind})
		if err != nil {
			return o, err
		}
		found = page.Records
	} else {
		r, err := s.Get(ctx, kind, strconv.Itoa(i.get))
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return o, err
		}
		if err == nil {
			found = append(found, r)
		}
	}
	for _, r := range found {
		n, err := strconv.Atoi(r.ID)
		if err != nil {
			return o, err
		}
		o.registers[n] = register{r.Version, string(r.Data)}
	}
	return o, nil
}

func write(ctx context.Context, s store.Store, changes []change) (o output, err error) {
	var all []store.Change
	for _, c := range changes {
		id := strconv.Itoa(c.record)
		if c.value == "" {
			all = append(all, store.Delete(kind, id, c.version))
			continue
		}
		all = append(all, store.Put(store.Record{Kind: kind, ID: id, Version: c.version, Data: []byte(c.value)}))
	}
	o.revision, err = s.Apply(ctx, all...)
	var refused *store.ChangeError
	if !errors.As(err, &refused) {
		return o, err
	}
	for _, one := range refusals {
		if errors.Is(err, one) {
			return output{err: one, failed: refused.Index}, nil
		}
	}
	return o, err
}

// linearizable reports whether there is an order of the calls that the contract
// allows.
func (h *history) linearizable(t *testing.T) bool {
	t.Helper()
	result := porcupine.CheckOperationsTimeout(model, h.operations, time.Minute)
	require.NotEqual(t, porcupine.Unknown, result, "too many calls to be checked within a minute")
	return result == porcupine.Ok
}

// load has so many clients make calls by handles on the same data, and records
// them. Each changes what it has seen last, so that some changes are refused.
func load(t *testing.T, clients, calls int, handles ...store.Store) *history {
	t.Helper()
	h := newHistory()
	errs := make(chan error, clients)
	for client := range clients {
		go func() {
			var seen [records]store.Revision
			for n := range calls {
				i := choose(seen, fmt.Sprint(client, ".", n))
				o, err := h.call(t.Context(), handles[client%len(handles)], client, i)
				if err != nil {
					errs <- err
					return
				}
				learn(&seen, i, o)
			}
			errs <- nil
		}()
	}
	for range clients {
		require.NoError(t, <-errs)
	}
	return h
}

// choose returns a call of someone who has seen those versions.
func choose(seen [records]store.Revision, value string) input {
	record, second := rand.IntN(records), 1+rand.IntN(records-1)
	one := change{record, seen[record], value}
	switch rand.IntN(6) {
	case 0:
		return input{get: -1}
	case 1, 2:
		return input{get: record}
	case 3:
		if one.version > 0 {
			one.value = ""
		}
		return input{changes: []change{one}}
	case 4:
		other := (record + second) % records
		return input{changes: []change{one, {other, seen[other], value}}}
	}
	return input{changes: []change{one}}
}

func learn(seen *[records]store.Revision, i input, o output) {
	for _, c := range i.changes {
		switch {
		case o.err != nil:
			continue
		case c.value == "":
			seen[c.record] = 0
		default:
			seen[c.record] = o.revision
		}
	}
	if len(i.changes) > 0 {
		return
	}
	for n, r := range o.registers {
		if i.get < 0 || i.get == n {
			seen[n] = r.version
		}
	}
}

// outcomes says what a history has, so that it is known to try what it should.
func (h *history) outcomes() map[string]int {
	n := map[string]int{}
	for _, op := range h.operations {
		i, o := op.Input.(input), op.Output.(output)
		switch {
		case len(i.changes) == 0:
			n["read"]++
		case o.err != nil:
			n["refused"]++
		case len(i.changes) == 2:
			n["two changed"]++
		case i.changes[0].value == "":
			n["deleted"]++
		default:
			n["put"]++
		}
	}
	return n
}
