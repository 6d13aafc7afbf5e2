package main

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWhatBelongsToOneTenantMeansNothingToTheOther(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), &out))
	require.Equal(t, 2, strings.Count(out.String(), "gets a token: true  its token is good: true"), "%s", &out)
	require.Equal(t, 2, strings.Count(out.String(), "gets a token: false its token is good: false"), "%s", &out)
}

func TestTheProgramFailsWhereItsDatabaseDoes(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, run(ctx, new(bytes.Buffer)), context.Canceled)
}
