package ledger

import "syscall"

// mountSmall puts a disk of 64 KiB at dir.
func mountSmall(dir string) error {
	return syscall.Mount("weir", dir, "tmpfs", 0, "size=64k")
}

// enlarge makes room on it.
func enlarge(dir string) error {
	return syscall.Mount("weir", dir, "tmpfs", syscall.MS_REMOUNT, "size=1m")
}

func unmount(dir string) error { return syscall.Unmount(dir, 0) }
