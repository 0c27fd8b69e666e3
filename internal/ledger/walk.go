package ledger

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/mod/sumdb/tlog"
)

// MaxEntryBytes bounds what one entry may take as JSON.
const MaxEntryBytes = 1 << 20

// lineOverhead bounds what an entry's index and newline add to its line, and checkpointBytes a checkpoint's whole line.
const (
	lineOverhead    = 64
	checkpointBytes = 1024
)

// maxLine is the longest line of a segment.
const maxLine = MaxEntryBytes + lineOverhead

// place is where in the segments something stands; segment is "" before the first one.
type place struct {
	segment string
	offset  int64
}

// mark is a checkpoint found in the segments, with what a writer needs to go on behind it.
type mark struct {
	checkpoint
	tree tree
	end  place // just behind the checkpoint's line
}

// damage is the first thing that is not as a ledger must be.
type damage struct {
	at     place
	index  int64 // of the first entry that may be affected
	reason string
}

// walker reads all segments in order and recomputes the tree. It judges everything but signatures, which are onCheckpoint's.
type walker struct {
	dir    string
	origin string
	// onEntry gets the tree just after an entry came in, and the hashes that became final with it.
	onEntry func(t *tree, final []tlog.Hash) error
	// onCheckpoint may refuse a checkpoint with errNotCheckpoint; the walk then ends there as damaged.
	onCheckpoint func(c checkpoint) error

	tree   tree
	good   mark // the last checkpoint up to which everything is as it must be
	count  int64
	end    place // behind the last byte that was read
	buffer *bufio.Reader
}

// run walks to the end or to the first damage. An error means that the folder could not be read, which is no verdict about it.
func (w *walker) run() (*damage, error) {
	names, foreign, err := segments(w.dir)
	if err != nil {
		return nil, err
	}
	if len(foreign) > 0 {
		return &damage{reason: "there is a file among the entries that is not the ledger's", at: place{segment: foreign[0]}}, nil
	}
	w.good.root = w.tree.root()
	w.buffer = bufio.NewReaderSize(nil, maxLine)
	for _, name := range names {
		w.end = place{segment: name}
		if first, _ := segmentFirst(name); first != w.tree.size {
			return w.damaged("the file does not begin with the entry that it should begin with"), nil
		}
		if broken, err := w.segment(name); broken != nil || err != nil {
			return broken, err
		}
	}
	return nil, nil
}

// damaged is a damage at the current place.
func (w *walker) damaged(reason string) *damage {
	return &damage{at: w.end, index: w.good.size, reason: reason}
}

// segment walks one file.
func (w *walker) segment(name string) (*damage, error) {
	f, err := os.Open(filepath.Join(w.dir, entriesDir, name))
	if err != nil {
		return nil, fmt.Errorf("open segment: %w", err)
	}
	defer f.Close() //nolint:errcheck // opened for reading
	w.buffer.Reset(f)
	for {
		line, err := w.buffer.ReadSlice('\n')
		switch {
		case errors.Is(err, io.EOF) && len(line) == 0:
			return nil, nil
		case errors.Is(err, io.EOF):
			return w.damaged("the file ends in the middle of a record"), nil
		case errors.Is(err, bufio.ErrBufferFull):
			return w.damaged("a record is longer than any can be"), nil
		case err != nil:
			return nil, fmt.Errorf("read segment: %w", err)
		}
		if broken, err := w.line(line[:len(line)-1], int64(len(line))); broken != nil || err != nil {
			return broken, err
		}
	}
}

// line takes one record without its newline; length is its length with it.
func (w *walker) line(line []byte, length int64) (*damage, error) {
	if !isCheckpointLine(line) {
		if !bytes.HasPrefix(line, indexPrefix(w.tree.size)) {
			return w.damaged("a record is not the one that should stand there"), nil
		}
		final := w.tree.add(tlog.RecordHash(line))
		w.end.offset += length
		return nil, w.onEntry(&w.tree, final)
	}
	c, err := w.checkpoint(line)
	if errors.Is(err, errNotCheckpoint) {
		return w.damaged("a checkpoint is not one of this ledger, or not signed by its key"), nil
	}
	if err != nil {
		return nil, err
	}
	if c.size != w.tree.size || c.root != w.tree.root() {
		return w.damaged(fmt.Sprintf("the entries are not those that the checkpoint over %d entries was signed for", c.size)), nil
	}
	w.end.offset += length
	w.count++
	w.good = mark{checkpoint: c, tree: w.tree.clone(), end: w.end}
	return nil, nil
}

// checkpoint reads a checkpoint's line and asks onCheckpoint.
func (w *walker) checkpoint(line []byte) (checkpoint, error) {
	signed, err := noteOfLine(line)
	if err != nil {
		return checkpoint{}, err
	}
	c, err := parseCheckpoint(signed, w.origin)
	if err != nil {
		return checkpoint{}, err
	}
	if c.size <= w.good.size { // each covers something new
		return checkpoint{}, errNotCheckpoint
	}
	return c, w.onCheckpoint(c)
}

// indexPrefix is how the line of an entry begins.
func indexPrefix(index int64) []byte {
	return append(strconv.AppendInt([]byte(`{"index":`), index, 10), ',')
}
