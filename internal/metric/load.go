package metric

import (
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/weirproject/weir/internal/fault"
)

// maxFile bounds one definition file, in bytes: the time of the YAML parser grows with the square of the nesting.
const maxFile = 256 << 10

// Load reads a folder of definitions: MetricFlow manifests in *.yaml and the SQL models of the facts in models/*.yaml. Everything that is wrong is found in one
// run: the *fault.Error of kind Invalid has a line "file:line: what is wrong; what would be right" for each, and a *ProblemsError as its cause.
func Load(fsys fs.FS) (*Catalog, error) {
	found := &problems{}
	models, err := read(fsys, "models", found)
	if err != nil {
		return nil, err
	}
	manifests, err := read(fsys, ".", found)
	if err != nil {
		return nil, err
	}
	l := &loader{found: found}
	for _, f := range models {
		l.factModels(f)
	}
	for _, f := range manifests {
		l.manifest(f)
	}
	if len(found.list) == 0 && len(l.metrics) == 0 {
		return nil, fault.New(fault.Invalid, "the folder of metric definitions has no metric", "put MetricFlow manifests (*.yaml) into it and the models of their facts into models/")
	}
	c := l.link()
	if err := found.err(); err != nil {
		return nil, err
	}
	return c, nil
}

// file is a definition file's documents.
type file struct {
	name string
	docs []value
}

// read parses the *.yaml files of a folder. A folder that is not there is empty; other kinds of files are not ours, but one that was surely meant is said.
func read(fsys fs.FS, dir string, found *problems) ([]file, error) {
	entries, err := fs.ReadDir(fsys, dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fault.New(fault.Unavailable, "the folder of metric definitions cannot be read", "check that it is there and may be read").WithCause(err)
	}
	var out []file
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		if e.IsDir() {
			continue
		}
		if strings.HasSuffix(name, ".yml") {
			found.add(place{file: name}, "name it "+strings.TrimSuffix(name, ".yml")+".yaml", "files of this ending are not read")
		}
		if !strings.HasSuffix(name, ".yaml") {
			continue
		}
		data, err := fs.ReadFile(fsys, name)
		if err != nil {
			return nil, fault.Newf(fault.Unavailable, "the metric definitions in %s cannot be read", name).
				WithHint("check that the file may be read").WithCause(err)
		}
		if len(data) > maxFile {
			found.add(place{file: name}, "split it", "the file is longer than 256 KiB")
			continue
		}
		out = append(out, file{name: name, docs: documents(name, data, found)})
	}
	return out, nil
}

// loader holds what was read until the references between it are resolved.
type loader struct {
	found   *problems
	facts   []*placedFact
	models  []*semanticModel
	metrics []*metricDocument
}

// placedFact is a fact with the place of its document.
type placedFact struct {
	Fact
	at place
}

// reference is a name that must be resolved, with its place.
type reference struct {
	name string
	at   place
}

// metricDocument is a metric as it was written.
type metricDocument struct {
	definition
	at          place
	numeratorAt reference
	denomAt     reference
}

// link resolves references and returns the catalogue; it is of use only when nothing was found.
func (l *loader) link() *Catalog {
	c := &Catalog{}
	slices.SortStableFunc(l.facts, func(a, b *placedFact) int { return strings.Compare(a.Name, b.Name) })
	for i, f := range l.facts {
		if f.Name != "" && i > 0 && l.facts[i-1].Name == f.Name {
			l.found.add(f.at, "give it another name", "there is another fact %q", f.Name)
			continue
		}
		c.facts = append(c.facts, f.Fact)
	}
	measures := l.linkModels(c)
	byName := map[string]bool{}
	for _, m := range l.metrics {
		if m.name != "" && byName[m.name] {
			l.found.add(m.at, "give it another name", "there is another metric %q", m.name)
			continue
		}
		byName[m.name] = true
		l.linkMetric(c, m, measures)
		d := m.definition
		c.metrics = append(c.metrics, &d)
	}
	return c
}

// owned is a measure and the semantic model that it is of.
type owned struct {
	*measure
	model *semanticModel
}

// linkModels checks what semantic models refer to and returns every measure by name.
func (l *loader) linkModels(c *Catalog) map[string]owned {
	measures := map[string]owned{}
	names := map[string]bool{}
	for _, m := range l.models {
		if m.name != "" && names[m.name] {
			l.found.add(m.at, "give it another name", "there is another semantic model %q", m.name)
		}
		names[m.name] = true
		if m.fact != "" && c.fact(m.fact) == nil {
			l.found.add(m.relationAt, instead(m.fact, c.factNames()), "there is no fact %q", m.fact)
		}
		l.checkTime(m, m.timeName, m.timeAt)
		for _, x := range m.measures {
			if x.timeName != "" {
				l.checkTime(m, x.timeName, x.timeAt)
			}
			if x.name == "" {
				continue
			}
			if _, twice := measures[x.name]; twice {
				l.found.add(m.at, "give one of them another name", "there is another measure %q", x.name)
			}
			measures[x.name] = owned{measure: x, model: m}
		}
	}
	return measures
}

func (l *loader) checkTime(m *semanticModel, name string, at place) {
	if name == "" || m.timeDimension(name) != nil {
		return
	}
	var known []string
	for _, d := range m.dimensions {
		if d.grain != "" {
			known = append(known, d.name)
		}
	}
	l.found.add(at, instead(name, known), "there is no time dimension %q", name)
}

// linkMetric resolves a metric's measures, their model, fact and time.
func (l *loader) linkMetric(c *Catalog, m *metricDocument, measures map[string]owned) {
	resolve := func(ref reference) (owned, bool) {
		if ref.name == "" {
			return owned{}, false
		}
		got, ok := measures[ref.name]
		if ok {
			return got, true
		}
		fix := instead(ref.name, sortedKeys(measures))
		if slices.ContainsFunc(l.metrics, func(o *metricDocument) bool { return o.name == ref.name }) {
			fix = "it is a metric: name its measure"
		}
		l.found.add(ref.at, fix, "there is no measure %q", ref.name)
		return owned{}, false
	}
	n, ok := resolve(m.numeratorAt)
	if m.ratio {
		d, has := resolve(m.denomAt)
		if ok && has && (d.model != n.model || d.time() != n.time()) {
			l.found.add(m.at, "define both over one fact", "numerator and denominator are of different semantic models or times")
		}
		m.denom = d.measure
	}
	if !ok {
		return
	}
	m.numerator, m.model = n.measure, n.model
	m.fact = c.fact(n.model.fact)
	m.time = n.model.timeDimension(n.time())
	if m.time == nil && n.time() == "" {
		l.found.add(n.model.at, "add defaults: {agg_time_dimension: NAME}", "the semantic model %q says no time for its measures", n.model.name)
	}
}

func (o owned) time() string {
	if o.timeName != "" {
		return o.timeName
	}
	return o.model.timeName
}

func (m *semanticModel) timeDimension(name string) *dimension {
	for _, d := range m.dimensions {
		if d.name == name && d.grain != "" {
			return d
		}
	}
	return nil
}

func (c *Catalog) fact(name string) *Fact {
	for i := range c.facts {
		if c.facts[i].Name == name {
			return &c.facts[i]
		}
	}
	return nil
}

func (c *Catalog) factNames() []string {
	var out []string
	for _, f := range c.facts {
		out = append(out, f.Name)
	}
	return out
}
