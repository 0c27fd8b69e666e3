//go:build !linux

package engine

import "syscall"

func isSocket(fd uintptr) bool {
	_, err := syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_TYPE)
	return err == nil
}

func guardProcess() {
	_ = syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{})
	syscall.Umask(0o077)
}

func closeStray(int) {}

// sandbox sets nothing: on this system weir is for development, and says so at every start.
func sandbox(settings) failure { return 0 }

// memoryBound and boundMemory bound nothing, and nobody counts.
func memoryBound(settings) uint64 { return 0 }

func boundMemory(settings, uint64) failure { return 0 }

func mappedBytes() int64 { return 0 }
