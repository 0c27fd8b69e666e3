package pgwire

import (
	"maps"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/weirproject/weir/internal/fault"
)

// verb is what a statement does to the transaction.
type verb uint8

const (
	begin verb = iota
	commit
	rollback
	rollbackTo
	savepoint
	release
)

// transactAct is a statement about the transaction. Nothing is ever written, so a transaction is a state of the session: whether it has failed, which settings it gives back, which answers it closes.
type transactAct struct {
	do    verb
	tag   string
	name  string // of a savepoint
	chain bool
}

// endsBlock says whether a failed transaction still answers it.
func endsBlock(a act) bool {
	t, ok := a.(*transactAct)
	return ok && (t.do == commit || t.do == rollback || t.do == rollbackTo)
}

func (a *transactAct) run(c *connection, _ *portal) (string, error) {
	outside := c.status == idle
	switch a.do {
	case begin:
		if !outside {
			c.warn("25001", "there is a transaction already", "end it with COMMIT first")
			return a.tag, nil
		}
		c.status = inBlock
		return a.tag, nil
	case commit, rollback:
		return a.end(c)
	case savepoint, rollbackTo, release:
	}
	if outside {
		return "", stated(fault.Invalid, "25P01", "there is no transaction", "begin one with BEGIN")
	}
	if a.do == savepoint {
		if len(c.savepoints) >= 1000 {
			return "", stated(fault.Refused, "53400", "the transaction has too many savepoints", "release those that are not needed")
		}
		if err := short(a.name); err != nil {
			return "", err
		}
		c.savepoints = append(c.savepoints, a.name)
		return a.tag, nil
	}
	at := -1
	for i, s := range c.savepoints {
		if s == a.name {
			at = i
		}
	}
	if at < 0 {
		return "", stated(fault.NotFound, "3B001", "there is no such savepoint", "set one with SAVEPOINT")
	}
	if a.do == release {
		c.savepoints = c.savepoints[:at]
		return a.tag, nil
	}
	c.savepoints = c.savepoints[:at+1]
	c.status = inBlock
	return a.tag, nil
}

// end is COMMIT and ROLLBACK. A failed transaction that is committed is rolled back, and the tag says so.
func (a *transactAct) end(c *connection) (string, error) {
	if c.status == idle {
		if a.chain {
			return "", stated(fault.Invalid, "25P01", "there is no transaction", "begin one with BEGIN")
		}
		c.warn("25P01", "there is no transaction", "begin one with BEGIN")
		c.endTransaction(a.do == commit)
		return a.tag, nil
	}
	tag := a.tag
	if c.status == failed {
		tag = "ROLLBACK"
	}
	c.endTransaction(tag == "COMMIT")
	if a.chain {
		c.status = inBlock
	}
	return tag, nil
}

func (c *connection) warn(state, message, hint string) {
	if c.settings.get(c, "client_min_messages") != "error" {
		c.out.report('N', "WARNING", stated(fault.Invalid, state, message, hint))
	}
}

// tagAct is a statement that changes nothing here.
type tagAct struct{ tag string }

func (a *tagAct) run(*connection, *portal) (string, error) { return a.tag, nil }

// setAct is SET and RESET.
type setAct struct {
	tag   string
	name  string
	value *string // nil: as the session began
	local bool
	all   bool
}

func (a *setAct) run(c *connection, _ *portal) (string, error) {
	switch {
	case a.all:
		c.settings.resetAll()
		return a.tag, nil
	case a.local && c.status == idle:
		c.warn("25P01", "SET LOCAL has no effect outside a transaction", "begin one with BEGIN")
	}
	return a.tag, c.settings.set(a.name, a.value, a.local)
}

// showAct is SHOW.
type showAct struct {
	name string
	all  bool
}

func (a *showAct) describe(*connection) ([]column, error) {
	if a.all {
		return []column{{"name", oidText, -1}, {"setting", oidText, -1}, {"description", oidText, -1}}, nil
	}
	p, ok := known[a.name]
	if !ok {
		return nil, unknownParameter()
	}
	return []column{{p.name, oidText, -1}}, nil
}

func (a *showAct) run(c *connection, _ *portal) (string, error) {
	names := []string{a.name}
	if a.all {
		names = slices.Sorted(maps.Keys(known))
	}
	for _, k := range names {
		v := c.settings.get(c, k)
		row := []string{v}
		if a.all {
			row = []string{known[k].name, v, known[k].about}
		}
		c.out.open('D')
		c.out.int16(len(row))
		for _, text := range row {
			c.out.int32(len(text))
			c.out.buf = append(c.out.buf, text...)
		}
		c.out.close()
	}
	return "SHOW", nil
}

// discardAct is DISCARD ALL, by which pools hand a session to the next user.
type discardAct struct{}

func (*discardAct) run(c *connection, _ *portal) (string, error) {
	if c.status != idle {
		return "", stated(fault.Invalid, "25001", "DISCARD ALL cannot run in a transaction", "end it first")
	}
	c.closePortals(true)
	clear(c.prepared)
	c.settings.resetAll()
	return "DISCARD ALL", nil
}

// deallocateAct is DEALLOCATE.
type deallocateAct struct {
	name string
	all  bool
}

func (a *deallocateAct) run(c *connection, _ *portal) (string, error) {
	if a.all {
		clear(c.prepared)
		return "DEALLOCATE ALL", nil
	}
	if _, ok := c.prepared[a.name]; !ok {
		return "", stated(fault.NotFound, "26000", "there is no such prepared statement", "prepare it first")
	}
	delete(c.prepared, a.name)
	return "DEALLOCATE", nil
}

// prepareAct is PREPARE, whose statements are those of the protocol's Parse.
type prepareAct struct {
	name  string
	types []uint32 // of its parameters
}

func (a *prepareAct) run(c *connection, p *portal) (string, error) {
	if _, ok := c.prepared[a.name]; ok {
		return "", stated(fault.Invalid, "42P05", "there is a prepared statement of this name already", "DEALLOCATE it, or take another name")
	}
	if err := c.room(a.name, p.of.size); err != nil {
		return "", err
	}
	kept := *p.of
	kept.act, kept.types = nil, a.types
	c.prepared[a.name] = &kept
	return "PREPARE", nil
}

// executeAct is EXECUTE.
type executeAct struct {
	name   string
	values [][]byte
}

func (a *executeAct) statement(c *connection) (*prepared, error) {
	s, ok := c.prepared[a.name]
	switch {
	case !ok:
		return nil, stated(fault.NotFound, "26000", "there is no such prepared statement", "prepare it first")
	case s.question == nil || s.act != nil:
		return nil, stated(fault.Refused, "0A000", "EXECUTE runs questions only", "send the statement itself")
	}
	return s, nil
}

func (a *executeAct) describe(c *connection) ([]column, error) {
	s, err := a.statement(c)
	if err != nil {
		return nil, err
	}
	return s.columns, nil
}

func (a *executeAct) run(c *connection, p *portal) (string, error) {
	s, err := a.statement(c)
	if err != nil {
		return "", err
	}
	if len(a.values) != len(s.types) {
		return "", stated(fault.Invalid, "42601", "EXECUTE has another number of values than the statement has parameters", "give each parameter a value")
	}
	parameters := make([]any, len(a.values))
	for i, v := range a.values {
		if parameters[i], err = decode(s.types[i], false, v); err != nil {
			return "", err
		}
	}
	answer, err := c.start(s.question, parameters)
	if err != nil {
		return "", err
	}
	defer answer.close()
	n, _, err := answer.send(c, &dataRows{columns: s.columns, formats: spread(p.formats, len(s.columns))}, 0)
	return "SELECT " + itoa(n), err
}

// declareAct is DECLARE: a portal that FETCH reads.
type declareAct struct {
	name         string
	hold, binary bool
}

func (a *declareAct) run(c *connection, p *portal) (string, error) {
	if c.status == idle && !a.hold {
		return "", stated(fault.Invalid, "25P01", "a cursor lives in a transaction", "begin one with BEGIN, or declare the cursor WITH HOLD")
	}
	if _, ok := c.portals[a.name]; ok {
		return "", stated(fault.Invalid, "42P03", "there is a cursor of this name already", "close it, or take another name")
	}
	answer, err := c.start(p.of.question, p.parameters)
	if err != nil {
		return "", err
	}
	kept := *p.of
	kept.act = nil
	if err := c.keep(a.name, &portal{of: &kept, answer: answer, hold: a.hold, binary: a.binary, size: kept.size}); err != nil {
		answer.close()
		return "", err
	}
	return "DECLARE CURSOR", nil
}

// fetchAct is FETCH and MOVE.
type fetchAct struct {
	name string
	most int // 0: all
	none bool
	move bool
}

func (a *fetchAct) cursor(c *connection) (*portal, error) {
	p, ok := c.portals[a.name]
	if !ok || p.of.act != nil || p.of.question == nil {
		return nil, stated(fault.NotFound, "34000", "there is no such cursor", "declare it first; a cursor ends with its transaction")
	}
	return p, nil
}

func (a *fetchAct) describe(c *connection) ([]column, error) {
	p, err := a.cursor(c)
	if err != nil || a.move {
		return nil, err
	}
	return p.of.columns, nil
}

func (a *fetchAct) binary(c *connection) bool {
	p, err := a.cursor(c)
	return err == nil && p.binary
}

func (a *fetchAct) run(c *connection, p *portal) (string, error) {
	cursor, err := a.cursor(c)
	if err != nil {
		return "", err
	}
	tag := "FETCH "
	if a.move {
		tag = "MOVE "
	}
	if a.none {
		return tag + "0", nil
	}
	if cursor.answer == nil {
		if cursor.answer, err = c.start(cursor.of.question, cursor.parameters); err != nil {
			return "", err
		}
	}
	var w rowWriter = &dataRows{columns: cursor.of.columns, formats: spread(p.formats, len(cursor.of.columns))}
	if a.move {
		w = noRows{}
	}
	n, _, err := cursor.answer.send(c, w, a.most)
	return tag + itoa(n), err
}

// noRows writes nothing, for MOVE.
type noRows struct{}

func (noRows) bind(arrow.RecordBatch)       {}
func (noRows) row(dst []byte, _ int) []byte { return dst }
func (noRows) failed() error                { return nil }

// closeAct is CLOSE.
type closeAct struct {
	name string
	all  bool
}

func (a *closeAct) run(c *connection, _ *portal) (string, error) {
	if a.all {
		c.closePortals(true)
		return "CLOSE CURSOR ALL", nil
	}
	if _, ok := c.portals[a.name]; !ok {
		return "", stated(fault.NotFound, "34000", "there is no such cursor", "declare it first; a cursor ends with its transaction")
	}
	c.drop(a.name)
	return "CLOSE CURSOR", nil
}
