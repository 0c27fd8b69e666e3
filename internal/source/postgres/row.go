package postgres

import (
	"fmt"

	"github.com/weirproject/weir/internal/treatment"
)

// field is one value of a row in the memory of the message that brought it.
type field struct {
	form byte // see the constants
	data []byte
}

// How a field arrives; the letters are pgoutput's.
const (
	fieldNull   = 'n'
	fieldSame   = 'u' // an unchanged TOAST value, not sent
	fieldBinary = 'b'
	fieldText   = 't'
)

// rowDecoder appends rows of one layout. It is not safe for concurrent use.
type rowDecoder struct {
	layout  *treatment.Layout
	decode  []decodeFunc
	isKey   []bool
	scratch scratch
}

func newRowDecoder(l *treatment.Layout) (*rowDecoder, error) {
	d := &rowDecoder{layout: l, decode: make([]decodeFunc, len(l.Columns)), isKey: make([]bool, len(l.Columns))}
	for i, c := range l.Columns {
		var err error
		if d.decode[i], err = decoderOf(c.Type); err != nil {
			return nil, fmt.Errorf("decode %s.%s: %w", l.Table, c.Name, err)
		}
	}
	for _, i := range l.Key {
		d.isKey[i] = true
	}
	return d, nil
}

// append appends a whole row whose fields are in the layout's order.
func (d *rowDecoder) append(out appender, op treatment.Op, row []field) error {
	out.Begin(op)
	for i, decode := range d.decode {
		f := &row[i]
		switch f.form {
		case fieldBinary:
			if err := decode(&d.scratch, out, f.data); err != nil {
				return d.fail(i, err)
			}
		case fieldNull:
			out.Null()
		case fieldSame:
			out.Same()
		default:
			return d.fail(i, errField)
		}
	}
	return nil
}

// appendKey appends a row of which only the key columns count.
func (d *rowDecoder) appendKey(out appender, op treatment.Op, row []field) error {
	out.Begin(op)
	for i, decode := range d.decode {
		if !d.isKey[i] {
			out.Null()
			continue
		}
		if row[i].form != fieldBinary {
			return d.fail(i, errField)
		}
		if err := decode(&d.scratch, out, row[i].data); err != nil {
			return d.fail(i, err)
		}
	}
	return nil
}

func (d *rowDecoder) fail(i int, err error) error {
	return fmt.Errorf("decode %s.%s: %w", d.layout.Table, d.layout.Columns[i].Name, err)
}
