package metric

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/weirproject/weir/internal/fault"
)

// place is where something stands in a definition file.
type place struct {
	file string
	line int
}

// Problem is one thing that is wrong in a definition file.
type Problem struct {
	File string
	Line int
	What string // what is wrong
	Fix  string // what would be right
}

// String is "file:line: what is wrong; what would be right".
func (p Problem) String() string {
	s := p.File
	if p.Line > 0 {
		s += ":" + strconv.Itoa(p.Line)
	}
	s += ": " + p.What
	if p.Fix != "" {
		s += "; " + p.Fix
	}
	return s
}

// ProblemsError is everything that is wrong in a folder of definitions. It is the cause of the *fault.Error that Load returns.
type ProblemsError struct {
	Problems []Problem // by file and line
}

// Error is one line per problem.
func (e *ProblemsError) Error() string {
	lines := make([]string, 0, len(e.Problems))
	for _, p := range e.Problems {
		lines = append(lines, p.String())
	}
	return strings.Join(lines, "\n")
}

// problems collects what is wrong, so that one run shows all of it.
type problems struct {
	list []Problem
}

func (p *problems) add(at place, fix, format string, args ...any) {
	p.list = append(p.list, Problem{File: at.file, Line: at.line, What: fmt.Sprintf(format, args...), Fix: fix})
}

// err is the error for people, or nil.
func (p *problems) err() error {
	if len(p.list) == 0 {
		return nil
	}
	slices.SortStableFunc(p.list, func(a, b Problem) int {
		if c := strings.Compare(a.File, b.File); c != 0 {
			return c
		}
		return a.Line - b.Line
	})
	cause := &ProblemsError{Problems: p.list}
	return fault.New(fault.Invalid, "the metric definitions cannot be used:\n"+cause.Error(), "correct the lines named above").WithCause(cause)
}

// value is a YAML value with its place; the zero node means that it is not there.
type value struct {
	node  ast.Node
	at    place
	found *problems
}

// documents parses a file into its documents; empty ones are left out.
func documents(file string, data []byte, found *problems) []value {
	parsed, err := parser.ParseBytes(data, 0)
	if err != nil {
		at, what := place{file: file}, "it cannot be read"
		var syntax yaml.Error
		if errors.As(err, &syntax) {
			what, _, _ = strings.Cut(syntax.GetMessage(), "\n")
			if t := syntax.GetToken(); t != nil && t.Position != nil {
				at.line = t.Position.Line
			}
		}
		found.add(at, "", "this is not YAML: %s", what)
		return nil
	}
	var out []value
	for _, d := range parsed.Docs {
		if d.Body == nil || d.Body.Type() == ast.NullType || d.Body.Type() == ast.CommentType {
			continue
		}
		out = append(out, valueOf(d.Body, place{file: file, line: 1}, found))
	}
	return out
}

func valueOf(n ast.Node, parent place, found *problems) value {
	v := value{node: n, at: parent, found: found}
	if n == nil {
		return v
	}
	if m, ok := n.(*ast.MappingNode); ok && len(m.Values) > 0 {
		n = m.Values[0].Key
	}
	if t := n.GetToken(); t != nil && t.Position != nil && t.Position.Line > 0 {
		v.at.line = t.Position.Line
	}
	return v
}

// is reports whether the value is there and not null.
func (v value) is() bool {
	return v.node != nil && v.node.Type() != ast.NullType
}

func (v value) wrong(fix, format string, args ...any) {
	v.found.add(v.at, fix, format, args...)
}

// entry is one key of a mapping.
type entry struct {
	key   string
	value value
}

// entries returns a mapping's keys in the file's order. what names the mapping in the problem of a value that is none.
func (v value) entries(what string) []entry {
	if !v.is() {
		return nil
	}
	var pairs []*ast.MappingValueNode
	switch n := v.node.(type) {
	case *ast.MappingNode:
		pairs = n.Values
	case *ast.MappingValueNode:
		pairs = []*ast.MappingValueNode{n}
	default:
		v.wrong("write it as keys with values", "%s is not a mapping", what)
		return nil
	}
	var out []entry
	for _, p := range pairs {
		at := valueOf(p.Key, v.at, v.found).at
		key, ok := p.Key.(*ast.StringNode)
		if !ok {
			v.found.add(at, "write a plain name", "a key of %s is not plain text", what)
			continue
		}
		item := valueOf(p.Value, at, v.found)
		if !item.is() {
			item.at = at
		}
		out = append(out, entry{key: key.Value, value: item})
	}
	return out
}

// mapping returns the values of the known keys and finds unknown ones. refused maps a key that MetricFlow knows and weir does not to the reason.
func (v value) mapping(what string, known []string, refused map[string]string) map[string]value {
	out := map[string]value{}
	for _, e := range v.entries(what) {
		reason, no := refused[e.key]
		switch {
		case slices.Contains(known, e.key):
			out[e.key] = e.value
		case no:
			e.value.wrong(reason, "%s of %s is not supported", e.key, what)
		default:
			e.value.wrong(instead(e.key, known), "%s has no key %q", what, e.key)
		}
	}
	for _, k := range known {
		if _, ok := out[k]; !ok {
			out[k] = value{at: v.at, found: v.found}
		}
	}
	return out
}

// items returns a sequence's values; a missing one is empty.
func (v value) items(what string) []value {
	if !v.is() {
		return nil
	}
	n, ok := v.node.(*ast.SequenceNode)
	if !ok {
		v.wrong("write it as a list", "%s is not a list", what)
		return nil
	}
	out := make([]value, 0, len(n.Values))
	for _, item := range n.Values {
		out = append(out, valueOf(item, v.at, v.found))
	}
	return out
}

// text returns a plain value as it was written; a missing one is "".
func (v value) text(what string) string {
	if !v.is() {
		return ""
	}
	switch n := v.node.(type) {
	case *ast.StringNode:
		return n.Value
	case *ast.LiteralNode:
		return n.Value.Value
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return v.node.GetToken().Value
	}
	v.wrong("write it as text", "%s is not text", what)
	return ""
}

// needed is text that must be there.
func (v value) needed(what string) string {
	if !v.is() {
		v.wrong("add it", "%s is missing", what)
		return ""
	}
	s := strings.TrimSpace(v.text(what))
	if s == "" {
		v.wrong("", "%s is empty", what)
	}
	return s
}

// flag returns a boolean; a missing one is false.
func (v value) flag(what string) bool {
	if !v.is() {
		return false
	}
	if b, ok := v.node.(*ast.BoolNode); ok {
		return b.Value
	}
	v.wrong("write true or false", "%s is neither true nor false", what)
	return false
}

// number returns a finite number and whether there was one.
func (v value) number(what string) (float64, bool) {
	if !v.is() {
		return 0, false
	}
	switch v.node.(type) {
	case *ast.IntegerNode, *ast.FloatNode:
		if f, err := strconv.ParseFloat(v.node.GetToken().Value, 64); err == nil && !math.IsInf(f, 0) && !math.IsNaN(f) {
			return f, true
		}
	}
	v.wrong("write a number", "%s is not a number", what)
	return 0, false
}

// maxName bounds names, so that they fit every catalogue and every message.
const maxName = 63

// isName is MetricFlow's rule for names: a-z, 0-9 and _, beginning with a letter, ending with a letter or digit, no "__" (which separates an entity
// from a dimension).
func isName(s string) bool {
	if len(s) < 2 || len(s) > maxName || s[0] < 'a' || s[0] > 'z' || s[len(s)-1] == '_' || strings.Contains(s, "__") {
		return false
	}
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' {
			return false
		}
	}
	return true
}

const nameRule = "names have 2 to 63 of a-z, 0-9 and _, begin with a letter, do not end with _ and have no __"

// name returns a needed name.
func (v value) name(what string) string {
	s := v.needed(what)
	if s != "" && !isName(s) {
		v.wrong(nameRule, "%s %q is no name", what, s)
		return ""
	}
	return s
}
