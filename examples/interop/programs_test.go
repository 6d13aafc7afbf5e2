package interop_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A task is what a program beside the tests reads from standard input: what to
// get tokens for, and where.
type task struct {
	Issuer        string `json:"issuer"`
	TokenEndpoint string `json:"tokenEndpoint"`
	Audience      string `json:"audience"`
	Scope         string `json:"scope"`
	Publish       string `json:"publish"` // where it puts its JWK Set
	Cases         any    `json:"cases"`
}

// An attempt is one way to get tokens.
type attempt struct {
	Name     string `json:"name"`
	ClientID string `json:"clientId"`
	Method   string `json:"method"` // of client authentication
	Secret   string `json:"secret,omitempty"`
	Alg      string `json:"alg,omitempty"`
	Key      string `json:"key,omitempty"` // PKCS #8, PEM
	KeyID    string `json:"kid,omitempty"`
	Form     string `json:"form,omitempty"`     // of assertion
	Stranger bool   `json:"stranger,omitempty"` // the key is another one
	Refused  bool   `json:"-"`
}

// An outcome is what came of an attempt, or of a verification.
type outcome struct {
	Name   string
	Tokens []answer
	By     string         // of verifications: the library
	Claims map[string]any // of verifications
	Error  *failure
}

// A failure is what a library tells its user.
type failure struct {
	Class   string `json:"class"`
	Code    string `json:"code"`
	Message string `json:"message"`
	Error   string `json:"error"` // of RFC 6749, as far as it is to be found
	Status  int    `json:"status"`
}

// run gives a program its task and returns what came of it.
func (s *server) run(t *testing.T, publish string, cases any, interpreter, script string) (outcomes []outcome) {
	t.Helper()
	_, err := os.ReadFile(script) // for go test to know when it has changed
	require.NoError(t, err)
	text, err := json.Marshal(task{s.issuer, s.tokenEndpoint, audience, "orders::reader", s.pages + publish, cases})
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), interpreter, filepath.Base(script))
	cmd.Dir = filepath.Dir(script)
	cmd.Stdin = bytes.NewReader(text)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, stderr.String())
	decode(t, out, &outcomes)
	return outcomes
}

// checkAttempts requires of each attempt that it got two tokens, or was refused
// as its library says it.
func (s *server) checkAttempts(t *testing.T, attempts []attempt, outcomes []outcome, refusal failure) {
	t.Helper()
	require.Len(t, outcomes, len(attempts))
	for i, a := range attempts {
		got := outcomes[i]
		t.Run(a.Name, func(t *testing.T) {
			require.Equal(t, a.Name, got.Name)
			if a.Refused {
				require.Empty(t, got.Tokens)
				require.Equal(t, &refusal, got.Error)
				return
			}
			require.Nil(t, got.Error)
			require.Len(t, got.Tokens, 2)
			for _, token := range got.Tokens {
				require.Equal(t, "bearer", strings.ToLower(token.TokenType))
				require.Equal(t, 3600, token.ExpiresIn)
				require.Equal(t, "orders::reader", token.Scope)
			}
			require.NotEqual(t, s.check(t, a.ClientID, got.Tokens[0].AccessToken), s.check(t, a.ClientID, got.Tokens[1].AccessToken))
		})
	}
}

// bySecret are the ways to use a secret.
func bySecret() []attempt {
	return []attempt{
		{Name: "a secret by Basic", ClientID: "by-secret", Method: "client_secret_basic", Secret: plainSecret},
		{Name: "a secret in the body", ClientID: "by-secret", Method: "client_secret_post", Secret: plainSecret},
		{Name: "an odd secret in the body", ClientID: "by-odd-secret", Method: "client_secret_post", Secret: oddSecret},
		{Name: "a wrong secret by Basic", ClientID: "by-secret", Method: "client_secret_basic", Secret: oddSecret, Refused: true},
		{Name: "a wrong secret in the body", ClientID: "by-secret", Method: "client_secret_post", Secret: "x", Refused: true},
		{Name: "a client that is not there", ClientID: "nobody", Method: "client_secret_basic", Secret: plainSecret, Refused: true},
	}
}

// byKey are the ways to use a private key with those algorithms: one that was
// uploaded, one that is published, and one that is neither.
func (s *server) byKey(t *testing.T, algorithms ...string) (attempts []attempt) {
	t.Helper()
	for _, alg := range algorithms {
		k := s.keys[alg]
		file, _ := newKey(t, t.TempDir(), alg)
		stranger, err := os.ReadFile(file)
		require.NoError(t, err)
		attempts = append(attempts,
			attempt{Name: "an uploaded key for " + alg, ClientID: "by-key", Method: "private_key_jwt", Alg: alg, Key: k.pem},
			attempt{Name: "a published key for " + alg, ClientID: "by-jwks", Method: "private_key_jwt", Alg: alg, Key: k.pem, KeyID: k.kid},
			attempt{Name: "a strange key for " + alg, ClientID: "by-key", Method: "private_key_jwt", Alg: alg, Key: string(stranger), Refused: true},
		)
	}
	return attempts
}
