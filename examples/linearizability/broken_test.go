package linearizability

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/memstore"
	"github.com/clientele-go/clientele/store"
)

// stale is a store whose Get remembers what it has found once.
type stale struct {
	store.Store
	found map[string]store.Record
}

func (s *stale) Get(ctx context.Context, kind store.Kind, id string) (store.Record, error) {
	if r, ok := s.found[id]; ok {
		return r, nil
	}
	r, err := s.Store.Get(ctx, kind, id)
	if err == nil {
		s.found[id] = r
	}
	return r, err
}

// overwriting is a store that puts over whatever version there is.
type overwriting struct{ store.Store }

func (s *overwriting) Apply(ctx context.Context, changes ...store.Change) (store.Revision, error) {
	for n := range changes {
		r, err := s.Store.Get(ctx, changes[n].Record.Kind, changes[n].Record.ID)
		if err == nil {
			changes[n].Record.Version = r.Version
		}
	}
	return s.Store.Apply(ctx, changes...)
}

// torn is a store that makes changes one by one, and calls between before the last.
type torn struct {
	store.Store
	between func()
}

func (s *torn) Apply(ctx context.Context, changes ...store.Change) (revision store.Revision, err error) {
	for n, c := range changes {
		if n > 0 {
			s.between()
		}
		if revision, err = s.Store.Apply(ctx, c); err != nil {
			return 0, err
		}
	}
	return revision, nil
}

func TestABrokenStoreIsFound(t *testing.T) {
	call := func(h *history, s store.Store, client int, i input) output {
		o, err := h.call(t.Context(), s, client, i)
		require.NoError(t, err)
		return o
	}
	put := func(record int, version store.Revision, value string) input {
		return input{changes: []change{{record, version, value}}}
	}
	for name, test := range map[string]struct {
		broken func(store.Store, *history) store.Store
		calls  func(*history, store.Store)
	}{
		"that reads what was there before": {
			func(s store.Store, _ *history) store.Store { return &stale{s, map[string]store.Record{}} },
			func(h *history, s store.Store) {
				v := call(h, s, 0, put(0, 0, "a")).revision
				call(h, s, 1, input{get: 0})
				call(h, s, 0, put(0, v, "b"))
				call(h, s, 1, input{get: 0})
			},
		},
		"that loses an update": {
			func(s store.Store, _ *history) store.Store { return &overwriting{s} },
			func(h *history, s store.Store) {
				v := call(h, s, 0, put(0, 0, "a")).revision
				call(h, s, 0, put(0, v, "b"))
				call(h, s, 1, put(0, v, "c"))
			},
		},
		"that shows a part of an Apply": {
			func(s store.Store, h *history) store.Store {
				return &torn{s, func() { call(h, s, 1, input{get: -1}) }}
			},
			func(h *history, s store.Store) {
				// By their data alone: the versions would betray it, too.
				call(h, s, 0, input{changes: []change{{0, 0, "a"}, {1, 0, "a"}}})
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			for _, broken := range []bool{true, false} {
				m := memstore.New()
				defer m.Close()
				h, s := newHistory(), store.Store(m)
				if broken {
					s = test.broken(s, h)
				}
				test.calls(h, s)
				require.Equal(t, !broken, h.linearizable(t))
			}
		})
	}
}

func TestWhatTheModelAllows(t *testing.T) {
	two := func(version store.Revision, value string) input {
		return input{changes: []change{{0, version, value}, {1, version, value}}}
	}
	before := state{last: 4, registers: [records]register{{4, "a"}, {4, "a"}}}
	for name, test := range map[string]struct {
		in   input
		out  output
		want bool
	}{
		"a larger revision":                  {two(4, "b"), output{revision: 5}, true},
		"the same revision again":            {two(4, "b"), output{revision: 4}, false},
		"a refusal without a reason":         {two(4, "b"), output{err: store.ErrConflict}, false},
		"a refusal of the first change":      {two(3, "b"), output{err: store.ErrConflict, failed: 0}, true},
		"a refusal of the wrong change":      {two(3, "b"), output{err: store.ErrConflict, failed: 1}, false},
		"a refusal for the wrong reason":     {two(3, "b"), output{err: store.ErrNotFound, failed: 0}, false},
		"what is there can't be made":        {two(0, "b"), output{err: store.ErrExists}, true},
		"what is not there can't be changed": {input{changes: []change{{2, 4, "b"}}}, output{err: store.ErrNotFound}, true},
		"what was read is what is there":     {input{get: 0}, output{registers: [records]register{{4, "a"}}}, true},
		"what was read is another version":   {input{get: 0}, output{registers: [records]register{{3, "a"}}}, false},
		"a list of a part of the records":    {input{get: -1}, output{registers: [records]register{{4, "a"}}}, false},
		"a list of all":                      {input{get: -1}, output{registers: before.registers}, true},
	} {
		t.Run(name, func(t *testing.T) {
			got, after := model.Step(before, test.in, test.out)
			require.Equal(t, test.want, got)
			if got && (test.out.err != nil || len(test.in.changes) == 0) {
				require.Equal(t, before, after)
			}
		})
	}
}
