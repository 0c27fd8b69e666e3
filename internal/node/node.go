package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/weirproject/weir/internal/fault"
	"github.com/weirproject/weir/internal/flow"
	"github.com/weirproject/weir/internal/gate"
	"github.com/weirproject/weir/internal/ledger"
	"github.com/weirproject/weir/internal/metric"
	"github.com/weirproject/weir/internal/people"
	"github.com/weirproject/weir/internal/policy"
	"github.com/weirproject/weir/internal/source"
	"github.com/weirproject/weir/internal/source/postgres"
	"github.com/weirproject/weir/internal/store"
	"github.com/weirproject/weir/internal/store/duckdb"
	"github.com/weirproject/weir/internal/treatment"
)

const (
	// questionTimeout is how long one metric's question may take.
	questionTimeout = 60 * time.Second
	// storeMargin is how much longer than the gate's the store's own limit is: it is there for what the gate does not end.
	storeMargin = 30 * time.Second
)

// Node is one weir on one state folder.
type Node struct {
	config  *Config
	state   *State
	log     *slog.Logger
	keys    *treatment.Keys
	policy  *policy.Policy
	metrics *metric.Catalog
	ledger  *ledger.Ledger
	store   store.Store
	gate    *gate.Gate

	authority *people.Authority
	people    *people.Registry
	door      *door
	decider   lazyDecider // its engine parses
	emulated  lazyEngine  // holds the emulated catalogues; apart, so that nothing of theirs is near the parser
	visible   visible     // what exists for whoever may ask SQL
	opened    time.Time
	safety    safety

	mu        sync.Mutex // guards all below
	flow      *flow.Flow // nil until Run
	listening string     // the SQL door's address while it is open
	pageAt    string     // the page's
}

// Open opens a state folder and everything that answers questions: keys, policy, metrics, ledger, store, gate. The source is not needed. Close it.
func Open(ctx context.Context, c *Config, log *slog.Logger) (_ *Node, err error) {
	n := &Node{config: c, log: log, opened: time.Now()}
	if n.policy, err = LoadPolicy(c.Policy); err != nil {
		return nil, err
	}
	if n.metrics, err = c.LoadMetrics(); err != nil {
		return nil, err
	}
	if n.state, err = OpenState(ctx, c); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = n.Close()
		}
	}()
	if n.keys, err = n.state.OpenKeys(); err != nil {
		return nil, err
	}
	if n.ledger, err = ledger.Open(ledger.Options{Dir: n.state.path("ledger"), KeyDir: n.state.Keys, Mirror: c.Ledger.Mirror, Log: log}); err != nil {
		return nil, err
	}
	opened, err := duckdb.Open(ctx, duckdb.Options{Dir: n.state.path("store"), Limits: c.limits(), Log: log})
	if err != nil {
		return nil, err
	}
	n.store = opened
	if err := n.openPeople(); err != nil {
		return nil, err
	}
	n.decider.keys, n.decider.log, n.emulated.log = n.keys, log, log
	n.gate = gate.New(gate.Options{
		Store: n.store, Ledger: n.ledger, Metrics: n.metrics, Policy: n.policy, Timeout: questionTimeout, Decider: &n.decider, Catalog: n.catalogNow, Known: knownNames(n.policy),
	})
	return n, nil
}

func (c *Config) limits() store.Limits {
	l := store.Limits{MemoryBytes: c.Engine.MemoryMB << 20, Threads: c.Engine.Threads, Timeout: gate.LongestTimeout() + storeMargin}
	if l.MemoryBytes == 0 {
		l.MemoryBytes = max(machineMemory()/4, 512<<20)
	}
	if l.Threads == 0 {
		l.Threads = runtime.NumCPU()
	}
	return l
}

// Close closes everything in reverse order. It may be called twice.
func (n *Node) Close() error {
	var errs []error
	errs = append(errs, n.decider.close(), n.emulated.close())
	if n.people != nil {
		errs = append(errs, n.people.Close())
		n.people = nil
	}
	if n.store != nil {
		errs = append(errs, n.store.Close())
		n.store = nil
	}
	if n.ledger != nil {
		errs = append(errs, n.ledger.Close())
		n.ledger = nil
	}
	if n.state != nil {
		n.state.Close()
		n.state = nil
	}
	return errors.Join(errs...)
}

// OpenSource connects to the source of a configuration. The id names what is ours there.
func OpenSource(ctx context.Context, c *Config, id string) (source.Source, error) {
	url, err := c.sourceURL()
	if err != nil {
		return nil, err
	}
	return postgres.Open(ctx, postgres.Options{URL: url, ID: id, Schemas: c.Source.Schemas})
}

// RunOptions say how to run.
type RunOptions struct {
	Once  bool // end when everything is applied that production had committed at the start
	Apply bool // run the source script ourselves
	// Ready is called once, when the control socket answers.
	Ready func()
	// Link is called with the single-use link of the first administrator, when there is none yet. It may be nil, and must show the link to nobody but whoever runs weir.
	Link func(url string)
}

// Run copies and follows until ctx ends, which is no error, and answers on the control socket meanwhile.
func (n *Node) Run(ctx context.Context, o RunOptions) error {
	src, err := OpenSource(ctx, n.config, n.state.ID)
	if err != nil {
		return err
	}
	defer func() { _ = src.Close() }()
	if err := n.prepareSource(ctx, src, o.Apply); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	if err := n.recordStart(context.WithoutCancel(ctx)); err != nil {
		return err
	}
	if err := n.state.Remember(); err != nil {
		return err
	}
	f := flow.New(flow.Options{
		Source: src, Store: n.store, Ledger: n.ledger, Policy: n.policy, Keys: n.keys, Facts: storeFacts(n.metrics), Log: n.log,
		Memory: memory{n.state.path("run", "partitions.json")},
	})
	n.mu.Lock()
	n.flow = f
	n.mu.Unlock()
	control, err := n.serveControl(ctx)
	if err != nil {
		return err
	}
	defer control.close()
	closeGate, stopExpiring := func() {}, func() {}
	if !o.Once {
		stopExpiring = sync.OnceFunc(n.expiring(ctx))
		defer stopExpiring()
		if closeGate, err = n.openGate(ctx, o.Link); err != nil {
			return err
		}
		defer closeGate()
	}
	if o.Ready != nil {
		o.Ready()
	}
	run := f.Run
	if o.Once {
		run = f.RunOnce
	}
	if err := run(ctx); err != nil {
		return err
	}
	closeGate() // nobody asks any more when the record says that weir stopped
	stopExpiring()
	n.people.Settle(context.WithoutCancel(ctx))
	_, err = n.ledger.Append(context.WithoutCancel(ctx), ledger.Entry{Time: time.Now().UTC(), Type: "stop", Principal: ourUser(), Body: nil})
	return err
}

// openGate opens the ways in that the configuration names, until closeGate.
func (n *Node) openGate(ctx context.Context, showLink func(url string)) (closeGate func(), err error) {
	var closers []func()
	closeGate = sync.OnceFunc(func() {
		for _, c := range slices.Backward(closers) {
			c()
		}
	})
	defer func() {
		if err != nil {
			closeGate()
		}
	}()
	for _, way := range []struct {
		setting string
		serve   func(context.Context) (string, func(), error)
		at      *string
	}{{n.config.Gate.SQL, n.serveSQL, &n.listening}, {n.config.Gate.Web, n.servePage, &n.pageAt}} {
		if way.setting == "" {
			continue
		}
		address, closeWay, err := way.serve(ctx)
		if err != nil {
			return nil, err
		}
		closers = append(closers, closeWay)
		n.mu.Lock()
		*way.at = address
		n.mu.Unlock()
	}
	link, err := n.administratorLink(ctx)
	if err != nil {
		return nil, err
	}
	if link != "" && showLink != nil {
		showLink(link)
	}
	return closeGate, nil
}

// prepareSource refuses what cannot work before anything is asked for.
func (n *Node) prepareSource(ctx context.Context, src source.Source, apply bool) error {
	schema, err := src.Schema(ctx)
	if err != nil {
		return err
	}
	n.reviewed(schema)
	held, err := n.store.State(ctx)
	if err != nil {
		return err
	}
	before, err := accepted(ctx, n.state.path("ledger"))
	if err != nil {
		return err
	}
	if err := policy.Refuse(unproven(n.policy, before).Check(policySchema(schema))); err != nil {
		return err
	}
	sel, err := flow.Selection(n.policy, schema, n.keys)
	if err != nil {
		return err
	}
	if len(sel) == 0 {
		return n.nothingCrosses(ctx, schema, held)
	}
	if apply {
		// What an operator has to accept is decided before anything is made at the source; what the script itself mends is not looked at yet.
		if err := n.ready(ctx, src, sel, source.Consent); err != nil {
			return err
		}
		if err := n.applyScript(ctx, src, sel); err != nil {
			return err
		}
	}
	return n.ready(ctx, src, sel, source.Stop, source.Consent)
}

// ready refuses what is found of the severities.
func (n *Node) ready(ctx context.Context, src source.Source, sel source.Selection, severities ...source.Severity) error {
	findings, err := src.Check(ctx, sel)
	if err != nil {
		return err
	}
	var stops []string
	for _, f := range judge(findings, n.config.Source.Accept) {
		switch {
		case slices.Contains(severities, f.Severity):
			stops = append(stops, f.Code+": "+f.Message)
		case f.Severity == source.Warn && slices.Contains(severities, source.Stop): // once, at the last look
			n.log.WarnContext(ctx, "the source could be in a better state", "code", f.Code, "message", f.Message)
		}
	}
	if len(stops) > 0 {
		return fault.New(fault.Refused, "weir cannot run on this source yet:\n"+strings.Join(stops, "\n"),
			"weir check says what to do about each; what SQL can do, a DBA runs from weir source script, or weir itself with --apply")
	}
	return nil
}

// nothingCrosses removes what was copied under an earlier policy, and says that there is nothing to do.
func (n *Node) nothingCrosses(ctx context.Context, schema *source.Schema, held store.State) error {
	hint := "weir plan shows what is held back; give a column that a question needs a treatment"
	if len(held.Tables) > 0 {
		if err := n.recordStart(ctx); err != nil {
			return err
		}
		if err := n.store.Prepare(ctx, store.Layout{Identity: schema.Identity, Facts: storeFacts(n.metrics)}); err != nil {
			return err
		}
		hint = "what was copied before is removed; " + hint
	}
	return fault.New(fault.Invalid, "the policy holds back everything that production has, so there is nothing to copy", hint)
}

func (n *Node) applyScript(ctx context.Context, src source.Source, sel source.Selection) error {
	script, err := src.Script(ctx, sel)
	if err != nil || script == "" {
		return err
	}
	if err := n.record(ctx, "source_script", struct {
		SQL string `json:"sql"`
	}{script}); err != nil {
		return err
	}
	return src.Execute(ctx, script)
}

// judge turns what the operator accepted into warnings and sorts the worst first.
func judge(findings []source.Finding, accept []string) []source.Finding {
	rank := map[source.Severity]int{source.Stop: 0, source.Consent: 1, source.Warn: 2, source.OK: 3}
	out := slices.Clone(findings)
	for i, f := range out {
		if f.Severity != source.Consent {
			continue
		}
		if slices.Contains(accept, f.Code) {
			out[i].Severity = source.OK
			out[i].Message += " (accepted in the configuration)"
			continue
		}
		out[i].Fix = fmt.Sprintf("if production can live with it, accept it in weir.yaml:\n  source:\n    accept: [%s]\n%s", f.Code, f.Fix)
	}
	slices.SortStableFunc(out, func(a, b source.Finding) int { return rank[a.Severity] - rank[b.Severity] })
	return out
}

// Start is the body of a ledger entry of type "start".
type Start struct {
	PID    int    `json:"pid"`
	State  string `json:"state_id"`
	Policy string `json:"policy"`
}

// PolicyEntry is the body of a ledger entry of type "policy": which policy is in force from here on, table by table.
type PolicyEntry struct {
	Hash   string            `json:"hash"`
	Tables map[string]string `json:"tables"` // hashes
}

func (n *Node) recordStart(ctx context.Context) error {
	if err := n.record(ctx, "start", Start{PID: os.Getpid(), State: n.state.ID, Policy: n.policy.Hash()}); err != nil {
		return err
	}
	entry := PolicyEntry{Hash: n.policy.Hash(), Tables: map[string]string{}}
	for _, t := range n.policy.Tables {
		entry.Tables[t.Name] = t.Hash()
	}
	return n.record(ctx, "policy", entry)
}

func (n *Node) record(ctx context.Context, kind string, body any) error {
	_, err := n.ledger.Append(ctx, ledger.Entry{Time: time.Now().UTC(), Type: kind, Principal: ourUser(), Body: body})
	return err
}

func (n *Node) currentFlow() *flow.Flow {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.flow
}
