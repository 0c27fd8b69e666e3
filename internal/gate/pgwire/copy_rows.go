package pgwire

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
)

// copyRows writes rows as CopyData messages.
type copyRows struct {
	encoder
	act     *copyAct
	columns []column
	cells   []cell
	forced  []bool
	scratch []byte
	front   []byte // binary's beginning, which PostgreSQL sends in one message with the first row; clients rely on it
}

// begin writes what stands in front of the rows.
func (w *copyRows) begin(dst []byte) []byte {
	w.forced = make([]bool, len(w.columns))
	for i, col := range w.columns {
		w.forced[i] = w.act.forceAll || slices.Contains(w.act.force, col.name)
	}
	if w.act.format == "binary" {
		w.front = append([]byte("PGCOPY\n\xff\r\n\x00"), 0, 0, 0, 0, 0, 0, 0, 0)
	}
	if !w.act.header {
		return dst
	}
	at := len(dst)
	dst = append(dst, 'd', 0, 0, 0, 0)
	for i, col := range w.columns {
		if i > 0 {
			dst = append(dst, w.act.delimiter)
		}
		from := len(dst)
		dst = append(dst, col.name...)
		dst = w.escaped(dst, from, false)
	}
	dst = append(dst, '\n')
	binary.BigEndian.PutUint32(dst[at+1:], uint32(len(dst)-at-1)) //nolint:gosec // names of columns
	return dst
}

func (w *copyRows) bind(b arrow.RecordBatch) {
	w.cells = w.cells[:0]
	if !fits(w.columns, b) {
		w.fail(errOtherShape)
		return
	}
	fields := b.Schema().Fields()
	for i, a := range b.Columns() {
		c := w.encoder.bind(a, fields[i].Metadata, w.act.format == "binary")
		// A delimiter, a quote or a text for NULL can be of the characters of a number.
		c.safe = c.safe && (w.act.format == "text" && w.act.delimiter == '\t' || w.act.format == "csv" && *w.act.null == "" && w.act.quote == '"' && !w.forced[i] &&
			strings.IndexByte(",;|\t", w.act.delimiter) >= 0)
		w.cells = append(w.cells, c)
	}
}

func (w *copyRows) row(dst []byte, i int) []byte {
	at := len(dst)
	dst = append(dst, 'd', 0, 0, 0, 0)
	if w.act.format == "binary" {
		dst, w.front = append(dst, w.front...), nil
		dst = append(dst, byte(len(w.cells)>>8), byte(len(w.cells))) //nolint:gosec // its two bytes
		dst = appendCells(dst, w.cells, i)
	} else {
		for k := range w.cells {
			if k > 0 {
				dst = append(dst, w.act.delimiter)
			}
			c := &w.cells[k]
			if c.null(i) {
				dst = append(dst, *w.act.null...)
				continue
			}
			from := len(dst)
			dst = c.put(dst, i)
			if !c.safe {
				dst = w.escaped(dst, from, w.forced[k])
			}
		}
		dst = append(dst, '\n')
	}
	binary.BigEndian.PutUint32(dst[at+1:], uint32(len(dst)-at-1)) //nolint:gosec // one row
	return dst
}

func (w *copyRows) failed() error { return w.err }

// escaped brings the value that begins at from into the form of text or csv.
func (w *copyRows) escaped(dst []byte, from int, forced bool) []byte {
	if w.act.format == "csv" {
		return w.csv(dst, from, forced)
	}
	v := dst[from:]
	at := 0
	for at < len(v) && v[at] >= 0x20 && v[at] != '\\' && v[at] != w.act.delimiter {
		at++
	}
	if at == len(v) {
		return dst
	}
	w.scratch = append(w.scratch[:0], v[at:]...)
	dst = dst[:from+at]
	for _, c := range w.scratch {
		switch c {
		case '\b':
			dst = append(dst, '\\', 'b')
		case '\f':
			dst = append(dst, '\\', 'f')
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		case '\v':
			dst = append(dst, '\\', 'v')
		case '\\', w.act.delimiter:
			dst = append(dst, '\\', c)
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

func (w *copyRows) csv(dst []byte, from int, forced bool) []byte {
	a := w.act
	v := dst[from:]
	// A line that is \. alone would end the data for whoever reads it back.
	if !forced && string(v) != *a.null && (len(w.columns) != 1 || string(v) != `\.`) &&
		!bytes.ContainsFunc(v, func(c rune) bool { return c == rune(a.delimiter) || c == rune(a.quote) || c == '\n' || c == '\r' }) {
		return dst
	}
	w.scratch = append(w.scratch[:0], v...)
	dst = append(dst[:from], a.quote)
	for _, c := range w.scratch {
		if c == a.quote || c == a.escape {
			dst = append(dst, a.escape)
		}
		dst = append(dst, c)
	}
	return append(dst, a.quote)
}
