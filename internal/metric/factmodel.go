package metric

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
)

var (
	factKeys  = []string{"name", "version", "description", "key", "inputs", "select"}
	inputKeys = []string{"table", "columns", "driving", "key_column", "keys"}
)

// reserved are aliases that a store gives to other relations.
var reserved = []string{"changed", "fact"}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// factModels reads the SQL models of one file.
func (l *loader) factModels(f file) {
	for _, doc := range f.docs {
		m := doc.mapping("a fact model", factKeys, nil)
		out := &placedFact{at: doc.at}
		out.Name = m["name"].relation("the fact's name")
		version := m["version"].version()
		out.Key = m["key"].column("the fact's key")
		m["description"].text("the description")
		if !m["inputs"].is() {
			m["inputs"].wrong("add them", "the fact's inputs are missing")
		}
		for _, e := range m["inputs"].entries("inputs") {
			out.Inputs = append(out.Inputs, factInput(e))
		}
		out.Select = m["select"].query("the fact's select")
		checkInputs(m["inputs"], out.Inputs)
		out.Hash = out.digest(version)
		l.facts = append(l.facts, out)
	}
}

// factInput reads one input. A driving input without keys says itself which facts its rows touch.
func factInput(e entry) Input {
	what := "input " + strconv.Quote(e.key)
	m := e.value.mapping(what, inputKeys, nil)
	in := Input{
		Alias:   e.key,
		Table:   m["table"].relation("the table of " + what),
		Driving: m["driving"].flag("driving of " + what),
	}
	if !isName(e.key) || slices.Contains(reserved, e.key) {
		e.value.wrong(nameRule+"; changed and fact are taken", "the input's alias %q cannot be used", e.key)
	}
	if !m["columns"].is() {
		m["columns"].wrong("list the columns that it may see", "the columns of %s are missing", what)
	}
	for _, c := range m["columns"].items("columns of " + what) {
		name := c.column("a column of " + what)
		if name != "" && slices.Contains(in.Columns, name) {
			c.wrong("name it once", "column %q of %s is there twice", name, what)
			continue
		}
		in.Columns = append(in.Columns, name)
	}
	if m["columns"].is() && len(in.Columns) == 0 {
		m["columns"].wrong("list the columns that it may see", "%s has no columns", what)
	}
	if !in.Driving {
		in.Keys = m["keys"].query("keys of " + what)
		if m["key_column"].is() {
			m["key_column"].wrong("take it away, or say driving: true", "only the driving input has a key_column")
		}
		return in
	}
	in.KeyColumn = m["key_column"].column("key_column of " + what)
	if in.KeyColumn != "" && len(in.Columns) > 0 && !slices.Contains(in.Columns, in.KeyColumn) {
		m["key_column"].wrong(instead(in.KeyColumn, in.Columns), "key_column %q is not among the columns of %s", in.KeyColumn, what)
	}
	in.Keys = "SELECT " + quoted(in.KeyColumn) + " FROM changed"
	if m["keys"].is() {
		in.Keys = m["keys"].query("keys of " + what)
	}
	return in
}

func checkInputs(at value, inputs []Input) {
	if len(inputs) == 0 {
		return
	}
	driving, tables := 0, map[string]bool{}
	for _, in := range inputs {
		if in.Driving {
			driving++
		}
		if in.Table != "" && tables[in.Table] {
			at.wrong("read it under one alias", "table %q is an input twice", in.Table)
		}
		tables[in.Table] = true
	}
	if driving != 1 {
		at.wrong("say driving: true and key_column: NAME at the input that has the fact's key", "%d inputs are driving, not one", driving)
	}
}

// digest is the hash of everything that decides what the fact's rows look like.
func (f *placedFact) digest(version int) string {
	what := struct {
		Format  int
		Name    string
		Version int
		Key     string
		Inputs  []Input
		Select  string
	}{1, f.Name, version, f.Key, f.Inputs, f.Select}
	text, err := json.Marshal(what)
	if err != nil {
		panic("metric: a fact of plain text does not marshal") // cannot happen: strings, integers and booleans only
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// relation returns a needed schema-qualified name.
func (v value) relation(what string) string {
	s := v.needed(what)
	if s == "" {
		return ""
	}
	schema, table, ok := strings.Cut(s, ".")
	switch {
	case !ok:
		v.wrong("write SCHEMA.TABLE", "%s %q is not schema-qualified", what, s)
		return ""
	case !isColumn(schema) || !isColumn(table):
		v.wrong("metrics read tables whose names have a-z, 0-9 and _ alone and do not begin with a digit; others can be asked in SQL", "%s %q would need quotes, which metrics cannot write yet", what, s)
		return ""
	}
	return s
}

// column returns a needed column name. Production may call its columns anything that needs no quoting, also with "__" or one letter.
func (v value) column(what string) string {
	s := v.needed(what)
	if s != "" && !isColumn(s) {
		v.wrong("names have a-z, 0-9 and _ alone and do not begin with a digit", "%s %q is not a name that metrics can use", what, s)
		return ""
	}
	return s
}

// version returns a needed positive integer.
func (v value) version() int {
	s := v.needed("the version")
	if s == "" {
		return 0
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 {
		v.wrong("count versions from 1", "the version %q is no positive integer", s)
		return 0
	}
	return n
}

func isColumn(s string) bool {
	if s == "" || len(s) > maxName || s[0] >= '0' && s[0] <= '9' {
		return false
	}
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' {
			return false
		}
	}
	return true
}

// quoted is an SQL identifier.
func quoted(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }
