// Package engine owns the DuckDB child process: its start, its sandbox, Arrow IPC to and from it, its limits and its restart, and all of cgo.
//
// It will not know what the tables mean, and DuckDB never runs in weir's own process: Main, called first in every program that starts engines, turns
// the process into an engine when it was started as one. An engine serves the sockets it inherited, may touch one database file and one spill folder, and
// ends when its control socket closes. Errors cross as a class only: DuckDB's text quotes cell values.
package engine
