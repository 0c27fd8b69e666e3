package policy

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// columnReader reads one column: what it says, then whether that goes together.
type columnReader struct {
	*reader
	table *Table
	col   Column
	given map[string]entry
}

// column reads a column; ok is false when it says too little to be judged. Problems are reported either way.
func (r *reader) column(t *Table, e entry) (col Column, ok bool) {
	const right = "write {class: telemetry, treat: keep}"
	name := shown(e.key)
	if empty(e.value) {
		r.report(e.line, name+" has no class", right)
		return Column{}, false
	}
	all, ok := r.entries(e.value, e.line, name, right)
	if !ok {
		return Column{}, false
	}
	c := &columnReader{reader: r, table: t, given: map[string]entry{}}
	c.col = Column{Name: e.key, Treat: Drop, Access: t.Access, Pos: Pos{File: r.file, Line: e.line}}
	for _, k := range all {
		c.given[k.key] = k
	}
	for _, k := range all {
		if slices.Contains(columnKeys, k.key) {
			continue
		}
		if instead, later := laterParameters[k.key]; later {
			if s, _ := text(c.given["treat"].value); treatmentOf(Treatment(s)) != nil && !Treatment(s).Built() {
				continue // the treatment itself is refused
			}
			c.wrong(k.line, k.key+" is not there yet", "use "+instead)
			continue
		}
		c.wrong(k.line, "unknown key "+shown(k.key), didYouMean(k.key, columnKeys, "a column has "+list(columnKeys, "and")))
	}
	if !c.class() || !c.treat() {
		return Column{}, false
	}
	c.access()
	c.admitted()
	c.parameters()
	return c.col, true
}

// wrong reports a problem of the column by its name.
func (c *columnReader) wrong(line int, what, right string) {
	c.report(line, shown(c.col.Name)+": "+what, right)
}

func (c *columnReader) class() bool {
	e, given := c.given["class"]
	right := "the classes are " + list(Classes(), "and")
	if !given {
		c.wrong(c.col.Pos.Line, "no class", right)
		return false
	}
	s, ok := text(e.value)
	if !ok {
		c.wrong(e.line, "class is not a word", right)
		return false
	}
	if admissionOf(Class(s)) == nil {
		c.wrong(e.line, "unknown class "+shown(s), didYouMean(s, words(Classes()), right))
		return false
	}
	c.col.Class = Class(s)
	return true
}

func (c *columnReader) treat() bool {
	e, given := c.given["treat"]
	if !given {
		return true
	}
	right := "the treatments are " + list(builtTreatments(), "and")
	s, ok := text(e.value)
	if !ok {
		c.wrong(e.line, "treat is not a word", right)
		return false
	}
	t := Treatment(s)
	switch row := treatmentOf(t); {
	case row == nil:
		if m, known := mistaken[strings.ToLower(s)]; known {
			c.wrong(e.line, "unknown treatment "+shown(s), "did you mean "+string(m)+"?")
			return false
		}
		c.wrong(e.line, "unknown treatment "+shown(s), didYouMean(s, words(builtTreatments()), right))
		return false
	case !row.built && slices.Contains(c.col.Class.Admits(AccessMetrics), t):
		c.wrong(e.line, s+" is not there yet", "use "+string(Drop))
		return false
	}
	c.col.Treat = t
	return true
}

func (c *columnReader) access() {
	e, given := c.given["access"]
	if !given {
		return
	}
	a, what := accessOf(e)
	switch {
	case what != "":
		c.wrong(e.line, what, accessRight)
	case a == AccessSQL && c.table.Access == AccessMetrics:
		c.wrong(e.line, "access: sql in a table with access: metrics", "open the table with access: sql and keep its other columns with access: metrics")
	default:
		c.col.Access = a
	}
}

// admitted judges the pair of class and treatment.
func (c *columnReader) admitted() {
	line := c.col.Pos.Line
	if e, given := c.given["treat"]; given {
		line = e.line
	}
	access := c.col.Access
	if access == "" {
		access = AccessMetrics // the access itself is already reported; judge the rest
	}
	admits := c.col.Class.Admits(access)
	if slices.Contains(admits, c.col.Treat) {
		return
	}
	if slices.Contains(c.col.Class.Admits(AccessMetrics), c.col.Treat) {
		c.wrong(line, fmt.Sprintf("class %s does not admit %s where SQL can read it", c.col.Class, c.col.Treat),
			fmt.Sprintf("keep the column from SQL with access: metrics, or use %s", admittedInWords(admits)))
		return
	}
	c.wrong(line, fmt.Sprintf("class %s does not admit %s", c.col.Class, c.col.Treat), "it admits "+admittedInWords(admits))
}

// admittedInWords lists treatments and says which are not there yet.
func admittedInWords(admits []Treatment) string {
	s := make([]string, len(admits))
	for i, t := range admits {
		s[i] = string(t)
		if !t.Built() {
			s[i] += " (not there yet)"
		}
	}
	return list(s, "or")
}

// parameters reads the parameters of the treatment: each that it needs, none that it does not have.
func (c *columnReader) parameters() {
	takes := treatmentOf(c.col.Treat).parameters
	for _, key := range columnKeys {
		e, given := c.given[key]
		if !given || key == "class" || key == "treat" || key == "access" || slices.Contains(takes, key) {
			continue
		}
		c.wrong(e.line, fmt.Sprintf("%s means nothing with %s", key, c.col.Treat), "remove it"+wanted(key))
	}
	switch c.col.Treat {
	case Pseudonym:
		c.subject()
	case Truncate:
		c.truncate()
	case Bucket:
		c.bucket()
	case Prefix:
		c.prefix()
	default:
	}
}

// wanted says which treatment has the parameter.
func wanted(parameter string) string {
	for _, row := range treatments {
		if slices.Contains(row.parameters, parameter) {
			return fmt.Sprintf(", or use treat: %s", row.treat)
		}
	}
	return ""
}

func (c *columnReader) subject() {
	e, given := c.given["subject"]
	if !given {
		c.wrong(c.col.Pos.Line, "pseudonym needs a subject", "say what it stands for, the same word wherever it should join: subject: user")
		return
	}
	s, ok := text(e.value)
	if !ok || !wordForm.MatchString(s) {
		c.wrong(e.line, "subject is not a word", "use a-z, 0-9 and _, beginning with a letter: subject: user")
		return
	}
	c.col.Subject = s
}

func (c *columnReader) truncate() {
	right := "say to what: to: " + list(grains, "or")
	e, given := c.given["to"]
	if !given {
		c.wrong(c.col.Pos.Line, "truncate needs to", right)
	} else if s, ok := text(e.value); ok && slices.Contains(grains, s) {
		c.col.To = s
	} else {
		c.wrong(e.line, "truncate does not know to: "+shown(s), didYouMean(s, grains, right))
	}
	e, given = c.given["zone"]
	if !given {
		return
	}
	s, ok := text(e.value)
	if !ok || !slices.Contains(zones, s) {
		c.wrong(e.line, "unknown time zone "+shown(s), didYouMean(s, zones, "use a name of the time zone database: zone: Europe/Zurich"))
		return
	}
	c.col.Zone = s
}

func (c *columnReader) bucket() {
	width, hasWidth := c.given["width"]
	edges, hasEdges := c.given["edges"]
	_, later := c.given["rare_below"]
	switch {
	case hasWidth && hasEdges:
		c.wrong(edges.line, "bucket has both width and edges", "use one of the two")
	case hasWidth:
		f, ok := number(width.value)
		if !ok || !finite(f) || f <= 0 {
			c.wrong(width.line, "width is not a number above 0", "write how wide a bucket is: width: 10")
			return
		}
		c.col.Width = f
	case hasEdges:
		c.edges(edges)
	case !later:
		c.wrong(c.col.Pos.Line, "bucket needs width or edges", "write width: 10 or edges: [0, 10, 100]")
	}
}

func (c *columnReader) edges(e entry) {
	const right, most = "write ascending lower edges: edges: [0, 10, 100]", 1000
	seq, ok := e.value.(*ast.SequenceNode)
	if !ok || len(seq.Values) == 0 || len(seq.Values) > most {
		c.wrong(e.line, "edges is not a list of numbers", right)
		return
	}
	all := make([]float64, 0, len(seq.Values))
	for _, v := range seq.Values {
		f, isNumber := number(v)
		if !isNumber || !finite(f) {
			c.wrong(lineOf(v, e.line), "edges has something else than numbers in it", right)
			return
		}
		if len(all) > 0 && f <= all[len(all)-1] {
			c.wrong(lineOf(v, e.line), "edges do not ascend", right)
			return
		}
		all = append(all, f)
	}
	c.col.Edges = all
}

// How much of a value a prefix may keep. Of the class network no more than what an operator routes as one: a longer prefix may be one household's own.
const (
	networkBits4, networkBits6 = 24, 48
	maxBits4, maxBits6         = 31, 127
	maxChars                   = 64
)

func (c *columnReader) prefix() {
	_, has4 := c.given["bits4"]
	_, has6 := c.given["bits6"]
	chars, hasChars := c.given["chars"]
	most4, most6 := maxBits4, maxBits6
	right := "write bits4 and bits6 for addresses, or chars for text"
	if c.col.Class == Network {
		most4, most6 = networkBits4, networkBits6
		right = fmt.Sprintf("write bits4: %d and bits6: %d; it is for public addresses alone, a private one becomes NULL", networkBits4, networkBits6)
		if hasChars {
			c.wrong(chars.line, "class network does not admit a prefix of text", right)
			return
		}
	}
	switch {
	case hasChars && (has4 || has6):
		c.wrong(chars.line, "prefix has both chars and bits", right)
	case hasChars:
		c.col.Chars = c.whole("chars", maxChars)
	case has4 && has6:
		c.col.Bits4, c.col.Bits6 = c.whole("bits4", most4), c.whole("bits6", most6)
	case has4:
		c.wrong(c.given["bits4"].line, "prefix has bits4 and no bits6", "an address may be of either kind; add bits6: 48")
	case has6:
		c.wrong(c.given["bits6"].line, "prefix has bits6 and no bits4", "an address may be of either kind; add bits4: 24")
	default:
		c.wrong(c.col.Pos.Line, "prefix needs to know how much to keep", right)
	}
}

// whole returns the whole number of a parameter between 1 and most, or 0 after reporting it.
func (c *columnReader) whole(key string, most int) int {
	e := c.given[key]
	f, ok := number(e.value)
	if _, isInt := e.value.(*ast.IntegerNode); !ok || !isInt || f < 1 || f > float64(most) {
		c.wrong(e.line, fmt.Sprintf("%s is not a whole number from 1 to %d", key, most), fmt.Sprintf("write %s: a number in that range", key))
		return 0
	}
	return int(f)
}

func finite(f float64) bool { return !math.IsNaN(f) && !math.IsInf(f, 0) }

func builtTreatments() []Treatment {
	return slices.DeleteFunc(Treatments(), func(t Treatment) bool { return !t.Built() })
}

func words[T ~string](all []T) []string {
	s := make([]string, len(all))
	for i, w := range all {
		s[i] = string(w)
	}
	return s
}
