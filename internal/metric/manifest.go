package metric

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// What weir reads of a manifest, and what MetricFlow knows besides and weir refuses.
var (
	modelKeys     = []string{"name", "label", "description", "node_relation", "defaults", "entities", "dimensions", "measures", "primary_entity", "config"}
	relationKeys  = []string{"schema_name", "alias"}
	entityKeys    = []string{"name", "type", "expr", "label", "description"}
	entityTypes   = []string{"primary", "unique", "foreign", "natural"}
	dimensionKeys = []string{"name", "type", "expr", "type_params", "label", "description", "config"}
	measureKeys   = []string{"name", "agg", "expr", "agg_params", "agg_time_dimension", "label", "description", "config"}
	aggregations  = []string{"sum", "sum_boolean", "count", "count_distinct", "min", "max", "average", "percentile"}
	metricKeys    = []string{"name", "label", "description", "type", "type_params", "config"}
	metricTypes   = []string{"simple", "ratio"}
	weirKeys      = []string{"version", "owner", "watermark", "definition"}

	metricRefused  = map[string]string{"filter": "put the condition into the measure's expr", "time_granularity": "ask with a grain"}
	measureRefused = map[string]string{
		"non_additive_dimension": "define a fact with one row per unit and interval",
		"create_metric":          "write the metric's own document",
	}
	inputRefused = map[string]string{"filter": "put the condition into the measure's expr", "alias": "take it away"}
	paramRefused = map[string]string{
		"metrics": "only derived metrics have it", "expr": "only derived metrics have it", "window": "only cumulative metrics have it",
		"grain_to_date": "only cumulative metrics have it", "cumulative_type_params": "only cumulative metrics have it",
		"conversion_type_params": "only conversion metrics have it", "input_measures": "it is computed",
	}
	weirRefused = map[string]string{
		"min_entities": "small cells are not suppressed yet, and the definition must not promise it",
		"late_policy":  "late rows always restate the intervals that they belong to",
	}
)

// manifest reads the documents of one file.
func (l *loader) manifest(f file) {
	for _, doc := range f.docs {
		m := doc.mapping("a document", []string{"semantic_model", "metric"}, map[string]string{
			"saved_query":           "ask with weir metric show",
			"project_configuration": "weir keeps its own time spine",
		})
		if m["semantic_model"].is() {
			l.semanticModel(m["semantic_model"])
		}
		if m["metric"].is() {
			l.metric(m["metric"])
		}
	}
}

func (l *loader) semanticModel(v value) {
	m := v.mapping("a semantic model", modelKeys, nil)
	out := &semanticModel{name: m["name"].name("the semantic model's name"), at: v.at, relationAt: m["node_relation"].at}
	relation := m["node_relation"].mapping("node_relation", relationKeys, map[string]string{
		"database": "facts are named by schema and alias", "relation_name": "facts are named by schema and alias",
	})
	if m["node_relation"].is() {
		schema, alias := relation["schema_name"].column("schema_name"), relation["alias"].column("alias")
		if schema != "" && alias != "" {
			out.fact = schema + "." + alias
		}
	} else {
		m["node_relation"].wrong("add node_relation: {schema_name: SCHEMA, alias: FACT}", "the semantic model's node_relation is missing")
	}
	defaults := m["defaults"].mapping("defaults", []string{"agg_time_dimension"}, nil)
	out.timeName, out.timeAt = defaults["agg_time_dimension"].text("agg_time_dimension"), defaults["agg_time_dimension"].at
	m["description"].text("the description")
	m["label"].text("the label")
	m["primary_entity"].text("primary_entity")
	m["config"].noExtras()
	for _, e := range m["entities"].items("entities") {
		readEntity(e)
	}
	names := map[string]bool{}
	for _, item := range m["dimensions"].items("dimensions") {
		d := readDimension(item)
		if d.name != "" && names[d.name] {
			item.wrong("give it another name", "there is another dimension %q", d.name)
		}
		names[d.name] = true
		out.dimensions = append(out.dimensions, d)
	}
	for _, item := range m["measures"].items("measures") {
		out.measures = append(out.measures, readMeasure(item))
	}
	l.models = append(l.models, out)
}

// readEntity checks an entity. weir joins nothing at question time, so entities are for people and for other readers of the manifest.
func readEntity(v value) {
	m := v.mapping("an entity", entityKeys, map[string]string{"role": "take it away"})
	m["name"].name("the entity's name")
	m["type"].oneOf("the entity's type", entityTypes, nil)
	if m["expr"].is() {
		m["expr"].expression("the entity's expr")
	}
}

func readDimension(v value) *dimension {
	m := v.mapping("a dimension", dimensionKeys, map[string]string{"is_partition": "take it away"})
	d := &dimension{name: m["name"].name("the dimension's name")}
	d.expr = quoted(d.name)
	if m["expr"].is() {
		d.expr = m["expr"].expression("the dimension's expr")
	}
	m["label"].text("the label")
	m["description"].text("the description")
	m["config"].noExtras()
	if m["type"].oneOf("the dimension's type", []string{"categorical", "time"}, nil) != "time" {
		if m["type_params"].is() {
			m["type_params"].wrong("take it away", "a categorical dimension has no type_params")
		}
		return d
	}
	params := m["type_params"].mapping("type_params", []string{"time_granularity"}, map[string]string{"validity_params": "facts keep what was true as of the event"})
	d.grain = Grain(params["time_granularity"].oneOf("time_granularity", []string{string(Hour), string(Day)}, nil))
	if d.grain == "" {
		d.grain = Day // so that it stays a time dimension; the problem is found already
	}
	return d
}

func readMeasure(v value) *measure {
	m := v.mapping("a measure", measureKeys, measureRefused)
	x := &measure{name: m["name"].name("the measure's name")}
	x.agg = m["agg"].oneOf("the aggregation", aggregations, nil)
	x.expr = quoted(x.name)
	if m["expr"].is() {
		x.expr = m["expr"].expression("the measure's expr")
	}
	x.timeName, x.timeAt = m["agg_time_dimension"].text("agg_time_dimension"), m["agg_time_dimension"].at
	m["label"].text("the label")
	m["description"].text("the description")
	m["config"].noExtras()
	params := m["agg_params"].mapping("agg_params", []string{"percentile", "use_discrete_percentile", "use_approximate_percentile"}, nil)
	if x.agg != "percentile" {
		if m["agg_params"].is() && x.agg != "" {
			m["agg_params"].wrong("take it away", "only the aggregation percentile has agg_params")
		}
		return x
	}
	q, ok := params["percentile"].number("percentile")
	switch {
	case !ok && !params["percentile"].is():
		v.wrong("add agg_params: {percentile: 0.95}", "the aggregation percentile says no percentile")
	case ok && (q <= 0 || q >= 1):
		params["percentile"].wrong("write 0.95 for the 95th percentile", "percentile is not between 0 and 1")
	case ok:
		x.quantile = strconv.FormatFloat(q, 'f', -1, 64)
	}
	x.discrete = params["use_discrete_percentile"].flag("use_discrete_percentile")
	x.approx = params["use_approximate_percentile"].flag("use_approximate_percentile")
	if x.discrete && x.approx {
		m["agg_params"].wrong("choose one", "a percentile is either discrete or approximate")
	}
	return x
}

func (l *loader) metric(v value) {
	m := v.mapping("a metric", metricKeys, metricRefused)
	out := &metricDocument{at: v.at}
	out.name = m["name"].name("the metric's name")
	out.label = m["label"].text("the label")
	if out.label == "" {
		out.label = strings.ReplaceAll(out.name, "_", " ")
	}
	description := m["description"].text("the description")
	kind := m["type"].oneOf("the metric's type", metricTypes, map[string]string{
		"derived": "ask for its parts", "cumulative": "derive a fact for it", "conversion": "derive a fact for it",
	})
	if kind != "" { // the parameters of another type would only repeat the problem
		out.ratio = kind == "ratio"
		params(out, m["type_params"])
	}
	weir, at := m["config"].meta()
	if !weir.is() {
		l.found.add(at, "add config: {meta: {weir: {version: 1, owner: TEAM, watermark: PT2H, definition: TEXT}}}", "the metric %q says neither version nor owner", out.name)
	} else {
		extras(out, weir, description)
	}
	l.metrics = append(l.metrics, out)
}

// params reads type_params.
func params(out *metricDocument, v value) {
	known := []string{"measure"}
	if out.ratio {
		known = []string{"numerator", "denominator"}
	}
	m := v.mapping("type_params", known, paramRefused)
	if !v.is() {
		v.wrong("add it", "the metric's type_params is missing")
		return
	}
	if out.ratio {
		out.numeratorAt, _ = measureInput(m["numerator"], "numerator", nil)
		out.denomAt, _ = measureInput(m["denominator"], "denominator", nil)
		return
	}
	var more map[string]value
	out.numeratorAt, more = measureInput(m["measure"], "measure", []string{"join_to_timespine", "fill_nulls_with"})
	out.spine = more["join_to_timespine"].flag("join_to_timespine")
	if f, ok := more["fill_nulls_with"].number("fill_nulls_with"); ok {
		out.fill = &f
	}
}

// measureInput reads a measure's name, alone or with parameters.
func measureInput(v value, what string, more []string) (reference, map[string]value) {
	if !v.is() {
		v.wrong("name a measure", "%s is missing", what)
		return reference{}, nil
	}
	if !strings.HasPrefix(v.node.Type().String(), "Mapping") {
		return reference{name: v.needed(what), at: v.at}, nil
	}
	m := v.mapping(what, append([]string{"name"}, more...), inputRefused)
	return reference{name: m["name"].needed("the measure's name"), at: m["name"].at}, m
}

// extras reads config.meta.weir: what MetricFlow lacks.
func extras(out *metricDocument, v value, description string) {
	m := v.mapping("config.meta.weir", weirKeys, weirRefused)
	out.version = m["version"].version()
	out.owner = m["owner"].needed("the owner")
	if out.watermarkT = m["watermark"].needed("the watermark"); out.watermarkT != "" {
		d, ok := parseDuration(out.watermarkT)
		if !ok {
			m["watermark"].wrong("write an ISO 8601 duration of weeks, days, hours, minutes and seconds: PT2H, P1D", "the watermark %q is no duration", out.watermarkT)
		}
		out.watermark = d
	}
	out.text = strings.TrimSpace(m["definition"].text("the definition"))
	if out.text == "" {
		out.text = strings.TrimSpace(description)
	}
	if out.text == "" {
		m["definition"].wrong("say in one sentence what is counted", "the definition is missing")
	}
}

// meta returns config.meta.weir and the place where it should be. Whatever else is in meta belongs to other readers.
func (v value) meta() (value, place) {
	m := v.mapping("config", []string{"meta"}, map[string]string{"enabled": "take the document away"})
	for _, e := range m["meta"].entries("config.meta") {
		if e.key == "weir" {
			return e.value, e.value.at
		}
	}
	return value{at: v.at, found: v.found}, v.at
}

// noExtras is the config of what weir has no extras for.
func (v value) noExtras() {
	if weir, _ := v.meta(); weir.is() {
		weir.wrong("take it away", "only a metric has config.meta.weir")
	}
}

// oneOf returns a needed word of a closed list; refused maps words that MetricFlow knows and weir does not to what to do instead.
func (v value) oneOf(what string, known []string, refused map[string]string) string {
	s := v.needed(what)
	if s == "" || slices.Contains(known, s) {
		return s
	}
	fix := instead(s, known)
	if reason, ok := refused[s]; ok {
		fix = reason + "; supported are " + strings.Join(known, ", ")
	}
	v.wrong(fix, "%s %q is not supported", what, s)
	return ""
}

// parseDuration reads an ISO 8601 duration of fixed length: PnW, or PnDTnHnMnS with whole numbers.
func parseDuration(s string) (time.Duration, bool) {
	rest, ok := strings.CutPrefix(s, "P")
	if !ok || rest == "" {
		return 0, false
	}
	units := []struct {
		mark byte
		size time.Duration
		time bool
	}{
		{'W', 7 * 24 * time.Hour, false},
		{'D', 24 * time.Hour, false},
		{'H', time.Hour, true},
		{'M', time.Minute, true},
		{'S', time.Second, true},
	}
	var total time.Duration
	inTime, some, unit := false, false, 0
	for rest != "" {
		if rest[0] == 'T' && !inTime && len(rest) > 1 {
			inTime, rest = true, rest[1:]
		}
		end := strings.IndexFunc(rest, func(r rune) bool { return r < '0' || r > '9' })
		if end < 1 || end > 6 {
			return 0, false
		}
		n, err := strconv.Atoi(rest[:end])
		if err != nil {
			return 0, false
		}
		for unit < len(units) && (units[unit].mark != rest[end] || units[unit].time != inTime) {
			unit++
		}
		if unit == len(units) {
			return 0, false
		}
		total += time.Duration(n) * units[unit].size
		some, unit, rest = true, unit+1, rest[end+1:]
		if total > 10*365*24*time.Hour {
			return 0, false
		}
	}
	return total, some
}
