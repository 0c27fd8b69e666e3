package web

import (
	"fmt"
	"html/template"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weirproject/weir/internal/metric"
	"github.com/weirproject/weir/internal/people"
)

// functions are what the templates write values with.
var functions = template.FuncMap{
	"whole": whole, "moment": moment, "day": day, "when": when, "weekday": weekday, "duration": duration, "bytes": bytesText, "anchor": anchor, "join": strings.Join, "sentence": sentence, "role": roleText,
	"byTable": byTable, "deref": func(f *float64) float64 { return *f },
	"int":  func(n int64) int { return int(n) },
	"list": func(items ...any) []any { return items },
	"plural": func(n int, one, many string) string {
		if n == 1 {
			return "1 " + one
		}
		return whole(int64(n)) + " " + many
	},
	"words":      kindText,
	"time":       func(t *time.Time) time.Time { return *t },
	"isQuestion": func(kind string) bool { return slices.Contains(questionKinds, kind) },
}

// questionKinds are the kinds of entries of the record that have an end.
var questionKinds = []string{"metric", "sql"}

// kindText is what an entry of the record is about, in words.
func kindText(kind string) string {
	switch kind {
	case "copy":
		return "looked at copy safety"
	case "record":
		return "looked at the record"
	case "catalogue":
		return "looked up names"
	case "prepare":
		return "prepared, never run"
	}
	return strings.ReplaceAll(kind, "_", " ")
}

// whole is a number with its thousands apart.
func whole(n int64) string {
	s := strconv.FormatInt(n, 10)
	sign := ""
	if strings.HasPrefix(s, "-") {
		sign, s = "−", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}

// moment is a time to the second, for people and for programs.
func moment(t time.Time) template.HTML {
	if t.IsZero() {
		return "–"
	}
	t = t.UTC()
	return template.HTML(fmt.Sprintf(`<time datetime="%s">%s</time>`, t.Format(time.RFC3339), t.Format("2 Jan 2006, 15:04:05 UTC"))) //nolint:gosec // a time's digits alone
}

// day is a date.
func day(t time.Time) template.HTML {
	if t.IsZero() {
		return "–"
	}
	t = t.UTC()
	return template.HTML(fmt.Sprintf(`<time datetime="%s">%s</time>`, t.Format(time.DateOnly), t.Format("2 Jan 2006"))) //nolint:gosec // a time's digits alone
}

// weekday is a date of these weeks, whose year nobody needs.
func weekday(t time.Time) template.HTML {
	t = t.UTC()
	return template.HTML(fmt.Sprintf(`<time datetime="%s">%s</time>`, t.Format(time.DateOnly), t.Format("Mon 2 Jan"))) //nolint:gosec // a time's digits alone
}

// when is a time as short as it can be said: the beginning of a day is that day.
func when(t time.Time) template.HTML {
	if t.Equal(midnight(t)) {
		return day(t)
	}
	return moment(t)
}

// duration is a length of time in seconds, in the largest unit that says it.
func duration(seconds float64) string {
	switch {
	case seconds < 0.9995:
		return fmt.Sprintf("%.0f ms", seconds*1000)
	case seconds < 10:
		return fmt.Sprintf("%.1f s", seconds)
	case seconds < 120:
		return fmt.Sprintf("%.0f s", seconds)
	case seconds < 2*3600:
		return fmt.Sprintf("%.0f min", seconds/60)
	case seconds < 48*3600:
		return fmt.Sprintf("%.0f h", seconds/3600)
	}
	return fmt.Sprintf("%.0f days", seconds/86400)
}

// bytesText is a number of bytes in the largest unit that says it.
func bytesText(n int64) string {
	if n < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	v, unit := float64(n), ""
	for _, unit = range []string{"kB", "MB", "GB", "TB"} {
		if v /= 1000; v < 999.5 {
			break
		}
	}
	return fmt.Sprintf("%.3g %s", v, unit)
}

// anchor is a table's or column's name as the name of a place on a page.
func anchor(name string) string {
	return "t-" + strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '.' || r == '-' {
			return r
		}
		return '-'
	}, name)
}

// sentence makes a fault's text, which begins small and has no full stop, one that stands by itself. A name at its beginning stays as it is.
func sentence(s string) string {
	if s == "" {
		return ""
	}
	word, _, _ := strings.Cut(s, " ")
	named := word == "weir" || strings.ContainsAny(strings.TrimRight(word, ".:,"), "._:/") // a name, as of a table or a file, is written as it is
	if first := s[0]; first >= 'a' && first <= 'z' && !named {
		s = string(first-'a'+'A') + s[1:]
	}
	if strings.ContainsAny(s[len(s)-1:], ".?!:") {
		return s
	}
	return s + "."
}

// roleText says what a role may do.
func roleText(r people.Role) string {
	switch r {
	case people.Viewer:
		return "reads metrics"
	case people.Analyst:
		return "reads metrics, and asks in SQL what is open to SQL"
	case people.Admin:
		return "administers people; the role itself reads no numbers"
	}
	return "may do nothing"
}

// byTable groups columns by their tables, in the order in which they come.
func byTable(reads []ReadColumn) []metric.Read {
	var out []metric.Read
	for _, c := range reads {
		i := slices.IndexFunc(out, func(r metric.Read) bool { return r.Table == c.Table })
		if i < 0 {
			i, out = len(out), append(out, metric.Read{Table: c.Table})
		}
		out[i].Columns = append(out[i].Columns, c.Column)
	}
	return out
}
