package memstore

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestAListIsASortedSlice compares a list, at each step, with the simplest thing
// that does the same.
func TestAListIsASortedSlice(t *testing.T) {
	for _, c := range []struct {
		says string
		next func(r *rand.Rand, step int) int // which entry is added, or removed if it is there
	}{
		{"entries come in order and stay", func(_ *rand.Rand, step int) int { return step }},
		{"entries come in reverse order", func(_ *rand.Rand, step int) int { return 10_000 - step }},
		{"entries come and go anywhere", func(r *rand.Rand, _ int) int { return r.IntN(2000) }},
		{"entries come in order and go in order", func(_ *rand.Rand, step int) int { return step % 1500 }},
		{"entries come and go at one place", func(r *rand.Rand, _ int) int { return r.IntN(3) }},
	} {
		t.Run(c.says, func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, 2))
			l := list{compare: bySort}
			var want []*entry
			for step := range 5000 {
				e := at(fmt.Sprintf("%03d", c.next(r, step)/3), fmt.Sprintf("%05d", c.next(r, step)))
				if i, there := slices.BinarySearchFunc(want, e, bySort); there {
					want = slices.Delete(want, i, i+1)
					l.remove(e)
				} else {
					want = slices.Insert(want, i, e)
					l.add(e)
				}
				if step%97 == 0 {
					check(t, &l, want, r)
				}
			}
			l.remove(at("none", "none"))
			check(t, &l, want, r)
			for _, e := range want {
				l.remove(e)
			}
			check(t, &l, nil, r)
		})
	}
}

func check(t *testing.T, l *list, want []*entry, r *rand.Rand) {
	t.Helper()
	require.Equal(t, len(want), l.size)
	for _, c := range l.chunks {
		require.NotEmpty(t, c)
		require.LessOrEqual(t, len(c), chunkSize)
	}
	place := at(fmt.Sprintf("%03d", r.IntN(800)), fmt.Sprintf("%05d", r.IntN(2000)))
	if len(want) > 0 && r.IntN(2) == 0 {
		place = want[r.IntN(len(want))]
	}
	i, _ := slices.BinarySearchFunc(want, place, bySort)
	before := slices.Clone(want[:i])
	slices.Reverse(before)
	all := slices.Clone(want)
	slices.Reverse(all)
	equal := func(what string, got, want []*entry) {
		t.Helper()
		require.True(t, slices.EqualFunc(got, want, func(a, b *entry) bool { return bySort(a, b) == 0 }), "%s: %d entries, want %d", what, len(got), len(want))
	}
	equal("up", slices.Collect(l.up(nil)), want)
	equal("up from a place", slices.Collect(l.up(place)), want[i:])
	equal("down", slices.Collect(l.down(nil)), all)
	equal("down from a place", slices.Collect(l.down(place)), before)
}
