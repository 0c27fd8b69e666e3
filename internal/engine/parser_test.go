//go:build linux

package engine_test

import (
	"strings"
	"testing"

	"github.com/weirproject/weir/internal/engine"
)

func TestTheParserTurnsTextIntoATreeAndBack(t *testing.T) {
	p := engine.NewParser(start(t, engine.Config{}))
	tree, err := p.Serialize(t.Context(), "select 1 as x, 'é' from fleet.device")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(tree), `"table_name":"device"`) {
		t.Errorf("tree %s", tree)
	}
	const want = "SELECT 1 AS x, 'é' FROM fleet.device"
	if text, err := p.Deserialize(t.Context(), tree); err != nil || text != want {
		t.Errorf("text %q, error %v", text, err)
	}
	text, again, err := p.Regenerate(t.Context(), tree)
	if err != nil || text != want || !strings.Contains(string(again), `"table_name":"device"`) {
		t.Errorf("text %q, tree %s, error %v", text, again, err)
	}
}

func TestTheParserSaysInTheTreeThatATextIsNoSelect(t *testing.T) {
	p := engine.NewParser(start(t, engine.Config{}))
	for _, sql := range []string{"DROP TABLE t", "SELECT FROM", "COPY t TO 'x'", "ATTACH 'x'"} {
		if tree, err := p.Serialize(t.Context(), sql); err != nil || !strings.Contains(string(tree), `"error":true`) {
			t.Errorf("%s: tree %s, error %v", sql, tree, err)
		}
	}
}

func TestATreeThatIsNoneIsAnErrorWithoutTheEnginesText(t *testing.T) {
	p := engine.NewParser(start(t, engine.Config{}))
	for _, tree := range []string{"", "{}", "[1", `{"error":false,"statements":[{"node":{"type":"secret"}}]}`} {
		if text, err := p.Deserialize(t.Context(), []byte(tree)); err == nil {
			t.Errorf("%s: text %q", tree, text)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the error quotes it: %v", tree, err)
		}
	}
	if _, err := p.Serialize(t.Context(), "SELECT 1"); err != nil {
		t.Errorf("after them: %v", err)
	}
}

// What the two rounds of a decision cost. Regenerating should take about as long as serialising twice: when it takes several times as long, DuckDB plans the statement anew each time.
func BenchmarkParser(b *testing.B) {
	p := engine.NewParser(start(b, engine.Config{Threads: 1}))
	const sql = "SELECT family, count(*) AS models FROM fleet.product_model WHERE model_id >= 0 GROUP BY family"
	tree, err := p.Serialize(b.Context(), sql)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("serialize", func(b *testing.B) {
		for b.Loop() {
			if _, err := p.Serialize(b.Context(), sql); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("regenerate", func(b *testing.B) {
		for b.Loop() {
			if _, _, err := p.Regenerate(b.Context(), tree); err != nil {
				b.Fatal(err)
			}
		}
	})
}
