//go:build unix

package pgserver

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// An account is who the server runs as: never root.
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

// tempDir makes a directory that belongs to the account.
func (a *account) tempDir() (string, error) {
	dir, err := os.MkdirTemp("", "clientele-pgserver-")
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

// run starts a server, and waits until it answers at the URL. It ends with this
// process.
func (a *account) run(dir, server, name string, args ...string) error {
	log := filepath.Join(dir, "log")
	f, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	cmd := a.command(dir, name, args...)
	cmd.Stdout, cmd.Stderr = f, f
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait()
	}()
	if err = ready(ended, server); err == nil {
		err = guard(cmd.Process.Pid, dir)
	}
	if err != nil {
		_ = cmd.Process.Kill()
		<-ended
		said, _ := os.ReadFile(log)
		return fmt.Errorf("%w: %s", err, said)
	}
	return nil
}

// guard starts a shell that reads from this process until its end, and then ends
// the server and removes its data.
func guard(pid int, dir string) error {
	const script = `read line
		kill -KILL "$0"
		while kill -0 "$0" || ! rm -rf "$1"; do sleep 0.2; done`
	cmd := exec.Command("/bin/sh", "-c", script, strconv.Itoa(pid), dir)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var err error
	if shared.guard, err = cmd.StdinPipe(); err != nil {
		return err
	}
	return cmd.Start()
}
