package pgwire

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/weirproject/weir/internal/fault"
)

// act is a statement that the protocol answers itself.
type act interface {
	// run does it, writes its rows if it has any, and returns what CommandComplete says.
	run(c *connection, p *portal) (string, error)
}

// describer is an act with rows.
type describer interface {
	describe(c *connection) ([]column, error)
}

// interpretation is what a statement turned out to be: an act, or (act nil) a question for the door.
type interpretation struct {
	act     act
	inner   string   // the question inside an act
	innerAt int      // characters in front of it
	types   []uint32 // of its parameters, when the act says them
}

// readerOf is who reads a statement that the protocol answers, by its first word; nil for all others, which are the door's.
func readerOf(first string) func(*reader) (interpretation, error) {
	switch first {
	case "begin", "start":
		return readBegin
	case "commit", "end", "rollback", "abort":
		return readEnd
	case "savepoint", "release":
		return readSavepoint
	case "set":
		return readSet
	case "reset":
		return readReset
	case "show":
		return readShow
	case "discard":
		return readDiscard
	case "deallocate":
		return readDeallocate
	case "prepare":
		return readPrepare
	case "execute":
		return readExecute
	case "declare":
		return readDeclare
	case "fetch", "move":
		return readFetch
	case "close":
		return readClose
	case "copy":
		return readCopy
	case "listen", "unlisten", "notify":
		return readListen
	case "explain":
		return readExplain
	}
	return nil
}

// interpret says what a statement is.
func interpret(text string) (interpretation, error) {
	s := scanner{text: text}
	first := s.next()
	if first.kind != word {
		return interpretation{}, nil
	}
	read := readerOf(first.value)
	if read == nil {
		return interpretation{}, nil
	}
	r := &reader{text: text, tokens: tokens(text)}
	return read(r)
}

// reader goes through the tokens of a statement.
type reader struct {
	text   string
	tokens []token
	at     int
}

func (r *reader) peek() token {
	if r.at < len(r.tokens) {
		return r.tokens[r.at]
	}
	return token{kind: ended, at: len(r.text)}
}

func (r *reader) next() token {
	t := r.peek()
	r.at++ // also behind the last, so that whoever does not want a token can step back
	return t
}

// take takes the words if they are the next.
func (r *reader) take(words ...string) bool {
	for i, w := range words {
		if r.at+i >= len(r.tokens) || !r.tokens[r.at+i].is(w) {
			return false
		}
	}
	r.at += len(words)
	return true
}

// any takes one of the words.
func (r *reader) any(words ...string) string {
	for _, w := range words {
		if r.take(w) {
			return w
		}
	}
	return ""
}

// name takes a name.
func (r *reader) name() (string, error) {
	if t := r.next(); t.name() {
		return t.value, nil
	}
	r.at--
	return "", r.unclear()
}

// end says that nothing may be left.
func (r *reader) end() error {
	if r.peek().kind != ended {
		return r.unclear()
	}
	return nil
}

// unclear is the error about the token that was not expected.
func (r *reader) unclear() error {
	return statedAt("42601", "this statement is not understood", "weir answers the statements of this kind that clients send; see the documentation for their forms", r.characters(r.peek().at)+1)
}

func (r *reader) characters(at int) int { return utf8.RuneCountInString(r.text[:at]) }

// rest is the text from the next token on, a question, and where it begins.
func (r *reader) rest() (string, int, error) {
	t := r.peek()
	if t.kind == ended {
		return "", 0, r.unclear()
	}
	r.at = len(r.tokens)
	return r.text[t.at:], r.characters(t.at), nil
}

// readBegin reads BEGIN and START TRANSACTION.
func readBegin(r *reader) (interpretation, error) {
	tag := "BEGIN"
	if r.next().value == "start" {
		if !r.take("transaction") {
			return interpretation{}, r.unclear()
		}
		tag = "START TRANSACTION"
	} else {
		r.any("work", "transaction")
	}
	if err := r.modes(); err != nil {
		return interpretation{}, err
	}
	return interpretation{act: &transactAct{do: begin, tag: tag}}, nil
}

// modes reads the modes of a transaction. They change nothing: every question sees one state of the store, and nothing is written.
func (r *reader) modes() error {
	for r.peek().kind != ended {
		switch {
		case r.take("isolation", "level"):
			if !r.take("serializable") && !r.take("repeatable", "read") && !r.take("read", "committed") && !r.take("read", "uncommitted") {
				return r.unclear()
			}
		case r.take("read", "only"), r.take("read", "write"), r.take("deferrable"), r.take("not", "deferrable"), r.take(","):
		default:
			return r.unclear()
		}
	}
	return nil
}

// readEnd reads COMMIT, END, ROLLBACK and ABORT.
func readEnd(r *reader) (interpretation, error) {
	a := &transactAct{do: commit, tag: "COMMIT"}
	if v := r.next().value; v == "rollback" || v == "abort" {
		a.do, a.tag = rollback, "ROLLBACK"
	}
	if r.take("prepared") {
		return interpretation{}, stated(fault.Refused, "0A000", "there are no prepared transactions", "nothing is written here: use BEGIN and COMMIT")
	}
	r.any("work", "transaction")
	if a.do == rollback && r.take("to") {
		r.take("savepoint")
		name, err := r.name()
		if err != nil {
			return interpretation{}, err
		}
		a.do, a.name = rollbackTo, name
		return interpretation{act: a}, r.end()
	}
	if r.take("and", "chain") {
		a.chain = true
	} else {
		r.take("and", "no", "chain")
	}
	return interpretation{act: a}, r.end()
}

func readSavepoint(r *reader) (interpretation, error) {
	a := &transactAct{do: savepoint, tag: "SAVEPOINT"}
	if r.next().value == "release" {
		a.do, a.tag = release, "RELEASE"
		r.take("savepoint")
	}
	name, err := r.name()
	a.name = name
	if err == nil {
		err = r.end()
	}
	return interpretation{act: a}, err
}

// readSet reads SET in its forms.
func readSet(r *reader) (interpretation, error) {
	r.next()
	a := &setAct{tag: "SET"}
	switch {
	case r.take("session", "characteristics", "as", "transaction"), r.take("transaction"), r.take("local", "transaction"):
		if r.take("snapshot") {
			return interpretation{}, stated(fault.Refused, "0A000", "snapshots are not shared between transactions", "ask in one transaction")
		}
		return interpretation{act: &tagAct{tag: "SET"}}, r.modes()
	case r.take("constraints"):
		return interpretation{act: &tagAct{tag: "SET CONSTRAINTS"}}, nil
	case r.take("session", "authorization"):
		a.name = "role" // the same answer: only what changes nothing
		return r.setting(a)
	case r.take("local"):
		a.local = true
	default:
		r.take("session")
	}
	switch {
	case r.take("time", "zone"):
		a.name = "timezone"
		if r.take("local") {
			return interpretation{act: a}, r.end()
		}
		return r.setting(a)
	case r.take("names"):
		a.name = "client_encoding"
		return r.setting(a)
	case r.take("role"):
		a.name = "role"
		r.any("to", "=")
		return r.setting(a)
	}
	name, err := r.parameterName()
	if err != nil {
		return interpretation{}, err
	}
	a.name = name
	if r.any("to", "=") == "" {
		return interpretation{}, r.unclear()
	}
	return r.setting(a)
}

// parameterName reads a name that may have points.
func (r *reader) parameterName() (string, error) {
	name, err := r.name()
	for err == nil && r.take(".") {
		var more string
		more, err = r.name()
		name += "." + more
	}
	return lower(name), err
}

// setting reads the value of SET: DEFAULT, or a list of words, numbers and strings.
func (r *reader) setting(a *setAct) (interpretation, error) {
	if r.take("default") {
		return interpretation{act: a}, r.end()
	}
	var parts []string
	for {
		sign := ""
		if r.take("-") {
			sign = "-"
		} else {
			r.take("+")
		}
		t := r.next()
		switch t.kind {
		case word, number, str:
			parts = append(parts, sign+strings.TrimSpace(valueOf(t)))
		case quoted:
			parts = append(parts, t.raw)
		default:
			r.at--
			return interpretation{}, r.unclear()
		}
		if !r.take(",") {
			break
		}
	}
	v := strings.Join(parts, ", ")
	a.value = &v
	return interpretation{act: a}, r.end()
}

func valueOf(t token) string {
	if t.kind == str {
		return t.value
	}
	return t.raw
}

func readReset(r *reader) (interpretation, error) {
	r.next()
	a := &setAct{tag: "RESET"}
	switch {
	case r.take("all"):
		a.all = true
	case r.take("session", "authorization"):
		a.name = "role"
	case r.take("time", "zone"):
		a.name = "timezone"
	default:
		name, err := r.parameterName()
		if err != nil {
			return interpretation{}, err
		}
		a.name = name
	}
	return interpretation{act: a}, r.end()
}

func readShow(r *reader) (interpretation, error) {
	r.next()
	a := &showAct{}
	switch {
	case r.take("all"):
		a.all = true
	case r.take("time", "zone"):
		a.name = "timezone"
	case r.take("transaction", "isolation", "level"):
		a.name = "transaction_isolation"
	case r.take("session", "authorization"):
		a.name = "session_authorization"
	default:
		name, err := r.parameterName()
		if err != nil {
			return interpretation{}, err
		}
		a.name = name
	}
	if a.name == "password_encryption" { // what psql asks for when somebody types \password
		return interpretation{}, stated(fault.NotFound, "42704", "no password is chosen here", "weir login makes a new SQL password; the page password is changed on weir's page, under Account")
	}
	if _, ok := known[a.name]; !ok && !a.all {
		return interpretation{}, unknownParameter()
	}
	return interpretation{act: a}, r.end()
}

func readDiscard(r *reader) (interpretation, error) {
	r.next()
	switch r.any("all", "plans", "sequences", "temp", "temporary") {
	case "all":
		return interpretation{act: &discardAct{}}, r.end()
	case "plans":
		return interpretation{act: &tagAct{tag: "DISCARD PLANS"}}, r.end()
	case "sequences":
		return interpretation{act: &tagAct{tag: "DISCARD SEQUENCES"}}, r.end()
	case "":
		return interpretation{}, r.unclear()
	}
	return interpretation{act: &tagAct{tag: "DISCARD TEMP"}}, r.end()
}

func readListen(r *reader) (interpretation, error) {
	if r.next().value == "unlisten" {
		if r.any("*") == "" {
			if _, err := r.name(); err != nil {
				return interpretation{}, err
			}
		}
		return interpretation{act: &tagAct{tag: "UNLISTEN"}}, r.end()
	}
	// Saying yes would promise notices that never come.
	return interpretation{}, stated(fault.Refused, "0A000", "there are no notifications here", "ask again from time to time")
}

func readExplain(*reader) (interpretation, error) {
	return interpretation{}, stated(fault.Refused, "0A000", "EXPLAIN is not answered here", "weir query --explain 'SELECT …' shows what would run and which columns it reads, and so does the page's POST /api/v1/query/explain")
}

func readDeallocate(r *reader) (interpretation, error) {
	r.next()
	r.take("prepare")
	if r.take("all") {
		return interpretation{act: &deallocateAct{all: true}}, r.end()
	}
	name, err := r.name()
	if err == nil {
		err = r.end()
	}
	return interpretation{act: &deallocateAct{name: name}}, err
}

// readPrepare reads PREPARE name (types) AS question.
func readPrepare(r *reader) (interpretation, error) {
	r.next()
	if r.take("transaction") {
		return interpretation{}, stated(fault.Refused, "0A000", "there are no prepared transactions", "nothing is written here: use BEGIN and COMMIT")
	}
	name, err := r.name()
	if err != nil {
		return interpretation{}, err
	}
	i := interpretation{act: &prepareAct{name: name}, types: []uint32{}}
	if r.take("(") {
		for {
			oid, err := r.typeName()
			if err != nil {
				return interpretation{}, err
			}
			i.types = append(i.types, oid)
			if !r.take(",") {
				break
			}
		}
		if !r.take(")") {
			return interpretation{}, r.unclear()
		}
	}
	if !r.take("as") {
		return interpretation{}, r.unclear()
	}
	at := r.peek().at
	if i.inner, i.innerAt, err = r.rest(); err != nil {
		return interpretation{}, err
	}
	return i, onlyQuestion(r.text[at:])
}

// onlyQuestion refuses acts inside acts.
func onlyQuestion(text string) error {
	s := scanner{text: text}
	if t := s.next(); t.kind == word && readerOf(t.value) != nil {
		return stated(fault.Invalid, "42601", "only a question can stand here", "write a SELECT")
	}
	return nil
}

// typeName reads the name of a parameter's type; a length behind it says nothing about a value that is compared.
func (r *reader) typeName() (uint32, error) {
	r.take("pg_catalog", ".")
	start := r.at
	name, err := r.name()
	if err != nil {
		return 0, err
	}
	switch {
	case name == "double" && r.take("precision"):
		name = "double precision"
	case name == "character" && r.take("varying"):
		name = "character varying"
	}
	if r.take("(") {
		for r.peek().kind == number || r.peek().is(",") {
			r.next()
		}
		if !r.take(")") {
			return 0, r.unclear()
		}
	}
	if name == "timestamp" || name == "time" {
		if r.take("with", "time", "zone") {
			name += " with time zone"
		} else {
			r.take("without", "time", "zone")
		}
	}
	oid, ok := typeNames[name]
	if !ok {
		return 0, statedAt("42704", "there is no such type here", "use a type of PostgreSQL's own: integer, text, timestamptz …", r.characters(r.tokens[start].at)+1)
	}
	return oid, nil
}

// readExecute reads EXECUTE name (constants).
func readExecute(r *reader) (interpretation, error) {
	r.next()
	name, err := r.name()
	if err != nil {
		return interpretation{}, err
	}
	a := &executeAct{name: name}
	if r.take("(") && !r.take(")") {
		for {
			v, err := r.constant()
			if err != nil {
				return interpretation{}, err
			}
			a.values = append(a.values, v)
			if !r.take(",") {
				break
			}
		}
		if !r.take(")") {
			return interpretation{}, r.unclear()
		}
	}
	return interpretation{act: a}, r.end()
}

// constant reads a constant as text; nil is NULL. A cast behind it is read and left: the parameter has its type.
func (r *reader) constant() ([]byte, error) {
	sign := ""
	if r.take("-") {
		sign = "-"
	}
	t := r.next()
	var v []byte
	switch {
	case t.kind == number:
		v = []byte(sign + t.raw)
	case t.kind == str && sign == "":
		v = []byte(t.value)
	case (t.is("true") || t.is("false")) && sign == "":
		v = []byte(t.value)
	case t.is("null") && sign == "":
	default:
		r.at--
		return nil, r.unclear()
	}
	if r.take(":", ":") {
		if _, err := r.typeName(); err != nil {
			return nil, err
		}
	}
	return v, nil
}

// readDeclare reads DECLARE … CURSOR … FOR question.
func readDeclare(r *reader) (interpretation, error) {
	r.next()
	name, err := r.name()
	if err != nil {
		return interpretation{}, err
	}
	a := &declareAct{name: name}
	for !r.take("cursor") {
		switch {
		case r.take("binary"):
			a.binary = true
		case r.take("insensitive"), r.take("asensitive"), r.take("no", "scroll"):
		case r.peek().is("scroll"):
			return interpretation{}, statedAt("0A000", "cursors go forward only", "leave SCROLL out", r.characters(r.peek().at)+1)
		default:
			return interpretation{}, r.unclear()
		}
	}
	if r.take("with", "hold") {
		a.hold = true
	} else {
		r.take("without", "hold")
	}
	if !r.take("for") {
		return interpretation{}, r.unclear()
	}
	at := r.peek().at
	i := interpretation{act: a}
	if i.inner, i.innerAt, err = r.rest(); err != nil {
		return interpretation{}, err
	}
	return i, onlyQuestion(r.text[at:])
}

// readFetch reads FETCH and MOVE, forward.
func readFetch(r *reader) (interpretation, error) {
	a := &fetchAct{most: 1, move: r.next().value == "move"}
	r.take("forward")
	t := r.peek()
	switch {
	case r.take("next"):
	case r.take("all"):
		a.most = 0
	case t.kind == number:
		r.next()
		n, err := strconv.Atoi(t.raw)
		if err != nil || n < 0 || n > 1<<31-1 {
			return interpretation{}, statedAt("22023", "this is no number of rows", "write a whole number", r.characters(t.at)+1)
		}
		a.most, a.none = n, n == 0
	case t.is("-"), t.is("prior"), t.is("backward"), t.is("first"), t.is("last"), t.is("absolute"), t.is("relative"):
		return interpretation{}, statedAt("55000", "cursors go forward only", "use FETCH n or FETCH ALL", r.characters(t.at)+1)
	}
	r.any("from", "in")
	name, err := r.name()
	if err == nil {
		err = r.end()
	}
	a.name = name
	return interpretation{act: a}, err
}

func readClose(r *reader) (interpretation, error) {
	r.next()
	if r.take("all") {
		return interpretation{act: &closeAct{all: true}}, r.end()
	}
	name, err := r.name()
	if err == nil {
		err = r.end()
	}
	return interpretation{act: &closeAct{name: name}}, err
}
