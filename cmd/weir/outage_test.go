package main

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/weirproject/weir/internal/fleet"
	"github.com/weirproject/weir/internal/flow"
	"github.com/weirproject/weir/internal/postmaster"
)

func TestProductionGoesAwayAndComesBack(t *testing.T) {
	t.Parallel()
	settings := map[string]string{"shared_buffers": "64MB"}
	server, dir := privateServer(t, settings)
	url := server.URL("postgres")
	if _, err := fleet.Create(t.Context(), fleet.Options{URL: url, Accounts: 30, Days: 2, Seed: 3, Until: fleetUntil}); err != nil {
		t.Fatal(err)
	}
	s := fleetSite(t, url)
	production := busy(t, url, 5)
	p := s.run()
	s.following(p)

	s.exec("SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE active_pid IS NOT NULL")
	s.following(p)
	s.equal()

	// The worst of all ends: PostgreSQL takes all its sessions down and recovers.
	sender := s.number("SELECT active_pid FROM pg_replication_slots WHERE active_pid IS NOT NULL AND NOT temporary")
	session, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = session.Close(context.WithoutCancel(t.Context())) }()
	if err := syscall.Kill(int(sender), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "postgres ends its sessions", func() bool {
		_, err := session.Exec(t.Context(), "SELECT 1")
		return err != nil
	})
	eventually(t, "postgres answers again", func() bool { return reachable(t, url) })
	s.following(p)
	s.equal()

	production.stop()
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

// A transaction that stays open at production keeps PostgreSQL from giving a snapshot. Nobody may pay for that: not production, whose slots are few, and not the copy.
func TestLongTransactionAtProduction(t *testing.T) {
	t.Parallel()
	server, _ := privateServer(t, fast) // a transaction that stays open holds up every test on its server
	s := newShopIn(t, server.URL("postgres"))
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

	r := weir(t, s.args("verify")...) // it gives up while the transaction is still open
	if r.code != 1 || !strings.Contains(r.stderr, "transaction") || !strings.Contains(r.stderr, "hint: ") {
		t.Errorf("verify: exit %d\n%s", r.code, r.stderr)
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
