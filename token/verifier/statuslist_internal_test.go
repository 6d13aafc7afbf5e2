package verifier

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/internal/statuslist"
)

// room returns lists that nobody fetches, and a way to say how many bytes one has.
func room() (s *statusLists, grow func(uri string, bytes int)) {
	s = &statusLists{hosts: []string{"https://example.com:443"}}
	s.known.Store(&map[string]*statusList{})
	s.new = func(string, func()) *list[*statuslist.List] { return new(list[*statuslist.List]) }
	grow = func(uri string, bytes int) {
		l := (*s.known.Load())[uri]
		payload, err := statuslist.Encode(statuslist.Head{URI: uri, TTL: time.Minute}, make([]byte, bytes))
		if err == nil {
			next := new(listed[*statuslist.List])
			next.content, err = statuslist.Parse(payload)
			l.current.Store(next)
		}
		if err != nil {
			panic(err)
		}
		s.trim()
	}
	return s, grow
}

func TestStatusListsAreBounded(t *testing.T) {
	const most = maxStatusBytes / leastStatusBytes
	now := time.Unix(1764000000, 0)
	at := func(n int) string { return fmt.Sprintf("https://example.com/%d", n) }
	s, grow := room()
	find := func(n int) *statusList {
		l, err := s.find(at(n), now.Add(time.Duration(n)*time.Second))
		require.NoError(t, err)
		return l
	}
	first := find(0)
	for n := range most {
		find(n)
	}
	require.Len(t, *s.known.Load(), most)
	require.Same(t, first, find(0))

	later := now.Add(time.Hour)
	again, err := s.find(at(0), later)
	require.NoError(t, err)
	require.Same(t, first, again, "to look at it is to use it")
	find(most)
	require.Len(t, *s.known.Load(), most)
	require.NotContains(t, *s.known.Load(), at(1), "the one that was not used for the longest time went")
	require.Contains(t, *s.known.Load(), at(0))
	require.Contains(t, *s.known.Load(), at(2))

	grow(at(most), statuslist.MaxBytes)
	require.Len(t, *s.known.Load(), most-statuslist.MaxBytes/leastStatusBytes+1, "a long one takes the room of many")
	require.Contains(t, *s.known.Load(), at(most))
	require.Contains(t, *s.known.Load(), at(0))
	require.LessOrEqual(t, size(*s.known.Load()), maxStatusBytes)
	grow(at(most), 1)
	require.Len(t, *s.known.Load(), most-statuslist.MaxBytes/leastStatusBytes+1)

	for n := range 100 {
		_, err := s.find(fmt.Sprintf("https://other.example/%d", n), now)
		require.Error(t, err)
	}
	require.NotContains(t, *s.known.Load(), "https://other.example/1", "what is refused is not remembered")
}

func TestFetchesOfStatusListsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		var began atomic.Int64
		var fetches sync.WaitGroup
		for n := range maxWaitingFetches {
			require.True(t, g.enter(), "%d", n)
			fetches.Go(func() {
				defer g.exit()
				if g.pass(t.Context()) == nil {
					began.Add(1)
					time.Sleep(time.Second)
					g.leave()
				}
			})
			synctest.Wait()
		}
		require.EqualValues(t, maxFetches, began.Load())
		require.False(t, g.enter())
		time.Sleep(time.Second)
		synctest.Wait()
		require.EqualValues(t, 2*maxFetches, began.Load())
		require.True(t, g.enter())
		g.exit()
		fetches.Wait()
		require.EqualValues(t, maxWaitingFetches, began.Load())
	})
	t.Run("who finds too many waits a little before it asks again", func(t *testing.T) {
		g, now := newGate(), time.Unix(1764000000, 0)
		for range maxWaitingFetches {
			require.True(t, g.enter())
		}
		l := &list[*statuslist.List]{issuer: "i", config: new(Revocation), now: func() time.Time { return now }, gate: g}
		_, err := l.get(t.Context(), now)
		var unavailable *UnavailableError
		require.ErrorAs(t, err, &unavailable)
		require.ErrorIs(t, err, errTooManyFetches)
		require.Equal(t, time.Second, unavailable.RetryAfter)
	})
}
