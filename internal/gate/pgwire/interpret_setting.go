package pgwire

import (
	"strings"

	"github.com/weirproject/weir/internal/fault"
)

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
