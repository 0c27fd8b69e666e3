package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/weirproject/weir/examples"
	"github.com/weirproject/weir/internal/flow"
	"github.com/weirproject/weir/internal/node"
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
	eventually(s.t, "weir says that it follows", func() bool {
		p.mustRun(s.t)
		return strings.Contains(p.output(), "following production")
	})
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

const customerPolicy = `table: shop.customer
access: sql
exploration: who buys
columns:
  customer_id: {class: identifier, treat: pseudonym, subject: customer}
  email:       {class: direct_identifier, treat: drop}
  country:     {class: attribute, treat: keep}
  label:       {class: telemetry, treat: keep}
  spent:       {class: telemetry, treat: keep, access: metrics}
  note:        {class: free_text, treat: drop}
`

const visitPolicy = `table: shop.visit
access: metrics
exploration: what is looked at
columns:
  visit_id:    {class: identifier, treat: drop}
  day:         {class: behaviour, treat: keep}
  customer_id: {class: identifier, treat: pseudonym, subject: customer}
  page:        {class: telemetry, treat: keep}
  ms:          {class: telemetry, treat: keep}
`

const settingPolicy = `table: shop.setting
access: sql
exploration: what is switched on
columns:
  name:  {class: telemetry, treat: keep}
  value: {class: telemetry, treat: keep}
`

// newShop is a small production whose catalogue tests may change, under a policy that they may change.
func newShop(t testing.TB) *site {
	t.Helper()
	return newShopIn(t, postmastertest.Database(t))
}

// newShopIn makes it in an empty database.
func newShopIn(t testing.TB, url string) *site {
	t.Helper()
	s := &site{t: t, url: url, config: t.TempDir(), state: filepath.Join(t.TempDir(), "state")}
	s.exec(`CREATE SCHEMA shop`,
		`CREATE TABLE shop.customer (customer_id bigint PRIMARY KEY, email text, country text, label text, spent numeric(12,2), note text)`,
		`INSERT INTO shop.customer SELECT i, 'u' || i || '@example.org', substr('DEFRUS', 1 + 2 * (i % 3), 2), 'label-' || i, i * 1.25, 'n' || i FROM generate_series(1, 500) i`,
		`CREATE TABLE shop.visit (visit_id bigint, day date, customer_id bigint, page text, ms int, PRIMARY KEY (visit_id, day)) PARTITION BY RANGE (day)`,
		`CREATE TABLE shop.visit_1 PARTITION OF shop.visit FOR VALUES FROM ('2026-01-01') TO ('2026-02-01')`,
		`CREATE TABLE shop.visit_2 PARTITION OF shop.visit FOR VALUES FROM ('2026-02-01') TO ('2026-03-01')`,
		`CREATE TABLE shop.visit_3 PARTITION OF shop.visit FOR VALUES FROM ('2026-03-01') TO ('2026-04-01')`,
		`INSERT INTO shop.visit SELECT i, date '2026-01-01' + i % 90, i % 500, 'page-' || i % 40, i % 1000 FROM generate_series(1, 2000) i`,
		`CREATE TABLE shop.setting (name text PRIMARY KEY, value text)`,
		`INSERT INTO shop.setting SELECT 's' || i, 'v' || i FROM generate_series(1, 50) i`)
	if err := os.Mkdir(filepath.Join(s.config, "policy"), 0o750); err != nil {
		t.Fatal(err)
	}
	s.configure("accept: [production_ddl]")
	s.policy("customer", customerPolicy)
	s.policy("visit", visitPolicy)
	s.policy("setting", settingPolicy)
	return s
}

// configure writes weir.yaml with one more line about the source.
func (s *site) configure(line string) {
	s.t.Helper()
	text := "source:\n  name: shop\n  schemas: [shop]\n  " + line + "\npolicy: policy\n"
	if err := os.WriteFile(filepath.Join(s.config, "weir.yaml"), []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// items returns what the running weir wants to be seen, as "kind table column".
func (s *site) items() map[string]flow.Item {
	s.t.Helper()
	st, ok := s.status()
	if !ok {
		return nil
	}
	items := map[string]flow.Item{}
	for _, i := range st.Flow.Items {
		items[strings.TrimSpace(i.Kind+" "+i.Table+" "+i.Column)] = i
	}
	return items
}

// seen waits until the running weir shows an item of one of the names.
func (s *site) seen(p *process, names ...string) {
	s.t.Helper()
	eventually(s.t, "seen: "+strings.Join(names, ", "), func() bool {
		p.mustRun(s.t)
		items := s.items()
		for _, n := range names {
			if i, ok := items[n]; ok {
				if i.Message == "" || i.Hint == "" {
					s.t.Errorf("%s says nothing: %+v", n, i)
				}
				return true
			}
		}
		return false
	})
}
