package pgwire

import (
	"slices"
	"strings"

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
