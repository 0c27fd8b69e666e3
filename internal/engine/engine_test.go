package engine_test

import (
	"os"
	"testing"

	"github.com/weirproject/weir/internal/engine"
)

func TestMain(m *testing.M) {
	engine.Main()
	os.Exit(m.Run())
}

func start(t *testing.T, c engine.Config) *engine.Engine {
	t.Helper()
	e, err := engine.Start(t.Context(), c)
	if err != nil {
		t.Fatalf("start: %v", err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil && !engine.IsGone(err) {
			t.Errorf("close: %v", err)
		}
	})
	return e
}

func TestSmoke(t *testing.T) {
	dir, spill := t.TempDir(), t.TempDir()
	e := start(t, engine.Config{Path: dir + "/a.db", Spill: spill})
	w, err := e.Writer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Exec(t.Context(), "CREATE TABLE t AS SELECT i, uuid() u, i % 2 = 0 b, sum(i) over () s FROM range(100000) r(i)"); err != nil {
		t.Fatal(err, engine.ClassOf(err))
	}
	rows, err := w.Query(t.Context(), "SELECT * FROM t WHERE i > $1", 10)
	if err != nil {
		t.Fatal(err, engine.ClassOf(err))
	}
	t.Log(rows.Schema())
	n := int64(0)
	for rows.Next() {
		n += rows.Batch().NumRows()
	}
	t.Log(n, rows.Err())
	w.Release()
}
