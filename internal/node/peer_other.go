//go:build !linux

package node

import (
	"net"
	"os"
)

// peerUID trusts the socket's mode 0600 where the kernel cannot be asked.
func peerUID(net.Conn) (int, error) { return os.Getuid(), nil }
