// Package fleet owns the synthetic smart-home company: its PostgreSQL schema, its generated rows with every mistake of a real production
// database planted in them, what is true about those rows, and a company that goes on living.
//
// It will not look like anybody real: every name, address, token and network in it is made up from a seed. It reads nothing of weir's
// other packages, so that what it plants can prove what they do.
package fleet
