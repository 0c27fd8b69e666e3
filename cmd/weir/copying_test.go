package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// While a table is copied for the first time, it has no rows to anybody who asks, and a count of 0 would be believed.
func TestATableIsNotAskedBeforeItIsCopied(t *testing.T) {
	t.Parallel()
	url, _ := fleetDatabase(t, 40, 5)
	dir := t.TempDir()
	example, err := filepath.Abs(filepath.Join("..", "..", "examples", "fleet"))
	if err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(dir, "weir.yaml")
	text := fmt.Sprintf("source: {schemas: [fleet], accept: [production_ddl], url: %q}\npolicy: %s/policy\nmetrics: %s/metrics\ngate: {sql: '127.0.0.1:0'}\n", url, example, example)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	g := &gated{t: t, dir: dir, state: []string{"--state", filepath.Join(dir, "state")}}
	runScript(t, url, g.must(t, append([]string{"source", "script", "--config", config}, g.state...)...))

	holder, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = holder.Close(t.Context()) }()
	// A snapshot that fits the stream waits for whoever is writing.
	if _, err := holder.Exec(t.Context(), "BEGIN; SELECT pg_current_xact_id()", pgx.QueryExecModeSimpleProtocol); err != nil {
		t.Fatal(err)
	}
	g.run = start(t, append([]string{"run", "--config", config}, g.state...)...)
	eventually(t, "the gate opens", func() bool { return g.weir("status").code == 0 })
	conn, err := g.connect(g.add("ada", "--role", "analyst").SQL, "")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	const count = "SELECT count(*) FROM fleet.device"
	var refused *pgconn.PgError
	eventually(t, "the store has its tables", func() bool {
		_, err := conn.Exec(t.Context(), count)
		if !errors.As(err, &refused) {
			t.Fatalf("a table that is not copied: %v", err)
		}
		return refused.Code != "42P01"
	})
	if refused.Code != "55000" || !strings.Contains(refused.Message, "not whole yet") || refused.Hint == "" {
		t.Errorf("a table that is being copied: %+v", refused)
	}
	if r := g.weir("query", count); r.code == 0 || r.stdout != "" || !strings.Contains(r.stderr, "not whole yet") {
		t.Errorf("weir query: %+v", r)
	}
	if _, err := conn.Exec(t.Context(), "SELECT 1"); err != nil {
		t.Errorf("what reads no table: %v", err)
	}
	eventually(t, "weir says what it waits for", func() bool { return strings.Contains(g.run.output(), "every transaction that is writing") })
	if _, err := holder.Exec(t.Context(), "COMMIT"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "weir follows", func() bool { return strings.Contains(g.run.output(), "following") })
	var devices, there int64
	if err := conn.QueryRow(t.Context(), count).Scan(&devices); err != nil {
		t.Fatal(err)
	}
	if err := holder.QueryRow(t.Context(), count).Scan(&there); err != nil || devices != there || there == 0 {
		t.Errorf("%d devices of %d: %v", devices, there, err)
	}
}
