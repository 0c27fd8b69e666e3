package decision_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/weirproject/weir/internal/decision"
	"github.com/weirproject/weir/internal/fault"
)

func decide(t testing.TB, d *decision.Decider, sql string) *decision.Decision {
	t.Helper()
	x, err := d.Decide(t.Context(), decision.Request{SQL: sql, Catalog: catalog(), MaxRows: 1000})
	if err != nil {
		t.Fatalf("%s: %v (%s)", sql, err, ruleOf(err))
	}
	return x
}

func TestForbiddenAndMissingGetTheSameAnswer(t *testing.T) {
	d := decider(t)
	for forbidden, missing := range map[string]string{
		"canary_mac": "nothing_10", "canary_secret": "nothing_around", "_weir_key": "_nope_key", "rowid": "nowid", "canary_token": "nothing_here",
	} {
		for _, form := range []string{
			"SELECT %s FROM fleet.device", "SELECT d.%s FROM fleet.device d", "SELECT fleet.device.%s FROM fleet.device", "SELECT id FROM fleet.device WHERE %s = 1",
			"SELECT id FROM fleet.device ORDER BY %s", "SELECT * EXCLUDE (%s) FROM fleet.device", "SELECT * REPLACE (1 AS %s) FROM fleet.device",
			"SELECT * RENAME (%s AS x) FROM fleet.device", "SELECT lower(%s) FROM fleet.device", "SELECT %s.lower() FROM fleet.device", "SELECT COLUMNS([%s]) FROM fleet.device",
			"SELECT 1 FROM fleet.device a JOIN fleet.device b USING (%s)", "SELECT (SELECT %s) FROM fleet.device", "SELECT COLUMNS('%s') FROM fleet.device",
			"SELECT * FROM fleet.%s", "SELECT * FROM %s", "SELECT * FROM vault.%s", "SELECT * FROM main.%s", "SELECT 1 FROM fleet.device a, fleet.%s b", "SELECT a AS %s FROM fleet.device",
			"SELECT %[1]s AS x, x AS %[1]s FROM fleet.device",
		} {
			first, second := fmt.Sprintf(form, forbidden), fmt.Sprintf(form, missing)
			a, aerr := d.Decide(t.Context(), decision.Request{SQL: first, Catalog: catalog(), MaxRows: 10})
			b, berr := d.Decide(t.Context(), decision.Request{SQL: second, Catalog: catalog(), MaxRows: 10})
			if (aerr == nil) != (berr == nil) {
				t.Errorf("%s: %v\n%s: %v", first, aerr, second, berr)
				continue
			}
			if aerr == nil {
				if got := strings.ReplaceAll(a.SQL, forbidden, missing); got != b.SQL || !slices.EqualFunc(a.Reads, b.Reads, sameRead) {
					t.Errorf("%s: %s\n%s: %s", first, a.SQL, second, b.SQL)
				}
				continue
			}
			if x, y := said(t, aerr), said(t, berr); x != y {
				t.Errorf("%s: %s\n%s: %s", first, x, second, y)
			}
		}
	}
}

func sameRead(a, b decision.Read) bool {
	return a.Table == b.Table && slices.Equal(a.Columns, b.Columns)
}

// said is everything that a refusal tells.
func said(t testing.TB, err error) string {
	t.Helper()
	var f *fault.Error
	var r *decision.RefusalError
	if !errors.As(err, &f) || !errors.As(err, &r) {
		t.Fatalf("%v is no refusal", err)
	}
	return fmt.Sprint(f.Kind, f.Message, f.Hint, *r)
}

func TestReadsAreTheColumnsReadAnywhere(t *testing.T) {
	d := decider(t)
	for sql, want := range map[string]string{
		"SELECT 1":                          "[]",
		"SELECT count(*) FROM fleet.device": "[{fleet.device []}]",
		"SELECT id FROM fleet.device":       "[{fleet.device [id]}]",
		"SELECT id FROM fleet.device WHERE seen > now() GROUP BY id, model ORDER BY max(price)": "[{fleet.device [id model price seen]}]",
		"SELECT * FROM fleet.home":                                                                                        "[{fleet.home [country id rooms]}]",
		"SELECT h FROM fleet.home h":                                                                                      "[{fleet.home [country id rooms]}]",
		"SELECT COLUMNS('id') FROM fleet.home":                                                                            "[{fleet.home [country id rooms]}]",
		"SELECT #1 FROM fleet.home":                                                                                       "[{fleet.home [country id rooms]}]",
		"SELECT 1 FROM fleet.device d JOIN fleet.home h ON d.home_id = h.id":                                              "[{fleet.device [home_id]} {fleet.home [id]}]",
		"SELECT 1 FROM fleet.device JOIN fleet.home USING (id)":                                                           "[{fleet.device [id]} {fleet.home [id]}]",
		"SELECT country FROM fleet.device NATURAL JOIN fleet.home":                                                        "[{fleet.device [id]} {fleet.home [country id]}]",
		"SELECT a.id FROM fleet.device a, fleet.device b WHERE b.model = 'x'":                                             "[{fleet.device [id model]}]",
		"SELECT x FROM fleet.home AS h(x, y)":                                                                             "[{fleet.home [id]}]",
		"WITH a AS (SELECT id, model FROM fleet.device) SELECT id FROM a":                                                 "[{fleet.device [id model]}]",
		"SELECT (SELECT max(rooms) FROM fleet.home h WHERE h.id = d.home_id) FROM fleet.device d":                         "[{fleet.device [home_id]} {fleet.home [id rooms]}]",
		"SELECT list_transform(tags, lambda t: t || model) FROM fleet.device":                                             "[{fleet.device [model tags]}]",
		"SELECT list_transform(tags, lambda model: model) FROM fleet.device":                                              "[{fleet.device [tags]}]",
		"SELECT id FROM fleet.device ORDER BY ALL":                                                                        "[{fleet.device [id]}]",
		"SELECT info.os FROM fleet.device":                                                                                "[{fleet.device [info]}]",
		"SELECT 1 FROM fleet.device SEMI JOIN fleet.home ON device.home_id = home.id":                                     "[{fleet.device [home_id]} {fleet.home [id]}]",
		"SELECT id AS model FROM fleet.device ORDER BY model":                                                             "[{fleet.device [id model]}]",
		"SELECT sum(id) OVER (PARTITION BY model ORDER BY seen) FILTER_ FROM fleet.device QUALIFY max(score) OVER () > 1": "[{fleet.device [id model score seen]}]",
	} {
		if got := fmt.Sprint(decide(t, d, sql).Reads); got != want {
			t.Errorf("%s\n\treads %s\n\twant  %s", sql, got, want)
		}
	}
}

func TestTheLimitOnRowsIsInTheText(t *testing.T) {
	d, whole := decider(t), must(t, true, false)
	for _, c := range []struct {
		sql  string
		max  int64
		rows int
		args []any
	}{
		{"SELECT i FROM range(100) r(i)", 10, 11, nil},
		{"SELECT i FROM range(100) r(i) LIMIT 5", 10, 5, nil},
		{"SELECT i FROM range(100) r(i) LIMIT 50", 10, 11, nil},
		{"SELECT i FROM range(100) r(i) LIMIT 5 + 50", 10, 11, nil},
		{"SELECT i FROM range(100) r(i) LIMIT (SELECT 50)", 10, 11, nil},
		{"SELECT i FROM range(100) r(i) LIMIT (SELECT 3)", 10, 3, nil},
		{"SELECT i FROM range(100) r(i) LIMIT NULL", 10, 11, nil},
		{"SELECT i FROM range(100) r(i) LIMIT ALL", 10, 11, nil},
		{"SELECT i FROM range(100) r(i) LIMIT 99999999999999999999", 10, 11, nil},
		{"SELECT i FROM range(100) r(i) LIMIT 5.5", 10, 6, nil},
		{"SELECT i FROM range(100) r(i) LIMIT $1", 10, 11, []any{int64(50)}},
		{"SELECT i FROM range(100) r(i) LIMIT $1", 10, 3, []any{int64(3)}},
		{"SELECT i FROM range(100) r(i) LIMIT $1", 10, 11, []any{nil}},
		{"SELECT i FROM range(100) r(i) OFFSET 95", 10, 5, nil},
		{"SELECT i FROM range(100) r(i) LIMIT 50%", 10, 11, nil},
		{"SELECT i FROM range(100) r(i) LIMIT 5%", 10, 5, nil},
		{"SELECT i FROM range(100) r(i) UNION ALL SELECT i FROM range(100) s(i)", 10, 11, nil},
		{"(SELECT i FROM range(100) r(i) LIMIT 4) UNION ALL (SELECT i FROM range(100) s(i) LIMIT 4)", 10, 8, nil},
		{"VALUES (1), (2), (3)", 1, 2, nil},
		{"WITH a AS (FROM range(100)) FROM a", 10, 11, nil},
		{"SELECT * FROM (SELECT i FROM range(100) r(i) LIMIT 99) LIMIT 100", 10, 11, nil},
		{"SELECT i FROM range(100) r(i)", 0, 100, nil},
	} {
		x, err := d.Decide(t.Context(), decision.Request{SQL: c.sql, Catalog: catalog(), MaxRows: c.max})
		if err != nil {
			t.Errorf("%s: %v (%s)", c.sql, err, ruleOf(err))
			continue
		}
		if _, rows, err := answer(t.Context(), whole, x.SQL, c.args...); err != nil || len(rows) != c.rows {
			t.Errorf("%s\n\t%s\n\t%d rows, want %d (%v)", c.sql, x.SQL, len(rows), c.rows, err)
		}
	}
}

func TestParametersAreCounted(t *testing.T) {
	d, whole := decider(t), must(t, true, false)
	for sql, want := range map[string]int{
		"SELECT 1": 0, "SELECT $1": 1, "SELECT ?, ?": 2, "SELECT $1, $1": 1, "SELECT id FROM fleet.device WHERE id = $2 AND model = $1": 2,
		"SELECT lower($1) LIMIT $2": 2,
	} {
		x := decide(t, d, sql)
		if x.Parameters != want {
			t.Errorf("%s: %d parameters, want %d", sql, x.Parameters, want)
		}
		args := make([]any, want)
		if _, _, err := answer(t.Context(), whole, x.SQL, args...); err != nil {
			t.Errorf("%s: %v", sql, err)
		}
	}
}

func TestRefusalsSayWhere(t *testing.T) {
	d := decider(t)
	for sql, want := range map[string]int{
		"SELECT FROM":                         12,
		"SELECT 'ü', nothing":                 13,
		"SELECT 'üü' FROM fleet.nothing":      18,
		"SELECT 'ü', getenv('HOME')":          13,
		"SELECT 1 \u00a0":                     10,
		"SELECT id FROM fleet.device, x.y, z": 30,
	} {
		_, err := d.Decide(t.Context(), decision.Request{SQL: sql, Catalog: catalog()})
		var r *decision.RefusalError
		if !errors.As(err, &r) || r.Position != want {
			t.Errorf("%s: %v, want position %d", sql, r, want)
		}
	}
}

func TestShapesHoldNoLiterals(t *testing.T) {
	d := decider(t)
	const secret = "hunter2hunter2"
	for _, form := range []string{
		"SELECT '%s'", "SELECT 1 AS %s", `SELECT 1 AS "%s"`, "SELECT x.%s FROM (SELECT 1 AS %[1]s) x", "SELECT * FROM (SELECT 1) AS %s", "WITH %s AS (SELECT 1) FROM %[1]s",
		"SELECT id FROM fleet.device WHERE model IN ('a', '%s')", "SELECT TRY_CAST('%s' AS DATE)", "SELECT INTERVAL '%s'", "SELECT list_transform([1], lambda %s: %[1]s)",
		"SELECT {'%s': 1}", "SELECT '%s'::JSON", "SELECT model || '%s' FROM fleet.device", "SELECT lower('%s')", "SELECT * FROM (VALUES ('%s')) v(%[1]s)",
		"SELECT $$%s$$", "SELECT E'%s\\n'", "SELECT 'it''s %s'", "SELECT 1 -- %s", "SELECT /* %s */ 1", "SELECT COLUMNS('%s|id') FROM fleet.device", "SELECT max(id) FILTER (WHERE model = '%s') FROM fleet.device",
		"SELECT CAST(NULL AS STRUCT(%s INTEGER))", "SELECT info['%s'] FROM fleet.device", "SELECT * RENAME (id AS %s) FROM fleet.device", "SELECT * FROM fleet.home AS h(%s)",
		`SELECT 1 AS "a'%s"`, `SELECT '"%s' AS "'"`, "SELECT '%s' COLLATE NOCASE", "SELECT '\\' || '%s'",
	} {
		x := decide(t, d, fmt.Sprintf(form, secret))
		if strings.Contains(x.Shape, secret) || strings.Contains(x.Shape, "hunter") {
			t.Errorf("%s: %s", form, x.Shape)
		}
	}
	a, b := decide(t, d, "SELECT id FROM fleet.device WHERE model = 'x-1' OR model = 'x-1'"), decide(t, d, "SELECT id FROM fleet.device WHERE model = 'x-2' OR model = 'x-1'")
	hashes := strings.FieldsFunc(a.Shape, func(r rune) bool { return r != '#' && (r < '0' || r > '9') && (r < 'a' || r > 'f') })
	hashes = slices.DeleteFunc(hashes, func(h string) bool { return len(h) != 17 })
	if len(hashes) != 3 || hashes[0] != hashes[1] || a.Shape == b.Shape {
		t.Errorf("hashes %q of %s, beside %s", hashes, a.Shape, b.Shape)
	}
	if x := decide(t, d, "SELECT 424242, 4.2e42, 4242424242424242424242").Shape; strings.Contains(x, "4242") {
		t.Errorf("numbers: %s", x)
	}
	other := decision.New(parser(t), []byte("another key of tests"))
	if x := decide(t, other, "SELECT 'a'"); x.Shape == decide(t, d, "SELECT 'a'").Shape {
		t.Error("another key gives the same hash")
	}
}

func TestNothingIsDecidedWithoutAKeyOrACatalogue(t *testing.T) {
	p := parser(t)
	for name, c := range map[string]struct {
		key string
		r   decision.Request
	}{
		"no key":         {"", decision.Request{SQL: "SELECT 1", Catalog: catalog()}},
		"a short key":    {"0123456789", decision.Request{SQL: "SELECT 1", Catalog: catalog()}},
		"no catalogue":   {string(literalKey), decision.Request{SQL: "SELECT 1"}},
		"negative limit": {string(literalKey), decision.Request{SQL: "SELECT 1", Catalog: catalog(), MaxRows: -1}},
	} {
		if x, err := decision.New(p, []byte(c.key)).Decide(t.Context(), c.r); err == nil || fault.KindOf(err) != fault.Internal {
			t.Errorf("%s: %v, %v", name, x, err)
		}
	}
}

func TestLongAndDeepStatementsAreRefused(t *testing.T) {
	d := decider(t)
	for name, sql := range map[string]string{
		"long":        "SELECT '" + strings.Repeat("x", 300<<10) + "'",
		"deep sums":   "SELECT " + strings.Repeat("1+(", 250) + "1" + strings.Repeat(")", 250),
		"deep nests":  strings.Repeat("SELECT * FROM (", 210) + "SELECT 1" + strings.Repeat(")", 210),
		"deep lists":  "SELECT " + strings.Repeat("[", 250) + "1" + strings.Repeat("]", 250),
		"many values": "SELECT 1 IN (1" + strings.Repeat(",1", 45000) + ")",
		"parentheses": "SELECT " + strings.Repeat("(", 50000) + "1" + strings.Repeat(")", 50000),
	} {
		x, err := d.Decide(t.Context(), decision.Request{SQL: sql, Catalog: catalog(), MaxRows: 1})
		if err == nil {
			t.Errorf("%s: allowed, %d bytes", name, len(x.SQL))
		} else if r := ruleOf(err); r != decision.RuleLength && r != decision.RuleSyntax && r != decision.RuleSelect {
			t.Errorf("%s: %v (%s)", name, err, r)
		}
	}
	decide(t, d, "SELECT 1") // and the parser is still there
}
