package verifier

import (
	"fmt"
	"testing"

	"github.com/clientele-go/clientele/internal/jws"
	"github.com/stretchr/testify/require"
)

func TestHeadersAreRememberedSideBySideAndBounded(t *testing.T) {
	s := new(keySet)
	_, ok := s.header([]byte("0"))
	require.False(t, ok)
	for i := range 10 * maxHeaders {
		s.remember(fmt.Sprint(i), header{alg: jws.ES256})
		require.LessOrEqual(t, len(*s.headers.Load()), maxHeaders)
		if i < maxHeaders {
			require.Len(t, *s.headers.Load(), i+1)
		}
	}
	h, ok := s.header([]byte(fmt.Sprint(10*maxHeaders - 1)))
	require.True(t, ok)
	require.Equal(t, jws.ES256, h.alg)
}

func TestKeySetIsReadOnly(t *testing.T) {
	set, _, err := parseKeySet([]byte(`{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","kid":"1"}]}`))
	require.NoError(t, err)
	_, err = set.KeyDelete(t.Context(), "1")
	require.ErrorIs(t, err, errReadOnly)
	require.ErrorIs(t, set.KeyReplaceAll(t.Context(), nil), errReadOnly)
	require.ErrorIs(t, set.KeyWrite(t.Context(), set.jwks[0]), errReadOnly)
	data, err := set.JSONPublic(t.Context())
	require.NoError(t, err)
	require.JSONEq(t, `{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","kid":"1","alg":"EdDSA","use":"sig"}]}`, string(data))
}
