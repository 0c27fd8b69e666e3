package source

import "errors"

// ErrSelection is returned by Read when the catalogue no longer fits the selection: plan anew, copy what the drift touched again, and read on.
var ErrSelection = errors.New("the catalogue no longer fits the selection")

// ErrGone is returned when what Read reads from was removed or overtaken at the source (for PostgreSQL: the slot is lost or invalidated): everything must be copied again.
var ErrGone = errors.New("the source forgot what was not read yet")
