package catalogue_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/weirproject/weir/internal/catalogue"
	"github.com/weirproject/weir/internal/decision"
	"github.com/weirproject/weir/internal/engine"
	"github.com/weirproject/weir/internal/postmaster/postmastertest"
)

func TestMain(m *testing.M) {
	engine.Main()
	os.Exit(postmastertest.Main(m))
}

// sessions lends the sessions of a real engine.
type sessions struct{ *engine.Engine }

type session struct{ *engine.Session }

func (s sessions) Session(ctx context.Context) (catalogue.Session, error) {
	r, err := s.Reader(ctx)
	if err != nil {
		return nil, err
	}
	return session{r}, nil
}

func (s session) Select(ctx context.Context, sql string) (catalogue.Reader, error) {
	r, err := s.Session.Select(ctx, sql)
	if err != nil {
		return nil, err
	}
	return r, nil
}

func start(t testing.TB) sessions {
	t.Helper()
	e, err := engine.Start(context.Background(), engine.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	return sessions{e}
}

func open(t testing.TB, e catalogue.Engine, user string, c *decision.Catalog) *catalogue.Catalogue {
	t.Helper()
	cat, err := catalogue.New(t.Context(), e, user, "shop", c)
	if err != nil {
		t.Fatal(err)
	}
	return cat
}

// shop is the schema of testdata/schema.sql as the engine has it.
func shop() *decision.Catalog {
	return &decision.Catalog{Tables: []decision.Table{
		{Schema: "fleet", Name: "account", Columns: []decision.Column{
			{Name: "account_id", Type: "UUID"},
			{Name: "country", Type: "VARCHAR"},
			{Name: "plan", Type: "VARCHAR"},
			{Name: "birth_year", Type: "INTEGER"},
			{Name: "premium", Type: "BOOLEAN"},
		}},
		{Schema: "fleet", Name: "device", Columns: []decision.Column{
			{Name: "device_id", Type: "UUID"},
			{Name: "owner_user_id", Type: "UUID"},
			{Name: "model_id", Type: "VARCHAR"},
			{Name: "firmware", Type: "VARCHAR"},
			{Name: "first_activated_at", Type: "TIMESTAMP"},
			{Name: "day", Type: "DATE"},
			{Name: "price", Type: "DECIMAL(10,2)"},
			{Name: "ratio", Type: "DOUBLE"},
			{Name: "signal", Type: "FLOAT"},
			{Name: "events", Type: "BIGINT"},
			{Name: "small", Type: "SMALLINT"},
			{Name: "tags", Type: "VARCHAR[]"},
			{Name: "numbers", Type: "INTEGER[]"},
			{Name: "seen_at", Type: "TIMESTAMP WITH TIME ZONE"},
			{Name: "clock", Type: "TIME"},
			{Name: "span", Type: "INTERVAL"},
			{Name: "raw", Type: "BLOB"},
			{Name: "doc", Type: "JSON"},
		}},
		{Schema: "billing", Name: "invoice", Columns: []decision.Column{
			{Name: "invoice_id", Type: "UUID"}, {Name: "amount", Type: "DECIMAL(12,4)"}, {Name: "Mixed Case", Type: "VARCHAR"},
		}},
		{Schema: "public", Name: "note", Columns: []decision.Column{{Name: "id", Type: "INTEGER"}, {Name: "body", Type: "VARCHAR"}}},
	}}
}

// answer is what a client gets: names, types and rows as text; a NULL is the text "∅".
type answer struct {
	names []string
	kinds []uint32
	rows  [][]string
}

func ask(ctx context.Context, c *catalogue.Catalogue, sql string, arguments ...any) (answer, error) {
	rows, err := c.Query(ctx, sql, arguments...)
	if err != nil {
		return answer{}, err
	}
	var a answer
	for _, f := range rows.Schema().Fields() {
		a.names = append(a.names, f.Name)
		kind := natural[f.Type.ID()]
		if l, ok := f.Type.(*arrow.ListType); ok {
			kind = naturalArray[l.Elem().ID()]
		}
		if v, ok := f.Metadata.GetValue(catalogue.OIDKey); ok {
			_, _ = fmt.Sscan(v, &kind)
		}
		a.kinds = append(a.kinds, kind)
	}
	for b, err := range rows.Batches() {
		if err != nil {
			_ = rows.Close()
			return a, err
		}
		for i := range int(b.NumRows()) {
			row := make([]string, b.NumCols())
			for j := range row {
				row[j] = text(b.Column(j), i)
			}
			a.rows = append(a.rows, row)
		}
	}
	return a, rows.Close()
}

var (
	natural = map[arrow.Type]uint32{
		arrow.BOOL: 16, arrow.INT16: 21, arrow.INT32: 23, arrow.INT64: 20, arrow.UINT32: 20, arrow.FLOAT32: 700, arrow.FLOAT64: 701, arrow.STRING: 25, arrow.DECIMAL128: 1700,
		arrow.TIMESTAMP: 1184, arrow.DATE32: 1082,
	}
	naturalArray = map[arrow.Type]uint32{arrow.BOOL: 1000, arrow.INT16: 1005, arrow.INT32: 1007, arrow.INT64: 1016, arrow.STRING: 1009, arrow.UINT32: 1028}
)

// text is a value as PostgreSQL prints it.
func text(a arrow.Array, i int) string {
	if a.IsNull(i) {
		return "∅"
	}
	switch a := a.(type) {
	case *array.Boolean:
		return map[bool]string{true: "t", false: "f"}[a.Value(i)]
	case *array.List:
		from, to := a.ValueOffsets(i)
		var items []string
		for j := from; j < to; j++ {
			item := text(a.ListValues(), int(j))
			if strings.ContainsAny(item, ` ",{}\`) {
				item = strconv.Quote(item)
			}
			items = append(items, item)
		}
		return "{" + strings.Join(items, ",") + "}"
	}
	return a.ValueStr(i)
}

// statement is one that a client sent to PostgreSQL 15. {{schema.table}} stands for a table's object id, {{type schema.table}} for its row type's.
type statement struct {
	Client string    `json:"client"`
	SQL    string    `json:"sql"`
	Params []*string `json:"params"`
}

func statements(t testing.TB) []statement {
	t.Helper()
	f, err := os.Open("testdata/statements.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	var list []statement
	s := bufio.NewScanner(f)
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		var one statement
		if err := json.Unmarshal(s.Bytes(), &one); err != nil {
			t.Fatal(err)
		}
		list = append(list, one)
	}
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
	return list
}

var placeholder = regexp.MustCompile(`\{\{(type )?([^}]*)\}\}`)

// with puts object ids where the placeholders are.
func (s statement) with(oid func(kind, name string) string) statement {
	put := func(text string) string {
		return placeholder.ReplaceAllStringFunc(text, func(m string) string {
			p := placeholder.FindStringSubmatch(m)
			return oid(strings.TrimSpace(p[1]), p[2])
		})
	}
	c := s
	c.SQL = put(s.SQL)
	c.Params = nil
	for _, p := range s.Params {
		if p != nil {
			v := put(*p)
			p = &v
		}
		c.Params = append(c.Params, p)
	}
	return c
}

// postgres asks the real thing.
func postgres(t *testing.T, c *pgconn.PgConn, s statement) (answer, error) {
	t.Helper()
	values := make([][]byte, len(s.Params))
	for i, p := range s.Params {
		if p != nil {
			values[i] = []byte(*p)
		}
	}
	d, err := c.Prepare(t.Context(), "", s.SQL, nil)
	if err != nil {
		return answer{}, err
	}
	r := c.ExecParams(t.Context(), s.SQL, values, nil, nil, nil).Read()
	if r.Err != nil {
		return answer{}, r.Err
	}
	var a answer
	for _, f := range d.Fields {
		a.names = append(a.names, f.Name)
		a.kinds = append(a.kinds, f.DataTypeOID)
	}
	for _, row := range r.Rows {
		cells := make([]string, len(row))
		for i, v := range row {
			cells[i] = "∅"
			if v != nil {
				cells[i] = string(v)
			}
		}
		a.rows = append(a.rows, cells)
	}
	return a, nil
}

// TestClientsAreAnsweredAsByPostgreSQL asks a real server and the catalogue what clients ask at start-up, in reflection and in psql's \d family, over the same tables.
func TestClientsAreAnsweredAsByPostgreSQL(t *testing.T) {
	url := postmastertest.Database(t)
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	schema, err := os.ReadFile("testdata/schema.sql")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), string(schema)+"SET search_path = billing, fleet, public"); err != nil {
		t.Fatal(err)
	}
	var database string
	if err := conn.QueryRow(t.Context(), "SELECT current_database()").Scan(&database); err != nil {
		t.Fatal(err)
	}
	cat, err := catalogue.New(t.Context(), start(t), "weir", database, shop())
	if err != nil {
		t.Fatal(err)
	}
	realOID := func(kind, name string) string {
		from := "SELECT oid::text FROM pg_class WHERE oid = $1::regclass"
		if kind == "type" {
			from = "SELECT reltype::text FROM pg_class WHERE oid = $1::regclass"
		}
		var oid string
		if err := conn.QueryRow(t.Context(), from, name).Scan(&oid); err != nil {
			t.Fatal(name, err)
		}
		return oid
	}
	ourOID := func(kind, name string) string {
		column := "oid"
		if kind == "type" {
			column = "reltype"
		}
		a, err := ask(t.Context(), cat, "SELECT "+column+" FROM pg_class WHERE oid = $1::regclass", name)
		if err != nil || len(a.rows) != 1 {
			t.Fatal(name, err, a)
		}
		return a.rows[0][0]
	}
	gotIDs, wantIDs := map[string]string{}, map[string]string{}
	for _, table := range []string{"fleet.account", "fleet.device", "billing.invoice", "public.note"} {
		for _, kind := range []string{"", "type"} {
			gotIDs[ourOID(kind, table)] = "<" + kind + " " + table + ">"
			wantIDs[realOID(kind, table)] = "<" + kind + " " + table + ">"
		}
	}
	for _, schema := range []string{"fleet", "billing"} {
		const from = "SELECT oid::int8::text FROM pg_namespace WHERE nspname = $1"
		var oid string
		if err := conn.QueryRow(t.Context(), from, schema).Scan(&oid); err != nil {
			t.Fatal(err)
		}
		ours, err := ask(t.Context(), cat, from, schema)
		if err != nil {
			t.Fatal(err)
		}
		wantIDs[oid], gotIDs[ours.rows[0][0]] = "<schema "+schema+">", "<schema "+schema+">"
	}
	differed := map[string]bool{}
	answered := map[string]int{}
	for n, s := range statements(t) {
		t.Run(fmt.Sprintf("%s/%d", s.Client, n), func(t *testing.T) {
			want, failed := postgres(t, conn.PgConn(), s.with(realOID))
			ours := s.with(ourOID)
			if !catalogue.Recognises(ours.SQL) {
				t.Fatalf("not recognised:\n%s", s.SQL)
			}
			arguments := make([]any, len(ours.Params))
			for i, p := range ours.Params {
				if p != nil {
					arguments[i] = *p
				}
			}
			got, err := ask(t.Context(), cat, ours.SQL, arguments...)
			if failed != nil {
				sameState(t, s, failed, err)
				return
			}
			if err != nil {
				t.Fatalf("%v\n%s", err, s.SQL)
			}
			if !slices.Equal(got.names, want.names) {
				t.Errorf("columns %q, PostgreSQL has %q\n%s", got.names, want.names, s.SQL)
			}
			if !slices.Equal(got.kinds, want.kinds) {
				t.Errorf("types %v, PostgreSQL has %v (%q)\n%s", got.kinds, want.kinds, want.names, s.SQL)
			}
			if g, w := about(got, gotIDs), about(want, wantIDs); !slices.Equal(g, w) {
				reason := ""
				for part := range differs {
					if strings.Contains(s.SQL, part) {
						reason = part
					}
				}
				if differed[reason] = true; reason == "" {
					t.Errorf("rows\n%s\nPostgreSQL has\n%s\n%s", strings.Join(g, "\n"), strings.Join(w, "\n"), s.SQL)
				}
			}
			answered[s.Client]++
		})
	}
	for part := range differs {
		if !differed[part] {
			t.Errorf("no statement with %q differs any more", part)
		}
	}
	t.Logf("answered: %v", answered)
}

// sameState requires that what PostgreSQL refuses is refused alike.
func sameState(t *testing.T, s statement, want, got error) {
	t.Helper()
	var theirs *pgconn.PgError
	var ours *catalogue.StateError
	if !errors.As(want, &theirs) {
		t.Fatal(want)
	}
	if !errors.As(got, &ours) || ours.SQLState != theirs.Code {
		t.Errorf("%v, PostgreSQL says %v\n%s", got, want, s.SQL)
	}
}

// ofRole are the rows that are about the role's own tables; the others may differ, because this is no PostgreSQL inside.
var ofRole = regexp.MustCompile(`fleet|billing|invoice|\baccount\b|\bdevice\b|\bnote\b`)

// differs are parts of the statements whose rows about the role's tables are not PostgreSQL's, and why.
var differs = map[string]string{
	"pg_table_size(c.oid)":                                  "no size is told",
	"pg_total_relation_size":                                "no size is told",
	"pg_catalog.current_setting(s":                          "the search path is the role's from the start",
	"'delete') as delete":                                   "nothing may be written",
	"FROM information_schema.tables WHERE table_schema NOT": "nothing may be written",
	"SELECT c.oid,c.*":                                      "there are no files",
	"SELECT c.relname,a.*":                                  "the columns that every table has are not listed",
	"SELECT t.typname,t.oid":                                "object ids of array types of rows are not told apart here",
	"typtype, typname, pg_type.oid   FROM pg_catalog.pg_type   LEFT": "object ids of array types of rows are not told apart here",
}

// about are the rows about the role's tables, with names in the place of object ids.
func about(a answer, ids map[string]string) []string {
	var list []string
	for _, row := range a.rows {
		line := slices.Clone(row)
		for i, c := range line {
			if name, ok := ids[c]; ok {
				line[i] = name
			}
		}
		if text := strings.Join(line, " | "); ofRole.MatchString(text) {
			list = append(list, text)
		}
	}
	slices.Sort(list)
	return list
}
