package pgwire

import (
	"strconv"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/weirproject/weir/internal/fault"
)

// The OIDs of the types that are sent, or taken as parameters.
const (
	oidBool        = 16
	oidBytea       = 17
	oidChar        = 18
	oidName        = 19
	oidInt8        = 20
	oidInt2        = 21
	oidInt4        = 23
	oidText        = 25
	oidOid         = 26
	oidXid         = 28
	oidJSON        = 114
	oidFloat4      = 700
	oidFloat8      = 701
	oidUnknown     = 705
	oidBpchar      = 1042
	oidVarchar     = 1043
	oidDate        = 1082
	oidTime        = 1083
	oidTimestamp   = 1114
	oidTimestamptz = 1184
	oidInterval    = 1186
	oidNumeric     = 1700
	oidUUID        = 2950
	oidJSONB       = 3802
)

// arrayOf is the array type of an element type.
var arrayOf = map[uint32]uint32{
	oidBool: 1000, oidBytea: 1001, oidInt8: 1016, oidInt2: 1005, oidInt4: 1007, oidText: 1009, oidFloat4: 1021, oidFloat8: 1022, oidDate: 1182, oidTime: 1183,
	oidTimestamp: 1115, oidTimestamptz: 1185, oidInterval: 1187, oidNumeric: 1231, oidUUID: 2951,
}

// typeNames are the names by which SQL's PREPARE says a type.
var typeNames = map[string]uint32{
	"bool": oidBool, "boolean": oidBool, "bytea": oidBytea, "int8": oidInt8, "bigint": oidInt8, "int2": oidInt2, "smallint": oidInt2, "int4": oidInt4, "int": oidInt4,
	"integer": oidInt4, "text": oidText, "float4": oidFloat4, "real": oidFloat4, "float8": oidFloat8, "float": oidFloat8, "double precision": oidFloat8, "bpchar": oidBpchar, "char": oidBpchar, "character": oidBpchar,
	"varchar": oidVarchar, "character varying": oidVarchar, "date": oidDate, "timestamp": oidTimestamp, "timestamp without time zone": oidTimestamp, "timestamptz": oidTimestamptz,
	"timestamp with time zone": oidTimestamptz, "numeric": oidNumeric, "decimal": oidNumeric, "uuid": oidUUID, "json": oidJSON, "jsonb": oidJSONB, "unknown": oidUnknown, "oid": oidOid, "name": oidName,
	"time": oidTime, "time without time zone": oidTime, "interval": oidInterval,
}

// declaredKey is the key of a field's metadata that holds the OID of its type where that is not its Arrow type's: the emulated catalogue has types (oid, name, regclass …) that Arrow has not. Values of the types
// that PostgreSQL shows as names or vectors come as the text that it shows.
const declaredKey = "pg.oid"

// shownOnly are types whose values are there as text, and whose binary form would be something else.
var shownOnly = map[uint32]bool{22: true, 24: true, 30: true, 2202: true, 2203: true, 2204: true, 2205: true, 2206: true, 3734: true, 3769: true, 4089: true, 4096: true}

// elementOf is the element type of array types that the catalogue declares; of others it is found in arrayOf.
var elementOf = func() map[uint32]uint32 {
	m := map[uint32]uint32{1002: oidChar, 1003: oidName, 1028: oidOid, 1011: oidXid, 1014: oidBpchar, 1015: oidVarchar}
	for element, array := range arrayOf {
		m[array] = element
	}
	return m
}()

// declared is the type that a field's metadata says.
func declared(m arrow.Metadata) (uint32, bool) {
	text, ok := m.GetValue(declaredKey)
	if !ok {
		return 0, false
	}
	oid, err := strconv.ParseUint(text, 10, 32)
	return uint32(oid), err == nil && oid != 0
}

func declare(oid uint32) arrow.Metadata {
	return arrow.NewMetadata([]string{declaredKey}, []string{strconv.FormatUint(uint64(oid), 10)})
}

// OIDOf is the OID of the PostgreSQL type by which values of a field are sent; 0 for Arrow's null type and for none, of which nothing is known (a column of NULLs alone is sent as text).
func OIDOf(f arrow.Field) uint32 {
	if f.Type == nil || f.Type.ID() == arrow.NULL {
		return 0
	}
	oid, _ := typeOf(f.Type, f.Metadata)
	return oid
}

// column is a column of an answer as the protocol describes it.
type column struct {
	name string
	oid  uint32
	mod  int32 // type modifier; -1: none
}

// size is the type's length as PostgreSQL has it; -1: variable.
func (c column) size() int {
	switch c.oid {
	case oidBool, oidChar:
		return 1
	case oidInt2:
		return 2
	case oidInt4, oidFloat4, oidDate, oidOid, oidXid, 24, 2202, 2203, 2204, 2205, 2206, 3734, 3769, 4089, 4096:
		return 4
	case oidInt8, oidFloat8, oidTime, oidTimestamp, oidTimestamptz:
		return 8
	case oidInterval, oidUUID:
		return 16
	case oidName:
		return 64
	}
	return -1
}

// columnsOf are the columns of an answer.
func columnsOf(s *arrow.Schema) []column {
	out := make([]column, s.NumFields())
	for i, f := range s.Fields() {
		oid, mod := typeOf(f.Type, f.Metadata)
		out[i] = column{name: f.Name, oid: oid, mod: mod}
	}
	return out
}

// Fits says whether rows of one schema can be sent as rows of another: as many columns, of the same types here. A column of which nothing was known may hold any type, when what it holds is NULL alone.
func Fits(described *arrow.Schema, b arrow.RecordBatch) bool {
	return fits(columnsOf(described), b)
}

func fits(columns []column, b arrow.RecordBatch) bool {
	fields := b.Schema().Fields()
	if len(fields) != len(columns) {
		return false
	}
	for i, f := range fields {
		if oid, _ := typeOf(f.Type, f.Metadata); oid != columns[i].oid && b.Column(i).NullN() != b.Column(i).Len() {
			return false
		}
	}
	return true
}

// errOtherShape is about an answer whose columns are not those that were described: to send it would be to send bytes that mean something else.
var errOtherShape = stated(fault.Usage, "0A000", "the answer has other types than the statement was described with", "cast the statement's parameters: $1::bigint")

// The names of Arrow's extension types that have a type of their own here.
const (
	extensionKey  = "ARROW:extension:name"
	extensionUUID = "arrow.uuid"
	extensionJSON = "arrow.json"
	extensionBool = "arrow.bool8"
	// An opaque type says in its metadata what it is; of these, DuckDB's 128-bit integers have a type here.
	extensionOpaque = "arrow.opaque"
	extensionAbout  = "ARROW:extension:metadata"
	opaqueHugeint   = `{"type_name":"hugeint","vendor_name":"DuckDB"}`
	opaqueUhugeint  = `{"type_name":"uhugeint","vendor_name":"DuckDB"}`
)

// errUnsendable is about an answer with a column that has no form here.
var errUnsendable = stated(fault.Refused, "0A000", "a column of the answer has a type that PostgreSQL's protocol does not know", "cast it to text")

// sendable says whether every column, and every part of it, has a form.
func sendable(fields []arrow.Field) bool {
	for _, f := range fields {
		name, t := extensionOf(f.Type, f.Metadata)
		if name == extensionOpaque && !isHugeint(f.Metadata) {
			return false
		}
		if n, ok := t.(arrow.NestedType); ok && !sendable(n.Fields()) {
			return false
		}
	}
	return true
}

func isHugeint(m arrow.Metadata) bool {
	about, _ := m.GetValue(extensionAbout)
	return about == opaqueHugeint || about == opaqueUhugeint
}

// extensionOf is the extension's name and the type that it is stored as.
func extensionOf(t arrow.DataType, m arrow.Metadata) (string, arrow.DataType) {
	if e, ok := t.(arrow.ExtensionType); ok {
		return e.ExtensionName(), e.StorageType()
	}
	name, _ := m.GetValue(extensionKey)
	return name, t
}

// typeOf is the PostgreSQL type of an Arrow type, and its modifier.
func typeOf(t arrow.DataType, m arrow.Metadata) (uint32, int32) {
	if oid, ok := declared(m); ok {
		return oid, -1
	}
	name, t := extensionOf(t, m)
	switch name {
	case extensionUUID:
		if f, ok := t.(*arrow.FixedSizeBinaryType); ok && f.ByteWidth == 16 {
			return oidUUID, -1
		}
	case extensionJSON:
		return oidJSON, -1
	case extensionBool:
		return oidBool, -1
	case extensionOpaque:
		if isHugeint(m) {
			return oidNumeric, -1
		}
	}
	switch t := t.(type) {
	case *arrow.DictionaryType:
		return typeOf(t.ValueType, arrow.Metadata{})
	case *arrow.TimestampType:
		if t.TimeZone != "" {
			return oidTimestamptz, -1
		}
		return oidTimestamp, -1
	case arrow.DecimalType:
		return oidNumeric, decimalModifier(t)
	case *arrow.StructType, *arrow.MapType, arrow.UnionType:
		return oidJSON, -1
	case arrow.ListLikeType:
		f := t.ElemField()
		oid, _ := typeOf(f.Type, f.Metadata)
		if a, ok := arrayOf[oid]; ok {
			return a, -1
		}
		return oidJSON, -1 // arrays of arrays need not be rectangular, and PostgreSQL's must
	}
	return plainType(t.ID()), -1
}

func plainType(id arrow.Type) uint32 {
	switch id {
	case arrow.BOOL:
		return oidBool
	case arrow.INT8, arrow.INT16, arrow.UINT8:
		return oidInt2
	case arrow.INT32, arrow.UINT16:
		return oidInt4
	case arrow.INT64, arrow.UINT32:
		return oidInt8
	case arrow.UINT64:
		return oidNumeric
	case arrow.FLOAT16, arrow.FLOAT32:
		return oidFloat4
	case arrow.FLOAT64:
		return oidFloat8
	case arrow.BINARY, arrow.LARGE_BINARY, arrow.FIXED_SIZE_BINARY, arrow.BINARY_VIEW:
		return oidBytea
	case arrow.DATE32, arrow.DATE64:
		return oidDate
	case arrow.TIME32, arrow.TIME64:
		return oidTime
	case arrow.INTERVAL_MONTH_DAY_NANO, arrow.INTERVAL_MONTHS, arrow.INTERVAL_DAY_TIME, arrow.DURATION:
		return oidInterval
	default:
		return oidText
	}
}

// decimalModifier is numeric(precision, scale) as PostgreSQL packs it. DuckDB's HUGEINT comes as 38 digits without a scale and can hold 39: it has none.
func decimalModifier(t arrow.DecimalType) int32 {
	if t.GetPrecision() >= 38 && t.GetScale() == 0 || t.GetScale() < 0 {
		return -1
	}
	return t.GetPrecision()<<16 | t.GetScale() + 4
}
