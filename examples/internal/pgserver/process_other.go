//go:build !unix

package pgserver

import (
	"fmt"
	"os/exec"
)

// A server is started on Unix only: elsewhere tests need one that runs already.

type account struct{}

func unprivileged() (*account, error) {
	return nil, fmt.Errorf("a way to start PostgreSQL on this system: %w", errMissing)
}

func (*account) tempDir() (string, error)                    { panic("unreachable") }
func (*account) writeFile(string, []byte) error              { panic("unreachable") }
func (*account) command(string, string, ...string) *exec.Cmd { panic("unreachable") }
func (*account) run(string, string, string, ...string) error { panic("unreachable") }
