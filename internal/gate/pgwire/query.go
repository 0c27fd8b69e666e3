package pgwire

import (
	"context"
	"errors"

	"github.com/weirproject/weir/internal/fault"
)

// prepared is a statement that was decided on and can run.
type prepared struct {
	act      act       // what the protocol answers itself; nil: a question, or nothing at all
	question Statement // for the door; also one inside an act
	types    []uint32  // of the parameters
	columns  []column  // of the question
	shift    int       // characters in front of the question in the text that the client sent
	size     int       // bytes of the text that it was made of
}

func (p *prepared) empty() bool { return p.act == nil && p.question == nil }

// described are the columns of the rows that it gives; nil when it gives none.
func (p *prepared) described(c *connection) ([]column, error) {
	if p.act == nil {
		return p.columns, nil
	}
	if d, ok := p.act.(describer); ok {
		return d.describe(c)
	}
	return nil, nil
}

// portal is a statement with its parameters, and its answer when it runs.
type portal struct {
	of         *prepared
	parameters []any
	formats    []int16 // as the client asked: none, one for all, or one for each column
	answer     *answer
	ran        bool // an act runs once
	hold       bool // outlives its transaction
	binary     bool // a cursor that was declared so
	size       int  // bytes of the parameters
}

func (p *portal) close() {
	p.answer.close()
	p.answer = nil
}

var errFailedBlock = stated(fault.Invalid, "25P02", "the transaction has failed: nothing is answered before its end", "send ROLLBACK")

// prepare decides on one statement.
func (c *connection) prepare(p piece, types []uint32) (*prepared, error) {
	out := &prepared{shift: p.at, size: len(p.text)}
	if p.text == "" {
		return out, nil
	}
	i, err := interpret(p.text)
	if err != nil {
		return nil, within(p.at, c.refused(err))
	}
	out.act = i.act
	if c.status == failed && !endsBlock(out.act) {
		return nil, errFailedBlock
	}
	question := p.text
	if i.act != nil {
		question = i.inner
		out.shift += i.innerAt
		if i.types != nil {
			types = i.types
		}
	}
	if question == "" {
		return out, nil
	}
	ctx, cancel := context.WithCancelCause(c.ctx)
	defer cancel(nil)
	defer c.during(cancel)()
	s, err := c.session.Prepare(ctx, question, types)
	if err != nil {
		return nil, within(out.shift, why(ctx, err))
	}
	if !sendable(s.Schema().Fields()) {
		return nil, errUnsendable
	}
	out.question, out.types, out.columns = s, s.Parameters(), columnsOf(s.Schema())
	if a, ok := out.act.(*prepareAct); ok {
		a.types, out.types = out.types, nil
	}
	return out, nil
}

// refused lets a refusal of the protocol's own be recorded before it is told.
func (c *connection) refused(err error) error {
	if r, ok := c.session.(Refuser); ok {
		return r.Refused(c.ctx, err)
	}
	return err
}

// simple is Query: statements one after the other, until one fails.
func (c *connection) simple(b *body) error {
	text := b.text()
	err := clean(text)
	if err != nil {
		err = c.refused(err)
	}
	if !b.done() {
		err = violation("the message Query is malformed")
	}
	delete(c.prepared, "")
	c.drop("")
	pieces := split(text)
	if err == nil && len(pieces) == 0 {
		c.out.empty('I')
	}
	for i := 0; i < len(pieces) && err == nil; i++ {
		err = c.one(pieces[i])
	}
	if err != nil {
		if err := c.fail(err); err != nil {
			return err
		}
	} else if c.status == idle {
		c.endTransaction(true)
	}
	return c.ready()
}

// one runs one statement of the simple protocol.
func (c *connection) one(p piece) error {
	s, err := c.prepare(p, nil)
	if err != nil {
		return err
	}
	if len(s.types) > 0 {
		return c.refused(stated(fault.Invalid, "42P02", "the statement has parameters and no values for them", "write the values into the statement, or use a driver's parameters"))
	}
	run := &portal{of: s}
	defer run.close()
	columns, err := s.described(c)
	if err != nil {
		return err
	}
	if columns != nil {
		if f, ok := s.act.(*fetchAct); ok && f.binary(c) {
			run.formats = []int16{1}
		}
		c.describeColumns(columns, spread(run.formats, len(columns)))
	}
	err = c.run(run, 0)
	return within(s.shift, err)
}

// run runs a portal, or goes on with it, and says how it ended.
func (c *connection) run(p *portal, most int) (err error) {
	s := p.of
	switch {
	case s.empty():
		c.out.empty('I')
		return nil
	case s.act != nil:
		if p.ran {
			return stated(fault.Invalid, "55000", "the portal has run already", "bind the statement again")
		}
		p.ran = true
		tag, err := s.act.run(c, p)
		if err != nil {
			if _, sets := s.act.(*setAct); sets {
				err = c.refused(err)
			}
			return err
		}
		c.out.complete(tag)
		return c.out.full()
	}
	if p.answer == nil {
		if p.answer, err = c.start(s.question, p.parameters); err != nil {
			return err
		}
	}
	n, more, err := p.answer.send(c, &dataRows{columns: s.columns, formats: spread(p.formats, len(s.columns))}, most)
	if err != nil {
		return err
	}
	if more {
		c.out.empty('s')
		return c.out.full()
	}
	c.out.complete("SELECT " + itoa(n))
	return c.out.full()
}

// spread gives each column its format.
func spread(formats []int16, n int) []int16 {
	if len(formats) == n && n > 0 {
		return formats
	}
	out := make([]int16, n)
	if len(formats) == 1 {
		for i := range out {
			out[i] = formats[0]
		}
	}
	return out
}

// drop closes a portal, when there is one.
func (c *connection) drop(name string) {
	if p, ok := c.portals[name]; ok {
		p.close()
		delete(c.portals, name)
	}
}

// parse is Parse.
func (c *connection) parse(b *body) error {
	name, text := b.text(), b.text()
	n := b.int16()
	types := make([]uint32, 0, max(0, min(n, len(b.rest)/4)))
	for range n {
		types = append(types, b.uint32())
		if b.bad {
			break
		}
	}
	if n < 0 || !b.done() {
		return violation("the message Parse is malformed")
	}
	if err := errors.Join(clean(text), clean(name)); err != nil {
		return c.refused(stated(fault.Invalid, "22021", "the text is not valid UTF-8", "set the client's encoding to UTF8"))
	}
	if name == "" {
		delete(c.prepared, "")
	} else if _, ok := c.prepared[name]; ok {
		return stated(fault.Invalid, "42P05", "there is a prepared statement of this name already", "close it, or take another name")
	}
	pieces := split(text)
	if len(pieces) > 1 {
		return c.refused(stated(fault.Invalid, "42601", "a prepared statement is one statement", "prepare them one by one"))
	}
	if len(pieces) == 0 {
		pieces = []piece{{}}
	}
	if err := c.room(name, len(text)); err != nil {
		return err
	}
	s, err := c.prepare(pieces[0], types)
	if err != nil {
		return err
	}
	c.prepared[name] = s
	c.out.empty('1')
	return c.out.full()
}

// room says whether one more statement of that many bytes can be kept.
func (c *connection) room(name string, size int) error {
	if err := short(name); err != nil {
		return err
	}
	if _, ok := c.prepared[name]; !ok && len(c.prepared) >= c.server.o.Limits.Statements {
		return stated(fault.Refused, "53400", "the session has too many prepared statements", "close those that are not needed: DEALLOCATE")
	}
	return c.holds(name, size)
}

// maxName is far more than any client's names have.
const maxName = 256

// short says whether a name is one that can be kept.
func short(name string) error {
	if len(name) > maxName {
		return stated(fault.Refused, "42622", "a name is too long", "give statements, portals and savepoints names of at most "+itoa(maxName)+" bytes")
	}
	return nil
}

// holds says whether the session may keep that many bytes more under a name. What has no name is thrown away with the next message of its kind.
func (c *connection) holds(name string, size int) error {
	if name == "" {
		return nil
	}
	for n, p := range c.prepared {
		if n != "" {
			size += p.size
		}
	}
	for n, p := range c.portals {
		if n != "" {
			size += p.size
		}
	}
	if size > c.server.o.Limits.Kept {
		return stated(fault.Refused, "53400", "the session keeps too much text in prepared statements and open answers", "close those that are not needed, or use the unnamed statement")
	}
	return nil
}

// bind is Bind.
func (c *connection) bind(b *body) error {
	name, statement := b.text(), b.text()
	formats, ok := readFormats(b)
	values, valuesOK := readValues(b)
	results, resultsOK := readFormats(b)
	if !ok || !valuesOK || !resultsOK || !b.done() {
		return violation("the message Bind is malformed")
	}
	s, found := c.prepared[statement]
	if !found {
		return stated(fault.NotFound, "26000", "there is no such prepared statement", "prepare it first")
	}
	if c.status == failed && !s.empty() && !endsBlock(s.act) {
		return errFailedBlock
	}
	if len(values) != len(s.types) {
		return violation("Bind has another number of parameters than the statement")
	}
	if len(formats) > 1 && len(formats) != len(values) {
		return violation("Bind has another number of parameter formats than of parameters")
	}
	columns, err := s.described(c)
	if err != nil {
		return err
	}
	if len(results) > 1 && len(results) != len(columns) {
		return violation("Bind has another number of result formats than the answer has columns")
	}
	p := &portal{of: s, formats: results, parameters: make([]any, len(values))}
	each := spread(formats, len(values))
	for i, v := range values {
		p.size += len(v)
		if p.parameters[i], err = decode(s.types[i], each[i] == 1, v); err != nil {
			return c.refused(err)
		}
	}
	if name == "" {
		c.drop("")
	} else if _, taken := c.portals[name]; taken {
		return stated(fault.Invalid, "42P03", "there is a portal of this name already", "close it, or take another name")
	}
	if err := c.keep(name, p); err != nil {
		return err
	}
	c.out.empty('2')
	return c.out.full()
}

// keep keeps a portal, when there is room.
func (c *connection) keep(name string, p *portal) error {
	if err := errors.Join(short(name), c.holds(name, p.size)); err != nil {
		return err
	}
	if len(c.portals) >= c.server.o.Limits.Portals {
		return stated(fault.Refused, "53400", "the session has too many open answers", "close those that are not needed")
	}
	c.portals[name] = p
	return nil
}

// readFormats reads format codes.
func readFormats(b *body) ([]int16, bool) {
	n := b.int16()
	if n < 0 || n*2 > len(b.rest) {
		return nil, false
	}
	out := make([]int16, n)
	for i := range out {
		v := b.int16()
		if v != 0 && v != 1 {
			return nil, false
		}
		out[i] = int16(v)
	}
	return out, !b.bad
}

// readValues reads parameters; nil is NULL.
func readValues(b *body) ([][]byte, bool) {
	n := b.int16()
	if n < 0 || n*4 > len(b.rest) {
		return nil, false
	}
	out := make([][]byte, n)
	for i := range out {
		size := b.int32()
		if size == -1 {
			continue
		}
		if out[i] = b.take(size); b.bad {
			return nil, false
		}
		if out[i] == nil {
			out[i] = []byte{}
		}
	}
	return out, true
}

// describe is Describe.
func (c *connection) describe(b *body) error {
	what, name := b.byte(), b.text()
	if !b.done() || what != 'S' && what != 'P' {
		return violation("the message Describe is malformed")
	}
	var s *prepared
	var formats []int16
	if what == 'S' {
		if s = c.prepared[name]; s == nil {
			return stated(fault.NotFound, "26000", "there is no such prepared statement", "prepare it first")
		}
	} else {
		p := c.portals[name]
		if p == nil {
			return stated(fault.NotFound, "34000", "there is no such portal", "bind it first")
		}
		s, formats = p.of, p.formats
	}
	columns, err := s.described(c)
	if err != nil {
		return err
	}
	if c.status == failed && columns != nil {
		return errFailedBlock
	}
	if what == 'S' {
		c.out.open('t')
		c.out.int16(len(s.types))
		for _, t := range s.types {
			c.out.int32(int(t))
		}
		c.out.close()
	}
	if columns == nil {
		c.out.empty('n')
	} else {
		c.describeColumns(columns, spread(formats, len(columns)))
	}
	return c.out.full()
}

// execute is Execute.
func (c *connection) execute(b *body) error {
	name, most := b.text(), b.int32()
	if !b.done() {
		return violation("the message Execute is malformed")
	}
	p := c.portals[name]
	if p == nil {
		return stated(fault.NotFound, "34000", "there is no such portal", "bind it first")
	}
	if c.status == failed && !p.of.empty() && !endsBlock(p.of.act) {
		return errFailedBlock
	}
	err := c.run(p, max(most, 0))
	return within(p.of.shift, err)
}

// close is Close.
func (c *connection) close(b *body) error {
	what, name := b.byte(), b.text()
	if !b.done() || what != 'S' && what != 'P' {
		return violation("the message Close is malformed")
	}
	if what == 'S' {
		delete(c.prepared, name)
	} else {
		c.drop(name)
	}
	c.out.empty('3')
	return c.out.full()
}
