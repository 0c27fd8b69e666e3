package storetest

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weirproject/weir/internal/fault"
	"github.com/weirproject/weir/internal/policy"
	"github.com/weirproject/weir/internal/store"
	"github.com/weirproject/weir/internal/treatment"
)

// item is a table with a column for each file, one for both, and one that nobody gets.
func item(t testing.TB) *tbl {
	t.Helper()
	return newTable(t, "s.item",
		col{"id", whole, policy.Keep, inBoth}, col{"name", words, policy.Keep, inSQL}, col{"note", words, policy.Keep, inMetrics},
		col{"secret", words, policy.Drop, nil}, col{"size", whole, policy.Keep, inBoth})
}

func prepareMakesEmptyTables(t *testing.T, open Open) {
	s := opened(t, open, t.TempDir())
	x := item(t)
	prepare(t, s, nil, x)
	st := state(t, s)
	if st.Identity != identity || len(st.Tables) != 1 || st.Tables["s.item"].Hash != "1" || st.Tables["s.item"].Copied {
		t.Errorf("state %+v", st)
	}
	if m := st.Mark(); m != (treatment.Mark{}) {
		t.Errorf("mark %v", m)
	}
	wantRows(t, scan(t, s, store.SQL, x), nil)
	wantRows(t, scan(t, s, store.Metrics, x), nil)
}

func prepareKeepsTablesOfTheSameHash(t *testing.T, open Open) {
	s := opened(t, open, t.TempDir())
	x, y := item(t), newTable(t, "s.other", col{"id", whole, policy.Keep, inSQL})
	prepare(t, s, nil, x, y)
	write(t, s, mark(1), x.batch(t, ins(1, "a", "b", "c", 2)), y.batch(t, ins(1)))
	y.st.Hash = "2"
	prepare(t, s, nil, x, y)
	wantRows(t, scan(t, s, store.SQL, x), []string{"1|a|2"})
	wantRows(t, scan(t, s, store.SQL, y), nil)
	if st := state(t, s); st.Mark() != mark(1) || st.Tables["s.other"].Hash != "2" || st.Tables["s.item"].Rows != 1 {
		t.Errorf("state %+v", st)
	}
}

// long is a text that no compression hides: it is looked for byte by byte.
func long(word string, n int) string {
	rng := rand.New(rand.NewPCG(uint64(n), uint64(len(word)))) //nolint:gosec // a test's
	b := []byte(word)
	for range 100 {
		b = append(b, byte('!'+rng.IntN(90)))
	}
	return string(b)
}

// fill writes rows whose texts hold the word, and some that don't.
func fill(t testing.TB, s store.Store, to treatment.Mark, x *tbl, word string, from, n int) {
	t.Helper()
	changes := make([]change, 0, n)
	for i := range n {
		changes = append(changes, ins(from+i, long(word, i), long(word, i+n), "dropped-"+word, i))
	}
	write(t, s, to, x.batch(t, changes...))
}

func prepareRemovesOthersWithTheirBytes(t *testing.T, open Open) {
	dir := t.TempDir()
	s := opened(t, open, dir)
	x := item(t)
	y := newTable(t, "s.gone", col{"id", whole, policy.Keep, inBoth}, col{"name", words, policy.Keep, inSQL}, col{"note", words, policy.Keep, inMetrics},
		col{"secret", words, policy.Drop, nil}, col{"size", whole, policy.Keep, inBoth})
	prepare(t, s, nil, x, y)
	fill(t, s, mark(1), x, "KEPTWORD", 0, 50)
	fill(t, s, mark(2), y, "GONEWORD", 0, 50)
	must(t, s.Rewrite(t.Context(), store.SQL)) // so that it is in the file, not in a log alone
	if !holds(t, dir, "GONEWORD") || !holds(t, dir, "KEPTWORD") {
		t.Fatal("the words are not found before: the test shows nothing")
	}
	if holds(t, dir, "dropped-") {
		t.Error("a dropped column is in the files")
	}
	prepare(t, s, nil, x)
	if holds(t, dir, "GONEWORD") {
		t.Error("bytes of the removed table are left")
	}
	if len(scan(t, s, store.SQL, x)) != 50 {
		t.Error("the other table lost rows")
	}
	if st := state(t, s); len(st.Tables) != 1 {
		t.Errorf("tables %v", st.Tables)
	}
}

func prepareRefusesAnotherSource(t *testing.T, open Open) {
	s := opened(t, open, t.TempDir())
	x := item(t)
	prepare(t, s, nil, x)
	write(t, s, mark(1), x.batch(t, ins(1, "a", "b", "c", 2)))
	err := s.Prepare(t.Context(), store.Layout{Identity: "source-2"})
	if fault.KindOf(err) != fault.Refused {
		t.Errorf("got %v", err)
	}
	wantRows(t, scan(t, s, store.SQL, x), []string{"1|a|2"})
}

func prepareRefusesNames(t *testing.T, open Open) {
	s := opened(t, open, t.TempDir())
	for _, name := range []string{"_weir.meta", "nodot", "_WEIR.x", "information_schema.x"} {
		x := newTable(t, name, col{"id", whole, policy.Keep, inSQL})
		if err := s.Prepare(t.Context(), store.Layout{Identity: identity, Tables: []store.Table{x.st}}); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	x := newTable(t, `we"ird. na'me;--`, col{`i"d; DROP`, whole, policy.Keep, inBoth})
	prepare(t, s, nil, x)
	write(t, s, mark(1), x.batch(t, ins(1), ins(2)))
	write(t, s, mark(2), x.batch(t, x.del(1)))
	wantRows(t, scan(t, s, store.Metrics, x), []string{"2"})
}

func everyTypeComesBackUnchanged(t *testing.T, open Open) {
	s := opened(t, open, t.TempDir())
	kind := func(k treatment.Kind) treatment.Type { return treatment.Type{Kind: k} }
	cols := []col{{"id", whole, policy.Keep, inBoth}, {"p", whole, policy.Pseudonym, inBoth}}
	values := [][]any{{int64(1), 7}, {int64(2), nil}, {int64(3), 8}}
	add := func(name string, typ treatment.Type, a, b any) {
		cols = append(cols, col{name, typ, policy.Keep, inBoth})
		values[0] = append(values[0], a)
		values[1] = append(values[1], nil)
		values[2] = append(values[2], b)
	}
	decimal := func(hi int64, lo uint64) func(*treatment.Builder) {
		return func(b *treatment.Builder) { b.Decimal(hi, lo) }
	}
	add("b", kind(treatment.Bool), 1, 0)
	add("i2", kind(treatment.Int16), math.MinInt16, math.MaxInt16)
	add("i4", kind(treatment.Int32), math.MinInt32, math.MaxInt32)
	add("i8", kind(treatment.Int64), int64(math.MinInt64), int64(math.MaxInt64))
	add("f4", kind(treatment.Float32), 1.5, math.Inf(1))
	add("f8", kind(treatment.Float64), math.NaN(), -0.1)
	add("n", treatment.Type{Kind: treatment.Numeric, Precision: 38, Scale: 5}, decimal(-1, 1<<63), decimal(1<<60, 12345))
	add("n2", treatment.Type{Kind: treatment.Numeric, Precision: 5, Scale: 1}, decimal(0, 123), decimal(-1, math.MaxUint64))
	add("t", words, "text é 漢", "")
	add("ch", kind(treatment.Char), "abc  ", "x")
	add("bin", kind(treatment.Binary), []byte{0, 1, 255}, []byte{})
	add("u", kind(treatment.UUID), bytes.Repeat([]byte{0x8f}, 16), bytes.Repeat([]byte{0}, 16))
	add("d", kind(treatment.Date), 20000, treatment.Infinity)
	add("d2", kind(treatment.Date), -700000, treatment.NegInfinity)
	add("ts", kind(treatment.TimestampTZ), int64(1795168800123456), treatment.Infinity)
	add("ts2", kind(treatment.TimestampTZ), int64(-62135596800000001), treatment.NegInfinity)
	add("ip", kind(treatment.Inet), []byte{24, 198, 51, 100, 7}, []byte{32, 10, 0, 0, 1})
	add("mac", kind(treatment.MAC), []byte{1, 2, 3, 4, 5, 6}, []byte{255, 2, 3, 4, 5, 6})
	add("tl", kind(treatment.TextList), func(b *treatment.Builder) {
		b.TextList([][]byte{[]byte("a"), nil, []byte("long enough to be on the heap")})
	},
		func(b *treatment.Builder) { b.TextList(nil) })
	add("il", kind(treatment.Int32List), func(b *treatment.Builder) { b.Int32List([]int32{1, 0, -5}, []bool{true, false, true}) },
		func(b *treatment.Builder) { b.Int32List(nil, nil) })
	held := func(b *treatment.Builder) { b.Held() } // what no store can hold arrives as NULL
	add("held", treatment.Type{Kind: treatment.Numeric, Precision: 5, Scale: 1}, held, held)
	x := newTable(t, "s.types", cols...)
	prepare(t, s, nil, x)
	batch := x.batch(t, change{treatment.Insert, values[0]}, change{treatment.Insert, values[1]}, change{treatment.Insert, values[2]})
	want := lines(batch.Rows(), 0)
	write(t, s, mark(1), batch)
	for _, a := range inBoth {
		p, err := s.Pin(t.Context())
		must(t, err)
		rows, err := p.Scan(t.Context(), a, "s.types")
		must(t, err)
		if rows.Schema().Field(0).Name != treatment.KeyColumn || rows.Schema().NumFields() != x.plan.Schema().NumFields() {
			t.Errorf("%s: schema %v", a, rows.Schema())
		}
		for i, f := range x.plan.Schema().Fields() {
			if got := rows.Schema().Field(i); got.Name != f.Name || got.Type.ID() != f.Type.ID() {
				t.Errorf("%s: column %s is %s %s", a, f.Name, got.Name, got.Type)
			}
		}
		wantRows(t, collect(t, rows, 0), slices.Clone(want))
		must(t, p.Close())
	}
	wantRows(t, query(t, s, store.SQL, "SELECT ts, ts2, d, d2 FROM s.types WHERE id = 3 AND isinf(ts) AND isinf(ts2) AND isinf(d) AND isinf(d2) AND ts2 < '0001-01-01'"),
		query(t, s, store.SQL, "SELECT ts, ts2, d, d2 FROM s.types WHERE id = 3"))
}

func eachFileKeepsItsColumnsOnly(t *testing.T, open Open) {
	s := opened(t, open, t.TempDir())
	x := item(t)
	y := newTable(t, "s.hidden", col{"id", whole, policy.Keep, inMetrics})
	prepare(t, s, nil, x, y)
	write(t, s, mark(1), x.batch(t, ins(1, "a", "b", "c", 2)), y.batch(t, ins(5)))
	wantRows(t, scan(t, s, store.SQL, x), []string{"1|a|2"})
	wantRows(t, scan(t, s, store.Metrics, x), []string{"1|b|2"})
	for a, sql := range map[store.Access]string{store.SQL: "SELECT note FROM s.item", store.Metrics: "SELECT name FROM s.item"} {
		if _, err := s.Query(t.Context(), a, sql); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: %s: %v", a, sql, err)
		}
	}
	if _, err := s.Query(t.Context(), store.SQL, "SELECT * FROM s.hidden"); fault.KindOf(err) != fault.Invalid {
		t.Errorf("a table without a column in the file is there: %v", err)
	}
	if _, err := s.Query(t.Context(), store.Releases, "SELECT 1"); fault.KindOf(err) != fault.NotFound {
		t.Errorf("releases: %v", err)
	}
}

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
	copyTable(5, ins(1, "a", "b", nil, 2))
	if got := state(t, s).Tables["s.item"]; !got.Copied || got.Since != mark(5).Position || got.Rows != 1 {
		t.Errorf("after the copy %+v", got)
	}
	copyTable(0, ins(2, "c", "d", nil, 2))
	if got := state(t, s).Tables["s.item"]; got.Copied || got.Since != "" {
		t.Errorf("after the reset %+v", got)
	}
	wantRows(t, scan(t, s, store.SQL, x), []string{"2|c|2"})
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

func closedAndOpenedAgain(t *testing.T, open Open) {
	dir := t.TempDir()
	s := opened(t, open, dir)
	x := item(t)
	prepare(t, s, nil, x)
	write(t, s, mark(1), x.batch(t, ins(1, "a", "b", nil, 2)))
	want := state(t, s)
	must(t, s.Close())
	must(t, s.Close())
	if _, err := s.State(t.Context()); err == nil {
		t.Error("a closed store answers")
	}
	s = opened(t, open, dir)
	if got := state(t, s); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	wantRows(t, query(t, s, store.SQL, "SELECT id, name FROM s.item"), []string{"1|a"})
	prepare(t, s, nil, x)
	write(t, s, mark(2), x.batch(t, ins(2, "a", "b", nil, 2)))
	wantRows(t, scan(t, s, store.SQL, x), []string{"1|a|2", "2|a|2"})
}

func queryIsReadOnly(t *testing.T, open Open) {
	dir := t.TempDir()
	s := opened(t, open, dir)
	x := item(t)
	prepare(t, s, nil, x)
	write(t, s, mark(1), x.batch(t, ins(1, "a", "b", nil, 2)))
	for _, sql := range []string{
		"INSERT INTO s.item SELECT * FROM s.item", "DELETE FROM s.item", "DROP TABLE s.item", "CREATE TABLE s.x (i INT)", "UPDATE s.item SET size = 1",
		"SELECT 1; DELETE FROM s.item", "COMMIT", "ROLLBACK", "BEGIN", "CREATE TEMP TABLE x (i INT)", "SET threads = 1",
		"COPY s.item TO '" + filepath.Join(dir, "out.csv") + "'", "ATTACH '" + filepath.Join(dir, "x.db") + "'", "",
	} {
		rows, err := s.Query(t.Context(), store.SQL, sql)
		if err != nil {
			continue
		}
		for _, err = range rows.Batches() {
			if err != nil {
				break
			}
		}
		if err == nil {
			t.Errorf("%q: it ran", sql)
		}
		must(t, rows.Close())
	}
	wantRows(t, scan(t, s, store.SQL, x), []string{"1|a|2"})
}

func queryBindsAndStreams(t *testing.T, open Open) {
	s := opened(t, open, t.TempDir())
	x := item(t)
	prepare(t, s, nil, x)
	write(t, s, mark(1), x.batch(t, ins(1, "a", "b", nil, 2), ins(2, "x' OR '1'='1", "b", nil, 3)))
	wantRows(t, query(t, s, store.SQL, "SELECT id FROM s.item WHERE name = $1 AND size >= $2", "x' OR '1'='1", 3), []string{"2"})
	// Rows that nobody reads to the end are no obstacle.
	for range 20 {
		rows, err := s.Query(t.Context(), store.SQL, "SELECT a.id, b.range FROM s.item a, range(100000000) b")
		must(t, err)
		for _, err := range rows.Batches() {
			must(t, err)
			break
		}
		must(t, rows.Close())
	}
}

func queryErrorsTellNoValues(t *testing.T, open Open) {
	s := opened(t, open, t.TempDir())
	x := item(t)
	prepare(t, s, nil, x)
	write(t, s, mark(1), x.batch(t, ins(1, "CELLVALUE", "b", nil, 2)))
	for _, sql := range []string{
		"SELECT name::INT FROM s.item", "SELECT * FROM s.item WHERE name = 'CELLVALUE' AND nocolumn = 1", "SELECT error(name) FROM s.item", "SELECT CELLVALUE(1)",
	} {
		rows, err := s.Query(t.Context(), store.SQL, sql)
		if err == nil {
			for _, err = range rows.Batches() {
				if err != nil {
					break
				}
			}
			must(t, rows.Close())
		}
		if err == nil || strings.Contains(err.Error(), "CELLVALUE") || fault.Public(err).Message == "" || strings.Contains(fmt.Sprintf("%+v %#v", err, err), "CELLVALUE") {
			t.Errorf("%s: %v", sql, err)
		}
	}
}

func pinDoesNotMove(t *testing.T, open Open) {
	s := opened(t, open, t.TempDir())
	x := item(t)
	prepare(t, s, nil, x)
	write(t, s, mark(1), x.batch(t, ins(1, "a", "b", nil, 2)))
	p, err := s.Pin(t.Context())
	must(t, err)
	for n := range 5 {
		write(t, s, mark(n+2), x.batch(t, ins(n+10, "n", "m", nil, 2), upd(1, fmt.Sprint("a", n), "b2", nil, 7)))
	}
	wantRows(t, scanPinned(t, p, store.SQL, x), []string{"1|a|2"})
	wantRows(t, scanPinned(t, p, store.Metrics, x), []string{"1|b|2"})
	rows, err := p.Query(t.Context(), store.Metrics, "SELECT count(*) FROM s.item WHERE id > $1", 0)
	must(t, err)
	wantRows(t, collect(t, rows, 0), []string{"1"})
	if m := p.State().Mark(); m != mark(1) {
		t.Errorf("mark %v", m)
	}
	// Rows that are still open end with the view.
	_, err = p.Query(t.Context(), store.Metrics, "SELECT a.id, b.range FROM s.item a, range(100000000) b")
	must(t, err)
	must(t, p.Close())
	must(t, p.Close())
	if _, err := p.Scan(t.Context(), store.SQL, "s.item"); err == nil {
		t.Error("a closed view answers")
	}
	if got := len(scan(t, s, store.SQL, x)); got != 6 {
		t.Errorf("%d rows afterwards", got)
	}
}

func rowKeys(t testing.TB, x *tbl, ids ...int) [][16]byte {
	t.Helper()
	changes := make([]change, 0, len(ids))
	for _, id := range ids {
		changes = append(changes, x.del(id))
	}
	b := x.batch(t, changes...)
	defer b.Release()
	var keys [][16]byte
	col, ok := b.Deletes().Column(0).(interface{ Value(i int) []byte })
	if !ok {
		t.Fatal("the row key is no bytes")
	}
	for i := range ids {
		keys = append(keys, [16]byte(col.Value(i)))
	}
	return keys
}

func eraseRemovesRowsAndBytes(t *testing.T, open Open) {
	dir := t.TempDir()
	s := opened(t, open, dir)
	x := item(t)
	prepare(t, s, nil, x)
	fill(t, s, mark(1), x, "STAYS", 0, 30)
	fill(t, s, mark(2), x, "ERASED", 100, 2)
	if !holds(t, dir, "ERASED") {
		t.Fatal("the word is not found before: the test shows nothing")
	}
	must(t, s.Erase(t.Context(), "s.item", rowKeys(t, x, 100, 101, 999)))
	if holds(t, dir, "ERASED") {
		t.Error("bytes of erased rows are left")
	}
	for _, a := range inBoth {
		if got := len(scan(t, s, a, x)); got != 30 {
			t.Errorf("%s: %d rows", a, got)
		}
	}
	if m := state(t, s).Mark(); m != mark(2) {
		t.Errorf("mark %v", m)
	}
	if err := s.Erase(t.Context(), "s.nowhere", rowKeys(t, x, 1)); fault.KindOf(err) != fault.NotFound {
		t.Errorf("got %v", err)
	}
}

func rewriteRemovesBytes(t *testing.T, open Open) {
	dir := t.TempDir()
	s := opened(t, open, dir)
	x := item(t)
	prepare(t, s, nil, x)
	fill(t, s, mark(1), x, "STAYS", 0, 3000)
	fill(t, s, mark(2), x, "REMOVED", 10000, 500)
	ids := make([]change, 500)
	for i := range ids {
		ids[i] = x.del(10000 + i)
	}
	write(t, s, mark(3), x.batch(t, ids...))
	if !holds(t, dir, "REMOVED") || !holds(t, dir, "STAYS") {
		t.Fatal("the words are not found before: the test shows nothing")
	}
	before := scan(t, s, store.SQL, x)
	// A query that runs meanwhile ends in order or with an error, never with other rows.
	done := make(chan error, 1)
	go func() {
		rows, err := s.Query(t.Context(), store.SQL, "SELECT count(*) FROM s.item")
		if err == nil {
			for _, err = range rows.Batches() {
				if err != nil {
					break
				}
			}
			_ = rows.Close()
		}
		done <- err
	}()
	for _, a := range inBoth {
		must(t, s.Rewrite(t.Context(), a))
	}
	if err := <-done; err != nil && fault.KindOf(err) != fault.Unavailable {
		t.Errorf("the query beside it: %v", err)
	}
	if holds(t, dir, "REMOVED") {
		t.Error("bytes of removed rows are left")
	}
	wantRows(t, scan(t, s, store.SQL, x), before)
	if m := state(t, s).Mark(); m != mark(3) {
		t.Errorf("mark %v", m)
	}
	write(t, s, mark(4), x.batch(t, x.del(1)))
	if got := len(scan(t, s, store.Metrics, x)); got != 2999 {
		t.Errorf("%d rows", got)
	}
}

// within bounds a wait of the suite.
const within = 30 * time.Second

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
