package ledger

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/weirproject/weir/internal/fault"
)

// Read gives the entries from an index on, in order, up to those that were durable when it began. It stops at the first error. It does
// not judge what it reads: Verify does.
func (l *Ledger) Read(ctx context.Context, from Index) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		l.mu.Lock()
		size, err := l.tree.size, l.refusal()
		l.mu.Unlock()
		if err != nil {
			yield(Entry{}, err)
			return
		}
		readEntries(ctx, l.dir, int64(from), size, nil, yield)
	}
}

// ReadDir gives the entries of the ledger in a folder like Read, beside whoever is writing it and without the right to write: up to the checkpoint that was
// published when it began. It does not judge what it reads: Verify does. Entries whose line does not hold every one of words are left out, which is fast, because nothing of
// them is decoded; a word may stand anywhere in the line, so what is yielded may still be about something else.
func ReadDir(ctx context.Context, dir string, from Index, words ...string) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		key, err := os.ReadFile(filepath.Join(dir, publicKeyFile))
		var signed []byte
		if err == nil {
			signed, err = os.ReadFile(filepath.Join(dir, checkpointFile))
		}
		if err != nil {
			yield(Entry{}, fault.Newf(fault.NotFound, "there is no ledger in %s", dir).WithHint("name the folder ledger of a state folder").WithCause(err))
			return
		}
		verifier, err := PublicKey(strings.TrimSpace(string(key))).verifier()
		if err != nil {
			yield(Entry{}, err)
			return
		}
		published, err := openCheckpoint(signed, verifier)
		if err != nil {
			yield(Entry{}, fault.New(fault.Found, "the ledger's checkpoint is not signed by its key", "weir ledger verify tells what differs").WithCause(err))
			return
		}
		readEntries(ctx, dir, int64(from), published.size, words, yield)
	}
}

// errStop ends a scan early.
var errStop = errors.New("stop reading")

// readEntries yields the entries from..size-1 whose lines hold all words.
func readEntries(ctx context.Context, dir string, from, size int64, words []string, yield func(Entry, error) bool) {
	sought := make([][]byte, len(words))
	for i, w := range words {
		sought[i] = []byte(w)
	}
	err := scanLines(ctx, dir, from, size, func(line []byte) error {
		for _, w := range sought {
			if !bytes.Contains(line, w) {
				return nil
			}
		}
		var e wireEntry
		if err := json.Unmarshal(line, &e); err != nil || e.Index == nil {
			return fault.Newf(fault.Found, "an entry of the ledger cannot be read").WithHint("weir ledger verify tells what differs")
		}
		if !yield(Entry{Index: *e.Index, Time: e.Time, Type: e.Type, Principal: e.Principal, Body: e.Body}, nil) {
			return errStop
		}
		return nil
	})
	if err != nil && !errors.Is(err, errStop) {
		yield(Entry{}, err)
	}
}

// scanLines gives the lines of the entries from..size-1, each valid until the next.
func scanLines(ctx context.Context, dir string, from, size int64, each func(line []byte) error) error {
	if from < 0 || from >= size {
		return nil
	}
	names, _, err := segments(dir)
	if err != nil {
		return err
	}
	// The last segment that begins at or before from.
	start := sort.Search(len(names), func(i int) bool {
		first, _ := segmentFirst(names[i])
		return first > from
	}) - 1
	if start < 0 {
		return missingEntry(from)
	}
	next, _ := segmentFirst(names[start])
	buffer := bufio.NewReaderSize(nil, maxLine)
	for _, name := range names[start:] {
		if next, err = scanSegment(ctx, filepath.Join(dir, entriesDir, name), buffer, next, func(index int64, line []byte) error {
			if index < from {
				return nil
			}
			if index >= size {
				return io.EOF
			}
			return each(line)
		}); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
	}
	if next < size {
		return missingEntry(next)
	}
	return nil
}

func missingEntry(index int64) error {
	return fault.Newf(fault.Found, "entry %d of the ledger is missing", index).WithHint("weir ledger verify tells what differs")
}

// scanSegment gives every entry's line of one file; next is the index of the first, and that behind the last is returned.
func scanSegment(ctx context.Context, path string, buffer *bufio.Reader, next int64, each func(index int64, line []byte) error) (int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return next, fmt.Errorf("open segment: %w", err)
	}
	defer f.Close() //nolint:errcheck // opened for reading
	buffer.Reset(f)
	for {
		if err := ctx.Err(); err != nil {
			return next, fmt.Errorf("read ledger: %w", err)
		}
		line, err := buffer.ReadSlice('\n')
		if errors.Is(err, io.EOF) {
			return next, nil // half a line is one that is being written
		}
		if err != nil {
			return next, fmt.Errorf("read segment: %w", err)
		}
		if isCheckpointLine(line) {
			continue
		}
		if err := each(next, line[:len(line)-1]); err != nil {
			return next, err
		}
		next++
	}
}
