package ledger

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
)

// span is a segment, as far as it counts: the entries first..next-1.
type span struct {
	path        string
	first, next int64
}

// spans lists the segments that hold the entries first..before-1 of a ledger of that size, in order.
func spans(dir string, first, before, size int64) ([]span, error) {
	names, _, err := segments(dir)
	if err != nil {
		return nil, err
	}
	var all []span
	for i, name := range names {
		s := span{path: filepath.Join(dir, entriesDir, name), next: size}
		s.first, _ = segmentFirst(name)
		if i == 0 && s.first > first {
			return nil, missingEntry(first)
		}
		if i+1 < len(names) {
			following, _ := segmentFirst(names[i+1])
			s.next = min(following, size)
		}
		if s.first < before && s.next > first {
			all = append(all, s)
		}
	}
	if len(all) == 0 {
		return nil, missingEntry(first)
	}
	return all, nil
}

// bytesOf is where in the file the lines of the entries first..before-1 stand, as far as they are the segment's. It finds out when the segment does not hold all that it must.
func (s span) bytesOf(first, before int64) (start, end int64, err error) {
	f, err := os.Open(s.path)
	if err != nil {
		return 0, 0, fmt.Errorf("open segment: %w", err)
	}
	defer f.Close() //nolint:errcheck // opened for reading
	info, err := f.Stat()
	if err != nil {
		return 0, 0, fmt.Errorf("stat segment: %w", err)
	}
	l := locator{file: f, length: info.Size(), buffer: bufio.NewReaderSize(nil, probeBytes)}
	last, err := l.find(s.first, s.next-1) // also when less is wanted: what follows is missing otherwise, and nobody would say so
	if err != nil {
		return 0, 0, err
	}
	if before < s.next {
		if last, err = l.find(s.first, before-1); err != nil {
			return 0, 0, err
		}
	}
	if first <= s.first {
		return 0, last.end, nil
	}
	begin, err := l.find(s.first, first)
	return begin.start, last.end, err
}

// probeBytes is what is read at once where a line is looked for, and linearBytes where halving ends.
const (
	probeBytes  = 4 << 10
	linearBytes = 32 << 10
)

// locator finds lines in a segment by halving: indexes grow from line to line.
type locator struct {
	file   io.ReaderAt
	length int64
	buffer *bufio.Reader
}

// entryLine is where an entry's line stands; end is behind its newline.
type entryLine struct{ index, start, end int64 }

// find is the line of the entry with that index, in a segment that begins with the entry first.
func (l *locator) find(first, index int64) (entryLine, error) {
	low, high := int64(0), l.length
	for high-low > linearBytes {
		middle := low + (high-low)/2
		line, err := l.behind(middle)
		if err != nil {
			return entryLine{}, err
		}
		if line != nil && line.index <= index {
			low = line.start
		} else {
			high = middle
		}
	}
	next := first
	l.seek(low)
	for at := low; ; {
		line, length, err := l.line(at)
		if err != nil {
			return entryLine{}, err
		}
		if length == 0 {
			return entryLine{}, missingEntry(next)
		}
		at += length
		switch {
		case line == nil:
		case line.index == index:
			return *line, nil
		case line.index > index:
			return entryLine{}, missingEntry(index)
		default:
			next = line.index + 1
		}
	}
}

// behind is the first entry's line that begins at or behind at, which is not 0; nil means that there is none.
func (l *locator) behind(at int64) (*entryLine, error) {
	at-- // the newline before a line that begins at at
	l.seek(at)
	_, length, err := l.line(at)
	for length > 0 && err == nil {
		at += length
		var line *entryLine
		if line, length, err = l.line(at); line != nil {
			return line, err
		}
	}
	return nil, err
}

func (l *locator) seek(at int64) {
	l.buffer.Reset(io.NewSectionReader(l.file, at, l.length-at))
}

// line takes the line that begins at at. Its length is 0 where no whole line is left; it is nil where it is no entry's.
func (l *locator) line(at int64) (*entryLine, int64, error) {
	var head []byte
	for length := int64(0); ; {
		part, err := l.buffer.ReadSlice('\n')
		if length == 0 {
			head = bytes.Clone(part[:min(len(part), lineOverhead)])
		}
		length += int64(len(part))
		switch {
		case err == nil:
			if index, _, ok := cutIndex(head); ok {
				return &entryLine{index: index, start: at, end: at + length}, length, nil
			}
			return nil, length, nil
		case errors.Is(err, io.EOF):
			return nil, 0, nil // half a line is one that is being written
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, 0, fmt.Errorf("read segment: %w", err)
		}
	}
}

var indexBegin = []byte(`{"index":`)

// cutIndex takes the index from the beginning of an entry's line; rest is what follows its comma.
func cutIndex(line []byte) (index int64, rest []byte, ok bool) {
	rest, ok = bytes.CutPrefix(line, indexBegin)
	comma := bytes.IndexByte(rest[:min(len(rest), 20)], ',')
	if !ok || comma < 0 {
		return 0, nil, false
	}
	index, err := strconv.ParseInt(string(rest[:comma]), 10, 64)
	return index, rest[comma+1:], err == nil && index >= 0
}

// lineOf is the line of one entry of a ledger of that size, without its newline.
func lineOf(ctx context.Context, dir string, index, size int64) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("read ledger: %w", err)
	}
	all, err := spans(dir, index, index+1, size)
	if err != nil {
		return nil, err
	}
	start, end, err := all[0].bytesOf(index, index+1)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(all[0].path)
	if err != nil {
		return nil, fmt.Errorf("open segment: %w", err)
	}
	defer f.Close() //nolint:errcheck // opened for reading
	line := make([]byte, end-start)
	if _, err := f.ReadAt(line, start); err != nil {
		return nil, fmt.Errorf("read segment: %w", err)
	}
	return line[:len(line)-1], nil
}
