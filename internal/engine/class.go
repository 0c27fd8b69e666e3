package engine

import (
	"context"
	"errors"

	"github.com/weirproject/weir/internal/fault"
)

// Class is all that an engine tells of an error.
type Class uint8

// The classes.
const (
	ClassOther       Class = iota + 1
	ClassSyntax            // the text is no statement, or not exactly one
	ClassBinder            // names or types don't fit
	ClassCatalog           // a table, column or function is missing or exists already
	ClassConversion        // a value can't be converted or is out of range
	ClassConstraint        // a constraint is violated
	ClassInput             // an argument or its number is wrong
	ClassTransaction       // a conflict, or no transaction where there must be one
	ClassMemory            // out of memory or of spill
	ClassIO                // the file or the spill folder
	ClassPermission        // the lock-down refused it
	ClassInterrupted       // cancelled
	ClassUnsupported       // not implemented
	ClassFatal             // the database is unusable until the engine starts again
	ClassWidth             // a row of the answer is too wide
	ClassInternal          // a mistake of the database's; what was being written may be lost, what was being read is only not answered
)

var classNames = map[Class]string{
	ClassOther: "other", ClassSyntax: "syntax", ClassBinder: "binder", ClassCatalog: "catalog", ClassConversion: "conversion",
	ClassConstraint: "constraint", ClassInput: "input", ClassTransaction: "transaction", ClassMemory: "out of memory", ClassIO: "io",
	ClassPermission: "permission", ClassInterrupted: "interrupted", ClassUnsupported: "unsupported", ClassFatal: "fatal", ClassWidth: "width", ClassInternal: "internal",
}

func (c Class) String() string {
	if s, ok := classNames[c]; ok {
		return s
	}
	return classNames[ClassOther]
}

// ClassError is an engine's error, of which nothing but the class crosses. It is the cause of the faults that sessions return.
type ClassError struct{ Class Class }

func (e *ClassError) Error() string { return "engine: " + e.Class.String() }

// ClassOf returns the class of the engine's error in err's chain, and 0 when there is none.
func ClassOf(err error) Class {
	var c *ClassError
	if errors.As(err, &c) {
		return c.Class
	}
	return 0
}

// errGone is the cause of every fault of an engine that is not there any more.
var errGone = errors.New("the engine is gone")

// IsGone tells that err comes from an engine that has ended: what it was doing did not happen, or is durable, and it must be started again.
func IsGone(err error) bool { return errors.Is(err, errGone) }

func gone() *fault.Error {
	return fault.New(fault.Unavailable, "the engine stopped", "ask again; it is started anew by itself").WithCause(errGone)
}

// classFault turns a class into the fault that people see; ctx tells whether an interruption was theirs.
func classFault(ctx context.Context, c Class) *fault.Error {
	if c == ClassOther && ctx.Err() != nil { // DuckDB gives no type to what breaks off preparing
		c = ClassInterrupted
	}
	cause := error(&ClassError{Class: c})
	var f *fault.Error
	switch c {
	case ClassInterrupted:
		if err := ctx.Err(); err != nil {
			cause = errors.Join(cause, err)
		}
		f = fault.New(fault.Unavailable, "the statement was cancelled before it was done", "ask for less at once, or allow it more time")
	case ClassWidth:
		f = fault.Newf(fault.Refused, "a row of the answer is wider than %d MiB", maxRowBytes>>20).WithHint("ask for less of its widest values: left(text, 1000), or a list's slice; or for the parts of it in rows of their own: unnest(list)")
	case ClassMemory:
		f = fault.New(fault.Unavailable, "the statement needs more memory than it may use", "ask for less at once, or raise the engine's memory limit")
	case ClassIO:
		f = fault.New(fault.Unavailable, "the engine could not read or write its files", "look whether the disk is full or failing")
	case ClassSyntax, ClassBinder, ClassCatalog, ClassInput, ClassUnsupported:
		f = fault.Newf(fault.Invalid, "the engine does not accept the statement (%s)", c).WithHint("look at its names, types and arguments")
	case ClassConversion:
		f = fault.New(fault.Invalid, "a value does not fit its type", "look at the casts and the arithmetic of the statement")
	case ClassTransaction:
		f = fault.New(fault.Unavailable, "a transaction could not be completed, as happens when the disk is full", "look whether there is room where the state is; it is tried again")
	case ClassPermission:
		f = fault.New(fault.Refused, "the engine's lock-down refused the statement", "ask for nothing but the tables of the store")
	default:
		f = fault.Newf(fault.Internal, "the engine failed (%s)", c).WithHint("try again; if it fails again, report it with the statement")
	}
	return f.WithCause(cause)
}
