package storetest

import (
	"math/rand/v2"
	"testing"

	"github.com/weirproject/weir/internal/fault"
	"github.com/weirproject/weir/internal/policy"
	"github.com/weirproject/weir/internal/store"
	"github.com/weirproject/weir/internal/treatment"
)

// company is three tables and a fact that reads all of them.
type company struct {
	device, attempt, account *tbl
	fact                     store.Fact
	tables                   []*tbl
}

const factSelect = `SELECT t.device_id, d.model, c.country, count(*) AS n, sum(t.ms) AS ms, max(t.outcome) AS worst
FROM t LEFT JOIN d ON d.id = t.device_id LEFT JOIN c ON c.id = d.owner GROUP BY ALL -- the end
`

// reference is the fact, asked of the tables themselves.
const reference = `SELECT t.device_id, d.model, c.country, count(*) AS n, sum(t.ms) AS ms, max(t.outcome) AS worst
FROM s.attempt t LEFT JOIN s.device d ON d.id = t.device_id LEFT JOIN s.account c ON c.id = d.owner GROUP BY ALL`

func newCompany(t testing.TB) company {
	t.Helper()
	c := company{
		device: newTable(t, "s.device", col{"id", whole, policy.Keep, inBoth}, col{"owner", whole, policy.Keep, inMetrics},
			col{"model", words, policy.Keep, inBoth}, col{"seen", whole, policy.Keep, inSQL}),
		attempt: newTable(t, "s.attempt", col{"id", whole, policy.Keep, inBoth}, col{"device_id", whole, policy.Keep, inMetrics},
			col{"outcome", words, policy.Keep, inMetrics}, col{"ms", whole, policy.Keep, inMetrics}),
		account: newTable(t, "s.account", col{"id", whole, policy.Keep, inMetrics}, col{"country", words, policy.Keep, inMetrics}),
	}
	c.tables = []*tbl{c.device, c.attempt, c.account}
	c.fact = store.Fact{
		Name: "metric.outcome", Hash: "1", Key: "device_id", Select: factSelect,
		Inputs: []store.Input{
			{Alias: "t", Table: "s.attempt", Columns: []string{"device_id", "outcome", "ms"}, Keys: "SELECT device_id FROM changed", Driving: true, KeyColumn: "device_id"},
			{Alias: "d", Table: "s.device", Columns: []string{"id", "owner", "model"}, Keys: "SELECT id FROM changed"},
			{Alias: "c", Table: "s.account", Columns: []string{"id", "country"}, Keys: "SELECT d.id FROM changed JOIN d ON d.owner = changed.id;"},
		},
	}
	return c
}

func (c company) copied(t testing.TB, s store.Store, tables ...*tbl) {
	t.Helper()
	tx, err := s.Begin(t.Context())
	must(t, err)
	defer tx.Rollback()
	for _, x := range tables {
		must(t, tx.Copied(t.Context(), x.st.Name, mark(1).Position))
	}
	must(t, tx.Commit(t.Context(), treatment.Mark{}))
}

func (c company) check(t testing.TB, s store.Store, m treatment.Mark) {
	t.Helper()
	must(t, s.Refresh(t.Context()))
	got := query(t, s, store.Metrics, `SELECT * FROM metric.outcome`)
	wantRows(t, got, query(t, s, store.Metrics, reference))
	st := state(t, s).Facts["metric.outcome"]
	if st.Hash != c.fact.Hash || st.Mark != m || st.Rows != int64(len(got)) {
		t.Errorf("state %+v, want mark %v and %d rows", st, m, len(got))
	}
}

func factsAreDerived(t *testing.T, open Open) {
	dir := t.TempDir()
	s := opened(t, open, dir)
	c := newCompany(t)
	missing := c.fact
	missing.Name, missing.Inputs = "metric.missing", []store.Input{{Alias: "x", Table: "s.nowhere", Columns: []string{"id"}}}
	secret := c.fact // asks for a column that the Metrics file does not keep
	secret.Name, secret.Inputs = "metric.secret", []store.Input{{Alias: "d", Table: "s.device", Columns: []string{"seen"}}}
	facts := []store.Fact{c.fact, missing, secret}
	prepare(t, s, facts, c.tables...)
	if st := state(t, s); len(st.Facts) != 1 {
		t.Errorf("facts %v", st.Facts)
	}
	write(t, s, mark(2), c.device.batch(t, ins(1, 1, "cam", 5), ins(2, 2, nil, 5)), c.account.batch(t, ins(1, "de")),
		c.attempt.batch(t, ins(1, 1, "ok", 10), ins(2, 1, "no", 20), ins(3, 2, "ok", 5), ins(4, nil, "ok", 1), ins(5, 77, nil, nil)))
	must(t, s.Refresh(t.Context()))
	if st := state(t, s).Facts["metric.outcome"]; st.Rows != 0 || st.Mark.Position != "" {
		t.Errorf("derived from tables that are not complete: %+v", st)
	}
	c.copied(t, s, c.tables...)
	c.check(t, s, mark(2))
	// A NULL key is a key like any other; so are a moved row, a removed one, and one that comes back.
	write(t, s, mark(3), c.attempt.batch(t, ins(6, nil, "no", 2), c.attempt.del(3)), c.device.batch(t, upd(1, 2, same{}, 6)))
	c.check(t, s, mark(3))
	// A new definition derives it anew; the same one keeps it over a restart.
	must(t, s.Close())
	s = opened(t, open, dir)
	prepare(t, s, facts, c.tables...)
	if st := state(t, s).Facts["metric.outcome"]; st.Mark != mark(3) || st.Rows == 0 {
		t.Errorf("after a restart %+v", st)
	}
	facts[0].Hash = "2"
	c.fact.Hash = "2"
	prepare(t, s, facts, c.tables...)
	if st := state(t, s).Facts["metric.outcome"]; st.Rows != 0 || st.Mark.Position != "" {
		t.Errorf("after a new definition %+v", st)
	}
	c.check(t, s, mark(3))
	// An emptied input.
	b, err := c.attempt.plan.TreatTruncated(c.attempt.raw(t, []change{ins(9, 1, "ok", 3)}))
	must(t, err)
	write(t, s, mark(4), b)
	c.check(t, s, mark(4))
	must(t, s.Erase(t.Context(), "s.attempt", rowKeys(t, c.attempt, 9)))
	wantRows(t, query(t, s, store.Metrics, "SELECT * FROM metric.outcome"), nil)
	broken := c.fact
	broken.Name, broken.Select = "metric.broken", "SELECT nocolumn FROM t"
	l := store.Layout{Identity: identity, Facts: []store.Fact{broken}}
	for _, x := range c.tables {
		l.Tables = append(l.Tables, x.st)
	}
	if err := s.Prepare(t.Context(), l); fault.KindOf(err) != fault.Invalid {
		t.Errorf("a broken definition: %v", err)
	}
}

// followedFactsEqualDerived is the property: whatever happens to the inputs, following the changes gives what deriving from all rows gives.
func followedFactsEqualDerived(t *testing.T, open Open) {
	s := opened(t, open, t.TempDir())
	c := newCompany(t)
	prepare(t, s, []store.Fact{c.fact}, c.tables...)
	rng := rand.New(rand.NewPCG(3, 4)) //nolint:gosec // a test's
	alive := []map[int]bool{{}, {}, {}}
	n := 1
	step := func() {
		var batches []*treatment.Batch
		for i, x := range c.tables {
			var changes []change
			for range rng.IntN(12) {
				id := rng.IntN(25)
				if i == 1 {
					id = rng.IntN(300)
				}
				if alive[i][id] && rng.IntN(3) == 0 {
					changes = append(changes, x.del(id))
					delete(alive[i], id)
					continue
				}
				vals := [][]any{
					{id, maybe(rng, 10), maybeText(rng, alive[i][id]), maybe(rng, 1000)},
					{id, maybe(rng, 25), maybeText(rng, alive[i][id]), maybe(rng, 4)},
					{id, maybeText(rng, false)},
				}[i]
				op := treatment.Insert
				if alive[i][id] {
					op = treatment.Update
				}
				alive[i][id] = true
				changes = append(changes, change{op, vals})
			}
			if len(changes) > 0 {
				batches = append(batches, x.batch(t, changes...))
			}
		}
		n++
		write(t, s, mark(n), batches...)
	}
	for range 20 {
		step()
	}
	c.copied(t, s, c.tables...)
	c.check(t, s, mark(n))
	for round := range 25 {
		for range 1 + rng.IntN(3) {
			step()
		}
		c.check(t, s, mark(n))
		if t.Failed() {
			t.Fatalf("round %d", round)
		}
	}
}

func maybe(rng *rand.Rand, n int) any {
	if rng.IntN(8) == 0 {
		return nil
	}
	return rng.IntN(n)
}

func maybeText(rng *rand.Rand, known bool) any {
	switch k := rng.IntN(6); {
	case k == 0:
		return nil
	case k < 3 && known:
		return same{}
	default:
		return string("abcde"[rng.IntN(5)])
	}
}
