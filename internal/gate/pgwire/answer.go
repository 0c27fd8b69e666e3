package pgwire

import (
	"context"
	"encoding/binary"
	"iter"

	"github.com/apache/arrow-go/v18/arrow"
)

// answer is a statement that runs: its rows are taken as the client asks for them, and it is never run again for the rest.
type answer struct {
	ctx    context.Context //nolint:containedctx // an answer lives over several messages
	cancel context.CancelCauseFunc
	rows   Rows
	next   func() (arrow.RecordBatch, error, bool)
	stop   func()
	batch  arrow.RecordBatch
	at     int
	over   bool // everything was sent, and its end recorded
}

// rowWriter is a form of rows.
type rowWriter interface {
	bind(b arrow.RecordBatch)
	row(dst []byte, i int) []byte
	failed() error
}

// start runs a statement. The answer must be closed.
func (c *connection) start(s Statement, parameters []any) (*answer, error) {
	a := &answer{}
	a.ctx, a.cancel = context.WithCancelCause(c.ctx)
	defer c.during(a.cancel)()
	rows, err := s.Run(a.ctx, parameters)
	if err != nil {
		err = why(a.ctx, err)
		a.cancel(nil)
		return nil, err
	}
	a.rows = rows
	a.next, a.stop = iter.Pull2(rows.Batches())
	return a, nil
}

// send writes up to most rows (all when 0). more says that it stopped because they were written; there may be none left.
func (a *answer) send(c *connection, w rowWriter, most int) (n int, more bool, err error) {
	if a.over {
		return 0, false, nil
	}
	defer c.during(a.cancel)()
	if a.batch != nil {
		w.bind(a.batch)
	}
	for {
		for a.batch == nil || a.at >= int(a.batch.NumRows()) {
			if more, err := a.advance(); err != nil || !more {
				return n, false, err
			}
			w.bind(a.batch)
		}
		if err := w.failed(); err != nil {
			return n, false, err
		}
		end := int(a.batch.NumRows())
		if most > 0 {
			end = min(end, a.at+most-n)
		}
		for ; a.at < end; a.at++ {
			c.out.buf = w.row(c.out.buf, a.at)
			n++
			if len(c.out.buf) >= flushAt {
				if err := a.pause(c, w); err != nil {
					return n, false, err
				}
			}
		}
		if err := w.failed(); err != nil {
			return n, false, err
		}
		if most > 0 && n >= most {
			return n, true, nil
		}
	}
}

// pause writes what was collected, and looks whether somebody still wants the rest.
func (a *answer) pause(c *connection, w rowWriter) error {
	if err := w.failed(); err != nil {
		return err
	}
	if err := a.ctx.Err(); err != nil {
		return why(a.ctx, err)
	}
	return c.out.flush()
}

// advance gets the next batch. Without one the answer ends: only now is it complete, and only when its end was recorded.
func (a *answer) advance() (bool, error) {
	batch, err, ok := a.next()
	if err != nil {
		return false, why(a.ctx, err)
	}
	if ok {
		// An interrupted answer must not look complete because its rows happened to be there already.
		if err := a.ctx.Err(); err != nil {
			return false, why(a.ctx, err)
		}
		a.batch, a.at = batch, 0
		return true, nil
	}
	a.batch = nil
	a.stop()
	rows := a.rows
	a.rows = nil
	if err := rows.Close(); err != nil {
		return false, why(a.ctx, err)
	}
	a.over = true
	a.cancel(nil)
	return false, nil
}

// close ends an answer wherever it is.
func (a *answer) close() {
	if a == nil {
		return
	}
	a.cancel(errGone)
	a.stop()
	if a.rows != nil {
		_ = a.rows.Close() // what it says was not asked for any more
		a.rows = nil
	}
	a.batch = nil
}

// dataRows writes DataRow messages.
type dataRows struct {
	encoder
	columns []column // as they were described
	formats []int16  // one for each of them
	cells   []cell
}

func (w *dataRows) bind(b arrow.RecordBatch) {
	w.cells = w.cells[:0]
	if !fits(w.columns, b) {
		w.fail(errOtherShape)
		return
	}
	fields := b.Schema().Fields()
	for i, a := range b.Columns() {
		w.cells = append(w.cells, w.encoder.bind(a, fields[i].Metadata, w.formats[i] == 1))
	}
}

func (w *dataRows) row(dst []byte, i int) []byte {
	at := len(dst)
	dst = append(dst, 'D', 0, 0, 0, 0, byte(len(w.cells)>>8), byte(len(w.cells))) //nolint:gosec // its two bytes
	dst = appendCells(dst, w.cells, i)
	binary.BigEndian.PutUint32(dst[at+1:], uint32(len(dst)-at-1)) //nolint:gosec // one row
	return dst
}

func appendCells(dst []byte, cells []cell, i int) []byte {
	for k := range cells {
		if c := &cells[k]; c.null(i) {
			dst = append(dst, 0xff, 0xff, 0xff, 0xff)
		} else {
			dst = c.sized(dst, i)
		}
	}
	return dst
}

func (w *dataRows) failed() error { return w.err }

// describeColumns is RowDescription.
func (c *connection) describeColumns(columns []column, formats []int16) {
	c.out.open('T')
	c.out.int16(len(columns))
	for i, col := range columns {
		c.out.text(col.name)
		c.out.int32(0) // no table of its own
		c.out.int16(0)
		c.out.int32(int(col.oid))
		c.out.int16(col.size())
		c.out.int32(int(col.mod))
		f := 0
		if i < len(formats) {
			f = int(formats[i])
		}
		c.out.int16(f)
	}
	c.out.close()
}
