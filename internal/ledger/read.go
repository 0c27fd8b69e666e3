package ledger

import (
	"context"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
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
	first, before := int64(f.First), size
	if f.Before > 0 {
		before = min(size, int64(f.Before))
	}
	if first < 0 || first >= before {
		return
	}
	blocks, err := newBlocks(dir, first, before, size, f.NewestFirst)
	if err != nil {
		yield(Entry{}, err)
		return
	}
	inOrder(ctx, blocks, newSieve(f), func(found []item) bool {
		if f.NewestFirst {
			slices.Reverse(found)
		}
		for _, i := range found {
			if err := ctx.Err(); err != nil {
				i = item{err: fmt.Errorf("read ledger: %w", err)}
			}
			if i.err != nil {
				yield(Entry{}, i.err)
				return false
			}
			if !yield(i.entry, nil) {
				return false
			}
		}
		return true
	})
}

// missingEntry is the finding that an entry is not where it must be.
func missingEntry(index int64) error {
	return fault.Newf(fault.Found, "entry %d of the ledger is missing", index).WithHint("weir ledger verify tells what differs")
}
