package pgwire

import (
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

// onlyQuestion refuses acts inside acts.
func onlyQuestion(text string) error {
	s := scanner{text: text}
	if t := s.next(); t.kind == word && readerOf(t.value) != nil {
		return stated(fault.Invalid, "42601", "only a question can stand here", "write a SELECT")
	}
	return nil
}
