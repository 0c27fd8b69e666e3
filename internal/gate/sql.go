package gate

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/weirproject/weir/internal/decision"
	"github.com/weirproject/weir/internal/fault"
	"github.com/weirproject/weir/internal/store"
)

// Decider decides on SQL.
type Decider interface {
	Decide(ctx context.Context, r decision.Request) (*decision.Decision, error)
}

// Statement is a statement that was allowed. Running it is recorded each time.
type Statement struct {
	session     *Session
	decision    *decision.Decision
	description *store.Description
}

// Decision is what was decided: the text that runs, and what it reads.
func (s *Statement) Decision() *decision.Decision { return s.decision }

// Parameters are the types of $1…$n; Null where only the value would tell.
func (s *Statement) Parameters() []arrow.Field { return s.description.Parameters }

// Casts are the types to which the statement casts its parameters, "" for none (decision.Decision.Casts).
func (s *Statement) Casts() []string { return s.decision.Casts }

// Schema is the shape of the answer.
func (s *Statement) Schema() *arrow.Schema { return s.description.Schema }

// Prepare decides on one statement and runs nothing. types are those of its parameters as the client declared them (decision.Request.Types). A refusal is recorded; the error is a *fault.Error, for a refusal with a *decision.RefusalError as its cause.
func (s *Session) Prepare(ctx context.Context, sql string, types ...string) (*Statement, error) {
	began := time.Now()
	asked := s.asked("sql")
	d, err := s.decideInTurn(ctx, sql, types)
	if err == nil {
		return &Statement{session: s, decision: d.decision, description: d.description}, nil
	}
	var refusal *decision.RefusalError
	if errors.As(err, &refusal) {
		asked.Rule, asked.Named = string(refusal.Rule), s.gate.named(sql, refusal.Position)
	}
	// Owed also when whoever asked is gone by now.
	index, recordErr := s.record(context.WithoutCancel(ctx), "question", asked)
	if recordErr != nil {
		return nil, recordErr
	}
	if recordErr := s.recordOutcome(ctx, Outcome{Question: index}, began, err); recordErr != nil {
		return nil, recordErr
	}
	return nil, err
}

func notAccepted(err error) error {
	if fault.KindOf(err) == fault.Unavailable {
		return err
	}
	return fault.New(fault.Usage, "the statement does not fit together: a type, a function's arguments or a name does not match", "look at types and arguments; DuckDB's SELECT is the language here").WithCause(err)
}

// decideInTurn is decideSQL for one statement after the other, of whoever asks too many at once.
func (s *Session) decideInTurn(ctx context.Context, sql string, types []string) (*decided, error) {
	ctx, cancel := context.WithTimeout(ctx, s.gate.o.Timeout)
	defer cancel()
	leave, err := s.small(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	return s.decideSQL(ctx, sql, types)
}

// decideSQL decides on a statement and describes it, or says what was decided before.
func (s *Session) decideSQL(ctx context.Context, sql string, types []string) (*decided, error) {
	r := s.Rights()
	if !r.SQL {
		return nil, fault.New(fault.Refused, "your role may not ask SQL", "ask for a metric, or ask an administrator for an account of the role analyst").
			WithCause(&decision.RefusalError{Rule: "role", SQLState: "42501"})
	}
	if s.gate.o.Decider == nil || s.gate.o.Catalog == nil {
		return nil, fault.New(fault.Unavailable, "SQL is not answered here", "ask for a metric")
	}
	catalog, err := s.gate.o.Catalog(ctx)
	if err != nil {
		return nil, err
	}
	key := s.keyOf(sql, types, catalog, r.MaxRows)
	if d := s.gate.kept.find(key); d != nil {
		return d, nil
	}
	d, err := s.describedAs(ctx, decision.Request{SQL: sql, Catalog: catalog, MaxRows: r.MaxRows, Types: types})
	if err != nil {
		return nil, err
	}
	s.gate.kept.keep(key, d)
	return d, nil
}

// Run records the question and answers it. Close the answer: only then is its end recorded, and only when Close returned nil may it be believed to be whole.
func (s *Statement) Run(ctx context.Context, args ...any) (*Answering, error) {
	s.session.waiting.run(s)
	r := s.session.Rights()
	asked := s.session.asked("sql")
	asked.Shape, asked.Columns = s.decision.Shape, s.decision.Reads
	leave, err := s.session.question(ctx, 0)
	if err != nil {
		asked.Rule = ruleConcurrency
		return nil, s.session.refuse(ctx, asked, err)
	}
	index, err := s.session.record(ctx, "question", asked)
	if err != nil {
		leave()
		return nil, err
	}
	a := &Answering{session: s.session, out: Outcome{Question: index, Verdict: Answered}, began: time.Now(), leave: leave, maxRows: r.MaxRows, parent: ctx}
	a.ctx, a.cancel = context.WithTimeout(ctx, r.Timeout)
	rows, err := s.session.gate.o.Store.Query(a.ctx, store.SQL, s.decision.SQL, args...)
	if err != nil {
		a.err = runFault(timedOut(a.ctx, err))
		return nil, errors.Join(a.err, a.Close())
	}
	a.rows = rows
	return a, nil
}

// runFault says what of an engine's failure can be said.
func runFault(err error) error {
	switch fault.KindOf(err) {
	case fault.Unavailable, fault.Refused:
		return fault.Public(err)
	default:
		return fault.New(fault.Usage, "the statement could not be computed: a value does not fit its type, or it needs more memory than there is",
			"try_cast tells which values do not fit; a smaller question needs less memory").WithCause(err)
	}
}

// Answering is a running answer.
type Answering struct {
	session *Session
	parent  context.Context //nolint:containedctx // of the question; its record is owed also when it ends
	ctx     context.Context //nolint:containedctx // parent with the question's limit
	cancel  context.CancelFunc
	rows    store.Rows
	out     Outcome
	began   time.Time
	maxRows int64
	err     error
	leave   func()
	once    sync.Once
	closed  error
}

// Schema is the shape of the rows.
func (a *Answering) Schema() *arrow.Schema { return a.rows.Schema() }

// Batches yields the rows. An answer that is longer than the role's limit ends in an error, never silently.
func (a *Answering) Batches() iter.Seq2[arrow.RecordBatch, error] {
	return func(yield func(arrow.RecordBatch, error) bool) {
		for b, err := range counted(a.rows.Batches(), &a.out) {
			if err != nil {
				a.err = runFault(timedOut(a.ctx, err))
				yield(nil, a.err)
				return
			}
			if a.out.Rows > a.maxRows {
				a.err = fault.Newf(fault.Refused, "the answer has more than %d rows, the limit of your role", a.maxRows).WithHint("ask for less: aggregate, or narrow the condition").
					WithCause(&decision.RefusalError{Rule: "rows", SQLState: "54000"})
				yield(nil, a.err)
				return
			}
			if !yield(b, nil) {
				return
			}
		}
	}
}

// GiveUp ends the answer because whoever reads it will not take the rest of it, and returns why: Close records that as its end, with the rule of a *decision.RefusalError. What ended it before stays.
func (a *Answering) GiveUp(why *fault.Error) error {
	if a.err == nil {
		a.err = why
	}
	return a.err
}

// Close ends the answer and records how it ended. It may be called twice.
func (a *Answering) Close() error {
	a.once.Do(func() {
		defer a.leave()
		defer a.cancel()
		if a.rows != nil {
			_ = a.rows.Close()
		}
		a.closed = a.session.recordOutcome(a.parent, a.out, a.began, a.err)
	})
	return a.closed
}

// recordOutcome records how a question ended.
func (s *Session) recordOutcome(ctx context.Context, out Outcome, began time.Time, err error) error {
	out.Verdict = Answered
	if err != nil {
		kind := fault.KindOf(err)
		out.Verdict, out.Reason = Failed, kind.String()
		if kind == fault.Refused {
			out.Verdict = Refused
		}
		var refusal *decision.RefusalError
		if errors.As(err, &refusal) {
			out.Reason = string(refusal.Rule)
		}
	}
	out.Seconds = time.Since(began).Seconds()
	// The record of a question that was cancelled is still owed.
	if _, err := s.record(context.WithoutCancel(ctx), "answer", out); err != nil {
		return fmt.Errorf("record answer: %w", err)
	}
	return nil
}
