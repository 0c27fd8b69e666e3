package engine_test

import (
	"fmt"
	"testing"

	"github.com/weirproject/weir/internal/engine"
	"github.com/weirproject/weir/internal/fault"
)

// hungry are statements that would take more memory than an engine of 64 MiB may have, each in another way: the database counts some of it and some not.
var hungry = map[string]string{
	"values made on the way": "SELECT sum(length(replace(repeat('x', 10000) || i, 'x', repeat('y', 1000)))) FROM range(400) r(i)",
	"a text that doubles":    "SELECT length(a || a || a || a) FROM (SELECT a || a || a || a || a || a || a || a a FROM (SELECT repeat(repeat('x', 10000), 8000) || i a FROM range(4) r(i)))",
	"an aggregate's text":    "SELECT length(string_agg(repeat('x', 10000), '')) FROM range(1000) a, range(1000) b",
	"an aggregate's list":    "SELECT length(list(repeat('x', 10000) || a.range || b.range)) FROM range(1000) a, range(1000) b",
	"a list of texts":        "SELECT count(*) FROM (SELECT list_transform(range(100000), lambda x: repeat('x', 10000)) l FROM range(100)) WHERE length(l) > 5",
}

func TestAStatementThatWantsTooMuchMemoryFailsAlone(t *testing.T) {
	dir, spill := folders(t)
	e := start(t, engine.Config{Path: dir + "/a.db", Spill: spill, MemoryBytes: 64 << 20, Readers: 2, Threads: 2})
	w := writer(t, e)
	do(t, w, "CREATE TABLE t AS SELECT range i, md5(range::VARCHAR) a FROM range(300000)")
	do(t, w, "CHECKPOINT")
	for name, sql := range hungry {
		t.Run(name, func(t *testing.T) {
			r, err := e.Reader(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer r.Release()
			if got, err := ask(t.Context(), r, sql); engine.ClassOf(err) != engine.ClassMemory {
				t.Errorf("answered %.20q and %v, want a lack of memory", got, err)
			}
			if got := one(t, w, "SELECT count(DISTINCT a) FROM t"); got != "300000" {
				t.Errorf("afterwards %s rows", got)
			}
		})
	}
}

func TestAStatementThatHoldsMostOfTheMemoryMakesRoomForTheWriter(t *testing.T) {
	dir, spill := folders(t)
	e := start(t, engine.Config{Path: dir + "/a.db", Spill: spill, MemoryBytes: 256 << 20, Readers: 1, Threads: 2})
	r, err := e.Reader(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Release()
	// It would hold 190 MB for the rest of the test's time, and ask for no more.
	const held = "SELECT count(*) FROM (SELECT list(repeat('x', 1000) || i) l FROM range(190000) r(i)) a, range(1000000000) b, range(1000000000) c WHERE length(l) + b.range + c.range < 0"
	if _, err := ask(t.Context(), r, held); engine.ClassOf(err) != engine.ClassMemory {
		t.Errorf("ended with %v, want a lack of memory", err)
	}
}

func TestWhatFollowsAFailureInATransactionCanBeTriedAgain(t *testing.T) {
	w := writer(t, start(t, engine.Config{Threads: 1}))
	defer w.Release()
	do(t, w, "BEGIN")
	if _, err := w.Exec(t.Context(), "SELECT * FROM nothing"); engine.ClassOf(err) != engine.ClassCatalog {
		t.Fatalf("got %v", err)
	}
	if _, err := w.Exec(t.Context(), "BEGIN"); engine.ClassOf(err) != engine.ClassTransaction || fault.KindOf(err) != fault.Unavailable {
		t.Errorf("got %v of kind %v", err, fault.KindOf(err))
	}
	do(t, w, "ROLLBACK")
}

func TestARowThatIsTooWideIsRefusedAndARowBesideItIsNot(t *testing.T) {
	e := start(t, engine.Config{Threads: 1})
	r, err := e.Reader(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Release()
	// 20 MB in one row of many, and 36 MB.
	const sql = "SELECT i, [CASE WHEN i = 700 THEN repeat(repeat('x', 1000), %d) ELSE 'short' END] AS wide FROM range(2000) AS r(i)"
	read := func(thousands int) (rows int64, err error) {
		answer, err := r.Read(t.Context(), fmt.Sprintf(sql, thousands))
		if err != nil {
			return 0, err
		}
		for answer.Next() {
			rows += answer.Batch().NumRows()
		}
		return rows, answer.Err()
	}
	if rows, err := read(20_000); err != nil || rows != 2000 {
		t.Errorf("%d rows and %v, want all 2000", rows, err)
	}
	if _, err := read(36_000); engine.ClassOf(err) != engine.ClassWidth {
		t.Errorf("got %v, want that the row is too wide", err)
	}
	if rows, err := read(1); err != nil || rows != 2000 {
		t.Errorf("afterwards %d rows and %v", rows, err)
	}
}
