// Package treatment owns the neck between production and the copy: Raw, production's values, sealed; Plan, the compiled policy of a table; Batch, treated
// values as Arrow columns. Only a Plan turns the one into the other, so an untreated value in a store does not compile.
//
// It will not talk to a source, a store, a file or a network.
package treatment
