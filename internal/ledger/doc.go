// Package ledger owns the append-only record that outsiders can verify: appending, checkpoints, proofs, verification.
//
// It will not know what it records: entries are typed by their writers.
package ledger
