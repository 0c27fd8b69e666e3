package node

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/weirproject/weir/internal/fault"
	"github.com/weirproject/weir/internal/metric"
	"github.com/weirproject/weir/internal/policy"
)

// Config is weir.yaml. Paths in it are relative to its folder. Every field has a safe zero value.
type Config struct {
	Source  SourceConfig `yaml:"source"`
	Policy  string       `yaml:"policy"`  // folder of policy files, default policy
	Metrics string       `yaml:"metrics"` // folder of metric definitions; empty: none
	State   string       `yaml:"state"`   // folder of the copy, the ledger and the socket, default state
	Keys    string       `yaml:"keys"`    // folder of the keys, default beside the state: STATE-keys
	Ledger  LedgerConfig `yaml:"ledger"`
	Engine  EngineConfig `yaml:"engine"`
	Gate    GateConfig   `yaml:"gate"`

	path string // of the file; empty when there was none
	dir  string
}

// SourceConfig is the production database.
type SourceConfig struct {
	Name    string   `yaml:"name"`     // what people call it, default production
	URL     string   `yaml:"url"`      // its connection URL: a secret of production; better in URLFile
	URLFile string   `yaml:"url_file"` // a file of mode 0600 that holds it
	Schemas []string `yaml:"schemas"`  // the schemas to look at, default all
	Accept  []string `yaml:"accept"`   // what our being there can do to production and the operator accepts: the codes that weir check names
}

// LedgerConfig is about the record.
type LedgerConfig struct {
	Mirror string `yaml:"mirror"` // a file elsewhere to which every checkpoint is written too
}

// GateConfig is where people come in. Whoever comes in signs in, over TLS.
type GateConfig struct {
	SQL         string   `yaml:"sql"`         // address on which the gate speaks PostgreSQL's protocol, host:port; empty: it doesn't
	Web         string   `yaml:"web"`         // address of the page and its API, host:port; empty: there is none
	Hosts       []string `yaml:"hosts"`       // names and addresses by which clients reach it, for its certificate; default localhost
	Certificate string   `yaml:"certificate"` // the operator's own certificate and key, PEM; default: weir makes them
	Key         string   `yaml:"key"`
	Root        string   `yaml:"root"` // what clients check the operator's certificate with
}

// EngineConfig bounds the analytics engines together.
type EngineConfig struct {
	MemoryMB int64 `yaml:"memory_mb"` // default a quarter of the machine's memory
	Threads  int   `yaml:"threads"`   // default all cores
}

// acceptDDL is the one consent that weir check asks for.
const acceptDDL = "production_ddl"

const defaultConfig = "weir.yaml"

// LoadConfig reads a configuration. Errors name file and line and never show what stands there, which may be a password.
func LoadConfig(path string) (*Config, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault.Newf(fault.NotFound, "there is no configuration at %s", path).WithHint("run weir init --source URL to make one, or name another with --config")
	}
	if err != nil {
		return nil, fault.Newf(fault.Unavailable, "the configuration %s cannot be read", path).WithHint("look at its permissions").WithCause(err)
	}
	c := &Config{}
	err = yaml.NewDecoder(bytes.NewReader(data), yaml.Strict()).Decode(c)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, yamlFault(path, err)
	}
	c.path, c.dir = path, filepath.Dir(path) // not before: a document of nothing empties all of it
	return c.settle()
}

// yamlFault keeps the place and drops the excerpt.
func yamlFault(path string, err error) error {
	var bad yaml.Error
	line := 0
	if errors.As(err, &bad) && bad.GetToken() != nil && bad.GetToken().Position != nil {
		line = bad.GetToken().Position.Line
	}
	var unknown *yaml.UnknownFieldError
	what := "this is not what is expected here"
	if errors.As(err, &unknown) {
		what = "there is no such setting"
	}
	return fault.Newf(fault.Invalid, "%s:%d: %s", path, line, what).
		WithHint("the settings are source (name, url, url_file, schemas, accept), policy, metrics, state, keys, ledger (mirror), engine (memory_mb, threads), gate (sql, web, hosts, certificate, key, root)").WithCause(err)
}

func (c *Config) settle() (*Config, error) {
	if c.dir == "" {
		c.dir = "."
	}
	set := func(p *string, fallback string) {
		if *p == "" {
			*p = fallback
		}
		if *p != "" && !filepath.IsAbs(*p) {
			*p = filepath.Join(c.dir, *p)
		}
	}
	set(&c.Policy, "policy")
	set(&c.Metrics, "")
	set(&c.State, "state")
	set(&c.Keys, "")
	set(&c.Ledger.Mirror, "")
	set(&c.Source.URLFile, "")
	for _, p := range []*string{&c.Gate.Certificate, &c.Gate.Key, &c.Gate.Root} {
		set(p, "")
	}
	if c.Source.Name == "" {
		c.Source.Name = "production"
	}
	for _, code := range c.Source.Accept {
		if code != acceptDDL {
			return nil, fault.Newf(fault.Invalid, "%s: source.accept names something that cannot be accepted", c.path).WithHint("what can be is %s; weir check says what it means", acceptDDL)
		}
	}
	if c.Source.URL != "" && c.Source.URLFile != "" {
		return nil, fault.Newf(fault.Invalid, "%s names both source.url and source.url_file", c.path).WithHint("keep one; the file is the safer place for a password")
	}
	if c.Engine.MemoryMB < 0 || c.Engine.Threads < 0 {
		return nil, fault.Newf(fault.Invalid, "%s: engine.memory_mb and engine.threads cannot be negative", c.path).WithHint("leave them out for the defaults")
	}
	return c, nil
}

// sourceURL returns the connection URL.
func (c *Config) sourceURL() (string, error) {
	if c.Source.URL != "" {
		return c.Source.URL, nil
	}
	if c.Source.URLFile == "" {
		return "", fault.New(fault.Usage, "no source is named", "give --source URL, or source.url_file in the configuration")
	}
	info, err := os.Stat(c.Source.URLFile)
	if err != nil {
		return "", fault.Newf(fault.NotFound, "the file of source.url_file cannot be read: %s", c.Source.URLFile).WithHint("write the connection URL into it, mode 0600").WithCause(err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return "", fault.Newf(fault.Refused, "%s can be read by others, and it holds a production secret", c.Source.URLFile).WithHint("chmod 600 %s", c.Source.URLFile)
	}
	data, err := os.ReadFile(c.Source.URLFile)
	if err != nil {
		return "", fault.Newf(fault.Unavailable, "%s cannot be read", c.Source.URLFile).WithHint("look at its permissions").WithCause(err)
	}
	return strings.TrimSpace(string(data)), nil
}

// keysDir is where the keys are.
func (c *Config) keysDir() string {
	if c.Keys != "" {
		return c.Keys
	}
	state := filepath.Clean(c.State)
	if base := filepath.Base(state); base == "." || base == ".." { // beside it, which needs its name
		if abs, err := filepath.Abs(state); err == nil {
			state = abs
		}
	}
	return state + "-keys"
}

// LoadPolicy reads every .yaml file of a policy folder, or one file.
func LoadPolicy(path string) (*policy.Policy, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fault.Newf(fault.NotFound, "there is no policy at %s", path).WithHint("run weir init --source URL to make the skeleton of one, or name its folder as policy: in the configuration").WithCause(err)
	}
	names := []string{path}
	if info.IsDir() {
		if names, err = filepath.Glob(filepath.Join(path, "*.yaml")); err != nil {
			return nil, fmt.Errorf("list policy: %w", err)
		}
		sort.Strings(names)
	}
	var files []policy.File
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			return nil, fault.Newf(fault.Unavailable, "the policy file %s cannot be read", name).WithHint("look at its permissions").WithCause(err)
		}
		files = append(files, policy.File{Name: name, Data: data})
	}
	if len(files) == 0 {
		return nil, fault.Newf(fault.Invalid, "the policy folder %s holds no .yaml file, and an empty policy lets nothing cross", path).WithHint("run weir init --source URL to make the skeleton of one")
	}
	return policy.Parse(files)
}

// LoadMetrics reads the metric definitions of the configuration; without any there are none.
func (c *Config) LoadMetrics() (*metric.Catalog, error) {
	if c.Metrics == "" {
		return &metric.Catalog{}, nil
	}
	if info, err := os.Stat(c.Metrics); err != nil || !info.IsDir() {
		return nil, fault.Newf(fault.NotFound, "there is no folder of metrics at %s", c.Metrics).WithHint("correct metrics: in the configuration, or leave it out")
	}
	return metric.Load(os.DirFS(c.Metrics))
}
