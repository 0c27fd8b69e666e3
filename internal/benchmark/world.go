package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// big is the table of which many rows go out; each row has what telemetry has.
const (
	big       = "bench.reading"
	bigPolicy = `table: bench.reading
access: sql
exploration: what the benchmark asks
columns:
  reading_id: {class: identifier, treat: drop}
  device_id:  {class: identifier, treat: pseudonym, subject: device}
  taken_at:   {class: telemetry, treat: keep}
  model_id:   {class: telemetry, treat: keep}
  connect_ms: {class: telemetry, treat: keep}
  voltage:    {class: telemetry, treat: keep}
  reachable:  {class: telemetry, treat: keep}
  outcome:    {class: telemetry, treat: keep}
`
	bigTable = `CREATE SCHEMA bench;
CREATE TABLE bench.reading (reading_id bigint NOT NULL, device_id bigint NOT NULL, taken_at timestamptz NOT NULL, model_id integer NOT NULL, connect_ms bigint,
	voltage double precision, reachable boolean NOT NULL, outcome text NOT NULL);
INSERT INTO bench.reading SELECT i, i % 100000, timestamptz '2026-01-01 00:00:00Z' + i * interval '1 second', i % 40, CASE WHEN i % 10 > 0 THEN i % 3000 END, 3.0 + (i % 1000) / 777.0, i % 7 > 0,
	CASE WHEN i % 7 > 0 THEN 'connected' WHEN i % 2 > 0 THEN 'timeout' ELSE 'refused' END FROM generate_series(1, ROWS) AS i;
ALTER TABLE bench.reading ADD PRIMARY KEY (reading_id)`
	configuration = `source: {name: benchmark, url_file: source.url, schemas: [fleet, bench], accept: [production_ddl]}
policy: policy
state: state
gate: {sql: "127.0.0.1:0"}
`
)

// small are the fleet's tables that the dashboard asks.
var small = []string{"device", "product_model"}

// world is a weir of its own with a copy.
type world struct {
	dir, url string
	weir     string // the program
	run      *exec.Cmd
	said     bytes.Buffer
}

func (w *world) path(name string) string { return filepath.Join(w.dir, name) }

// make builds weir, makes the source and copies it.
func (w *world) make(ctx context.Context, rows int64) error {
	w.weir = w.path("weir")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", w.weir, "./cmd/weir")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build weir: %w\n%s", err, out)
	}
	if err := os.WriteFile(w.path("source.url"), []byte(w.url), 0o600); err != nil {
		return fmt.Errorf("write configuration: %w", err)
	}
	if _, err := os.Stat(w.path("copied")); err == nil {
		return nil
	}
	progress("making a table of %d rows", rows)
	conn, err := pgconn.Connect(ctx, w.url)
	if err != nil {
		return fmt.Errorf("connect to source: %w", err)
	}
	defer func() { _ = conn.Close(ctx) }()
	if _, err := conn.Exec(ctx, strings.Replace(bigTable, "ROWS", strconv.FormatInt(rows, 10), 1)).ReadAll(); err != nil {
		return fmt.Errorf("make table: %w", err)
	}
	if err := w.configure(); err != nil {
		return err
	}
	progress("copying it")
	if _, err := w.command(ctx, "run", "--once", "--apply"); err != nil {
		return err
	}
	// The bare engine gets its own copy of the copy, so that both can be asked in turn.
	if err := os.CopyFS(w.path("bare"), os.DirFS(w.path("state/store"))); err != nil {
		return fmt.Errorf("copy store: %w", err)
	}
	return os.WriteFile(w.path("copied"), nil, 0o600)
}

func (w *world) configure() error {
	if err := os.MkdirAll(w.path("policy"), 0o700); err != nil {
		return fmt.Errorf("write configuration: %w", err)
	}
	files := map[string][]byte{"weir.yaml": []byte(configuration), "policy/reading.yaml": []byte(bigPolicy)}
	for _, t := range small {
		data, err := os.ReadFile(filepath.Join("examples", "fleet", "policy", t+".yaml"))
		if err != nil {
			return fmt.Errorf("read policy: %w", err)
		}
		files["policy/"+t+".yaml"] = data
	}
	for name, data := range files {
		if err := os.WriteFile(w.path(name), data, 0o600); err != nil {
			return fmt.Errorf("write configuration: %w", err)
		}
	}
	return nil
}

// command runs weir to its end.
func (w *world) command(ctx context.Context, args ...string) ([]byte, error) {
	c := exec.CommandContext(ctx, w.weir, append([]string{"--config", w.path("weir.yaml")}, args...)...)
	var out, said bytes.Buffer
	c.Stdout, c.Stderr = &out, &said
	if err := c.Run(); err != nil {
		return nil, fmt.Errorf("run weir %s: %w\n%s", args[0], err, said.String())
	}
	return out.Bytes(), nil
}

// start runs weir and waits until it answers.
func (w *world) start(ctx context.Context) error {
	w.run = exec.CommandContext(ctx, w.weir, "--config", w.path("weir.yaml"), "run")
	w.run.Stderr = &w.said
	if err := w.run.Start(); err != nil {
		return fmt.Errorf("start weir: %w", err)
	}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for range 400 {
		// The socket is there when weir listens everywhere: a command before that would open the state by itself.
		if _, err := os.Stat(w.path("state/run/weir.sock")); err == nil {
			if _, err := w.command(ctx, "user", "list"); err == nil {
				return nil
			}
		} else if !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("look for weir: %w", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return errors.New("weir did not answer in time")
}

// stop ends weir in order.
func (w *world) stop() error {
	if w.run == nil {
		return nil
	}
	if err := w.run.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("end weir: %w", err)
	}
	err := w.run.Wait()
	w.run = nil
	if err != nil {
		return fmt.Errorf("end weir: %w\n%s", err, w.said.String())
	}
	return nil
}

// login is what weir user add says.
type login struct {
	SQL struct {
		Host     string `json:"host"`
		Port     int    `json:"port"`
		Database string `json:"database"`
		User     string `json:"user"`
		Password string `json:"password"`
		CA       string `json:"ca"`
	} `json:"sql"`
}

// analyst makes an account and returns how it connects.
func (w *world) analyst(ctx context.Context, name string) (*pgconn.Config, error) {
	out, err := w.command(ctx, "user", "add", name, "--role", "analyst", "--json")
	if err != nil {
		return nil, err
	}
	var l login
	if err := json.Unmarshal(out, &l); err != nil {
		return nil, fmt.Errorf("read login: %w", err)
	}
	c, err := pgconn.ParseConfig(fmt.Sprintf("host=%s port=%d dbname=%s user=%s sslmode=verify-full sslrootcert=%s", l.SQL.Host, l.SQL.Port, l.SQL.Database, l.SQL.User, l.SQL.CA))
	if err != nil {
		return nil, fmt.Errorf("read login: %w", err)
	}
	c.Password = l.SQL.Password
	return c, nil
}

// recorded is the number of entries in the ledger, as its last checkpoint says.
func (w *world) recorded() (int64, error) {
	data, err := os.ReadFile(w.path("state/ledger/checkpoint"))
	if err != nil {
		return 0, fmt.Errorf("read checkpoint: %w", err)
	}
	lines := strings.SplitN(string(data), "\n", 3)
	if len(lines) < 3 {
		return 0, errors.New("the checkpoint says nothing")
	}
	n, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("read checkpoint: %w", err)
	}
	return n, nil
}

// busy is how long the processors have worked for weir and its engines until now; 0 where the system doesn't say.
func (w *world) busy() time.Duration {
	const tick = time.Second / 100 // of every Linux that Go runs on
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil || w.run == nil {
		return 0
	}
	var ticks int64
	for _, name := range stats {
		data, err := os.ReadFile(name)
		if err != nil { // it ended meanwhile
			continue
		}
		_, rest, _ := strings.Cut(string(data), ") ") // the name before it may hold anything
		f := strings.Fields(rest)
		own := filepath.Base(filepath.Dir(name)) == strconv.Itoa(w.run.Process.Pid)
		if len(f) < 13 || !own && f[1] != strconv.Itoa(w.run.Process.Pid) {
			continue
		}
		for _, field := range f[11:13] {
			if n, err := strconv.ParseInt(field, 10, 64); err == nil {
				ticks += n
			}
		}
	}
	return time.Duration(ticks) * tick
}
