package engine

import (
	"fmt"
	"log/slog"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// childAttributes puts the child in a process group of its own, so that a terminal's ^C reaches weir alone, and lets it die with us.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

func warnUnsandboxed(*slog.Logger) {}

func socketPair() (net.Conn, *os.File, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("make socket pair: %w", err)
	}
	for _, fd := range fds {
		// A bigger buffer lets a batch go over in fewer turns; that it may be refused doesn't matter.
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, 4<<20)
	}
	ours := os.NewFile(uintptr(fds[0]), "engine")
	defer func() { _ = ours.Close() }() // FileConn holds a copy
	conn, err := net.FileConn(ours)
	if err != nil {
		_ = unix.Close(fds[1])
		return nil, nil, fmt.Errorf("make socket pair: %w", err)
	}
	return conn, os.NewFile(uintptr(fds[1]), "engine"), nil
}
