package pgwire

import (
	"strconv"

	"github.com/weirproject/weir/internal/fault"
)

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
