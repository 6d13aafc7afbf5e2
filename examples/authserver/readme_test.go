package main_test

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/examples/internal/readmetest"
)

var readme = flag.String("readme", "../../README.md", "the `file` whose chapter about the admin API is tried")

// TestTheReadmesCommandsWork runs what the README says about the admin API, word for
// word but for the address.
func TestTheReadmesCommandsWork(t *testing.T) {
	for _, program := range []string{"bash", "curl", "jq", "openssl"} {
		if _, err := exec.LookPath(program); err != nil && os.Getenv("CLIENTELE_NO_SKIP") != "1" {
			t.Skipf("%s is not there", program)
		}
	}
	script := strings.Join(readmetest.Blocks(t, *readme, "The admin API"), "")
	dir := t.TempDir()
	s := start(t, dir, "-bootstrap", filepath.Join(dir, "first.json"))
	script = strings.ReplaceAll(script, "127.0.0.1:8080", s.address)

	bash := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail")
	bash.Dir, bash.Stdin = dir, strings.NewReader(script)
	said, err := bash.CombinedOutput()
	require.NoError(t, err, "%s", said)

	out := string(said)
	for _, want := range []string{
		`"token_type": "Bearer"`, `"invalid_client"`, `"orders::reader"`, `"authType":"PUBKEYCERT"`, `"authType":"JWKS"`,
		"\n\"active\"\n", "\n\"revoked\"\n", `"reason":"disabled_client"`, `"reason":"wrong_secret"`, `"client.secret.rotate"`, `"LAST_ADMINISTRATOR"`,
	} {
		require.Contains(t, out, want)
	}
	require.NotContains(t, out, "curl:")
}
