package decision_test

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/weirproject/weir/internal/decision"
	"github.com/weirproject/weir/internal/engine"
	"github.com/weirproject/weir/internal/fault"
)

// newer is the engine's parser as a version that is not known yet might be: in the at-th object of its trees something is different.
type newer struct {
	*engine.Parser
	at     int
	change func(map[string]any) bool // says whether it changed the object
	seen   int
	done   bool
}

func (n *newer) Serialize(ctx context.Context, sql string) ([]byte, error) {
	raw, err := n.Parser.Serialize(ctx, sql)
	if err != nil {
		return nil, err
	}
	var tree map[string]any
	d := json.NewDecoder(strings.NewReader(string(raw)))
	d.UseNumber()
	if err := d.Decode(&tree); err != nil {
		return nil, err
	}
	n.seen, n.done = 0, false
	n.visit(tree["statements"])
	return json.Marshal(tree)
}

func (n *newer) visit(v any) {
	switch x := v.(type) {
	case map[string]any:
		if n.seen == n.at {
			n.done = n.change(x)
		}
		n.seen++
		keys := []string{}
		for k := range x {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		for _, k := range keys {
			if k != "named_param_map" { // numbers of parameters, which the names in the tree repeat
				n.visit(x[k])
			}
		}
	case []any:
		for _, c := range x {
			n.visit(c)
		}
	}
}

func TestWhatANewerEngineMightSayIsRefused(t *testing.T) {
	p := parser(t)
	changes := map[string]func(map[string]any) bool{
		"a new key": func(x map[string]any) bool { x["weir_new_key"] = json.Number("1"); return true },
		"a new value of type": func(x map[string]any) bool {
			if _, ok := x["type"].(string); !ok {
				return false
			}
			x["type"] = "NEW_THING"
			return true
		},
		"a new class": func(x map[string]any) bool {
			if _, ok := x["class"].(string); !ok {
				return false
			}
			x["class"] = "NEW_THING"
			return true
		},
	}
	for _, sql := range []string{
		`WITH a(x) AS (SELECT DISTINCT ON (id) id FROM fleet.device d) SELECT x, * EXCLUDE (x), a.*, * REPLACE (1 AS x), * RENAME (x AS y) FROM a WHERE x BETWEEN 1 AND 2 AND x IN (1, 2) ORDER BY x LIMIT 3 OFFSET 1`,
		`SELECT sum(id) FILTER (WHERE online), count(*) OVER (PARTITION BY id ORDER BY model ROWS BETWEEN 1 PRECEDING AND CURRENT ROW), CASE WHEN id = 1 THEN 2 ELSE 3 END, id::DECIMAL(10, 2) FROM fleet.device GROUP BY ALL HAVING max(id) > 1 QUALIFY true`,
		`SELECT list_transform(tags, lambda x: x || 'a'), tags[1:2], (SELECT max(id) FROM fleet.home), model COLLATE NOCASE, #1, $1, COLUMNS('id') FROM fleet.device`,
		`SELECT 1 FROM fleet.device a LEFT JOIN fleet.home b USING (id), unnest([1]) u(x), (VALUES (1)) v(y) UNION ALL SELECT 2`,
	} {
		for name, change := range changes {
			n := &newer{Parser: p, change: change}
			d := decision.New(n, literalKey)
			for n.at = -1; n.at < n.seen; n.at++ {
				x, err := d.Decide(t.Context(), decision.Request{SQL: sql, Catalog: catalog(), MaxRows: 10})
				if n.at < 0 && err != nil {
					t.Fatalf("%s: %v (%s)", sql, err, ruleOf(err))
				}
				if n.done && err == nil {
					t.Errorf("%s in object %d: allowed: %s", name, n.at, x.SQL)
				}
			}
			if n.seen < 20 {
				t.Fatalf("%d objects", n.seen)
			}
		}
	}
}

// lying is a parser whose text is not that of the tree it was given.
type lying struct {
	*engine.Parser
	old, new string
}

func (l lying) Regenerate(ctx context.Context, tree []byte) (string, []byte, error) {
	sql, err := l.Deserialize(ctx, tree)
	if err != nil {
		return "", nil, err
	}
	sql = strings.ReplaceAll(sql, l.old, l.new)
	again, err := l.Serialize(ctx, sql)
	return sql, again, err
}

func TestTextThatDoesNotMeanTheTreeDoesNotRun(t *testing.T) {
	p := parser(t)
	for old, changed := range map[string]string{
		"fleet.device": "fleet.canary_token", "SELECT id": "SELECT canary_mac", "LIMIT 11": "", "LIMIT": "LIMIT 1 +", "'x'": "'y'", "> 1": ">= 1", " AS d": " AS e", "system": "vault", "lower": "upper",
		"WHERE": "WHERE NOT", "ORDER BY id": "ORDER BY id DESC",
	} {
		sql := "SELECT lower(model) AS m FROM (SELECT id, model FROM fleet.device AS d WHERE id > 1 AND model <> 'x' ORDER BY id) AS d"
		d := decision.New(lying{p, old, changed}, literalKey)
		x, err := d.Decide(t.Context(), decision.Request{SQL: sql, Catalog: catalog(), MaxRows: 10})
		if err == nil {
			t.Errorf("%q for %q: allowed: %s", changed, old, x.SQL)
		} else if ruleOf(err) != decision.RuleRegenerated {
			t.Errorf("%q for %q: %v", changed, old, err)
		}
	}
	if _, err := decision.New(lying{p, "", ""}, literalKey).Decide(t.Context(), decision.Request{SQL: "SELECT 1", Catalog: catalog()}); err != nil {
		t.Errorf("the truth: %v", err)
	}
}

// slow has only what the interface asks for.
type slow struct{ p *engine.Parser }

func (s slow) Serialize(ctx context.Context, sql string) ([]byte, error) {
	return s.p.Serialize(ctx, sql)
}

func (s slow) Deserialize(ctx context.Context, tree []byte) (string, error) {
	return s.p.Deserialize(ctx, tree)
}

func TestAParserInTwoStepsDecidesTheSame(t *testing.T) {
	p := parser(t)
	for _, sql := range lines(t, "allowed.sql")[:60] {
		a, aerr := decision.New(p, literalKey).Decide(t.Context(), decision.Request{SQL: sql, Catalog: catalog(), MaxRows: 10})
		b, berr := decision.New(slow{p}, literalKey).Decide(t.Context(), decision.Request{SQL: sql, Catalog: catalog(), MaxRows: 10})
		if aerr != nil || berr != nil || a.SQL != b.SQL || a.Shape != b.Shape {
			t.Errorf("%s: %v %v", sql, aerr, berr)
		}
	}
}

func TestAParserThatIsGoneDecidesNothing(t *testing.T) {
	e := must(t, false, false)
	d := decision.New(engine.NewParser(e), literalKey)
	e.Kill()
	x, err := d.Decide(t.Context(), decision.Request{SQL: "SELECT 1", Catalog: catalog()})
	if err == nil || fault.KindOf(err) != fault.Unavailable {
		t.Errorf("%v, %v", x, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if x, err := decider(t).Decide(ctx, decision.Request{SQL: "SELECT 1", Catalog: catalog()}); err == nil {
		t.Errorf("%v", x)
	}
}
