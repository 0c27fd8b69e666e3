package duckdb_test

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/weirproject/weir/internal/engine"
	"github.com/weirproject/weir/internal/fault"
	"github.com/weirproject/weir/internal/store"
	"github.com/weirproject/weir/internal/store/duckdb"
	"github.com/weirproject/weir/internal/store/storetest"
	"github.com/weirproject/weir/internal/treatment"
)

const writerName = "weir-store-writer" // the process name under which the test binary writes until it is killed

func TestMain(m *testing.M) {
	engine.Main()
	if os.Args[0] == writerName {
		m.Run()
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func open(t testing.TB, dir string) store.Store {
	t.Helper()
	s, err := duckdb.Open(t.Context(), duckdb.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestConformance(t *testing.T) { storetest.Run(t, open) }

func TestFilesAtDifferentMarksAreMadeWholeByRepeating(t *testing.T) {
	storetest.FilesAtDifferentMarks(t, open, duckdb.CommitOnly)
}

func opened(t testing.TB, dir string) *duckdb.Store {
	t.Helper()
	s, err := duckdb.Open(t.Context(), duckdb.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestWhatSomebodyElseWroteIsRefused(t *testing.T) {
	for name, sql := range map[string]string{
		"a newer format":                "UPDATE _weir.meta SET format = format + 1",
		"a macro in a function's place": "CREATE MACRO lower(x) AS 'pwned'",
		"a table macro":                 "CREATE MACRO everything() AS TABLE SELECT 1",
		"a view":                        "CREATE VIEW device AS SELECT 1",
		"a type":                        "CREATE TYPE mood AS ENUM ('a')",
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := opened(t, dir)
			if err := s.Tamper(t.Context(), store.SQL, sql); err != nil {
				t.Fatal(err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if _, err := duckdb.Open(t.Context(), duckdb.Options{Dir: dir}); fault.KindOf(err) != fault.Refused {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestASecondStoreOnTheFolderIsRefused(t *testing.T) {
	dir := t.TempDir()
	opened(t, dir)
	if _, err := duckdb.Open(t.Context(), duckdb.Options{Dir: dir}); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("got %v", err)
	}
}

func TestNobodyElseCanReadTheFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	batch, _, table := eleven(t, 100, store.SQL, store.Metrics)
	s := opened(t, dir)
	commit(t, s, table, batch, "1")
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func commit(t testing.TB, s *duckdb.Store, table store.Table, b *treatment.Batch, to string) {
	t.Helper()
	if err := s.Prepare(t.Context(), store.Layout{Identity: "x", Tables: []store.Table{table}}); err != nil {
		t.Fatal(err)
	}
	tx, err := s.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	if err := tx.Write(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(t.Context(), treatment.Mark{Position: treatment.Position(to)}); err != nil {
		t.Fatal(err)
	}
}

func TestOpeningClearsAwayWhatACrashLeft(t *testing.T) {
	dir := t.TempDir()
	batch, _, table := eleven(t, 100, store.SQL)
	s := opened(t, dir)
	commit(t, s, table, batch, "1")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	leftovers := []string{"sql/sql.db.new", "sql/sql.db.new.wal", "sql/spill/duckdb_temp_storage-0.tmp", "metrics/spill/x"}
	for _, name := range leftovers {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s = opened(t, dir)
	for _, name := range leftovers {
		if _, err := os.Stat(filepath.Join(dir, name)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is still there", name)
		}
	}
	st, err := s.State(t.Context())
	if err != nil || st.Tables["fleet.event"].Rows != 100 {
		t.Errorf("state %+v, %v", st, err)
	}
}

func TestAClosedStoreLeavesNoProcessAndNoGoroutine(t *testing.T) {
	before := runtime.NumGoroutine()
	s, err := duckdb.Open(t.Context(), duckdb.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	batch, _, table := eleven(t, 100, store.SQL, store.Metrics)
	commit(t, s, table, batch, "1")
	pids := s.EnginePIDs()
	if len(pids) != 2 {
		t.Errorf("processes %v", pids)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	for _, pid := range pids {
		if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
			t.Errorf("process %d: %v", pid, err)
		}
	}
	deadline := time.Now().Add(2 * time.Minute)
	for runtime.NumGoroutine() > before && time.Now().Before(deadline) {
		runtime.Gosched()
	}
	if after := runtime.NumGoroutine(); after > before {
		t.Errorf("%d goroutines, %d before", after, before)
	}
}

// TestWriteUntilKilled is the writer of the next test; by itself it does nothing.
func TestWriteUntilKilled(t *testing.T) {
	if os.Args[0] != writerName {
		return
	}
	dir := os.Getenv("WEIR_TEST_STORE")
	s := opened(t, dir)
	st, err := s.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	batch, _, table := eleven(t, 100, store.SQL, store.Metrics)
	n := len(st.Mark().Position)
	for {
		n++
		commit(t, s, table, batch, strings.Repeat("1", n))
		if _, err := os.Stdout.WriteString("."); err != nil {
			t.Fatal(err)
		}
	}
}

// A killed weir takes its engines with it, and what it had reported as committed is there.
func TestKillingWeirLosesNothingCommitted(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	reported := 0
	for round := range 4 {
		cmd := exec.CommandContext(t.Context(), self)
		cmd.Args = []string{writerName, "-test.run=^TestWriteUntilKilled$"}
		cmd.Env = append(os.Environ(), "WEIR_TEST_STORE="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		dot := make([]byte, 1)
		for range 5 + 7*round {
			if _, err := out.Read(dot); err != nil {
				t.Fatalf("the writer ended: %v", err)
			}
			reported++
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for err == nil { // what it reported before it died counts
			var n int
			n, err = out.Read(dot)
			reported += n
		}
		_ = cmd.Wait()
		s := opened(t, dir)
		st, err := s.State(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		have := len(st.Mark().Position)
		if have < reported || have > reported+1 {
			t.Errorf("%d transactions are there, %d were reported", have, reported)
		}
		for _, a := range []store.Access{store.SQL, store.Metrics} {
			rows, err := s.Query(t.Context(), a, "SELECT count(*) FROM fleet.event")
			if err != nil {
				t.Fatal(err)
			}
			for b, err := range rows.Batches() {
				if err != nil {
					t.Fatal(err)
				}
				if got, want := b.Column(0).ValueStr(0), itoa(100*len(st.Marks[a].Position)); got != want {
					t.Errorf("%s: %s rows, want %s", a, got, want)
				}
			}
			if err := rows.Close(); err != nil {
				t.Fatal(err)
			}
		}
		reported = have
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func itoa(n int) string {
	if n < 10 {
		return string(rune('0' + n))
	}
	return itoa(n/10) + string(rune('0'+n%10))
}
