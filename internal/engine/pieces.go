package engine

import (
	"iter"

	"github.com/apache/arrow-go/v18/arrow"
)

// pieceBytes is about how much of a batch goes out at once. The database gives so and so many rows together, however wide they are, and whoever reads them need not hold a gigabyte for that.
const pieceBytes = 16 << 20

// pieces cuts a batch into parts of about pieceBytes, none of less than a row. Each is valid until the next step; the batch stays the caller's.
func pieces(b arrow.RecordBatch) iter.Seq[arrow.RecordBatch] {
	return func(yield func(arrow.RecordBatch) bool) {
		var size int64
		for _, c := range b.Columns() {
			size += int64(c.Data().SizeInBytes()) //nolint:gosec // a length in memory
		}
		if size <= pieceBytes || b.NumRows() < 2 {
			yield(b)
			return
		}
		rows := max(1, b.NumRows()/(1+size/pieceBytes))
		for at := int64(0); at < b.NumRows(); at += rows {
			part := b.NewSlice(at, min(at+rows, b.NumRows()))
			more := yield(part)
			part.Release()
			if !more {
				return
			}
		}
	}
}
