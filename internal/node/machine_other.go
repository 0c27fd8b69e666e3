//go:build !linux

package node

// machineMemory is not known here; the caller takes its smallest default.
func machineMemory() int64 { return 0 }
