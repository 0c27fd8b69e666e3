package node

import (
	"context"
	"errors"
	"iter"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/weirproject/weir/internal/catalogue"
	"github.com/weirproject/weir/internal/decision"
	"github.com/weirproject/weir/internal/fault"
	"github.com/weirproject/weir/internal/gate"
	"github.com/weirproject/weir/internal/gate/pgwire"
)

func (v *visitor) Prepare(ctx context.Context, sql string, types []uint32) (pgwire.Statement, error) {
	if v.check(); v.ended() {
		return nil, v.reason
	}
	if catalogue.Recognises(sql) {
		return v.aboutItself(ctx, sql)
	}
	words := make([]string, len(types))
	for i, t := range types {
		words[i] = pgwire.EngineType(t)
	}
	st, err := v.session.Prepare(ctx, sql, words...)
	if err != nil {
		return nil, stated(err, "42601")
	}
	out := &question{visitor: v, statement: st}
	for i, f := range st.Parameters() {
		described, declared := pgwire.OIDOf(f), uint32(0)
		if described == 0 { // it stands in places of several types, or only in casts of what it is cast to
			described = pgwire.OIDOfEngineType(st.Casts()[i])
		}
		if i < len(types) {
			declared = types[i]
		}
		oid := pgwire.ParameterType(declared, described)
		if oid == 0 || described == 0 && pgwire.EngineType(declared) == "" { // nothing says it, or the client does in a word that the engine does not have: numeric without its digits
			example := "bigint"
			if declared != 0 {
				example = "decimal(18,2)"
			}
			return nil, v.refuse(ctx, "sql", stated(fault.Newf(fault.Usage, "the type of parameter $%d cannot be known", i+1).WithHint("cast it: $%d::%s", i+1, example), "42P18"))
		}
		out.parameters = append(out.parameters, oid)
	}
	if err := st.Waits(ctx); err != nil {
		return nil, stated(err, "XX000")
	}
	return out, nil
}

// Refused records what the protocol refuses by itself: COPY … FROM, SET ROLE, what it does not understand.
func (v *visitor) Refused(ctx context.Context, refusal error) error {
	return v.refuse(ctx, "protocol", refusal)
}

// refuse records a refusal under who refused and its SQLSTATE.
func (v *visitor) refuse(ctx context.Context, by string, refusal error) error {
	kind := by
	if kind == "protocol" {
		kind = "sql"
	}
	err := v.session.Refuse(ctx, kind, ruleOf(by, refusal), refusal)
	if err != nil && !errors.Is(err, refusal) {
		return stated(err, "XX000")
	}
	return err
}

// ruleOf is what the record calls a refusal that no decision made: who refused, and the SQLSTATE.
func ruleOf(by string, refusal error) string {
	var s *pgwire.StateError
	if errors.As(refusal, &s) {
		return by + " " + s.SQLState
	}
	return by
}

func (v *visitor) ended() bool {
	select {
	case <-v.done:
		return true
	default:
		return false
	}
}

// question is a statement that may run.
type question struct {
	visitor    *visitor
	statement  *gate.Statement
	parameters []uint32
}

func (q *question) Parameters() []uint32  { return q.parameters }
func (q *question) Schema() *arrow.Schema { return q.statement.Schema() }

func (q *question) Run(ctx context.Context, parameters []any) (pgwire.Rows, error) {
	if q.visitor.check(); q.visitor.ended() {
		return nil, q.visitor.reason
	}
	a, err := q.statement.Run(ctx, parameters...)
	if err != nil {
		return nil, stated(err, "22000")
	}
	return statedRows{a, q.statement.Schema()}, nil
}

// statedRows gives errors their SQLSTATE.
type statedRows struct {
	a         *gate.Answering
	described *arrow.Schema
}

func (r statedRows) Close() error { return stated(r.a.Close(), "XX000") }

func (r statedRows) Batches() iter.Seq2[arrow.RecordBatch, error] {
	return func(yield func(arrow.RecordBatch, error) bool) {
		for b, err := range r.a.Batches() {
			if err == nil && !pgwire.Fits(r.described, b) { // recorded as what it is: nobody gets these rows
				yield(nil, stated(r.a.GiveUp(otherShape()), "0A000"))
				return
			}
			if !yield(b, stated(err, "22000")) {
				return
			}
		}
	}
}

// otherShape is about an answer whose columns are not those that were described.
func otherShape() *fault.Error {
	return fault.New(fault.Usage, "the answer has other types than the statement was described with", "cast the statement's parameters: $1::bigint")
}

// stated gives an error the SQLSTATE that its refusal names, or by its kind, or the fallback.
func stated(err error, fallback string) error {
	if err == nil {
		return nil
	}
	var has *pgwire.StateError
	if errors.As(err, &has) {
		return err
	}
	var looked *catalogue.StateError
	if errors.As(err, &looked) {
		return fault.Public(err).WithCause(&pgwire.StateError{SQLState: looked.SQLState})
	}
	s := &pgwire.StateError{SQLState: fallback}
	var refusal *decision.RefusalError
	switch {
	case errors.As(err, &refusal):
		s.SQLState, s.Position = refusal.SQLState, refusal.Position
	case fault.KindOf(err) == fault.Unavailable:
		s.SQLState = "57014"
	case fault.KindOf(err) == fault.Internal:
		s.SQLState = "XX000"
	}
	return fault.Public(err).WithCause(s)
}
