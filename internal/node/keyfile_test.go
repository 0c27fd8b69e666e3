package node

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/weirproject/weir/internal/fault"
)

func TestKeyFilesOverwriteNothingAndStayPrivate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "keys")
	files, err := NewKeyFiles(dir, "grafana")
	if err != nil {
		t.Fatal(err)
	}
	c := &NewCertificate{User: "grafana", Certificate: "certificate", Key: "key", SQL: &Login{}}
	if err := files.Keep(c); err != nil || c.Key != "" || c.Certificate != "" {
		t.Fatalf("%v, %+v", err, c)
	}
	for path, want := range map[string]string{c.SQL.Certificate: "certificate", c.SQL.Key: "key"} {
		text, err := os.ReadFile(path)
		info, statErr := os.Stat(path)
		if err != nil || statErr != nil || string(text) != want || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %q, %v, %v", path, text, err, info)
		}
	}
	if _, err := NewKeyFiles(dir, "grafana"); fault.KindOf(err) != fault.Refused {
		t.Errorf("over existing files: %v", err)
	}
	// Of a pair whose second file is there, the first is not left behind.
	if err := os.Remove(c.SQL.Certificate); err != nil {
		t.Fatal(err)
	}
	if _, err := NewKeyFiles(dir, "grafana"); fault.KindOf(err) != fault.Refused {
		t.Errorf("over an existing key: %v", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("left: %v, %v", left, err)
	}
	for _, name := range []string{"../grafana", "/etc/grafana", "", ".", ".."} {
		if _, err := NewKeyFiles(dir, name); fault.KindOf(err) != fault.Invalid {
			t.Errorf("files of %q: %v", name, err)
		}
	}
	closed, err := NewKeyFiles(dir, "other")
	if err != nil {
		t.Fatal(err)
	}
	closed.Discard() // as a disk that takes nothing
	if err := closed.Keep(c); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("what cannot be written: %v", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("left: %v, %v", left, err)
	}
}
