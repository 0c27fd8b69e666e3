package gate

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/weirproject/weir/internal/decision"
	"github.com/weirproject/weir/internal/store"
)

// describedAs decides with as little of what the client declared as the engine needs to know every type: where a parameter stands beside a column, the column says more of it than many clients
// do (a UUID that is declared to be a text), and a plan with types of its own is kept. Lists are an exception: the engine never finds them out.
func (s *Session) describedAs(ctx context.Context, r decision.Request) (*decided, error) {
	declared := r.Types
	var best *decided
	for _, wanted := range []func(string) bool{
		func(t string) bool { return strings.HasSuffix(t, "[]") },
		func(t string) bool { return t != "VARCHAR" },
		func(string) bool { return true },
	} {
		types := make([]string, len(declared))
		for i, t := range declared {
			if wanted(t) {
				types[i] = t
			}
		}
		if best != nil && slices.Equal(types, r.Types) {
			continue
		}
		r.Types = types
		d, err := s.decideOnce(ctx, r)
		switch {
		case err != nil && best == nil:
			return nil, err
		case err != nil:
			return best, nil //nolint:nilerr // what was found before stands, and what it says is held against the answer
		}
		if best = d; d.settled() {
			break
		}
	}
	r.Types = best.leaning(declared)
	if !best.settled() && !slices.Equal(r.Types, declared) {
		if d, err := s.decideOnce(ctx, r); err == nil {
			best = d
		}
	}
	if best.undescribed() {
		if d := s.describedByExample(ctx, r, best); d != nil {
			best = d
		}
	}
	return best, nil
}

// leaning is what the client declared, and where it declared nothing, what the statement casts a parameter to elsewhere: in ($1::int IS NULL OR model_id = $1), the two are one.
func (d *decided) leaning(declared []string) []string {
	out := slices.Clone(declared)
	for i, t := range d.decision.Leans {
		for len(out) <= i {
			out = append(out, "")
		}
		if out[i] == "" {
			out[i] = t
		}
	}
	for len(out) > len(declared) && out[len(out)-1] == "" {
		out = out[:len(out)-1]
	}
	return out
}

// undescribed says whether the engine could tell nothing of what a statement gives without the values of its parameters: where they are arguments of a function in FROM, or of one whose plan depends on them.
func (d *decided) undescribed() bool {
	return len(d.description.Parameters) > 0 && slices.ContainsFunc(d.description.Schema.Fields(), func(f arrow.Field) bool { return f.Type.ID() == arrow.NULL })
}

// describedByExample describes a statement with values of its parameters' types in their places, which must all be known: declared, or by a cast. Nothing is run, and what an answer turns out to be is held
// against the description as always. Nil: the types are not known, or no example does.
func (s *Session) describedByExample(ctx context.Context, r decision.Request, best *decided) *decided {
	made, err := s.gate.o.Decider.Decide(ctx, r)
	if err != nil || made.Parameters != len(best.description.Parameters) {
		return nil
	}
	types := make([]string, made.Parameters)
	for i := range types {
		if types[i] = made.Casts[i]; types[i] == "" && i < len(r.Types) {
			types[i] = r.Types[i]
		}
		if types[i] == "" {
			return nil
		}
	}
	for _, of := range []func(string) string{exampleOf, func(string) string { return "NULL" }} {
		if described, err := s.gate.o.Store.Describe(ctx, store.SQL, withExamples(made.SQL, types, of)); err == nil {
			made.Casts = types // where the engine knows less of a parameter, this is what it is
			return &decided{decision: made, description: &store.Description{Parameters: best.description.Parameters, Schema: described.Schema}}
		}
	}
	return nil
}

// exampleOf is a value of a type that most functions take.
func exampleOf(kind string) string {
	element, list := strings.CutSuffix(kind, "[]")
	value := "1"
	switch element {
	case "VARCHAR", "BLOB":
		value = ""
	case "JSON":
		value = "null"
	case "UUID":
		value = "00000000-0000-0000-0000-000000000000"
	case "DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE":
		value = "2000-01-01"
	case "TIME":
		value = "00:00:00"
	case "INTERVAL":
		value = "1 day"
	}
	if list {
		value = "[" + value + "]"
	}
	return "'" + value + "'"
}

// withExamples is a statement that was written anew, with an example in the place of each parameter outside of quotes.
func withExamples(sql string, types []string, of func(kind string) string) string {
	var b strings.Builder
	quote := byte(0)
	for i := 0; i < len(sql); i++ {
		c := sql[i]
		if quote != 0 {
			if c == quote {
				quote = 0 // a doubled quote ends a text and begins the next
			}
			b.WriteByte(c)
			continue
		}
		if c == '\'' || c == '"' {
			quote = c
		}
		end := i + 1
		for c == '$' && end < len(sql) && sql[end] >= '0' && sql[end] <= '9' {
			end++
		}
		if n, err := strconv.Atoi(sql[min(i+1, end):end]); err == nil && n > 0 && n <= len(types) {
			fmt.Fprintf(&b, "CAST(%s AS %s)", of(types[n-1]), types[n-1])
			i = end - 1
			continue
		}
		b.WriteByte(c)
	}
	return b.String()
}

func (s *Session) decideOnce(ctx context.Context, r decision.Request) (*decided, error) {
	made, err := s.gate.o.Decider.Decide(ctx, r)
	if err != nil {
		return nil, err
	}
	d := &decided{decision: made}
	if d.description, err = s.gate.o.Store.Describe(ctx, store.SQL, made.SQL); err != nil {
		// What the decision lets through and the engine does not accept (types that do not fit, a wrong number of arguments): its own words may quote values, so ours say less.
		return nil, notAccepted(err)
	}
	return d, nil
}

// settled says whether all types are known: of each parameter by its place, or because the statement casts it.
func (d *decided) settled() bool {
	for i, f := range d.description.Parameters {
		if f.Type.ID() == arrow.NULL && (i >= len(d.decision.Casts) || d.decision.Casts[i] == "") {
			return false
		}
	}
	return true
}
