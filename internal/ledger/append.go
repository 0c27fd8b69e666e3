package ledger

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/weirproject/weir/internal/fault"
)

// Index counts entries from 0.
type Index int64

// Entry is one record. Its writers own what Type and Body mean.
type Entry struct {
	// Index is set by Read; Append ignores it.
	Index Index
	// Time is when it happened; the zero time means now. It is stored in UTC.
	Time time.Time
	// Type names the kind of entry: lower case letters, digits and underscores, beginning with a letter, up to 64.
	Type string
	// Principal is who did it.
	Principal string
	// Body is marshalled to a JSON object; nil means an empty one. Read sets it to a json.RawMessage.
	Body any
}

// wireEntry is how an entry stands in a segment, behind its index.
type wireEntry struct {
	Index     *Index          `json:"index,omitempty"`
	Time      time.Time       `json:"time"`
	Type      string          `json:"type"`
	Principal string          `json:"principal"`
	Body      json.RawMessage `json:"body"`
}

var entryType = regexp.MustCompile(`^[a-z][a-z0-9_]{0,63}$`)

// batchBytes bounds the entries that one group commit writes, so that nobody waits for a batch that never ends, and so that Open
// knows how much a crash can have left unfinished.
const batchBytes = 4 << 20

// request is an Append that waits for its commit.
type request struct {
	rest []byte // the line behind its index
	done chan appended
}

type appended struct {
	index Index
	err   error
}

// Append records the entry. It returns when the entry is durable and a signed checkpoint covers it; concurrent calls share that work.
// When ctx ends first, Append returns its error and the entry may or may not be recorded: treat it as not. A fault of kind Invalid
// refuses this entry alone; of kind Unavailable it means that the ledger can no longer be written and must be opened anew.
func (l *Ledger) Append(ctx context.Context, e Entry) (Index, error) {
	if err := ctx.Err(); err != nil {
		return 0, fmt.Errorf("append entry: %w", err)
	}
	rest, err := encodeEntry(e)
	if err != nil {
		return 0, err
	}
	r := &request{rest: rest, done: make(chan appended, 1)}
	l.mu.Lock()
	if err := l.refusal(); err != nil {
		l.mu.Unlock()
		return 0, err
	}
	l.pending = append(l.pending, r)
	l.mu.Unlock()
	l.wake.Signal()
	select {
	case a := <-r.done:
		return a.index, a.err
	case <-ctx.Done():
		return 0, fmt.Errorf("append entry: %w", ctx.Err())
	}
}

// encodeEntry makes the entry's line from behind its index.
func encodeEntry(e Entry) ([]byte, error) {
	if !entryType.MatchString(e.Type) {
		return nil, fault.Newf(fault.Invalid, "an entry of the ledger has no proper type")
	}
	body := []byte("{}")
	if e.Body != nil {
		var err error
		if body, err = encode(e.Body); err != nil || len(body) == 0 || body[0] != '{' {
			return nil, fault.New(fault.Invalid, "the body of a ledger entry is not a JSON object", "").WithCause(err)
		}
	}
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	line, err := encode(wireEntry{Time: e.Time.UTC(), Type: e.Type, Principal: e.Principal, Body: body})
	if err != nil {
		return nil, fault.New(fault.Invalid, "an entry of the ledger cannot be written as JSON", "").WithCause(err)
	}
	if len(line) > MaxEntryBytes {
		return nil, fault.Newf(fault.Invalid, "an entry of %d bytes is too large for the ledger, which takes %d", len(line), MaxEntryBytes)
	}
	return line[1:], nil
}

// encode is json.Marshal that leaves <, > and & as they are.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("encode JSON: %w", err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// run is the one goroutine that writes: it commits whatever waits, batch after batch, until Close.
func (l *Ledger) run() {
	defer close(l.stopped)
	for {
		l.mu.Lock()
		for len(l.pending) == 0 && !l.closing {
			l.wake.Wait()
		}
		batch := l.takeBatch()
		l.mu.Unlock()
		if len(batch) == 0 {
			return
		}
		first, err := l.commit(batch)
		if err != nil {
			l.fail(err, batch)
			continue
		}
		for i, r := range batch {
			r.done <- appended{index: first + Index(i)}
		}
	}
}

// takeBatch takes from pending what one commit may write. The caller holds mu.
func (l *Ledger) takeBatch() []*request {
	n, size := 0, 0
	for n < len(l.pending) && size+len(l.pending[n].rest)+lineOverhead <= batchBytes {
		size += len(l.pending[n].rest) + lineOverhead
		n++
	}
	batch := l.pending[:n:n]
	l.pending = l.pending[n:]
	return batch
}

// fail makes the ledger refuse everything from now on: what is on the disk after a failed write is known only to the next Open.
func (l *Ledger) fail(err error, batch []*request) {
	l.mu.Lock()
	l.failed = fault.New(fault.Unavailable, "the ledger cannot be written",
		"make room on its disk or repair its folder, then start weir again: nothing is answered without a record").WithCause(err)
	refused := append(batch, l.pending...)
	l.pending = nil
	answer := l.failed
	l.mu.Unlock()
	l.log.Error("ledger cannot be written", "error", err)
	for _, r := range refused {
		r.done <- appended{err: answer}
	}
}

// commit writes the batch with its checkpoint and makes it durable with one sync. Only run calls it.
func (l *Ledger) commit(batch []*request) (Index, error) {
	next := l.tree.clone()
	first := Index(next.size)
	var lines, hashes []byte
	for _, r := range batch {
		start := len(lines)
		lines = append(append(lines, indexPrefix(next.size)...), r.rest...)
		for _, h := range next.add(tlog.RecordHash(lines[start:])) {
			hashes = append(hashes, h[:]...)
		}
		lines = append(lines, '\n')
	}
	c, err := signCheckpoint(l.signer, &next)
	if err != nil {
		return 0, err
	}
	line, err := checkpointLine(c.note)
	if err != nil {
		return 0, err
	}
	lines = append(lines, line...)
	if err := l.rotate(); err != nil {
		return 0, err
	}
	if err := l.disk.write(stepEntries, l.segment, lines); err != nil {
		return 0, err
	}
	if err := l.disk.sync(stepEntriesSync, l.segment); err != nil {
		return 0, err
	}
	l.segmentSize += int64(len(lines))
	if err := l.publish(c, hashes, line); err != nil {
		return 0, err
	}
	l.mu.Lock()
	l.tree, l.published = next, c
	l.mu.Unlock()
	return first, nil
}

// publish writes what follows from durable entries: their hashes, the checkpoint file, the mirror. Open repairs the first two.
func (l *Ledger) publish(c checkpoint, hashes, line []byte) error {
	if err := l.disk.write(stepHashes, l.hashes, hashes); err != nil {
		return err
	}
	if err := l.disk.replace(stepPublish, filepath.Join(l.dir, checkpointFile), c.note); err != nil {
		return err
	}
	if l.mirror == nil {
		return nil
	}
	return l.disk.write(stepMirror, l.mirror, line)
}

// rotate begins a new segment where there is none or the last one is full, and otherwise makes sure that the open one is still the
// folder's: writes to a file that somebody has removed would succeed and vanish.
func (l *Ledger) rotate() error {
	if l.segment != nil {
		mine, err := l.segment.Stat()
		if err != nil {
			return fmt.Errorf("stat segment: %w", err)
		}
		theirs, err := os.Stat(l.segment.Name())
		if err != nil {
			return fmt.Errorf("stat segment: %w", err)
		}
		if !os.SameFile(mine, theirs) {
			return fmt.Errorf("stat segment: %w", fs.ErrNotExist)
		}
		if l.segmentSize < l.segmentBytes {
			return nil
		}
		old := l.segment
		l.segment = nil
		if err := old.Close(); err != nil {
			return fmt.Errorf("close segment: %w", err)
		}
	}
	f, err := l.disk.create(stepSegment, filepath.Join(l.dir, entriesDir, segmentName(l.tree.size)))
	if err != nil {
		return err
	}
	l.segment, l.segmentSize = f, 0
	return nil
}
