package engine

import (
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

const extensionName = "ARROW:extension:name"

// DuckDB's lossless export gives booleans as bytes and hugeints as opaque bytes. Both have a plain Arrow type that loses nothing, and go out as that.

var hugeint = &arrow.Decimal128Type{Precision: 38, Scale: 0}

func plainSchema(s *arrow.Schema) *arrow.Schema {
	fields := s.Fields()
	for i := range fields {
		name, _ := fields[i].Metadata.GetValue(extensionName)
		switch {
		case name == "arrow.bool8" && fields[i].Type.ID() == arrow.INT8:
			fields[i].Type, fields[i].Metadata = arrow.FixedWidthTypes.Boolean, arrow.Metadata{}
		case name == "arrow.opaque" && isHugeint(fields[i]):
			fields[i].Type, fields[i].Metadata = hugeint, arrow.Metadata{}
		}
	}
	return arrow.NewSchema(fields, nil)
}

func isHugeint(f arrow.Field) bool {
	meta, _ := f.Metadata.GetValue("ARROW:extension:metadata")
	return meta == `{"type_name":"hugeint","vendor_name":"DuckDB"}` && f.Type.ID() == arrow.FIXED_SIZE_BINARY
}

// plainBatch takes over b.
func plainBatch(b arrow.RecordBatch, s *arrow.Schema) arrow.RecordBatch {
	if b.Schema().Equal(s) {
		return b
	}
	defer b.Release()
	columns := make([]arrow.Array, b.NumCols())
	for i := range columns {
		column := b.Column(i)
		switch {
		case s.Field(i).Type.ID() == arrow.BOOL && column.DataType().ID() == arrow.INT8:
			columns[i] = bools(column)
		case s.Field(i).Type.ID() == arrow.DECIMAL128 && column.DataType().ID() == arrow.FIXED_SIZE_BINARY:
			// The same 16 bytes under another name.
			d := column.Data()
			columns[i] = array.MakeFromData(array.NewData(hugeint, d.Len(), d.Buffers(), nil, d.NullN(), d.Offset()))
		default:
			column.Retain()
			columns[i] = column
		}
	}
	out := array.NewRecordBatch(s, columns, b.NumRows())
	for _, c := range columns {
		c.Release()
	}
	return out
}

func bools(column arrow.Array) arrow.Array {
	bytes, ok := column.(*array.Int8)
	if !ok {
		panic("engine: a boolean that is no byte")
	}
	out := array.NewBooleanBuilder(memory.DefaultAllocator)
	defer out.Release()
	out.Reserve(bytes.Len())
	for i := range bytes.Len() {
		if bytes.IsNull(i) {
			out.UnsafeAppendBoolToBitmap(false)
			continue
		}
		out.UnsafeAppend(bytes.Value(i) != 0)
	}
	return out.NewArray()
}
