package node

import (
	"context"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"github.com/weirproject/weir/internal/fault"
	"github.com/weirproject/weir/internal/flow"
	"github.com/weirproject/weir/internal/gate/web"
	"github.com/weirproject/weir/internal/ledger"
	"github.com/weirproject/weir/internal/policy"
	"github.com/weirproject/weir/internal/source"
)

const (
	reviewEvery    = time.Minute // production is asked for its catalogue at most so often, however many look at the page
	reviewPatience = 5 * time.Second
)

// safety is what is known about the copy's protection.
type safety struct {
	mu       sync.Mutex // guards all below
	report   *policy.Report
	looked   time.Time // when production's catalogue was seen
	tried    time.Time
	sought   bool // verified was looked for in the record
	verified *web.Verification
}

// reviewed remembers what the policy does to a schema of production that was just seen.
func (n *Node) reviewed(schema *source.Schema) {
	r := policy.Review(n.policy, policySchema(schema), policyReads(n.metrics))
	n.safety.mu.Lock()
	defer n.safety.mu.Unlock()
	n.safety.report, n.safety.looked, n.safety.tried = r, time.Now().UTC(), time.Now()
}

// review returns what the policy does to production as it is, or as it was when it was last seen.
func (n *Node) review(ctx context.Context) (*policy.Report, time.Time) {
	n.safety.mu.Lock()
	stale := time.Since(n.safety.tried) > reviewEvery
	if stale {
		n.safety.tried = time.Now() // whoever comes meanwhile gets what there is
	}
	n.safety.mu.Unlock()
	if stale {
		// Whoever asked may leave; the others want to know as well.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), reviewPatience)
		defer cancel()
		if schema, err := n.lookAtSource(ctx); err == nil {
			n.reviewed(schema)
		} else {
			n.log.WarnContext(ctx, "production's catalogue cannot be compared with the policy", "reason", fault.Public(err).Message)
		}
	}
	n.safety.mu.Lock()
	defer n.safety.mu.Unlock()
	return n.safety.report, n.safety.looked
}

func (n *Node) lookAtSource(ctx context.Context) (*source.Schema, error) {
	src, err := OpenSource(ctx, n.config, probeID)
	if err != nil {
		return nil, err
	}
	defer func() { _ = src.Close() }()
	return src.Schema(ctx)
}

// recordVerification records a verification that somebody asked for, and remembers it as the last one.
func (n *Node) recordVerification(ctx context.Context, by string, v Verified) error {
	at := time.Now().UTC()
	index, err := n.ledger.Append(ctx, ledger.Entry{Time: at, Type: verificationEntry, Principal: by, Body: v})
	if err != nil {
		return err
	}
	n.verified(&web.Verification{At: at, By: by, Equal: v.Equal, Tables: v.Tables, Rows: v.Rows, Entry: int64(index)})
	return nil
}

// verified remembers a verification when it is newer than the one that is known; nil says that the record holds none.
func (n *Node) verified(v *web.Verification) *web.Verification {
	n.safety.mu.Lock()
	defer n.safety.mu.Unlock()
	n.safety.sought = true
	if known := n.safety.verified; v != nil && (known == nil || known.Entry < v.Entry) {
		n.safety.verified = v
	}
	return n.safety.verified
}

const verificationEntry = "verification"

// lastVerification is the newest verification in the record; nil when there is none. The record is searched once.
func (n *Node) lastVerification(ctx context.Context) (*web.Verification, error) {
	n.safety.mu.Lock()
	sought, last := n.safety.sought, n.safety.verified
	n.safety.mu.Unlock()
	if sought {
		return last, nil
	}
	for e, err := range n.ledger.Find(ctx, ledger.Filter{NewestFirst: true, Types: []string{verificationEntry}}) {
		if err != nil {
			return nil, err
		}
		var v Verified
		raw, _ := e.Body.(json.RawMessage)
		if err := json.Unmarshal(raw, &v); err != nil {
			return nil, unreadable(err)
		}
		last = &web.Verification{At: e.Time, By: e.Principal, Equal: v.Equal, Tables: v.Tables, Rows: v.Rows, Entry: int64(e.Index)}
		break
	}
	return n.verified(last), nil
}

// Copy implements web.Visitor: the protection of the copy is shown to everybody who is signed in, because it holds names of columns and never a value.
func (r *reader) Copy(ctx context.Context) (*web.Copy, error) {
	failed, err := r.asking.Lookup(ctx, "copy")
	if err != nil {
		return nil, err
	}
	c, err := r.node.copySafety(ctx)
	if err != nil {
		return nil, failed("copy", err)
	}
	return c, nil
}

func (n *Node) copySafety(ctx context.Context) (*web.Copy, error) {
	status, err := n.Status(ctx)
	if err != nil {
		return nil, err
	}
	c := &web.Copy{
		Source: status.Source, Policy: status.Policy, Flow: flowState(status), Classes: []web.ClassCount{}, Tables: []web.CopiedTable{}, HeldBack: []web.HeldBack{}, Findings: []web.Finding{},
	}
	if c.Verification, err = n.lastVerification(ctx); err != nil {
		return nil, err
	}
	for _, i := range status.Flow.Items {
		c.Findings = append(c.Findings, web.Finding{Where: place(i.Table, i.Column), What: i.Message, Do: i.Hint})
	}
	report, looked := n.review(ctx)
	if report == nil {
		return c, nil
	}
	c.Looked = looked
	fillCopy(c, report, status.Flow.Tables)
	return c, nil
}

func flowState(s *Status) web.FlowState {
	f := web.FlowState{Phase: string(s.Flow.Phase), Reason: s.Flow.Reason, Since: s.Flow.Started, AsOf: s.Flow.AsOf, Lag: s.Lag}
	for _, t := range s.Flow.Tables {
		f.Changes += t.Changes
	}
	return f
}

// fillCopy says, column by column, what the report says.
func fillCopy(c *web.Copy, report *policy.Report, tables []flow.TableStatus) {
	s := report.Summary
	c.Count = web.ColumnCount{All: s.Columns, Crossing: s.Crossing, HeldBack: s.HeldBack + s.Unnamed, SQL: s.SQL, MetricsOnly: s.MetricsOnly, AsTheyAre: s.AsTheyAre}
	why := map[policy.Class]string{}
	for _, k := range report.Classes {
		why[k.Class] = k.Why
		c.Classes = append(c.Classes, web.ClassCount{Class: string(k.Class), Is: k.Is, Why: k.Why, Crossing: k.Crossing, HeldBack: k.HeldBack})
	}
	for _, t := range report.Tables {
		out := web.CopiedTable{Table: t.Table, Purpose: listed(t.Purpose), Exploration: t.Exploration, Columns: []web.CopiedColumn{}}
		if i := slices.IndexFunc(tables, func(s flow.TableStatus) bool { return s.Table == t.Table }); i >= 0 {
			out.Copied, out.Rows = tables[i].Copied, tables[i].Rows
		}
		for _, col := range t.Columns {
			switch {
			case col.Crosses():
				out.Columns = append(out.Columns, web.CopiedColumn{
					Column: col.Column, Type: col.Type, Class: string(col.Class), Treatment: string(col.Treatment), Form: col.Form, Access: string(col.Access),
					Metrics: listed(col.Metrics), Explored: col.Explored,
				})
			case col.State == policy.Unnamed:
				c.HeldBack = append(c.HeldBack, web.HeldBack{Table: t.Table, Column: col.Column, Why: "the policy does not name it"})
			default:
				c.HeldBack = append(c.HeldBack, web.HeldBack{Table: t.Table, Column: col.Column, Class: string(col.Class), Why: why[col.Class]})
			}
		}
		if len(out.Columns) > 0 {
			c.Tables = append(c.Tables, out)
		}
	}
	for _, t := range report.Unnamed {
		c.HeldBack = append(c.HeldBack, web.HeldBack{Table: t.Table, Columns: t.Columns, Why: "the policy does not name it"})
	}
	for _, f := range report.Findings {
		c.Findings = append(c.Findings, web.Finding{Where: place(f.Table, f.Column), What: f.What, Do: f.Do})
	}
}

func listed(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}

func place(table, column string) string {
	if column == "" {
		return table
	}
	return table + "." + column
}
