package engine

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// childAttributes puts the child in a process group of its own, so that a terminal's ^C reaches weir alone, and lets it die with us.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// selfPath is this very program, also after its file was replaced by an upgrade: the two sides must be of one version.
func selfPath() (string, error) {
	const self = "/proc/self/exe"
	if _, err := os.Readlink(self); err != nil {
		return "", fmt.Errorf("find own program: %w", err)
	}
	return self, nil
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

// lockPatience is how long the engine of a weir that has just died may hold its file.
const lockPatience = 2 * time.Second

// awaitUnlocked waits a little while another process has the file, and tells whether it is free. A file that isn't there is.
func awaitUnlocked(ctx context.Context, path string) bool {
	if path == "" {
		return true
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return true // opening it will tell more
	}
	defer func() { _ = f.Close() }()
	ctx, cancel := context.WithTimeout(ctx, lockPatience)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		lock := unix.Flock_t{Type: unix.F_WRLCK}
		if err := unix.FcntlFlock(f.Fd(), unix.F_GETLK, &lock); err != nil || lock.Type == unix.F_UNLCK {
			return true
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return false
		}
	}
}
