package duckdb_test

import (
	"os"
	"testing"

	"github.com/weirproject/weir/internal/engine"
	"github.com/weirproject/weir/internal/store"
	"github.com/weirproject/weir/internal/store/duckdb"
	"github.com/weirproject/weir/internal/store/storetest"
)

func TestMain(m *testing.M) {
	engine.Main()
	os.Exit(m.Run())
}

func open(t testing.TB, dir string) store.Store {
	t.Helper()
	s, err := duckdb.Open(t.Context(), duckdb.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestConformance(t *testing.T) { storetest.Run(t, open) }
