package metric_test

import (
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/weirproject/weir/internal/fault"
	"github.com/weirproject/weir/internal/metric"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares got with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; got\n%s\nwant\n%s", path, got, want)
	}
}

// shipped is a copy of the fleet's definitions, for tests to spoil.
func shipped(t testing.TB, pattern string) fstest.MapFS {
	t.Helper()
	out := fstest.MapFS{}
	names, err := fs.Glob(os.DirFS(fleetDefinitions), pattern)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		data, err := fs.ReadFile(os.DirFS(fleetDefinitions), name)
		if err != nil {
			t.Fatal(err)
		}
		out[name] = &fstest.MapFile{Data: data}
	}
	if len(out) == 0 {
		t.Fatalf("no definitions match %s", pattern)
	}
	return out
}

func TestBadDefinitionsAreRefusedWithPlaceAndRemedy(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.bad.yaml")
	if err != nil || len(files) < 10 {
		t.Fatal("the corpus is gone", err)
	}
	for _, path := range files {
		base := filepath.Base(path)
		t.Run(base, func(t *testing.T) {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			folder := shipped(t, "models/*.yaml")
			if name, model := strings.CutSuffix(base, ".model.bad.yaml"); model {
				folder["models/"+name+".yaml"] = &fstest.MapFile{Data: data}
			} else {
				folder[base] = &fstest.MapFile{Data: data}
			}
			_, err = metric.Load(folder)
			if err == nil {
				t.Fatal("it was accepted")
			}
			var f *fault.Error
			if !errors.As(err, &f) || f.Kind != fault.Invalid || f.Hint == "" {
				t.Errorf("the error is %#v", err)
			}
			var all *metric.ProblemsError
			if !errors.As(err, &all) || len(all.Problems) == 0 {
				t.Fatal("it has no problems")
			}
			for _, p := range all.Problems {
				if p.Line == 0 || p.File == "" || p.What == "" {
					t.Errorf("the problem %q has no place", p)
				}
			}
			golden(t, "bad/"+strings.TrimSuffix(base, ".yaml")+".txt", all.Error()+"\n")
		})
	}
}

func TestFolderThatCannotBeReadIsRefused(t *testing.T) {
	for name, folder := range map[string]fs.FS{
		"empty":            fstest.MapFS{},
		"only models":      shipped(t, "models/*.yaml"),
		"an empty file":    fstest.MapFS{"a.yaml": {Data: []byte("# nothing\n")}},
		"another ending":   fstest.MapFS{"a.yml": {Data: []byte("metric: {}")}},
		"a file too long":  fstest.MapFS{"a.yaml": {Data: []byte(strings.Repeat("#", 256<<10+1))}},
		"no such folder":   os.DirFS(filepath.Join(t.TempDir(), "none")),
		"facts without it": shipped(t, "*.yaml"),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := metric.Load(folder)
			var f *fault.Error
			if !errors.As(err, &f) || f.Kind != fault.Invalid || f.Message == "" || f.Hint == "" {
				t.Errorf("the error is %#v", err)
			}
		})
	}
}

func TestFactHashFollowsItsMeaningAlone(t *testing.T) {
	hash := func(change func(string) string) string {
		t.Helper()
		folder := shipped(t, "*.yaml")
		for name, f := range shipped(t, "models/*.yaml") {
			folder[name] = &fstest.MapFile{Data: []byte(change(string(f.Data)))}
		}
		c, err := metric.Load(folder)
		if err != nil {
			t.Fatal(err)
		}
		return c.Facts()[0].Hash
	}
	same := hash(func(s string) string { return s })
	if again := hash(func(s string) string { return strings.Replace(s, "    -- Two clocks", "    -- Other words", 1) }); again != same {
		t.Error("a comment changes the hash")
	}
	for name, change := range map[string][2]string{
		"version": {"version: 1", "version: 2"},
		"select":  {"INTERVAL 24 HOUR", "INTERVAL 25 HOUR"},
		"columns": {"columns: [user_id, is_internal, deleted_at]", "columns: [user_id, is_internal, deleted_at, locale]"},
	} {
		if hash(func(s string) string { return strings.ReplaceAll(s, change[0], change[1]) }) == same {
			t.Errorf("another %s has the same hash", name)
		}
	}
}

func TestWorkedExampleOfTheFormatLoads(t *testing.T) {
	folder := shipped(t, "models/*.yaml")
	folder["a.yaml"] = &fstest.MapFile{Data: []byte(`
semantic_model:
  name: connection_attempt
  description: a folded
    plain text
  node_relation: {schema_name: metric, alias: connection_attempt}
  primary_entity: attempt
  entities:
    - {name: attempt, type: primary, expr: attempt_group}
  dimensions:
    - {name: first_at, type: time, expr: first_at, type_params: {time_granularity: hour}}
    - {name: slow, type: categorical, expr: "CASE WHEN duration_ms >= 1000 THEN 'slow; $5' END"}
  measures:
    - {name: p95, agg: percentile, expr: duration_ms, agg_time_dimension: first_at, agg_params: {percentile: 0.95, use_approximate_percentile: true}}
    - {name: p50, agg: percentile, expr: duration_ms, agg_time_dimension: first_at, agg_params: {percentile: .5, use_discrete_percentile: true}}
    - {name: tries, agg: sum, agg_time_dimension: first_at, expr: tries}
    - {name: average_tries, agg: average, agg_time_dimension: first_at, expr: tries}
    - {name: most_tries, agg: max, agg_time_dimension: first_at, expr: tries}
    - {name: least_tries, agg: min, agg_time_dimension: first_at, expr: tries}
    - {name: errors, agg: count, agg_time_dimension: first_at, expr: error_class}
`)}
	var text strings.Builder
	for _, name := range []string{"p95", "p50", "tries", "average_tries", "most_tries", "least_tries", "errors"} {
		text.WriteString("---\nmetric:\n  name: m_" + name + "\n  description: a number\n  type: simple\n  type_params: {measure: " + name + "}\n" +
			"  config: {meta: {other_reader: [1], weir: {version: 3, owner: me, watermark: P1DT2H}}}\n")
	}
	folder["b.yaml"] = &fstest.MapFile{Data: []byte(text.String())}
	folder["README.md"] = &fstest.MapFile{Data: []byte("not ours")}
	c, err := metric.Load(folder)
	if err != nil {
		t.Fatal(err)
	}
	l := newLab(t)
	l.threeHours()
	l.catalog = c
	l.wants(metric.Question{Metric: "m_tries"}, "2026-10-01T00 12/null=12")
	l.wants(metric.Question{Metric: "m_p50", By: []string{"slow"}}, "2026-10-01T00 slow=slow; $5 1000/null=1000", "2026-10-01T00 slow=unknown 200/null=200")
	l.wants(metric.Question{Metric: "m_p95", By: []string{"slow"}}, "2026-10-01T00 slow=slow; $5 1000/null=1000", "2026-10-01T00 slow=unknown 400/null=400")
	l.wants(metric.Question{Metric: "m_average_tries"}, "2026-10-01T00 1.091/null=1.091")
	l.wants(metric.Question{Metric: "m_most_tries"}, "2026-10-01T00 2/null=2")
	l.wants(metric.Question{Metric: "m_least_tries"}, "2026-10-01T00 1/null=1")
	l.wants(metric.Question{Metric: "m_errors"}, "2026-10-01T00 10/null=10")
	info, err := c.Metric("m_p95")
	if err != nil || info.Version != 3 || info.Definition != "a number" || info.Watermark != "P1DT2H" || info.Label != "m p95" {
		t.Errorf("it is %+v, %v", info, err)
	}
}

func FuzzLoad(f *testing.F) {
	files, err := filepath.Glob("testdata/bad/*.bad.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, pattern := range []string{"*.yaml", "models/*.yaml"} {
		for _, file := range shipped(f, pattern) {
			f.Add(file.Data, file.Data)
		}
	}
	for _, path := range files {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data, data)
	}
	f.Fuzz(func(t *testing.T, manifest, model []byte) {
		c, err := metric.Load(fstest.MapFS{"a.yaml": {Data: manifest}, "models/a.yaml": {Data: model}})
		if err != nil {
			var fe *fault.Error
			if !errors.As(err, &fe) || c != nil {
				t.Fatalf("the error is %#v", err)
			}
			return
		}
		for _, m := range c.Metrics() {
			if _, err := c.Compile(metric.Question{Metric: m.Name, By: m.Dimensions}, most); err != nil {
				t.Errorf("%s was accepted and can't be asked: %v", m.Name, err)
			}
		}
	})
}
