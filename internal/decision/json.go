package decision

import (
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// The JSON of serialised trees. Every statement that was never seen is read twice and written once, so this is as short a way as there is between text and nodes. It takes less than encoding/json
// does: what that would silently mend or choose between (a byte that is no UTF-8, half of a surrogate pair, a key that stands twice, something behind the end) is an error here.

// maxLevels is how deep a tree's JSON may be nested. What is nested deeper than that is refused by the walk long before.
const maxLevels = 10000

var errTree = errors.New("malformed tree")

// reader reads JSON. The strings that it gives are pieces of the text, as far as nothing in them is escaped.
type reader struct {
	s      string
	at     int
	levels int
}

func (r *reader) blank() {
	for r.at < len(r.s) && (r.s[r.at] == ' ' || r.s[r.at] == '\n' || r.s[r.at] == '\t' || r.s[r.at] == '\r') {
		r.at++
	}
}

// take takes a byte, if it comes next after blanks.
func (r *reader) take(c byte) bool {
	r.blank()
	if r.at < len(r.s) && r.s[r.at] == c {
		r.at++
		return true
	}
	return false
}

// down counts a level.
func (r *reader) down() error {
	if r.levels++; r.levels > maxLevels {
		return errTree
	}
	return nil
}

func (r *reader) object() (node, error) {
	if !r.take('{') {
		return nil, errTree
	}
	if err := r.down(); err != nil {
		return nil, err
	}
	defer func() { r.levels-- }()
	n := node{}
	if r.take('}') {
		return n, nil
	}
	for {
		r.blank()
		key, err := r.text()
		if err != nil {
			return nil, err
		}
		if !r.take(':') {
			return nil, errTree
		}
		v, err := r.value()
		if err != nil {
			return nil, err
		}
		before := len(n)
		if n[key] = v; len(n) == before {
			return nil, errTree
		}
		if r.take('}') {
			return n, nil
		}
		if !r.take(',') {
			return nil, errTree
		}
	}
}

func (r *reader) list() ([]any, error) {
	if !r.take('[') {
		return nil, errTree
	}
	if err := r.down(); err != nil {
		return nil, err
	}
	defer func() { r.levels-- }()
	l := []any{}
	if r.take(']') {
		return l, nil
	}
	for {
		v, err := r.value()
		if err != nil {
			return nil, err
		}
		l = append(l, v)
		if r.take(']') {
			return l, nil
		}
		if !r.take(',') {
			return nil, errTree
		}
	}
}

func (r *reader) value() (any, error) {
	r.blank()
	if r.at == len(r.s) {
		return nil, errTree
	}
	switch c := r.s[r.at]; {
	case c == '{':
		return r.object()
	case c == '[':
		return r.list()
	case c == '"':
		return r.text()
	case c == '-' || digit(c):
		return r.number()
	default:
		return r.word()
	}
}

// word is true, false or null.
func (r *reader) word() (any, error) {
	rest := r.s[r.at:]
	switch {
	case strings.HasPrefix(rest, "true"):
		r.at += len("true")
		return true, nil
	case strings.HasPrefix(rest, "false"):
		r.at += len("false")
		return false, nil
	case strings.HasPrefix(rest, "null"):
		r.at += len("null")
		return nil, nil //nolint:nilnil // null is a value
	default:
		return nil, errTree
	}
}

// digits passes digits and says whether there were any.
func (r *reader) digits() bool {
	from := r.at
	for r.at < len(r.s) && digit(r.s[r.at]) {
		r.at++
	}
	return r.at > from
}

// passes passes a byte of a number, if it comes next.
func (r *reader) passes(c string) bool {
	if r.at < len(r.s) && strings.IndexByte(c, r.s[r.at]) >= 0 {
		r.at++
		return true
	}
	return false
}

func (r *reader) number() (any, error) {
	from := r.at
	r.passes("-")
	if !r.passes("0") && !r.digits() {
		return nil, errTree
	}
	if r.passes(".") && !r.digits() {
		return nil, errTree
	}
	if r.passes("eE") {
		r.passes("+-")
		if !r.digits() {
			return nil, errTree
		}
	}
	return json.Number(r.s[from:r.at]), nil
}

// text reads a string in quotes.
func (r *reader) text() (string, error) {
	if r.at == len(r.s) || r.s[r.at] != '"' {
		return "", errTree
	}
	r.at++
	for i := r.at; i < len(r.s); i++ {
		switch c := r.s[i]; {
		case c == '"':
			s := r.s[r.at:i]
			r.at = i + 1
			return s, nil
		case c == '\\':
			return r.escaped(i)
		case c < ' ':
			return "", errTree
		}
	}
	return "", errTree
}

// escapes are the characters that stand for others behind a backslash.
const (
	escapes = `"\/bfnrt`
	escaped = "\"\\/\b\f\n\r\t"
)

// escaped reads the rest of a string whose first backslash is at i.
func (r *reader) escaped(i int) (string, error) {
	var b strings.Builder
	b.WriteString(r.s[r.at:i])
	for i < len(r.s) {
		c := r.s[i]
		i++
		switch {
		case c == '"':
			r.at = i
			return b.String(), nil
		case c < ' ' || c == '\\' && i == len(r.s):
			return "", errTree
		case c != '\\':
			b.WriteByte(c)
		case r.s[i] == 'u':
			char, n := unicodeEscape(r.s[i-1:])
			if n == 0 {
				return "", errTree
			}
			b.WriteRune(char)
			i += n - 1
		default:
			at := strings.IndexByte(escapes, r.s[i])
			if at < 0 {
				return "", errTree
			}
			b.WriteByte(escaped[at])
			i++
		}
	}
	return "", errTree
}

// unicodeEscape reads \uXXXX, or two of them that are a pair, and returns how long that is; 0 when it is neither.
func unicodeEscape(s string) (rune, int) {
	const length = len(`\uXXXX`)
	first := hexRune(s)
	if first < 0 || !utf16.IsSurrogate(first) {
		return first, length * min(1, int(first)+1)
	}
	if char := utf16.DecodeRune(first, hexRune(s[length:])); char != utf8.RuneError {
		return char, 2 * length
	}
	return 0, 0
}

// hexRune is what \uXXXX stands for, -1 when s does not begin with it.
func hexRune(s string) rune {
	if len(s) < len(`\uXXXX`) || s[:2] != `\u` {
		return -1
	}
	v, err := strconv.ParseUint(s[2:6], 16, 16)
	if err != nil {
		return -1
	}
	return rune(v)
}

// decode reads a tree.
func decode(tree []byte) (node, error) {
	r := reader{s: string(tree)}
	if !utf8.ValidString(r.s) {
		return nil, errTree
	}
	n, err := r.object()
	if err != nil {
		return nil, err
	}
	if r.blank(); r.at != len(r.s) {
		return nil, errTree
	}
	return n, nil
}

// encode writes a tree, always in the same way.
func encode(n node) ([]byte, error) {
	w := writer{b: make([]byte, 0, 4<<10)}
	if !w.object(n) {
		return nil, errTree
	}
	return w.b, nil
}

type writer struct {
	b    []byte
	keys []string // of the objects around the place, one behind the other
}

// value says whether v is something that a tree can hold.
func (w *writer) value(v any) bool {
	switch v := v.(type) {
	case nil:
		w.b = append(w.b, "null"...)
	case bool:
		w.b = strconv.AppendBool(w.b, v)
	case string:
		w.text(v)
	case json.Number:
		w.b = append(w.b, v...)
	case node:
		return w.object(v)
	case []any:
		w.b = append(w.b, '[')
		for i, e := range v {
			if i > 0 {
				w.b = append(w.b, ',')
			}
			if !w.value(e) {
				return false
			}
		}
		w.b = append(w.b, ']')
	default:
		return false
	}
	return true
}

func (w *writer) object(n node) bool {
	if n == nil {
		w.b = append(w.b, "null"...)
		return true
	}
	from := len(w.keys)
	for k := range n {
		w.keys = append(w.keys, k)
	}
	end := len(w.keys)
	slices.Sort(w.keys[from:end])
	w.b = append(w.b, '{')
	for i := from; i < end; i++ {
		if i > from {
			w.b = append(w.b, ',')
		}
		w.text(w.keys[i])
		w.b = append(w.b, ':')
		if !w.value(n[w.keys[i]]) {
			return false
		}
	}
	w.b = append(w.b, '}')
	w.keys = w.keys[:from]
	return true
}

func (w *writer) text(s string) {
	const hexDigits = "0123456789abcdef"
	w.b = append(w.b, '"')
	from := 0
	for i := range len(s) {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		w.b = append(w.b, s[from:i]...)
		from = i + 1
		if c < ' ' {
			w.b = append(w.b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		} else {
			w.b = append(w.b, '\\', c)
		}
	}
	w.b = append(append(w.b, s[from:]...), '"')
}
