package throttle_test

import (
	"hash/maphash"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/internal/throttle"
)

var noon = time.Date(2026, 5, 17, 12, 0, 0, 0, time.UTC)

// hash is one of a key that shares no cell with another small number.
func hash(n uint64) uint64 { return n<<32 | n }

func TestEachEdgeOfABucket(t *testing.T) {
	th := throttle.New(3, time.Minute)
	key := hash(1)
	require.Zero(t, th.Wait(key, noon), "nothing was counted yet")
	for range 3 {
		require.Zero(t, th.Wait(key, noon))
		require.Zero(t, th.Take(key, noon))
	}
	require.Equal(t, 20*time.Second, th.Wait(key, noon))
	for range 5 {
		require.Equal(t, 20*time.Second, th.Take(key, noon), "what may not pass is not counted")
	}
	almost := noon.Add(20*time.Second - time.Nanosecond)
	require.Equal(t, time.Nanosecond, th.Take(key, almost))
	require.Zero(t, th.Take(key, noon.Add(20*time.Second)))
	require.Equal(t, 20*time.Second, th.Take(key, noon.Add(20*time.Second)))

	later := noon.Add(80 * time.Second) // a period after the last one
	for range 3 {
		require.Zero(t, th.Take(key, later))
	}
	require.Equal(t, 20*time.Second, th.Take(key, later), "it never holds more than at first")
}

func TestOneAtATime(t *testing.T) {
	th := throttle.New(1, time.Second)
	require.Zero(t, th.Take(hash(1), noon))
	require.Equal(t, time.Second, th.Take(hash(1), noon))
	require.Zero(t, th.Take(hash(1), noon.Add(time.Second)))
}

func TestKeysDoNotMeetEachOther(t *testing.T) {
	th := throttle.New(1, time.Minute)
	require.Zero(t, th.Take(hash(1), noon))
	require.Zero(t, th.Take(hash(2), noon))
	require.NotZero(t, th.Take(hash(1), noon))
	require.Zero(t, th.Take(1<<32|3, noon), "one cell in common is none")
	require.NotZero(t, th.Take(2<<32|1, noon), "two are")
}

// What a key has counted stays however many others come.
func TestAFloodOfKeysTakesNoMemoryAndDrivesNobodyOut(t *testing.T) {
	th := throttle.New(2, time.Minute)
	seed := maphash.MakeSeed()
	key := func(n int) uint64 { return maphash.Comparable(seed, n) }
	require.Zero(t, th.Take(key(-1), noon))
	require.Zero(t, th.Take(key(-1), noon))

	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for n := range 1_000_000 {
		th.Take(key(n), noon)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	require.Less(t, int64(after.HeapAlloc)-int64(before.HeapAlloc), int64(64<<10))
	require.NotZero(t, th.Take(key(-1), noon))
	require.LessOrEqual(t, unsafe.Sizeof(*th), uintptr(64), "the rows are made when there is something to count")

	require.Zero(t, th.Take(key(-2), noon.Add(time.Minute)), "a period later the flood is forgotten")
}

func TestAClockThatIsSetBackStopsNobodyForLong(t *testing.T) {
	th := throttle.New(2, time.Minute)
	for range 2 {
		require.Zero(t, th.Take(hash(1), noon))
	}
	early := noon.Add(-time.Hour)
	require.Equal(t, 30*time.Second, th.Take(hash(1), early))
	require.Zero(t, th.Take(hash(2), early))
}

func TestExactlyNPassTogether(t *testing.T) {
	th := throttle.New(100, time.Minute)
	var passed atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				if th.Take(hash(1), noon) == 0 {
					passed.Add(1)
				}
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, 100, passed.Load())
}
