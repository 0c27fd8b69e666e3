package web

import (
	"errors"
	"math"
	"net/http"
	"strconv"

	"github.com/weirproject/weir/internal/fault"
	"github.com/weirproject/weir/internal/people"
)

// statusError is a fault that has a status of its own.
type statusError struct {
	status int
	cause  error
}

// Error is the fault's message.
func (e *statusError) Error() string { return e.cause.Error() }

// Unwrap is the fault.
func (e *statusError) Unwrap() error { return e.cause }

func stated(status int, err error) error { return &statusError{status: status, cause: err} }

// statusOf is the HTTP status that says what err says.
func statusOf(err error) int {
	var own *statusError
	if errors.As(err, &own) {
		return own.status
	}
	if slow(err) {
		return http.StatusTooManyRequests
	}
	switch fault.KindOf(err) {
	case fault.Refused:
		return http.StatusForbidden
	case fault.NotFound:
		return http.StatusNotFound
	case fault.Usage, fault.Invalid:
		return http.StatusUnprocessableEntity
	case fault.Unavailable:
		return http.StatusServiceUnavailable
	case fault.Found:
		return http.StatusConflict
	case fault.Internal:
	}
	return http.StatusInternalServerError
}

// slow says whether somebody is to wait.
func slow(err error) bool {
	var e *people.SlowDownError
	return errors.As(err, &e)
}

// excuse sets the headers that go with an error, and returns its status. What is ours is logged; its cause is not, because it may quote a value.
func (c *call) excuse(err error) int {
	status := statusOf(err)
	var wait *people.SlowDownError
	if errors.As(err, &wait) {
		c.w.Header().Set("Retry-After", strconv.Itoa(max(1, int(math.Ceil(wait.Wait.Seconds())))))
	}
	if status == http.StatusServiceUnavailable {
		c.w.Header().Set("Retry-After", "10")
	}
	if status == http.StatusUnauthorized && c.api {
		c.w.Header().Set("WWW-Authenticate", `Bearer realm="weir"`)
	}
	if status >= http.StatusInternalServerError {
		c.s.o.Log.WarnContext(c.ctx(), "a request was not answered", "route", c.r.Pattern, "status", status, "kind", fault.KindOf(err).String(), "message", fault.Public(err).Message)
	}
	return status
}

// public is what may be shown of err on a page or to a program, as it was said where it was born. A hint may name a command of weir; where the house would say what to type after one, the page and the
// API look before they ask it, and say it in their own words (add and isService).
func public(err error) *fault.Error {
	var e *fault.Error
	if errors.As(err, &e) {
		return e
	}
	return fault.New(fault.Internal, "something inside weir went wrong", "try again; weir's log says what it was")
}

// fail answers with an error.
func (c *call) fail(err error) {
	status := c.excuse(err)
	if c.api {
		c.sendError(status, public(err))
		return
	}
	f := public(err)
	c.render(status, "error", &view{Title: titleOf(status), Data: errorPage{Status: status, Fault: f}})
}

// errorPage is what the page of an error shows.
type errorPage struct {
	Status int
	Fault  *fault.Error
}

func titleOf(status int) string {
	switch status {
	case http.StatusForbidden, http.StatusUnauthorized:
		return "Not allowed"
	case http.StatusNotFound:
		return "Not found"
	case http.StatusMethodNotAllowed:
		return "Not possible here"
	case http.StatusTooManyRequests:
		return "Too many tries"
	case http.StatusUnprocessableEntity, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusBadRequest:
		return "Not understood"
	case http.StatusServiceUnavailable:
		return "Not available at the moment"
	}
	return "Something went wrong"
}
