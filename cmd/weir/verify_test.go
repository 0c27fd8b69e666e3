package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/weirproject/weir/internal/engine"
)

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
	t.Parallel()
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
	t.Parallel()
	url, _ := fleetDatabase(t, 60, 3)
	s := fleetSite(t, url)
	p := s.run()
	s.following(p)
	production := busy(t, url, 21)
	positions := map[string]bool{}
	for range 6 {
		production.goesOn()
		positions[string(s.equal().Position)] = true
	}
	if len(positions) != 6 {
		t.Errorf("production stood still: %v", positions)
	}

	production.stop()
	s.exec("INSERT INTO fleet.torture SELECT i, 'last', i, 'b' FROM generate_series(800000001, 800000010) i")
	s.equal()
	if code := p.stop(t, syscall.SIGINT); code != 0 {
		t.Errorf("exit %d\n%s", code, p.output())
	}
}
