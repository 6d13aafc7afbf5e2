//go:build unix

package pgtest

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// An account is who servers run as: none of them runs as root.
type account struct {
	credential *syscall.Credential // nil: who runs the test
}

func unprivileged() (*account, error) {
	if os.Geteuid() != 0 {
		return &account{}, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, fmt.Errorf("no user postgres: %w", errMissing)
	}
	uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
	gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	return &account{&syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}, nil
}

// tempDir makes a directory in parent, or where temporary ones are, that belongs
// to the account.
func (a *account) tempDir(parent string) (string, error) {
	dir, err := os.MkdirTemp(parent, "clientele-pgtest-")
	if err != nil {
		return "", err
	}
	return dir, a.own(dir)
}

func (a *account) own(path string) error {
	if a.credential == nil {
		return nil
	}
	return os.Chown(path, int(a.credential.Uid), int(a.credential.Gid))
}

func (a *account) writeFile(path string, content []byte) error {
	if err := os.WriteFile(path, content, 0o600); err != nil {
		return err
	}
	return a.own(path)
}

// command returns a command that the account runs in dir, in a group of its own,
// so that what a terminal sends to the test does not reach it.
func (a *account) command(dir, name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: a.credential}
	return cmd
}

type signal = syscall.Signal

const (
	interrupt = syscall.SIGINT
	kill      = syscall.SIGKILL
)

// A process is a server that runs.
type process struct {
	cmd   *exec.Cmd
	ended chan struct{} // closed when it has ended
	guard io.Closer
}

// start starts a server that writes to a log in dir. It ends with this process,
// however that ends, and dir is removed then.
func (a *account) start(dir, log, name string, args ...string) (*process, error) {
	f, err := os.OpenFile(filepath.Join(dir, log), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	cmd := a.command(dir, name, args...)
	cmd.Stdout, cmd.Stderr = f, f
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, ended: make(chan struct{})}
	go func() {
		defer close(p.ended)
		_ = cmd.Wait()
	}()
	if p.guard, err = guard(cmd.Process.Pid, dir); err != nil {
		p.stop(kill)
		return nil, err
	}
	return p, nil
}

// guard starts a shell that reads from this process: a line, and then it leaves;
// or the end, which comes without a line when this process has died.
func guard(pid int, dir string) (io.Closer, error) {
	const script = `read line && exit
		kill -KILL "$0"
		while kill -0 "$0" || ! rm -rf "$1"; do sleep 0.2; done`
	cmd := exec.Command("/bin/sh", "-c", script, strconv.Itoa(pid), dir)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return closer(func() error {
		_, err := io.WriteString(in, "\n")
		return errors.Join(err, in.Close(), cmd.Wait())
	}), nil
}

type closer func() error

func (c closer) Close() error { return c() }

// stop ends the server, and returns when it has ended.
func (p *process) stop(s signal) {
	_ = p.cmd.Process.Signal(s)
	<-p.ended
	if p.guard != nil {
		_ = p.guard.Close()
		p.guard = nil
	}
}

// KillProcess kills a process of a server, such as one that serves a connection.
func KillProcess(pid int) error { return syscall.Kill(pid, syscall.SIGKILL) }
