package storetest

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirproject/weir/internal/fault"
	"github.com/weirproject/weir/internal/store"
	"github.com/weirproject/weir/internal/treatment"
)

func processes(t testing.TB, s store.Store) Crasher {
	t.Helper()
	c, ok := s.(Crasher)
	if !ok {
		t.Log("the store runs no processes of its own")
		return nil
	}
	return c
}

// killer kills one of the store's processes after random times, until it is stopped, and counts them. After a kill it waits for progress, so that
// a slow machine gets somewhere.
func killer(c Crasher, rng *rand.Rand, most time.Duration, progress, killed *atomic.Int64) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	at := int64(-1)
	wg.Go(func() {
		for {
			timer := time.NewTimer(time.Duration(rng.Int64N(int64(most))))
			select {
			case <-ctx.Done():
				timer.Stop()
				return
			case <-timer.C:
			}
			if pids := c.EnginePIDs(); len(pids) > 0 && progress.Load() > at {
				at = progress.Load()
				if p, err := os.FindProcess(pids[rng.IntN(len(pids))]); err == nil && p.Kill() == nil {
					killed.Add(1)
				}
			}
		}
	})
	return func() {
		cancel()
		wg.Wait()
	}
}

// crashLosesNothing kills engines at random moments while transactions are written, repeats what failed as flow does, and compares with a model.
func crashLosesNothing(t *testing.T, open Open) {
	dir := t.TempDir()
	s := opened(t, open, dir)
	c := processes(t, s)
	if c == nil {
		return
	}
	x := item(t)
	prepare(t, s, nil, x)
	rng := rand.New(rand.NewPCG(5, 6)) //nolint:gosec // a test's
	m := model{}
	var progress, killed atomic.Int64
	stop := killer(c, rand.New(rand.NewPCG(7, 8)), 120*time.Millisecond, &progress, &killed) //nolint:gosec // a test's
	defer stop()
	failed := 0
	deadline := time.Now().Add(4 * time.Second)
	shown := func() bool { return killed.Load() >= 5 && failed > 0 }
	for n := 1; time.Now().Before(deadline) || !shown() && time.Now().Before(deadline.Add(within)); n++ {
		changes := m.changes(x, rng, 20)
		for ctx := t.Context(); ; {
			err := tryWrite(ctx, s, mark(n), x.batch(t, changes...))
			if err == nil {
				progress.Add(1)
				break
			}
			failed++
			if fault.KindOf(err) != fault.Unavailable {
				t.Fatalf("transaction %d: %v", n, err)
			}
			if time.Now().After(deadline.Add(2 * within)) {
				t.Fatal("it does not recover")
			}
		}
		if n%7 == 0 { // what was acknowledged is there, whoever was killed meanwhile
			if st, err := s.State(t.Context()); err == nil && st.Mark() != mark(n) {
				t.Fatalf("mark %v after %v was committed", st.Mark(), mark(n))
			}
		}
	}
	stop()
	if !shown() {
		t.Errorf("%d kills and %d failures: the test shows nothing", killed.Load(), failed)
	}
	check := func(s store.Store) {
		t.Helper()
		wantRows(t, scan(t, s, store.SQL, x), m.rows(0, 1, 4))
		wantRows(t, scan(t, s, store.Metrics, x), m.rows(0, 2, 4))
	}
	recovered(t, s)
	check(s)
	must(t, s.Close())
	check(opened(t, open, dir))
	gone(t, c)
}

// recovered waits until reading works again: the last one may have been killed a moment ago, and what reads meanwhile is told so.
func recovered(t testing.TB, s store.Store) {
	t.Helper()
	for deadline := time.Now().Add(within); ; {
		p, err := s.Pin(t.Context())
		if err == nil {
			must(t, p.Close())
			return
		}
		if fault.KindOf(err) != fault.Unavailable || time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

// gone checks that a closed store left no process.
func gone(t testing.TB, c Crasher) {
	t.Helper()
	if pids := c.EnginePIDs(); len(pids) > 0 {
		t.Errorf("processes %v live after Close", pids)
	}
}

// crashWhileRewriting kills whatever runs while files are written anew; each time the store must open with all that it had.
func crashWhileRewriting(t *testing.T, open Open) {
	dir := t.TempDir()
	s := opened(t, open, dir)
	if processes(t, s) == nil {
		return
	}
	x := item(t)
	prepare(t, s, nil, x)
	fill(t, s, mark(1), x, "WORD", 0, 2000)
	want := scan(t, s, store.SQL, x)
	rng := rand.New(rand.NewPCG(9, 10)) //nolint:gosec // a test's
	for n := range 8 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(1+rng.IntN(60))*time.Millisecond)
		err := s.Rewrite(ctx, store.SQL)
		cancel()
		if err != nil && fault.KindOf(err) != fault.Unavailable && !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("round %d: %v", n, err)
		}
		wantRows(t, scan(t, s, store.SQL, x), want)
		if n%3 == 2 {
			must(t, s.Close())
			s = opened(t, open, dir)
			prepare(t, s, nil, x)
		}
	}
	must(t, s.Rewrite(t.Context(), store.SQL))
	wantRows(t, scan(t, s, store.SQL, x), want)
	write(t, s, mark(2), x.batch(t, x.del(1)))
	if m := state(t, s).Mark(); m != (treatment.Mark{Position: mark(2).Position, AsOf: mark(2).AsOf}) {
		t.Errorf("mark %v", m)
	}
}
