//go:build linux

package engine_test

import (
	"testing"

	"github.com/weirproject/weir/internal/engine"
)

// mistakes are statements in which DuckDB 1.5.5 finds that it has made a mistake, when it plans them. It says so and goes on; the engine must, too.
var mistakes = []string{
	"SELECT list_zip(array_concat()) FROM t", "SELECT list_zip(add())", "SELECT unnest([1], median(2)) FROM t",
	"SELECT unnest(current_date(), hash(any_value('Europe/Berlin'), '%s')) FROM t", "SELECT mode('a', element_at(array_cat(), '-infinity'::TIMESTAMP) ORDER BY [NULL]) FROM t",
}

func TestAMistakeOfTheDatabaseEndsAQuestionAndNotTheEngine(t *testing.T) {
	dir, _ := folders(t)
	e := start(t, engine.Config{Path: dir + "/a.db", Threads: 1, Readers: 1})
	w := writer(t, e)
	do(t, w, "CREATE TABLE t AS SELECT range i FROM range(1000)")
	r, err := e.Reader(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Release()
	for _, sql := range mistakes {
		if _, err := r.Describe(t.Context(), sql); engine.ClassOf(err) != engine.ClassInternal {
			t.Errorf("%s is described with %v; if it is well now, put another in its place", sql, err)
		}
		rows, err := r.Read(t.Context(), sql)
		if err == nil {
			for rows.Next() {
			}
			err = rows.Err()
		}
		if engine.ClassOf(err) != engine.ClassInternal {
			t.Errorf("%s is answered with %v", sql, err)
		}
		do(t, w, "INSERT INTO t VALUES (-1)")
	}
	if got := one(t, w, "SELECT count(*) FROM t"); got != "1005" {
		t.Errorf("afterwards %s rows", got)
	}
	// Nobody knows what a statement that writes has done by then.
	if _, err := w.Exec(t.Context(), "INSERT INTO t "+mistakes[0]); !engine.IsGone(err) {
		t.Errorf("after a mistake while writing: %v, want a fresh engine", err)
	}
}
