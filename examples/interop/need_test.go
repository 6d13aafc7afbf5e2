package interop_test

import (
	"os"
	"os/exec"
	"testing"
)

// lacking ends a test that something is missing for, as a skip or as a failure.
func lacking(t *testing.T, format string, args ...any) {
	t.Helper()
	if os.Getenv("CLIENTELE_NO_SKIP") == "1" {
		t.Fatalf(format+" (CLIENTELE_NO_SKIP=1)", args...)
	}
	t.Skipf(format, args...)
}

// need returns the path of a program.
func need(t *testing.T, program, install string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		lacking(t, "there is no %s here: %s", program, install)
	}
	return path
}
