package engine

import (
	"iter"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
)

// pieceBytes is about how much of a batch goes out at once. The database gives so and so many rows together, however wide they are, and whoever reads them need not hold a gigabyte for that.
const pieceBytes = 16 << 20

// maxRowBytes is how wide a row of an answer may be that somebody asked for. Whoever reads it holds one row whole, several times over.
const maxRowBytes = 32 << 20

// pieces cuts a batch into parts of about pieceBytes, none of less than a row. Each is valid until the next step; the batch stays the caller's. A row that is wider than most ends them: then
// there is no part, once.
func pieces(b arrow.RecordBatch, most int64) iter.Seq2[arrow.RecordBatch, bool] {
	return func(yield func(arrow.RecordBatch, bool) bool) {
		var size int64
		for _, c := range b.Columns() {
			size += int64(c.Data().SizeInBytes()) //nolint:gosec // a length in memory
		}
		if size <= pieceBytes {
			yield(b, true)
			return
		}
		rows := max(1, b.NumRows()/(1+size/pieceBytes))
		for at := int64(0); at < b.NumRows(); at += rows {
			if !piece(b, at, min(at+rows, b.NumRows()), most, yield) {
				return
			}
		}
	}
}

// piece yields the rows of b from one to another, in more parts when some of them are much wider than the others.
func piece(b arrow.RecordBatch, from, to, most int64, yield func(arrow.RecordBatch, bool) bool) bool {
	part := b.NewSlice(from, to)
	defer part.Release()
	var size int64
	for _, c := range part.Columns() {
		size += held(c)
	}
	switch {
	case size <= most:
		return yield(part, true)
	case to-from == 1:
		yield(nil, false)
		return false
	default:
		middle := (from + to) / 2
		return piece(b, from, middle, most, yield) && piece(b, middle, to, most, yield)
	}
}

// held is about how many bytes an array's values take when they are sent.
func held(a arrow.Array) int64 {
	n := int64(a.Len())
	switch x := a.(type) {
	case *array.String:
		return 5*n + int64(len(x.ValueBytes()))
	case *array.Binary:
		return 5*n + int64(len(x.ValueBytes()))
	case array.ListLike:
		if n == 0 {
			return 0
		}
		first, _ := x.ValueOffsets(0)
		_, last := x.ValueOffsets(a.Len() - 1)
		values := array.NewSlice(x.ListValues(), first, last)
		defer values.Release()
		return 5*n + held(values)
	case *array.Struct:
		size := n
		for i := range x.NumField() {
			size += held(x.Field(i))
		}
		return size
	case array.Union:
		size := 5 * n
		for i := range x.NumFields() {
			size += held(x.Field(i))
		}
		return size
	default:
		if w, ok := a.DataType().(arrow.FixedWidthDataType); ok {
			return n * int64(1+w.BitWidth()/8)
		}
		return int64(a.Data().SizeInBytes()) //nolint:gosec // a length in memory; too much for a part of it
	}
}
