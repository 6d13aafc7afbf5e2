package pgstore_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/memstore"
	"github.com/clientele-go/clientele/pgstore"
	"github.com/clientele-go/clientele/store"
)

// A generator makes Applies about few records with few names, most of which can
// be made, and knows by another store what becomes of each.
type generator struct {
	random *rand.Rand
	model  *memstore.Store
}

func newGenerator(seed uint64, model *memstore.Store) *generator {
	return &generator{rand.New(rand.NewPCG(seed, 1)), model}
}

var generatedKinds = []store.Kind{"client", "other"}

// An outcome is what became of an Apply.
type outcome struct {
	rev store.Revision
	err error
}

func (g *generator) one(of ...string) string { return of[g.random.IntN(len(of))] }

func (g *generator) changes(t *testing.T) (all []store.Change) {
	t.Helper()
	seen := map[string]bool{}
	for range 1 + g.random.IntN(4) {
		r := store.Record{
			Kind: generatedKinds[g.random.IntN(2)], ID: g.one("a", "b", "c", "d", "e"), Sort: g.one("", "x", "y"),
			Text: g.one("", "text", "another"), Data: []byte(g.one("", "1", "2")), Format: g.random.IntN(3),
		}
		if key := string(r.Kind) + r.ID; seen[key] {
			continue
		} else {
			seen[key] = true
		}
		for range g.random.IntN(3) {
			if name := g.one("red", "green", "blue", "black"); len(r.Names) == 0 || r.Names[0] != name {
				r.Names = append(r.Names, name)
			}
		}
		for i := range g.random.IntN(3) {
			r.Labels = append(r.Labels, store.Label{Key: fmt.Sprint(i), Value: g.one("", "v")})
		}
		if g.random.IntN(3) == 0 {
			r.Expires = day(g.random.IntN(3))
		}
		old, err := g.model.Get(t.Context(), r.Kind, r.ID)
		op := store.Op(1 + g.random.IntN(3))
		switch {
		case op == store.OpAppend:
		case err == nil && g.random.IntN(8) > 0:
			r.Version = old.Version
		case op == store.OpDelete || g.random.IntN(8) == 0:
			r.Version = store.Revision(1 + g.random.IntN(20))
		}
		if op == store.OpDelete && r.Version == 0 {
			op = store.OpPut
		}
		all = append(all, store.Change{Op: op, Record: r})
	}
	return all
}

// round lets n Applies wait for one transaction, and compares what becomes of
// them.
func (g *generator) round(t *testing.T, url string, s *pgstore.Store, n int) {
	t.Helper()
	release := hold(t, url, s)
	done := make([]chan outcome, n)
	want := make([]outcome, n)
	all := make([][]store.Change, n)
	for i := range n {
		for all[i] = g.changes(t); appendsOnly(all[i]); all[i] = g.changes(t) {
		}
		want[i].rev, want[i].err = g.model.Apply(t.Context(), all[i]...)
		done[i] = make(chan outcome, 1)
		go func() {
			rev, err := s.Apply(t.Context(), all[i]...)
			done[i] <- outcome{rev, err}
		}()
		s.WaitQueued(t.Context(), i) // the first is under way
	}
	release()
	for i := range n {
		got := receive(t, done[i])
		require.Equal(t, want[i].rev, got.rev, "%+v: %v, want %v", all[i], got.err, want[i].err)
		if want[i].err == nil {
			require.NoError(t, got.err)
			continue
		}
		var a, b *store.ChangeError
		require.ErrorAs(t, want[i].err, &a)
		require.ErrorAs(t, got.err, &b)
		require.Equal(t, a.Index, b.Index)
		require.Equal(t, reason(a), reason(b))
	}
}

// appendsOnly says whether an Apply does not wait for others.
func appendsOnly(changes []store.Change) bool {
	for _, c := range changes {
		if c.Op != store.OpAppend {
			return false
		}
	}
	return true
}

func reason(err error) error {
	for _, r := range []error{store.ErrNotFound, store.ErrConflict, store.ErrExists, store.ErrTaken} {
		if errors.Is(err, r) {
			return r
		}
	}
	return err
}

// compare compares everything that both stores show.
func (g *generator) compare(t *testing.T, s store.Store) {
	t.Helper()
	a, err := g.model.Changes(t.Context(), 0, 0, store.MaxLimit)
	require.NoError(t, err)
	b, err := s.Changes(t.Context(), 0, 0, store.MaxLimit)
	require.NoError(t, err)
	require.Equal(t, a.Revision, b.Revision)
	require.ElementsMatch(t, a.Changed, b.Changed)
	for _, kind := range generatedKinds {
		for _, q := range []store.Query{
			{}, {Descending: true}, {Text: "o"}, {Text: "t"}, {Labels: []store.Label{{Key: "0", Value: "v"}}},
			{Labels: []store.Label{{Key: "0"}, {Key: "1", Value: "v"}}}, {ExpiresTo: day(2)}, {From: "x"},
			{Labels: []store.Label{{Key: "0"}}, Text: "e", ExpiresFrom: day(1)},
		} {
			q.Kind, q.Count = kind, true
			a, err := g.model.List(t.Context(), q)
			require.NoError(t, err)
			b, err := s.List(t.Context(), q)
			require.NoError(t, err)
			require.Equal(t, a.Total, b.Total)
			require.Equal(t, len(a.Records), len(b.Records))
			for i := range a.Records {
				require.Equal(t, plain(a.Records[i]), plain(b.Records[i]))
			}
		}
	}
}

// plain returns a record without what makes no difference.
func plain(r store.Record) store.Record {
	if len(r.Data) == 0 {
		r.Data = nil
	}
	if len(r.Names) == 0 {
		r.Names = nil
	}
	if len(r.Labels) == 0 {
		r.Labels = nil
	}
	return r
}
