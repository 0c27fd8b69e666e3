package pgwire

import (
	"strings"

	"github.com/weirproject/weir/internal/fault"
)

// readCopy reads COPY (question) TO STDOUT and COPY table TO STDOUT with their options, in the form with parentheses and in the older one.
func readCopy(r *reader) (interpretation, error) {
	r.next()
	a := &copyAct{format: "text", set: map[string]bool{}}
	i := interpretation{act: a}
	if r.take("binary") {
		a.format = "binary"
	}
	var err error
	if r.peek().is("(") {
		err = r.copyQuestion(&i)
	} else {
		err = r.copyTable(&i)
	}
	if err != nil {
		return interpretation{}, err
	}
	switch {
	case r.peek().is("from"):
		return interpretation{}, stated(fault.Refused, "25006", "nothing is written through the gate", "ask with SELECT or COPY … TO STDOUT")
	case !r.take("to"):
		return interpretation{}, r.unclear()
	case !r.take("stdout"):
		return interpretation{}, stated(fault.Refused, "42501", "an answer goes to the client, to no file and no program", "write TO STDOUT, or use psql's \\copy")
	}
	if r.peek().kind != ended {
		r.take("with")
		if r.take("(") {
			err = r.copyOptions(a)
		} else {
			err = r.copyOldOptions(a)
		}
	}
	if err == nil {
		err = a.settle()
	}
	return i, err
}

// copyQuestion reads the question in parentheses.
func (r *reader) copyQuestion(i *interpretation) error {
	open := r.next()
	depth := 1
	for {
		t := r.next()
		switch {
		case t.kind == ended:
			return r.unclear()
		case t.is("("):
			depth++
		case t.is(")"):
			depth--
		}
		if depth == 0 {
			i.inner = r.text[open.at+1 : t.at]
			i.innerAt = r.characters(open.at + 1)
			if len(tokens(i.inner)) == 0 {
				return r.unclear()
			}
			return onlyQuestion(i.inner)
		}
	}
}

// copyTable makes the question of a table, with columns or without.
func (r *reader) copyTable(i *interpretation) error {
	at := r.peek().at
	i.innerAt = max(0, r.characters(at)-len("SELECT * FROM "))
	var table []string
	for {
		t := r.next()
		if !t.name() {
			r.at--
			return r.unclear()
		}
		table = append(table, t.raw)
		if !r.take(".") {
			break
		}
	}
	columns := []string{"*"}
	if r.take("(") {
		columns = nil
		for {
			t := r.next()
			if !t.name() {
				r.at--
				return r.unclear()
			}
			columns = append(columns, t.raw)
			if !r.take(",") {
				break
			}
		}
		if !r.take(")") {
			return r.unclear()
		}
	}
	i.inner = "SELECT " + strings.Join(columns, ", ") + " FROM " + strings.Join(table, ".")
	return nil
}

// once says that an option may be given once.
func (a *copyAct) once(r *reader, name string) error {
	if a.set[name] {
		r.at--
		return r.unclear()
	}
	a.set[name] = true
	return nil
}

// copyOptions reads (FORMAT csv, HEADER, …).
func (r *reader) copyOptions(a *copyAct) error {
	for {
		name, err := r.name()
		if err != nil {
			return err
		}
		if err := a.once(r, name); err != nil {
			return err
		}
		if err := r.copyOption(a, name); err != nil {
			return err
		}
		if !r.take(",") {
			break
		}
	}
	if !r.take(")") {
		return r.unclear()
	}
	return r.end()
}

func (r *reader) copyOption(a *copyAct, name string) (err error) {
	switch name {
	case "format":
		t := r.next()
		if v := lower(t.value); (t.name() || t.kind == str) && (v == "text" || v == "csv" || v == "binary") {
			a.format = v
			return nil
		}
		r.at--
		return r.unclear()
	case "header":
		a.header, err = r.copyBool()
	case "freeze":
		_, err = r.copyBool()
	case "delimiter":
		a.delimiter, err = r.copyByte()
	case "quote":
		a.quote, err = r.copyByte()
	case "escape":
		a.escape, err = r.copyByte()
	case "null":
		err = r.copyNull(a)
	case "encoding":
		err = r.copyEncoding()
	case "force_quote":
		if r.take("*") {
			a.forceAll = true
			return nil
		}
		if !r.take("(") {
			return r.unclear()
		}
		if err := r.copyForce(a); err != nil {
			return err
		}
		if !r.take(")") {
			return r.unclear()
		}
	default:
		r.at--
		return r.unclear()
	}
	return err
}

// copyOldOptions reads CSV HEADER DELIMITER ',' …
func (r *reader) copyOldOptions(a *copyAct) (err error) {
	for err == nil && r.peek().kind != ended {
		name := r.next().value
		switch name {
		case "binary", "csv":
			a.format = name
		case "header":
			a.header = true
		case "freeze":
		case "delimiter", "delimiters", "null", "quote", "escape":
			r.take("as")
			err = r.copyOption(a, strings.TrimSuffix(name, "s"))
			name = strings.TrimSuffix(name, "s")
		case "encoding":
			err = r.copyEncoding()
		case "force":
			name = "force_quote"
			switch {
			case !r.take("quote"):
				err = r.unclear()
			case r.take("*"):
				a.forceAll = true
			default:
				err = r.copyForce(a)
			}
		default:
			r.at--
			return r.unclear()
		}
		if err == nil {
			err = a.once(r, name)
		}
	}
	return err
}

func (r *reader) copyBool() (bool, error) {
	t := r.peek()
	if t.is(",") || t.is(")") {
		return true, nil
	}
	r.next()
	if v, ok := parseBool(valueOf(t)); ok {
		return v, nil
	}
	r.at--
	return false, r.unclear()
}

func (r *reader) copyByte() (byte, error) {
	t := r.next()
	if t.kind == str && len(t.value) == 1 {
		return t.value[0], nil
	}
	r.at--
	return 0, statedAt("0A000", "this must be one character of one byte", "write it as ','", r.characters(r.peek().at)+1)
}

func (r *reader) copyNull(a *copyAct) error {
	t := r.next()
	if t.kind != str || strings.ContainsAny(t.value, "\r\n") {
		r.at--
		return r.unclear()
	}
	a.null = &t.value
	return nil
}

func (r *reader) copyEncoding() error {
	t := r.next()
	if _, err := known["client_encoding"].check(t.value); t.kind != str || err != nil {
		r.at--
		return statedAt("22023", "text is in UTF8 only", "leave ENCODING out", r.characters(r.peek().at)+1)
	}
	return nil
}

func (r *reader) copyForce(a *copyAct) error {
	for {
		name, err := r.name()
		if err != nil {
			return err
		}
		a.force = append(a.force, name)
		if !r.take(",") {
			return nil
		}
	}
}
