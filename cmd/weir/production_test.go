package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/weirproject/weir/internal/fleet"
	"github.com/weirproject/weir/internal/postmaster"
)

// privateServer is a PostgreSQL of a test's own, in a folder to which it can come back: the test may stop it, keep transactions open there, and has a password that no other test has.
func privateServer(t testing.TB, settings map[string]string) (server *postmaster.Server, dir string) {
	t.Helper()
	parent := "/tmp" // root's other temporary folders may be closed to the server's user
	if _, err := os.Stat(parent); err != nil {
		parent = os.TempDir()
	}
	dir, err := os.MkdirTemp(parent, "weir-postgres-") //nolint:usetesting // the server's user must be able to enter it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	server, err = postmaster.Start(t.Context(), postmaster.Options{Dir: dir, Settings: settings})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Stop() })
	return server, dir
}

// fast are the settings of a server that nobody needs after its machine stopped.
var fast = map[string]string{"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "shared_buffers": "64MB"}

// work is what production does beside a test.
type work struct {
	t       testing.TB
	stop    func() // ends it, and waits for that
	written atomic.Int64
}

// goesOn waits until production has written something that it had not written before.
func (w *work) goesOn() {
	w.t.Helper()
	before := w.written.Load()
	eventually(w.t, "production writes", func() bool { return w.written.Load() > before })
}

// writer changes fleet.torture in every way until ctx ends, and goes on when its connection is cut. It counts what it has committed or rolled back.
func writer(ctx context.Context, url string, seed uint64, written *atomic.Int64) error {
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
		err := writeSome(ctx, conn, dice, &next)
		switch {
		case err == nil:
			written.Add(1)
		case !conn.IsClosed() && ctx.Err() == nil:
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
		case k < 78: // nor does it when the key moves; it moves by whole tens of billions, so that a key in use is never met: below that, all keys differ
			sql = append(sql, fmt.Sprintf("UPDATE fleet.torture SET id = id + %d WHERE %s", *next/100*10_000_000_000, some))
		case k < 92:
			sql = append(sql, "DELETE FROM fleet.torture WHERE "+some, "DELETE FROM fleet.torture WHERE id IN (SELECT id FROM fleet.torture ORDER BY n, id OFFSET 4000)") // or a slow machine would have ever more to do
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

// busy lets production work until it is stopped.
func busy(t testing.TB, url string, seed uint64) *work {
	t.Helper()
	w := &work{t: t}
	ctx, cancel := context.WithCancel(t.Context())
	var working sync.WaitGroup
	working.Go(func() {
		if err := writer(ctx, url, seed, &w.written); err != nil {
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
	w.stop = sync.OnceFunc(func() { cancel(); working.Wait() })
	t.Cleanup(w.stop)
	return w
}

func reachable(t testing.TB, url string) bool {
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		return false
	}
	return conn.Close(t.Context()) == nil
}
