package postmaster

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/weirproject/weir/internal/fault"
)

// place is a folder that the server's user can enter, unlike root's t.TempDir.
func place(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "weir-postmaster-") //nolint:usetesting // t.TempDir's parents may be closed to the server's user
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

var fast = map[string]string{"fsync": "off", "shared_buffers": "16MB"}

func start(t *testing.T, dir string) *Server {
	t.Helper()
	s, err := Start(t.Context(), Options{Dir: dir, Settings: fast})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func ask(t *testing.T, url, sql string) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	var got string
	if err := conn.QueryRow(t.Context(), sql).Scan(&got); err != nil {
		t.Fatal(err)
	}
	return got
}

func TestServerAnswersAndEnds(t *testing.T) {
	s := start(t, filepath.Join(place(t), "deeper"))
	for sql, want := range map[string]string{
		"SELECT current_user":         "weir",
		"SHOW wal_level":              "logical",
		"SHOW max_slot_wal_keep_size": "10GB",
		"SHOW fsync":                  "off",
		"SHOW listen_addresses":       "127.0.0.1",
		"SHOW max_replication_slots":  "50",
		"SELECT (rolreplication AND rolsuper)::text FROM pg_roles WHERE rolname = 'weir'": "true",
	} {
		if got := ask(t, s.URL("postgres"), sql); got != want {
			t.Errorf("%s = %q, want %q", sql, got, want)
		}
	}
	pid := s.PID()
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("process %d after Stop: %v, want it gone", pid, err)
	}
	if err := s.Stop(); err != nil {
		t.Errorf("second Stop: %v", err)
	}
}

func TestPasswordIsNeeded(t *testing.T) {
	s := start(t, place(t))
	_, err := pgx.Connect(t.Context(), strings.Replace(s.URL("postgres"), s.password, "wrong", 1))
	if err == nil {
		t.Fatal("a wrong password was let in")
	}
}

func TestKilledServerStartsAgainWithItsData(t *testing.T) {
	dir := place(t)
	s := start(t, dir)
	conn, err := pgx.Connect(t.Context(), s.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), "CREATE TABLE kept AS SELECT 'yes'::text AS v"); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(s.PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-s.Done()
	if _, err := os.Stat(filepath.Join(dir, "data", "postmaster.pid")); err != nil {
		t.Fatalf("a killed server should leave its lock: %v", err)
	}
	again := start(t, dir)
	if got := ask(t, again.URL("postgres"), "SELECT v FROM kept"); got != "yes" {
		t.Errorf("table after restart holds %q", got)
	}
}

func TestLockOfAForeignProcessIsRemoved(t *testing.T) {
	dir := place(t)
	if err := start(t, dir).Stop(); err != nil {
		t.Fatal(err)
	}
	other := exec.CommandContext(t.Context(), "sleep", "600")
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = other.Process.Kill(); _ = other.Wait() })
	lock := filepath.Join(dir, "data", "postmaster.pid")
	if err := os.WriteFile(lock, []byte(strings.Join([]string{itoa(other.Process.Pid), filepath.Join(dir, "data"), "1", "1", "", "", "", "ready"}, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	start(t, dir)
}

func TestServerEndsWhenItsParentIsKilled(t *testing.T) {
	if dir := os.Getenv("POSTMASTER_CHILD_DIR"); dir != "" {
		s, err := Start(t.Context(), Options{Dir: dir, Settings: fast})
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "child.ready"), []byte(itoa(s.PID())), 0o600); err != nil {
			t.Fatal(err)
		}
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	}
	dir := place(t)
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestServerEndsWhenItsParentIsKilled$")
	child.Env = append(os.Environ(), "POSTMASTER_CHILD_DIR="+dir)
	if err := child.Run(); err == nil {
		t.Fatal("the child should have been killed")
	}
	if _, err := os.Stat(filepath.Join(dir, "child.ready")); err != nil {
		t.Fatalf("the child did not start a server: %v", err)
	}
	deadline := time.After(2 * time.Minute)
	for readLock(filepath.Join(dir, "data")).pid != 0 {
		if runs, _ := worksIn(readLock(filepath.Join(dir, "data")).pid, filepath.Join(dir, "data")); !runs {
			break
		}
		select {
		case <-deadline:
			t.Fatal("the server outlived its parent")
		case <-time.After(lookEvery):
		}
	}
	start(t, dir)
}

func TestMissingInstallationSaysWhatToInstall(t *testing.T) {
	empty := t.TempDir()
	_, err := find(t.Context(), []string{empty, filepath.Join(empty, "none")})
	var f *fault.Error
	if !errors.As(err, &f) {
		t.Fatalf("got %v, want a fault", err)
	}
	if f.Hint != "apt-get install -y postgresql" || f.Kind != fault.Unavailable {
		t.Errorf("hint %q kind %d", f.Hint, f.Kind)
	}
}

func TestFolderThatTheServersUserCannotEnterIsNamed(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Log("this process runs the server as itself, which can enter whatever it made")
		return
	}
	closed := place(t)
	if err := os.Chmod(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := Reachable(filepath.Join(place(t), "not", "there", "yet")); err != nil {
		t.Errorf("an open folder: %v", err)
	}
	if err := Reachable(filepath.Join(closed, "server")); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("a closed folder: %v, want a fault", err)
	}
	_, err := Start(t.Context(), Options{Dir: filepath.Join(closed, "server"), Settings: fast})
	var f *fault.Error
	if !errors.As(err, &f) || f.Kind != fault.Unavailable || !strings.Contains(f.Hint, "chmod o+x") {
		t.Errorf("got %v, want a fault that names the closed folder", err)
	}
}

func TestDataOfAnotherVersionIsRefused(t *testing.T) {
	h := home{dir: t.TempDir()}
	if err := os.MkdirAll(h.data(), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(h.data(), "PG_VERSION"), []byte("9\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := h.sameVersion(installation{major: 16}); fault.KindOf(err) != fault.Invalid {
		t.Errorf("got %v, want an invalid folder", err)
	}
}

func itoa(n int) string { return strconv.Itoa(n) }
