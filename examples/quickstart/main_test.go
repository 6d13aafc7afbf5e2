package main

import (
	"bytes"
	"context"
	"os"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheQuickstartDoesWhatItSaysAndLeavesNothingBehind(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), &out), "%s", &out)

	require.Contains(t, out.String(), "15. Who did what")
	require.Contains(t, out.String(), "Everything did what it says.")
	whole := regexp.MustCompile(`cls_[A-Za-z0-9]{8}_[A-Za-z0-9]{10,}|eyJ[A-Za-z0-9_-]{10,}`)
	require.NotRegexp(t, whole, out.String(), "a whole secret or token was printed")
	left, err := os.ReadDir(temp)
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestTheQuickstartFailsWhereAStepDoes(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := run(ctx, new(bytes.Buffer))
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorContains(t, err, "step 1 (An authority")
}

func TestAnOutcomeThatWasNotPromisedIsAnError(t *testing.T) {
	var out bytes.Buffer
	tour := &tour{out: &out}
	require.NoError(t, tour.expect(true, "GET /: %s", "200 OK"))
	require.Equal(t, "   ✓ GET /: 200 OK\n", out.String())
	require.EqualError(t, tour.expect(false, "GET /: %s", "500 Internal Server Error"), "not as promised: GET /: 500 Internal Server Error")
	require.Equal(t, "   ✓ GET /: 200 OK\n", out.String())
}
