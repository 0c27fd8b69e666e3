// Package ledger owns the append-only record that outsiders can verify: appending, checkpoints, proofs, verification.
//
// An Append that has returned is durable, and a signed checkpoint covers it; whoever has the folder and the public key can prove
// with Verify, without weir and without a network, that nothing was changed, left out or cut off. What cannot be written makes the
// ledger refuse everything until it is opened anew (no record, no answer). The format stands in docs/formats/ledger.md.
//
// It will not know what it records: entries are typed by their writers. It will not protect against somebody who has the signing
// key, and it will not see a folder that was put back whole to an earlier day unless a checkpoint from later is known elsewhere:
// that is what Options.Mirror is for.
package ledger
