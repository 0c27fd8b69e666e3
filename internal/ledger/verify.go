package ledger

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/weirproject/weir/internal/fault"
)

// Report is what Verify has seen to be true.
type Report struct {
	// Origin is the ledger's name, as the checkpoints carry it.
	Origin string
	// Entries and Checkpoints were each recomputed and found as they were signed.
	Entries, Checkpoints int64
	// Known is how many checkpoints from elsewhere (a mirror) were found to be of this ledger.
	Known int64
	// Root is the tree's hash over all entries.
	Root [32]byte
	// Unfinished is how many bytes a running weir was just writing; they are not part of the verdict.
	Unfinished int64
}

// Verify judges the ledger in a folder with nothing but its public key: it recomputes every hash and compares every checkpoint, its
// signature and its tree. known is what the caller knows from elsewhere: contents of a mirror, or single checkpoints (signed notes);
// only they show that a folder was put back whole to an earlier day. It changes nothing and may run beside the weir that writes the
// ledger. What it finds is a fault of kind Found that names the first entry or file; of kind Unavailable: the folder cannot be read;
// of kind Invalid: the key or a known checkpoint is none.
func Verify(dir string, key PublicKey, known ...[]byte) (Report, error) {
	verifier, err := key.verifier()
	if err != nil {
		return Report{}, err
	}
	v := &verification{dir: dir, key: key, verifier: verifier, live: beingWritten(dir)}
	if err := v.readKnown(known); err != nil {
		return Report{}, err
	}
	for _, check := range []func() error{v.files, v.identity, v.readPublished, v.record, v.tail, v.stored} {
		if err := check(); err != nil {
			return Report{}, verdict(err)
		}
	}
	return v.report, nil
}

// verdict makes an error for people of one that is none yet.
func verdict(err error) error {
	var f *fault.Error
	if errors.As(err, &f) {
		return f
	}
	return fault.New(fault.Unavailable, "the ledger's folder cannot be read", "check that the folder is a ledger's and that you may read it").WithCause(err)
}

// found is a verdict against the ledger.
func found(format string, args ...any) error {
	return fault.Newf(fault.Found, format, args...).WithHint("compare the folder with its backup and with a mirror of its checkpoints")
}

type verification struct {
	dir       string
	key       PublicKey
	verifier  note.Verifier
	known     []checkpoint // by size
	live      bool         // some weir had the ledger open when we began
	published checkpoint
	walk      *walker
	broken    *damage
	hashes    hashCompare
	report    Report
}

// readKnown opens the checkpoints that the caller brought.
func (v *verification) readKnown(known [][]byte) error {
	for _, text := range known {
		notes := [][]byte{text}
		if isCheckpointLine(text) {
			notes = nil
			for line := range bytes.Lines(text) {
				signed, err := noteOfLine(bytes.TrimSuffix(line, []byte("\n")))
				if err != nil && !bytes.HasSuffix(line, []byte("\n")) {
					break // the mirror is just being written
				}
				notes = append(notes, signed)
			}
		}
		for _, signed := range notes {
			c, err := openCheckpoint(signed, v.verifier)
			if err != nil {
				return fault.New(fault.Invalid, "a checkpoint to compare with is not one of this ledger's key",
					"give the mirror of this ledger, or a checkpoint that it has published")
			}
			v.known = append(v.known, c)
		}
	}
	slices.SortStableFunc(v.known, func(a, b checkpoint) int { return cmp.Compare(a.size, b.size) })
	return nil
}

// files finds what does not belong into the folder: the verdict is about all of it.
func (v *verification) files() error {
	names, err := os.ReadDir(v.dir)
	if err != nil {
		return fmt.Errorf("list folder: %w", err)
	}
	for _, e := range names {
		switch e.Name() {
		case formatFile, publicKeyFile, hashesFile, checkpointFile:
			if !e.Type().IsRegular() {
				return found("%s in the ledger's folder is not a file", e.Name())
			}
		case entriesDir:
		case checkpointFile + newSuffix: // a crash may leave it, the next start replaces it, and nobody reads it
		default:
			return found("%q in the ledger's folder is not the ledger's", e.Name())
		}
	}
	return nil
}

// identity compares the two files that never change.
func (v *verification) identity() error {
	text, err := v.read(formatFile)
	if err != nil {
		return err
	}
	if string(text) != formatText {
		return found("the ledger's format file is not what this weir writes")
	}
	if text, err = v.read(publicKeyFile); err != nil {
		return err
	}
	if string(text) != strings.TrimSpace(string(v.key))+"\n" {
		return found("the public key in the ledger's folder is not the one given")
	}
	v.report.Origin = v.verifier.Name()
	return nil
}

// read reads one file of the folder; that it is missing is a finding.
func (v *verification) read(name string) ([]byte, error) {
	text, err := os.ReadFile(filepath.Join(v.dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, found("%s is missing in the ledger's folder", name)
	}
	if err != nil {
		return nil, fmt.Errorf("read file: %w", err)
	}
	return text, nil
}

func (v *verification) readPublished() error {
	signed, err := v.read(checkpointFile)
	if err != nil {
		return err
	}
	if v.published, err = openCheckpoint(signed, v.verifier); err != nil {
		return found("the checkpoint file is not signed by the ledger's key")
	}
	return nil
}

// record walks all entries and checkpoints.
func (v *verification) record() error {
	f, err := os.Open(filepath.Join(v.dir, hashesFile))
	if errors.Is(err, fs.ErrNotExist) {
		return found("%s is missing in the ledger's folder", hashesFile)
	}
	if err != nil {
		return fmt.Errorf("open hashes: %w", err)
	}
	defer f.Close() //nolint:errcheck // opened for reading
	v.hashes.stored = bufio.NewReader(f)
	seen := v.published.size == 0
	v.walk = &walker{
		dir: v.dir, origin: v.verifier.Name(),
		onEntry: func(t *tree, final []tlog.Hash) error {
			if err := v.compareKnown(t); err != nil {
				return err
			}
			return v.hashes.add(t, final)
		},
		onCheckpoint: func(c checkpoint) error {
			seen = seen || bytes.Equal(c.note, v.published.note)
			_, err := openCheckpoint(c.note, v.verifier)
			return err
		},
	}
	if v.broken, err = v.walk.run(); err != nil {
		return err
	}
	good := v.walk.good
	v.report.Entries, v.report.Checkpoints, v.report.Root = good.size, v.walk.count, good.root
	switch {
	case good.size < v.published.size && v.broken != nil:
		return v.damaged()
	case good.size < v.published.size:
		return found("the ledger is cut off: it holds %d entries, and its checkpoint was signed over %d", good.size, v.published.size)
	case !seen:
		return found("the checkpoint file is over %d entries, and the record has no such checkpoint", v.published.size)
	}
	return nil
}

// damaged names the first bad entry. Where the hashes file differs within the doubtful entries, it tells which of them it is.
func (v *verification) damaged() error {
	index := v.broken.index
	if v.hashes.bad && !v.hashes.short && v.hashes.badAt >= index {
		index = v.hashes.badAt
	}
	return found("the ledger is damaged at entry %d (%s): %s", index, filepath.Join(entriesDir, v.broken.at.segment), v.broken.reason)
}

// compareKnown compares the tree with what the caller knows of that size.
func (v *verification) compareKnown(t *tree) error {
	for len(v.known) > 0 && v.known[0].size <= t.size {
		c := v.known[0]
		if c.size == t.size && c.root != t.root() {
			return found("the ledger's first %d entries are not those of a checkpoint that is known from elsewhere: it was rewritten", c.size)
		}
		v.known = v.known[1:]
		v.report.Known++
	}
	return nil
}

// tail judges what lies behind the last good checkpoint: a running weir may just be writing there, nobody else may.
func (v *verification) tail() error {
	if len(v.known) > 0 && v.known[0].size > v.walk.good.size {
		return found("the ledger holds %d entries, and a checkpoint over %d is known from elsewhere: it was put back to an earlier day",
			v.walk.good.size, v.known[len(v.known)-1].size)
	}
	if v.broken == nil && v.walk.end == v.walk.good.end {
		return nil
	}
	var err error
	if v.report.Unfinished, err = tailBytes(v.dir, v.walk.good.end); err != nil {
		return err
	}
	// An empty last segment is one that was just begun.
	if v.report.Unfinished == 0 && v.broken == nil || v.live || beingWritten(v.dir) {
		return nil
	}
	if v.broken != nil {
		return v.damaged()
	}
	return found("%d bytes behind the ledger's last checkpoint are covered by none: a crash left them, or somebody added them", v.report.Unfinished)
}

// stored judges the hashes file, which proofs are made of.
func (v *verification) stored() error {
	published := tlog.StoredHashCount(v.published.size)
	if v.hashes.bad && (!v.hashes.short || v.hashes.at < published) {
		return found("the hashes file differs from the entries at entry %d; weir makes it anew when it starts", v.hashes.badAt)
	}
	info, err := os.Stat(filepath.Join(v.dir, hashesFile))
	if err != nil {
		return fmt.Errorf("stat hashes: %w", err)
	}
	if info.Size() != v.hashes.at*tlog.HashSize && !v.live && !beingWritten(v.dir) {
		return found("the hashes file is not as long as the entries make it; weir makes it anew when it starts")
	}
	return nil
}
