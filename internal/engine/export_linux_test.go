package engine

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/landlock-lsm/go-landlock/landlock"
	"golang.org/x/sys/unix"
)

// ProbeName is the process name under which the test binary fences itself and tells what it still can do.
const ProbeName = "weir-sandbox-probe"

// Probe sandboxes the process for a database file and a spill folder, by an old kernel's rules if asked to, and prints what still works, a line each.
func Probe(file, spill, version string) int {
	s := settings{Path: file, Spill: spill}
	dir, outside := filepath.Dir(file), filepath.Join(filepath.Dir(filepath.Dir(file)), "outside")
	if version == "old" {
		kernels = []kernel{{landlock.V2, false}}
	}
	held, err := os.OpenFile(file, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		fmt.Println("open:", err) //nolint:forbidigo // the probe's answer
		return 1
	}
	if f := sandbox(s); f != 0 {
		fmt.Println("sandbox:", f) //nolint:forbidigo // the probe's answer
		return 1
	}
	tries := []struct {
		name string
		try  func() error
	}{
		{"use the open file", func() error {
			if _, err := held.WriteAt([]byte("x"), 0); err != nil {
				return err
			}
			return errors.Join(held.Truncate(10), held.Sync())
		}},
		{"make a log", func() error { return os.WriteFile(file+".wal", []byte("x"), 0o600) }},
		{"rename a log", func() error { return os.Rename(file+".wal", file+".wal2") }},
		{"remove a log", func() error { return os.Remove(file + ".wal2") }},
		{"list the folder", func() error { _, err := os.ReadDir(dir); return err }},
		{"spill", func() error {
			name := filepath.Join(spill, "x")
			err := os.WriteFile(name, []byte("x"), 0o600)
			_, rerr := os.ReadFile(name)
			return errors.Join(err, rerr, os.Remove(name))
		}},
		{"read the file by name", func() error { _, err := os.ReadFile(file); return err }},
		{"read outside", func() error { _, err := os.ReadFile(outside); return err }},
		{"write outside", func() error { return os.WriteFile(outside, []byte("y"), 0o600) }},
		{"truncate outside", func() error { return unix.Truncate(outside, 0) }},
		{"remove outside", func() error { return os.Remove(outside) }},
		{"link", func() error { return os.Link(file, filepath.Join(spill, "link")) }},
		{"move the file to the spill folder", func() error { return os.Rename(file, filepath.Join(spill, "moved")) }},
		{"symlink", func() error { return os.Symlink("/etc/passwd", filepath.Join(spill, "sym")) }},
		{"list /", func() error { _, err := os.ReadDir("/"); return err }},
		{"read /proc/self/environ", func() error { _, err := os.ReadFile("/proc/self/environ"); return err }},
		{"inet socket", socket(unix.AF_INET)},
		{"inet6 socket", socket(unix.AF_INET6)},
		{"unix socket", socket(unix.AF_UNIX)},
		{"netlink socket", socket(unix.AF_NETLINK)},
		{"packet socket", socket(unix.AF_PACKET)},
		{"vsock", socket(unix.AF_VSOCK)},
		{"dial", func() error { c, err := net.Dial("tcp", "127.0.0.1:1"); return closed(c, err) }}, //nolint:noctx // it is refused at once
		{"start a program", func() error { return unix.Exec("/bin/true", []string{"true"}, nil) }},
		{"fork", func() error { _, err := os.StartProcess("/bin/true", []string{"true"}, &os.ProcAttr{}); return err }},
		{"trace the parent", func() error { return unix.PtraceAttach(os.Getppid()) }},
		{"signal the parent", func() error { return unix.Kill(os.Getppid(), 0) }},
		{"mount", func() error { return unix.Mount("none", spill, "tmpfs", 0, "") }},
		{"leave the namespace", func() error { return unix.Unshare(unix.CLONE_NEWUSER) }},
		{"become somebody else", func() error {
			_, _, errno := unix.RawSyscall(unix.SYS_SETUID, 1, 0, 0)
			return errnoError(errno)
		}},
		{"io_uring", func() error {
			_, _, errno := unix.RawSyscall(unix.SYS_IO_URING_SETUP, 1, 0, 0)
			return errnoError(errno)
		}},
	}
	for _, t := range tries {
		if err := t.try(); err == nil {
			fmt.Println(t.name) //nolint:forbidigo // the probe's answer
		} else if !refused(err) && !strings.HasPrefix(t.name, "list the") {
			fmt.Println(t.name, "fails otherwise:", err) //nolint:forbidigo // the probe's answer
		}
	}
	return 0
}

func refused(err error) bool {
	for _, e := range []error{unix.EPERM, unix.EACCES, unix.EXDEV} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

func errnoError(e unix.Errno) error {
	if e == 0 {
		return nil
	}
	return e
}

func closed(c net.Conn, err error) error {
	if err == nil {
		_ = c.Close()
	}
	return err
}

func socket(family int) func() error {
	return func() error {
		fd, err := unix.Socket(family, unix.SOCK_STREAM, 0)
		if err == nil {
			_ = unix.Close(fd)
		}
		return err
	}
}
