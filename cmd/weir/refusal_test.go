package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/weirproject/weir/internal/source"
)

// A folder in the place of the file that the ledger writes next makes it unable to write, for root too.
func (s *site) blockLedger() (free func()) {
	s.t.Helper()
	path := filepath.Join(s.state, "ledger", "checkpoint.new")
	eventually(s.t, "the ledger is not just being written", func() bool { return os.Mkdir(path, 0o700) == nil })
	return func() {
		if err := os.Remove(path); err != nil {
			s.t.Fatal(err)
		}
	}
}

func TestWithoutARecordNothingIsAppliedAndNothingAnswered(t *testing.T) {
	t.Parallel()
	url, _ := fleetDatabase(t, 30, 2)
	s := fleetSite(t, url)
	p := s.run()
	s.following(p)
	s.equal()
	question := s.args("metric", "show", "failed_connection_rate")
	must(t, question...)
	free := s.blockLedger()

	refused := func(r result, what string) {
		t.Helper()
		if r.code != 1 || r.stdout != "" || !strings.Contains(r.stderr, "the ledger cannot be written") || !strings.Contains(r.stderr, "hint: ") {
			t.Errorf("%s without a record: exit %d\n%s%s", what, r.code, r.stdout, r.stderr)
		}
	}
	refused(weir(t, question...), "a question to the running weir")
	s.exec("INSERT INTO fleet.torture SELECT i, 'unrecorded', i, 'b' FROM generate_series(900001, 900010) i", "DELETE FROM fleet.torture WHERE id < 100")
	select {
	case <-p.done:
	case <-time.After(patience):
		t.Fatalf("weir goes on without a record:\n%s", p.output())
	}
	out := p.output()
	if code := p.cmd.ProcessState.ExitCode(); code != 1 || strings.Count(out, "weir: the ledger cannot be written") != 1 || strings.Contains(out, "panic") {
		t.Errorf("exit %d\n%s", code, out)
	}
	if n := s.tamper("sql", "SELECT (count(*) FILTER (code = 'unrecorded') * 100000 + count(*))::VARCHAR FROM fleet.torture"); n != "3000" {
		t.Errorf("the store holds %s rows, want 3000 and none that was not recorded", n)
	}
	for range 2 {
		r := weir(t, s.args("run")...)
		if r.code != 1 || !strings.Contains(r.stderr, "ledger") || !strings.Contains(r.stderr, "hint: ") {
			t.Errorf("started without a record: exit %d\n%s", r.code, r.stderr)
		}
	}
	if r := weir(t, question...); r.code != 1 || r.stdout != "" {
		t.Errorf("answered without a record: exit %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	free()
	p = s.run()
	s.following(p)
	s.equal()
	must(t, "ledger", "verify", "--key", filepath.Join(s.state, "ledger", "public.key"), filepath.Join(s.state, "ledger"))
}

// fingerprint is a sum over everything below a folder but the lock and the spill.
func fingerprint(t testing.TB, dir string) string {
	t.Helper()
	h := sha256.New()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		_, _ = fmt.Fprintf(h, "%s %x\n", path, sha256.Sum256(data))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(h.Sum(nil))
}

func TestKeysAndStatesThatDoNotFitAreRefused(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	must(t, s.args("run", "--apply", "--once")...)
	keys := s.state + "-keys"
	master, stateFile := filepath.Join(keys, "master.key"), filepath.Join(s.state, "state.json")
	write := func(path string, data []byte, mode os.FileMode) func(testing.TB) {
		return func(t testing.TB) {
			t.Helper()
			if err := os.WriteFile(path, data, mode); err != nil {
				t.Fatal(err)
			}
		}
	}
	chmod := func(path string, mode os.FileMode) func(testing.TB) {
		return func(t testing.TB) {
			t.Helper()
			if err := os.Chmod(path, mode); err != nil {
				t.Fatal(err)
			}
		}
	}
	saved := func(path string) []byte {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	key, state := saved(master), saved(stateFile)
	other := []byte(strings.Repeat("ab", len(strings.TrimSpace(string(key)))/2) + "\n")
	newer := []byte(strings.Replace(string(state), `"format": 1`, `"format": 2`, 1))
	if string(newer) == string(state) {
		t.Fatalf("no format in %s", state)
	}
	signing := filepath.Join(keys, "ledger.key")
	cases := []struct {
		name     string
		do, undo func(testing.TB)
		code     int
		says     string
	}{
		{"a master key that others may read", chmod(master, 0o644), chmod(master, 0o600), 4, "is open to others"},
		{"a key folder that others may read", chmod(keys, 0o755), chmod(keys, 0o700), 4, "is open to others"},
		{"a signing key that others may read", chmod(signing, 0o644), chmod(signing, 0o600), 4, "signing key"},
		{"another master key", write(master, other, 0o600), write(master, key, 0o600), 4, "not those that this state was made with"},
		{"a damaged master key", write(master, key[:9], 0o600), write(master, key, 0o600), 1, "is damaged"},
		{"no master key", func(t testing.TB) {
			t.Helper()
			if err := os.Remove(master); err != nil {
				t.Fatal(err)
			}
		}, write(master, key, 0o600), 4, "is gone"},
		{"a newer state", write(stateFile, newer, 0o600), write(stateFile, state, 0o600), 4, "newer weir"},
		{"a damaged state", write(stateFile, []byte("{"), 0o600), write(stateFile, state, 0o600), 1, "is damaged"},
	}
	for _, c := range cases {
		t.Run(strings.ReplaceAll(c.name, " ", "-"), func(t *testing.T) {
			c.do(t)
			before := fingerprint(t, s.state)
			for _, command := range [][]string{{"run", "--once"}, {"status"}, {"verify"}} {
				r := weir(t, s.args(command...)...)
				if r.code != c.code || r.stdout != "" || !strings.Contains(r.stderr, c.says) || !strings.Contains(r.stderr, "hint: ") {
					t.Errorf("weir %s: exit %d, want %d and %q\n%s%s", command[0], r.code, c.code, c.says, r.stdout, r.stderr)
				}
			}
			if fingerprint(t, s.state) != before {
				t.Error("a refused weir changed the state")
			}
			if _, err := os.Stat(master); c.name == "no master key" && err == nil {
				t.Error("a new master key was made for an old state")
			}
			c.undo(t)
		})
	}
	s.equal()

	inside := *s
	inside.config = t.TempDir()
	if err := os.CopyFS(inside.config, os.DirFS(s.config)); err != nil {
		t.Fatal(err)
	}
	inside.configure("accept: [production_ddl]\nkeys: " + filepath.Join(s.state, "keys"))
	r := weir(t, inside.args("run", "--once")...)
	if r.code != 4 || !strings.Contains(r.stderr, "inside the state folder") {
		t.Errorf("keys inside the state: exit %d\n%s", r.code, r.stderr)
	}
	if _, err := os.Stat(filepath.Join(s.state, "keys")); err == nil {
		t.Error("a key folder was made inside the state")
	}
}

func TestTablesThatCannotBeFollowedAreRefusedBeforeTheRun(t *testing.T) {
	t.Parallel()
	policy := `table: shop.log
access: sql
exploration: what happened
columns:
  line: {class: telemetry, treat: keep}
`
	for name, ddl := range map[string]string{
		"without a key": `CREATE TABLE shop.log (line text)`,
		"with full identity": `CREATE TABLE shop.log (line text PRIMARY KEY);
ALTER TABLE shop.log REPLICA IDENTITY FULL`,
	} {
		t.Run(strings.ReplaceAll(name, " ", "-"), func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			s.exec(ddl, "INSERT INTO shop.log VALUES ('a')")
			s.policy("log", policy)
			check := weir(t, s.args("check", "--json")...)
			var findings []source.Finding
			if err := json.Unmarshal([]byte(check.stdout), &findings); err != nil {
				t.Fatalf("%v\n%s%s", err, check.stdout, check.stderr)
			}
			named := slices.ContainsFunc(findings, func(f source.Finding) bool {
				return f.Severity == source.Stop && strings.Contains(f.Message, "shop.log") && f.Fix != ""
			})
			if check.code != 3 || !named {
				t.Errorf("check: exit %d\n%s", check.code, check.stdout)
			}
			r := weir(t, s.args("run", "--apply", "--once")...)
			if r.code == 0 || !strings.Contains(r.stderr, "shop.log") || !strings.Contains(r.stderr, "hint: ") {
				t.Errorf("run: exit %d\n%s", r.code, r.stderr)
			}
			if n := s.number("SELECT count(*) FROM pg_publication"); n != 0 {
				t.Error("a publication was made although the run was refused")
			}
			s.exec("UPDATE shop.log SET line = 'b'") // production's own statement still works
		})
	}
}

func TestFollowedTableGetsFullIdentity(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	p := s.run()
	s.following(p)
	s.exec("ALTER TABLE shop.setting REPLICA IDENTITY FULL")
	s.seen(p, "key_changed shop.setting")
	s.exec("INSERT INTO shop.customer VALUES (9001, 'e', 'FR', 'new', 3, 'n')")
	s.following(p)
	if _, held := rows(s.equal(), "shop.setting"); held {
		t.Error("a table whose changes cannot be followed is still taken for equal")
	}
	if code := p.stop(t, syscall.SIGTERM); code != 0 {
		t.Errorf("exit %d\n%s", code, p.output())
	}
	s.goesOnOrSaysWhatToDo()
}
