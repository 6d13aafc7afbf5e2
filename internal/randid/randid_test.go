package randid_test

import (
	"bytes"
	"crypto/rand"
	"io"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/internal/randid"
)

func TestNew(t *testing.T) {
	id, err := randid.New(bytes.NewReader(make([]byte, 16)))
	require.NoError(t, err)
	require.Equal(t, "00000000000000000000000000", id)

	seen := map[string]bool{}
	for range 100 {
		id, err := randid.New(rand.Reader)
		require.NoError(t, err)
		require.Regexp(t, regexp.MustCompile(`^[0-9a-v]{26}$`), id)
		require.Len(t, id, randid.Len)
		require.False(t, seen[id], "the same id twice")
		seen[id] = true
	}

	_, err = randid.New(bytes.NewReader(make([]byte, 15)))
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
}
