package interop_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The examples of RFC 7515 and RFC 8037 are tested where the code is that they
// are about, in internal/jws and in credentials.

func TestTokensOfRFC7520(t *testing.T) {
	data, err := os.ReadFile("testdata/rfc7520.json")
	require.NoError(t, err)
	var examples []struct {
		Source, Token string
		Key           json.RawMessage
	}
	require.NoError(t, json.Unmarshal(data, &examples))
	require.Len(t, examples, 3)
	for _, example := range examples {
		t.Run(example.Source, func(t *testing.T) {
			keys, why := fromJWK(t, example.Key)
			require.Empty(t, why)
			require.NoError(t, receive(example.Token, keys))
			header, rest, _ := strings.Cut(example.Token, ".")
			require.Error(t, receive(header+".T"+rest[1:], keys), "another first letter of the text")
		})
	}
}

// TestJWKSetOfRFC7517 is the set of appendix A.1: a key to encrypt with, and one
// to verify with.
func TestJWKSetOfRFC7517(t *testing.T) {
	data, err := os.ReadFile("testdata/rfc7517.json")
	require.NoError(t, err)
	keys, why := fromJWK(t, data)
	require.Contains(t, why, "not for signatures")
	require.Len(t, keys, 1)
	require.Equal(t, "2011-04-29", keys[0].KeyID())
	require.Equal(t, []string{"RS256"}, keys[0].Algorithms())
	require.Equal(t, "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs", keys[0].Thumbprint(), "RFC 7638 section 3.1")
}
