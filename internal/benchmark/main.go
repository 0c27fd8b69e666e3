// Command benchmark measures how fast weir copies, beside the same copy without protection and beside PostgreSQL sending the same rows to nothing, and how fast its
// gate answers, beside the bare engine on the same data; all in one run on one machine. It prints docs/benchmarks.md.
//
// It will not tune anything for itself: it runs the source, the neck and the store that weir runs, and for the gate weir itself.
package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"strings"
	"time"

	"github.com/weirproject/weir/internal/engine"
	"github.com/weirproject/weir/internal/fleet"
	"github.com/weirproject/weir/internal/postmaster"
)

// options are what the command line says.
type options struct {
	accounts, rounds int
	rows             int64  // of the gate's table
	world            string // folder of the gate's world, kept and used again
	skipCopy         bool
	parts            string // of the gate's figures; empty: all
}

func main() {
	engine.Main()
	var o options
	flag.IntVar(&o.accounts, "accounts", 20_000, "accounts of the fleet that is copied")
	flag.IntVar(&o.rounds, "rounds", 3, "how often each copy is measured; the median counts")
	flag.Int64Var(&o.rows, "rows", 10_000_000, "rows of the table that goes out through the gate")
	flag.StringVar(&o.world, "world", "", "keep what is made for the gate's figures in `FOLDER`, and use what is there")
	flag.BoolVar(&o.skipCopy, "gate", false, "measure the gate alone")
	flag.StringVar(&o.parts, "parts", "", "of the gate, measure and print only these (fresh, latency, rate, out), and write no page")
	profile := flag.String("cpuprofile", "", "write a profile of this process, which reads and treats, to `FILE`")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := profiled(*profile, func() error { return run(ctx, o) })
	stop()
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "benchmark:", err)
		os.Exit(1)
	}
}

func profiled(path string, f func() error) error {
	if path == "" {
		return f()
	}
	out, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("create profile: %w", err)
	}
	defer func() { _ = out.Close() }()
	if err := pprof.StartCPUProfile(out); err != nil {
		return fmt.Errorf("start profile: %w", err)
	}
	defer pprof.StopCPUProfile()
	return f()
}

func run(ctx context.Context, o options) error {
	began := time.Now()
	dir := o.world
	if dir == "" {
		var err error
		if dir, err = os.MkdirTemp("", "weir-bench-"); err != nil {
			return fmt.Errorf("make folder: %w", err)
		}
		defer func() { _ = os.RemoveAll(dir) }()
	}
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // PostgreSQL's own user walks through
		return fmt.Errorf("make folder: %w", err)
	}
	if err := os.Chmod(dir, 0o755); err != nil { //nolint:gosec // PostgreSQL's own user walks through
		return fmt.Errorf("open folder: %w", err)
	}
	_, err := os.Stat(filepath.Join(dir, "postgres"))
	made := err == nil
	server, err := postmaster.Start(ctx, postmaster.Options{Dir: filepath.Join(dir, "postgres"), Settings: map[string]string{
		"fsync": "off", "synchronous_commit": "off", "shared_buffers": "512MB", "max_wal_size": "16GB",
	}})
	if err != nil {
		return err
	}
	defer func() { _ = server.Stop() }()
	b := &bench{url: server.URL("postgres"), dir: dir}
	if !made {
		progress("making a fleet of %d accounts", o.accounts)
		truth, err := fleet.Create(ctx, fleet.Options{URL: b.url, Accounts: o.accounts, Days: 30, Seed: 1})
		if err != nil {
			return err
		}
		b.rows = truth.Rows[strings.TrimPrefix(table, "fleet.")]
	}
	if !o.skipCopy {
		if err := b.measureCopy(ctx, o.rounds); err != nil {
			return err
		}
	}
	g := &gateBench{dir: dir, url: b.url, rows: o.rows, parts: o.parts}
	if err := g.run(ctx); err != nil {
		return fmt.Errorf("measure the gate: %w", err)
	}
	if o.parts != "" {
		return nil
	}
	out := bufio.NewWriter(os.Stdout)
	p := func(format string, args ...any) { _, _ = fmt.Fprintf(out, format, args...) }
	head(p, time.Since(began))
	if !o.skipCopy {
		b.report(p, o.rounds)
		p("\n")
	}
	g.report(p)
	return out.Flush()
}

func progress(format string, args ...any) {
	_, _ = fmt.Fprintf(os.Stderr, "benchmark: "+format+"\n", args...)
}

// printer writes a piece of the page.
type printer func(format string, args ...any)

func head(p printer, took time.Duration) {
	p("# Benchmarks\n\n")
	p("Written by `make bench`; good or bad, as it came. Everything below was measured in one run of %.0f seconds on one machine.\n\n", took.Seconds())
	p("- machine: %s, %d cores, %s/%s, %s\n- commit: %s\n- date: %s\n- load of the machine at the end, which includes this: %s\n\n",
		cpu(), runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version(), commit(), time.Now().UTC().Format(time.DateOnly), load())
}

// load is the machine's load average over one and five minutes.
func load() string {
	data, err := os.ReadFile("/proc/loadavg")
	f := strings.Fields(string(data))
	if err != nil || len(f) < 2 {
		return "unknown"
	}
	return f[0] + ", " + f[1]
}

func cpu() string {
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown processor"
	}
	for line := range strings.Lines(string(info)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown processor"
}

func commit() string {
	out, err := exec.Command("git", "rev-parse", "--short", "HEAD").Output() //nolint:noctx // ends at once
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}
