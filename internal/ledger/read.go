package ledger

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/weirproject/weir/internal/fault"
)

// Filter says which entries are read, and in which order. The zero Filter is all of them, oldest first.
type Filter struct {
	// First is the first entry that counts; entries before it are left out.
	First Index
	// Before is the first entry that does not count any more; 0 means all that are durable when reading begins.
	Before Index
	// NewestFirst turns the order round.
	NewestFirst bool
	// From (inclusive) and To (exclusive) bound the entries' times; zero means no bound. Times are those of whoever wrote the entries: a clock that stepped back is in the
	// record as it was, so every entry is looked at.
	From, To time.Time
	// Types are those that count, and Principal is who did it; empty means any.
	Types     []string
	Principal string
	// Words must all stand in an entry's line, wherever: what is read may still be about something else. Lines that do not hold them are left out undecoded, which is fast. Word
	// makes the word that a string of a body is.
	Words []string
	// Keep leaves out every entry that has passed so far and for which it returns false; nil keeps all. It is called by several goroutines at the same time, ahead of whoever takes
	// the entries, and in no order; the body is what stands in its place, lent for the call.
	Keep func(Entry) bool
}

// Word is how a string stands in an entry's line: as JSON, with its quotes.
func Word(s string) string {
	quoted, err := encode(s)
	if err != nil { // no string is impossible in JSON
		return s
	}
	return string(quoted)
}

// Find gives the entries that pass the filter, of those that were durable when it began. It stops at the first error. It does not judge what it reads: Verify does. While somebody
// takes the entries it may read ahead, in goroutines that end with the iteration.
func (l *Ledger) Find(ctx context.Context, f Filter) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		l.mu.Lock()
		size, err := l.tree.size, l.refusal()
		l.mu.Unlock()
		if err != nil {
			yield(Entry{}, err)
			return
		}
		find(ctx, l.dir, size, f, yield)
	}
}

// FindDir gives the entries of the ledger in a folder that pass the filter, like Find, beside whoever is writing it and without the right to write: up to the checkpoint that was
// published when it began.
func FindDir(ctx context.Context, dir string, f Filter) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		size, err := publishedSize(dir)
		if err != nil {
			yield(Entry{}, err)
			return
		}
		find(ctx, dir, size, f, yield)
	}
}

// publishedSize is how many entries the checkpoint in the folder covers.
func publishedSize(dir string) (int64, error) {
	key, err := os.ReadFile(filepath.Join(dir, publicKeyFile))
	var signed []byte
	if err == nil {
		signed, err = os.ReadFile(filepath.Join(dir, checkpointFile))
	}
	if err != nil {
		return 0, fault.Newf(fault.NotFound, "there is no ledger in %s", dir).WithHint("name the folder ledger of a state folder").WithCause(err)
	}
	verifier, err := PublicKey(strings.TrimSpace(string(key))).verifier()
	if err != nil {
		return 0, err
	}
	published, err := openCheckpoint(signed, verifier)
	if err != nil {
		return 0, fault.New(fault.Found, "the ledger's checkpoint is not signed by its key", "weir ledger verify tells what differs").WithCause(err)
	}
	return published.size, nil
}

// find yields the entries among the first size that pass the filter.
func find(ctx context.Context, dir string, size int64, f Filter, yield func(Entry, error) bool) {
	blocks, err := f.blocks(dir, size)
	if err != nil {
		yield(Entry{}, err)
		return
	}
	s := newSieve(f)
	gather := func(lines []byte) (found []Entry, err error) {
		err = s.entries(lines, func(e Entry) {
			if body, ok := e.Body.(json.RawMessage); ok {
				e.Body = json.RawMessage(bytes.Clone(body))
			}
			found = append(found, e)
		})
		return found, err
	}
	inOrder(ctx, blocks, gather, func(found []Entry, err error) bool {
		for _, e := range found {
			if err := ctx.Err(); err != nil {
				yield(Entry{}, fmt.Errorf("read ledger: %w", err))
				return false
			}
			if !yield(e, nil) {
				return false
			}
		}
		if err != nil {
			yield(Entry{}, err)
		}
		return err == nil
	})
}

// WriteDir writes what line makes of each entry that FindDir would give, in the same order, and says how many entries that were. line appends to out and returns it; like Keep it is called by several
// goroutines at the same time, and the body is lent for the call. Reading, making and writing overlap, so that a long list takes little longer than finding it.
func WriteDir(ctx context.Context, dir string, f Filter, w io.Writer, line func(out []byte, e Entry) []byte) (written int64, err error) {
	size, err := publishedSize(dir)
	if err != nil {
		return 0, err
	}
	blocks, err := f.blocks(dir, size)
	if err != nil {
		return 0, err
	}
	type page struct {
		text    []byte
		entries int64
	}
	s := newSieve(f)
	gather := func(lines []byte) (p page, err error) {
		err = s.entries(lines, func(e Entry) {
			p.text = line(p.text, e)
			p.entries++
		})
		return p, err
	}
	inOrder(ctx, blocks, gather, func(p page, broken error) bool {
		if err = ctx.Err(); err != nil {
			err = fmt.Errorf("read ledger: %w", err)
			return false
		}
		if _, err = w.Write(p.text); err != nil {
			err = fmt.Errorf("write entries: %w", err)
			return false
		}
		written += p.entries
		err = broken
		return err == nil
	})
	return written, err
}

// blocks are those in which the entries that the filter bounds stand, of a ledger of that size.
func (f Filter) blocks(dir string, size int64) (*blocks, error) {
	first, before := int64(f.First), size
	if f.Before > 0 {
		before = min(size, int64(f.Before))
	}
	if first < 0 || first >= before {
		return &blocks{}, nil
	}
	return newBlocks(dir, first, before, size, f.NewestFirst)
}

// missingEntry is the finding that an entry is not where it must be.
func missingEntry(index int64) error {
	return fault.Newf(fault.Found, "entry %d of the ledger is missing", index).WithHint("weir ledger verify tells what differs")
}
