package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

// The limits of a role stand in the policy: they hold at the gate, a plan shows them, and taking them away again is a weakening.
func TestPolicyLimitsARole(t *testing.T) {
	t.Parallel()
	url, _ := fleetDatabase(t, 40, 5)
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("..", "..", "examples", "fleet"))); err != nil {
		t.Fatal(err)
	}
	free, roles, config := filepath.Join("..", "..", "examples", "fleet", "policy"), filepath.Join(dir, "policy", "roles.yaml"), filepath.Join(dir, "weir.yaml")
	write := func(path, text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(config, fmt.Sprintf("source: {schemas: [fleet], accept: [production_ddl], url: %q}\npolicy: policy\nmetrics: metrics\ngate: {sql: '127.0.0.1:0', web: '127.0.0.1:0'}\n", url))
	write(roles, "role: analyst\nrows: 30000000\n")
	if r := weir(t, "policy", "check", "--config", config); r.code == 0 || !strings.Contains(r.stderr, "roles.yaml:2: rows is not a whole number from 1 to 20000000") {
		t.Errorf("a role that gets more: %+v", r)
	}
	write(roles, "role: analyst\nrows: 7\ntime: 90s\nat_a_time: 2\n")

	if out := must(t, "policy", "diff", free, filepath.Join(dir, "policy")); !strings.Contains(out, "stronger  role analyst: 20000000 rows of an answer are now 7\n") {
		t.Errorf("policy diff says\n%s", out)
	}
	if r := weir(t, "policy", "diff", filepath.Join(dir, "policy"), free); r.code != 3 || !strings.Contains(r.stdout, "weaker    role analyst: 1m30s for a question are now 5m\n") {
		t.Errorf("the other way: %+v", r)
	}
	if out := must(t, "plan", "--config", config); !strings.Contains(out, "analyst  metrics and SQL over what is open to it: 7 rows of an answer, 1m30s for a question, 2 questions at a time\n") {
		t.Errorf("the plan says\n%s", out)
	}

	g := &gated{t: t, dir: dir, state: []string{"--state", filepath.Join(dir, "state")}}
	g.run = start(t, append([]string{"run", "--apply", "--config", config}, g.state...)...)
	eventually(t, "weir follows", func() bool { return strings.Contains(g.run.output(), "following") })
	conn, err := g.connect(g.add("ada", "--role", "analyst").SQL, "")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	if tag, err := conn.Exec(t.Context(), "SELECT * FROM range(7)"); err != nil || tag.RowsAffected() != 7 {
		t.Errorf("7 rows: %v, %v", tag, err)
	}
	var refused *pgconn.PgError
	if _, err := conn.Exec(t.Context(), "SELECT * FROM range(8)"); !errors.As(err, &refused) || refused.Code != "54000" || !strings.Contains(refused.Message, "more than 7 rows") {
		t.Errorf("8 rows: %v", err)
	}
}
