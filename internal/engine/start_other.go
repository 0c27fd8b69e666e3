//go:build !linux

package engine

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"syscall"
)

func childAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

func selfPath() (string, error) { return os.Executable() }

// warnUnsandboxed says at every start that this is for development.
func warnUnsandboxed(log *slog.Logger) {
	log.Warn("the engine runs without a sandbox on this system: use it for development only")
}

func socketPair() (net.Conn, *os.File, error) {
	syscall.ForkLock.RLock()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err == nil {
		syscall.CloseOnExec(fds[0])
		syscall.CloseOnExec(fds[1])
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, nil, fmt.Errorf("make socket pair: %w", err)
	}
	ours := os.NewFile(uintptr(fds[0]), "engine")
	defer func() { _ = ours.Close() }() // FileConn holds a copy
	conn, err := net.FileConn(ours)
	if err != nil {
		_ = syscall.Close(fds[1])
		return nil, nil, fmt.Errorf("make socket pair: %w", err)
	}
	return conn, os.NewFile(uintptr(fds[1]), "engine"), nil
}

func awaitUnlocked(context.Context, string) bool { return true }
