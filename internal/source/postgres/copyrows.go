package postgres

import (
	"bytes"
	"encoding/binary"
	"errors"

	"github.com/weirproject/weir/internal/treatment"
)

// errCopy is a COPY stream that is not in PostgreSQL's binary form.
var errCopy = errors.New("the copy is not in the binary form")

var copySignature = []byte("PGCOPY\n\xff\r\n\x00")

const (
	copyHeader  = 11 + 4 + 4 // signature, flags, length of the extension
	copyTrailer = -1
	maxCopyRow  = 1 << 31 // PostgreSQL's rows are below; more is a broken stream
)

// copyReader takes the bytes of COPY … TO STDOUT (FORMAT binary) as they come, cut anywhere, and appends their rows. It is an io.Writer, so that no
// goroutine stands between the connection and the rows.
type copyReader struct {
	decoder *rowDecoder
	rows    func() (appender, error)
	row     []field
	rest    []byte // the beginning of a row whose end has not come
	begun   bool
	ended   bool
	skip    uint64 // bytes of the header's extension that have not come
	failed  error  // what rows or a row's decoding returned, kept from the driver's wrapping
}

func newCopyReader(l *treatment.Layout, rows func() (appender, error)) (*copyReader, error) {
	d, err := newRowDecoder(l)
	if err != nil {
		return nil, err
	}
	return &copyReader{decoder: d, rows: rows, row: make([]field, len(l.Columns))}, nil
}

// Write parses p; it never returns less than len(p) without an error.
func (c *copyReader) Write(p []byte) (int, error) {
	if err := c.take(p); err != nil {
		c.failed = err
		return 0, err
	}
	return len(p), nil
}

func (c *copyReader) take(p []byte) error {
	data := p
	if len(c.rest) > 0 {
		if len(c.rest)+len(p) > maxCopyRow {
			return errCopy
		}
		c.rest = append(c.rest, p...)
		data = c.rest
	}
	used, err := c.parse(data)
	if err != nil {
		return err
	}
	// data may be c.rest itself: append copies forward, which is right for overlapping memory
	c.rest = append(c.rest[:0], data[used:]...)
	return nil
}

// parse appends every whole row of data and returns how much of it they are.
func (c *copyReader) parse(data []byte) (used int, err error) {
	if !c.begun {
		if len(data) < copyHeader {
			return 0, nil
		}
		if !bytes.Equal(data[:len(copySignature)], copySignature) || binary.BigEndian.Uint32(data[11:]) != 0 {
			return 0, errCopy
		}
		c.skip = uint64(binary.BigEndian.Uint32(data[15:]))
		c.begun, used = true, copyHeader
	}
	if c.skip > 0 {
		n := min(c.skip, uint64(len(data)-used)) //nolint:gosec // used never exceeds len(data)
		used += int(n)                           //nolint:gosec // at most len(data)
		if c.skip -= n; c.skip > 0 {
			return used, nil
		}
	}
	for used < len(data) {
		size, whole, err := c.scan(data[used:])
		if err != nil || !whole {
			return used, err
		}
		used += size
		if c.ended {
			continue
		}
		out, err := c.rows()
		if err != nil {
			return used, err
		}
		if err := c.decoder.append(out, treatment.Insert, c.row); err != nil {
			return used, err
		}
	}
	return used, nil
}

// scan finds the fields of the next row, or that it is not whole yet.
func (c *copyReader) scan(data []byte) (size int, whole bool, err error) {
	if c.ended {
		return 0, false, errCopy // bytes after the end
	}
	if len(data) < 2 {
		return 0, false, nil
	}
	count := int16(binary.BigEndian.Uint16(data)) //nolint:gosec // the bit pattern of a signed number
	if count == copyTrailer {
		c.ended = true
		return 2, true, nil
	}
	if int(count) != len(c.row) {
		return 0, false, errCopy
	}
	at := 2
	for i := range c.row {
		if len(data)-at < 4 {
			return 0, false, nil
		}
		n := int32(binary.BigEndian.Uint32(data[at:])) //nolint:gosec // the bit pattern of a signed number
		at += 4
		if n < 0 {
			if n != -1 {
				return 0, false, errCopy
			}
			c.row[i] = field{form: fieldNull}
			continue
		}
		if len(data)-at < int(n) {
			return 0, false, nil
		}
		c.row[i] = field{form: fieldBinary, data: data[at : at+int(n)]}
		at += int(n)
	}
	return at, true, nil
}

// close tells whether the stream ended where it should.
func (c *copyReader) close() error {
	if !c.ended || len(c.rest) > 0 {
		return errCopy
	}
	return nil
}
