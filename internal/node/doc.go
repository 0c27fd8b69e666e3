// Package node owns one running weir: its configuration and state folder, opening everything in order and closing it in reverse, the adapters between rooms that may not know each
// other, the control socket, and what the commands do.
//
// It will not decide what crosses or who may ask, and only cmd/weir imports it.
package node
