package flow

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/maphash"
	"math"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
)

// digest is an order-independent sum over rows: for each of 65,536 buckets of row keys, how many rows there are and the sum of their 128-bit hashes. Both sides of a
// verification are summed by one process, so that its hash seeds do.
type digest struct {
	rows    int64
	buckets *[1 << 16]bucket
}

type bucket struct {
	rows   int64
	lo, hi uint64
}

var seeds = [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}

type rowHash [2]uint64

func newDigest() *digest { return &digest{buckets: new([1 << 16]bucket)} }

// add sums the rows of a batch over the given columns (all when nil); the first of them is the row key. each, which may be nil, sees every row.
func (d *digest) add(rec arrow.RecordBatch, columns []int, each func(key [16]byte, h rowHash)) error {
	if columns == nil {
		columns = make([]int, rec.NumCols())
		for i := range columns {
			columns[i] = i
		}
	}
	cols := make([]arrow.Array, len(columns))
	for i, c := range columns {
		cols[i] = rec.Column(c)
	}
	if len(cols) == 0 {
		return fmt.Errorf("digest rows: no row key")
	}
	var row []byte
	var err error
	for i := range int(rec.NumRows()) {
		row = row[:0]
		for _, c := range cols {
			if row, err = appendCell(row, c, i); err != nil {
				return err
			}
		}
		if len(row) < 17 {
			return fmt.Errorf("digest rows: a row key of %d bytes", len(row)-1)
		}
		key := [16]byte(row[1:])
		h := rowHash{maphash.Bytes(seeds[0], row), maphash.Bytes(seeds[1], row)}
		b := &d.buckets[binary.BigEndian.Uint16(key[:])]
		b.rows++
		b.lo += h[0]
		b.hi += h[1]
		d.rows++
		if each != nil {
			each(key, h)
		}
	}
	return nil
}

func (d *digest) equal(o *digest) bool { return d.rows == o.rows && *d.buckets == *o.buckets }

// differing returns the buckets that are not equal.
func (d *digest) differing(o *digest) map[uint16]bool {
	diff := map[uint16]bool{}
	for i := range d.buckets {
		if d.buckets[i] != o.buckets[i] {
			diff[uint16(i)] = true
		}
	}
	return diff
}

// appendCell appends one value in a form that is the same for the same value whichever side it comes from.
func appendCell(dst []byte, a arrow.Array, i int) ([]byte, error) {
	if a.IsNull(i) {
		return append(dst, 0), nil
	}
	dst = append(dst, 1)
	switch c := a.(type) {
	case *array.FixedSizeBinary:
		return append(dst, c.Value(i)...), nil
	case array.ExtensionArray:
		s, err := appendCell(nil, c.Storage(), i)
		if err != nil {
			return nil, err
		}
		return append(dst, s[1:]...), nil
	case *array.Boolean:
		if c.Value(i) {
			return append(dst, 1), nil
		}
		return append(dst, 0), nil
	case *array.Int16:
		return binary.LittleEndian.AppendUint16(dst, uint16(c.Value(i))), nil //nolint:gosec // bit pattern
	case *array.Int32:
		return binary.LittleEndian.AppendUint32(dst, uint32(c.Value(i))), nil //nolint:gosec // bit pattern
	case *array.Int64:
		return binary.LittleEndian.AppendUint64(dst, uint64(c.Value(i))), nil //nolint:gosec // bit pattern
	case *array.Float32:
		return binary.LittleEndian.AppendUint32(dst, math.Float32bits(c.Value(i))), nil
	case *array.Float64:
		return binary.LittleEndian.AppendUint64(dst, math.Float64bits(c.Value(i))), nil
	case *array.Date32:
		return binary.LittleEndian.AppendUint32(dst, uint32(c.Value(i))), nil //nolint:gosec // bit pattern
	case *array.Timestamp:
		return binary.LittleEndian.AppendUint64(dst, uint64(c.Value(i))), nil //nolint:gosec // bit pattern
	case *array.Decimal128:
		v := c.Value(i)
		return binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(dst, v.LowBits()), uint64(v.HighBits())), nil //nolint:gosec // bit pattern
	case *array.String:
		return appendBytes(dst, c.Value(i)), nil
	case *array.LargeString:
		return appendBytes(dst, c.Value(i)), nil
	case *array.Binary:
		return appendBytes(dst, c.Value(i)), nil
	case *array.LargeBinary:
		return appendBytes(dst, c.Value(i)), nil
	case array.ListLike:
		return appendList(dst, c, i)
	default:
		return nil, fmt.Errorf("digest rows: no canonical form of %s", a.DataType())
	}
}

func appendBytes[T string | []byte](dst []byte, p T) []byte {
	return append(binary.LittleEndian.AppendUint32(dst, uint32(len(p))), p...) //nolint:gosec // a field of a row is below 1 GiB
}

func appendList(dst []byte, c array.ListLike, i int) ([]byte, error) {
	start, end := c.ValueOffsets(i)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(end-start)) //nolint:gosec // a field of a row is below 1 GiB
	var err error
	for j := start; j < end; j++ {
		if dst, err = appendCell(dst, c.ListValues(), int(j)); err != nil {
			return nil, err
		}
	}
	return dst, nil
}

// rowSet holds rows by key: how often each hash came.
type rowSet map[[16]byte][]rowHash

// collect returns a function for digest.add that keeps the rows of the given buckets.
func (s rowSet) collect(buckets map[uint16]bool) func(key [16]byte, h rowHash) {
	return func(key [16]byte, h rowHash) {
		if buckets[binary.BigEndian.Uint16(key[:])] {
			s[key] = append(s[key], h)
		}
	}
}

// first returns the smallest key by which held differs from what is wanted, and how.
func (s rowSet) first(held rowSet) (kind DifferenceKind, key [16]byte, found bool) {
	consider := func(k [16]byte, what DifferenceKind) {
		if !found || bytes.Compare(k[:], key[:]) < 0 {
			kind, key, found = what, k, true
		}
	}
	for k, want := range s {
		have := held[k]
		switch {
		case len(have) == 0:
			consider(k, Missing)
		case len(have) > len(want):
			consider(k, Doubled)
		case len(have) < len(want) || want[0] != have[0]:
			consider(k, Changed)
		}
	}
	for k := range held {
		if len(s[k]) == 0 {
			consider(k, Extra)
		}
	}
	return kind, key, found
}
