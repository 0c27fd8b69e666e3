package gate_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/weirproject/weir/internal/engine"
	"github.com/weirproject/weir/internal/fault"
	"github.com/weirproject/weir/internal/gate"
	"github.com/weirproject/weir/internal/ledger"
	"github.com/weirproject/weir/internal/metric"
	"github.com/weirproject/weir/internal/policy"
	"github.com/weirproject/weir/internal/store"
	"github.com/weirproject/weir/internal/store/duckdb"
	"github.com/weirproject/weir/internal/treatment"
)

func TestMain(m *testing.M) {
	engine.Main()
	os.Exit(m.Run())
}

const model = `name: metric.sale
version: 1
description: one row per sale
key: sale_id
inputs:
  sale:
    table: shop.sale
    driving: true
    key_column: sale_id
    columns: [sale_id, amount, sold_at]
select: SELECT sale_id, amount, sold_at FROM sale
`

const manifest = `semantic_model:
  name: sale
  description: sales
  node_relation: {schema_name: metric, alias: sale}
  defaults: {agg_time_dimension: sold_at}
  entities:
    - {name: sale, type: primary, expr: sale_id}
  dimensions:
    - {name: sold_at, type: time, type_params: {time_granularity: day}}
    - {name: size, type: categorical, expr: "CASE WHEN amount > 10 THEN 'large' ELSE 'small' END"}
  measures:
    - {name: turnover, agg: sum, expr: amount}
---
metric:
  name: turnover
  label: Turnover
  type: simple
  type_params: {measure: turnover}
  config: {meta: {weir: {version: 1, owner: sales, watermark: PT1H, definition: the sum of all sales}}}
---
metric:
  name: turnover_daily
  label: Turnover, also of days without any
  type: simple
  type_params: {measure: {name: turnover, join_to_timespine: true, fill_nulls_with: 0}}
  config: {meta: {weir: {version: 1, owner: sales, watermark: PT1H, definition: the sum of all sales}}}
`

// recorder is a real ledger that can be told to fail at its nth entry, as a full disk does.
type recorder struct {
	*ledger.Ledger
	mu     sync.Mutex // guards all below
	count  int
	failAt int
	after  func(n int) // called when the nth entry is durable
}

var errFull = fault.New(fault.Unavailable, "the ledger cannot be written", "make room")

func (r *recorder) Append(ctx context.Context, e ledger.Entry) (ledger.Index, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.count++
	if r.count == r.failAt {
		return 0, errFull
	}
	i, err := r.Ledger.Append(ctx, e)
	if err == nil && r.after != nil {
		r.after(r.count)
	}
	return i, err
}

// asked counts what reaches a store, and holds it up there when it is told to.
type asked struct {
	store.Store
	queries int
	hold    func() // nil: nothing is held up
}

func (a *asked) Query(ctx context.Context, access store.Access, sql string, args ...any) (store.Rows, error) {
	if a.hold != nil {
		a.hold()
		return a.Store.Query(ctx, access, sql, args...)
	}
	a.queries++
	return a.Store.Query(ctx, access, sql, args...)
}

// site is a gate before a real store with five sales and a real ledger.
type site struct {
	gate   *gate.Gate
	ledger *recorder
	store  *asked
	folder string
}

func newSite(t *testing.T, timeout time.Duration, filled bool) *site {
	t.Helper()
	dir := t.TempDir()
	l, err := ledger.Open(ledger.Options{Dir: filepath.Join(dir, "ledger"), KeyDir: filepath.Join(dir, "keys")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	catalog, err := metric.Load(fstest.MapFS{"sale.yaml": {Data: []byte(manifest)}, "models/sale.yaml": {Data: []byte(model)}})
	if err != nil {
		t.Fatal(err)
	}
	s, err := duckdb.Open(t.Context(), duckdb.Options{Dir: filepath.Join(dir, "store")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	if filled {
		fill(t, s, catalog)
	}
	site := &site{ledger: &recorder{Ledger: l}, store: &asked{Store: s}, folder: filepath.Join(dir, "ledger")}
	site.gate = gate.New(gate.Options{Store: site.store, Ledger: site.ledger, Metrics: catalog, Timeout: timeout})
	return site
}

// fill copies five sales into the store, as a flow does.
func fill(t *testing.T, s store.Store, catalog *metric.Catalog) {
	t.Helper()
	layout := &treatment.Layout{Table: "shop.sale", Key: []int{0}}
	table := &policy.Table{Name: "shop.sale", Access: policy.AccessMetrics}
	for _, c := range []treatment.Column{
		{Name: "sale_id", Type: treatment.Type{Kind: treatment.Int64}},
		{Name: "amount", Type: treatment.Type{Kind: treatment.Int64}},
		{Name: "sold_at", Type: treatment.Type{Kind: treatment.TimestampTZ}},
	} {
		layout.Columns = append(layout.Columns, c)
		table.Columns = append(table.Columns, policy.Column{Name: c.Name, Treat: policy.Keep})
	}
	keys, err := treatment.NewKeys(make([]byte, treatment.MasterKeySize))
	check(t, err)
	plan, err := treatment.Compile(table, layout, keys)
	check(t, err)
	in := []store.Access{store.Metrics}
	l := store.Layout{Identity: "shop", Tables: []store.Table{{
		Name: "shop.sale", Hash: "1", Schema: plan.Schema(), Columns: []store.Placement{{Access: in}, {Access: in}, {Access: in}},
	}}}
	for _, f := range catalog.Facts() {
		fact := store.Fact{Name: f.Name, Hash: f.Hash, Key: f.Key, Select: f.Select}
		for _, i := range f.Inputs {
			fact.Inputs = append(fact.Inputs, store.Input(i))
		}
		l.Facts = append(l.Facts, fact)
	}
	check(t, s.Prepare(t.Context(), l))
	b := treatment.NewBuilder(plan.Layout())
	for i, amount := range []int64{5, 7, 20, 30, 1} {
		b.Begin(treatment.Insert)
		b.Int(int64(i + 1))
		b.Int(amount)
		b.Int(time.Date(2026, 3, 1+i/3, 12, 0, 0, 0, time.UTC).UnixMicro())
	}
	raw, err := b.Seal()
	check(t, err)
	batch, err := plan.Treat(raw)
	check(t, err)
	defer batch.Release()
	tx, err := s.Begin(t.Context())
	check(t, err)
	defer tx.Rollback()
	check(t, tx.Reset(t.Context(), "shop.sale"))
	check(t, tx.Write(t.Context(), batch))
	check(t, tx.Copied(t.Context(), "shop.sale", "1"))
	check(t, tx.Commit(t.Context(), treatment.Mark{Position: "2", AsOf: time.Date(2026, 3, 5, 0, 0, 0, 0, time.UTC)}))
	check(t, s.Refresh(t.Context()))
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

var viewer = gate.Principal{Name: "ann", Address: "local", Role: gate.Viewer}

// entries are the records of a type, oldest first.
func entries[T any](t *testing.T, s *site, kind string) []T {
	t.Helper()
	var all []T
	for e, err := range ledger.FindDir(t.Context(), s.folder, ledger.Filter{}) {
		check(t, err)
		if e.Type != kind {
			continue
		}
		raw, _ := e.Body.(json.RawMessage)
		var v T
		check(t, json.Unmarshal(raw, &v))
		all = append(all, v)
	}
	return all
}

func turnover(by ...string) gate.Question {
	return gate.Question{Metric: &metric.Question{Metric: "turnover", By: by, Grain: "day"}}
}

func TestAnswerIsRecordedWithWhatItWasMadeOf(t *testing.T) {
	s := newSite(t, time.Minute, true)
	session := s.gate.Session(viewer)
	a, err := session.Ask(t.Context(), turnover("size"))
	check(t, err)
	got := ""
	for _, r := range a.Metric.Rows {
		got += fmt.Sprintf("%s %s %v;", r.Start.Format(time.DateOnly), r.Dimensions["size"], *r.Value)
	}
	if got != "2026-03-01 large 20;2026-03-01 small 12;2026-03-02 large 30;2026-03-02 small 1;" {
		t.Errorf("answered %s", got)
	}
	questions, outcomes := entries[gate.Asked](t, s, "question"), entries[gate.Outcome](t, s, "answer")
	if len(questions) != 1 || len(outcomes) != 1 {
		t.Fatalf("%d questions and %d answers are recorded", len(questions), len(outcomes))
	}
	q, o := questions[0], outcomes[0]
	if q.Metric != "turnover" || !slices.Equal(q.By, []string{"size"}) || q.Grain != "day" || q.Policy != (&policy.Policy{}).Hash() || q.Role != gate.Viewer || q.Address != "local" || q.Session == "" {
		t.Errorf("recorded %+v", q)
	}
	if len(q.Reads) != 1 || q.Reads[0].Table != "shop.sale" || !slices.Equal(slices.Sorted(slices.Values(q.Reads[0].Columns)), []string{"amount", "sale_id", "sold_at"}) {
		t.Errorf("the columns read are recorded as %+v", q.Reads)
	}
	if o.Verdict != gate.Answered || o.Rows != 4 || o.Bytes <= 0 || o.Seconds <= 0 || o.Reason != "" {
		t.Errorf("recorded %+v", o)
	}
	if _, err := session.Ask(t.Context(), turnover()); err != nil {
		t.Error(err)
	}
	if again := entries[gate.Asked](t, s, "question"); len(again) != 2 || again[1].Session != q.Session {
		t.Errorf("the questions of a session: %+v", again)
	}
}

func TestEveryVerdictIsRecorded(t *testing.T) {
	s := newSite(t, time.Minute, true)
	empty := newSite(t, time.Minute, false)
	from := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name     string
		site     *site
		who      gate.Principal
		question gate.Question
		verdict  gate.Verdict
		kind     fault.Kind
	}{
		{"a role without rights", s, gate.Principal{Name: "eve", Role: "guest"}, turnover(), gate.Refused, fault.Refused},
		{"no role", s, gate.Principal{Name: "eve"}, turnover(), gate.Refused, fault.Refused},
		{"a role in capitals", s, gate.Principal{Name: "eve", Role: "Viewer"}, turnover(), gate.Refused, fault.Refused},
		{"an empty question", s, viewer, gate.Question{}, gate.Failed, fault.Usage},
		{"no such metric", s, viewer, gate.Question{Metric: &metric.Question{Metric: "hunter2"}}, gate.Failed, fault.NotFound},
		{"no such dimension", s, viewer, turnover("hunter2"), gate.Failed, fault.Usage},
		{"an empty span", s, viewer, gate.Question{Metric: &metric.Question{Metric: "turnover", From: &from, To: &from}}, gate.Failed, fault.Usage},
		{"nothing copied", empty, viewer, turnover(), gate.Failed, fault.Unavailable},
	} {
		before := len(entries[gate.Outcome](t, c.site, "answer"))
		a, err := c.site.gate.Session(c.who).Ask(t.Context(), c.question)
		var f *fault.Error
		if a != nil || !errors.As(err, &f) || f.Kind != c.kind || f.Hint == "" {
			t.Errorf("%s: %v, %v", c.name, a, err)
		}
		outcomes := entries[gate.Outcome](t, c.site, "answer")
		questions := entries[gate.Asked](t, c.site, "question")
		if len(outcomes) != before+1 || len(questions) != len(outcomes) {
			t.Fatalf("%s: %d questions and %d answers are recorded", c.name, len(questions), len(outcomes))
		}
		if o := outcomes[before]; o.Verdict != c.verdict || o.Reason != c.kind.String() || o.Rows != 0 {
			t.Errorf("%s: recorded %+v", c.name, o)
		}
		if text := fmt.Sprintf("%+v", questions[before]); strings.Contains(text, "hunter2") {
			t.Errorf("%s: what was typed by mistake is recorded: %s", c.name, text)
		}
	}
	if s.store.queries != 0 {
		t.Errorf("%d refused questions reached the store", s.store.queries)
	}
}

func TestMetricWithMoreRowsThanTheRoleMayHaveIsRefused(t *testing.T) {
	s := newSite(t, time.Minute, true)
	first, last := time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
	june := time.Date(1890, 6, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name     string
		from, to *time.Time
		by       []string
		verdict  gate.Verdict
	}{
		{"from year one on", &first, nil, nil, gate.Refused},
		{"from year one on, in cells", &first, nil, []string{"size"}, gate.Refused},
		{"until the last year", nil, &last, nil, gate.Refused},
		{"days times cells", &june, nil, []string{"size"}, gate.Answered},
		{"the whole", nil, nil, nil, gate.Answered},
	} {
		a, err := s.gate.Session(viewer).Ask(t.Context(), gate.Question{Metric: &metric.Question{Metric: "turnover_daily", From: c.from, To: c.to, By: c.by}})
		outcomes := entries[gate.Outcome](t, s, "answer")
		o := outcomes[len(outcomes)-1]
		if o.Verdict != c.verdict || (c.verdict == gate.Answered) != (a != nil && err == nil) {
			t.Errorf("%s: %v, recorded %+v", c.name, err, o)
		}
		if err != nil && (o.Reason != "rows" || ruleOf(err) != "rows" || !strings.Contains(fault.Public(err).Hint, "coarser grain")) {
			t.Errorf("%s: %v, recorded %+v", c.name, err, o)
		}
		if most := viewer.Role.Widest().MetricRows; o.Rows > most+1 {
			t.Errorf("%s: the engine made %d rows", c.name, o.Rows)
		}
	}
}

func TestNothingRunsThatCannotBeRecordedFirst(t *testing.T) {
	s := newSite(t, time.Minute, true)
	s.ledger.failAt = 1
	a, err := s.gate.Session(viewer).Ask(t.Context(), turnover())
	if a != nil || !errors.Is(err, errFull) {
		t.Errorf("%v, %v", a, err)
	}
	if s.store.queries != 0 {
		t.Error("the question ran")
	}
}

func TestNothingIsAnsweredThatCannotBeRecordedAfter(t *testing.T) {
	s := newSite(t, time.Minute, true)
	s.ledger.failAt = 2
	a, err := s.gate.Session(viewer).Ask(t.Context(), turnover())
	if a != nil || !errors.Is(err, errFull) {
		t.Errorf("%v, %v", a, err)
	}
	if s.store.queries != 1 {
		t.Errorf("%d queries ran", s.store.queries)
	}
	if _, err := s.gate.Session(viewer).Ask(t.Context(), turnover()); err != nil {
		t.Errorf("the next question: %v", err)
	}
}

func TestQuestionEndsAtItsLimitAndThatIsRecorded(t *testing.T) {
	s := newSite(t, time.Second, true)
	s.ledger.after = func(n int) { // the question is recorded, and then time passes
		if n == 1 {
			<-time.After(1100 * time.Millisecond)
		}
	}
	a, err := s.gate.Session(viewer).Ask(t.Context(), turnover())
	if a != nil || fault.KindOf(err) != fault.Refused || !strings.Contains(err.Error(), "longer than its limit") {
		t.Errorf("%v, %v", a, err)
	}
	if o := entries[gate.Outcome](t, s, "answer"); len(o) != 1 || o[0].Verdict != gate.Refused || o[0].Seconds < 1 {
		t.Errorf("recorded %+v", o)
	}
}

func TestCancelledQuestionIsStillRecorded(t *testing.T) {
	s := newSite(t, time.Minute, true)
	ctx, cancel := context.WithCancel(t.Context())
	s.ledger.after = func(n int) {
		if n == 1 {
			cancel()
		}
	}
	if a, err := s.gate.Session(viewer).Ask(ctx, turnover()); a != nil || err == nil {
		t.Errorf("%v, %v", a, err)
	}
	if o := entries[gate.Outcome](t, s, "answer"); len(o) != 1 || o[0].Verdict != gate.Failed {
		t.Errorf("recorded %+v", o)
	}
}

func TestSessionsAreToldApartAndUsedByMany(t *testing.T) {
	s := newSite(t, time.Minute, true)
	session := s.gate.Session(viewer)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if _, err := session.Ask(t.Context(), turnover()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if _, err := s.gate.Session(viewer).Ask(t.Context(), turnover()); err != nil {
		t.Error(err)
	}
	sessions := map[string]int{}
	for _, q := range entries[gate.Asked](t, s, "question") {
		sessions[q.Session]++
	}
	if len(sessions) != 2 {
		t.Errorf("sessions: %v", sessions)
	}
	answered := map[ledger.Index]bool{}
	for _, o := range entries[gate.Outcome](t, s, "answer") {
		answered[o.Question] = true
	}
	if len(answered) != 9 {
		t.Errorf("%d questions have an answer", len(answered))
	}
}
