package decision_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/weirproject/weir/internal/arrays"
	"github.com/weirproject/weir/internal/decision"
	"github.com/weirproject/weir/internal/engine"
)

func TestParametersGoOutCastToTheirDeclaredType(t *testing.T) {
	d, whole := decider(t), must(t, true, false)
	for _, c := range []struct {
		sql   string
		types []string
		want  string // somewhere in what runs
		casts []string
		args  []any
		rows  []string
	}{
		{"SELECT $1, $2", []string{"INTEGER", "VARCHAR"}, `CAST($1 AS INTEGER)`, []string{"", ""}, []any{int64(7), "x"}, []string{"7 | x"}},
		{"SELECT $1, $1", []string{"TIMESTAMP WITH TIME ZONE"}, `CAST($1 AS "TIMESTAMP WITH TIME ZONE")`, []string{""}, []any{nil}, []string{"(null) | (null)"}},
		{"SELECT $1", []string{"DECIMAL(38,9)[]"}, `CAST($1 AS DECIMAL(38, 9)[])`, []string{""}, []any{nil}, []string{"(null)"}},
		{"SELECT $1", []string{"VARCHAR[][]"}, `SELECT $1`, []string{""}, []any{"x"}, []string{"x"}},
		{"SELECT $1", []string{"VARCHAR); SELECT 1"}, `SELECT $1`, []string{""}, []any{"x"}, []string{"x"}},
		{"SELECT $1::text::int", []string{"BIGINT"}, `CAST(CAST($1 AS VARCHAR) AS INTEGER)`, []string{"VARCHAR"}, []any{"5"}, []string{"5"}},
		{"SELECT $1::text, $1::int", nil, `CAST($1 AS INTEGER)`, []string{""}, []any{"5"}, []string{"5 | 5"}},
		{"SELECT $1::text[]::int[]", nil, `CAST($1 AS VARCHAR[])`, []string{"VARCHAR[]"}, []any{"[5]"}, []string{"[5]"}},
		{"SELECT $1::decimal(4,1)", nil, `$1`, []string{"DECIMAL(4,1)"}, []any{"5"}, []string{"5"}},
		{"SELECT round(1.54::double, $1)", []string{"BIGINT"}, `CAST($1 AS INTEGER)`, []string{"INTEGER"}, []any{int64(1)}, []string{"1.5"}},
		{"SELECT chr($1) || lower('B') || $2", nil, `CAST($2 AS VARCHAR)`, []string{"INTEGER", "VARCHAR"}, []any{int64(65), "c"}, []string{"Abc"}},
		{"SELECT lower('B') = ANY($1), DATE '2026-01-02'::date = ANY($2)", nil, `AS "DATE"[]`, nil, []any{"[a, b]", "[2026-01-02]"}, []string{"true | true"}},
		{"SELECT octet_length('\\x0001ff'::bytea), octet_length('\\x00\\xff'::bytea), octet_length('\\x'::bytea), '\\xab'::bytea = unhex('ab')", nil, `'\x00\x01\xff'`, nil, nil, []string{"3 | 2 | 0 | true"}},
		{"SELECT octet_length(('{\"\\\\x0001\",NULL}'::bytea[])[1]), octet_length((ARRAY['\\x0001', NULL]::bytea[])[1])", nil, `\x00\x01`, nil, nil, []string{"2 | 2"}},
		{"SELECT d, d + 1 AS e FROM generate_series(1, 2) AS d WHERE d > 1", nil, `d.generate_series AS d`, nil, nil, []string{"2 | 3"}},
		{"SELECT D FROM unnest([1, 2]) AS d ORDER BY d DESC", nil, `AS D`, nil, nil, []string{"2", "1"}},
		{"SELECT count(d) FROM range(3) AS d JOIN range(2) AS e ON d = e", nil, `d."range"`, nil, nil, []string{"2"}},
		{"SELECT d FROM range(1) AS d(d)", nil, `d`, nil, nil, []string{"0"}},
		{"SELECT d.range FROM range(1) AS d", nil, `d."range"`, nil, nil, []string{"0"}},
		{"SELECT 'a' || $1, concat($2), date_trunc($3, DATE '2026-05-17')::DATE::VARCHAR", nil, `CAST($3 AS VARCHAR)`, []string{"VARCHAR", "VARCHAR", "VARCHAR"}, []any{"b", "c", "month"}, []string{"ab | c | 2026-05-01"}},
		{"SELECT count(*) FROM fleet.device WHERE id = ANY($1)", nil, `AS INTEGER[]`, nil, []any{"[]"}, []string{"0"}},
		{"SELECT count(*) FROM fleet.device d WHERE d.id <> ALL($1) AND false", []string{"INTEGER[]"}, `AS INTEGER[]`, nil, []any{"[1]"}, []string{"0"}},
		{"SELECT '{1,NULL}'::int[]", nil, `'[\"1\", NULL]'`, nil, nil, []string{"[1,null]"}},
		{"SELECT 1 = ANY('{}'::int[])", nil, `'[]'`, nil, nil, []string{"false"}},
		{"SELECT count(*) FROM fleet.device WHERE id = ANY('{}')", nil, `'[]'`, nil, nil, []string{"0"}},
	} {
		x, err := d.Decide(t.Context(), decision.Request{SQL: c.sql, Catalog: catalog(), MaxRows: 10, Types: c.types})
		if err != nil {
			t.Errorf("%s: %v (%s)", c.sql, err, ruleOf(err))
			continue
		}
		if want := strings.ReplaceAll(c.want, `\"`, `"`); !strings.Contains(x.SQL, want) || c.casts != nil && !slices.Equal(x.Casts, c.casts) {
			t.Errorf("%s: %s, casts %q", c.sql, x.SQL, x.Casts)
		}
		if _, rows, err := answer(t.Context(), whole, x.SQL, c.args...); err != nil || !slices.Equal(rows, c.rows) {
			t.Errorf("%s\n\t%s\n\t%q (%v)", c.sql, x.SQL, rows, err)
		}
	}
}

// A parameter that is cast in one place and stands alone in another is of one type to PostgreSQL.
func TestAStatementSaysWhatItsParametersLeanTo(t *testing.T) {
	d := decider(t)
	for sql, want := range map[string][]string{
		"SELECT $1::int IS NULL OR $1 = 5":         {"INTEGER"},
		"SELECT $1 = 5, $1::int":                   {"INTEGER"},
		"SELECT $1::int, $1::text, $2, $3::uuid[]": {"", "", "UUID[]"},
		"SELECT $1": {""},
	} {
		x, err := d.Decide(t.Context(), decision.Request{SQL: sql, Catalog: catalog()})
		if err != nil || !slices.Equal(x.Leans, want) {
			t.Errorf("%s: %q, want %q (%v)", sql, x.Leans, want, err)
		}
	}
}

func TestDeclaredTypesOpenNothing(t *testing.T) {
	d, cat := decider(t), catalog()
	types := slices.Concat(slices.Repeat([]string{"VARCHAR"}, 2), slices.Repeat([]string{"INTEGER[]"}, 2))
	for _, a := range attacks(t) {
		x, err := d.Decide(t.Context(), decision.Request{SQL: a.sql, Catalog: cat, MaxRows: 100, Types: types})
		if err == nil {
			t.Errorf("%s\n\tallowed: %s", a.sql, x.SQL)
		} else if got := ruleOf(err); got != a.rule {
			t.Errorf("%s\n\trule %q, want %q", a.sql, got, a.rule)
		}
	}
	for _, sql := range []string{"SELECT '{{1}}'::int[]", "SELECT '{1'::int[]", "SELECT '{1}{2}'::varchar[]", "SELECT 1 = ANY('{1,}')"} {
		if _, err := d.Decide(t.Context(), decision.Request{SQL: sql, Catalog: cat}); ruleOf(err) != decision.RuleArray {
			t.Errorf("%s: %v", sql, err)
		}
	}
}

// The engine reads a list back element by element, whatever they hold.
func TestTheEngineReadsListsAsTheyWereWritten(t *testing.T) {
	e := must(t, false, false)
	s, err := e.Reader(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Release()
	pieces := []string{`"`, `\`, "'", ",", "[", "]", "{", "}", "(", ")", " ", "\n", "\t", "NULL", "null", "a", "ü", "", "=", ":", `\n`, "0"}
	random := rand.New(rand.NewPCG(1, 2)) // the same each time
	for range 2000 {
		want := make([]*string, random.IntN(4))
		for i := range want {
			if random.IntN(8) == 0 {
				continue
			}
			var b strings.Builder
			for range random.IntN(6) {
				b.WriteString(pieces[random.IntN(len(pieces))])
			}
			text := b.String()
			want[i] = &text
		}
		check(t, s, want)
	}
}

func check(t *testing.T, s *engine.Session, want []*string) {
	t.Helper()
	list := arrays.List(want)
	r, err := s.Select(t.Context(), "SELECT unnest(CAST($1 AS VARCHAR[]))", list)
	if err != nil {
		t.Fatalf("%s: %v", list, err)
	}
	var got []*string
	for r.Next() {
		c := r.Batch().Column(0)
		for i := range c.Len() {
			if c.IsNull(i) {
				got = append(got, nil)
				continue
			}
			text := strings.Clone(c.ValueStr(i))
			got = append(got, &text)
		}
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if !slices.EqualFunc(got, want, func(a, b *string) bool { return a == nil && b == nil || a != nil && b != nil && *a == *b }) {
		t.Errorf("%s came back as %s", list, arrays.List(got))
	}
}
