package node

import (
	"math"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	arrowmemory "github.com/apache/arrow-go/v18/arrow/memory"
)

func TestColumnIsNamedAsPoliciesOrAsSQLNameIt(t *testing.T) {
	for text, want := range map[string][2]string{
		"fleet.device.model_id":                         {"fleet.device", "model_id"},
		"Sales Data.Order Lines.Unit Price":             {"Sales Data.Order Lines", "Unit Price"},
		`"Sales Data"."Order Lines"."Unit Price"`:       {"Sales Data.Order Lines", "Unit Price"},
		`public."Order Lines"."Unit.Price"`:             {"public.Order Lines", "Unit.Price"},
		`public."say ""hello"""."x"`:                    {`public.say "hello"`, "x"},
		`public.user."order"`:                           {"public.user", "order"},
		"device.model_id":                               {},
		`"device"."model_id"`:                           {},
		`"fleet"."device"."model_id`:                    {},
		`"fleet"."device"x."model_id"`:                  {},
		`"fleet"."device".""`:                           {},
		`"fleet"."device"."model_id".`:                  {},
		`"fleet"."device"."model_id"."and_another_one"`: {},
		"":  {},
		`"`: {},
	} {
		table, column, ok := columnNamed(text)
		if got := [2]string{table, column}; got != want || ok != (want != [2]string{}) {
			t.Errorf("%s is read as %q, %v; want %q", text, got, ok, want)
		}
	}
}

// What is asked with weir query or the JSON API reads like what psql shows.
func TestCellsReadAsPostgreSQLWritesThem(t *testing.T) {
	column := func(dt arrow.DataType, add func(array.Builder)) arrow.Array {
		b := array.NewBuilder(arrowmemory.DefaultAllocator, dt)
		defer b.Release()
		add(b)
		return b.NewArray()
	}
	moment := func(v arrow.Timestamp) func(array.Builder) {
		return func(b array.Builder) { b.(*array.TimestampBuilder).Append(v) } //nolint:errcheck,forcetypeassert // as it was made
	}
	day := func(v arrow.Date32) func(array.Builder) {
		return func(b array.Builder) { b.(*array.Date32Builder).Append(v) } //nolint:errcheck,forcetypeassert // as it was made
	}
	number := func(v int64) func(array.Builder) {
		return func(b array.Builder) { b.(*array.Decimal128Builder).Append(decimal128.FromI64(v)) } //nolint:errcheck,forcetypeassert // as it was made
	}
	zoned := &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}
	for _, c := range []struct {
		is   arrow.DataType
		add  func(array.Builder)
		want string
	}{
		{zoned, moment(math.MaxInt64), "infinity"},
		{zoned, moment(-math.MaxInt64), "-infinity"},
		{arrow.FixedWidthTypes.Timestamp_ns, moment(math.MaxInt64), "infinity"},
		{&arrow.TimestampType{Unit: arrow.Second}, moment(-math.MaxInt64), "-infinity"},
		{&arrow.TimestampType{Unit: arrow.Microsecond}, moment(0), "1970-01-01T00:00:00"},
		{arrow.FixedWidthTypes.Date32, day(math.MaxInt32), "infinity"},
		{arrow.FixedWidthTypes.Date32, day(-math.MaxInt32), "-infinity"},
		{arrow.FixedWidthTypes.Date32, day(1), "1970-01-02"},
		{&arrow.Decimal128Type{Precision: 10, Scale: 3}, number(1500), "1.500"},
		{&arrow.Decimal128Type{Precision: 10, Scale: 3}, number(-5), "-0.005"},
		{&arrow.Decimal128Type{Precision: 10, Scale: 0}, number(7), "7"},
	} {
		a := column(c.is, c.add)
		if got := cellText(a, 0); got != c.want {
			t.Errorf("a cell of %s reads %q, want %q", c.is, got, c.want)
		}
		a.Release()
	}
}
