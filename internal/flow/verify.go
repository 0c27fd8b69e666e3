package flow

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/weirproject/weir/internal/fault"
	"github.com/weirproject/weir/internal/source"
	"github.com/weirproject/weir/internal/store"
	"github.com/weirproject/weir/internal/treatment"
)

// DifferenceKind is how a row of the store differs from production's under the policy.
type DifferenceKind string

// The kinds of difference.
const (
	Missing DifferenceKind = "missing" // production has it, the store has not
	Extra   DifferenceKind = "extra"   // the store has it, production has not
	Doubled DifferenceKind = "doubled" // the store has it more often
	Changed DifferenceKind = "changed" // a treated value differs
)

// Difference is the first row key by which a table's file differs.
type Difference struct {
	Kind   DifferenceKind `json:"kind"`
	RowKey string         `json:"row_key"` // as the store shows it
}

// TableReport is what was found about one table in one file.
type TableReport struct {
	Table      string       `json:"table"`
	Access     store.Access `json:"access"`
	SourceRows int64        `json:"source_rows"`
	StoreRows  int64        `json:"store_rows"`
	Equal      bool         `json:"equal"`
	Difference *Difference  `json:"difference,omitempty"`
}

// Report is the proof, or the contradiction: the store at Position against production at the same position, value by treated value.
type Report struct {
	Position source.Position `json:"position"`
	AsOf     time.Time       `json:"as_of"`
	Equal    bool            `json:"equal"`
	Tables   []TableReport   `json:"tables"`
	Seconds  float64         `json:"seconds"`
}

// holdTime is how long the flow may stand while the source opens a snapshot. The source waits for transactions that are open there.
const holdTime = 8 * time.Second

// verifyPatience is how long a verification tries to see both sides at once.
const verifyPatience = 20 * time.Second

// verifyAttempts is how often a verification begins again because production truncated or altered a table under it.
const verifyAttempts = 5

// planChange is how long a verification that failed waits to learn whether production's catalogue changed under it.
const planChange = 10 * time.Second

// Verify proves that the store equals the source under the policy at one moment, while production and the flow go on, or names the first row key that differs. It needs a
// running flow. progress, which may be nil, is told of each table. When production changes its catalogue meanwhile, it begins again.
func (f *Flow) Verify(ctx context.Context, progress func(table string, rows int64)) (*Report, error) {
	if progress == nil {
		progress = func(string, int64) {}
	}
	for attempt := 0; ; attempt++ {
		report, p, err := f.verifyOnce(ctx, progress)
		again := attempt < verifyAttempts && err != nil && p != nil && ctx.Err() == nil
		if !again || fault.KindOf(err) != fault.Unavailable && !f.planned(ctx, p) {
			return report, err
		}
	}
}

// planned waits for another plan than the given one to be followed.
func (f *Flow) planned(ctx context.Context, other *plan) bool {
	ctx, cancel := context.WithTimeout(ctx, planChange)
	defer cancel()
	for f.current.Load() == other {
		select {
		case <-ctx.Done():
			return false
		case <-time.After(100 * time.Millisecond):
		}
	}
	return true
}

// verifyOnce also returns the plan that it compared under, nil when it did not come so far.
func (f *Flow) verifyOnce(ctx context.Context, progress func(table string, rows int64)) (*Report, *plan, error) {
	began := time.Now()
	snap, pinned, p, err := f.bothAtOnce(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = snap.Close() }()
	defer func() { _ = pinned.Close() }()
	report := &Report{Position: snap.Position(), AsOf: snap.Time().UTC(), Equal: true}
	for _, t := range p.tables {
		tables, err := compareTable(ctx, snap, pinned, t, progress)
		if err != nil {
			return nil, p, err
		}
		for _, tr := range tables {
			report.Equal = report.Equal && tr.Equal
		}
		report.Tables = append(report.Tables, tables...)
	}
	report.Seconds = time.Since(began).Seconds()
	return report, p, nil
}

// bothAtOnce opens a view of the source and one of the store at exactly the same position, and says what is followed there.
func (f *Flow) bothAtOnce(ctx context.Context) (source.Snapshot, store.Pinned, *plan, error) {
	for began := time.Now(); ; {
		var snap source.Snapshot
		var pinned store.Pinned
		var p *plan
		err := f.gate.exactly(ctx, func() (source.Position, error) {
			held, cancel := context.WithTimeout(ctx, holdTime)
			defer cancel()
			var err error
			if snap, err = f.o.Source.Snapshot(held); err != nil {
				return "", err
			}
			return snap.Position(), nil
		}, func() error {
			var err error
			p = f.current.Load()
			pinned, err = f.o.Store.Pin(ctx)
			return err
		})
		if err == nil {
			return snap, pinned, p, nil
		}
		if snap != nil {
			_ = snap.Close()
		}
		if ctx.Err() != nil || fault.KindOf(err) != fault.Unavailable && !errors.Is(err, context.DeadlineExceeded) {
			return nil, nil, nil, err
		}
		if time.Since(began) > verifyPatience {
			return nil, nil, nil, fault.New(fault.Unavailable, "no consistent view of the source could be opened: a transaction there stays open, or the flow does not follow",
				"look at weir status and at the source's long transactions, then verify again").WithCause(err)
		}
		select {
		case <-ctx.Done():
			return nil, nil, nil, ctx.Err()
		case <-time.After(500 * time.Millisecond):
		}
	}
}

func compareTable(ctx context.Context, snap source.Snapshot, pinned store.Pinned, t *tablePlan, progress func(string, int64)) ([]TableReport, error) {
	accesses := t.accesses()
	want := make([]*digest, len(accesses))
	for i := range want {
		want[i] = newDigest()
	}
	var rows int64
	err := treated(ctx, snap, t.plan, func(b *treatment.Batch) error {
		for i, a := range accesses {
			if err := want[i].add(b.Rows(), a.columns, nil); err != nil {
				return err
			}
		}
		rows += b.Rows().NumRows()
		progress(t.name(), rows)
		return nil
	})
	if err != nil {
		return nil, err
	}
	var reports []TableReport
	for i, a := range accesses {
		have := newDigest()
		if err := scan(ctx, pinned, a, t.name(), func(rec arrow.RecordBatch) error { return have.add(rec, nil, nil) }); err != nil {
			return nil, err
		}
		tr := TableReport{Table: t.name(), Access: a.access, SourceRows: want[i].rows, StoreRows: have.rows}
		tr.Equal = want[i].equal(have)
		if !tr.Equal {
			if tr.Difference, err = firstDifference(ctx, snap, pinned, t, a, want[i], have); err != nil {
				return nil, err
			}
		}
		reports = append(reports, tr)
	}
	return reports, nil
}

func scan(ctx context.Context, pinned store.Pinned, a accessColumns, table string, use func(arrow.RecordBatch) error) error {
	rows, err := pinned.Scan(ctx, a.access, table)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rec, err := range rows.Batches() {
		if err != nil {
			return err
		}
		if err := use(rec); err != nil {
			return err
		}
	}
	return nil
}

// firstDifference reads the buckets that differ once more, row by row, on both sides.
func firstDifference(ctx context.Context, snap source.Snapshot, pinned store.Pinned, t *tablePlan, a accessColumns, want, have *digest) (*Difference, error) {
	differs := want.differing(have)
	wanted, held := rowSet{}, rowSet{}
	err := treated(ctx, snap, t.plan, func(b *treatment.Batch) error {
		return newDigest().add(b.Rows(), a.columns, wanted.collect(differs))
	})
	if err != nil {
		return nil, err
	}
	err = scan(ctx, pinned, a, t.name(), func(rec arrow.RecordBatch) error {
		return newDigest().add(rec, nil, held.collect(differs))
	})
	if err != nil {
		return nil, err
	}
	kind, key, found := wanted.first(held)
	if !found {
		return nil, fmt.Errorf("compare %s: the sums differ and no row does", t.name())
	}
	k := hex.EncodeToString(key[:])
	return &Difference{Kind: kind, RowKey: k[:8] + "-" + k[8:12] + "-" + k[12:16] + "-" + k[16:20] + "-" + k[20:]}, nil
}
