package ledger

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"strconv"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/weirproject/weir/internal/fault"
)

// InclusionProof shows to somebody who has nothing but the public key that one entry stands in the ledger.
type InclusionProof struct {
	Index Index
	// Entry is the line of the entry as it stands in its segment, without the newline: what is hashed.
	Entry []byte
	// Hashes is the path from the entry to the root (RFC 6962).
	Hashes []tlog.Hash
	// Checkpoint is the signed note over the tree that the path leads to.
	Checkpoint []byte
}

// ConsistencyProof shows that the ledger of a later checkpoint begins with that of an earlier one.
type ConsistencyProof struct {
	// From is the size of the earlier checkpoint.
	From int64
	// Hashes proves it (RFC 6962).
	Hashes []tlog.Hash
	// Checkpoint is the later signed note.
	Checkpoint []byte
}

// MarshalText writes the proof in the C2SP tlog-proof format; the entry is not part of it.
func (p InclusionProof) MarshalText() ([]byte, error) {
	var b bytes.Buffer
	b.WriteString("c2sp.org/tlog-proof@v1\nindex " + strconv.FormatInt(int64(p.Index), 10) + "\n")
	for _, h := range p.Hashes {
		b.WriteString(base64.StdEncoding.EncodeToString(h[:]) + "\n")
	}
	b.WriteByte('\n')
	b.Write(p.Checkpoint)
	return b.Bytes(), nil
}

// InclusionProof proves an entry against the newest checkpoint. NotFound: there is no such entry yet.
func (l *Ledger) InclusionProof(ctx context.Context, index Index) (InclusionProof, error) {
	c, err := l.provable()
	if err != nil {
		return InclusionProof{}, err
	}
	if index < 0 || int64(index) >= c.size {
		return InclusionProof{}, fault.Newf(fault.NotFound, "the ledger has no entry %d: it holds %d, counted from 0", index, c.size)
	}
	p := InclusionProof{Index: index, Checkpoint: c.note}
	if p.Entry, err = lineOf(ctx, l.dir, int64(index), c.size); err != nil {
		return InclusionProof{}, err
	}
	if p.Hashes, err = tlog.ProveRecord(c.size, int64(index), hashReader{l.hashes}); err != nil {
		return InclusionProof{}, fmt.Errorf("prove entry: %w", err)
	}
	// A proof that does not hold would show that the disk has changed under us; better here than at the outsider's.
	return p, CheckInclusion(l.public, p)
}

// ConsistencyProof proves that the newest checkpoint extends the ledger of that size, at least 1. NotFound: it was never that large.
func (l *Ledger) ConsistencyProof(from int64) (ConsistencyProof, error) {
	c, err := l.provable()
	if err != nil {
		return ConsistencyProof{}, err
	}
	if from < 1 || from > c.size {
		return ConsistencyProof{}, fault.Newf(fault.NotFound, "the ledger was never of size %d: it holds %d entries", from, c.size)
	}
	hashes, err := tlog.ProveTree(c.size, from, hashReader{l.hashes})
	if err != nil {
		return ConsistencyProof{}, fmt.Errorf("prove consistency: %w", err)
	}
	return ConsistencyProof{From: from, Hashes: hashes, Checkpoint: c.note}, nil
}

// provable is the checkpoint that proofs lead to.
func (l *Ledger) provable() (checkpoint, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.published, l.refusal()
}

// CheckInclusion judges a proof with the public key alone; an error (fault kind Found) means that it proves nothing.
func CheckInclusion(key PublicKey, p InclusionProof) error {
	c, err := checkedNote(key, p.Checkpoint)
	if err != nil {
		return err
	}
	if err := tlog.CheckRecord(p.Hashes, c.size, c.root, int64(p.Index), tlog.RecordHash(p.Entry)); err != nil {
		return fault.New(fault.Found, "the proof does not show that the entry stands in the ledger", "ask for it anew; do not rely on this entry").WithCause(err)
	}
	return nil
}

// CheckConsistency judges whether p leads from the earlier signed checkpoint to its own.
func CheckConsistency(key PublicKey, earlier []byte, p ConsistencyProof) error {
	old, err := checkedNote(key, earlier)
	if err != nil {
		return err
	}
	c, err := checkedNote(key, p.Checkpoint)
	if err != nil {
		return err
	}
	if old.size == p.From {
		err = tlog.CheckTree(p.Hashes, c.size, c.root, old.size, old.root)
	}
	if old.size != p.From || err != nil {
		return fault.New(fault.Found, "the proof does not show that the ledger was only added to", "verify the whole folder").WithCause(err)
	}
	return nil
}

// checkedNote opens a signed checkpoint that came from outside.
func checkedNote(key PublicKey, signed []byte) (checkpoint, error) {
	verifier, err := key.verifier()
	if err != nil {
		return checkpoint{}, err
	}
	c, err := openCheckpoint(signed, verifier)
	if err != nil {
		return checkpoint{}, fault.New(fault.Found, "the checkpoint is not signed by the ledger's key", "check that the public key is that of this ledger")
	}
	return c, nil
}
