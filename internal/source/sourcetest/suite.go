package sourcetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirproject/weir/internal/source"
	"github.com/weirproject/weir/internal/treatment"
)

// Production is a fresh, empty database that the suite may write to as an application would.
type Production interface {
	// Open opens a source over it; all of one test share slot and publication. It is closed with the test.
	Open(t testing.TB) source.Source
	// Exec runs statements of production, each in its own transaction, durable when it returns.
	Exec(t testing.TB, statements ...string)
	// Transaction runs statements in one transaction.
	Transaction(t testing.TB, statements ...string)
	// Schema is a schema or database that the suite's tables can be made in.
	Schema() string
}

// Factory makes a Production for one test.
type Factory func(t testing.TB) Production

// Run runs the suite.
func Run(t *testing.T, f Factory) {
	t.Helper()
	tests := map[string]func(*testing.T, *bench){
		"the schema names tables, columns, types and keys":          testSchema,
		"the script makes all ready and is then empty":              testScript,
		"start makes what must exist, once":                         testStart,
		"a snapshot holds what had committed and nothing later":     testSnapshot,
		"a copy can be repeated, run beside others, and be stopped": testCopyAgain,
		"snapshot and stream meet exactly":                          testMeet,
		"transactions come whole and in commit order":               testOrder,
		"a read from the end of a transaction begins with the next": testResume,
		"inserts, updates, deletes and changed keys are followed":   testChanges,
		"truncate empties the table at its place":                   testTruncate,
		"the sink's error is returned unchanged":                    testSinkError,
		"rows that are not wanted are left out":                     testUnwanted,
		"progress comes when nothing of the selection happens":      testProgress,
		"what was not acknowledged comes again":                     testAck,
		"an added column or table is drift and the rest flows":      testAdded,
		"a dropped table makes the selection wrong":                 testDropped,
		"the end of the context ends a read and frees its place":    testCancel,
		"a position that was acknowledged is gone":                  testGone,
		"release takes all away, and again":                         testRelease,
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p := f(t)
			test(t, &bench{Production: p})
		})
	}
}

// bench is a production with the suite's tables: item and other, and hidden, which is never selected.
type bench struct {
	Production
	source source.Source
	sel    source.Selection
}

func (b *bench) name(table string) string { return b.Schema() + "." + table }

// sql puts the schema in front of table names that begin with a dot.
func (b *bench) sql(format string, args ...any) string {
	return strings.ReplaceAll(fmt.Sprintf(format, args...), "@", b.Schema()+".")
}

func (b *bench) tables(t testing.TB) {
	t.Helper()
	b.Exec(t,
		b.sql("CREATE TABLE @item (id bigint PRIMARY KEY, name text, secret text, count integer NOT NULL)"),
		b.sql("CREATE TABLE @other (a integer NOT NULL, b integer NOT NULL, note text, PRIMARY KEY (b, a))"),
		b.sql("CREATE TABLE @hidden (id bigint PRIMARY KEY, name text)"))
	b.source = b.Open(t)
}

// ready makes the tables and everything that Read needs, and starts.
func (b *bench) ready(t testing.TB) source.Position {
	t.Helper()
	b.tables(t)
	b.sel = Select(t, b.source, map[string][]string{b.name("item"): {"id", "name", "count"}, b.name("other"): nil})
	Prepare(t, b.source, b.sel)
	from, made, err := b.source.Start(t.Context())
	if err != nil || !made {
		t.Fatal("start:", made, Explain(err))
	}
	return from
}

// Select makes a selection of the named tables; the columns are in production's order, all when none are named.
func Select(t testing.TB, s source.Source, tables map[string][]string) source.Selection {
	t.Helper()
	schema, err := s.Schema(t.Context())
	if err != nil {
		t.Fatal("schema:", Explain(err))
	}
	var sel source.Selection
	for i := range schema.Tables {
		table := &schema.Tables[i]
		columns, selected := tables[table.Name]
		if !selected {
			continue
		}
		l := &treatment.Layout{Table: table.Name}
		at := map[string]int{}
		for _, c := range table.Columns {
			if columns == nil || slices.Contains(columns, c.Name) {
				at[c.Name] = len(l.Columns)
				l.Columns = append(l.Columns, treatment.Column{Name: c.Name, Type: c.Type})
			}
		}
		for _, k := range table.Key {
			place, ok := at[k]
			if !ok {
				t.Fatal("the key is not selected:", table.Name, k)
			}
			l.Key = append(l.Key, place)
		}
		sel = append(sel, l)
	}
	if len(sel) != len(tables) {
		t.Fatalf("the schema has %d of %d tables", len(sel), len(tables))
	}
	return sel
}

// Prepare runs the source's script.
func Prepare(t testing.TB, s source.Source, sel source.Selection) {
	t.Helper()
	script, err := s.Script(t.Context(), sel)
	if err != nil {
		t.Fatal("script:", Explain(err))
	}
	if err := s.Execute(t.Context(), script); err != nil {
		t.Fatal("execute:", Explain(err))
	}
}

// Now returns production's position.
func Now(t testing.TB, s source.Source) source.Position {
	t.Helper()
	p, err := s.Now(t.Context())
	if err != nil {
		t.Fatal("now:", Explain(err))
	}
	return p
}

// fresh is a mirror of production as it is now.
func (b *bench) fresh(t testing.TB) *Mirror {
	t.Helper()
	m := NewMirror(t, b.sel)
	m.Copy(t, b.source)
	return m
}

func testSnapshot(t *testing.T, b *bench) {
	b.ready(t)
	b.Exec(t, b.sql("INSERT INTO @item VALUES (1, 'one', 's', 1), (2, NULL, 's', 2)"))
	before := time.Now().Add(-time.Minute)
	n, err := b.source.Snapshot(t.Context())
	if err != nil {
		t.Fatal(Explain(err))
	}
	defer func() { _ = n.Close() }()
	b.Exec(t, b.sql("INSERT INTO @item VALUES (3, 'three', 's', 3)"), b.sql("DELETE FROM @item WHERE id = 1"))
	m := NewMirror(t, b.sel)
	m.CopyFrom(t, n)
	if got := m.Values(b.name("item"), "id"); !slices.Equal(got, []string{"1", "2"}) {
		t.Error("the snapshot has", got)
	}
	if n.Time().Before(before) || n.Time().After(time.Now().Add(time.Minute)) {
		t.Error("the snapshot's time is", n.Time())
	}
	if n.Position() == "" || n.Position() > Now(t, b.source) {
		t.Error("the snapshot's position is", n.Position())
	}
}

func testCopyAgain(t *testing.T, b *bench) {
	b.ready(t)
	b.Exec(t, b.sql("INSERT INTO @item SELECT g, 'n' || g, 's', g FROM generate_series(1, 5000) g"))
	n, err := b.source.Snapshot(t.Context())
	if err != nil {
		t.Fatal(Explain(err))
	}
	defer func() { _ = n.Close() }()
	first, second := NewMirror(t, b.sel), NewMirror(t, b.sel)
	var both sync.WaitGroup
	for _, m := range []*Mirror{first, second} {
		both.Go(func() {
			for _, l := range b.sel {
				rows := treatment.NewBuilder(l)
				if err := n.Copy(t.Context(), l, func() (*treatment.Builder, error) { return rows, nil }); err != nil {
					t.Error(Explain(err))
					return
				}
				m.mu.Lock()
				err := m.apply(rows, false)
				m.mu.Unlock()
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	both.Wait()
	first.SameAs(t, second)
	if got := len(first.Table(b.name("item"))); got != 5000 {
		t.Error("the copy has", got, "rows")
	}
	enough, rows := errors.New("enough"), treatment.NewBuilder(b.sel[0])
	err = n.Copy(t.Context(), b.sel[0], func() (*treatment.Builder, error) {
		if rows.Len() == 10 {
			return nil, enough
		}
		return rows, nil
	})
	if err != enough { //nolint:errorlint // unchanged is what the contract says
		t.Error("the copy returned", Explain(err))
	}
}

// testMeet opens snapshots while several writers change the same rows, and follows from each.
func testMeet(t *testing.T, b *bench) {
	from := b.ready(t)
	b.Exec(t, b.sql("INSERT INTO @item SELECT g, 'n' || g, 's', 0 FROM generate_series(1, 200) g"))
	stop := make(chan struct{})
	var writers sync.WaitGroup
	for w := range 4 {
		writers.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				id := 1000 + w*1000000 + i
				b.Transaction(t,
					b.sql("INSERT INTO @item VALUES (%d, 'w', 's', %d)", id, i),
					b.sql("UPDATE @item SET count = count + 1 WHERE id = %d", 1+(i*7+w*13)%200),
					b.sql("DELETE FROM @item WHERE id = %d", id-20))
			}
		})
	}
	const rounds = 3
	mirrors := make([]*Mirror, rounds)
	for i := range mirrors {
		mirrors[i] = NewMirror(t, b.sel)
		mirrors[i].Copy(t, b.source)
	}
	close(stop)
	writers.Wait()
	end := Now(t, b.source)
	want := b.fresh(t)
	for _, m := range mirrors {
		r := Follow(t, b.source, b.sel, from, m)
		m.AwaitPosition(t, end)
		r.Stop(t)
		m.SameAs(t, want)
	}
}

func testOrder(t *testing.T, b *bench) {
	from := b.ready(t)
	for i := range 20 {
		b.Transaction(t, b.sql("INSERT INTO @item VALUES (%d, 'a', 's', 1)", i), b.sql("INSERT INTO @other VALUES (%d, 1, 'x')", i))
	}
	m := NewMirror(t, b.sel)
	r := Follow(t, b.source, b.sel, from, m)
	m.AwaitPosition(t, Now(t, b.source))
	r.Stop(t)
	m.SameAs(t, b.fresh(t))
	if len(m.commits) != 20 || !slices.IsSorted(m.commits) || !slices.IsSorted(m.begins) || m.changes != 40 {
		t.Error("transactions:", len(m.begins), len(m.commits), "changes:", m.changes)
	}
}

func testResume(t *testing.T, b *bench) {
	from := b.ready(t)
	for i := range 6 {
		b.Exec(t, b.sql("INSERT INTO @item VALUES (%d, 'a', 's', 1)", i))
	}
	all := NewMirror(t, b.sel)
	r := Follow(t, b.source, b.sel, from, all)
	all.AwaitPosition(t, Now(t, b.source))
	r.Stop(t)
	for i, end := range all.commits {
		m := NewMirror(t, b.sel)
		r := Follow(t, b.source, b.sel, end, m)
		m.AwaitPosition(t, all.commits[len(all.commits)-1])
		r.Stop(t)
		if !slices.Equal(m.commits, all.commits[i+1:]) {
			t.Error("after transaction", i, "came", len(m.commits), "others")
		}
	}
}

func testChanges(t *testing.T, b *bench) {
	from := b.ready(t)
	m := NewMirror(t, b.sel)
	r := Follow(t, b.source, b.sel, from, m)
	b.Exec(t,
		b.sql("INSERT INTO @item VALUES (1, 'one', 's', 1), (2, 'two', 's', 2), (3, NULL, 's', 3), (4, 'four', 's', 4)"),
		b.sql("UPDATE @item SET name = NULL WHERE id = 1"),
		b.sql("UPDATE @item SET id = 20 WHERE id = 2"),
		b.sql("DELETE FROM @item WHERE id = 3"),
		b.sql("INSERT INTO @other VALUES (1, 1, 'a'), (2, 1, 'b')"),
		b.sql("UPDATE @other SET a = 9, note = 'moved' WHERE a = 2"))
	b.Transaction(t, b.sql("UPDATE @item SET id = 40 WHERE id = 4"), b.sql("UPDATE @item SET id = 41, name = 'x' WHERE id = 40"), b.sql("INSERT INTO @item VALUES (4, 'new', 's', 0)"))
	m.AwaitPosition(t, Now(t, b.source))
	r.Stop(t)
	m.SameAs(t, b.fresh(t))
	if got := m.Values(b.name("item"), "id"); !slices.Equal(got, []string{"1", "20", "4", "41"}) {
		t.Error("ids are", got)
	}
}

func testTruncate(t *testing.T, b *bench) {
	from := b.ready(t)
	m := NewMirror(t, b.sel)
	r := Follow(t, b.source, b.sel, from, m)
	b.Exec(t, b.sql("INSERT INTO @item VALUES (1, 'one', 's', 1), (2, 'two', 's', 2)"), b.sql("INSERT INTO @other VALUES (1, 1, 'a')"))
	b.Transaction(t, b.sql("INSERT INTO @item VALUES (3, 'gone', 's', 3)"), b.sql("TRUNCATE TABLE @item"), b.sql("INSERT INTO @item VALUES (4, 'four', 's', 4)"))
	m.AwaitPosition(t, Now(t, b.source))
	r.Stop(t)
	m.SameAs(t, b.fresh(t))
	if got := m.Values(b.name("item"), "id"); !slices.Equal(got, []string{"4"}) {
		t.Error("ids are", got)
	}
}

func testSinkError(t *testing.T, b *bench) {
	from := b.ready(t)
	b.Exec(t, b.sql("INSERT INTO @item VALUES (1, 'one', 's', 1)"))
	for _, call := range []string{"begin", "rows", "commit", "progress"} {
		mine := errors.New(call)
		m := NewMirror(t, b.sel)
		m.Refuse = func(c string) error {
			if c == call {
				return mine
			}
			return nil
		}
		if err := Follow(t, b.source, b.sel, from, m).Wait(t); err != mine { //nolint:errorlint // unchanged is what the contract says
			t.Error(call, "returned", Explain(err))
		}
	}
}

func testUnwanted(t *testing.T, b *bench) {
	from := b.ready(t)
	b.Exec(t, b.sql("INSERT INTO @item VALUES (1, 'one', 'canary', 1)"), b.sql("INSERT INTO @hidden VALUES (1, 'canary')"), b.sql("INSERT INTO @other VALUES (1, 1, 'a')"))
	m := NewMirror(t, b.sel)
	m.since[b.name("other")] = source.Position("F" + strings.Repeat("0", 15)) // every transaction is in its snapshot
	r := Follow(t, b.source, b.sel, from, m)
	m.AwaitPosition(t, Now(t, b.source))
	r.Stop(t)
	m.Healthy(t)
	if len(m.Table(b.name("item"))) != 1 || len(m.Table(b.name("other"))) != 0 {
		t.Error("rows came that were not wanted")
	}
}

func testProgress(t *testing.T, b *bench) {
	from := b.ready(t)
	m := NewMirror(t, b.sel)
	r := Follow(t, b.source, b.sel, from, m)
	b.Exec(t, b.sql("INSERT INTO @hidden SELECT g, 'n' FROM generate_series(1, 1000) g"))
	m.AwaitPosition(t, Now(t, b.source))
	first := m.asOf
	m.Await(t, "production's clock to move on", func() bool { return m.asOf.After(first) })
	b.source.Ack(m.Position())
	r.Stop(t)
	m.Healthy(t)
	if m.changes != 0 || m.progress == 0 {
		t.Error("changes:", m.changes, "progress:", m.progress)
	}
}

func testAck(t *testing.T, b *bench) {
	from := b.ready(t)
	for i := range 3 {
		b.Exec(t, b.sql("INSERT INTO @item VALUES (%d, 'a', 's', 1)", i))
	}
	m := NewMirror(t, b.sel)
	r := Follow(t, b.source, b.sel, from, m)
	m.AwaitPosition(t, Now(t, b.source))
	r.Stop(t)
	if again, _, err := b.source.Start(t.Context()); err != nil || again != from {
		t.Error("what was not acknowledged was forgotten:", again, Explain(err))
	}
	acked := m.commits[1]
	r = Follow(t, b.source, b.sel, from, NewMirror(t, b.sel))
	b.source.Ack(acked)
	await(t, "the acknowledgement to arrive", func() bool {
		p, _, err := b.source.Start(t.Context())
		return err == nil && p == acked
	})
	r.Stop(t)
	other, rest := b.Open(t), NewMirror(t, b.sel)
	r = Follow(t, other, b.sel, acked, rest)
	rest.AwaitPosition(t, m.commits[2])
	r.Stop(t)
	if !slices.Equal(rest.commits, m.commits[2:]) {
		t.Error("after the restart came", rest.commits, "want", m.commits[2:])
	}
}

// await polls what cannot be awaited as an event, because it happens inside the server.
func await(t testing.TB, what string, wanted func() bool) {
	t.Helper()
	late, poll := time.NewTimer(Patience), time.NewTicker(20*time.Millisecond)
	defer late.Stop()
	defer poll.Stop()
	for !wanted() {
		select {
		case <-poll.C:
		case <-late.C:
			t.Fatal("waited too long for:", what)
		}
	}
}

func testAdded(t *testing.T, b *bench) {
	from := b.ready(t)
	m := NewMirror(t, b.sel)
	r := Follow(t, b.source, b.sel, from, m)
	m.AwaitPosition(t, Now(t, b.source))
	b.Exec(t, b.sql("ALTER TABLE @item ADD COLUMN hint text"), b.sql("INSERT INTO @item VALUES (1, 'one', 's', 1, 'canary')"), b.sql("CREATE TABLE @extra (id bigint PRIMARY KEY)"))
	column, table := source.Drift{Kind: source.ColumnAdded, Table: b.name("item"), Column: "hint"}, source.Drift{Kind: source.TableAdded, Table: b.name("extra")}
	m.AwaitDrift(t, column)
	m.AwaitDrift(t, table)
	b.Exec(t, b.sql("UPDATE @item SET count = 7 WHERE id = 1"))
	m.AwaitPosition(t, Now(t, b.source))
	r.Stop(t)
	m.SameAs(t, b.fresh(t))
	if got := m.Drifts(); len(got) != 2 {
		t.Error("drift is", got)
	}
}

func testDropped(t *testing.T, b *bench) {
	from := b.ready(t)
	m := NewMirror(t, b.sel)
	r := Follow(t, b.source, b.sel, from, m)
	m.AwaitPosition(t, Now(t, b.source))
	b.Exec(t, b.sql("DROP TABLE @other"))
	if err := r.Wait(t); !errors.Is(err, source.ErrSelection) {
		t.Error("read returned", Explain(err))
	}
	if got := m.Drifts(); !slices.Contains(got, source.Drift{Kind: source.TableDropped, Table: b.name("other")}) {
		t.Error("drift is", got)
	}
	n, err := b.source.Snapshot(t.Context())
	if err != nil {
		t.Fatal(Explain(err))
	}
	defer func() { _ = n.Close() }()
	for _, l := range b.sel {
		if l.Table != b.name("other") {
			continue
		}
		if err := n.Copy(t.Context(), l, func() (*treatment.Builder, error) { return treatment.NewBuilder(l), nil }); !errors.Is(err, source.ErrSelection) {
			t.Error("copy returned", Explain(err))
		}
	}
}

func testCancel(t *testing.T, b *bench) {
	from := b.ready(t)
	for range 3 {
		m := NewMirror(t, b.sel)
		r := Follow(t, b.source, b.sel, from, m)
		m.AwaitPosition(t, Now(t, b.source))
		r.Stop(t)
	}
}

func testGone(t *testing.T, b *bench) {
	from := b.ready(t)
	b.Exec(t, b.sql("INSERT INTO @item VALUES (1, 'a', 's', 1)"))
	m := NewMirror(t, b.sel)
	r := Follow(t, b.source, b.sel, from, m)
	m.AwaitPosition(t, Now(t, b.source))
	acked := m.Position()
	b.source.Ack(acked)
	await(t, "the acknowledgement to arrive", func() bool {
		p, _, err := b.source.Start(t.Context())
		return err == nil && p == acked
	})
	r.Stop(t)
	if err := Follow(t, b.source, b.sel, from, NewMirror(t, b.sel)).Wait(t); !errors.Is(err, source.ErrGone) {
		t.Error("read from a forgotten position returned", Explain(err))
	}
}
