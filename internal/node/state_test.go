package node

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weirproject/weir/internal/fault"
)

func stateIn(t *testing.T, dir string) (*State, error) {
	t.Helper()
	return OpenState(t.Context(), &Config{State: filepath.Join(dir, "state"), path: filepath.Join(dir, "weir.yaml")})
}

func TestStateIsTheSameWhenItIsOpenedAgain(t *testing.T) {
	dir := t.TempDir()
	s, err := stateIn(t, dir)
	if err != nil {
		t.Fatal(err)
	}
	id := s.ID
	first, err := s.OpenKeys()
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	s, err = stateIn(t, dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	again, err := s.OpenKeys()
	if err != nil || s.ID != id || len(id) != 8 || again.Fingerprint() != first.Fingerprint() {
		t.Errorf("id %s then %s, %v", id, s.ID, err)
	}
	for _, p := range []string{"state", "state/run", "state-keys", "state/state.json", "state-keys/master.key"} {
		if info, err := os.Stat(filepath.Join(dir, p)); err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %v, %v", p, info, err)
		}
	}
}

func TestOnlyARunChangesWhichConfigurationIsRemembered(t *testing.T) {
	dir := t.TempDir()
	remembered := func(path string, run bool) string {
		t.Helper()
		s, err := OpenState(t.Context(), &Config{State: filepath.Join(dir, "state"), path: path})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if run {
			if err := s.Remember(); err != nil {
				t.Fatal(err)
			}
		}
		return PeekConfig(s.Dir)
	}
	for _, c := range []struct {
		path string
		run  bool
		want string
	}{{"", true, ""}, {"/a.yaml", false, "/a.yaml"}, {"/b.yaml", false, "/a.yaml"}, {"/b.yaml", true, "/b.yaml"}, {"", true, "/b.yaml"}} {
		if got := remembered(c.path, c.run); got != c.want {
			t.Errorf("after %q (run: %t): %s, want %s", c.path, c.run, got, c.want)
		}
	}
}

func TestStateThatCannotBeTrustedIsRefused(t *testing.T) {
	for _, c := range []struct {
		name string
		harm func(t *testing.T, dir string)
		kind fault.Kind
		says string
	}{
		{"a newer format", func(t *testing.T, dir string) { write(t, dir, "state/state.json", `{"format": 99, "id": "abc"}`) }, fault.Refused, "newer weir"},
		{"damaged", func(t *testing.T, dir string) { write(t, dir, "state/state.json", `{"format": 1`) }, fault.Invalid, "is damaged"},
		{"empty", func(t *testing.T, dir string) { write(t, dir, "state/state.json", "") }, fault.Invalid, "is damaged"},
		{"other keys", func(t *testing.T, dir string) {
			write(t, dir, "state-keys/master.key", strings.Repeat("ab", 32)+"\n")
		}, fault.Refused, "are not those that this state was made with"},
		{"no keys", func(t *testing.T, dir string) {
			if err := os.Remove(filepath.Join(dir, "state-keys", "master.key")); err != nil {
				t.Fatal(err)
			}
		}, fault.Refused, "is gone"},
		{"half a key", func(t *testing.T, dir string) { write(t, dir, "state-keys/master.key", "abab\n") }, fault.Invalid, "is damaged"},
		{"an open key", func(t *testing.T, dir string) { open(t, filepath.Join(dir, "state-keys", "master.key"), 0o640) }, fault.Refused, "is open to others"},
		{"an open key folder", func(t *testing.T, dir string) { open(t, filepath.Join(dir, "state-keys"), 0o755) }, fault.Refused, "is open to others"},
	} {
		dir := t.TempDir()
		s, err := stateIn(t, dir)
		if err != nil {
			t.Fatal(err)
		}
		s.Close()
		c.harm(t, dir)
		s, err = stateIn(t, dir)
		if err == nil {
			s.Close()
		}
		if shown := fault.Public(err); shown == nil || shown.Kind != c.kind || !strings.Contains(shown.Message, c.says) || shown.Hint == "" {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func open(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func TestKeysInsideTheStateAreRefused(t *testing.T) {
	dir := t.TempDir()
	for _, keys := range []string{"state", "state/keys", "state/../state/run/keys"} {
		s, err := OpenState(t.Context(), &Config{State: filepath.Join(dir, "state"), Keys: filepath.Join(dir, keys)})
		if err == nil {
			s.Close()
		}
		if fault.KindOf(err) != fault.Refused {
			t.Errorf("%s: %v", keys, err)
		}
	}
}
