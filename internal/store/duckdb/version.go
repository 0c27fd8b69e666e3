package duckdb

import "sync/atomic"

// version numbers the states of a file's tables. While they change, nobody can tell at which moment the commit becomes visible: each look then gets a number of its own,
// under which nothing that is seen can be found again.
type version struct {
	number   atomic.Uint64
	changing atomic.Bool
}

// now is the number of what is seen from now on. Any goroutine may ask.
func (v *version) now() uint64 {
	if v.changing.Load() {
		return v.number.Add(1)
	}
	return v.number.Load()
}

// changes begins a change, which the returned function ends; only the file's writer may call it.
func (v *version) changes() (changed func()) {
	v.changing.Store(true)
	return func() {
		v.number.Add(1) // first, or a number that was given out meanwhile would stay
		v.changing.Store(false)
	}
}
