package sourcetest

import (
	"errors"
	"slices"
	"testing"

	"github.com/weirproject/weir/internal/source"
	"github.com/weirproject/weir/internal/treatment"
)

func testSchema(t *testing.T, b *bench) {
	b.tables(t)
	s, err := b.source.Schema(t.Context())
	if err != nil {
		t.Fatal(Explain(err))
	}
	item, other := s.Table(b.name("item")), s.Table(b.name("other"))
	if s.Identity == "" || item == nil || other == nil {
		t.Fatal("identity or tables are missing")
	}
	if !slices.Equal(item.Key, []string{"id"}) || !slices.Equal(other.Key, []string{"b", "a"}) {
		t.Error("keys are", item.Key, other.Key)
	}
	var names []string
	for _, c := range item.Columns {
		names = append(names, c.Name)
	}
	if !slices.Equal(names, []string{"id", "name", "secret", "count"}) {
		t.Error("columns are", names)
	}
	if item.Columns[0].Type.Kind != treatment.Int64 || item.Columns[1].Type.Kind != treatment.Text || item.Columns[3].Type.Kind != treatment.Int32 {
		t.Error("types are", item.Columns)
	}
	if !item.Columns[0].NotNull || item.Columns[1].NotNull {
		t.Error("not null is", item.Columns)
	}
}

func testScript(t *testing.T, b *bench) {
	b.tables(t)
	sel := Select(t, b.source, map[string][]string{b.name("item"): {"id", "count"}})
	if !stops(t, b.source, sel) {
		t.Error("check says that nothing is missing before the script has run")
	}
	Prepare(t, b.source, sel)
	script, err := b.source.Script(t.Context(), sel)
	if err != nil || script != "" {
		t.Error("the script is not empty after it has run:", script, err)
	}
	if stops(t, b.source, sel) {
		t.Error("check stops after the script has run")
	}
	wider := Select(t, b.source, map[string][]string{b.name("item"): {"id", "name", "count"}, b.name("other"): nil})
	if script, err := b.source.Script(t.Context(), wider); err != nil || script == "" {
		t.Error("another selection needs no script", err)
	}
	Prepare(t, b.source, wider)
	if stops(t, b.source, wider) {
		t.Error("check stops after the second script")
	}
	if !stops(t, b.source, sel) {
		t.Error("check accepts that more is published than was selected")
	}
}

func stops(t testing.TB, s source.Source, sel source.Selection) bool {
	t.Helper()
	found, err := s.Check(t.Context(), sel)
	if err != nil {
		t.Fatal("check:", Explain(err))
	}
	for _, f := range found {
		if f.Severity == source.Stop && f.Fix == "" {
			t.Error("a finding that stops says no fix:", f.Code)
		}
	}
	return slices.ContainsFunc(found, func(f source.Finding) bool { return f.Severity == source.Stop })
}

func testStart(t *testing.T, b *bench) {
	first := b.ready(t)
	again, made, err := b.source.Start(t.Context())
	if err != nil || made || again != first {
		t.Error("the second start gives", again, made, Explain(err), "want", first)
	}
	if other := b.Open(t); other != nil {
		if again, made, err := other.Start(t.Context()); err != nil || made || again != first {
			t.Error("the start of another session gives", again, made, Explain(err), "want", first)
		}
	}
}

func testRelease(t *testing.T, b *bench) {
	from := b.ready(t)
	for range 2 {
		script, err := b.source.ReleaseScript(t.Context())
		if err != nil {
			t.Fatal(Explain(err))
		}
		if err := b.source.Execute(t.Context(), script); err != nil {
			t.Fatal(Explain(err))
		}
	}
	if err := Follow(t, b.source, b.sel, from, NewMirror(t, b.sel)).Wait(t); !errors.Is(err, source.ErrGone) {
		t.Error("read returned", Explain(err))
	}
	Prepare(t, b.source, b.sel)
	if _, made, err := b.source.Start(t.Context()); err != nil || !made {
		t.Error("start after release gives", made, Explain(err))
	}
}
