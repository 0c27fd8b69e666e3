package pgwire_test

import "errors"

func asError[E error](err error, to *E) bool { return errors.As(err, to) }
