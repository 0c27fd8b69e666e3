package node

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/weirproject/weir/internal/decision"
	"github.com/weirproject/weir/internal/fault"
	"github.com/weirproject/weir/internal/gate"
	"github.com/weirproject/weir/internal/ledger"
)

// lastOutcome is how the newest question ended.
func lastOutcome(t *testing.T, n *Node) gate.Outcome {
	t.Helper()
	for e, err := range n.ledger.Find(t.Context(), ledger.Filter{NewestFirst: true, Types: []string{answerEntry}}) {
		if err != nil {
			t.Fatal(err)
		}
		var o gate.Outcome
		raw, _ := e.Body.(json.RawMessage)
		if err := json.Unmarshal(raw, &o); err != nil {
			t.Fatal(err)
		}
		return o
	}
	t.Fatal("no question has ended")
	return gate.Outcome{}
}

func TestAnswerThatIsTooLargeToBeGivenWholeIsRefusedAndRecordedSo(t *testing.T) {
	n := opened(t, t.TempDir())
	for _, c := range []struct {
		name, sql string
		rule      decision.Rule // empty: answered
		rows      int
	}{
		{"as many rows as allowed", "SELECT i FROM range(100000) AS r(i)", "", 100_000},
		{"one row more", "SELECT i FROM range(100001) AS r(i)", "rows", 0},
		{"many small texts", "SELECT repeat('x', 1000) FROM range(60000) AS r(i)", "", 60_000},
		{"too many small texts", "SELECT repeat('x', 1000) FROM range(70000) AS r(i)", "bytes", 0},
		{"large texts", "SELECT repeat('x', 9000) FROM range(8000) AS r(i)", "bytes", 0},
		{"more in lists than their text is long", "SELECT [repeat('x', 5000), 'y'] FROM range(14000) AS r(i)", "bytes", 0},
	} {
		a, err := n.Query(t.Context(), gate.Principal{Name: "ann", Address: "local"}, c.sql)
		o := lastOutcome(t, n)
		if c.rule == "" {
			if err != nil || len(a.Rows) != c.rows || o.Verdict != gate.Answered || o.Reason != "" {
				t.Errorf("%s: %v, recorded %+v", c.name, err, o)
			}
			continue
		}
		var refusal *decision.RefusalError
		if fault.KindOf(err) != fault.Refused || !errors.As(err, &refusal) || refusal.Rule != c.rule || a != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if o.Verdict != gate.Refused || o.Reason != string(c.rule) {
			t.Errorf("%s: recorded %+v", c.name, o)
		}
	}
}
