package web

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weirproject/weir/internal/fault"
	"github.com/weirproject/weir/internal/metric"
)

// spans are the lengths of time in days that a metric's page offers.
var spans = []int{7, 28, 56, 182}

const (
	defaultSpan = 56
	hourlySpan  = 31 // days of which hours can be shown
)

// question is what a metric's page was asked for, as its address holds it.
type question struct {
	By       string
	Grain    string
	Span     int // days; 0: from and to were given
	From, To time.Time
}

// readQuestion takes a question apart. What can be understood is set also when there is an error, so that it can be shown again.
func readQuestion(v url.Values, info metric.Info, now time.Time) (question, error) {
	q := question{By: v.Get("by"), Grain: v.Get("grain")}
	if q.Grain == "" {
		q.Grain = string(metric.Day)
	}
	err := q.readTime(v, now)
	switch {
	case err != nil:
		return q, err
	case !slices.Contains(info.Grains, q.Grain):
		return q, fault.New(fault.Usage, "there is no such grain", "choose one of "+strings.Join(info.Grains, ", "))
	case q.By != "" && !slices.Contains(info.Dimensions, q.By):
		return q, fault.New(fault.Usage, "this metric has no such dimension", "choose one of "+strings.Join(info.Dimensions, ", "))
	}
	if q.Grain == string(metric.Week) { // ISO weeks are whole or misleading
		q.From = q.From.AddDate(0, 0, -(int(q.From.Weekday())+6)%7)
		q.To = q.To.AddDate(0, 0, (8-int(q.To.Weekday()))%7)
	}
	if q.Grain == string(metric.Hour) && q.To.Sub(q.From) > hourlySpan*24*time.Hour {
		return q, fault.Newf(fault.Usage, "hours are shown for %d days at most", hourlySpan).WithHint("choose days, or a shorter time")
	}
	return q, nil
}

// readTime reads the span or the dates. A span ends with today, so that its numbers begin at a midnight and its address goes on being about now.
func (q *question) readTime(v url.Values, now time.Time) error {
	q.Span = defaultSpan
	q.To = midnight(now).AddDate(0, 0, 1)
	q.From = q.To.AddDate(0, 0, -q.Span)
	from, to := v.Get("from"), v.Get("to")
	if text := v.Get("span"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > 1830 {
			return fault.New(fault.Usage, "the span is no number of days", "give 7, 28, 56, 182, or another number up to 1830")
		}
		if from != "" || to != "" {
			return fault.New(fault.Usage, "there is a span and there are dates", "give one of them")
		}
		q.Span, q.From = n, q.To.AddDate(0, 0, -n)
		return nil
	}
	if from == "" && to == "" {
		return nil
	}
	q.Span = 0
	var err error
	if to != "" {
		if q.To, err = readDay(to); err != nil {
			return err
		}
	}
	q.From = q.To.AddDate(0, 0, -defaultSpan)
	if from != "" {
		if q.From, err = readDay(from); err != nil {
			return err
		}
	}
	if !q.From.Before(q.To) {
		return emptyRange()
	}
	return nil
}

func readDay(text string) (time.Time, error) {
	t, err := time.Parse(time.DateOnly, text)
	if err != nil || t.Year() < 1970 || t.Year() > 2200 {
		return time.Time{}, fault.New(fault.Usage, "this is no date", "write it as 2026-11-20")
	}
	return t, nil
}

// ask is the question to the gate, broken down or not.
func (q question) ask(name string, broken bool) metric.Question {
	out := metric.Question{Metric: name, Grain: q.Grain, From: &q.From, To: &q.To}
	if broken && q.By != "" {
		out.By = []string{q.By}
	}
	return out
}

// values are the question as an address holds it.
func (q question) values() url.Values {
	v := url.Values{"grain": {q.Grain}}
	if q.By != "" {
		v.Set("by", q.By)
	}
	if q.Span > 0 {
		v.Set("span", strconv.Itoa(q.Span))
	} else {
		v.Set("from", q.From.Format(time.DateOnly))
		v.Set("to", q.To.Format(time.DateOnly))
	}
	return v
}

// fixed is the same question about the same days for ever.
func (q question) fixed() question {
	q.Span = 0
	return q
}

// choice is one thing to choose on a page, as a link.
type choice struct {
	Label, Address string
	Current        bool
}

// choices are the other lengths of time and grains that can be had with one press.
func (q question) choices(path string, info metric.Info) (times, grains []choice) {
	for _, n := range spans {
		other := q
		other.Span = n
		if n > hourlySpan && q.Grain == string(metric.Hour) {
			other.Grain = string(metric.Day)
		}
		label := strconv.Itoa(n/7) + " weeks"
		if n == 7 {
			label = "1 week"
		}
		times = append(times, choice{Label: label, Address: path + "?" + other.values().Encode(), Current: q.Span == n})
	}
	for _, g := range info.Grains {
		other := q
		other.Grain = g
		if g == string(metric.Hour) && q.To.Sub(q.From) > hourlySpan*24*time.Hour {
			other.Span = 7
		}
		grains = append(grains, choice{Label: g, Address: path + "?" + other.values().Encode(), Current: q.Grain == g})
	}
	return times, grains
}

// emptyRange is what is said of times between which nothing can be.
func emptyRange() error {
	return fault.New(fault.Usage, "the time range is empty: its end is not after its beginning", "from is included and until is not: for one day, give the day and the day after it")
}
