package gate_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weirproject/weir/internal/fault"
	"github.com/weirproject/weir/internal/gate"
	"github.com/weirproject/weir/internal/metric"
	"github.com/weirproject/weir/internal/policy"
)

// limitedTo is a gate over the site under a policy that says this of its roles.
func limitedTo(t *testing.T, o gate.Options, roles string) *gate.Gate {
	t.Helper()
	p, err := policy.Parse([]policy.File{{Name: "roles.yaml", Data: []byte(roles)}})
	check(t, err)
	o.Policy = p
	return gate.New(o)
}

func TestPolicyLimitsWhatARoleMayAsk(t *testing.T) {
	a := newAsking(t)
	o := a.gate.Options()
	g := limitedTo(t, o, "role: analyst\nrows: 3\nat_a_time: 1\n")
	for _, sess := range []*gate.Session{g.Session(gate.Principal{Name: "ann", Role: "owner"}), g.Session(gate.Principal{Name: "ann"})} {
		if sess.Rights() != (gate.Rights{}) {
			t.Errorf("a role that there is not may %+v", sess.Rights())
		}
	}
	ann := gate.Principal{Name: "ann", Address: "local", Role: gate.Analyst}
	s := g.Session(ann)
	rows := func(s *gate.Session, sql string) (int64, error) {
		st, err := s.Prepare(t.Context(), sql)
		check(t, err)
		answer, err := st.Run(t.Context())
		if err != nil {
			return 0, err
		}
		n := int64(0)
		var failed error
		for b, err := range answer.Batches() {
			if failed = err; err != nil {
				break
			}
			n += b.NumRows()
		}
		check(t, answer.Close())
		return n, failed
	}
	if n, err := rows(s, "SELECT * FROM range(3)"); n != 3 || err != nil {
		t.Errorf("as many rows as there may be: %d, %v", n, err)
	}
	if _, err := rows(s, "SELECT * FROM range(4)"); ruleOf(err) != "rows" || !strings.Contains(fault.Public(err).Message, "more than 3 rows") {
		t.Errorf("a row more: %v", err)
	}
	hurried := limitedTo(t, o, "role: analyst\ntime: 1s\n").Session(ann)
	_, err := rows(hurried, "SELECT sum(hash(a.range * b.range * c.range)) FROM range(100000) a, range(100000) b, range(100000) c")
	if fault.KindOf(err) != fault.Refused || !strings.Contains(fault.Public(err).Message, "longer than its limit") {
		t.Errorf("longer than a second: %v", err)
	}
	st, err := s.Prepare(t.Context(), "SELECT 1")
	check(t, err)
	open, err := st.Run(t.Context())
	check(t, err)
	if _, err := st.Run(t.Context()); ruleOf(err) != "concurrency" {
		t.Errorf("a second one at the same time: %v", err)
	}
	check(t, open.Close())
	asked := entries[gate.Asked](t, a.site, "question")
	if got := asked[len(asked)-1].Policy; len(got) != 64 || got == (&policy.Policy{}).Hash() {
		t.Errorf("recorded under the policy %s", got)
	}
	if limitedTo(t, o, "role: viewer\nrows: 5\n").Session(gate.Principal{Role: gate.Analyst}).Rights() != gate.Analyst.Widest() {
		t.Error("limiting one role limits another")
	}
}

func TestPolicyLimitsTheRowsOfAMetric(t *testing.T) {
	s := newSite(t, time.Minute, true)
	ask := func(roles string) (*gate.Answer, error) {
		return limitedTo(t, s.gate.Options(), roles).Session(viewer).Ask(t.Context(), gate.Question{Metric: &metric.Question{Metric: "turnover", By: []string{"size"}}})
	}
	whole, err := ask("role: viewer\nrows: 100\n")
	check(t, err)
	if n := len(whole.Metric.Rows); n < 2 {
		t.Fatalf("%d rows of the metric", n)
	}
	if a, err := ask("role: viewer\nrows: 1\n"); a != nil || ruleOf(err) != "rows" {
		t.Errorf("%v, %v", a, err)
	}
	if !slices.ContainsFunc(entries[gate.Outcome](t, s, "answer"), func(o gate.Outcome) bool { return o.Reason == "rows" }) {
		t.Error("the refusal is not recorded")
	}
}
