package pgwire

import (
	"encoding/binary"
	"math"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
)

// nested is the form of what has parts: dictionaries, arrays, and JSON for the rest.
func (e *encoder) nested(a arrow.Array, b bool) put {
	switch a := a.(type) {
	case *array.Dictionary:
		value := e.form(a.Dictionary(), arrow.Metadata{}, b)
		return func(dst []byte, i int) []byte { return value(dst, a.GetValueIndex(i)) }
	case *array.Map:
		return e.json(a, arrow.Metadata{})
	case array.ListLike:
		f, ok := a.DataType().(arrow.ListLikeType)
		if !ok {
			break
		}
		elem := f.ElemField()
		oid, _ := typeOf(elem.Type, elem.Metadata)
		if _, ok := arrayOf[oid]; !ok {
			return e.json(a, arrow.Metadata{})
		}
		c := e.bind(a.ListValues(), elem.Metadata, b)
		if b {
			return binaryArray(a, c, oid)
		}
		return textArray(a, c)
	}
	return e.json(a, arrow.Metadata{})
}

func binaryArray(a array.ListLike, c cell, oid uint32) put {
	return func(dst []byte, row int) []byte {
		from, to := a.ValueOffsets(row)
		start := len(dst)
		dst = append(dst, 0, 0, 0, 0, 0, 0, 0, 0)
		dst = binary.BigEndian.AppendUint32(dst, oid)
		if from == to {
			return dst // no dimension
		}
		dst[start+3] = 1
		dst = binary.BigEndian.AppendUint32(dst, uint32(to-from)) //nolint:gosec // elements of one value
		dst = append(dst, 0, 0, 0, 1)
		for i := int(from); i < int(to); i++ {
			if c.null(i) {
				dst[start+7] = 1
				dst = append(dst, 0xff, 0xff, 0xff, 0xff)
				continue
			}
			dst = c.sized(dst, i)
		}
		return dst
	}
}

// sized appends a value behind its length.
func (c *cell) sized(dst []byte, row int) []byte {
	at := len(dst)
	dst = c.put(append(dst, 0, 0, 0, 0), row)
	binary.BigEndian.PutUint32(dst[at:], uint32(len(dst)-at-4)) //nolint:gosec // one value
	return dst
}

func textArray(a array.ListLike, c cell) put {
	return func(dst []byte, row int) []byte {
		from, to := a.ValueOffsets(row)
		dst = append(dst, '{')
		for i := int(from); i < int(to); i++ {
			if i > int(from) {
				dst = append(dst, ',')
			}
			if c.null(i) {
				dst = append(dst, "NULL"...)
				continue
			}
			at := len(dst)
			dst = c.put(dst, i)
			if needsQuotes(dst[at:]) {
				dst = quoteElement(dst, at)
			}
		}
		return append(dst, '}')
	}
}

// needsQuotes says whether an element of an array in text would be read as something else.
func needsQuotes(v []byte) bool {
	if len(v) == 0 || len(v) == 4 && v[0]|0x20 == 'n' && v[1]|0x20 == 'u' && v[2]|0x20 == 'l' && v[3]|0x20 == 'l' {
		return true
	}
	for _, c := range v {
		switch c {
		case '"', '\\', '{', '}', ',', ' ', '\t', '\n', '\r', '\v', '\f':
			return true
		}
	}
	return false
}

// quoteElement puts what begins at at into quotes, in place.
func quoteElement(dst []byte, at int) []byte {
	more := 2
	for _, c := range dst[at:] {
		if c == '"' || c == '\\' {
			more++
		}
	}
	end := len(dst)
	for range more {
		dst = append(dst, 0)
	}
	w := len(dst) - 1
	dst[w] = '"'
	for r := end - 1; r >= at; r-- {
		w--
		dst[w] = dst[r]
		if dst[r] == '"' || dst[r] == '\\' {
			w--
			dst[w] = '\\'
		}
	}
	dst[at] = '"'
	return dst
}

// json is the form of what PostgreSQL has no type for. It is the same in text and binary.
func (e *encoder) json(a arrow.Array, m arrow.Metadata) put {
	name, _ := extensionOf(a.DataType(), m)
	if x, ok := a.(array.ExtensionArray); ok && name != extensionUUID {
		a = x.Storage()
	}
	switch v := a.(type) {
	case *array.Null:
		return func(dst []byte, _ int) []byte { return append(dst, "null"...) }
	case *array.Boolean:
		return jsonBool(v.Value)
	case *array.Int8:
		if name == extensionBool {
			return jsonBool(func(i int) bool { return v.Value(i) != 0 })
		}
	case *array.Float32:
		return jsonFloat(e.form(a, m, false), func(i int) float64 { return float64(v.Value(i)) })
	case *array.Float64:
		return jsonFloat(e.form(a, m, false), v.Value)
	case *array.Struct:
		return e.jsonStruct(v)
	case *array.Map:
		return e.jsonMap(v)
	case array.Union:
		return e.jsonUnion(v)
	case array.ListLike:
		return e.jsonList(v)
	}
	value := e.form(a, m, false)
	oid, _ := typeOf(a.DataType(), m)
	switch oid {
	case oidInt2, oidInt4, oidInt8, oidNumeric, oidJSON:
		return value
	}
	if name == extensionJSON {
		return value
	}
	return func(dst []byte, i int) []byte {
		at := len(dst) + 1
		return quoteJSON(value(append(dst, '"'), i), at)
	}
}

func jsonBool(value func(int) bool) put {
	return func(dst []byte, i int) []byte {
		if value(i) {
			return append(dst, "true"...)
		}
		return append(dst, "false"...)
	}
}

// jsonFloat writes numbers, and as text those that JSON has not.
func jsonFloat(text put, value func(int) float64) put {
	return func(dst []byte, i int) []byte {
		if v := value(i); math.IsNaN(v) || math.IsInf(v, 0) {
			return append(text(append(dst, '"'), i), '"')
		}
		return text(dst, i)
	}
}

// part is the form of a part, with null for NULL.
func (e *encoder) part(a arrow.Array, m arrow.Metadata) put {
	value := e.json(a, m)
	return func(dst []byte, i int) []byte {
		if a.IsNull(i) {
			return append(dst, "null"...)
		}
		return value(dst, i)
	}
}

func (e *encoder) jsonStruct(a *array.Struct) put {
	t, ok := a.DataType().(*arrow.StructType)
	if !ok {
		return func(dst []byte, _ int) []byte { return append(dst, "null"...) }
	}
	names, parts := make([][]byte, a.NumField()), make([]put, a.NumField())
	for i := range parts {
		f := t.Field(i)
		names[i] = append(quoteJSON(append([]byte{'"'}, f.Name...), 1), ':')
		parts[i] = e.part(a.Field(i), f.Metadata)
	}
	return func(dst []byte, row int) []byte {
		dst = append(dst, '{')
		for i, p := range parts {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = p(append(dst, names[i]...), row)
		}
		return append(dst, '}')
	}
}

func (e *encoder) jsonList(a array.ListLike) put {
	var m arrow.Metadata
	if f, ok := a.DataType().(arrow.ListLikeType); ok {
		m = f.ElemField().Metadata
	}
	elem := e.part(a.ListValues(), m)
	return func(dst []byte, row int) []byte {
		from, to := a.ValueOffsets(row)
		dst = append(dst, '[')
		for i := int(from); i < int(to); i++ {
			if i > int(from) {
				dst = append(dst, ',')
			}
			dst = elem(dst, i)
		}
		return append(dst, ']')
	}
}

// jsonMap writes an object where keys are text, and a list of pairs where they are not.
func (e *encoder) jsonMap(a *array.Map) put {
	var keys, items arrow.Metadata
	if t, ok := a.DataType().(*arrow.MapType); ok {
		keys, items = t.KeyField().Metadata, t.ItemField().Metadata
	}
	oid, _ := typeOf(a.Keys().DataType(), keys)
	key, item := e.part(a.Keys(), keys), e.part(a.Items(), items)
	object := oid == oidText
	return func(dst []byte, row int) []byte {
		from, to := a.ValueOffsets(row)
		open, shut := byte('['), byte(']')
		if object {
			open, shut = '{', '}'
		}
		dst = append(dst, open)
		for i := int(from); i < int(to); i++ {
			if i > int(from) {
				dst = append(dst, ',')
			}
			if object {
				dst = item(append(key(dst, i), ':'), i)
				continue
			}
			dst = key(append(dst, `{"key":`...), i)
			dst = append(item(append(dst, `,"value":`...), i), '}')
		}
		return append(dst, shut)
	}
}

// jsonUnion writes the member that is there.
func (e *encoder) jsonUnion(a array.Union) put {
	parts := make([]put, a.NumFields())
	for i := range parts {
		var m arrow.Metadata
		if t, ok := a.DataType().(arrow.UnionType); ok {
			m = t.Fields()[i].Metadata
		}
		parts[i] = e.part(a.Field(i), m)
	}
	dense, _ := a.(*array.DenseUnion)
	return func(dst []byte, row int) []byte {
		at := row
		if dense != nil {
			at = int(dense.ValueOffset(row))
		}
		return parts[a.ChildID(row)](dst, at)
	}
}

// quoteJSON escapes what begins at at, behind the opening quote, and closes it.
func quoteJSON(dst []byte, at int) []byte {
	plain := true
	for _, c := range dst[at:] {
		if c < 0x20 || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			plain = false
			break
		}
	}
	if plain {
		return append(dst, '"')
	}
	const hexDigits = "0123456789abcdef"
	raw := string(dst[at:])
	dst = dst[:at]
	for _, r := range raw { // what is not UTF-8 becomes U+FFFD
		switch {
		case r == '"' || r == '\\':
			dst = append(dst, '\\', byte(r))
		case r == '\n':
			dst = append(dst, '\\', 'n')
		case r == '\r':
			dst = append(dst, '\\', 'r')
		case r == '\t':
			dst = append(dst, '\\', 't')
		case r < 0x20:
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[r>>4], hexDigits[r&15])
		default:
			dst = utf8.AppendRune(dst, r)
		}
	}
	return append(dst, '"')
}
