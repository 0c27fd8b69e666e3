// Package sourcetest owns what every source must do: one test for each sentence of source.Source's contract, run by each implementation against the real
// database, and a mirror that follows a source as a store would.
//
// It will not be imported by anything but tests.
package sourcetest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/weirproject/weir/internal/policy"
	"github.com/weirproject/weir/internal/source"
	"github.com/weirproject/weir/internal/treatment"
)

// Patience bounds every waiting of a test.
const Patience = 2 * time.Minute

// Row is a row of a mirror: the values by column, as text; a NULL is absent.
type Row map[string]string

// Mirror is a sink that keeps what it is told as a store does: by row key, through plans that keep every value.
type Mirror struct {
	plans map[string]*treatment.Plan

	mu       sync.Mutex // guards all below; a test looks while Read runs
	changed  chan struct{}
	tables   map[string]map[string]Row
	since    map[string]source.Position // the snapshot of each table: older transactions are in it
	position source.Position
	drift    []source.Drift
	commits  []source.Position // the end of each transaction
	begins   []source.Position
	progress int
	asOf     time.Time
	changes  int
	held     int
	open     bool
	at       source.Position
	builders map[string]*treatment.Builder
	order    []string
	cut      map[string]bool
	reading  *Reading // the last Read into it
	broken   []string // what the contract forbids and was seen

	// Refuse, when set, is asked before every call of Read and its error returned. Set it before Read.
	Refuse func(call string) error
}

// NewMirror returns an empty mirror of the selection.
func NewMirror(t testing.TB, sel source.Selection) *Mirror {
	t.Helper()
	keys, err := treatment.NewKeys(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	m := &Mirror{
		plans: map[string]*treatment.Plan{}, changed: make(chan struct{}), tables: map[string]map[string]Row{}, since: map[string]source.Position{},
		builders: map[string]*treatment.Builder{}, cut: map[string]bool{},
	}
	for _, l := range sel {
		p := &policy.Table{Name: l.Table, Access: policy.AccessSQL}
		for _, c := range l.Columns {
			p.Columns = append(p.Columns, policy.Column{Name: c.Name, Class: policy.Public, Treat: policy.Keep})
		}
		slices.SortFunc(p.Columns, func(a, b policy.Column) int { return compareText(a.Name, b.Name) })
		if m.plans[l.Table], err = treatment.Compile(p, l, keys); err != nil {
			t.Fatal(err)
		}
		m.tables[l.Table] = map[string]Row{}
	}
	return m
}

func compareText(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	default:
		return 0
	}
}

// Copy fills the mirror's tables from a snapshot and returns the snapshot's position.
func (m *Mirror) Copy(t testing.TB, s source.Source) source.Position {
	t.Helper()
	n, err := s.Snapshot(t.Context())
	if err != nil {
		t.Fatal("snapshot:", Explain(err))
	}
	defer func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	}()
	m.CopyFrom(t, n)
	return n.Position()
}

// CopyFrom fills the mirror's tables from an open snapshot.
func (m *Mirror) CopyFrom(t testing.TB, n source.Snapshot) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(m.plans)) {
		b := treatment.NewBuilder(m.plans[name].Layout())
		if err := n.Copy(t.Context(), b.Layout(), func() (*treatment.Builder, error) { return b, nil }); err != nil {
			t.Fatal("copy:", Explain(err))
		}
		m.mu.Lock()
		m.tables[name] = map[string]Row{}
		m.since[name] = n.Position()
		err := m.apply(b, false)
		m.mu.Unlock()
		if err != nil {
			t.Fatal(err)
		}
	}
}

// apply puts the rows of a builder in; mu is held.
func (m *Mirror) apply(b *treatment.Builder, truncated bool) error {
	table := b.Layout().Table
	raw, err := b.Seal()
	if err != nil {
		return err
	}
	m.changes += raw.Len()
	treat := m.plans[table].Treat
	if truncated {
		treat = m.plans[table].TreatTruncated
	}
	batch, err := treat(raw)
	if err != nil {
		return err
	}
	defer batch.Release()
	for _, n := range batch.Held() {
		m.held += n
	}
	have := m.tables[table]
	if batch.Truncate() {
		have = map[string]Row{}
	}
	rows := batch.Rows()
	columns := map[string]int{}
	for i, f := range rows.Schema().Fields() {
		columns[f.Name] = i
	}
	fresh := make(map[string]Row, rows.NumRows())
	for i := range int(rows.NumRows()) {
		row := Row{}
		for _, f := range m.plans[table].Schema().Fields()[1:] {
			c := rows.Column(columns[f.Name])
			if slices.Contains(batch.Patched(), f.Name) {
				same, ok := rows.Column(columns[treatment.SamePrefix+f.Name]).(*array.Boolean)
				if !ok {
					return errors.New("a flag column is not boolean")
				}
				if same.Value(i) {
					base, ok := have[rows.Column(columns[treatment.BaseColumn]).ValueStr(i)]
					if !ok {
						m.broken = append(m.broken, "an unchanged value of a row that is not there")
					}
					if v, ok := base[f.Name]; ok {
						row[f.Name] = v
					}
					continue
				}
			}
			if !c.IsNull(i) {
				row[f.Name] = c.ValueStr(i)
			}
		}
		fresh[rows.Column(0).ValueStr(i)] = row
	}
	for i := range int(batch.Deletes().NumRows()) {
		delete(have, batch.Deletes().Column(0).ValueStr(i))
	}
	for key, row := range fresh {
		if _, double := have[key]; double {
			m.broken = append(m.broken, "a row of "+table+" came twice")
		}
		have[key] = row
	}
	m.tables[table] = have
	return nil
}

func (m *Mirror) enter(call string) error {
	m.mu.Lock()
	if m.Refuse != nil {
		return m.Refuse(call)
	}
	return nil
}

func (m *Mirror) leave() {
	close(m.changed)
	m.changed = make(chan struct{})
	m.mu.Unlock()
}

// Begin implements source.Sink.
func (m *Mirror) Begin(at source.Position, committed time.Time) error {
	defer m.leave()
	if err := m.enter("begin"); err != nil {
		return err
	}
	if m.open || at < m.position || committed.IsZero() {
		m.broken = append(m.broken, "begin out of order")
	}
	m.open, m.at = true, at
	m.begins = append(m.begins, at)
	return nil
}

// Rows implements source.Sink.
func (m *Mirror) Rows(table string) (*treatment.Builder, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.Refuse != nil {
		if err := m.Refuse("rows"); err != nil {
			return nil, err
		}
	}
	plan := m.plans[table]
	if plan == nil || !m.open {
		m.broken = append(m.broken, "rows of "+table+" where none may come")
		return nil, nil
	}
	if m.at < m.since[table] {
		return nil, nil
	}
	if m.builders[table] == nil {
		m.builders[table] = treatment.NewBuilder(plan.Layout())
		m.order = append(m.order, table)
	}
	return m.builders[table], nil
}

// Truncate implements source.Sink.
func (m *Mirror) Truncate(table string) error {
	defer m.leave()
	if err := m.enter("truncate"); err != nil {
		return err
	}
	if m.plans[table] == nil || !m.open {
		m.broken = append(m.broken, "truncate of "+table+" where none may come")
		return nil
	}
	if m.at < m.since[table] {
		return nil
	}
	if m.builders[table] == nil {
		m.order = append(m.order, table)
	}
	m.builders[table] = treatment.NewBuilder(m.plans[table].Layout())
	m.cut[table] = true
	return nil
}

// Commit implements source.Sink.
func (m *Mirror) Commit(end source.Position) error {
	defer m.leave()
	if err := m.enter("commit"); err != nil {
		return err
	}
	if !m.open || end <= m.at {
		m.broken = append(m.broken, "commit out of order")
	}
	for _, table := range m.order {
		if err := m.apply(m.builders[table], m.cut[table]); err != nil {
			return err
		}
	}
	m.forget()
	m.position = end
	m.commits = append(m.commits, end)
	return nil
}

func (m *Mirror) forget() {
	m.open, m.order = false, nil
	m.builders, m.cut = map[string]*treatment.Builder{}, map[string]bool{}
}

// Progress implements source.Sink.
func (m *Mirror) Progress(end source.Position, at time.Time) error {
	defer m.leave()
	if err := m.enter("progress"); err != nil {
		return err
	}
	if m.open || end < m.position || at.IsZero() || at.Before(m.asOf) {
		m.broken = append(m.broken, "progress out of order")
	}
	m.position, m.asOf = end, at
	m.progress++
	return nil
}

// Drift implements source.Sink.
func (m *Mirror) Drift(d source.Drift) error {
	defer m.leave()
	if err := m.enter("drift"); err != nil {
		return err
	}
	m.drift = append(m.drift, d)
	return nil
}

// Await waits until the mirror is as wanted.
func (m *Mirror) Await(t testing.TB, what string, wanted func() bool) {
	t.Helper()
	late := time.NewTimer(Patience)
	defer late.Stop()
	for {
		m.mu.Lock()
		ok, changed := wanted(), m.changed
		ended := make(chan struct{})
		if m.reading != nil {
			ended = m.reading.done
		}
		m.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-ended: // what it brought last is there
			m.mu.Lock()
			ok, err := wanted(), m.reading.err
			m.mu.Unlock()
			if !ok {
				t.Fatal("read ended before ", what, ": ", Explain(err))
			}
			return
		case <-late.C:
			t.Fatal("waited too long for:", what)
		}
	}
}

// AwaitPosition waits until the mirror has passed p.
func (m *Mirror) AwaitPosition(t testing.TB, p source.Position) {
	t.Helper()
	m.Await(t, "the position", func() bool { return m.position >= p })
}

// AwaitDrift waits until the drift has been told.
func (m *Mirror) AwaitDrift(t testing.TB, d source.Drift) {
	t.Helper()
	m.Await(t, fmt.Sprint("drift ", d), func() bool { return slices.Contains(m.drift, d) })
}

// Position returns what the mirror has passed.
func (m *Mirror) Position() source.Position {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.position
}

// Drifts returns what drift was told.
func (m *Mirror) Drifts() []source.Drift {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.drift)
}

// Table returns a copy of a table by row key.
func (m *Mirror) Table(name string) map[string]Row {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.tables[name])
}

// Values returns one column of a table, sorted, without NULLs.
func (m *Mirror) Values(table, column string) []string {
	var values []string
	for _, r := range m.Table(table) {
		if v, ok := r[column]; ok {
			values = append(values, v)
		}
	}
	slices.Sort(values)
	return values
}

// HeldValues is how many values were held back.
func (m *Mirror) HeldValues() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.held
}

// Healthy fails the test when something came that the contract forbids.
func (m *Mirror) Healthy(t testing.TB) {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, b := range m.broken {
		t.Error(b)
	}
}

// SameAs fails the test when the other mirror has other rows.
func (m *Mirror) SameAs(t testing.TB, other *Mirror) {
	t.Helper()
	m.Healthy(t)
	other.Healthy(t)
	for _, name := range slices.Sorted(maps.Keys(m.plans)) {
		a, b := m.Table(name), other.Table(name)
		if len(a) != len(b) {
			t.Errorf("%s has %d rows, want %d", name, len(a), len(b))
		}
		shown := 0
		for key, row := range b {
			if have, ok := a[key]; (!ok || !maps.Equal(have, row)) && shown < 5 {
				shown++
				t.Errorf("%s: row %s is %v (there: %t), want %v", name, key, have, ok, row)
			}
		}
	}
}

// Reading is a Read that runs beside the test.
type Reading struct {
	cancel context.CancelFunc
	done   chan struct{}
	err    error
}

// Follow starts a Read into the mirror. It ends with the test at the latest.
func Follow(t testing.TB, s source.Source, sel source.Selection, from source.Position, m *Mirror) *Reading {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r := &Reading{cancel: cancel, done: make(chan struct{})}
	m.mu.Lock()
	m.forget()
	m.mu.Unlock()
	m.mu.Lock()
	m.reading = r
	m.mu.Unlock()
	go func() {
		defer close(r.done)
		r.err = s.Read(ctx, sel, from, m)
	}()
	t.Cleanup(func() {
		cancel()
		<-r.done
	})
	return r
}

// Stop ends the Read and fails the test when it had ended by itself.
func (r *Reading) Stop(t testing.TB) {
	t.Helper()
	r.cancel()
	if err := r.Wait(t); !errors.Is(err, context.Canceled) {
		t.Error("read ended by itself:", Explain(err))
	}
}

// Wait returns what Read returned.
func (r *Reading) Wait(t testing.TB) error {
	t.Helper()
	select {
	case <-r.done:
		return r.err
	case <-time.After(Patience):
		t.Fatal("read does not end")
		return nil
	}
}

// Explain shows an error with its chain of causes, which hold what people must not see; a test may.
func Explain(err error) string {
	text := ""
	for ; err != nil; err = errors.Unwrap(err) {
		text += fmt.Sprintf("[%T] %v; ", err, err)
	}
	return text
}
