package engine_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/weirproject/weir/internal/engine"
)

func TestStatementsThatReachOutsideAreRefused(t *testing.T) {
	dir, spill := folders(t)
	file := filepath.Join(dir, "a.db")
	outside := filepath.Join(t.TempDir(), "secret.txt")
	if err := os.WriteFile(outside, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	e := start(t, engine.Config{Path: file, Spill: spill})
	w := writer(t, e)
	do(t, w, "CREATE TABLE t AS SELECT range i FROM range(1000)")
	do(t, w, "CHECKPOINT")
	do(t, w, "INSERT INTO t VALUES (1)") // so that there is a log
	for _, sql := range []string{
		"SELECT size FROM read_blob('" + file + "')",
		"SELECT size FROM read_blob('" + file + ".wal')",
		"SELECT content FROM read_text('" + outside + "')",
		"SELECT * FROM read_csv('/etc/passwd')",
		"SELECT count(*) FROM glob('/etc/*')",
		"ATTACH '" + outside + "2' AS other",
		"ATTACH '" + filepath.Join(dir, "other.db") + "' AS other",
		"COPY t TO '" + outside + "'",
		"COPY t TO '/tmp/weir-engine-test.csv'",
		"EXPORT DATABASE '" + filepath.Join(dir, "export") + "'",
		"INSTALL httpfs",
		"LOAD httpfs",
		"SELECT * FROM read_text('http://127.0.0.1:1/x')",
		"SET enable_external_access = true",
		"SET memory_limit = '100GB'",
		"SET temp_directory = '/tmp'",
		"CREATE SECRET s (TYPE s3)",
	} {
		if _, err := ask(t.Context(), w, sql); err == nil {
			t.Errorf("%s: it was done", sql)
		} else if engine.IsGone(err) {
			t.Fatalf("%s: the engine died", sql)
		}
	}
	if got := one(t, w, "SELECT count(*) FROM t"); got != "1001" {
		t.Errorf("rows %s", got)
	}
	w.Release()
}

func TestTheSandboxLeavesWhatDuckDBNeedsAndNothingElse(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, version := range []string{"newest", "old"} {
		dir, spill := folders(t)
		if err := os.WriteFile(filepath.Join(filepath.Dir(dir), "outside"), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), self)
		cmd.Args = []string{engine.ProbeName, filepath.Join(dir, "a.db"), spill, version}
		out, err := cmd.Output()
		const want = "use the open file\nmake a log\nrename a log\nremove a log\nlist the folder\nspill\n"
		if err != nil || string(out) != want {
			t.Errorf("%s kernel: %v, what works:\n%s", version, err, out)
		}
	}
}

// What the sandbox leaves is known: the decision on SQL carries it. When an upgrade closes one of these, this test shows it.
func TestOverwritingTheOwnFileIsLeftToTheDecisionOnSQL(t *testing.T) {
	dir, spill := folders(t)
	file := filepath.Join(dir, "a.db")
	e := start(t, engine.Config{Path: file, Spill: spill})
	w := writer(t, e)
	do(t, w, "CREATE TABLE t AS SELECT range i FROM range(1000)")
	do(t, w, "CHECKPOINT")
	if _, err := ask(t.Context(), w, "COPY (SELECT 'x' AS x) TO '"+file+"' (FORMAT csv, USE_TMP_FILE false)"); err != nil {
		t.Errorf("the engine refuses by now to overwrite its own file: write it down (%v)", engine.ClassOf(err))
	}
	w.Release()
	e.Kill()
}

func TestAnEngineHasNoSocketsNoCapabilitiesAndNoNewFiles(t *testing.T) {
	dir, spill := folders(t)
	e := start(t, engine.Config{Path: filepath.Join(dir, "a.db"), Spill: spill})
	proc := filepath.Join("/proc", itoa(e.PID()))
	tasks, err := os.ReadDir(filepath.Join(proc, "task"))
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range tasks {
		status, err := os.ReadFile(filepath.Join(proc, "task", task.Name(), "status"))
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"Seccomp:\t2", "Seccomp_filters:\t2", "NoNewPrivs:\t1"} {
			if !strings.Contains(string(status), want+"\n") {
				t.Errorf("thread %s lacks %q", task.Name(), want)
			}
		}
	}
	if core, err := os.ReadFile(filepath.Join(proc, "limits")); err != nil || !hasNoCore(string(core)) {
		t.Errorf("core dumps are possible (%v)", err)
	}
	if pgid, err := syscall.Getpgid(e.PID()); err != nil || pgid != e.PID() {
		t.Errorf("process group %d, %v", pgid, err)
	}
	environ, err := os.ReadFile(filepath.Join(proc, "environ"))
	if os.Getuid() != 0 {
		// An engine cannot be looked into by its own user.
		if !errors.Is(err, os.ErrPermission) {
			t.Errorf("its memory can be read: %v", err)
		}
		return
	}
	if err != nil || len(environ) != 0 {
		t.Errorf("environment of %d bytes, %v", len(environ), err)
	}
	fds, err := os.ReadDir(filepath.Join(proc, "fd"))
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range fds {
		target, err := os.Readlink(filepath.Join(proc, "fd", fd.Name()))
		if err != nil {
			continue
		}
		// The Go runtime keeps its cgroup's limits open; what tells how much memory the engine itself has, the engine.
		ok := target == "/dev/null" || strings.HasPrefix(target, "/sys/fs/cgroup/") || strings.HasPrefix(target, "socket:") ||
			strings.HasPrefix(target, "anon_inode:") || strings.HasPrefix(target, dir) || target == filepath.Join(proc, "statm")
		if !ok {
			t.Errorf("the engine holds %s", target)
		}
	}
}

func hasNoCore(limits string) bool {
	for line := range strings.Lines(limits) {
		if f := strings.Fields(line); strings.HasPrefix(line, "Max core file size") {
			return len(f) > 5 && f[4] == "0" && f[5] == "0"
		}
	}
	return false
}

func itoa(n int) string {
	if n < 10 {
		return string(rune('0' + n))
	}
	return itoa(n/10) + string(rune('0'+n%10))
}

func TestSelectRunsNothingButASelect(t *testing.T) {
	dir, spill := folders(t)
	file := filepath.Join(dir, "a.db")
	e := start(t, engine.Config{Path: file, Spill: spill})
	w := writer(t, e)
	do(t, w, "CREATE TABLE t AS SELECT range i FROM range(10)")
	for _, sql := range []string{
		"COPY t TO '" + file + "' (USE_TMP_FILE false)", "INSERT INTO t VALUES (1)", "DROP TABLE t", "CALL enable_logging(storage = 'memory')",
		"CALL enable_peg_parser()", "SET threads = 1", "BEGIN", "EXPLAIN ANALYZE DELETE FROM t", "CHECKPOINT", "PRAGMA force_checkpoint", "USE memory",
		"PREPARE p AS SELECT 1", "LOAD icu", "DETACH a", "VACUUM", "EXPORT DATABASE '" + spill + "/x'", "ATTACH '" + spill + "/x.db'",
	} {
		rows, err := w.Select(t.Context(), sql)
		if err == nil {
			t.Errorf("%s: it ran", sql)
			_ = rows.Close()
		} else if engine.IsGone(err) {
			t.Fatalf("%s: the engine died", sql)
		}
	}
	rows, err := w.Select(t.Context(), "SELECT count(*) FROM t WHERE i >= $1", 5)
	if err != nil {
		t.Fatal(err)
	}
	if !rows.Next() || rows.Batch().Column(0).ValueStr(0) != "5" {
		t.Errorf("a plain SELECT does not work: %v", rows.Err())
	}
	if err := rows.Close(); err != nil {
		t.Error(err)
	}
	w.Release()
}
