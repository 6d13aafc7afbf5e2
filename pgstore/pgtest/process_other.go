//go:build !unix

package pgtest

import (
	"fmt"
	"os/exec"
)

// Servers are started on Unix only: elsewhere tests need one that runs already.

type account struct{}

func unprivileged() (*account, error) {
	return nil, fmt.Errorf("a way to start PostgreSQL on this system: %w", errMissing)
}

func (*account) tempDir(string) (string, error)                            { panic("unreachable") }
func (*account) writeFile(string, []byte) error                            { panic("unreachable") }
func (*account) command(string, string, ...string) *exec.Cmd               { panic("unreachable") }
func (*account) start(string, string, string, ...string) (*process, error) { panic("unreachable") }

type signal int

const (
	interrupt signal = iota
	kill
)

type process struct{ ended chan struct{} }

func (*process) stop(signal) { panic("unreachable") }

// KillProcess kills a process of a server, such as one that serves a connection.
func KillProcess(int) error { panic("unreachable") }
