package storetest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/weirproject/weir/internal/fault"
	"github.com/weirproject/weir/internal/store"
	"github.com/weirproject/weir/internal/treatment"
)

// changesAddUp applies random changes and compares with a model after each commit.
func changesAddUp(t *testing.T, open Open) {
	s := opened(t, open, t.TempDir())
	x := item(t)
	prepare(t, s, nil, x)
	rng := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // a test's
	m := model{}
	for n := range 25 {
		var batches []*treatment.Batch
		for range 1 + rng.IntN(3) {
			batches = append(batches, x.batch(t, m.changes(x, rng, 1+rng.IntN(30))...))
		}
		write(t, s, mark(n+1), batches...)
		wantRows(t, scan(t, s, store.SQL, x), m.rows(0, 1, 4))
		wantRows(t, scan(t, s, store.Metrics, x), m.rows(0, 2, 4))
		if t.Failed() {
			t.Fatalf("after transaction %d", n)
		}
	}
}

// model is what the table must hold: five values by id.
type model map[int][]any

func (m model) rows(cols ...int) []string {
	out := []string{}
	for _, vals := range m {
		var parts []string
		for _, c := range cols {
			parts = append(parts, text(vals[c]))
		}
		out = append(out, strings.Join(parts, "|"))
	}
	return out
}

func (m model) pick(rng *rand.Rand) (int, bool) {
	if len(m) == 0 {
		return 0, false
	}
	ids := make([]int, 0, len(m))
	for id := range m {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids[rng.IntN(len(ids))], true
}

func value(rng *rand.Rand) any {
	if rng.IntN(6) == 0 {
		return nil
	}
	return fmt.Sprintf("v%d", rng.IntN(1000))
}

// changes makes n random changes in the model and returns them as production would send them: with unchanged values left out, with keys that move.
func (m model) changes(x *tbl, rng *rand.Rand, n int) []change {
	var out []change
	for range n {
		old, ok := m.pick(rng)
		fresh := rng.IntN(60)
		_, taken := m[fresh]
		switch op := rng.IntN(10); {
		case !ok || (op < 4 && !taken):
			if taken {
				continue
			}
			m[fresh] = []any{fresh, value(rng), value(rng), nil, rng.IntN(5)}
			out = append(out, ins(m[fresh]...))
		case op < 7:
			m[old] = m.next(old, old, rng)
			out = append(out, upd(m.sent(old, old, rng)...))
		case op < 8 && !taken:
			m[fresh] = m.next(old, fresh, rng)
			sent := m.sent(old, fresh, rng)
			delete(m, old)
			out = append(out, change{treatment.MoveFrom, x.keyOnly(old)}, change{treatment.MoveTo, sent})
		case op == 9:
			delete(m, old)
			out = append(out, x.del(old))
		}
	}
	return out
}

// next is the row after an update; half of the texts stay as they are.
func (m model) next(old, fresh int, rng *rand.Rand) []any {
	vals := slices.Clone(m[old])
	vals[0], vals[4] = fresh, rng.IntN(5)
	for _, i := range []int{1, 2} {
		if rng.IntN(2) == 0 {
			vals[i] = value(rng)
		} else {
			vals[i] = unchanged{vals[i]}
		}
	}
	return vals
}

// unchanged marks, within an update, a text that stays.
type unchanged struct{ was any }

// sent is what production sends of the row: unchanged texts are mostly left out. It unwraps the marks in the model.
func (m model) sent(_, fresh int, rng *rand.Rand) []any {
	sent := slices.Clone(m[fresh])
	for i, v := range sent {
		if u, ok := v.(unchanged); ok {
			m[fresh][i] = u.was
			sent[i] = u.was
			if rng.IntN(3) > 0 {
				sent[i] = same{}
			}
		}
	}
	return sent
}

func lostBaseIsAnError(t *testing.T, open Open) {
	s := opened(t, open, t.TempDir())
	x := item(t)
	prepare(t, s, nil, x)
	write(t, s, mark(1), x.batch(t, ins(1, "a", "b", nil, 2)))
	if err := tryWrite(t.Context(), s, mark(2), x.batch(t, upd(9, same{}, same{}, nil, 3))); fault.KindOf(err) != fault.Internal {
		t.Errorf("got %v", err)
	}
	wantRows(t, scan(t, s, store.SQL, x), []string{"1|a|2"})
	if m := state(t, s).Mark(); m != mark(1) {
		t.Errorf("mark %v", m)
	}
	write(t, s, mark(2), x.batch(t, upd(1, same{}, same{}, nil, 3)))
	wantRows(t, scan(t, s, store.Metrics, x), []string{"1|b|3"})
}

func truncateEmptiesTheTable(t *testing.T, open Open) {
	s := opened(t, open, t.TempDir())
	x := item(t)
	prepare(t, s, nil, x)
	write(t, s, mark(1), x.batch(t, ins(1, "a", "b", nil, 2), ins(2, "a", "b", nil, 2)))
	b, err := x.plan.TreatTruncated(x.raw(t, []change{ins(3, "n", "m", nil, 1)}))
	must(t, err)
	write(t, s, mark(2), b)
	wantRows(t, scan(t, s, store.SQL, x), []string{"3|n|1"})
	wantRows(t, scan(t, s, store.Metrics, x), []string{"3|m|1"})
}

func resetEmptiesAndCopiedCompletes(t *testing.T, open Open) {
	s := opened(t, open, t.TempDir())
	x := item(t)
	prepare(t, s, nil, x)
	copyTable := func(since int, changes ...change) {
		tx, err := s.Begin(t.Context())
		must(t, err)
		defer tx.Rollback()
		must(t, tx.Reset(t.Context(), "s.item"))
		b := x.batch(t, changes...)
		defer b.Release()
		must(t, tx.Write(t.Context(), b))
		if since > 0 {
			must(t, tx.Copied(t.Context(), "s.item", mark(since).Position))
		}
		must(t, tx.Commit(t.Context(), treatment.Mark{}))
	}
	before := s.Version(store.SQL)
	copyTable(5, ins(1, "a", "b", nil, 2))
	copied := s.Version(store.SQL)
	if got := state(t, s).Tables["s.item"]; !got.Copied || got.Since != mark(5).Position || got.Rows != 1 {
		t.Errorf("after the copy %+v", got)
	}
	copyTable(0, ins(2, "c", "d", nil, 2))
	if got := state(t, s).Tables["s.item"]; got.Copied || got.Since != "" {
		t.Errorf("after the reset %+v", got)
	}
	wantRows(t, scan(t, s, store.SQL, x), []string{"2|c|2"})
	reset := s.Version(store.SQL)
	if before == copied || copied == reset || before == reset {
		t.Errorf("the versions %d, %d and %d do not tell what is copied", before, copied, reset)
	}
	write(t, s, mark(9), x.batch(t, ins(3, "e", "f", nil, 2)))
	if got := s.Version(store.SQL); got != reset {
		t.Errorf("rows made the version %d of %d", got, reset)
	}
}

func rollbackDropsEverything(t *testing.T, open Open) {
	s := opened(t, open, t.TempDir())
	x := item(t)
	prepare(t, s, nil, x)
	write(t, s, mark(1), x.batch(t, ins(1, "a", "b", nil, 2)))
	tx, err := s.Begin(t.Context())
	must(t, err)
	b := x.batch(t, ins(2, "a", "b", nil, 2), x.del(1))
	defer b.Release()
	must(t, tx.Write(t.Context(), b))
	must(t, tx.Reset(t.Context(), "s.item"))
	tx.Rollback()
	tx.Rollback()
	if err := tx.Write(t.Context(), b); err == nil {
		t.Error("a transaction goes on after its end")
	}
	if err := tx.Commit(t.Context(), mark(2)); err == nil {
		t.Error("a rolled back transaction commits")
	}
	wantRows(t, scan(t, s, store.SQL, x), []string{"1|a|2"})
	tx, err = s.Begin(t.Context())
	must(t, err)
	if err := tx.Reset(t.Context(), "s.nowhere"); fault.KindOf(err) != fault.NotFound {
		t.Errorf("got %v", err)
	}
	if err := tx.Commit(t.Context(), mark(2)); err == nil {
		t.Error("a failed transaction commits")
	}
	tx.Rollback()
	if m := state(t, s).Mark(); m != mark(1) {
		t.Errorf("mark %v", m)
	}
}

func repeatedMarkIsSkipped(t *testing.T, open Open) {
	s := opened(t, open, t.TempDir())
	x := item(t)
	prepare(t, s, nil, x)
	write(t, s, mark(3), x.batch(t, ins(1, "a", "b", nil, 2)))
	write(t, s, mark(3), x.batch(t, ins(1, "a", "b", nil, 2)))
	write(t, s, mark(2), x.batch(t, ins(9, "a", "b", nil, 2)))
	wantRows(t, scan(t, s, store.SQL, x), []string{"1|a|2"})
	wantRows(t, scan(t, s, store.Metrics, x), []string{"1|b|2"})
	if st := state(t, s); st.Marks[store.SQL] != mark(3) || st.Marks[store.Metrics] != mark(3) {
		t.Errorf("marks %v", st.Marks)
	}
	write(t, s, mark(4)) // nothing happened to our tables, and the position is later all the same
	if m := state(t, s).Mark(); m != mark(4) {
		t.Errorf("mark %v", m)
	}
}

func emptyMarkKeepsTheMarks(t *testing.T, open Open) {
	s := opened(t, open, t.TempDir())
	x := item(t)
	prepare(t, s, nil, x)
	write(t, s, mark(3))
	write(t, s, treatment.Mark{}, x.batch(t, ins(1, "a", "b", nil, 2)))
	wantRows(t, scan(t, s, store.SQL, x), []string{"1|a|2"})
	if m := state(t, s).Mark(); m != mark(3) {
		t.Errorf("mark %v", m)
	}
}

// Halves is a store of which a test can commit one file alone.
type Halves func(ctx context.Context, tx store.Tx, a store.Access, to treatment.Mark) error

// FilesAtDifferentMarks shows that a transaction of which a crash let one file commit alone is made whole by repeating it: nothing is lost, nothing is twice,
// also where the repeated rows are no longer where they were.
func FilesAtDifferentMarks(t *testing.T, open Open, commitOnly Halves) {
	t.Helper()
	for _, a := range inBoth {
		s := opened(t, open, t.TempDir())
		x := item(t)
		prepare(t, s, nil, x)
		write(t, s, mark(1), x.batch(t, ins(1, "a", "b", nil, 2), ins(2, "c", "d", nil, 2)))
		changes := []change{
			{treatment.MoveFrom, x.keyOnly(1)}, {treatment.MoveTo, []any{7, same{}, same{}, nil, 3}}, x.del(2), ins(3, "e", "f", nil, 4),
		}
		tx, err := s.Begin(t.Context())
		must(t, err)
		b := x.batch(t, changes...)
		must(t, tx.Write(t.Context(), b))
		b.Release()
		must(t, commitOnly(t.Context(), tx, a, mark(2)))
		if st := state(t, s); st.Mark() != mark(1) || st.Marks[a] != mark(2) {
			t.Errorf("marks %v", st.Marks)
		}
		write(t, s, mark(2), x.batch(t, changes...))
		wantRows(t, scan(t, s, store.SQL, x), []string{"7|a|3", "3|e|4"})
		wantRows(t, scan(t, s, store.Metrics, x), []string{"7|b|3", "3|f|4"})
		if m := state(t, s).Mark(); m != mark(2) {
			t.Errorf("mark %v", m)
		}
		must(t, s.Close())
	}
}
