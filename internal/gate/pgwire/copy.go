package pgwire

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/weirproject/weir/internal/fault"
)

// copyAct is COPY … TO STDOUT.
type copyAct struct {
	format    string // text, csv or binary
	delimiter byte
	null      *string
	header    bool
	quote     byte
	escape    byte
	force     []string // columns that are always quoted
	forceAll  bool
	set       map[string]bool // options that were given
}

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

// settle fills in what was not said, and refuses what does not go together.
func (a *copyAct) settle() error {
	wrong := func(what string) error {
		return stated(fault.Invalid, "0A000", what, "leave the option out, or take another")
	}
	if a.format == "binary" && (a.set["delimiter"] || a.set["null"] || a.header) {
		return wrong("the binary format has no delimiter, null or header")
	}
	if a.format != "csv" && (a.set["quote"] || a.set["escape"] || a.set["force_quote"]) {
		return wrong("only the csv format quotes")
	}
	null := `\N`
	if a.format == "csv" {
		null = ""
	}
	if a.delimiter == 0 {
		a.delimiter = '\t'
		if a.format == "csv" {
			a.delimiter = ','
		}
	}
	if a.quote == 0 {
		a.quote = '"'
	}
	if a.escape == 0 {
		a.escape = a.quote
	}
	if a.null == nil {
		a.null = &null
	}
	switch {
	case a.delimiter == '\n' || a.delimiter == '\r' || a.format == "csv" && a.delimiter == a.quote:
		return wrong("this character cannot be the delimiter")
	case a.format == "text" && strings.IndexByte(`\.abcdefghijklmnopqrstuvwxyz0123456789`, a.delimiter) >= 0:
		return wrong("this character cannot be the delimiter")
	case strings.IndexByte(*a.null, a.delimiter) >= 0 || a.format == "csv" && strings.IndexByte(*a.null, a.quote) >= 0:
		return wrong("the text for NULL cannot have the delimiter or the quote in it")
	}
	return nil
}

// run writes the answer in COPY's form.
func (a *copyAct) run(c *connection, p *portal) (string, error) {
	columns := p.of.columns
	for _, name := range a.force {
		if !slices.ContainsFunc(columns, func(col column) bool { return col.name == name }) {
			return "", stated(fault.NotFound, "42703", "FORCE_QUOTE names a column that the answer does not have", "name columns of the answer")
		}
	}
	answer, err := c.start(p.of.question, p.parameters)
	if err != nil {
		return "", err
	}
	defer answer.close()
	w := &copyRows{act: a, columns: columns}
	c.out.open('H')
	format := byte(0)
	if a.format == "binary" {
		format = 1
	}
	c.out.buf = append(c.out.buf, format)
	c.out.int16(len(columns))
	for range columns {
		c.out.int16(int(format))
	}
	c.out.close()
	c.out.buf = w.begin(c.out.buf)
	n, _, err := answer.send(c, w, 0)
	if err != nil {
		return "", err
	}
	if a.format == "binary" {
		c.out.open('d')
		c.out.buf = append(c.out.buf, w.front...)
		c.out.int16(-1)
		c.out.close()
	}
	c.out.empty('c')
	return "COPY " + itoa(n), nil
}

// copyRows writes rows as CopyData messages.
type copyRows struct {
	encoder
	act     *copyAct
	columns []column
	cells   []cell
	forced  []bool
	scratch []byte
	front   []byte // binary's beginning, which PostgreSQL sends in one message with the first row; clients rely on it
}

// begin writes what stands in front of the rows.
func (w *copyRows) begin(dst []byte) []byte {
	w.forced = make([]bool, len(w.columns))
	for i, col := range w.columns {
		w.forced[i] = w.act.forceAll || slices.Contains(w.act.force, col.name)
	}
	if w.act.format == "binary" {
		w.front = append([]byte("PGCOPY\n\xff\r\n\x00"), 0, 0, 0, 0, 0, 0, 0, 0)
	}
	if !w.act.header {
		return dst
	}
	at := len(dst)
	dst = append(dst, 'd', 0, 0, 0, 0)
	for i, col := range w.columns {
		if i > 0 {
			dst = append(dst, w.act.delimiter)
		}
		from := len(dst)
		dst = append(dst, col.name...)
		dst = w.escaped(dst, from, false)
	}
	dst = append(dst, '\n')
	binary.BigEndian.PutUint32(dst[at+1:], uint32(len(dst)-at-1)) //nolint:gosec // names of columns
	return dst
}

func (w *copyRows) bind(b arrow.RecordBatch) {
	w.cells = w.cells[:0]
	if !fits(w.columns, b) {
		w.fail(errOtherShape)
		return
	}
	fields := b.Schema().Fields()
	for i, a := range b.Columns() {
		c := w.encoder.bind(a, fields[i].Metadata, w.act.format == "binary")
		// A delimiter, a quote or a text for NULL can be of the characters of a number.
		c.safe = c.safe && (w.act.format == "text" && w.act.delimiter == '\t' || w.act.format == "csv" && *w.act.null == "" && w.act.quote == '"' && !w.forced[i] &&
			strings.IndexByte(",;|\t", w.act.delimiter) >= 0)
		w.cells = append(w.cells, c)
	}
}

func (w *copyRows) row(dst []byte, i int) []byte {
	at := len(dst)
	dst = append(dst, 'd', 0, 0, 0, 0)
	if w.act.format == "binary" {
		dst, w.front = append(dst, w.front...), nil
		dst = append(dst, byte(len(w.cells)>>8), byte(len(w.cells))) //nolint:gosec // its two bytes
		dst = appendCells(dst, w.cells, i)
	} else {
		for k := range w.cells {
			if k > 0 {
				dst = append(dst, w.act.delimiter)
			}
			c := &w.cells[k]
			if c.null(i) {
				dst = append(dst, *w.act.null...)
				continue
			}
			from := len(dst)
			dst = c.put(dst, i)
			if !c.safe {
				dst = w.escaped(dst, from, w.forced[k])
			}
		}
		dst = append(dst, '\n')
	}
	binary.BigEndian.PutUint32(dst[at+1:], uint32(len(dst)-at-1)) //nolint:gosec // one row
	return dst
}

func (w *copyRows) failed() error { return w.err }

// escaped brings the value that begins at from into the form of text or csv.
func (w *copyRows) escaped(dst []byte, from int, forced bool) []byte {
	if w.act.format == "csv" {
		return w.csv(dst, from, forced)
	}
	v := dst[from:]
	at := 0
	for at < len(v) && v[at] >= 0x20 && v[at] != '\\' && v[at] != w.act.delimiter {
		at++
	}
	if at == len(v) {
		return dst
	}
	w.scratch = append(w.scratch[:0], v[at:]...)
	dst = dst[:from+at]
	for _, c := range w.scratch {
		switch c {
		case '\b':
			dst = append(dst, '\\', 'b')
		case '\f':
			dst = append(dst, '\\', 'f')
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		case '\v':
			dst = append(dst, '\\', 'v')
		case '\\', w.act.delimiter:
			dst = append(dst, '\\', c)
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

func (w *copyRows) csv(dst []byte, from int, forced bool) []byte {
	a := w.act
	v := dst[from:]
	// A line that is \. alone would end the data for whoever reads it back.
	if !forced && string(v) != *a.null && (len(w.columns) != 1 || string(v) != `\.`) &&
		!bytes.ContainsFunc(v, func(c rune) bool { return c == rune(a.delimiter) || c == rune(a.quote) || c == '\n' || c == '\r' }) {
		return dst
	}
	w.scratch = append(w.scratch[:0], v...)
	dst = append(dst[:from], a.quote)
	for _, c := range w.scratch {
		if c == a.quote || c == a.escape {
			dst = append(dst, a.escape)
		}
		dst = append(dst, c)
	}
	return append(dst, a.quote)
}
