package ledger

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/weirproject/weir/internal/fault"
)

// TypeRecovered is the type of the entry that says what Open cut off behind the last checkpoint after a crash.
const TypeRecovered = "recovered"

// principalSelf is who records what the ledger itself did.
const principalSelf = "weir"

// recovery is the body of that entry.
type recovery struct {
	CutBytes  int64  `json:"cut_bytes"`
	CutSHA256 string `json:"cut_sha256"`
	After     int64  `json:"after_size"`
}

// recover reads the whole record, judges it, cuts what no checkpoint covers, and leaves everything open for run. mirrored is the last
// checkpoint of the mirror; its size is 0 when there is none.
func (l *Ledger) recover(mirrored checkpoint) ([]Entry, error) {
	verifier, err := l.public.verifier()
	if err != nil {
		return nil, err
	}
	published, err := l.readPublished()
	if err != nil {
		return nil, err
	}
	if l.hashes, err = os.OpenFile(filepath.Join(l.dir, hashesFile), os.O_CREATE|os.O_RDWR|os.O_APPEND, fileMode); err != nil {
		return nil, fmt.Errorf("open hashes: %w", err)
	}
	compare := hashCompare{stored: bufio.NewReader(l.hashes)}
	var seen, mirrorRoot bool
	w := &walker{
		dir: l.dir, origin: l.signer.Name(),
		onEntry: func(t *tree, final []tlog.Hash) error {
			if t.size == mirrored.size {
				mirrorRoot = t.root() == mirrored.root
			}
			return compare.add(t, final)
		},
		// Only from the published one on do signatures decide anything here: it covers all that is before it.
		onCheckpoint: func(c checkpoint) error {
			if c.size < published.size {
				return nil
			}
			seen = seen || bytes.Equal(c.note, published.note)
			_, err := openCheckpoint(c.note, verifier)
			return err
		},
	}
	broken, err := w.run()
	if err != nil {
		return nil, err
	}
	switch {
	case w.good.size < published.size || published.size > 0 && !seen:
		return nil, refuseDamage(broken, w.good.size, published.size)
	case mirrored.size > w.good.size || mirrored.size > 0 && !mirrorRoot:
		return nil, fault.Newf(fault.Found, "the ledger's mirror knows %d entries and the ledger holds %d, or others", mirrored.size, w.good.size).
			WithHint("the folder was put back to an earlier day or rewritten: compare it with its backup before trusting it")
	}
	tail, err := tailBytes(l.dir, w.good.end)
	switch {
	case err != nil:
		return nil, err
	case tail > batchBytes+checkpointBytes && broken != nil:
		return nil, refuseDamage(broken, w.good.size, published.size)
	case tail > batchBytes+checkpointBytes:
		return nil, fault.New(fault.Found, "the ledger ends in more unsigned entries than a crash can leave",
			"somebody or something has added them: put the folder back from its backup")
	}
	entries, err := l.resume(w)
	if err != nil {
		return nil, err
	}
	return entries, l.repairHashes(compare.at)
}

// refuseDamage explains why a ledger is not opened.
func refuseDamage(broken *damage, have, want int64) error {
	e := fault.Newf(fault.Found, "the ledger holds %d entries as they were signed, and its checkpoint covers %d", have, want)
	if broken != nil {
		e = fault.Newf(fault.Found, "the ledger is damaged at entry %d (%s): %s", broken.index, broken.at.segment, broken.reason)
	}
	return e.WithHint("put the folder back from its backup; weir ledger verify tells what differs")
}

// readPublished reads the checkpoint file. A power cut may leave it empty; then the last good checkpoint of the segments counts,
// to which somebody who can empty the file could have put it back anyway.
func (l *Ledger) readPublished() (checkpoint, error) {
	signed, err := os.ReadFile(filepath.Join(l.dir, checkpointFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return checkpoint{}, fmt.Errorf("read checkpoint: %w", err)
	}
	if len(signed) == 0 {
		return checkpoint{}, nil
	}
	verifier, err := l.public.verifier()
	if err != nil {
		return checkpoint{}, err
	}
	c, err := openCheckpoint(signed, verifier)
	if err != nil {
		return checkpoint{}, fault.New(fault.Found, "the ledger's checkpoint file is not signed by its key",
			"somebody or something has changed it: put the folder back from its backup")
	}
	return c, nil
}

// resume cuts everything behind the last good checkpoint and opens the files to write behind it.
func (l *Ledger) resume(w *walker) ([]Entry, error) {
	l.tree = w.good.tree
	cut, err := l.cutTail(w.good.end)
	if err != nil {
		return nil, err
	}
	// Also when it is the published one: signed anew it would be the same note.
	if l.published, err = signCheckpoint(l.signer, &l.tree); err != nil {
		return nil, err
	}
	if err := writeDurable(filepath.Join(l.dir, checkpointFile), l.published.note); err != nil {
		return nil, err
	}
	if name := w.good.end.segment; name != "" {
		l.segmentSize = w.good.end.offset
		l.segment, err = os.OpenFile(filepath.Join(l.dir, entriesDir, name), os.O_WRONLY|os.O_APPEND, fileMode)
		if err != nil {
			return nil, fmt.Errorf("open segment: %w", err)
		}
	}
	if cut.CutBytes == 0 {
		return nil, nil
	}
	l.log.Warn("ledger recovered after a crash", "cut_bytes", cut.CutBytes, "after_size", cut.After)
	return []Entry{{Type: TypeRecovered, Principal: principalSelf, Body: cut}}, nil
}

// cutTail removes every byte of the segments behind end, durably, and says what it was.
func (l *Ledger) cutTail(end place) (recovery, error) {
	names, _, err := segments(l.dir)
	if err != nil {
		return recovery{}, err
	}
	var cut recovery
	sum := sha256.New()
	for _, name := range names {
		if name < end.segment {
			continue
		}
		offset := int64(0)
		if name == end.segment {
			offset = end.offset
		}
		n, err := cutFile(filepath.Join(l.dir, entriesDir, name), offset, sum)
		if err != nil {
			return recovery{}, err
		}
		cut.CutBytes += n
	}
	cut.After = l.tree.size
	cut.CutSHA256 = hex.EncodeToString(sum.Sum(nil))
	return cut, syncFolder(filepath.Join(l.dir, entriesDir))
}

// cutFile shortens a file to size, or removes it when nothing remains; what goes is written to sum.
func cutFile(path string, size int64, sum hash.Hash) (int64, error) {
	f, err := os.OpenFile(path, os.O_RDWR, fileMode)
	if err != nil {
		return 0, fmt.Errorf("open segment: %w", err)
	}
	n, err := io.Copy(sum, io.NewSectionReader(f, size, 1<<62))
	if err == nil && n > 0 {
		err = errors.Join(f.Truncate(size), f.Sync())
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return 0, fmt.Errorf("cut segment: %w", err)
	}
	if size == 0 {
		if err := os.Remove(path); err != nil {
			return 0, fmt.Errorf("remove segment: %w", err)
		}
	}
	return n, nil
}

// tailBytes is how much lies behind end. One batch at most can be unfinished after a crash: more was never ours to cut.
func tailBytes(dir string, end place) (int64, error) {
	names, foreign, err := segments(dir)
	if err != nil {
		return 0, err
	}
	if len(foreign) > 0 {
		return 0, fault.New(fault.Found, "there is a file among the ledger's entries that is not the ledger's", "find out who put it there, and remove it")
	}
	var n int64
	for _, name := range names {
		if name < end.segment {
			continue
		}
		info, err := os.Stat(filepath.Join(dir, entriesDir, name))
		if err != nil {
			return 0, fmt.Errorf("stat segment: %w", err)
		}
		n += info.Size()
	}
	return n - end.offset, nil
}

// hashCompare finds how far the hashes file says what the entries say. The file is derived and never synced, so after a power cut its
// end may be missing or empty.
type hashCompare struct {
	stored *bufio.Reader
	at     int64 // hashes that are as they must be
	bad    bool
	badAt  int64 // the entry with which the first other one became final
	short  bool  // it was not other, it was missing
}

func (h *hashCompare) add(t *tree, final []tlog.Hash) error {
	for _, want := range final {
		if h.bad {
			return nil
		}
		var have tlog.Hash
		_, err := io.ReadFull(h.stored, have[:])
		switch {
		case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
			h.bad, h.short, h.badAt = true, true, t.size-1
		case err != nil:
			return fmt.Errorf("read hashes: %w", err)
		case have != want:
			h.bad, h.badAt = true, t.size-1
		default:
			h.at++
		}
	}
	return nil
}

// repairHashes makes the hashes file what the entries say, of which the first good hashes are known to be right.
func (l *Ledger) repairHashes(good int64) error {
	want := tlog.StoredHashCount(l.tree.size)
	if err := l.hashes.Truncate(min(good, want) * tlog.HashSize); err != nil {
		return fmt.Errorf("cut hashes: %w", err)
	}
	if good >= want {
		return nil
	}
	out, skip := bufio.NewWriter(l.hashes), good
	w := &walker{
		dir: l.dir, origin: l.signer.Name(),
		onEntry: func(_ *tree, final []tlog.Hash) error {
			for _, h := range final {
				if skip > 0 {
					skip--
				} else if _, err := out.Write(h[:]); err != nil {
					return fmt.Errorf("rewrite hashes: %w", err)
				}
			}
			return nil
		},
		onCheckpoint: func(checkpoint) error { return nil },
	}
	if _, err := w.run(); err != nil {
		return err
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("rewrite hashes: %w", err)
	}
	return nil
}
