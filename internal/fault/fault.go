// Package fault owns the one error that a person sees: its kind, a message that says what happened, a hint that says what to do.
//
// It will not carry text that was not written for people: the cause is kept for errors.Is and errors.As and is never printed,
// because an engine's or a driver's text may quote a production value.
package fault

import (
	"errors"
	"fmt"
)

// Kind says what sort of failure it is; it decides the exit status of a command and the status of a protocol.
type Kind uint8

const (
	// Internal is a failure that is ours.
	Internal Kind = iota
	// Usage is a command called wrongly.
	Usage
	// Invalid is input (a file, a value, a definition) that cannot be accepted.
	Invalid
	// NotFound is a thing that was named and is not there.
	NotFound
	// Unavailable is something we need (a source, a disk, an engine) that cannot be had at the moment.
	Unavailable
	// Found is a check that worked and found something: a difference, a finding, an unapproved weakening.
	Found
	// Refused is a decision: it is not allowed.
	Refused
)

// Exit statuses of every command, as the documentation lists them.
const (
	ExitDone    = 0
	ExitFailed  = 1
	ExitUsage   = 2
	ExitFound   = 3
	ExitRefused = 4
)

// Error is a failure with its two audiences: Message and Hint are for people and hold neither production values nor an engine's text;
// the cause is for programs.
type Error struct {
	Kind    Kind
	Message string
	Hint    string
	cause   error
}

// New makes an error for people. The message says what happened, the hint what to do (it may be empty); both lower case, no full stop.
func New(kind Kind, message, hint string) *Error {
	return &Error{Kind: kind, Message: message, Hint: hint}
}

// Newf is New with a formatted message and no hint; add one with WithHint.
func Newf(kind Kind, format string, args ...any) *Error {
	return &Error{Kind: kind, Message: fmt.Sprintf(format, args...)}
}

// WithHint returns a copy of e that says what to do.
func (e *Error) WithHint(format string, args ...any) *Error {
	c := *e
	c.Hint = fmt.Sprintf(format, args...)
	return &c
}

// WithCause returns a copy of e that keeps cause for errors.Is and errors.As. The cause is never printed.
func (e *Error) WithCause(cause error) *Error {
	c := *e
	c.cause = cause
	return &c
}

// Error is the message alone.
func (e *Error) Error() string { return e.Message }

// Unwrap gives programs the cause.
func (e *Error) Unwrap() error { return e.cause }

// KindOf returns the kind of the outermost fault in err's chain, Internal when there is none.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return Internal
}

// Public returns what may be shown of err: the outermost fault in its chain, or a generic one when nothing in it was written for people.
func Public(err error) *Error {
	if err == nil {
		return nil
	}
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return New(Internal, "something inside weir failed", "run the command again with --debug and look at the log").WithCause(err)
}

// ExitCode returns the exit status that a command ends with for err.
func ExitCode(err error) int {
	if err == nil {
		return ExitDone
	}
	switch KindOf(err) {
	case Usage:
		return ExitUsage
	case Found:
		return ExitFound
	case Refused:
		return ExitRefused
	default:
		return ExitFailed
	}
}

// String names the kind in lower case.
func (k Kind) String() string {
	switch k {
	case Usage:
		return "usage"
	case Invalid:
		return "invalid"
	case NotFound:
		return "not found"
	case Unavailable:
		return "unavailable"
	case Found:
		return "found"
	case Refused:
		return "refused"
	case Internal:
	}
	return "internal"
}
