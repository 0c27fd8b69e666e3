package duckdb_test

import (
	"context"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weirproject/weir/internal/fault"
	"github.com/weirproject/weir/internal/store"
	"github.com/weirproject/weir/internal/store/duckdb"
)

const endless = "SELECT i, repeat('x', 100) AS x FROM range(50000000) AS r(i)"

// asks is a store or a view of it.
type asks interface {
	Query(ctx context.Context, a store.Access, sql string, args ...any) (store.Rows, error)
}

// halfRead reads the first batch of an endless answer; rest is the next step.
func halfRead(ctx context.Context, t *testing.T, s asks) (rest func() error) {
	t.Helper()
	r, err := s.Query(ctx, store.SQL, endless)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	next, stop := iter.Pull2(r.Batches())
	t.Cleanup(stop)
	if _, err, ok := next(); err != nil || !ok {
		t.Fatalf("the first batch: %v, %v", err, ok)
	}
	return func() error {
		_, err, _ := next()
		return err
	}
}

// one asks for one number and reads the answer to its end.
func one(ctx context.Context, s *duckdb.Store) error {
	r, err := s.Query(ctx, store.SQL, "SELECT 1")
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }()
	for _, err := range r.Batches() {
		if err != nil {
			return err
		}
	}
	return nil
}

// The engine is killed ten seconds after a statement that does not end when it should, and the store's limit is a few seconds here as it is minutes in earnest.
func TestAnswerThatNobodyReadsOnEndsWithoutTheEngine(t *testing.T) {
	s, err := duckdb.Open(t.Context(), duckdb.Options{Dir: t.TempDir(), Limits: store.Limits{Timeout: 2 * time.Second}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	pids := s.EnginePIDs()
	began := time.Now()
	untouched, err := s.Query(t.Context(), store.SQL, endless)
	if err != nil {
		t.Fatal(err)
	}
	pin, err := s.Pin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	rests := []func() error{halfRead(t.Context(), t, s), halfRead(t.Context(), t, pin)}
	for time.Since(began) < 13*time.Second {
		if err := one(t.Context(), s); err != nil {
			t.Fatalf("somebody else, after %v: %v", time.Since(began), err)
		}
	}
	if now := s.EnginePIDs(); !slices.Equal(now, pids) {
		t.Errorf("the engines were %v and are %v", pids, now)
	}
	for _, rest := range rests {
		if err := rest(); fault.KindOf(err) != fault.Unavailable || !strings.Contains(err.Error(), "left half read") {
			t.Errorf("what was left: %v", err)
		}
	}
	for _, err := range untouched.Batches() {
		if err == nil {
			t.Error("rows that nobody had begun to read are still there")
		}
	}
	if err := untouched.Close(); err != nil {
		t.Error(err)
	}
	if err := pin.Close(); err != nil {
		t.Error(err)
	}
}

func TestAnswersWhoseAskerIsGoneGiveTheirSessionsBack(t *testing.T) {
	s := opened(t, t.TempDir())
	pids := s.EnginePIDs()
	gone, leave := context.WithCancel(t.Context())
	for range duckdb.Readers {
		halfRead(gone, t, s)
	}
	short, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := one(short, s); fault.KindOf(err) != fault.Unavailable {
		t.Fatalf("one more than there are sessions: %v", err)
	}
	leave()
	if err := one(t.Context(), s); err != nil {
		t.Error(err)
	}
	if now := s.EnginePIDs(); !slices.Equal(now, pids) {
		t.Errorf("the engines were %v and are %v: it took a kill", pids, now)
	}
}
