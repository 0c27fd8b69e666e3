package pgwire

import (
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/weirproject/weir/internal/arrays"
	"github.com/weirproject/weir/internal/fault"
)

// engineTypes are the engine's words for the types that a client can declare. numeric is not among them: without a precision and a scale it is none of the engine's.
var engineTypes = map[uint32]string{
	oidBool: "BOOLEAN", oidBytea: "BLOB", oidInt8: "BIGINT", oidInt2: "SMALLINT", oidInt4: "INTEGER", oidText: "VARCHAR", oidOid: "BIGINT", oidJSON: "JSON", oidFloat4: "FLOAT",
	oidFloat8: "DOUBLE", oidBpchar: "VARCHAR", oidVarchar: "VARCHAR", oidName: "VARCHAR", oidDate: "DATE", oidTime: "TIME", oidTimestamp: "TIMESTAMP",
	oidTimestamptz: "TIMESTAMP WITH TIME ZONE", oidInterval: "INTERVAL", oidUUID: "UUID", oidJSONB: "JSON",
}

// numericList is the engine's type for arrays of numeric: most digits before the point that leave room for any fraction somebody compares by.
const numericList = "DECIMAL(38,9)[]"

// EngineType is what the engine calls a type; "" when it has no word for it.
func EngineType(oid uint32) string {
	if element, ok := elementOf[oid]; ok {
		if element == oidNumeric {
			return numericList
		}
		if name := engineTypes[element]; name != "" {
			return name + "[]"
		}
		return ""
	}
	return engineTypes[oid]
}

// OIDOfEngineType is the other way; 0 when there is none.
func OIDOfEngineType(name string) uint32 {
	if element, ok := strings.CutSuffix(name, "[]"); ok {
		return arrayOf[OIDOfEngineType(element)]
	}
	if strings.HasPrefix(name, "DECIMAL(") {
		return oidNumeric
	}
	switch name {
	case "":
		return 0
	case "BIGINT":
		return oidInt8
	case "VARCHAR":
		return oidText
	case "JSON":
		return oidJSON
	}
	for oid, n := range engineTypes {
		if n == name {
			return oid
		}
	}
	return 0
}

// ParameterType is the type by which a parameter's values are read: what the client declared, or what the engine says. A text that stands for a list is read as what the list is of.
func ParameterType(declared, described uint32) uint32 {
	element, list := elementOf[described]
	switch {
	case declared == 0 || declared == oidUnknown:
		return described
	case list && (isText(declared) || isText(elementOf[declared]) && !isText(element)):
		return described
	}
	return declared
}

func isText(oid uint32) bool {
	return oid == oidText || oid == oidVarchar || oid == oidBpchar || oid == oidName || oid == oidUnknown
}

func wrongArray() error {
	return stated(fault.Invalid, "22P02", "a parameter is no array of one dimension of its type", fmt.Sprintf("send an array of one dimension, with at most %d elements", arrays.MaxElements))
}

// maxList is how long the text of a list may be, in bytes: it travels in one frame.
const maxList = 8 << 20

// decodeArray makes the engine's text of a list of an array parameter.
func decodeArray(element uint32, binaryForm bool, v []byte) (any, error) {
	var elements []*string
	var err error
	if binaryForm {
		elements, err = binaryElements(element, v)
	} else {
		elements, err = textElements(element, string(v))
	}
	if err != nil {
		return nil, err
	}
	list := arrays.List(elements)
	if len(list) > maxList {
		return nil, stated(fault.Refused, "54000", "a parameter is too large", "send fewer elements")
	}
	return list, nil
}

func textElements(element uint32, text string) ([]*string, error) {
	elements, err := arrays.Parse(text)
	if err != nil {
		return nil, wrongArray()
	}
	for i, e := range elements {
		if e == nil {
			continue
		}
		value, err := decodeText(element, *e)
		if err != nil {
			return nil, err
		}
		elements[i] = listed(value)
	}
	return elements, nil
}

// binaryElements reads PostgreSQL's binary form of arrays. It says itself what its elements are; described is what they become.
func binaryElements(described uint32, v []byte) ([]*string, error) {
	b := body{rest: v}
	dimensions, _, element := b.int32(), b.int32(), b.uint32()
	if b.bad || dimensions < 0 || dimensions > 1 {
		return nil, wrongArray()
	}
	if dimensions == 0 {
		if !b.done() {
			return nil, wrongBinary()
		}
		return nil, nil
	}
	n, _ := b.int32(), b.int32()
	if b.bad || n < 0 || n > arrays.MaxElements || n*4 > len(b.rest) {
		return nil, wrongArray()
	}
	out := make([]*string, n)
	for i := range out {
		size := b.int32()
		if size == -1 {
			continue
		}
		raw := b.take(size)
		if b.bad {
			return nil, wrongBinary()
		}
		if raw == nil {
			raw = []byte{}
		}
		value, err := decodeBinary(element, raw)
		if text, ok := value.(string); ok && err == nil && isText(element) && !isText(described) {
			value, err = decodeText(described, text)
		}
		if err != nil {
			return nil, err
		}
		out[i] = listed(value)
	}
	if !b.done() {
		return nil, wrongBinary()
	}
	return out, nil
}

// listed is a value as the engine reads it inside of a list.
func listed(value any) *string {
	var s string
	switch v := value.(type) {
	case nil:
		return nil
	case []byte:
		var b strings.Builder
		for _, c := range v {
			b.WriteString(`\x` + hex.EncodeToString([]byte{c}))
		}
		s = b.String()
	default:
		s = fmt.Sprint(v)
	}
	return &s
}
