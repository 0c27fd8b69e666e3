//go:build !linux

package ledger

import "syscall"

// Small disks are mounted on Linux only; the file size limit is the same refusal.
func mountSmall(string) error { return syscall.EPERM }

func enlarge(string) error { return syscall.EPERM }

func unmount(string) error { return syscall.EPERM }
