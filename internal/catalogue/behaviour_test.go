package catalogue_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/weirproject/weir/internal/catalogue"
	"github.com/weirproject/weir/internal/decision"
	"github.com/weirproject/weir/internal/engine"
	"github.com/weirproject/weir/internal/fault"
)

func TestOnlyQuestionsAboutTheDatabaseItselfAreRecognised(t *testing.T) {
	for sql, want := range map[string]bool{
		"SELECT version()":                                                    true,
		"select pg_catalog.version() ;":                                       true,
		"SELECT current_user, session_user":                                   true,
		"/* a */ SELECT relname -- b\nFROM pg_class":                          true,
		`SELECT "relname" FROM "pg_catalog"."pg_class"`:                       true,
		"SELECT * FROM information_schema.tables":                             true,
		"SELECT 'fleet.device'::regclass":                                     true,
		"SELECT set_config('search_path', '', false)":                         true,
		"WITH t AS (SELECT oid FROM pg_class) SELECT * FROM t":                true,
		"SELECT count(*) FROM pg_class c, generate_series(1, 3)":              true,
		"SELECT nothing_known(1) FROM pg_class":                               true, // and then refused
		"SELECT relname FROM pg_class UNION SELECT nspname FROM pg_namespace": true,

		"":                                     false,
		"SELECT 1":                             false,
		"SELECT lower('A')":                    false,
		"SELECT * FROM fleet.device":           false,
		"SELECT * FROM device":                 false,
		"SELECT * FROM fleet.pg_class":         false,
		"SELECT * FROM tables":                 false,
		"SELECT * FROM pg_class, fleet.device": false,
		"SELECT * FROM pg_class JOIN device ON true":                                  false,
		"SELECT version(), (SELECT max(email) FROM prod.users)":                       false,
		"SELECT relname FROM pg_class UNION SELECT model_id FROM fleet.device":        false,
		"SELECT relname FROM pg_class WHERE EXISTS (SELECT FROM fleet.device)":        false,
		"SELECT relname FROM pg_class WHERE relname IN (SELECT model_id FROM device)": false,
		"WITH d AS (SELECT * FROM fleet.device) SELECT * FROM pg_class, d":            false,
		"SELECT version() FROM read_csv('/etc/passwd')":                               false,
		"SELECT relname FROM pg_class; SELECT 1":                                      false,
		"DELETE FROM pg_class":                                                        false,
		"CREATE TABLE pg_class2 AS SELECT * FROM pg_class":                            false,
		"SELECT * INTO x FROM pg_class":                                               false,
		"SELECT relname FROM pg_class FOR UPDATE":                                     false,
		"SELECT email\u00a0FROM\u00a0prod.users, pg_class":                            false,
		"/* /* */ SELECT max(email) FROM prod.users -- */":                            false,
		"SELECT U&'\\0041' FROM pg_class":                                             false,
		"SELECT * FROM pg_class TABLESAMPLE system (10)":                              false,
		"SELECT relname FROM pg_class WHERE " + strings.Repeat("(", 5000) + "true":    false,
		"SELECT " + strings.Repeat("NOT ", 100_000) + "true FROM pg_class":            false,
		"SELECT 'unfinished FROM pg_class":                                            false,
		"SELECT relname FROM pg_class WHERE relname SIMILAR TO 'a'":                   false,
		"COPY (SELECT * FROM pg_class) TO STDOUT":                                     false,
		"FROM pg_class": false,
		"SELECT * FROM pg_class PIVOT (count(*) FOR relkind IN ('r'))": false,
		"SELECT COLUMNS('.*') FROM pg_class QUALIFY true":              false,
		"SELECT duckdb_secrets()":                                      false,
		"SELECT version(), getenv('HOME')":                             false,
		"SELECT pg_sleep(100)":                                         false,
		"SELECT * FROM duckdb_tables()":                                false,
		"SELECT * FROM system.main.duckdb_tables":                      false,
		"SELECT * FROM pg_catalog.pg_class, query('SELECT 1')":         true, // and then refused
	} {
		if got := catalogue.Recognises(sql); got != want {
			t.Errorf("%.80s: recognised %v", sql, got)
		}
	}
}

// TestWhatTheRoleMayNotSeeIsNowhere asks everything that clients ask, for tables that exist for others.
func TestWhatTheRoleMayNotSeeIsNowhere(t *testing.T) {
	e := start(t)
	all := open(t, e, "chief_analyst", shop())
	few := open(t, e, "analyst", &decision.Catalog{Tables: []decision.Table{{Schema: "fleet", Name: "account", Columns: []decision.Column{{Name: "country", Type: "VARCHAR"}}}}})
	oid := func(kind, name string) string {
		column := "oid"
		if kind == "type" {
			column = "reltype"
		}
		a, err := ask(t.Context(), all, "SELECT "+column+" FROM pg_class WHERE oid = $1::regclass", name)
		if err != nil {
			t.Fatal(err)
		}
		return a.rows[0][0]
	}
	hidden := []string{"billing", "invoice", "device", "birth_year", "premium", "account_id", "note", "chief_analyst"}
	asked := 0
	for _, s := range statements(t) {
		ours := s.with(oid)
		arguments := make([]any, len(ours.Params))
		mentioned := ours.SQL
		for i, p := range ours.Params {
			if p != nil {
				arguments[i] = *p
				mentioned += *p
			}
		}
		a, err := ask(t.Context(), few, ours.SQL, arguments...)
		if err != nil {
			var state *catalogue.StateError
			if !errors.As(err, &state) {
				t.Errorf("%v\n%s", err, s.SQL)
			}
			continue
		}
		asked++
		for _, row := range a.rows {
			for _, h := range hidden {
				if slices.ContainsFunc(row, func(c string) bool { return c == h || strings.Contains(c, "."+h) }) && !strings.Contains(mentioned, h) {
					t.Errorf("%s is told: %q\n%s", h, row, s.SQL)
				}
			}
		}
	}
	if asked < 180 {
		t.Errorf("only %d were answered", asked)
	}
	for _, sql := range []string{
		"SELECT relname FROM pg_class WHERE oid = " + oid("", "fleet.device"), "SELECT attname FROM pg_attribute WHERE attname = 'birth_year'",
		"SELECT nspname FROM pg_namespace WHERE nspname = 'billing'", "SELECT rolname FROM pg_roles WHERE rolname = 'chief_analyst'",
		"SELECT to_regclass('billing.invoice') WHERE to_regclass('billing.invoice') IS NOT NULL",
		"SELECT typname FROM pg_type WHERE typname LIKE '%device'",
	} {
		a, err := ask(t.Context(), few, sql)
		if err != nil || len(a.rows) != 0 {
			t.Errorf("%s: %v %v", sql, a.rows, err)
		}
	}
	_, missing := ask(t.Context(), few, "SELECT 'fleet.nothing'::regclass")
	_, forbidden := ask(t.Context(), few, "SELECT 'fleet.device'::regclass")
	if missing == nil || forbidden == nil || missing.Error() != forbidden.Error() {
		t.Errorf("missing: %v, forbidden: %v", missing, forbidden)
	}
	a, err := ask(t.Context(), few, "SELECT "+oid("", "fleet.device")+"::oid::regclass, format_type("+oid("type", "fleet.device")+", NULL)")
	if err != nil || a.rows[0][0] != oid("", "fleet.device") || a.rows[0][1] != "???" {
		t.Errorf("%v %v", a.rows, err)
	}
}

func TestObjectIDsSurviveReconnectsAndRestarts(t *testing.T) {
	const sql = "SELECT oid, reltype, relnamespace FROM pg_class WHERE relname = 'device'"
	first, err := ask(t.Context(), open(t, start(t), "a", shop()), sql)
	if err != nil {
		t.Fatal(err)
	}
	part := shop()
	part.Tables = part.Tables[1:2]
	second, err := ask(t.Context(), open(t, start(t), "b", part), sql)
	if err != nil {
		t.Fatal(err)
	}
	if len(first.rows) != 1 || !slices.Equal(first.rows[0], second.rows[0]) {
		t.Errorf("%v, then %v", first.rows, second.rows)
	}
}

// changing is an engine that can be exchanged, as after a crash.
type changing struct {
	mu  sync.Mutex
	now sessions
}

func (c *changing) Session(ctx context.Context) (catalogue.Session, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now.Session(ctx)
}

func TestANewEngineIsFilledAgain(t *testing.T) {
	e := &changing{now: start(t)}
	c := open(t, e, "a", shop())
	e.now.Kill()
	if _, err := ask(t.Context(), c, "SELECT count(*) FROM pg_class"); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("without an engine: %v", err)
	}
	e.mu.Lock()
	e.now = start(t)
	e.mu.Unlock()
	a, err := ask(t.Context(), c, "SELECT count(*) FROM pg_class WHERE relnamespace = 'fleet'::regnamespace")
	if err != nil || a.rows[0][0] != "2" {
		t.Errorf("%v %v", a.rows, err)
	}
	if err := c.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestRefusalsCarryAStateAndNoTextOfTheEngine(t *testing.T) {
	c := open(t, start(t), "a", shop())
	for sql, want := range map[string]string{
		"SELECT * FROM fleet.device":                                       "0A000",
		"SELECT nothing FROM pg_class":                                     "42703",
		"SELECT x.relname FROM pg_class c":                                 "42703",
		"SELECT nothing_known(relname) FROM pg_class":                      "42883",
		"SELECT read_text('/etc/passwd') FROM pg_class":                    "42883",
		"SELECT getenv('HOME') FROM pg_class":                              "42883",
		"SELECT relname FROM pg_class, read_csv('/etc/passwd')":            "42883",
		"SELECT relname FROM pg_class, duckdb_settings()":                  "42883",
		"SELECT main.lower(relname) FROM pg_class":                         "42883",
		"SELECT system.getenv('HOME') FROM pg_class":                       "42883",
		"SELECT pg_sleep(10) FROM pg_class":                                "42883",
		"SELECT pg_read_file('/etc/passwd') FROM pg_class":                 "42883",
		"SELECT pg_terminate_backend(pid) FROM pg_stat_activity":           "42883",
		"SELECT lower(relname, relname) FROM pg_class":                     "42883",
		"SELECT * FROM pg_authid":                                          "42501",
		"SELECT rolname FROM pg_catalog.pg_authid":                         "42501",
		"SELECT set_config('is_superuser', 'on', false)":                   "42501",
		"SELECT current_setting('nothing.known')":                          "42704",
		"SELECT 'nothing'::regtype":                                        "42704",
		"SELECT relname::nothing FROM pg_class":                            "42704",
		"SELECT 'nothing'::regnamespace":                                   "3F000",
		"SELECT 'nothing'::regclass":                                       "42P01",
		"SELECT relname FROM pg_class WHERE oid = $1":                      "08P01",
		"SELECT relname FROM pg_class WHERE relname = ANY('abc')":          "22P02",
		"SELECT oid FROM pg_class UNION SELECT oid, relname FROM pg_class": "42601",
		"SELECT 'canary-text'::int FROM pg_class":                          "42601",
		"SELECT relname FROM pg_class GROUP BY oid":                        "42601",
		"SELECT a.attname FROM pg_attribute a, pg_attribute b":             "54000",
		"SELECT count(*) FROM pg_class, generate_series(1, 1000000000000)": "42601",
		"SELECT repeat(relname, 1000000000) FROM pg_class":                 "42883",
	} {
		_, err := ask(t.Context(), c, sql)
		var state *catalogue.StateError
		if !errors.As(err, &state) || state.SQLState != want {
			t.Errorf("%s: %v, want %s", sql, err, want)
			continue
		}
		var f *fault.Error
		if !errors.As(err, &f) || f.Hint == "" || strings.Contains(f.Message+f.Hint, "canary-text") || strings.Contains(f.Message, "weir_role") {
			t.Errorf("%s: %q, %q", sql, f.Message, f.Hint)
		}
	}
}

func TestADescriptionTellsColumnsAndParameters(t *testing.T) {
	c := open(t, start(t), "a", shop())
	for sql, want := range map[string][]uint32{
		"SELECT relname FROM pg_class WHERE oid = $1":                                    {26},
		"SELECT relname FROM pg_class WHERE relname = $1 AND relkind = ANY($2) LIMIT $3": {19, 1002, 20},
		"SELECT $1::regclass::oid":                                                       {2205},
		"SELECT relname FROM pg_class WHERE relname LIKE $2":                             {25, 25},
		"SELECT relname FROM pg_class WHERE relnatts IN ($1, 2)":                         {21},
	} {
		schema, parameters, err := c.Describe(t.Context(), sql)
		if err != nil || !slices.Equal(parameters, want) || schema.NumFields() != 1 {
			t.Errorf("%s: %v %v", sql, parameters, err)
		}
	}
	schema, _, err := c.Describe(t.Context(), `SELECT c.oid, relname AS "Name", c.oid::regclass, relkind, reloptions, relacl, 1 AS n, c.* FROM pg_class c`)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"26", "19", "2205", "18", "", "1034", "", "26", "19"} {
		if got, _ := schema.Field(i).Metadata.GetValue(catalogue.OIDKey); got != want {
			t.Errorf("column %d: %q, want %q", i, got, want)
		}
	}
}

func TestParametersAreValuesAndNothingElse(t *testing.T) {
	c := open(t, start(t), "a", shop())
	for _, value := range []string{"x' OR true --", `\' OR true --`, "x'; DROP SCHEMA main; --", "$$", "{1}", "'", `"`} {
		a, err := ask(t.Context(), c, "SELECT relname FROM pg_class WHERE relname = $1", value)
		if err != nil || len(a.rows) != 0 {
			t.Errorf("%q: %v %v", value, a.rows, err)
		}
		a, err = ask(t.Context(), c, "SELECT $1::text, quote_ident($1), version()", value)
		if err != nil || a.rows[0][0] != value {
			t.Errorf("%q: %v %v", value, a.rows, err)
		}
	}
	for _, value := range []any{int64(3), 3, "3", 3.0} {
		a, err := ask(t.Context(), c, "SELECT attname FROM pg_attribute WHERE attnum = $1 AND attrelid = 'fleet.account'::regclass", value)
		if err != nil || len(a.rows) != 1 || a.rows[0][0] != "plan" {
			t.Errorf("%v: %v %v", value, a.rows, err)
		}
	}
}

func TestNamesOfAnyKindAreHeld(t *testing.T) {
	odd := &decision.Catalog{Tables: []decision.Table{
		{Schema: "Odd Schema", Name: `quo"te's`, Columns: []decision.Column{{Name: "select", Type: "VARCHAR"}, {Name: "größe", Type: "STRUCT(a INTEGER)"}, {Name: `\N`, Type: "INTEGER"}}},
		{Schema: "a", Name: "same", Columns: []decision.Column{{Name: "x", Type: "INTEGER"}}},
		{Schema: "b", Name: "same"},
		{Schema: "b", Name: "pg_class"},
	}}
	c := open(t, start(t), `us"er'`, odd)
	a, err := ask(t.Context(), c, "SELECT oid::regclass::text, pg_table_is_visible(oid), relnatts FROM pg_class WHERE relnamespace >= 1000000 ORDER BY 1")
	want := [][]string{{`"quo""te's"`, "t", "3"}, {"b.pg_class", "f", "0"}, {"b.same", "f", "0"}, {"same", "t", "1"}}
	if err != nil || !slices.EqualFunc(a.rows, want, slices.Equal) {
		t.Errorf("%v %v", a.rows, err)
	}
	a, err = ask(t.Context(), c, "SELECT current_user, current_schemas(false), "+`'"Odd Schema"."quo""te''s"'::regclass::oid > 0`)
	if err != nil || !slices.Equal(a.rows[0], []string{`us"er'`, `{"Odd Schema",a,b}`, "t"}) {
		t.Errorf("%v %v", a.rows, err)
	}
	if _, err := catalogue.New(t.Context(), start(t), "a", "d", &decision.Catalog{Tables: []decision.Table{{Schema: "a", Name: "x\x1ey"}}}); fault.KindOf(err) != fault.Invalid {
		t.Errorf("a control character: %v", err)
	}
}

func TestManyAskAtOnce(t *testing.T) {
	e := start(t)
	var group sync.WaitGroup
	for range 4 {
		c := open(t, e, "a", shop())
		for range 4 {
			group.Go(func() {
				for range 5 {
					a, err := ask(t.Context(), c, "SELECT count(*) FROM information_schema.columns WHERE table_schema = 'fleet'")
					if err != nil || a.rows[0][0] != "23" {
						t.Errorf("%v %v", a.rows, err)
					}
				}
			})
		}
	}
	group.Wait()
}

func TestTypesOfTheEngineHaveTypesOfPostgreSQL(t *testing.T) {
	for engineType, want := range map[string][2]int64{
		"VARCHAR": {25, -1}, "UUID": {2950, -1}, "TIMESTAMP": {1114, -1}, "TIMESTAMP WITH TIME ZONE": {1184, -1}, "DECIMAL(10,2)": {1700, 10<<16 | 2 + 4}, "DECIMAL": {1700, -1},
		"INTEGER[]": {1007, -1}, "UUID[][]": {2951, -1}, "VARCHAR[3]": {1009, -1}, "STRUCT(a INTEGER, b VARCHAR[])": {114, -1}, "MAP(VARCHAR, INTEGER)": {114, -1},
		"STRUCT(a INTEGER)[]": {199, -1}, "HUGEINT": {1700, -1}, "UBIGINT": {1700, -1}, "UTINYINT": {21, -1}, "BLOB": {17, -1}, "ENUM('a', 'b')": {25, -1}, "double": {701, -1}, "]": {1009, -1},
		"": {25, -1}, "DECIMAL(x,y)": {1700, -1},
	} {
		if oid, modifier := catalogue.TypeOf(engineType); int64(oid) != want[0] || int64(modifier) != want[1] {
			t.Errorf("%s: %d, %d", engineType, oid, modifier)
		}
	}
}

// FuzzStatementsReadNothingButTheCatalogue lays bait into the engine and asks whatever comes: nothing panics, and no answer holds the bait.
func FuzzStatementsReadNothingButTheCatalogue(f *testing.F) {
	for _, s := range statements(f) {
		f.Add(s.SQL)
	}
	for _, s := range []string{
		"SELECT * FROM pg_class, bait", "SELECT * FROM main.bait", "WITH bait AS (SELECT 1 FROM pg_class) SELECT * FROM bait", "SELECT (SELECT b FROM bait) FROM pg_class",
		"SELECT relname FROM pg_class, query('SELECT b FROM bait')", `SELECT "relname"";DROP" FROM pg_class`, "SELECT $$a$$, E'\\'' , version()", "SELECT getvariable('x'), version()",
	} {
		f.Add(s)
	}
	e := start(f)
	w, err := e.Writer(context.Background())
	if err != nil {
		f.Fatal(err)
	}
	if _, err := w.Exec(context.Background(), "CREATE TABLE bait AS SELECT 'swallowed' AS b; CREATE SCHEMA fleet; CREATE TABLE fleet.device AS SELECT 'swallowed' AS b"); err != nil {
		f.Fatal(err)
	}
	w.Release()
	c, err := catalogue.New(context.Background(), e, "a", "shop", shop())
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, sql string) {
		a, err := ask(t.Context(), c, sql)
		if err == nil && !catalogue.Recognises(sql) {
			t.Error("it was answered and is not recognised")
		}
		if err != nil {
			var known *fault.Error
			if !errors.As(err, &known) || engine.IsGone(err) {
				t.Errorf("%v", err)
			}
		}
		for _, row := range a.rows {
			if slices.ContainsFunc(row, func(cell string) bool { return strings.Contains(cell, "swallowed") }) && !strings.Contains(strings.ToLower(sql), "sw") {
				t.Errorf("the bait was swallowed: %q", row)
			}
		}
	})
}

func BenchmarkMakingACatalogue(b *testing.B) {
	e := start(b)
	for b.Loop() {
		c := open(b, e, "a", shop())
		if err := c.Close(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkASimpleQuestion(b *testing.B) {
	c := open(b, start(b), "a", shop())
	for b.Loop() {
		if _, err := ask(b.Context(), c, "SELECT current_schema()"); err != nil {
			b.Fatal(err)
		}
	}
}
