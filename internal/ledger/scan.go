package ledger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"
)

// Blocks begin small, so that whoever wants a few entries soon waits for little, and double up to what fits the processor's caches.
const (
	firstBlock = 64 << 10
	lastBlock  = 1 << 20
	// ownBlocks are searched before other goroutines begin: whoever wants the newest fifty often finds them in their two megabytes.
	ownBlocks = 5
)

// scanners bounds the goroutines that search at the same time: the copy and its questions need the machine too.
const scanners = 4

// block is a part of a segment: the lines that begin in start..end-1. The file's lines that count stand in low..high-1.
type block struct {
	path       string
	start, end int64
	low, high  int64
}

// blocks gives the blocks of a ledger in order, or in reverse.
type blocks struct {
	spans         []span // that are still to come
	first, before int64
	back          bool
	size          int64 // of the next block
	rest          block // of the current segment, still to be cut up
}

func newBlocks(dir string, first, before, size int64, back bool) (*blocks, error) {
	all, err := spans(dir, first, before, size)
	return &blocks{spans: all, first: first, before: before, back: back, size: firstBlock}, err
}

// next is the next block; ok tells whether there was one.
func (b *blocks) next() (next block, ok bool, err error) {
	for b.rest.start >= b.rest.end {
		if len(b.spans) == 0 {
			return block{}, false, nil
		}
		var s span
		if b.back {
			s, b.spans = b.spans[len(b.spans)-1], b.spans[:len(b.spans)-1]
		} else {
			s, b.spans = b.spans[0], b.spans[1:]
		}
		low, high, err := s.bytesOf(b.first, b.before)
		if err != nil {
			return block{}, false, err
		}
		b.rest = block{path: s.path, start: low, end: high, low: low, high: high}
	}
	next = b.rest
	if b.back {
		next.start = max(b.rest.start, b.rest.end-b.size)
		b.rest.end = next.start
	} else {
		next.end = min(b.rest.end, b.rest.start+b.size)
		b.rest.start = next.end
	}
	b.size = min(2*b.size, lastBlock)
	return next, true, nil
}

// read gives the block's lines, whole and each with its newline, in buffer, which grows as it must.
func (b block) read(buffer []byte) ([]byte, error) {
	f, err := os.Open(b.path)
	if err != nil {
		return buffer, fmt.Errorf("open segment: %w", err)
	}
	defer f.Close() //nolint:errcheck // opened for reading
	from := b.start
	if from > b.low {
		from-- // the line that begins before the block ends with the first newline from here on
	}
	fill := func(n int64) error {
		if n <= 0 { // the lines that count end with a newline, or somebody has changed the file since it was looked at
			return io.ErrUnexpectedEOF
		}
		had := len(buffer)
		if need := had + int(n); need > cap(buffer) {
			buffer = append(make([]byte, 0, max(need, 2*cap(buffer))), buffer...)
		}
		buffer = buffer[:had+int(n)]
		_, err := f.ReadAt(buffer[had:], from+int64(had))
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return err
	}
	buffer = buffer[:0]
	err = fill(b.end - from)
	for err == nil && buffer[len(buffer)-1] != '\n' {
		had := len(buffer)
		if err = fill(min(probeBytes, b.high-from-int64(had))); err == nil {
			if i := bytes.IndexByte(buffer[had:], '\n'); i >= 0 {
				buffer = buffer[:had+i+1]
			}
		}
	}
	if err != nil {
		return buffer, fmt.Errorf("read segment: %w", err)
	}
	if from < b.start {
		return buffer[bytes.IndexByte(buffer, '\n')+1:], nil
	}
	return buffer, nil
}

// job is a block that is being searched.
type job[T any] struct {
	block block
	found T     // once done is closed
	err   error // what ended the search of the block; found is what came before
	done  chan struct{}
}

// searcher searches blocks one after the other.
type searcher[T any] struct {
	gather func(lines []byte) (T, error)
	buffer []byte
}

func (s *searcher[T]) search(ctx context.Context, b block) (found T, err error) {
	if err := ctx.Err(); err != nil {
		return found, fmt.Errorf("read ledger: %w", err)
	}
	lines, err := b.read(s.buffer)
	if err != nil {
		return found, err
	}
	s.buffer = lines
	return s.gather(lines)
}

// inOrder searches the blocks, several at the same time, and gives what gather made of the lines of each in the order of the blocks, until each returns false. gather is called by several goroutines
// at the same time and keeps nothing of the lines.
func inOrder[T any](ctx context.Context, all *blocks, gather func(lines []byte) (T, error), each func(T, error) bool) {
	own := searcher[T]{gather: gather}
	for range ownBlocks {
		b, ok, err := all.next()
		if err != nil {
			var none T
			each(none, err)
			return
		}
		if !ok || !each(own.search(ctx, b)) {
			return
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	workers := min(runtime.GOMAXPROCS(0), scanners)
	jobs := make(chan *job[T], 2*workers)
	var running sync.WaitGroup
	defer running.Wait()
	defer close(jobs)
	defer cancel()
	for range workers {
		running.Go(func() {
			one := searcher[T]{gather: gather}
			for j := range jobs {
				j.found, j.err = one.search(ctx, j.block)
				close(j.done)
			}
		})
	}
	var queue []*job[T] // in order, and never more than jobs takes
	for more := true; ; {
		for more && len(queue) < cap(jobs) {
			b, ok, err := all.next()
			if more = ok && err == nil; !more && err == nil {
				break
			}
			j := &job[T]{block: b, done: make(chan struct{})}
			queue = append(queue, j)
			if err != nil {
				j.err = err
				close(j.done)
				break
			}
			jobs <- j
		}
		if len(queue) == 0 {
			return
		}
		j := queue[0]
		queue = queue[1:]
		<-j.done
		if !each(j.found, j.err) {
			return
		}
	}
}
