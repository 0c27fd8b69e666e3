package fleet

import "time"

// instant is microseconds since 1970 in UTC, PostgreSQL's own resolution.
type instant int64

// span is a length of time in microseconds.
type span = instant

const (
	never instant = 0 // also what "no such time" is written as

	second = span(1_000_000)
	minute = 60 * second
	hour   = 60 * minute
	day    = 24 * hour

	pgEpoch = instant(946_684_800) * second // 2000-01-01
)

func at(t time.Time) instant { return instant(t.UnixMicro()) }

func (t instant) time() time.Time { return time.UnixMicro(int64(t)).UTC() }

// floorDay is the UTC midnight at or before t.
func (t instant) floorDay() instant { return t - (t%day+day)%day }
