package fetch_test

import (
	"errors"
	"math"
	"testing"
	"time"

	"github.com/clientele-go/clientele/internal/fetch"
	"github.com/stretchr/testify/require"
)

func TestBackoffGrowsToAMinute(t *testing.T) {
	now := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	for range 20 {
		var b fetch.Backoff
		require.Zero(t, b.Pause(now), "nothing has failed")
		require.Equal(t, time.Second, b.RetryAfter(now))
		for n, most := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60, 60, 60, 60, 60} {
			most *= time.Second
			err := errors.New("away")
			pause := b.Failed(now, err)
			require.Greater(t, pause, most-most/4)
			require.LessOrEqual(t, pause, most)
			require.Equal(t, n+1, b.Failures)
			require.Same(t, err, b.Err)
			require.Equal(t, now.Add(pause), b.RetryAt)

			require.Equal(t, pause, b.Pause(now))
			require.Equal(t, max(pause, time.Second), b.RetryAfter(now))
			require.Equal(t, time.Nanosecond, b.Pause(now.Add(pause-1)))
			require.Equal(t, time.Second, b.RetryAfter(now.Add(pause-1)))
			require.Zero(t, b.Pause(now.Add(pause)))
			require.Zero(t, b.Pause(now.Add(pause+time.Hour)))
		}
	}
}

func TestBackoffAfterMoreFailuresThanCanBeCounted(t *testing.T) {
	b := fetch.Backoff{Failures: math.MaxInt - 1}
	require.LessOrEqual(t, b.Failed(time.Unix(0, 0), nil), time.Minute)
}

func TestBackoffEndsWhenTheClockIsSetBack(t *testing.T) {
	now := time.Unix(2_000_000_000, 0)
	b := fetch.Backoff{Failures: 10}
	b.Failed(now, nil)
	b.RetryAt = now.Add(time.Minute)
	require.Equal(t, time.Minute, b.Pause(now))
	require.Zero(t, b.Pause(now.Add(-1)), "more is left than any pause takes")
	require.Zero(t, b.Pause(now.Add(-time.Hour)))
}

func TestBackoffIsRandom(t *testing.T) {
	seen := make(map[time.Duration]bool)
	for range 100 {
		var b fetch.Backoff
		seen[b.Failed(time.Unix(0, 0), nil)] = true
	}
	require.Greater(t, len(seen), 50)
}
