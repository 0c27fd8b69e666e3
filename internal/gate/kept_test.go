package gate_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirproject/weir/internal/decision"
	"github.com/weirproject/weir/internal/engine"
	"github.com/weirproject/weir/internal/gate"
	"github.com/weirproject/weir/internal/policy"
	"github.com/weirproject/weir/internal/store"
	"github.com/weirproject/weir/internal/treatment"
)

// deciding counts what is decided.
type deciding struct {
	gate.Decider
	n    atomic.Int64
	hold func() // nil: nothing is held up
}

func (d *deciding) Decide(ctx context.Context, r decision.Request) (*decision.Decision, error) {
	if d.n.Add(1); d.hold != nil {
		d.hold()
	}
	return d.Decider.Decide(ctx, r)
}

// asking is a site whose gate answers SQL over shop.sale as the store's own catalogue has it, and over what the test makes of that.
type asking struct {
	*site
	decider *deciding
	visible atomic.Pointer[decision.Catalog]
}

func newAsking(t *testing.T) *asking {
	t.Helper()
	a := &asking{site: newSite(t, time.Minute, false)}
	e, err := engine.Start(t.Context(), engine.Config{Threads: 1})
	check(t, err)
	t.Cleanup(func() { _ = e.Close() })
	a.decider = &deciding{Decider: decision.New(engine.NewParser(e), make([]byte, 32))}
	a.hold(t, "1", "sale_id", "amount")
	a.gate = gate.New(gate.Options{
		Store: a.store, Ledger: a.ledger, Timeout: time.Minute, Decider: a.decider,
		Catalog: func(context.Context) (*decision.Catalog, error) { return a.visible.Load(), nil },
	})
	return a
}

// hold makes the store's table, empty, with these columns, and shows them.
func (a *asking) hold(t *testing.T, hash string, columns ...string) {
	t.Helper()
	schema := saleSchema(t, columns)
	table := store.Table{Name: "shop.sale", Hash: hash, Schema: schema.Schema()}
	for range columns {
		table.Columns = append(table.Columns, store.Placement{Access: []store.Access{store.SQL}})
	}
	check(t, a.store.Prepare(t.Context(), store.Layout{Identity: "shop", Tables: []store.Table{table}}))
	a.visible.Store(showing(columns...))
}

func saleSchema(t *testing.T, columns []string) *treatment.Plan {
	t.Helper()
	layout, table := &treatment.Layout{Table: "shop.sale", Key: []int{0}}, keepAll(columns)
	for _, c := range columns {
		layout.Columns = append(layout.Columns, treatment.Column{Name: c, Type: treatment.Type{Kind: treatment.Int64}})
	}
	keys, err := treatment.NewKeys(make([]byte, treatment.MasterKeySize))
	check(t, err)
	plan, err := treatment.Compile(table, layout, keys)
	check(t, err)
	return plan
}

func showing(columns ...string) *decision.Catalog {
	t := decision.Table{Schema: "shop", Name: "sale"}
	for _, c := range columns {
		t.Columns = append(t.Columns, decision.Column{Name: c, Type: "BIGINT"})
	}
	return &decision.Catalog{Tables: []decision.Table{t}}
}

var analyst = gate.Principal{Name: "bo", Address: "local", Role: gate.Analyst}

// run prepares and answers a statement.
func (a *asking) run(t *testing.T, p gate.Principal, sql string) error {
	t.Helper()
	st, err := a.gate.Session(p).Prepare(t.Context(), sql)
	if err != nil {
		return err
	}
	answer, err := st.Run(t.Context())
	if err != nil {
		return err
	}
	for _, err := range answer.Batches() {
		check(t, err)
	}
	return answer.Close()
}

func ruleOf(err error) decision.Rule {
	var r *decision.RefusalError
	if errors.As(err, &r) {
		return r.Rule
	}
	return ""
}

const sums = "SELECT sum(amount) FROM shop.sale"

func TestTheSameStatementIsDecidedOnceAndRecordedEachTime(t *testing.T) {
	a := newAsking(t)
	for range 3 {
		check(t, a.run(t, analyst, sums))
	}
	if n := a.decider.n.Load(); n != 1 {
		t.Errorf("decided %d times", n)
	}
	asked, answered := entries[gate.Asked](t, a.site, "question"), entries[gate.Outcome](t, a.site, "answer")
	if len(asked) != 3 || len(answered) != 3 {
		t.Fatalf("%d questions and %d answers recorded", len(asked), len(answered))
	}
	for i, q := range asked {
		if q.Shape == "" || len(q.Columns) != 1 || !slices.Equal(q.Columns[0].Columns, []string{"amount"}) || answered[i].Verdict != gate.Answered {
			t.Errorf("recorded %+v, %+v", q, answered[i])
		}
	}
}

func TestATightenedCatalogueIsNotAnsweredFromWhatWasDecidedBefore(t *testing.T) {
	a := newAsking(t)
	check(t, a.run(t, analyst, sums))
	// What may be seen shrinks; what the store holds is still the same, so that only the decision stands in between.
	wide := a.visible.Load()
	a.visible.Store(showing("sale_id"))
	for range 2 {
		if err := a.run(t, analyst, sums); ruleOf(err) != decision.RuleColumn {
			t.Errorf("a column that may not be seen any more: %v", err)
		}
	}
	a.visible.Store(&decision.Catalog{})
	if err := a.run(t, analyst, sums); ruleOf(err) != decision.RuleTable {
		t.Errorf("a table that may not be seen any more: %v", err)
	}
	a.visible.Store(wide)
	check(t, a.run(t, analyst, sums))
	refused := 0
	for _, o := range entries[gate.Outcome](t, a.site, "answer") {
		if o.Verdict == gate.Refused {
			refused++
		}
	}
	if refused != 3 {
		t.Errorf("%d refusals recorded", refused)
	}
}

func TestAColumnThatAppearsOrDisappearsIsSeenByTheNextStatement(t *testing.T) {
	a := newAsking(t)
	const star, added = "SELECT * FROM shop.sale", "SELECT tax FROM shop.sale"
	shape := func() string {
		st, err := a.gate.Session(analyst).Prepare(t.Context(), star)
		check(t, err)
		var names []string
		for _, f := range st.Schema().Fields() {
			names = append(names, f.Name)
		}
		return strings.Join(names, " ")
	}
	if got := shape(); got != "sale_id amount" {
		t.Errorf("columns %s", got)
	}
	if err := a.run(t, analyst, added); ruleOf(err) != decision.RuleColumn {
		t.Errorf("a column that is not there yet: %v", err)
	}
	a.hold(t, "2", "sale_id", "amount", "tax")
	if got := shape(); got != "sale_id amount tax" {
		t.Errorf("columns %s", got)
	}
	check(t, a.run(t, analyst, added))
	a.hold(t, "3", "sale_id", "amount")
	if got := shape(); got != "sale_id amount" {
		t.Errorf("columns %s", got)
	}
	if err := a.run(t, analyst, added); ruleOf(err) != decision.RuleColumn {
		t.Errorf("a column that is gone: %v", err)
	}
}

func TestWhatWasDecidedForOneIsNotUsedForAnother(t *testing.T) {
	a := newAsking(t)
	check(t, a.run(t, analyst, sums))
	other := analyst
	other.Name = "cleo"
	check(t, a.run(t, other, sums))
	if n := a.decider.n.Load(); n != 2 {
		t.Errorf("decided %d times for two people", n)
	}
	for _, role := range []gate.Role{gate.Viewer, gate.Admin, "unknown"} {
		p := analyst
		p.Role = role
		if err := a.run(t, p, sums); ruleOf(err) != "role" {
			t.Errorf("%s: %v", role, err)
		}
	}
	check(t, a.run(t, analyst, sums+" ")) // another text
	if n := a.decider.n.Load(); n != 3 {
		t.Errorf("decided %d times", n)
	}
}

func keepAll(columns []string) *policy.Table {
	p := &policy.Table{Name: "shop.sale", Access: policy.AccessSQL}
	for _, c := range columns {
		p.Columns = append(p.Columns, policy.Column{Name: c, Treat: policy.Keep})
	}
	return p
}
