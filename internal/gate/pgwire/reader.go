package pgwire

import (
	"unicode/utf8"
)

// reader goes through the tokens of a statement.
type reader struct {
	text   string
	tokens []token
	at     int
}

func (r *reader) peek() token {
	if r.at < len(r.tokens) {
		return r.tokens[r.at]
	}
	return token{kind: ended, at: len(r.text)}
}

func (r *reader) next() token {
	t := r.peek()
	r.at++ // also behind the last, so that whoever does not want a token can step back
	return t
}

// take takes the words if they are the next.
func (r *reader) take(words ...string) bool {
	for i, w := range words {
		if r.at+i >= len(r.tokens) || !r.tokens[r.at+i].is(w) {
			return false
		}
	}
	r.at += len(words)
	return true
}

// any takes one of the words.
func (r *reader) any(words ...string) string {
	for _, w := range words {
		if r.take(w) {
			return w
		}
	}
	return ""
}

// name takes a name.
func (r *reader) name() (string, error) {
	if t := r.next(); t.name() {
		return t.value, nil
	}
	r.at--
	return "", r.unclear()
}

// end says that nothing may be left.
func (r *reader) end() error {
	if r.peek().kind != ended {
		return r.unclear()
	}
	return nil
}

// unclear is the error about the token that was not expected.
func (r *reader) unclear() error {
	return statedAt("42601", "this statement is not understood", "weir answers the statements of this kind that clients send; see the documentation for their forms", r.characters(r.peek().at)+1)
}

func (r *reader) characters(at int) int { return utf8.RuneCountInString(r.text[:at]) }

// rest is the text from the next token on, a question, and where it begins.
func (r *reader) rest() (string, int, error) {
	t := r.peek()
	if t.kind == ended {
		return "", 0, r.unclear()
	}
	r.at = len(r.tokens)
	return r.text[t.at:], r.characters(t.at), nil
}

// typeName reads the name of a parameter's type; a length behind it says nothing about a value that is compared.
func (r *reader) typeName() (uint32, error) {
	r.take("pg_catalog", ".")
	start := r.at
	name, err := r.name()
	if err != nil {
		return 0, err
	}
	switch {
	case name == "double" && r.take("precision"):
		name = "double precision"
	case name == "character" && r.take("varying"):
		name = "character varying"
	}
	if r.take("(") {
		for r.peek().kind == number || r.peek().is(",") {
			r.next()
		}
		if !r.take(")") {
			return 0, r.unclear()
		}
	}
	if name == "timestamp" || name == "time" {
		if r.take("with", "time", "zone") {
			name += " with time zone"
		} else {
			r.take("without", "time", "zone")
		}
	}
	oid, ok := typeNames[name]
	if ok && r.take("[") {
		if r.peek().kind == number {
			r.next()
		}
		if !r.take("]") {
			return 0, r.unclear()
		}
		oid, ok = arrayOf[oid], arrayOf[oid] != 0
	}
	if !ok {
		return 0, statedAt("42704", "there is no such type here", "use a type of PostgreSQL's own: integer, text, timestamptz …", r.characters(r.tokens[start].at)+1)
	}
	return oid, nil
}

// constant reads a constant as text; nil is NULL. A cast behind it is read and left: the parameter has its type.
func (r *reader) constant() ([]byte, error) {
	sign := ""
	if r.take("-") {
		sign = "-"
	}
	t := r.next()
	var v []byte
	switch {
	case t.kind == number:
		v = []byte(sign + t.raw)
	case t.kind == str && sign == "":
		v = []byte(t.value)
	case (t.is("true") || t.is("false")) && sign == "":
		v = []byte(t.value)
	case t.is("null") && sign == "":
	default:
		r.at--
		return nil, r.unclear()
	}
	if r.take(":", ":") {
		if _, err := r.typeName(); err != nil {
			return nil, err
		}
	}
	return v, nil
}
