package postgres

import (
	"strconv"

	"github.com/weirproject/weir/internal/treatment"
)

// Object ids of the types that are read; they are fixed in every PostgreSQL.
const (
	oidBool        = 16
	oidBytea       = 17
	oidInt8        = 20
	oidInt2        = 21
	oidInt4        = 23
	oidText        = 25
	oidCIDR        = 650
	oidFloat4      = 700
	oidFloat8      = 701
	oidMacaddr     = 829
	oidInet        = 869
	oidInt4Array   = 1007
	oidTextArray   = 1009
	oidBpchar      = 1042
	oidVarchar     = 1043
	oidDate        = 1082
	oidTimestampTZ = 1184
	oidNumeric     = 1700
	oidUUID        = 2950
)

// typmodHeader is what PostgreSQL adds to a length or precision in a type modifier.
const typmodHeader = 4

const maxPrecision = 38

// typeOf returns the type for an object id and modifier. Kind 0 is a type that is not read.
func typeOf(oid uint32, typmod int32) treatment.Type {
	plain := func(k treatment.Kind, name string) treatment.Type { return treatment.Type{Kind: k, Name: name} }
	switch oid {
	case oidBool:
		return plain(treatment.Bool, "boolean")
	case oidInt2:
		return plain(treatment.Int16, "smallint")
	case oidInt4:
		return plain(treatment.Int32, "integer")
	case oidInt8:
		return plain(treatment.Int64, "bigint")
	case oidFloat4:
		return plain(treatment.Float32, "real")
	case oidFloat8:
		return plain(treatment.Float64, "double precision")
	case oidText:
		return plain(treatment.Text, "text")
	case oidBytea:
		return plain(treatment.Binary, "bytea")
	case oidUUID:
		return plain(treatment.UUID, "uuid")
	case oidDate:
		return plain(treatment.Date, "date")
	case oidInet:
		return plain(treatment.Inet, "inet")
	case oidCIDR:
		return plain(treatment.CIDR, "cidr")
	case oidMacaddr:
		return plain(treatment.MAC, "macaddr")
	case oidTextArray:
		return plain(treatment.TextList, "text[]")
	case oidInt4Array:
		return plain(treatment.Int32List, "integer[]")
	case oidTimestampTZ:
		if typmod < 0 {
			return plain(treatment.TimestampTZ, "timestamptz")
		}
		return plain(treatment.TimestampTZ, "timestamptz("+strconv.Itoa(int(typmod))+")")
	case oidBpchar:
		if typmod <= typmodHeader {
			return treatment.Type{}
		}
		return plain(treatment.Char, "char("+strconv.Itoa(int(typmod-typmodHeader))+")")
	case oidVarchar: // the same bytes as text; the limit on its length is production's to keep
		if typmod < typmodHeader {
			return plain(treatment.Text, "varchar")
		}
		return plain(treatment.Text, "varchar("+strconv.Itoa(int(typmod-typmodHeader))+")")
	case oidNumeric:
		return numericType(typmod)
	default:
		return treatment.Type{}
	}
}

// numericType is numeric(p,s) within what a store holds exactly; numeric without precision, or with digits only far from the point, is not read.
func numericType(typmod int32) treatment.Type {
	if typmod < typmodHeader {
		return treatment.Type{}
	}
	m := typmod - typmodHeader
	precision := int(m>>16) & 0xffff
	scale := int((m&0x7ff)^1024) - 1024 // eleven bits, signed
	if precision < 1 || precision > maxPrecision || scale < 0 || scale > precision {
		return treatment.Type{}
	}
	return treatment.Type{
		Kind: treatment.Numeric, Precision: precision, Scale: scale,
		Name: "numeric(" + strconv.Itoa(precision) + "," + strconv.Itoa(scale) + ")",
	}
}

// sameType tells whether values of production's type can be appended to a column of the layout's type.
func sameType(production, layout treatment.Type) bool {
	return production.Kind != 0 && production.Kind == layout.Kind && production.Precision == layout.Precision && production.Scale == layout.Scale
}
