// Package decision owns the decision on SQL: whether a statement that somebody sent may run, which columns of the copy it reads, and the one text that runs in its place.
//
// It takes a statement's meaning from the engine's own parser, which it gets as an interface, refuses whatever it does not positively recognise, and lets nothing run but text that was
// regenerated from the tree that it walked. It will not run anything, and it will not know sessions, people or files.
package decision
