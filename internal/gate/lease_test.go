package gate_test

import (
	"context"
	"iter"
	"strings"
	"testing"
	"time"

	"github.com/weirproject/weir/internal/fault"
	"github.com/weirproject/weir/internal/gate"
)

const long = "SELECT * FROM range(5000000) AS r(i)"

// halfRead asks a long question and reads its first batch; rest is the next step.
func (a *asking) halfRead(ctx context.Context, t *testing.T, name string) (rest func() error) {
	t.Helper()
	st, err := a.gate.Session(gate.Principal{Name: name, Address: "local", Role: gate.Analyst}).Prepare(ctx, long)
	check(t, err)
	answer, err := st.Run(ctx)
	check(t, err)
	t.Cleanup(func() { _ = answer.Close() })
	next, stop := iter.Pull2(answer.Batches())
	t.Cleanup(stop)
	if _, err, ok := next(); err != nil || !ok {
		t.Fatalf("the first batch: %v, %v", err, ok)
	}
	return func() error {
		_, err, _ := next()
		return err
	}
}

func TestAnswersLeftHalfReadGiveTheStoreBackWhenTheirTimeIsOver(t *testing.T) {
	a := newAsking(t)
	ctx, cancel := context.WithCancel(t.Context())
	var rests []func() error
	for _, name := range []string{"ann", "bea"} {
		for range gate.Analyst.Widest().Concurrent {
			rests = append(rests, a.halfRead(ctx, t, name))
		}
	}
	cancel()
	others, stop := context.WithTimeout(t.Context(), 2*time.Minute)
	defer stop()
	st, err := a.gate.Session(analyst).Prepare(others, "SELECT count(*) FROM shop.sale")
	check(t, err)
	answer, err := st.Run(others)
	check(t, err)
	for _, err := range answer.Batches() {
		check(t, err)
	}
	check(t, answer.Close())
	for _, rest := range rests {
		if err := rest(); err == nil || strings.Contains(err.Error(), "context") {
			t.Errorf("what was left: %v", err)
		}
	}
}

func TestQuestionBeyondTheLimitAtATimeIsRecordedAsRefused(t *testing.T) {
	a := newAsking(t)
	for range gate.Analyst.Widest().Concurrent {
		a.halfRead(t.Context(), t, "ann")
	}
	err := a.run(t, gate.Principal{Name: "ann", Address: "local", Role: gate.Analyst}, "SELECT 1")
	if ruleOf(err) != "concurrency" {
		t.Fatalf("one more: %v", err)
	}
	found := false
	for _, q := range entries[gate.Asked](t, a.site, "question") {
		found = found || q.Rule == "concurrency" && q.Shape != ""
	}
	outcomes := entries[gate.Outcome](t, a.site, "answer")
	if !found || len(outcomes) != 1 || outcomes[0].Verdict != gate.Refused {
		t.Errorf("recorded: %v, %+v", found, outcomes)
	}
}

func TestWhatIsRefusedElsewhereIsRecordedBeforeItIsTold(t *testing.T) {
	a := newAsking(t)
	no := fault.New(fault.Refused, "no", "ask for something else")
	s := a.gate.Session(analyst)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()                                                          // whoever asked is gone
	if err := s.Refuse(ctx, "sql", "protocol 25006", no); err != no { //nolint:errorlint // this very one
		t.Errorf("%v", err)
	}
	failed, err := s.Lookup(t.Context(), "catalogue")
	check(t, err)
	if err := failed("catalogue 42704", no); err != no { //nolint:errorlint // this very one
		t.Errorf("%v", err)
	}
	asked, outcomes := entries[gate.Asked](t, a.site, "question"), entries[gate.Outcome](t, a.site, "answer")
	if len(asked) != 2 || len(outcomes) != 2 || asked[0].Rule != "protocol 25006" || asked[1].Kind != "catalogue" || outcomes[0].Verdict != gate.Refused || outcomes[1].Reason != "catalogue 42704" {
		t.Errorf("recorded %+v, %+v", asked, outcomes)
	}
	a.ledger.failAt = a.ledger.count + 1
	if err := s.Refuse(t.Context(), "sql", "protocol 25006", no); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("what could not be recorded: %v", err)
	}
}
