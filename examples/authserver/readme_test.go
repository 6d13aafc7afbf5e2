package main_test

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var readme = flag.String("readme", "../../README.md", "the `file` whose chapter about the admin API is tried")

// chapter returns the shell commands of the chapter of the README with that title.
func chapter(t *testing.T, title string) string {
	t.Helper()
	text, err := os.ReadFile(*readme)
	require.NoError(t, err)
	_, rest, ok := strings.Cut(string(text), "## "+title+"\n")
	require.True(t, ok, "%s has no chapter %q", *readme, title)
	rest, _, _ = strings.Cut(rest, "\n## ")
	var script strings.Builder
	for _, block := range regexp.MustCompile("(?s)\n```sh\n(.*?)```\n").FindAllStringSubmatch(rest, -1) {
		script.WriteString(block[1])
	}
	require.NotEmpty(t, script.String())
	return script.String()
}

// TestTheReadmesCommandsWork runs what the README says about the admin API, word for
// word but for the address.
func TestTheReadmesCommandsWork(t *testing.T) {
	for _, program := range []string{"bash", "curl", "jq", "openssl"} {
		if _, err := exec.LookPath(program); err != nil && os.Getenv("CLIENTELE_NO_SKIP") != "1" {
			t.Skipf("%s is not there", program)
		}
	}
	script := chapter(t, "The admin API")
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
		`"reason":"disabled_client"`, `"reason":"wrong_secret"`, `"client.secret.rotate"`, `"LAST_ADMINISTRATOR"`,
	} {
		require.Contains(t, out, want)
	}
	require.NotContains(t, out, "curl:")
}
