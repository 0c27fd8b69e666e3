package metric_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/weirproject/weir/internal/fault"
	"github.com/weirproject/weir/internal/metric"
)

func TestCompiledSQLIsAsReviewed(t *testing.T) {
	c := load(t)
	for name, q := range map[string]metric.Question{
		"ratio":               {Metric: "failed_connection_rate"},
		"ratio_by_range":      {Metric: "failed_connection_rate", By: []string{"model", "firmware"}, Grain: "hour", From: at(t, "2026-10-01"), To: at(t, "2026-10-02T03:04:05.678901+02:00")},
		"distinct_to":         {Metric: "affected_accounts", Grain: "week", To: at(t, "2026-10-02")},
		"percentile":          {Metric: "connect_ms_p95", By: []string{"transport"}},
		"sums":                {Metric: "clock_repaired_rate"},
		"spine":               {Metric: "device_activations"},
		"spine_range":         {Metric: "device_activations", Grain: "week", From: at(t, "2026-10-01"), To: at(t, "2026-10-02")},
		"spine_to_by_country": {Metric: "device_activations", By: []string{"country", "model"}, To: at(t, "2026-10-02")},
	} {
		t.Run(name, func(t *testing.T) {
			compiled, err := c.Compile(q, most)
			if err != nil {
				t.Fatal(err)
			}
			var text strings.Builder
			text.WriteString(compiled.SQL + "\n")
			for _, a := range compiled.Args {
				s, ok := a.(string)
				if !ok {
					t.Fatalf("an argument is %T", a)
				}
				text.WriteString("-- " + s + "\n")
			}
			golden(t, "sql/"+name+".sql", text.String())
		})
	}
}

func TestQuestionThatCannotBeAnsweredSaysWhatCan(t *testing.T) {
	c := load(t)
	var text strings.Builder
	for _, q := range []metric.Question{
		{Metric: "failed_conection_rate"},
		{Metric: "zzz"},
		{Metric: ""},
		{Metric: "'; DROP TABLE x; --"},
		{Metric: "failed_connection_rate", By: []string{"modle"}},
		{Metric: "failed_connection_rate", By: []string{"model", "model"}},
		{Metric: "failed_connection_rate", By: []string{"first_at"}},
		{Metric: "failed_connection_rate", By: []string{""}},
		{Metric: "device_activations", By: []string{"firmware"}},
		{Metric: "failed_connection_rate", Grain: "month"},
		{Metric: "failed_connection_rate", Grain: "Day"},
		{Metric: "device_activations", Grain: "hour"},
		{Metric: "failed_connection_rate", From: at(t, "2026-10-02"), To: at(t, "2026-10-01")},
		{Metric: "failed_connection_rate", From: at(t, "2026-10-02"), To: at(t, "2026-10-02")},
		{Metric: "device_activations", From: at(t, "0001-01-01"), To: at(t, "9999-01-01")},
		{Metric: "device_activations", From: at(t, "1800-01-01"), To: at(t, "2080-01-01")},
	} {
		compiled, err := c.Compile(q, most)
		var f *fault.Error
		if compiled != nil || !errors.As(err, &f) {
			t.Fatalf("%+v gives %v, %v", q, compiled, err)
		}
		if want := fault.Usage; f.Kind != want && f.Kind != fault.NotFound || f.Hint == "" {
			t.Errorf("%+v gives %#v", q, f)
		}
		text.WriteString(f.Message + "\n  " + f.Hint + "\n")
	}
	golden(t, "questions.txt", text.String())
	if _, err := c.Metric("device_activation"); fault.KindOf(err) != fault.NotFound {
		t.Errorf("an unknown metric gives %v", err)
	}
}

func TestTimesAreDatesOrRFC3339(t *testing.T) {
	for text, want := range map[string]string{
		"2026-11-01":                     "2026-11-01T00:00:00Z",
		"2026-11-01T13:00:00Z":           "2026-11-01T13:00:00Z",
		"2026-11-01T13:00:00.5+05:30":    "2026-11-01T07:30:00.5Z",
		"2026-11-01T00:00:00.000001Z":    "2026-11-01T00:00:00.000001Z",
		"2026-13-01":                     "",
		"2026-02-30":                     "",
		"yesterday":                      "",
		"":                               "",
		"2026-11-01 13:00":               "",
		"1793491200":                     "",
		"9999-12-31T23:00:00-05:00":      "", // the year 10000 in UTC
		"0001-01-01T00:00:00+05:00":      "", // the year 0
		"2026-11-01T13:00:00Z; SELECT 1": "",
	} {
		got, err := metric.ParseTime("--to", text)
		if want == "" {
			if fault.KindOf(err) != fault.Usage || !strings.Contains(fault.Public(err).Hint, "--to 2026-11-01") {
				t.Errorf("%q gives %v, %v", text, got, err)
			}
			continue
		}
		if err != nil || got.Format(time.RFC3339Nano) != want || got.Location() != time.UTC {
			t.Errorf("%q gives %v, %v", text, got, err)
		}
	}
}

func TestAnswerHasTheSettledShape(t *testing.T) {
	l := newLab(t)
	l.threeHours()
	asOf := *at(t, "2026-10-01T15:30:00+02:00")
	for name, q := range map[string]metric.Question{
		"ratio":    {Metric: "failed_connection_rate", Grain: "hour"},
		"ratio_by": {Metric: "failed_connection_rate", By: []string{"model", "error_class"}},
		"simple":   {Metric: "connect_ms_p50", Grain: "hour"},
		"empty":    {Metric: "failed_connection_rate", From: at(t, "2030-01-01")},
	} {
		t.Run(name, func(t *testing.T) {
			a := l.ask(asOf, q)
			got, err := json.MarshalIndent(a, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			golden(t, "answer_"+name+".json", string(got)+"\n")
			var table bytes.Buffer
			if err := a.Text(&table); err != nil {
				t.Fatal(err)
			}
			golden(t, "answer_"+name+".txt", table.String())
		})
	}
	never, err := json.Marshal(l.ask(time.Time{}, metric.Question{Metric: "failed_connection_rate"}))
	if err != nil || !strings.Contains(string(never), `"as_of":null`) {
		t.Errorf("without a position it is %s, %v", never, err)
	}
}

func TestTextSaysThatTheFirstCopyIsNotDone(t *testing.T) {
	l := newLab(t)
	l.derive()
	for asOf, want := range map[time.Time]string{{}: "the first copy is not done", at(t, "2026-10-01").UTC(): "no rows in this range"} {
		var text strings.Builder
		if err := l.ask(asOf, metric.Question{Metric: "failed_connection_rate"}).Text(&text); err != nil || !strings.Contains(text.String(), want) {
			t.Errorf("as of %s it says %q (%v)", asOf, text.String(), err)
		}
	}
}

func TestTextShowsNoControlCharacters(t *testing.T) {
	l := newLab(t)
	l.people()
	l.exec("UPDATE fleet.product_model SET model = 'a' || chr(27) || '[2J' || chr(10) || 'b'")
	l.attempt(try{group: "1", started: "2026-10-01 10:00:00", ok: "true"})
	l.derive()
	var table bytes.Buffer
	if err := l.ask(time.Time{}, metric.Question{Metric: "failed_connection_rate", By: []string{"model"}}).Text(&table); err != nil {
		t.Fatal(err)
	}
	if s := table.String(); strings.Contains(s, "\x1b") || !strings.Contains(s, "a�[2J�b") {
		t.Errorf("it shows %q", s)
	}
}

func TestAnswerPassesOnWhatEndsItsRows(t *testing.T) {
	compiled, err := load(t).Compile(metric.Question{Metric: "failed_connection_rate"}, most)
	if err != nil {
		t.Fatal(err)
	}
	stop := fault.New(fault.Unavailable, "the engine ended", "ask again")
	a, err := compiled.Answer(time.Time{}, func(yield func(arrow.RecordBatch, error) bool) { yield(nil, stop) })
	if a != nil || !errors.Is(err, stop) {
		t.Errorf("it gives %v, %v", a, err)
	}
}

func TestAnswerOfAnotherShapeIsRefused(t *testing.T) {
	l := newLab(t)
	compiled, err := l.catalog.Compile(metric.Question{Metric: "failed_connection_rate", By: []string{"model"}}, most)
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range []string{
		"SELECT 1",
		"SELECT DATE '2026-01-01', 'x', 1::DOUBLE, 1::DOUBLE, 1::DOUBLE",
		"SELECT TIMESTAMP '2026-01-01', 7, 1::DOUBLE, 1::DOUBLE, 1::DOUBLE",
		"SELECT TIMESTAMP '2026-01-01', 'x', 1::DOUBLE, 1::DOUBLE, 1",
	} {
		reader, err := l.arrow.QueryContext(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		_, err = compiled.Answer(time.Time{}, func(yield func(arrow.RecordBatch, error) bool) {
			for reader.Next() && yield(reader.RecordBatch(), nil) {
				continue
			}
		})
		var f *fault.Error
		if !errors.As(err, &f) || f.Kind != fault.Internal {
			t.Errorf("%s gives %v", q, err)
		}
		reader.Release()
	}
}

func TestCatalogueSaysWhatEachMetricIsAndReads(t *testing.T) {
	c := load(t)
	var names []string
	for _, m := range c.Metrics() {
		names = append(names, m.Name)
		if m.Label == "" || m.Definition == "" || m.Owner == "" || m.Version < 1 || m.Watermark == "" || m.Fact == "" || len(m.Dimensions) == 0 {
			t.Errorf("%s says too little: %+v", m.Name, m)
		}
		if again, err := c.Metric(m.Name); err != nil || again.Name != m.Name {
			t.Errorf("%s gives %+v, %v", m.Name, again, err)
		}
	}
	want := []string{
		"failed_connection_rate", "failed_connection_rate_reachable", "first_try_failure_rate", "unknown_connection_rate", "affected_accounts", "connect_ms_p50", "connect_ms_p95",
		"clock_repaired_rate", "device_activations",
	}
	if !slices.Equal(names, want) {
		t.Errorf("the metrics are %v", names)
	}
	var facts []string
	for _, f := range c.Facts() {
		facts = append(facts, f.Name+" "+f.Key)
	}
	if !slices.Equal(facts, []string{"metric.connection_attempt attempt_group", "metric.device_activation device_id"}) {
		t.Errorf("the facts are %v", facts)
	}
	var text strings.Builder
	for _, r := range c.Reads() {
		if r.Metric == "failed_connection_rate" || r.Metric == "device_activations" {
			text.WriteString(r.Metric + " " + r.Table + ": " + strings.Join(r.Columns, " ") + "\n")
		}
	}
	golden(t, "reads.txt", text.String())
	text.Reset()
	if err := c.Text(&text); err != nil {
		t.Fatal(err)
	}
	golden(t, "metrics.txt", text.String())
}
