package interop_test

import (
	"os/exec"
	"testing"
)

// testAuthlib is about Debian's Authlib. It does not encode the secret of Basic
// as RFC 6749 section 2.3.1 has it, which makes no difference to the secrets that
// we generate.
func (s *server) testAuthlib(t *testing.T) {
	const interpreter = "/usr/bin/python3" // Debian's packages are its own
	if err := exec.Command(interpreter, "-c", "import authlib.integrations.requests_client").Run(); err != nil {
		lacking(t, "there is no Authlib here: apt-get install python3-authlib python3-requests")
	}
	attempts := append(bySecret(), s.byKey(t, "RS256", "ES256", "EdDSA")...)
	for _, alg := range []string{"RS256", "ES256"} {
		attempts = append(attempts, attempt{Name: "a key for " + alg + " of its own", ClientID: "authlib", Method: "private_key_jwt", Alg: alg})
	}
	refusal := failure{Class: "OAuthError", Error: "invalid_client", Message: "invalid_client: Client authentication failed."}
	s.checkAttempts(t, attempts, s.run(t, "authlib", attempts, interpreter, "testdata/python/authlib_tokens.py"), refusal)
}
