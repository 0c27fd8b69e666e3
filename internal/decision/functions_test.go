package decision_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/weirproject/weir/internal/decision"
	"github.com/weirproject/weir/internal/engine"
)

// TestEveryAllowedFunctionAnswers runs one statement for each function of the list: it must be allowed, call the function, and give the value in the file.
func TestEveryAllowedFunctionAnswers(t *testing.T) {
	d, e := decider(t), must(t, true, false)
	missing := map[string]bool{}
	for _, g := range decision.Functions() {
		for _, name := range g.Names {
			missing[name] = true
		}
	}
	for _, l := range lines(t, "functions.tsv") {
		f := strings.Split(l, "\t")
		if len(f) != 3 {
			t.Errorf("line %q", l)
			continue
		}
		name, sql, want := f[0], f[1], f[2]
		if !missing[name] {
			t.Errorf("%s is not on the list, or is there twice", name)
		}
		delete(missing, name)
		x, err := d.Decide(t.Context(), decision.Request{SQL: sql, Catalog: catalog(), MaxRows: 10})
		if err != nil {
			t.Errorf("%s: %s: %v (%s)", name, sql, err, ruleOf(err))
			continue
		}
		if !strings.Contains(strings.ToLower(x.SQL), name) {
			t.Errorf("%s is not called by %s", name, x.SQL)
		}
		_, rows, err := answer(t.Context(), e, x.SQL)
		if err != nil {
			t.Errorf("%s: %s: %v (%v)", name, x.SQL, err, engine.ClassOf(err))
			continue
		}
		if got := strings.ReplaceAll(strings.Join(rows, " / "), "\n", `\n`); got != want {
			t.Errorf("%s: %s: %s, want %s", name, sql, got, want)
		}
	}
	for name := range missing {
		t.Errorf("%s has no case", name)
	}
}

// TestTheEngineHasEveryAllowedFunctionAndNoneOfOurs holds the list against the engine: nothing on it may be unknown there, and nothing in the engine may be made by users.
func TestTheEngineHasEveryAllowedFunctionAndNoneOfOurs(t *testing.T) {
	_, rows, err := answer(t.Context(), must(t, false, false), "SELECT DISTINCT lower(function_name) FROM duckdb_functions() WHERE internal AND database_name = 'system' AND schema_name = 'main'")
	if err != nil {
		t.Fatal(err)
	}
	window := []string{"rank_dense", "unnest"} // the engine knows them without listing them
	for _, g := range decision.Functions() {
		for _, name := range g.Names {
			if !slices.Contains(rows, name) && !slices.Contains(window, name) {
				t.Errorf("%s is no function of the engine", name)
			}
		}
	}
	if len(rows) < 500 {
		t.Errorf("the engine lists %d functions", len(rows))
	}
}

func TestTheDocumentationListsWhatIsAllowed(t *testing.T) {
	const page = "../../docs/sql.md"
	want := decision.Documentation()
	if os.Getenv("WEIR_WRITE_DOCS") != "" {
		if err := os.WriteFile(page, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Error("docs/sql.md is not what the lists say; run this test with WEIR_WRITE_DOCS=1")
	}
}
