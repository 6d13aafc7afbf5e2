package interop_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"
)

// node returns the path of Node.js if its packages are installed.
func node(t *testing.T) string {
	t.Helper()
	path := need(t, "node", "install Node.js 20 or later")
	if _, err := os.Stat("testdata/node/node_modules/openid-client"); err != nil {
		lacking(t, "the packages of Node.js are not installed: npm ci --prefix examples/interop/testdata/node")
	}
	_, err := os.ReadFile("testdata/node/harness.mjs") // as run does
	require.NoError(t, err)
	_, err = os.ReadFile("testdata/node/package-lock.json")
	require.NoError(t, err)
	return path
}

// challenged is how both libraries report a refusal: they look no further than
// the challenge that a 401 has to come with (RFC 9110 section 15.5.2), and leave
// it to their user to read the error of RFC 6749 from the answer.
var challenged = failure{
	Class: "WWWAuthenticateChallengeError", Code: "OAUTH_WWW_AUTHENTICATE_CHALLENGE",
	Message: "server responded with a challenge in the WWW-Authenticate HTTP Header", Error: "invalid_client", Status: 401,
}

// algorithmsOfNode are those of the keys that are there; both libraries call the
// last one Ed25519.
var algorithmsOfNode = []string{"RS256", "ES256", "ES384", "ES512", "EdDSA"}

func (s *server) testOAuth4WebAPI(t *testing.T) {
	interpreter := node(t)
	attempts := append(bySecret(), attempt{Name: "an odd secret by Basic", ClientID: "by-odd-secret", Method: "client_secret_basic", Secret: oddSecret})
	attempts = append(attempts, s.byKey(t, algorithmsOfNode...)...)
	s.checkAttempts(t, attempts, s.run(t, "", attempts, interpreter, "testdata/node/oauth4webapi.mjs"), challenged)
}

func (s *server) testOpenIDClient(t *testing.T) {
	interpreter := node(t)
	attempts := append(bySecret(), attempt{Name: "an odd secret by Basic", ClientID: "by-odd-secret", Method: "client_secret_basic", Secret: oddSecret})
	attempts = append(attempts, s.byKey(t, algorithmsOfNode...)...)
	s.checkAttempts(t, attempts, s.run(t, "", attempts, interpreter, "testdata/node/openid-client.mjs"), challenged)
}

func (s *server) testJOSE(t *testing.T) {
	interpreter := node(t)
	var attempts []attempt
	for _, alg := range []string{"RS256", "PS256", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"} {
		for _, form := range []string{"old", "draft"} {
			attempts = append(attempts, attempt{Name: form + " form by " + alg, ClientID: "jose", Alg: alg, Form: form})
		}
		attempts = append(attempts, attempt{Name: "a strange key for " + alg, ClientID: "jose", Alg: alg, Form: "draft", Stranger: true, Refused: true})
	}
	refusal := failure{Class: "Error", Message: "refused", Error: "invalid_client", Status: 401}
	s.checkAttempts(t, attempts, s.run(t, "jose", attempts, interpreter, "testdata/node/jose.mjs"), refusal)
}

// testNodeVerifiers has jose and oauth4webapi verify access tokens.
func (s *server) testNodeVerifiers(t *testing.T) {
	interpreter := node(t)
	token, err := s.xoauth2("by-secret", plainSecret, oauth2.AuthStyleInHeader).Token(t.Context())
	require.NoError(t, err)
	type verification struct {
		Name     string `json:"name"`
		Token    string `json:"token"`
		Audience string `json:"audience"`
	}
	tampered := []byte(token.AccessToken)
	tampered[len(tampered)-10] ^= 1
	outcomes := s.run(t, "", []verification{
		{"good", token.AccessToken, audience},
		{"for another service", token.AccessToken, "https://other.example.com"},
		{"tampered with", string(tampered), audience},
	}, interpreter, "testdata/node/verify.mjs")
	require.Len(t, outcomes, 6)
	for _, got := range outcomes {
		t.Run(got.By+", "+got.Name, func(t *testing.T) {
			if got.Name != "good" {
				require.NotNil(t, got.Error)
				require.Nil(t, got.Claims)
				return
			}
			require.Nil(t, got.Error)
			require.Equal(t, "by-secret", got.Claims["client_id"])
			require.Equal(t, "orders::reader", got.Claims["scope"])
		})
	}
}
