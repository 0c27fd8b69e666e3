package gate

import (
	"context"
	"time"

	"github.com/weirproject/weir/internal/fault"
)

// Refuse records that a statement was refused before, or after, a decision on its text: by the protocol, by the catalogue, for a parameter. What the statement says is not kept. It returns the refusal,
// or, when it could not be recorded, that.
func (s *Session) Refuse(ctx context.Context, kind, rule string, refusal error) error {
	asked := s.asked(kind)
	asked.Rule = rule
	return s.refuse(ctx, asked, refusal)
}

func (s *Session) refuse(ctx context.Context, asked Asked, refusal error) error {
	began := time.Now()
	ctx = context.WithoutCancel(ctx) // the record is owed also when nobody waits any more
	index, err := s.record(ctx, "question", asked)
	if err != nil {
		return err
	}
	if err := s.recordOutcome(ctx, Outcome{Question: index}, began, refusal); err != nil {
		return err
	}
	return refusal
}

// Lookup records a question that reads nothing of the copy before it is answered, by its kind: catalogue (about the database itself), copy (about its protection), record. What it says is not kept. It
// counts among the lookups of its principal until ctx ends. Failed is for the case that it cannot be answered: it records that as well, with the rule as its reason, and returns the error.
func (s *Session) Lookup(ctx context.Context, kind string) (failed func(rule string, err error) error, err error) {
	began := time.Now()
	asked := s.asked(kind)
	leave, err := s.small(ctx)
	if err != nil {
		asked.Rule = ruleConcurrency
		return nil, s.refuse(ctx, asked, err)
	}
	index, err := s.record(ctx, "question", asked)
	if err != nil {
		leave()
		return nil, err
	}
	if context.AfterFunc(ctx, leave); ctx.Done() == nil { // it would count for ever
		leave()
	}
	return func(rule string, err error) error {
		leave()
		out := Outcome{Question: index, Verdict: Failed, Reason: rule, Seconds: time.Since(began).Seconds()}
		if fault.KindOf(err) == fault.Refused {
			out.Verdict = Refused
		}
		if _, recordErr := s.record(context.WithoutCancel(ctx), "answer", out); recordErr != nil {
			return recordErr
		}
		return err
	}, nil
}
