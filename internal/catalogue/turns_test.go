package catalogue_test

import (
	"context"
	"iter"
	"testing"
	"time"

	"github.com/weirproject/weir/internal/catalogue"
	"github.com/weirproject/weir/internal/fault"
)

// halfRead asks for more than one batch holds and reads only the first; rest is the next step.
func halfRead(ctx context.Context, t *testing.T, c *catalogue.Catalogue) (rows *catalogue.Rows, rest func() error) {
	t.Helper()
	rows, err := c.Query(ctx, "SELECT a.attname FROM pg_attribute a, pg_class b")
	if err != nil {
		t.Fatal(err)
	}
	next, stop := iter.Pull2(rows.Batches())
	t.Cleanup(stop)
	if b, err, ok := next(); err != nil || !ok || b.NumRows() == 0 {
		t.Fatalf("the first batch: %v, %v", err, ok)
	}
	return rows, func() error {
		_, err, _ := next()
		return err
	}
}

func TestNobodyKeepsTheEngineFromOthers(t *testing.T) {
	e := start(t) // of four sessions
	greedy, other := open(t, e, "greedy", shop()), open(t, e, "other", shop())
	var held []*catalogue.Rows
	for range 2 {
		rows, _ := halfRead(t.Context(), t, greedy)
		held = append(held, rows)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := ask(ctx, greedy, "SELECT 1 FROM pg_class"); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("a third question at a time: %v", err)
	}
	if a, err := ask(t.Context(), other, "SELECT count(*) FROM pg_class"); err != nil || len(a.rows) != 1 {
		t.Errorf("somebody else meanwhile: %v", err)
	}
	for _, rows := range held {
		if err := rows.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := ask(t.Context(), greedy, "SELECT 1 FROM pg_class"); err != nil {
		t.Errorf("and afterwards: %v", err)
	}
}

func TestAnAnswerThatLiesHalfReadGivesTheEngineBack(t *testing.T) {
	c := open(t, start(t), "slow", shop())
	ctx, cancel := context.WithCancel(t.Context())
	var rests []func() error
	for range 2 {
		_, rest := halfRead(ctx, t, c)
		rests = append(rests, rest)
	}
	cancel() // their time is over
	if _, err := ask(t.Context(), c, "SELECT 1 FROM pg_class"); err != nil {
		t.Errorf("the next question: %v", err)
	}
	for _, rest := range rests {
		if err := rest(); fault.KindOf(err) != fault.Unavailable {
			t.Errorf("what was left: %v", err)
		}
	}
}
