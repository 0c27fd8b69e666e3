//go:build linux

package engine_test

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/weirproject/weir/internal/engine"
	"github.com/weirproject/weir/internal/fault"
)

// read is ask in a read-only transaction of its own, by a statement that may be prepared already.
func read(t testing.TB, s *engine.Session, sql string, args ...any) string {
	t.Helper()
	rows, err := s.Read(t.Context(), sql, args...)
	if err != nil {
		t.Fatalf("%s: %v (%v)", sql, err, engine.ClassOf(err))
	}
	text := ""
	for rows.Next() {
		if b := rows.Batch(); text == "" && b.NumRows() > 0 {
			text = b.Column(0).ValueStr(0)
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatalf("%s: %v (%v)", sql, err, engine.ClassOf(err))
	}
	return text
}

func reader(t testing.TB, e *engine.Engine) *engine.Session {
	t.Helper()
	s, err := e.Reader(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// What DuckDB knows of the values when it plans decides which conditions it leaves out and how narrow it makes what it sorts and groups by.
func TestAStatementThatIsKeptPreparedSeesEveryValueThatWasWrittenSince(t *testing.T) {
	e := start(t, engine.Config{Path: filepath.Join(t.TempDir(), "t.db")})
	w, r := writer(t, e), reader(t, e)
	do(t, w, "CREATE TABLE t (i BIGINT, s VARCHAR); INSERT INTO t SELECT i, 'a' || i FROM range(10) AS x(i)")
	statements := []struct{ name, sql string }{
		{"condition that nothing met", "SELECT count(*) FROM t WHERE i > 100"},
		{"condition that all met", "SELECT count(*) FROM t WHERE i < 100"},
		{"NULL", "SELECT count(*) FROM t WHERE i IS NULL"},
		{"groups", "SELECT string_agg(k || ':' || n, ',' ORDER BY k) FROM (SELECT i AS k, count(*) AS n FROM t GROUP BY i)"},
		{"order", "SELECT i FROM t ORDER BY i DESC NULLS LAST, s LIMIT 1"},
		{"join", "SELECT count(*) FROM t a JOIN t b ON a.i = b.i"},
		{"sum", "SELECT sum(i) FROM t"},
		{"length", "SELECT max(length(s)) FROM t"},
	}
	for round, change := range []string{
		"SELECT 1", "INSERT INTO t VALUES (1000000, 'x')", "INSERT INTO t VALUES (-7000000000, 'a very long text that fits in no inlined string')", "INSERT INTO t VALUES (NULL, NULL)",
		"UPDATE t SET i = 9000000000000000000 WHERE i = 3", "DELETE FROM t WHERE i > 5", "INSERT INTO t SELECT i * 1000, 'q' FROM range(5000) AS x(i)",
	} {
		do(t, w, change)
		for _, s := range statements {
			for range 3 {
				if got, want := read(t, r, s.sql), one(t, w, s.sql); got != want {
					t.Errorf("round %d, %s: read %q, is %q", round, s.name, got, want)
				}
			}
		}
	}
}

func TestAStatementThatIsKeptPreparedFollowsItsTables(t *testing.T) {
	e := start(t, engine.Config{Path: filepath.Join(t.TempDir(), "t.db")})
	w, r := writer(t, e), reader(t, e)
	for i, make := range []string{"CREATE TABLE t AS SELECT 1 AS a", "CREATE TABLE t AS SELECT 'two' AS a", "CREATE TABLE t AS SELECT 0 AS b, 3.5 AS a"} {
		do(t, w, "DROP TABLE IF EXISTS t; "+make)
		for range 2 {
			if got, want := read(t, r, "SELECT a FROM t"), []string{"1", "two", "3.5"}[i]; got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		}
	}
	do(t, w, "DROP TABLE t")
	if _, err := r.Read(t.Context(), "SELECT a FROM t"); engine.ClassOf(err) != engine.ClassCatalog {
		t.Errorf("a table that is gone: %v", err)
	}
	if got := read(t, r, "SELECT 1"); got != "1" {
		t.Errorf("after it: %q", got)
	}
}

func TestAKeptStatementTakesOtherValuesEachTime(t *testing.T) {
	e := start(t, engine.Config{})
	r := reader(t, e)
	for i := range 50 { // more texts than are kept, too
		want := fmt.Sprint(i)
		if got := read(t, r, "SELECT $1::BIGINT", int64(i)); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		if got := read(t, r, fmt.Sprintf("SELECT $1::VARCHAR || '%d'", i), "x"); got != "x"+want {
			t.Errorf("got %q", got)
		}
		if d, err := r.Describe(t.Context(), "SELECT $1"); err != nil || d.Parameters[0].Type.Name() != "null" {
			t.Fatalf("described as %v, %v", d, err)
		}
		if got := read(t, r, "SELECT $1", []any{"x", int64(7), true}[i%3]); got != []string{"x", "7", "true"}[i%3] {
			t.Errorf("got %q", got)
		}
	}
	if _, err := r.Read(t.Context(), "SELECT $1::BIGINT"); engine.ClassOf(err) != engine.ClassInput {
		t.Errorf("without a value: %v", err)
	}
}

func TestReadWritesNothingAndLeavesNoTransaction(t *testing.T) {
	e := start(t, engine.Config{Path: filepath.Join(t.TempDir(), "t.db")})
	w, r := writer(t, e), reader(t, e)
	do(t, w, "CREATE TABLE t AS SELECT 1 AS i; CREATE SEQUENCE q")
	for _, sql := range []string{"INSERT INTO t VALUES (2)", "DROP TABLE t", "CREATE TABLE u (i INTEGER)", "COMMIT", "SELECT nextval('q')", "SELECT error('x')", "SELECT 1; SELECT 2", "SELECT nothing"} {
		rows, err := r.Read(t.Context(), sql)
		if err == nil {
			for rows.Next() {
			}
			err = rows.Err()
		}
		if err == nil {
			t.Errorf("%s was run", sql)
		}
		do(t, r, "BEGIN TRANSACTION; ROLLBACK")
	}
	if got := read(t, r, "SELECT count(*) FROM t"); got != "1" {
		t.Errorf("%s rows", got)
	}
}

func TestAReadThatIsBrokenOffLeavesItsSessionInOrder(t *testing.T) {
	e := start(t, engine.Config{Path: filepath.Join(t.TempDir(), "t.db")})
	do(t, writer(t, e), "CREATE TABLE t AS SELECT i FROM range(100000) AS x(i)")
	r := reader(t, e)
	for i := range 40 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i)*500*time.Microsecond)
		rows, err := r.Read(ctx, "SELECT count(*) FROM t a, t b WHERE a.i + b.i = 7")
		if err == nil {
			for rows.Next() {
			}
			err = rows.Err()
		}
		cancel()
		if engine.ClassOf(err) != engine.ClassInterrupted {
			t.Fatalf("round %d: %v", i, err)
		}
		if got := read(t, r, "SELECT count(*) FROM t"); got != "100000" {
			t.Fatalf("round %d: %s rows", i, got)
		}
	}
}

// Readers that plan at the moment of a commit must not keep what they planned before it.
func TestReadersBesideAWriterNeverSeeLessThanWasCommittedBefore(t *testing.T) {
	e := start(t, engine.Config{Path: filepath.Join(t.TempDir(), "t.db")})
	w := writer(t, e)
	do(t, w, "CREATE TABLE t (i BIGINT); INSERT INTO t VALUES (0)")
	var mu sync.Mutex // guards committed
	committed := 0
	done := make(chan struct{})
	var all sync.WaitGroup
	for range 3 {
		s := reader(t, e)
		all.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				mu.Lock()
				least := committed
				mu.Unlock()
				var got int
				if _, err := fmt.Sscan(read(t, s, "SELECT count(*) FROM t WHERE i >= 0 AND i < 1000000000"), &got); err != nil || got < least+1 {
					t.Errorf("%d rows, at least %d: %v", got, least+1, err)
					return
				}
			}
		})
	}
	for i := range 400 {
		do(t, w, fmt.Sprintf("BEGIN TRANSACTION; INSERT INTO t VALUES (%d); COMMIT", (i+1)*1000))
		mu.Lock()
		committed = i + 1
		mu.Unlock()
	}
	close(done)
	all.Wait()
}

func TestTextsGivesOneRowOfTextsAndNothingElse(t *testing.T) {
	e := start(t, engine.Config{})
	r := reader(t, e)
	for range 2 {
		got, err := r.Texts(t.Context(), "SELECT $1::VARCHAR, 'é' || repeat('x', 100), ''", "a\x00b")
		if err != nil || len(got) != 3 || got[0] != "a\x00b" || len(got[1]) != 102 || got[2] != "" {
			t.Errorf("got %q, %v", got, err)
		}
	}
	for _, sql := range []string{"SELECT 1", "SELECT NULL::VARCHAR", "SELECT 'a' WHERE false", "SELECT 'a' FROM range(2)", "CREATE TABLE t (i INTEGER)", "SELECT error('x')", "SELECT", "SELECT repeat('x', 20000000)"} {
		if got, err := r.Texts(t.Context(), sql); err == nil || fault.KindOf(err) == fault.Internal {
			t.Errorf("%s: %d texts, %v", sql, len(got), err)
		}
	}
	if got, err := r.Texts(t.Context(), "SELECT 'still here'"); err != nil || got[0] != "still here" {
		t.Errorf("after them: %q, %v", got, err)
	}
}

func TestAReaderThatHasTheStatementPreparedIsPreferred(t *testing.T) {
	e := start(t, engine.Config{Readers: 3})
	const sql = "SELECT 42"
	first := reader(t, e)
	if _, err := first.Describe(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
	first.Release()
	for range 5 {
		s, err := e.ReaderOf(t.Context(), sql)
		if err != nil {
			t.Fatal(err)
		}
		if s != first {
			t.Error("another session was given")
		}
		other, err := e.ReaderOf(t.Context(), sql)
		if err != nil {
			t.Fatal(err)
		}
		if other == s {
			t.Error("the session was given twice")
		}
		s.Release()
		other.Release()
	}
}

func TestAnAnswerHasTheSameShapeWhetherOrNotItsStatementWasDescribedBefore(t *testing.T) {
	e := start(t, engine.Config{Readers: 2})
	described, plain := reader(t, e), reader(t, e)
	for _, sql := range []string{
		"SELECT 1::BOOLEAN AS b, 2::HUGEINT AS h, uuid() AS u, 'x' AS s, 1.50 AS d, DATE '2026-01-01' AS day, [1, 2] AS l, {'a': true, 'b': 'x'} AS r, MAP {'k': 1} AS m, '{}'::JSON AS j, now() AS t",
		"SELECT sum(i) AS s, bool_and(i > 0) AS b FROM range(3) AS x(i)", "SELECT NULL AS n, 1 AS one", "SELECT 1::UINTEGER AS a, 1::UINTEGER AS a", "SELECT true AS b WHERE false",
	} {
		d, err := described.Describe(t.Context(), sql)
		if err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
		var shapes, values []string
		for _, s := range []*engine.Session{described, plain} {
			for range 2 { // as it was planned, and kept
				rows, err := s.Read(t.Context(), sql)
				if err != nil {
					t.Fatalf("%s: %v", sql, err)
				}
				shapes, values = append(shapes, rows.Schema().String()), append(values, "")
				for rows.Next() {
					c := rows.Batch().Column(0)
					values[len(values)-1] += c.DataType().String() + " " + c.ValueStr(0)
				}
				if err := rows.Err(); err != nil {
					t.Fatalf("%s: %v", sql, err)
				}
			}
		}
		for i := range shapes {
			if shapes[i] != shapes[3] || values[i] != values[3] {
				t.Errorf("%s: %s with %q, and %s with %q", sql, shapes[i], values[i], shapes[3], values[3])
			}
		}
		if got := d.Schema.String(); got != shapes[3] {
			t.Errorf("%s: described as %s, comes as %s", sql, got, shapes[3])
		}
	}
}
