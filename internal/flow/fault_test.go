package flow_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/weirproject/weir/internal/fault"
	"github.com/weirproject/weir/internal/flow"
	"github.com/weirproject/weir/internal/ledger"
	"github.com/weirproject/weir/internal/source"
	"github.com/weirproject/weir/internal/store"
	"github.com/weirproject/weir/internal/treatment"
)

// breaker lets one write go wrong: the nth of its step is done or not, and is then told as an error or by nobody, because the process dies there.
type breaker struct {
	step  string
	nth   int
	done  bool
	crash bool

	mu    sync.Mutex // guards below
	seen  map[string]int
	fired chan struct{}
	dead  bool
}

var errCrashed = errors.New("the process is dead")

func (b *breaker) at(step string, do func() error) error {
	b.mu.Lock()
	if b.dead {
		b.mu.Unlock()
		return errCrashed
	}
	b.seen[step]++
	hit := step == b.step && b.seen[step] == b.nth
	b.mu.Unlock()
	if !hit {
		return do()
	}
	defer close(b.fired)
	if b.done {
		if err := do(); err != nil {
			return err
		}
	}
	if b.crash {
		b.mu.Lock()
		b.dead = true
		b.mu.Unlock()
		return errCrashed
	}
	return fault.New(fault.Unavailable, "the write went wrong", "it was made to")
}

func (b *breaker) wrap(o *flow.Options) {
	b.seen, b.fired = map[string]int{}, make(chan struct{})
	o.Store, o.Ledger = faultyStore{o.Store, b}, faultyLedger{o.Ledger, b}
}

type faultyLedger struct {
	flow.Recorder
	b *breaker
}

func (l faultyLedger) Append(ctx context.Context, e ledger.Entry) (i ledger.Index, err error) {
	err = l.b.at("append", func() error { i, err = l.Recorder.Append(ctx, e); return err })
	return i, err
}

type faultyStore struct {
	store.Store
	b *breaker
}

func (s faultyStore) Prepare(ctx context.Context, l store.Layout) error {
	return s.b.at("prepare", func() error { return s.Store.Prepare(ctx, l) })
}

func (s faultyStore) Refresh(ctx context.Context) error {
	return s.b.at("refresh", func() error { return s.Store.Refresh(ctx) })
}

func (s faultyStore) Begin(ctx context.Context) (store.Tx, error) {
	var tx store.Tx
	err := s.b.at("begin", func() (err error) { tx, err = s.Store.Begin(ctx); return err })
	if err != nil {
		if tx != nil {
			tx.Rollback() // who was told an error holds no transaction
		}
		return nil, err
	}
	return faultyTx{tx, s.b}, nil
}

type faultyTx struct {
	store.Tx
	b *breaker
}

func (x faultyTx) Reset(ctx context.Context, table string) error {
	return x.b.at("reset", func() error { return x.Tx.Reset(ctx, table) })
}

func (x faultyTx) Write(ctx context.Context, b *treatment.Batch) error {
	return x.b.at("write", func() error { return x.Tx.Write(ctx, b) })
}

func (x faultyTx) Copied(ctx context.Context, table string, since treatment.Position) error {
	return x.b.at("copied", func() error { return x.Tx.Copied(ctx, table, since) })
}

func (x faultyTx) Commit(ctx context.Context, to treatment.Mark) error {
	return x.b.at("commit", func() error { return x.Tx.Commit(ctx, to) })
}

func TestEveryWriteMayFailOrVanish(t *testing.T) {
	// Commits and so on are counted from the start: the first belongs to the snapshot, the fourth to the stream.
	for _, at := range []struct {
		step string
		nth  int
	}{
		{"prepare", 1}, {"begin", 1}, {"reset", 1}, {"write", 1}, {"write", 4}, {"copied", 1}, {"commit", 1}, {"commit", 4}, {"append", 1}, {"append", 4}, {"refresh", 4},
	} {
		for _, done := range []bool{true, false} {
			for _, crash := range []bool{true, false} {
				name := fmt.Sprintf("%s-%d/done=%v/told=%v", at.step, at.nth, done, !crash)
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					c := newCompany(t)
					stop := c.works(t)
					b := &breaker{step: at.step, nth: at.nth, done: done, crash: crash}
					r := c.open(t, b.wrap)
					r.run()
					select {
					case <-b.fired:
					case <-time.After(patience):
						t.Fatal("the write never came")
					}
					if crash {
						<-r.ended
						if !errors.Is(r.err, errCrashed) {
							t.Errorf("the run ended with %v", r.err)
						}
						r.crash()
						r = c.open(t, nil)
						r.run()
					} else if at.step == "append" {
						<-r.ended // without a record it does not go on
						if fault.KindOf(r.err) != fault.Unavailable {
							t.Errorf("the run ended with %v", r.err)
						}
						r.end()
						r = c.open(t, nil)
						r.run()
					}
					if !r.following() {
						t.Fatalf("the flow ended: %v", r.err)
					}
					stop()
					r.equal()
					r.end()
				})
			}
		}
	}
}

// watchedSource looks at each Ack, and may keep it to itself. Up to quiet it tells no progress, as a source may that is busy.
type watchedSource struct {
	source.Source
	ack   func(source.Position) bool
	quiet source.Position
}

func (s watchedSource) Read(ctx context.Context, sel source.Selection, from source.Position, sink source.Sink) error {
	return s.Source.Read(ctx, sel, from, quietSink{sink, s.quiet})
}

type quietSink struct {
	source.Sink
	until source.Position
}

func (s quietSink) Progress(end source.Position, at time.Time) error {
	if end <= s.until {
		return nil
	}
	return s.Sink.Progress(end, at)
}

func (s watchedSource) Ack(p source.Position) {
	if s.ack(p) {
		s.Source.Ack(p)
	}
}

func TestApplyBeforeAck(t *testing.T) {
	t.Parallel()
	c := newCompany(t)
	stop := c.works(t)
	acks := 0
	last := source.Position("")
	r := c.open(t, func(o *flow.Options) {
		held := o.Store
		o.Source = watchedSource{Source: o.Source, ack: func(p source.Position) bool {
			state, err := held.State(t.Context())
			if err != nil {
				t.Error(err)
			}
			for access, mark := range state.Marks {
				if mark.Position < p {
					t.Errorf("%s is acknowledged and %s holds %s", p, access, mark.Position)
				}
			}
			if p < last {
				t.Errorf("%s is acknowledged after %s", p, last)
			}
			last = p
			acks++
			return true
		}}
	})
	r.run()
	r.equal()
	r.equal()
	stop()
	r.equal()
	r.end()
	if acks < 4 {
		t.Errorf("only %d acknowledgements", acks)
	}
}

// A crash between two files' commits leaves one behind the other. What comes again must go into the one alone, also when it ends in a quiet time.
func TestFilesAtDifferentPositionsMeetAgain(t *testing.T) {
	t.Parallel()
	c := newCompany(t)
	once := func(ack bool) {
		t.Helper()
		r := c.open(t, func(o *flow.Options) {
			o.Source = watchedSource{Source: o.Source, ack: func(source.Position) bool { return ack }}
		})
		if err := r.flow.RunOnce(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.end()
	}
	once(true)
	for _, behind := range []string{"sql", "metrics"} {
		path := filepath.Join(c.dir, "store", behind, behind+".db")
		before, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		c.exec(t, "INSERT INTO app.item SELECT i, '"+behind+"', i, repeat('x', 3000) FROM generate_series(2000, 2009) i", "UPDATE app.item SET n = n + 1 WHERE id < 20",
			"UPDATE app.item SET id = -id WHERE id BETWEEN 30 AND 40", "DELETE FROM app.item WHERE id BETWEEN 50 AND 60")
		once(false)
		if err := os.WriteFile(path, before, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(path + ".wal"); err == nil {
			t.Fatal("the file has a log, so it is not what it was")
		}
		var held store.State
		r := c.open(t, func(o *flow.Options) {
			var err error
			if held, err = o.Store.State(t.Context()); err != nil {
				t.Fatal(err)
			}
			ahead := max(held.Marks[store.SQL].Position, held.Marks[store.Metrics].Position)
			o.Source = watchedSource{Source: o.Source, ack: func(source.Position) bool { return true }, quiet: ahead}
		})
		if held.Marks[store.SQL].Position == held.Marks[store.Metrics].Position {
			t.Fatal("both files are at the same position, so nothing is tested")
		}
		r.run()
		if !r.following() {
			t.Fatalf("the flow ended: %v", r.err)
		}
		c.exec(t, "CREATE TABLE app.other_"+behind+" (i int)") // production's log moves, and the copy's tables do not
		r.passed(max(held.Marks[store.SQL].Position, held.Marks[store.Metrics].Position))
		r.equal()
		r.end()
		c.exec(t, "DELETE FROM app.item WHERE id BETWEEN 2000 AND 2009", "UPDATE app.item SET id = -id WHERE id < 0")
		once(true)
	}
}

func TestBatchRepeatedAfterACrashIsSeenAsOne(t *testing.T) {
	t.Parallel()
	c := newCompany(t)
	stop := c.works(t)
	b := &breaker{step: "append", nth: 4, done: true, crash: true}
	r := c.open(t, b.wrap)
	r.run()
	<-r.ended // recorded, and not applied
	r.crash()
	r = c.open(t, nil)
	r.run()
	if !r.following() {
		t.Fatalf("the flow ended: %v", r.err)
	}
	stop()
	r.equal()
	var last flow.Batch
	repeats, batches := 0, 0
	for e, err := range r.ledger.Find(t.Context(), ledger.Filter{}) {
		if err != nil {
			t.Fatal(err)
		}
		var body flow.Batch
		raw, ok := e.Body.(json.RawMessage)
		if !ok || json.Unmarshal(raw, &body) != nil {
			t.Fatalf("the body of a batch is %T", e.Body)
		}
		if body.From == "" {
			continue // the snapshot
		}
		batches++
		switch {
		case last.To == "" || body.From >= last.To:
		case body.From == last.From && body.To >= last.To:
			repeats++
		default:
			t.Errorf("%s to %s was recorded after %s to %s", body.From, body.To, last.From, last.To)
		}
		last = body
	}
	r.end()
	if repeats != 1 || batches < 3 {
		t.Errorf("%d of %d batches are repeats of the one before, want 1", repeats, batches)
	}
}
