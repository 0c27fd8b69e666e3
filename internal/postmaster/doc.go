// Package postmaster owns a private PostgreSQL server made from the machine's own binaries: its folder, its user, its port, its life.
//
// It serves the demo and the tests. It will not touch the system's own cluster, download anything, speak SQL, or leave a server behind.
package postmaster
