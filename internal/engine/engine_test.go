//go:build linux

package engine_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/weirproject/weir/internal/engine"
	"github.com/weirproject/weir/internal/fault"
)

func TestMain(m *testing.M) {
	engine.Main()
	if os.Args[0] == engine.ProbeName {
		os.Exit(engine.Probe(os.Args[1], os.Args[2], os.Args[3]))
	}
	os.Exit(m.Run())
}

func start(t testing.TB, c engine.Config) *engine.Engine {
	t.Helper()
	e, err := engine.Start(t.Context(), c)
	if err != nil {
		t.Fatalf("start: %v", err)
	}
	t.Cleanup(func() { _ = e.Close() })
	return e
}

func writer(t testing.TB, e *engine.Engine) *engine.Session {
	t.Helper()
	s, err := e.Writer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func do(t testing.TB, s *engine.Session, sql string) {
	t.Helper()
	if _, err := s.Exec(t.Context(), sql); err != nil {
		t.Fatalf("%s: %v (%v)", sql, err, engine.ClassOf(err))
	}
}

// one returns the first column of the first row as text.
func one(t testing.TB, s *engine.Session, sql string, args ...any) string {
	t.Helper()
	text, err := ask(t.Context(), s, sql, args...)
	if err != nil {
		t.Fatalf("%s: %v (%v)", sql, err, engine.ClassOf(err))
	}
	return text
}

func ask(ctx context.Context, s *engine.Session, sql string, args ...any) (string, error) {
	rows, err := s.Query(ctx, sql, args...)
	if err != nil {
		return "", err
	}
	text := ""
	for rows.Next() {
		if b := rows.Batch(); text == "" && b.NumRows() > 0 {
			text = b.Column(0).ValueStr(0)
		}
	}
	return text, rows.Err()
}

func folders(t testing.TB) (string, string) {
	t.Helper()
	dir, spill := filepath.Join(t.TempDir(), "store"), filepath.Join(t.TempDir(), "spill")
	for _, d := range []string{dir, spill} {
		if err := os.Mkdir(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return dir, spill
}

func TestCheckpointLogAndSpillWorkInsideTheSandbox(t *testing.T) {
	dir, spill := folders(t)
	file := filepath.Join(dir, "a.db")
	c := engine.Config{Path: file, Spill: spill, MemoryBytes: 64 << 20}
	e := start(t, c)
	w := writer(t, e)
	// Columns of random text: about 100 MB, and a sort of it cannot stay in memory.
	do(t, w, "CREATE TABLE t AS SELECT range i, md5(range::VARCHAR) a, md5((range * 7)::VARCHAR) b, uuid() u FROM range(800000)")
	do(t, w, "CHECKPOINT")
	spilled := watchSpill(t, spill)
	if got := one(t, w, "SELECT count(*) FROM (SELECT *, row_number() OVER (ORDER BY b, a, u) n FROM t) WHERE n > 0"); got != "800000" {
		t.Errorf("rows %s", got)
	}
	if spilled() == 0 {
		t.Error("nothing was spilled: the test shows nothing")
	}
	do(t, w, "DELETE FROM t WHERE i % 3 = 0")
	do(t, w, "CHECKPOINT")
	do(t, w, "INSERT INTO t SELECT -1, 'x', 'y', uuid() FROM range(10)")
	want := one(t, w, "SELECT count(*) FROM t")
	w.Release()
	e.Kill() // the log must be replayed
	e = start(t, c)
	w = writer(t, e)
	if got := one(t, w, "SELECT count(*) FROM t"); got != want {
		t.Errorf("after the crash %s rows, want %s", got, want)
	}
	w.Release()
	if err := e.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	if _, err := os.Stat(file + ".wal"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the log is still there: %v", err)
	}
	if st, err := os.Stat(file); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", st.Mode(), err)
	}
}

// watchSpill returns how many bytes the folder held at most.
func watchSpill(t *testing.T, dir string) func() int64 {
	ctx, stop := context.WithCancel(t.Context())
	most := make(chan int64, 1)
	go func() {
		var high int64
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		for ctx.Err() == nil {
			var sum int64
			entries, _ := os.ReadDir(dir)
			for _, e := range entries {
				if st, err := e.Info(); err == nil {
					sum += st.Size()
				}
			}
			high = max(high, sum)
			<-tick.C
		}
		most <- high
	}()
	return func() int64 {
		stop()
		return <-most
	}
}

func TestCancellingEndsTheStatementAndKeepsTheSession(t *testing.T) {
	e := start(t, engine.Config{})
	w := writer(t, e)
	for range 5 {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		_, err := ask(ctx, w, "SELECT count(*) FROM range(1000000000) a, range(1000000000) b WHERE (a.range * b.range) % 7 = 3") // would take years
		cancel()
		if engine.ClassOf(err) != engine.ClassInterrupted || !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("got %v (%v)", err, engine.ClassOf(err))
		}
	}
	if got := one(t, w, "SELECT 1"); got != "1" {
		t.Errorf("got %s", got)
	}
	w.Release()
}

// The order to break off travels on another socket than the statement and may come first.
func TestCancellingAtOnceIsNotForgotten(t *testing.T) {
	e := start(t, engine.Config{})
	w := writer(t, e)
	for i := range 60 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i%20)*100*time.Microsecond)
		_, err := ask(ctx, w, "SELECT count(*) FROM range(1000000000) a, range(1000000000) b WHERE (a.range * b.range) % 7 = 3")
		cancel()
		if engine.ClassOf(err) != engine.ClassInterrupted {
			t.Fatalf("got %v (%v)", err, engine.ClassOf(err))
		}
	}
	w.Release()
}

func TestClosingRowsEarlyFreesTheSession(t *testing.T) {
	e := start(t, engine.Config{})
	w := writer(t, e)
	for range 20 {
		rows, err := w.Query(t.Context(), "SELECT range, md5(range::VARCHAR) FROM range(100000000)")
		if err != nil {
			t.Fatal(err)
		}
		if !rows.Next() {
			t.Fatal(rows.Err())
		}
		if err := rows.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if got := one(t, w, "SELECT 42"); got != "42" {
		t.Errorf("got %s", got)
	}
	w.Release()
}

func TestADeadEngineEndsEveryPendingCall(t *testing.T) {
	e := start(t, engine.Config{Readers: 3})
	errs := make(chan error, 3)
	for range 3 {
		s, err := e.Reader(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			defer s.Release()
			_, err := ask(context.WithoutCancel(t.Context()), s, "SELECT count(*) FROM range(1000000000) a, range(1000000000) b WHERE (a.range * b.range) % 7 = 3")
			errs <- err
		}()
	}
	if err := syscall.Kill(e.PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := <-errs; !engine.IsGone(err) || fault.KindOf(err) != fault.Unavailable {
			t.Errorf("got %v", err)
		}
	}
	if _, err := e.Reader(t.Context()); !engine.IsGone(err) {
		t.Errorf("a session of a dead engine: %v", err)
	}
}

func TestErrorsCrossAsAClassOnly(t *testing.T) {
	e := start(t, engine.Config{MemoryBytes: 48 << 20})
	w := writer(t, e)
	do(t, w, "CREATE TABLE secret_table (c VARCHAR CHECK (c <> 'hunter2'))")
	for _, c := range []struct {
		sql  string
		want engine.Class
	}{
		{"SELEC 1", engine.ClassSyntax},
		{"SELECT 1; SELECT 2", engine.ClassSyntax},
		{"", engine.ClassSyntax},
		{"SELECT * FROM nowhere", engine.ClassCatalog},
		{"SELECT nocolumn FROM secret_table", engine.ClassBinder},
		{"SELECT 'hunter2'::INT", engine.ClassConversion},
		{"INSERT INTO secret_table VALUES ('hunter2')", engine.ClassConstraint},
		{"SELECT $1", engine.ClassInput},
		{"SELECT count(*) FROM (SELECT DISTINCT md5(range::VARCHAR) FROM range(3000000))", engine.ClassMemory},
	} {
		_, err := ask(t.Context(), w, c.sql)
		if got := engine.ClassOf(err); got != c.want {
			t.Errorf("%s: %v, want %v", c.sql, got, c.want)
		}
		for err := err; err != nil; err = errors.Unwrap(err) {
			if strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "secret_table") {
				t.Errorf("%s: the error tells %q", c.sql, err)
			}
		}
	}
	w.Release()
}

func TestParametersArriveAsTheyAre(t *testing.T) {
	e := start(t, engine.Config{})
	w := writer(t, e)
	when := time.Date(2026, 11, 20, 1, 2, 3, 4000, time.UTC)
	got := one(t, w, "SELECT concat_ws('|', $1, $2, $3, $4, $5, $6, $7, $8, $9::VARCHAR) || CASE WHEN $10 IS NULL THEN '|null' END",
		true, -7, uint64(1)<<63, 1.5, "tex't\u00e9", []byte{0, 255}, [16]byte{0x80, 1, 15: 2}, when, []string{"a", "b,"}, nil)
	const want = `true|-7|9223372036854775808|1.5|tex'té|\x00\xFF|80010000-0000-0000-0000-000000000002|2026-11-20 01:02:03.000004|[a, 'b,']|null`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if _, err := w.Query(t.Context(), "SELECT $1", struct{}{}); fault.KindOf(err) != fault.Invalid {
		t.Errorf("got %v", err)
	}
	w.Release()
}

func TestAStatementThatDoesNotFitIsRefusedAndTheEngineLives(t *testing.T) {
	e := start(t, engine.Config{})
	w := writer(t, e)
	for _, sql := range []string{"SELECT '" + strings.Repeat("x", engine.MaxStatement) + "'", "SELECT 1\x00"} {
		if _, err := ask(t.Context(), w, sql); fault.KindOf(err) != fault.Invalid {
			t.Errorf("got %v", err)
		}
		if _, err := w.Exec(t.Context(), sql); fault.KindOf(err) != fault.Invalid {
			t.Errorf("got %v", err)
		}
	}
	if _, err := ask(t.Context(), w, "SELECT length($1)", strings.Repeat("x", 17<<20)); fault.KindOf(err) != fault.Invalid {
		t.Errorf("got %v", err)
	}
	// A value longer than any frame comes back in pieces.
	if got := one(t, w, "SELECT repeat('x', 40000000)"); len(got) != 40000000 {
		t.Errorf("%d bytes", len(got))
	}
	w.Release()
}

func TestAFilelessEngineParsesAndHasNoFiles(t *testing.T) {
	e := start(t, engine.Config{Readers: 1})
	r, err := e.Reader(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := one(t, r, "SELECT json_serialize_sql($1::VARCHAR)", "SELECT a FROM b"); !strings.Contains(got, `"BASE_TABLE"`) {
		t.Errorf("got %s", got)
	}
	if _, err := ask(t.Context(), r, "SELECT * FROM read_text('/etc/hostname')"); err == nil {
		t.Error("it read a file")
	}
	r.Release()
}

func TestAnEngineEndsWithItsSocketsAndLeaksNothing(t *testing.T) {
	before := runtime.NumGoroutine()
	var pids []int
	for range 3 {
		e, err := engine.Start(t.Context(), engine.Config{})
		if err != nil {
			t.Fatal(err)
		}
		pids = append(pids, e.PID())
		if err := e.Close(); err != nil {
			t.Error(err)
		}
		select {
		case <-e.Done():
		default:
			t.Error("closed and not done")
		}
	}
	for _, pid := range pids {
		if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
			t.Errorf("process %d: %v", pid, err)
		}
	}
	deadline := time.Now().Add(2 * time.Minute)
	for runtime.NumGoroutine() > before && time.Now().Before(deadline) {
		runtime.Gosched()
	}
	if after := runtime.NumGoroutine(); after > before {
		t.Errorf("%d goroutines, %d before", after, before)
	}
}

func uuidField(name string) arrow.Field {
	return arrow.Field{Name: name, Type: &arrow.FixedSizeBinaryType{ByteWidth: 16}, Nullable: true, Metadata: arrow.NewMetadata(
		[]string{"ARROW:extension:name", "ARROW:extension:metadata"}, []string{"arrow.uuid", ""})}
}

func TestAppendedValuesComeBackUnchanged(t *testing.T) {
	dir, spill := folders(t)
	e := start(t, engine.Config{Path: filepath.Join(dir, "a.db"), Spill: spill})
	w := writer(t, e)
	do(t, w, "CREATE TABLE t (u UUID, b BOOLEAN, ts TIMESTAMP, d DATE, n DECIMAL(38,3), s VARCHAR, bl BLOB, l VARCHAR[], li INTEGER[])")
	schema := arrow.NewSchema([]arrow.Field{
		uuidField("u"),
		{Name: "b", Type: arrow.FixedWidthTypes.Boolean, Nullable: true},
		{Name: "ts", Type: &arrow.TimestampType{Unit: arrow.Microsecond}, Nullable: true},
		{Name: "d", Type: arrow.FixedWidthTypes.Date32, Nullable: true},
		{Name: "n", Type: &arrow.Decimal128Type{Precision: 38, Scale: 3}, Nullable: true},
		{Name: "s", Type: arrow.BinaryTypes.String, Nullable: true},
		{Name: "bl", Type: arrow.BinaryTypes.Binary, Nullable: true},
		{Name: "l", Type: arrow.ListOf(arrow.BinaryTypes.String), Nullable: true},
		{Name: "li", Type: arrow.ListOf(arrow.PrimitiveTypes.Int32), Nullable: true},
	}, nil)
	const text = `[
	{"u":"gAAAAAAAAAAAAAAAAAAAAQ==","b":true,"ts":"2026-11-20 10:00:00.123456","d":"2026-11-20","n":"12345678901234567890123456789012345.678","s":"é\u0000x","bl":"AP8=","l":["a",null,"long enough to be on the heap"],"li":[1,null]},
	{"u":null,"b":null,"ts":null,"d":null,"n":null,"s":null,"bl":null,"l":null,"li":null},
	{"u":"/////////////////////w==","b":false,"ts":"0001-01-01 00:00:00","d":"0001-01-01","n":"-0.001","s":"","bl":"","l":[],"li":[]}]`
	rec, _, err := array.RecordFromJSON(memory.DefaultAllocator, schema, strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	defer rec.Release()
	for range 3 {
		if err := w.Append(t.Context(), engine.Table{Schema: "main", Name: "t"}, rec); err != nil {
			t.Fatal(err, engine.ClassOf(err))
		}
	}
	if err := w.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	rows, err := w.Query(t.Context(), "SELECT * FROM t LIMIT 3")
	if err != nil {
		t.Fatal(err)
	}
	if !rows.Next() {
		t.Fatal(rows.Err())
	}
	got, want := columnsText(rows.Batch()), columnsText(rec)
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if err := rows.Close(); err != nil {
		t.Fatal(err)
	}
	if err := w.Append(t.Context(), engine.Table{Schema: "main", Name: "nowhere"}, rec); err != nil {
		t.Fatal(err)
	}
	if err := w.Flush(t.Context()); engine.ClassOf(err) == 0 {
		t.Errorf("appending to a table that isn't there: %v", err)
	}
	w.Release()
}

func columnsText(b arrow.RecordBatch) string {
	var s strings.Builder
	for i, c := range b.Columns() {
		s.WriteString(b.ColumnName(i) + "=" + c.String() + "\n")
	}
	return strings.ReplaceAll(s.String(), "(null)", "null")
}

func TestASecondEngineOfAFileIsRefused(t *testing.T) {
	dir, spill := folders(t)
	c := engine.Config{Path: filepath.Join(dir, "a.db"), Spill: spill}
	start(t, c)
	if _, err := engine.Start(t.Context(), c); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("got %v", err)
	}
}

func TestACopyHoldsWhatTheOriginalHolds(t *testing.T) {
	dir, spill := folders(t)
	from, to := filepath.Join(dir, "a.db"), filepath.Join(dir, "b.db")
	e := start(t, engine.Config{Path: from, Spill: spill})
	w := writer(t, e)
	do(t, w, `CREATE SCHEMA s; CREATE TABLE s."T t" AS SELECT range i, md5(range::VARCHAR) a FROM range(300000); DELETE FROM s."T t" WHERE i % 2 = 0`)
	want := one(t, w, `SELECT count(*) || '/' || sum(hash(i, a)::HUGEINT) FROM s."T t"`)
	w.Release()
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if err := engine.Copy(t.Context(), engine.Config{Spill: spill}, from, to); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(to + ".wal"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the copy has a log: %v", err)
	}
	w = writer(t, start(t, engine.Config{Path: to, Spill: spill}))
	if got := one(t, w, `SELECT count(*) || '/' || sum(hash(i, a)::HUGEINT) FROM s."T t"`); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	w.Release()
}

func TestADescriptionTellsTypesAndRunsNothing(t *testing.T) {
	e := start(t, engine.Config{Readers: 1})
	s, err := e.Reader(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Release()
	if _, err := s.Exec(t.Context(), "CREATE TABLE t (a SMALLINT, u UUID, seen TIMESTAMP, b BOOLEAN)"); err != nil {
		t.Fatal(err)
	}
	d, err := s.Describe(t.Context(), "SELECT u, seen, b, count(*) AS n FROM t WHERE a = $1 AND seen < $2 GROUP BY ALL")
	if err != nil {
		t.Fatal(err)
	}
	if len(d.Parameters) != 2 || d.Parameters[0].Type.ID() != arrow.INT16 || d.Parameters[1].Type.ID() != arrow.TIMESTAMP {
		t.Errorf("parameters %v", d.Parameters)
	}
	if got := d.Schema.NumFields(); got != 4 || d.Schema.Field(2).Type.ID() != arrow.BOOL || d.Schema.Field(3).Name != "n" {
		t.Errorf("schema %v", d.Schema)
	}
	if d, err = s.Describe(t.Context(), "SELECT $1"); err != nil || d.Parameters[0].Type.ID() != arrow.NULL {
		t.Errorf("a parameter without a context: %v, %v", d, err)
	}
	if _, err := s.Describe(t.Context(), "DROP TABLE t"); engine.ClassOf(err) != engine.ClassPermission {
		t.Errorf("a statement that is no question: %v", err)
	}
	if _, err := s.Describe(t.Context(), "SELECT nothing FROM nowhere"); err == nil {
		t.Error("a table that is not there was described")
	}
	if _, err := s.Exec(t.Context(), "SELECT 1"); err != nil {
		t.Errorf("the session is no longer of use: %v", err)
	}
}
