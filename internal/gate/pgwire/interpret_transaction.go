package pgwire

import (
	"github.com/weirproject/weir/internal/fault"
)

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
