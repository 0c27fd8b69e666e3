package catalogue

import "github.com/weirproject/weir/internal/fault"

// StateError carries the SQLSTATE of an answer that could not be given; it is in the chain of the *fault.Error.
type StateError struct{ SQLState string }

// Error names the SQLSTATE.
func (e *StateError) Error() string { return "sqlstate " + e.SQLState }

func refuse(state, message, hint string) error {
	return fault.New(fault.Invalid, message, hint).WithCause(&StateError{SQLState: state})
}

func unsupported() error {
	return refuse("0A000", "the catalogue cannot answer a statement of that form", "ask it more simply")
}

// noFunction names the function when it is one of PostgreSQL's own; what else somebody wrote there is not said again.
func noFunction(name string) error {
	f := fault.New(fault.Invalid, "the catalogue has no such function", "")
	if procedures()[name] != 0 || isKnown(&call{name: name}) {
		f = fault.Newf(fault.Invalid, "the catalogue has no function %s that takes these arguments", quoteName(name))
	}
	return f.WithHint("look at its name and arguments").WithCause(&StateError{SQLState: "42883"})
}

func denied(relation string) error {
	return fault.Newf(fault.Refused, "permission denied for table %s", relation).WithHint("nobody may read it here").WithCause(&StateError{SQLState: "42501"})
}
