package storetest

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
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

// columns are what a file says of its tables, and the version before it was asked.
func columns(t testing.TB, s store.Store) (string, uint64) {
	t.Helper()
	v := s.Version(store.SQL)
	rows, err := s.Query(t.Context(), store.SQL, "SELECT string_agg(table_name || '.' || column_name, ' ' ORDER BY table_name, column_name) FROM information_schema.columns WHERE table_schema = 's'")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	said := ""
	for b, err := range rows.Batches() {
		if err != nil {
			t.Fatal(err)
		}
		said = b.Column(0).ValueStr(0)
	}
	return said, v
}

func versionChanges(t *testing.T, open Open) {
	s := opened(t, open, t.TempDir())
	x := newTable(t, "s.item", col{"id", whole, policy.Keep, inBoth}, col{"name", words, policy.Keep, inSQL})
	y := newTable(t, "s.item", col{"id", whole, policy.Keep, inBoth}, col{"name", words, policy.Keep, inMetrics}, col{"size", whole, policy.Keep, inSQL})
	y.st.Hash = "2"
	z := newTable(t, "s.other", col{"id", whole, policy.Keep, inSQL})
	// Somebody who asks all the time and keeps what was said under its version must never be told something else under the same one.
	kept := map[uint64]string{}
	done, watched := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(watched)
		for {
			select {
			case <-done:
				return
			default:
			}
			said, v := columns(t, s)
			if s.Version(store.SQL) != v { // it may be of before or after
				continue
			}
			if before, ok := kept[v]; ok && before != said {
				t.Errorf("under version %d %q and %q", v, before, said)
			}
			kept[v] = said
		}
	}()
	seen := map[uint64]bool{}
	for i, step := range []struct {
		tables []*tbl
		want   string
	}{
		{[]*tbl{x}, "item._weir_key item.id item.name"},
		{[]*tbl{y}, "item._weir_key item.id item.size"},
		{[]*tbl{y, z}, "item._weir_key item.id item.size other._weir_key other.id"},
		{[]*tbl{x, z}, "item._weir_key item.id item.name other._weir_key other.id"},
		{[]*tbl{z}, "other._weir_key other.id"},
	} {
		prepare(t, s, nil, step.tables...)
		said, v := columns(t, s)
		if said != step.want || seen[v] {
			t.Errorf("step %d: version %d (new: %t) says %q, want %q", i, v, !seen[v], said, step.want)
		}
		seen[v] = true
		must(t, s.Refresh(t.Context()))
		if s.Version(store.SQL) != v {
			t.Error("the version changed without a change of tables")
		}
	}
	close(done)
	<-watched
}

// long is a text that no compression hides: it is looked for byte by byte.
func long(word string, n int) string {
	rng := rand.New(rand.NewPCG(uint64(n), uint64(len(word)))) //nolint:gosec // a test's
	b := []byte(word)
	for range 100 {
		b = append(b, byte('!'+rng.IntN(90))) //nolint:gosec // printable
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

// within bounds a wait of the suite.
const within = 2 * time.Minute
