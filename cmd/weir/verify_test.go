package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/weirproject/weir/internal/engine"
	"github.com/weirproject/weir/internal/flow"
	"github.com/weirproject/weir/internal/postmaster/postmastertest"
)

const customerPolicy = `table: shop.customer
access: sql
exploration: who buys
columns:
  customer_id: {class: identifier, treat: pseudonym, subject: customer}
  email:       {class: direct_identifier, treat: drop}
  country:     {class: attribute, treat: keep}
  label:       {class: telemetry, treat: keep}
  spent:       {class: telemetry, treat: keep, access: metrics}
  note:        {class: free_text, treat: drop}
`

const visitPolicy = `table: shop.visit
access: metrics
exploration: what is looked at
columns:
  visit_id:    {class: identifier, treat: drop}
  day:         {class: behaviour, treat: keep}
  customer_id: {class: identifier, treat: pseudonym, subject: customer}
  page:        {class: telemetry, treat: keep}
  ms:          {class: telemetry, treat: keep}
`

const settingPolicy = `table: shop.setting
access: sql
exploration: what is switched on
columns:
  name:  {class: telemetry, treat: keep}
  value: {class: telemetry, treat: keep}
`

// newShop is a small production whose catalogue tests may change, under a policy that they may change.
func newShop(t testing.TB) *site {
	t.Helper()
	s := &site{t: t, url: postmastertest.Database(t), config: t.TempDir(), state: filepath.Join(t.TempDir(), "state")}
	s.exec(`CREATE SCHEMA shop`,
		`CREATE TABLE shop.customer (customer_id bigint PRIMARY KEY, email text, country text, label text, spent numeric(12,2), note text)`,
		`INSERT INTO shop.customer SELECT i, 'u' || i || '@example.org', substr('DEFRUS', 1 + 2 * (i % 3), 2), 'label-' || i, i * 1.25, 'n' || i FROM generate_series(1, 500) i`,
		`CREATE TABLE shop.visit (visit_id bigint, day date, customer_id bigint, page text, ms int, PRIMARY KEY (visit_id, day)) PARTITION BY RANGE (day)`,
		`CREATE TABLE shop.visit_1 PARTITION OF shop.visit FOR VALUES FROM ('2026-01-01') TO ('2026-02-01')`,
		`CREATE TABLE shop.visit_2 PARTITION OF shop.visit FOR VALUES FROM ('2026-02-01') TO ('2026-03-01')`,
		`CREATE TABLE shop.visit_3 PARTITION OF shop.visit FOR VALUES FROM ('2026-03-01') TO ('2026-04-01')`,
		`INSERT INTO shop.visit SELECT i, date '2026-01-01' + i % 90, i % 500, 'page-' || i % 40, i % 1000 FROM generate_series(1, 2000) i`,
		`CREATE TABLE shop.setting (name text PRIMARY KEY, value text)`,
		`INSERT INTO shop.setting SELECT 's' || i, 'v' || i FROM generate_series(1, 50) i`)
	if err := os.Mkdir(filepath.Join(s.config, "policy"), 0o750); err != nil {
		t.Fatal(err)
	}
	s.configure("accept: [production_ddl]")
	s.policy("customer", customerPolicy)
	s.policy("visit", visitPolicy)
	s.policy("setting", settingPolicy)
	return s
}

// configure writes weir.yaml with one more line about the source.
func (s *site) configure(line string) {
	s.t.Helper()
	text := "source:\n  name: shop\n  schemas: [shop]\n  " + line + "\npolicy: policy\n"
	if err := os.WriteFile(filepath.Join(s.config, "weir.yaml"), []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// tamper opens a file of the store behind weir's back, runs a query that gives one text, then statements.
func (s *site) tamper(access, query string, statements ...string) string {
	s.t.Helper()
	ctx := s.t.Context()
	e, err := engine.Start(ctx, engine.Config{Path: filepath.Join(s.state, "store", access, access+".db"), Spill: s.t.TempDir()})
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() {
		if err := e.Close(); err != nil {
			s.t.Error(err)
		}
	}()
	w, err := e.Writer(ctx)
	if err != nil {
		s.t.Fatal(err)
	}
	defer w.Release()
	rows, err := w.Query(ctx, query)
	if err != nil {
		s.t.Fatal(err)
	}
	text := ""
	for rows.Next() {
		text = strings.Clone(rows.Batch().Column(0).ValueStr(0))
	}
	if err := rows.Err(); err != nil || text == "" {
		s.t.Fatalf("%s gave %q, %v", query, text, err)
	}
	for _, sql := range statements {
		if _, err := w.Exec(ctx, strings.ReplaceAll(sql, "$KEY", "'"+text+"'")); err != nil {
			s.t.Fatalf("%s: %v", sql, err)
		}
	}
	return text
}

func TestVerifyNamesEveryKindOfDifference(t *testing.T) {
	s := newShop(t)
	must(t, s.args("run", "--apply", "--once")...)
	s.equal()
	changed := s.tamper("sql", `SELECT _weir_key::VARCHAR FROM shop.customer WHERE label = 'label-77'`, `UPDATE shop.customer SET country = 'XX' WHERE _weir_key = $KEY`)
	doubled := s.tamper("sql", `SELECT _weir_key::VARCHAR FROM shop.setting WHERE name = 's7'`, `INSERT INTO shop.setting SELECT * FROM shop.setting WHERE _weir_key = $KEY`)
	missing := s.tamper("metrics", `SELECT min(_weir_key)::VARCHAR FROM shop.visit`, `DELETE FROM shop.visit WHERE _weir_key = $KEY`)
	extra := s.tamper("metrics", `SELECT '00000000-0000-4000-8000-000000000001'`, `INSERT INTO shop.customer (_weir_key, spent) VALUES ($KEY, 1)`)

	r := weir(t, s.args("verify", "--json")...)
	if r.code != 3 {
		t.Fatalf("exit %d, want 3\n%s%s", r.code, r.stdout, r.stderr)
	}
	var report struct {
		Position string `json:"position"`
		AsOf     string `json:"as_of"`
		Equal    *bool  `json:"equal"`
		Tables   []struct {
			Table, Access string
			SourceRows    int64 `json:"source_rows"`
			StoreRows     int64 `json:"store_rows"`
			Equal         bool
			Difference    *struct {
				Kind   string
				RowKey string `json:"row_key"`
			}
		}
		Seconds float64 `json:"seconds"`
	}
	decoder := json.NewDecoder(strings.NewReader(r.stdout))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&report); err != nil {
		t.Fatalf("%v\n%s", err, r.stdout)
	}
	if report.Equal == nil || *report.Equal || report.Position == "" || report.AsOf == "" || report.Seconds <= 0 {
		t.Errorf("the report is incomplete: %s", r.stdout)
	}
	want := map[string][2]string{
		"shop.customer sql": {"changed", changed}, "shop.setting sql": {"doubled", doubled}, "shop.visit metrics": {"missing", missing}, "shop.customer metrics": {"extra", extra},
	}
	for _, table := range report.Tables {
		name := table.Table + " " + table.Access
		w, differs := want[name]
		delete(want, name)
		switch d := table.Difference; {
		case table.Equal || d == nil || !differs:
			t.Errorf("%s: %+v", name, table)
		case d.Kind != w[0] || d.RowKey != w[1]:
			t.Errorf("%s: %+v, want %v", name, *d, w)
		}
	}
	if len(want) > 0 {
		t.Errorf("not told: %v", want)
	}
	plain := weir(t, s.args("verify")...)
	for _, key := range []string{"changed: row key " + changed, "doubled: row key " + doubled, "missing: row key " + missing, "extra: row key " + extra} {
		if plain.code != 3 || !strings.Contains(plain.stdout, key) {
			t.Errorf("exit %d, without %q:\n%s", plain.code, key, plain.stdout)
		}
	}
	if record := must(t, s.args("ledger", "show", "--json")...); !strings.Contains(record, `"equal": false`) && !strings.Contains(record, `"equal":false`) {
		t.Error("the record does not say that a verification found a difference")
	}
}

func TestVerifyWhileProductionWrites(t *testing.T) {
	url, _ := fleetDatabase(t, 60, 3)
	s := fleetSite(t, url)
	p := s.run()
	s.following(p)
	stop := busy(t, url, 21)
	positions := map[string]bool{}
	for range 6 {
		positions[string(s.equal().Position)] = true
	}
	if len(positions) != 6 {
		t.Errorf("production stood still: %v", positions)
	}

	stop()
	s.exec("INSERT INTO fleet.torture SELECT i, 'last', i, 'b' FROM generate_series(800000001, 800000010) i")
	s.equal()
	if code := p.stop(t, syscall.SIGINT); code != 0 {
		t.Errorf("exit %d\n%s", code, p.output())
	}
}

// items returns what the running weir wants to be seen, as "kind table column".
func (s *site) items() map[string]flow.Item {
	s.t.Helper()
	st, ok := s.status()
	if !ok {
		return nil
	}
	items := map[string]flow.Item{}
	for _, i := range st.Flow.Items {
		items[strings.TrimSpace(i.Kind+" "+i.Table+" "+i.Column)] = i
	}
	return items
}

// seen waits until the running weir shows an item of one of the names.
func (s *site) seen(p *process, names ...string) {
	s.t.Helper()
	eventually(s.t, "seen: "+strings.Join(names, ", "), func() bool {
		p.mustRun(s.t)
		items := s.items()
		for _, n := range names {
			if i, ok := items[n]; ok {
				if i.Message == "" || i.Hint == "" {
					s.t.Errorf("%s says nothing: %+v", n, i)
				}
				return true
			}
		}
		return false
	})
}
