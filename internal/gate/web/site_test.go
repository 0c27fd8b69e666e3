package web_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/weirproject/weir/internal/engine"
	"github.com/weirproject/weir/internal/gate"
	"github.com/weirproject/weir/internal/ledger"
	"github.com/weirproject/weir/internal/metric"
	"github.com/weirproject/weir/internal/policy"
	"github.com/weirproject/weir/internal/store"
	"github.com/weirproject/weir/internal/store/duckdb"
	"github.com/weirproject/weir/internal/treatment"
)

// site is the house behind the page: a real gate before a real store with ten weeks of attempts, and a real ledger. One serves the whole test process.
type site struct {
	gate   *gate.Gate
	ledger *ledger.Ledger
	store  store.Store
	dir    string
}

var house struct {
	once sync.Once
	site *site
	err  error
}

func TestMain(m *testing.M) {
	engine.Main()
	code := m.Run()
	if s := house.site; s != nil {
		if err := errors.Join(s.store.Close(), s.ledger.Close(), os.RemoveAll(s.dir)); err != nil {
			_, _ = fmt.Fprintln(os.Stderr, "close the site:", err)
			code = max(code, 1)
		}
	}
	os.Exit(code)
}

func theSite(t testing.TB) *site {
	t.Helper()
	house.once.Do(func() { house.site, house.err = openSite() })
	check(t, house.err)
	return house.site
}

const factModel = `name: metric.attempt
version: 1
description: one row per attempt
key: attempt_id
inputs:
  attempt:
    table: shop.attempt
    driving: true
    key_column: attempt_id
    columns: [attempt_id, model, isp, failed, ms, first_at]
select: SELECT attempt_id, model, isp, failed, ms, first_at FROM attempt
`

const manifest = `semantic_model:
  name: attempt
  description: attempts
  node_relation: {schema_name: metric, alias: attempt}
  defaults: {agg_time_dimension: first_at}
  entities:
    - {name: attempt, type: primary, expr: attempt_id}
  dimensions:
    - {name: first_at, type: time, type_params: {time_granularity: hour}}
    - {name: model, type: categorical}
    - {name: isp, type: categorical}
  measures:
    - {name: attempts_all, agg: sum_boolean, expr: "true"}
    - {name: attempts_failed, agg: sum_boolean, expr: "failed = 1"}
    - {name: ms_median, agg: percentile, expr: ms, agg_params: {percentile: 0.5}}
---
metric:
  name: failed_connection_rate
  label: Failed connection rate
  type: ratio
  type_params: {numerator: attempts_failed, denominator: attempts_all}
  config: {meta: {weir: {version: 2, owner: connectivity, watermark: PT2H, definition: "logical attempts whose last try failed, out of all logical attempts; dated by the first try"}}}
---
metric:
  name: attempts
  label: Connection attempts
  type: simple
  type_params: {measure: attempts_all}
  config: {meta: {weir: {version: 1, owner: connectivity, watermark: PT2H, definition: logical attempts to connect to a device}}}
---
metric:
  name: failed_attempts
  label: Failed attempts
  type: simple
  type_params: {measure: attempts_failed}
  config: {meta: {weir: {version: 1, owner: connectivity, watermark: PT2H, definition: logical attempts whose last try failed}}}
---
metric:
  name: connect_ms_p50
  label: Time to connect, median
  type: simple
  type_params: {measure: ms_median}
  config: {meta: {weir: {version: 1, owner: connectivity, watermark: P1D, definition: median milliseconds of an attempt}}}
`

// hostile is a value of a dimension that would be markup and a formula if somebody let it.
const hostile = `=<script>alert("isp")</script>`

// theCatalog is the site's metrics.
var theCatalog = sync.OnceValue(func() *metric.Catalog {
	c, err := metric.Load(fstest.MapFS{"attempt.yaml": {Data: []byte(manifest)}, "models/attempt.yaml": {Data: []byte(factModel)}})
	if err != nil {
		panic(err)
	}
	return c
})

func openSite() (*site, error) {
	dir, err := os.MkdirTemp("", "weir-web-")
	if err != nil {
		return nil, err
	}
	l, err := ledger.Open(ledger.Options{Dir: filepath.Join(dir, "ledger"), KeyDir: filepath.Join(dir, "keys")})
	if err != nil {
		return nil, err
	}
	catalog := theCatalog()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	s, err := duckdb.Open(ctx, duckdb.Options{Dir: filepath.Join(dir, "store")})
	if err != nil {
		return nil, err
	}
	if err := fill(ctx, s, catalog); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	g := gate.New(gate.Options{Store: s, Ledger: l, Metrics: catalog, Timeout: time.Minute})
	return &site{gate: g, ledger: l, store: s, dir: dir}, nil
}

// fill copies the attempts of ten weeks, up to now, as a flow does.
func fill(ctx context.Context, s store.Store, catalog *metric.Catalog) error {
	layout := &treatment.Layout{Table: "shop.attempt", Key: []int{0}}
	table := &policy.Table{Name: "shop.attempt", Access: policy.AccessSQL}
	number, text := treatment.Type{Kind: treatment.Int64}, treatment.Type{Kind: treatment.Text}
	for _, c := range []treatment.Column{
		{Name: "attempt_id", Type: number},
		{Name: "model", Type: text},
		{Name: "isp", Type: text},
		{Name: "failed", Type: number},
		{Name: "ms", Type: number},
		{Name: "first_at", Type: treatment.Type{Kind: treatment.TimestampTZ}},
	} {
		layout.Columns = append(layout.Columns, c)
		table.Columns = append(table.Columns, policy.Column{Name: c.Name, Treat: policy.Keep})
	}
	keys, err := treatment.NewKeys(make([]byte, treatment.MasterKeySize))
	if err != nil {
		return err
	}
	plan, err := treatment.Compile(table, layout, keys)
	if err != nil {
		return err
	}
	placed := store.Table{Name: "shop.attempt", Hash: "1", Schema: plan.Schema()}
	for range layout.Columns {
		placed.Columns = append(placed.Columns, store.Placement{Access: []store.Access{store.SQL, store.Metrics}})
	}
	l := store.Layout{Identity: "shop", Tables: []store.Table{placed}}
	for _, f := range catalog.Facts() {
		fact := store.Fact{Name: f.Name, Hash: f.Hash, Key: f.Key, Select: f.Select}
		for _, i := range f.Inputs {
			fact.Inputs = append(fact.Inputs, store.Input(i))
		}
		l.Facts = append(l.Facts, fact)
	}
	if err := s.Prepare(ctx, l); err != nil {
		return err
	}
	now := time.Now().UTC()
	raw, err := attempts(plan, now)
	if err != nil {
		return err
	}
	batch, err := plan.Treat(raw)
	if err != nil {
		return err
	}
	defer batch.Release()
	tx, err := s.Begin(ctx)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	err = errors.Join(tx.Reset(ctx, placed.Name), tx.Write(ctx, batch), tx.Copied(ctx, placed.Name, "1"))
	if err != nil {
		return err
	}
	if err := tx.Commit(ctx, treatment.Mark{Position: "2", AsOf: now}); err != nil {
		return err
	}
	return s.Refresh(ctx)
}

// attempts are some hundred a day, fewer at the weekend; three weeks ago a firmware of one model went wrong.
func attempts(plan *treatment.Plan, now time.Time) (treatment.Raw, error) {
	dice := rand.New(rand.NewPCG(1, 2))
	models := []string{"CAM-V3", "CAM-V2", "LOCK-1", "BULB-E27", "HUB-2", "SCALE-1", "PLUG-S", "SENSOR-T", "BELL-1", "VAC-9"}
	isps := []string{"Comcast", "Verizon", "Deutsche Telekom", "Orange", hostile}
	b := treatment.NewBuilder(plan.Layout())
	id := int64(0)
	for back := 70; back >= 0; back-- {
		day := now.Truncate(24*time.Hour).AddDate(0, 0, -back)
		n := 260 + int(60*math.Sin(float64(back)/9)) + dice.IntN(30)
		if day.Weekday() == time.Saturday || day.Weekday() == time.Sunday {
			n = n * 7 / 10
		}
		for range n {
			at := day.Add(time.Duration(dice.Int64N(int64(24 * time.Hour))))
			if at.After(now) {
				continue
			}
			id++
			m := int(math.Abs(dice.NormFloat64()) * 3)
			model := models[min(m, len(models)-1)]
			odds := 0.045
			if model == "CAM-V3" && back <= 17 {
				odds = 0.139
			}
			failed := int64(0)
			if dice.Float64() < odds {
				failed = 1
			}
			b.Begin(treatment.Insert)
			b.Int(id)
			b.Bytes([]byte(model))
			b.Bytes([]byte(isps[dice.IntN(len(isps))]))
			b.Int(failed)
			b.Int(200 + int64(dice.ExpFloat64()*900))
			b.Int(at.UnixMicro())
		}
	}
	return b.Seal()
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
