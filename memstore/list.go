package memstore

import (
	"cmp"
	"iter"
	"slices"
	"strings"
)

// A list keeps entries in an order. It is a slice cut into chunks: finding one
// among a million is two binary searches, adding or removing one moves no more
// than a chunk.
type list struct {
	compare func(a, b *entry) int
	chunks  [][]*entry // none is empty
	size    int
}

// Longest chunk. 256 pointers are moved in less time than it takes to find
// where; a million entries are then a few thousand chunks.
const chunkSize = 256

// find returns where e is, or where it belongs: after what is smaller. The
// chunk is the last of l, and place its end, if everything is smaller. That is
// looked at first: what a log appends comes in order, or nearly.
func (l *list) find(e *entry) (chunk, place int, found bool) {
	if n := len(l.chunks); n > 0 {
		last := l.chunks[n-1]
		if l.compare(last[len(last)-1], e) < 0 {
			return n - 1, len(last), false
		}
	}
	chunk, found = slices.BinarySearchFunc(l.chunks, e, func(c []*entry, e *entry) int {
		return l.compare(c[0], e)
	})
	if found || chunk == 0 {
		return chunk, 0, found
	}
	chunk-- // which begins before e: e is in it or nowhere
	place, found = slices.BinarySearchFunc(l.chunks[chunk], e, l.compare)
	return chunk, place, found
}

// add adds e, which is not there.
func (l *list) add(e *entry) {
	l.size++
	if len(l.chunks) == 0 {
		l.chunks = [][]*entry{{e}}
		return
	}
	i, j, _ := l.find(e)
	c := slices.Insert(l.chunks[i], j, e)
	l.chunks[i] = c
	if len(c) <= chunkSize {
		return
	}
	cut := len(c) / 2
	if j == len(c)-1 {
		cut = j // what comes in order leaves full chunks behind
	}
	l.chunks = slices.Insert(l.chunks, i+1, slices.Clone(c[cut:]))
	l.chunks[i] = slices.Delete(c, cut, len(c))
}

// remove removes e, if it is there.
func (l *list) remove(e *entry) {
	i, j, found := l.find(e)
	if !found {
		return
	}
	l.size--
	l.chunks[i] = slices.Delete(l.chunks[i], j, j+1)
	if len(l.chunks[i]) == 0 {
		l.chunks = slices.Delete(l.chunks, i, i+1)
	}
}

// up yields the entries from start on, start included, or all for nil.
func (l *list) up(start *entry) iter.Seq[*entry] {
	return func(yield func(*entry) bool) {
		i, j := 0, 0
		if start != nil {
			i, j, _ = l.find(start)
		}
		for ; i < len(l.chunks); i, j = i+1, 0 {
			for _, e := range l.chunks[i][j:] {
				if !yield(e) {
					return
				}
			}
		}
	}
}

// down yields the entries before start backwards, or all for nil.
func (l *list) down(start *entry) iter.Seq[*entry] {
	return func(yield func(*entry) bool) {
		i, j := len(l.chunks), 0
		if start != nil {
			i, j, _ = l.find(start)
		}
		for {
			for ; j > 0; j-- {
				if !yield(l.chunks[i][j-1]) {
					return
				}
			}
			if i--; i < 0 {
				return
			}
			j = len(l.chunks[i])
		}
	}
}

// bySort is the order of the records of a kind.
func bySort(a, b *entry) int {
	if c := strings.Compare(a.Sort, b.Sort); c != 0 {
		return c
	}
	return strings.Compare(a.ID, b.ID)
}

// byExpiry is the order in which records are swept.
func byExpiry(a, b *entry) int {
	if c := a.Expires.Compare(b.Expires); c != 0 {
		return c
	}
	return byKey(a, b)
}

// byRevision is the order of the feed.
func byRevision(a, b *entry) int {
	if c := cmp.Compare(a.Version, b.Version); c != 0 {
		return c
	}
	return byKey(a, b)
}

func byKey(a, b *entry) int {
	if c := strings.Compare(string(a.Kind), string(b.Kind)); c != 0 {
		return c
	}
	return strings.Compare(a.ID, b.ID)
}
