// Package gate owns the only way to the store: who is asking, whether they may, the record of it, the limits, the answer.
//
// It will not know a protocol or a driver, and it will not answer what it could not record first.
package gate

import (
	"context"
	"encoding/hex"
	"errors"
	"iter"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/weirproject/weir/internal/decision"
	"github.com/weirproject/weir/internal/fault"
	"github.com/weirproject/weir/internal/ledger"
	"github.com/weirproject/weir/internal/metric"
	"github.com/weirproject/weir/internal/policy"
	"github.com/weirproject/weir/internal/store"
)

// Role is what somebody may do at the gate. What a role does not name, it may not do.
type Role string

// The roles.
const (
	Viewer  Role = "viewer"  // metrics
	Analyst Role = "analyst" // metrics, and SELECT over what is open to SQL
	Admin   Role = "admin"   // people and settings; no data by that
)

// Rights are what a role may do, and how much of it, as the policy says (policy.Role). Memory is limited by the engines (store.Limits): the one that answers SQL answers the one role that may ask in it,
// the other answers metrics.
type Rights struct {
	Metrics    bool
	SQL        bool
	People     bool          // accounts, and everybody's record
	MaxRows    int64         // of one answer to SQL
	MetricRows int64         // of one metric's answer, which is made whole in weir's memory
	Timeout    time.Duration // of one question
	Concurrent int           // questions of one principal at a time, metrics and SQL together
}

// metricRows is far more than anybody looks at, and about 60 MB of answer.
const metricRows = 100_000

// rightsUnder is the whole of what roles may do under a policy; nil is the empty one. A role that it does not name may do nothing.
func rightsUnder(p *policy.Policy) map[Role]Rights {
	all := map[Role]Rights{}
	for _, r := range p.Roles() {
		all[Role(r.Name)] = Rights{
			Metrics: slices.Contains(r.May, policy.ReadMetrics), SQL: slices.Contains(r.May, policy.AskSQL), People: slices.Contains(r.May, policy.ManagePeople),
			MaxRows: r.Limits.Rows, MetricRows: min(r.Limits.Rows, metricRows), Timeout: r.Limits.Time, Concurrent: r.Limits.AtATime,
		}
	}
	return all
}

// widest is what roles may do under a policy that limits none of them.
var widest = rightsUnder(nil)

// LongestTimeout is how long a question may take at most, whoever asks and whatever the policy. A store's own limit must be longer.
func LongestTimeout() time.Duration {
	var longest time.Duration
	for _, r := range widest {
		longest = max(longest, r.Timeout)
	}
	return longest
}

// Widest returns what the role may do where no policy limits it.
func (r Role) Widest() Rights { return widest[r] }

// Principal is somebody who asks, as the way they came in knows them.
type Principal struct {
	Name    string // for the control socket: the operating system's user
	Address string // where they came from: local, or a network address
	Role    Role
	Session string // its name in the record; empty: one is made
}

// Recorder writes to the ledger.
type Recorder interface {
	Append(ctx context.Context, e ledger.Entry) (ledger.Index, error)
}

// Options are what a gate works with.
type Options struct {
	Store   store.Store
	Ledger  Recorder
	Metrics *metric.Catalog
	Policy  *policy.Policy // what limits the roles; its hash stands in the record
	Timeout time.Duration  // of one metric's question, if the role's is not shorter

	// Known tells whether a word is the name of a schema, table or column that the policy names, open or not. Of a refused statement, only such a name stands in the record. It may be nil.
	Known func(name string) bool

	// Decider and Catalog make SQL answered; without them it is not. Catalog is what the store's file for SQL holds at the moment. What it returns is never changed afterwards: it
	// returns the same pointer only as long as nothing has changed, because what was decided is kept by it. Decider decides by its request alone.
	Decider Decider
	Catalog func(ctx context.Context) (*decision.Catalog, error)
}

// Gate answers questions.
type Gate struct {
	o      Options
	policy string // hash
	rights map[Role]Rights
	kept   statements

	mu     sync.Mutex // guards asking
	asking map[turn]*turns
}

// New returns a gate.
func New(o Options) *Gate {
	p := o.Policy
	if p == nil {
		p = &policy.Policy{}
	}
	return &Gate{o: o, policy: p.Hash(), rights: rightsUnder(p), asking: map[turn]*turns{}}
}

// Session is one principal at the gate. It may be used by several goroutines.
type Session struct {
	gate      *Gate
	principal Principal
	id        string
	waiting   waiting
}

// Session opens a session.
func (g *Gate) Session(p Principal) *Session {
	if p.Session == "" {
		p.Session = NewSessionID()
	}
	return &Session{gate: g, principal: p, id: p.Session}
}

// NewSessionID makes a name for a session in the record.
func NewSessionID() string {
	var id [8]byte
	for i := range id {
		id[i] = byte(rand.Uint32()) //nolint:gosec // a name for the record, not a secret
	}
	return hex.EncodeToString(id[:])
}

// Rights are what the session's role may do.
func (s *Session) Rights() Rights { return s.gate.rights[s.principal.Role] }

// Question is what can be asked. Exactly one field is set.
type Question struct {
	Metric *metric.Question
}

// Answer is what comes back; the field of the question is set.
type Answer struct {
	Metric *metric.Answer
}

// Verdict is what the gate decided, as the ledger records it.
type Verdict string

// The verdicts.
const (
	Answered Verdict = "answered"
	Refused  Verdict = "refused"
	Failed   Verdict = "failed"
)

// Asked is the body of a ledger entry of type "question": written before anything runs. A name that somebody typed stands here only when it is one of ours, because what people type
// by mistake can be a secret.
type Asked struct {
	Session string        `json:"session"`
	Address string        `json:"address"`
	Role    Role          `json:"role"`
	Policy  string        `json:"policy"` // hash
	Kind    string        `json:"kind"`   // metric, sql; prepare: described and not run; what was looked up otherwise
	Metric  string        `json:"metric,omitempty"`
	By      []string      `json:"by,omitempty"`
	Grain   string        `json:"grain,omitempty"`
	From    *time.Time    `json:"from,omitempty"`
	To      *time.Time    `json:"to,omitempty"`
	Reads   []metric.Read `json:"reads,omitempty"` // the columns of the copy that a metric is made of

	Shape   string          `json:"statement,omitempty"` // with keyed hashes in place of its literals
	Columns []decision.Read `json:"columns,omitempty"`   // that the statement reads
	Rule    string          `json:"rule,omitempty"`      // why it was refused
	Named   string          `json:"named,omitempty"`     // and the name that it was refused for, when it is one that the policy knows
}

// Outcome is the body of a ledger entry of type "answer": written before the answer is given.
type Outcome struct {
	Question ledger.Index `json:"question"` // the entry that asked
	Verdict  Verdict      `json:"verdict"`
	Reason   string       `json:"reason,omitempty"` // the rule that refused, otherwise the kind of failure
	Rows     int64        `json:"rows"`
	Bytes    int64        `json:"bytes"`
	Seconds  float64      `json:"seconds"`
}

// Ask authorises, records, runs, records, and only then answers. It is the one function that every way in calls. Errors are *fault.Error; kind Refused is the gate's decision.
func (s *Session) Ask(ctx context.Context, q Question) (*Answer, error) {
	began := time.Now()
	limit := s.gate.o.Timeout
	if of := s.Rights().Timeout; of > 0 { // whoever may not ask has none
		limit = min(limit, of)
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	asked, compiled, refusal := s.decide(q)
	if refusal == nil {
		leave, err := s.question(ctx, patience)
		if err != nil {
			asked.Rule = ruleConcurrency
			return nil, s.refuse(ctx, asked, err)
		}
		defer leave()
	}
	index, err := s.record(ctx, "question", asked)
	if err != nil {
		return nil, err
	}
	out := Outcome{Question: index}
	var answer *metric.Answer
	err = refusal
	if err == nil {
		answer, err = s.run(ctx, compiled, &out)
	}
	if recordErr := s.recordOutcome(ctx, out, began, err); recordErr != nil {
		return nil, recordErr
	}
	if err != nil {
		return nil, fault.Public(err)
	}
	return &Answer{Metric: answer}, nil
}

// decide says whether the principal may ask, and compiles the question. It always returns what is to be recorded.
func (s *Session) decide(q Question) (Asked, *metric.Query, error) {
	asked := s.asked("metric")
	if q.Metric == nil {
		return asked, nil, fault.New(fault.Usage, "the question is empty", "ask for a metric: weir metric list shows which there are")
	}
	if !s.Rights().Metrics {
		return asked, nil, fault.New(fault.Refused, "your role may not read metrics", "ask an administrator for an account of the role viewer")
	}
	compiled, err := s.gate.o.Metrics.Compile(*q.Metric, s.Rights().MetricRows)
	if err != nil {
		return asked, nil, err
	}
	info, err := s.gate.o.Metrics.Metric(q.Metric.Metric)
	if err != nil {
		return asked, nil, err
	}
	asked.Metric, asked.By, asked.Grain, asked.From, asked.To, asked.Reads = info.Name, slices.Clone(q.Metric.By), q.Metric.Grain, q.Metric.From, q.Metric.To, info.Reads
	return asked, compiled, nil
}

func (s *Session) run(ctx context.Context, q *metric.Query, out *Outcome) (*metric.Answer, error) {
	state, err := s.gate.o.Store.State(ctx)
	if err != nil {
		return nil, timedOut(ctx, err)
	}
	fact, ok := state.Facts[q.Fact()]
	if !ok {
		return nil, fault.New(fault.Unavailable, "this metric has no numbers yet: what it is made of was not copied", "run weir status to see how far the copy is, and weir plan for what is held back")
	}
	rows, err := s.gate.o.Store.Query(ctx, store.Metrics, q.SQL, q.Args...)
	if err != nil {
		return nil, timedOut(ctx, err)
	}
	defer func() { _ = rows.Close() }()
	answer, err := q.Answer(fact.Mark.AsOf, s.bounded(counted(rows.Batches(), out), out))
	if err != nil {
		return nil, timedOut(ctx, err)
	}
	return answer, nil
}

// bounded ends what passes when it is more than an answer to a metric may be, before anything is made of it.
func (s *Session) bounded(batches iter.Seq2[arrow.RecordBatch, error], out *Outcome) iter.Seq2[arrow.RecordBatch, error] {
	most := s.Rights().MetricRows
	return func(yield func(arrow.RecordBatch, error) bool) {
		for b, err := range batches {
			if err == nil && out.Rows > most {
				yield(nil, fault.Newf(fault.Refused, "the answer has more than %d rows, the limit of your role", most).
					WithHint("ask for a coarser grain, a shorter span or fewer dimensions").WithCause(&decision.RefusalError{Rule: "rows", SQLState: "54000"}))
				return
			}
			if !yield(b, err) {
				return
			}
		}
	}
}

// timedOut says so when it is the limit that ended the question.
func timedOut(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fault.New(fault.Refused, "the question took longer than its limit", "ask for a shorter span or a coarser grain").WithCause(err)
	}
	return err
}

// counted counts what passes.
func counted(batches iter.Seq2[arrow.RecordBatch, error], out *Outcome) iter.Seq2[arrow.RecordBatch, error] {
	return func(yield func(arrow.RecordBatch, error) bool) {
		for b, err := range batches {
			if err == nil {
				out.Rows += b.NumRows()
				for _, c := range b.Columns() {
					out.Bytes += int64(c.Data().SizeInBytes()) //nolint:gosec // a length in memory
				}
			}
			if !yield(b, err) {
				return
			}
		}
	}
}

func (s *Session) asked(kind string) Asked {
	return Asked{Session: s.id, Address: s.principal.Address, Role: s.principal.Role, Policy: s.gate.policy, Kind: kind}
}

// record writes an entry. It is owed also when whoever asked is gone by now: a question that was recorded while its asker went away would else have no end.
func (s *Session) record(ctx context.Context, kind string, body any) (ledger.Index, error) {
	return s.gate.o.Ledger.Append(context.WithoutCancel(ctx), ledger.Entry{Time: time.Now().UTC(), Type: kind, Principal: s.principal.Name, Body: body})
}
