package interop_test

import (
	"bytes"
	"fmt"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// An answer is that of the token endpoint, whatever it says.
type answer struct {
	AccessToken string `json:"access_token"`
	TokenType   string `json:"token_type"`
	ExpiresIn   int    `json:"expires_in"`
	Scope       string `json:"scope"`
	Error       string `json:"error"`
}

// testCurl is each of the three forms that real callers send, by hand.
func (s *server) testCurl(t *testing.T) {
	curl := need(t, "curl", "apt-get install curl")
	post := func(t *testing.T, args ...string) (got answer) {
		t.Helper()
		args = append([]string{"-sS", "-d", "grant_type=client_credentials", "-d", "audience=" + audience, s.tokenEndpoint}, args...)
		out, err := exec.CommandContext(t.Context(), curl, args...).Output()
		require.NoError(t, err)
		decode(t, out, &got)
		return got
	}
	taken := func(t *testing.T, clientID string, got answer) {
		t.Helper()
		require.Equal(t, answer{got.AccessToken, "Bearer", 3600, "orders::reader", ""}, got)
		s.check(t, clientID, got.AccessToken)
	}
	t.Run("a secret in the body", func(t *testing.T) {
		taken(t, "by-secret", post(t, "-d", "client_id=by-secret", "-d", "client_secret="+plainSecret))
		taken(t, "by-odd-secret", post(t, "-d", "client_id=by-odd-secret", "--data-urlencode", "client_secret="+oddSecret))
		refused := post(t, "-d", "client_id=by-secret", "-d", "client_secret=x"+plainSecret)
		require.Equal(t, answer{Error: "invalid_client"}, refused)
	})
	t.Run("a secret by HTTP Basic", func(t *testing.T) {
		taken(t, "by-secret", post(t, "-u", "by-secret:"+plainSecret))
		taken(t, "by-secret", post(t, "-u", "by-secret:"+plainSecret, "-d", "scope=orders::reader",
			"-H", "Content-Type: application/x-www-form-urlencoded; charset=UTF-8"))
		require.Equal(t, answer{Error: "invalid_client"}, post(t, "-u", "by-secret:x"+plainSecret))
	})
	t.Run("a signed assertion", func(t *testing.T) {
		openssl := need(t, "openssl", "apt-get install openssl")
		signed := func(t *testing.T, file string) string {
			t.Helper()
			input := segments(`{"alg":"RS256","typ":"JWT"}`,
				fmt.Sprintf(`{"iss":"by-key","sub":"by-key","aud":%q,"exp":%d}`, audience, time.Now().Add(10*time.Minute).Unix()))
			cmd := exec.CommandContext(t.Context(), openssl, "dgst", "-sha256", "-sign", file)
			cmd.Stdin = bytes.NewBufferString(input)
			signature, err := cmd.Output()
			require.NoError(t, err)
			return input + "." + base64url(signature)
		}
		form := []string{"-d", "client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer", "-d"}
		assertion := "client_assertion=" + signed(t, s.keys["RS256"].file)
		taken(t, "by-key", post(t, append(form, assertion, "-d", "client_id=by-key")...))
		taken(t, "by-key", post(t, append(form, assertion)...))
		stranger, _ := newKey(t, t.TempDir(), "RS256")
		require.Equal(t, answer{Error: "invalid_client"}, post(t, append(form, "client_assertion="+signed(t, stranger))...))
	})
}
