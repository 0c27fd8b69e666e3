package policy

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// What a policy file may be at most. The YAML parser goes down one call for each level, and its time grows with the square of some files, so both are limited
// before it runs.
const (
	maxFile  = 256 << 10 // bytes
	maxLines = 10_000
	maxLine  = 4 << 10 // bytes
	maxDepth = 16      // of flow collections
)

// entry is one key of a mapping with its value. A nil value is an empty one.
type entry struct {
	key   string
	line  int
	value ast.Node
}

// reader collects the problems of one file.
type reader struct {
	file     string
	problems []Problem
}

// report adds a problem; right may be empty.
func (r *reader) report(line int, what, right string) {
	r.problems = append(r.problems, Problem{Pos: Pos{File: r.file, Line: line}, What: what, Right: right})
}

// documents returns the bodies of the YAML documents of a file, and nothing after a problem with its syntax.
func (r *reader) documents(data []byte) []ast.Node {
	if line, what, right := unreadable(data); what != "" {
		r.report(line, what, right)
		return nil
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	// The library counts the two bytes of a CRLF as they come; one line end keeps its lines ours.
	data = bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n"))
	file, line, what := parseYAML(data)
	if what != "" {
		r.report(max(line, 1), "not YAML: "+what, "look at the indentation, the quotes and the brackets there")
		return nil
	}
	var bodies []ast.Node
	for _, d := range file.Docs {
		if d == nil || empty(d.Body) {
			continue
		}
		bodies = append(bodies, d.Body)
	}
	return bodies
}

// unreadable says why a file is not given to the parser at all.
func unreadable(data []byte) (line int, what, right string) {
	if len(data) > maxFile {
		return 1, fmt.Sprintf("the file is larger than %d bytes", maxFile), "write one file for each table"
	}
	if bytes.Count(data, []byte("\n")) > maxLines {
		return maxLines, fmt.Sprintf("the file has more than %d lines", maxLines), "write one file for each table"
	}
	for n, l := range bytes.Split(data, []byte("\n")) {
		if !utf8.Valid(l) {
			return n + 1, "the line is not UTF-8 text", "save the file as UTF-8"
		}
		if len(l) > maxLine {
			return n + 1, fmt.Sprintf("the line is longer than %d bytes", maxLine), "break it into several lines"
		}
	}
	return 0, "", ""
}

// parseYAML runs the library. A crash of it is one more way of not being YAML: the file is refused, nothing is let through.
func parseYAML(data []byte) (file *ast.File, line int, what string) {
	defer func() {
		if recover() != nil {
			file, line, what = nil, 1, "the parser gave up on it"
		}
	}()
	tokens := lexer.Tokenize(string(data))
	depth := 0
	for _, t := range tokens {
		switch t.Type {
		case token.MappingStartType, token.SequenceStartType:
			depth++
		case token.MappingEndType, token.SequenceEndType:
			depth--
		default:
		}
		if depth > maxDepth {
			return nil, t.Position.Line, fmt.Sprintf("brackets are nested more than %d deep", maxDepth)
		}
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err == nil {
		return file, 0, ""
	}
	var syntax *yaml.SyntaxError
	if errors.As(err, &syntax) && syntax.Token != nil && syntax.Token.Position != nil {
		return nil, syntax.Token.Position.Line, oneLine(syntax.Message)
	}
	return nil, 1, "its structure cannot be read"
}

// oneLine is a message of the parser without what it copied of the file's invisible characters.
func oneLine(s string) string {
	return strings.Map(func(c rune) rune {
		if !unicode.IsPrint(c) {
			return ' '
		}
		return c
	}, strings.ReplaceAll(s, "'\t'", "tab"))
}

// entries returns the keys of a mapping in their order. Anything that is not a mapping, a key that comes twice and a key that is not a word are reported;
// ok tells that it was a mapping.
func (r *reader) entries(n ast.Node, line int, what, right string) (all []entry, ok bool) {
	if !r.plain(n, line, what) {
		return nil, false
	}
	var values []*ast.MappingValueNode
	switch m := n.(type) {
	case *ast.MappingNode:
		values = m.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{m}
	default:
		r.report(lineOf(n, line), what+" is not a mapping", right)
		return nil, false
	}
	seen := map[string]int{}
	for _, v := range values {
		if v == nil || v.Key == nil {
			continue
		}
		l := lineOf(v.Key, line)
		if !r.plain(v.Key, l, "a key") {
			continue
		}
		e := entry{key: keyText(v.Key), line: l, value: v.Value}
		if first, twice := seen[e.key]; twice {
			r.report(l, fmt.Sprintf("%s has %s twice", what, shown(e.key)), fmt.Sprintf("it already stands in line %d; remove one", first))
			continue
		}
		seen[e.key] = l
		all = append(all, e)
	}
	return all, true
}

// plain reports anchors, aliases, merges, tags and complex keys: a policy says what it says where it says it.
func (r *reader) plain(n ast.Node, line int, what string) bool {
	switch n.(type) {
	case *ast.AnchorNode, *ast.AliasNode, *ast.MergeKeyNode:
		r.report(lineOf(n, line), what+" uses an anchor, an alias or a merge", "write the value out where it belongs")
	case *ast.TagNode, *ast.DirectiveNode:
		r.report(lineOf(n, line), what+" has a tag or a directive", "write the plain value")
	case *ast.MappingKeyNode:
		r.report(lineOf(n, line), what+" is not a word", "write key: value")
	default:
		return true
	}
	return false
}

// word returns the text of a value that has to be a text; everything else is reported as not being what was asked for.
func (r *reader) word(e entry, want string) (string, bool) {
	if !r.plain(e.value, e.line, e.key) {
		return "", false
	}
	s, ok := text(e.value)
	if !ok || strings.TrimSpace(s) == "" {
		r.report(e.line, e.key+" has no text", want)
		return "", false
	}
	return s, true
}

// words returns the texts of a list.
func (r *reader) words(e entry, want string) (all []string, ok bool) {
	seq, is := e.value.(*ast.SequenceNode)
	if !is {
		r.report(e.line, e.key+" is not a list", want)
		return nil, false
	}
	for _, v := range seq.Values {
		s, isText := text(v)
		if !isText {
			r.report(lineOf(v, e.line), e.key+" has something else than names in it", want)
			return nil, false
		}
		all = append(all, s)
	}
	if len(all) == 0 {
		r.report(e.line, e.key+" is empty", want)
		return nil, false
	}
	return all, true
}

// text is the value of a string node.
func text(n ast.Node) (string, bool) {
	switch v := n.(type) {
	case *ast.StringNode:
		return v.Value, true
	case *ast.LiteralNode:
		if v.Value == nil {
			return "", false
		}
		return v.Value.Value, true
	}
	return "", false
}

// number is the value of a number node.
func number(n ast.Node) (float64, bool) {
	switch v := n.(type) {
	case *ast.FloatNode:
		return v.Value, true
	case *ast.IntegerNode:
		switch i := v.Value.(type) {
		case int64:
			return float64(i), true
		case uint64:
			return float64(i), true
		}
	}
	return 0, false
}

// keyText is a key as it is written, whatever type YAML would give it: a column may well be called true or 1.
func keyText(k ast.MapKeyNode) string {
	if s, ok := k.(*ast.StringNode); ok {
		return s.Value
	}
	if t := k.GetToken(); t != nil {
		return t.Value
	}
	return ""
}

func lineOf(n ast.Node, otherwise int) int {
	if n == nil {
		return otherwise
	}
	if t := n.GetToken(); t != nil && t.Position != nil && t.Position.Line > 0 {
		return t.Position.Line
	}
	return otherwise
}

// empty tells a document or a value without anything in it.
func empty(n ast.Node) bool {
	switch n.(type) {
	case nil, *ast.NullNode, *ast.CommentNode, *ast.CommentGroupNode:
		return true
	}
	return false
}
