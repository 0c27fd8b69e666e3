package metric

import (
	"strings"
	"time"

	"github.com/weirproject/weir/internal/fault"
)

// Grain is the length of the intervals of an answer.
type Grain string

// The grains. Days are UTC days unless the metric's definition says otherwise; weeks are ISO weeks, from Monday.
const (
	Hour Grain = "hour"
	Day  Grain = "day"
	Week Grain = "week"
)

// Question asks one metric for numbers.
type Question struct {
	Metric string
	By     []string   // dimensions, in the order of the answer's columns
	Grain  string     // hour, day or week; empty: day
	From   *time.Time // inclusive; nil: from the first row
	To     *time.Time // exclusive; nil: to the last row
}

// next is the end of the interval that begins at start.
func (g Grain) next(start time.Time) time.Time {
	switch g {
	case Hour:
		return start.Add(time.Hour)
	case Week:
		return start.AddDate(0, 0, 7)
	case Day:
	}
	return start.AddDate(0, 0, 1)
}

// step is the grain as a DuckDB interval.
func (g Grain) step() string {
	switch g {
	case Hour:
		return "INTERVAL 1 HOUR"
	case Week:
		return "INTERVAL 7 DAY"
	case Day:
	}
	return "INTERVAL 1 DAY"
}

// ParseTime reads what people give as --from or --to: a date, which is its midnight in UTC, or an RFC 3339 time. The error is a *fault.Error of kind Usage.
func ParseTime(flag, text string) (time.Time, error) {
	for _, layout := range []string{time.DateOnly, time.RFC3339Nano} {
		if t, err := time.Parse(layout, text); err == nil {
			if t = t.UTC(); t.Year() >= 1 && t.Year() <= 9999 {
				return t, nil
			}
		}
	}
	return time.Time{}, fault.Newf(fault.Usage, "%s %q is no time", flag, text).
		WithHint("give a date (%s 2026-11-01) or an RFC 3339 time (%s 2026-11-01T13:00:00Z)", flag, flag)
}

// instead says what could have been meant by an unknown name, and what there is.
func instead(name string, known []string) string {
	if len(known) == 0 {
		return "there is none to choose from"
	}
	list := "there are " + strings.Join(known, ", ")
	if len(known) == 1 {
		list = "there is only " + known[0]
	}
	if near := nearest(name, known); near != "" {
		return "did you mean " + near + "? " + list
	}
	return list
}

// nearest returns the known name that a typing error away from name would be, or "".
func nearest(name string, known []string) string {
	best, least := "", max(2, len(name)/3)+1
	if len(name) > 100 {
		return ""
	}
	for _, k := range known {
		if d := fault.EditDistance(strings.ToLower(name), k); d < least {
			best, least = k, d
		}
	}
	return best
}
