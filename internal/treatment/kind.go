package treatment

import "time"

// Kind is the shape of a production value after the source has decoded it. Every source decodes into these, whatever its own types are called.
type Kind uint8

// The kinds and how a Builder takes their values.
const (
	Bool        Kind = iota + 1 // Int 0 or 1
	Int16                       // Int
	Int32                       // Int
	Int64                       // Int
	Float32                     // Float
	Float64                     // Float
	Numeric                     // Decimal: unscaled 128-bit integer at the type's scale
	Text                        // Bytes: UTF-8
	Char                        // Bytes: UTF-8, blank-padded char(n); trailing blanks mean nothing
	Binary                      // Bytes
	UUID                        // Bytes: 16
	Date                        // Int: days since 1970-01-01, or the two infinities
	TimestampTZ                 // Int: microseconds since 1970-01-01 UTC, or the two infinities
	Inet                        // Bytes: see AppendInet
	CIDR                        // Bytes: see AppendInet
	MAC                         // Bytes: 6
	TextList                    // List of Bytes
	Int32List                   // List of Int
)

// The infinities of Date and TimestampTZ.
const (
	Infinity    int64 = 1<<63 - 1
	NegInfinity int64 = -1 << 63
)

// Type is a column's kind with its parameters.
type Type struct {
	Kind      Kind
	Precision int    // Numeric: total digits, 1 to 38
	Scale     int    // Numeric: digits after the point
	Name      string // as the source calls it, for people: numeric(5,1)
}

// Position says how far a source has been read: opaque text. Positions of one source sort as strings in commit order; the empty one is before all.
type Position string

// Mark is a position and production's clock there.
type Mark struct {
	Position Position
	AsOf     time.Time
}

// Column is one column of a layout.
type Column struct {
	Name string
	Type Type
}

// Layout is the shape of a table's Raw: the columns that are asked for, in the order in which values are appended.
type Layout struct {
	Table   string // schema-qualified
	Columns []Column
	Key     []int // the columns of the replica identity, in its order
}
