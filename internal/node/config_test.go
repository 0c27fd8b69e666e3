package node

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/weirproject/weir/internal/fault"
)

func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestConfigurationIsReadWithItsDefaults(t *testing.T) {
	dir := t.TempDir()
	at := func(p string) string { return filepath.Join(dir, p) }
	standard := Config{Source: SourceConfig{Name: "production"}, Policy: at("policy"), State: at("state"), dir: dir}
	full := Config{
		Source: SourceConfig{Name: "shop", URLFile: at("secret/url"), Schemas: []string{"a", "b"}, Accept: []string{"production_ddl"}},
		Policy: at("p"), Metrics: at("m"), State: "/var/lib/weir", Keys: at("k"), Ledger: LedgerConfig{Mirror: at("mirror")}, Engine: EngineConfig{MemoryMB: 512, Threads: 3}, dir: dir,
	}
	initial := standard
	initial.Gate.SQL, initial.Gate.Web = "127.0.0.1:6432", "127.0.0.1:8443"
	for _, c := range []struct {
		name, text string
		want       Config
	}{
		{"empty", "", standard},
		{"only a comment", "# nothing\n", standard},
		{"an empty document", "---\n", standard},
		{"the one that weir init writes", initialConfig, initial},
		{"everything", "source: {name: shop, url_file: secret/url, schemas: [a, b], accept: [production_ddl]}\npolicy: p\nmetrics: m\nstate: /var/lib/weir\nkeys: k\nledger: {mirror: mirror}\nengine: {memory_mb: 512, threads: 3}\n", full},
	} {
		c.want.path = write(t, dir, "weir.yaml", c.text)
		got, err := LoadConfig(c.want.path)
		if err != nil || !reflect.DeepEqual(*got, c.want) {
			t.Errorf("%s: %v\n%+v\nwant\n%+v", c.name, err, got, c.want)
		}
	}
}

// The settings that a wrong one is answered with are the settings there are.
func TestHintNamesEverySetting(t *testing.T) {
	_, err := LoadConfig(write(t, t.TempDir(), "weir.yaml", "nothing: 1\n"))
	var f *fault.Error
	if !errors.As(err, &f) || f.Kind != fault.Invalid {
		t.Fatal(err)
	}
	var walk func(reflect.Type)
	walk = func(s reflect.Type) {
		for i := range s.NumField() {
			name := s.Field(i).Tag.Get("yaml")
			if name == "" {
				continue
			}
			if !strings.Contains(f.Hint, name) {
				t.Errorf("the hint does not name %s", name)
			}
			if s.Field(i).Type.Kind() == reflect.Struct {
				walk(s.Field(i).Type)
			}
		}
	}
	walk(reflect.TypeFor[Config]())
}

func TestKeysLieBesideTheState(t *testing.T) {
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for state, want := range map[string]string{
		"state": "state-keys", "a/state": "a/state-keys", "state/": "state-keys", "/a b/state": "/a b/state-keys",
		".": here + "-keys", "..": filepath.Dir(here) + "-keys", "../..": filepath.Dir(filepath.Dir(here)) + "-keys",
	} {
		if got := (&Config{State: state}).keysDir(); got != want {
			t.Errorf("the keys of %s are in %s, want %s", state, got, want)
		}
	}
	if got := (&Config{State: "state", Keys: "/keys"}).keysDir(); got != "/keys" {
		t.Errorf("the keys are in %s", got)
	}
}

func TestConfigurationOfTheCommandLineIsFound(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	named := write(t, dir, "named/weir.yaml", "source: {name: named}\n")
	remembered := write(t, dir, "remembered/weir.yaml", "source: {name: remembered, url_file: x}\n")
	write(t, dir, "known/state.json", `{"format": 1, "id": "abc", "config": "`+remembered+`", "keys": ""}`)
	write(t, dir, "forgetful/state.json", `{"format": 1, "id": "abc", "keys": ""}`)
	write(t, dir, "moved/state.json", `{"format": 1, "id": "abc", "config": "`+dir+`/gone.yaml", "keys": ""}`)
	find := func(f Find) string {
		t.Helper()
		if f.Config == "" {
			f.Config = defaultConfig
		}
		c, err := FindConfig(f)
		if err != nil {
			return fault.KindOf(err).String()
		}
		if f.State != "" && c.State != filepath.Clean(f.State) {
			t.Errorf("%+v: state %s", f, c.State)
		}
		if f.Source != "" && (c.Source.URL != f.Source || c.Source.URLFile != "") {
			t.Errorf("%+v: source %+v", f, c.Source)
		}
		return c.Source.Name
	}
	cases := []struct {
		name string
		find Find
		want string
	}{
		{"the file named", Find{Config: named, ConfigGiven: true}, "named"},
		{"the file named before the one remembered", Find{Config: named, ConfigGiven: true, State: "known"}, "named"},
		{"the one remembered", Find{State: "known/"}, "remembered"},
		{"the one remembered, with another source", Find{State: "known", Source: "postgres://h/d"}, "remembered"},
		{"a file that is not there", Find{Config: "none.yaml", ConfigGiven: true, State: "known"}, "not found"},
		{"a state that remembers none", Find{State: "forgetful"}, "production"},
		{"a state whose configuration is gone", Find{State: "moved"}, "production"},
		{"a source alone", Find{Source: "postgres://h/d"}, "production"},
		{"nothing", Find{}, "not found"},
	}
	for _, c := range cases {
		if got := find(c.find); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
	write(t, dir, "weir.yaml", "source: {name: here}\n")
	for _, c := range []struct {
		find Find
		want string
	}{{Find{}, "here"}, {Find{State: "known"}, "remembered"}, {Find{State: "forgetful"}, "here"}, {Find{State: "new"}, "here"}, {Find{Config: named, ConfigGiven: true}, "named"}} {
		if got := find(c.find); got != c.want {
			t.Errorf("%+v: %s, want %s", c.find, got, c.want)
		}
	}
	write(t, dir, "weir.yaml", "source: [\n")
	if got := find(Find{State: "forgetful", Source: "postgres://h/d"}); got != "invalid" {
		t.Errorf("a broken file here: %s", got)
	}
}

func TestURLIsReadFromAFileThatNobodyElseReads(t *testing.T) {
	dir := t.TempDir()
	path := write(t, dir, "url", "  postgres://weir:secret@h/d\n\n")
	c := &Config{Source: SourceConfig{URLFile: path}}
	if url, err := c.sourceURL(); err != nil || url != "postgres://weir:secret@h/d" {
		t.Errorf("%s, %v", url, err)
	}
	for _, mode := range []os.FileMode{0o644, 0o640, 0o604, 0o620, 0o601} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if url, err := c.sourceURL(); url != "" || fault.KindOf(err) != fault.Refused {
			t.Errorf("mode %o: %v", mode, err)
		}
	}
	c.Source.URLFile = filepath.Join(dir, "none")
	if _, err := c.sourceURL(); fault.KindOf(err) != fault.NotFound {
		t.Error(err)
	}
	if _, err := (&Config{}).sourceURL(); fault.KindOf(err) != fault.Usage {
		t.Error(err)
	}
}

func TestWordsAreTypedAsAShellReadsThem(t *testing.T) {
	for word, want := range map[string]string{
		"/tmp/demo": "/tmp/demo", "./weir": "./weir", "my demo": "'my demo'", "it's": `'it'\''s'`, "$HOME": "'$HOME'", "a;b": "'a;b'", "größe": "größe", "a*": "'a*'",
	} {
		if got := typed(word); got != want {
			t.Errorf("%s is typed %s, want %s", word, got, want)
		}
	}
}
