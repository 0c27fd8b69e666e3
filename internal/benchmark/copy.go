package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/weirproject/weir/internal/flow"
	"github.com/weirproject/weir/internal/ledger"
	"github.com/weirproject/weir/internal/policy"
	"github.com/weirproject/weir/internal/source/postgres"
	"github.com/weirproject/weir/internal/store"
	"github.com/weirproject/weir/internal/store/duckdb"
	"github.com/weirproject/weir/internal/treatment"
)

const table = "fleet.connection_attempt"

// bench measures the copy of one table.
type bench struct {
	url, dir string
	columns  []string // that the policy asks for
	rows     int64
	id       int
	times    map[string][]time.Duration
}

// measureCopy measures each way in turn, round after round.
func (b *bench) measureCopy(ctx context.Context, rounds int) error {
	protected, err := fleetPolicy()
	if err != nil {
		return err
	}
	bare := unprotected(protected)
	b.columns, b.times = columnsOf(protected), map[string][]time.Duration{}
	for round := range rounds {
		for _, m := range []struct {
			name string
			run  func(context.Context) (time.Duration, error)
		}{
			{"copy", b.copyToNothing},
			{"policy", func(ctx context.Context) (time.Duration, error) { return b.snapshot(ctx, protected) }},
			{"keep", func(ctx context.Context) (time.Duration, error) { return b.snapshot(ctx, bare) }},
		} {
			d, err := m.run(ctx)
			if err != nil {
				return fmt.Errorf("measure %s: %w", m.name, err)
			}
			progress("round %d: %-6s %6.2f s, %.0f rows/s", round+1, m.name, d.Seconds(), float64(b.rows)/d.Seconds())
			b.times[m.name] = append(b.times[m.name], d)
		}
	}
	return nil
}

// fleetPolicy is the example's policy of the one table.
func fleetPolicy() (*policy.Table, error) {
	name := filepath.Join("examples", "fleet", "policy", strings.TrimPrefix(table, "fleet.")+".yaml")
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("read policy: %w", err)
	}
	p, err := policy.Parse([]policy.File{{Name: name, Data: data}})
	if err != nil {
		return nil, err
	}
	return p.Table(table), nil
}

// unprotected is the same table with every column that crosses kept as it is.
func unprotected(t *policy.Table) *policy.Table {
	bare := *t
	bare.Columns = slices.Clone(t.Columns)
	for i, c := range bare.Columns {
		if c.Treat != policy.Drop {
			bare.Columns[i] = policy.Column{Name: c.Name, Class: c.Class, Access: c.Access, Treat: policy.Keep}
		}
	}
	return &bare
}

func columnsOf(t *policy.Table) []string {
	columns := []string{`"attempt_id"`}
	for _, c := range t.Columns {
		if c.Treat != policy.Drop {
			columns = append(columns, `"`+c.Name+`"`)
		}
	}
	return columns
}

func (b *bench) copyToNothing(ctx context.Context) (time.Duration, error) {
	conn, err := pgconn.Connect(ctx, b.url)
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.Close(ctx) }()
	began := time.Now()
	_, err = conn.CopyTo(ctx, io.Discard, "COPY (SELECT "+strings.Join(b.columns, ", ")+" FROM "+table+") TO STDOUT (FORMAT binary)")
	return time.Since(began), err
}

// snapshot copies the table under a policy, from the snapshot's opening to the store's durable commit, with the ledger.
func (b *bench) snapshot(ctx context.Context, t *policy.Table) (time.Duration, error) {
	b.id++
	dir := filepath.Join(b.dir, fmt.Sprintf("run%d", b.id))
	defer func() { _ = os.RemoveAll(dir) }()
	src, err := postgres.Open(ctx, postgres.Options{URL: b.url, ID: fmt.Sprintf("bench%d", b.id), Schemas: []string{"fleet"}})
	if err != nil {
		return 0, err
	}
	defer func() { _ = src.Close() }()
	l, err := ledger.Open(ledger.Options{Dir: filepath.Join(dir, "ledger"), KeyDir: filepath.Join(dir, "keys")})
	if err != nil {
		return 0, err
	}
	defer func() { _ = l.Close() }()
	st, err := duckdb.Open(ctx, duckdb.Options{Dir: filepath.Join(dir, "store"), Limits: store.Limits{MemoryBytes: 4 << 30, Threads: runtime.NumCPU(), Timeout: time.Minute}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return 0, err
	}
	defer func() { _ = st.Close() }()
	keys, err := treatment.NewKeys(make([]byte, treatment.MasterKeySize))
	if err != nil {
		return 0, err
	}
	p := &policy.Policy{Tables: []*policy.Table{t}}
	schema, err := src.Schema(ctx)
	if err != nil {
		return 0, err
	}
	sel, err := flow.Selection(p, schema, keys)
	if err != nil {
		return 0, err
	}
	script, err := src.Script(ctx, sel)
	if err == nil && script != "" {
		err = src.Execute(ctx, script)
	}
	if err != nil {
		return 0, err
	}
	f := flow.New(flow.Options{Source: src, Store: st, Ledger: l, Policy: p, Keys: keys})
	began := time.Now()
	if err := f.RunOnce(ctx); err != nil {
		return 0, err
	}
	took := time.Since(began)
	if got := f.Status().Tables[0].Rows; got != b.rows {
		return 0, fmt.Errorf("copied %d of %d rows", got, b.rows)
	}
	release, err := src.ReleaseScript(ctx)
	if err != nil {
		return 0, err
	}
	return took, src.Execute(ctx, release)
}

func median(d []time.Duration) time.Duration {
	d = slices.Sorted(slices.Values(d))
	return d[len(d)/2]
}

func (b *bench) report(p printer, rounds int) {
	keep, pol, raw := median(b.times["keep"]), median(b.times["policy"]), median(b.times["copy"])
	p("## The snapshot of one table\n\n")
	p("`%s`, %d rows, %d columns asked for, PostgreSQL on the same machine, median of %d rounds, in turn. A copy is timed from the opening of the snapshot to the store's\ndurable commit, ledger and row keys included.\n\n", table, b.rows, len(b.columns), rounds)
	p("| what | seconds | rows/s | of the unprotected copy |\n| --- | ---: | ---: | ---: |\n")
	for _, line := range []struct {
		name string
		d    time.Duration
	}{{"`COPY … TO STDOUT (FORMAT binary)` to nothing, one connection", raw}, {"weir, every treatment `keep`", keep}, {"weir, the policy of `examples/fleet`", pol}} {
		p("| %s | %.2f | %.0f | %.2f |\n", line.name, line.d.Seconds(), float64(b.rows)/line.d.Seconds(), keep.Seconds()/line.d.Seconds())
	}
	p("\nLaw 10 asks that the protected copy runs at 0.85 or more of the speed of the unprotected one: here %.2f.\n", keep.Seconds()/pol.Seconds())
}
