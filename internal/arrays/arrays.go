// Package arrays reads the text of PostgreSQL's arrays of one dimension and writes the text of DuckDB's lists, in which they travel. It knows nothing of types:
// elements are texts, or NULL. It will not read arrays of arrays, nor such with bounds of their own.
package arrays

import (
	"errors"
	"strings"
)

// MaxElements is how many elements an array may have.
const MaxElements = 100_000

// ErrForm is about a text that is no array of one dimension.
var ErrForm = errors.New("no array of one dimension")

// Parse reads {1,"a b",NULL}. An element that is nil is NULL.
func Parse(s string) ([]*string, error) {
	s = strings.Trim(s, blanks)
	if len(s) < 2 || s[0] != '{' || s[len(s)-1] != '}' {
		return nil, ErrForm
	}
	r := reader{rest: s[1 : len(s)-1]}
	r.blank()
	if r.rest == "" {
		return nil, nil
	}
	var out []*string
	for {
		e, err := r.element()
		if err != nil {
			return nil, err
		}
		if out = append(out, e); len(out) > MaxElements {
			return nil, ErrForm
		}
		if r.rest == "" {
			return out, nil
		}
		if r.rest[0] != ',' {
			return nil, ErrForm
		}
		r.rest = r.rest[1:]
	}
}

// blanks are what PostgreSQL takes for white space around elements.
const blanks = " \t\n\r\v\f"

type reader struct{ rest string }

func (r *reader) blank() { r.rest = strings.TrimLeft(r.rest, blanks) }

// element reads one element with the blanks around it.
func (r *reader) element() (*string, error) {
	r.blank()
	if strings.HasPrefix(r.rest, `"`) {
		return r.quoted()
	}
	var b strings.Builder
	keep := 0 // blanks behind this stand at the end, and do not count
	escaped := false
	i := 0
	for ; i < len(r.rest) && r.rest[i] != ','; i++ {
		c := r.rest[i]
		switch c {
		case '"', '{', '}':
			return nil, ErrForm
		case '\\':
			if i++; i == len(r.rest) {
				return nil, ErrForm
			}
			b.WriteByte(r.rest[i])
			keep, escaped = b.Len(), true
		default:
			b.WriteByte(c)
			if strings.IndexByte(blanks, c) < 0 {
				keep = b.Len()
			}
		}
	}
	r.rest = r.rest[i:]
	text := b.String()[:keep]
	if text == "" {
		return nil, ErrForm
	}
	if !escaped && strings.EqualFold(text, "NULL") {
		return nil, nil //nolint:nilnil // NULL
	}
	return &text, nil
}

// quoted reads an element in quotes.
func (r *reader) quoted() (*string, error) {
	var b strings.Builder
	for i := 1; i < len(r.rest); i++ {
		switch r.rest[i] {
		case '"':
			r.rest = r.rest[i+1:]
			r.blank()
			text := b.String()
			return &text, nil
		case '\\':
			if i++; i == len(r.rest) {
				return nil, ErrForm
			}
		}
		b.WriteByte(r.rest[i])
	}
	return nil, ErrForm
}

// List writes elements as DuckDB's text of a list, from which a cast to a list of whatever type reads them again, each as it is.
func List(elements []*string) string {
	var b strings.Builder
	b.WriteByte('[')
	for i, e := range elements {
		if i > 0 {
			b.WriteString(", ")
		}
		if e == nil {
			b.WriteString("NULL")
			continue
		}
		b.WriteByte('"')
		for j := range len(*e) {
			if c := (*e)[j]; c == '"' || c == '\\' {
				b.WriteByte('\\')
			}
			b.WriteByte((*e)[j])
		}
		b.WriteByte('"')
	}
	b.WriteByte(']')
	return b.String()
}
