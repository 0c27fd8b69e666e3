package catalogue

import "strings"

// spelled reads the functions that SQL gives a grammar of their own.
func (p *parser) spelled(name string) expr {
	p.at += 2
	c := &call{name: name}
	switch name {
	case "trim":
		c.name = "btrim"
		if t := p.now(); t.isWord("both", "leading", "trailing") {
			p.at++
			c.name = map[string]string{"both": "btrim", "leading": "ltrim", "trailing": "rtrim"}[t.text]
		}
		if p.word("from") {
			c.args = p.expressions()
			break
		}
		c.args = p.expressions()
		if p.word("from") {
			c.args = append([]expr{p.expression()}, c.args...)
		}
	case "substring":
		c.args = p.expressions()
		if p.word("from") {
			c.args = append(c.args, p.expression())
		}
		if p.word("for") {
			if len(c.args) == 1 {
				c.args = append(c.args, literal{literalNumber, "1"})
			}
			c.args = append(c.args, p.expression())
		}
	case "position":
		c.args = []expr{p.binding(bindOther)}
		p.needWord("in")
		c.args = append(c.args, p.expression())
	case "extract":
		part := p.label()
		if strings.Trim(part, "abcdefghijklmnopqrstuvwxyz") != "" {
			p.fail()
		}
		p.needWord("from")
		c.args = []expr{literal{literalString, part}, p.expression()}
		c.name = "date_part"
	default:
		p.fail()
	}
	p.needPunct(")")
	return p.call(c)
}

// typeName reads a type as casts have it.
func (p *parser) typeName() typeName {
	t := typeName{name: p.label()}
	if p.punct(".") {
		t.schema, t.name = t.name, p.label()
	}
	switch {
	case t.name == "double" && p.word("precision"):
		t.name = "float8"
	case t.name == "character" && p.word("varying"):
		t.name = "varchar"
	}
	if p.punct("(") {
		for !p.bad {
			n := p.step()
			if n.kind != tokenNumber {
				p.fail()
			}
			t.modifiers = append(t.modifiers, n.text)
			if !p.punct(",") {
				break
			}
		}
		p.needPunct(")")
	}
	switch {
	case p.words("with", "time", "zone"):
		t.name += "tz"
	case p.words("without", "time", "zone"):
	}
	for p.now().isPunct("[") {
		// Behind a cast an empty pair is an array type; anything else subscripts the value.
		if !p.ahead(1).isPunct("]") {
			break
		}
		p.at += 2
		t.array = true
	}
	if strings.HasPrefix(t.name, "reg") {
		if known := lookupType(t); known != nil && isNamed(known.oid) {
			p.names = true
		}
	}
	return t
}
