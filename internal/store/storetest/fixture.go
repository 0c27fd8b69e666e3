package storetest

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/weirproject/weir/internal/policy"
	"github.com/weirproject/weir/internal/store"
	"github.com/weirproject/weir/internal/treatment"
)

const identity = "source-1"

// col is a column of a table of the tests.
type col struct {
	name   string
	typ    treatment.Type
	treat  policy.Treatment
	access []store.Access
}

var (
	inSQL     = []store.Access{store.SQL}
	inMetrics = []store.Access{store.Metrics}
	inBoth    = []store.Access{store.SQL, store.Metrics}

	whole = treatment.Type{Kind: treatment.Int64}
	words = treatment.Type{Kind: treatment.Text}
)

// tbl is a table of the tests with the plan that fills it.
type tbl struct {
	plan *treatment.Plan
	cols []col
	st   store.Table
}

func newTable(t testing.TB, name string, cols ...col) *tbl {
	t.Helper()
	l := &treatment.Layout{Table: name, Key: []int{0}}
	p := &policy.Table{Name: name, Access: policy.AccessMetrics}
	for _, c := range cols {
		l.Columns = append(l.Columns, treatment.Column{Name: c.name, Type: c.typ})
		p.Columns = append(p.Columns, policy.Column{Name: c.name, Treat: c.treat, Subject: "x"})
	}
	keys, err := treatment.NewKeys(bytes.Repeat([]byte{7}, treatment.MasterKeySize))
	if err != nil {
		t.Fatal(err)
	}
	plan, err := treatment.Compile(p, l, keys)
	if err != nil {
		t.Fatal(err)
	}
	out := &tbl{plan: plan, cols: cols, st: store.Table{Name: name, Hash: "1", Schema: plan.Schema()}}
	for _, c := range cols {
		if c.treat != policy.Drop {
			out.st.Columns = append(out.st.Columns, store.Placement{Access: c.access})
		}
	}
	return out
}

// same is the value of a cell that did not change.
type same struct{}

// change is one change of production: values in the table's order, int64, string, nil or same.
type change struct {
	op   treatment.Op
	vals []any
}

func ins(vals ...any) change { return change{treatment.Insert, vals} }
func upd(vals ...any) change { return change{treatment.Update, vals} }

// del deletes by key; the other values are not known.
func (x *tbl) del(key any) change { return change{treatment.Delete, x.keyOnly(key)} }

func (x *tbl) keyOnly(key any) []any {
	vals := make([]any, len(x.cols))
	vals[0] = key
	return vals
}

func (x *tbl) raw(t testing.TB, changes []change) treatment.Raw {
	t.Helper()
	b := treatment.NewBuilder(x.plan.Layout())
	for _, c := range changes {
		b.Begin(c.op)
		for _, v := range c.vals {
			put(t, b, v)
		}
	}
	raw, err := b.Seal()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func put(t testing.TB, b *treatment.Builder, v any) {
	t.Helper()
	switch v := v.(type) {
	case nil:
		b.Null()
	case same:
		b.Same()
	case int:
		b.Int(int64(v))
	case int64:
		b.Int(v)
	case float64:
		b.Float(v)
	case string:
		b.Bytes([]byte(v))
	case []byte:
		b.Bytes(v)
	case func(*treatment.Builder):
		v(b)
	default:
		t.Fatalf("no value: %T", v)
	}
}

func (x *tbl) batch(t testing.TB, changes ...change) *treatment.Batch {
	t.Helper()
	b, err := x.plan.Treat(x.raw(t, changes))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func mark(n int) treatment.Mark {
	return treatment.Mark{Position: treatment.Position(fmt.Sprintf("%08d", n)), AsOf: time.Date(2026, 11, 20, 0, 0, n, 0, time.UTC)}
}

// opened opens the store, and closes it at the end of the test.
func opened(t testing.TB, open Open, dir string) store.Store {
	t.Helper()
	s := open(t, dir)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func prepare(t testing.TB, s store.Store, facts []store.Fact, tables ...*tbl) {
	t.Helper()
	l := store.Layout{Identity: identity, Facts: facts}
	for _, x := range tables {
		l.Tables = append(l.Tables, x.st)
	}
	must(t, s.Prepare(t.Context(), l))
}

// write writes the batches in one transaction and releases them.
func write(t testing.TB, s store.Store, to treatment.Mark, batches ...*treatment.Batch) {
	t.Helper()
	must(t, tryWrite(t.Context(), s, to, batches...))
}

func tryWrite(ctx context.Context, s store.Store, to treatment.Mark, batches ...*treatment.Batch) error {
	defer func() {
		for _, b := range batches {
			b.Release()
		}
	}()
	tx, err := s.Begin(ctx)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	for _, b := range batches {
		if err := tx.Write(ctx, b); err != nil {
			return err
		}
	}
	return tx.Commit(ctx, to)
}

func state(t testing.TB, s store.Store) store.State {
	t.Helper()
	st, err := s.State(t.Context())
	must(t, err)
	return st
}

// scan returns every row of the table in the access's file: the values behind the row key, joined, sorted.
func scan(t testing.TB, s store.Store, a store.Access, x *tbl) []string {
	t.Helper()
	p, err := s.Pin(t.Context())
	must(t, err)
	defer func() { must(t, p.Close()) }()
	return scanPinned(t, p, a, x)
}

func scanPinned(t testing.TB, p store.Pinned, a store.Access, x *tbl) []string {
	t.Helper()
	rows, err := p.Scan(t.Context(), a, x.st.Name)
	must(t, err)
	return collect(t, rows, 1)
}

// collect reads all rows and closes them; columns before from are left out.
func collect(t testing.TB, rows store.Rows, from int) []string {
	t.Helper()
	var out []string
	for b, err := range rows.Batches() {
		must(t, err)
		out = append(out, lines(b, from)...)
	}
	must(t, rows.Close())
	sort.Strings(out)
	return out
}

func lines(b arrow.RecordBatch, from int) []string {
	out := make([]string, b.NumRows())
	for i := range out {
		var parts []string
		for _, c := range b.Columns()[from:] {
			parts = append(parts, c.ValueStr(i))
		}
		out[i] = strings.Join(parts, "|")
	}
	return out
}

func query(t testing.TB, s store.Store, a store.Access, sql string, args ...any) []string {
	t.Helper()
	rows, err := s.Query(t.Context(), a, sql, args...)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return collect(t, rows, 0)
}

func wantRows(t testing.TB, got, want []string) {
	t.Helper()
	sort.Strings(want)
	if !slices.Equal(got, want) {
		t.Errorf("got %d rows\n  %s\nwant %d\n  %s", len(got), strings.Join(first(got), "\n  "), len(want), strings.Join(first(want), "\n  "))
	}
}

func first(s []string) []string { return s[:min(len(s), 20)] }

// holds tells whether a file below dir has the bytes.
func holds(t testing.TB, dir string, needle string) bool {
	t.Helper()
	found := false
	must(t, filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path) //nolint:gosec // a file of the test
		found = found || bytes.Contains(text, []byte(needle))
		return err
	}))
	return found
}

func text(v any) string {
	if v == nil {
		return "(null)"
	}
	return fmt.Sprint(v)
}
