// Package engine owns the DuckDB child process: its start, its sandbox, Arrow IPC to and from it, its limits and its restart, and all of cgo.
//
// It will not know what the tables mean, and DuckDB never runs in weir's own process.
package engine
