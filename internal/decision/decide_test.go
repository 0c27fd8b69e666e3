package decision_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"github.com/weirproject/weir/internal/decision"
	"github.com/weirproject/weir/internal/engine"
	"github.com/weirproject/weir/internal/fault"
)

func TestMain(m *testing.M) {
	engine.Main()
	os.Exit(m.Run())
}

var literalKey = []byte("a key that only tests have")

// canary is in the names of forbidden things, and song is in every forbidden cell. No statement says the song.
const (
	canary = "canary"
	song   = "xyzzy"
)

// stored is a table of the test's store: its values in SQL, one row each. Columns called canary_… and those of weir itself are forbidden.
type stored struct {
	schema, name string
	columns      []string // name type
	rows         []string
}

var store = []stored{
	{
		"fleet", "device",
		[]string{
			"id INTEGER", "canary_mac VARCHAR", "home_id INTEGER", "model VARCHAR", "tags VARCHAR[]", "canary_secret VARCHAR", "seen TIMESTAMP", "day DATE",
			"price DECIMAL(10,2)", "score DOUBLE", "online BOOLEAN", "info STRUCT(os VARCHAR, v INTEGER)", "attrs MAP(VARCHAR, INTEGER)", "extra VARCHAR", "_weir_key UUID",
		},
		[]string{
			`1, 'xyzzy', 1, 'CAM', ['a','b'], 'xyzzy', '2024-01-01 10:00:00', '2024-01-01', 10.50, 1.5, true, {'os':'x','v':1}, MAP{'x':1,'y':2}, '{"a":1,"b":"q"}'`,
			`2, 'xyzzy', 1, 'CAM', ['b'], 'xyzzy', '2024-01-02 11:00:00', '2024-01-02', NULL, 2.5, false, {'os':'y','v':2}, MAP{'x':3}, '{"a":2}'`,
			`3, 'xyzzy', 2, 'LOCK', [], 'xyzzy', '2024-01-02 12:30:00', '2024-01-02', 20.00, NULL, true, {'os':'x','v':3}, MAP{'y':4}, '{}'`,
			`4, 'xyzzy', 3, 'it''s', ['c','a'], 'xyzzy', '2024-02-03 00:00:00', '2024-02-03', 5.25, 4.0, true, NULL, MAP{}, '{"b":"ü"}'`,
			`5, 'xyzzy', NULL, NULL, NULL, 'xyzzy', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL`,
		},
	},
	{
		"fleet", "home",
		[]string{"id INTEGER", "country VARCHAR", "rooms INTEGER", "canary_email VARCHAR"},
		[]string{`1, 'DE', 3, 'xyzzy'`, `2, 'NL', 2, 'xyzzy'`, `3, 'DE', NULL, 'xyzzy'`},
	},
	{
		"fleet", "event",
		[]string{"device_id INTEGER", "ts TIMESTAMP", "kind VARCHAR", "amount INTEGER", "canary_note VARCHAR"},
		[]string{
			`1, '2024-01-01 09:00:00', 'on', 5, 'xyzzy'`, `1, '2024-01-01 09:30:00', 'off', 7, 'xyzzy'`, `2, '2024-01-02 10:00:00', 'on', 1, 'xyzzy'`,
			`3, '2024-01-03 10:00:00', 'on', NULL, 'xyzzy'`,
		},
	},
	{"fleet", "canary_token", []string{"id INTEGER", "value VARCHAR"}, []string{`1, 'xyzzy'`}},
	{"vault", "canary_person", []string{"id INTEGER", "name VARCHAR"}, []string{`1, 'xyzzy'`}},
	{"main", "canary_main", []string{"id INTEGER", "name VARCHAR"}, []string{`1, 'xyzzy'`}},
}

func forbidden(name string) bool {
	return strings.HasPrefix(name, canary) || strings.HasPrefix(name, "_weir")
}

// catalog is what the tests' asker may read of the store.
func catalog() *decision.Catalog {
	c := &decision.Catalog{}
	for _, s := range store {
		if forbidden(s.name) {
			continue
		}
		t := decision.Table{Schema: s.schema, Name: s.name}
		for _, col := range s.columns {
			if name, typ, _ := strings.Cut(col, " "); !forbidden(name) {
				t.Columns = append(t.Columns, decision.Column{Name: name, Type: typ})
			}
		}
		c.Tables = append(c.Tables, t)
	}
	return c
}

// must starts an engine in memory, with the whole store, with what is allowed of it, or with nothing.
func must(t testing.TB, whole, some bool) *engine.Engine {
	t.Helper()
	e, err := engine.Start(t.Context(), engine.Config{Threads: 1, MemoryBytes: 512 << 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	if !whole && !some {
		return e
	}
	w, err := e.Writer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer w.Release()
	for _, s := range store {
		if !whole && forbidden(s.name) {
			continue
		}
		fill(t, w, s, whole)
	}
	return e
}

func fill(t testing.TB, w *engine.Session, s stored, whole bool) {
	t.Helper()
	var names []string
	for _, c := range s.columns {
		name, _, _ := strings.Cut(c, " ")
		names = append(names, name)
	}
	sql := []string{
		"CREATE SCHEMA IF NOT EXISTS " + s.schema,
		fmt.Sprintf("CREATE TABLE %s.%s (%s)", s.schema, s.name, strings.Join(s.columns, ", ")),
	}
	into := slices.DeleteFunc(slices.Clone(names), func(n string) bool { return n == "_weir_key" })
	for _, r := range s.rows {
		sql = append(sql, fmt.Sprintf("INSERT INTO %s.%s (%s) VALUES (%s)", s.schema, s.name, strings.Join(into, ", "), r))
	}
	for _, n := range names {
		if !whole && forbidden(n) {
			sql = append(sql, fmt.Sprintf("ALTER TABLE %s.%s DROP COLUMN %s", s.schema, s.name, n))
		}
	}
	for _, q := range sql {
		if _, err := w.Exec(t.Context(), q); err != nil {
			t.Fatalf("%s: %v", q, engine.ClassOf(err))
		}
	}
}

// answer runs a statement and returns the names of its columns and its rows as text.
func answer(ctx context.Context, e *engine.Engine, sql string, args ...any) (names, rows []string, err error) {
	s, err := e.Reader(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer s.Release()
	r, err := s.Select(ctx, sql, args...)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = r.Close() }()
	for _, f := range r.Schema().Fields() {
		names = append(names, f.Name)
	}
	for r.Next() {
		b := r.Batch()
		for i := range int(b.NumRows()) {
			var cells []string
			for _, c := range b.Columns() {
				cells = append(cells, c.ValueStr(i))
			}
			rows = append(rows, strings.Join(cells, " | "))
		}
	}
	return names, rows, r.Err()
}

func decider(t testing.TB) *decision.Decider {
	t.Helper()
	return decision.New(engine.NewParser(must(t, false, false)), literalKey)
}

// lines reads a file of testdata, one case a line.
func lines(t testing.TB, name string) []string {
	t.Helper()
	raw, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(strings.Split(string(raw), "\n"), func(l string) bool { return l == "" || strings.HasPrefix(l, "#") })
}

func ruleOf(err error) decision.Rule {
	var r *decision.RefusalError
	if errors.As(err, &r) {
		return r.Rule
	}
	return ""
}

func TestAllowedStatementsAnswerAsIfOnlyWhatIsAllowedExisted(t *testing.T) {
	d, whole, some, cat := decider(t), must(t, true, false), must(t, false, true), catalog()
	statements := lines(t, "allowed.sql")
	if len(statements) < 150 {
		t.Errorf("%d statements", len(statements))
	}
	for _, sql := range statements {
		x, err := d.Decide(t.Context(), decision.Request{SQL: sql, Catalog: cat, MaxRows: 100})
		if err != nil {
			t.Errorf("%s\n\t%v (%s)", sql, err, ruleOf(err))
			continue
		}
		wantNames, want, err := answer(t.Context(), some, sql)
		if err != nil {
			t.Errorf("%s\n\tdirectly: %v (%v)", sql, err, engine.ClassOf(err))
			continue
		}
		names, got, err := answer(t.Context(), whole, x.SQL)
		if err != nil {
			t.Errorf("%s\n\t%s\n\t%v (%v)", sql, x.SQL, err, engine.ClassOf(err))
			continue
		}
		if !strings.Contains(sql, "->") && !slices.Equal(names, wantNames) { // the parser forgets how a lambda was written
			t.Errorf("%s\n\t%s\n\tcolumns %q, want %q", sql, x.SQL, names, wantNames)
		}
		if !strings.Contains(sql, "ORDER BY") || strings.Contains(sql, "(") {
			slices.Sort(got)
			slices.Sort(want)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s\n\t%s\n\trows %q\n\twant %q", sql, x.SQL, got, want)
		}
		if all := fmt.Sprint(names, got, x.Reads); strings.Contains(all, canary) || strings.Contains(all, song) {
			t.Errorf("%s\n\ta canary sings: %s", sql, all)
		}
	}
}

// attack is a line of the attack corpus.
type attack struct {
	rule decision.Rule
	sql  string
}

func attacks(t testing.TB) []attack {
	t.Helper()
	var out []attack
	for _, l := range lines(t, "attack.sql") {
		rule, sql, ok := strings.Cut(l, " |")
		if !ok {
			t.Fatalf("line %q", l)
		}
		sql = strings.TrimPrefix(sql, " ")
		if strings.HasPrefix(sql, `"`) {
			unquoted, err := strconv.Unquote(sql)
			if err != nil {
				t.Fatalf("line %q: %v", l, err)
			}
			sql = unquoted
		}
		out = append(out, attack{decision.Rule(rule), sql})
	}
	return out
}

func TestEveryAttackIsRefusedByItsRule(t *testing.T) {
	d, cat := decider(t), catalog()
	all := attacks(t)
	if len(all) < 200 {
		t.Errorf("%d attacks", len(all))
	}
	for _, a := range all {
		x, err := d.Decide(t.Context(), decision.Request{SQL: a.sql, Catalog: cat, MaxRows: 100})
		if err == nil {
			t.Errorf("%s\n\tallowed: %s", a.sql, x.SQL)
			continue
		}
		if got := ruleOf(err); got != a.rule {
			t.Errorf("%s\n\trule %q, want %q (%v)", a.sql, got, a.rule, err)
		}
		var f *fault.Error
		if !errors.As(err, &f) || f.Hint == "" || f.Kind != fault.Refused && f.Kind != fault.Usage {
			t.Errorf("%s\n\t%#v", a.sql, err)
			continue
		}
		for word := range strings.FieldsFuncSeq(a.sql, func(r rune) bool { return !unicode.IsLetter(r) && r != '_' }) {
			if len(word) > 6 && strings.Contains(word, "canary") && strings.Contains(f.Message+f.Hint, word) {
				t.Errorf("%s\n\tthe refusal quotes %q: %s (%s)", a.sql, word, f.Message, f.Hint)
			}
		}
	}
}

func parser(t testing.TB) *engine.Parser {
	t.Helper()
	return engine.NewParser(must(t, false, false))
}

// Fewer rows than there are look like an answer: until a table is copied whole, no statement reads it, whatever it asks of it.
func TestNothingReadsATableThatIsNotWhole(t *testing.T) {
	d, cat := decider(t), catalog()
	whole := cat.Tables[0]
	cat.Tables = append(cat.Tables, decision.Table{Schema: whole.Schema, Name: "half", Columns: whole.Columns, Copying: true})
	half, column := whole.Schema+".half", `"`+whole.Columns[0].Name+`"`
	for _, sql := range []string{
		"SELECT count(*) FROM " + half, "FROM " + half, "SELECT 1 WHERE EXISTS (SELECT " + column + " FROM " + half + ")", "WITH x AS (FROM " + half + ") SELECT 1",
		"SELECT 1 FROM " + whole.Schema + "." + whole.Name + " JOIN " + half + " USING (" + column + ")",
	} {
		_, err := d.Decide(t.Context(), decision.Request{SQL: sql, Catalog: cat, MaxRows: 10})
		if ruleOf(err) != decision.RuleCopying || fault.KindOf(err) != fault.Unavailable {
			t.Errorf("%s: %v", sql, err)
		}
	}
	if _, err := d.Decide(t.Context(), decision.Request{SQL: "SELECT count(*) FROM " + whole.Schema + "." + whole.Name, Catalog: cat, MaxRows: 10}); err != nil {
		t.Errorf("beside it: %v", err)
	}
	if _, err := d.Decide(t.Context(), decision.Request{SQL: "WITH half AS (SELECT 1) FROM half", Catalog: cat, MaxRows: 10}); err != nil {
		t.Errorf("a name of the statement's own: %v", err)
	}
}
