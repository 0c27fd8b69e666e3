package node

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/weirproject/weir/internal/fault"
	"github.com/weirproject/weir/internal/flow"
	"github.com/weirproject/weir/internal/ledger"
	"github.com/weirproject/weir/internal/metric"
	"github.com/weirproject/weir/internal/people"
	"github.com/weirproject/weir/internal/policy"
	"github.com/weirproject/weir/internal/source"
	"github.com/weirproject/weir/internal/treatment"
)

// probeID stands in where a command looks at a source without leaving anything there or in a state.
const probeID = "probe"

// Plan compares the policy with production's catalogue; it copies nothing and leaves nothing behind.
func Plan(ctx context.Context, c *Config) (*policy.Report, error) {
	p, metrics, schema, err := lookAt(ctx, c)
	if err != nil {
		return nil, err
	}
	before, err := accepted(ctx, filepath.Join(c.State, "ledger"))
	if err != nil {
		return nil, err
	}
	s := policySchema(schema)
	if err := policy.Refuse(unproven(p, before).Check(s)); err != nil {
		return nil, err
	}
	r := policy.Review(p, s, policyReads(metrics))
	r.Source, r.Date = c.Source.Name, time.Now().UTC().Format(time.DateOnly)
	return r, nil
}

func lookAt(ctx context.Context, c *Config) (*policy.Policy, *metric.Catalog, *source.Schema, error) {
	p, err := LoadPolicy(c.Policy)
	if err != nil {
		return nil, nil, nil, err
	}
	metrics, err := c.LoadMetrics()
	if err != nil {
		return nil, nil, nil, err
	}
	src, err := OpenSource(ctx, c, probeID)
	if err != nil {
		return nil, nil, nil, err
	}
	defer func() { _ = src.Close() }()
	schema, err := src.Schema(ctx)
	return p, metrics, schema, err
}

// CheckPolicy reads the policy and, when a source is named, holds it against production's catalogue.
func CheckPolicy(ctx context.Context, c *Config) (*policy.Policy, error) {
	if c.Source.URL == "" && c.Source.URLFile == "" {
		return LoadPolicy(c.Policy)
	}
	p, _, schema, err := lookAt(ctx, c)
	if err != nil {
		return nil, err
	}
	return p, policy.Refuse(p.Check(policySchema(schema)))
}

// Explanation says everything about one column.
type Explanation struct {
	Column string `json:"column"`
	Text   string `json:"text"`
	// Since is when the policy of the column's table took the form that it has; null when it was never in force here.
	Since *time.Time `json:"since"`
	By    string     `json:"by,omitempty"` // who put it in force
}

// Explain explains one column, schema.table.column. Since and By come from the ledger of the state folder, if there is one.
func Explain(ctx context.Context, c *Config, column string) (*Explanation, error) {
	table, name, ok := columnNamed(column)
	if !ok {
		return nil, fault.Newf(fault.Usage, "%q is not the name of a column", column).
			WithHint("write it as schema.table.column: weir explain fleet.device.model_id; names may stand in double quotes, as in SQL")
	}
	r, err := Plan(ctx, c)
	if err != nil {
		return nil, err
	}
	e := &Explanation{Column: table + "." + name}
	if e.Text, err = r.Explain(table, name); err != nil {
		return nil, err
	}
	p, err := LoadPolicy(c.Policy)
	if err != nil {
		return nil, err
	}
	if t := p.Table(table); t != nil {
		e.Since, e.By, err = inForceSince(ctx, filepath.Join(c.State, "ledger"), table, t.Hash())
	}
	return e, err
}

// columnNamed reads schema.table.column. A name that begins with a double quote is read as SQL reads it: to the closing quote, with "" for a quote inside, and with
// any dots. Without quotes the last dot stands before the column and the first after the schema, as policies write them, and capitals are kept.
func columnNamed(text string) (table, column string, ok bool) {
	if !strings.Contains(text, `"`) {
		i := strings.LastIndexByte(text, '.')
		if i <= 0 || !strings.Contains(text[:i], ".") {
			return "", "", false
		}
		return text[:i], text[i+1:], true
	}
	var names []string
	for rest := text; ; {
		name, after, quoted := quotedName(rest)
		if !quoted {
			end := strings.IndexByte(rest, '.')
			if end < 0 {
				end = len(rest)
			}
			name, after = rest[:end], rest[end:]
			if strings.Contains(name, `"`) {
				return "", "", false
			}
		}
		names = append(names, name)
		if after == "" {
			break
		}
		if after[0] != '.' {
			return "", "", false
		}
		rest = after[1:]
	}
	if len(names) != 3 || slices.Contains(names, "") {
		return "", "", false
	}
	return names[0] + "." + names[1], names[2], true
}

// quotedName reads a name in double quotes from the beginning of text.
func quotedName(text string) (name, after string, ok bool) {
	if !strings.HasPrefix(text, `"`) {
		return "", "", false
	}
	var b strings.Builder
	for i := 1; i < len(text); i++ {
		switch {
		case text[i] != '"':
			b.WriteByte(text[i])
		case i+1 < len(text) && text[i+1] == '"':
			b.WriteByte('"')
			i++
		default:
			return b.String(), text[i+1:], true
		}
	}
	return "", "", false
}

// inForceSince finds the policy entry since which a table's policy is what it is.
func inForceSince(ctx context.Context, dir, table, hash string) (*time.Time, string, error) {
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil, "", nil
	}
	var since *time.Time
	by := ""
	for e, err := range ledger.FindDir(ctx, dir, ledger.Filter{Types: []string{"policy"}}) {
		if err != nil {
			return nil, "", err
		}
		var entry PolicyEntry
		raw, _ := e.Body.(json.RawMessage)
		if err := json.Unmarshal(raw, &entry); err != nil {
			return nil, "", fault.New(fault.Invalid, "an entry of the ledger cannot be read", "run weir ledger verify").WithCause(err)
		}
		switch {
		case entry.Tables[table] != hash:
			since = nil
		case since == nil:
			at := e.Time
			since, by = &at, e.Principal
		}
	}
	return since, by, nil
}

// CheckSource says whether everything is ready, worst first. Nothing of it changes anything.
func CheckSource(ctx context.Context, c *Config) ([]source.Finding, error) {
	p, err := LoadPolicy(c.Policy)
	if err != nil {
		return nil, err
	}
	return withSelection(ctx, c, p, func(src source.Source, sel source.Selection, schema *source.Schema) ([]source.Finding, error) {
		findings, err := src.Check(ctx, sel)
		if err != nil {
			return nil, err
		}
		before, err := accepted(ctx, filepath.Join(c.State, "ledger"))
		if err != nil {
			return nil, err
		}
		stops := unproven(p, before).Check(policySchema(schema))
		for _, problem := range p.Check(policySchema(schema)) {
			severity := source.Warn // it fitted once, so production has changed
			if slices.Contains(stops, problem) {
				severity = source.Stop
			}
			findings = append(findings, source.Finding{Severity: severity, Code: "policy", Message: problem.String(), Fix: "change that line of the policy"})
		}
		if err := people.CheckGiven(c.Gate.Certificate, c.Gate.Key, c.Gate.Root, time.Now()); err != nil {
			told := fault.Public(err)
			findings = append(findings, source.Finding{Severity: source.Stop, Code: "gate_certificate", Message: told.Message, Fix: told.Hint})
		}
		return judge(findings, c.Source.Accept), nil
	})
}

// SourceScript returns the SQL that a DBA runs before weir can read the source; empty when nothing is to be done.
func SourceScript(ctx context.Context, c *Config) (string, error) {
	p, err := LoadPolicy(c.Policy)
	if err != nil {
		return "", err
	}
	return withSelection(ctx, c, p, func(src source.Source, sel source.Selection, schema *source.Schema) (string, error) {
		before, err := accepted(ctx, filepath.Join(c.State, "ledger"))
		if err != nil {
			return "", err
		}
		if err := policy.Refuse(unproven(p, before).Check(policySchema(schema))); err != nil {
			return "", err
		}
		return src.Script(ctx, sel)
	})
}

// withSelection opens the source under the state's id, making the state folder when there is none: the script and the run must use the same names there.
func withSelection[T any](ctx context.Context, c *Config, p *policy.Policy, use func(source.Source, source.Selection, *source.Schema) (T, error)) (T, error) {
	var none T
	id, keys, err := identity(ctx, c)
	if err != nil {
		return none, err
	}
	src, err := OpenSource(ctx, c, id)
	if err != nil {
		return none, err
	}
	defer func() { _ = src.Close() }()
	schema, err := src.Schema(ctx)
	if err != nil {
		return none, err
	}
	sel, err := flow.Selection(p, schema, keys)
	if err != nil {
		return none, err
	}
	return use(src, sel, schema)
}

// identity returns the state's id and keys, also while a node is using the state.
func identity(ctx context.Context, c *Config) (string, *treatment.Keys, error) {
	s := &State{Dir: c.State, Keys: c.keysDir()}
	if f, err := readStateFile(s.path("state.json")); err == nil {
		keys, err := s.OpenKeys()
		return f.ID, keys, err
	}
	made, err := OpenState(ctx, c)
	if err != nil {
		return "", nil, err
	}
	defer made.Close()
	keys, err := made.OpenKeys()
	return made.ID, keys, err
}

// Release returns the SQL that takes everything of ours away from the source, and runs it when apply is set.
func Release(ctx context.Context, c *Config, apply bool) (string, error) {
	f, err := readStateFile(filepath.Join(c.State, "state.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return "", fault.Newf(fault.NotFound, "there is no state in %s, so nothing of ours at the source is known", c.State).WithHint("name the state folder with --state")
	}
	if err != nil {
		return "", err
	}
	if apply {
		if running, err := dial(ctx, filepath.Join(c.State, "run", socketName)); err == nil {
			_ = running.Close()
			return "", fault.Newf(fault.Unavailable, "a weir is running on %s, and what it reads cannot be taken away", c.State).WithHint("end it first")
		}
	}
	src, err := OpenSource(ctx, c, f.ID)
	if err != nil {
		return "", err
	}
	defer func() { _ = src.Close() }()
	script, err := src.ReleaseScript(ctx)
	if err != nil || !apply || script == "" {
		return script, err
	}
	return script, src.Execute(ctx, script)
}

// Init writes weir.yaml and a policy in which every column of the source stands, guessed and held back. It overwrites nothing.
func Init(ctx context.Context, url, dir string) (written []string, err error) {
	c := &Config{dir: dir, Source: SourceConfig{URL: url}}
	src, err := OpenSource(ctx, c, probeID)
	if err != nil {
		return nil, err
	}
	defer func() { _ = src.Close() }()
	schema, err := src.Schema(ctx)
	if err != nil {
		return nil, err
	}
	files := []policy.File{{Name: defaultConfig, Data: []byte(initialConfig)}}
	for _, f := range policy.Propose(policySchema(schema)) {
		f.Name = filepath.Join("policy", filepath.Base(f.Name))
		files = append(files, f)
	}
	for _, f := range files {
		if _, err := os.Lstat(filepath.Join(dir, f.Name)); err == nil {
			return nil, fault.Newf(fault.Refused, "%s is there already, and weir init overwrites nothing", filepath.Join(dir, f.Name)).WithHint("move it away, or choose another folder with --dir")
		}
	}
	for _, f := range files {
		path := filepath.Join(dir, f.Name)
		err := os.MkdirAll(filepath.Dir(path), 0o750)
		if err == nil {
			err = os.WriteFile(path, f.Data, 0o600)
		}
		if err != nil {
			return written, fault.Newf(fault.Unavailable, "%s cannot be written", path).WithHint("look at the folder's permissions").WithCause(err)
		}
		written = append(written, path)
	}
	return written, nil
}

const initialConfig = `# weir.yaml: one copy of one production database. Paths are relative to this file.
source:
  name: production
  # The connection URL is a secret of production. Keep it in a file of mode 0600, or give it with --source.
  # url_file: source.url
  #
  # What weir's being there can do to production, and what you accept. weir check names each and says what it means.
  # accept: [production_ddl]

policy: policy    # what may cross, column by column; what it does not name is held back
# metrics: metrics  # the numbers that the copy is for

# state: state      # the copy, the ledger, the control socket
# keys: state-keys  # the keys: back them up, and never beside the copy

# Where people come in. Whoever does signs in, over TLS; weir makes the certificates, or takes yours: certificate, key, root.
gate:
  sql: 127.0.0.1:6432  # PostgreSQL's protocol: psql, Metabase, a driver
  web: 127.0.0.1:8443  # the page and its JSON API
  # hosts: [weir.example.com]  # the names by which others reach it, once it listens on more than this machine
`
