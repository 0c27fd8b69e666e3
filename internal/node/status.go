package node

import (
	"context"
	"os"
	"slices"
	"time"

	"github.com/weirproject/weir/internal/fault"
	"github.com/weirproject/weir/internal/flow"
)

var errClosing = fault.New(fault.Unavailable, "weir is closing", "ask again when it has started")

// Status is one screen about a weir. Its JSON shape is stable.
type Status struct {
	Running bool         `json:"running"` // false: nobody follows the source; the numbers are those of the last run
	PID     int          `json:"pid,omitempty"`
	Since   time.Time    `json:"since,omitzero"`
	Source  string       `json:"source"`
	Policy  string       `json:"policy"` // hash
	Flow    flow.Status  `json:"flow"`
	Lag     *float64     `json:"lag_seconds"` // how far the copy is behind production's clock; null when nothing was copied yet
	Facts   []FactStatus `json:"facts"`
	Ledger  LedgerStatus `json:"ledger"`
	// Certificate says why the operator's certificate, as it is on the disk now, is not in use: the one before is.
	Certificate string `json:"certificate,omitempty"`
}

// FactStatus is how current a fact table is.
type FactStatus struct {
	Fact string    `json:"fact"`
	Rows int64     `json:"rows"`
	AsOf time.Time `json:"as_of,omitzero"`
}

// LedgerStatus is about the record.
type LedgerStatus struct {
	Dir       string `json:"dir"`
	Entries   int64  `json:"entries"`
	PublicKey string `json:"public_key"`
}

// Status says how everything is.
func (n *Node) Status(ctx context.Context) (*Status, error) {
	if n.store == nil {
		return nil, errClosing
	}
	state, err := n.store.State(ctx)
	if err != nil {
		return nil, err
	}
	s := &Status{
		Source: n.config.Source.Name, Policy: n.policy.Hash(),
		Ledger: LedgerStatus{Dir: n.state.path("ledger"), Entries: n.ledger.Size(), PublicKey: string(n.ledger.PublicKey())},
	}
	if n.authority != nil {
		if err := n.authority.Problem(); err != nil {
			told := fault.Public(err)
			s.Certificate = told.Message + ": " + told.Hint
		}
	}
	mark := state.Mark()
	if f := n.currentFlow(); f != nil {
		s.Flow = f.Status()
		if s.Running = s.Flow.Phase != flow.Stopped; s.Running {
			s.PID, s.Since = os.Getpid(), n.opened.UTC()
		}
	} else {
		s.Flow = flow.Status{Phase: flow.Stopped, Position: mark.Position, AsOf: mark.AsOf, Items: []flow.Item{}}
		for name, t := range state.Tables {
			s.Flow.Tables = append(s.Flow.Tables, flow.TableStatus{Table: name, Copied: t.Copied, Rows: t.Rows, Estimate: t.Rows})
		}
		slices.SortFunc(s.Flow.Tables, func(a, b flow.TableStatus) int {
			if a.Table < b.Table {
				return -1
			}
			return 1
		})
	}
	if !mark.AsOf.IsZero() {
		lag := max(time.Since(mark.AsOf).Seconds(), 0)
		s.Lag = &lag
	}
	s.Facts = []FactStatus{}
	for _, f := range n.metrics.Facts() {
		if fs, ok := state.Facts[f.Name]; ok {
			s.Facts = append(s.Facts, FactStatus{Fact: f.Name, Rows: fs.Rows, AsOf: fs.Mark.AsOf})
		}
	}
	return s, nil
}
