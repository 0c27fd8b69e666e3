package metric

import (
	"iter"
	"math"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/weirproject/weir/internal/fault"
)

// Answer is what a metric was, in the stable shape of --json.
type Answer struct {
	Metric  string     `json:"metric"`
	Version int        `json:"version"`
	Grain   Grain      `json:"grain"`
	AsOf    *time.Time `json:"as_of"` // UTC; null when the fact was never derived
	Rows    []Row      `json:"rows"`  // by start, then by the dimensions as they were asked for

	by    []string // the order of the dimensions
	label string
}

// Row is one interval of one cell of the breakdown.
type Row struct {
	Start       time.Time         `json:"start"`       // UTC
	Dimensions  map[string]string `json:"dimensions"`  // empty without a breakdown
	Numerator   *float64          `json:"numerator"`   // of a simple metric: the value
	Denominator *float64          `json:"denominator"` // null for a simple metric
	Value       *float64          `json:"value"`       // null for an empty denominator
	Provisional bool              `json:"provisional"` // the interval ends after as_of less the metric's watermark: rows of it may still arrive
	Suppressed  bool              `json:"suppressed"`  // always false until small cells are suppressed
}

// Answer builds the answer from the query's batches, which stay the caller's. asOf is production's clock at the position for which the fact's rows are true; zero
// when it was never derived. An error of the batches is returned as it is.
func (q *Query) Answer(asOf time.Time, batches iter.Seq2[arrow.RecordBatch, error]) (*Answer, error) {
	a := &Answer{Metric: q.metric.name, Version: q.metric.version, Grain: q.grain, Rows: []Row{}, by: q.by, label: q.metric.label}
	if !asOf.IsZero() {
		utc := asOf.UTC()
		a.AsOf = &utc
	}
	for batch, err := range batches {
		if err != nil {
			return nil, err
		}
		if err := q.read(a, batch, asOf); err != nil {
			return nil, err
		}
	}
	return a, nil
}

// read appends the rows of one batch.
func (q *Query) read(a *Answer, batch arrow.RecordBatch, asOf time.Time) error {
	n := len(q.by)
	if int(batch.NumCols()) != n+4 {
		return fault.Newf(fault.Internal, "the answer to %s has another shape than its question", q.metric.name)
	}
	starts, ok := batch.Column(0).(*array.Timestamp)
	if !ok {
		return wrongColumn(q, batch, 0)
	}
	unit := arrow.Microsecond
	if t, is := starts.DataType().(*arrow.TimestampType); is {
		unit = t.Unit
	}
	dims := make([]func(int) string, n)
	for j := range n {
		col, is := batch.Column(j + 1).(array.StringLike)
		if !is {
			return wrongColumn(q, batch, j+1)
		}
		dims[j] = col.Value
	}
	var numbers [3]*array.Float64
	for j := range numbers {
		if numbers[j], ok = batch.Column(n + 1 + j).(*array.Float64); !ok {
			return wrongColumn(q, batch, n+1+j)
		}
	}
	for i := range int(batch.NumRows()) {
		start := starts.Value(i).ToTime(unit).UTC()
		row := Row{Start: start, Dimensions: make(map[string]string, n)}
		for j, name := range q.by {
			row.Dimensions[name] = string([]byte(dims[j](i))) // a copy: the batch is gone after this step
		}
		row.Numerator, row.Denominator, row.Value = number(numbers[0], i), number(numbers[1], i), number(numbers[2], i)
		row.Provisional = asOf.IsZero() || q.grain.next(start).After(asOf.Add(-q.metric.watermark))
		a.Rows = append(a.Rows, row)
	}
	return nil
}

func wrongColumn(q *Query, batch arrow.RecordBatch, i int) error {
	return fault.Newf(fault.Internal, "column %d of the answer to %s is of type %s", i+1, q.metric.name, batch.Column(i).DataType())
}

// number is a cell, nil when it is NULL or no number that JSON knows.
func number(col *array.Float64, i int) *float64 {
	if col.IsNull(i) {
		return nil
	}
	v := col.Value(i)
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	return &v
}
