package metric

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/weirproject/weir/internal/fault"
)

// Query is a compiled question: one SELECT over one fact table. Its columns are the start of the interval (TIMESTAMP, UTC), the dimensions (VARCHAR), the
// numerator, the denominator (NULL for a simple metric) and the value (DOUBLE); Answer reads them.
type Query struct {
	SQL  string
	Args []any // text only, bound to $1…

	metric *definition
	grain  Grain
	by     []string
}

// Fact is the name of the fact table that the query reads; the position at which that was derived is the answer's as_of.
func (q *Query) Fact() string { return q.metric.fact.Name }

// Compile turns a question into DuckDB SQL. Nothing of the question becomes SQL text but names that the definitions know; times are bound. Errors are
// *fault.Error of kind NotFound (no such metric) or Usage, with what there is instead.
//
// The engine gives maxRows rows at most, and one more that tells that there are too many; so many intervals at most are made where a metric has one for each. With 0 there is no such limit.
func (c *Catalog) Compile(q Question, maxRows int64) (*Query, error) {
	d, err := c.definition(q.Metric)
	if err != nil {
		return nil, err
	}
	grain := Grain(q.Grain)
	if grain == "" {
		grain = Day
	}
	if !slices.Contains(d.grainNames(), string(grain)) {
		return nil, fault.Newf(fault.Usage, "%s has no grain %q", d.name, q.Grain).WithHint("%s", instead(q.Grain, d.grainNames()))
	}
	dims, err := d.breakdown(q.By)
	if err != nil {
		return nil, err
	}
	if err := checkRange(q, grain, d.spine, maxRows); err != nil {
		return nil, err
	}
	w := &writer{metric: d, grain: grain, dims: dims, from: q.From, to: q.To, maxRows: maxRows}
	sql := w.aggregate()
	if d.spine {
		sql = w.spined(sql)
	}
	return &Query{SQL: w.answered(sql), Args: w.args, metric: d, grain: grain, by: slices.Clone(q.By)}, nil
}

// breakdown resolves the dimensions of a question.
func (d *definition) breakdown(by []string) ([]*dimension, error) {
	var out []*dimension
	known := d.dimensionNames()
	for i, name := range by {
		if slices.Contains(by[:i], name) {
			return nil, fault.Newf(fault.Usage, "the dimension %s is asked for twice", name).WithHint("name it once")
		}
		if !slices.Contains(known, name) {
			return nil, fault.Newf(fault.Usage, "%s has no dimension %q", d.name, name).WithHint("%s", instead(name, known))
		}
		for _, dim := range d.model.dimensions {
			if dim.name == name {
				out = append(out, dim)
			}
		}
	}
	return out, nil
}

// checkRange refuses what can be refused before anything runs: of a range with an open end only the engine knows how long it is.
func checkRange(q Question, grain Grain, spine bool, maxRows int64) error {
	if q.From == nil || q.To == nil {
		return nil
	}
	if !q.From.Before(*q.To) {
		return fault.New(fault.Usage, "the time range is empty: its end is not after its beginning", "from is inclusive and to is exclusive: for one day, give the day and the day after it")
	}
	length := int64(grain.next(time.Unix(0, 0)).Sub(time.Unix(0, 0)) / time.Second)
	if spine && maxRows > 0 && (q.To.Unix()-q.From.Unix())/length > maxRows {
		return fault.Newf(fault.Usage, "the time range has more than %d intervals", maxRows).WithHint("ask for a shorter range or a coarser grain")
	}
	return nil
}

// writer writes one query.
type writer struct {
	metric   *definition
	grain    Grain
	dims     []*dimension
	from, to *time.Time
	maxRows  int64
	args     []any
}

// bind adds an argument and returns its text in SQL. A time is bound as text and cast, so that neither a driver nor the session's time zone has a say in it.
func (w *writer) bind(t time.Time) string {
	w.args = append(w.args, t.UTC().Format("2006-01-02 15:04:05.999999"))
	return fmt.Sprintf("CAST($%d AS TIMESTAMP)", len(w.args))
}

// column is the answer's name of a dimension. The prefix keeps it apart from the answer's other columns.
func (d *dimension) column() string { return quoted("by_" + d.name) }

// The years that an answer can name: RFC 3339 has four digits for them.
const (
	earliest = "CAST('0001-01-01' AS TIMESTAMP)"
	latest   = "CAST('10000-01-01' AS TIMESTAMP)"
)

// aggregate is the SELECT of numerator and denominator for each interval and cell that has rows.
func (w *writer) aggregate() string {
	at := "CAST((" + w.metric.time.expr + ") AS TIMESTAMP)"
	columns := []string{fmt.Sprintf("CAST(date_trunc('%s', %s) AS TIMESTAMP) AS \"start\"", w.grain, at)}
	groups := []string{"1"}
	for i, dim := range w.dims {
		columns = append(columns, fmt.Sprintf("coalesce(nullif(CAST((%s) AS VARCHAR), ''), 'unknown') AS %s", dim.expr, dim.column()))
		groups = append(groups, fmt.Sprint(i+2))
	}
	columns = append(columns, w.metric.numerator.sql(w.metric.ratio)+` AS "numerator"`)
	if w.metric.ratio {
		columns = append(columns, w.metric.denom.sql(true)+` AS "denominator"`)
	}
	// Where the range is open, the calendar ends it: a row without a time, or with an infinite one, is in no interval.
	first, end := earliest, latest
	if w.from != nil {
		first = w.bind(*w.from)
	}
	if w.to != nil {
		end = w.bind(*w.to)
	}
	where := []string{at + " >= " + first, at + " < " + end}
	schema, table, _ := strings.Cut(w.metric.fact.Name, ".")
	return "SELECT\n  " + strings.Join(columns, ",\n  ") +
		"\nFROM " + quoted(schema) + "." + quoted(table) +
		"\nWHERE " + strings.Join(where, "\n  AND ") +
		"\nGROUP BY " + strings.Join(groups, ", ")
}

// sql is the aggregation as DuckDB SQL, a DOUBLE. Counts are exact in it to 2^53. A part of a ratio that sums nothing is 0, so that the ratio is NULL for an
// empty denominator alone.
func (m *measure) sql(part bool) string {
	e := "(" + m.expr + ")"
	var s string
	switch m.agg {
	case "sum_boolean":
		s = "count(*) FILTER (WHERE " + e + ")"
	case "count_distinct":
		s = "count(DISTINCT " + e + ")"
	case "average":
		s = "avg(" + e + ")"
	case "percentile":
		s = m.percentile(e)
	default: // sum, count, min, max: the aggregation's name is the function's
		s = m.agg + "(" + e + ")"
	}
	if part && m.agg == "sum" {
		s = "coalesce(" + s + ", 0)"
	}
	return "CAST(" + s + " AS DOUBLE)"
}

func (m *measure) percentile(e string) string {
	switch {
	case m.approx:
		return "approx_quantile(" + e + ", " + m.quantile + ")"
	case m.discrete:
		return "quantile_disc(" + e + ", " + m.quantile + ")"
	}
	return "quantile_cont(" + e + ", " + m.quantile + ")"
}

// spined gives every interval of the range a row: for each cell of the breakdown that has any row in the range, and without a breakdown always. Without from or
// to the range ends where the rows do.
func (w *writer) spined(cells string) string {
	low, high := `(SELECT min("start") FROM cells)`, `(SELECT max("start") FROM cells)`
	if w.from != nil {
		low = fmt.Sprintf("date_trunc('%s', CAST($1 AS TIMESTAMP))", w.grain)
	}
	if w.to != nil { // the last argument; the last interval holds the last microsecond before it
		high = fmt.Sprintf("date_trunc('%s', CAST($%d AS TIMESTAMP) - INTERVAL 1 MICROSECOND)", w.grain, len(w.args))
	}
	last := "high"
	if w.maxRows > 0 { // one interval too many is enough to tell
		most := fmt.Sprintf("low + %d * %s", w.maxRows, w.grain.step())
		last = "CASE WHEN high > " + most + " THEN " + most + " ELSE high END"
	}
	with := "WITH cells AS (\n" + indent(cells) + "\n)," +
		fmt.Sprintf("\nends AS (\n  SELECT CAST(%s AS TIMESTAMP) AS low, CAST(%s AS TIMESTAMP) AS high\n)", low, high) +
		fmt.Sprintf(",\nspine AS (\n  SELECT unnest(generate_series(low, %s, %s)) AS \"start\" FROM ends\n)", last, w.grain.step())
	columns, from, on := []string{`spine."start"`}, "spine", []string{`cells."start" = spine."start"`}
	if len(w.dims) > 0 {
		var names []string
		for _, dim := range w.dims {
			names = append(names, dim.column())
			columns = append(columns, "groups."+dim.column())
			on = append(on, fmt.Sprintf("cells.%s = groups.%s", dim.column(), dim.column()))
		}
		with += ",\ngroups AS (\n  SELECT DISTINCT " + strings.Join(names, ", ") + " FROM cells\n)"
		from = "spine CROSS JOIN groups"
	}
	columns = append(columns, `cells."numerator"`)
	return with + "\nSELECT " + strings.Join(columns, ", ") + "\nFROM " + from + "\nLEFT JOIN cells ON " + strings.Join(on, " AND ")
}

// answered is the whole query: the value beside its parts, in order. The limit stands before the order, so that what is too much is neither made nor sorted.
func (w *writer) answered(parts string) string {
	columns, order := []string{`"start"`}, []string{"1"}
	if w.maxRows > 0 {
		parts += fmt.Sprintf("\nLIMIT %d", w.maxRows+1)
	}
	for i, dim := range w.dims {
		columns = append(columns, dim.column())
		order = append(order, fmt.Sprint(i+2))
	}
	switch {
	case w.metric.ratio:
		columns = append(columns, `"numerator"`, `"denominator"`, `"numerator" / nullif("denominator", 0) AS "value"`)
	default:
		n := `"numerator"`
		if w.metric.fill != nil {
			n = fmt.Sprintf("coalesce(%s, CAST(%v AS DOUBLE))", n, *w.metric.fill)
		}
		columns = append(columns, n+` AS "numerator"`, `CAST(NULL AS DOUBLE) AS "denominator"`, n+` AS "value"`)
	}
	return "SELECT " + strings.Join(columns, ", ") + "\nFROM (\n" + indent(parts) + "\n)\nORDER BY " + strings.Join(order, ", ")
}

func indent(s string) string { return "  " + strings.ReplaceAll(s, "\n", "\n  ") }
