package pgwire

import (
	"encoding/binary"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/weirproject/weir/internal/arrays"
)

func TestParametersAreReadAsDeclaredUnlessTextStandsForAList(t *testing.T) {
	for _, c := range []struct{ declared, described, want uint32 }{
		{0, oidUUID, oidUUID}, {oidUnknown, oidInt4, oidInt4}, {oidText, oidUUID, oidText}, {oidText, 1007, 1007}, {1009, 2951, 2951}, {1009, 1009, 1009}, {1005, 1007, 1005}, {oidInt4, 0, oidInt4}, {0, 0, 0},
	} {
		if got := ParameterType(c.declared, c.described); got != c.want {
			t.Errorf("declared %d, described %d: %d, want %d", c.declared, c.described, got, c.want)
		}
	}
}

func TestTypesHaveOneNameInTheEngine(t *testing.T) {
	for oid, name := range map[uint32]string{oidInt4: "INTEGER", 1007: "INTEGER[]", oidText: "VARCHAR", 1015: "VARCHAR[]", oidTimestamptz: "TIMESTAMP WITH TIME ZONE", 2951: "UUID[]", 1231: numericList, oidNumeric: "", 600: "", 0: ""} {
		if got := EngineType(oid); got != name {
			t.Errorf("%d: %q, want %q", oid, got, name)
		}
	}
	for name, oid := range map[string]uint32{"VARCHAR": oidText, "BIGINT": oidInt8, "JSON": oidJSON, "UUID[]": 2951, "DATE": oidDate, "": 0, "POINT": 0, "VARCHAR[][]": 0} {
		if got := OIDOfEngineType(name); got != oid {
			t.Errorf("%q: %d, want %d", name, got, oid)
		}
	}
}

func TestRowsThatAreNotWhatWasDescribedAreAnError(t *testing.T) {
	made := func(columns ...arrow.Array) arrow.RecordBatch {
		fields := make([]arrow.Field, len(columns))
		for i, c := range columns {
			fields[i] = arrow.Field{Name: "c", Type: c.DataType(), Nullable: true}
		}
		return array.NewRecordBatch(arrow.NewSchema(fields, nil), columns, 1)
	}
	number, text := array.NewInt64Builder(memory.DefaultAllocator), array.NewStringBuilder(memory.DefaultAllocator)
	number.Append(5)
	text.Append("x")
	five, x := number.NewArray(), text.NewArray()
	number.AppendNull()
	nothing := number.NewArray()
	unknown := column{oid: oidText}
	for name, c := range map[string]struct {
		columns []column
		rows    arrow.RecordBatch
		fails   bool
	}{
		"the same":                {[]column{{oid: oidInt8}, {oid: oidText}}, made(five, x), false},
		"more columns":            {[]column{unknown}, made(five, x), true},
		"fewer columns":           {[]column{unknown, unknown}, made(x), true},
		"another type":            {[]column{unknown}, made(five), true},
		"another type, but NULLs": {[]column{unknown}, made(nothing), false},
	} {
		w := &dataRows{columns: c.columns, formats: make([]int16, len(c.columns))}
		if w.bind(c.rows); (w.failed() != nil) != c.fails {
			t.Errorf("%s: %v", name, w.failed())
		}
	}
}

// FuzzArrays looks for arrays, as text and in binary form, that break the reader, and for lists that are larger than what was sent allows.
func FuzzArrays(f *testing.F) {
	one := binary.BigEndian.AppendUint32(nil, 1)
	for _, n := range []uint32{0, oidInt4, 1, 1, 4, 7} {
		one = binary.BigEndian.AppendUint32(one, n)
	}
	f.Add(uint32(1007), true, one)
	f.Add(uint32(1009), false, []byte(`{"a\"b",NULL,c}`))
	f.Add(uint32(1001), false, []byte(`{"\\x00ff"}`))
	f.Add(uint32(2951), true, []byte("\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x0b\x86\x7f\xff\xff\xff\x00\x00\x00\x01"))
	f.Fuzz(func(t *testing.T, oid uint32, binaryForm bool, v []byte) {
		value, err := decode(oid, binaryForm, v)
		if _, list := elementOf[oid]; !list || err != nil || v == nil {
			return
		}
		text, ok := value.(string)
		if !ok || !strings.HasPrefix(text, "[") || !strings.HasSuffix(text, "]") || len(text) > maxList || strings.Count(text, ", ") > len(v)+arrays.MaxElements {
			t.Errorf("%d %v %q: %v", oid, binaryForm, v, value)
		}
	})
}
