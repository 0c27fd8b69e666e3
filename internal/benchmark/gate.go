package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/weirproject/weir/internal/store"
	"github.com/weirproject/weir/internal/store/duckdb"
)

// The statements.
const (
	dashboard = "SELECT model_id, outcome, count(*) AS n, avg(connect_ms) AS ms FROM bench.reading WHERE taken_at < TIMESTAMP '2026-01-02 03:46:40' AND model_id >= 0 GROUP BY model_id, outcome ORDER BY model_id, outcome"
	question  = "SELECT family, count(*) AS models FROM fleet.product_model WHERE model_id >= 0 GROUP BY family"
	export    = "SELECT device_id, taken_at, model_id, connect_ms, voltage, reachable, outcome FROM bench.reading"
)

const (
	asks        = 600             // of each latency
	askers      = 12              // accounts that ask at once, one connection each
	askFor      = 8 * time.Second // how long they ask
	exports     = 2               // how often the table goes out in each form
	connections = 10              // fresh ones
)

// gateBench measures the gate beside the bare engine.
type gateBench struct {
	dir, url string
	rows     int64
	parts    string // empty: all

	world  *world
	latent []latency
	rates  []rate
	outs   []out
	fresh  freshness
}

// latency is what a statement takes through the gate beside what it takes in the bare engine, in turn.
type latency struct {
	name       string
	gate, bare []time.Duration
	disk       []time.Duration // two small writes, each with fsync, on the same disk at the same time
}

// rate is how many recorded questions were answered.
type rate struct {
	name     string
	answered int64
	took     time.Duration
	busy     time.Duration // of all processors, for weir and its engines
	times    []time.Duration
}

// perSecond is what counts.
func (r rate) perSecond() float64 { return float64(r.answered) / r.took.Seconds() }

// each is how long the processors work for one question.
func (r rate) each() time.Duration { return r.busy / time.Duration(max(r.answered, 1)) }

// out is the way out of all rows.
type out struct {
	name        string
	rows, bytes int64
	took, first []time.Duration
}

// freshness is a connection from nothing to the first row of its first statement.
type freshness struct{ signedIn, first []time.Duration }

func (g *gateBench) run(ctx context.Context) (err error) {
	w := &world{dir: g.dir, url: g.url}
	g.world = w
	if err := w.make(ctx, g.rows); err != nil {
		return err
	}
	if err := w.start(ctx); err != nil {
		return errors.Join(err, w.stop())
	}
	defer func() { err = errors.Join(err, w.stop()) }()
	stamp := strconv.FormatInt(time.Now().Unix()%1_000_000, 36)
	people := make([]*pgconn.Config, askers)
	for i := range people {
		if people[i], err = w.analyst(ctx, fmt.Sprintf("asker-%s-%d", stamp, i)); err != nil {
			return err
		}
	}
	for _, part := range []struct {
		name    string
		measure func(context.Context, []*pgconn.Config) error
	}{{"fresh", g.measureFresh}, {"latency", g.measureLatency}, {"rate", g.measureRates}, {"out", g.measureOut}} {
		if g.parts != "" && !strings.Contains(g.parts, part.name) {
			continue
		}
		if err := part.measure(ctx, people); err != nil {
			return err
		}
	}
	return nil
}

// closing closes a connection.
func closing(c *pgconn.PgConn) { _ = c.Close(context.Background()) }

// ask sends one statement by the extended protocol in one round, takes its rows in binary, and returns how many there were.
func ask(ctx context.Context, c *pgconn.PgConn, sql string) (int, error) {
	r := c.ExecParams(ctx, sql, nil, nil, nil, []int16{1})
	n := 0
	for r.NextRow() {
		n++
	}
	_, err := r.Close()
	return n, err
}

// measureFresh signs in and asks, each time from nothing.
func (g *gateBench) measureFresh(ctx context.Context, people []*pgconn.Config) error {
	for i := range connections {
		began := time.Now()
		c, err := pgconn.ConnectConfig(ctx, people[i%len(people)])
		if err != nil {
			return fmt.Errorf("sign in: %w", err)
		}
		in := time.Now()
		r := c.ExecParams(ctx, fmt.Sprintf("%s LIMIT %d", export, 1_000_000+i), nil, nil, nil, []int16{1})
		if !r.NextRow() {
			_, err := r.Close()
			closing(c)
			return fmt.Errorf("ask for a first row: %w", err)
		}
		g.fresh.signedIn = append(g.fresh.signedIn, in.Sub(began))
		g.fresh.first = append(g.fresh.first, time.Since(in))
		_, err = r.Close()
		closing(c)
		if err != nil {
			return fmt.Errorf("ask for a first row: %w", err)
		}
	}
	progress("gate: sign-in %s, first row of a fresh connection %s", shown(median(g.fresh.signedIn)), shown(median(g.fresh.first)))
	return nil
}

// measureLatency asks the gate and the bare engine in turn, so that what else the machine does meets both.
func (g *gateBench) measureLatency(ctx context.Context, people []*pgconn.Config) error {
	bare, err := duckdb.Open(ctx, duckdb.Options{Dir: g.world.path("bare"), Limits: store.Limits{MemoryBytes: 4 << 30, Threads: runtime.NumCPU(), Timeout: time.Minute}})
	if err != nil {
		return err
	}
	defer func() { _ = bare.Close() }()
	c, err := pgconn.ConnectConfig(ctx, people[0])
	if err != nil {
		return fmt.Errorf("sign in: %w", err)
	}
	defer closing(c)
	probe, err := os.Create(g.world.path("probe"))
	if err != nil {
		return fmt.Errorf("make probe: %w", err)
	}
	defer func() { _ = probe.Close() }()
	for _, kind := range []struct {
		name string
		text func(int) string
	}{
		{"a text that weir has seen", func(int) string { return dashboard }},
		{"a text that weir has never seen", func(i int) string { return strings.Replace(dashboard, ">= 0", ">= -"+strconv.Itoa(i+1), 1) }},
	} {
		l := latency{name: kind.name}
		for i := range asks + 20 {
			sql := kind.text(i)
			began := time.Now()
			n, err := bareAsk(ctx, bare, sql)
			b := time.Since(began)
			if err != nil {
				return fmt.Errorf("ask the bare engine: %w", err)
			}
			began = time.Now()
			m, err := ask(ctx, c, sql)
			t := time.Since(began)
			if err != nil {
				return fmt.Errorf("ask the gate: %w", err)
			}
			if n != m || n == 0 {
				return fmt.Errorf("the gate answered %d rows, the bare engine %d", m, n)
			}
			began = time.Now()
			for range 2 {
				if _, err := probe.Write(make([]byte, 500)); err != nil {
					return fmt.Errorf("write probe: %w", err)
				}
				if err := probe.Sync(); err != nil {
					return fmt.Errorf("write probe: %w", err)
				}
			}
			if i >= 20 { // both are warm
				l.bare, l.gate, l.disk = append(l.bare, b), append(l.gate, t), append(l.disk, time.Since(began))
			}
		}
		progress("gate: %s: p50 %s p99 %s; bare p50 %s p99 %s; beyond p50 %s p99 %s; two fsyncs p50 %s p99 %s", l.name, shown(quantile(l.gate, 0.5)), shown(quantile(l.gate, 0.99)), shown(quantile(l.bare, 0.5)), shown(quantile(l.bare, 0.99)),
			shown(quantile(l.gate, 0.5)-quantile(l.bare, 0.5)), shown(quantile(l.gate, 0.99)-quantile(l.bare, 0.99)),
			shown(quantile(l.disk, 0.5)), shown(quantile(l.disk, 0.99)))
		g.latent = append(g.latent, l)
	}
	return nil
}

func bareAsk(ctx context.Context, s store.Store, sql string) (int, error) {
	rows, err := s.Query(ctx, store.SQL, sql)
	if err != nil {
		return 0, err
	}
	n := 0
	for b, err := range rows.Batches() {
		if err != nil {
			return 0, errors.Join(err, rows.Close())
		}
		n += int(b.NumRows())
	}
	return n, rows.Close()
}

// measureRates lets everybody ask at once, each waiting for an answer before the next question.
func (g *gateBench) measureRates(ctx context.Context, people []*pgconn.Config) error {
	var unseen atomic.Int64
	unseen.Store(time.Now().UnixNano() % 1_000_000_000)
	for _, kind := range []struct {
		name string
		ask  func(context.Context, *pgconn.PgConn) (int, error)
	}{
		{"prepared once by the client", func(ctx context.Context, c *pgconn.PgConn) (int, error) {
			r := c.ExecPrepared(ctx, "q", nil, nil, []int16{1})
			n := 0
			for r.NextRow() {
				n++
			}
			_, err := r.Close()
			return n, err
		}},
		{"a text that weir has seen", func(ctx context.Context, c *pgconn.PgConn) (int, error) { return ask(ctx, c, question) }},
		{"a text that weir has never seen", func(ctx context.Context, c *pgconn.PgConn) (int, error) {
			return ask(ctx, c, strings.Replace(question, ">= 0", ">= -"+strconv.FormatInt(unseen.Add(1), 10), 1))
		}},
	} {
		r, err := g.measureRate(ctx, kind.name, people, kind.ask)
		if err != nil {
			return err
		}
		progress("gate: %s: %.0f questions/s, %s of processor each, p50 %s p99 %s", r.name, r.perSecond(), shown(r.each()), shown(quantile(r.times, 0.5)), shown(quantile(r.times, 0.99)))
		g.rates = append(g.rates, r)
	}
	return nil
}

func (g *gateBench) measureRate(ctx context.Context, name string, people []*pgconn.Config, ask func(context.Context, *pgconn.PgConn) (int, error)) (rate, error) {
	out := rate{name: name}
	conns := make([]*pgconn.PgConn, len(people))
	for i := range conns {
		c, err := pgconn.ConnectConfig(ctx, people[i])
		if err != nil {
			return out, fmt.Errorf("sign in: %w", err)
		}
		defer closing(c)
		if _, err := c.Prepare(ctx, "q", question, nil); err != nil {
			return out, fmt.Errorf("prepare: %w", err)
		}
		conns[i] = c
	}
	before, err := g.world.recorded()
	if err != nil {
		return out, err
	}
	var mu sync.Mutex // guards out and errs
	var errs error
	var all sync.WaitGroup
	busy := g.world.busy()
	began := time.Now()
	for _, c := range conns {
		all.Go(func() {
			var times []time.Duration
			var err error
			for time.Since(began) < askFor && err == nil {
				asked := time.Now()
				var n int
				if n, err = ask(ctx, c); err == nil && n == 0 {
					err = errors.New("the gate answered nothing")
				}
				times = append(times, time.Since(asked))
			}
			mu.Lock()
			defer mu.Unlock()
			errs = errors.Join(errs, err)
			out.times = append(out.times, times...)
		})
	}
	all.Wait()
	out.took, out.busy, out.answered = time.Since(began), g.world.busy()-busy, int64(len(out.times))
	if errs != nil {
		return out, fmt.Errorf("ask: %w", errs)
	}
	after, err := g.world.recorded()
	if err == nil && after-before < 2*out.answered {
		err = fmt.Errorf("%d questions were answered and %d entries recorded", out.answered, after-before)
	}
	return out, err
}

// arrival counts what passes and remembers when the first of it came.
type arrival struct {
	n     int64
	first time.Time
}

func (a *arrival) Write(p []byte) (int, error) {
	if a.n == 0 {
		a.first = time.Now()
	}
	a.n += int64(len(p))
	return len(p), nil
}

var _ io.Writer = (*arrival)(nil)

// measureOut takes all rows of the big table.
func (g *gateBench) measureOut(ctx context.Context, people []*pgconn.Config) error {
	copied, taken := out{name: "`COPY … TO STDOUT (FORMAT binary)`"}, out{name: "extended protocol, binary results"}
	for range exports {
		c, err := pgconn.ConnectConfig(ctx, people[0])
		if err != nil {
			return fmt.Errorf("sign in: %w", err)
		}
		var a arrival
		began := time.Now()
		tag, err := c.CopyTo(ctx, &a, "COPY ("+export+") TO STDOUT (FORMAT binary)")
		if err != nil || tag.RowsAffected() != g.rows {
			closing(c)
			return fmt.Errorf("copy out %d rows: %w", tag.RowsAffected(), err)
		}
		copied.took, copied.first, copied.rows, copied.bytes = append(copied.took, time.Since(began)), append(copied.first, a.first.Sub(began)), tag.RowsAffected(), a.n
		began = time.Now()
		r := c.ExecParams(ctx, export, nil, nil, nil, []int16{1})
		var n, bytes int64
		for r.NextRow() {
			if n == 0 {
				taken.first = append(taken.first, time.Since(began))
			}
			n++
			for _, v := range r.Values() {
				bytes += int64(len(v)) + 4
			}
			bytes += 7
		}
		_, err = r.Close()
		closing(c)
		if err != nil || n != g.rows {
			return fmt.Errorf("take %d rows: %w", n, err)
		}
		taken.took, taken.rows, taken.bytes = append(taken.took, time.Since(began)), n, bytes
	}
	for _, o := range []out{copied, taken} {
		progress("gate: %s: %.2f s, %.0f MB/s, first row %s", o.name, median(o.took).Seconds(), float64(o.bytes)/1e6/median(o.took).Seconds(), shown(slices.Max(o.first)))
		g.outs = append(g.outs, o)
	}
	return nil
}

// quantile is the smallest duration that the share of all do not exceed.
func quantile(d []time.Duration, share float64) time.Duration {
	d = slices.Sorted(slices.Values(d))
	return d[max(0, int(math.Ceil(share*float64(len(d))))-1)]
}

// shown is a duration in milliseconds.
func shown(d time.Duration) string { return fmt.Sprintf("%.2f ms", d.Seconds()*1000) }

func (g *gateBench) report(p printer) {
	p("## The gate\n\n")
	p("Through weir itself, as people come to it: TLS, SCRAM, PostgreSQL's protocol, the decision, a question and an answer in the ledger with fsync before either is\nbelieved. Weir, its engines and the client share the machine's %d cores.\n\n", runtime.NumCPU())
	p("**A dashboard's query**: groups over 100,000 of the %d rows of `%s`, asked %d times, in turn with the bare engine (the same SQL, by the same store code, on a\nbyte-for-byte copy of the store). To be met: 2 ms more at p50, 10 ms more at p99.\n\n", g.rows, big, asks)
	p("| what | gate p50 | bare p50 | more at p50 | gate p99 | bare p99 | more at p99 | |\n| --- | ---: | ---: | ---: | ---: | ---: | ---: | --- |\n")
	for _, l := range g.latent {
		half, most := quantile(l.gate, 0.5)-quantile(l.bare, 0.5), quantile(l.gate, 0.99)-quantile(l.bare, 0.99)
		p("| %s | %s | %s | **%s** | %s | %s | **%s** | %s |\n", l.name, shown(quantile(l.gate, 0.5)), shown(quantile(l.bare, 0.5)), shown(half),
			shown(quantile(l.gate, 0.99)), shown(quantile(l.bare, 0.99)), shown(most), met(half <= 2*time.Millisecond && most <= 10*time.Millisecond))
	}
	p("\nTwo small writes with fsync, which is what the record of a question costs at least, took on the same disk between those questions: %s at p50, %s at p99.\n",
		shown(quantile(g.latent[0].disk, 0.5)), shown(quantile(g.latent[0].disk, 0.99)))
	p("\n**Recorded questions**: %d accounts with one connection each ask for groups over `fleet.product_model` for %.0f seconds, each waiting for its answer; every\nquestion has two entries of its own, which the ledger's checkpoint counts. To be met: 1000 a second.\n\n", askers, askFor.Seconds())
	p("| what | questions/s | p50 | p99 | processor time of weir for each | |\n| --- | ---: | ---: | ---: | ---: | --- |\n")
	for _, r := range g.rates {
		p("| %s | **%.0f** | %s | %s | %s | %s |\n", r.name, r.perSecond(), shown(quantile(r.times, 0.5)), shown(quantile(r.times, 0.99)), shown(r.each()), met(r.perSecond() >= 1000))
	}
	p("\n**All rows out**: %d rows of `%s`, 7 columns, the slower of %d. To be met: 100 MB/s, the first row within 100 ms.\n\n", g.rows, big, exports)
	p("| what | MB | seconds | MB/s | rows/s | first row | |\n| --- | ---: | ---: | ---: | ---: | ---: | --- |\n")
	for _, o := range g.outs {
		took, first := slices.Max(o.took), slices.Max(o.first)
		mb := float64(o.bytes) / 1e6
		p("| %s | %.0f | %.2f | **%.0f** | %.0f | **%s** | %s |\n", o.name, mb, took.Seconds(), mb/took.Seconds(), float64(o.rows)/took.Seconds(), shown(first), met(mb/took.Seconds() >= 100 && first <= 100*time.Millisecond))
	}
	p("\n**A fresh connection**, slowest of %d: signed in after %s (TLS and SCRAM, whose password is hashed on both sides), the first row of its first statement, one\nthat weir has never seen, **%s** later: %s.\n", connections, shown(slices.Max(g.fresh.signedIn)), shown(slices.Max(g.fresh.first)), met(slices.Max(g.fresh.first) <= 100*time.Millisecond))
}

func met(yes bool) string {
	if yes {
		return "met"
	}
	return "not met"
}
