package metric_test

import (
	"database/sql"
	"fmt"
	"iter"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/duckdb/duckdb-go/v2"

	"github.com/weirproject/weir/internal/metric"
)

// fleetDefinitions is the folder that the product ships.
const fleetDefinitions = "../../examples/fleet/metrics"

// copied are the treated tables as a store holds them: every column that a fact may want, of the type that the treatments give.
var copied = map[string]string{
	"fleet.connection_attempt": `try_uuid UUID, attempt_group UUID, try_no SMALLINT, device_id UUID, user_id UUID, is_shared_user BOOLEAN, purpose VARCHAR,
		transport VARCHAR, started_at TIMESTAMP, received_at TIMESTAMP, duration_ms INTEGER, ok BOOLEAN, error_code VARCHAR, firmware_id INTEGER, app_os VARCHAR,
		app_version VARCHAR, isp_asn INTEGER, region_code VARCHAR`,
	"fleet.device": `device_id UUID, model_id SMALLINT, owner_user_id UUID, first_activated_at TIMESTAMP, first_bound_at TIMESTAMP, bound_at TIMESTAMP,
		is_synthetic BOOLEAN`,
	"fleet.device_binding":   "binding_id UUID, device_id UUID, user_id UUID, bound_at TIMESTAMP, unbound_at TIMESTAMP, reason VARCHAR",
	"fleet.product_model":    "model_id SMALLINT, model VARCHAR, family VARCHAR",
	"fleet.firmware_release": "firmware_id INTEGER, version VARCHAR",
	"fleet.app_user":         "user_id UUID, is_internal BOOLEAN, time_zone VARCHAR, country_code VARCHAR, deleted_at TIMESTAMP",
}

// lab is a DuckDB with the copied tables, which derives facts as a store does and answers compiled questions.
type lab struct {
	t       testing.TB
	db      *sql.DB
	arrow   *duckdb.Arrow
	catalog *metric.Catalog
}

func load(t testing.TB) *metric.Catalog {
	t.Helper()
	c, err := metric.Load(os.DirFS(fleetDefinitions))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func newLab(t testing.TB) *lab {
	t.Helper()
	connector, err := duckdb.NewConnector("", nil)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := connector.Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ar, err := duckdb.NewArrowFromConn(conn)
	if err != nil {
		t.Fatal(err)
	}
	l := &lab{t: t, db: sql.OpenDB(connector), arrow: ar, catalog: load(t)}
	l.db.SetMaxOpenConns(1)
	t.Cleanup(func() {
		if err := l.db.Close(); err != nil {
			t.Error(err)
		}
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
		if err := connector.Close(); err != nil {
			t.Error(err)
		}
	})
	// A zone in which a session must not matter.
	l.exec("SET TimeZone = 'Pacific/Auckland'")
	l.exec("CREATE SCHEMA fleet; CREATE SCHEMA metric; CREATE MACRO id(s) AS CASE WHEN s IS NOT NULL THEN CAST(md5(s) AS UUID) END")
	for name, columns := range copied {
		l.exec("CREATE TABLE " + name + " (" + columns + ")")
	}
	return l
}

func (l *lab) exec(q string, args ...any) {
	l.t.Helper()
	if _, err := l.db.ExecContext(l.t.Context(), q, args...); err != nil {
		l.t.Fatalf("%v\n%s", err, q)
	}
}

func (l *lab) one(q string, args ...any) string {
	l.t.Helper()
	var s sql.NullString
	if err := l.db.QueryRowContext(l.t.Context(), q, args...).Scan(&s); err != nil {
		l.t.Fatalf("%v\n%s", err, q)
	}
	return s.String
}

// scoped puts a statement over a fact's inputs: it sees them by alias, with the columns that they declare, and nothing else.
func scoped(f metric.Fact, only, q string) string {
	var ctes []string
	for _, in := range f.Inputs {
		cte := in.Alias + " AS (SELECT " + strings.Join(in.Columns, ", ") + " FROM " + in.Table
		if in.Driving && only != "" {
			cte += " WHERE " + in.KeyColumn + " IN (" + only + ")"
		}
		ctes = append(ctes, cte+")")
	}
	return "WITH " + strings.Join(ctes, ",\n") + "\n" + q
}

// derive derives every fact anew.
func (l *lab) derive() {
	l.t.Helper()
	for _, f := range l.catalog.Facts() {
		l.exec("CREATE OR REPLACE TABLE " + f.Name + " AS " + scoped(f, "", "SELECT * FROM (\n"+f.Select+"\n)"))
	}
}

// renew brings every fact up to date from what change does to the copied tables, reading only what it touched.
func (l *lab) renew(change func()) {
	l.t.Helper()
	for name := range copied {
		l.exec("CREATE OR REPLACE TEMP TABLE before_" + strings.TrimPrefix(name, "fleet.") + " AS FROM " + name)
	}
	change()
	for _, f := range l.catalog.Facts() {
		l.exec("CREATE OR REPLACE TEMP TABLE touched AS SELECT " + f.Key + " AS k FROM " + f.Name + " LIMIT 0")
		for _, in := range f.Inputs {
			columns, before := strings.Join(in.Columns, ", "), "before_"+strings.TrimPrefix(in.Table, "fleet.")
			l.exec(fmt.Sprintf("CREATE OR REPLACE TEMP TABLE moved AS (SELECT %[1]s FROM %[2]s EXCEPT ALL SELECT %[1]s FROM %[3]s)"+
				" UNION ALL (SELECT %[1]s FROM %[3]s EXCEPT ALL SELECT %[1]s FROM %[2]s)", columns, before, in.Table))
			l.exec("INSERT INTO touched " + scoped(f, "", "SELECT * FROM (WITH changed AS (FROM moved), fact AS (FROM "+f.Name+") "+in.Keys+")"))
		}
		l.exec("DELETE FROM " + f.Name + " WHERE " + f.Key + " IN (SELECT k FROM touched)")
		l.exec("INSERT INTO " + f.Name + " " + scoped(f, "SELECT k FROM touched", "SELECT * FROM (\n"+f.Select+"\n)"))
	}
}

// most is how many rows an answer may have.
const most = 100_000

// ask answers a question at asOf through Arrow, as a store would.
func (l *lab) ask(asOf time.Time, q metric.Question) *metric.Answer {
	l.t.Helper()
	return l.askFor(asOf, q, most)
}

// askFor is ask with another limit of rows.
func (l *lab) askFor(asOf time.Time, q metric.Question, maxRows int64) *metric.Answer {
	l.t.Helper()
	compiled, err := l.catalog.Compile(q, maxRows)
	if err != nil {
		l.t.Fatal(err)
	}
	reader, err := l.arrow.QueryContext(l.t.Context(), compiled.SQL, compiled.Args...)
	if err != nil {
		l.t.Fatalf("%v\n%s", err, compiled.SQL)
	}
	defer reader.Release()
	var batches iter.Seq2[arrow.RecordBatch, error] = func(yield func(arrow.RecordBatch, error) bool) {
		for reader.Next() {
			if !yield(reader.RecordBatch(), nil) {
				return
			}
		}
		if err := reader.Err(); err != nil {
			yield(nil, err)
		}
	}
	a, err := compiled.Answer(asOf, batches)
	if err != nil {
		l.t.Fatal(err)
	}
	return a
}

// lines shows an answer's rows compactly: start, dimensions in order of name, numerator/denominator=value.
func lines(a *metric.Answer) []string {
	num := func(v *float64) string {
		if v == nil {
			return "null"
		}
		return fmt.Sprintf("%.4g", *v)
	}
	var out []string
	for _, r := range a.Rows {
		var dims []string
		for k, v := range r.Dimensions {
			dims = append(dims, k+"="+v)
		}
		slices.Sort(dims)
		out = append(out, strings.Join(append(append([]string{r.Start.Format("2006-01-02T15")}, dims...), num(r.Numerator)+"/"+num(r.Denominator)+"="+num(r.Value)), " "))
	}
	return out
}

func (l *lab) wants(q metric.Question, want ...string) {
	l.t.Helper()
	if got := lines(l.ask(time.Time{}, q)); !slices.Equal(got, want) {
		l.t.Errorf("%s by %v at %s from %v to %v\n got: %s\nwant: %s", q.Metric, q.By, q.Grain, q.From, q.To, strings.Join(got, "\n      "), strings.Join(want, "\n      "))
	}
}

func at(t testing.TB, s string) *time.Time {
	t.Helper()
	v, err := metric.ParseTime("--from", s)
	if err != nil {
		t.Fatal(err)
	}
	return &v
}
