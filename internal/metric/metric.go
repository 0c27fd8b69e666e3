// Package metric owns what business questions mean: their definitions, read from MetricFlow manifests; the SQL models that derive the fact tables; the SQL that
// answers a question over them; and the shape of an answer.
//
// It will not run any SQL, open a store or know who asks: it gets bytes of definitions and batches of answers, and gives text and rows. It knows a subset of
// MetricFlow (simple and ratio metrics) and refuses the rest by name.
package metric

import (
	"slices"
	"strings"
	"time"

	"github.com/weirproject/weir/internal/fault"
)

// Fact is a table that metrics derive from copied tables: what a store needs to keep it current. The fields are those of the store's own type of this name.
type Fact struct {
	Name   string // schema-qualified: metric.connection_attempt
	Hash   string // of everything that decides what its rows look like
	Key    string // the column by which it is renewed piece by piece
	Inputs []Input
	Select string // DuckDB; reads its inputs by their aliases
}

// Input is a copied table that a fact reads.
type Input struct {
	Alias   string
	Table   string
	Columns []string
	// Keys selects, in one column, the fact keys that changed rows of this input touch. It reads "changed", "fact" and all inputs.
	Keys string
	// Driving marks the one input that has the fact's key itself, in KeyColumn.
	Driving   bool
	KeyColumn string
}

// Read says which columns of a copied table a metric reads: the purpose for which they are copied.
type Read struct {
	Metric  string   `json:"metric"`
	Table   string   `json:"table"`
	Columns []string `json:"columns"`
}

// Info is a metric as people see it.
type Info struct {
	Name       string   `json:"name"`
	Label      string   `json:"label"`
	Definition string   `json:"definition"`
	Type       string   `json:"type"` // simple or ratio
	Version    int      `json:"version"`
	Owner      string   `json:"owner"`
	Watermark  string   `json:"watermark"` // ISO 8601: how long after its end an interval is provisional
	Dimensions []string `json:"dimensions"`
	Grains     []string `json:"grains"`
	Fact       string   `json:"fact"`
	Reads      []Read   `json:"reads"`
}

// Catalog is every metric and fact of one folder of definitions. It is read-only and may be used by many goroutines.
type Catalog struct {
	facts   []Fact
	metrics []*definition // in the order of the definitions
}

// definition is one metric, with all that it refers to resolved.
type definition struct {
	name       string
	label      string
	ratio      bool
	version    int
	owner      string
	watermark  time.Duration
	watermarkT string // as it was written
	text       string
	model      *semanticModel
	fact       *Fact
	time       *dimension
	numerator  *measure // of a simple metric: its only measure
	denom      *measure // of a ratio
	spine      bool     // intervals without a row have one
	fill       *float64 // instead of NULL
}

// semanticModel is a fact as MetricFlow sees it.
type semanticModel struct {
	name       string
	fact       string
	timeName   string // defaults.agg_time_dimension
	dimensions []*dimension
	measures   []*measure
	at         place
	relationAt place
	timeAt     place
}

// dimension is a column or expression by which a measure can be broken down.
type dimension struct {
	name  string
	expr  string
	grain Grain // of a time dimension; empty for a categorical one
}

// measure is an aggregation over a semantic model.
type measure struct {
	name     string
	agg      string
	expr     string
	quantile string // of percentile, as SQL: a number between 0 and 1
	discrete bool
	approx   bool
	timeName string // agg_time_dimension, when it is not the model's
	timeAt   place
}

// Facts returns every fact table, by name.
func (c *Catalog) Facts() []Fact { return slices.Clone(c.facts) }

// Metrics returns every metric in the order of the definitions: by the files' names, and in a file as they stand there, so that their author says what comes first.
func (c *Catalog) Metrics() []Info {
	out := make([]Info, 0, len(c.metrics))
	for _, d := range c.metrics {
		out = append(out, d.info())
	}
	return out
}

// Metric returns the metric of this name; the error is a *fault.Error of kind NotFound with what there is instead.
func (c *Catalog) Metric(name string) (Info, error) {
	d, err := c.definition(name)
	if err != nil {
		return Info{}, err
	}
	return d.info(), nil
}

// Reads returns which columns of which copied tables each metric reads, by metric and table.
func (c *Catalog) Reads() []Read {
	var out []Read
	for _, d := range c.metrics {
		out = append(out, d.reads()...)
	}
	slices.SortStableFunc(out, func(a, b Read) int { return strings.Compare(a.Metric, b.Metric) })
	return out
}

func (c *Catalog) definition(name string) (*definition, error) {
	names := make([]string, 0, len(c.metrics))
	for _, d := range c.metrics {
		if d.name == name {
			return d, nil
		}
		names = append(names, d.name)
	}
	return nil, fault.Newf(fault.NotFound, "there is no metric %q", name).WithHint("%s", instead(name, names))
}

func (d *definition) info() Info {
	return Info{
		Name:       d.name,
		Label:      d.label,
		Definition: d.text,
		Type:       d.kind(),
		Version:    d.version,
		Owner:      d.owner,
		Watermark:  d.watermarkT,
		Dimensions: d.dimensionNames(),
		Grains:     d.grainNames(),
		Fact:       d.fact.Name,
		Reads:      d.reads(),
	}
}

func (d *definition) kind() string {
	if d.ratio {
		return "ratio"
	}
	return "simple"
}

func (d *definition) reads() []Read {
	out := make([]Read, 0, len(d.fact.Inputs))
	for _, in := range d.fact.Inputs {
		out = append(out, Read{Metric: d.name, Table: in.Table, Columns: slices.Clone(in.Columns)})
	}
	slices.SortStableFunc(out, func(a, b Read) int { return strings.Compare(a.Table, b.Table) })
	return out
}

// dimensionNames lists the categorical dimensions in the manifest's order.
func (d *definition) dimensionNames() []string {
	out := []string{}
	for _, dim := range d.model.dimensions {
		if dim.grain == "" {
			out = append(out, dim.name)
		}
	}
	return out
}

// grainNames lists the grains at which the metric can be asked, finest first.
func (d *definition) grainNames() []string {
	if d.time.grain == Hour {
		return []string{string(Hour), string(Day), string(Week)}
	}
	return []string{string(Day), string(Week)}
}
