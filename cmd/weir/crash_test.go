package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/weirproject/weir/examples"
	"github.com/weirproject/weir/internal/fleet"
	"github.com/weirproject/weir/internal/flow"
	"github.com/weirproject/weir/internal/node"
	"github.com/weirproject/weir/internal/postmaster"
	"github.com/weirproject/weir/internal/postmaster/postmastertest"
)

// site is one production, one configuration and one state folder.
type site struct {
	t      testing.TB
	url    string
	config string // folder of weir.yaml
	state  string
}

// args are the arguments of a command on the site.
func (s *site) args(command ...string) []string {
	return append(command, "--config", filepath.Join(s.config, "weir.yaml"), "--source", s.url, "--state", s.state)
}

func (s *site) run() *process {
	s.t.Helper()
	return start(s.t, s.args("run", "--apply")...)
}

// status asks for the status; ok is false when nobody answered.
func (s *site) status() (st node.Status, ok bool) {
	s.t.Helper()
	r := weir(s.t, s.args("status", "--json")...)
	if r.code != 0 {
		return st, false
	}
	if err := json.Unmarshal([]byte(r.stdout), &st); err != nil {
		s.t.Fatalf("status is not JSON: %v\n%s", err, r.stdout)
	}
	return st, true
}

// following waits until the process follows.
func (s *site) following(p *process) node.Status {
	s.t.Helper()
	var st node.Status
	eventually(s.t, "weir follows", func() bool {
		p.mustRun(s.t)
		if _, err := os.Stat(filepath.Join(s.state, "run", "weir.sock")); err != nil {
			return false
		}
		var ok bool
		st, ok = s.status()
		return ok && st.Running && st.PID == p.cmd.Process.Pid && st.Flow.Phase == flow.Following
	})
	return st
}

// mustRun fails the test when the process has ended.
func (p *process) mustRun(t testing.TB) {
	t.Helper()
	select {
	case <-p.done:
		t.Fatalf("weir ended with %d:\n%s", p.cmd.ProcessState.ExitCode(), p.output())
	default:
	}
}

// equal verifies, fails the test when the store differs, and returns the report.
func (s *site) equal() flow.Report {
	s.t.Helper()
	r := weir(s.t, s.args("verify", "--json")...)
	if r.code != 0 {
		s.t.Fatalf("verify: exit %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	var report flow.Report
	if err := json.Unmarshal([]byte(r.stdout), &report); err != nil {
		s.t.Fatal(err)
	}
	if !report.Equal || len(report.Tables) == 0 {
		s.t.Fatalf("verify says nothing: %s", r.stdout)
	}
	return report
}

// exec runs statements at production.
func (s *site) exec(statements ...string) {
	s.t.Helper()
	conn, err := pgx.Connect(s.t.Context(), s.url)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	for _, sql := range statements {
		if _, err := conn.Exec(s.t.Context(), sql); err != nil {
			s.t.Fatalf("%s: %v", sql, err)
		}
	}
}

// children returns the processes that a process has started.
func children(t testing.TB, parent int) []int {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	var found []int
	for _, path := range stats {
		data, err := os.ReadFile(path)
		if err != nil {
			continue // it ended meanwhile
		}
		_, rest, _ := strings.Cut(string(data), ") ")
		fields := strings.Fields(rest)
		if len(fields) < 2 || fields[1] != strconv.Itoa(parent) {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, pid)
	}
	return found
}

// fleetSite is the fleet under its policy, with one table more that knows every kind of change.
func fleetSite(t testing.TB, url string) *site {
	t.Helper()
	s := &site{t: t, url: url, config: t.TempDir(), state: filepath.Join(t.TempDir(), "state")}
	if err := os.CopyFS(s.config, examples.Fleet); err != nil {
		t.Fatal(err)
	}
	s.config = filepath.Join(s.config, "fleet")
	s.policy("torture", `table: fleet.torture
access: sql
exploration: what a crash may break
columns:
  id:   {class: identifier, treat: pseudonym, subject: torture}
  code: {class: telemetry, treat: keep}
  n:    {class: telemetry, treat: keep}
  body: {class: telemetry, treat: keep, access: metrics}
  at:   {class: behaviour, treat: truncate, to: hour}
`)
	s.exec(`CREATE TABLE fleet.torture (id bigint PRIMARY KEY, code text, n int NOT NULL, body text, at timestamptz NOT NULL DEFAULT now())`,
		`ALTER TABLE fleet.torture ALTER body SET STORAGE EXTERNAL`,
		`INSERT INTO fleet.torture SELECT i, 'c' || i % 7, i, repeat(md5(i::text), 90), now() FROM generate_series(1, 3000) i`)
	return s
}

func (s *site) policy(name, text string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.config, "policy", name+".yaml"), []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// writer changes fleet.torture in every way until ctx ends, and goes on when its connection is cut.
func writer(ctx context.Context, url string, seed uint64) error {
	dice := rand.New(rand.NewPCG(seed, 1))
	next := int64(1_000_000)
	var conn *pgx.Conn
	for ctx.Err() == nil {
		if conn == nil || conn.IsClosed() {
			var err error
			if conn, err = pgx.Connect(ctx, url); err != nil {
				select {
				case <-ctx.Done():
				case <-time.After(200 * time.Millisecond):
				}
				continue
			}
		}
		if err := writeSome(ctx, conn, dice, &next); err != nil && !conn.IsClosed() && ctx.Err() == nil {
			return err
		}
	}
	if conn != nil {
		_ = conn.Close(context.WithoutCancel(ctx))
	}
	return nil
}

// writeSome is one transaction.
func writeSome(ctx context.Context, conn *pgx.Conn, dice *rand.Rand, next *int64) error {
	var sql []string
	for range 1 + dice.IntN(4) {
		some := fmt.Sprintf("id IN (SELECT id FROM fleet.torture ORDER BY md5(id::text || '%d') LIMIT %d)", dice.IntN(1000), 1+dice.IntN(8))
		*next += 100
		insert := fmt.Sprintf("INSERT INTO fleet.torture SELECT i, 'c' || i %% 7, i %% 1000, repeat(md5(i::text), 90) FROM generate_series(%d, %d) i", *next, *next+int64(dice.IntN(20)))
		switch k := dice.IntN(100); {
		case k < 30:
			sql = append(sql, insert)
		case k < 55: // the long text does not travel
			sql = append(sql, "UPDATE fleet.torture SET n = n + 1 WHERE "+some)
		case k < 65:
			sql = append(sql, "UPDATE fleet.torture SET body = repeat(md5(n::text), 80 + n % 20), code = NULL WHERE "+some)
		case k < 78: // nor does it when the key moves
			sql = append(sql, fmt.Sprintf("UPDATE fleet.torture SET id = id + %d WHERE %s", 500_000_000+*next*1000, some))
		case k < 92:
			sql = append(sql, "DELETE FROM fleet.torture WHERE "+some)
		case k < 99 || dice.IntN(20) > 0: // a TRUNCATE now and then: a snapshot that was opened before one is void
			sql = append(sql, "SAVEPOINT s", "DELETE FROM fleet.torture", "ROLLBACK TO s")
		default:
			sql = append(sql, "TRUNCATE fleet.torture", strings.Replace(insert, "md5(i::text)", "md5('t' || i)", 1))
		}
	}
	end := "COMMIT"
	if dice.IntN(10) == 0 {
		end = "ROLLBACK"
	}
	_, err := conn.Exec(ctx, "BEGIN;"+strings.Join(sql, ";")+";"+end)
	select {
	case <-ctx.Done():
	case <-time.After(25 * time.Millisecond):
	}
	return err
}

// busy lets production work until the returned function is called.
func busy(t testing.TB, url string, seed uint64) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var working sync.WaitGroup
	working.Go(func() {
		if err := writer(ctx, url, seed); err != nil {
			t.Errorf("production's writer: %v", err)
		}
	})
	working.Go(func() {
		for ctx.Err() == nil { // it gives up when its server is away too often
			if err := fleet.Live(ctx, fleet.LiveOptions{URL: url, Speed: 60, Seed: seed}); err != nil && ctx.Err() == nil {
				select {
				case <-ctx.Done():
				case <-time.After(200 * time.Millisecond):
				}
			}
		}
	})
	stop = sync.OnceFunc(func() { cancel(); working.Wait() })
	t.Cleanup(stop)
	return stop
}

func TestKillsAtAnyMomentLoseNothingAndDoubleNothing(t *testing.T) {
	const kills = 30
	seed := uint64(time.Now().UnixNano())
	if given, err := strconv.ParseUint(os.Getenv("WEIR_TEST_SEED"), 10, 64); err == nil {
		seed = given
	}
	t.Logf("seed %d", seed)
	dice := rand.New(rand.NewPCG(seed, 0))
	url, _ := fleetDatabase(t, 60, 3)
	s := fleetSite(t, url)
	stop := busy(t, url, seed)

	// The first kills fall into the start and the snapshots, a little later each.
	died := 0
	for i := range kills / 3 {
		p := s.run()
		wait(t, time.Duration(50+i*120+dice.IntN(120))*time.Millisecond)
		died += killOne(t, p, dice, i%3 == 2)
		p.kill()
	}
	p := s.run()
	s.following(p)
	s.equal()
	for range kills - kills/3 {
		wait(t, time.Duration(dice.IntN(900))*time.Millisecond)
		engine := dice.IntN(3) == 0
		died += killOne(t, p, dice, engine)
		if !engine {
			<-p.done
			p = s.run()
			if dice.IntN(3) == 0 { // while it comes back
				wait(t, time.Duration(dice.IntN(700))*time.Millisecond)
				p.kill()
				died++
				p = s.run()
			}
		}
		s.following(p)
		s.equal()
	}
	stop()
	s.equal()
	if code := p.stop(t, syscall.SIGTERM); code != 0 {
		t.Errorf("weir ended with %d:\n%s", code, p.output())
	}
	if died < kills {
		t.Errorf("only %d processes were killed", died)
	}
	must(t, "ledger", "verify", "--key", filepath.Join(s.state, "ledger", "public.key"), filepath.Join(s.state, "ledger"))
	s.sameAsAFreshCopy()
	if out := p.output(); strings.Contains(out, "panic") {
		t.Errorf("weir panicked:\n%s", out)
	}
}

// killOne kills weir or one of its engines and returns how many processes died of it.
func killOne(t testing.TB, p *process, dice *rand.Rand, engine bool) int {
	t.Helper()
	victim := p.cmd.Process.Pid
	if engine {
		engines := children(t, victim)
		if len(engines) == 0 {
			return 0
		}
		victim = engines[dice.IntN(len(engines))]
	}
	if syscall.Kill(victim, syscall.SIGKILL) != nil {
		return 0
	}
	return 1
}

// wait lets time pass: what is tested is that any moment will do.
func wait(t testing.TB, d time.Duration) {
	t.Helper()
	select {
	case <-t.Context().Done():
	case <-time.After(d):
	}
}

// sameAsAFreshCopy compares what the metrics say, whose facts were renewed piece by piece through everything, with what they say in a copy made now.
func (s *site) sameAsAFreshCopy() {
	s.t.Helper()
	fresh := *s
	fresh.state = filepath.Join(s.t.TempDir(), "state")
	must(s.t, fresh.args("run", "--apply", "--once")...)
	for _, name := range []string{"failed_connection_rate", "device_activations", "affected_accounts"} {
		if old, anew := s.numbers(name), fresh.numbers(name); old != anew {
			s.t.Errorf("%s differs from that of a fresh copy:\n%s\n%s", name, old, anew)
		}
	}
}

// numbers are a metric's rows.
func (s *site) numbers(name string) string {
	s.t.Helper()
	out := must(s.t, s.args("metric", "show", name, "--by", "model", "--grain", "day", "--json")...)
	var answer map[string]json.RawMessage
	if err := json.Unmarshal([]byte(out), &answer); err != nil {
		s.t.Fatal(err)
	}
	rows := string(answer["rows"])
	if len(rows) < 100 {
		s.t.Fatalf("%s has no rows: %s", name, out)
	}
	return rows
}

func TestProductionGoesAwayAndComesBack(t *testing.T) {
	dir, err := os.MkdirTemp("/tmp", "weir-postgres-") //nolint:usetesting // PostgreSQL's own user must be able to walk there
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	settings := map[string]string{"shared_buffers": "64MB", "wal_sender_timeout": "5s"}
	server, err := postmaster.Start(t.Context(), postmaster.Options{Dir: dir, Settings: settings})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Stop() })
	url := server.URL("postgres")
	if _, err := fleet.Create(t.Context(), fleet.Options{URL: url, Accounts: 30, Days: 2, Seed: 3}); err != nil {
		t.Fatal(err)
	}
	s := fleetSite(t, url)
	stop := busy(t, url, 5)
	p := s.run()
	s.following(p)

	s.exec("SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE active_pid IS NOT NULL")
	s.following(p)
	s.equal()

	// The worst of all ends: PostgreSQL takes all its sessions down and recovers.
	sender := s.number("SELECT active_pid FROM pg_replication_slots WHERE active_pid IS NOT NULL AND NOT temporary")
	if err := syscall.Kill(int(sender), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "postgres answers again", func() bool { return reachable(t, url) })
	s.following(p)
	s.equal()

	stop()
	if err := server.Stop(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "weir waits and says so", func() bool {
		p.mustRun(t)
		st, ok := s.status()
		return ok && st.Flow.Phase == flow.Waiting && st.Flow.Reason != ""
	})
	if server, err = postmaster.Start(t.Context(), postmaster.Options{Dir: dir, Settings: settings}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Stop() })
	if server.URL("postgres") != url { // another port: weir is told by starting it again
		p.stop(t, syscall.SIGTERM)
		s.url = server.URL("postgres")
		p = s.run()
	}
	s.exec("INSERT INTO fleet.torture SELECT i, 'back', i, 'b' FROM generate_series(900000001, 900000020) i")
	s.following(p)
	s.equal()
}

func reachable(t testing.TB, url string) bool {
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return false
	}
	return conn.Close(ctx) == nil
}

// number asks production for one number.
func (s *site) number(sql string) (n int64) {
	s.t.Helper()
	conn, err := pgx.Connect(s.t.Context(), s.url)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	if err := conn.QueryRow(s.t.Context(), sql).Scan(&n); err != nil {
		s.t.Fatalf("%s: %v", sql, err)
	}
	return n
}

func TestSignalsEndWeirInOrder(t *testing.T) {
	url, _ := fleetDatabase(t, 60, 3)
	s := fleetSite(t, url)
	stop := busy(t, url, 9)
	defer stop()
	end := func(p *process, sig syscall.Signal, when string) {
		t.Helper()
		engines := children(t, p.cmd.Process.Pid)
		if code := p.stop(t, sig); code != 0 {
			t.Errorf("%v %s: exit %d\n%s", sig, when, code, p.output())
		}
		for _, pid := range engines {
			if alive(pid) {
				t.Errorf("%v %s: engine %d lives on", sig, when, pid)
			}
		}
		if _, err := os.Lstat(filepath.Join(s.state, "run", "weir.sock")); err == nil {
			t.Errorf("%v %s: the socket is left", sig, when)
		}
	}
	for i, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGTERM, syscall.SIGINT} {
		p := s.run()
		eventually(t, "the engines run", func() bool { p.mustRun(t); return len(children(t, p.cmd.Process.Pid)) == 2 })
		wait(t, time.Duration(i)*150*time.Millisecond)
		end(p, sig, "while it starts and copies")
	}
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		p := s.run()
		s.following(p)
		end(p, sig, "while it follows")
	}
	stop()
	began := time.Now()
	s.equal() // opens the state itself: nobody holds it
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("a new start took %v", took)
	}
}

func TestSecondWeirSaysSoAndStops(t *testing.T) {
	url, _ := fleetDatabase(t, 30, 2)
	s := fleetSite(t, url)
	p := s.run()
	s.following(p)
	before, err := os.ReadFile(filepath.Join(s.state, "state.json"))
	if err != nil {
		t.Fatal(err)
	}
	r := weir(t, s.args("run")...)
	if r.code != 1 || r.stdout != "" || !strings.Contains(r.stderr, "another weir is using the state folder") || len(strings.Split(strings.TrimSpace(r.stderr), "\n")) != 2 {
		t.Errorf("exit %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	after, err := os.ReadFile(filepath.Join(s.state, "state.json"))
	if err != nil || string(after) != string(before) {
		t.Errorf("the second weir changed the state (%v)", err)
	}
	if st, ok := s.status(); !ok || !st.Running || st.PID != p.cmd.Process.Pid {
		t.Errorf("the status is not that of the running weir: %+v", st)
	}
	s.equal()
	s.numbers("failed_connection_rate")
	entries := must(t, s.args("ledger", "show", "--json")...)
	if n := strings.Count(entries, `"verification"`); n == 0 {
		t.Error("the verification is not in the record of the running weir")
	}

	// Killed, it leaves its socket behind; that must confuse nobody.
	p.kill()
	if _, err := os.Lstat(filepath.Join(s.state, "run", "weir.sock")); err != nil {
		t.Fatal("the killed weir left no socket, so nothing is tested:", err)
	}
	if st, ok := s.status(); !ok || st.Running || len(st.Flow.Tables) == 0 {
		t.Errorf("the status of a killed weir: %v %+v", ok, st)
	}
	s.numbers("device_activations")
	s.equal()
	p = s.run()
	s.following(p)
}

func TestCommandsWhileWeirStartsFindIt(t *testing.T) {
	url := postmastertest.Database(t)
	if _, err := fleet.Create(t.Context(), fleet.Options{URL: url, Accounts: 20, Days: 1, Seed: 1}); err != nil {
		t.Fatal(err)
	}
	s := fleetSite(t, url)
	must(t, s.args("run", "--apply", "--once")...)
	for i := range 4 {
		p := s.run()
		wait(t, time.Duration(i)*80*time.Millisecond)
		if _, ok := s.status(); !ok {
			t.Errorf("status was refused %d ms after the start", i*80)
		}
		s.following(p)
		p.kill()
	}
}

// A transaction that stays open at production keeps PostgreSQL from giving a snapshot. Nobody may pay for that: not production, whose slots are few, and not the copy.
func TestLongTransactionAtProduction(t *testing.T) {
	s := newShop(t)
	conn, err := pgx.Connect(t.Context(), s.url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	exec := func(sql string) {
		t.Helper()
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	slots := func() int64 {
		return s.number("SELECT count(*) FROM pg_replication_slots WHERE database = current_database() AND temporary")
	}
	must(t, s.args("run", "--apply", "--once")...)
	p := s.run()
	s.following(p)
	exec("BEGIN")
	exec("UPDATE shop.setting SET value = 'open' WHERE name = 's1'")

	began := time.Now()
	r := weir(t, s.args("verify")...)
	if r.code != 1 || !strings.Contains(r.stderr, "transaction") || !strings.Contains(r.stderr, "hint: ") || time.Since(began) > 50*time.Second {
		t.Errorf("verify took %v: exit %d\n%s", time.Since(began), r.code, r.stderr)
	}
	eventually(t, "the slots that verify asked for are gone", func() bool { return slots() == 0 })
	s.exec("INSERT INTO shop.setting VALUES ('meanwhile', 'x')")
	eventually(t, "the flow goes on", func() bool {
		st, ok := s.status()
		return ok && slices.ContainsFunc(st.Flow.Tables, func(t flow.TableStatus) bool { return t.Table == "shop.setting" && t.Changes == 1 })
	})
	if code := p.stop(t, syscall.SIGTERM); code != 0 {
		t.Errorf("exit %d\n%s", code, p.output())
	}

	// The first start waits too, and can be ended while it does.
	fresh := *s
	fresh.state = filepath.Join(t.TempDir(), "state")
	p = fresh.run()
	wait(t, 2*time.Second)
	p.mustRun(t)
	if code := p.stop(t, syscall.SIGTERM); code != 0 {
		t.Errorf("ended while it waits for a slot: exit %d\n%s", code, p.output())
	}
	exec("COMMIT")
	must(t, fresh.args("run", "--apply", "--once")...)
	fresh.equal()
	s.equal()
	must(t, fresh.args("source", "release", "--apply")...)
}

// A tighter policy takes old bytes out of the files; a kill in the middle must not leave them there.
func TestKillsWhileAPolicyTakesBytesAway(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	dice := rand.New(rand.NewPCG(seed, 0))
	s := newShop(t)
	s.exec("INSERT INTO shop.customer SELECT i, 'e', 'FR', repeat(md5(i::text), 9), i, 'n' FROM generate_series(10001, 60000) i", // so that writing the file anew takes its time
		"UPDATE shop.setting SET value = 'Quidnunc' || name")
	tighter := strings.Replace(settingPolicy, "value: {class: telemetry, treat: keep}", "value: {class: telemetry, treat: presence}", 1)
	for range 4 {
		s.policy("setting", settingPolicy)
		must(t, s.args("run", "--apply", "--once")...)
		if s.find("Quidnuncs7") == "" {
			t.Fatal("the values are not in the files as they are, so their absence would prove nothing")
		}
		s.policy("setting", tighter)
		for range 2 {
			p := s.run()
			wait(t, time.Duration(100+dice.IntN(900))*time.Millisecond)
			killOne(t, p, dice, dice.IntN(3) == 0)
			p.kill()
		}
		must(t, s.args("run", "--apply", "--once")...)
		s.absent("Quidnunc")
		s.equal()
	}
}
