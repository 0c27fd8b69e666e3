// Package postmastertest owns one private PostgreSQL per test process, and a fresh database for each test that asks for one.
//
// It will not be imported by anything but tests.
package postmastertest

import (
	"context"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/weirproject/weir/internal/postmaster"
)

// The one server of this process; mu makes its start and its stop happen once.
var (
	mu        sync.Mutex
	inMain    bool
	server    *postmaster.Server
	home      string
	databases atomic.Int64
)

// Main runs the tests of a package and stops the server afterwards; call it from TestMain with os.Exit around it.
func Main(m *testing.M) int {
	mu.Lock()
	inMain = true
	mu.Unlock()
	code := m.Run()
	mu.Lock()
	defer mu.Unlock()
	if server != nil {
		if err := server.Stop(); err != nil {
			_, _ = fmt.Fprintln(os.Stderr, "stop private PostgreSQL:", err)
			code = max(code, 1)
		}
	}
	if home != "" {
		if err := os.RemoveAll(home); err != nil {
			_, _ = fmt.Fprintln(os.Stderr, "remove private PostgreSQL:", err)
			code = max(code, 1)
		}
	}
	return code
}

// ForTest returns the server of this test process and starts it at the first call. It is as fast as it can be: nothing of it survives
// a machine that stops. The package's TestMain must call Main.
func ForTest(t testing.TB) *postmaster.Server {
	t.Helper()
	mu.Lock()
	defer mu.Unlock()
	if !inMain {
		t.Fatal("the package's TestMain does not call postmastertest.Main")
	}
	if server != nil {
		return server
	}
	dir, err := folder()
	if err != nil {
		t.Fatal(err)
	}
	home = dir
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	s, err := postmaster.Start(ctx, postmaster.Options{Dir: dir, Settings: map[string]string{
		"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "shared_buffers": "64MB",
	}})
	if err != nil {
		t.Fatal("start private PostgreSQL:", err)
	}
	server = s
	return s
}

// folder makes a folder that the server's user can enter: below /tmp when it is there, because root's own temporary folders may be closed.
func folder() (string, error) {
	parent := os.TempDir()
	if st, err := os.Stat("/tmp"); err == nil && st.IsDir() {
		parent = "/tmp"
	}
	return os.MkdirTemp(parent, "weir-postgres-")
}

// Database makes a fresh database and returns its URL; the database and its replication slots go at the end of the test.
func Database(t testing.TB) string {
	t.Helper()
	return Copy(t, "template1")
}

// Copy is Database with the content of another one of the server, to which nobody may be connected. It is made much faster than what it copies, and in a short transaction: a long one
// holds up everybody on the server who asks for a snapshot.
func Copy(t testing.TB, template string) string {
	t.Helper()
	s := ForTest(t)
	name := fmt.Sprintf("test_%d", databases.Add(1))
	administer(t, s, "CREATE DATABASE "+name+" TEMPLATE "+template)
	t.Cleanup(func() {
		administer(t, s,
			dropSlots(name),
			"DROP DATABASE "+name+" WITH (FORCE)")
	})
	return s.URL(name)
}

// Template makes an empty database to fill for Copy, which stays until the server stops, and returns its URL.
func Template(t testing.TB, name string) string {
	t.Helper()
	s := ForTest(t)
	administer(t, s, "CREATE DATABASE "+name)
	return s.URL(name)
}

// dropSlots ends whoever reads the slots of a database, waits until they are inactive and drops them: a slot keeps its database alive.
func dropSlots(database string) string {
	return `DO $$
DECLARE s record;
BEGIN
  FOR i IN 1..2000 LOOP
    PERFORM pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE database = '` + database + `' AND active_pid IS NOT NULL;
    EXIT WHEN NOT EXISTS (SELECT FROM pg_replication_slots WHERE database = '` + database + `' AND active);
    PERFORM pg_sleep(0.05);
  END LOOP;
  FOR s IN SELECT slot_name FROM pg_replication_slots WHERE database = '` + database + `' LOOP
    PERFORM pg_drop_replication_slot(s.slot_name);
  END LOOP;
END $$`
}

func administer(t testing.TB, s *postmaster.Server, statements ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.URL("postgres"))
	if err != nil {
		t.Fatal("connect to private PostgreSQL:", err)
	}
	defer func() { _ = conn.Close(ctx) }()
	for _, statement := range statements {
		if _, err := conn.Exec(ctx, statement); err != nil {
			t.Fatal("administer private PostgreSQL:", err)
		}
	}
}
