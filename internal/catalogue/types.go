package catalogue

import (
	_ "embed"
	"strconv"
	"strings"
	"sync"
)

// Object ids of the types that the code names.
const (
	oidBool        uint32 = 16
	oidBytea       uint32 = 17
	oidChar        uint32 = 18
	oidName        uint32 = 19
	oidInt8        uint32 = 20
	oidInt2        uint32 = 21
	oidInt2Vector  uint32 = 22
	oidInt4        uint32 = 23
	oidRegproc     uint32 = 24
	oidText        uint32 = 25
	oidOid         uint32 = 26
	oidXid         uint32 = 28
	oidOidVector   uint32 = 30
	oidJSON        uint32 = 114
	oidNodeTree    uint32 = 194
	oidFloat4      uint32 = 700
	oidFloat8      uint32 = 701
	oidUnknown     uint32 = 705
	oidBpchar      uint32 = 1042
	oidVarchar     uint32 = 1043
	oidDate        uint32 = 1082
	oidTime        uint32 = 1083
	oidTimestamp   uint32 = 1114
	oidTimestamptz uint32 = 1184
	oidInterval    uint32 = 1186
	oidTimetz      uint32 = 1266
	oidVarbit      uint32 = 1562
	oidNumeric     uint32 = 1700
	oidRegclass    uint32 = 2205
	oidRegtype     uint32 = 2206
	oidUUID        uint32 = 2950
	oidRegnspace   uint32 = 4089
	oidRegrole     uint32 = 4096
	oidNameArray   uint32 = 1003
	oidInt4Array   uint32 = 1007
	oidTextArray   uint32 = 1009
	oidRecord      uint32 = 2249
)

// aType is one of PostgreSQL's base types.
type aType struct {
	oid, element, array uint32
	length              int
	name, kind          string // kind is typtype
	fields              []string
}

//go:embed facts/types.txt
var typeFacts string

// The order of the fields of facts/types.txt.
const (
	typeOID = iota
	typeLabel
	typeLength
	typeByValue
	typeKind
	typeCategory
	typePreferred
	typeDelimiter
	typeSubscript
	typeElement
	typeArray
	typeInput
	typeOutput
	typeReceive
	typeSend
	typeModIn
	typeModOut
	typeAlign
	typeStorage
	typeCollation
	typeFields
)

type typeBook struct {
	list   []*aType
	byOID  map[uint32]*aType
	byName map[string]*aType
}

// number reads one of our own facts, which are numbers where the table says so.
func number(text string) uint32 {
	n, _ := strconv.ParseUint(text, 10, 32)
	return uint32(n)
}

// baseTypes are PostgreSQL's own types, as version 15 has them.
var baseTypes = sync.OnceValue(func() *typeBook {
	b := &typeBook{byOID: map[uint32]*aType{}, byName: map[string]*aType{}}
	for line := range strings.Lines(typeFacts) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "|")
		if len(f) != typeFields {
			continue
		}
		length, _ := strconv.Atoi(f[typeLength])
		t := &aType{oid: number(f[typeOID]), element: number(f[typeElement]), array: number(f[typeArray]), length: length, name: f[typeLabel], kind: f[typeKind], fields: f}
		if f[typeCategory] != "A" {
			t.element = 0 // name and point have elements too, and are no arrays
		}
		b.list = append(b.list, t)
		b.byOID[t.oid], b.byName[t.name] = t, t
	}
	return b
})

// spellings are the names that SQL, and people, give to types besides their own.
var spellings = map[string]string{
	"integer": "int4", "int": "int4", "smallint": "int2", "bigint": "int8", "boolean": "bool", "real": "float4", "float": "float8", "decimal": "numeric", "dec": "numeric",
	"character": "bpchar", "char": "bpchar", "string": "text",
}

// displayed are the names that format_type gives, where they differ from the type's own.
var displayed = map[string]string{
	"int4": "integer", "int2": "smallint", "int8": "bigint", "bool": "boolean", "float4": "real", "float8": "double precision", "varchar": "character varying", "bpchar": "character",
	"name": "name", "interval": "interval", "numeric": "numeric", "timestamp": "timestamp without time zone", "timestamptz": "timestamp with time zone", "time": "time without time zone", "timetz": "time with time zone", "bit": "bit", "varbit": "bit varying",
	"char": `"char"`,
}

// display is what format_type says of a type without a modifier.
func display(t *aType) string {
	if t.element != 0 {
		if e := baseTypes().byOID[t.element]; e != nil && t.name != "int2vector" && t.name != "oidvector" {
			return display(e) + "[]"
		}
	}
	if d, ok := displayed[t.name]; ok {
		return d
	}
	return quoteIdent(t.name)
}

// storage is the engine's type in which values of a PostgreSQL type are held; empty for those that have none here.
func storage(oid uint32) string {
	switch oid {
	case oidBool:
		return "BOOLEAN"
	case oidInt2:
		return "SMALLINT"
	case oidInt4:
		return "INTEGER"
	case oidInt8:
		return "BIGINT"
	case oidFloat4:
		return "FLOAT"
	case oidFloat8:
		return "DOUBLE"
	case oidNumeric:
		return "DECIMAL(38,6)"
	case oidTimestamptz:
		return "TIMESTAMPTZ"
	case oidTimestamp:
		return "TIMESTAMP"
	case oidDate:
		return "DATE"
	case oidTime:
		return "TIME"
	case oidInterval:
		return "INTERVAL"
	case oidUUID:
		return "UUID"
	case oidBytea:
		return "BLOB"
	case oidOid, oidXid, oidRegproc, oidRegclass, oidRegtype, oidRegnspace, oidRegrole:
		return "UINTEGER"
	case oidInt2Vector:
		return "SMALLINT[]"
	case oidOidVector:
		return "UINTEGER[]"
	case oidRecord, 0:
		return ""
	}
	t := baseTypes().byOID[oid]
	if t == nil {
		return ""
	}
	if t.element != 0 {
		if e := storage(t.element); e != "" {
			return e + "[]"
		}
		return "VARCHAR[]"
	}
	return "VARCHAR"
}

func isVector(oid uint32) bool { return oid == oidInt2Vector || oid == oidOidVector }

// isNamed says whether values of the type are object ids that are shown as names.
func isNamed(oid uint32) bool {
	switch oid {
	case oidRegclass, oidRegtype, oidRegproc, oidRegnspace, oidRegrole:
		return true
	}
	return false
}

func isWhole(oid uint32) bool {
	return oid == oidInt2 || oid == oidInt4 || oid == oidInt8 || oid == oidOid
}

func isText(oid uint32) bool {
	switch oid {
	case oidText, oidName, oidVarchar, oidBpchar, oidChar, oidUnknown:
		return true
	}
	return false
}

// elementOf is the type of an array's elements; 0 for what is no array.
func elementOf(oid uint32) uint32 {
	switch oid {
	case oidInt2Vector:
		return oidInt2
	case oidOidVector:
		return oidOid
	}
	if t := baseTypes().byOID[oid]; t != nil {
		return t.element
	}
	return 0
}

// arrayOf is the array type of a type.
func arrayOf(oid uint32) uint32 {
	if oid == oidUnknown {
		return oidTextArray
	}
	if t := baseTypes().byOID[oid]; t != nil {
		return t.array
	}
	return 0
}

// engineTypes are the engine's types and PostgreSQL's that take their values.
var engineTypes = map[string]uint32{
	"BOOLEAN": oidBool, "TINYINT": oidInt2, "UTINYINT": oidInt2, "SMALLINT": oidInt2, "USMALLINT": oidInt4, "INTEGER": oidInt4, "UINTEGER": oidInt8, "BIGINT": oidInt8,
	"UBIGINT": oidNumeric, "HUGEINT": oidNumeric, "UHUGEINT": oidNumeric, "FLOAT": oidFloat4, "DOUBLE": oidFloat8, "DECIMAL": oidNumeric, "VARCHAR": oidText, "UUID": oidUUID,
	"BLOB": oidBytea, "DATE": oidDate, "TIME": oidTime, "TIME WITH TIME ZONE": oidTimetz, "TIMETZ": oidTimetz, "TIMESTAMP": oidTimestamp, "TIMESTAMP_S": oidTimestamp, "TIMESTAMP_MS": oidTimestamp,
	"TIMESTAMP_NS": oidTimestamp, "TIMESTAMP WITH TIME ZONE": oidTimestamptz, "TIMESTAMPTZ": oidTimestamptz, "INTERVAL": oidInterval, "BIT": oidVarbit, "JSON": oidJSON,
}

// TypeOf returns the object id and the modifier (-1: none) of PostgreSQL's type for one of the engine's (VARCHAR, DECIMAL(10,2), UUID[]). Structures and maps are json; what is not known is text.
func TypeOf(engine string) (oid uint32, modifier int32) {
	t := strings.ToUpper(strings.TrimSpace(engine))
	if strings.HasSuffix(t, "]") {
		if open := strings.LastIndexByte(t, '['); open > 0 {
			base, modifier := TypeOf(engine[:open])
			if e := elementOf(base); e != 0 {
				return base, modifier // PostgreSQL's arrays have no fixed number of dimensions
			}
			if a := arrayOf(base); a != 0 {
				return a, modifier
			}
		}
		return oidTextArray, -1
	}
	if inner, ok := strings.CutPrefix(t, "DECIMAL("); ok {
		precision, scale, _ := strings.Cut(strings.TrimSuffix(inner, ")"), ",")
		p, err := strconv.ParseInt(strings.TrimSpace(precision), 10, 16)
		s, errScale := strconv.ParseInt(strings.TrimSpace(scale), 10, 16)
		if err != nil || errScale != nil || p < 1 || s < 0 {
			return oidNumeric, -1
		}
		return oidNumeric, int32(p<<16|s) + 4 //nolint:gosec // both are below 2^15
	}
	if strings.HasPrefix(t, "STRUCT(") || strings.HasPrefix(t, "MAP(") || strings.HasPrefix(t, "UNION(") {
		return oidJSON, -1
	}
	if o, ok := engineTypes[t]; ok {
		return o, -1
	}
	return oidText, -1
}
